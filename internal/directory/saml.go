package directory

import "time"

// SAML is the other side of a SAML connection, and how its assertions are read.
type SAML struct {
	// EntityID is the IdP's name for itself; "" while its metadata is unknown.
	EntityID string     `json:"entity_id,omitempty"`
	SSO      []Endpoint `json:"sso,omitempty"` // where AuthnRequests go
	// Certificates are the IdP's signing certificates, DER. Only the keys in them matter.
	Certificates [][]byte `json:"certificates,omitempty"`
	// IdPInitiated lets the IdP's tile sign people in without a request of ours.
	IdPInitiated bool       `json:"idp_initiated,omitempty"`
	Attributes   Attributes `json:"attributes"`
	// Require is what must be signed: "any" (assertion or response), "response" or "both".
	Require string `json:"require,omitempty"`
	// Skew is how far the IdP's clock may be off; zero is the maximum of 300 s.
	Skew time.Duration `json:"skew,omitempty"`
	// Unconfirmed says that somebody who is no owner had the last word on whose keys count or what an
	// assertion's attributes mean. Whoever sets that up could assert to be an owner; so owners and the
	// break-glass administrator do not sign in through the connection until an owner confirms it.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// Endpoint is a place of the IdP: a SAML binding's URN and a URL.
type Endpoint struct {
	Binding  string `json:"binding"`
	Location string `json:"location"`
}

// Attributes name the assertion's attributes that hold what; "" reads none.
type Attributes struct {
	// Subject, where set, is the attribute that identifies the person instead of the NameID.
	Subject   string `json:"subject,omitempty"`
	Email     string `json:"email,omitempty"`
	Name      string `json:"name,omitempty"`
	FirstName string `json:"firstName,omitempty"`
	LastName  string `json:"lastName,omitempty"`
	Groups    string `json:"groups,omitempty"`
}

// Known reports whether the IdP's side is known well enough to be asked: a name, a place and a key.
func (s *SAML) Known() bool {
	return s != nil && s.EntityID != "" && len(s.SSO) > 0 && len(s.Certificates) > 0
}

// The names under which Entra sends claims.
const (
	entraIdentity = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	entraDisplay  = "http://schemas.microsoft.com/identity/claims/displayname"
	entraGroups   = "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"
)

// DefaultSAML is what a connection of that provider begins with: the attribute names that its
// administrators are told to use, and whether its tile signs in by itself.
func DefaultSAML(provider string) SAML {
	switch provider {
	case "entra":
		return SAML{Require: "any", Attributes: Attributes{Email: entraIdentity + "emailaddress", Name: entraDisplay,
			FirstName: entraIdentity + "givenname", LastName: entraIdentity + "surname", Groups: entraGroups}}
	case "okta":
		return SAML{Require: "any", IdPInitiated: true,
			Attributes: Attributes{Email: "email", FirstName: "firstName", LastName: "lastName", Groups: "groups"}}
	default:
		return SAML{Require: "any", Attributes: Attributes{Email: "email", FirstName: "firstName", LastName: "lastName", Groups: "groups"}}
	}
}

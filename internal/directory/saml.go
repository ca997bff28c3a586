package directory

import (
	"strings"
	"time"
)

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
	// ConvertUnasked has an answer that nobody asked for begin a sign-in of ours at the IdP, in place of being one. It
	// stands alone: IdPInitiated is false beside it.
	ConvertUnasked bool `json:"convert_unasked,omitempty"`
	// Require is what must be signed: "any" (assertion or response), "response" or "both".
	Require string `json:"require,omitempty"`
	// Skew is how far the IdP's clock may be off; zero is the maximum of 300 s.
	Skew time.Duration `json:"skew,omitempty"`
	// SLO are where logout messages go, and ArtifactResolution where artifacts are resolved, by SOAP; none where the IdP
	// offers neither.
	SLO                []Endpoint `json:"slo,omitempty"`
	ArtifactResolution []Endpoint `json:"artifact_resolution,omitempty"`
	// Unconfirmed says that somebody who is no owner had the last word on whose keys count or what an
	// assertion's attributes mean. Whoever sets that up could assert to be an owner; so owners and the
	// break-glass administrator do not sign in through the connection until an owner confirms it.
	Unconfirmed bool `json:"unconfirmed,omitempty"`

	// Keys are our own at this connection, the newest first: SPKeys that sign our requests and open what was
	// encrypted for us. There are none before a switch that needs one is on.
	Keys []SPKey `json:"keys,omitempty"`
	// SignRequests has every AuthnRequest signed.
	SignRequests bool `json:"sign_requests,omitempty"`
	// Encryption is one of Encryptions; "" is "off".
	Encryption string `json:"encryption,omitempty"`
	// SHA1Until is the last day, "2026-12-31" in UTC, on which signatures with SHA-1 count; "" for never.
	SHA1Until string `json:"sha1_until,omitempty"`
	// ForceAuthn asks the IdP to have people prove who they are at each sign-in, and refuses answers that do not
	// show it, answers to no request among them.
	ForceAuthn bool `json:"force_authn,omitempty"`
	// AuthnContexts are the classes of authentication of which one is asked for and must come back; none for any.
	AuthnContexts []string `json:"authn_contexts,omitempty"`
	// SingleLogout tells the IdP of sign-outs here. It needs a key. What the IdP tells of its own counts in any case.
	SingleLogout bool `json:"single_logout,omitempty"`
	// Artifact asks for answers by the Artifact binding, and takes them. Posted ones are taken as well.
	Artifact bool `json:"artifact,omitempty"`

	// Watch is how the IdP's metadata is looked after. It is kept apart from the rest, so that a binary that does
	// not know it leaves it as it is.
	Watch `json:"-"`
}

// Watch is where the metadata of an IdP comes from, and what is known of its keys.
type Watch struct {
	// MetadataURL is where the IdP publishes its metadata; "" where somebody brings it.
	MetadataURL string `json:"metadata_url,omitempty"`
	// MetadataSigner is the certificate, DER, of the key that must have signed what is there; nil for none.
	MetadataSigner []byte `json:"metadata_signer,omitempty"`
	// NameIDFormats are those that the metadata offers.
	NameIDFormats []string `json:"name_id_formats,omitempty"`
	// IdPKeys says where each of the certificates stands, in the order of their fingerprints.
	IdPKeys []IdPKey `json:"idp_keys,omitempty"`
	// Dropped are the keys, by the SHA-256 of the key itself, that were removed after a rotation or by hand. What finds
	// one again by itself does not take it back.
	Dropped []string `json:"dropped,omitempty"`
}

// SPKey is an RSA key of ours at one SAML connection, in a certificate of its own.
type SPKey struct {
	Certificate []byte `json:"certificate"` // DER
	// Private is the key in PKCS #8, sealed under the purpose that SPKeyPurpose names.
	Private string `json:"private"`
	// Signs marks the one that our requests are signed with. The others open what is encrypted for them.
	Signs bool `json:"signs,omitempty"`
}

// SPKeyPurpose is what the private keys of a connection are sealed for.
func SPKeyPurpose(connection string) string { return "service provider key " + connection }

// Encryptions are the choices for encrypted assertions: refused, taken, or taken with AES-CBC too.
func Encryptions() []string { return []string{"off", "on", "cbc"} }

// Encrypts reports whether encrypted assertions are taken.
func (s *SAML) Encrypts() bool { return s.Encryption == "on" || s.Encryption == "cbc" }

// SigningKey is the key that requests are signed with; false where there is none.
func (s *SAML) SigningKey() (SPKey, bool) {
	for _, k := range s.Keys {
		if k.Signs {
			return k, true
		}
	}
	return SPKey{}, false
}

// SHA1End is the instant from which SHA-1 does not count any more; zero where it never does.
func (s *SAML) SHA1End() time.Time {
	day, err := time.Parse(time.DateOnly, s.SHA1Until)
	if err != nil {
		return time.Time{}
	}
	return day.AddDate(0, 0, 1)
}

// Endpoint is a place of the IdP: a SAML binding's URN and a URL.
type Endpoint struct {
	Binding  string `json:"binding"`
	Location string `json:"location"`
	// ResponseLocation is where answers go if not to Location; of single logout only.
	ResponseLocation string `json:"response_location,omitempty"`
	// Index tells services of artifact resolution apart.
	Index uint16 `json:"index,omitempty"`
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
	// GroupsDelimiter, where set, parts groups that come in one value: ";".
	GroupsDelimiter string `json:"groups_delimiter,omitempty"`
}

// Parted are the groups of the values that the IdP sent, parted where it puts several into one.
func (a Attributes) Parted(values []string) []string {
	if a.GroupsDelimiter == "" {
		return values
	}
	var out []string
	for _, v := range values {
		for part := range strings.SplitSeq(v, a.GroupsDelimiter) {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
	}
	return out
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

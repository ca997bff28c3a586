package directory

import (
	"strings"
	"time"
)

// OIDC is the other side of an OIDC connection, and how its ID tokens are read.
type OIDC struct {
	// Issuer is the IdP's name for itself, byte for byte; "" while it is unknown. Entra's, where several
	// tenants may sign in, holds TenantPart in place of a tenant.
	Issuer   string `json:"issuer,omitempty"`
	ClientID string `json:"client_id,omitempty"`
	// Secret is the client secret, sealed under the purpose that SecretPurpose names; "" for none.
	Secret string `json:"secret,omitempty"`
	// ClientAuth is how we prove who we are at the token endpoint: one of ClientAuths.
	ClientAuth string `json:"client_auth"`
	// Scopes are asked for beside openid.
	Scopes []string `json:"scopes,omitempty"`
	// Attributes name the claims that hold what; Subject is "" for sub.
	Attributes Attributes `json:"attributes"`

	// Prompt, MaxAge and ACRValues are asked of the IdP, and the latter two are held on return.
	// MaxAge is nil where any age will do.
	Prompt    string   `json:"prompt,omitempty"`
	MaxAge    *int     `json:"max_age,omitempty"` // seconds
	ACRValues []string `json:"acr_values,omitempty"`

	// Algorithms are those that an ID token may be signed with; none for the usual ones that the IdP
	// announces (OIDCAlgorithms).
	Algorithms []string `json:"algorithms,omitempty"`
	// Audiences may stand in an ID token beside ClientID.
	Audiences []string `json:"audiences,omitempty"`
	// Tenants are the Entra tenants whose people may sign in, by id; needed with TenantPart.
	Tenants []string `json:"tenants,omitempty"`
	// HostedDomains are the Google Workspace domains whose people may sign in (the claim hd).
	HostedDomains []string `json:"hosted_domains,omitempty"`

	// IdPInitiated lets the IdP's tile begin a sign-in here (OIDC Core section 4).
	IdPInitiated bool `json:"idp_initiated,omitempty"`
	// OwnCallback sends the connection's own redirect URI instead of the one of all connections.
	OwnCallback bool `json:"own_callback,omitempty"`
	// FormPost asks for the answer as a posted form, so that it never stands in an address.
	FormPost bool `json:"form_post,omitempty"`
	// UserInfo is when the userinfo endpoint is asked: one of UserInfos.
	UserInfo string `json:"userinfo"`
	// Logout takes people to the IdP's own sign-out when they sign out here.
	Logout bool `json:"logout,omitempty"`
	// Skew is how far the IdP's clock may be off; zero is the maximum of 300 s.
	Skew time.Duration `json:"skew,omitempty"`
	// Unconfirmed is as in SAML.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// TenantPart stands in Entra's issuer for the tenant, as its own discovery document writes it.
const TenantPart = "{tenantid}"

// GoogleIssuer is the one issuer of Google.
const GoogleIssuer = "https://accounts.google.com"

// ClientAuths lists how we may prove who we are: client_secret_basic, client_secret_post and
// private_key_jwt (OIDC Core section 9).
func ClientAuths() []string { return []string{"basic", "post", "private_key_jwt"} }

// UserInfos lists when userinfo is asked: "auto" when a mapped claim is not in the ID token, "always", "never".
func UserInfos() []string { return []string{"auto", "always", "never"} }

// OIDCAlgorithms lists the algorithms of ID tokens that are accepted without being named, where the
// IdP announces them, and those that may be named beside them. Of a key that both sides know (HS256) there
// is none, and "none" is none.
func OIDCAlgorithms() (usual, possible []string) {
	return []string{"RS256", "PS256", "ES256", "EdDSA"},
		[]string{"RS256", "PS256", "ES256", "EdDSA", "RS384", "RS512", "PS384", "PS512", "ES384", "ES512"}
}

// Known reports whether the IdP's side is known well enough to be asked.
func (o *OIDC) Known() bool {
	if o == nil || o.Issuer == "" || o.ClientID == "" {
		return false
	}
	return o.Secret != "" || o.ClientAuth == "private_key_jwt"
}

// SecretPurpose is what the client secret of a connection is sealed for.
func SecretPurpose(connection string) string { return "client secret " + connection }

// DefaultOIDC is what an OIDC connection of that provider begins with.
func DefaultOIDC(provider string) OIDC {
	o := OIDC{ClientAuth: "basic", UserInfo: "auto", Scopes: []string{"email", "profile"},
		Attributes: Attributes{Email: "email", Name: "name", FirstName: "given_name", LastName: "family_name", Groups: "groups"}}
	switch provider {
	case "okta":
		o.Scopes, o.IdPInitiated = []string{"email", "profile", "groups"}, true
	case "entra":
		// sub is another one for each application of a tenant; oid is the person's (it is also what
		// provisioning can send as externalId). Its userinfo endpoint knows no groups.
		o.ClientAuth, o.UserInfo, o.Attributes.Subject = "post", "never", "oid"
	case "google":
		o.Issuer, o.Attributes.Groups, o.UserInfo = GoogleIssuer, "", "never"
	case "onelogin":
		o.Scopes = []string{"email", "profile", "groups"}
	}
	return o
}

// Unconfirmed reports whether owners do not sign in through the connection until one of them confirms it.
func (c Connection) Unconfirmed() bool {
	return c.SAML != nil && c.SAML.Unconfirmed || c.OIDC != nil && c.OIDC.Unconfirmed
}

// Known reports whether the other side is known well enough that somebody could sign in.
func (c Connection) Known() bool {
	if c.Protocol == ProtocolOIDC {
		return c.OIDC.Known()
	}
	return c.SAML.Known()
}

// Attributes are the names under which the other side says what, zero where there is none.
func (c Connection) Attributes() Attributes {
	switch {
	case c.OIDC != nil:
		return c.OIDC.Attributes
	case c.SAML != nil:
		return c.SAML.Attributes
	}
	return Attributes{}
}

// OIDCPlaces are our addresses of one OIDC connection.
type OIDCPlaces struct {
	Callback    string // of all connections: where IdPs lead people back to
	OwnCallback string // of this connection alone
	Login       string // where a sign-in begins
	Initiate    string // where the IdP's tile may begin one
	Backchannel string // where the IdP says that a session has ended
	FrontLogout string // the same by way of the browser
	AfterLogout string // where the IdP's sign-out leads back to
}

// OIDCEndpoints returns the addresses of the connection with that id on the origin publicURL. They
// depend on nothing else.
func OIDCEndpoints(publicURL, connection string) OIDCPlaces {
	origin := strings.TrimRight(publicURL, "/")
	base := origin + "/auth/oidc/" + connection
	return OIDCPlaces{Callback: origin + "/auth/oidc/callback", OwnCallback: base + "/callback", Login: base + "/login", Initiate: base + "/initiate",
		Backchannel: base + "/backchannel-logout", FrontLogout: base + "/frontchannel-logout", AfterLogout: origin + "/signin"}
}

// RedirectURI is the one of them that a sign-in through the connection is led back to.
func (o *OIDC) RedirectURI(at OIDCPlaces) string {
	if o.OwnCallback {
		return at.OwnCallback
	}
	return at.Callback
}

// LoginPath is where a sign-in through the connection begins.
func (c Connection) LoginPath() string { return "/auth/" + string(c.Protocol) + "/" + c.ID + "/login" }

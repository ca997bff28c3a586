package settings

import (
	"cmp"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/guide"
	"github.com/gatehouse-id/gatehouse/saml"
)

// ConnectionView is a connection with the addresses that its IdP is given, and what is known of the
// IdP.
type ConnectionView struct {
	ID         string                     `json:"id"`
	Name       string                     `json:"name"`
	Provider   string                     `json:"provider"`
	Protocol   directory.Protocol         `json:"protocol"`
	Status     directory.ConnectionStatus `json:"status"`
	VerifiedAt *time.Time                 `json:"verified_at,omitempty"` // nil for never
	// Domains are those whose people the sign-in page leads here.
	Domains []string `json:"domains"`
	// LeaversNoticed is false where no directory beside it provisions, or none has a credential: sessions end after 12
	// hours then.
	LeaversNoticed bool `json:"leavers_noticed"`
	unheard        bool // a directory stands beside it, and nobody has a credential for it
	// OpenSessions is set while it is disabled: "end" where its sessions have ended, "keep" where they go on.
	OpenSessions string `json:"open_sessions,omitempty"`
	// SigninURL is a link that begins a sign-in through it.
	SigninURL string `json:"signin_url,omitempty"`
	// MetadataURL, EntityID and ACSURL are set for SAML, CallbackURL for OIDC.
	MetadataURL string `json:"metadata_url,omitempty"`
	EntityID    string `json:"entity_id,omitempty"`
	ACSURL      string `json:"acs_url,omitempty"`
	LogoutURL   string `json:"logout_url,omitempty"` // of SAML: the single logout service
	CallbackURL string `json:"callback_url,omitempty"`
	// OIDC is set for OIDC connections.
	OIDC *OIDCView `json:"oidc,omitempty"`
	// SAML is set for SAML connections.
	SAML *SAMLView `json:"saml,omitempty"`
	// IdP is set for SAML once its metadata is known.
	IdP          *IdPView `json:"idp,omitempty"`
	IdPInitiated *bool    `json:"idp_initiated,omitempty"`
	// ConvertUnasked says that an answer which nobody asked for begins a sign-in (idp_initiated: convert).
	ConvertUnasked bool                  `json:"idp_initiated_convert,omitempty"`
	Attributes     *directory.Attributes `json:"attributes,omitempty"`
	// Unconfirmed says that owners do not sign in through it until one of them confirms it.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
	// Guide is how the IdP's administrator sets it up, with the connection's own values.
	Guide guide.Guide `json:"-"`
	// Word is what ConfirmConnection asks for: the IdP, its keys and the attribute names as they are shown here.
	Word string `json:"-"`
	// OptionsWord is what SAMLOptions.Seen takes.
	OptionsWord string `json:"-"`
}

// SAMLView are the choices of a SAML connection, and our keys there without what is private in them.
type SAMLView struct {
	SignRequests  bool        `json:"sign_requests"`
	Encryption    string      `json:"encryption"`
	SHA1Until     string      `json:"sha1_until,omitempty"`
	ForceAuthn    bool        `json:"force_authn"`
	AuthnContexts []string    `json:"authn_contexts,omitempty"`
	SingleLogout  bool        `json:"single_logout"`
	Artifact      bool        `json:"artifact"`
	Keys          []SPKeyView `json:"keys"` // the newest first
}

// SPKeyView is the certificate of a key of ours.
type SPKeyView struct {
	CertificateView
	PEM   string `json:"pem"`
	Signs bool   `json:"signs"`
}

func viewSAML(side *directory.SAML) *SAMLView {
	v := &SAMLView{SignRequests: side.SignRequests, Encryption: cmp.Or(side.Encryption, "off"), SHA1Until: side.SHA1Until, ForceAuthn: side.ForceAuthn,
		AuthnContexts: side.AuthnContexts, SingleLogout: side.SingleLogout, Artifact: side.Artifact, Keys: []SPKeyView{}}
	for _, k := range side.Keys {
		shown := SPKeyView{CertificateView: viewCertificate(k.Certificate), Signs: k.Signs}
		if parsed, err := saml.ParseCertificate(k.Certificate); err == nil {
			shown.PEM = parsed.PEM()
		}
		v.Keys = append(v.Keys, shown)
	}
	return v
}

// Verified reports whether the connection is active and proven.
func (v ConnectionView) Verified() bool {
	return v.Status == directory.ConnectionActive && v.VerifiedAt != nil
}

// Leavers warns of a connection where nobody notices who leaves; "" where it is noticed.
func (v ConnectionView) Leavers() string {
	if v.LeaversNoticed {
		return ""
	}
	if v.unheard {
		return "Leavers are not noticed: the directory beside this connection has no credential that is good, so the identity provider cannot say when somebody has left. The sessions that it makes end after 12 hours. Make a credential for the directory."
	}
	return "Leavers are not noticed: no directory beside this connection provisions, so nobody says when somebody has left. The sessions that it makes end after 12 hours."
}

// OIDCView is the other side of an OIDC connection, without its client secret, and our addresses there.
type OIDCView struct {
	Issuer        string   `json:"issuer,omitempty"`
	ClientID      string   `json:"client_id,omitempty"`
	HasSecret     bool     `json:"has_secret"`
	ClientAuth    string   `json:"client_auth"`
	Scopes        []string `json:"scopes"` // beside openid
	Prompt        string   `json:"prompt,omitempty"`
	Tenants       []string `json:"tenants,omitempty"`
	HostedDomains []string `json:"hosted_domains,omitempty"`
	OwnCallback   bool     `json:"own_callback"`
	FormPost      bool     `json:"form_post"`
	UserInfo      string   `json:"userinfo"`
	Logout        bool     `json:"logout"`
	// Complete says that the connection can be activated as far as the IdP's side goes.
	Complete              bool   `json:"complete"`
	OwnCallbackURL        string `json:"own_callback_url"`
	InitiateURL           string `json:"initiate_login_url"`
	BackchannelLogoutURL  string `json:"backchannel_logout_url"`
	FrontchannelLogoutURL string `json:"frontchannel_logout_url"`
	PostLogoutURL         string `json:"post_logout_redirect_url"`
}

func viewOIDC(o directory.OIDC, id, publicURL string) *OIDCView {
	var at directory.OIDCPlaces
	if id != "" { // a dry run has no addresses to give
		at = directory.OIDCEndpoints(publicURL, id)
	}
	return &OIDCView{Issuer: o.Issuer, ClientID: o.ClientID, HasSecret: o.Secret != "", ClientAuth: o.ClientAuth, Scopes: orEmpty(o.Scopes), Prompt: o.Prompt,
		Tenants: o.Tenants, HostedDomains: o.HostedDomains, OwnCallback: o.OwnCallback, FormPost: o.FormPost, UserInfo: o.UserInfo, Logout: o.Logout,
		Complete: o.Known(), OwnCallbackURL: at.OwnCallback, InitiateURL: at.Initiate, BackchannelLogoutURL: at.Backchannel,
		FrontchannelLogoutURL: at.FrontLogout, PostLogoutURL: at.AfterLogout}
}

// IdPView is the other side of a connection.
type IdPView struct {
	EntityID      string         `json:"entity_id"`
	SSO           []EndpointView `json:"sso"`
	SLO           []EndpointView `json:"slo,omitempty"`
	Artifact      []EndpointView `json:"artifact_resolution,omitempty"`
	Certificates  []IdPKeyView   `json:"certificates"`
	NameIDFormats []string       `json:"name_id_formats,omitempty"`
	// MetadataURL is where it publishes its metadata, which is looked at each day; "" where nothing is.
	MetadataURL string `json:"metadata_url,omitempty"`
}

// IdPKeyView is a signing certificate of an IdP, and where its key stands.
type IdPKeyView struct {
	CertificateView
	Key       string             `json:"key"` // "RSA 2048"
	State     directory.KeyState `json:"state"`
	Source    string             `json:"source,omitempty"` // one of directory.FromURL and its neighbours
	SeenAt    *time.Time         `json:"seen_at,omitempty"`
	ProvenAt  *time.Time         `json:"proven_at,omitempty"`
	RetiredAt *time.Time         `json:"retired_at,omitempty"`
	UsedAt    *time.Time         `json:"used_at,omitempty"`   // since it is retiring
	RemoveAt  *time.Time         `json:"remove_at,omitempty"` // when a retiring one stops counting
	Gone      bool               `json:"gone,omitempty"`      // the metadata names it no longer
	Kept      bool               `json:"kept,omitempty"`
}

// EndpointView is where people are sent to sign in.
type EndpointView struct {
	Binding string `json:"binding"` // "redirect", "post" or "soap"
	URL     string `json:"url"`
	// AnswerURL is where logout answers go if not to URL.
	AnswerURL string `json:"answer_url,omitempty"`
}

// CertificateView is a signing certificate. Only its key decides; the instants are for people.
type CertificateView struct {
	Subject     string    `json:"subject"`
	NotBefore   time.Time `json:"not_before"`
	NotAfter    time.Time `json:"not_after"`
	Fingerprint string    `json:"fingerprint"` // SHA-256 of the DER, hexadecimal
}

// view is a connection of cfg as it is shown.
func (s *Service) view(cfg *directory.Config, c directory.Connection) ConnectionView {
	v := ConnectionView{ID: c.ID, Name: c.Name, Provider: c.Provider, Protocol: c.Protocol, Status: c.Status, VerifiedAt: maybe(c.VerifiedAt),
		Domains: orEmpty(c.Domains), LeaversNoticed: cfg.NoticesLeavers(c.ID)}
	if c.Status == directory.ConnectionDisabled {
		v.OpenSessions = oneOfTwo(openSessions, c.SessionsRun)
	}
	if c.ID != "" {
		v.Guide = s.guideOf(c)
		v.SigninURL = strings.TrimRight(s.PublicURL, "/") + "/signin?" + url.Values{"workspace": {cfg.Workspace.Slug}, "connection": {c.ID}}.Encode()
	}
	if c.SAML != nil {
		side := *c.SAML
		v.IdPInitiated, v.ConvertUnasked, v.Attributes, v.IdP = &side.IdPInitiated, side.ConvertUnasked, &side.Attributes, viewIdP(c)
		v.Unconfirmed, v.Word = side.Unconfirmed, wordOf(c)
		v.SAML, v.OptionsWord = viewSAML(&side), optionsWordOf(&side)
	}
	if c.OIDC != nil {
		side := *c.OIDC
		v.IdPInitiated, v.Attributes, v.OIDC = &side.IdPInitiated, &side.Attributes, viewOIDC(side, c.ID, s.PublicURL)
		v.Unconfirmed, v.Word = side.Unconfirmed, wordOf(c)
	}
	switch {
	case c.ID == "": // a dry run has no addresses to give
	case c.Protocol == directory.ProtocolSAML:
		at := directory.SAMLEndpoints(s.PublicURL, c.ID)
		v.MetadataURL, v.EntityID, v.ACSURL, v.LogoutURL = at.Metadata, at.EntityID, at.ACS, at.Logout
	case c.OIDC != nil:
		v.CallbackURL = c.OIDC.RedirectURI(directory.OIDCEndpoints(s.PublicURL, c.ID))
	}
	return v
}

// viewIdP is nil while the IdP's metadata is unknown.
func viewIdP(c directory.Connection) *IdPView {
	side := c.SAML
	if side.EntityID == "" {
		return nil
	}
	v := &IdPView{EntityID: side.EntityID, SSO: []EndpointView{}, Certificates: []IdPKeyView{}, NameIDFormats: side.NameIDFormats, MetadataURL: side.MetadataURL}
	for _, e := range side.SSO {
		v.SSO = append(v.SSO, EndpointView{Binding: bindingWord(e.Binding), URL: e.Location})
	}
	for _, e := range side.SLO {
		v.SLO = append(v.SLO, EndpointView{Binding: bindingWord(e.Binding), URL: e.Location, AnswerURL: e.ResponseLocation})
	}
	for _, e := range side.ArtifactResolution {
		v.Artifact = append(v.Artifact, EndpointView{Binding: bindingWord(e.Binding), URL: e.Location})
	}
	for _, k := range ringOf(side, c.VerifiedAt).keys {
		shown := IdPKeyView{CertificateView: viewCertificate(k.der), State: k.State, Source: k.Source, SeenAt: maybe(k.SeenAt), ProvenAt: maybe(k.ProvenAt),
			RetiredAt: maybe(k.RetiredAt), UsedAt: maybe(k.UsedAt), RemoveAt: maybe(removeAt(k.IdPKey, side.MetadataURL != "")), Gone: k.Gone, Kept: k.Kept}
		if parsed, err := saml.ParseCertificate(k.der); err == nil {
			shown.Key = keyKind(parsed)
		}
		v.Certificates = append(v.Certificates, shown)
	}
	return v
}

func viewCertificate(der []byte) CertificateView {
	c := CertificateView{Fingerprint: fingerprint(der)}
	if parsed, err := saml.ParseCertificate(der); err == nil {
		c.Subject, c.NotBefore, c.NotAfter = parsed.Subject, parsed.NotBefore, parsed.NotAfter
	}
	return c
}

// bindingWord is a binding as people read it: the last part of its URN.
func bindingWord(urn string) string {
	switch urn {
	case saml.BindingRedirect:
		return "redirect"
	case saml.BindingPOST:
		return "post"
	case saml.BindingSOAP:
		return "soap"
	}
	return urn
}

package idpsim

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// OIDCSettings is the application as this IdP's administrator entered it under OpenID Connect. A new IdP has a
// client id, a secret, its vendor's defaults and no redirect URI.
type OIDCSettings struct {
	// App is the name on the tile.
	App          string `json:"app"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	// RedirectURIs are compared byte for byte.
	RedirectURIs []string `json:"redirect_uris"`
	// ClientAuth is how the application proves itself: "secret" (basic or post), "basic", "post" or
	// "private_key_jwt", for which KeysURL says where its keys are.
	ClientAuth string `json:"client_auth"`
	KeysURL    string `json:"keys_url"`
	// InitiateURL is where the tile begins a sign-in (OIDC Core section 4), TargetURL where that is to lead.
	InitiateURL string `json:"initiate_url"`
	TargetURL   string `json:"target_url"`
	// PostLogoutURIs are where a sign-out that the application began may lead back to.
	PostLogoutURIs []string `json:"post_logout_uris"`
	// BackchannelURL and FrontchannelURL are told of ended sessions; see [IdP.SignOut].
	BackchannelURL  string `json:"backchannel_url"`
	FrontchannelURL string `json:"frontchannel_url"`
	// GroupsClaim is the claim's name, "" for none. GroupFilter, GroupPrefix and GroupValue are as in SAMLSettings.
	GroupsClaim string `json:"groups_claim"`
	GroupFilter string `json:"group_filter"`
	GroupPrefix string `json:"group_prefix"`
	GroupValue  string `json:"group_value"`
	// Thin keeps all but who it is out of the ID token, so that userinfo has to be asked.
	Thin bool `json:"thin"`
	// MailVerified says that the addresses are the people's: email_verified, or Entra's xms_edov.
	MailVerified bool `json:"mail_verified"`
	// HostedDomain is Google's hd.
	HostedDomain string `json:"hosted_domain"`
	// Algorithm signs ID tokens: "RS256", "PS256", "ES256" or "EdDSA".
	Algorithm string `json:"algorithm"`
}

var (
	clientAuthChoices    = []string{"secret", "basic", "post", "private_key_jwt"}
	oidcAlgorithmChoices = []string{"RS256", "PS256", "ES256", "EdDSA"}
)

// oidcDefaults are the settings of a new application. Okta's ID tokens are thin where an access token comes
// along, Entra names groups by object id and vouches for no address, Google knows no groups.
func oidcDefaults(kind Kind) OIDCSettings {
	s := OIDCSettings{App: "Omniflow", ClientAuth: "secret", GroupsClaim: "groups", GroupFilter: "all", GroupValue: "name", MailVerified: true, Algorithm: "RS256"}
	switch {
	case kind.isOkta():
		s.Thin = true
	case kind.IsEntra():
		s.GroupValue, s.MailVerified = "id", false
	case kind == Google:
		s.GroupsClaim, s.HostedDomain = "", "acme.test"
	case kind == OneLogin:
		s.MailVerified = false // its tokens say nothing of it
	}
	return s
}

// SpeaksOIDC says whether this client is simulated as an OpenID provider too.
func (k Kind) SpeaksOIDC() bool {
	return k.isOkta() || k.IsEntra() || slices.Contains([]Kind{Google, OneLogin, JumpCloud}, k)
}

// check refuses settings that cannot work.
func (s OIDCSettings) check(kind Kind) error {
	for _, c := range []struct {
		key, got string
		allowed  []string
	}{{"client_auth", s.ClientAuth, clientAuthChoices}, {"algorithm", s.Algorithm, oidcAlgorithmChoices},
		{"group_filter", s.GroupFilter, filterChoices}, {"group_value", s.GroupValue, groupChoices}} {
		if !slices.Contains(c.allowed, c.got) {
			return fmt.Errorf("%w: %s must be one of %s, got %q", ErrInvalid, c.key, strings.Join(c.allowed, ", "), c.got)
		}
	}
	addresses := slices.Concat(s.RedirectURIs, s.PostLogoutURIs)
	for _, optional := range []string{s.KeysURL, s.InitiateURL, s.TargetURL, s.BackchannelURL, s.FrontchannelURL} {
		if optional != "" {
			addresses = append(addresses, optional)
		}
	}
	for _, a := range addresses {
		if u, err := url.Parse(a); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(a, "#") {
			return fmt.Errorf("%w: expected an http or https URL without fragment, got %q", ErrInvalid, a)
		}
	}
	switch {
	case len(s.RedirectURIs) == 0:
		return fmt.Errorf("%w: redirect_uris must have one of the application, got none", ErrInvalid)
	case s.ClientID == "" || s.ClientSecret == "" && s.ClientAuth != "private_key_jwt":
		return fmt.Errorf("%w: client_id and client_secret must not be empty", ErrInvalid)
	case s.ClientAuth == "private_key_jwt" && s.KeysURL == "":
		return fmt.Errorf("%w: keys_url must say where the application's keys are", ErrInvalid)
	case kind == Google && (s.GroupsClaim != "" || s.FrontchannelURL != "") || (kind == Google || kind.IsEntra()) && s.BackchannelURL != "":
		return fmt.Errorf("%w: Google has no groups claim and tells nobody of ended sessions, Entra only by way of the browser", ErrNotOffered)
	}
	return nil
}

func (s OIDCSettings) clone() OIDCSettings {
	s.RedirectURIs, s.PostLogoutURIs = slices.Clone(s.RedirectURIs), slices.Clone(s.PostLogoutURIs)
	return s
}

// OIDCSession is somebody's session at the IdP, which a sign-in to the application began.
type OIDCSession struct {
	ID       string    `json:"id"` // sid
	UserName string    `json:"userName"`
	Started  time.Time `json:"started"`

	person string // id
}

// OIDCIssued is an ID token that this IdP has made, for its page.
type OIDCIssued struct {
	Time     time.Time `json:"time"`
	UserName string    `json:"userName"`
	Fault    OIDCFault `json:"fault"`
	Claims   string    `json:"claims"` // as JSON
}

// maxOIDCKept bounds what is remembered of each kind: codes, access tokens, sessions.
const maxOIDCKept = 1000

// oidcApp is the OpenID side of one IdP, with a lock of its own as the SAML side has.
type oidcApp struct {
	client func() (id, secret string)

	mu       sync.Mutex // guards what follows
	settings OIDCSettings
	keys     []oidcKey // published; the first of an algorithm signs
	impostor *oidcKey
	fault    OIDCFault
	last     *Outcome
	codes    map[string]*grant
	access   map[string]*grant
	order    []string // of codes and access tokens, oldest first
	sessions []OIDCSession
	issued   []OIDCIssued // newest first
	good     *Answer      // the last answer without a fault, for replays
	token    string       // the last good ID token
}

// newOIDCApp makes nothing random yet, as newSAMLApp does not.
func newOIDCApp(kind Kind, opts *env) *oidcApp {
	a := &oidcApp{settings: oidcDefaults(kind), fault: OIDCNone, codes: map[string]*grant{}, access: map[string]*grant{}}
	a.client = sync.OnceValues(func() (string, string) {
		switch {
		case kind.isOkta():
			return "0oa" + opts.randomText(17), opts.randomText(64)
		case kind == Google:
			return opts.randomDigits("0123456789", 12) + "-" + opts.randomDigits("0123456789abcdefghijklmnopqrstuvwxyz", 32) + ".apps.googleusercontent.com", "GOCSPX-" + opts.randomText(28)
		case kind.IsEntra():
			return opts.randomGUID(), opts.randomText(5) + "~" + opts.randomText(34)
		}
		return opts.randomGUID(), opts.randomText(64)
	})
	return a
}

// OIDCSettings returns a copy of the settings.
func (p *IdP) OIDCSettings() OIDCSettings {
	id, secret := p.oidc.client()
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	s := p.oidc.settings.clone()
	if s.ClientID == "" {
		s.ClientID, s.ClientSecret = id, secret
	}
	return s
}

// ConfigureOIDC replaces the settings.
func (p *IdP) ConfigureOIDC(s OIDCSettings) error {
	if !p.kind.SpeaksOIDC() {
		return fmt.Errorf("%w: %s speaks SAML here", ErrNotOffered, p.kind)
	}
	if err := s.check(p.kind); err != nil {
		return p.oidcOutcome("Configure OpenID Connect", "", err)
	}
	p.oidc.mu.Lock()
	p.oidc.settings = s.clone()
	p.oidc.mu.Unlock()
	return p.oidcOutcome("Configure OpenID Connect", "Answers go to "+strings.Join(s.RedirectURIs, ", ")+".", nil)
}

// oidcReady returns the settings, or ErrNotConnected before anybody has entered them.
func (p *IdP) oidcReady() (OIDCSettings, error) {
	p.oidc.mu.Lock()
	ready := len(p.oidc.settings.RedirectURIs) > 0
	p.oidc.mu.Unlock()
	if !ready {
		return OIDCSettings{}, fmt.Errorf("%w: give %s the application's redirect URI first", ErrNotConnected, p.kind)
	}
	return p.OIDCSettings(), nil
}

// oidcOutcome keeps what an operation came to, for the page, and hands err on.
func (p *IdP) oidcOutcome(name, message string, err error) error {
	o := &Outcome{Time: p.opts.Clock(), Operation: name, OK: err == nil, Message: message}
	if err != nil {
		o.Message = err.Error()
	}
	p.oidc.mu.Lock()
	p.oidc.last = o
	p.oidc.mu.Unlock()
	return err
}

// signsIn says whether the application is set up for signing in, by whichever protocol.
func (p *IdP) signsIn() bool {
	_, saml := p.samlReady()
	_, oidc := p.oidcReady()
	return saml == nil || oidc == nil
}

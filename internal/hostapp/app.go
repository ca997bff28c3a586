package hostapp

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Company is a customer of the product: one client at an issuer.
type Company struct {
	Slug         string // in addresses: "acme"
	Name         string // for people: "Acme Inc"
	Issuer       string
	ClientID     string
	ClientSecret string
}

// Options are what the product stands on. Origin and Companies are needed.
type Options struct {
	// Origin is the product's own, without a slash at its end.
	Origin    string
	Companies []Company
	// HTTP asks the issuer; the default is a client with a timeout of ten seconds.
	HTTP *http.Client
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Cause may know why a session was ended from outside, and since when that was decided; it
	// returns false where it does not.
	Cause func(Ended) (Cause, bool)
	// OnSignIn, OnEnded and OnShown are told of sign-ins, of sessions that the issuer ended, and of
	// the moment at which an open page said so. They may be nil and must return soon.
	OnSignIn func(SignIn)
	OnEnded  func(Ended)
	OnShown  func(Ended, time.Time)
}

// SignIn is a session that has begun, with what the issuer gave.
type SignIn struct {
	Company, Subject, Session string // Session is the issuer's sid
	Access, Refresh, ID       string // tokens
}

// Ended is a session that its issuer has ended.
type Ended struct {
	Company, Subject, Session string
	// Received is when the logout token had come, before it was checked.
	Received time.Time
}

// Cause is why a session was ended, as a clause: "Acme's IdP deactivated you".
type Cause struct {
	What string
	At   time.Time
}

// Addresses of the product below its origin. They are registered with the issuer.
const (
	callbackPath    = "/callback"
	backchannelPath = "/backchannel/"
	signedOutPath   = "/signed-out"
)

// RedirectURI is where the issuer sends browsers back to.
func RedirectURI(origin string) string { return origin + callbackPath }

// SignedOutURI is where the issuer sends browsers after a sign-out that the product asked for.
func SignedOutURI(origin string) string { return origin + signedOutPath }

// BackchannelURI is where the issuer posts logout tokens of a company's client.
func BackchannelURI(origin, company string) string { return origin + backchannelPath + company }

// App is the product. Its methods are safe for concurrent use.
type App struct {
	options Options
	secure  bool // the origin is https
	parties []*party
	pages   pages
	closed  chan struct{}
	close   func()

	mu    sync.Mutex
	state state
}

// party is a company with what discovery tells of its issuer, once it was asked.
type party struct {
	Company
	app *App

	mu    sync.Mutex
	found *issuer
}

// issuer is what discovery told.
type issuer struct {
	config     oauth2.Config
	tokens     *oidc.IDTokenVerifier
	logouts    *oidc.IDTokenVerifier
	userinfo   string
	endSession string
	namesSelf  bool // iss is in its answers (RFC 9207)
}

// New makes the product. It asks no issuer before somebody signs in.
func New(o Options) (*App, error) {
	u, err := url.Parse(o.Origin)
	if err != nil || u.Host == "" || u.Path != "" {
		return nil, fmt.Errorf("make host application: expected an origin such as http://localhost:8082, got %q", o.Origin)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{Timeout: 10 * time.Second}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &App{options: o, secure: u.Scheme == "https", state: newState(), closed: make(chan struct{})}
	a.close = sync.OnceFunc(func() { close(a.closed) })
	for _, c := range o.Companies {
		if c.Slug == "" || url.PathEscape(c.Slug) != c.Slug || a.party(c.Slug) != nil {
			return nil, fmt.Errorf("make host application: expected companies with a slug of their own, got %q", c.Slug)
		}
		c.Name = cmp.Or(c.Name, c.Slug)
		a.parties = append(a.parties, &party{Company: c, app: a})
	}
	if a.pages, err = readPages(); err != nil {
		return nil, fmt.Errorf("make host application: %w", err)
	}
	return a, nil
}

// Close lets go of open pages, so that a server of the product can shut down.
func (a *App) Close() { a.close() }

// party returns the company of that slug, or nil.
func (a *App) party(slug string) *party {
	if i := slices.IndexFunc(a.parties, func(p *party) bool { return p.Slug == slug }); i >= 0 {
		return a.parties[i]
	}
	return nil
}

// outside is the context in which the libraries find our client.
func (a *App) outside(ctx context.Context) context.Context {
	return context.WithValue(ctx, oauth2.HTTPClient, a.options.HTTP)
}

// issuer asks the company's issuer who it is, the first time; a failure is asked anew.
func (p *party) issuer(ctx context.Context) (*issuer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.found != nil {
		return p.found, nil
	}
	provider, err := oidc.NewProvider(p.app.outside(ctx), p.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discover issuer of %s: %w", p.Slug, err)
	}
	var more struct {
		EndSession string `json:"end_session_endpoint"`
		NamesSelf  bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("discover issuer of %s: %w", p.Slug, err)
	}
	checks := &oidc.Config{ClientID: p.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, Now: p.app.options.Now}
	p.found = &issuer{
		config: oauth2.Config{ClientID: p.ClientID, ClientSecret: p.ClientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: RedirectURI(p.app.options.Origin),
			Scopes:      []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess}},
		tokens: provider.Verifier(checks), logouts: provider.Verifier(checks),
		userinfo: provider.UserInfoEndpoint(), endSession: more.EndSession, namesSelf: more.NamesSelf,
	}
	return p.found, nil
}

package provider

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Paths of the provider; discovery names them.
const (
	authorizePath  = "/oauth2/authorize"
	tokenPath      = "/oauth2/token"
	userinfoPath   = "/oauth2/userinfo"
	jwksPath       = "/oauth2/jwks"
	introspectPath = "/oauth2/introspect"
	revokePath     = "/oauth2/revoke"
	endSessionPath = "/oauth2/end-session"
)

// Options are what the provider stands on. All are needed.
type Options struct {
	DB     *store.DB
	Grants *grants.Service
	SignIn *signin.Service
	// Issuer is the public URL without a slash at its end.
	Issuer string
	// Leave leads a browser that has signed out to the IdP of its session, which then hears of it (signin.Door.Leave).
	Leave func(http.ResponseWriter, *http.Request, *signin.Leaving) error
}

// Door is the provider over HTTP.
type Door struct {
	Options
	browser *web.Door
	program *web.Door
}

// New makes the door. It fails when the issuer is not an origin.
func New(o Options) (*Door, error) {
	// An application's page may send people here by a form; what comes in that way carries no
	// session cookie, and is turned into a GET.
	browser, err := web.PageDoor(o.Issuer, "POST "+authorizePath, "POST "+endSessionPath)
	if err != nil {
		return nil, fmt.Errorf("make provider: %w", err)
	}
	program := web.JSONDoor()
	program.Fail = failOAuth
	program.MaxBody = 64 << 10
	return &Door{Options: o, browser: browser, program: program}, nil
}

// Mount adds the provider's routes.
func (d *Door) Mount(mux *http.ServeMux) {
	mux.Handle("GET /.well-known/openid-configuration", d.program.Handle(d.discovery))
	mux.Handle("GET "+jwksPath, d.program.Handle(d.jwks))
	mux.Handle("GET "+authorizePath, d.browser.Handle(d.authorize))
	mux.Handle("POST "+authorizePath, d.browser.Handle(d.asGet))
	mux.Handle("POST "+tokenPath, d.program.Handle(d.token))
	mux.Handle("GET "+userinfoPath, d.program.Handle(d.userinfo))
	mux.Handle("POST "+userinfoPath, d.program.Handle(d.userinfo))
	mux.Handle("POST "+introspectPath, d.program.Handle(d.introspect))
	mux.Handle("POST "+revokePath, d.program.Handle(d.revoke))
	mux.Handle("GET "+endSessionPath, d.browser.Handle(d.endSession))
	mux.Handle("POST "+endSessionPath, d.browser.Handle(d.asGet))
}

// asGet leads a form that another site sent to the same address by GET, which browsers send the
// session's cookie with.
func (d *Door) asGet(w http.ResponseWriter, r *http.Request) error {
	form, err := web.Form(r)
	if err != nil {
		return err
	}
	http.Redirect(w, r, r.URL.Path+"?"+form.Encode(), http.StatusSeeOther)
	return nil
}

// parameters reads what a request of OAuth 2.0 says, in query or form: a parameter that is there
// twice is refused (RFC 6749 section 3.1), and one without a value counts as absent.
func parameters(values url.Values) (map[string]string, error) {
	out := make(map[string]string, len(values))
	for name, all := range values {
		if len(all) > 1 {
			return nil, errs.Invalid("invalid_request", "The parameter %s is there %d times; expected once.", shown(name), len(all))
		}
		if all[0] != "" {
			out[name] = all[0]
		}
	}
	return out, nil
}

// shown is a caller's own text, short enough for a sentence.
func shown(s string) string {
	const limit = 80
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "..."
	}
	return `"` + s + `"`
}

// client finds the application of a request for a page. What is wrong with it is told to the person
// in the browser, who is sent nowhere.
func (d *Door) client(ctx context.Context, r *http.Request, id string) (*store.Client, error) {
	if id == "" {
		return nil, errs.Invalid("invalid_request", "The application that sent you here did not say who it is: client_id is missing.")
	}
	c, err := d.DB.System().Client(ctx, id)
	if errs.Is(err, errs.KindNotFound) {
		d.stranger(r, "provider.client_unknown")
		return nil, errs.Invalid("client_unknown", "The application that sent you here is not known. Its client_id is %s.", shown(id))
	}
	return c, err
}

// stranger sums up what callers do who proved nothing.
func (d *Door) stranger(r *http.Request, reason string) {
	d.DB.System().RecordStranger(web.Bucket(web.ClientIP(r)), reason, nil)
}

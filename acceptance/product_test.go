package acceptance

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// product is an application behind Gatehouse as far as a story needs one: a client of the provider
// with an address for logout tokens. Its pages are nowhere: a story reads the code where the
// browser would go.
type product struct {
	w           *world
	id, secret  string
	redirect    string
	backchannel string
	logouts     chan logoutToken
	down        *atomic.Bool  // it answers 503 to logout tokens
	turned      chan struct{} // one for each 503
}

// logoutToken is one that was verified.
type logoutToken struct {
	Subject, Session string
	at               time.Time
}

func (w *world) newProduct(slug string) *product {
	p := &product{w: w, redirect: "https://app." + slug + ".test/callback", logouts: make(chan logoutToken, 64), down: &atomic.Bool{}, turned: make(chan struct{}, 64)}
	s := httptest.NewServer(http.HandlerFunc(p.loggedOut))
	w.t.Cleanup(s.Close)
	p.backchannel = s.URL + "/logout"
	return p
}

// file is the part of a workspace's file that registers the product.
func (p *product) file() string {
	return fmt.Sprintf("applications:\n  - {name: app, redirect_uris: [%q], backchannel_logout_uri: %q}\n", p.redirect, p.backchannel)
}

func (p *product) registered(got applied) {
	p.w.t.Helper()
	if len(got.Applications) != 1 || got.Applications[0].Secret == "" {
		p.w.t.Fatalf("apply printed no application with its secret: %+v", got.Applications)
	}
	p.id, p.secret = got.Applications[0].ID, got.Applications[0].Secret
}

// verify checks a token by its signature, issuer, audience and time, with keys fetched now.
func (p *product) verify(token string) (*oidc.IDToken, error) {
	provider, err := oidc.NewProvider(p.w.ctx(), p.w.base)
	if err != nil {
		return nil, err
	}
	return provider.VerifierContext(p.w.ctx(), &oidc.Config{ClientID: p.id}).Verify(p.w.ctx(), token)
}

// loggedOut receives logout tokens (OpenID Connect Back-Channel Logout 1.0 section 2.6).
func (p *product) loggedOut(w http.ResponseWriter, r *http.Request) {
	if p.down.Load() {
		p.turned <- struct{}{}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	at := time.Now()
	provider, err := oidc.NewProvider(context.WithoutCancel(r.Context()), p.w.base)
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	token, err := provider.Verifier(&oidc.Config{ClientID: p.id}).Verify(r.Context(), r.PostFormValue("logout_token"))
	var claims struct {
		Events map[string]any
		Sid    string
		Nonce  *string
	}
	if err == nil {
		err = token.Claims(&claims)
	}
	if _, ok := claims.Events["http://schemas.openid.net/event/backchannel-logout"]; err != nil || !ok || claims.Nonce != nil {
		http.Error(w, fmt.Sprintf("no logout token: %v %+v", err, claims), http.StatusBadRequest)
		return
	}
	p.logouts <- logoutToken{Subject: token.Subject, Session: claims.Sid, at: at}
}

// wantLogout waits for the logout token of a session.
func (p *product) wantLogout(session string) logoutToken {
	p.w.t.Helper()
	late := time.After(time.Minute)
	for {
		select {
		case l := <-p.logouts:
			if l.Session == session {
				return l
			}
		case <-late:
			p.w.t.Fatalf("no logout token for the session %s within a minute", session)
		}
	}
}

// asked is an authorization request under way.
type asked struct{ path, verifier, state, nonce string }

// ask makes an authorization request; more are further parameters in pairs.
func (p *product) ask(more ...string) asked {
	a := asked{verifier: oauth2.GenerateVerifier(), state: rand.Text(), nonce: rand.Text()}
	q := url.Values{"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "scope": {"openid profile email offline_access"},
		"state": {a.state}, "nonce": {a.nonce}, "code_challenge": {oauth2.S256ChallengeFromVerifier(a.verifier)}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	a.path = "/oauth2/authorize?" + q.Encode()
	return a
}

// back is what a browser brings to the product: the query of its redirect URI.
func (p *product) back(a asked, got page) url.Values {
	p.w.t.Helper()
	if got.to == nil || !strings.HasPrefix(got.to.String(), p.redirect+"?") {
		p.w.t.Fatalf("the way to the product ended at %s with %d:\n%.2000s", got.url, got.status, got.text)
	}
	q := got.to.Query()
	if q.Get("state") != a.state || q.Get("iss") != p.w.base {
		p.w.t.Errorf("the product is answered %v", q)
	}
	return q
}

// code gets a code for a browser that is signed in.
func (p *product) code(b *browser) (a asked, code string) {
	p.w.t.Helper()
	a = p.ask()
	q := p.back(a, b.open(a.path))
	if q.Get("code") == "" {
		p.w.t.Fatalf("no code: %v", q)
	}
	return a, q.Get("code")
}

// given is what the product holds of somebody.
type given struct {
	Access   string `json:"access_token"`
	Refresh  string `json:"refresh_token"`
	ID       string `json:"id_token"`
	Error    string
	status   int
	claims   map[string]any // of the verified ID token
	sub, sid string
}

// signIn is a sign-in to the product by a browser that Gatehouse knows.
func (p *product) signIn(b *browser) given {
	p.w.t.Helper()
	a, code := p.code(b)
	return p.mustRedeem(a, code)
}

func (p *product) mustRedeem(a asked, code string) given {
	p.w.t.Helper()
	g := p.redeem(a, code)
	if g.status != http.StatusOK {
		p.w.t.Fatalf("redeeming a code: %d %s", g.status, g.Error)
	}
	token, err := p.verify(g.ID)
	p.w.must(err)
	p.w.must(token.Claims(&g.claims))
	p.w.must(token.VerifyAccessToken(g.Access))
	if token.Nonce != a.nonce {
		p.w.t.Errorf("the nonce is %q, want %q", token.Nonce, a.nonce)
	}
	g.sub = token.Subject
	g.sid, _ = g.claims["sid"].(string)
	return g
}

func (p *product) redeem(a asked, code string) given {
	p.w.t.Helper()
	return p.tokens(url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {a.verifier}})
}

func (p *product) refresh(token string) given {
	p.w.t.Helper()
	return p.tokens(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

func (p *product) tokens(form url.Values) (g given) {
	p.w.t.Helper()
	g.status = p.call("/oauth2/token", form, &g)
	return g
}

// active asks whether a token is worth anything.
func (p *product) active(token string) bool {
	p.w.t.Helper()
	var got struct{ Active *bool }
	if status := p.call("/oauth2/introspect", url.Values{"token": {token}}, &got); status != http.StatusOK || got.Active == nil {
		p.w.t.Fatalf("introspection: %d %+v", status, got)
	}
	return *got.Active
}

// call posts a form as the product's server does.
func (p *product) call(path string, form url.Values, into any) int {
	p.w.t.Helper()
	r, err := http.NewRequestWithContext(p.w.ctx(), http.MethodPost, p.w.base+path, strings.NewReader(form.Encode()))
	p.w.must(err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(p.id), url.QueryEscape(p.secret))
	return p.w.decode(r, into)
}

// userinfo asks whom an access token stands for.
func (p *product) userinfo(token string) (status int, claims map[string]any) {
	p.w.t.Helper()
	r, err := http.NewRequestWithContext(p.w.ctx(), http.MethodGet, p.w.base+"/oauth2/userinfo", nil)
	p.w.must(err)
	r.Header.Set("Authorization", "Bearer "+token)
	return p.w.decode(r, &claims), claims
}

func (w *world) decode(r *http.Request, into any) int {
	w.t.Helper()
	res, err := http.DefaultClient.Do(r)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	if len(text) > 0 {
		if err := json.Unmarshal(text, into); err != nil {
			w.t.Fatalf("%s answers %d with no JSON: %s", r.URL, res.StatusCode, text)
		}
	}
	return res.StatusCode
}

// worthless sees that nothing of what was given is worth anything.
func (p *product) worthless(g given) {
	p.w.t.Helper()
	if status, claims := p.userinfo(g.Access); status != http.StatusUnauthorized || claims["error"] != "invalid_token" {
		p.w.t.Errorf("userinfo answers %d %v, want 401 invalid_token", status, claims)
	}
	if p.active(g.Access) || p.active(g.Refresh) {
		p.w.t.Error("a token of a session that has ended is active")
	}
	if again := p.refresh(g.Refresh); again.status != http.StatusBadRequest || again.Error != "invalid_grant" || again.Access != "" {
		p.w.t.Errorf("a refresh answers %d %s, want 400 invalid_grant", again.status, again.Error)
	}
}

// nobody sees that the provider answers the product that nobody is signed in.
func (p *product) nobody(b *browser) {
	p.w.t.Helper()
	a := p.ask("prompt", "none")
	if q := p.back(a, b.open(a.path)); q.Get("error") != "login_required" || q.Has("code") {
		p.w.t.Errorf("prompt=none is answered %v, want login_required", q)
	}
}

// says sees what the ID token says of role and groups.
func (p *product) says(g given, m member) {
	p.w.t.Helper()
	var groups []string
	list, _ := g.claims["groups"].([]any)
	for _, group := range list {
		groups = append(groups, fmt.Sprint(group))
	}
	slices.Sort(groups)
	if g.sub != m.ID || g.claims["role"] != m.Role || !slices.Equal(groups, slices.Sorted(slices.Values(m.Groups))) {
		p.w.t.Errorf("the ID token says %s with role %v in %v, want %s with role %s in %v", g.sub, g.claims["role"], groups, m.ID, m.Role, m.Groups)
	}
}

// headerOf is the header of a JWT.
func headerOf(t *testing.T, token string) []byte {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

package provider_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/grants"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provider"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// The people and applications of the workspaces acme and beta.
const (
	acme, beta   = "ws_acme", "ws_beta"
	ann, zoe     = "mem_ann", "mem_zoe"
	app, native  = "app_app", "app_native"
	other, their = "app_other", "app_their"
	secret       = "gcs_secret"
	callback     = "http://127.0.0.1:9999/callback"
	goodbye      = "http://127.0.0.1:9999/goodbye"
)

// world is a server with the provider and sign-in, and applications behind it.
type world struct {
	t      *testing.T
	db     *store.DB
	signin *signin.Service
	people *provision.Service
	url    string
	told   chan string // logout tokens that arrived
}

// each runs fn on both databases.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { fn(t, newWorld(t, db)) })
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, url: "http://" + listener.Addr().String(), told: make(chan string, 10), people: &provision.Service{DB: db}}
	logout := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.told <- r.PostFormValue("logout_token") }))
	t.Cleanup(logout.Close)
	w.must(db.Write(t.Context(), acme, func(tx *store.Tx) error { return furnish(tx, "acme", ann, logout.URL, app, native, other) }))
	w.must(db.Write(t.Context(), beta, func(tx *store.Tx) error { return furnish(tx, "beta", zoe, logout.URL, their) }))

	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	given := &grants.Service{DB: db, Keys: &grants.KeyRing{DB: db, Master: master}, Issuer: w.url, HTTP: http.DefaultClient}
	w.must(given.Keys.Tend(t.Context()))
	w.signin = &signin.Service{DB: db, Passwords: keys.NewPasswords(0), PublicURL: w.url}
	browser, err := signin.NewDoor(w.signin)
	w.must(err)
	oidc, err := provider.New(provider.Options{DB: db, Grants: given, SignIn: w.signin, Issuer: w.url, Leave: browser.Leave})
	w.must(err)
	log := slog.New(slog.DiscardHandler)
	server := httptest.NewUnstartedServer(web.Site{Log: log}.Handler(web.Assets{}, browser, oidc))
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)

	ctx, stop := context.WithCancel(context.Background())
	runner := &jobs.Runner{DB: db, Log: log, Handlers: map[string]jobs.Handler{store.JobLogout: given.LogoutHandler()}}
	ended := make(chan error, 1)
	go func() { ended <- runner.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("outbox: %v", err)
		}
	})
	return w
}

func furnish(tx *store.Tx, slug, member, logout string, applications ...string) error {
	preset, _ := directory.FindPreset("default")
	if err := tx.InsertWorkspace(directory.Workspace{Slug: slug, Name: slug, Policy: preset.Policy}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: "rol_owner", Name: "Owner"}, true)
	tx.SaveRole(directory.Role{ID: "rol_member", Name: "Member", Rank: 1}, true)
	tx.InsertMember(&directory.Member{ID: member, Email: member[4:] + "@" + slug + ".test", Name: "Ann Lee", GivenName: "Ann", Stage: directory.StageActive,
		Role: "rol_member", RoleReason: directory.RoleReason{Source: directory.RoleByDefault}})
	for _, id := range applications {
		a := directory.Application{ID: id, Name: id, RedirectURIs: []string{callback, callback + "?tenant=1"}, PostLogoutRedirectURIs: []string{goodbye}, BackchannelLogoutURI: logout}
		hash := keys.HashToken(secret)
		if id == native {
			a.Public, hash, a.BackchannelLogoutURI = true, "", ""
		}
		tx.InsertApplication(a, hash)
	}
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// browser is a browser that shows redirects instead of following them.
type browser struct {
	*http.Client
	w *world
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{&http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, w}
}

// signIn signs somebody in by a one-time link.
func (b *browser) signIn(workspace, member string) *browser {
	b.w.t.Helper()
	link, _, err := b.w.signin.MakeLink(context.Background(), workspace, member, false, audit.Party{Kind: "operator"})
	b.w.must(err)
	if res, _ := b.send(http.MethodPost, link, url.Values{}); res.StatusCode != http.StatusSeeOther {
		b.w.t.Fatalf("sign in by link: %s", res.Status)
	}
	return b
}

// send sends a request and returns the answer and its body.
func (b *browser) send(method, address string, form url.Values, headers ...string) (*http.Response, string) {
	b.w.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.w.url + address
	}
	r, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	b.w.must(err)
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	res, err := b.Do(r)
	b.w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	b.w.must(err)
	return res, string(body)
}

func (b *browser) get(path string) (*http.Response, string) {
	b.w.t.Helper()
	return b.send(http.MethodGet, path, nil)
}

// verifier is a PKCE verifier with its challenge.
func verifier() (plain, challenge string) {
	plain = rand.Text() + rand.Text()
	sum := sha256.Sum256([]byte(plain))
	return plain, base64.RawURLEncoding.EncodeToString(sum[:])
}

// request is a good authorization request; pairs change it, "" takes a parameter away.
func request(challenge string, pairs ...string) url.Values {
	q := url.Values{"client_id": {app}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email profile offline_access"},
		"state": {"a state & more"}, "nonce": {"n-1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "" {
			q.Del(pairs[i])
		}
	}
	return q
}

// code signs in to the application and returns the code that it is sent.
func (b *browser) code(q url.Values) string {
	b.w.t.Helper()
	res, body := b.get("/oauth2/authorize?" + q.Encode())
	back := b.w.location(res)
	if !strings.HasPrefix(back.String(), callback) || back.Query().Get("code") == "" {
		b.w.t.Fatalf("authorize: %s to %s\n%s", res.Status, back, body)
	}
	return back.Query().Get("code")
}

func (w *world) location(res *http.Response) *url.URL {
	w.t.Helper()
	u, err := url.Parse(res.Header.Get("Location"))
	w.must(err)
	return u
}

// token asks the token endpoint as an application that authenticates by Basic.
func (w *world) token(client string, pairs ...string) (int, map[string]any) {
	w.t.Helper()
	return w.post("/oauth2/token", client, pairs...)
}

func (w *world) post(path, client string, pairs ...string) (int, map[string]any) {
	w.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(client)+":"+url.QueryEscape(secret)))
	res, body := w.browser().send(http.MethodPost, path, form, "Authorization", basic)
	out := map[string]any{}
	if body != "" {
		w.must(json.Unmarshal([]byte(body), &out))
	}
	return res.StatusCode, out
}

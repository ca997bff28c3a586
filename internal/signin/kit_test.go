package signin

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

// The people of the workspace acme. All with a password have the same one.
const (
	root = "mem_root" // owner, break-glass
	ann  = "mem_ann"  // owner
	bob  = "mem_bob"  // member, in the group Agents
	pat  = "mem_pat"  // pending, no password
	gone = "mem_gone" // deactivated by the directory, with a password
	zoe  = "mem_zoe"  // of the workspace beta

	acme, beta = "ws_acme", "ws_beta"
	password   = "correct horse battery"
)

// guess is a wrong password that costs no hashing, for tests that count attempts.
var guess = strings.Repeat("x", keys.MaxPasswordBytes+1)

var operator = audit.Party{Kind: "operator", Name: "test"}

var hashed = sync.OnceValues(func() (string, error) { return keys.HashPassword(password) })

// world is two workspaces with people, and sign-in over them.
type world struct {
	*Service
	*clock
	t      *testing.T
	door   *Door
	people *provision.Service
	server *httptest.Server
}

// each runs fn on both databases, each with a clock of its own.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, newWorld(t, driver(t)))
		})
	}
}

func newWorld(t *testing.T, driver store.Driver) *world {
	t.Helper()
	c := &clock{at: time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)}
	w := &world{clock: c, t: t}
	db := storetest.Open(t, driver, c.now)
	w.people = &provision.Service{DB: db}
	w.Service = &Service{DB: db, Passwords: keys.NewPasswords(0), PublicURL: "http://gatehouse.test"}
	w.must(db.Write(context.Background(), acme, furnishAcme))
	w.must(db.Write(context.Background(), beta, furnishBeta))
	var err error
	if w.door, err = NewDoor(w.Service); err != nil {
		t.Fatal(err)
	}
	w.server = httptest.NewServer(web.Site{Log: slog.New(slog.DiscardHandler), TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.
		Handler(web.Assets{}, w.door))
	t.Cleanup(w.server.Close)
	return w
}

func furnishAcme(tx *store.Tx) error {
	hash, err := hashed()
	if err != nil {
		return err
	}
	preset, _ := directory.FindPreset("default")
	if err := tx.InsertWorkspace(directory.Workspace{Slug: "acme", Name: "Acme Inc", Policy: preset.Policy}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: "rol_owner", Name: "Owner"}, true)
	tx.SaveRole(directory.Role{ID: "rol_member", Name: "Member", Rank: 1}, true)
	tx.SaveConnection(directory.Connection{ID: "con_okta", Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive, VerifiedAt: tx.Now()}, true)
	tx.SaveDirectory(directory.Directory{ID: "dir_okta", Name: "Okta", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
	tx.InsertToken(store.Token{ID: "tok_okta", Directory: "dir_okta", Name: "okta"}, "the hash of its token")
	byHand, lowest := directory.RoleReason{Source: directory.RoleByHand}, directory.RoleReason{Source: directory.RoleByDefault}
	for _, m := range []directory.Member{
		{ID: root, Email: "root@acme.test", Name: "Root", Stage: directory.StageActive, Role: "rol_owner", RoleReason: byHand, BreakGlass: true},
		{ID: ann, Email: "Ann@acme.test", Name: "Ann <b>Lee</b>", Stage: directory.StageActive, Role: "rol_owner", RoleReason: byHand},
		{ID: bob, Email: "bob@acme.test", Name: "Bob", Stage: directory.StageActive, Role: "rol_member", RoleReason: lowest},
		{ID: gone, Email: "gone@acme.test", Stage: directory.StageActive, Sources: directory.Sources(directory.SourceIdP), Role: "rol_member", RoleReason: lowest},
	} {
		tx.InsertMember(&m)
		tx.SaveCredential(m.ID, hash, tx.Now())
	}
	tx.InsertMember(&directory.Member{ID: pat, Email: "pat@acme.test", Stage: directory.StagePending, Role: "rol_member", RoleReason: lowest})
	tx.InsertSCIMUser(&store.SCIMUser{ID: "u_bob", Directory: "dir_okta", Member: bob, UserName: "bob@acme.test", Active: true, Document: "{}"})
	tx.InsertGroup(&store.Group{Group: directory.Group{ID: "grp_agents", Directory: "dir_okta", DisplayName: "Agents"}, Document: "{}"})
	if _, err := tx.AddGroupMembers("grp_agents", []string{"u_bob"}); err != nil {
		return err
	}
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
}

func furnishBeta(tx *store.Tx) error {
	hash, err := hashed()
	if err != nil {
		return err
	}
	preset, _ := directory.FindPreset("default")
	if err := tx.InsertWorkspace(directory.Workspace{Slug: "beta", Name: "Beta Ltd", Policy: preset.Policy}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: "rol_owner", Name: "Owner"}, true)
	tx.InsertMember(&directory.Member{ID: zoe, Email: "zoe@beta.test", Name: "Zoe", Stage: directory.StageActive, Role: "rol_owner"})
	tx.SaveCredential(zoe, hash, tx.Now())
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// as makes a password attempt on acme from a client of its own.
func (w *world) as(address, password, client string) (string, error) {
	token, _, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: address, Password: password, Client: from(client)})
	return token, err
}

func from(ip string) Client {
	addr := netip.MustParseAddr(ip)
	return Client{IP: addr, Bucket: web.Bucket(addr), UserAgent: "test"}
}

// enforce switches single sign-on enforcement on for all of acme.
func (w *world) enforce() {
	w.t.Helper()
	w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		changed := cfg.Workspace
		changed.Enforcement = directory.Enforcement{RequireSSO: directory.RequireAll}
		if err := tx.UpdateWorkspace(changed); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

func (w *world) deactivate(member string) {
	w.t.Helper()
	_, err := w.people.Deactivate(context.Background(), provision.Scope{Workspace: acme, Actor: operator}, provision.Who(member))
	w.must(err)
}

// live counts the sessions of a member that nothing has ended, whatever the member's own state.
func (w *world) live(workspace, member string) int {
	w.t.Helper()
	live, err := w.ListSessions(context.Background(), workspace, member)
	w.must(err)
	return len(live)
}

// events returns the workspace's events of some types, in order.
func (w *world) events(workspace string, types ...audit.Type) []audit.Event {
	w.t.Helper()
	_, err := w.DB.Sequence(context.Background())
	w.must(err)
	var out []audit.Event
	w.must(w.DB.Read(context.Background(), workspace, func(tx *store.Tx) error {
		all, err := tx.EventsAfter(0, 1000)
		for _, e := range all {
			for _, t := range types {
				if e.Type == t {
					out = append(out, e)
				}
			}
		}
		return err
	}))
	return out
}

func reasons(events []audit.Event) string {
	var out []string
	for _, e := range events {
		out = append(out, string(e.Type)+" "+e.Reason)
	}
	return strings.Join(out, ", ")
}

// wantItsEvent sees that the page of a refusal names the event that tells of it.
func (w *world) wantItsEvent(a answer, reason string) {
	w.t.Helper()
	all := w.events(acme, audit.SignInRefused)
	if len(all) == 0 {
		w.t.Error("no refusal was recorded")
		return
	}
	e := all[len(all)-1]
	if e.Reason != reason || !strings.Contains(a.body, reason) || !strings.Contains(a.body, "<code>"+e.ID+"</code>") {
		w.t.Errorf("the last event is %s by %q, want %q and its id on the page: %s", e.ID, e.Reason, reason, a.body)
	}
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if got := errs.CodeOf(err); got != code {
		t.Errorf("error %v has the code %q, want %q", err, got, code)
	}
}

// browser is a browser without script that keeps cookies and shows redirects.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
	header http.Header
}

func (w *world) browser() *browser {
	jar, err := cookiejar.New(nil)
	w.must(err)
	return &browser{t: w.t, base: w.server.URL, header: http.Header{}, client: &http.Client{Jar: jar, Transport: w.server.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is a response, read whole.
type answer struct {
	*http.Response
	body string
}

// to is where an answer redirects to.
func (a answer) to() string { return a.Header.Get("Location") }

func (b *browser) do(method, path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header = b.header.Clone()
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{res, string(body)}
}

func (b *browser) get(path string) answer { return b.do("GET", path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, form)
}

// signIn signs in by the form and must succeed.
func (b *browser) signIn(workspace, email string) answer {
	b.t.Helper()
	a := b.post("/signin", "workspace", workspace, "email", email, "password", password)
	if a.StatusCode != http.StatusSeeOther || a.to() != "/w/"+workspace {
		b.t.Fatalf("sign-in as %s answered %d to %q: %s", email, a.StatusCode, a.to(), a.body)
	}
	return a
}

// cookie is the session cookie that the browser holds, or "".
func (b *browser) cookie() string {
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == "gatehouse_session" {
			return c.Value
		}
	}
	return ""
}

var requestID = regexp.MustCompile("req_[a-z0-9]+")

// withoutRequest takes the request's id out of a page, which is all that may differ.
func withoutRequest(body string) string { return requestID.ReplaceAllString(body, "") }

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

var (
	instant  = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	operator = audit.Party{Kind: "operator", Name: "test"}
)

// world is two workspaces with people and one of everything, and the API over them.
type world struct {
	t         *testing.T
	db        *store.DB
	settings  *settings.Service
	provision *provision.Service
	door      *Door
	server    *httptest.Server
	log       *bytes.Buffer
	logMu     sync.Mutex
	passed    atomic.Int64
	acme      place2
	beta      place2
}

// place2 is a workspace with an id of each kind that a route takes.
type place2 struct {
	slug, workspace string
	ids             map[string]string // by the name of the path parameter
	other           string            // a second owner
}

func (w *world) now() time.Time { return instant.Add(time.Duration(w.passed.Load())) }

func (w *world) Write(p []byte) (int, error) {
	w.logMu.Lock()
	defer w.logMu.Unlock()
	return w.log.Write(p)
}

// each runs fn on both databases.
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
	w := &world{t: t, log: &bytes.Buffer{}}
	w.db = storetest.Open(t, driver, w.now)
	w.settings = &settings.Service{DB: w.db, Passwords: keys.NewPasswords(0), PublicURL: "https://gate.test", Mail: true}
	w.provision = &provision.Service{DB: w.db, Mail: true}
	var err error
	if w.door, err = New(Options{DB: w.db, Provision: w.provision, Settings: w.settings, SignIn: &signin.Service{DB: w.db, PublicURL: "https://gate.test"}, Rate: 10_000}); err != nil {
		t.Fatal(err)
	}
	w.acme, w.beta = w.furnish("acme"), w.furnish("beta")
	w.server = httptest.NewServer(web.Site{Log: slog.New(slog.NewTextHandler(w, nil))}.Handler(web.Assets{}, w.door))
	t.Cleanup(w.server.Close)
	return w
}

// furnish makes a workspace with one of everything.
func (w *world) furnish(slug string) place2 {
	w.t.Helper()
	f, err := settings.ParseFile([]byte(`workspace: `+slug+`
preset: omniflow
owners: [{email: root@`+slug+`.test}, {email: other@`+slug+`.test}]
connections: [{name: okta, provider: okta, protocol: saml}]
directories: [{name: okta, connection: okta, enabled: true}]
role_mappings: [{group: Agents, role: Agent}]
`), "")
	if err != nil {
		w.t.Fatal(err)
	}
	r, err := w.settings.Apply(w.t.Context(), f, settings.ApplyOptions{Actor: operator})
	if err != nil {
		w.t.Fatal(err)
	}
	p := place2{slug: slug, workspace: r.Workspace.ID, ids: map[string]string{"connection": r.Connections[0].ID, "directory": r.Directories[0].ID,
		"group": "grp_pushed_" + slug, "session": "ses_" + slug}}
	member, _, err := w.provision.Invite(w.t.Context(), provision.Scope{Workspace: p.workspace, Actor: operator}, provision.Invitee{Email: "ann@" + slug + ".test", Name: "Ann"})
	w.must(err)
	p.ids["member"] = member.ID
	team, err := w.provision.CreateTeam(w.t.Context(), provision.Scope{Workspace: p.workspace, Actor: operator}, "Night shift")
	w.must(err)
	p.ids["team"] = team.ID
	w.write(p, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		p.ids["mapping"] = cfg.Mappings[0].ID
		other, err := tx.MemberByEmail("other@" + slug + ".test")
		if err != nil {
			return err
		}
		p.other = other.ID
		tx.InsertGroup(&store.Group{Group: directory.Group{ID: p.ids["group"], Directory: p.ids["directory"], DisplayName: "Pushed"}, Document: "{}"})
		tx.InsertSCIMUser(&store.SCIMUser{ID: "user-" + slug, Directory: p.ids["directory"], Member: member.ID, UserName: "ann", Active: true, Document: "{}"})
		if _, err := tx.AddGroupMembers(p.ids["group"], []string{"user-" + slug}); err != nil {
			return err
		}
		tx.InsertSession(&session.Session{ID: p.ids["session"], Member: member.ID, Method: directory.MethodLink, ExpiresAt: tx.Now().Add(time.Hour)}, "session of "+slug)
		p.ids["event"] = tx.EventID()
		return tx.Record(audit.Event{ID: p.ids["event"], Type: audit.SignInLinkMade, Actor: operator, Subject: audit.Party{Kind: "member", ID: member.ID}, Payload: []byte(`{"a":1}`)})
	})
	p.ids["key"] = w.issue(p, "other@"+slug+".test", "members:read").ID
	_, err = w.db.Sequence(context.Background())
	w.must(err)
	return p
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(p place2, fn func(tx *store.Tx) error) {
	w.t.Helper()
	w.must(w.db.Write(context.Background(), p.workspace, fn))
}

// issue makes a key of somebody.
func (w *world) issue(p place2, email string, scopes ...string) settings.IssuedKey {
	w.t.Helper()
	k, err := w.settings.CreateAPIKey(context.Background(), p.slug, provision.Who(email), settings.KeyOptions{Name: "for " + strings.Join(scopes[:1], " "), Scopes: scopes}, operator)
	w.must(err)
	return k
}

// all are the names of every permission that a key can have.
func all() (names []string) {
	for _, p := range directory.Permissions() {
		names = append(names, p.Name)
	}
	return names
}

// answer is what came of a request.
type answer struct {
	status int
	body   string
	header http.Header
}

func (a answer) code() string {
	var p Problem
	_ = json.Unmarshal([]byte(a.body), &p)
	return p.Code
}

func (a answer) field(t *testing.T, name string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%v in %s", err, a.body)
	}
	s, _ := m[name].(string)
	return s
}

// do sends a request with a key; header are pairs.
func (w *world) do(key, method, path, body string, header ...string) answer {
	w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, w.server.URL+path, strings.NewReader(body))
	w.must(err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := w.server.Client().Do(r)
	w.must(err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	w.must(err)
	return answer{res.StatusCode, string(text), res.Header}
}

// want fails unless an answer has that status and code.
func (w *world) want(t *testing.T, a answer, status int, code string) {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Errorf("got %d %q %s, want %d %q", a.status, a.code(), a.body, status, code)
	}
}

// events are all of a workspace.
func (w *world) events(p place2) (out []audit.Event) {
	w.t.Helper()
	_, err := w.db.Sequence(context.Background())
	w.must(err)
	w.must(w.db.Read(context.Background(), p.workspace, func(tx *store.Tx) error {
		out, err = tx.EventsAfter(0, 1000)
		return err
	}))
	return out
}

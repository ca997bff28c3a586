package grants

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/scim"
)

var bg = context.Background()

// clock is a clock that tests turn.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) turn(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(by)
}

const (
	acme, beta = "ws_acme", "ws_beta"
	issuer     = "https://gatehouse.test"
	callback   = "https://app.test/callback"
	okta       = "con_okta"
)

// world is two workspaces with applications and people.
type world struct {
	*Service
	*clock
	t        testing.TB
	people   *provision.Service
	feed     provision.Scope
	ann, bob string // members of acme, of the directory
	annUser  string // ann's SCIM id
	annName  string // before the @
	group    string // in which ann and bob are
	zoe      string // of beta
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

func testMaster(t testing.TB, fill byte) *keys.Master {
	t.Helper()
	m, err := keys.NewMaster(bytes.Repeat([]byte{fill}, keys.MasterBytes))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func newWorld(t testing.TB, driver store.Driver) *world {
	t.Helper()
	c := &clock{at: start}
	db := storetest.Open(t, driver, c.read)
	w := &world{clock: c, t: t, people: &provision.Service{DB: db}}
	w.Service = &Service{DB: db, Keys: &KeyRing{DB: db, Master: testMaster(t, 1)}, Issuer: issuer, HTTP: http.DefaultClient}
	key, err := sharedKey()
	w.must(err)
	w.must(db.System().ChangeSigningKeys(bg, func([]store.SigningKey) []store.SigningKey { return []store.SigningKey{key} }))
	w.must(db.Write(bg, acme, func(tx *store.Tx) error { return furnish(tx, "acme", "app_one", "app_two") }))
	w.must(db.Write(bg, beta, func(tx *store.Tx) error {
		w.zoe = "mem_zoe"
		if err := furnish(tx, "beta", "app_beta"); err != nil {
			return err
		}
		tx.InsertMember(&directory.Member{ID: w.zoe, Email: "zoe@beta.test", Stage: directory.StageActive, WasIn: true, Role: "rol_low_beta"})
		return nil
	}))
	w.write(acme, func(tx *store.Tx) error {
		tx.InsertMember(&directory.Member{ID: "mem_new", Email: "new@acme.test", Stage: directory.StageActive, WasIn: true, Role: "rol_low_acme"})
		return nil
	})
	w.feed = provision.Scope{Workspace: acme, Directory: "dir_acme", Actor: audit.Party{Kind: "directory", Name: "okta"}}
	w.annName = "ann"
	w.annUser, w.ann = w.create(w.annName, "Ann Lee")
	bobUser, bob := w.create("bob", "Bob")
	w.bob = bob
	g, err := w.people.CreateGroup(bg, w.feed, provision.GroupForm{DisplayName: "Agents", Document: "{}"}, []string{w.annUser, bobUser})
	w.must(err)
	w.group = g.ID
	return w
}

// sharedKey is the signing key of every world: making one takes longer than most tests.
var sharedKey = sync.OnceValues(func() (store.SigningKey, error) {
	master, err := keys.NewMaster(bytes.Repeat([]byte{1}, keys.MasterBytes))
	if err != nil {
		return store.SigningKey{}, err
	}
	return newKey(master, start)
})

// start is when every world begins.
var start = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// furnish makes a workspace under the preset with the most to lose, with applications.
func furnish(tx *store.Tx, slug string, applications ...string) error {
	preset, _ := directory.FindPreset("omniflow")
	if err := tx.InsertWorkspace(directory.Workspace{Slug: slug, Name: slug, Preset: "omniflow", Policy: preset.Policy}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: "rol_owner_" + slug, Name: "Owner"}, true)
	tx.SaveRole(directory.Role{ID: "rol_agent_" + slug, Name: "Agent", Rank: 1}, true)
	tx.SaveRole(directory.Role{ID: "rol_low_" + slug, Name: "Trainee", Rank: 2}, true)
	connection := directory.Connection{ID: "con_" + slug, Name: "idp", Provider: "generic", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive, VerifiedAt: tx.Now()}
	if slug == "acme" {
		connection.ID = okta
	}
	tx.SaveConnection(connection, true)
	tx.SaveDirectory(directory.Directory{ID: "dir_" + slug, Name: "okta", Connection: connection.ID, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
	tx.InsertMapping(directory.RoleMapping{ID: "map_" + slug, Match: "Agents", Role: "rol_agent_" + slug})
	tx.InsertDomain(slug + ".test")
	for _, id := range applications {
		tx.InsertApplication(directory.Application{ID: id, Name: "App " + id, RedirectURIs: []string{callback}, BackchannelLogoutURI: "https://app.test/logout"}, "hash")
	}
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
}

// create makes a person by the directory, and returns SCIM id and member id.
func (w *world) create(name, shown string) (user, member string) {
	w.t.Helper()
	address := name + "@acme.test"
	u, err := w.people.CreateUser(bg, w.feed, provision.Person{UserName: address, ExternalID: "ext-" + name, Email: address, DisplayName: shown,
		GivenName: name, Emails: []store.EmailKey{{Value: address, Type: "work"}}, Document: "{}"})
	w.must(err)
	return u.ID, u.Member
}

// say writes what the directory says of ann again.
func (w *world) say(active bool) {
	w.t.Helper()
	_, err := w.people.UpdateUser(bg, w.feed, w.annUser, false, func(u provision.User) (provision.Person, error) {
		return provision.Person{UserName: u.UserName, ExternalID: u.ExternalID, Email: w.annName + "@acme.test", Emails: u.Emails, DisplayName: "Ann Lee",
			Active: &active, Document: "{}"}, nil
	})
	w.must(err)
}

// inGroup puts ann into the mapped group, or takes her out of it.
func (w *world) inGroup(kind scim.MemberKind) {
	w.t.Helper()
	_, err := w.people.UpdateGroup(bg, w.feed, w.group, func(g store.Group) (provision.GroupForm, error) {
		return provision.GroupForm{DisplayName: g.DisplayName, Document: "{}"}, nil
	}, []scim.MemberOp{{Kind: kind, Values: []string{w.annUser}}})
	w.must(err)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// write changes a workspace's rows; what it does has an event of its own.
func (w *world) write(workspace string, fn func(tx *store.Tx) error) {
	w.t.Helper()
	w.must(w.DB.Write(bg, workspace, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}))
}

// signIn opens a session through the connection and returns it as the door has it.
func (w *world) signIn(workspace, member, connection string) *store.LiveSession {
	w.t.Helper()
	token, hash := keys.NewToken(session.TokenPrefix)
	w.write(workspace, func(tx *store.Tx) error {
		s := &session.Session{ID: keys.ID("ses_", tx.Now()), Member: member, Method: directory.MethodSAML, Connection: connection,
			ExpiresAt: tx.Now().Add(session.Absolute), AuthenticatedAt: tx.Now().Add(-time.Minute),
			Context: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"}
		tx.InsertSession(s, hash)
		return nil
	})
	live, err := w.DB.SessionByToken(bg, keys.HashToken(token), w.now())
	w.must(err)
	return live
}

func (w *world) annIn() *store.LiveSession { return w.signIn(acme, w.ann, okta) }

func (w *world) client(id string) *store.Client {
	w.t.Helper()
	c, err := w.DB.System().Client(bg, id)
	w.must(err)
	return c
}

// proof is a PKCE verifier with its challenge.
type proof struct{ verifier, challenge string }

func newProof() proof {
	raw := make([]byte, 32)
	rand.Read(raw)
	verifier := base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(verifier))
	return proof{verifier, base64.RawURLEncoding.EncodeToString(sum[:])}
}

const everything = "openid profile email offline_access"

// authorize gets a code for app_one.
func (w *world) authorize(live *store.LiveSession, p proof) string {
	w.t.Helper()
	code, err := w.Authorize(bg, live, w.client("app_one"), AuthorizeRequest{RedirectURI: callback, Scope: everything, Nonce: "n-0S6_WzA2Mj", Challenge: p.challenge})
	w.must(err)
	return code
}

// tokens signs a session in to app_one.
func (w *world) given(live *store.LiveSession) Tokens {
	w.t.Helper()
	p := newProof()
	given, err := w.Redeem(bg, w.client("app_one"), w.authorize(live, p), callback, p.verifier)
	w.must(err)
	return given
}

// refused wants an *Error with that code and reason.
func refused(t testing.TB, err error, code, reason string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || e.Reason != reason {
		t.Errorf("error %#v (%v), want %s for %s", e, err, code, reason)
	}
}

// dead wants an access token to be worth nothing, everywhere it can be shown.
func (w *world) dead(access string) {
	w.t.Helper()
	if h, err := w.Access(bg, access); !errors.Is(err, store.ErrNoSession) {
		w.t.Errorf("the access token stands for %+v, %v", h, err)
	}
	got, err := w.Introspect(bg, w.client("app_one"), access)
	if err != nil || got != (Introspection{}) {
		w.t.Errorf("introspection tells %+v, %v", got, err)
	}
}

func (w *world) alive(access string) {
	w.t.Helper()
	if _, err := w.Access(bg, access); err != nil {
		w.t.Errorf("the access token is worth nothing: %v", err)
	}
}

// events lists outcome and reason of the events of a type, sorted.
func (w *world) events(workspace string, kind audit.Type) []string {
	w.t.Helper()
	_, err := w.DB.Sequence(bg)
	w.must(err)
	var out []string
	w.must(w.DB.Read(bg, workspace, func(tx *store.Tx) error {
		list, err := tx.EventsAfter(0, 1000)
		for _, e := range list {
			if e.Type == kind {
				out = append(out, string(e.Outcome)+" "+e.Reason)
			}
		}
		return err
	}))
	slices.Sort(out) // those of one instant have no order
	return out
}

// logouts takes the logouts that wait in the outbox, sorted, as "application session".
func (w *world) logouts() []string {
	w.t.Helper()
	out := []string{}
	for _, j := range w.claimed() {
		var l store.Logout
		w.must(json.Unmarshal([]byte(j.Body), &l))
		out = append(out, l.Application+" "+l.Session)
	}
	slices.Sort(out)
	return out
}

func (w *world) claimed() []store.Job {
	w.t.Helper()
	claim := keys.ID("test_", w.now())
	list, err := w.DB.System().ClaimJobs(bg, claim, time.Hour, 100)
	w.must(err)
	return slices.DeleteFunc(list, func(j store.Job) bool { return j.Kind != store.JobLogout })
}

package console

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

const password = "correct horse battery"

var (
	hashed = sync.OnceValues(func() (string, error) { return keys.HashPassword(password) })
	idpKey = sync.OnceValue(samltest.NewKey)
)

// instant is where the clock of every world begins.
var instant = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// world is two workspaces with people, and the doors that a browser needs.
type world struct {
	t         *testing.T
	db        *store.DB
	settings  *settings.Service
	provision *provision.Service
	signin    *signin.Service
	server    *httptest.Server
	fetched   map[string][]byte // what the outside answers, by address
	fetching  func()            // what happens before it does; may be nil
	passed    atomic.Int64      // how far the clock was put forward
}

// each runs fn on both databases with a workspace acme of that preset, and beta.
func each(t *testing.T, preset string, fn func(t *testing.T, w *world)) {
	t.Helper()
	t.Parallel()
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, newWorld(t, driver(t), preset))
		})
	}
}

func newWorld(t *testing.T, driver store.Driver, preset string) *world {
	t.Helper()
	w := &world{t: t, fetched: map[string][]byte{}}
	var asked atomic.Int64
	w.db = storetest.Open(t, driver, func() time.Time {
		return instant.Add(time.Duration(asked.Add(1))*time.Millisecond + time.Duration(w.passed.Load()))
	})
	var door http.Handler
	w.server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { door.ServeHTTP(rw, r) }))
	t.Cleanup(w.server.Close)
	w.settings = &settings.Service{DB: w.db, Passwords: keys.NewPasswords(0), PublicURL: w.server.URL, AllowPrivate: true,
		Metadata: func(_ context.Context, address string) ([]byte, error) {
			if w.fetching != nil {
				w.fetching()
			}
			if text, ok := w.fetched[address]; ok {
				return text, nil
			}
			return nil, errs.Invalid("not_fetched", "The address answered 404 Not Found.")
		}}
	w.provision = &provision.Service{DB: w.db}
	who := &signin.Service{DB: w.db, Passwords: w.settings.Passwords, PublicURL: w.server.URL}
	w.signin = who
	w.furnish("acme", "Acme Inc", preset)
	w.furnish("beta", "Beta Ltd", "default")
	browser, err := signin.NewDoor(who)
	w.must(err)
	admin, err := New(Options{DB: w.db, SignIn: who, Settings: w.settings, Provision: w.provision})
	w.must(err)
	door = web.Site{Log: slog.New(slog.DiscardHandler)}.Handler(web.Assets{}, browser, admin)
	return w
}

// furnish makes a workspace with one member of each role, named after the role: owner@acme.test.
func (w *world) furnish(slug, name, preset string) {
	w.t.Helper()
	f, err := settings.ParseFile([]byte("workspace: "+slug+"\nname: "+name+"\npreset: "+preset+"\n"), "")
	w.must(err)
	_, err = w.settings.Apply(w.t.Context(), f, settings.ApplyOptions{Actor: audit.Party{Kind: "operator"}})
	w.must(err)
	hash, err := hashed()
	w.must(err)
	id, cfg, err := w.settings.Workspace(w.t.Context(), slug)
	w.must(err)
	w.must(w.db.Write(w.t.Context(), id, func(tx *store.Tx) error {
		for _, role := range cfg.Roles {
			m := directory.Member{ID: "mem_" + slug + "_" + local(role.Name), Email: local(role.Name) + "@" + slug + ".test", Name: "The " + role.Name,
				Stage: directory.StageActive, WasIn: true, Role: role.ID, ManualRole: role.ID, RoleReason: directory.RoleReason{Source: directory.RoleByHand}}
			tx.InsertMember(&m)
			tx.SaveCredential(m.ID, hash, tx.Now())
		}
		return tx.Record(audit.Event{Type: audit.MemberCreated, Subject: audit.Party{Kind: "member"}})
	}))
}

func local(role string) string { return strings.ReplaceAll(strings.ToLower(role), " ", "-") }

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// in reads a workspace.
func (w *world) in(slug string, fn func(tx *store.Tx) error) {
	w.t.Helper()
	id, _, err := w.settings.Workspace(w.t.Context(), slug)
	w.must(err)
	w.must(w.db.Read(w.t.Context(), id, fn))
}

// write changes a workspace beside the console.
func (w *world) write(slug string, fn func(tx *store.Tx) error) {
	w.t.Helper()
	id, _, err := w.settings.Workspace(w.t.Context(), slug)
	w.must(err)
	w.must(w.db.Write(w.t.Context(), id, fn))
}

// events are the events of acme, oldest first.
func (w *world) events() (all []audit.Event) {
	w.t.Helper()
	_, err := w.db.Sequence(w.t.Context())
	w.must(err)
	w.in("acme", func(tx *store.Tx) (err error) {
		all, err = tx.EventsAfter(0, 1000)
		return err
	})
	return all
}

// wantEvents checks the types of what happened since there were n events, each by the owner.
func (w *world) wantEvents(n int, types ...audit.Type) {
	w.t.Helper()
	var got []audit.Type
	for _, e := range w.events()[n:] {
		got = append(got, e.Type)
		if e.Actor != (audit.Party{Kind: "member", ID: "mem_acme_owner", Name: "owner@acme.test"}) {
			w.t.Errorf("%s was done by %+v", e.Type, e.Actor)
		}
	}
	if !slices.Equal(got, types) {
		w.t.Errorf("events %v, want %v", got, types)
	}
}

// setup is what settings says of acme.
func (w *world) setup() *settings.Setup {
	w.t.Helper()
	s, err := w.settings.ConnectionSetup(w.t.Context(), "acme")
	w.must(err)
	return s
}

// idp is an identity provider by its entity id.
func idp(entityID string) *samltest.IdP { return samltest.NewIdP(entityID, idpKey()) }

// browser is a browser without script that keeps cookies and shows redirects.
type browser struct {
	t      *testing.T
	base   string
	client *http.Client
}

// as is a browser in which somebody of a workspace is signed in; "" is nobody.
func (w *world) as(address string) *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	w.must(err)
	b := &browser{t: w.t, base: w.server.URL, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	if address == "" {
		return b
	}
	_, host, _ := strings.Cut(address, "@")
	a := b.post("/signin", "workspace", strings.TrimSuffix(host, ".test"), "email", address, "password", password)
	if a.StatusCode != http.StatusSeeOther {
		w.t.Fatalf("sign-in as %s answered %d: %s", address, a.StatusCode, a.body)
	}
	return b
}

// answer is a response, read whole.
type answer struct {
	*http.Response
	body string
}

func (b *browser) do(method, path string, form url.Values, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequest(method, b.base+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
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

func (b *browser) get(path string) answer { b.t.Helper(); return b.do("GET", path, nil) }

func (b *browser) post(path string, pairs ...string) answer {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do("POST", path, form)
}

// page gets a page and must be shown it.
func (b *browser) page(path string) answer {
	b.t.Helper()
	a := b.get(path)
	if a.StatusCode != http.StatusOK {
		b.t.Fatalf("%s answered %d to %q: %s", path, a.StatusCode, a.Header.Get("Location"), a.body)
	}
	return a
}

var forms = regexp.MustCompile(`(?s)<form[^>]*>.*?</form>`)
var attributes = regexp.MustCompile(`([a-z-]+)="([^"]*)"`)
var fields = regexp.MustCompile(`<(?:input|textarea|select)[^>]*>`)

// press fills in the form with the button of that id on a page, as a reader without script does, and
// sends it. The page must have it.
func (b *browser) press(page answer, button string, pairs ...string) answer {
	b.t.Helper()
	for _, form := range forms.FindAllString(page.body, -1) {
		if !strings.Contains(form, `id="`+button+`"`) {
			continue
		}
		values := url.Values{}
		for _, field := range fields.FindAllString(form, -1) {
			if a := tag(field); a["name"] != "" {
				values.Set(a["name"], a["value"])
			}
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			if !values.Has(pairs[i]) {
				b.t.Fatalf("the form of %s has no field %s", button, pairs[i])
			}
			values.Set(pairs[i], pairs[i+1])
		}
		head := tag(form[:strings.Index(form, ">")])
		if head["method"] == "get" {
			return b.get(head["action"] + "?" + values.Encode())
		}
		return b.do("POST", head["action"], values)
	}
	b.t.Fatalf("the page has no form with the button %s: %s", button, page.body)
	return answer{}
}

// done presses a button, must be led on, and follows.
func (b *browser) done(page answer, button string, pairs ...string) answer {
	b.t.Helper()
	a := b.press(page, button, pairs...)
	if a.StatusCode != http.StatusSeeOther {
		b.t.Fatalf("%s answered %d: %s", button, a.StatusCode, a.body)
	}
	return b.page(a.Header.Get("Location"))
}

// imports reads an IdP's metadata by one of the forms for it, looks at the differences and applies them.
func (b *browser) imports(page answer, button string, pairs ...string) answer {
	b.t.Helper()
	shown := b.press(page, button, pairs...)
	if shown.StatusCode != http.StatusOK || !strings.Contains(shown.body, `id="review"`) {
		b.t.Fatalf("%s answered %d: %s", button, shown.StatusCode, shown.body)
	}
	return b.done(shown, "apply-metadata")
}

// tag reads the attributes of a tag.
func tag(text string) map[string]string {
	out := map[string]string{}
	for _, m := range attributes.FindAllStringSubmatch(text, -1) {
		out[m[1]] = html.UnescapeString(m[2])
	}
	return out
}

// value is the value of the field with that id on a page.
func (a answer) value(t *testing.T, id string) string {
	t.Helper()
	for _, field := range fields.FindAllString(a.body, -1) {
		if f := tag(field); f["id"] == id {
			return f["value"]
		}
	}
	t.Fatalf("the page has no field %s: %s", id, a.body)
	return ""
}

// has reports whether the page has an element with that id.
func (a answer) has(id string) bool { return strings.Contains(a.body, ` id="`+id+`"`) }

// text is the text of the element with that id, without tags.
func (a answer) text(t *testing.T, id string) string {
	t.Helper()
	_, rest, ok := strings.Cut(a.body, ` id="`+id+`"`)
	if !ok {
		t.Fatalf("the page has no element %s: %s", id, a.body)
	}
	_, rest, _ = strings.Cut(rest, ">")
	end := strings.Index(rest, "</p>")
	if e := strings.Index(rest, "</pre>"); e >= 0 && (end < 0 || e < end) {
		end = e
	}
	return html.UnescapeString(tags.ReplaceAllString(rest[:max(end, 0)], ""))
}

var tags = regexp.MustCompile(`<[^>]*>`)

// wantToken generates a token on the page of a directory and returns it; the answer is the only place
// that has it.
func (b *browser) wantToken(page answer) string {
	b.t.Helper()
	a := b.press(page, "generate-token")
	if a.StatusCode != http.StatusOK || a.Header.Get("Cache-Control") != "no-store" {
		b.t.Fatalf("generating a token answered %d, %v: %s", a.StatusCode, a.Header, a.body)
	}
	token := a.value(b.t, "scim-token")
	if !strings.HasPrefix(token, settings.TokenPrefix) || strings.Count(a.body, token) != 1 || !a.has("scim-token-once") {
		b.t.Fatalf("the token is %q: %s", token, a.body)
	}
	return token
}

// works reports whether a SCIM token is good.
func (w *world) works(token string) bool {
	holder, err := w.db.System().TokenByHash(w.t.Context(), keys.HashToken(token), instant)
	return err == nil && holder.Why == ""
}

func (w *world) role(name string) (settings.RoleView, bool) {
	for _, r := range w.setup().Roles {
		if r.Name == name {
			return r, true
		}
	}
	return settings.RoleView{}, false
}

// proven notes that somebody signed in through a connection of acme.
func (w *world) proven(connection string) {
	w.t.Helper()
	w.write("acme", func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		return settings.ConnectionProven(tx, cfg, connection)
	})
}

// byID is a member of acme by id.
func (w *world) byID(id string) (m *directory.Member, err error) {
	w.t.Helper()
	w.in("acme", func(tx *store.Tx) error {
		m, err = tx.Member(id)
		return nil
	})
	return m, err
}

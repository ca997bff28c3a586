package acceptance

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// binary builds gatehouse once per test process, with the race detector when the tests have it.
var binary = sync.OnceValues(func() (string, error) {
	var flags []string
	if raceEnabled {
		// SQLite itself and the password hash are left out to save time. Little else may be: generic code of sync
		// that an unwatched package instantiates is linked in for everybody, and races are reported that are none.
		flags = []string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false", "-gcflags=golang.org/x/crypto/argon2=-race=false"}
	}
	return build("gatehouse", flags...)
})

// verbs is the binary whose verbs the stories call. A watched process takes most of a second to begin, and stories
// call thousands: the servers are watched, the verbs by the tests of cmd/gatehouse.
var verbs = sync.OnceValues(func() (string, error) {
	if !raceEnabled {
		return binary()
	}
	return build("verbs")
})

// built is the folder of what was built, to be deleted at the end.
var built = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "gatehouse-acceptance-") })

func build(name string, flags ...string) (string, error) {
	dir, err := built()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	args := append(append([]string{"build", "-o", path}, flags...), "github.com/gatehouse-id/gatehouse/cmd/gatehouse")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build gatehouse: %w\n%s", err, out)
	}
	return path, nil
}

// atExit has a watched process end when it is done. By itself it waits a second for late races, in every verb.
const atExit = "GORACE=atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := checkPromises(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	closeChromium()
	if dir, err := built(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// world is one running server with its database.
type world struct {
	t        *testing.T
	binary   string
	dir      string // data dir
	database string // --database value
	address  string // host:port, the same over restarts
	base     string // http://host:port
	args     []string
	process  *exec.Cmd
	log      *lockedBuffer
	exited   chan struct{}
}

// story runs fn on a fresh server on each database.
func story(t *testing.T, fn func(t *testing.T, w *world), args ...string) {
	t.Helper()
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		fn(t, newWorld(t, "", args...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		fn(t, newWorld(t, pgtest.DSN(t), args...))
	})
}

// newWorld starts a server; database "" is SQLite in its data dir.
func newWorld(t *testing.T, database string, args ...string) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return newWorldBehind(t, database, address, "http://"+address, args...)
}

// newWorldBehind starts a server that listens at an address and is reached at base.
func newWorldBehind(t *testing.T, database, address, base string, args ...string) *world {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, binary: path, dir: t.TempDir(), database: database, address: address, base: base, args: args, log: &lockedBuffer{}}
	w.start()
	t.Cleanup(func() {
		w.stop()
		if t.Failed() {
			t.Logf("the server's log:\n%s", w.log.tail(2000))
		}
		if strings.Contains(w.log.String(), "DATA RACE") {
			t.Errorf("data race in the server:\n%s", w.log.race())
		}
	})
	return w
}

// within is the same server for a subtest.
func (w *world) within(t *testing.T) *world {
	inner := *w
	inner.t = t
	return &inner
}

func (w *world) store() []string {
	if w.database == "" {
		return []string{"--data-dir", w.dir}
	}
	return []string{"--data-dir", w.dir, "--database", w.database}
}

// start runs gatehouse serve and waits for the line that says it is ready.
func (w *world) start() {
	w.t.Helper()
	cmd := exec.Command(w.binary, append(append([]string{"serve", "--listen", w.address, "--public-url", w.base}, w.store()...), w.args...)...)
	cmd.Env = append(cleanEnv(), atExit)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd.Stderr = w.log
	// The server dies with the tests, whatever ends them.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	exited := make(chan struct{})
	ready := make(chan bool, 1)
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			fmt.Fprintln(w.log, lines.Text())
			if strings.Contains(lines.Text(), "ready") {
				select {
				case ready <- true:
				default:
				}
			}
		}
		_ = cmd.Wait()
		close(exited)
	}()
	w.process, w.exited = cmd, exited
	select {
	case <-ready:
	case <-exited:
		w.t.Fatalf("the server ended at once:\n%s", w.log.tail(4000))
	case <-time.After(time.Minute):
		w.t.Fatalf("the server is not ready after a minute:\n%s", w.log.tail(4000))
	}
}

// kill ends the server as a power cut would.
func (w *world) kill() { w.end(syscall.SIGKILL) }

// stop ends the server in good order.
func (w *world) stop() { w.end(syscall.SIGTERM) }

func (w *world) end(signal syscall.Signal) {
	if w.process == nil {
		return
	}
	_ = w.process.Process.Signal(signal) // it may have ended by itself
	select {
	case <-w.exited:
	case <-time.After(30 * time.Second):
		_ = w.process.Process.Kill()
		<-w.exited
		w.t.Errorf("the server did not end within 30 s of %s", signal)
	}
	w.process = nil
}

// cleanEnv is the environment without settings of Gatehouse.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GATEHOUSE_") {
			env = append(env, e)
		}
	}
	return env
}

// run runs a verb and returns what it printed and its exit code.
func (w *world) run(env []string, args ...string) (stdout, stderr string, code int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	path, err := verbs()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, path, append(args, w.store()...)...)
	cmd.Env = append(append(cleanEnv(), atExit), env...)
	cmd.Dir = w.dir
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	return out.String(), errOut.String(), cmd.ProcessState.ExitCode()
}

// gatehouse runs a verb that must succeed and decodes its JSON.
func (w *world) gatehouse(into any, args ...string) {
	w.t.Helper()
	out, errOut, code := w.run(nil, append(args, "--output", "json")...)
	if code != 0 {
		w.t.Fatalf("gatehouse %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		w.t.Fatalf("gatehouse %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// applied is what apply prints.
type applied struct {
	Workspace   struct{ ID, Slug string }
	Connections []struct {
		ID, Name, Status string
		EntityID         string `json:"entity_id"`
		MetadataURL      string `json:"metadata_url"`
		ACSURL           string `json:"acs_url"`
	}
	Directories []struct {
		ID, Name string
		BaseURL  string `json:"base_url"`
	}
	Applications []struct {
		Name   string
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	Changes []string
}

const ownerPassword = "correct horse battery staple"

// apply writes text to a file in the data dir and applies it.
func (w *world) apply(text string, more ...string) (applied, string, int) {
	w.t.Helper()
	file, err := os.CreateTemp(w.dir, "workspace-*.yaml")
	w.must(err)
	path := file.Name()
	_, err = file.WriteString(text)
	w.must(errors.Join(err, file.Close()))
	out, errOut, code := w.run([]string{"ROOT_PASSWORD=" + ownerPassword}, append([]string{"apply", "-f", path, "--output", "json"}, more...)...)
	var got applied
	if code == 0 {
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			w.t.Fatalf("apply printed no JSON: %v\n%s", err, out)
		}
	}
	return got, out + errOut, code
}

func (w *world) mustApply(text string, more ...string) applied {
	w.t.Helper()
	got, said, code := w.apply(text, more...)
	if code != 0 {
		w.t.Fatalf("apply: exit %d\n%s", code, said)
	}
	return got
}

// workspace is the file of a workspace with one owner, one directory and the mappings of seed 000.
func workspace(slug, preset, policy string) string {
	mappings := ""
	if preset == "omniflow" {
		mappings = `
role_mappings:
  - {directory: idp, group: Omniflow-Admins, role: Admin}
  - {directory: idp, group: Omniflow-Supervisors, role: Supervisor}
  - {directory: idp, group: Omniflow-Agents, role: Agent}
  - {directory: idp, group: Omniflow-Trainees, role: Trainee}`
	}
	return fmt.Sprintf(`workspace: %[1]s
name: %[1]s Inc
preset: %[2]s
policy: {%[3]s}
owners:
  - {email: root@%[1]s.test, password_env: ROOT_PASSWORD, break_glass: true}
connections:
  - {name: idp, provider: okta, protocol: saml, status: active, metadata_file: %[5]s}
directories:
  - {name: idp, connection: idp}%[4]s
`, slug, preset, policy, mappings, someIdP())
}

// someIdP is the metadata of an IdP through which nobody signs in: a connection needs some to be active.
func someIdP() string {
	path, _ := filepath.Abs(filepath.Join("testdata", "idp", "okta.xml")) // the working directory is there
	return path
}

// token makes a SCIM token for the directory of a workspace.
func (w *world) token(slug string) (baseURL, token string) {
	w.t.Helper()
	var issued struct {
		Token   string
		BaseURL string `json:"base_url"`
	}
	w.gatehouse(&issued, "scim-token", "rotate", slug, "idp")
	return issued.BaseURL, issued.Token
}

// idp makes a simulated IdP that is connected to a workspace.
func (w *world) idp(kind idpsim.Kind, slug string) *idpsim.IdP {
	w.t.Helper()
	base, token := w.token(slug)
	sim := idpsim.New(idpsim.Options{})
	w.t.Cleanup(sim.Close)
	p := sim.IdP(kind)
	w.must(p.Connect(w.ctx(), idpsim.Connection{BaseURL: base, Token: token, Attempts: 1}))
	w.must(p.TestCredentials(w.ctx()))
	return p
}

// seeded is an IdP whose company of 25 people and 6 groups has been synced.
func (w *world) seeded(kind idpsim.Kind, slug string) *idpsim.IdP {
	w.t.Helper()
	p := w.idp(kind, slug)
	w.must(p.Seed(w.ctx(), idpsim.Company{Domain: slug + ".test"}))
	report, err := p.AssignEverybody(w.ctx())
	w.must(err)
	if len(report.Failed) > 0 {
		w.t.Fatalf("first sync: %s", report)
	}
	return p
}

// cycle sends what an Entra noted; an Okta sent it at once.
func (w *world) cycle(p *idpsim.IdP) {
	w.t.Helper()
	if p.Kind() == idpsim.Entra || p.Kind() == idpsim.EntraFlag {
		_, err := p.Sync(w.ctx())
		w.must(err)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) ctx() context.Context { return w.t.Context() }

// member is what member show prints.
type member struct {
	ID, Email, Name, Status, Role string
	RoleReason                    struct{ Source, Group, Sentence string } `json:"role_reason"`
	Groups                        []string
	Attributes                    map[string]string
	Directory                     string
	DeactivatedBy                 []string `json:"deactivated_by"`
}

func (w *world) member(slug, who string) member {
	w.t.Helper()
	var m member
	w.gatehouse(&m, "member", "show", who, "--workspace", slug)
	return m
}

// people are all members of a workspace.
func (w *world) people(slug string) (list []member) {
	w.t.Helper()
	w.gatehouse(&list, "member", "list", "--workspace", slug)
	return list
}

func (w *world) wantMember(slug, who, status, role string) member {
	w.t.Helper()
	m := w.member(slug, who)
	if m.Status != status || m.Role != role {
		w.t.Fatalf("%s is %s with role %s (%s; out by %v), want %s with role %s", who, m.Status, m.Role, m.RoleReason.Sentence, m.DeactivatedBy, status, role)
	}
	return m
}

// browser is a person's browser: it keeps cookies and is signed in.
type browser struct {
	*http.Client
	w    *world
	hops []string // every request so far: method and path
}

// signIn opens a one-time link for a member, as an operator gives it.
func (w *world) signIn(slug, who string) *browser {
	w.t.Helper()
	var link struct{ URL string }
	w.gatehouse(&link, "session", "link", who, "--workspace", slug)
	b := w.newBrowser()
	res, err := b.PostForm(link.URL, url.Values{})
	w.must(err)
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		w.t.Fatalf("the link of %s: %s\n%s", who, res.Status, body)
	}
	if s := b.session(); s.status != http.StatusOK || s.Member.Email != who {
		w.t.Fatalf("after the link of %s the session is %+v", who, s)
	}
	return b
}

// session is what /auth/session says.
type session struct {
	status    int
	Workspace string
	Member    struct {
		ID, Email, Name, Role string
		Groups                []string
	}
	Method     string
	Created    time.Time `json:"created_at"`
	Expires    time.Time `json:"expires_at"`
	Connection string
}

func (b *browser) session() session {
	b.w.t.Helper()
	res, err := b.Get(b.w.base + "/auth/session")
	b.w.must(err)
	defer res.Body.Close()
	s := session{status: res.StatusCode}
	if res.StatusCode == http.StatusOK {
		b.w.must(json.NewDecoder(res.Body).Decode(&s))
	}
	return s
}

// events opens the session's event stream and delivers the name of the first event.
func (b *browser) events() <-chan string {
	b.w.t.Helper()
	told, got := b.listen(b.w.base+"/auth/session/events"), make(chan string, 1)
	go func() { got <- (<-told).name }()
	return got
}

// notice is a server-sent event.
type notice struct {
	name string // "closed without an event" where the stream ended
	data string
	at   time.Time
}

// listen opens an event stream, as an open page does, and delivers its first event whose name is not
// among those passed over.
func (b *browser) listen(address string, but ...string) <-chan notice {
	b.w.t.Helper()
	req, err := http.NewRequestWithContext(b.w.ctx(), http.MethodGet, address, nil)
	b.w.must(err)
	client := &http.Client{Jar: b.Jar}
	res, err := client.Do(req)
	b.w.must(err)
	if res.StatusCode != http.StatusOK {
		b.w.t.Fatalf("%s: %s", address, res.Status)
	}
	got := make(chan notice, 1)
	go func() {
		defer res.Body.Close()
		n := notice{}
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				n.name = name
			}
			if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && n.name != "" && !slices.Contains(but, n.name) {
				n.data, n.at = data, time.Now()
				got <- n
				return
			}
		}
		got <- notice{name: "closed without an event", at: time.Now()}
	}()
	return got
}

// atOnceIs is how long an open page may take to say that its session has ended. It is shorter than the
// time after which the page's stream would find out without having been told.
const atOnceIs = 10 * time.Second

func (w *world) wantEnded(b *browser, events <-chan string) {
	w.t.Helper()
	if s := b.session(); s.status != http.StatusUnauthorized {
		w.t.Errorf("the session is answered %d after the end, want 401", s.status)
	}
	select {
	case name := <-events:
		if name != "session.ended" {
			w.t.Errorf("the open tab got %q, want session.ended", name)
		}
	case <-time.After(atOnceIs):
		w.t.Errorf("the open tab was not told within %s", atOnceIs)
	}
}

// scim sends one SCIM request.
func (w *world) scim(token, method, path, body string) (int, map[string]any) {
	w.t.Helper()
	status, text, err := w.tryScim(token, method, path, body)
	w.must(err)
	var got map[string]any
	if text != "" {
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			w.t.Fatalf("%s %s answers %d with no JSON: %s", method, path, status, text)
		}
	}
	return status, got
}

func (w *world) tryScim(token, method, path, body string) (int, string, error) {
	req, err := http.NewRequestWithContext(w.ctx(), method, w.base+"/scim/v2"+strings.ReplaceAll(path, " ", "%20"), strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", "application/scim+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

// event is a line of audit export.
type event struct {
	Seq                   int64
	ID                    string
	Type, Outcome, Reason string
	Workspace             string
	Actor, Subject        struct{ Kind, ID, Name string }
	Connection, Directory string
	Changes               []struct{ Field, From, To string }
	Payload               json.RawMessage
}

func (w *world) events(slug string) []event {
	w.t.Helper()
	out, errOut, code := w.run(nil, "audit", "export", "--workspace", slug)
	if code != 0 {
		w.t.Fatalf("audit export: %s", errOut)
	}
	var events []event
	d := json.NewDecoder(strings.NewReader(out))
	for d.More() {
		var e event
		w.must(d.Decode(&e))
		events = append(events, e)
	}
	return events
}

func (w *world) wantEvent(slug, typ, reason string) event {
	w.t.Helper()
	events := w.events(slug)
	for _, e := range events {
		if e.Type == typ && (reason == "" || e.Reason == reason) {
			return e
		}
	}
	w.t.Fatalf("no event %s %s among %d", typ, reason, len(events))
	return event{}
}

// lockedBuffer is a log that two goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) tail(n int) string {
	s := l.String()
	if len(s) > n {
		s = "...\n" + s[len(s)-n:]
	}
	return s
}

// race is the first report of the race detector in the log.
func (l *lockedBuffer) race() string {
	_, report, _ := strings.Cut(l.String(), "WARNING: DATA RACE")
	return report[:min(len(report), 6000)]
}

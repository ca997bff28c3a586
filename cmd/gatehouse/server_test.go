package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// patience bounds what a test waits for, on a machine that is busy with other tests.
const patience = 2 * time.Minute

// serving is a server in this process.
type serving struct {
	*server
	url  string
	stop func() error
}

func serve(t *testing.T, flags map[string]string) *serving {
	t.Helper()
	if flags["data-dir"] == "" {
		flags["data-dir"] = filepath.Join(t.TempDir(), "data")
	}
	flags["listen"] = "127.0.0.1:0"
	cfg, err := config.Load(flags, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := startServer(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stop := sync.OnceValue(func() error { cancel(); return s.wait() })
	t.Cleanup(func() { _ = stop() })
	return &serving{s, "http://" + s.listener.Addr().String(), stop}
}

// do runs a command line against the server's data dir and returns what it printed.
func (s *serving) do(ctx context.Context, args ...string) (out, errors string, code int) {
	var o, e strings.Builder
	args = append(args, "--data-dir", s.cfg.DataDir, "--database", s.cfg.Database)
	code = run(ctx, args, streams{in: strings.NewReader("workspace: acme\npreset: omniflow\ndirectories: [{name: okta}]\n"), out: &o, err: &e}, nil)
	return o.String(), e.String(), code
}

func (s *serving) must(t *testing.T, args ...string) string {
	t.Helper()
	out, complaint, code := s.do(t.Context(), args...)
	if code != 0 {
		t.Fatalf("gatehouse %v: exit %d: %s", args, code, complaint)
	}
	return out
}

// status asks for a page; 0 where nothing answered.
func (s *serving) status(path string) int {
	resp, err := (&http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true}}).Get(s.url + path)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// gate is a road to a database that can be closed.
type gate struct {
	net.Listener
	target string
	mu     sync.Mutex
	shut   bool
	open   map[net.Conn]bool
}

// newGate listens on a port and leads to the PostgreSQL of dsn, which it returns changed.
func newGate(t *testing.T, dsn string) (*gate, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	g := &gate{Listener: l, open: map[net.Conn]bool{}}
	if dir := q.Get("host"); strings.HasPrefix(dir, "/") {
		g.target = filepath.Join(dir, ".s.PGSQL."+q.Get("port"))
	} else {
		g.target = u.Host
	}
	q.Del("host")
	q.Del("port")
	u.Host, u.RawQuery = l.Addr().String(), q.Encode()
	t.Cleanup(func() { g.set(true); l.Close() })
	go g.run()
	return g, u.String()
}

func (g *gate) run() {
	for {
		in, err := g.Accept()
		if err != nil {
			return
		}
		network := "tcp"
		if strings.HasPrefix(g.target, "/") {
			network = "unix"
		}
		out, err := net.Dial(network, g.target)
		g.mu.Lock()
		if err != nil || g.shut {
			in.Close()
			if out != nil {
				out.Close()
			}
			g.mu.Unlock()
			continue
		}
		g.open[in], g.open[out] = true, true
		g.mu.Unlock()
		go func() { _, _ = io.Copy(out, in); out.Close() }()
		go func() { _, _ = io.Copy(in, out); in.Close() }()
	}
}

// set closes the road, with all who are on it, or opens it.
func (g *gate) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	if shut {
		for c := range g.open {
			c.Close()
		}
		clear(g.open)
	}
}

func TestServer_RefusesWhileItsDatabaseIsAwayAndRecovers(t *testing.T) {
	t.Parallel()
	g, dsn := newGate(t, pgtest.DSN(t))
	s := serve(t, map[string]string{"database": dsn})
	s.must(t, "apply", "-f", "-")
	if got := s.status("/readyz"); got != 200 {
		t.Fatalf("readyz: %d", got)
	}

	g.set(true)
	if got := s.status("/readyz"); got != 503 {
		t.Errorf("readyz without a database: %d, want 503", got)
	}
	if got := s.status("/livez"); got != 200 {
		t.Errorf("livez without a database: %d, want 200", got)
	}
	r, err := http.NewRequest(http.MethodGet, s.url+"/scim/v2/Users", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer gscim_x")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 503 {
		t.Errorf("SCIM without a database: %d, want 503", resp.StatusCode)
	}
	if _, complaint, code := s.do(t.Context(), "member", "list", "--workspace", "acme"); code != 1 || !strings.Contains(complaint, "database does not answer") {
		t.Errorf("verb without a database: exit %d: %s", code, complaint)
	}

	g.set(false)
	if got := s.status("/readyz"); got != 200 {
		t.Errorf("readyz with the database back: %d, want 200", got)
	}
	s.must(t, "scim-token", "rotate", "acme", "okta")
	if out := s.must(t, "audit", "export", "--workspace", "acme"); !strings.Contains(out, "scim_token.rotated") {
		t.Errorf("events are not numbered any more:\n%s", out)
	}
	if err := s.stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
}

func TestServer_IsReachedOverAPathThatIsTooLongForASocket(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{"data-dir": filepath.Join(t.TempDir(), strings.Repeat("long/", 40))})
	s.must(t, "apply", "-f", "-")
	if out := s.must(t, "scim-token", "rotate", "acme", "okta"); !strings.Contains(out, s.url) {
		t.Errorf("the verb did not reach the server at %s:\n%s", s.url, out)
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(filepath.Join(s.cfg.DataDir, socketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestTokenVerbs_SayWhenATokenEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{})
	s.must(t, "apply", "-f", "-")
	s.must(t, "scim-token", "rotate", "acme", "okta", "--expires", "90d")
	out := s.must(t, "scim-token", "rotate", "acme", "okta", "--overlap", "24h", "--name", "blue")
	if !strings.Contains(out, "works until") {
		t.Errorf("rotate with an overlap says %s", out)
	}
	list := s.must(t, "scim-token", "list", "acme", "okta")
	if !strings.Contains(list, "live, replaced") || !strings.Contains(list, "blue") || strings.Count(list, "live") != 2 {
		t.Errorf("list says %s", list)
	}
	for _, wrong := range []string{"8d", "-1h", "soon", "-3d"} {
		if _, complaint, code := s.do(t.Context(), "scim-token", "rotate", "acme", "okta", "--overlap="+wrong); code == 0 {
			t.Errorf("an overlap of %s is accepted: %s", wrong, complaint)
		}
	}
	s.must(t, "scim-token", "revoke", "acme", "okta")
	if list := s.must(t, "scim-token", "list", "acme", "okta"); strings.Contains(list, "live") {
		t.Errorf("after revoke: %s", list)
	}

	out = s.must(t, "scim-secret", "create", "acme", "okta", "--name", "green", "--output", "json")
	var made settings.IssuedSecret
	if err := json.Unmarshal([]byte(out), &made); err != nil || made.TokenURL != s.url+scimserver.TokenPath {
		t.Fatalf("%v: %s", err, out)
	}
	got, err := http.PostForm(made.TokenURL, url.Values{"grant_type": {"client_credentials"}, "client_id": {made.ClientID}, "client_secret": {made.ClientSecret}})
	if err != nil {
		t.Fatal(err)
	}
	got.Body.Close()
	if got.StatusCode != http.StatusOK {
		t.Errorf("the token endpoint answered %d", got.StatusCode)
	}
	if list := s.must(t, "scim-secret", "list", "acme", "okta"); !strings.Contains(list, "green") || !strings.Contains(list, "live") || strings.Contains(list, made.ClientSecret) {
		t.Errorf("%s", list)
	}
	if out := s.must(t, "scim-secret", "trust", "acme", "okta", "--issuer", "https://issuer.test", "--subject", "job"); !strings.Contains(out, made.TokenURL) || !strings.Contains(out, made.ClientID) {
		t.Errorf("trust says %s", out)
	}
	if list := s.must(t, "scim-secret", "list", "acme", "okta"); !strings.Contains(list, "https://issuer.test job") {
		t.Errorf("%s", list)
	}
	if _, _, code := s.do(t.Context(), "scim-secret", "trust", "acme", "okta", "--issuer", "http://issuer.test", "--subject", "job"); code == 0 {
		t.Error("an issuer over plain http is trusted")
	}
	s.must(t, "scim-secret", "revoke", "acme", "okta", made.ID)
	if _, _, code := s.do(t.Context(), "scim-secret", "revoke", "acme", "okta", made.ID); code == 0 {
		t.Error("a dead secret is revoked again")
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
}

func TestServer_KeepsItsFilesToItsOwner(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{})
	s.must(t, "apply", "-f", "-")
	for name, want := range map[string]os.FileMode{".": 0o700, socketName: 0o600, "gatehouse.db": 0o600, dirLock: 0o600} {
		info, err := os.Stat(filepath.Join(s.cfg.DataDir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", name, got, want)
		}
	}
}

func TestServer_ThatCannotStartLetsGoOfEverything(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg, err := config.Load(map[string]string{"data-dir": dir, "listen": taken.Addr().String()}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := startServer(t.Context(), cfg, slog.New(slog.DiscardHandler)); errs.CodeOf(err) != "address_unusable" {
		t.Fatalf("start on a taken address: %v", err)
	}
	serve(t, map[string]string{"data-dir": dir})
}

func TestServer_OfAnotherVersionIsNamed(t *testing.T) {
	t.Parallel()
	s := serve(t, map[string]string{})
	b, ok := dialServer(t.Context(), s.cfg)
	if !ok {
		t.Fatal("the server was not found")
	}
	for name, r := range map[string]request{
		"member.teleport": {Args: []byte(`{}`)},
		"member.show":     {Args: []byte(`{"workspace":"acme","who":"x","shoe_size":44}`)},
	} {
		if _, err := b.perform(t.Context(), name, r); errs.CodeOf(err) != "version_skew" {
			t.Errorf("%s: %v, want code version_skew", name, err)
		}
	}
}

// lineWriter hands over each line that is written to it.
type lineWriter struct {
	lines chan string
	rest  string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest += string(p)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(p), nil
		}
		w.lines <- line
		w.rest = rest
	}
}

func TestAuditTail_TellsEveryEventOnceInOrder(t *testing.T) {
	t.Parallel()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			flags := map[string]string{}
			if database == "postgres" {
				flags["database"] = pgtest.DSN(t)
			}
			s := serve(t, flags)
			s.must(t, "apply", "-f", "-")

			const writers, each = 4, 4
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			out := &lineWriter{lines: make(chan string, 1000)}
			started := &lineWriter{lines: make(chan string, 10)}
			ended := make(chan int, 1)
			go func() {
				ended <- run(ctx, []string{"audit", "tail", "--workspace", "acme", "--data-dir", s.cfg.DataDir, "--database", s.cfg.Database},
					streams{in: strings.NewReader(""), out: out, err: started}, nil)
			}()
			var last int64
			if _, err := fmt.Sscanf(<-started.lines, "following acme after event %d", &last); err != nil {
				t.Fatal(err)
			}
			var writing sync.WaitGroup
			defer writing.Wait()
			for range writers {
				writing.Go(func() {
					for range each {
						if _, complaint, code := s.do(ctx, "scim-token", "rotate", "acme", "okta"); code != 0 {
							t.Errorf("rotate: %s", complaint)
							return
						}
					}
				})
			}
			for range writers * each {
				select {
				case line := <-out.lines:
					last++
					if !strings.HasPrefix(line, fmt.Sprintf(`{"seq":%d,`, last)) {
						t.Fatalf("event %d was expected, got %s", last, line)
					}
				case <-ctx.Done():
					t.Fatalf("event %d did not come in time", last+1)
				}
			}
			writing.Wait()
			cancel()
			if code := <-ended; code != 0 {
				t.Errorf("an interrupted tail ended with %d", code)
			}
		})
	}
}

package idpsim

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The fixtures under testdata are requests as they must go over the wire: line, headers in
// alphabetical order, empty line, body. With -update they are written anew; then read the
// difference against the vendors' documents before believing it.
var update = flag.Bool("update", false, "write the fixtures under testdata anew")

// wire is an application that answers by script and keeps every request byte for byte.
type wire struct {
	t       *testing.T
	dir     string
	p       *IdP
	answers []string // "STATUS body"
	got     [][]byte
	used    map[string]bool
}

// openWire makes a client whose application is http://app.test/scim/v2.
func openWire(t *testing.T, kind Kind, c Connection) *wire {
	t.Helper()
	w := &wire{t: t, dir: filepath.Join("testdata", string(kind)), used: map[string]bool{}}
	srv := httptest.NewServer(w)
	t.Cleanup(srv.Close)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, srv.Listener.Addr().String())
	}
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableCompression: true}}
	z := &sleeps{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	s := New(Options{Clock: z.clock, Sleep: z.sleep, HTTPClient: client,
		GUID:     func() string { return "5f2c0f8e-4a54-4d0b-9a0e-3b6f1c2d7e90" },
		Password: func() string { return "r4nd0m" }})
	t.Cleanup(s.Close)
	w.p = s.IdP(kind)
	w.connect(c)
	return w
}

func (w *wire) connect(c Connection) {
	w.t.Helper()
	if c.BaseURL == "" {
		c.BaseURL = "http://app.test/scim/v2"
	}
	c.Token, c.Attempts = "gscim_token", 1
	must(w.t, w.p.Connect(w.t.Context(), c))
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\nHost: %s\n", r.Method, r.RequestURI, r.Host)
	if r.ContentLength > 0 {
		r.Header.Set("Content-Length", fmt.Sprint(r.ContentLength))
	}
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		for _, v := range r.Header[k] {
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	b.WriteString("\n")
	_, _ = io.Copy(&b, r.Body)
	w.got = append(w.got, b.Bytes())
	answer := "500 {}"
	if len(w.answers) > 0 {
		answer, w.answers = w.answers[0], w.answers[1:]
	}
	status, body, _ := strings.Cut(answer, " ")
	code := 0
	fmt.Sscan(status, &code)
	rw.Header().Set("Content-Type", "application/scim+json")
	rw.WriteHeader(code)
	_, _ = io.WriteString(rw, body)
}

// expect runs op and compares the requests that it sends with the fixtures; each is a name and the
// answer to give, "name: STATUS body".
func (w *wire) expect(op func(context.Context) error, exchanges ...string) {
	w.t.Helper()
	var names []string
	w.answers, w.got = nil, nil
	for _, e := range exchanges {
		name, answer, _ := strings.Cut(e, ": ")
		names = append(names, name)
		w.answers = append(w.answers, answer)
	}
	if err := op(w.t.Context()); err != nil {
		w.t.Fatalf("%v: %v", names, err)
	}
	if len(w.got) != len(names) {
		w.t.Fatalf("%d requests were sent, want %v:\n%s", len(w.got), names, bytes.Join(w.got, []byte("\n\n")))
	}
	for i, name := range names {
		w.compare(name+".http", w.got[i])
	}
}

func (w *wire) compare(name string, got []byte) {
	w.t.Helper()
	w.used[name] = true
	path := filepath.Join(w.dir, name)
	if *update {
		must(w.t, os.MkdirAll(w.dir, 0o755))
		must(w.t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	must(w.t, err)
	if !bytes.Equal(got, want) {
		w.t.Errorf("%s differs.\ngot:\n%s\n\nwant:\n%s", path, got, want)
	}
}

// finish fails for fixtures that no request was compared with.
func (w *wire) finish() {
	w.t.Helper()
	entries, err := os.ReadDir(w.dir)
	must(w.t, err)
	for _, e := range entries {
		if !w.used[e.Name()] {
			w.t.Errorf("%s/%s is compared with nothing", w.dir, e.Name())
		}
	}
}

const (
	emptyList = `200 {"totalResults":0,"Resources":[]}`
	noBody    = "204"
	ann       = "ann.lee@acme.test"
	bob       = "bob@acme.test"
)

// report drops the report of an operation that gives one.
func report(op func(context.Context) (Report, error)) func(context.Context) error {
	return func(ctx context.Context) error { _, err := op(ctx); return err }
}

// then runs operations one after another.
func then(ops ...func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, op := range ops {
			if err := op(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// set changes attributes of Ann.
func (w *wire) set(a Attributes) func(context.Context) error {
	return func(ctx context.Context) error { return w.p.Change(ctx, ann, a) }
}

func text(s string) *string { return &s }

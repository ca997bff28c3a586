package scimtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"go/parser"
	gotoken "go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimmem"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

const token = "t0p-secret-token"

// memory serves a directory in memory behind what around makes of its handler.
func memory(t testing.TB, around func(http.Handler) http.Handler) (scimtest.Probe, *scimmem.Directory) {
	t.Helper()
	d := &scimmem.Directory{}
	h := &scim.Handler{Prefix: "/scim/v2", Types: []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()}, Offers: scimmem.Offers(), Bulk: &scim.BulkLimits{},
		Backend: func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				return nil, scim.Unauthorized()
			}
			return d, nil
		}}
	s := httptest.NewServer(around(h))
	t.Cleanup(s.Close)
	h.BaseURL = s.URL + "/scim/v2"
	return scimtest.Probe{BaseURL: h.BaseURL, Token: token, Domain: "acme.test"}, d
}

func plain(h http.Handler) http.Handler { return h }

func TestTest_PassesOnTheDirectoryInMemory(t *testing.T) {
	p, _ := memory(t, plain)
	scimtest.Test(t, p)
}

// empty expects that nothing is left of a run.
func empty(t testing.TB, d *scimmem.Directory) {
	t.Helper()
	for _, kind := range []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()} {
		page, err := d.List(context.Background(), kind, scim.Query{Count: 100, StartIndex: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Resources {
			t.Errorf("%s %s %s is left", kind.Name, r.String("userName"), r.String("displayName"))
		}
	}
}

func TestCases_HaveNamesOfTheirOwnAndTellWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range scimtest.Cases() {
		if seen[c.ID] || c.Title == "" || !strings.HasPrefix(c.Section, "RFC ") {
			t.Errorf("%q, %q, %q", c.ID, c.Title, c.Section)
		}
		seen[c.ID] = true
	}
	if len(seen) < 50 {
		t.Errorf("there are %d cases", len(seen))
	}
}

func TestRun_LeavesNothingBehindWhenItsContextEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p, d := memory(t, plain)
	p.Each = func(r scimtest.Result) {
		if r.ID == "group.create" {
			cancel()
		}
	}
	report, err := p.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if report.OK() || report.Count(scimtest.NotRun) == 0 || report.Count(scimtest.Failed) != 0 {
		t.Errorf("%d not run, %d failed", report.Count(scimtest.NotRun), report.Count(scimtest.Failed))
	}
	empty(t, d)
}

// A request that the server performed, and whose answer the probe never read.
func TestRun_RemovesWhatItNeverHeardOf(t *testing.T) {
	t.Parallel()
	p, d := memory(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPost {
				h.ServeHTTP(w, r)
				return
			}
			h.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
		})
	})
	other, err := d.Create(t.Context(), scim.NewUserType(), scim.Resource{"userName": "ann@acme.test"})
	if err != nil {
		t.Fatal(err)
	}
	p.Only = []string{"create"}
	if report, err := p.Run(t.Context()); err != nil || report.Count(scimtest.Failed) == 0 {
		t.Fatalf("%v, %+v", err, report)
	}
	if err := d.Delete(t.Context(), scim.NewUserType(), other.ID()); err != nil {
		t.Errorf("somebody else's person: %v", err)
	}
	empty(t, d)
}

func TestRun_SaysWhatItCouldNotRemove(t *testing.T) {
	t.Parallel()
	p, _ := memory(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	p.Only = []string{"create.user"}
	report, err := p.Run(t.Context())
	if err != nil || len(report.Left) != 1 || report.Count(scimtest.Passed) != 1 || report.OK() {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestRun_KeepsItsBounds(t *testing.T) {
	t.Parallel()
	p, d := memory(t, plain)
	p.MaxRequests = 60
	report, err := p.Run(t.Context())
	if err != nil || report.Requests > 60 || report.OK() || report.Count(scimtest.NotRun) == 0 {
		t.Errorf("%v, %d requests, %d not run", err, report.Requests, report.Count(scimtest.NotRun))
	}
	empty(t, d)
}

// A server that repeats the header, and one that sends it elsewhere.
func TestRun_TellsTheTokenToNobody(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
	}))
	t.Cleanup(elsewhere.Close)
	p, _ := memory(t, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
			_, _ = w.Write([]byte(`{"detail":"you sent ` + r.Header.Get("Authorization") + `"}`))
		})
	})
	report, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(report)
	if err != nil || strings.Contains(string(out), token) || !strings.Contains(string(out), "[token]") {
		t.Errorf("%v: %.300s", err, out)
	}
}

func TestRun_AsksForWhatIsOfferedAlone(t *testing.T) {
	t.Parallel()
	d := &scimmem.Directory{}
	h := &scim.Handler{Types: []*scim.ResourceType{scim.NewUserType()}, Backend: func(*http.Request) (scim.Backend, error) { return d, nil }}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.BaseURL = s.URL
	report, err := scimtest.Probe{BaseURL: s.URL}.Run(t.Context())
	if err != nil || !report.OK() {
		t.Errorf("%v, %+v", err, report)
	}
	for _, r := range report.Results {
		kind, _, _ := strings.Cut(r.ID, ".")
		optional := slices.Contains([]string{"group", "member", "version", "sort", "cursor", "bulk"}, kind) || r.ID == "http.no-token" || r.ID == "http.wrong-token"
		if optional != (r.Outcome == scimtest.NotOffered) {
			t.Errorf("%s: %s", r.ID, r.Outcome)
		}
	}
}

func TestRun_WaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	refused := false // requests come one after the other
	p, _ := memory(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost && !refused {
				refused = true
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	p.Only = []string{"create.user"}
	if report, err := p.Run(t.Context()); err != nil || !report.OK() || !refused {
		t.Errorf("%v, %+v", err, report)
	}
}

func TestRun_ChecksNothingWithoutABaseURL(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "api.acme.test/scim", "ftp://api.acme.test", "https://me:hush@api.acme.test", "https://api.acme.test/?x", "https://%zz"} {
		if _, err := (scimtest.Probe{BaseURL: base}).Run(t.Context()); !errors.Is(err, scimtest.ErrBaseURL) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// With the engine's own parser in it, a mistake of the engine's would look right.
func TestPackage_ImportsTheStandardLibraryAlone(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(gotoken.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, ".") {
				t.Errorf("%s imports %s", name, i.Path.Value)
			}
		}
	}
}

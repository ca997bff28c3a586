package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// lie stands between the script and the real server and changes what it says.
type lie func(truth http.Handler) http.Handler

// when answers by instead where a request is of that kind, and by the truth otherwise.
func when(is func(r *http.Request, body string) bool, instead func(w http.ResponseWriter, r *http.Request, truth http.Handler)) lie {
	return func(truth http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body) // a part of a body is none of the kinds
			r.Body = io.NopCloser(bytes.NewReader(body))
			if is(r, string(body)) {
				instead(w, r, truth)
				return
			}
			truth.ServeHTTP(w, r)
		})
	}
}

// says answers in the server's place.
func says(status int, body string) func(http.ResponseWriter, *http.Request, http.Handler) {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		if body != "" {
			w.Header().Set("Content-Type", "application/scim+json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// keepsSessionsAlive is a cache: who was signed in once is so for ever.
func keepsSessionsAlive(truth http.Handler) http.Handler {
	var mu sync.Mutex
	var kept []byte
	return when(func(r *http.Request, _ string) bool { return r.URL.Path == "/auth/session" },
		func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
			mu.Lock()
			defer mu.Unlock()
			answer := httptest.NewRecorder()
			truth.ServeHTTP(answer, r)
			if answer.Code == http.StatusOK {
				kept = answer.Body.Bytes()
			}
			_, _ = w.Write(kept)
		})(truth)
}

// tellsForeignIDs refuses ids that exist in another way than ids that do not.
func tellsForeignIDs(truth http.Handler) http.Handler {
	var known sync.Map
	return when(func(r *http.Request, _ string) bool { return strings.HasPrefix(r.URL.Path, "/scim/v2/Groups/") },
		func(w http.ResponseWriter, r *http.Request, truth http.Handler) {
			answer := httptest.NewRecorder()
			truth.ServeHTTP(answer, r)
			if answer.Code < 300 {
				known.Store(r.URL.Path, true)
			} else if _, there := known.Load(r.URL.Path); there {
				answer.Code = http.StatusForbidden
			}
			for k, v := range answer.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})(truth)
}

// neverTells accepts the open page and has nothing to say to it.
func neverTells(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

// Kinds of requests that lies are about.
func pageListens(r *http.Request, _ string) bool { return r.URL.Path == "/auth/session/events" }
func makesBjork(r *http.Request, body string) bool {
	return r.Method == http.MethodPost && strings.Contains(body, `"bjork@`)
}
func joinsGroup(r *http.Request, body string) bool {
	return r.Method == http.MethodPatch && strings.Contains(body, `"op":"add"`) && strings.Contains(r.URL.Path, "/Groups/")
}
func comesBack(r *http.Request, body string) bool {
	return r.Method == http.MethodPatch && strings.Contains(body, `"active"`) && strings.Contains(body, `"True"`)
}
func importsPeople(r *http.Request, _ string) bool {
	q := r.URL.Query()
	return strings.HasSuffix(r.URL.Path, "/Users") && q.Get("filter") == "" && q.Get("count") == "100"
}
func sendsProfileAgain(r *http.Request, body string) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/Users/") && !strings.Contains(body, "zoe.mueller")
}

func putsOut(w http.ResponseWriter, r *http.Request, truth http.Handler) {
	body, _ := io.ReadAll(r.Body)
	text := strings.ReplaceAll(string(body), `"active":true`, `"active":false`)
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
	truth.ServeHTTP(w, r)
}

func onlyReads(w http.ResponseWriter, r *http.Request, truth http.Handler) {
	r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
	r.Header.Del("Content-Type")
	truth.ServeHTTP(w, r)
}

// TestEachStepOfTheScriptCanFail plays the story of one client while something is not as it should
// be, and sees the step fail that is about it.
func TestEachStepOfTheScriptCanFail(t *testing.T) {
	mistake := func(w *world) error { w.neighbour.token = w.tenants[0].token; return nil }
	spill := func(w *world) error { w.wire.secret("Omniflow-Trainees"); return nil }
	revoke := func(w *world) error {
		_, err := call[done](t.Context(), w.operator, "scim-token.revoke", tokenArgs{Workspace: w.tenants[0].slug, Directory: "idp"})
		return err
	}
	flicker := func(w *world) error {
		w.through(t, when(joinsGroup, func(out http.ResponseWriter, r *http.Request, truth http.Handler) {
			for _, verb := range []string{"member.deactivate", "member.restore"} {
				if _, err := call[memberView](r.Context(), w.operator, verb, memberArgs{w.tenants[0].slug, moved + "@acme.test"}); err != nil {
					t.Error(err)
				}
			}
			truth.ServeHTTP(out, r)
		}))
		return nil
	}
	demote := func(w *world) error {
		text := "workspace: " + w.tenants[0].slug + "\nrole_mappings:\n  - {group: Omniflow-Admins, role: Trainee}\n"
		_, err := call[applied](t.Context(), w.operator, "apply", applyArgs{Text: text})
		return err
	}
	const (
		test, sync, promote, move   = "test credentials", "sync of 25 people and 6 groups", "promotion by group", "move between groups"
		deactivate, reactivate      = "deactivation ends the open session", "reactivation with the same role"
		imports, again              = "import", "everything sent again changes nothing"
		lists, probes, logs, hidden = "its token lists nothing of the others", "foreign ids answer as unknown ones do", "every write is there with its payload", "no token, password or link is in it"
	)
	for name, c := range map[string]struct {
		kind  idpsim.Kind
		lie   lie
		ruin  func(w *world) error
		steps []string // those that are played; the last one fails
		want  string   // how the reason begins
	}{
		"a token that is no longer valid":           {idpsim.Okta, nil, revoke, []string{test}, "the step to work, got okta: test users"},
		"a mapping that gives another role":         {idpsim.Entra, nil, demote, []string{sync}, "ann.lee@globex.test as active, Admin"},
		"a person who is acknowledged and not made": {idpsim.EntraFlag, when(makesBjork, says(http.StatusCreated, `{"id":"usr_x","active":true}`)), nil, []string{sync}, ""},
		"a promotion that is acknowledged and not done": {idpsim.Okta, when(joinsGroup, says(http.StatusNoContent, "")), nil, []string{sync, promote},
			"hoa.nguyen@acme.test as active, Supervisor"},
		"a move by which somebody is out for a moment": {idpsim.Okta, nil, flicker, []string{sync, move}, "priya.r@acme.test to stay in throughout, got an event member.deactivated"},
		"a cache that keeps a dead session alive": {idpsim.OktaCustom, keepsSessionsAlive, nil, []string{sync, deactivate},
			"the first check after the SCIM answer to be answered 401, got 200"},
		"a page that is never told": {idpsim.Entra, when(pageListens, neverTells), nil, []string{sync, deactivate}, "the open page to be told, got no word"},
		"a return that is acknowledged and not done": {idpsim.Entra, when(comesBack, says(http.StatusNoContent, "")), nil, []string{sync, deactivate, reactivate},
			"zoe.mueller@globex.test as active, Admin"},
		"a list that leaves everybody out": {idpsim.Okta, when(importsPeople, says(http.StatusOK, `{"totalResults":0,"Resources":[]}`)), nil, []string{sync, imports},
			"the 25 people of the workspace, each once, got 0 in the list"},
		"a profile sent again that puts somebody out":   {idpsim.Okta, when(sendsProfileAgain, putsOut), nil, []string{sync, again}, ""},
		"a neighbour who is taken for somebody else":    {idpsim.Okta, nil, mistake, []string{sync, lists}, "nothing at /Users, got 25 resources"},
		"a foreign id that is told from an unknown one": {idpsim.Okta, tellsForeignIDs, nil, []string{sync, probes}, "GET /Groups/{id} to answer a foreign id as an unknown one"},
		"a write that is acknowledged and not logged":   {idpsim.Okta, when(sendsProfileAgain, onlyReads), nil, []string{sync, again, logs}, "acme: events for "},
		"a secret in the log":                           {idpsim.Okta, nil, spill, []string{sync, hidden}, "acme: event "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := oneClient(t, c.kind)
			if c.lie != nil {
				w.through(t, c.lie)
			}
			if c.ruin != nil {
				if err := c.ruin(w); err != nil {
					t.Fatal(err)
				}
			}
			failsAtLast(t, w, c.steps, c.want)
		})
	}
}

// oneClient is a demonstration with one of the four clients, or some, and the neighbour.
func oneClient(t *testing.T, kinds ...idpsim.Kind) *world {
	t.Helper()
	only := slices.DeleteFunc(newTenants(), func(t *tenant) bool { return !slices.Contains(kinds, t.kind) })
	w, err := openWorld(t.Context(), t.TempDir(), "127.0.0.1:0", only, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// through puts a liar between the demonstration and its server.
func (w *world) through(t *testing.T, tell lie) {
	t.Helper()
	real, err := url.Parse(w.origin)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Transport: &http.Transport{DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(real) }}
	server := httptest.NewServer(tell(proxy))
	t.Cleanup(server.Close)
	w.origin = server.URL
	for _, client := range w.tenants {
		if err := client.idp.Connect(t.Context(), idpsim.Connection{BaseURL: w.origin + "/scim/v2", Token: client.token}); err != nil {
			t.Fatal(err)
		}
	}
}

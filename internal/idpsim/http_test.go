package idpsim

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is the simulator behind its own HTTP server, and a client that does not follow redirects.
type site struct {
	t      *testing.T
	s      *Server
	url    string
	client *http.Client
}

func openSite(t *testing.T) *site {
	t.Helper()
	s, _ := quiet(t)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	client := srv.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &site{t, s, srv.URL, client}
}

// do sends a request and returns status and body.
func (x *site) do(method, path, contentType, body string, headers ...string) (int, string) {
	x.t.Helper()
	req, err := http.NewRequestWithContext(x.t.Context(), method, x.url+path, strings.NewReader(body))
	must(x.t, err)
	req.Header.Set("Content-Type", contentType)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := x.client.Do(req)
	must(x.t, err)
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	must(x.t, err)
	return res.StatusCode, string(data)
}

func (x *site) post(path, body string) (int, string) {
	return x.do(http.MethodPost, path, "application/json", body)
}

func (x *site) form(path string, v url.Values) (int, string) {
	return x.do(http.MethodPost, path, "application/x-www-form-urlencoded", v.Encode())
}

// script runs steps that must all succeed: a path and a JSON body, by turns.
func (x *site) script(steps ...string) {
	x.t.Helper()
	for i := 0; i < len(steps); i += 2 {
		if status, body := x.post(steps[i], steps[i+1]); status != 200 {
			x.t.Fatalf("POST %s %s: %d %s", steps[i], steps[i+1], status, body)
		}
	}
}

func TestAScriptDoesOverHTTPWhatAnAdministratorDoes(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			x := openSite(t)
			f, base := startFake(t)
			at := "/api/" + string(kind)
			x.script(at+"/connect", `{"base_url":"`+base+`","token":"gscim_0123456789","parallel":2}`, at+"/test", "",
				at+"/seed", `{"people":3,"groups":2}`, at+"/people", `{"userName":"new@acme.test","givenName":"New","familyName":"One"}`,
				at+"/people/new@acme.test/assign", "", at+"/groups", `{"name":"Late","members":["new@acme.test"]}`,
				at+"/assign-all", "{}", at+"/people/new@acme.test/manager", `{"manager":"ann.lee@acme.test"}`,
				at+"/people/new@acme.test", `{"title":"Agent","userName":"newer@acme.test"}`,
				at+"/people/newer@acme.test/move", `{"from":"Late","to":"Omniflow-Admins"}`,
				at+"/groups/Late/rename", `{"name":"Later"}`, at+"/groups/Later/members", `{"add":["ann.lee@acme.test"]}`,
				at+"/people/zoe.mueller@acme.test/deactivate", "", at+"/sync", "", at+"/retry", "")
			u := f.user("newer@acme.test")
			if u == nil || u["title"] != "Agent" || f.user("zoe.mueller@acme.test")["active"] != false {
				t.Errorf("the application holds %v", f.users)
			}
			if !kind.PushesGroups() {
				if status, _ := x.post(at+"/groups/Later/push-now", ""); status != http.StatusConflict || len(f.groups) != 0 {
					t.Errorf("a push of groups that is not offered: %d", status)
				}
				return
			}
			x.script(at+"/groups/Later/push-now", "")
			if got := f.memberNames("Later"); len(got) != 1 || got[0] != "ann.lee@acme.test" {
				t.Errorf("the renamed group has %v", got)
			}
			var trace []Exchange
			status, body := x.do(http.MethodGet, at+"/trace?limit=3", "", "")
			if err := json.Unmarshal([]byte(body), &trace); err != nil || status != 200 || len(trace) != 3 {
				t.Errorf("trace: %d %v with %d entries", status, err, len(trace))
			}
			if _, body := x.do(http.MethodGet, at, "", ""); strings.Contains(body, "gscim_0123456789") {
				t.Error("the token can be read back")
			}
		})
	}
}

func TestMistakesAreRefusedWithTheirStatus(t *testing.T) {
	x := openSite(t)
	_, base := startFake(t)
	x.script("/api/entra/seed", "", "/api/okta/seed", "", "/api/okta/connect", `{"base_url":"`+base+`/nowhere/Users/x","token":"tttttttttttt"}`)
	for name, c := range map[string]struct {
		path, body string
		want       int
	}{
		"an unknown person":             {"/api/entra/people/nobody/assign", "", 404},
		"an unknown group":              {"/api/entra/groups/none/push", "", 404},
		"an unknown key":                {"/api/entra/seed", `{"peple":3}`, 400},
		"broken JSON":                   {"/api/entra/connect", `{"base_url":`, 400},
		"a URL that is none":            {"/api/entra/connect", `{"base_url":"scim","token":"x"}`, 400},
		"a token with a line break":     {"/api/entra/connect", `{"base_url":"http://a.test","token":"x\ny"}`, 400},
		"an unknown matching":           {"/api/entra/connect", `{"base_url":"http://a.test","token":"x","matching":"name"}`, 400},
		"a second person of that name":  {"/api/entra/people", `{"userName":"ANN.lee@acme.test"}`, 400},
		"a second group of that name":   {"/api/entra/groups", `{"name":"engineering"}`, 400},
		"a manager of oneself":          {"/api/entra/people/ann.lee@acme.test/manager", `{"manager":"ann.lee@acme.test"}`, 400},
		"a sync without a connection":   {"/api/entra/sync", "", 409},
		"a restart at Okta":             {"/api/okta/restart", "", 409},
		"a refusal of the application":  {"/api/okta/people/ann.lee@acme.test/assign", "", 502},
		"a seed of nonsense":            {"/api/entra/seed", `{"people":-1}`, 400},
		"renaming somebody to nothing":  {"/api/entra/people/ann.lee@acme.test", `{"userName":" "}`, 400},
		"app roles at Okta":             {"/api/okta/people/ann.lee@acme.test/roles", `{}`, 409},
		"a password without that sync":  {"/api/okta/people/ann.lee@acme.test/password", `{"password":"x"}`, 400},
		"pushing what was never pushed": {"/api/okta/groups/Engineering/push-now", "", 400},
	} {
		t.Run(name, func(t *testing.T) {
			if status, body := x.post(c.path, c.body); status != c.want || !strings.Contains(body, `"error"`) {
				t.Errorf("%d %s, want %d", status, body, c.want)
			}
		})
	}
}

func TestAnotherSiteCannotPost(t *testing.T) {
	x := openSite(t)
	for _, path := range []string{"/api/okta/seed", "/okta/seed"} {
		status, _ := x.do(http.MethodPost, path, "text/plain", "", "Origin", "http://evil.test", "Sec-Fetch-Site", "cross-site")
		if status != http.StatusForbidden || len(x.s.IdP(Okta).State().People) != 0 {
			t.Errorf("POST %s from another site: %d", path, status)
		}
	}
}

func TestPagesWorkWithFormsAlone(t *testing.T) {
	x := openSite(t)
	f, base := startFake(t)
	for _, kind := range Kinds() {
		f.users, f.groups = nil, nil
		at := "/" + string(kind)
		for _, step := range []struct {
			path string
			form url.Values
		}{
			{"/seed", nil}, {"/connect", url.Values{"base_url": {base}, "token": {"tttttttttttt"}}}, {"/test", nil}, {"/assign-all", nil},
			{"/people/ann.lee@acme.test", url.Values{"givenName": {"<b>Ann</b>"}, "displayName": {"<b>Ann</b>"}}},
			{"/people/bjork@acme.test/deactivate", nil},
			{"/groups/Engineering/members", url.Values{"add": {"ann.lee@acme.test"}, "remove": {"noa.levi@acme.test"}}},
			{"/groups/Omniflow-Trainees/unlink", url.Values{"delete": {"1"}}}, {"/sync", nil},
		} {
			if status, body := x.form(at+step.path, step.form); status != http.StatusSeeOther {
				t.Fatalf("POST %s: %d %s", at+step.path, status, body)
			}
			if last := x.s.IdP(kind).State().Last; !last.OK {
				t.Fatalf("POST %s: %s", at+step.path, last.Message)
			}
		}
		if f.group("Omniflow-Trainees") != nil || f.user("bjork@acme.test")["active"] != false || len(f.memberNames("Engineering")) != groupsOf(kind, 4) {
			t.Errorf("%s: the forms did not reach the application", kind)
		}
		status, body := x.do(http.MethodGet, at, "", "")
		for _, want := range []string{"&lt;b&gt;Ann&lt;/b&gt;", "deprovisioned", "李", "Übersetzung &amp; Finance", "Last requests"} {
			if status != 200 || !strings.Contains(body, want) {
				t.Errorf("%s: page %d lacks %q", kind, status, want)
			}
		}
		if strings.Contains(body, "tttttttttttt") || strings.Contains(body, "<script") || strings.Contains(body, "<b>Ann") {
			t.Errorf("%s: the page holds the token, a script or unescaped text", kind)
		}
	}
	if status, body := x.do(http.MethodGet, "/", "", ""); status != 200 || strings.Count(body, `class="button"`) != len(Kinds()) {
		t.Errorf("index: %d", status)
	}
	if status, body := x.do(http.MethodGet, "/assets/idpsim.css", "", ""); status != 200 || !strings.Contains(body, "prefers-color-scheme: dark") {
		t.Errorf("stylesheet: %d", status)
	}
}

func TestAFormSetsWhatOnlyOneVendorHas(t *testing.T) {
	x := openSite(t)
	_, base := startFake(t)
	for kind, fields := range map[Kind][]string{
		OneLogin: {"template", `{"userName":"x"}`, "delete_action", "delete"}, JumpCloud: {"test_address", "t@acme.test", "suspend_action", "nothing"},
		PingOne: {"user_filter", `userName eq "%s"`, "create_inactive", "on"}, Google: {"nest_core", "on"}, CyberArk: {"delete_action", "nothing"},
	} {
		at, form := "/"+string(kind), url.Values{"base_url": {base}, "token": {"tttttttttttt"}}
		_, body := x.do(http.MethodGet, at, "", "")
		for i := 0; i < len(fields); i += 2 {
			form.Set(fields[i], fields[i+1])
			if !strings.Contains(body, `name="`+fields[i]+`"`) {
				t.Errorf("%s: the page has no %s", kind, fields[i])
			}
		}
		if strings.Contains(body, "password_sync") {
			t.Errorf("%s: the page offers what only Okta has", kind)
		}
		x.form(at+"/connect", form)
		c, err := x.s.IdP(kind).settings()
		must(t, err)
		for i := 0; i < len(fields); i += 2 {
			got := map[string]string{"template": c.Template, "delete_action": c.DeleteAction, "test_address": c.TestAddress,
				"suspend_action": c.SuspendAction, "user_filter": c.UserFilter}
			if want, text := got[fields[i]]; text && want != fields[i+1] || !text && !c.CreateInactive && !c.NestCore {
				t.Errorf("%s: %s is %+v", kind, fields[i], c)
			}
		}
	}
}

func TestAMistakeInAFormIsShownOnThePage(t *testing.T) {
	x := openSite(t)
	x.form("/okta/connect", url.Values{"base_url": {"<nonsense>"}, "token": {"x"}})
	if _, body := x.do(http.MethodGet, "/okta", "", ""); !strings.Contains(body, "&lt;nonsense&gt;") || !strings.Contains(body, `class="notice bad"`) {
		t.Error("the mistake is not shown")
	}
}

// TestThePackageCommentListsEveryRoute keeps the table in doc.go true.
func TestThePackageCommentListsEveryRoute(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	for noun, names := range verbs {
		for name := range names {
			path := strings.NewReplacer("/people/{id}", "/people/{who}", "/groups/{id}", "/groups/{group}").Replace(routePath(noun, name))
			listed := regexp.MustCompile(`POST /api/\{idp\}` + regexp.QuoteMeta(path) + `\s`).Match(doc)
			also := noun == "people" && regexp.MustCompile(`also: .*\b`+name+`\b`).Match(doc)
			if !listed && !also {
				t.Errorf("doc.go does not list POST /api/{idp}%s", path)
			}
		}
	}
}

func TestIDsAndSeedsAreTheSameForTheSameRandomness(t *testing.T) {
	company := func() State {
		s := New(Options{Rand: rand.NewChaCha8([32]byte{1})})
		t.Cleanup(s.Close)
		must(t, s.IdP(Okta).Seed(t.Context(), Company{People: 60, Groups: 8}))
		return s.IdP(Okta).State()
	}
	a, b := company(), company()
	if len(a.People) != 60 || len(a.Groups) != 8 {
		t.Fatalf("%d people and %d groups", len(a.People), len(a.Groups))
	}
	for i := range a.People {
		if a.People[i].ID != b.People[i].ID || a.People[i].UserName != b.People[i].UserName {
			t.Fatalf("person %d differs: %v and %v", i, a.People[i], b.People[i])
		}
	}
	if len(a.Groups[6].Members)+len(a.Groups[7].Members) != 60 {
		t.Error("the further groups do not share the people out")
	}
}

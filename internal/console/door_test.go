package console

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

var operator = audit.Party{Kind: "operator"}

// routes are all of a workspace's, method and path, and the ids of what stands in them.
func (w *world) routes(slug string) (ids []string, all [][2]string) {
	w.t.Helper()
	ctx := w.t.Context()
	con, err := w.settings.CreateConnection(ctx, slug, "Probe", "okta", operator)
	w.must(err)
	dir, err := w.settings.CreateDirectory(ctx, slug, "Probe", con.ID, operator)
	w.must(err)
	_, cfg, err := w.settings.Workspace(ctx, slug)
	w.must(err)
	m, err := w.settings.AddRoleMapping(ctx, slug, settings.NewMapping{Match: "Probe", Role: cfg.Roles.Lowest().ID}, operator)
	w.must(err)
	w.write(slug, func(tx *store.Tx) error {
		return tx.Record(audit.Event{ID: "evt_probe_" + slug, Type: audit.SettingsChanged, Actor: operator})
	})
	c, d := "/sso/connections/"+con.ID, "/sso/directories/"+dir.ID
	return []string{con.ID, dir.ID, m.ID, "evt_probe_" + slug}, [][2]string{
		{"GET", "/sso"}, {"GET", c}, {"GET", d}, {"GET", "/roles"}, {"GET", "/events"}, {"GET", "/events/evt_probe_" + slug},
		{"POST", c + "/metadata"}, {"POST", c + "/metadata/apply"}, {"POST", c + "/metadata/refresh"}, {"POST", c + "/metadata/forget"}, {"POST", c + "/metadata/decide"},
		{"POST", c + "/idp-keys/0a/promote"}, {"POST", c + "/idp-keys/0a/keep"}, {"POST", c + "/idp-keys/0a/drop"}, {"POST", c + "/attributes"}, {"POST", c + "/idp-initiated"}, {"POST", c + "/saml"}, {"POST", c + "/keys"}, {"POST", c + "/keys/0a/use"}, {"POST", c + "/keys/0a/remove"}, {"POST", c + "/confirm"}, {"POST", c + "/activate"}, {"POST", c + "/disable"}, {"POST", c + "/domains"},
		{"POST", d + "/token"}, {"POST", d + "/tokens/tok_x/revoke"}, {"POST", d + "/secrets"}, {"POST", d + "/secrets/sec_x/revoke"}, {"POST", d + "/disable"}, {"POST", d + "/enable"}, {"POST", "/roles/" + m.ID + "/remove"}, {"POST", "/roles"},
		{"POST", "/sso/directories"}, {"POST", "/sso/connections"}, {"POST", c + "/remove"},
	}
}

func TestOwnersAndAdministrators_MayAndNobodyElse(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		_, routes := w.routes("acme")
		n := len(w.events())
		for who, want := range map[string]int{"owner": 200, "admin": 200, "supervisor": 403, "agent": 403, "trainee": 403} {
			b := w.as(who + "@acme.test")
			for _, r := range routes {
				if r[0] == "POST" && want == 200 {
					continue // each has a test of its own
				}
				a := b.do(r[0], "/console/acme"+r[1], url.Values{"newest": {""}, "on": {"1"}})
				if a.StatusCode != want {
					t.Errorf("%s gets %d from %s %s", who, a.StatusCode, r[0], r[1])
				}
				if want == 403 && (!strings.Contains(a.body, "<b>Owner</b>, <b>Admin</b> have it.") || !strings.Contains(a.body, "<li>The Owner</li>") || strings.Contains(a.body, "Probe")) {
					t.Errorf("%s is not told who can: %s", who, a.body)
				}
			}
		}
		for _, e := range w.events()[n:] {
			if e.Type != audit.SignInSucceeded {
				t.Errorf("somebody who may not did something: %+v", e)
			}
		}
	})
}

// Roles of one's own carry nothing, whatever their rank; the preset omni has two, of which one is the owner role.
func TestRoles_CarryPermissionsByNameOnly(t *testing.T) {
	for role, want := range map[string]bool{"Admin": true, "ORGANIZATION ADMIN": true, "Administrator": false, "Supervisor": false, "Member": false} {
		r := directory.Role{Name: role, Rank: 1, Permissions: directory.RolePermissions(role, 1)}
		if r.May(directory.PermissionSettings) != want || r.May("anything else") {
			t.Errorf("%s carries %v", role, r.Permissions)
		}
	}
	if r := (directory.Role{Name: "Boss"}); !r.May(directory.PermissionSettings) {
		t.Error("an owner role without permissions may not")
	}
	each(t, "omni", func(t *testing.T, w *world) {
		w.as("organization-admin@acme.test").page("/console/acme/sso")
		if a := w.as("organization-member@acme.test").get("/console/acme/sso"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a member gets %d", a.StatusCode)
		}
	})
}

func TestWhoIsNotSignedIn_IsLedToSignInAndBack(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("")
		for path, want := range map[string]string{
			"/console":                             "/signin?continue=%2Fconsole",
			"/console/acme/events?outcome=refused": "/signin?continue=%2Fconsole%2Facme%2Fevents%3Foutcome%3Drefused&workspace=acme",
			"/console/nowhere/sso":                 "/signin?continue=%2Fconsole%2Fnowhere%2Fsso&workspace=nowhere",
		} {
			if a := b.get(path); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != want {
				t.Errorf("%s leads to %d %s", path, a.StatusCode, a.Header.Get("Location"))
			}
		}
		if a := b.post("/console/acme/roles"); a.Header.Get("Location") != "/signin?continue=%2Fconsole%2Facme&workspace=acme" {
			t.Errorf("a form leads to %s", a.Header.Get("Location"))
		}
		a := b.post("/signin", "workspace", "acme", "email", "owner@acme.test", "password", password, "continue", "/console/acme/events?outcome=refused")
		if to := a.Header.Get("Location"); to != "/console/acme/events?outcome=refused" {
			t.Errorf("the sign-in leads to %s", to)
		}
		for _, path := range []string{"/console", "/console/"} {
			if a := b.get(path); a.Header.Get("Location") != "/console/acme" {
				t.Errorf("%s leads to %s", path, a.Header.Get("Location"))
			}
		}
		// A session that ends, ends here as well.
		w.write("acme", func(tx *store.Tx) error {
			if _, err := tx.EndSessions("mem_acme_owner", "", "test", false); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SessionsEnded})
		})
		if a := b.get("/console/acme/sso"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("a dead session gets %d", a.StatusCode)
		}
	})
}

// Law 1.
func TestAnotherWorkspace_AnswersAsAnUnknownOne(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		ids, routes := w.routes("beta")
		w.routes("acme")
		b := w.as("owner@acme.test")
		before, err := w.settings.ConnectionSetup(t.Context(), "beta")
		w.must(err)
		strip := func(a answer) string { return requestID.ReplaceAllString(a.body, "") }
		for _, r := range routes {
			form := url.Values{"newest": {""}, "on": {"1"}, "group": {"x"}, "xml": {"x"}, "provider": {"okta"}}
			there, nowhere := b.do(r[0], "/console/beta"+r[1], form), b.do(r[0], "/console/gamma"+r[1], form)
			if there.StatusCode != http.StatusNotFound || strip(there) != strip(nowhere) || there.StatusCode != nowhere.StatusCode {
				t.Errorf("%s %s answers %d, of an unknown workspace %d", r[0], r[1], there.StatusCode, nowhere.StatusCode)
			}
			// beta's ids in acme. The answer may repeat the id that was asked for.
			for _, id := range ids {
				if !strings.Contains(r[1], id) {
					continue
				}
				unknown := id[:4] + "unknown"
				mine := b.do(r[0], "/console/acme"+r[1], form)
				none := b.do(r[0], "/console/acme"+strings.ReplaceAll(r[1], id, unknown), form)
				if mine.StatusCode != http.StatusNotFound || strings.ReplaceAll(strip(mine), id, unknown) != strip(none) {
					t.Errorf("%s %s answers %d, of an unknown id %d", r[0], r[1], mine.StatusCode, none.StatusCode)
				}
			}
		}
		other := before.Connections[0].ID
		for _, form := range [][]string{{"/sso/directories", "connection", other}, {"/roles", "group", "x", "source", "connection:" + other}, {"/roles", "group", "x", "source", "directory:" + before.Directories[0].ID}} {
			if a := b.post("/console/acme"+form[0], form[1:]...); a.StatusCode != http.StatusNotFound {
				t.Errorf("%v answered %d", form, a.StatusCode)
			}
		}
		if a := b.post("/console/acme/roles", "group", "x", "role", before.Roles[1].ID); a.StatusCode != http.StatusBadRequest || !a.has("mapping-role-error") {
			t.Errorf("a role of another workspace answered %d", a.StatusCode)
		}
		after, err := w.settings.ConnectionSetup(t.Context(), "beta")
		w.must(err)
		if len(after.Connections) != len(before.Connections) || len(after.Directories[0].Tokens) != 0 || len(after.RoleMappings) != len(before.RoleMappings) {
			t.Errorf("beta was changed: %+v", after)
		}
	})
}

func TestForms_OfAnotherSiteAreRefused(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "https://evil.example"}} {
			if a := b.do("POST", "/console/acme/sso/connections", url.Values{"provider": {"okta"}}, headers...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%v answered %d", headers, a.StatusCode)
			}
		}
		if len(w.setup().Connections) != 0 {
			t.Error("a connection was made")
		}
	})
}

func TestWhatIsWrong_StandsBesideItsFieldWithWhatWasTyped(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta", "name", "Sign-in")
		path := "/console/acme/sso/connections/" + w.setup().Connections[0].ID
		n, roles := len(w.events()), w.setup().Roles
		for _, c := range []struct {
			page, button, field string
			status              int
			says                string
			form                []string
		}{
			{"/console/acme/sso", "new-connection", "connection-name", 409, "taken", []string{"name", "sign-in"}},
			{"/console/acme/sso", "new-connection", "connection-name", 400, "expected up to 63", []string{"name", "<b>"}},
			{"/console/acme/sso", "new-connection", "provider", 400, "expected one of", []string{"provider", "netscape"}},
			{path, "import-xml", "metadata-xml", 400, "not SAML metadata", []string{"xml", "<html>no</html>"}},
			{path, "import-xml", "metadata-xml", 400, "cannot be used", []string{"xml", ""}},
			{path, "import-url", "metadata-url", 400, "received nothing", []string{"url", " "}},
			{path, "import-url", "metadata-url", 400, "https", []string{"url", "ftp://okta.example/x"}},
			{path, "import-url", "metadata-url", 400, "404", []string{"url", "https://okta.example/none"}},
			{path, "save-attributes", "attributes", 400, "control characters", []string{"email", "a\x01b"}},
			{"/console/acme/roles", "add-mapping", "mapping-group", 400, "received nothing", []string{"group", " "}},
			{"/console/acme/roles", "add-mapping", "mapping-role", 400, "no role", []string{"group", "G", "role", "rol_none"}},
			{"/console/acme/roles", "add-mapping", "mapping-role", 400, "cannot be mapped", []string{"group", "G", "role", roles[0].ID}},
		} {
			a := b.press(b.page(c.page), c.button, c.form...)
			if a.StatusCode != c.status {
				t.Errorf("%v answered %d", c.form, a.StatusCode)
			}
			if got := a.text(t, c.field+"-error"); !strings.Contains(got, c.says) {
				t.Errorf("%v: %s is told %q, want %q", c.form, c.field, got, c.says)
			}
		}
		if a := b.press(page, "import-xml", "xml", "<a>\"&</a>"); !strings.Contains(a.body, "&lt;a&gt;&#34;&amp;&lt;/a&gt;</textarea>") {
			t.Errorf("what was pasted is gone: %s", a.body)
		}
		if a := b.post(path + "/activate"); a.StatusCode != 409 || !strings.Contains(a.text(t, "activate-error"), "import the IdP's metadata first") {
			t.Errorf("activating a draft answered %d", a.StatusCode)
		}
		if a := b.post(path+"/metadata", "xml", strings.Repeat("<", maxMetadataForm)); a.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("endless metadata answered %d", a.StatusCode)
		}
		if got := len(w.events()); got != n {
			t.Errorf("refused forms left %d events", got-n)
		}

		// What is in use cannot be taken away, and enforcement is not taken from under people.
		b.done(b.page(path), "new-directory")
		if a := b.press(b.page(path), "remove"); a.StatusCode != 409 || !a.has("remove-error") {
			t.Errorf("removing a connection in use answered %d", a.StatusCode)
		}
		b.imports(b.page(path), "import-xml", "xml", string(idp("https://okta.example/1").Metadata()))
		b.done(b.page(path), "activate")
		w.proven(w.setup().Connections[0].ID)
		w.write("acme", func(tx *store.Tx) error {
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
		})
		if a := b.press(b.page(path), "disable"); a.StatusCode != 403 || !strings.Contains(a.text(t, "disable-error"), "enforced") {
			t.Errorf("disabling the last connection under enforcement answered %d", a.StatusCode)
		}
	})
}

// A53 of the attack catalogue.
func TestNothingThatOthersWrote_IsMarkup(t *testing.T) {
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(2)>'`
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
		con := w.setup().Connections[0]
		path := "/console/acme/sso/connections/" + con.ID
		attacker := idp("https://okta.example/?" + evil)
		attacker.SSO = "https://okta.example/sso" // an address that could be markup is refused
		page := b.imports(b.page(path), "import-xml", "xml", string(attacker.Metadata()))
		page = b.done(page, "save-attributes", "name", evil, "subject", evil)
		b.done(page, "activate")
		b.done(b.page("/console/acme/roles"), "add-mapping", "group", evil, "role", w.setup().Roles[1].ID)
		dir, err := w.settings.CreateDirectory(t.Context(), "acme", "Okta", con.ID, operator)
		w.must(err)
		w.write("acme", func(tx *store.Tx) error {
			tx.InsertGroup(&store.Group{Group: directory.Group{ID: "grp_evil", Directory: dir.ID, DisplayName: evil}, Document: "{}"})
			party := audit.Party{Kind: evil, ID: evil, Name: evil}
			return tx.Record(audit.Event{ID: "evt_evil", Type: audit.Type(evil), Outcome: audit.Outcome(evil), Reason: evil, Actor: party, Subject: party,
				Changes: []audit.Change{{Field: evil, From: evil, To: evil}}, Payload: []byte(`{"xml":` + quoted(evil) + `,"refusal":{"detail":` + quoted(evil) + `}}`)})
		})
		// A NameID from the wire, in an answer that comes too early.
		r := attacker.Response(signin.ServiceProvider(w.server.URL, directory.Connection{ID: con.ID}), "", instant.Add(time.Hour))
		r.Assertion.NameID.Value = evil
		if a := w.as("").post("/auth/saml/"+con.ID+"/acs", "SAMLResponse", samltest.Encode(attacker.Sign(r))); a.StatusCode < 400 {
			t.Fatalf("the answer was accepted: %d", a.StatusCode)
		}
		events := w.events()
		pages := []string{"/sso", "/sso/connections/" + con.ID, "/sso/directories/" + dir.ID, "/roles", "/events", "/events/evt_evil",
			"/events/" + events[len(events)-1].ID, "/events?" + url.Values{"who": {evil}, "type": {evil}, "outcome": {evil}, "by": {evil}}.Encode(), "/sso?done=" + url.QueryEscape(evil)}
		seen := 0
		for _, p := range pages {
			a := b.page("/console/acme" + p)
			if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, "<img src=x") {
				t.Errorf("%s has markup of somebody else", p)
			}
			if strings.Contains(a.body, "&lt;script&gt;alert(1)") {
				seen++
			}
			if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || strings.Contains(csp, "unsafe") {
				t.Errorf("%s has the policy %q", p, csp)
			}
		}
		if seen < 5 {
			t.Errorf("only %d pages show what was written: the test does not see what it looks for", seen)
		}
		for _, form := range [][]string{{"/roles", "group", evil, "role", evil, "source", evil}, {"/sso/connections", "name", evil, "provider", evil}, {"/sso/connections/" + con.ID + "/metadata", "url", evil}} {
			if a := b.post("/console/acme"+form[0], form[1:]...); strings.Contains(a.body, "<script>alert") || !strings.Contains(a.body, "&lt;script&gt;alert") {
				t.Errorf("%s, refused with %d, has markup of its sender", form[0], a.StatusCode)
			}
		}
	})
}

// Law 5.
func TestTokens_StandInOneAnswerOnly(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-directory")
		token := b.wantToken(page)
		dir := w.setup().Directories[0].ID
		for _, p := range []string{"/sso", "/sso/directories/" + dir, "/events"} {
			if a := b.page("/console/acme" + p); strings.Contains(a.body, token) {
				t.Errorf("%s shows the token", p)
			}
		}
		for _, e := range w.events() {
			if a := b.page("/console/acme/events/" + e.ID); strings.Contains(a.body, token) || strings.Contains(a.body, keys.HashToken(token)) {
				t.Errorf("the event %s shows the token", e.Type)
			}
		}
		// Twenty at once from one form: one token is made.
		page = b.page("/console/acme/sso/directories/" + dir)
		made := make(chan int, 20)
		for range cap(made) {
			go func() { made <- b.press(page, "generate-token").StatusCode }()
		}
		count := map[int]int{}
		for range cap(made) {
			count[<-made]++
		}
		if count[200] != 1 || count[409] != 19 {
			t.Errorf("one form sent 20 times was answered %v", count)
		}
	})
}

func TestToken_IsReplacedWithAnOverlapAndRevokedByThePage(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		first := b.wantToken(b.done(b.page("/console/acme/sso"), "new-directory"))
		at := "/console/acme/sso/directories/" + w.setup().Directories[0].ID
		if a := b.press(b.page(at), "generate-token", "overlap", "9000h"); a.StatusCode != http.StatusBadRequest || !w.works(first) || !a.has("generate-token-error") {
			t.Errorf("an overlap of a year is answered %d", a.StatusCode)
		}
		if a := b.press(b.page(at), "generate-token", "lifetime", "soon"); a.StatusCode != http.StatusBadRequest || !w.works(first) {
			t.Errorf("no length of time is answered %d", a.StatusCode)
		}
		a := b.press(b.page(at), "generate-token", "overlap", "24h", "lifetime", "720h", "name", "Blue <b>")
		second := a.value(t, "scim-token")
		if !w.works(first) || !w.works(second) {
			t.Error("the tokens do not both work")
		}
		list := w.setup().Directories[0].Tokens
		if len(list) != 2 || list[0].ReplacedAt == nil || list[1].Name != "Blue <b>" || list[1].ExpiresAt == nil || list[1].CreatedBy != "admin@acme.test" {
			t.Fatalf("%+v", list)
		}
		page := b.page(at)
		for _, want := range []string{"Blue &lt;b&gt;", list[0].Hint, list[1].Hint, "by admin@acme.test", "replaced <time"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page does not say %s: %s", want, page.body)
			}
		}
		page = b.done(page, "revoke-"+list[0].ID)
		if w.works(first) || !w.works(second) || page.has("revoke-"+list[0].ID) || !page.has("old-tokens") {
			t.Errorf("after the first was revoked: %s", page.body)
		}
		if a := b.post(at + "/tokens/" + list[0].ID + "/revoke"); a.StatusCode != http.StatusNotFound {
			t.Errorf("revoked twice: %d", a.StatusCode)
		}
		if events := w.events(); events[len(events)-1].Type != audit.TokenRevoked {
			t.Errorf("%+v", events[len(events)-1])
		}
	})
}

// A browser that was left open is not worth a directory.
func TestCredential_IsMadeByWhoSignedInWithinTenMinutes(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		b.done(b.page("/console/acme/sso"), "new-directory")
		at := "/console/acme/sso/directories/" + w.setup().Directories[0].ID
		w.passed.Store(int64(freshFor - time.Minute))
		first := b.wantToken(b.page(at))
		old := b.page(at)
		w.passed.Store(int64(freshFor + time.Minute))
		page := b.page(at)
		if !page.has("sign-in-again") || page.has("generate-token") || page.has("add-secret") {
			t.Errorf("the page offers what it would refuse: %s", page.body)
		}
		n := len(w.events())
		for button, field := range map[string]string{"generate-token": "scim-token", "add-secret": "client-secret"} {
			if a := b.press(old, button); a.StatusCode != http.StatusForbidden || a.has(field) || !a.has(button+"-error") {
				t.Errorf("%s answered %d", button, a.StatusCode)
			}
		}
		if !w.works(first) || len(w.events()) != n {
			t.Error("the refused form did something")
		}
		// What ends a credential asks for nothing.
		b.done(page, "revoke-"+w.setup().Directories[0].Tokens[0].ID)
		link := regexp.MustCompile(`id="sign-in-again">[^<]*<a href="([^"]*)"`).FindStringSubmatch(b.page(at).body)
		if link == nil {
			t.Fatal("there is no way to sign in again")
		}
		q, err := url.ParseQuery(strings.TrimPrefix(html.UnescapeString(link[1]), "/signin?"))
		if err != nil || q.Get("fresh") != "1" || q.Get("continue") != at || q.Get("workspace") != "acme" {
			t.Errorf("%v %v", q, err)
		}
		b = w.as("admin@acme.test")
		if second := b.wantToken(b.page(at)); !w.works(second) {
			t.Error("whoever just signed in gets no token")
		}
	})
}

func TestDirectoryPage_ShowsTheAttributesThatTheWorkspaceDefines(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		b.done(b.page("/console/acme/sso"), "new-directory")
		at := "/console/acme/sso/directories/" + w.setup().Directories[0].ID
		if b.page(at).has("schemas") {
			t.Error("a workspace without attributes of its own shows some")
		}
		if err := w.db.Write(t.Context(), w.setup().Workspace.ID, func(tx *store.Tx) error {
			tx.SaveSchema(directory.Schema{URN: "urn:example:acme:2.0:User", Resource: directory.SchemaUser, Name: "Acme", Attributes: []directory.SchemaAttribute{
				{Name: "pin", Type: "integer", Returned: "never", Mutability: "writeOnly", Description: "For the <door>."},
				{Name: "cards", Type: "complex", MultiValued: true, SubAttributes: []directory.SchemaAttribute{{Name: "code", Type: "string"}}}}})
			return tx.Record(audit.Event{Type: audit.WorkspaceApplied})
		}); err != nil {
			t.Fatal(err)
		}
		page := b.page(at)
		for _, want := range []string{"urn:example:acme:2.0:User", "For the &lt;door&gt;.", "list of complex", "<code>code</code> string"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("no %s on the page: %s", want, page.body)
			}
		}
	})
}

func TestClientSecret_StandsInOneAnswerOnlyAndIsRevokedByThePage(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		b.done(b.page("/console/acme/sso"), "new-directory")
		dir := w.setup().Directories[0]
		at := "/console/acme/sso/directories/" + dir.ID
		a := b.press(b.page(at), "add-secret", "name", "blue", "lifetime", "720h")
		secret := a.value(t, "client-secret")
		if !strings.HasPrefix(secret, settings.ClientSecretPrefix) || strings.Count(a.body, secret) != 1 || a.value(t, "client-id") != dir.ID ||
			a.value(t, "token-url") != w.server.URL+"/scim/oauth2/token" {
			t.Fatalf("%s", a.body)
		}
		list := w.setup().Directories[0].Secrets
		if len(list) != 1 || list[0].Name != "blue" || list[0].ExpiresAt == nil || list[0].CreatedBy != "admin@acme.test" {
			t.Fatalf("%+v", list)
		}
		page := b.page(at)
		if strings.Contains(page.body, "no token yet") {
			t.Error("a directory with a client is said to have nothing")
		}
		if strings.Contains(page.body, secret) || !strings.Contains(page.body, list[0].Hint) {
			t.Errorf("the page afterwards: %s", page.body)
		}
		page = b.done(page, "revoke-"+list[0].ID)
		if page.has("revoke-" + list[0].ID) {
			t.Errorf("a revoked secret is shown: %s", page.body)
		}
		if a := b.post(at + "/secrets/" + list[0].ID + "/revoke"); a.StatusCode != http.StatusNotFound {
			t.Errorf("revoked twice: %d", a.StatusCode)
		}
		if a := b.press(page, "add-secret", "lifetime", "1m"); a.StatusCode != http.StatusBadRequest || !a.has("add-secret-error") || a.has("client-secret") {
			t.Errorf("a lifetime of a minute is answered %d", a.StatusCode)
		}
		var kept strings.Builder
		for _, e := range w.events() {
			fmt.Fprintf(&kept, "%+v %s", e, e.Payload)
		}
		if strings.Contains(kept.String(), secret[5:]) {
			t.Error("the log holds the secret")
		}
	})
}

func TestLog_IsReadByOutcomeTypeAndPersonPageByPage(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		w.as("").post("/signin", "workspace", "acme", "email", "owner@acme.test", "password", "wrong")
		w.as("").post("/signin", "workspace", "acme", "email", "jane@acme.test", "password", "wrong")
		w.write("acme", func(tx *store.Tx) error {
			tx.SaveDirectory(directory.Directory{ID: "dir_x", Name: "Okta", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u_admin", Directory: "dir_x", Member: "mem_acme_admin", UserName: "admin@acme.test", Active: true, Document: "{}"})
			if err := tx.Record(audit.Event{ID: "evt_scim", Type: audit.SCIMUserCreated, Subject: audit.Party{Kind: "scim_user", ID: "u_admin", Name: "admin@acme.test"}, Directory: "dir_x"}); err != nil {
				return err
			}
			for range 2 * eventsPerPage {
				if err := tx.Record(audit.Event{Type: audit.DirectoryChanged, Subject: audit.Party{Kind: "directory", ID: "dir_x", Name: "Okta"}, Directory: "dir_x"}); err != nil {
					return err
				}
			}
			return nil
		})
		total := len(w.events())
		rows := func(a answer) int { return strings.Count(a.body, "/console/acme/events/evt_") }
		seen, pages, path := 0, 0, "/console/acme/events"
		for path != "" {
			a := b.page(path)
			seen, pages = seen+rows(a), pages+1
			if path = ""; a.has("older") {
				_, rest, _ := strings.Cut(a.body, `id="older" href="`)
				path, _, _ = strings.Cut(rest, `"`)
				path = strings.ReplaceAll(path, "&amp;", "&")
			}
		}
		if seen != total || pages != 3 {
			t.Errorf("%d events on %d pages, want %d on 3", seen, pages, total)
		}
		for query, want := range map[string]int{
			"outcome=refused":                        2,
			"type=signin.succeeded":                  1,
			"outcome=refused&type=signin.succeeded":  0,
			"who=mem_acme_owner&outcome=refused":     1,
			"who=ADMIN%40acme.test":                  1, // by the resource of the member
			"who=admin%40acme.test&by=name":          1,
			"who=nobody%40acme.test":                 0,
			"outcome=refused&before=nonsense":        2,
			"type=" + url.QueryEscape("' OR 1=1 --"): 0,
		} {
			if got := rows(b.page("/console/acme/events?" + query)); got != want {
				t.Errorf("%s shows %d events, want %d", query, got, want)
			}
		}
		if a := b.get("/console/acme/events?who=evt_scim"); a.Header.Get("Location") != "/console/acme/events/evt_scim" {
			t.Errorf("an event's id leads to %s", a.Header.Get("Location"))
		}
		a := b.page("/console/acme/events/evt_scim")
		if !a.has("no-payload") || !strings.Contains(a.body, "SCIM: user created") {
			t.Errorf("an event without a payload: %s", a.body)
		}
		if a := b.get("/console/acme/events/evt_none"); a.StatusCode != http.StatusNotFound {
			t.Errorf("an unknown event answers %d", a.StatusCode)
		}
	})
}

// quoted is a text as JSON.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string always encodes
	return string(b)
}

var requestID = regexp.MustCompile("req_[a-z0-9]+")

package acceptance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A company makes a role of its own, gives it to a group of its directory, and later takes the role away again. What the role
// allows is what its people can do, from the next request on.
func TestPromise_ACompanyHasRolesOfItsOwn(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F39")
		more := seededRoles + "owners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n"
		c := w.company("acme", "okta", form{preset: "omniflow", more: more})
		c.connect()
		c.seed()
		c.hire("dana", "Omniflow-Agents")
		c.cycle()
		root := w.signIn("acme", c.who("root"))
		console := w.base + "/console/acme"
		post := func(b *browser, path string, form url.Values) (int, string) {
			w.t.Helper()
			res, err := b.PostForm(console+path, form)
			w.must(err)
			defer res.Body.Close()
			return res.StatusCode, res.Request.URL.Path
		}
		if status, at := post(root, "/permissions", url.Values{"name": {"Night shift"}, "permission": {"members:read"}}); status != http.StatusOK || at != "/console/acme/permissions" {
			t.Fatalf("making a role: %d at %s", status, at)
		}
		var all []struct {
			ID, Name    string
			Permissions []string
			Members     int
		}
		w.gatehouse(&all, "role", "list", "--workspace", "acme")
		if len(all) != 6 || all[4].Name != "Night shift" || strings.Join(all[4].Permissions, " ") != "members:read" {
			t.Fatalf("roles: %+v", all)
		}
		night := all[4].ID
		get := func(b *browser, path string) int {
			res, err := b.Get(console + path)
			w.must(err)
			defer res.Body.Close()
			return res.StatusCode
		}
		dana := w.signIn("acme", c.who("dana"))
		if status := get(dana, "/members"); status != http.StatusForbidden {
			t.Errorf("an agent sees the members: %d", status)
		}
		w.mustApply(strings.Replace(c.file("active", "", more), "group: Omniflow-Agents, role: Agent", "group: Omniflow-Agents, role: Night shift", 1), "--force")
		var m struct {
			Role       string
			RoleReason struct{ Source, Group, Mapping, At string } `json:"role_reason"`
		}
		w.gatehouse(&m, "member", "show", c.who("dana"), "--workspace", "acme")
		if m.Role != "Night shift" || m.RoleReason.Source != "mapping" || m.RoleReason.Group != "Omniflow-Agents" || !strings.Contains(m.RoleReason.Mapping, "Omniflow-Agents gives Night shift") || m.RoleReason.At == "" {
			t.Errorf("the role and why: %+v", m)
		}
		if see, settings := get(dana, "/members"), get(dana, "/sso"); see != http.StatusOK || settings != http.StatusForbidden {
			t.Errorf("the night shift sees members: %d, settings: %d", see, settings)
		}
		if status, _ := post(dana, "/permissions/"+night+"/allow", url.Values{"permission": {"settings"}}); status != http.StatusForbidden {
			t.Errorf("they may raise themselves: %d", status)
		}
		if _, errOut, code := w.run(nil, "role", "permissions", "Night shift", "setings", "--workspace", "acme"); code != 1 || !strings.Contains(errOut, "Did you mean settings?") {
			t.Errorf("a permission that nobody knows: %d %s", code, errOut)
		}
		if status, _ := post(root, "/permissions/"+night+"/remove", url.Values{"instead": {all[3].ID}}); status != http.StatusOK {
			t.Errorf("removing it: %d", status)
		}
		w.gatehouse(&m, "member", "show", c.who("dana"), "--workspace", "acme")
		if m.Role != "Agent" || get(dana, "/members") != http.StatusForbidden {
			t.Errorf("after the role has gone: %+v", m)
		}
		exported, _, _ := w.run(nil, "export", "acme")
		if !strings.Contains(exported, "{name: Admin, permissions: [settings,") {
			t.Errorf("the export does not say what roles allow:\n%s", exported)
		}
		if back := w.mustApply(exported); len(back.Changes) != 0 {
			t.Errorf("an export applied back changes %v", back.Changes)
		}
	})
}

package console

import (
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// pushed puts n people of a new directory into a group.
func (w *world) pushed(group string, n int) {
	w.t.Helper()
	dir, err := w.settings.CreateDirectory(w.t.Context(), "acme", "okta", "", audit.Party{Kind: "operator"})
	w.must(err)
	lowest := w.setup().Roles[len(w.setup().Roles)-1]
	w.write("acme", func(tx *store.Tx) error {
		g := &store.Group{Group: directory.Group{ID: keys.ID("grp_", tx.Now()), Directory: dir.ID, DisplayName: group}, Document: "{}"}
		tx.InsertGroup(g)
		var ids []string
		for i := range n {
			address := local(group) + string(rune('a'+i/26)) + string(rune('a'+i%26)) + "@acme.test"
			m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: address, Name: "=1+" + address, Stage: directory.StageActive, WasIn: true, Role: lowest.ID,
				RoleReason: directory.RoleReason{Source: directory.RoleByDefault}, Directory: dir.ID}
			tx.InsertMember(m)
			u := &store.SCIMUser{ID: keys.UUID(), Directory: dir.ID, Member: m.ID, UserName: address, ExternalID: address, Active: true, Document: "{}"}
			tx.InsertSCIMUser(u)
			ids = append(ids, u.ID)
		}
		if _, err := tx.AddGroupMembers(g.ID, ids); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.MemberCreated})
	})
}

func TestMapping_IsSavedOnceItIsSeenWhomItChanges(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		w.pushed("Crew", 130)
		b := w.as("owner@acme.test")
		role, _ := w.role("Agent")
		page := b.page("/console/acme/roles")
		n := len(w.events())
		look := b.done(page, "add-mapping", "group", "crew", "role", role.ID)
		if len(w.events()) != n || len(w.setup().RoleMappings) != 0 {
			t.Fatal("it was saved before anybody looked")
		}
		if text := look.text(t, "affected"); !strings.Contains(text, "130 members") || !strings.Contains(look.body, "role_mappings[*: crew]: added, Agent") ||
			strings.Count(look.body, `data-word="Why"`) != 100 || !strings.Contains(look.body, "1 to 100 of 130") {
			t.Errorf("%s: %s", text, look.body)
		}
		next := b.page(href(t, look, "next"))
		if strings.Count(next.body, `data-word="Why"`) != 30 || next.has("next") {
			t.Errorf("the second page: %s", next.body)
		}
		list := b.page(href(t, look, "whole-list"))
		rows, err := csv.NewReader(strings.NewReader(list.body)).ReadAll()
		if err != nil || len(rows) != 131 || !strings.HasPrefix(rows[1][2], "'=") || rows[1][3] != "Trainee" || rows[1][5] != "Agent" ||
			!strings.HasPrefix(list.Header.Get("Content-Type"), "text/csv") || list.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d rows, %v: %v", len(rows), err, rows[:min(2, len(rows))])
		}

		// Somebody else gives one of them a role meanwhile.
		w.write("acme", func(tx *store.Tx) error {
			m, err := tx.MemberByEmail("crewaa@acme.test")
			if err != nil {
				return err
			}
			m.Role, m.ManualRole = role.ID, role.ID
			tx.UpdateMember(m)
			return tx.Record(audit.Event{Type: audit.MemberRoleChanged})
		})
		n = len(w.events())
		again := b.press(next, "save-change")
		if again.StatusCode != http.StatusConflict || !again.has("save-change-error") || !strings.Contains(again.text(t, "affected"), "129 members") || len(w.events()) != n {
			t.Fatalf("%d: %s", again.StatusCode, again.body)
		}
		saved := b.done(again, "save-change")
		if !strings.Contains(saved.body, "The role mappings were saved") || len(w.setup().RoleMappings) != 1 {
			t.Errorf("%s", saved.body)
		}
		// The same form once more is a mapping that is there.
		if twice := b.press(again, "save-change"); twice.StatusCode != http.StatusConflict || !strings.Contains(twice.body, "mapped already") {
			t.Errorf("twice: %d %s", twice.StatusCode, twice.body)
		}
		// It goes in the same way.
		look = b.page(b.post("/console/acme/roles/" + w.setup().RoleMappings[0].ID + "/remove").Header.Get("Location"))
		if !strings.Contains(look.text(t, "affected"), "129 members") {
			t.Errorf("%s", look.body)
		}
		b.done(look, "save-change")
		if len(w.setup().RoleMappings) != 0 {
			t.Error("it was not removed")
		}
	})
}

// href is where the link with an id leads.
func href(t *testing.T, a answer, id string) string {
	t.Helper()
	before, _, ok := strings.Cut(a.body, `id="`+id+`"`)
	_, rest, _ := strings.Cut(a.body[len(before):], `href="`)
	address, _, _ := strings.Cut(rest, `"`)
	if !ok || address == "" {
		t.Fatalf("no link %s: %s", id, a.body)
	}
	return tag(`a x="` + address + `"`)["x"]
}

func TestChange_IsRefusedWhereItsAddressIsNotOurs(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("admin@acme.test")
		n := len(w.events())
		for _, text := range []string{"", "x", "{}x", `{"unknown":1}`, `{"policy":{"group_loss":1}}`, strings.Repeat("[", 5000), `{"remove_mappings":["map_of_another"]}`, `{"policy":{"scim_allowed":"no"}}`, `{"policy":{"adoption":"ask_admin"}}`, `{"directories":{"dir_of_another":{"group_loss":"keep"}}}`} {
			address := "?" + url.Values{"change": {text}}.Encode()
			for _, path := range []string{"/console/acme/changes", "/console/acme/changes.csv"} {
				if a := b.get(path + address); a.StatusCode < 400 || a.StatusCode >= 500 {
					t.Errorf("%s of %s: %d", path, text, a.StatusCode)
				}
			}
			if a := b.post("/console/acme/changes", "change", text, "plan", "0123456789abcdef"); a.StatusCode < 400 || a.StatusCode >= 500 {
				t.Errorf("%s: %d", text, a.StatusCode)
			}
		}
		change := encodeChange(settings.Change{Policy: map[string]string{"group_loss": "keep"}})
		if a := b.post("/console/acme/changes", "change", change); a.StatusCode != http.StatusBadRequest {
			t.Errorf("without a word: %d", a.StatusCode)
		}
		if a := b.post("/console/acme/changes", "change", change, "plan", "0123456789abcdef"); a.StatusCode != http.StatusConflict {
			t.Errorf("with another word: %d", a.StatusCode)
		}
		if len(w.events()) != n {
			t.Error("something was changed")
		}
		q := "?" + url.Values{"change": {change}}.Encode()
		for _, path := range []string{"/changes" + q, "/changes.csv" + q, "/policy", ""} {
			if a := w.as("agent@acme.test").get("/console/acme" + path); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s is shown to an agent: %d", path, a.StatusCode)
			}
			if a := w.as("owner@beta.test").get("/console/acme" + path); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s is shown to another workspace: %d", path, a.StatusCode)
			}
		}
		if a := b.get("/console/acme/changes" + q + "&skip=-3"); a.StatusCode != http.StatusOK {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

func TestPolicy_IsChangedInTwoStepsAndOnlyWhereTheSenderChangedIt(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		w.pushed("Crew", 3)
		b := w.as("admin@acme.test")
		page := b.page("/console/acme/policy")
		if !strings.Contains(page.body, "<b>omniflow</b>") || !strings.Contains(page.body, "Only an owner decides this.") {
			t.Errorf("%s", page.body)
		}
		dir := w.setup().Directories[0].ID
		// Another administrator changes another key meanwhile.
		_, err := w.settings.ApplyChange(t.Context(), "acme", settings.Change{Policy: map[string]string{"reactivation": "new_identity"}}, "", settings.Page{}, audit.Party{Kind: "operator"})
		w.must(err)
		form := url.Values{"was.policy.reactivation": {"restore"}, "policy.reactivation": {"restore"}, "was.policy.group_loss": {"deactivate"}, "policy.group_loss": {"keep"},
			"was.directory." + dir + ".group_loss": {"inherit"}, "directory." + dir + ".group_loss": {"deactivate"}, "was.required": {"email"}, "required": {"email", "displayName"}}
		a := b.do("POST", "/console/acme/policy", form)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		look := b.page(a.Header.Get("Location"))
		if !strings.Contains(look.text(t, "affected"), "Nobody") || strings.Count(look.body, `class="hint later"`) != 3 || strings.Contains(look.body, "reactivation") {
			t.Errorf("%s", look.body)
		}
		if saved := b.done(look, "save-change"); !strings.Contains(saved.body, "The policy was saved") {
			t.Errorf("%s", saved.body)
		}
		_, cfg, err := w.settings.Workspace(t.Context(), "acme")
		w.must(err)
		p := cfg.Workspace.Policy
		if p.Reactivation != directory.ReactivationNewIdentity || p.GroupLoss != directory.GroupLossKeep || cfg.PolicyFor(dir).GroupLoss != directory.GroupLossDeactivate || len(p.RequiredAttributes) != 2 {
			t.Errorf("%+v", p)
		}
		if a := b.press(b.page("/console/acme/policy"), "save-policy"); a.StatusCode != http.StatusSeeOther || a.Header.Get("Location") != "/console/acme/policy" && !strings.Contains(a.Header.Get("Location"), "required") {
			t.Errorf("nothing changed leads to %d %s", a.StatusCode, a.Header.Get("Location"))
		}
		if a := b.do("POST", "/console/acme/policy", url.Values{"policy.group_loss": {"perhaps"}}); a.StatusCode != http.StatusBadRequest || !a.has("save-policy-error") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if a := b.do("POST", "/console/acme/policy", url.Values{"was.policy.adoption": {"link"}, "policy.adoption": {"ask_admin"}}); a.StatusCode != http.StatusForbidden || !a.has("save-policy-error") {
			t.Errorf("an administrator decides about adoption: %d", a.StatusCode)
		}
	})
}

func TestOverview_SaysWhoHasAccessAndWhatNeedsAttention(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		page := b.page("/console/acme")
		for _, id := range []string{"no-connections", "no-directories", "attention", "sign-ins", "owners"} {
			if !page.has(id) {
				t.Errorf("an empty workspace shows no %s", id)
			}
		}
		for _, words := range []string{"Nobody is named for emergency access", "No connection is active and verified", "One person alone has the role Owner"} {
			if !strings.Contains(page.body, words) {
				t.Errorf("it does not say %q", words)
			}
		}
		for _, path := range []string{"/sso", "/roles", "/policy", "/members", "/teams", "/imports", "/mail", "/sign-ins", "/sign-ins/people", "/events", "/domains"} {
			if !strings.Contains(page.body, `href="/console/acme`+path+`"`) {
				t.Errorf("no link to %s", path)
			}
			b.page("/console/acme" + path)
		}
		w.pushed("Crew", 12)
		b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta", "name", "Corporate")
		page = b.page("/console/acme")
		if got := strings.Join(strings.Fields(page.text(t, "members")), " "); !strings.Contains(got, "17 active") || !strings.Contains(got, "17 take a seat") {
			t.Errorf("members: %s", got)
		}
		if !strings.Contains(page.body, "Corporate") || page.has("no-connections") || !strings.Contains(page.body, ">okta</a>") {
			t.Errorf("%s", page.body)
		}
	})
}

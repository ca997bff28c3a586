package console

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// roleID is the id of a role of acme.
func (w *world) roleID(name string) string {
	w.t.Helper()
	r, err := w.settings.Role(w.t.Context(), "acme", name)
	w.must(err)
	return r.ID
}

// ranks are the names of acme's roles, highest first.
func (w *world) ranks() string {
	w.t.Helper()
	all, err := w.settings.Roles(w.t.Context(), "acme")
	w.must(err)
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

func TestRoles_AreMadeMovedChangedAndRemovedByForms(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/permissions"), "add-role", "name", "Help desk", "permission", directory.PermissionMembersRead)
		desk := w.roleID("Help desk")
		if w.ranks() != "Owner Admin Help desk Member" || !page.has(desk) {
			t.Fatal(w.ranks())
		}
		page = b.done(page, "up-"+desk)
		if w.ranks() != "Owner Help desk Admin Member" {
			t.Error(w.ranks())
		}
		b.done(page, "name-"+desk, "name", "Support")
		a := b.do("POST", "/console/acme/permissions/"+desk+"/allow", map[string][]string{"permission": {"members", "members:read", "audit:read"}})
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if r, _ := w.settings.Role(t.Context(), "acme", "Support"); strings.Join(r.Permissions, " ") != "members audit:read" {
			t.Errorf("it allows %v", r.Permissions)
		}
		_, err := w.settings.AddRoleMapping(t.Context(), "acme", settings.NewMapping{Match: "Desk", Role: "Support"}, operator)
		w.must(err)
		w.must(func() error {
			_, err := w.provision.SetRole(t.Context(), w.scope(), byID("mem_acme_member"), "Support")
			return err
		}())
		n := len(w.events())
		if page = b.page("/console/acme/permissions"); !strings.Contains(page.body, "Desk gives Support") {
			t.Error("the mapping that gives the role is not named first")
		}
		b.done(page, "remove-"+desk, "instead", w.roleID("Admin"))
		w.in("acme", func(tx *store.Tx) error {
			m, err := tx.Member("mem_acme_member")
			if err != nil {
				return err
			}
			if admin := w.roleID("Admin"); m.Role != admin || m.ManualRole != admin || m.RoleReason.Source != directory.RoleByHand {
				t.Errorf("who had it has %+v", m)
			}
			return nil
		})
		told := 0
		for _, e := range w.events()[n:] {
			if e.Type == audit.MemberRoleChanged && e.Subject.ID == "mem_acme_member" {
				told++
			}
		}
		if told != 1 || w.setup().RoleMappings[0].Role != "Admin" {
			t.Errorf("%d events, the mapping gives %+v", told, w.setup().RoleMappings)
		}
	})
}

func TestRoles_NobodyRaisesThemselvesOrGivesWhatTheyLack(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		ctx := t.Context()
		w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Lead", Permissions: []string{directory.PermissionRoles, directory.PermissionMembers}}, operator))
		w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Auditor", Permissions: []string{directory.PermissionAuditRead}}, operator))
		w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Helper"}, operator))
		_, err := w.provision.SetRole(ctx, w.scope(), byID("mem_acme_member"), "Lead")
		w.must(err)
		b, before := w.as("member@acme.test"), w.state()
		at := func(name string) string { return "/console/acme/permissions/" + w.roleID(name) }
		owner, admin, lead, auditor, helper := at("Owner"), at("Admin"), at("Lead"), at("Auditor"), at("Helper")
		for what, try := range map[string]func() answer{
			"renaming a higher one":            func() answer { return b.post(admin+"/rename", "name", "X") },
			"renaming the owner role":          func() answer { return b.post(owner+"/rename", "name", "X") },
			"a permission that they lack":      func() answer { return b.post(helper+"/allow", "permission", "settings") },
			"their own role, more":             func() answer { return b.post(lead+"/allow", "permission", "settings") },
			"their own role, up":               func() answer { return b.post(lead+"/move", "where", "up") },
			"their own role, removed":          func() answer { return b.post(lead+"/remove", "instead", w.roleID("Member")) },
			"one that allows what they lack":   func() answer { return b.post(auditor + "/allow") },
			"past one that allows it":          func() answer { return b.post(helper+"/move", "where", "up") },
			"removed in favour of it":          func() answer { return b.post(helper+"/remove", "instead", w.roleID("Auditor")) },
			"removed in favour of a higher":    func() answer { return b.post(helper+"/remove", "instead", w.roleID("Admin")) },
			"a new one above theirs":           func() answer { return b.post("/console/acme/permissions", "name", "Y", "above", w.roleID("Lead")) },
			"a new one above the owner role":   func() answer { return b.post("/console/acme/permissions", "name", "Y", "above", w.roleID("Owner")) },
			"a new one with more":              func() answer { return b.post("/console/acme/permissions", "name", "Y", "permission", "settings") },
			"themselves, an owner":             func() answer { return b.post("/console/acme/members/mem_acme_member/role", "role", "Owner") },
			"themselves, what they lack":       func() answer { return b.post("/console/acme/members/mem_acme_member/role", "role", "Auditor") },
			"acting on somebody above":         func() answer { return b.post("/console/acme/members/mem_acme_admin/deactivate") },
			"the owner role by removing it":    func() answer { return b.post(owner+"/remove", "instead", w.roleID("Member")) },
			"what is no permission, to a role": func() answer { return b.post(helper+"/allow", "permission", "all") },
		} {
			if a := try(); a.StatusCode/100 != 4 || a.has("denied") {
				t.Errorf("%s is answered %d: %.300s", what, a.StatusCode, a.body)
			}
		}
		// Refusals of acts on people are events.
		if after := w.state(); after[strings.IndexByte(after, ' '):] != before[strings.IndexByte(before, ' '):] {
			t.Error("something changed")
		}
	})
}

// Two administrators have the same page open. The second is told what the first did, keeps what they typed, and has changed
// nothing; what is beside it does not count.
func TestTheSecondOfTwo_IsToldWhatChangedAndByWhom(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		con, err := w.settings.CreateConnection(t.Context(), "acme", "Okta", "okta", operator)
		w.must(err)
		_, err = w.settings.CreateConnection(t.Context(), "acme", "Other", "okta", operator)
		w.must(err)
		first, second := w.as("admin@acme.test"), w.as("owner@acme.test")
		c := "/console/acme/sso/connections/" + con.ID
		member := w.roleID("Member")
		for name, x := range map[string]struct {
			path, button string
			one, two     []string
			what         string
		}{
			"roles":      {"/console/acme/permissions", "name-" + member, []string{"name", "Someone"}, []string{"name", "Everyone"}, "policy.roles"},
			"mappings":   {"/console/acme/roles", "add-mapping", []string{"group", "One", "role", member}, []string{"group", "Two", "role", member}, "role_mappings"},
			"a member":   {"/console/acme/members/mem_acme_member", "save-member", []string{"edit-name", "By the first"}, []string{"edit-name", "By the second"}, "By the first"},
			"attributes": {c, "save-attributes", []string{"email", "mail1"}, []string{"email", "mail2"}, "attributes.email"},
		} {
			mine := second.page(x.path)
			other := first.page(x.path)
			if x.path == c {
				w.must(func() error {
					_, err := w.settings.RenameConnection(t.Context(), "acme", "Other", "Another", operator)
					return err
				}())
			}
			first.done(other, x.button, x.one...)
			before := w.state()
			a := second.press(mine, x.button, x.two...)
			if a.StatusCode != http.StatusConflict || !a.has("changed") || !strings.Contains(a.body, "admin@acme.test") ||
				!strings.Contains(a.body, x.what) || !strings.Contains(a.body, `value="`+x.two[1]+`"`) {
				t.Errorf("%s: the second is answered %d: %s", name, a.StatusCode, a.body)
				continue
			}
			if w.state() != before {
				t.Errorf("%s: the second has changed something", name)
			}
			if again := second.press(a, "again"); again.StatusCode != http.StatusSeeOther {
				t.Errorf("%s: sent again it is answered %d: %s", name, again.StatusCode, again.body)
			}
		}
	})
}

func TestTwoAtTheSameInstant_OneOfThemIsTold(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		a, b := w.as("admin@acme.test"), w.as("owner@acme.test")
		pages := []answer{a.page("/console/acme/permissions"), b.page("/console/acme/permissions")}
		member := w.roleID("Member")
		var status [2]int
		var wait sync.WaitGroup
		for i, who := range []*browser{a, b} {
			wait.Add(1)
			go func() {
				defer wait.Done()
				status[i] = who.press(pages[i], "name-"+member, "name", []string{"One", "Two"}[i]).StatusCode
			}()
		}
		wait.Wait()
		if status != [2]int{303, 409} && status != [2]int{409, 303} {
			t.Errorf("they are answered %v", status)
		}
	})
}

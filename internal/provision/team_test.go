package provision_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// F40: teams beside SCIM. DESIGN section 2: a hand-made team never grants a mapped role.
func TestATeam_IsMadeByHandAndGivesNoRoleAndNoDirectorySeesIt(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default", mappings: map[string]string{"Support": "Admin"}})
		u := h.post(person("ada"))
		team, err := h.svc.CreateTeam(bg, h.owner, "  Support ")
		h.ok(err)
		_, err = h.svc.CreateTeam(bg, h.owner, "SUPPORT")
		h.refused(err, errs.KindConflict, "name_taken")
		_, err = h.svc.CreateTeam(bg, h.owner, " ")
		h.refused(err, errs.KindInvalid, "name_missing")
		n := len(h.events(u.Member))
		for range 2 { // again is nothing
			_, err = h.svc.AddToTeam(bg, h.owner, team.ID, provision.Who("ada@acme.test"))
			h.ok(err)
		}
		if got := len(h.events(u.Member)); got != n+1 {
			t.Errorf("%d events", got-n)
		}
		h.recorded(u.Member, n, audit.TeamChanged)
		h.hasRole(u.Member, "Member", directory.RoleByDefault)
		names := func() (names []string) {
			h.read(func(tx *store.Tx) (err error) {
				names, err = tx.GroupNames(u.Member)
				return err
			})
			return names
		}
		// A directory's group of the same name is another, and its mapping holds.
		group := h.group("Support", u.ID)
		h.hasRole(u.Member, "Admin", directory.RoleByMapping)
		if got := names(); !slices.Equal(got, []string{"Support"}) {
			t.Errorf("groups %v", got)
		}
		_, err = h.svc.UpdateGroup(bg, h.okta, team.ID, same, nil)
		h.refused(err, errs.KindNotFound, "resource_unknown")
		h.ok(h.svc.DeleteGroup(bg, h.okta, group))
		h.ok(h.svc.RenameTeam(bg, h.owner, team.ID, "Help desk"))
		h.hasRole(u.Member, "Member", directory.RoleByDefault)
		if got := names(); !slices.Equal(got, []string{"Help desk"}) {
			t.Errorf("groups %v", got)
		}
		h.remap(map[string]string{"Help desk": "Admin"})
		h.hasRole(u.Member, "Member", directory.RoleByDefault)
		list, err := h.svc.Teams(bg, h.owner, "", 10)
		h.ok(err)
		if len(list) != 1 || list[0].Size != 1 || list[0].Name != "Help desk" {
			t.Errorf("%+v", list)
		}
		_, err = h.svc.RemoveFromTeam(bg, h.owner, team.ID, provision.Who(u.Member))
		h.ok(err)
		if got := names(); len(got) != 0 {
			t.Errorf("groups %v", got)
		}
		_, err = h.svc.AddToTeam(bg, h.owner, team.ID, provision.Who(u.Member))
		h.ok(err)
		h.ok(h.svc.DeleteTeam(bg, h.owner, team.ID))
		if got := names(); len(got) != 0 {
			t.Errorf("groups %v", got)
		}
		h.recorded(team.ID, 0, audit.TeamCreated, audit.TeamChanged, audit.TeamRemoved)
	})
}

func TestATeam_IsForAdministratorsOfItsWorkspaceAlone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := build(t, db, plan{preset: "default"}), build(t, db, plan{preset: "default"})
		plain := h.staff("al", "Member")
		theirs, err := other.svc.CreateTeam(bg, other.owner, "Support")
		h.ok(err)
		ours, err := h.svc.CreateTeam(bg, h.owner, "Support") // a neighbour's name is free here
		h.ok(err)
		acts := func(scope provision.Scope, team, who string) []func() error {
			return []func() error{
				func() error { return h.svc.RenameTeam(bg, scope, team, "x") },
				func() error { return h.svc.DeleteTeam(bg, scope, team) },
				func() error { _, err := h.svc.AddToTeam(bg, scope, team, provision.Who(who)); return err },
				func() error { _, err := h.svc.RemoveFromTeam(bg, scope, team, provision.Who(who)); return err },
			}
		}
		for _, act := range acts(h.owner, theirs.ID, h.root) {
			h.unchanged(errs.KindNotFound, "team_unknown", act)
		}
		for _, act := range acts(plain, ours.ID, h.root) {
			h.unchanged(errs.KindForbidden, "permission_missing", act)
		}
		for _, act := range acts(h.owner, ours.ID, other.root)[2:] {
			h.unchanged(errs.KindNotFound, "member_unknown", act)
		}
		// A directory's group is no team.
		group := h.group("Agents")
		for _, act := range acts(h.owner, group, h.root) {
			h.unchanged(errs.KindNotFound, "team_unknown", act)
		}
		_, _, err = h.svc.LookTeam(bg, h.owner, theirs.ID, "", 10)
		h.refused(err, errs.KindNotFound, "team_unknown")
	})
}

package provision_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Row 23: group claims.

func TestGroupClaims_GiveTheHighestMappedRole(t *testing.T) { // row 23
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		unknown := func(*provision.Arrival) {}
		ada := h.arrive(h.asserted("ada", unknown))
		h.hasRole(ada, "Trainee", directory.RoleByDefault)
		for _, step := range []struct {
			why    string
			says   func(*provision.Arrival)
			role   string
			source directory.RoleSourceKind
		}{
			{"the highest wins, in any letter case", in("agents", "ADMINS", "Tea", "agents"), "Admin", directory.RoleByClaim},
			{"an absent claim changes nothing", unknown, "Admin", directory.RoleByClaim},
			{"another list takes the place of the first", in("Supervisors"), "Supervisor", directory.RoleByClaim},
			{"an empty one means none", in(), "Trainee", directory.RoleByDefault},
			{"and again", in("Agents"), "Agent", directory.RoleByClaim},
			{"no owner is made by it", in("Owners", "Owner"), "Trainee", directory.RoleByDefault},
		} {
			before := len(h.events(ada))
			h.arrive(h.asserted("ada", step.says))
			if h.roleOf(ada) != step.role || h.member(ada).RoleReason.Source != step.source {
				t.Errorf("%s: %s by %+v, want %s", step.why, h.roleOf(ada), h.member(ada).RoleReason, step.role)
			}
			if step.says != nil && step.why == "and again" {
				h.recorded(ada, before, audit.MemberRoleChanged)
			}
		}
		h.is(ada, "active") // losing every claim puts nobody out, though group loss deactivates here
		// A hand wins, as over groups; cleared, the claim says again.
		h.arrive(h.asserted("ada", in("Agents")))
		h.setRole(ada, "Admin")
		h.arrive(h.asserted("ada", in("Supervisors")))
		h.hasRole(ada, "Admin", directory.RoleByHand)
		h.setRole(ada, "")
		h.hasRole(ada, "Supervisor", directory.RoleByClaim)
		if why := h.member(ada).RoleReason; why.Group != "Supervisors" || why.Connection != h.conn || why.Sentence() == "" {
			t.Errorf("the reason is %+v", why)
		}
		h.sound()
	})
}

func TestSCIMGroups_ComeBeforeClaims(t *testing.T) { // row 23
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		tea := h.group("Tea", u.ID)
		h.arrive(h.asserted("ada", in("Admins", "Coffee")))
		h.hasRole(u.Member, "Admin", directory.RoleByClaim) // no group of the directory gives any
		if got := h.groupsShown(u.Member); !slices.Equal(got, []string{"Tea"}) {
			t.Errorf("groups: %v", got)
		}
		agents := h.group("Agents", u.ID)
		h.hasRole(u.Member, "Agent", directory.RoleByMapping)
		h.arrive(h.asserted("ada", in("Supervisors", "Coffee")))
		h.hasRole(u.Member, "Agent", directory.RoleByMapping)
		// A deletion is no loss; the claim is what is left.
		h.ok(h.svc.DeleteGroup(bg, h.okta, agents))
		h.hasRole(u.Member, "Supervisor", directory.RoleByClaim)
		h.members(tea, remove(u.ID))
		if got := h.groupsShown(u.Member); !slices.Equal(got, []string{"Coffee", "Supervisors"}) {
			t.Errorf("groups: %v", got)
		}
		// Losing the directory's last mapped group is a loss, whatever a claim says; a claim is no gain.
		agents = h.group("Agents", u.ID)
		h.members(agents, remove(u.ID))
		h.is(u.Member, "deactivated group_loss")
		h.turnedAway(h.asserted("ada", in("Admins")), "account_deactivated", u.Member)
		h.members(agents, add(u.ID))
		h.is(u.Member, "active")
		h.sound()
	})
}

func TestAMappingEdit_DecidesClaimsAgain(t *testing.T) { // rows 16 and 23
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		con := h.connect("plain")
		there := func(a *provision.Arrival) { a.Connection = con }
		ada, bob := h.arrive(h.asserted("ada", in("Staff"))), h.arrive(h.asserted("bob", in("Staff"), there))
		h.hasRole(ada, "Trainee", directory.RoleByDefault)
		h.remap(map[string]string{"staff": "Agent"})
		h.hasRole(ada, "Agent", directory.RoleByClaim)
		h.hasRole(bob, "Agent", directory.RoleByClaim)
		// Mappings of a directory, and of another connection, are not about this claim.
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			for _, m := range cfg.Mappings {
				tx.DeleteMapping(m.ID)
			}
			for _, m := range []directory.RoleMapping{{Directory: h.okta.Directory, Role: "Admin"}, {Connection: con, Role: "Supervisor"}} {
				role, _ := cfg.Roles.ByName(m.Role)
				m.ID, m.Match, m.Role = keys.ID("map_", tx.Now()), "Staff", role.ID
				tx.InsertMapping(m)
			}
			return nil
		})
		h.hasRole(ada, "Trainee", directory.RoleByDefault)
		h.hasRole(bob, "Supervisor", directory.RoleByClaim)
		// With the connection go its claims and links; the people stay.
		h.settle(func(tx *store.Tx, _ *directory.Config) error { tx.DeleteConnection(con); return nil })
		h.hasRole(bob, "Trainee", directory.RoleByDefault)
		h.is(bob, "active")
		h.setPolicy(func(p *directory.Policy) { p.RoleSource = directory.RoleSourceDefault })
		h.arrive(h.asserted("ada", in("Staff")))
		h.hasRole(ada, "Trainee", directory.RoleByDefault)
	})
}

func TestTheConnectionHeardLast_SaysWhichGroupsAreShown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.prove("acme.test")
		con := h.connect("plain")
		there := func(a *provision.Arrival) { a.Connection = con }
		ada := h.arrive(h.asserted("ada", in("Agents", "One")))
		if got := h.arrive(h.asserted("ada", in("Two"), there)); got != ada {
			t.Fatalf("ada is %s", got)
		}
		if got := h.groupsShown(ada); !slices.Equal(got, []string{"Two"}) {
			t.Errorf("groups: %v", got)
		}
		h.hasRole(ada, "Agent", directory.RoleByClaim) // what the other said last still counts
		h.arrive(h.asserted("ada", in("One", "Agents")))
		if got := h.groupsShown(ada); !slices.Equal(got, []string{"Agents", "One"}) {
			t.Errorf("groups: %v", got)
		}
		h.unprove("acme.test")
	})
}

func TestTwoThousandGroups_AreHeardAndShown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		groups := make([]string, 2000)
		for i := range groups {
			groups[i] = fmt.Sprintf("cn=group-%04d,ou=departments,ou=groups,dc=acme,dc=test", i)
		}
		ada := h.arrive(h.asserted("ada", in(append(groups, "Supervisors")...)))
		h.hasRole(ada, "Supervisor", directory.RoleByClaim)
		if got := h.groupsShown(ada); len(got) != 2001 {
			t.Errorf("%d groups", len(got))
		}
	})
}

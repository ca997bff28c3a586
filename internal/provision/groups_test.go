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
	"github.com/gatehouse-id/gatehouse/scim"
)

// Rows 13 to 18 of the life of a member.

func TestRoles_FollowTheHighestMappedGroup(t *testing.T) { // row 13
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			agents := h.group("agents", u.ID) // letter case does not matter
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			admins := h.group("Admins")
			before := len(h.events(u.Member))
			h.members(admins, add(u.ID, u.ID))
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			h.recorded(u.Member, before, audit.MemberRoleChanged)
			if m := h.member(u.Member); m.RoleReason.Group != "Admins" || m.RoleReason.GroupID != admins {
				t.Errorf("the reason is %+v", m.RoleReason)
			}
			h.members(agents, remove(u.ID))
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			h.members(agents, add(u.ID))
			h.members(admins, replace())
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			h.group("Coffee", u.ID)
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			h.is(u.Member, "active")
		})
	})
}

func TestMembershipOperations_TakeEffectInTheirOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		a, b, c := h.post(person("a")).ID, h.post(person("b")).ID, h.post(person("c")).ID
		cases := []struct {
			start []string
			ops   []scim.MemberOp
			want  []string
		}{
			{nil, []scim.MemberOp{add(a), add(a, b)}, []string{a, b}},
			{[]string{a}, []scim.MemberOp{remove(a), add(a)}, []string{a}},
			{[]string{a}, []scim.MemberOp{add(a), remove(a)}, nil},
			{[]string{a, b}, []scim.MemberOp{replace(c)}, []string{c}},
			{[]string{a, b}, []scim.MemberOp{replace(b, c), remove(c)}, []string{b}},
			{[]string{a, b}, []scim.MemberOp{add(c), replace(b)}, []string{b}},
			{[]string{a, b}, []scim.MemberOp{replace(), add(a)}, []string{a}},
			{[]string{a, b}, []scim.MemberOp{remove(a), replace(a, a), replace(a, c)}, []string{a, c}},
			{[]string{a}, []scim.MemberOp{remove(b, "nobody")}, []string{a}},
			{[]string{a}, nil, []string{a}},
		}
		for i, x := range cases {
			g := h.group("Group "+string(rune('A'+i)), x.start...)
			h.members(g, x.ops...)
			slices.Sort(x.want)
			if got := h.groupIDs(g); !slices.Equal(got, x.want) {
				t.Errorf("case %d: got %v, want %v", i, got, x.want)
			}
		}
	})
}

func TestLosingTheLastMappedGroup_PutsOut(t *testing.T) { // rows 14 and 15
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			agents, admins := h.group("Agents", u.ID), h.group("Admins", u.ID)
			h.members(agents, remove(u.ID))
			h.is(u.Member, "active")
			session, link := h.session(u.Member, directory.MethodSAML), h.link(u.Member)
			before := len(h.events(u.Member))
			h.members(admins, remove(u.ID))
			h.is(u.Member, "deactivated group_loss")
			h.told(u.ID, true, u.Member)
			h.recorded(u.Member, before, audit.MemberDeactivated)
			if h.lives(session) || h.liveRows(u.Member) != 0 || h.opens(link) {
				t.Error("a session or a link outlived the loss")
			}
			// active:true lifts only the directory's word; an unmapped group is no group.
			h.setActive(u.ID, true)
			h.group("Coffee", u.ID)
			h.is(u.Member, "deactivated group_loss")
			// A mapped group brings the same member back, under either policy.
			h.members(agents, add(u.ID))
			h.is(u.Member, "active")
			h.told(u.ID, true, u.Member)
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			// By a whole list it is the same.
			h.members(agents, replace())
			h.is(u.Member, "deactivated group_loss")
			h.members(agents, replace(u.ID))
			h.is(u.Member, "active")
		})
	})
}

func TestAMove_ByTwoRequestsGoesOutAndComesBackByOneItDoesNot(t *testing.T) { // row 14
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			agents, admins := h.group("Agents", u.ID), h.group("Admins")
			session := h.session(u.Member, directory.MethodSAML)
			h.members(agents, remove(u.ID), add(u.ID))
			h.is(u.Member, "active")
			if !h.lives(session) {
				t.Error("removing and adding in one request ended the session")
			}
			h.members(agents, remove(u.ID))
			h.is(u.Member, "deactivated group_loss")
			h.members(admins, add(u.ID))
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			if h.lives(session) {
				t.Error("the session of before the move is accepted again")
			}
			// The other order never goes out.
			session = h.session(u.Member, directory.MethodSAML)
			h.members(agents, add(u.ID))
			h.members(admins, remove(u.ID))
			h.is(u.Member, "active")
			if !h.lives(session) {
				t.Error("a move that added first ended the session")
			}
		})
	})
}

func TestGroupLoss_NeverHitsBeforeAFirstMappedGroupNorByAnythingButMembership(t *testing.T) { // rows 16 and 17
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			coffee := h.group("Coffee", u.ID)
			h.members(coffee, remove(u.ID))
			h.is(u.Member, "active")

			// Nor where the group only becomes a mapped one by the request that takes them from it.
			h.members(coffee, add(u.ID))
			h.rename(coffee, "Supervisors", remove(u.ID))
			h.is(u.Member, "active")

			agents := h.group("Agents", u.ID)
			h.rename(agents, "Tea")
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
			h.members(agents, remove(u.ID)) // the group gives nothing any more
			h.is(u.Member, "active")

			h.members(agents, add(u.ID))
			h.rename(agents, "Admins")
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			h.remap(map[string]string{"Agents": "Agent"})
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)

			h.remap(map[string]string{"Admins": "Agent"})
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			h.ok(h.svc.DeleteGroup(bg, h.okta, agents))
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
			h.unchanged(errs.KindNotFound, "resource_unknown", func() error { return h.svc.DeleteGroup(bg, h.okta, agents) })
		})
	})
}

func TestARename_AwayWithARemovalInOneRequest_IsALoss(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada, bob := h.post(person("ada")), h.post(person("bob"))
		agents := h.group("Agents", ada.ID, bob.ID)
		h.rename(agents, "Tea", remove(ada.ID))
		h.is(ada.Member, "deactivated group_loss")
		h.is(bob.Member, "active")
		h.hasRole(bob.Member, "Trainee", directory.RoleByDefault)
		h.rename(agents, "Admins", replace(ada.ID))
		h.is(ada.Member, "active")
		h.hasRole(ada.Member, "Admin", directory.RoleByMapping)
		h.is(bob.Member, "active")
	})
}

func TestAMappedGroup_ByWhateverCause_LiftsGroupLossAndOnlyThat(t *testing.T) { // row 15
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			lose := func(name string) provision.User {
				t.Helper()
				u := h.post(person(name))
				g := h.group("Agents", u.ID)
				h.members(g, remove(u.ID))
				h.ok(h.svc.DeleteGroup(bg, h.okta, g))
				h.is(u.Member, "deactivated group_loss")
				return u
			}
			renamed, mapped, barred := lose("renamed"), lose("mapped"), lose("barred")
			coffee := h.group("Coffee", renamed.ID)
			h.rename(coffee, "Supervisors")
			h.is(renamed.Member, "active")
			h.hasRole(renamed.Member, "Supervisor", directory.RoleByMapping)

			h.group("Tea", mapped.ID)
			h.remap(map[string]string{"Tea": "Agent"})
			h.is(mapped.Member, "active")
			h.hasRole(mapped.Member, "Agent", directory.RoleByMapping)
			h.hasRole(renamed.Member, "Trainee", directory.RoleByDefault)
			h.is(renamed.Member, "active")

			h.deactivate(barred.Member)
			h.setActive(barred.ID, false)
			h.is(barred.Member, "deactivated idp,group_loss,owner")
			h.members(h.only("Tea"), add(barred.ID))
			h.is(barred.Member, "deactivated idp,owner")
			h.members(h.only("Tea"), remove(barred.ID))
			h.is(barred.Member, "deactivated idp,owner") // it never hits somebody who is already out
		})
	})
}

func TestGroupLossKept_OrMappingsOff_PutsNobodyOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Run("group_loss: keep", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			h.setPolicy(func(p *directory.Policy) { p.GroupLoss = directory.GroupLossKeep })
			u := h.post(person("ada"))
			h.members(h.group("Agents", u.ID), remove(u.ID))
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
		})
		t.Run("a directory's own word wins over the workspace's", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			keep := directory.GroupLossKeep
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				d, _ := cfg.Directory(h.okta.Directory)
				d.Override = directory.Override{GroupLoss: &keep}
				tx.SaveDirectory(d, false)
				return nil
			})
			u := h.post(person("ada"))
			h.members(h.group("Agents", u.ID), remove(u.ID))
			h.is(u.Member, "active")
		})
		t.Run("role_source: default_role", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			u, kept, manual := h.post(person("ada")), h.post(person("kept")), h.post(person("manual"))
			admins := h.group("Admins", u.ID, kept.ID, manual.ID)
			h.setRole(manual.Member, "Supervisor")
			h.delete(kept.ID)
			kept = h.post(person("kept"))
			h.hasRole(kept.Member, "Admin", directory.RoleKept)
			h.setPolicy(func(p *directory.Policy) { p.RoleSource = directory.RoleSourceDefault })
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
			h.hasRole(kept.Member, "Trainee", directory.RoleByDefault)
			h.hasRole(manual.Member, "Supervisor", directory.RoleByHand)
			h.members(admins, remove(u.ID))
			h.is(u.Member, "active")
			h.members(h.group("Agents"), add(u.ID))
			h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
			h.setPolicy(func(p *directory.Policy) { p.RoleSource = directory.RoleSourceMapping })
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
		})
	})
}

func TestAnUnknownMemberId_ChangesNothingAtAll(t *testing.T) { // row 18
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		neighbour := build(t, db, omniflow(directory.ReactivationRestore))
		ada, bob := h.post(person("ada")), h.post(person("bob"))
		agents := h.group("Agents", ada.ID)
		other, err := h.svc.CreateUser(bg, h.entra, with(person("ada"), func(p *provision.Person) { p.Email = "ada@entra.test" }))
		h.ok(err)
		theirs, err := h.svc.CreateGroup(bg, h.entra, named("Theirs"), nil)
		h.ok(err)
		strangers := map[string]string{"an invented id": "no-such-id", "a member's id": ada.Member, "a group's id of the other directory": theirs.ID,
			"a group's id of the neighbour": neighbour.group("Agents"), "an id like a group's": "grp_0", "the other directory's": other.ID, "the neighbour's": neighbour.post(person("ada")).ID, "nothing": ""}
		for what, id := range strangers {
			t.Log(what)
			for _, op := range [][]scim.MemberOp{{remove(ada.ID), add(bob.ID, id)}, {replace(bob.ID, id)}, {add(id)}} {
				h.unchanged(errs.KindInvalid, "member_unknown", func() error { return h.tryMembers(agents, op...) })
				h.unchanged(errs.KindInvalid, "member_unknown", func() error { return h.tryRename(agents, "Admins", op...) })
			}
			h.unchanged(errs.KindInvalid, "member_unknown", func() error {
				_, err := h.svc.CreateGroup(bg, h.okta, named("Admins"), []string{bob.ID, id})
				return err
			})
			// To remove them is to remove nobody.
			h.members(agents, remove(id))
			h.is(ada.Member, "active")
		}
	})
}

func TestGroupNames_AreUniqueInADirectoryOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.group("Agents")
		tea := h.group("Tea")
		h.unchanged(errs.KindConflict, "display_name_taken", func() error { _, err := h.svc.CreateGroup(bg, h.okta, named("AGENTS"), nil); return err })
		h.unchanged(errs.KindConflict, "display_name_taken", func() error { return h.tryRename(tea, "agents") })
		h.unchanged(errs.KindInvalid, "required_missing", func() error { return h.tryRename(tea, "") })
		if _, err := h.svc.CreateGroup(bg, h.entra, named("Agents"), nil); err != nil {
			t.Error(err)
		}
	})
}

func TestComingBackToATakenAddress_ByAGroup_IsAConflictThatChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		agents := h.group("Agents", u.ID)
		h.members(agents, remove(u.ID))
		h.post(with(person("bob"), func(p *provision.Person) { p.Email = "ada@acme.test" }))
		h.unchanged(errs.KindConflict, "address_taken", func() error { return h.tryMembers(agents, add(u.ID)) })
	})
}

func TestAnOwnersRole_IsNeverMapped(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "omniflow", mappings: map[string]string{"Bosses": "Owner", "Agents": "Agent"}})
		u := h.post(person("ada"))
		h.group("Bosses", u.ID)
		h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
		h.group("Agents", u.ID)
		h.hasRole(u.Member, "Agent", directory.RoleByMapping)
	})
}

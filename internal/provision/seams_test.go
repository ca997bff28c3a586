package provision_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// groupOf is a group as it stands.
func (h *house) groupOf(id string) provision.Group {
	h.t.Helper()
	g, err := h.svc.GetGroup(bg, h.okta, id, true)
	h.ok(err)
	return g
}

// A group that stays with the pilot shows fewer members after a discard, so that its version is another.
func TestDiscarding_MovesOnTheGroupsThatItTakesMembersFrom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting, "pia@acme.test")
		pia, ada := h.post(person("pia")), h.post(person("ada"))
		untouched := h.group("Untouched", pia.ID)
		mixed := h.group("Mixed", pia.ID, ada.ID)
		inner := h.group("Inner", ada.ID)
		holds := h.group("Holds", pia.ID, inner)
		was := map[string]provision.Group{untouched: h.groupOf(untouched), mixed: h.groupOf(mixed), holds: h.groupOf(holds)}
		h.discard()
		for id, before := range was {
			now := h.groupOf(id)
			if len(now.Members) != 1 || now.Members[0].User != pia.ID {
				t.Errorf("%s has %+v", now.DisplayName, now.Members)
			}
			if moved := now.UpdatedAt.After(before.UpdatedAt); moved != (id != untouched) {
				t.Errorf("the version of %s moved: %t", now.DisplayName, moved)
			}
		}
		h.is(pia.Member, "active")
		h.sound()
	})
}

// A group in a group gives nobody a role, neither while a directory tests nor by the plan, and takes none away.
func TestAGroupInAGroup_GivesNobodyARoleInATestSyncOrByItsPlan(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting, "pia@acme.test")
		pia, ada := h.post(person("pia")), h.post(person("ada"))
		inner := h.group("Coffee", pia.ID, ada.ID)
		admins := h.group("Admins", inner)
		agents := h.group("Agents", admins, pia.ID, ada.ID)
		h.hasRole(pia.Member, "Agent", directory.RoleByMapping)
		h.planned("ada created active Agent", "pia stays active Agent")
		h.members(agents, remove(admins))
		h.members(admins, remove(inner))
		h.is(pia.Member, "active")
		h.members(agents, replace(inner, ada.ID))
		h.is(pia.Member, "deactivated group_loss")
		h.members(agents, replace(pia.ID, inner, ada.ID))
		h.is(pia.Member, "active")
		h.ok(h.enable(h.planOf().Word))
		member := h.user(ada.ID).Member
		h.hasRole(member, "Agent", directory.RoleByMapping)
		h.ok(h.svc.DeleteGroup(bg, h.okta, inner))
		h.is(member, "active")
		if got := h.groupIDs(agents); slices.Contains(got, inner) || len(got) != 2 {
			t.Errorf("Agents has %v", got)
		}
		h.sound()
	})
}

// The id of a group of another directory, or of another workspace, is as unknown as one that nobody has.
func TestAGroupOfSomebodyElse_IsAsUnknownAsNoGroup(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, other := build(t, db, omniflow(directory.ReactivationRestore)), build(t, db, omniflow(directory.ReactivationRestore))
		mine := h.group("Admins")
		entra, err := h.svc.CreateGroup(bg, h.entra, named("Admins"), nil)
		h.ok(err)
		for _, foreign := range []string{entra.ID, other.group("Admins"), "grp_unknown"} {
			for _, op := range [][]string{{foreign}, {mine, foreign}} {
				err := h.tryMembers(mine, add(op...))
				h.refused(err, errs.KindInvalid, "member_unknown")
				if !strings.Contains(err.Error(), foreign) {
					t.Errorf("the refusal is %v", err)
				}
			}
			_, err := h.svc.CreateGroup(bg, h.okta, named("New"), []string{foreign})
			h.refused(err, errs.KindInvalid, "member_unknown")
			h.members(mine, remove(foreign)) // is nobody
		}
	})
}

// Two groups that take each other in at once both answer.
func TestTwoGroupsThatHoldEachOther_AreSetAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		one, two := h.group("One"), h.group("Two")
		for range 10 {
			done := make(chan error, 2)
			for _, pair := range [][2]string{{one, two}, {two, one}} {
				go func() { done <- h.tryMembers(pair[0], replace(pair[1])) }()
			}
			h.ok(<-done)
			h.ok(<-done)
		}
		if a, b := h.groupIDs(one), h.groupIDs(two); len(a) != 1 || a[0] != two || len(b) != 1 || b[0] != one {
			t.Errorf("One has %v, Two has %v", a, b)
		}
	})
}

// Whoever is staged and has by now the address or name of somebody who is nobody's to give away stays staged, and
// who has it keeps all.
func TestAStagedPerson_WhoseAddressAnOwnerOrAnotherDirectoryHasByNow_StaysStaged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")()
			h.become(directory.DirectoryTesting)
			boss, twin := h.post(person("boss")), h.post(person("twin"))
			owner := h.ensureOwner(provision.Owner{Email: "boss@acme.test", Name: "Boss"})
			theirs := h.postTo(h.entra, person("twin"))
			h.planned("boss refused address_taken", "twin refused adoption_waits")
			before := h.membersIn()
			word := h.planOf().Word
			h.ok(h.enable(word))
			if after := h.membersIn(); after != before {
				t.Errorf("members are\n%s\nwere\n%s", after, before)
			}
			h.told(boss.ID, true, "")
			h.told(twin.ID, true, "")
			h.is(owner, "active")
			h.hasRole(owner, "Owner", directory.RoleByHand)
			// In the enabled directory the next word is refused with the reason, and a leaver puts nobody out.
			_, err := h.tryPut(boss.ID, func(p *provision.Person) { p.DisplayName = "B" })
			h.refused(err, errs.KindConflict, "address_taken")
			_, err = h.tryPut(twin.ID, func(p *provision.Person) { p.DisplayName = "T" })
			h.refused(err, errs.KindConflict, "adoption_waits")
			h.setActive(boss.ID, false)
			h.setActive(twin.ID, false)
			h.delete(boss.ID)
			h.is(owner, "active")
			h.is(theirs.Member, "active")
			// What was allowed is carried out by the directory's next word of somebody who stays.
			_, err = h.tryPut(twin.ID, active(true))
			h.refused(err, errs.KindConflict, "adoption_waits")
			h.allow(h.the(store.AdoptionWaiting, theirs.Member))
			h.setActive(twin.ID, true)
			h.told(twin.ID, true, theirs.Member)
			h.sound()
		})
	})
}

// A decision outlives the staged person that it was asked about, and is used by the person who comes instead.
func TestADiscardedPerson_WhoWasAllowed_IsLinkedWhenTheyComeAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada, bob := h.hand("ada"), h.hand("bob")
		h.become(directory.DirectoryTesting)
		h.post(person("ada"))
		h.post(person("bob"))
		h.allow(h.the(store.AdoptionWaiting, ada))
		h.discard()
		h.allow(h.the(store.AdoptionWaiting, bob))
		h.is(ada, "active")
		h.become(directory.DirectoryEnabled)
		if u := h.post(person("ada")); u.Member != ada {
			t.Errorf("ada is %s, want %s", u.Member, ada)
		}
		h.refusedPost(h.okta, with(person("bob"), active(false)), "adoption_waits") // it was allowed of somebody who stays
		h.is(bob, "active")
		// A directory that is forgotten leaves nothing to decide, and who was adopted is nobody's.
		h.settle(func(tx *store.Tx, _ *directory.Config) error { return tx.ForgetDirectory(h.okta.Directory) })
		if m := h.member(ada); m.Directory != "" {
			t.Errorf("the member is %+v", m)
		}
		if all, err := h.svc.Adoptions(bg, h.owner); err != nil || len(all) != 0 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}

// An adoption by a plan is undone whatever the directory is by then.
func TestUndoingWhatAPlanLinked_WhileTheDirectoryIsPausedOrTests(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, status := range []directory.DirectoryStatus{directory.DirectoryPaused, directory.DirectoryTesting} {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			ada := h.hand("ada")
			h.become(directory.DirectoryTesting)
			u := h.post(person("ada"))
			h.allow(h.the(store.AdoptionWaiting, ada))
			h.ok(h.enable(h.planOf().Word))
			h.setActive(u.ID, false)
			h.is(ada, "deactivated idp")
			h.become(status)
			h.undo(ada)
			h.is(ada, "active")
			_, err := h.svc.GetUser(bg, h.okta, u.ID, false)
			h.refused(err, errs.KindNotFound, "resource_unknown")
			if status == directory.DirectoryTesting {
				h.told(h.post(person("ada")).ID, true, "")
				h.planned("ada refused adoption_waits")
			}
			h.is(ada, "active")
			h.sound()
		}
	})
}

// Who comes back by a plan under new_identity is a fresh member, and signs in as that one.
func TestAFreshMemberByAPlan_HasTheSignInLinksOfTheOneBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		old := h.post(person("ada"))
		if m := h.arrive(h.asserted("ada")); m != old.Member {
			t.Fatalf("ada arrives as %s, want %s", m, old.Member)
		}
		h.delete(old.ID)
		h.become(directory.DirectoryTesting)
		again := h.post(person("ada"))
		h.ok(h.enable(h.planOf().Word))
		now := h.user(again.ID).Member
		if now == old.Member || now == "" {
			t.Fatalf("ada is behind %q, was %q", now, old.Member)
		}
		h.linkedTo(now, "persistent|ada", "directory")
		if m := h.arrive(h.asserted("ada")); m != now {
			t.Errorf("ada arrives as %s, want %s", m, now)
		}
		h.is(old.Member, "deactivated idp")
	})
}

// Whoever is refused when the directory names them again, in the enabled directory, waits for a decision as anybody else.
func TestAStagedPerson_WhoMeetsAMemberAfterEnabling_WaitsForADecision(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		first := h.hand("ada")
		h.become(directory.DirectoryTesting)
		u := h.post(person("ada"))
		h.ok(h.enable(h.planOf().Word))
		second := h.hand("new")
		_, err := h.tryPut(u.ID, func(p *provision.Person) { p.Email = "new@acme.test" })
		h.refused(err, errs.KindConflict, "adoption_waits")
		h.allow(h.the(store.AdoptionWaiting, second))
		h.put(u.ID, func(p *provision.Person) { p.Email = "new@acme.test" })
		h.told(u.ID, true, second)
		if m := h.member(first); m.Directory != "" {
			t.Errorf("%+v", m)
		}
		h.sound()
	})
}

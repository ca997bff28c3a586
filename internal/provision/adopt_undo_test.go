package provision_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func TestUndo_MakesTheMemberWhatTheyWere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ways := map[string]func(h *house, u provision.User){
			"nothing since":         func(*house, provision.User) {},
			"deactivated since":     func(h *house, u provision.User) { h.setActive(u.ID, false) },
			"deleted since":         func(h *house, u provision.User) { h.delete(u.ID) },
			"deleted and back":      func(h *house, u provision.User) { h.delete(u.ID); h.post(person("ada")) },
			"out of its last group": func(h *house, u provision.User) { h.members(h.group("Agents", u.ID), remove(u.ID)) },
			"another address":       func(h *house, u provision.User) { h.put(u.ID, func(p *provision.Person) { p.Email = "new@acme.test" }) },
		}
		for what, since := range ways {
			t.Run(what, func(t *testing.T) {
				h := build(t, db, omniflow(directory.ReactivationRestore))
				ada := h.hand("ada")
				_, err := h.svc.SetRole(bg, h.owner, provision.Who(ada), "")
				h.ok(err)
				was := h.member(ada)
				h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUnproven))
				u := h.post(with(person("ada"), func(p *provision.Person) { p.Document = `{"title":"Boss"}` }))
				group := h.group("Admins", u.ID)
				h.hasRole(ada, "Admin", directory.RoleByMapping)
				session := h.session(ada, directory.MethodPassword)
				since(h, u)
				told := len(h.events(ada))
				h.undo(ada)
				m := h.member(ada)
				if m.Name != was.Name || m.Email != was.Email || len(m.Attributes) != 0 || m.Directory != "" {
					t.Errorf("the member is %+v, was %+v", m, was)
				}
				h.is(ada, "active")
				h.hasRole(ada, "Trainee", directory.RoleByDefault)
				if len(h.groupIDs(group)) != 0 {
					t.Error("the group still has the person")
				}
				if in := !slices.Contains([]string{"deactivated since", "deleted since", "deleted and back"}, what); h.lives(session) != in {
					t.Errorf("the session lives: %v", !in)
				}
				h.recorded(ada, told, audit.AdoptionUndone)
				_, err = h.tryPut(u.ID)
				h.refused(err, errs.KindNotFound, "resource_unknown")
				_, err = h.svc.UndoAdoption(bg, h.owner, h.the(store.AdoptionUndone, ada).ID, "")
				h.refused(err, errs.KindConflict, "adoption_over")
				// A later POST asks again, though the address were proof by now, and can be allowed.
				defer h.proves("acme.test")()
				h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUndone))
				if again := h.post(person("ada")); again.Member != ada || again.ID == u.ID {
					t.Errorf("the POST after the decision gave %+v", again)
				}
				h.sound()
			})
		}
	})
}

func TestUndo_KeepsWhatOwnersDidSince(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")()
			ada, bob := h.hand("ada"), h.hand("bob")
			h.post(person("ada"))
			h.post(person("bob"))
			h.deactivate(ada)
			h.setRole(bob, "Supervisor")
			h.undo(ada)
			h.undo(bob)
			h.is(ada, "deactivated owner")
			h.hasRole(bob, "Supervisor", directory.RoleByHand)
			// An owner by now stays one, and free of the directory.
			cat := h.hand("cat")
			h.post(person("cat"))
			h.setRole(cat, "Owner")
			h.undo(cat)
			h.hasRole(cat, "Owner", directory.RoleByHand)
			h.sound()
		})
	})
}

func TestUndo_CutsTheSignInsThatTheAdoptionMadePossible(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.hand("ada")
		_, err := h.svc.SetRole(bg, h.owner, provision.Who(ada), "")
		h.ok(err)
		own := h.session(ada, directory.MethodPassword)
		h.turnedAway(h.asserted("ada"), "address_taken", "")
		h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUnproven))
		h.post(person("ada"))
		_, theirs, err := h.tryArrive(h.asserted("ada", in("Admins")))
		h.ok(err)
		h.hasRole(ada, "Admin", directory.RoleByClaim)
		h.undo(ada)
		if h.lives(theirs) || !h.lives(own) {
			t.Errorf("the directory's session lives: %v, the member's own: %v", h.lives(theirs), h.lives(own))
		}
		h.hasRole(ada, "Trainee", directory.RoleByDefault)
		h.turnedAway(h.asserted("ada"), "address_taken", "")
		// Who signed in before the adoption keeps that.
		bob := h.arrive(h.asserted("bob"))
		h.post(person("bob"))
		_, session, err := h.tryArrive(h.asserted("bob"))
		h.ok(err)
		h.undo(bob)
		if !h.lives(session) {
			t.Error("the session of a link from before the adoption ended")
		}
		if got := h.arrive(h.asserted("bob")); got != bob {
			t.Errorf("bob is %s, was %s", got, bob)
		}
		h.waits(h.okta, person("bob"), bob, directory.MeetUndone)
		h.sound()
	})
}

func TestUndo_OfAMove_LeavesTheMemberNobodys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			h.group("Admins", u.ID)
			h.allow(h.waits(h.entra, person("ada"), u.Member, directory.MeetOtherDirectory))
			h.postTo(h.entra, person("ada"))
			h.undo(u.Member)
			if m := h.member(u.Member); m.Directory != "" {
				t.Errorf("the member belongs to %s", m.Directory)
			}
			h.hasRole(u.Member, "Admin", directory.RoleKept)
			h.refusedPost(h.okta, person("ada"), "adoption_waits")
			h.refusedPost(h.entra, person("ada"), "adoption_waits")
			h.sound()
		})
	})
}

func TestUndo_HasNothingToUndoBehindAFreshMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationNewIdentity))
		defer h.proves("acme.test")()
		ada := h.hand("ada")
		u := h.post(person("ada"))
		h.setActive(u.ID, false)
		if fresh := h.setActive(u.ID, true); fresh.Member == ada {
			t.Fatal("there is no fresh member")
		}
		h.unchanged(errs.KindConflict, "adoption_over", func() error {
			_, err := h.svc.UndoAdoption(bg, h.owner, h.the(store.AdoptionAdopted, ada).ID, "")
			return err
		})
		// And only an owner undoes.
		bob, admin := h.hand("bob"), h.hand("admin")
		h.setRole(admin, "Admin")
		h.adoption(directory.AdoptionLink)
		h.post(person("bob"))
		h.adoption(directory.AdoptionAskAdmin)
		_, err := h.svc.UndoAdoption(bg, h.as(admin), h.the(store.AdoptionAdopted, bob).ID, "")
		h.refused(err, errs.KindForbidden, "owner_decides")
	})
}

// outcomes counts errors by code, "" for none.
func outcomes(list []error) map[string]int {
	out := map[string]int{}
	for _, err := range list {
		code := ""
		if err != nil {
			code = errs.CodeOf(err)
		}
		out[code]++
	}
	return out
}

func TestTwoDirectoriesThatClaimOneMemberAtOnce_DoNotBothGetThem(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 5 {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			undo := h.proves("acme.test")
			ada := h.hand("ada")
			claim := func(scope provision.Scope) func() error {
				return func() error { _, err := h.svc.CreateUser(bg, scope, person("ada")); return err }
			}
			got := outcomes(atOnce(claim(h.okta), claim(h.entra), claim(h.okta), claim(h.entra)))
			if got[""] != 1 || got["adoption_waits"]+got["user_name_taken"] != 3 {
				t.Errorf("the claims ended as %v", got)
			}
			if n := len(h.adoptions(store.AdoptionAdopted)); n != 1 {
				t.Errorf("%d adoptions", n)
			}
			h.is(ada, "active")
			h.sound()
			undo()
		}
	})
}

func TestADecisionBesideAPost_IsUsedOnceOrLater(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 5 {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			ada := h.hand("ada")
			a := h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
			post := func() error { _, err := h.svc.CreateUser(bg, h.okta, person("ada")); return err }
			allow := func() error { _, err := h.svc.AllowAdoption(bg, h.owner, a.ID, a.Seen); return err }
			refuse := func() error { _, err := h.svc.RefuseAdoption(bg, h.owner, a.ID, a.Seen); return err }
			all := atOnce(post, allow, post, refuse, post)
			for _, err := range all {
				if err != nil && errs.KindOf(err) != errs.KindConflict {
					t.Errorf("%v", err)
				}
			}
			owned := h.member(ada).Directory != ""
			if n := len(h.adoptions(store.AdoptionAdopted)); owned != (n == 1) {
				t.Errorf("owned %v by %d adoptions", owned, n)
			}
			if !owned {
				// Whatever came first, the last decision holds: it was not lost to a POST beside it.
				if n := len(h.adoptions(store.AdoptionAllowed)) + len(h.adoptions(store.AdoptionRefused)); n != 1 {
					t.Errorf("the decision was lost: %v", all)
				}
			}
			h.sound()
		}
	})
}

func TestASignInBesideAnAdoption_EndsAsOneMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for range 5 {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			undo := h.proves("acme.test")
			ada := h.hand("ada")
			var who string
			got := atOnce(func() error { _, err := h.svc.CreateUser(bg, h.okta, person("ada")); return err }, h.arriving(h.asserted("ada"), &who))
			h.ok(errors.Join(got...))
			if who != ada || h.member(ada).Directory != h.okta.Directory {
				t.Errorf("%s arrived, %s is of %q", who, ada, h.member(ada).Directory)
			}
			h.sound()
			undo()
		}
	})
}

func TestWhatADirectoryIsTold_NamesThePlaceOfTheDecision(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.hand("ada")
		_, err := h.svc.CreateUser(bg, h.okta, person("ada"))
		if e := errs.As(err); e == nil || !strings.Contains(e.Message, provision.WhereDecided) {
			t.Errorf("the directory is told %v", err)
		}
	})
}

func TestWhoWasTakenBack_IsNoPredecessorOfTheDirectorysNextPerson(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada := h.hand("ada")
			defer h.proves("acme.test")()
			elsewhere := h.connect("elsewhere")
			own := h.asserted("ada", func(a *provision.Arrival) { a.Connection = elsewhere })
			if got := h.arrive(own); got != ada {
				t.Fatalf("%s and %s", got, ada)
			}
			h.post(person("ada"))
			h.undo(ada)
			h.deactivate(ada)
			// The directory's person has the names of the one whose adoption was undone, and another address.
			u := h.post(with(person("ada"), func(p *provision.Person) { p.UserName, p.Email = "ada.two", "ada.two@acme.test" }))
			if u.Member == ada {
				t.Error("the member came back")
			}
			h.is(u.Member, "active") // what put the other one out is not theirs
			h.linkedTo(ada, own.Subject, "domain")
		})
	})
}

func TestUndo_CutsTheLinksOfAConnectionThatTheDirectoryHadThen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.hand("ada")
		h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUnproven))
		h.post(person("ada"))
		_, session, err := h.tryArrive(h.asserted("ada"))
		h.ok(err)
		other := h.connect("other")
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			d, _ := cfg.Directory(h.okta.Directory)
			d.Connection = other
			tx.SaveDirectory(d, false)
			return nil
		})
		h.undo(ada)
		if h.lives(session) {
			t.Error("the session lives")
		}
		h.turnedAway(h.asserted("ada"), "address_taken", "")
	})
}

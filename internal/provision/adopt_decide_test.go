package provision_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Row 7: a directory's POST meets a member whom it does not own, and people decide.

func TestAnAddressInAProvenDomain_IsLinkedByPolicy(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")()
			ada := h.hand("ada")
			session := h.session(ada, directory.MethodPassword)
			u := h.post(with(person("ada"), func(p *provision.Person) { p.Email = "ADA@acme.test" }))
			if u.Member != ada {
				t.Fatalf("%s and %s", u.Member, ada)
			}
			h.is(ada, "active")
			h.hasRole(ada, "Agent", directory.RoleByHand)
			if m := h.member(ada); m.Email != "ada@acme.test" || m.Directory != h.okta.Directory || m.Name != "ada" {
				t.Errorf("the adopted member is %+v", m)
			}
			if !h.lives(session) {
				t.Error("the adoption ended a session")
			}
			if a := h.the(store.AdoptionAdopted, ada); a.Reason != directory.MetByDomain || a.Member.Directory != "okta" {
				t.Errorf("the adoption is shown as %+v", a)
			}
			for _, mode := range []directory.Adoption{"", directory.AdoptionAskOwner, directory.AdoptionAskAdmin} {
				h.adoption(mode)
				name := "ask-" + string(mode)
				h.waits(h.okta, person(name), h.hand(name), directory.MeetPolicy)
			}
			h.adoption(directory.AdoptionRefuse)
			h.hand("bob")
			h.refusedPost(h.okta, person("bob"), "adoption_refused")
			// Who signed in through the own connection is the person all the same (law 6).
			cat := h.arrive(h.asserted("cat"))
			if u := h.post(person("cat")); u.Member != cat {
				t.Errorf("%s and %s", u.Member, cat)
			}
			h.sound()
		})
	})
}

func TestADecision_TakesEffectAtTheNextPost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada := h.hand("ada")
			told := len(h.events(ada))
			a := h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
			again := h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
			if again.ID != a.ID || again.Attempts != 2 || again.Seen != a.Seen {
				t.Errorf("the second attempt is %+v, the first %+v", again, a)
			}
			h.recorded(ada, told, audit.AdoptionWaiting)
			if n := len(h.events(ada)); n != told+1 {
				t.Errorf("two attempts left %d events about the member, want 1", n-told)
			}
			before := h.picture()
			h.allow(a)
			if h.picture() != before {
				t.Error("a decision alone changed somebody")
			}
			_, err := h.svc.RefuseAdoption(bg, h.owner, a.ID, "")
			h.ok(err)
			h.refusedPost(h.okta, person("ada"), "adoption_refused")
			_, err = h.svc.AllowAdoption(bg, h.owner, a.ID, "")
			h.ok(err)
			u := h.post(person("ada"))
			m := h.member(ada)
			if u.Member != ada || m.Directory != h.okta.Directory || m.Email != "ada@acme.test" {
				t.Errorf("the member is %+v", m)
			}
			h.is(ada, "active")
			h.hasRole(ada, "Agent", directory.RoleByHand)
			h.recorded(ada, told, audit.AdoptionWaiting, audit.AdoptionAllowed, audit.AdoptionRefused, audit.AdoptionAllowed, audit.SCIMUserCreated)
			if left := len(h.adoptions(store.AdoptionWaiting)) + len(h.adoptions(store.AdoptionAllowed)); left != 0 {
				t.Errorf("%d decisions are left", left)
			}
			_, err = h.svc.AllowAdoption(bg, h.owner, a.ID, "")
			h.refused(err, errs.KindConflict, "adoption_over")
			// From here on the person is the directory's like any other.
			h.setActive(u.ID, false)
			h.is(ada, "deactivated idp")
			h.sound()
		})
	})
}

func TestAPostThatWouldAdoptAndIsRefused_LeavesADecisionAboutTheMember(t *testing.T) { // row 7; law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.hand("bob")
			// Ada's and Bea's links both name the directory's Ada: an owner decides.
			h.arrive(h.asserted("ada"))
			bea := h.arrive(h.asserted("bob", email("shared@acme.test")))
			said := with(person("ada"), func(p *provision.Person) { p.Email = "shared@acme.test" })
			waiting := h.waits(h.okta, said, bea, directory.MeetTwoNames)
			// By her link alone Bea is the directory's Bob, whose address is somebody else's.
			h.refusedPost(h.okta, person("bob"), "address_taken")
			if now := h.the(store.AdoptionWaiting, bea); now.ID != waiting.ID || now.Seen != waiting.Seen {
				t.Errorf("what waits became %+v, was %+v", now, waiting)
			}
			allowed := h.allow(waiting)
			h.refusedPost(h.okta, person("bob"), "address_taken")
			if now := h.the(store.AdoptionAllowed, bea); now.ID != allowed.ID || now.Seen != allowed.Seen {
				t.Errorf("the decision became %+v, was %+v", now, allowed)
			}
			if u := h.post(said); u.Member != bea || h.member(bea).Email != "shared@acme.test" {
				t.Errorf("what was allowed made %+v", u)
			}
			if used := h.the(store.AdoptionAdopted, bea); used.ID != allowed.ID {
				t.Errorf("%s was used, %s was allowed", used.ID, allowed.ID)
			}
			h.sound()
		})
	})
}

func TestADecision_IsAboutWhatWasSeen(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.hand("ada")
		a := h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
		h.setRole(ada, "Admin")
		_, err := h.svc.AllowAdoption(bg, h.owner, a.ID, a.Seen)
		h.refused(err, errs.KindConflict, "changed_meanwhile")
		h.allow(h.the(store.AdoptionWaiting, ada))
		// What the member is changes after the decision: it is asked again.
		h.setRole(ada, "Agent")
		h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
		h.allow(h.the(store.AdoptionWaiting, ada))
		// What the directory says changes: an inactive person was not what was allowed.
		a = h.waits(h.okta, with(person("ada"), active(false)), ada, directory.MeetUnproven)
		if a.Active || !strings.Contains(a.Means, "deactivates") {
			t.Errorf("what is shown of an inactive person: %+v", a)
		}
		h.is(ada, "active")
		// Another claim of the same directory to the same member is another question.
		h.refusedPost(h.okta, with(person("ada"), func(p *provision.Person) { p.ExternalID = "another" }), "adoption_waits")
		if n := len(h.adoptions(store.AdoptionWaiting)); n != 2 {
			t.Errorf("%d claims wait, want 2", n)
		}
		h.allow(a)
		h.post(with(person("ada"), active(false)))
		h.is(ada, "deactivated idp")
		if n := len(h.adoptions(store.AdoptionWaiting)); n != 0 {
			t.Errorf("%d claims wait behind the adoption", n)
		}
		// An owner is never adopted, whatever was allowed before.
		eve := h.hand("eve")
		h.allow(h.waits(h.okta, person("eve"), eve, directory.MeetUnproven))
		h.setRole(eve, "Owner")
		h.refusedPost(h.okta, person("eve"), "address_taken")
		_, err = h.svc.AllowAdoption(bg, h.owner, h.the(store.AdoptionAllowed, eve).ID, "")
		h.refused(err, errs.KindConflict, "adoption_impossible")
		h.sound()
	})
}

func TestWhoDecides_IsAnOwner(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada, admin, boss := h.hand("ada"), h.hand("admin"), h.hand("boss")
		h.setRole(admin, "Admin")
		a := h.waits(h.okta, person("ada"), ada, directory.MeetUnproven)
		h.waits(h.okta, person("boss"), boss, directory.MeetUnproven)
		h.setRole(boss, "Admin")
		may := func(scope provision.Scope, id string, want bool) {
			h.t.Helper()
			_, err := h.svc.RefuseAdoption(bg, scope, id, "")
			if want {
				h.ok(err)
				return
			}
			h.refused(err, errs.KindForbidden, "owner_decides")
		}
		may(h.as(admin), a.ID, false)
		may(h.as(ada), a.ID, false)
		may(provision.Scope{Workspace: h.ws, Actor: audit.Party{Kind: "directory", ID: h.okta.Directory}}, a.ID, false)
		may(h.as(h.root), a.ID, true)
		h.adoption(directory.AdoptionAskAdmin)
		may(h.as(admin), a.ID, true)
		may(h.as(ada), a.ID, false)
		may(h.as(admin), h.the(store.AdoptionWaiting, boss).ID, false) // about another administrator
		h.deactivate(admin)
		may(h.as(admin), a.ID, false)
		// A neighbour's id is an unknown one.
		neighbour := build(t, db, omniflow(directory.ReactivationRestore))
		_, err := neighbour.svc.AllowAdoption(bg, neighbour.owner, a.ID, "")
		h.refused(err, errs.KindNotFound, "adoption_unknown")
	})
}

func TestAnotherDirectorysMember_MovesByDecision(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")() // it is not certain all the same
			u := h.post(person("ada"))
			group := h.group("Admins", u.ID)
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			a := h.waits(h.entra, person("ada"), u.Member, directory.MeetOtherDirectory)
			if !strings.Contains(a.Means, "can no longer deactivate") || a.Member.Directory != "okta" {
				t.Errorf("the move is shown as %+v", a)
			}
			h.allow(a)
			moved := h.postTo(h.entra, person("ada"))
			if moved.Member != u.Member || h.member(u.Member).Directory != h.entra.Directory {
				t.Fatalf("it is %+v", h.member(u.Member))
			}
			h.is(u.Member, "active")
			h.hasRole(u.Member, "Admin", directory.RoleKept)
			if ids := h.groupIDs(group); len(ids) != 0 {
				t.Errorf("the group still has %v", ids)
			}
			// The directory that had them has no hold on them any more.
			for _, err := range []error{put(h, u.ID, with(person("ada"), active(false))), h.svc.DeleteUser(bg, h.okta, u.ID)} {
				h.refused(err, errs.KindNotFound, "resource_unknown")
			}
			h.is(u.Member, "active")
			h.waits(h.okta, person("ada"), u.Member, directory.MeetOtherDirectory)
			// Not even by a POST that names them with another address.
			if other := h.post(with(person("ada"), func(p *provision.Person) { p.Email = "ada.two@acme.test" })); other.Member == u.Member {
				t.Error("the POST after the move got the member")
			}
			h.sound()
		})
	})
}

func TestWhoIsInactiveInThePost_PutsNobodyOutUndecided(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada := h.hand("ada")
			h.waits(h.okta, with(person("ada"), active(false)), ada, directory.MeetUnproven)
			h.is(ada, "active")
			defer h.proves("acme.test")()
			u := h.post(with(person("ada"), active(false))) // certain now
			if u.Member != ada {
				t.Fatalf("%s and %s", u.Member, ada)
			}
			h.is(ada, "deactivated idp")
		})
	})
}

func TestSomebodyWhomPeopleHerePutOut_DoesNotComeBackByAPost(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")()
			ada := h.hand("ada")
			h.deactivate(ada)
			h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetPutOut))
			u := h.post(person("ada"))
			if u.Member != ada {
				t.Fatalf("%s and %s", u.Member, ada)
			}
			h.is(ada, "deactivated owner")
			h.told(u.ID, true, ada)
			// Of somebody who is out and somebody who is in, the one who is in is met.
			bob := h.hand("bob")
			h.deactivate(bob)
			second := h.hand("bob")
			if u := h.post(person("bob")); u.Member != second {
				t.Errorf("the POST met %s, want %s, who is in", u.Member, second)
			}
			h.sound()
		})
	})
}

func TestAdoption_NeverRewritesAnAddress(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada := h.arrive(h.asserted("ada", email("ada.private@acme.test")))
			claims := with(person("ada"), func(p *provision.Person) { p.Email = "attacker@acme.test" })
			u := h.post(claims)
			address := func(what, want string) {
				t.Helper()
				if got := h.member(ada).Email; got != want {
					t.Errorf("%s: the address is %s, want %s", what, got, want)
				}
			}
			address("the POST", "ada.private@acme.test")
			h.put(u.ID)
			h.put(u.ID, func(p *provision.Person) { p.Email = "ATTACKER@acme.test" })
			address("the same word again", "ada.private@acme.test")
			h.put(u.ID, func(p *provision.Person) { p.Email = "moved@acme.test" })
			address("another word of the directory's own person", "moved@acme.test")
			h.put(u.ID, func(p *provision.Person) { p.Email = "attacker@acme.test" })
			address("and back", "attacker@acme.test")
			// In letters alone an address stays as well.
			defer h.proves("acme.test")()
			bob := h.hand("Bob")
			v := h.post(person("bob"))
			h.put(v.ID)
			if got := h.member(bob).Email; got != "Bob@acme.test" {
				t.Errorf("the address became %s", got)
			}
		})
	})
}

func TestAQueue_IsBounded(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.hand("ada")
		claim := func(i int) provision.Person {
			return with(person("ada"), func(p *provision.Person) { p.ExternalID = fmt.Sprint("claim-", i) })
		}
		for i := range 10 {
			h.refusedPost(h.okta, claim(i), "adoption_waits")
		}
		for i := range 3 {
			h.refusedPost(h.okta, claim(10+i), "adoption_queue_full")
		}
		h.refusedPost(h.okta, claim(3), "adoption_waits") // what is there goes on
		if n := len(h.adoptions(store.AdoptionWaiting)); n != 10 {
			t.Errorf("%d claims to one member wait, want 10", n)
		}
		// Nobody else is hidden by it.
		bob := h.hand("bob")
		h.waits(h.okta, person("bob"), bob, directory.MeetUnproven)
		// All of a directory.
		h.write(func(tx *store.Tx) error {
			for i := range store.MaxAdoptions - 11 {
				tx.InsertAdoption(&store.Adoption{ID: fmt.Sprint("ado_", i), Directory: h.okta.Directory, Member: fmt.Sprint("m", i), State: store.AdoptionRefused})
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
		cat := h.hand("cat")
		h.refusedPost(h.okta, person("cat"), "adoption_queue_full")
		h.waits(h.entra, person("cat"), cat, directory.MeetUnproven)
		_ = ada
	})
}

func TestWhoClaimsWhatIsNotTheirs_LearnsAndGetsNothing(t *testing.T) { // B1, B5, B8, B14; law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			defer h.proves("acme.test")()
			// Owner and break-glass, by address and by every id of theirs.
			dan := h.ensureOwner(provision.Owner{Email: "dan@acme.test"})
			glass := h.ensureOwner(provision.Owner{Email: "glass@acme.test", BreakGlass: true})
			h.refusedPost(h.okta, person("dan"), "address_taken")
			h.refusedPost(h.okta, person("glass"), "address_taken")
			for _, id := range []string{dan, glass, "1", "admin"} {
				u := h.post(with(person("x-"+id), func(p *provision.Person) { p.ExternalID = id }))
				if u.Member == dan || u.Member == glass || u.ID == id {
					t.Errorf("externalId %q got %+v", id, u)
				}
			}
			if n := len(h.adoptions(store.AdoptionWaiting)); n != 0 {
				t.Errorf("%d attempts on owners wait for a decision that nobody can make", n)
			}
			// The userName of one and the address of another: two people may be meant.
			ada := h.hand("ada")
			h.waits(h.okta, with(person("mallory"), func(p *provision.Person) { p.Email = "ada@acme.test" }), ada, directory.MeetTwoNames)
			// The Kelvin sign is no k.
			h.hand("kim")
			h.refusedPost(h.okta, with(person("kelvin"), func(p *provision.Person) { p.Email = "\u212Aim@acme.test" }), "address_taken")
			// Somebody of another workspace: a person of one's own is made, and nothing there is touched.
			h.unprove("acme.test")
			neighbour := build(t, db, omniflow(directory.ReactivationRestore))
			theirs := neighbour.hand("zoe")
			was := neighbour.picture()
			if u := h.post(person("zoe")); u.Member == theirs || neighbour.picture() != was || len(neighbour.adoptions(store.AdoptionWaiting)) != 0 {
				t.Errorf("the neighbour's %s was met: %+v", theirs, u)
			}
			h.sound()
		})
	})
}

func TestWhatWasAllowed_LapsesUnused(t *testing.T) {
	t.Parallel()
	var passed atomic.Int64
	storetest.EachAt(t, func() time.Time { return time.Now().Add(time.Duration(passed.Load())) }, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.hand("ada")
		h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUnproven))
		passed.Add(int64(store.AllowedAge + time.Minute))
		h.allow(h.waits(h.okta, person("ada"), ada, directory.MeetUnproven))
		h.post(person("ada"))
	})
}

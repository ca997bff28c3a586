package provision_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Row 7, the adoption rule, and what becomes of sign-in links in rows 5, 6 and 9.

func TestWhoeverSpeaksFirst_DirectoryAndSignInMeanOnePerson(t *testing.T) { // row 7; F29, E7
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			first := h.post(person("scim"))
			if got := h.arrive(h.asserted("scim")); got != first.Member {
				t.Errorf("SCIM first: %s and %s", first.Member, got)
			}
			for name, edit := range map[string]func(*provision.Arrival){
				"by-name":     email("other.by-name@acme.test"),
				"by-case":     func(a *provision.Arrival) { a.Shown, a.Email = "BY-CASE@acme.test", "other.by-case@acme.test" },
				"by-external": func(a *provision.Arrival) { a.Shown, a.Email = "ext-by-external", "other.by-external@acme.test" },
				"by-mail":     shown("opaque"),
			} {
				member := h.arrive(h.asserted(name, edit, in("Admins")))
				address := h.member(member).Email
				u := h.post(person(name))
				if u.Member != member {
					t.Fatalf("%s: sign-in first: %s and %s", name, member, u.Member)
				}
				m := h.member(member)
				if m.Directory != h.okta.Directory || m.Email != address {
					t.Errorf("%s: the adopted member is %+v", name, m)
				}
				if m.Name == "Asserted "+name {
					t.Errorf("%s: the directory's name does not count", name)
				}
				h.is(member, "active")
				h.hasRole(member, "Admin", directory.RoleByClaim)
				h.recorded(member, 0, audit.MemberCreated, audit.SCIMUserCreated)
				h.group("Agents-"+name, u.ID)
				if got := h.arrive(h.asserted(name, edit)); got != member {
					t.Errorf("%s: the next sign-in is %s", name, got)
				}
				h.setActive(u.ID, false)
				h.is(member, "deactivated idp")
				h.turnedAway(h.asserted(name, edit), "account_deactivated", member)
			}
			h.sound()
		})
	})
}

func TestAPostOfSomebodyWhoSignedIn_CarriesItsOwnWord(t *testing.T) { // row 7
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada := h.arrive(h.asserted("ada"))
			session := h.session(ada, directory.MethodSAML)
			u := h.post(with(person("ada"), active(false)))
			h.is(ada, "deactivated idp")
			h.told(u.ID, false, ada)
			if h.lives(session) {
				t.Error("a session of somebody whom the directory named inactive lives")
			}
			// An owner's word stands over the adoption.
			bob := h.arrive(h.asserted("bob"))
			h.deactivate(bob)
			ub := h.post(person("bob"))
			h.is(bob, "deactivated owner")
			h.told(ub.ID, true, bob)
			h.turnedAway(h.asserted("bob"), "account_deactivated", bob)
			h.sound()
		})
	})
}

func TestADirectory_AdoptsNobodyElses(t *testing.T) { // row 7; law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		conflict := func(scope provision.Scope, p provision.Person, code string) {
			h.t.Helper()
			h.unchanged(errs.KindConflict, code, func() error { _, err := h.svc.CreateUser(bg, scope, p); return err })
		}
		// A sign-in through another connection than the directory's own, and a directory without one.
		con := h.connect("plain")
		h.arrive(h.asserted("ada", func(a *provision.Arrival) { a.Connection = con }))
		conflict(h.okta, person("ada"), "adoption_waits")
		h.arrive(h.asserted("bob"))
		conflict(h.entra, person("bob"), "adoption_waits")
		// A person of another directory.
		cat := h.postTo(h.entra, person("cat"))
		h.prove("acme.test")
		if got := h.arrive(h.asserted("cat")); got != cat.Member {
			t.Fatalf("cat is %s", got)
		}
		conflict(h.okta, person("cat"), "adoption_waits")
		// An owner and the break-glass administrator, linked though they are.
		dan, glass := h.arrive(h.asserted("dan")), h.ensureOwner(provision.Owner{Email: "glass@acme.test", BreakGlass: true})
		h.setRole(dan, "Owner")
		if got := h.arrive(h.asserted("glass")); got != glass {
			t.Fatalf("break-glass is %s", got)
		}
		conflict(h.okta, person("dan"), "address_taken")
		conflict(h.okta, person("glass"), "address_taken")
		// Links of two people: nobody is the one.
		h.arrive(h.asserted("eve"))
		h.arrive(h.asserted("fay", shown("ext-eve")))
		conflict(h.okta, person("eve"), "adoption_waits")
		// The Kelvin sign is no k.
		h.arrive(h.asserted("kim", shown("\u212Aim@acme.test"), email("\u212Aim@acme.test")))
		conflict(h.okta, person("kim"), "address_taken")
		// The userName of one who signed in, and the address of another.
		h.arrive(h.asserted("gus"))
		conflict(h.okta, with(person("gus"), func(p *provision.Person) { p.Email = "bob@acme.test" }), "adoption_waits")
		h.sound()
	})
}

func TestAFreshMember_TakesTheSignInLinksOfTheOneItReplaces(t *testing.T) { // rows 5, 6 and 9
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ways := map[string]func(h *house, u provision.User) (fresh string){
			"active again": func(h *house, u provision.User) string {
				h.setActive(u.ID, false)
				return h.setActive(u.ID, true).Member
			},
			"POST after DELETE": func(h *house, u provision.User) string {
				h.delete(u.ID)
				return h.post(person("ada")).Member
			},
			"POST beside the inactive one": func(h *house, u provision.User) string {
				h.setActive(u.ID, false)
				return h.post(person("ada")).Member
			},
		}
		for what, again := range ways {
			t.Run(what, func(t *testing.T) {
				h := build(t, db, omniflow(directory.ReactivationNewIdentity))
				u := h.post(person("ada"))
				h.arrive(h.asserted("ada", in("Admins")))
				h.hasRole(u.Member, "Admin", directory.RoleByClaim)
				fresh := again(h, u)
				if fresh == u.Member {
					t.Fatal("there is no fresh member")
				}
				// What was asserted of the old one is history.
				h.hasRole(fresh, "Trainee", directory.RoleByDefault)
				if got := h.arrive(h.asserted("ada")); got != fresh {
					t.Errorf("the old link leads to %s, want %s", got, fresh)
				}
				h.linkedTo(fresh, "persistent|ada", "directory")
				h.is(u.Member, "deactivated idp")
				h.sound()
			})
		}
		t.Run("restore keeps them", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			u := h.post(person("ada"))
			h.arrive(h.asserted("ada", in("Admins")))
			h.delete(u.ID)
			again := h.post(person("ada"))
			if got := h.arrive(h.asserted("ada")); got != u.Member || again.Member != got {
				t.Errorf("the link leads to %s, want %s", got, u.Member)
			}
			h.hasRole(u.Member, "Admin", directory.RoleByClaim)
		})
		t.Run("an owner whom the directory let go keeps theirs", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationNewIdentity))
			u := h.post(person("ada"))
			h.arrive(h.asserted("ada"))
			h.delete(u.ID)
			h.restore(u.Member)
			h.setRole(u.Member, "Owner")
			h.post(with(person("ada"), func(p *provision.Person) { p.Email = "elsewhere@acme.test" }))
			if got := h.arrive(h.asserted("ada")); got != u.Member {
				t.Errorf("the owner's link leads to %s, want %s", got, u.Member)
			}
		})
	})
}

func TestSomebodyWhomAnEarlierDirectoryPutOut_ComesBackByPolicy(t *testing.T) { // rows 7 and 9
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			h.arrive(h.asserted("ada"))
			h.setActive(u.ID, false)
			h.settle(func(tx *store.Tx, _ *directory.Config) error { return provision.ForgetDirectory(tx, h.okta.Directory) })
			again := h.post(person("ada"))
			restores := h.config().Workspace.Policy.Reactivation == directory.ReactivationRestore
			if (again.Member == u.Member) != restores {
				t.Errorf("%s came back as %s", u.Member, again.Member)
			}
			h.is(again.Member, "active")
			if got := h.arrive(h.asserted("ada")); got != again.Member {
				t.Errorf("the link leads to %s, want %s", got, again.Member)
			}
			h.sound()
		})
	})
}

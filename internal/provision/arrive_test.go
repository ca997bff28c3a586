package provision_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Rows 19 to 22 of the life of a member, and law 6 as far as signing in goes.

func TestASubjectKnownByLink_IsThatMemberWhateverElseIsAsserted(t *testing.T) { // row 19
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.setPolicy(func(p *directory.Policy) { p.ProvisionOn = directory.ProvisionSCIM })
			ada, bob := h.post(person("ada")), h.post(person("bob"))
			if got := h.arrive(h.asserted("ada")); got != ada.Member {
				t.Fatalf("ada is %s, want %s", got, ada.Member)
			}
			h.linkedTo(ada.Member, "persistent|ada", "directory")
			h.recorded(ada.Member, 0, audit.SCIMUserCreated, audit.MemberCreated, audit.IdentityLinked)
			// The link decides, not what the assertion says beside it.
			if got := h.arrive(h.asserted("ada", shown("bob@acme.test"), email("bob@acme.test"))); got != ada.Member {
				t.Errorf("the subject of ada became %s", got)
			}
			// Nor are subjects compared but byte for byte.
			if got := h.arrive(h.asserted("bob", func(a *provision.Arrival) { a.Subject = "persistent|Ada" })); got != bob.Member {
				t.Errorf("a subject in another case is %s", got)
			}
			h.setActive(ada.ID, false)
			h.turnedAway(h.asserted("ada"), "account_deactivated", ada.Member)
			h.restore(ada.Member)
			h.arrive(h.asserted("ada"))
			h.deactivate(ada.Member)
			h.turnedAway(h.asserted("ada"), "account_deactivated", ada.Member)
			h.sound()
		})
	})
}

func TestOnePersonOfTheConnectionsOwnDirectory_IsLinkedWithoutProof(t *testing.T) { // row 20
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		cases := map[string]provision.Arrival{
			"by userName":               h.asserted("a1", email("")),
			"by userName, another case": h.asserted("a2", shown("A2@ACME.test"), email("")),
			"by externalId":             h.asserted("a3", shown("ext-a3"), email("")),
			"by the asserted address":   h.asserted("a4", shown("opaque")),
			"by the primary address":    h.asserted("a5", shown("opaque"), email("mail.a5@acme.test")),
		}
		for what, a := range cases {
			name := a.Subject[len("persistent|"):]
			u := h.post(with(person(name), func(p *provision.Person) {
				if name == "a5" {
					p.Email = "mail.a5@acme.test"
				}
			}))
			if got := h.arrive(a); got != u.Member {
				t.Errorf("%s: %s, want %s", what, got, u.Member)
			}
			h.linkedTo(u.Member, a.Subject, "directory")
			// A directory's values beat an assertion's.
			if m := h.member(u.Member); m.Name == a.Name {
				t.Errorf("%s: the assertion renamed a person of the directory", what)
			}
		}
		// externalId has letter case; nobody is a5 in capitals.
		h.turnedAway(h.asserted("x", shown("EXT-a3"), email("")), "email_missing", "")
		h.sound()
	})
}

func TestAnAssertionThatNamesTwoPeople_IsNobody(t *testing.T) { // row 20
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.post(person("ada"))
		h.post(with(person("bob"), func(p *provision.Person) { p.ExternalID = "ada@acme.test" }))
		h.post(with(person("cat"), func(p *provision.Person) { p.ExternalID = "cat-2" }))
		h.turnedAway(h.asserted("x", shown("cat@acme.test"), email("ada@acme.test")), "account_ambiguous", "")
		// One value alone, of two people: ada's userName is bob's externalId.
		h.turnedAway(h.asserted("ada"), "account_ambiguous", "")
		h.arrive(h.asserted("cat", email("")))
	})
}

func TestAPendingPerson_BecomesAMemberInFullUnlessTheDirectorySaysInactive(t *testing.T) { // row 20
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.setPolicy(func(p *directory.Policy) { p.ProvisionOn = directory.ProvisionFirstLogin })
			ada, bob := h.post(person("ada")), h.post(person("bob"))
			h.arrive(h.asserted("ada"))
			h.is(ada.Member, "active")
			h.recorded(ada.Member, 0, audit.SCIMUserCreated, audit.MemberCreated, audit.IdentityLinked, audit.MemberActivated)
			h.setActive(bob.ID, false)
			h.turnedAway(h.asserted("bob"), "account_deactivated", bob.Member)
			// An owner may lift the directory's word; what was never begun waits for it all the same.
			h.restore(bob.Member)
			h.is(bob.Member, "pending")
			h.turnedAway(h.asserted("bob"), "account_deactivated", bob.Member)
			_, err := h.signIn(bob.Member, directory.MethodLink)
			h.refused(err, errs.KindForbidden, "account_deactivated")
			h.setActive(bob.ID, true)
			h.arrive(h.asserted("bob"))
			h.is(bob.Member, "active")
		})
	})
}

func TestSomebodyUnknown_IsMadeWhereThePolicyMakesPeopleAtSignIn(t *testing.T) { // rows 21 and 22
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, on := range []directory.ProvisionOn{directory.ProvisionFirstLogin, directory.ProvisionBoth} {
			t.Run(string(on), func(t *testing.T) {
				h := build(t, db, omniflow(directory.ReactivationRestore))
				h.setPolicy(func(p *directory.Policy) { p.ProvisionOn = on })
				id := h.arrive(h.asserted("ada", in("Agents", "Tea")))
				h.is(id, "active")
				h.hasRole(id, "Agent", directory.RoleByClaim)
				h.linkedTo(id, "persistent|ada", "first_sign_in")
				h.recorded(id, 0, audit.IdentityLinked, audit.MemberCreated)
				if m := h.member(id); m.Directory != "" || m.Email != "ada@acme.test" || m.Name != "Asserted ada" || !m.WasIn {
					t.Errorf("the member is %+v", m)
				}
				if again := h.arrive(h.asserted("ada")); again != id || h.people() != 2 {
					t.Errorf("the second sign-in is %s, want %s; %d people", again, id, h.people())
				}
				bob := h.arrive(h.asserted("bob", func(a *provision.Arrival) { a.Name, a.GivenName, a.FamilyName = "", "Bob", "Byrne" }))
				h.hasRole(bob, "Trainee", directory.RoleByDefault)
				if m := h.member(bob); m.Name != "Bob Byrne" {
					t.Errorf("bob is called %q", m.Name)
				}
				h.turnedAway(h.asserted("cat", email("")), "email_missing", "")
				for _, bad := range []string{"cat", " cat@acme.test", "cat@acme.test ", "c at@acme.test", "cat@", "a@b@acme.test", "cat@acme.test\n"} {
					h.turnedAway(h.asserted("cat", email(bad)), "address_invalid", "")
				}
				h.sound()
			})
		}
		t.Run("the missing address is asked for by the attribute's name", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			con := h.connect("plain")
			_, _, err := h.tryArrive(h.asserted("ada", email(""), func(a *provision.Arrival) { a.Connection = con }))
			if errs.CodeOf(err) != "email_missing" || !strings.Contains(err.Error(), `"mail"`) {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestSomebodyUnknown_IsNotFoundWhereOnlyTheDirectoryMakesPeople(t *testing.T) { // row 22
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.setPolicy(func(p *directory.Policy) { p.ProvisionOn = directory.ProvisionSCIM })
			h.notFound(h.asserted("ada"), "not_provisioned")
			ada := h.post(person("ada"))
			h.delete(ada.ID)
			h.notFound(h.asserted("ada"), "left_directory")
			h.notFound(h.asserted("x", shown("ext-ada"), email("")), "left_directory")
			con := h.connect("plain")
			h.notFound(h.asserted("ada", func(a *provision.Arrival) { a.Connection = con }), "no_directory")
			// Who signed in before the deletion is known by the link.
			bob := h.post(person("bob"))
			h.arrive(h.asserted("bob"))
			h.delete(bob.ID)
			h.turnedAway(h.asserted("bob"), "account_deactivated", bob.Member)
		})
		t.Run("a directory's own policy counts for its connection", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			con := h.connect("plain")
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				d, _ := cfg.Directory(h.okta.Directory)
				only := directory.ProvisionSCIM
				d.Override.ProvisionOn = &only
				tx.SaveDirectory(d, false)
				return nil
			})
			h.notFound(h.asserted("ada"), "not_provisioned")
			h.arrive(h.asserted("ada", func(a *provision.Arrival) { a.Connection = con }))
		})
	})
}

func TestSomebodyWhoIsOut_IsNeverMadeAgainBySigningIn(t *testing.T) { // rows 19 and 21
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			// Made at sign-in, put out by an owner; then the IdP gives the person another subject.
			jit := h.arrive(h.asserted("jit"))
			h.deactivate(jit)
			h.turnedAway(h.asserted("jit"), "account_deactivated", jit)
			h.turnedAway(h.asserted("jit", func(a *provision.Arrival) { a.Subject = "another" }), "account_deactivated", jit)
			// A person of the directory, deleted there, who never signed in.
			ada := h.post(person("ada"))
			h.delete(ada.ID)
			h.turnedAway(h.asserted("ada"), "account_deactivated", ada.Member)
			h.turnedAway(h.asserted("x", shown("ext-ada"), email("x@acme.test")), "account_deactivated", ada.Member)
			// One whom nothing but a proven address says to be the same.
			bob := h.postTo(h.entra, person("bob"))
			h.ok(h.svc.DeleteUser(bg, h.entra, bob.ID))
			eve := h.postTo(h.entra, person("eve"))
			h.deactivate(eve.Member)
			other := h.arrive(h.asserted("bob"))
			if other == bob.Member {
				t.Error("mail alone is identity")
			}
			// Whom an owner put out stays out, whichever way they come.
			h.turnedAway(h.asserted("eve"), "account_deactivated", eve.Member)
			h.prove("acme.test")
			h.turnedAway(h.asserted("eve"), "account_deactivated", eve.Member)
			h.unprove("acme.test")
			h.sound()
		})
	})
}

func TestAnAddress_IsSomebodyOnlyInADomainThatThisWorkspaceHasProven(t *testing.T) { // law 6; A49
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		bob := h.postTo(h.entra, person("bob")) // of another directory
		h.turnedAway(h.asserted("bob"), "address_taken", "")
		h.turnedAway(h.asserted("bob", email("BOB@ACME.TEST")), "address_taken", "")
		h.prove("acme.test")
		// The Kelvin sign folds to k, the long s to s: they are not the same letter for all that.
		kim := h.postTo(h.entra, person("kims"))
		for _, like := range []string{"\u212Aims@acme.test", "kim\u017F@acme.test"} {
			h.turnedAway(h.asserted("x", shown("opaque"), email(like)), "address_taken", "")
		}
		// Cyrillic о is another letter, and with a dot at its end a domain is none of ours.
		if like := "b\u043Eb@acme.test"; h.arrive(h.asserted("like", shown("opaque"), email(like))) == bob.Member {
			t.Errorf("%q is bob", like)
		}
		h.turnedAway(h.asserted("dot", shown("opaque"), email("bob@acme.test.")), "address_invalid", "")
		if got := h.arrive(h.asserted("bob", shown("opaque"), email("Bob@Acme.Test"))); got != bob.Member {
			t.Errorf("bob is %s", got)
		}
		h.linkedTo(bob.Member, "persistent|bob", "domain")
		h.arrive(h.asserted("kims"))
		h.linkedTo(kim.Member, "persistent|kims", "domain")
		h.sound()
	})
}

func TestAnOwner_IsLinkedByAProvenAddressAndByNothingElse(t *testing.T) { // law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		boss := h.post(person("boss"))
		h.setRole(boss.Member, "Owner")
		glass := h.ensureOwner(provision.Owner{Email: "glass@acme.test", BreakGlass: true})
		h.turnedAway(h.asserted("boss"), "owner_not_linked", boss.Member)
		h.turnedAway(h.asserted("x", shown("ext-boss"), email("")), "owner_not_linked", boss.Member)
		h.turnedAway(h.asserted("glass"), "address_taken", "")
		h.turnedAway(h.asserted("root", email("root@root.test")), "address_taken", "")
		h.prove("acme.test")
		// The directory's word for who an owner is counts for nothing still; the address does.
		h.turnedAway(h.asserted("x", shown("ext-boss"), email("")), "owner_not_linked", boss.Member)
		h.turnedAway(h.asserted("x", shown("boss@acme.test"), email("")), "owner_not_linked", boss.Member)
		h.turnedAway(h.asserted("x", shown("boss@acme.test"), email("other@acme.test")), "owner_not_linked", boss.Member)
		if got := h.arrive(h.asserted("boss")); got != boss.Member {
			t.Errorf("the boss is %s", got)
		}
		if got := h.arrive(h.asserted("glass")); got != glass {
			t.Errorf("the break-glass administrator is %s", got)
		}
		// Nothing that is asserted moves an owner's address or role.
		h.arrive(h.asserted("glass", email("moved@acme.test"), in("Agents")))
		h.hasRole(glass, "Owner", directory.RoleByHand)
		if m := h.member(glass); m.Email != "glass@acme.test" {
			t.Errorf("the address of break-glass is %s", m.Email)
		}
		h.sound()
	})
}

func TestAnotherWorkspacesPeopleAndDomains_AreOutOfReach(t *testing.T) { // law 1; A36, A50
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, neighbour := build(t, db, omniflow(directory.ReactivationRestore)), build(t, db, omniflow(directory.ReactivationRestore))
		there := neighbour.post(person("ceo"))
		before := neighbour.picture()
		here := h.arrive(h.asserted("ceo"))
		if here == there.Member {
			t.Error("a link reaches into another workspace")
		}
		neighbour.prove("neighbour" + h.root[len(h.root)-6:] + ".test")
		domain := neighbour.config().Domains[0]
		h.turnedAway(h.asserted("x", shown("x"), email("x@"+domain)), "foreign_domain", "")
		h.turnedAway(h.asserted("x", shown("x"), email("x@"+strings.ToUpper(domain))), "foreign_domain", "")
		h.turnedAway(h.asserted("x", shown("x"), email("x@"+domain+".")), "address_invalid", "")
		// Who is known keeps the address they have, and gets in.
		h.arrive(h.asserted("ceo", email("ceo@"+domain)))
		if m := h.member(here); m.Email != "ceo@acme.test" {
			t.Errorf("the address is %s", m.Email)
		}
		// The neighbour's connection is unknown here.
		h.turnedAway(h.asserted("eve", func(a *provision.Arrival) { a.Connection = neighbour.conn }), "connection_not_active", "")
		neighbour.unprove(domain)
		if after := neighbour.picture(); after != before {
			t.Errorf("the neighbour changed:\n%s\nbecame\n%s", before, after)
		}
	})
}

func TestAConnectionThatIsNotActive_SignsNobodyIn(t *testing.T) { // A42
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada := h.arrive(h.asserted("ada"))
		for _, status := range []directory.ConnectionStatus{directory.ConnectionDisabled, directory.ConnectionDraft} {
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				c, _ := cfg.Connection(h.conn)
				c.Status = status
				tx.SaveConnection(c, false)
				return nil
			})
			h.turnedAway(h.asserted("ada"), "connection_not_active", ada)
			h.turnedAway(h.asserted("bob"), "connection_not_active", "")
		}
	})
}

func TestAnAssertion_FillsWhomNoDirectoryOwns(t *testing.T) { // law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada, bob := h.arrive(h.asserted("ada")), h.post(person("bob"))
		renamed := func(a *provision.Arrival) { a.Name, a.GivenName = "Ada Marr", "Ada" }
		h.arrive(h.asserted("ada", email("ada.marr@acme.test"), renamed))
		if m := h.member(ada); m.Email != "ada.marr@acme.test" || m.Name != "Ada Marr" || m.GivenName != "Ada" {
			t.Errorf("the member is %+v", m)
		}
		h.recorded(ada, 0, audit.MemberCreated, audit.MemberUpdated)
		// An address that somebody has, or that is none, stays away and keeps nobody out.
		for _, bad := range []string{"bob@acme.test", "none", ""} {
			h.arrive(h.asserted("ada", email(bad), renamed))
			if m := h.member(ada); m.Email != "ada.marr@acme.test" {
				t.Errorf("the address became %q", m.Email)
			}
		}
		// Nothing is taken away by an assertion that says less.
		h.arrive(h.asserted("ada", email("ada.marr@acme.test"), func(a *provision.Arrival) { a.Name = "" }))
		if m := h.member(ada); m.Name != "Ada Marr" {
			t.Errorf("the name is %q", m.Name)
		}
		h.arrive(h.asserted("bob", email("robert@acme.test"), renamed))
		if m := h.member(bob.Member); m.Email != "bob@acme.test" || m.Name == "Ada Marr" {
			t.Errorf("an assertion changed a person of the directory: %+v", m)
		}
		h.setRole(ada, "Owner")
		h.arrive(h.asserted("ada", email("elsewhere@acme.test")))
		if m := h.member(ada); m.Email != "ada.marr@acme.test" {
			t.Errorf("an owner's address became %q", m.Email)
		}
		for _, long := range []func(*provision.Arrival){
			func(a *provision.Arrival) { a.Subject = strings.Repeat("x", 2049) }, func(a *provision.Arrival) { a.Subject = "" },
			shown(strings.Repeat("x", 1025)), email(strings.Repeat("x", 1025)),
		} {
			h.turnedAway(h.asserted("cat", long), "subject_invalid", "")
		}
		h.arrive(h.asserted("cat", func(a *provision.Arrival) { a.Subject = strings.Repeat("x", 2048) }))
	})
}

// Names and addresses are used again: when people leave, and when they are renamed.
func TestASubjectGivenToSomebodyElse_IsThatPersonsFromThen(t *testing.T) { // rows 19 and 20; law 6
	t.Parallel()
	byName := func(name string) func(*provision.Arrival) {
		return func(a *provision.Arrival) { a.Subject, a.Shown, a.Email = "email|"+name, name+"@acme.test", "" }
	}
	rename := func(h *house, u provision.User, name string) {
		_, err := h.svc.UpdateUser(bg, h.okta, u.ID, false, func(provision.User) (provision.Person, error) {
			p := person(name)
			p.ExternalID = u.ExternalID
			return p, nil
		})
		h.ok(err)
	}
	again := func(h *house, name string) provision.User { // another person by an old name
		return h.post(with(person(name), func(p *provision.Person) { p.ExternalID = "second-" + name }))
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			// Renamed, and the name is somebody else's now, who is not let in as the first.
			ada := h.post(person("ada"))
			h.arrive(h.asserted("", byName("ada")))
			rename(h, ada, "ada.marr")
			if got := h.arrive(h.asserted("", byName("ada"))); got != ada.Member {
				t.Errorf("an old name that is nobody else's is %s", got)
			}
			second := again(h, "ada")
			if got := h.arrive(h.asserted("", byName("ada"))); got != second.Member {
				t.Errorf("the name is %s, want its new bearer %s; the first was %s", got, second.Member, ada.Member)
			}
			h.linkedTo(second.Member, "email|ada", "directory")
			if got := h.arrive(h.asserted("", byName("ada.marr"))); got != ada.Member {
				t.Errorf("the first is %s", got)
			}
			// Left, and the address is given to somebody else.
			bob := h.post(person("bob"))
			h.arrive(h.asserted("", byName("bob")))
			h.delete(bob.ID)
			h.turnedAway(h.asserted("", byName("bob")), "account_deactivated", bob.Member)
			second = again(h, "bob")
			if got := h.arrive(h.asserted("", byName("bob"))); got != second.Member {
				t.Errorf("the address is %s, want its new bearer %s", got, second.Member)
			}
			h.is(bob.Member, "deactivated idp")
			// Whom an owner put out does not come back under a fresh resource.
			cat := h.post(person("cat"))
			h.arrive(h.asserted("", byName("cat")))
			h.deactivate(cat.Member)
			h.delete(cat.ID)
			again(h, "cat")
			h.turnedAway(h.asserted("", byName("cat")), "account_deactivated", cat.Member)
			// An owner's former name lets nobody in: neither as the owner, nor past them.
			dan := h.post(person("dan"))
			h.arrive(h.asserted("", byName("dan")))
			h.setRole(dan.Member, "Owner")
			h.ensureOwner(provision.Owner{Email: "second-owner@acme.test"})
			rename(h, dan, "dan.dee")
			again(h, "dan")
			h.turnedAway(h.asserted("", byName("dan")), "account_ambiguous", "")
			h.sound()
		})
	})
}

func TestAnOwner_IsNotLetInByAConnectionThatOnlyAnAdministratorSetUp(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "omniflow", domains: []string{"root.test", "acme.test"}})
		unconfirmed := func(is bool) {
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				c, _ := cfg.Connection(h.conn)
				side := *c.SAML
				side.Unconfirmed = is
				c.SAML = &side
				tx.SaveConnection(c, false)
				return tx.Record(audit.Event{Type: audit.ConnectionChanged, Actor: operator})
			})
		}
		root := h.asserted("root", shown("root@root.test"), email("root@root.test"))
		unconfirmed(true)
		h.turnedAway(root, "owner_must_confirm", h.root) // by the proven domain
		ada := h.post(person("ada"))
		if got := h.arrive(h.asserted("ada")); got != ada.Member {
			t.Errorf("ada entered as %s", got)
		}
		unconfirmed(false)
		if got := h.arrive(root); got != h.root {
			t.Errorf("the owner entered as %s", got)
		}
		unconfirmed(true)
		h.turnedAway(root, "owner_must_confirm", h.root) // by the link that is there
	})
}

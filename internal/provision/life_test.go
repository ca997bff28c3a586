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

// Rows 1 to 12 of the life of a member, in their order.

func TestAPost_MakesAMemberWithTheLowestRole(t *testing.T) { // row 1
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			for name, edits := range map[string][]func(*provision.Person){"ada": nil, "bob": {active(true)}} {
				u := h.post(with(person(name), edits...))
				h.is(u.Member, "active")
				h.told(u.ID, true, u.Member)
				h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
				h.recorded(u.Member, 0, audit.SCIMUserCreated, audit.MemberCreated)
				if m := h.member(u.Member); !m.WasIn || m.Directory != h.okta.Directory || m.Email != name+"@acme.test" {
					t.Errorf("the member is %+v", m)
				}
			}
		})
		t.Run("invited where policy invites", func(t *testing.T) {
			h := build(t, db, plan{preset: "default"})
			u := h.post(person("ada"))
			h.is(u.Member, "invited")
			h.told(u.ID, true, u.Member)
			h.session(u.Member, directory.MethodSAML)
			h.is(u.Member, "active")
			h.recorded(u.Member, 0, audit.MemberCreated, audit.MemberActivated)
		})
	})
}

func TestAPostUnderFirstLogin_MakesAPendingPersonWhoSigningInCompletes(t *testing.T) { // rows 2 and 20
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.setPolicy(func(p *directory.Policy) { p.ProvisionOn = directory.ProvisionFirstLogin })
			ada, bob := h.post(person("ada")), h.post(person("bob"))
			h.is(ada.Member, "pending")
			h.told(ada.ID, true, ada.Member)
			if m := h.member(ada.Member); m.TakesSeat() || m.WasIn {
				t.Errorf("a pending person takes a seat or counts as having been in: %+v", m)
			}
			session := h.session(ada.Member, directory.MethodSAML)
			h.is(ada.Member, "active")
			if !h.lives(session) {
				t.Error("the first session is not accepted")
			}
			// active:false bars a pending person; active:true makes them pending again, as the same person.
			h.setActive(bob.ID, false)
			h.is(bob.Member, "deactivated idp")
			_, err := h.signIn(bob.Member, directory.MethodSAML)
			h.refused(err, errs.KindForbidden, "account_deactivated")
			h.setActive(bob.ID, true)
			h.told(bob.ID, true, bob.Member)
			h.is(bob.Member, "pending")
		})
	})
}

func TestAPostWithActiveFalse_MakesSomebodyWhoIsOut(t *testing.T) { // row 3
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(with(person("ada"), active(false)))
			h.is(u.Member, "deactivated idp")
			h.told(u.ID, false, u.Member)
			_, err := h.signIn(u.Member, directory.MethodSAML)
			h.refused(err, errs.KindForbidden, "account_deactivated")
			// Somebody who was never in is not renewed.
			h.setActive(u.ID, true)
			h.is(u.Member, "active")
			h.told(u.ID, true, u.Member)
		})
	})
}

func TestAPostBesideAnActiveResource_IsAConflict(t *testing.T) { // row 4
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.post(person("ada"))
			byName := with(person("ada"), func(p *provision.Person) { p.ExternalID, p.UserName = "other", "ADA@acme.test" })
			byExternal := with(person("eve"), func(p *provision.Person) { p.ExternalID = "ext-ada" })
			h.unchanged(errs.KindConflict, "user_name_taken", func() error { _, err := h.svc.CreateUser(bg, h.okta, byName); return err })
			h.unchanged(errs.KindConflict, "external_id_taken", func() error { _, err := h.svc.CreateUser(bg, h.okta, byExternal); return err })
		})
	})
}

func TestAPostBesideAnInactiveResource_ConflictsOrRenewsByPolicy(t *testing.T) { // row 5
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		t.Run("restore: the client finds it and reactivates it", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			u := h.post(person("ada"))
			h.setActive(u.ID, false)
			h.unchanged(errs.KindConflict, "user_name_taken", func() error { _, err := h.svc.CreateUser(bg, h.okta, person("ada")); return err })
		})
		t.Run("new_identity: the old resource is retired and the old member stays as history", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationNewIdentity))
			old := h.post(person("ada"))
			group := h.group("Admins", old.ID)
			h.setActive(old.ID, false)
			fresh := h.post(person("ada"))
			if fresh.ID == old.ID || fresh.Member == old.Member {
				t.Fatalf("the new person is the old one: %+v", fresh)
			}
			h.is(old.Member, "deactivated idp")
			h.is(fresh.Member, "active")
			h.hasRole(fresh.Member, "Trainee", directory.RoleByDefault)
			if ids := h.groupIDs(group); len(ids) != 0 {
				t.Errorf("the retired resource is still in its group: %v", ids)
			}
			_, err := h.svc.GetUser(bg, h.okta, old.ID, false)
			h.refused(err, errs.KindNotFound, "resource_unknown")
		})
		t.Run("new_identity: an owner's word binds the new member too", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationNewIdentity))
			old := h.post(person("ada"))
			h.deactivate(old.Member)
			h.setActive(old.ID, false)
			fresh := h.post(person("ada"))
			h.is(fresh.Member, "deactivated owner")
			h.told(fresh.ID, true, fresh.Member)
		})
		t.Run("new_identity: what an owner lifted does not bind", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationNewIdentity))
			first := h.post(person("ada"))
			h.deactivate(first.Member)
			h.delete(first.ID)
			second := h.post(person("ada"))
			h.is(second.Member, "deactivated owner")
			h.restore(second.Member)
			h.setActive(second.ID, false)
			third := h.post(person("ada"))
			h.is(third.Member, "active")
		})
		t.Run("new_identity: nobody whom an owner holds in is pushed aside", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationNewIdentity))
			u := h.post(person("ada"))
			h.setActive(u.ID, false)
			h.restore(u.Member)
			for why, edit := range map[string]func(*provision.Person){
				"the same address": func(*provision.Person) {},
				"another address":  func(p *provision.Person) { p.Email = "elsewhere@acme.test" },
			} {
				t.Log(why)
				h.unchanged(errs.KindConflict, "user_name_taken", func() error {
					_, err := h.svc.CreateUser(bg, h.okta, with(person("ada"), edit))
					return err
				})
			}
		})
	})
}

func TestAPostAfterDelete_BringsBackTheMemberOrMakesAFreshOne(t *testing.T) { // row 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			restores := h.config().Workspace.Policy.Reactivation == directory.ReactivationRestore
			cases := map[string]struct {
				again func(*provision.Person)
				match bool
			}{
				"ann": {func(*provision.Person) {}, true},
				"ben": {func(p *provision.Person) { p.UserName, p.Email = "ben.new@acme.test", "ben.new@acme.test" }, true},
				"cat": {func(p *provision.Person) { p.ExternalID = "" }, true},
				"dan": {func(p *provision.Person) { p.ExternalID = "another-dan" }, false},
			}
			for name, c := range cases {
				old := h.post(person(name))
				h.group("Admins", old.ID)
				h.delete(old.ID)
				again := h.post(with(person(name), c.again))
				if again.ID == old.ID {
					t.Errorf("%s: a retired SCIM id came back", name)
				}
				if (again.Member == old.Member) != (restores && c.match) {
					t.Errorf("%s: the same member: %v", name, again.Member == old.Member)
				}
				h.is(again.Member, "active")
				if restores && c.match {
					h.hasRole(again.Member, "Admin", directory.RoleKept)
				} else {
					h.is(old.Member, "deactivated idp")
					h.hasRole(again.Member, "Trainee", directory.RoleByDefault)
				}
				h.ok(h.svc.DeleteGroup(bg, h.okta, h.only("Admins")))
			}
		})
		both(t, db, func(t *testing.T, h *house) {
			old := h.post(person("ada"))
			h.deactivate(old.Member)
			h.delete(old.ID)
			h.is(old.Member, "deactivated idp,owner")
			again := h.post(person("ada"))
			h.is(again.Member, "deactivated owner")
			h.told(again.ID, true, again.Member)
		})
		t.Run("the kept role lasts until the first group change", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			old := h.post(person("ada"))
			h.group("Admins", old.ID)
			h.delete(old.ID)
			again := h.post(person("ada"))
			h.hasRole(again.Member, "Admin", directory.RoleKept)
			h.group("Agents", again.ID)
			h.hasRole(again.Member, "Agent", directory.RoleByMapping)
		})
		t.Run("a mapping edit meanwhile does not take the last role away", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			old := h.post(person("ada"))
			h.group("Admins", old.ID)
			h.delete(old.ID)
			h.remap(map[string]string{"Admins": "Admin", "Novices": "Agent"})
			again := h.post(person("ada"))
			h.hasRole(again.Member, "Admin", directory.RoleKept)
			h.remap(map[string]string{"Admins": "Admin"})
			h.hasRole(again.Member, "Admin", directory.RoleKept)
		})
		t.Run("inactive at first, then activated", func(t *testing.T) {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			old := h.post(person("ada"))
			h.delete(old.ID)
			again := h.post(with(person("ada"), active(false)))
			h.is(old.Member, "deactivated idp")
			h.setActive(again.ID, true)
			h.told(again.ID, true, old.Member)
			h.is(old.Member, "active")
		})
	})
}

func TestActiveFalse_PutsOutOnceAndKeepsGroupRows(t *testing.T) { // row 8
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			group := h.group("Admins", u.ID)
			session, link := h.session(u.Member, directory.MethodSAML), h.link(u.Member)
			before := len(h.events(u.Member))
			h.setActive(u.ID, false)
			h.is(u.Member, "deactivated idp")
			h.told(u.ID, false, u.Member)
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			h.recorded(u.Member, before, audit.SCIMUserDeactivated, audit.MemberDeactivated)
			if h.lives(session) || h.liveRows(u.Member) != 0 || h.opens(link) {
				t.Error("a session or a link outlived the deactivation")
			}
			if ids := h.groupIDs(group); len(ids) != 1 {
				t.Errorf("group rows are %v", ids)
			}
			h.setActive(u.ID, false)
			h.is(u.Member, "deactivated idp")
		})
	})
}

func TestActiveTrue_RestoresTheMemberOrPutsAFreshOneBehindTheResource(t *testing.T) { // row 9
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			group := h.group("Admins", u.ID)
			h.setRole(u.Member, "Supervisor")
			session := h.session(u.Member, directory.MethodSAML)
			h.setActive(u.ID, false)
			back := h.setActive(u.ID, true)
			if back.ID != u.ID || len(h.groupIDs(group)) != 1 || len(back.Groups) != 1 {
				t.Errorf("the resource lost its id or its groups: %+v", back)
			}
			h.is(back.Member, "active")
			h.told(u.ID, true, back.Member)
			if h.lives(session) {
				t.Error("a session of before the deactivation is accepted again")
			}
			if h.config().Workspace.Policy.Reactivation == directory.ReactivationRestore {
				if back.Member != u.Member {
					t.Error("another member came back")
				}
				h.hasRole(back.Member, "Supervisor", directory.RoleByHand)
				h.recorded(u.Member, 0, audit.SCIMUserReactivated, audit.MemberRestored)
				return
			}
			if back.Member == u.Member {
				t.Fatal("the old member came back")
			}
			h.is(u.Member, "deactivated idp")
			h.hasRole(back.Member, "Admin", directory.RoleByMapping)
			if m := h.member(back.Member); m.Replaces != u.Member || m.ManualRole != "" || m.Email != "ada@acme.test" {
				t.Errorf("the fresh member is %+v", m)
			}
			h.recorded(u.Member, 0, audit.MemberReplaced)
			h.recorded(back.Member, 0, audit.SCIMUserReactivated, audit.MemberCreated)
			// A retry changes nothing more.
			if again := h.setActive(u.ID, true); again.Member != back.Member {
				t.Error("a second active:true made another member")
			}
		})
	})
}

func TestActiveTrue_LiftsOnlyTheDirectorysWord(t *testing.T) { // rows 9 and 24, and Okta's custom apps
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			h.deactivate(u.Member)
			for range 2 { // every PUT of such an app says it
				h.setActive(u.ID, true)
				h.is(u.Member, "deactivated owner")
				h.told(u.ID, true, u.Member)
			}
			h.setActive(u.ID, false)
			h.is(u.Member, "deactivated idp,owner")
			h.setActive(u.ID, true)
			h.is(u.Member, "deactivated owner")
			h.told(u.ID, true, u.Member)
			h.restore(u.Member)
			h.is(u.Member, "active")
		})
	})
}

func TestAPutWithoutActive_LeavesBothWordsAlone(t *testing.T) { // rows 10 and 12
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			h.put(u.ID, func(p *provision.Person) { p.DisplayName = "Ada L." })
			h.is(u.Member, "active")
			h.setActive(u.ID, false)
			h.put(u.ID, func(p *provision.Person) {
				p.DisplayName, p.Email, p.UserName = "Ada Lovelace", "countess@acme.test", "countess@acme.test"
			})
			h.is(u.Member, "deactivated idp")
			h.told(u.ID, false, u.Member)
			if m := h.member(u.Member); m.Name != "Ada Lovelace" || m.Email != "countess@acme.test" {
				t.Errorf("somebody who is out was not updated: %+v", m)
			}
		})
	})
}

func TestADelete_RetiresTheIdAndKeepsTheMember(t *testing.T) { // row 11
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u, report := h.post(person("ada")), h.post(person("bob"))
			h.put(report.ID, func(p *provision.Person) { p.Manager = u.ID })
			group := h.group("Admins", u.ID, report.ID)
			session, link := h.session(u.Member, directory.MethodOIDC), h.link(u.Member)
			h.delete(u.ID)
			h.is(u.Member, "deactivated idp")
			h.recorded(u.Member, 0, audit.SCIMUserDeleted, audit.MemberDeactivated)
			if h.lives(session) || h.liveRows(u.Member) != 0 || h.opens(link) {
				t.Error("a session or a link outlived the deletion")
			}
			if ids := h.groupIDs(group); len(ids) != 1 || ids[0] != report.ID {
				t.Errorf("group rows are %v", ids)
			}
			if m := h.member(u.Member); m.Name != "ada" || m.Email != "ada@acme.test" {
				t.Errorf("data were lost: %+v", m)
			}
			if got, err := h.svc.GetUser(bg, h.okta, report.ID, false); err != nil || got.Manager != "" {
				t.Errorf("the manager is still %q, %v", got.Manager, err)
			}
			h.unchanged(errs.KindNotFound, "resource_unknown", func() error { return h.svc.DeleteUser(bg, h.okta, u.ID) })
			h.unchanged(errs.KindNotFound, "resource_unknown", func() error { _, err := h.tryPut(u.ID, active(true)); return err })
			h.unchanged(errs.KindInvalid, "member_unknown", func() error { return h.tryMembers(group, add(u.ID)) })
			h.unchanged(errs.KindInvalid, "manager_unknown", func() error {
				_, err := h.tryPut(report.ID, func(p *provision.Person) { p.Manager = u.ID })
				return err
			})
		})
	})
}

func TestAnAddress_IsSharedOnlyWhileAllButOneAreOut(t *testing.T) { // row 12 and law 6
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			share := func(p *provision.Person) { p.Email = "Shared@acme.test" }
			ada := h.post(with(person("ada"), share))
			create := func(name string) error {
				_, err := h.svc.CreateUser(bg, h.okta, with(person(name), share))
				return err
			}
			h.unchanged(errs.KindConflict, "address_taken", func() error { return create("bob") })
			h.setActive(ada.ID, false)
			bob := h.post(with(person("bob"), share, func(p *provision.Person) { p.Email = "shared@ACME.test" }))
			h.is(bob.Member, "active")
			h.unchanged(errs.KindConflict, "address_taken", func() error { _, err := h.tryPut(ada.ID, active(true)); return err })
			h.unchanged(errs.KindConflict, "address_taken", func() error {
				_, err := h.svc.Restore(bg, h.owner, provision.Who(ada.Member))
				return err
			})
			out := h.post(with(person("cat"), share, active(false)))
			h.is(out.Member, "deactivated idp")
			h.unchanged(errs.KindConflict, "address_taken", func() error { _, err := h.tryPut(out.ID, active(true)); return err })
			dan := h.post(person("dan"))
			h.unchanged(errs.KindConflict, "address_taken", func() error { _, err := h.tryPut(dan.ID, share); return err })
			// Another address makes room at once.
			h.put(bob.ID, func(p *provision.Person) { p.Email = "bob@acme.test" })
			h.setActive(ada.ID, true)
		})
	})
}

func TestAnAddressInADomainThatAnotherWorkspaceHasProven_IsRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		build(t, db, plan{preset: "omniflow", domains: []string{"theirs.test", "xn--mnchen-3ya.de"}})
		h := build(t, db, plan{preset: "omniflow", domains: []string{"ours.test"}})
		at := func(domain string) func(*provision.Person) {
			return func(p *provision.Person) { p.Email = "ada@" + domain }
		}
		h.unchanged(errs.KindForbidden, "address_domain_foreign", func() error {
			_, err := h.svc.CreateUser(bg, h.okta, with(person("ada"), at("Theirs.test")))
			return err
		})
		h.unchanged(errs.KindForbidden, "address_domain_foreign", func() error {
			_, err := h.svc.CreateUser(bg, h.okta, with(person("ada"), at("theirs.test"), active(false)))
			return err
		})
		u := h.post(with(person("ada"), at("ours.test")))
		for _, spelling := range []string{"theirs.test", "\uff54heirs.test", "theirs\u3002test", "the\u00adirs.test", "münchen.de", "XN--MNCHEN-3YA.de"} {
			h.unchanged(errs.KindForbidden, "address_domain_foreign", func() error { _, err := h.tryPut(u.ID, at(spelling)); return err })
		}
		h.put(u.ID, at("nobodys.test"))
	})
}

func TestWithoutAVerifiedConnection_NobodyComesInAndEverybodyCanGo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u, out := h.post(person("ada")), h.post(with(person("out"), active(false)))
			h.settle(func(tx *store.Tx, cfg *directory.Config) error {
				w := cfg.Workspace
				w.Policy.SCIMRequiresSSO = true
				c := cfg.Connections[0]
				c.Status = directory.ConnectionDisabled
				tx.SaveConnection(c, false)
				return tx.UpdateWorkspace(w)
			})
			h.unchanged(errs.KindForbidden, "sso_not_verified", func() error { _, err := h.svc.CreateUser(bg, h.okta, person("new")); return err })
			h.unchanged(errs.KindForbidden, "sso_not_verified", func() error { _, err := h.tryPut(out.ID, active(true)); return err })
			h.put(u.ID, active(true), func(p *provision.Person) { p.DisplayName = "Ada L." })
			h.setActive(u.ID, false)
			h.is(u.Member, "deactivated idp")
			h.delete(u.ID)
		})
	})
}

func TestADirectoryThatIsOff_ChangesNothing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		group := h.group("Admins", u.ID)
		every := map[string]func() error{
			"create": func() error { _, err := h.svc.CreateUser(bg, h.okta, person("new")); return err },
			"update": func() error { _, err := h.tryPut(u.ID, active(false)); return err },
			"delete": func() error { return h.svc.DeleteUser(bg, h.okta, u.ID) },
			"group":  func() error { _, err := h.svc.CreateGroup(bg, h.okta, named("New"), nil); return err },
			"member": func() error { return h.tryMembers(group, remove(u.ID)) },
			"drop":   func() error { return h.svc.DeleteGroup(bg, h.okta, group) },
		}
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			d, _ := cfg.Directory(h.okta.Directory)
			d.Status = directory.DirectoryPaused
			tx.SaveDirectory(d, false)
			return nil
		})
		for what, fn := range every {
			t.Log(what)
			h.unchanged(errs.KindForbidden, "directory_paused", fn)
		}
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			d, _ := cfg.Directory(h.okta.Directory)
			d.Status = directory.DirectoryEnabled
			tx.SaveDirectory(d, false)
			w := cfg.Workspace
			w.Policy.SCIMAllowed = false
			return tx.UpdateWorkspace(w)
		})
		for what, fn := range every {
			t.Log(what)
			h.unchanged(errs.KindForbidden, "scim_not_allowed", fn)
		}
	})
}

func TestALeaver_GoesWhateverElseIsWrongInTheRequest(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		build(t, db, plan{preset: "omniflow", domains: []string{"theirs.test"}})
		both(t, db, func(t *testing.T, h *house) {
			boss := h.post(person("boss"))
			wrongs := map[string]struct {
				code string // what it is refused with where somebody stays
				edit func(*provision.Person)
			}{
				"nothing":   {"required_missing", func(p *provision.Person) { *p = provision.Person{Document: "{}"} }},
				"noaddress": {"required_missing", func(p *provision.Person) { p.Email, p.UserName = "", "no-address" }},
				"notone":    {"address_invalid", func(p *provision.Person) { p.Email = "not an address" }},
				"foreign":   {"address_domain_foreign", func(p *provision.Person) { p.Email = "x@theirs.test" }},
				"taken":     {"address_taken", func(p *provision.Person) { p.Email = "root@root.test" }},
				"nomanager": {"manager_unknown", func(p *provision.Person) { p.Manager = "no-such-id" }},
			}
			for name, wrong := range wrongs {
				u := h.post(with(person(name), func(p *provision.Person) { p.Manager = boss.ID }))
				session := h.session(u.Member, directory.MethodSAML)
				before := h.picture()
				if _, err := h.tryPut(u.ID, wrong.edit, active(true)); errs.CodeOf(err) != wrong.code || h.picture() != before {
					t.Errorf("%s: somebody who stays: %v", name, err)
				}
				h.put(u.ID, wrong.edit, active(false))
				h.is(u.Member, "deactivated idp")
				h.told(u.ID, false, u.Member)
				if h.lives(session) {
					t.Errorf("%s: the session lives", name)
				}
				r, err := h.svc.GetUser(bg, h.okta, u.ID, false)
				h.ok(err)
				if m := h.member(u.Member); !directory.IsAddress(m.Email) || r.UserName == "" || r.Manager != boss.ID && r.Manager != "" {
					t.Errorf("%s: kept %q, %q, %q", name, m.Email, r.UserName, r.Manager)
				}
			}
		})
	})
}

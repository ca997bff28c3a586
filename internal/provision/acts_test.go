package provision_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Rows 19 and 24 to 27 of the life of a member.

func TestSomebodyWhoIsOut_DoesNotSignInByAnyMethodAndSigningInRevivesNobody(t *testing.T) { // row 19
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			idp, lost, put := h.post(person("idp")), h.post(person("lost")), h.post(person("put"))
			h.setActive(idp.ID, false)
			h.members(h.group("Agents", lost.ID), remove(lost.ID))
			h.deactivate(put.Member)
			for member, says := range map[string]string{idp.Member: "directory", lost.Member: "group", put.Member: "administrator"} {
				for _, method := range []directory.Method{directory.MethodPassword, directory.MethodLink, directory.MethodSAML, directory.MethodOIDC} {
					h.unchanged(errs.KindForbidden, "account_deactivated", func() error { _, err := h.signIn(member, method); return err })
				}
				if _, err := h.signIn(member, directory.MethodLink); !strings.Contains(err.Error(), says) {
					t.Errorf("told %q, which does not speak of the %s", err, says)
				}
			}
		})
	})
}

func TestAnOwnersAct_EndsSessionsAndLinksAndIsRecorded(t *testing.T) { // row 24
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			session, link := h.session(u.Member, directory.MethodPassword), h.link(u.Member)
			before := len(h.events(u.Member))
			h.deactivate("ADA@acme.test")
			h.is(u.Member, "deactivated owner")
			h.told(u.ID, true, u.Member)
			h.recorded(u.Member, before, audit.MemberDeactivated)
			if h.lives(session) || h.liveRows(u.Member) != 0 || h.opens(link) {
				t.Error("a session or a link outlived the act")
			}
			h.deactivate(u.Member) // again is nothing
			h.restore(u.Member)
			h.is(u.Member, "active")
			h.recorded(u.Member, before, audit.MemberDeactivated, audit.MemberRestored)
			if h.lives(session) || h.opens(link) {
				t.Error("an old session or link lives again")
			}
		})
	})
}

func TestAnOwnersRestore_EmptiesAllSourcesAndKeepsTheMember(t *testing.T) { // row 25
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			h.group("Admins", u.ID)
			h.deactivate(u.Member)
			h.setActive(u.ID, false)
			h.restore(u.Member)
			h.is(u.Member, "active")
			h.told(u.ID, false, u.Member)
			h.hasRole(u.Member, "Admin", directory.RoleByMapping)
			if !h.member(u.Member).AgainstDirectory(false) {
				t.Error("nobody is told that this is against the directory")
			}
			// What says nothing new about active leaves the owner's word; active:false takes it back, each time.
			h.put(u.ID, func(p *provision.Person) { p.DisplayName = "Ada L." })
			h.is(u.Member, "active")
			for range 2 {
				session := h.session(u.Member, directory.MethodSAML)
				h.setActive(u.ID, false)
				h.is(u.Member, "deactivated idp")
				if h.lives(session) {
					t.Error("a session outlived the directory's word")
				}
				h.restore(u.Member)
			}
			// active:true agrees with the owner: the same member under both policies.
			h.setActive(u.ID, true)
			h.is(u.Member, "active")
			h.told(u.ID, true, u.Member)
			// A deleted person can be restored too.
			h.delete(u.ID)
			h.restore(u.Member)
			h.is(u.Member, "active")
		})
	})
}

func TestARoleSetByHand_WinsUntilItIsCleared(t *testing.T) { // row 26
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("ada"))
			agents := h.group("Agents", u.ID)
			before := len(h.events(u.Member))
			h.setRole(u.Member, "supervisor")
			h.hasRole(u.Member, "Supervisor", directory.RoleByHand)
			h.recorded(u.Member, before, audit.MemberRoleChanged)
			admins := h.group("Admins", u.ID)
			h.put(u.ID, active(true), func(p *provision.Person) { p.DisplayName = "Ada L." })
			h.remap(map[string]string{"Admins": "Admin", "Agents": "Agent"})
			h.rename(admins, "Bosses")
			h.hasRole(u.Member, "Supervisor", directory.RoleByHand)
			// Group loss asks for groups, not for roles.
			h.members(agents, remove(u.ID))
			h.is(u.Member, "deactivated group_loss")
			h.members(agents, add(u.ID))
			h.hasRole(u.Member, "Supervisor", directory.RoleByHand)
			h.setRole(u.Member, "")
			h.hasRole(u.Member, "Agent", directory.RoleByMapping)
			h.unchanged(errs.KindInvalid, "role_unknown", func() error {
				_, err := h.svc.SetRole(bg, h.owner, provision.Who(u.Member), "Emperor")
				return err
			})
		})
	})
}

// protectedHouse is a house whose only owner, u, came from the directory and is in a mapped group.
func protectedHouse(t *testing.T, db *store.DB, back directory.Reactivation, breakGlass bool) (h *house, u provision.User, group string) {
	h = build(t, db, omniflow(back))
	u = h.post(person("boss"))
	group = h.group("Agents", u.ID)
	if breakGlass {
		h.ensureOwner(provision.Owner{Email: "boss@acme.test", BreakGlass: true})
		return h, u, group
	}
	h.setRole(u.Member, "Owner")
	h.deactivate(h.root)
	return h, u, group
}

func TestTheLastOwnerAndBreakGlass_KeepStatusRoleAndAddressOnEveryPath(t *testing.T) { // row 27
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, back := range []directory.Reactivation{directory.ReactivationRestore, directory.ReactivationNewIdentity} {
			for _, breakGlass := range []bool{false, true} {
				t.Run(map[bool]string{false: "last owner", true: "break-glass"}[breakGlass]+", "+string(back), func(t *testing.T) {
					h, u, group := protectedHouse(t, db, back, breakGlass)
					paths := map[string]func() error{
						"active:false": func() error { _, err := h.tryPut(u.ID, active(false)); return err },
						"active:false with other changes": func() error {
							_, err := h.tryPut(u.ID, active(false), func(p *provision.Person) { p.DisplayName = "Out" })
							return err
						},
						"another address": func() error {
							_, err := h.tryPut(u.ID, func(p *provision.Person) { p.Email = "x@acme.test" })
							return err
						},
						"DELETE":                     func() error { return h.svc.DeleteUser(bg, h.okta, u.ID) },
						"group loss":                 func() error { return h.tryMembers(group, remove(u.ID)) },
						"group loss by a whole list": func() error { return h.tryMembers(group, replace()) },
						"group loss beside a rename": func() error { return h.tryRename(group, "Tea", replace()) },
					}
					for what, fn := range paths {
						sso, password := h.session(u.Member, directory.MethodSAML), h.session(u.Member, directory.MethodPassword)
						before, people := len(h.events(u.Member)), h.withoutSessions()
						h.refused(fn(), errs.KindForbidden, "protected_member")
						if after := h.withoutSessions(); after != people {
							t.Errorf("%s changed something:\n%s\nbecame\n%s", what, people, after)
						}
						if h.lives(sso) || !h.lives(password) {
							t.Errorf("%s: the SSO session lives: %v; the password session lives: %v", what, h.lives(sso), h.lives(password))
						}
						h.recorded(u.Member, before, audit.ProtectedAttempt)
					}
					acts := map[string]func() error{
						"deactivating by hand": func() error { _, err := h.svc.Deactivate(bg, h.owner, provision.Who(u.Member)); return err },
						"demoting by hand":     func() error { _, err := h.svc.SetRole(bg, h.owner, provision.Who(u.Member), "Agent"); return err },
						"clearing the role":    func() error { _, err := h.svc.SetRole(bg, h.owner, provision.Who(u.Member), ""); return err },
					}
					for what, fn := range acts {
						t.Log(what)
						h.unchanged(errs.KindForbidden, "protected_member", fn)
					}
					if !slices.Contains(h.events(u.Member), "member.change.refused refused protected_member") {
						t.Error("the refused acts left no trace")
					}
					// Other attributes may change, and so may letter case.
					h.put(u.ID, active(true), func(p *provision.Person) { p.DisplayName, p.Email = "The Boss", "Boss@acme.test" })
					h.is(u.Member, "active")
					h.hasRole(u.Member, "Owner", directory.RoleByHand)
				})
			}
		}
	})
}

// withoutSessions is picture without the lines of sessions.
func (h *house) withoutSessions() string {
	h.t.Helper()
	lines := strings.Split(h.picture(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasSuffix(l, " sessions") }), "\n")
}

func TestAllOwnersInOneRequest_DoNotGo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			a, b, c := h.post(person("a")), h.post(person("b")), h.post(person("c"))
			group := h.group("Agents", a.ID, b.ID, c.ID)
			for _, u := range []provision.User{a, b, c} {
				h.setRole(u.Member, "Owner")
			}
			h.deactivate(h.root)
			h.unchanged(errs.KindForbidden, "protected_member", func() error { return h.tryMembers(group, replace()) })
			h.unchanged(errs.KindForbidden, "protected_member", func() error { return h.tryMembers(group, remove(a.ID, b.ID, c.ID)) })
			h.members(group, remove(a.ID, b.ID)) // one stays
			h.sound()
		})
	})
}

func TestAnOwnerBesideAnother_GoesLikeAnybody(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			u := h.post(person("boss"))
			group := h.group("Agents", u.ID)
			h.setRole(u.Member, "Owner")
			h.members(group, remove(u.ID))
			h.is(u.Member, "deactivated group_loss")
			h.members(group, add(u.ID))
			h.setActive(u.ID, false)
			h.is(u.Member, "deactivated idp")
			back := h.setActive(u.ID, true)
			h.is(back.Member, "active")
			if back.Member == u.Member {
				h.hasRole(back.Member, "Owner", directory.RoleByHand)
			} else {
				h.hasRole(back.Member, "Agent", directory.RoleByMapping) // not carried to a fresh member
			}
			// Owners who are out do not count: now root is the last.
			h.deactivate(back.Member)
			h.unchanged(errs.KindForbidden, "protected_member", func() error {
				_, err := h.svc.Deactivate(bg, h.owner, provision.Who(h.root))
				return err
			})
		})
	})
}

func TestBreakGlass_HasOneHolderAndIsNotAdoptedByADirectory(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		first := h.ensureOwner(provision.Owner{Email: "glass@acme.test", PasswordHash: "hash", PasswordProven: time.Unix(1, 0), BreakGlass: true})
		h.unchanged(errs.KindConflict, "address_taken", func() error { _, err := h.svc.CreateUser(bg, h.okta, person("glass")); return err })
		second := h.ensureOwner(provision.Owner{Email: "other@acme.test", BreakGlass: true})
		if h.member(first).BreakGlass || !h.member(second).BreakGlass {
			t.Error("the designation did not move")
		}
		before := h.picture()
		if again := h.ensureOwner(provision.Owner{Email: "OTHER@acme.test", BreakGlass: true}); again != second || h.picture() != before {
			t.Error("naming the same owner again changed something")
		}
		h.refused(h.db.Write(bg, h.ws, func(tx *store.Tx) error {
			_, _, err := provision.EnsureOwner(tx, h.config(), operator, provision.Owner{Email: "no address"})
			return err
		}), errs.KindInvalid, "address_invalid")
	})
}

func TestAForgottenDirectory_LeavesItsPeopleAndTakesItsGroups(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			ada, out := h.post(person("ada")), h.post(person("out"))
			h.group("Admins", ada.ID, out.ID)
			h.setActive(out.ID, false)
			session := h.session(ada.Member, directory.MethodPassword)
			h.settle(func(tx *store.Tx, _ *directory.Config) error { return provision.ForgetDirectory(tx, h.okta.Directory) })
			h.is(ada.Member, "active")
			h.is(out.Member, "deactivated idp")
			h.hasRole(ada.Member, "Trainee", directory.RoleByDefault)
			if m := h.member(ada.Member); m.Directory != "" || !h.lives(session) {
				t.Errorf("the member still belongs to %q, or lost the session", m.Directory)
			}
			h.unchanged(errs.KindNotFound, "resource_unknown", func() error { _, err := h.tryPut(ada.ID, active(false)); return err })
			// They are nobody's now: a POST of the same person does not take them over.
			h.unchanged(errs.KindConflict, "adoption_waits", func() error { _, err := h.svc.CreateUser(bg, h.okta, person("ada")); return err })
		})
	})
}

func TestAKeptRoleThatIsRemoved_IsLetGo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		h.group("Supervisors", u.ID)
		h.delete(u.ID)
		u = h.post(person("ada"))
		h.hasRole(u.Member, "Supervisor", directory.RoleKept)
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			gone, _ := cfg.Roles.ByName("Supervisor")
			tx.DeleteRole(gone.ID)
			return nil
		})
		h.hasRole(u.Member, "Trainee", directory.RoleByDefault)
	})
}

func TestAMemberErased_IsBeyondEveryAct(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		id := keys.ID("mem_", db.Now())
		h.write(func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			tx.InsertMember(&directory.Member{ID: id, Stage: directory.StageErased, Sources: 1, Role: cfg.Roles.Lowest().ID})
			return tx.Record(audit.Event{Type: audit.MemberCreated})
		})
		for _, act := range []func() error{
			func() error { _, err := h.svc.Restore(bg, h.owner, provision.Who(id)); return err },
			func() error { _, err := h.svc.Deactivate(bg, h.owner, provision.Who(id)); return err },
			func() error { _, err := h.svc.SetRole(bg, h.owner, provision.Who(id), "Owner"); return err },
		} {
			h.unchanged(errs.KindConflict, "member_erased", act)
		}
	})
}

package provision_test

import (
	"fmt"
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

// become puts okta's directory into a status, with a pilot list, as settings does after asking.
func (h *house) become(status directory.DirectoryStatus, pilot ...string) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, cfg *directory.Config) error {
		d, _ := cfg.Directory(h.okta.Directory)
		d.Status, d.Pilot = status, pilot
		tx.SaveDirectory(d, false)
		return nil
	})
}

func (h *house) planOf() (plan provision.Plan) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err == nil {
			plan, err = provision.PlanOf(tx, cfg, h.okta.Directory, provision.PlanPage{Limit: 1000}, false)
		}
		return err
	})
	return plan
}

// enable is what settings does with the word of a plan.
func (h *house) enable(word string) error {
	return h.db.Write(bg, h.ws, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		d, _ := cfg.Directory(h.okta.Directory)
		if d.Status != directory.DirectoryTesting {
			return errs.Conflict("plan_changed", "enabled already")
		}
		scope := h.okta
		scope.Actor = operator
		if _, err := provision.Enable(tx, cfg, scope, word, false); err != nil {
			return err
		}
		d.Status = directory.DirectoryEnabled
		tx.SaveDirectory(d, false)
		if err := provision.TellTested(tx, cfg, d.ID); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.DirectoryEnabled, Actor: operator})
	})
}

func (h *house) discard() {
	h.t.Helper()
	h.settle(func(tx *store.Tx, _ *directory.Config) error {
		_, _, err := provision.Discard(tx, h.okta.Directory)
		return err
	})
}

// planLines are the rows of a plan in short: userName, outcome, role and reason of a refusal.
func planLines(plan provision.Plan) (out []string) {
	for _, r := range plan.Rows {
		name, _, _ := strings.Cut(r.UserName, "@")
		line := name + " " + r.Outcome
		if r.Outcome == provision.PlanRefused {
			line += " " + r.Reason
		} else {
			line += " " + string(r.Status) + " " + r.Role
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

func (h *house) planned(want ...string) provision.Plan {
	h.t.Helper()
	plan := h.planOf()
	slices.Sort(want)
	if got := planLines(plan); !slices.Equal(got, want) {
		h.t.Errorf("the plan is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return plan
}

// membersIn is everything that is known of members, as text.
func (h *house) membersIn() string {
	h.t.Helper()
	var b strings.Builder
	h.read(func(tx *store.Tx) error {
		members, err := tx.MembersAfter("", 10000)
		for _, m := range members {
			fmt.Fprintf(&b, "%+v\n", m)
		}
		return err
	})
	return b.String()
}

func TestATestSync_IsServedInFullAndTouchesNoMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting)
		before := h.membersIn()
		ada, bob := h.post(person("ada")), h.post(person("bob"))
		group := h.group("Admins", ada.ID)
		h.members(group, add(bob.ID), remove(ada.ID), add(ada.ID))
		h.rename(group, "Supervisors")
		h.rename(group, "Admins")
		h.put(ada.ID, func(p *provision.Person) { p.DisplayName, p.Document = "Ada L", `{"displayName":"Ada L"}` })
		h.setActive(bob.ID, false)
		h.setActive(bob.ID, true)
		carl := h.post(person("carl"))
		h.delete(carl.ID)
		if after := h.membersIn(); after != before {
			t.Errorf("a test sync changed members:\n%s\nwas\n%s", after, before)
		}
		h.told(ada.ID, true, "")
		if got := h.groupIDs(group); !slices.Equal(got, slices.Sorted(slices.Values([]string{ada.ID, bob.ID}))) {
			t.Errorf("the group has %v", got)
		}
		_, err := h.svc.GetUser(bg, h.okta, carl.ID, false)
		h.refused(err, errs.KindNotFound, "resource_unknown")
		for _, e := range h.events(ada.ID) {
			if !strings.HasSuffix(e, " staged") {
				t.Errorf("the event %q does not say that it was staged", e)
			}
		}

		plan := h.planned("ada created active Admin", "bob created active Admin")
		if !strings.Contains(plan.Rows[0].RoleReason, "Admins") {
			t.Errorf("the plan does not say by which group: %q", plan.Rows[0].RoleReason)
		}
		h.ok(h.enable(plan.Word))
		got, err := h.svc.GetUser(bg, h.okta, ada.ID, true)
		h.ok(err)
		if got.Member == "" || len(got.Groups) != 1 || !got.UpdatedAt.Equal(h.user(ada.ID).UpdatedAt) {
			t.Errorf("after enabling the resource is %+v", got)
		}
		h.is(got.Member, "active")
		h.hasRole(got.Member, "Admin", directory.RoleByMapping)
		if m := h.member(got.Member); m.Name != "Ada L" || m.Email != "ada@acme.test" || m.Directory != h.okta.Directory {
			t.Errorf("the member is %+v", m)
		}
		h.recorded(got.Member, 0, audit.SCIMUserEnabled, audit.MemberCreated)
		// From here on the directory's word counts, and the group decides.
		h.members(group, remove(ada.ID))
		h.is(got.Member, "deactivated group_loss")
	})
}

// user is a resource as it stands.
func (h *house) user(id string) provision.User {
	h.t.Helper()
	u, err := h.svc.GetUser(bg, h.okta, id, true)
	h.ok(err)
	return u
}

func TestATestSync_RefusesWhatALiveOneWould(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting)
		ada := h.post(person("ada"))
		post := func(edits ...func(*provision.Person)) error {
			_, err := h.svc.CreateUser(bg, h.okta, with(person("eve"), edits...))
			return err
		}
		h.refused(post(func(p *provision.Person) { p.UserName = "ADA@acme.test" }), errs.KindConflict, "user_name_taken")
		h.refused(post(func(p *provision.Person) { p.ExternalID = "ext-ada" }), errs.KindConflict, "external_id_taken")
		h.refused(post(func(p *provision.Person) { p.Email = "root@root.test" }), errs.KindConflict, "address_taken")
		h.refused(post(func(p *provision.Person) { p.Email = "ada@acme.test" }), errs.KindConflict, "address_taken")
		h.refused(post(func(p *provision.Person) { p.UserName, p.Email = "eve", "" }), errs.KindInvalid, "required_missing")
		h.refused(post(func(p *provision.Person) { p.Manager = "nobody" }), errs.KindInvalid, "manager_unknown")
		_, err := h.tryPut(ada.ID, func(p *provision.Person) { p.Email = "root@root.test" })
		h.refused(err, errs.KindConflict, "address_taken")
		h.refused(h.tryMembers(h.group("Admins"), add("nobody")), errs.KindInvalid, "member_unknown")
		// A leaver goes, whatever else is said of them.
		if u := h.put(ada.ID, active(false), func(p *provision.Person) { p.Email, p.Manager = "no address", "nobody" }); u.Active {
			t.Error("a staged leaver stays active")
		}
		h.planned("ada created deactivated Trainee")
		h.setPolicy(func(p *directory.Policy) { p.SCIMRequiresSSO = true })
		h.settle(func(tx *store.Tx, cfg *directory.Config) error {
			c := cfg.Connections[0]
			c.Status = directory.ConnectionDisabled
			tx.SaveConnection(c, false)
			return nil
		})
		h.refused(post(), errs.KindForbidden, "sso_not_verified")
		if plan := h.planOf(); plan.BlockedCode != "sso_not_verified" {
			t.Errorf("the plan is blocked by %q", plan.BlockedCode)
		}
		h.refused(h.enable(h.planOf().Word), errs.KindForbidden, "sso_not_verified")
	})
}

func TestThePlan_SaysWhoIsLinkedBroughtBackPutOutAndRefused(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		// back left the directory before the test; jit, gone and boss signed in without it.
		back := h.post(person("back"))
		h.delete(back.ID)
		jit, gone, boss := h.arrive(h.asserted("jit")), h.arrive(h.asserted("gone")), h.arrive(h.asserted("boss"))
		h.setRole(boss, "Owner")
		h.become(directory.DirectoryTesting)
		ids := map[string]string{}
		for _, name := range []string{"new", "back", "jit", "late"} {
			ids[name] = h.post(person(name)).ID
		}
		ids["gone"] = h.post(with(person("gone"), active(false))).ID
		_, err := h.svc.CreateUser(bg, h.okta, person("boss"))
		h.refused(err, errs.KindConflict, "address_taken") // an owner is nobody's to adopt
		ids["boss"] = h.post(with(person("boss"), active(false))).ID
		h.group("Agents", ids["jit"], ids["new"])
		h.postTo(h.entra, with(person("x"), func(p *provision.Person) { p.Email = "late@acme.test" }))
		live := h.session(gone, directory.MethodSAML)

		plan := h.planned("new created active Agent", "back restored active Trainee", "jit linked active Agent", "gone deactivated deactivated Trainee",
			"late refused adoption_waits", "boss created deactivated Trainee")
		for _, r := range plan.Rows {
			if r.Outcome == provision.PlanRefused && !strings.Contains(r.Why, "late@acme.test") {
				t.Errorf("the refusal says %q", r.Why)
			}
		}
		h.ok(h.enable(plan.Word))
		same := map[string]string{"back": back.Member, "jit": jit, "gone": gone, "late": ""}
		for name, want := range same {
			h.told(ids[name], name != "gone", want)
		}
		h.is(back.Member, "active")
		h.hasRole(jit, "Agent", directory.RoleByMapping)
		h.is(gone, "deactivated idp")
		h.is(boss, "active")
		h.hasRole(boss, "Owner", directory.RoleByHand)
		if h.lives(live) {
			t.Error("who was put out by enabling keeps a session")
		}
		// Who was refused takes effect with the directory's next word, once nothing stands against it.
		_, err = h.tryPut(ids["late"])
		h.refused(err, errs.KindConflict, "adoption_waits")
		late := h.put(ids["late"], func(p *provision.Person) { p.Email = "later@acme.test" })
		h.is(late.Member, "active")
		h.told(ids["late"], true, late.Member)
	})
}

func TestEnabling_DoesExactlyWhatALiveSyncWouldHaveDone(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, first *house) {
			play := func(h *house, testing bool) (picture []string) {
				back := h.post(person("back"))
				h.delete(back.ID)
				h.arrive(h.asserted("jit", in("Admins")))
				if testing {
					h.become(directory.DirectoryTesting)
				}
				for i := range 12 {
					name := fmt.Sprintf("p%02d", i)
					h.post(with(person(name), active(i%5 != 0)))
				}
				h.post(person("back"))
				h.post(person("jit"))
				all, err := h.svc.ListUsers(bg, h.okta, provision.List{Where: store.All(), Start: 1, Count: 100}, false, nil)
				h.ok(err)
				var ids []string
				for _, u := range all.Rows {
					ids = append(ids, u.ID)
				}
				h.group("Admins", ids[:4]...)
				h.group("Agents", ids[2:9]...)
				h.group("Others", ids...)
				if testing {
					h.ok(h.enable(h.planOf().Word))
				}
				h.read(func(tx *store.Tx) error {
					members, err := tx.MembersAfter("", 1000)
					for _, m := range members {
						role, _ := h.config().Roles.ByID(m.Role)
						picture = append(picture, fmt.Sprintf("%s %s %s %s %s %s %v", m.Email, m.Name, m.Status(), m.Sources, role.Name, m.RoleReason.Source, m.WasIn))
					}
					return err
				})
				slices.Sort(picture)
				return picture
			}
			policy := first.config().Workspace.Policy.Reactivation
			live := play(first, false)
			staged := play(build(t, db, omniflow(policy)), true)
			if !slices.Equal(live, staged) {
				t.Errorf("enabled:\n%s\nlive:\n%s", strings.Join(staged, "\n"), strings.Join(live, "\n"))
			}
		})
	})
}

func TestAPlanThatMoved_IsNotCarriedOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting)
		ada := h.post(person("ada"))
		group := h.group("Admins")
		moves := []struct {
			what string
			do   func()
		}{
			{"somebody came", func() { h.post(person("bob")) }},
			{"a name changed", func() { h.put(ada.ID, func(p *provision.Person) { p.Document = `{"title":"x"}` }) }},
			{"a group decides", func() { h.members(group, add(ada.ID)) }},
			{"a mapping changed", func() { h.remap(map[string]string{"Admins": "Agent"}) }},
			{"an address went", func() { h.postTo(h.entra, with(person("y"), func(p *provision.Person) { p.Email = "ada@acme.test" })) }},
		}
		for _, move := range moves {
			word := h.planOf().Word
			if again := h.planOf().Word; again != word {
				t.Fatalf("the word of one plan is %s and %s", word, again)
			}
			move.do()
			if h.planOf().Word == word {
				t.Errorf("%s: the plan kept its word", move.what)
			}
			h.unchanged(errs.KindConflict, "plan_changed", func() error { return h.enable(word) })
		}
	})
}

func TestEnablingTwiceAtOnce_TurnsEachPersonOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting)
		for i := range 20 {
			h.post(person(fmt.Sprintf("p%d", i)))
		}
		word := h.planOf().Word
		won := 0
		for _, err := range atOnce(func() error { return h.enable(word) }, func() error { return h.enable(word) }, func() error { return h.enable(word) }) {
			if err == nil {
				won++
			} else {
				h.refused(err, errs.KindConflict, "plan_changed")
			}
		}
		if n := strings.Count(h.membersIn(), "\n"); won != 1 || n != 21 {
			t.Errorf("%d enabled it, and there are %d members", won, n)
		}
	})
}

func TestEnablingBesideCreates_LeavesNobodyBehind(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting)
		h.post(person("first"))
		creates := []func() error{func() error {
			// Until it meets a moment in which nothing moves.
			for {
				err := h.enable(h.planOf().Word)
				if errs.CodeOf(err) != "plan_changed" {
					return err
				}
			}
		}}
		for i := range 40 {
			creates = append(creates, func() error { _, err := h.svc.CreateUser(bg, h.okta, person(fmt.Sprintf("p%d", i))); return err })
		}
		for _, err := range atOnce(creates...) {
			h.ok(err)
		}
		all, err := h.svc.ListUsers(bg, h.okta, provision.List{Where: store.All(), Start: 1, Count: 100}, false, nil)
		h.ok(err)
		for _, u := range all.Rows {
			if u.Member == "" {
				t.Errorf("%s is staged in a directory that is enabled", u.UserName)
				continue
			}
			h.is(u.Member, "active")
		}
		if len(all.Rows) != 41 {
			t.Errorf("%d people", len(all.Rows))
		}
	})
}

func TestDiscarding_MakesIdsUnknownAndKeepsWhoLeftBefore(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		back := h.post(person("back"))
		h.delete(back.ID)
		h.become(directory.DirectoryTesting)
		staged := h.post(person("back"))
		group := h.group("Admins", staged.ID)
		theirs := h.postTo(h.entra, person("other"))
		h.discard()
		_, err := h.svc.GetUser(bg, h.okta, staged.ID, false)
		h.refused(err, errs.KindNotFound, "resource_unknown")
		_, err = h.svc.GetGroup(bg, h.okta, group, true)
		h.refused(err, errs.KindNotFound, "resource_unknown")
		if _, err := h.svc.GetUser(bg, h.entra, theirs.ID, false); err != nil {
			t.Errorf("another directory's person: %v", err)
		}
		h.planned()
		h.become(directory.DirectoryEnabled)
		if again := h.post(person("back")); again.Member != back.Member || again.ID == staged.ID {
			t.Errorf("who left before the test came back as %s behind %s, want %s behind a new id", again.Member, again.ID, back.Member)
		}
	})
}

func TestThePilot_TakesEffectAndTheRestIsStaged(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.become(directory.DirectoryTesting, "ADA@acme.test", "ext-bob")
		ada, bob, carl := h.post(person("ada")), h.post(person("bob")), h.post(person("carl"))
		group := h.group("Admins", ada.ID, carl.ID)
		h.is(ada.Member, "active")
		h.is(bob.Member, "active")
		h.told(carl.ID, true, "")
		h.hasRole(ada.Member, "Admin", directory.RoleByMapping)
		h.planned("ada stays active Admin", "bob stays active Trainee", "carl created active Admin")
		// Only to the eye is it ada's address: the Kelvin sign is no k.
		h.become(directory.DirectoryTesting, "\u212Aarl@acme.test")
		h.told(h.post(person("karl")).ID, true, "")

		// Whoever is put on the list becomes a member under their id; whoever is taken off stays one.
		turn := func(pilot ...string) (rows []provision.PlanRow) {
			h.become(directory.DirectoryTesting, pilot...)
			h.settle(func(tx *store.Tx, cfg *directory.Config) (err error) {
				scope := h.okta
				scope.Actor = operator
				rows, err = provision.TurnPilots(tx, cfg, scope, false)
				return err
			})
			return rows
		}
		if rows := turn("carl@acme.test", "CARL@acme.test", "nobody"); len(rows) != 1 || rows[0].Outcome != provision.PlanCreated {
			t.Errorf("%+v", rows)
		}
		now := h.user(carl.ID)
		h.is(now.Member, "active")
		h.hasRole(now.Member, "Admin", directory.RoleByMapping)
		h.is(ada.Member, "active")
		h.members(group, remove(carl.ID))
		h.is(now.Member, "deactivated group_loss")

		// A name on the list gives nobody somebody else's account (law 6), and an owner's least of all.
		boss := h.arrive(h.asserted("boss"))
		h.setRole(boss, "Owner")
		h.become(directory.DirectoryTesting, "boss@acme.test", "mallory")
		_, err := h.svc.CreateUser(bg, h.okta, person("boss"))
		h.refused(err, errs.KindConflict, "address_taken")
		_, err = h.svc.CreateUser(bg, h.okta, with(person("mallory"), func(p *provision.Person) { p.UserName, p.Email = "mallory", "boss@acme.test" }))
		h.refused(err, errs.KindConflict, "address_taken")
		h.hasRole(boss, "Owner", directory.RoleByHand)
		// An update may bring somebody onto the list, by the directory's own word.
		dora := h.post(person("dora"))
		h.told(dora.ID, true, "")
		renamed := h.put(dora.ID, func(p *provision.Person) { p.UserName = "mallory" })
		h.is(renamed.Member, "active")
	})
}

func TestAStagedPerson_DoesNotSignIn(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		known := h.arrive(h.asserted("known"))
		h.become(directory.DirectoryTesting)
		h.post(person("ada"))
		h.post(person("known"))
		before := h.membersIn()
		for _, a := range []provision.Arrival{h.asserted("ada"), h.asserted("x", shown("ext-ada"), email("")), h.asserted("y", shown("else"), email("ADA@acme.test"))} {
			_, _, err := h.tryArrive(a)
			h.refused(err, errs.KindForbidden, "account_not_found")
			if !strings.Contains(err.Error(), "not provisioned yet") {
				t.Errorf("the refusal says %q", err)
			}
		}
		if after := h.membersIn(); after != before {
			t.Error("a staged person's sign-in changed members")
		}
		if m := h.arrive(h.asserted("known")); m != known {
			t.Errorf("who was a member before arrives as %s, want %s", m, known)
		}
		h.ok(h.enable(h.planOf().Word))
		ada := h.arrive(h.asserted("ada"))
		if m := h.member(ada); m.Directory != h.okta.Directory {
			t.Errorf("after enabling they are %+v", m)
		}
	})
}

func TestADraftOrPausedDirectory_RefusesAndNamesItsState(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		for status, code := range map[directory.DirectoryStatus]string{directory.DirectoryDraft: "directory_draft", directory.DirectoryPaused: "directory_paused"} {
			h.become(status)
			h.unchanged(errs.KindForbidden, code, func() error { _, err := h.svc.CreateUser(bg, h.okta, person("ada")); return err })
		}
	})
}

func TestAStagedPersonWhoIsThereAlready_IsDecidedAboutBeforeEnabling(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		ada, bob, cat := h.hand("ada"), h.hand("bob"), h.hand("cat")
		h.become(directory.DirectoryTesting)
		before := h.membersIn()
		u := h.post(person("ada"))
		h.post(person("bob"))
		h.post(person("cat"))
		h.allow(h.the(store.AdoptionWaiting, ada))
		_, err := h.svc.RefuseAdoption(bg, h.owner, h.the(store.AdoptionWaiting, bob).ID, "")
		h.ok(err)
		if after := h.membersIn(); after != before {
			t.Error("a staged meeting or its decision changed members")
		}
		plan := h.planned("ada linked active Agent", "bob refused adoption_refused", "cat refused adoption_waits")
		if n := len(h.adoptions(store.AdoptionAdopted)); n != 0 {
			t.Fatalf("%d adoptions by a plan", n)
		}
		h.ok(h.enable(plan.Word))
		h.told(u.ID, true, ada)
		h.the(store.AdoptionAdopted, ada)
		h.the(store.AdoptionWaiting, cat)
		h.is(cat, "active")
		h.undo(ada)
		if m := h.member(ada); m.Directory != "" {
			t.Errorf("after the undo the member is %+v", m)
		}
		h.sound()
	})
}

package provision_test

import (
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// staff makes a member with a role, by hand, and returns the scope of what they do.
func (h *house) staff(name, role string) provision.Scope {
	h.t.Helper()
	r, ok := h.config().Roles.ByName(role)
	if !ok {
		h.t.Fatalf("no role %s", role)
	}
	m := directory.Member{ID: keys.ID("mem_", h.db.Now()), Email: name + "@staff.test", Name: name, Stage: directory.StageActive, WasIn: true, Role: r.ID, ManualRole: r.ID,
		RoleReason: directory.RoleReason{Source: directory.RoleByHand}}
	h.write(func(tx *store.Tx) error {
		tx.InsertMember(&m)
		return tx.Record(audit.Event{Type: audit.MemberCreated, Actor: operator})
	})
	return provision.Scope{Workspace: h.ws, Actor: audit.Party{Kind: "member", ID: m.ID, Name: m.Email}}
}

func (h *house) invite(scope provision.Scope, in provision.Invitee) directory.Member {
	h.t.Helper()
	m, _, err := h.svc.Invite(bg, scope, in)
	h.ok(err)
	return m
}

// workshop is a house whose letters are caught.
func workshop(t *testing.T, db *store.DB, p plan) (*house, *letterbox) {
	h := build(t, db, p)
	h.svc.Mail = true
	box := &letterbox{letters: make(chan jobs.Message, 100)}
	deliver(t, db, box)
	return h, box
}

var invitationLink = regexp.MustCompile(`https://id\.test/invitation/(ginv_\S+)`)

// linkIn is the hash of the link in a letter.
func linkIn(t *testing.T, m jobs.Message) string {
	t.Helper()
	text, page := invitationLink.FindStringSubmatch(m.Body), invitationLink.FindStringSubmatch(m.HTML)
	if text == nil || page == nil {
		t.Fatalf("no link in %+v", m)
	}
	return keys.HashToken(text[1])
}

// stands reports whether the link of an invitation can still be used.
func (h *house) stands(hash string) bool {
	h.t.Helper()
	var member string
	h.read(func(tx *store.Tx) (err error) {
		member, _, err = tx.LiveInvitation(hash)
		return err
	})
	return member != ""
}

func TestAnInvitation_MakesAMemberWhoIsInvitedAndSendsOneLetterWithALinkThatIsNowhereElse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, box := workshop(t, db, plan{preset: "default"})
		admin := h.staff("bo", "Admin")
		m := h.invite(admin, provision.Invitee{Email: " Ada@Acme.test ", GivenName: "Ada", FamilyName: "Lovelace"})
		h.is(m.ID, "invited")
		h.hasRole(m.ID, "Member", directory.RoleByDefault)
		if m.Name != "Ada Lovelace" || m.Email != "Ada@Acme.test" {
			t.Errorf("%+v", m)
		}
		letter := <-box.letters
		hash := linkIn(t, letter)
		if letter.To != "Ada@Acme.test" || !strings.Contains(letter.Body, "bo invites you") || !h.stands(hash) || letter.ID == "" {
			t.Errorf("%+v", letter)
		}
		token := invitationLink.FindStringSubmatch(letter.Body)[1]
		for {
			if events := h.events(m.ID); strings.Contains(strings.Join(events, "\n"), "member.invited ok") {
				break
			}
		}
		h.read(func(tx *store.Tx) error {
			all, err := tx.EventsAfter(0, 1000)
			for _, e := range all {
				if strings.Contains(string(e.Payload)+e.Subject.Name+e.Reason, token) {
					t.Errorf("the link is in an event: %+v", e)
				}
			}
			if err != nil {
				return err
			}
			stands, err := tx.Invitation(m.ID)
			if err == nil && (stands.SentAt.IsZero() || stands.ExpiresAt.Sub(stands.CreatedAt) != 7*24*time.Hour || stands.By.ID != admin.Actor.ID) {
				t.Errorf("%+v", stands)
			}
			return err
		})
	})
}

func TestAnInvitation_SentAgainEndsTheLinksBeforeAndTakenBackEndsAll(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, box := workshop(t, db, plan{preset: "default"})
		m := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test", Role: "Admin"})
		first := linkIn(t, <-box.letters)
		_, err := h.svc.Resend(bg, h.owner, provision.Who(m.ID))
		h.ok(err)
		second := linkIn(t, <-box.letters)
		if h.stands(first) || !h.stands(second) {
			t.Error("the first link still works, or the second does not")
		}
		_, err = h.svc.Revoke(bg, h.owner, provision.Who(m.ID))
		h.ok(err)
		h.is(m.ID, "deactivated owner")
		if h.stands(second) {
			t.Error("a link that was taken back works")
		}
		for _, again := range []func() error{
			func() error { _, err := h.svc.Resend(bg, h.owner, provision.Who(m.ID)); return err },
			func() error { _, err := h.svc.Revoke(bg, h.owner, provision.Who(m.ID)); return err },
		} {
			h.unchanged(errs.KindConflict, "not_invited", again)
		}
		again := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"})
		if again.ID != m.ID {
			t.Error("somebody who never accepted became another member")
		}
		h.is(m.ID, "invited")
		h.hasRole(m.ID, "Member", directory.RoleByDefault)
		third := linkIn(t, <-box.letters)
		h.session(m.ID, directory.MethodSAML)
		h.is(m.ID, "active")
		if h.stands(third) || h.stands(second) {
			t.Error("a link works after its person came in")
		}
		h.recorded(m.ID, 0, audit.MemberCreated, audit.InvitationResent, audit.InvitationRevoked, audit.MemberDeactivated, audit.MemberRestored, audit.MemberActivated)
	})
}

func TestAnInvitation_OfSomebodyWhoIsHereIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		try := func(in provision.Invitee) func() error {
			return func() error { _, _, err := h.svc.Invite(bg, h.owner, in); return err }
		}
		h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"})
		h.post(person("bob"))
		out := h.post(person("out"))
		h.session(out.Member, directory.MethodSAML)
		h.setActive(out.ID, false)
		h.unchanged(errs.KindConflict, "already_invited", try(provision.Invitee{Email: "ADA@acme.test"}))
		h.unchanged(errs.KindConflict, "already_invited", try(provision.Invitee{Email: "bob@acme.test"}))
		h.unchanged(errs.KindConflict, "already_member", try(provision.Invitee{Email: "root@root.test"}))
		h.unchanged(errs.KindConflict, "member_deactivated", try(provision.Invitee{Email: "out@acme.test"}))
		h.unchanged(errs.KindInvalid, "address_invalid", try(provision.Invitee{Email: "not an address"}))
		h.unchanged(errs.KindInvalid, "role_unknown", try(provision.Invitee{Email: "new@acme.test", Role: "Emperor"}))
		h.unchanged(errs.KindInvalid, "too_large", try(provision.Invitee{Email: "new@acme.test", Name: strings.Repeat("x", 300)}))
		h.svc.Mail = false
		h.unchanged(errs.KindInvalid, "no_mail", try(provision.Invitee{Email: "new@acme.test"}))
	})
}

// K9: under new_identity a return makes a new person; under restore (V23) the same one comes back, by restoring.
func TestAnInvitation_OfSomebodyWhoWasDeactivatedIsAFreshMemberWherePolicySaysSo(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "omni"})
		u := h.post(person("ada"))
		h.session(u.Member, directory.MethodSAML)
		h.setRole(u.Member, "Organization Admin")
		h.deactivate(u.Member)
		fresh, outcome, err := h.svc.Invite(bg, h.owner, provision.Invitee{Email: "ada@acme.test"})
		h.ok(err)
		if fresh.ID == u.Member || fresh.Replaces != u.Member || outcome != provision.InviteFresh {
			t.Errorf("%+v, %s", fresh, outcome)
		}
		h.is(u.Member, "deactivated owner")
		h.is(fresh.ID, "invited")
		h.hasRole(fresh.ID, "Organization Member", directory.RoleByDefault)
		h.unchanged(errs.KindConflict, "address_taken", func() error { _, err := h.svc.Restore(bg, h.owner, provision.Who(u.Member)); return err })
	})
}

// K18, row 26: a role that is given by hand stays whatever a directory says later.
func TestARoleGivenWithAnInvitation_StaysWhenADirectoryTakesThePersonOver(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "omniflow", domains: []string{"acme.test"}, mappings: map[string]string{"Agents": "Agent"}})
		m := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test", Role: "Supervisor"})
		u := h.post(person("ada"))
		if u.Member != m.ID {
			t.Fatal("the invited person and the directory's are two")
		}
		h.group("Agents", u.ID)
		h.hasRole(m.ID, "Supervisor", directory.RoleByHand)
		if got := h.member(m.ID); got.Directory != h.okta.Directory {
			t.Errorf("owned by %q", got.Directory)
		}
	})
}

// Law 6: one person, or a question; never two.
func TestAnInvitedPersonWhomADirectoryNames_IsLinkedInAProvenDomainAndWaitsElsewhere(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		m := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"})
		_, err := h.svc.CreateUser(bg, h.okta, person("ada"))
		h.refused(err, errs.KindConflict, "adoption_waits")
		h.is(m.ID, "invited")
		h.read(func(tx *store.Tx) error {
			holders, err := tx.MembersByEmail("ada@acme.test")
			if len(holders) != 1 {
				t.Errorf("%d members have the address", len(holders))
			}
			return err
		})
		h.write(func(tx *store.Tx) error {
			tx.InsertDomain("acme.test")
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
		if u := h.post(person("ada")); u.Member != m.ID {
			t.Error("in a proven domain they are two")
		}
	})
}

func TestAnAdministrator_GivesAndTakesNoRoleAboveTheirOwnAndDoesNothingToThosePeople(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		admin, plain := h.staff("bo", "Admin"), h.staff("al", "Member")
		ada := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"}).ID
		second := h.ensureOwner(provision.Owner{Email: "second@root.test"})
		acts := func(scope provision.Scope, who string) []func() error {
			find := provision.Who(who)
			return []func() error{
				func() error { _, err := h.svc.Deactivate(bg, scope, find); return err },
				func() error { _, err := h.svc.Restore(bg, scope, find); return err },
				func() error { _, err := h.svc.SetRole(bg, scope, find, "Admin"); return err },
				func() error { _, err := h.svc.Resend(bg, scope, find); return err },
				func() error { _, err := h.svc.Revoke(bg, scope, find); return err },
				func() error { _, err := h.svc.Edit(bg, scope, find, map[string]string{"name": "x"}); return err },
			}
		}
		for _, act := range acts(admin, second) {
			h.unchanged(errs.KindForbidden, "rank_too_high", act)
		}
		for _, act := range append(acts(plain, ada), func() error {
			_, _, err := h.svc.Invite(bg, plain, provision.Invitee{Email: "new@acme.test"})
			return err
		}) {
			h.unchanged(errs.KindForbidden, "permission_missing", act)
		}
		h.unchanged(errs.KindForbidden, "rank_too_high", func() error { _, err := h.svc.SetRole(bg, admin, provision.Who(ada), "Owner"); return err })
		h.unchanged(errs.KindForbidden, "rank_too_high", func() error {
			_, _, err := h.svc.Invite(bg, admin, provision.Invitee{Email: "new@acme.test", Role: "Owner"})
			return err
		})
		h.unchanged(errs.KindForbidden, "self", func() error {
			_, err := h.svc.Deactivate(bg, admin, provision.Who(admin.Actor.ID))
			return err
		})
		_, err := h.svc.SetRole(bg, admin, provision.Who(ada), "Admin")
		h.ok(err)
		// Who lost the role meanwhile can do nothing with a page that is still open.
		h.deactivate(admin.Actor.ID)
		h.unchanged(errs.KindForbidden, "permission_missing", func() error { _, err := h.svc.Revoke(bg, admin, provision.Who(ada)); return err })
		h.recorded(ada, 0, audit.MemberRefused)
	})
}

func TestPeoplesActs_OnAnotherWorkspacesMembersAreAsOnUnknownOnes(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		other, _ := workshop(t, db, plan{preset: "default"})
		theirs := other.invite(other.owner, provision.Invitee{Email: "ada@acme.test"}).ID
		for _, act := range []func(who string) error{
			func(who string) error { _, err := h.svc.Resend(bg, h.owner, provision.Who(who)); return err },
			func(who string) error { _, err := h.svc.Revoke(bg, h.owner, provision.Who(who)); return err },
			func(who string) error {
				_, err := h.svc.Edit(bg, h.owner, provision.Who(who), map[string]string{"name": "x"})
				return err
			},
		} {
			known, unknown := act(theirs), act("mem_unknown")
			if !errs.Is(known, errs.KindNotFound) || strings.ReplaceAll(known.Error(), theirs, "") != strings.ReplaceAll(unknown.Error(), "mem_unknown", "") {
				t.Errorf("%v, and of an unknown one %v", known, unknown)
			}
		}
		h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"}) // an address of a neighbour is free here
		other.is(theirs, "invited")
	})
}

func TestTwentyInvitationsOfOneAddressAtOnce_MakeOneMember(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		results := make(chan error, 20)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, _, err := h.svc.Invite(bg, h.owner, provision.Invitee{Email: "ada@acme.test"})
				results <- err
			})
		}
		all.Wait()
		close(results)
		made := 0
		for err := range results {
			if err == nil {
				made++
			} else if errs.CodeOf(err) != "already_invited" {
				t.Errorf("%v", err)
			}
		}
		if made != 1 {
			t.Errorf("%d were made", made)
		}
	})
}

// F40: what the directory has the say over is edited there, everything else here.
func TestEdit_ChangesWhatNobodyElseHasTheSayOverAndNamesWhoHas(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, box := workshop(t, db, plan{preset: "default"})
		m := h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"})
		hash := linkIn(t, <-box.letters)
		edit := func(who string, values map[string]string) error {
			_, err := h.svc.Edit(bg, h.owner, provision.Who(who), values)
			return err
		}
		h.ok(edit(m.ID, map[string]string{"name": "Ada  Lovelace", "email": "ada@new.test"}))
		if got := h.member(m.ID); got.Name != "Ada Lovelace" || got.Email != "ada@new.test" || h.stands(hash) {
			t.Errorf("%+v, the old address's link stands: %v", got, h.stands(hash))
		}
		h.recorded(m.ID, 0, audit.MemberUpdated)
		u := h.post(with(person("bob"), func(p *provision.Person) { p.Document = `{"title":"Boss"}` }))
		h.unchanged(errs.KindConflict, "not_yours", func() error { return edit(u.Member, map[string]string{"name": "Bobby"}) })
		h.unchanged(errs.KindConflict, "address_taken", func() error { return edit(m.ID, map[string]string{"email": "BOB@acme.test", "name": "x"}) })
		h.unchanged(errs.KindInvalid, "address_invalid", func() error { return edit(m.ID, map[string]string{"email": "bob"}) })
		h.unchanged(errs.KindInvalid, "field_unknown", func() error { return edit(m.ID, map[string]string{"role": "Owner"}) })
		// Law 7: a slip in the address of the last owner would lock everybody out.
		h.unchanged(errs.KindForbidden, "protected_member", func() error { return edit(h.root, map[string]string{"email": "typo@root.test"}) })
		h.ok(edit(h.root, map[string]string{"name": "The Root"}))
		h.read(func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			bob, err := tx.Member(u.Member)
			if err != nil {
				return err
			}
			fields, err := provision.Fields(tx, cfg, bob)
			for _, f := range fields {
				if f.Owner != provision.OwnedByDirectory || f.By != "okta" {
					t.Errorf("%+v", f)
				}
			}
			if len(fields) != 5 {
				t.Errorf("%+v", fields)
			}
			return err
		})
	})
}

func TestALetterWhoseMailServerIsDown_IsSentWhenItIsBackWithALinkThatWorks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.svc.Mail = true
		box := &letterbox{letters: make(chan jobs.Message, 100), down: 1}
		deliver(t, db, box)
		h.invite(h.owner, provision.Invitee{Email: "ada@acme.test"})
		lost, sent := <-box.letters, <-box.letters
		if lost.ID != sent.ID || !h.stands(linkIn(t, sent)) || !h.stands(linkIn(t, lost)) {
			t.Error("the second try is another message, or a link in one of the two does not work")
		}
	})
}

var errDown = errors.New("connection refused")

func TestAnInvitationWithoutARole_IsRefusedWhereTheDefaultRoleAllowsMoreThanWhoeverInvitesMay(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, _ := workshop(t, db, plan{preset: "default"})
		h.write(func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			admin, lowest := cfg.Roles[1], cfg.Roles.Lowest()
			admin.Permissions, lowest.Permissions = []string{directory.PermissionMembers}, []string{directory.PermissionAuditRead}
			tx.SaveRole(admin, false)
			tx.SaveRole(lowest, false)
			return tx.Record(audit.Event{Type: audit.SettingsChanged, Actor: operator})
		})
		_, _, err := h.svc.Invite(bg, h.staff("bo", "Admin"), provision.Invitee{Email: "bo+two@acme.test"})
		if errs.CodeOf(err) != "permission_beyond" {
			t.Errorf("%v", err)
		}
		h.invite(h.staff("root", "Owner"), provision.Invitee{Email: "ada@acme.test"})
	})
}

func TestARoleOfALowerRankThatAllowsSomethingElse_RenewsSessions(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, plan{preset: "default"})
		h.write(func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			admin, lowest := cfg.Roles[1], cfg.Roles.Lowest()
			admin.Permissions, lowest.Permissions = []string{directory.PermissionMembers}, []string{directory.PermissionAuditRead}
			tx.SaveRole(admin, false)
			tx.SaveRole(lowest, false)
			return tx.Record(audit.Event{Type: audit.SettingsChanged, Actor: operator})
		})
		bo := h.staff("bo", "Admin")
		h.write(func(tx *store.Tx) error {
			tx.InsertSession(&session.Session{ID: "ses_bo", Member: bo.Actor.ID, Method: directory.MethodPassword, ExpiresAt: tx.Now().Add(time.Hour)}, "hash bo")
			return tx.Record(audit.Event{Type: audit.SignInLinkMade, Actor: operator})
		})
		_, err := h.svc.SetRole(bg, provision.Scope{Workspace: h.ws, Actor: operator}, provision.Who(bo.Actor.ID), "Member")
		h.ok(err)
		if live, err := db.SessionByToken(bg, "hash bo", db.Now()); err != nil || live.Renew != session.RenewedRole {
			t.Errorf("%+v, %v", live, err)
		}
	})
}

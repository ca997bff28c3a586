package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

var everybody = directory.Enforcement{RequireSSO: directory.RequireAll}

func (s *Service) sessionOf(t *testing.T, id, member string, method directory.Method, breakGlass bool) {
	t.Helper()
	s.write(t, func(tx *store.Tx) error {
		tx.InsertSession(&session.Session{ID: id, Member: member, Method: method, BreakGlass: breakGlass, ExpiresAt: tx.Now().Add(100 * time.Hour)}, "hash "+id)
		return nil
	})
}

func (s *Service) sessionLives(id string) bool {
	_, err := s.DB.SessionByToken(context.Background(), "hash "+id, s.DB.Now())
	return err == nil
}

func TestAPlanOfEnforcement_NamesExactlyWhomItThenShutsOut(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		con := s.connection(t, "okta").ID
		ids := map[string]string{"domain": s.addMember(t, "a@acme.test", "Agent", true), "guest": s.addMember(t, "g@other.test", "Agent", true),
			"linked": s.addMember(t, "l@other.test", "Agent", true)}
		s.write(t, func(tx *store.Tx) error {
			tx.InsertIdentity(store.Identity{Connection: con, Subject: "l", Member: ids["linked"], How: "first_sign_in"})
			return nil
		})
		for name, id := range ids {
			s.sessionOf(t, "ses_"+name, id, directory.MethodPassword, false)
		}
		s.sessionOf(t, "ses_sso", ids["domain"], directory.MethodSAML, false)
		s.sessionOf(t, "ses_glass", s.member(t, "root@acme.test").ID, directory.MethodPassword, false)
		plan, err := s.PlanEnforcement(ctx, "acme", everybody)
		if err != nil || len(plan.Missing) != 0 {
			t.Fatalf("%v %+v", err, plan)
		}
		if len(plan.ShutOut) != 1 || plan.ShutOut[0].ID != ids["guest"] || !plan.ShutOut[0].Guest {
			t.Errorf("shut out: %+v", plan.ShutOut)
		}
		done, err := s.SetEnforcement(ctx, "acme", everybody, plan.Word, administrator)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(done.ShutOut, plan.ShutOut) || done.Sessions != plan.Sessions {
			t.Errorf("planned %+v, done %+v", plan, done)
		}
		for name, want := range map[string]bool{"domain": false, "guest": false, "linked": false, "sso": true, "glass": true} {
			if s.sessionLives("ses_"+name) != want {
				t.Errorf("the session %s lives: %v", name, !want)
			}
		}
		// By domain, guests are exempt.
		byDomain := directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"ACME.test"}}
		if plan, err = s.PlanEnforcement(ctx, "acme", byDomain); err != nil || len(plan.ShutOut) != 0 {
			t.Errorf("%v %+v", err, plan)
		}
		if _, err := s.PlanEnforcement(ctx, "acme", directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"other.test"}}); errs.CodeOf(err) != "domain_not_proven" {
			t.Errorf("a domain that nobody has proven: %v", err)
		}
	})
}

func TestADomainThatIsSomebodysOnlyWayIn_IsNotRemoved(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		ada := s.addMember(t, "a@acme.test", "Agent", true)
		if _, err := s.SetEnforcement(ctx, "acme", everybody, "", administrator); err != nil {
			t.Fatal(err)
		}
		refused := func(why string) {
			t.Helper()
			if err := s.RemoveDomain(ctx, "acme", "acme.test", administrator); errs.CodeOf(err) != "would_lock_out" || !strings.Contains(err.Error(), "a@acme.test") {
				t.Errorf("%s: %v", why, err)
			}
		}
		refused("proven")
		// Whom its lapse left their password would lose that with the claim.
		s.write(t, func(tx *store.Tx) error {
			tx.DeleteDomain("acme.test")
			tx.InsertDomainClaim("acme.test", "challenge")
			tx.SaveDomainClaim(&store.DomainClaim{Domain: "acme.test", LapsedAt: tx.Now()})
			return nil
		})
		refused("lapsed")
		con, second := s.connection(t, "okta").ID, s.member(t, "second@acme.test").ID
		s.write(t, func(tx *store.Tx) error {
			for _, id := range []string{ada, second} {
				tx.InsertIdentity(store.Identity{Connection: con, Subject: id, Member: id, How: "first_sign_in"})
			}
			return nil
		})
		if err := s.RemoveDomain(ctx, "acme", "acme.test", administrator); err != nil {
			t.Errorf("who is known to the IdP needs no domain: %v", err)
		}
	})
}

func TestADryRunOfAnApply_NamesWhomEnforcementShutsOut(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.addMember(t, "g@other.test", "Agent", true)
		r := s.mustApply(t, enforced, ApplyOptions{DryRun: true})
		if want := "enforcement: 1 people have no way in by single sign-on: g@other.test"; !slices.Contains(r.Notes, want) {
			t.Errorf("%q", r.Notes)
		}
	})
}

func TestOfTwoAdministratorsAtOnce_TheSecondIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		plan, err := s.PlanEnforcement(ctx, "acme", everybody)
		if err != nil {
			t.Fatal(err)
		}
		s.mustApply(t, "workspace: acme\nname: Another\n", ApplyOptions{})
		if _, err := s.SetEnforcement(ctx, "acme", everybody, plan.Word, administrator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("%v", err)
		}
		if s.mustConfig(t, "acme").Workspace.Enforcement.On() {
			t.Error("it was done all the same")
		}
	})
}

func TestSetEnforcement_AsksLawSeven(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\nowners: [{email: root@acme.test}]\n", ApplyOptions{})
		if _, err := s.SetEnforcement(ctx, "acme", everybody, "", administrator); errs.CodeOf(err) != "would_lock_out" {
			t.Errorf("%v", err)
		}
		plan, err := s.PlanEnforcement(ctx, "acme", everybody)
		if err != nil || len(plan.Missing) != 2 {
			t.Errorf("%v %+v", err, plan)
		}
		for _, bad := range []directory.Enforcement{{}, {RequireSSO: "some"}, {RequireSSO: directory.RequireDomains}, {RequireSSO: directory.RequireAll, Domains: []string{"a.test"}}} {
			if _, err := s.SetEnforcement(ctx, "acme", bad, "", administrator); !errs.Is(err, errs.KindInvalid) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
		v, err := s.Enforcement(ctx, "acme")
		if err != nil || v.RequireSSO != directory.RequireNone || v.BreakGlass != nil || len(v.Missing) != 2 {
			t.Errorf("%v %+v", err, v)
		}
	})
}

func TestTheLastOwnerWithAPassword_StaysInTheListOfOwners(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.wantRefusal(t, "workspace: acme\nowners: [{email: second@acme.test}]\n", ApplyOptions{}, errs.KindForbidden, "no owner would be left who can sign in with a password")
	})
}

func TestTheDesignation_GoesToAnOwnerWhoCanSignIn(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		root, second := s.member(t, "root@acme.test").ID, s.member(t, "second@acme.test").ID
		agent := s.addMember(t, "a@acme.test", "Agent", true)
		owner := audit.Party{Kind: "member", ID: root}
		for to, code := range map[string]string{second: "would_lock_out", agent: "not_an_owner", "mem_nobody": "member_unknown"} {
			if err := s.Designate(ctx, "acme", to, owner); errs.CodeOf(err) != code {
				t.Errorf("%s: %v, want %s", to, err, code)
			}
		}
		s.write(t, func(tx *store.Tx) error {
			tx.SaveCredential(second, "hash", tx.Now().Add(-100*24*time.Hour))
			tx.SaveSecondFactor(root, "sealed")
			tx.SaveRecoveryCodes(root, []string{"code"})
			return nil
		})
		if err := s.Designate(ctx, "acme", second, audit.Party{Kind: "member", ID: agent}); errs.CodeOf(err) != "not_an_owner" {
			t.Errorf("by an agent: %v", err)
		}
		if _, err := s.SetEnforcement(ctx, "acme", everybody, "", administrator); err != nil {
			t.Fatal(err)
		}
		if err := s.Designate(ctx, "acme", second, owner); errs.CodeOf(err) != "would_lock_out" {
			t.Errorf("a password that was not proven lately: %v", err)
		}
		s.write(t, func(tx *store.Tx) error { tx.SaveCredential(second, "hash", tx.Now()); return nil })
		s.sessionOf(t, "ses_root", root, directory.MethodPassword, true)
		if err := s.Designate(ctx, "acme", second, owner); err != nil {
			t.Fatal(err)
		}
		if s.sessionLives("ses_root") || s.member(t, "root@acme.test").BreakGlass || !s.member(t, "second@acme.test").BreakGlass {
			t.Error("the designation did not move, or its session lives on")
		}
		s.in(t, func(tx *store.Tx) error {
			factor, err := tx.SecondFactor(root)
			if left, _, _ := tx.RecoveryCodesLeft(root); factor != nil || left != 0 {
				t.Errorf("what the former had for emergency access is still there: %+v, %d codes", factor, left)
			}
			return err
		})
	})
}

func TestARelaxation_IsEmergencyAccesssAndEndsByItself(t *testing.T) {
	t.Parallel()
	for name, driver := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now := epoch
			s := service(storetest.Open(t, driver(t), func() time.Time { return now }))
			ctx := context.Background()
			s.mustApply(t, acme, ApplyOptions{})
			root, agent := s.member(t, "root@acme.test").ID, s.addMember(t, "a@acme.test", "Agent", true)
			by := audit.Party{Kind: "member", ID: root, Name: "root@acme.test"}
			s.sessionOf(t, "ses_glass", root, directory.MethodPassword, true)
			s.sessionOf(t, "ses_plain", root, directory.MethodSAML, false)
			if _, err := s.Relax(ctx, "acme", "ses_glass", by); errs.CodeOf(err) != "not_enforced" {
				t.Errorf("%v", err)
			}
			if _, err := s.SetEnforcement(ctx, "acme", everybody, "", administrator); err != nil {
				t.Fatal(err)
			}
			for _, other := range []string{"ses_plain", "ses_none", ""} {
				if _, err := s.Relax(ctx, "acme", other, by); errs.CodeOf(err) != "not_emergency_access" {
					t.Errorf("%q: %v", other, err)
				}
			}
			until, err := s.Relax(ctx, "acme", "ses_glass", by)
			if err != nil || !until.Equal(now.Add(24*time.Hour)) {
				t.Fatalf("%v %v", until, err)
			}
			if _, err := s.Relax(ctx, "acme", "ses_glass", by); errs.CodeOf(err) != "relaxed_already" {
				t.Errorf("%v", err)
			}
			s.sessionOf(t, "ses_mail", agent, directory.MethodMail, false)
			over := func() error {
				var id string
				if id, _, err = s.Workspace(ctx, "acme"); err != nil {
					return err
				}
				return s.RelaxationHandler().Do(ctx, store.Job{Workspace: id, Kind: JobRelaxationOver, Body: fmt.Sprintf(`{"until":%q}`, until.Format(time.RFC3339Nano))})
			}
			now = until
			if s.mustConfig(t, "acme").Workspace.Enforcement.RelaxedAt(now) {
				t.Error("it is relaxed after its end")
			}
			if err := over(); err != nil {
				t.Fatal(err)
			}
			if s.sessionLives("ses_mail") {
				t.Error("a session by mailed link outlives the relaxation")
			}
			var events []string
			for _, e := range s.log(t) {
				if e.Type == audit.EnforcementRelaxed || e.Type == audit.EnforcementResumed {
					events = append(events, string(e.Type)+" "+e.Reason)
				}
			}
			if !slices.Equal(events, []string{"enforcement.relaxed emergency_access", "enforcement.resumed time_is_over"}) {
				t.Errorf("%v", events)
			}
			// The job of one that ended by hand ends no later one.
			s.sessionOf(t, "ses_glass2", root, directory.MethodPassword, true)
			if _, err := s.Relax(ctx, "acme", "ses_glass2", by); err != nil {
				t.Fatal(err)
			}
			if err := over(); err != nil || !s.mustConfig(t, "acme").Workspace.Enforcement.RelaxedAt(now) {
				t.Errorf("an old job ended it: %v", err)
			}
			if err := s.Resume(ctx, "acme", by); err != nil || s.mustConfig(t, "acme").Workspace.Enforcement.Relaxed != nil {
				t.Errorf("%v", err)
			}
			if n := s.events(t); s.Resume(ctx, "acme", by) != nil || s.events(t) != n {
				t.Error("nothing was relaxed, and something was done")
			}
		})
	}
}

// letters counts the letters that wait, by receiver and subject.
func (s *Service) letters(t *testing.T) map[string]int {
	t.Helper()
	id, _, err := s.Workspace(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	if err := s.DB.Read(context.Background(), id, func(tx *store.Tx) error {
		letters, err := tx.Letters("", 100)
		for _, l := range letters {
			m, err := tx.Member(l.Member)
			if err != nil {
				return err
			}
			var body struct{ Letter struct{ Subject string } }
			if err := json.Unmarshal([]byte(l.Body), &body); err != nil || l.Kind != jobs.JobNotice {
				t.Errorf("%s %s: %v", l.Kind, l.Body, err)
			}
			out[m.Email+": "+body.Letter.Subject]++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestOwners_AreToldByMailEachOnceOfARelaxationAndItsEnd(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, acme, ApplyOptions{})
		root := s.member(t, "root@acme.test").ID
		by := audit.Party{Kind: "member", ID: root, Name: "root@acme.test"}
		if _, err := s.SetEnforcement(ctx, "acme", everybody, "", administrator); err != nil {
			t.Fatal(err)
		}
		s.sessionOf(t, "ses_glass", root, directory.MethodPassword, true)
		relax := func() {
			t.Helper()
			if _, err := s.Relax(ctx, "acme", "ses_glass", by); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Relax(ctx, "acme", "ses_glass", by); errs.CodeOf(err) != "relaxed_already" {
				t.Error(err)
			}
			for range 2 {
				if err := s.Resume(ctx, "acme", by); err != nil {
					t.Fatal(err)
				}
			}
		}
		relax() // no mail can be sent: nothing waits for a server that there is not
		if got := s.letters(t); len(got) != 0 {
			t.Errorf("without mail: %v", got)
		}
		s.Mail = true
		relax()
		want := map[string]int{}
		for _, owner := range []string{"root@acme.test", "second@acme.test"} {
			want[owner+": Single sign-on is not required in Acme Inc for a while"] = 1
			want[owner+": Single sign-on is required again in Acme Inc"] = 1
		}
		if got := s.letters(t); !maps.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
}

package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const lifeFile = `
workspace: acme
preset: omniflow
owners: [{email: root@acme.test}]
role_mappings: [{group: Admins, role: Admin}]
directories: [{name: okta, status: testing}, {name: entra}]
`

// status is that of the directory okta of the workspace acme.
func (s *Service) status(t *testing.T) directory.DirectoryStatus {
	t.Helper()
	d, _ := findDirectory(s.mustConfig(t, "acme"), "okta")
	return d.Status
}

// create is okta's POST of a person.
func (s *Service) create(t *testing.T, name string) (provision.User, error) {
	t.Helper()
	cfg := s.mustConfig(t, "acme")
	d, _ := findDirectory(cfg, "okta")
	scope := provision.Scope{Workspace: cfg.Workspace.ID, Directory: d.ID, Actor: audit.Party{Kind: "directory", ID: d.ID}}
	address := name + "@acme.test"
	return (&provision.Service{DB: s.DB}).CreateUser(context.Background(), scope,
		provision.Person{UserName: address, ExternalID: "x-" + name, Email: address, DisplayName: name, Document: `{"displayName":"` + name + `"}`})
}

func (s *Service) mustCreate(t *testing.T, name string) provision.User {
	t.Helper()
	u, err := s.create(t, name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestApply_KnowsTheStatusOfADirectoryByTwoKeys(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		for _, step := range []struct {
			said string
			want directory.DirectoryStatus
		}{
			{"", directory.DirectoryEnabled}, {", enabled: false", directory.DirectoryPaused}, {"", directory.DirectoryPaused}, {", enabled: true", directory.DirectoryEnabled},
			{", status: testing", directory.DirectoryTesting}, {", enabled: false", directory.DirectoryTesting}, {", status: draft", directory.DirectoryDraft},
			{", enabled: false", directory.DirectoryDraft}, {", enabled: true", directory.DirectoryEnabled}, {", status: paused, enabled: false", directory.DirectoryPaused},
		} {
			s.mustApply(t, "workspace: acme\npreset: omniflow\ndirectories: [{name: okta"+step.said+"}]\n", ApplyOptions{})
			if got := s.status(t); got != step.want {
				t.Fatalf("%q: %s, want %s", step.said, got, step.want)
			}
			out, err := s.Export(context.Background(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			if r := s.mustApply(t, string(out), ApplyOptions{Prune: true}); len(r.Changes) > 0 {
				t.Errorf("%q: applied back it changes %q", step.said, r.Changes)
			}
		}
		s.mustApply(t, "workspace: fresh\npreset: omniflow\ndirectories: [{name: okta, enabled: false}]\n", ApplyOptions{})
		if d := s.mustConfig(t, "fresh").Directories[0]; d.Status != directory.DirectoryDraft {
			t.Errorf("a directory that was never enabled is %s", d.Status)
		}
	})
}

func TestParseFile_RefusesAStatusThatContradictsItself(t *testing.T) {
	t.Parallel()
	wantMistake(t, "workspace: a\ndirectories: [{name: d, status: testing, enabled: true}]\n", "line 2: directories[0].enabled")
	wantMistake(t, "workspace: a\ndirectories: [{name: d, status: on}]\n", "line 2: directories[0].status")
	wantMistake(t, "workspace: a\ndirectories: [{name: d, pilot: ["+strings.TrimSuffix(strings.Repeat("x%d, ", MaxPilot+1), ", ")+"]}]\n", "directories[0].pilot")
}

func TestApply_AfterAnUpgradeDoesNotTakeTheNewKeyForADrift(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		file := "workspace: acme\npreset: omniflow\ndirectories: [{name: okta, enabled: %v}]\n"
		for _, enabled := range []bool{true, false} {
			s.mustApply(t, fmt.Sprintf(file, enabled), ApplyOptions{})
			// What the version before would have left.
			if err := s.DB.Write(context.Background(), s.mustConfig(t, "acme").Workspace.ID, func(tx *store.Tx) error {
				text, err := tx.Applied()
				for _, status := range directory.DirectoryStatuses() {
					text = strings.Replace(text, `"directories.okta.status":"`+string(status)+`"`, `"directories.okta.enabled":"`+yesNo(enabled)+`"`, 1)
				}
				tx.SetApplied(text)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			s.mustApply(t, fmt.Sprintf(file, !enabled), ApplyOptions{})
		}
	})
}

func TestADirectorysLife_GoesByTheRules(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, lifeFile, ApplyOptions{})
		refused := func(code string, _ DirectoryState, err error) {
			t.Helper()
			before := s.events(t)
			if errs.CodeOf(err) != code {
				t.Errorf("got %v, want %s", err, code)
			}
			if s.events(t) != before {
				t.Error("a refused step left an event")
			}
		}
		step := func(want []string, act func() (DirectoryState, error)) (done DirectoryState) {
			t.Helper()
			if got := s.did(t, func() (err error) { done, err = act(); return err }); !slices.Equal(got, want) {
				t.Errorf("events %v, want %v", got, want)
			}
			return done
		}
		enable := func(word string) func() (DirectoryState, error) {
			return func() (DirectoryState, error) { return s.EnableDirectory(ctx, "acme", "okta", word, administrator) }
		}
		test := func() (DirectoryState, error) { return s.TestDirectory(ctx, "acme", "okta", administrator) }
		discard := func() (DirectoryState, error) { return s.DiscardDirectory(ctx, "acme", "okta", administrator) }
		pause := func() (DirectoryState, error) { return s.PauseDirectory(ctx, "acme", "okta", administrator) }
		pilot := func(names ...string) func() (DirectoryState, error) {
			return func() (DirectoryState, error) {
				return s.EditPilot(ctx, "acme", "okta", PilotEdit{Set: &names}, administrator)
			}
		}
		call := func(code string, act func() (DirectoryState, error)) {
			t.Helper()
			d, err := act()
			refused(code, d, err)
		}

		ada, bob := s.mustCreate(t, "ada"), s.mustCreate(t, "bob")
		if ada.Member != "" {
			t.Error("a test sync made a member")
		}
		call("directory_staged", enable(""))
		call("directory_staged", pause)
		call("plan_changed", enable("nonsense"))
		s.wantRefusal(t, "workspace: acme\ndirectories: [{name: okta, enabled: true}]\n", ApplyOptions{Force: true}, errs.KindConflict, "are staged")

		// The pilot turns at once, in the one event of the list and those of the person.
		got := step([]string{"scim.user.enabled", "member.created", "directory.piloted"}, pilot(" BOB@acme.test ", "bob@acme.test", ""))
		if !slices.Equal(got.Pilot, []string{"BOB@acme.test"}) || got.Staged != 1 || got.Plan.Rows[0].ID != bob.ID {
			t.Errorf("%+v", got)
		}
		step(nil, pilot("BOB@acme.test"))
		if m := s.member(t, "bob@acme.test"); m == nil || !m.In() {
			t.Errorf("the pilot is %+v", m)
		}
		// Discarding leaves the pilot, so that the directory is no draft; and no test begins beside members.
		got = step([]string{"directory.discarded"}, discard)
		if got.Status != directory.DirectoryPaused || got.DiscardedPeople != 1 {
			t.Errorf("%+v", got)
		}
		call("directory_not_testing", discard)
		step([]string{"directory.testing"}, test)
		step([]string{"directory.discarded"}, discard)
		step([]string{"directory.piloted"}, pilot())
		call("directory_has_people", test)
		step([]string{"directory.enabled"}, enable(""))
		step([]string{"directory.paused"}, pause)
		if _, err := s.create(t, "carl"); errs.CodeOf(err) != "directory_paused" {
			t.Errorf("a paused directory answers %v", err)
		}
	})
}

func TestEnablingByThePlan_IsOneActWithItsCounts(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, lifeFile, ApplyOptions{})
		ada := s.mustCreate(t, "ada")
		plan, err := s.DirectoryPlan(ctx, "acme", "okta", provision.PlanPage{Limit: 1})
		if err != nil || plan.Staged != 1 || plan.Rows[0].Outcome != provision.PlanCreated || plan.More {
			t.Fatalf("%+v, %v", plan, err)
		}
		none, err := s.DirectoryPlan(ctx, "acme", "okta", provision.PlanPage{Skip: 1, Limit: 1, Outcome: provision.PlanCreated})
		if err != nil || len(none.Rows) != 0 || none.Word != plan.Word {
			t.Errorf("another page is of the plan %+v, %v", none, err)
		}
		n := s.events(t)
		done, err := s.EnableDirectory(ctx, "acme", "okta", plan.Word, administrator)
		if err != nil || done.Status != directory.DirectoryEnabled || done.Staged != 0 {
			t.Fatalf("%+v, %v", done, err)
		}
		events := s.log(t)[n:]
		last := events[len(events)-1]
		if last.Type != audit.DirectoryEnabled || last.Actor != administrator || !slices.Contains(last.Changes, audit.Change{Field: "created", To: "1"}) ||
			!slices.Contains(last.Changes, audit.Change{Field: "plan", To: plan.Word}) {
			t.Errorf("%+v", last)
		}
		trace, err := s.TracePerson(ctx, "acme", "okta", ada.ID)
		if err != nil || len(trace.Resources) != 1 || trace.Resources[0].Status != "active" || len(trace.Events) < 3 {
			t.Errorf("%+v, %v", trace, err)
		}
	})
}

func TestADirectorysLife_IsNobodyElses(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, lifeFile, ApplyOptions{})
		s.mustCreate(t, "ada")
		d, _ := findDirectory(s.mustConfig(t, "acme"), "okta")
		s.mustApply(t, "workspace: other\npreset: omniflow\ndirectories: [{name: entra}]\n", ApplyOptions{})
		before, _ := s.DirectoryReport(ctx, "acme", "okta")
		for name, act := range map[string]func(dir string) error{
			"test":    func(dir string) error { _, err := s.TestDirectory(ctx, "other", dir, administrator); return err },
			"enable":  func(dir string) error { _, err := s.EnableDirectory(ctx, "other", dir, "x", administrator); return err },
			"pause":   func(dir string) error { _, err := s.PauseDirectory(ctx, "other", dir, administrator); return err },
			"discard": func(dir string) error { _, err := s.DiscardDirectory(ctx, "other", dir, administrator); return err },
			"pilot": func(dir string) error {
				_, err := s.EditPilot(ctx, "other", dir, PilotEdit{Add: []string{"ada"}}, administrator)
				return err
			},
			"plan":   func(dir string) error { _, err := s.DirectoryPlan(ctx, "other", dir, provision.PlanPage{}); return err },
			"report": func(dir string) error { _, err := s.DirectoryReport(ctx, "other", dir); return err },
			"trace":  func(dir string) error { _, err := s.TracePerson(ctx, "other", dir, "ada@acme.test"); return err },
		} {
			theirs, unknown := act(d.ID), act("dir_unknown")
			if errs.CodeOf(theirs) != "directory_unknown" || strings.ReplaceAll(theirs.Error(), d.ID, "dir_unknown") != unknown.Error() {
				t.Errorf("%s: %v, of an unknown one %v", name, theirs, unknown)
			}
		}
		if after, _ := s.DirectoryReport(ctx, "acme", "okta"); after.Staged != before.Staged || after.Status != before.Status {
			t.Errorf("%+v", after)
		}
		trace, err := s.TracePerson(ctx, "other", "entra", "ada@acme.test")
		if err != nil || len(trace.Resources)+len(trace.Events) > 0 || !strings.Contains(trace.Answer, "never named") {
			t.Errorf("%+v, %v", trace, err)
		}
	})
}

func TestTheReport_SaysWhatStandsInTheWay(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, "workspace: acme\npreset: omnivoo\nowners: [{email: root@acme.test}]\ndirectories: [{name: okta}]\n", ApplyOptions{})
		says := func(part string, want bool) *DirectoryReport {
			t.Helper()
			r, err := s.DirectoryReport(ctx, "acme", "okta")
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(r.Findings, func(f string) bool { return strings.Contains(f, part) }) != want {
				t.Errorf("%q: %v in %q", part, want, r.Findings)
			}
			return r
		}
		says("no living token", true)
		says("no active, verified SSO connection", true)
		s.mustApply(t, "workspace: acme\npolicy: {scim_requires_sso: no}\n", ApplyOptions{})
		says("no active, verified SSO connection", false)
		if _, err := s.RotateToken(ctx, "acme", "okta", TokenOptions{}, administrator); err != nil {
			t.Fatal(err)
		}
		r := says("Nothing was heard", true)
		now := s.DB.Now()
		s.DB.Hear(s.mustConfig(t, "acme").Workspace.ID, r.ID, now, store.HeardRefused, "address_taken")
		says("the newest reason is address_taken", true)
		s.DB.Hear(s.mustConfig(t, "acme").Workspace.ID, r.ID, now, store.HeardRead, "")
		r = says("has created nobody", true)
		if r.Day.Reads != 1 || r.Day.Refused != 1 || r.LastServed == nil || r.LastReason != "address_taken" {
			t.Errorf("%+v", r)
		}
		if _, err := s.PauseDirectory(ctx, "acme", "okta", administrator); err != nil {
			t.Fatal(err)
		}
		says("is paused", true)
	})
}

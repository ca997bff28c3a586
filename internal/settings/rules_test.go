package settings

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// write changes acme behind the back of settings.
func (s *Service) write(t *testing.T, fn func(*store.Tx) error) {
	t.Helper()
	id, err := s.DB.System().WorkspaceBySlug(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	err = s.DB.Write(context.Background(), id, func(tx *store.Tx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// addMember makes a member with a role, by hand or not.
func (s *Service) addMember(t *testing.T, address, role string, byHand bool) string {
	t.Helper()
	cfg := s.mustConfig(t, "acme")
	r, ok := cfg.Roles.ByName(role)
	if !ok {
		t.Fatalf("no role %s", role)
	}
	m := &directory.Member{ID: keys.ID("mem_", epoch), Email: address, Stage: directory.StageActive, Role: r.ID}
	if byHand {
		m.ManualRole = r.ID
	}
	s.write(t, func(tx *store.Tx) error { tx.InsertMember(m); return nil })
	return m.ID
}

func TestRoles_AreRankedAddedAndRenamedByTheList(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, "workspace: acme\n", ApplyOptions{})
		before := s.mustConfig(t, "acme").Roles
		s.mustApply(t, "workspace: acme\npolicy: {roles: [Chief, Admin, Helper, member]}\n", ApplyOptions{})
		after := s.mustConfig(t, "acme").Roles
		if !slices.Equal(after.Names(), []string{"Chief", "Admin", "Helper", "member"}) {
			t.Fatalf("%v", after.Names())
		}
		if after[0].ID != before[0].ID || after[1].ID != before[1].ID || after[3].ID != before[2].ID {
			t.Error("a role lost its identity")
		}
		s.wantRefusal(t, "workspace: acme\npolicy: {roles: [Admin, Chief, member]}\n", ApplyOptions{}, errs.KindInvalid,
			`line 2: policy.roles: the owner role "Chief" stands first; it can be renamed, not exchanged for "Admin"`)
	})
}

func TestRoles_InUseAreNotRemoved(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.addMember(t, "agent@acme.test", "Agent", true)
		s.wantRefusal(t, "workspace: acme\npolicy: {roles: [Owner, Admin, Supervisor, Trainee]}\n", ApplyOptions{}, errs.KindInvalid,
			`the role "Agent" cannot be removed while somebody has it: agent@acme.test`)
		s.wantRefusal(t, "workspace: acme\npolicy: {roles: [Owner, Supervisor, Agent, Trainee]}\n", ApplyOptions{}, errs.KindInvalid,
			`the role "Admin" cannot be removed while role_mappings[okta: Omniflow-Admins] names it`)
		s.mustApply(t, "workspace: acme\npolicy: {roles: [Owner, Admin, Agent, Trainee]}\n", ApplyOptions{})
	})
}

func TestPreset_OfAWorkspaceThatIsThereChangesPolicyAndNotRoles(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, "workspace: acme\npreset: omni\npolicy: {group_loss: deactivate}\n", ApplyOptions{})
		cfg := s.mustConfig(t, "acme")
		p := cfg.Workspace.Policy
		if p.Reactivation != directory.ReactivationNewIdentity || p.RoleSource != directory.RoleSourceDefault || p.GroupLoss != directory.GroupLossDeactivate || p.SCIMAllowed {
			t.Errorf("%+v", p)
		}
		if len(cfg.Roles) != 5 {
			t.Errorf("%v", cfg.Roles.Names())
		}
	})
}

func TestMappings_NameRolesAndDirectoriesThatAreThere(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.wantRefusal(t, `
workspace: acme
role_mappings:
  - {directory: octa, group: A, role: Admin}
  - {group: B, role: Admon}
  - {group: C, role: owner}
`, ApplyOptions{}, errs.KindInvalid,
			`line 4: role_mappings[0].directory: there is no directory "octa"; did you mean "okta"?`,
			`line 5: role_mappings[1].role: there is no role "Admon"; did you mean "Admin"?`,
			`line 6: role_mappings[2].role: the owner role "Owner" cannot be mapped`)
	})
}

func TestMappings_ThatChangeAreAppliedToGroupsAndMembers(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		dir := s.mustConfig(t, "acme").Directories[0].ID
		id := s.addMember(t, "ann@acme.test", "Trainee", false)
		s.write(t, func(tx *store.Tx) error {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u1", Directory: dir, Member: id, UserName: "ann@acme.test", Active: true, Document: "{}"})
			tx.InsertGroup(&store.Group{Group: directory.Group{ID: "grp_1", Directory: dir, DisplayName: "agents"}, Document: "{}"})
			_, err := tx.AddGroupMembers("grp_1", []string{"u1"})
			return err
		})
		s.mustApply(t, "workspace: acme\nrole_mappings: [{directory: okta, group: Agents, role: Agent}]\n", ApplyOptions{})
		cfg := s.mustConfig(t, "acme")
		if role, _ := cfg.Roles.ByID(s.member(t, "ann@acme.test").Role); role.Name != "Agent" {
			t.Errorf("the member has the role %s", role.Name)
		}
		// A directory that goes takes its mappings along.
		r := s.mustApply(t, "workspace: acme\ndirectories: []\n", ApplyOptions{Prune: true})
		if want := []string{"role_mappings[okta: Agents]: removed", "directories.okta: removed"}; !slices.Equal(r.Changes, want) {
			t.Errorf("%v", r.Changes)
		}
		cfg = s.mustConfig(t, "acme")
		if role, _ := cfg.Roles.ByID(s.member(t, "ann@acme.test").Role); role.Name != "Trainee" || len(cfg.Directories) != 0 {
			t.Errorf("the member has the role %s of a directory that is gone", role.Name)
		}
	})
}

func TestPrune_IsNeededToRemoveAndRefusesWhatIsInUse(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		issued, err := s.RotateToken(context.Background(), "acme", "okta", TokenOptions{}, operator)
		if err != nil {
			t.Fatal(err)
		}
		r := s.mustApply(t, "workspace: acme\nconnections: []\ndirectories: []\n", ApplyOptions{})
		if len(r.Changes) != 0 || len(r.Notes) < 3 {
			t.Errorf("changes %v notes %v", r.Changes, r.Notes)
		}
		s.wantRefusal(t, "workspace: acme\nconnections: []\n", ApplyOptions{Prune: true}, errs.KindInvalid,
			`connections.okta: cannot be removed while the directory "okta" names it`)
		s.wantRefusal(t, "workspace: acme\ndirectories: [{name: okta, connection: octa}]\n", ApplyOptions{}, errs.KindInvalid,
			`line 2: directories[0].connection: there is no connection "octa"; did you mean "okta"?`)
		r = s.mustApply(t, "workspace: acme\nconnections: []\ndirectories: []\n", ApplyOptions{Prune: true})
		if !slices.Contains(r.Changes, "connections.okta: removed") || !slices.Contains(r.Changes, "directories.okta: removed") {
			t.Errorf("%v", r.Changes)
		}
		if _, err := s.DB.System().TokenByHash(context.Background(), keys.HashToken(issued.Token), epoch); !errs.Is(err, errs.KindUnauthenticated) {
			t.Errorf("the token of a removed directory is known: %v", err)
		}
		s.in(t, func(tx *store.Tx) error {
			tokens, err := tx.Tokens(issued.Directory)
			if len(tokens) != 1 || tokens[0].RevokedAt.IsZero() {
				t.Errorf("the token of a removed directory was not ended: %+v", tokens)
			}
			return err
		})
	})
}

func TestPrune_TakesTheRolesThatADirectorysGroupsGave(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		dir := s.mustConfig(t, "acme").Directories[0].ID
		id := s.addMember(t, "ann@acme.test", "Trainee", false)
		s.write(t, func(tx *store.Tx) error {
			tx.InsertSCIMUser(&store.SCIMUser{ID: "u1", Directory: dir, Member: id, UserName: "ann@acme.test", Active: true, Document: "{}"})
			tx.InsertGroup(&store.Group{Group: directory.Group{ID: "grp_1", Directory: dir, DisplayName: "agents"}, Document: "{}"})
			_, err := tx.AddGroupMembers("grp_1", []string{"u1"})
			return err
		})
		role := func() string {
			r, _ := s.mustConfig(t, "acme").Roles.ByID(s.member(t, "ann@acme.test").Role)
			return r.Name
		}
		s.mustApply(t, "workspace: acme\nrole_mappings: [{group: Agents, role: Agent}]\n", ApplyOptions{})
		if role() != "Agent" {
			t.Fatalf("the mapping gave the role %s", role())
		}
		// The mapping is for any directory, so it stays; the group goes.
		s.mustApply(t, "workspace: acme\ndirectories: []\n", ApplyOptions{Prune: true})
		if role() != "Trainee" {
			t.Errorf("the role %s of a group that is gone stayed", role())
		}
	})
}

func TestConnection_OfAnotherProtocolIsADraftAgain(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		r := s.mustApply(t, "workspace: acme\nconnections: [{name: okta, protocol: oidc}]\n", ApplyOptions{})
		con, _ := findConnection(s.mustConfig(t, "acme"), "okta")
		if con.Status != directory.ConnectionDraft || !con.VerifiedAt.IsZero() || !slices.Contains(r.Changes, "connections.okta.status: active -> draft") {
			t.Errorf("%+v %v", con, r.Changes)
		}
	})
}

func TestOwners_WhoWentWhileTheirPasswordWasNotReadMakeTheApplyStartOver(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		f := parse(t, "workspace: acme\nowners: [{email: gone@acme.test, password_env: ROOT_PASSWORD}]\n")
		id, _, err := s.Workspace(context.Background(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		err = s.DB.Write(context.Background(), id, func(tx *store.Tx) error {
			a := &apply{Service: s, tx: tx, people: []preparedOwner{{ownerPart: f.owners[0]}}}
			return a.run(f, id, false)
		})
		if !errors.Is(err, errStale) {
			t.Errorf("an owner without the password of the file: %v", err)
		}
	})
}

const enforced = "workspace: acme\nenforcement: {require_sso: all}\n"

func TestEnforcement_NeedsAConnectionAndABreakGlassAdministratorWithAPassword(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, "workspace: acme\nowners: [{email: root@acme.test}]\n", ApplyOptions{})
		s.wantRefusal(t, enforced, ApplyOptions{}, errs.KindForbidden, "verified connection", "break-glass administrator with a password")
		s.wantRefusal(t, enforced+"owners: [{email: root@acme.test, break_glass: true}]\n"+
			"connections: [{name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active}]\n", ApplyOptions{}, errs.KindForbidden, "break-glass administrator with a password")
		// All at once, in one file, is fine.
		s.mustApply(t, enforced+"owners: [{email: glass@acme.test, break_glass: true, password_file: root.txt}]\n"+
			"connections: [{name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active}]\n", ApplyOptions{})
		if s.mustConfig(t, "acme").Workspace.Enforcement.RequireSSO != directory.RequireAll {
			t.Error("not enforced")
		}
	})
}

func TestEnforcement_StaysOnWhatItStandsOn(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, strings.Replace(acme, "require_sso: none", "require_sso: all", 1), ApplyOptions{})
		s.wantRefusal(t, "workspace: acme\nconnections: [{name: okta, status: disabled}]\n", ApplyOptions{}, errs.KindForbidden, "last verified connection")
		s.wantRefusal(t, "workspace: acme\nconnections: []\ndirectories: []\n", ApplyOptions{Prune: true}, errs.KindForbidden, "last verified connection")
		s.wantRefusal(t, "workspace: acme\nowners: [{email: root@acme.test, break_glass: false}]\n", ApplyOptions{}, errs.KindForbidden, "break-glass administrator")
		// Somebody without a password cannot take the designation over.
		s.wantRefusal(t, "workspace: acme\nowners: [{email: second@acme.test, break_glass: true}]\n", ApplyOptions{}, errs.KindInvalid, "emergency access is by password and second@acme.test has none")
		s.mustApply(t, "workspace: acme\nowners: [{email: root@acme.test}, {email: third@acme.test, break_glass: true, password_env: ROOT_PASSWORD}]\n", ApplyOptions{})
		if s.member(t, "root@acme.test").BreakGlass || !s.member(t, "third@acme.test").BreakGlass {
			t.Error("the designation did not move")
		}
		s.mustApply(t, "workspace: acme\nconnections: [{name: okta, status: disabled}]\nenforcement: {require_sso: none}\n", ApplyOptions{})
	})
}

func TestEnforcement_NeedsAPasswordProvenLatelyToBeginAndNotToGoOn(t *testing.T) {
	t.Parallel()
	now := epoch
	s := service(storetest.Open(t, storetest.SQLite(t), func() time.Time { return now }))
	s.mustApply(t, acme, ApplyOptions{})
	now = epoch.Add(directory.BreakGlassProof + time.Hour)
	s.wantRefusal(t, enforced, ApplyOptions{}, errs.KindForbidden, "proven within the last 90 days")
	now = epoch.Add(directory.BreakGlassProof - time.Hour)
	s.mustApply(t, enforced, ApplyOptions{})
	now = epoch.Add(2 * directory.BreakGlassProof)
	s.mustApply(t, enforced+"owners: [{email: root@acme.test}, {email: third@acme.test}]\n", ApplyOptions{})
	s.mustApply(t, "workspace: acme\nenforcement: {require_sso: domains, domains: [acme.test]}\n", ApplyOptions{})
	s.wantRefusal(t, "workspace: acme\ndomains: [acme.test, b.test]\nenforcement: {domains: [acme.test, b.test]}\n", ApplyOptions{}, errs.KindForbidden, "90 days")
}

func TestEnforcement_EndsThePasswordSessionsThatItCovers(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		people := map[string]string{"in": s.addMember(t, "a@acme.test", "Agent", true), "outside": s.addMember(t, "a@other.test", "Agent", true),
			"glass": s.member(t, "root@acme.test").ID}
		s.write(t, func(tx *store.Tx) error {
			for name, id := range people {
				tx.InsertSession(&session.Session{ID: "ses_" + name, Member: id, Method: directory.MethodPassword, ExpiresAt: tx.Now().Add(time.Hour)}, "hash "+name)
			}
			return nil
		})
		r := s.mustApply(t, "workspace: acme\nenforcement: {require_sso: domains, domains: [acme.test]}\n", ApplyOptions{})
		if !slices.Contains(r.Notes, "enforcement: 1 sessions that were opened with a password have ended") {
			t.Errorf("%v", r.Notes)
		}
		for name, lives := range map[string]bool{"in": false, "outside": true, "glass": true} {
			_, err := s.DB.SessionByToken(context.Background(), "hash "+name, s.DB.Now())
			if (err == nil) != lives {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestOwners_KeepTheirPasswordAndAListThatIsPresentIsExact(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		hash := func() (hash string) {
			id := s.member(t, "root@acme.test").ID
			s.in(t, func(tx *store.Tx) (err error) { hash, _, err = tx.Credential(id); return err })
			return hash
		}
		before := hash()
		// The variable is not even read for somebody who is there.
		r := s.mustApply(t, "workspace: acme\nowners: [{email: ROOT@acme.test, password_env: UNSET}]\n", ApplyOptions{})
		if hash() != before || !s.member(t, "root@acme.test").BreakGlass {
			t.Errorf("%v", r.Changes)
		}
		if !slices.Equal(r.Changes, []string{"owners.second@acme.test: no longer an owner, now Trainee"}) || s.member(t, "second@acme.test").ManualRole != "" {
			t.Errorf("%v", r.Changes)
		}
		if _, err := ParseFile([]byte("workspace: acme\nowners: []\n"), ""); !errs.Is(err, errs.KindInvalid) || !strings.Contains(err.Error(), "line 2: owners: expected one owner at least") {
			t.Errorf("an empty list: %v", err)
		}
		s.wantRefusal(t, "workspace: acme\nowners:\n- {email: n@acme.test, password_env: UNSET}\n- {email: m@acme.test, password_env: SHORT}\n- {email: o@acme.test, password_file: gone.txt}\n",
			ApplyOptions{DryRun: true}, errs.KindInvalid, "line 3: owners[0].password_env: the environment variable UNSET is empty or not set",
			"line 4: owners[1].password_env: The password is too short", "line 5: owners[2].password_file: file does not exist")
	})
}

func TestOwners_SomebodyWhoIsThereGetsTheirFirstPassword(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		id := s.addMember(t, "a@acme.test", "Agent", true)
		file := "workspace: acme\nowners:\n- {email: root@acme.test}\n- {email: a@acme.test, break_glass: true, password_env: ROOT_PASSWORD}\n"
		r := s.mustApply(t, file, ApplyOptions{})
		if !slices.Contains(r.Changes, "owners.a@acme.test: password set") {
			t.Errorf("%v", r.Changes)
		}
		s.in(t, func(tx *store.Tx) error {
			hash, proven, err := tx.Credential(id)
			if hash == "" || proven.IsZero() {
				t.Errorf("credential %q, proven %s", hash, proven)
			}
			return err
		})
		if again := s.mustApply(t, file, ApplyOptions{}); len(again.Changes) != 0 {
			t.Errorf("applied again: %v", again.Changes)
		}
	})
}

func TestApply_OfADomainThatAnotherWorkspaceHasIsRefused(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		s.wantRefusal(t, "workspace: neighbour\ndomains: [ACME.test.]\n", ApplyOptions{}, errs.KindConflict, "domains: acme.test is proven by another workspace")
		s.mustApply(t, "workspace: acme\ndomains: []\n", ApplyOptions{})
		r := s.mustApply(t, "workspace: neighbour\ndomains: [ACME.test., gmail.com, münchen.de]\n", ApplyOptions{})
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "domains: taken on the operator's word: gmail.com") }) ||
			!slices.Contains(r.Changes, "domains[xn--mnchen-3ya.de]: added") {
			t.Errorf("%v, %v", r.Notes, r.Changes)
		}
	})
}

func TestApply_ListsEveryOneOfManyChangesInItsEvents(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		n := s.events(t)
		text := "workspace: acme\nrole_mappings:\n"
		for i := range 450 {
			text += "- {group: g" + strings.Repeat("x", i) + ", role: Agent}\n"
		}
		s.mustApply(t, text, ApplyOptions{})
		told := 0
		for _, e := range s.log(t)[n:] {
			told += len(e.Changes)
		}
		if told != 452 {
			t.Errorf("%d changes are on record, want 450 added and 2 removed", told)
		}
	})
}

package settings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

var operator = audit.Party{Kind: "operator", Name: "tests"}

// acme is a workspace with everything in it.
const acme = `
workspace: acme
name: Acme Inc
preset: omniflow
policy: {reactivation: restore}
domains: [acme.test]
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: second@acme.test, name: Second}
role_mappings:
  - {directory: okta, group: Omniflow-Admins, role: Admin}
  - {group: Everybody, role: Trainee}
connections:
  - {name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active}
  - {name: entra, provider: entra, protocol: oidc}
directories:
  - {name: okta, connection: okta, policy: {group_loss: keep}}
enforcement: {require_sso: none}
`

// oktaIdP is the other side of acme's connection.
var oktaIdP = samltest.NewIdP("http://www.okta.com/exk1")

func service(db *store.DB) *Service {
	return &Service{DB: db, Passwords: keys.NewPasswords(0), PublicURL: "https://gate.test/", SCIMPublicURL: "https://scim.test",
		Getenv: func(name string) string {
			return map[string]string{"ROOT_PASSWORD": "correct horse battery", "SHORT": "short"}[name]
		},
		ReadFile: func(name string) ([]byte, error) {
			switch name {
			case "/etc/acme/root.txt":
				return []byte("correct horse battery\n"), nil
			case "/etc/acme/okta.xml":
				return oktaIdP.Metadata(), nil
			}
			return nil, os.ErrNotExist
		},
	}
}

func parse(t testing.TB, text string) *File {
	t.Helper()
	f, err := ParseFile([]byte(text), "/etc/acme")
	if err != nil {
		t.Fatalf("parse: %v\n%s", err, text)
	}
	return f
}

func (s *Service) mustApply(t *testing.T, text string, o ApplyOptions) Result {
	t.Helper()
	r, err := s.tryApply(t, text, o)
	if err != nil {
		t.Fatalf("apply: %v\n%s", err, text)
	}
	return r
}

func (s *Service) tryApply(t *testing.T, text string, o ApplyOptions) (Result, error) {
	t.Helper()
	o.Actor = operator
	return s.Apply(context.Background(), parse(t, text), o)
}

func (s *Service) wantRefusal(t *testing.T, text string, o ApplyOptions, kind errs.Kind, parts ...string) {
	t.Helper()
	before := s.mustConfig(t, "acme")
	events := s.events(t)
	_, err := s.tryApply(t, text, o)
	if errs.KindOf(err) != kind {
		t.Fatalf("got %v (%s), want a refusal of kind %s", err, errs.KindOf(err), kind)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the refusal does not say %q:\n%v", part, err)
		}
	}
	if after := s.mustConfig(t, "acme"); after.Workspace.Version != before.Workspace.Version || s.events(t) != events {
		t.Error("a refused apply left something behind")
	}
}

func (s *Service) mustConfig(t *testing.T, slug string) *directory.Config {
	t.Helper()
	_, cfg, err := s.Workspace(context.Background(), slug)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// events counts the events of acme.
func (s *Service) events(t *testing.T) int {
	t.Helper()
	return len(s.log(t))
}

func (s *Service) log(t *testing.T) (all []audit.Event) {
	t.Helper()
	if _, err := s.DB.Sequence(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.in(t, func(tx *store.Tx) error {
		var err error
		all, err = tx.EventsAfter(0, 1000)
		return err
	})
	return all
}

// in reads acme.
func (s *Service) in(t *testing.T, fn func(*store.Tx) error) {
	t.Helper()
	id, err := s.DB.System().WorkspaceBySlug(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DB.Read(context.Background(), id, fn); err != nil {
		t.Fatal(err)
	}
}

func (s *Service) member(t *testing.T, address string) *directory.Member {
	t.Helper()
	var m *directory.Member
	s.in(t, func(tx *store.Tx) (err error) {
		m, err = tx.MemberByEmail(address)
		return err
	})
	return m
}

func each(t *testing.T, fn func(t *testing.T, s *Service)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { fn(t, service(db)) })
}

func TestApply_MakesAWorkspaceAndTellsWhatItMade(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		r := s.mustApply(t, acme, ApplyOptions{})
		want := []string{
			"workspace: created with the preset omniflow",
			"domains[acme.test]: added",
			"role_mappings[*: Everybody]: added, Trainee",
			"role_mappings[okta: Omniflow-Admins]: added, Admin",
			"connections.entra: added",
			"connections.okta: added",
			"directories.okta: added",
			"owners.root@acme.test: added",
			"owners.second@acme.test: added",
		}
		if !slices.Equal(r.Changes, want) {
			t.Errorf("changes:\n%s\nwant:\n%s", strings.Join(r.Changes, "\n"), strings.Join(want, "\n"))
		}
		con := r.Connections[slices.IndexFunc(r.Connections, func(c ConnectionView) bool { return c.Name == "okta" })]
		if con.MetadataURL != "https://gate.test/auth/saml/"+con.ID+"/metadata" || con.EntityID != con.MetadataURL ||
			con.ACSURL != "https://gate.test/auth/saml/"+con.ID+"/acs" || con.CallbackURL != "" || con.Status != "active" {
			t.Errorf("%+v", con)
		}
		if r.Directories[0].BaseURL != "https://scim.test/scim/v2" || !strings.HasPrefix(r.Directories[0].ID, "dir_") {
			t.Errorf("%+v", r.Directories)
		}
		cfg := s.mustConfig(t, "acme")
		if names := cfg.Roles.Names(); !slices.Equal(names, []string{"Owner", "Admin", "Supervisor", "Agent", "Trainee"}) {
			t.Errorf("roles %v", names)
		}
		if p := cfg.PolicyFor(r.Directories[0].ID); p.GroupLoss != directory.GroupLossKeep || cfg.Workspace.Policy.GroupLoss != directory.GroupLossDeactivate {
			t.Errorf("%+v", p)
		}
		if !cfg.HasVerifiedConnection() {
			t.Error("an operator's status: active does not count as verified")
		}
		root := s.member(t, "root@acme.test")
		if !root.BreakGlass || root.Role != cfg.Roles.Owner().ID || s.member(t, "second@acme.test").BreakGlass {
			t.Errorf("%+v", root)
		}
		s.in(t, func(tx *store.Tx) error {
			hash, proven, err := tx.Credential(root.ID)
			if ok, _ := keys.VerifyPassword(hash, "correct horse battery"); !ok || proven.IsZero() {
				t.Errorf("password %q proven %v", hash, proven)
			}
			return err
		})
	})
}

func TestApply_OfTheSameFileAgainChangesAndRecordsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		first := s.mustApply(t, acme, ApplyOptions{})
		before, events := s.mustConfig(t, "acme"), s.events(t)
		again := s.mustApply(t, acme, ApplyOptions{})
		if len(again.Changes) != 0 || again.Changes == nil {
			t.Errorf("changes %v", again.Changes)
		}
		if s.events(t) != events || s.mustConfig(t, "acme").Workspace.Version != before.Workspace.Version {
			t.Error("the second apply wrote something")
		}
		if fmt.Sprint(first.Workspace, first.Directories) != fmt.Sprint(again.Workspace, again.Directories) {
			t.Error("ids moved")
		}
	})
}

func TestApply_TellsEachChangeAndRecordsIt(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		n := s.events(t)
		r := s.mustApply(t, `
workspace: acme
policy: {reactivation: new_identity, scim_allowed: no, invite_on_create: yes}
domains: [acme.test, other.test]
role_mappings: [{directory: okta, group: Omniflow-Admins, role: Supervisor}]
connections: [{name: entra, status: disabled}]
directories: [{name: OKTA, connection: entra, enabled: false, policy: {group_loss: inherit, reactivation: restore}}]
`, ApplyOptions{})
		want := []string{
			"policy.invite_on_create: no -> yes",
			"policy.reactivation: restore -> new_identity",
			"policy.scim_allowed: yes -> no",
			"domains[other.test]: added",
			"role_mappings[*: Everybody]: removed",
			"role_mappings[okta: Omniflow-Admins]: Admin -> Supervisor",
			"connections.entra.status: draft -> disabled",
			"directories.okta.connection: okta -> entra",
			"directories.okta.policy.group_loss: keep -> (none)",
			"directories.okta.policy.reactivation: (none) -> restore",
			"directories.okta.status: enabled -> paused",
		}
		if !slices.Equal(r.Changes, want) {
			t.Errorf("changes:\n%s\nwant:\n%s", strings.Join(r.Changes, "\n"), strings.Join(want, "\n"))
		}
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.HasPrefix(n, "connections.okta: ") }) {
			t.Errorf("the connection that was kept is not noted: %v", r.Notes)
		}
		var fields []string
		for _, e := range s.log(t)[n:] {
			if e.Actor != operator {
				t.Errorf("%s by %+v", e.Type, e.Actor)
			}
			for _, c := range e.Changes {
				fields = append(fields, fmt.Sprint(e.Type, " ", c.Field, " ", c.From, ">", c.To))
			}
		}
		for _, want := range []string{"workspace.applied policy.reactivation restore>new_identity", "connection.changed connections.entra.status draft>disabled"} {
			if !slices.Contains(fields, want) {
				t.Errorf("no event with %q:\n%s", want, strings.Join(fields, "\n"))
			}
		}
		cfg := s.mustConfig(t, "acme")
		if d := cfg.Directories[0]; d.Status != directory.DirectoryPaused || d.Override.GroupLoss != nil || *d.Override.Reactivation != directory.ReactivationRestore {
			t.Errorf("%+v", d)
		}
	})
}

func TestApply_DryRunComputesEverythingAndKeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		r := s.mustApply(t, acme, ApplyOptions{DryRun: true})
		if len(r.Changes) < 5 || r.Workspace.ID != "" || r.Directories[0].ID != "" || r.Connections[0].MetadataURL != "" {
			t.Errorf("%+v", r)
		}
		if _, _, err := s.Workspace(context.Background(), "acme"); !errs.Is(err, errs.KindNotFound) {
			t.Fatalf("the dry run made the workspace: %v", err)
		}
		s.mustApply(t, acme, ApplyOptions{})
		events := s.events(t)
		r = s.mustApply(t, "workspace: acme\nname: Other\n", ApplyOptions{DryRun: true})
		if !slices.Equal(r.Changes, []string{"name: Acme Inc -> Other"}) || s.events(t) != events || s.mustConfig(t, "acme").Workspace.Name != "Acme Inc" {
			t.Errorf("%+v", r.Changes)
		}
		s.wantRefusal(t, "workspace: acme\nrole_mappings: [{group: X, role: Owner}]\n", ApplyOptions{DryRun: true}, errs.KindInvalid, "cannot be mapped")
	})
}

func TestApply_RefusesWhatWasChangedElsewhere(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, acme, ApplyOptions{})
		// Somebody else changes the policy and adds a domain.
		id, cfg, err := s.Workspace(context.Background(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		err = s.DB.Write(context.Background(), id, func(tx *store.Tx) error {
			w := cfg.Workspace
			w.Policy.Reactivation = directory.ReactivationNewIdentity
			w.Policy.SCIMAllowed = false
			tx.InsertDomain("console.test")
			if err := tx.UpdateWorkspace(w); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
		if err != nil {
			t.Fatal(err)
		}
		s.wantRefusal(t, acme, ApplyOptions{}, errs.KindConflict,
			"policy.reactivation: last applied restore, now new_identity, file restore",
			"domains[console.test]: last applied (none), now yes, file (none)")
		// What the file does not have, or has as it now is, does not count.
		r := s.mustApply(t, "workspace: acme\npolicy: {reactivation: new_identity}\nname: Acme\n", ApplyOptions{})
		if !slices.Equal(r.Changes, []string{"name: Acme Inc -> Acme"}) {
			t.Errorf("%v", r.Changes)
		}
		r = s.mustApply(t, acme, ApplyOptions{Force: true})
		if !slices.Contains(r.Changes, "policy.reactivation: new_identity -> restore") || s.mustConfig(t, "acme").Workspace.Policy.SCIMAllowed {
			t.Errorf("%v", r.Changes)
		}
	})
}

func TestExport_AppliedBackChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		for _, text := range []string{
			acme,
			"workspace: acme\npolicy: {roles: ['yes', 'Ägent: 1', \"#x\", 'null', '- a']}\n",
			"workspace: acme\nrole_mappings: [{group: 'on', role: '#x'}, {group: \" [a] \U0001F600 \", role: '- a'}, {group: '*', role: 'null'}]\n",
			"workspace: acme\npreset: omni\npolicy: {required_attributes: []}\n",
			"workspace: acme\nenforcement: {require_sso: domains, domains: [acme.test]}\n",
		} {
			if strings.Contains(text, "Ägent") {
				// Trainee is the lowest role and nobody has it but by mapping.
				s.mustApply(t, "workspace: acme\nrole_mappings: []\n", ApplyOptions{})
			}
			s.mustApply(t, text, ApplyOptions{})
			out, err := s.Export(context.Background(), "acme")
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(strings.ToLower(string(out)), "password") {
				t.Errorf("a password is exported:\n%s", out)
			}
			events := s.events(t)
			for _, prune := range []bool{false, true} {
				if r := s.mustApply(t, string(out), ApplyOptions{Prune: prune}); len(r.Changes)+len(r.Notes) > 0 || s.events(t) != events {
					t.Errorf("changes %v notes %v of\n%s", r.Changes, r.Notes, out)
				}
			}
		}
		if _, err := s.Export(context.Background(), "nobody"); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("%v", err)
		}
	})
}

func TestApply_TwoAtOnceEndInOneOfTheTwoOrders(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const one = "workspace: acme\nname: One\npreset: omniflow\nrole_mappings: [{group: A, role: Admin}, {group: B, role: Admin}]\ndomains: [one.test]\n"
		const two = "workspace: acme\nname: Two\npreset: omnivoo\nrole_mappings: [{group: C, role: Admin}]\ndomains: [two.test]\n"
		for round := range 8 {
			if round > 0 { // the first round makes the workspace; the others start from a third state
				s.mustApply(t, "workspace: acme\nname: Three\npreset: omni\nrole_mappings: []\ndomains: [three.test]\n", ApplyOptions{})
			}
			done := make(chan error, 2)
			for _, f := range []*File{parse(t, one), parse(t, two)} {
				go func() {
					_, err := s.Apply(context.Background(), f, ApplyOptions{Actor: operator})
					done <- err
				}()
			}
			if err := errors.Join(<-done, <-done); err != nil {
				t.Fatal(err)
			}
			cfg := s.mustConfig(t, "acme")
			got := fmt.Sprintf("%s %s %d %v", cfg.Workspace.Name, cfg.Workspace.Preset, len(cfg.Mappings), cfg.Domains)
			if got != "One omniflow 2 [one.test]" && got != "Two omnivoo 1 [two.test]" {
				t.Fatalf("a mixture of both: %s", got)
			}
		}
	})
}

package settings

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// busy is a workspace in which groups and claims give roles, and losing the last group puts out.
const busy = `
workspace: acme
preset: omniflow
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
  - {email: second@acme.test}
role_mappings:
  - {directory: okta, group: Admins, role: Admin}
  - {group: Agents, role: Agent}
connections:
  - {name: okta, provider: okta, protocol: saml, metadata_file: okta.xml, status: active}
  - {name: entra, provider: entra, protocol: oidc}
directories:
  - {name: okta, connection: okta}
  - {name: entra}
`

// company fills acme with n people of every sort: by group, by claim, by hand, pending, put out by each source, with a
// role from before a return, erased. Who is which is decided by the remainder of their number.
func (s *Service) company(t testing.TB, n int, driver store.Driver) {
	t.Helper()
	ctx := context.Background()
	id, cfg, err := s.Workspace(ctx, "acme")
	if err != nil {
		t.Fatal(err)
	}
	dir, _ := findDirectory(cfg, "okta")
	other, _ := findDirectory(cfg, "entra")
	con, _ := findConnection(cfg, "okta")
	role := func(name string) string {
		r, _ := cfg.Roles.ByName(name)
		return r.ID
	}
	groups := map[string]string{}
	err = s.DB.Write(ctx, id, func(tx *store.Tx) error {
		for _, name := range []string{"Admins", "Agents", "Later", "Nothing"} {
			groups[name] = keys.ID("grp_", tx.Now())
			tx.InsertGroup(&store.Group{Group: directory.Group{ID: groups[name], Directory: dir.ID, DisplayName: name}, Document: "{}"})
		}
		groups["Admins of entra"] = keys.ID("grp_", tx.Now())
		tx.InsertGroup(&store.Group{Group: directory.Group{ID: groups["Admins of entra"], Directory: other.ID, DisplayName: "Admins"}, Document: "{}"})
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	})
	for from := 0; err == nil && from < n; from += 1000 {
		err = s.DB.Write(ctx, id, func(tx *store.Tx) error {
			joined := map[string][]string{}
			for i := from; i < min(n, from+1000); i++ {
				address := fmt.Sprintf("p%d@acme.test", i)
				m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: address, Name: fmt.Sprint("Person ", i), Stage: directory.StageActive, WasIn: true, Role: role("Trainee"),
					RoleReason: directory.RoleReason{Source: directory.RoleByDefault, At: tx.Now()}, Directory: dir.ID, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
				u := &store.SCIMUser{ID: keys.UUID(), Directory: dir.ID, Member: m.ID, UserName: address, ExternalID: fmt.Sprint("x", i), Active: true, Document: `{}`}
				in := func(names ...string) {
					for _, name := range names {
						joined[name] = append(joined[name], u.ID)
					}
				}
				switch i % 14 {
				case 0:
					in("Admins")
				case 1:
					in("Admins", "Agents")
				case 2:
					in("Agents", "Later")
				case 3:
					in("Later")
				case 4:
					in("Admins")
					m.Role, m.ManualRole, m.RoleReason.Source = role("Supervisor"), role("Supervisor"), directory.RoleByHand
				case 5:
					in("Admins")
					m.Stage, m.WasIn = directory.StagePending, false
				case 6:
					in("Admins", "Later")
					m.Sources, u.Active = m.Sources.With(directory.SourceIdP), false
				case 7:
					in("Later")
					m.Sources = m.Sources.With(directory.SourceGroupLoss)
				case 8:
					in("Later")
					m.Sources = m.Sources.With(directory.SourceGroupLoss).With(directory.SourceOwner)
				case 9: // single sign-on asserts a group, and no directory knows the person
					m.Directory, u = "", nil
					tx.SaveClaims(m.ID, con.ID, []string{"Claimed", "Other"})
				case 10:
					in("Later")
					tx.SaveClaims(m.ID, con.ID, []string{"Claimed"})
				case 11:
					m.Role, m.RoleReason.Source = role("Supervisor"), directory.RoleKept
				case 12:
					in("Nothing")
					m.Stage, m.WasIn = directory.StageInvited, false
				case 13:
					u.Directory, m.Directory = other.ID, other.ID
					in("Admins of entra")
					if i%28 == 13 {
						m.Stage, m.Email, m.Name = directory.StageErased, "", ""
					}
				}
				tx.InsertMember(m)
				if u != nil {
					tx.InsertSCIMUser(u)
				}
			}
			for name, ids := range joined {
				if _, err := tx.AddGroupMembers(groups[name], ids); err != nil {
					return err
				}
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	if driver != nil && s.DB.Name() == "postgres" { // as a server has it done every few seconds
		if err := driver.Write(ctx, func(c store.Conn) error {
			_, err := c.Exec(ctx, "ANALYZE")
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	// From here on roles are as the rules say.
	if _, err := s.ApplyChange(ctx, "acme", Change{AddMappings: []NewMapping{{Match: "Nobody's", Role: "Agent"}}}, "", Page{}, operator); err != nil {
		t.Fatal(err)
	}
}

// standings is where everybody of acme stands, by id.
func (s *Service) standings(t testing.TB) map[string]Standing {
	t.Helper()
	out := map[string]Standing{}
	id, cfg, err := s.Workspace(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.DB.Read(context.Background(), id, func(tx *store.Tx) error {
		for after := ""; ; {
			members, err := tx.MembersAfter(after, 1000)
			for i := range members {
				after = members[i].ID
				out[after] = standing(cfg, &members[i])
			}
			if err != nil || len(members) < 1000 {
				return err
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// moved is whom two moments differ in.
func moved(before, after map[string]Standing) map[string][2]Standing {
	out := map[string][2]Standing{}
	for id, was := range before {
		if after[id] != was {
			out[id] = [2]Standing{was, after[id]}
		}
	}
	for id, is := range after {
		if _, there := before[id]; !there {
			out[id] = [2]Standing{{}, is}
		}
	}
	return out
}

// named is whom pages of an effect name.
func named(t testing.TB, pages ...Effect) map[string][2]Standing {
	t.Helper()
	out := map[string][2]Standing{}
	kinds := 0
	for _, k := range pages[0].Kinds {
		kinds += k.Members
	}
	for _, p := range pages {
		for _, c := range p.Changes {
			if _, twice := out[c.Member]; twice || c.Email == "" || c.Why == "" {
				t.Errorf("%+v", c)
			}
			out[c.Member] = [2]Standing{c.Was, c.Becomes}
		}
	}
	if n := pages[0].Members; len(out) != n || kinds != n || pages[len(pages)-1].More {
		t.Errorf("%d people are told, %d by kind, and %d is the total", len(out), kinds, n)
	}
	return out
}

// same holds two sets of people against one another.
func same(t testing.TB, what string, got, want map[string][2]Standing) {
	t.Helper()
	if maps.Equal(got, want) {
		return
	}
	shown := 0
	for id := range want {
		if got[id] != want[id] && shown < 5 {
			shown++
			t.Errorf("%s: %s: %v, want %v", what, id, got[id], want[id])
		}
	}
	t.Errorf("%s: %d people, want %d", what, len(got), len(want))
}

// previewed reads a preview to its end, in pages of a size.
func (s *Service) previewed(t testing.TB, c Change, size int) (first Preview, all []Effect) {
	t.Helper()
	for skip := 0; ; skip += size {
		p, err := s.PreviewChange(context.Background(), "acme", c, Page{Skip: skip, Limit: size}, operator)
		if err != nil {
			t.Fatal(err)
		}
		if skip == 0 {
			first = p
		} else if p.Word != first.Word || p.Members != first.Members {
			t.Fatalf("the pages differ: %s %d, %s %d", p.Word, p.Members, first.Word, first.Members)
		}
		if all = append(all, p.Effect); !p.More {
			return first, all
		}
	}
}

func (s *Service) mappingID(t testing.TB, group string) string {
	t.Helper()
	_, cfg, err := s.Workspace(context.Background(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(cfg.Mappings, func(m directory.RoleMapping) bool { return m.Match == group })
	if i < 0 {
		t.Fatalf("no mapping of %s", group)
	}
	return cfg.Mappings[i].ID
}

func TestEffect_OfTenThousandTheSetThatIsNamedIsTheSetThatChanges(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			driver := open(t)
			s := service(storetest.Open(t, driver, nil))
			s.mustApply(t, busy, ApplyOptions{})
			s.company(t, 10_000, driver)
			// Removing it gives the lowest role to those who had one by it, adding another brings people back.
			s.holds(t, 4*10_000/14, Change{RemoveMappings: []string{s.mappingID(t, "Admins")}, AddMappings: []NewMapping{{Match: "claimed", Role: "Admin", Connection: "okta"}}})
			s.holds(t, 4*10_000/14, Change{AddMappings: []NewMapping{{Match: "Later", Role: "Supervisor"}}})
		})
	}
}

func TestEffect_TheSetThatIsNamedIsTheSetThatChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		const people = 700
		s.mustApply(t, busy, ApplyOptions{})
		s.company(t, people, nil)
		each14 := people / 14
		for _, c := range []struct {
			name   string
			change func() Change
			some   int // whom it concerns at the least
			none   bool
		}{
			{"a mapping is removed, and group loss puts nobody out by it", func() Change { return Change{RemoveMappings: []string{s.mappingID(t, "Admins")}} }, 4 * each14, false},
			{"a mapping is added, which brings back who is out by group loss alone", func() Change {
				return Change{AddMappings: []NewMapping{{Match: "Later", Role: "Supervisor"}, {Match: "Admins", Role: "Admin", Directory: "okta"}}}
			}, 8 * each14, false},
			{"a group has another role", func() Change {
				return Change{RemoveMappings: []string{s.mappingID(t, "Later")}, AddMappings: []NewMapping{{Match: "later", Role: "Admin"}}}
			}, 4 * each14, false},
			{"a claim gives a role, behind the groups of a directory", func() Change {
				return Change{AddMappings: []NewMapping{{Match: "claimed", Role: "Admin", Connection: "okta"}}}
			}, each14, false},
			{"roles come from nowhere but the default", func() Change { return Change{Policy: map[string]string{"role_source": "default_role"}} }, 7 * each14, false},
			{"roles come from mappings again", func() Change { return Change{Policy: map[string]string{"role_source": "mapping"}} }, 7 * each14, false},
			{"what is decided later changes nobody", func() Change {
				return Change{Policy: map[string]string{"group_loss": "keep", "reactivation": "new_identity", "provision_on": "scim", "invite_on_create": "yes", "required_attributes": "email, displayName"},
					Directories: map[string]map[string]string{"okta": {"group_loss": "deactivate", "provision_on": "first_login"}}}
			}, 0, true},
		} {
			if changed := s.holds(t, c.some, c.change()); c.none != (changed == 0) {
				t.Errorf("%s: %d people", c.name, changed)
			}
		}
	})
}

// holds carries a change out under the word of its preview, and holds what was named before, what is told afterwards, and
// what changed against one another. It returns how many that are, some at the least.
func (s *Service) holds(t *testing.T, some int, change Change) int {
	t.Helper()
	before := s.standings(t)
	shown, pages := s.previewed(t, change, 4000)
	if now := s.standings(t); !maps.Equal(now, before) {
		t.Fatalf("%+v: the preview changed something", change)
	}
	done, err := s.ApplyChange(context.Background(), "acme", change, shown.Word, Page{Limit: MaxRows}, operator)
	if err != nil {
		t.Fatalf("%+v: %v", change, err)
	}
	changed := moved(before, s.standings(t))
	same(t, "named before", named(t, pages...), changed)
	same(t, "told afterwards", named(t, done.Effect), changed)
	if len(changed) < some || done.SameRole != shown.SameRole {
		t.Errorf("%+v: %d people, expected at least %d; %d keep their role for another reason, %d were to", change, len(changed), some, done.SameRole, shown.SameRole)
	}
	if len(shown.Settings) == 0 || len(changed) == 0 && len(shown.Later) != len(shown.Settings) {
		t.Errorf("%q, later %q", shown.Settings, shown.Later)
	}
	for id, m := range changed {
		if strings.HasPrefix(m[0].Role, "Owner") || m[1].Status == directory.StatusDeactivated && m[0].Status != directory.StatusDeactivated {
			t.Errorf("%s %v", id, m)
		}
	}
	return len(changed)
}

func TestEffect_OfAFileTheSetThatADryRunNamesIsTheSetThatChanges(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, busy, ApplyOptions{})
		s.company(t, 140, nil)
		for _, c := range []struct {
			name, file string
			prune      bool
		}{
			{"roles are ranked anew, and a mapping is gone", "policy: {roles: [Owner, Agent, Admin, Supervisor, Trainee]}\nrole_mappings: [{group: Agents, role: Agent}, {group: Admins, role: Admin}, {group: Later, role: Trainee}]", false},
			{"an owner is named who is there, and another one no more", "owners: [{email: root@acme.test, break_glass: true}, {email: p0@acme.test}, {email: new@acme.test}]", false},
			{"a directory goes with its groups", "directories: [{name: okta, connection: okta}]\nrole_mappings: [{group: Agents, role: Agent}, {group: Admins, role: Supervisor}, {group: claimed, role: Admin}]", true},
			{"connections and directories go", "directories: []\nconnections: []", true},
			{"another preset", "preset: omni", false},
		} {
			text := "workspace: acme\n" + c.file + "\n"
			before := s.standings(t)
			shown := s.mustApply(t, text, ApplyOptions{DryRun: true, Prune: c.prune, Force: true, Page: Page{Limit: MaxRows}})
			if now := s.standings(t); !maps.Equal(now, before) {
				t.Fatalf("%s: the dry run changed something", c.name)
			}
			done := s.mustApply(t, text, ApplyOptions{Prune: c.prune, Force: true, Word: shown.Word, Page: Page{Limit: MaxRows}})
			changed := moved(before, s.standings(t))
			fresh := func(set map[string][2]Standing) map[string][2]Standing { // an id that is made by it is known afterwards
				out := map[string][2]Standing{}
				for id, m := range set {
					if m[0] == (Standing{}) {
						id = ""
					}
					out[id] = m
				}
				return out
			}
			same(t, c.name+": named before", fresh(named(t, *shown.Affects)), fresh(changed))
			same(t, c.name+": told afterwards", fresh(named(t, *done.Affects)), fresh(changed))
			if len(changed) == 0 {
				t.Errorf("%s: nobody changes", c.name)
			}
		}
	})
}

func TestEffect_WhatWasChangedSinceItWasShownIsTold(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, busy, ApplyOptions{})
		s.company(t, 56, nil)
		change := Change{RemoveMappings: []string{s.mappingID(t, "Admins")}}
		file := "workspace: acme\nrole_mappings: [{group: Agents, role: Agent}, {group: Nobody's, role: Agent}]\n"
		shown, _ := s.previewed(t, change, 1000)
		dry := s.mustApply(t, file, ApplyOptions{DryRun: true})
		if dry.Affects.Members != shown.Members || shown.Members == 0 {
			t.Fatalf("%d, %d", dry.Affects.Members, shown.Members)
		}

		// Somebody has a role by hand now, whom the change would have concerned.
		id, cfg, err := s.Workspace(ctx, "acme")
		if err != nil {
			t.Fatal(err)
		}
		agent, _ := cfg.Roles.ByName("Agent")
		touch := func(manual string) {
			t.Helper()
			if err := s.DB.Write(ctx, id, func(tx *store.Tx) error {
				m, err := tx.MemberByEmail("p0@acme.test")
				if err != nil {
					return err
				}
				m.Role, m.ManualRole = agent.ID, manual
				tx.UpdateMember(m)
				return tx.Record(audit.Event{Type: audit.MemberRoleChanged})
			}); err != nil {
				t.Fatal(err)
			}
		}
		touch(agent.ID)
		before, events := s.standings(t), s.events(t)
		if _, err := s.ApplyChange(ctx, "acme", change, shown.Word, Page{}, operator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("somebody else's role was changed meanwhile: %v", err)
		}
		if _, err := s.tryApply(t, file, ApplyOptions{Word: dry.Word}); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("somebody else's role was changed meanwhile, by a file: %v", err)
		}
		// And so is another mapping.
		shown, _ = s.previewed(t, change, 1000)
		if _, err := s.AddRoleMapping(ctx, "acme", NewMapping{Match: "Admins", Role: "Agent"}, operator); err != nil {
			t.Fatal(err)
		}
		now := s.standings(t)
		if _, err := s.ApplyChange(ctx, "acme", change, shown.Word, Page{}, operator); errs.CodeOf(err) != "changed_meanwhile" {
			t.Errorf("another mapping was added meanwhile: %v", err)
		}
		if !maps.Equal(now, s.standings(t)) || maps.Equal(now, before) && s.events(t) == events {
			t.Error("a refused change left something behind")
		}
		// A mapping that somebody else has removed already is not there.
		if err := s.RemoveRoleMapping(ctx, "acme", change.RemoveMappings[0], operator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ApplyChange(ctx, "acme", change, shown.Word, Page{}, operator); errs.CodeOf(err) != "mapping_unknown" {
			t.Errorf("removed twice: %v", err)
		}
	})
}

func TestChange_IsRefusedWhereItCannotBeSetOrIsNotTheActorsToSet(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		ctx := context.Background()
		s.mustApply(t, busy, ApplyOptions{})
		owner := s.member(t, "root@acme.test")
		byOwner := audit.Party{Kind: "member", ID: owner.ID}
		admin := audit.Party{Kind: "member", ID: keys.ID("mem_", s.DB.Now())}
		cfg := s.mustConfig(t, "acme")
		role, _ := cfg.Roles.ByName("Admin")
		if err := s.DB.Write(ctx, cfg.Workspace.ID, func(tx *store.Tx) error {
			tx.InsertMember(&directory.Member{ID: admin.ID, Email: "admin@acme.test", Stage: directory.StageActive, WasIn: true, Role: role.ID, ManualRole: role.ID,
				RoleReason: directory.RoleReason{Source: directory.RoleByHand}})
			return tx.Record(audit.Event{Type: audit.MemberCreated})
		}); err != nil {
			t.Fatal(err)
		}
		key := audit.Party{Kind: "api_key", ID: "key_1"}
		type words = map[string]string
		for _, c := range []struct {
			name   string
			change Change
			by     audit.Party
			code   string
		}{
			{"an unknown key", Change{Policy: words{"group_lost": "keep"}}, byOwner, "policy_invalid"},
			{"an unknown word", Change{Policy: words{"group_loss": "maybe"}}, byOwner, "policy_invalid"},
			{"no word", Change{Policy: words{"scim_requires_sso": ""}}, byOwner, "policy_invalid"},
			{"inherit without a directory", Change{Policy: words{"group_loss": "inherit"}}, byOwner, "policy_invalid"},
			{"an unknown attribute", Change{Policy: words{"required_attributes": "email, shoeSize"}}, byOwner, "policy_invalid"},
			{"a directory that is not there", Change{Directories: map[string]words{"google": {"group_loss": "keep"}}}, byOwner, "directory_unknown"},
			{"what a directory cannot have of its own", Change{Directories: map[string]words{"okta": {"role_source": "mapping"}}}, byOwner, "policy_invalid"},
			{"SCIM is the operator's to switch off", Change{Policy: words{"scim_allowed": "no"}}, byOwner, "operator_only"},
			{"adoption is an owner's", Change{Policy: words{"adoption": "ask_admin"}}, admin, "owner_only"},
			{"adoption is an owner's, and no key's", Change{Policy: words{"adoption": "ask_admin"}}, key, "owner_only"},
			{"adoption of a directory is an owner's", Change{Directories: map[string]words{"okta": {"adoption": "ask_admin"}}}, admin, "owner_only"},
			{"the owner role is not mapped", Change{AddMappings: []NewMapping{{Match: "X", Role: "Owner"}}}, byOwner, "owner_role"},
			{"a group twice", Change{AddMappings: []NewMapping{{Match: "X", Role: "Agent"}, {Match: "x", Role: "Admin"}}}, byOwner, "mapping_taken"},
			{"an unknown mapping", Change{RemoveMappings: []string{"map_1"}}, byOwner, "mapping_unknown"},
		} {
			if _, err := s.PreviewChange(ctx, "acme", c.change, Page{}, c.by); errs.CodeOf(err) != c.code {
				t.Errorf("%s: the preview says %v, want %s", c.name, err, c.code)
			}
			events := s.events(t)
			if _, err := s.ApplyChange(ctx, "acme", c.change, "", Page{}, c.by); errs.CodeOf(err) != c.code || s.events(t) != events {
				t.Errorf("%s: %v, want %s", c.name, err, c.code)
			}
		}
		// What is so already is nobody's harm, and leaves no event.
		events := s.events(t)
		nothing, err := s.ApplyChange(ctx, "acme", Change{Policy: words{"scim_allowed": "yes", "adoption": "link", "required_attributes": "email"}}, "", Page{}, admin)
		if err != nil || len(nothing.Settings) != 0 || s.events(t) != events {
			t.Errorf("%+v, %v", nothing, err)
		}
		done, err := s.ApplyChange(ctx, "acme", Change{Policy: words{"adoption": "ask_admin"}, Directories: map[string]words{"okta": {"group_loss": "keep"}}}, "", Page{}, byOwner)
		if err != nil || len(done.Settings) != 2 {
			t.Errorf("%+v, %v", done, err)
		}
		if _, err := s.ApplyChange(ctx, "acme", Change{Directories: map[string]words{"okta": {"group_loss": "inherit"}}}, "", Page{}, admin); err != nil {
			t.Error(err)
		}
		view, err := s.Policy(ctx, "acme")
		if err != nil || view.Preset != "omniflow" || len(view.Rows) != len(policyKeys()) {
			t.Errorf("%+v, %v", view, err)
		}
		if _, err := s.PreviewChange(ctx, "elsewhere", Change{}, Page{}, byOwner); errs.KindOf(err) != errs.KindNotFound {
			t.Errorf("of another workspace: %v", err)
		}
	})
}

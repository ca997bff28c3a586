package directory_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestPresets_AreTheTableOfTheDesign(t *testing.T) {
	want := map[string]directory.Preset{
		"omniflow": {
			Policy: directory.Policy{ProvisionOn: "both", Reactivation: "restore", GroupLoss: "deactivate", RoleSource: "mapping",
				SCIMRequiresSSO: false, SCIMAllowed: true, InviteOnCreate: false, RequiredAttributes: []string{"email"}, Adoption: "link"},
			Roles: []string{"Owner", "Admin", "Supervisor", "Agent", "Trainee"},
		},
		"omni": {
			Policy: directory.Policy{ProvisionOn: "both", Reactivation: "new_identity", GroupLoss: "keep", RoleSource: "default_role",
				SCIMRequiresSSO: true, SCIMAllowed: false, InviteOnCreate: false, RequiredAttributes: []string{"userName"}, Adoption: "link"},
			Roles: []string{"Organization Admin", "Organization Member"},
		},
		"omnivoo": {
			Policy: directory.Policy{ProvisionOn: "scim", Reactivation: "restore", GroupLoss: "keep", RoleSource: "mapping",
				SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true, RequiredAttributes: []string{"email", "displayName"}, Adoption: "ask_owner"},
			Roles: []string{"Owner", "Admin", "Member"},
		},
		"default": {
			Policy: directory.Policy{ProvisionOn: "both", Reactivation: "restore", GroupLoss: "keep", RoleSource: "mapping",
				SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true, RequiredAttributes: []string{"email"}, Adoption: "link"},
			Roles: []string{"Owner", "Admin", "Member"},
		},
	}
	if names := directory.PresetNames(); len(names) != len(want) || names[0] != "default" {
		t.Errorf("presets are %v", names)
	}
	for name, w := range want {
		got, ok := directory.FindPreset(name)
		if !ok {
			t.Errorf("there is no preset %q", name)
			continue
		}
		w.Name = name
		if !reflect.DeepEqual(got, w) {
			t.Errorf("preset %s\n got %+v\nwant %+v", name, got, w)
		}
		if bad := got.Policy.Check(); len(bad) > 0 {
			t.Errorf("preset %s is not valid: %v", name, bad)
		}
	}
}

func TestFindPreset_HandsOutCopies(t *testing.T) {
	p, _ := directory.FindPreset("")
	p.Roles[0], p.Policy.RequiredAttributes[0] = "Emperor", "shoeSize"
	again, ok := directory.FindPreset("default")
	if !ok || again.Roles[0] != "Owner" || again.Policy.RequiredAttributes[0] != "email" {
		t.Errorf("the preset was changed through what FindPreset returned: %+v", again)
	}
	if _, ok := directory.FindPreset("Default"); ok {
		t.Error("a preset that does not exist was found")
	}
}

func TestPolicyCheck_NamesEveryValueThatIsNotOneOfItsWords(t *testing.T) {
	good, _ := directory.FindPreset("default")
	cases := map[string]func(*directory.Policy){
		"provision_on":        func(p *directory.Policy) { p.ProvisionOn = "login" },
		"reactivation":        func(p *directory.Policy) { p.Reactivation = "" },
		"group_loss":          func(p *directory.Policy) { p.GroupLoss = "delete" },
		"role_source":         func(p *directory.Policy) { p.RoleSource = "claims" },
		"required_attributes": func(p *directory.Policy) { p.RequiredAttributes = []string{"email", "shoeSize"} },
	}
	for key, spoil := range cases {
		p := good.Policy
		spoil(&p)
		bad := p.Check()
		if len(bad) != 1 || !strings.HasPrefix(bad[0], key+": expected one of ") || !strings.Contains(bad[0], "received ") {
			t.Errorf("%s: got %q", key, bad)
		}
	}
	all := good.Policy
	for _, spoil := range cases {
		spoil(&all)
	}
	if bad := all.Check(); len(bad) != len(cases) {
		t.Errorf("of %d mistakes %d are named: %q", len(cases), len(bad), bad)
	}
}

func TestOverride_ReplacesWhatItSetsAndKeepsTheRest(t *testing.T) {
	base, _ := directory.FindPreset("omniflow")
	if got := (directory.Override{}).Over(base.Policy); !reflect.DeepEqual(got, base.Policy) {
		t.Errorf("an empty override changed %+v into %+v", base.Policy, got)
	}
	on, back, loss, invite := directory.ProvisionFirstLogin, directory.ReactivationNewIdentity, directory.GroupLossKeep, true
	got := directory.Override{ProvisionOn: &on, Reactivation: &back, GroupLoss: &loss, InviteOnCreate: &invite}.Over(base.Policy)
	want := base.Policy
	want.ProvisionOn, want.Reactivation, want.GroupLoss, want.InviteOnCreate = on, back, loss, invite
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	cfg := &directory.Config{Workspace: directory.Workspace{Policy: base.Policy},
		Directories: []directory.Directory{{ID: "dir_1", Override: directory.Override{GroupLoss: &loss}}, {ID: "dir_2"}}}
	for id, want := range map[string]directory.GroupLoss{"dir_1": "keep", "dir_2": "deactivate", "": "deactivate", "dir_unknown": "deactivate"} {
		if got := cfg.PolicyFor(id).GroupLoss; got != want {
			t.Errorf("group_loss of directory %q is %s, want %s", id, got, want)
		}
	}
}

func TestLossDeactivates_OnlyWhileMappingsAreOn(t *testing.T) {
	for _, loss := range []directory.GroupLoss{directory.GroupLossKeep, directory.GroupLossDeactivate} {
		for _, roles := range []directory.RoleSource{directory.RoleSourceMapping, directory.RoleSourceDefault} {
			p := directory.Policy{GroupLoss: loss, RoleSource: roles}
			if got, want := p.LossDeactivates(), loss == "deactivate" && roles == "mapping"; got != want {
				t.Errorf("%s with %s: %v", loss, roles, got)
			}
		}
	}
}

func TestProviders_OfferBothProtocolsToThoseOfTheSeeds(t *testing.T) {
	for _, name := range []string{"okta", "entra", "google", "onelogin", "jumpcloud", "generic"} {
		if !slices.Contains(directory.Providers(), name) {
			t.Errorf("provider %s is missing", name)
		}
	}
}

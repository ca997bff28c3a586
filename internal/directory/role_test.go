package directory_test

import (
	"math/rand"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	ranks = directory.Roles{{ID: "owner", Name: "Owner"}, {ID: "admin", Name: "Admin", Rank: 1}, {ID: "agent", Name: "Agent", Rank: 2}, {ID: "trainee", Name: "Trainee", Rank: 3}}
)

func drawGroups(t *rapid.T) []directory.MappedGroup {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) directory.MappedGroup {
		id := rapid.StringMatching(`g[0-9]`).Draw(t, "id")
		return directory.MappedGroup{ID: id, Name: "Group " + id, Role: rapid.SampledFrom([]string{"owner", "admin", "agent", "trainee", "gone"}).Draw(t, "role")}
	}), 0, 6).Draw(t, "groups")
}

func TestDecide_DoesNotDependOnTheOrderOfGroups(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		role, reason := ranks.Decide(directory.RoleSourceMapping, "", groups, noon)
		rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed"))).Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		again, reason2 := ranks.Decide(directory.RoleSourceMapping, "", groups, noon)
		if role.ID != again.ID || reason != reason2 {
			t.Fatalf("%s (%+v) became %s (%+v) in another order of %+v", role.ID, reason, again.ID, reason2, groups)
		}
	})
}

func TestDecide_GivesTheHighestRoleAndNeverTheOwners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups := drawGroups(t)
		want := "trainee"
		for _, id := range []string{"agent", "admin"} {
			for _, g := range groups {
				if g.Role == id {
					want = id
				}
			}
		}
		role, reason := ranks.Decide(directory.RoleSourceMapping, "", groups, noon)
		if role.ID != want || role.IsOwner() {
			t.Fatalf("got %s, want %s of %+v", role.ID, want, groups)
		}
		if reason.Source == directory.RoleByMapping {
			for _, g := range groups {
				if g.Role == role.ID && g.ID < reason.GroupID {
					t.Fatalf("the reason names %s although %s is smaller", reason.GroupID, g.ID)
				}
			}
		}
		if role, reason = ranks.Decide(directory.RoleSourceDefault, "", groups, noon); role.ID != "trainee" || reason.Source != directory.RoleByDefault {
			t.Fatalf("default_role gave %s by %s", role.ID, reason.Source)
		}
		if role, reason = ranks.Decide(directory.RoleSourceMapping, "owner", groups, noon); role.ID != "owner" || reason.Source != directory.RoleByHand {
			t.Fatalf("by hand gave %s by %s", role.ID, reason.Source)
		}
		if role, _ = ranks.Decide(directory.RoleSourceMapping, "gone", groups, noon); role.ID != want {
			t.Fatalf("a role that is gone, set by hand, gave %s, want %s", role.ID, want)
		}
	})
}

func TestMatchesGroup_ByNameWithoutCaseByExternalIdExactlyAndNeverATeam(t *testing.T) {
	all, okta, claim := directory.RoleMapping{Match: "Admins"}, directory.RoleMapping{Match: "Admins", Directory: "dir_okta"}, directory.RoleMapping{Match: "Admins", Connection: "con_1"}
	cases := []struct {
		why                       string
		mapping                   directory.RoleMapping
		directory, name, external string
		want                      bool
	}{
		{"the name", all, "dir_okta", "Admins", "", true},
		{"the name in another case", all, "dir_okta", "ADMINS", "", true},
		{"another name", all, "dir_okta", "Admins2", "", false},
		{"the external id", all, "dir_okta", "People", "Admins", true},
		{"the external id in another case", all, "dir_okta", "People", "admins", false},
		{"a team of that name", all, "", "Admins", "", false},
		{"its own directory", okta, "dir_okta", "Admins", "", true},
		{"another directory", okta, "dir_entra", "Admins", "", false},
		{"a team, by a mapping of a directory", okta, "", "Admins", "", false},
		{"a mapping of claims", claim, "dir_okta", "Admins", "", false},
		{"an empty pattern and no external id", directory.RoleMapping{}, "dir_okta", "Admins", "", false},
	}
	for _, c := range cases {
		if got := c.mapping.MatchesGroup(c.directory, c.name, c.external); got != c.want {
			t.Errorf("%s: %v", c.why, got)
		}
	}
}

func TestMappedRole_IsTheHighestOfAllThatMatchAndNeverTheOwners(t *testing.T) {
	mappings := []directory.RoleMapping{{Match: "staff", Role: "agent"}, {Match: "Staff", Role: "admin"}, {Match: "staff", Role: "owner"}, {Match: "staff", Role: "gone"}}
	if role, ok := ranks.MappedRole(mappings, "dir_1", "STAFF", ""); !ok || role.ID != "admin" {
		t.Errorf("got %q, %v", role.ID, ok)
	}
	if role, ok := ranks.MappedRole(mappings[2:], "dir_1", "staff", ""); ok {
		t.Errorf("the group gives %q", role.ID)
	}
}

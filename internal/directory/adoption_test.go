package directory_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestMeet_IsTheTableOfRowSeven(t *testing.T) {
	config := func(mode directory.Adoption) *directory.Config {
		return &directory.Config{Workspace: directory.Workspace{Policy: directory.Policy{Adoption: mode}}, Domains: []string{"acme.test"},
			Roles:       directory.Roles{{ID: "owner", Rank: 0}, {ID: "admin", Rank: 1, Permissions: directory.AdministratorPermissions()}, {ID: "agent", Rank: 2}},
			Directories: []directory.Directory{{ID: "okta"}, {ID: "entra"}}}
	}
	const ann = "ann@acme.test"
	member := func(edit func(*directory.Member)) *directory.Member {
		m := &directory.Member{ID: "m", Email: ann, Stage: directory.StageActive, Role: "agent"}
		if edit != nil {
			edit(m)
		}
		return m
	}
	meeting := func(m *directory.Member, edit func(*directory.Meeting)) directory.Meeting {
		x := directory.Meeting{Directory: "okta", UserName: ann, Address: m.Email, Member: m}
		if edit != nil {
			edit(&x)
		}
		return x
	}
	signed := func(x *directory.Meeting) { x.Signed = true }
	type verdict struct {
		of  directory.Verdict
		why string
	}
	type modes = map[directory.Adoption]verdict
	all := func(v verdict) modes {
		return modes{"": v, "link": v, "ask_owner": v, "ask_admin": v, "refuse": v}
	}
	asks := func(why string) modes {
		out := all(verdict{"ask", why})
		out["refuse"] = verdict{"refuse", "policy"}
		return out
	}
	byPolicy := asks("policy")
	byPolicy["link"] = verdict{"link", "domain"}
	for _, c := range []struct {
		name string
		met  directory.Meeting
		want modes
	}{
		{"an address in a proven domain", meeting(member(nil), nil), byPolicy},
		{"the same in other letters", meeting(member(nil), func(x *directory.Meeting) { x.UserName, x.Address = "ANN@acme.test", "Ann@ACME.test" }), byPolicy},
		{"a userName that is no address", meeting(member(nil), func(x *directory.Meeting) { x.UserName = "ann" }), byPolicy},
		{"a domain that nobody proved", meeting(member(func(m *directory.Member) { m.Email = "ann@else.test" }), func(x *directory.Meeting) { x.UserName = x.Address }), asks("domain_unproven")},
		{"a userName that is another address", meeting(member(nil), func(x *directory.Meeting) { x.UserName = "eve@acme.test" }), asks("two_names")},
		{"links of two people", meeting(member(nil), func(x *directory.Meeting) { x.Ambiguous = true }), asks("two_names")},
		{"the Kelvin sign", meeting(member(func(m *directory.Member) { m.Email = "kim@acme.test" }), func(x *directory.Meeting) { x.Address = "\u212Aim@acme.test" }), all(verdict{"never", "not_meant"})},
		{"another directory's", meeting(member(func(m *directory.Member) { m.Directory = "entra" }), nil), asks("other_directory")},
		{"another directory's, vouched for", meeting(member(func(m *directory.Member) { m.Directory = "entra" }), signed), asks("other_directory")},
		{"the directory's own", meeting(member(func(m *directory.Member) { m.Directory = "okta" }), nil), all(verdict{"never", "not_meant"})},
		{"put out by hand", meeting(member(func(m *directory.Member) { m.Sources = directory.Sources(directory.SourceOwner) }), nil), asks("put_out")},
		{"an owner", meeting(member(func(m *directory.Member) { m.Role = "owner" }), nil), all(verdict{"never", "protected_member"})},
		{"an owner, vouched for", meeting(member(func(m *directory.Member) { m.Role = "owner" }), signed), all(verdict{"never", "protected_member"})},
		{"break-glass, vouched for", meeting(member(func(m *directory.Member) { m.BreakGlass = true }), signed), all(verdict{"never", "protected_member"})},
		{"erased", meeting(member(func(m *directory.Member) { m.Stage = directory.StageErased }), signed), all(verdict{"never", "not_meant"})},
		{"vouched for by the own connection: law 6, whatever the policy", meeting(member(func(m *directory.Member) { m.Email = "x@else.test" }), signed), all(verdict{"link", "connection"})},
	} {
		for mode, want := range c.want {
			of, why := config(mode).Meet(c.met)
			if of != want.of || why != want.why {
				t.Errorf("%s under %q: %s, %s; want %s, %s", c.name, mode, of, why, want.of, want.why)
			}
		}
	}
	t.Run("a directory may differ from its workspace", func(t *testing.T) {
		c := config("link")
		refuse := directory.AdoptionRefuse
		c.Directories[0].Override.Adoption = &refuse
		if of, _ := c.Meet(meeting(member(nil), nil)); of != directory.VerdictRefuse {
			t.Errorf("it is %s", of)
		}
	})
	t.Run("who decides", func(t *testing.T) {
		admin := member(func(m *directory.Member) { m.Role = "admin" })
		for _, d := range []struct {
			mode directory.Adoption
			role string
			of   *directory.Member
			want bool
		}{
			{"link", "owner", admin, true}, {"link", "admin", member(nil), false}, {"ask_owner", "admin", member(nil), false}, {"", "admin", member(nil), false},
			{"ask_admin", "admin", member(nil), true}, {"ask_admin", "admin", admin, false}, {"ask_admin", "owner", admin, true}, {"ask_admin", "agent", member(nil), false},
			{"ask_admin", "unknown", member(nil), false}, {"ask_admin", "", member(nil), false},
		} {
			if got := config(d.mode).MayDecide(d.role, "okta", d.of); got != d.want {
				t.Errorf("%s: a %s about a %s: %v", d.mode, d.role, d.of.Role, got)
			}
		}
	})
}

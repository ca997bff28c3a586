package scim_test

import (
	"encoding/json"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

func TestCompareBy_OrdersAsTheStandardSays(t *testing.T) {
	t.Parallel()
	custom := scim.Extension{Schema: &scim.Schema{ID: "urn:acme:2.0:User", Name: "Acme", Attributes: []*scim.Attribute{
		{Name: "level", Type: scim.Integer}, {Name: "badge", CaseExact: true}, {Name: "nicks", MultiValued: true},
	}}}
	ut := scim.NewUserType(custom)
	acme := func(name string, v any) scim.Resource {
		return scim.Resource{custom.Schema.ID: map[string]any{name: v}}
	}
	emails := func(list ...any) scim.Resource { return scim.Resource{"emails": list} }
	mail := func(value string, primary bool) any {
		return map[string]any{"value": value, "type": "t-" + value, "primary": primary}
	}
	changed := func(at string) scim.Resource {
		return scim.Resource{"meta": map[string]any{"lastModified": at}}
	}
	userName, title := scim.AttrPath{Name: "userName"}, scim.AttrPath{Name: "title"}
	modified := scim.AttrPath{Name: "meta", Sub: "lastModified"}
	level := scim.AttrPath{URN: custom.Schema.ID, Name: "level"}
	cases := []struct {
		name string
		path scim.AttrPath
		a, b scim.Resource
		want int
	}{
		{"letters without their case", userName, scim.Resource{"userName": "ann"}, scim.Resource{"userName": "BOB"}, -1},
		{"letter case does not tell two apart", userName, scim.Resource{"userName": "Ann"}, scim.Resource{"userName": "aNN"}, 0},
		{"caseExact keeps capitals first", scim.AttrPath{URN: custom.Schema.ID, Name: "badge"}, acme("badge", "a"), acme("badge", "B"), 1},
		{"an id is caseExact", scim.AttrPath{Name: "id"}, scim.Resource{"id": "a"}, scim.Resource{"id": "B"}, 1},
		{"instants by time, not by text", modified, changed("2026-01-01T10:00:00+02:00"), changed("2026-01-01T09:00:00Z"), -1},
		{"equal instants in two spellings", modified, changed("2026-01-01T10:00:00+02:00"), changed("2026-01-01T08:00:00Z"), 0},
		{"numbers by size, not by text", level, acme("level", json.Number("9")), acme("level", json.Number("10")), -1},
		{"false before true", scim.AttrPath{Name: "active"}, scim.Resource{"active": false}, scim.Resource{"active": true}, -1},
		{"equal booleans", scim.AttrPath{Name: "active"}, scim.Resource{"active": true}, scim.Resource{"active": true}, 0},
		{"the primary e-mail decides", scim.AttrPath{Name: "emails", Sub: "value"}, emails(mail("z", false), mail("a", true)), emails(mail("b", false)), -1},
		{"the first e-mail where none is primary", scim.AttrPath{Name: "emails", Sub: "value"}, emails(mail("c", false), mail("a", false)), emails(mail("b", false)), 1},
		{"a complex attribute by its value", scim.AttrPath{Name: "emails"}, emails(mail("a", false)), emails(mail("B", false)), -1},
		{"another sub-attribute", scim.AttrPath{Name: "emails", Sub: "type"}, emails(mail("b", false)), emails(mail("a", false)), 1},
		{"the manager by id", scim.AttrPath{URN: scim.URNEnterpriseUser, Name: "manager"},
			scim.Resource{scim.URNEnterpriseUser: map[string]any{"manager": map[string]any{"value": "B"}}},
			scim.Resource{scim.URNEnterpriseUser: map[string]any{"manager": map[string]any{"value": "a"}}}, -1},
		{"a list of plain strings by its first", scim.AttrPath{URN: custom.Schema.ID, Name: "nicks"}, acme("nicks", []any{"b", "a"}), acme("nicks", []any{"c"}), -1},
		{"no value comes last", title, scim.Resource{}, scim.Resource{"title": "z"}, 1},
		{"a value comes before none", title, scim.Resource{"title": "z"}, scim.Resource{}, -1},
		{"two without a value", title, scim.Resource{}, scim.Resource{}, 0},
		{"an attribute that the type does not have", scim.AttrPath{Name: "members"}, scim.Resource{"members": "a"}, scim.Resource{"members": "b"}, 0},
		{"a complex attribute without a value", scim.AttrPath{Name: "name"}, scim.Resource{"name": map[string]any{"givenName": "a"}}, scim.Resource{}, 0},
	}
	for _, c := range cases {
		if got := sign(scim.CompareBy(ut, c.path, c.a, c.b)); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
		if got := sign(scim.CompareBy(ut, c.path, c.b, c.a)); got != -c.want {
			t.Errorf("%s, the other way round: got %d, want %d", c.name, got, -c.want)
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

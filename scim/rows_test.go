package scim

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// testRenderer knows the two types of the standard.
func testRenderer() renderer {
	return renderer{base: "https://api.acme.test/scim/v2", types: []*ResourceType{NewUserType(), NewGroupType()}}
}

func TestRows_AreShownAsTheListThatTheyStandFor(t *testing.T) {
	t.Parallel()
	group := NewGroupType()
	projections := map[string]Projection{"": {}}
	for name, lists := range map[string][2][]string{
		"some":      {{"members.value", "members.display"}, nil},
		"reference": {{"members.$ref"}, nil},
		"but some":  {nil, {"members.$ref", "members.type"}},
		"nothing":   {nil, {"members"}},
		"elsewhere": {{"displayName"}, nil},
		"but all":   {nil, {"members.value", "members.$ref", "members.display", "members.type"}},
	} {
		p, err := NewProjection(group, lists[0], lists[1])
		if err != nil {
			t.Fatal(err)
		}
		projections[name] = p
	}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "usr_1", "a/b", "<&>", "\"", "é"}))
	rapid.Check(t, func(t *rapid.T) {
		rows := Rows(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Row {
			return Row{Value: text.Draw(t, "value"), Display: text.Draw(t, "display"), Type: rapid.SampledFrom([]string{"", "User", "Group", "group", "Thing"}).Draw(t, "type")}
		}), 0, 5).Draw(t, "rows"))
		for name, p := range projections {
			w := testRenderer()
			got := w.resource(nil, group, Resource{"id": "1", "displayName": "g", "members": rows}, p)
			want := w.resource(nil, group, Resource{"id": "1", "displayName": "g", "members": rows.list()}, p)
			if string(got) != string(want) {
				t.Fatalf("%s:\ngot  %s\nwant %s", name, got, want)
			}
		}
		r, list := Resource{"members": rows}, Resource{"members": rows.list()}
		if string(r.AppendJSON(nil)) != string(list.AppendJSON(nil)) {
			t.Fatalf("stored as %s", r.AppendJSON(nil))
		}
	})
}

// crowd is a group of n members, as rows or as maps.
func crowd(n int, asRows bool) Resource {
	rows := make(Rows, n)
	for i := range rows {
		rows[i] = Row{Value: fmt.Sprintf("usr_%022d", i), Display: fmt.Sprintf("Somebody Number %d", i), Type: "User"}
	}
	if asRows {
		return Resource{"id": "grp_1", "displayName": "Everybody", "members": rows}
	}
	return Resource{"id": "grp_1", "displayName": "Everybody", "members": rows.list()}
}

func TestRows_CostNoAllocationEach(t *testing.T) {
	group, w, r := NewGroupType(), testRenderer(), crowd(10_000, true)
	if got := testing.AllocsPerRun(5, func() { w.resource(make([]byte, 0, 1024), group, r, Projection{}) }); got > 100 {
		t.Errorf("%.0f allocations for 10,000 members", got)
	}
}

// The bytes for each member, from the members in memory to the answer: their own form included.
func BenchmarkGroupAnswer(b *testing.B) {
	const n = 100_000
	group, w := NewGroupType(), testRenderer()
	for _, asRows := range []bool{false, true} {
		b.Run(map[bool]string{false: "maps", true: "rows"}[asRows], func(b *testing.B) {
			rows := crowd(n, true)["members"].(Rows)
			b.ReportAllocs()
			for b.Loop() {
				r := Resource{"id": "grp_1", "displayName": "Everybody"}
				if asRows {
					r["members"] = append(Rows(nil), rows...)
				} else {
					r["members"] = rows.list()
				}
				w.resource(make([]byte, 0, 1024), group, r, Projection{})
			}
		})
	}
}

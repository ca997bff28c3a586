package scimmem_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimmem"
)

var (
	users  = scim.NewUserType()
	groups = scim.NewGroupType()
)

func create(t testing.TB, d *scimmem.Directory, kind *scim.ResourceType, r scim.Resource) scim.Resource {
	t.Helper()
	out, err := d.Create(context.Background(), kind, r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func get(t testing.TB, d *scimmem.Directory, kind *scim.ResourceType, id string) scim.Resource {
	t.Helper()
	out, err := d.Get(context.Background(), kind, id, scim.Projection{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func patch(t testing.TB, d *scimmem.Directory, kind *scim.ResourceType, id, operations string) scim.Resource {
	t.Helper()
	p, err := scim.ParsePatch(kind, scim.Lenient, id, []byte(`{"schemas":["`+scim.URNPatchOp+`"],"Operations":[`+operations+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	out, err := d.Patch(context.Background(), kind, id, p)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func refused(t testing.TB, err error, status int, kind string) {
	t.Helper()
	var e *scim.Error
	if !errors.As(err, &e) || e.Status != status || e.Type != kind {
		t.Errorf("got %v, want %d %s", err, status, kind)
	}
}

func user(name string) scim.Resource { return scim.Resource{"userName": name} }

func group(name string, ids ...string) scim.Resource {
	r := scim.Resource{"displayName": name}
	list := []any{}
	for _, id := range ids {
		list = append(list, map[string]any{"value": id})
	}
	r["members"] = list
	return r
}

func TestDirectory_AnIdIsNewAndWhatItNamesIsFoundByItsTypeAlone(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	a, b := create(t, &d, users, user("ann")), create(t, &d, users, user("bob"))
	if a.ID() == b.ID() || len(a.ID()) != 36 {
		t.Errorf("ids %s and %s", a.ID(), b.ID())
	}
	if active, _ := a.Bool("active"); !active {
		t.Error("a new user is not active")
	}
	_, err := d.Get(t.Context(), groups, a.ID(), scim.Projection{})
	refused(t, err, 404, "")
	a["userName"] = "changed by the caller"
	if got := get(t, &d, users, a.ID()).String("userName"); got != "ann" {
		t.Errorf("the caller changed what is stored: %s", got)
	}
}

func TestDirectory_WhatIsUniqueIsHeldUntilItIsLetGo(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	a := create(t, &d, users, scim.Resource{"userName": "Ann", "externalId": "X"})
	for _, r := range []scim.Resource{user("aNN"), {"userName": "b", "externalId": "X"}} {
		_, err := d.Create(t.Context(), users, r)
		refused(t, err, 409, scim.TypeUniqueness)
	}
	b := create(t, &d, users, scim.Resource{"userName": "bob", "externalId": "x"})
	_, err := d.Replace(t.Context(), users, b.ID(), user("ANN"))
	refused(t, err, 409, scim.TypeUniqueness)
	if _, err := d.Replace(t.Context(), users, a.ID(), user("anna")); err != nil {
		t.Error(err)
	}
	create(t, &d, users, scim.Resource{"userName": "ann", "externalId": "X"})
	if err := d.Delete(t.Context(), users, a.ID()); err != nil {
		t.Error(err)
	}
	create(t, &d, users, user("anna"))
	refused(t, d.Delete(t.Context(), users, a.ID()), 404, "")
}

func TestDirectory_MembersAndGroupsSayTheSame(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	a, b := create(t, &d, users, user("ann")), create(t, &d, users, user("bob"))
	g := create(t, &d, groups, group("Eng", a.ID(), b.ID()))
	h := create(t, &d, groups, group("All", a.ID(), g.ID()))
	in := func(id string) string {
		var names []string
		for _, v := range get(t, &d, users, id).Values("groups") {
			names = append(names, v.Display)
		}
		return strings.Join(names, " ")
	}
	if in(a.ID()) != "Eng All" || in(b.ID()) != "Eng" {
		t.Errorf("ann is in %s, bob in %s", in(a.ID()), in(b.ID()))
	}
	patch(t, &d, groups, g.ID(), `{"op":"remove","path":"members[value eq \"`+b.ID()+`\"]"},{"op":"replace","path":"displayName","value":"Ops"}`)
	if in(a.ID()) != "Ops All" || in(b.ID()) != "" {
		t.Errorf("after the patch ann is in %s, bob in %s", in(a.ID()), in(b.ID()))
	}
	if _, err := d.Replace(t.Context(), groups, h.ID(), group("All")); err != nil || in(a.ID()) != "Ops" || get(t, &d, groups, h.ID())["members"] != nil {
		t.Errorf("%v: after the PUT ann is in %s", err, in(a.ID()))
	}
	if err := d.Delete(t.Context(), users, a.ID()); err != nil {
		t.Fatal(err)
	}
	if ids, _ := get(t, &d, groups, g.ID()).Members(); len(ids) != 0 {
		t.Errorf("somebody deleted is still a member: %v", ids)
	}
	_, err := d.Create(t.Context(), groups, group("New", a.ID()))
	refused(t, err, 400, scim.TypeInvalidValue)
	if err := d.Delete(t.Context(), groups, g.ID()); err != nil || in(b.ID()) != "" {
		t.Errorf("%v: bob is in %s", err, in(b.ID()))
	}
}

func TestDirectory_AManagerWhoGoesIsNobodysManager(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	boss := create(t, &d, users, user("boss"))
	r := user("ann")
	r[scim.URNEnterpriseUser] = map[string]any{"manager": map[string]any{"value": boss.ID()}}
	a := create(t, &d, users, r)
	if err := d.Delete(t.Context(), users, boss.ID()); err != nil {
		t.Fatal(err)
	}
	if after := get(t, &d, users, a.ID()); after.Extension(scim.URNEnterpriseUser) != nil || after.String("meta.version") == a.String("meta.version") {
		t.Errorf("got %v", after)
	}
}

func TestDirectory_AVersionChangesWithTheResourceAlone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	d := scimmem.Directory{Now: func() time.Time { at = at.Add(time.Second); return at }}
	a := create(t, &d, users, user("ann"))
	title := `{"op":"replace","path":"title","value":"T"}`
	b := patch(t, &d, users, a.ID(), title)
	c := patch(t, &d, users, a.ID(), title)
	if v := b.String("meta.version"); v == a.String("meta.version") || v != c.String("meta.version") || b.String("meta.lastModified") != c.String("meta.lastModified") {
		t.Errorf("metas %v, %v, %v", a["meta"], b["meta"], c["meta"])
	}
	if b.String("meta.created") != a.String("meta.created") {
		t.Errorf("created %v, then %v", a["meta"], b["meta"])
	}
}

func TestDirectory_CursorsMeetEverybodyWhoStaysOnce(t *testing.T) {
	t.Parallel()
	for _, sorted := range []bool{false, true} {
		var d scimmem.Directory
		var ids []string
		for i := range 50 {
			r := user(fmt.Sprintf("u%02d", i))
			r["title"] = fmt.Sprint("t", i%3)
			ids = append(ids, create(t, &d, users, r).ID())
		}
		q := scim.Query{StartIndex: 1, Count: 7, ByCursor: true}
		if sorted {
			q.SortBy, q.Descending = &scim.AttrPath{Name: "title"}, true
		}
		var seen []string
		for i := 0; ; i++ {
			page, err := d.List(t.Context(), users, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Resources {
				seen = append(seen, r.ID())
			}
			if q.Cursor = page.NextCursor; q.Cursor == "" {
				break
			}
			if !sorted { // one who was seen goes, somebody comes
				if err := d.Delete(t.Context(), users, seen[len(seen)-1]); err != nil {
					t.Fatal(err)
				}
			}
			if i < 2 {
				create(t, &d, users, user(fmt.Sprint("new", i)))
			}
		}
		slices.Sort(seen)
		if met := len(slices.Compact(slices.Clone(seen))); met != len(seen) {
			t.Errorf("sorted %v: %d of %d twice", sorted, len(seen)-met, len(seen))
		}
		for _, id := range ids {
			if !slices.Contains(seen, id) {
				t.Errorf("sorted %v: %s was missed", sorted, id)
			}
		}
	}
}

func TestDirectory_CursorsBelongToTheirQuery(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	for i := range 4 {
		create(t, &d, users, user(fmt.Sprint("u", i)))
	}
	filter, _ := scim.ParseFilter(users, `userName sw "u"`)
	q := scim.Query{StartIndex: 1, Count: 2, ByCursor: true, SortBy: &scim.AttrPath{Name: "userName"}, Filter: filter}
	page, err := d.List(t.Context(), users, q)
	if err != nil || page.NextCursor == "" || page.TotalResults != 4 {
		t.Fatal(page, err)
	}
	q.Cursor = page.NextCursor
	for name, change := range map[string]func(*scim.Query){
		"another filter": func(q *scim.Query) { q.Filter = nil }, "another order": func(q *scim.Query) { q.Descending = true },
		"no order": func(q *scim.Query) { q.SortBy = nil }, "another text": func(q *scim.Query) { q.Cursor = "A" + q.Cursor }, "nonsense": func(q *scim.Query) { q.Cursor = "~" },
	} {
		other := q
		change(&other)
		_, err := d.List(t.Context(), users, other)
		if refused(t, err, 400, scim.TypeInvalidCursor); t.Failed() {
			t.Fatal(name)
		}
	}
	_, err = d.List(t.Context(), groups, q)
	refused(t, err, 400, scim.TypeInvalidCursor)
	if err := d.Delete(t.Context(), users, page.Resources[1].ID()); err != nil {
		t.Fatal(err)
	}
	_, err = d.List(t.Context(), users, q)
	refused(t, err, 400, scim.TypeExpiredCursor)
}

func TestDirectory_ManyAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	var d scimmem.Directory
	g := create(t, &d, groups, group("Eng"))
	var wg sync.WaitGroup
	for i := range 50 {
		id := create(t, &d, users, user(fmt.Sprint("u", i))).ID()
		wg.Go(func() {
			p, err := scim.ParsePatch(groups, scim.Lenient, g.ID(), []byte(`{"schemas":["`+scim.URNPatchOp+`"],"Operations":[{"op":"add","path":"members","value":[{"value":"`+id+`"}]}]}`))
			if err == nil {
				_, err = d.Patch(context.Background(), groups, g.ID(), p)
			}
			if err == nil {
				_, err = d.List(context.Background(), users, scim.Query{StartIndex: 1, Count: 10})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if ids, _ := get(t, &d, groups, g.ID()).Members(); len(ids) != 50 {
		t.Errorf("%d members", len(ids))
	}
}

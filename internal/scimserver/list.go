package scimserver

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

func (b *backend) List(ctx context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	page, err := b.list(ctx, t, q)
	b.results, b.listed = b.results+len(page.Resources), true
	return page, wire(err)
}

func (b *backend) list(ctx context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	from, err := b.cursorOf(t, q)
	if err != nil {
		return scim.Page{}, err
	}
	if !q.ByCursor && q.StartIndex > 1 && q.Count > 0 {
		from = b.s.walks.behind(b.scope.Directory, b.queryOf(t, q), q.StartIndex, b.began)
	}
	where, exact := compile(t, q.Filter)
	order, column := orderOf(t, q)
	list := provision.List{Where: where, Sort: order, Start: q.StartIndex, Count: q.Count, Walk: q.ByCursor || q.StartIndex == 1 || from != nil, Terms: terms(q.Filter)}
	if from != nil {
		list.Behind, list.Total = &from.Place, from.Total
	}
	l := lister{b: b, t: t, q: q, from: from, order: order, exact: exact, served: exact && column}
	if t == b.s.groups {
		of := kind[provision.Group]{fromGroup, func(g *provision.Group) store.Place { return order.OfGroup(&g.Group) }, func(g *provision.Group) string { return g.ID }}
		keys, pick := picking(l, of)
		page, err := b.s.provision.ListGroups(ctx, b.scope, list, q.Projection.Wants("members"), pick, pick != nil && mentions(q.Filter, "members"))
		return pageOf(l, of, page, keys, err)
	}
	withGroups := showsGroups(q.Projection)
	of := kind[provision.User]{func(u *provision.User) (scim.Resource, error) { return fromUser(u, withGroups) },
		func(u *provision.User) store.Place { return order.OfUser(&u.SCIMUser) }, func(u *provision.User) string { return u.ID }}
	keys, pick := picking(l, of)
	page, err := b.s.provision.ListUsers(ctx, b.scope, list, withGroups, pick)
	return pageOf(l, of, page, keys, err)
}

// lister is one list that was asked for.
type lister struct {
	b      *backend
	t      *scim.ResourceType
	q      scim.Query
	from   *cursor    // nil for a first page, or one that is found by its number
	order  store.Sort // where a column has what is sorted by
	exact  bool       // the condition is the whole filter
	served bool       // the database filters and sorts by itself
}

// kind is what lists need to know of users or groups.
type kind[T any] struct {
	resource func(*T) (scim.Resource, error)
	place    func(*T) store.Place
	id       func(*T) string
}

// orderOf is the order of a list by columns, and whether they have what is sorted by.
func orderOf(t *scim.ResourceType, q scim.Query) (store.Sort, bool) {
	if q.SortBy == nil {
		return store.Sort{}, true
	}
	by := map[string]store.Field{"id": store.FieldID, "externalId": store.FieldExternalID, "meta.created": store.FieldCreated, "meta.lastModified": store.FieldModified}
	by[map[string]string{"User": "userName", "Group": "displayName"}[t.Name]] = map[string]store.Field{"User": store.FieldUserName, "Group": store.FieldDisplayName}[t.Name]
	field, ok := by[q.SortBy.String()]
	return store.Sort{By: field, Descending: ok && q.Descending}, ok
}

// picking is how a list is made that the database does not make alone, nil where it does. keys has what
// each resource is sorted by, by id.
func picking[T any](l lister, of kind[T]) (keys map[string]scim.Resource, pick *provision.Picking[T]) {
	if l.served {
		return nil, nil
	}
	keys = map[string]scim.Resource{}
	pick = &provision.Picking[T]{What: "filter", Match: func(x T) (bool, error) {
		r, err := of.resource(&x)
		if err != nil || !scim.Match(l.t, l.q.Filter, r) {
			return false, err
		}
		if l.q.SortBy != nil {
			keys[of.id(&x)] = keyOf(*l.q.SortBy, r)
		}
		return true, nil
	}}
	if l.exact {
		pick.What = "order"
	}
	compare := func(id string, key scim.Resource, otherID string, other scim.Resource) int {
		c := scim.CompareBy(l.t, *l.q.SortBy, key, other)
		if l.q.Descending {
			c = -c
		}
		return cmp.Or(c, strings.Compare(id, otherID))
	}
	switch {
	case l.q.SortBy != nil:
		pick.Compare = func(a, b T) int { return compare(of.id(&a), keys[of.id(&a)], of.id(&b), keys[of.id(&b)]) }
		if l.from != nil {
			last, _ := scim.Parse(l.from.Key) // one that cannot be read is like no value
			pick.Behind = func(x T) bool { return compare(of.id(&x), keys[of.id(&x)], l.from.Place.ID, last) > 0 }
		}
	case l.from != nil:
		pick.Behind = func(x T) bool {
			at := of.place(&x)
			return cmp.Or(cmp.Compare(at.At, l.from.Place.At), strings.Compare(at.ID, l.from.Place.ID)) > 0
		}
	}
	return keys, pick
}

// keyOf keeps of a resource what CompareBy looks at.
func keyOf(path scim.AttrPath, r scim.Resource) scim.Resource {
	container := map[string]any(r)
	if path.URN != "" {
		container = r.Extension(path.URN)
	}
	v := container[path.Name]
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
		for _, e := range list {
			if m, ok := e.(map[string]any); ok && m["primary"] == true {
				v = e
				break
			}
		}
	}
	if m, ok := v.(map[string]any); ok {
		sub := cmp.Or(path.Sub, "value")
		if v = nil; m[sub] != nil {
			v = map[string]any{sub: m[sub]}
		}
	}
	if v == nil {
		return nil
	}
	if path.URN != "" {
		return scim.Resource{path.URN: map[string]any{path.Name: v}}
	}
	return scim.Resource{path.Name: v}
}

// pageOf is the answer, with the cursor of the page behind it.
func pageOf[T any](l lister, of kind[T], rows provision.Page[T], keys map[string]scim.Resource, err error) (scim.Page, error) {
	page := scim.Page{TotalResults: rows.Total, Resources: make([]scim.Resource, 0, len(rows.Rows))}
	if err != nil {
		return page, err
	}
	for i := range rows.Rows {
		r, err := of.resource(&rows.Rows[i])
		if err != nil {
			return page, err
		}
		page.Resources = append(page.Resources, r)
	}
	more := rows.More
	if shown := l.q.StartIndex - 1 + len(rows.Rows); !l.q.ByCursor && l.q.Count > 0 {
		switch {
		case l.from == nil:
			more = rows.More || shown < rows.Total
		case more:
			page.TotalResults = max(rows.Total, shown+1)
		default:
			// The end of the list is where its total shows, whatever came and went since it was counted.
			page.TotalResults = shown
		}
	}
	if !more || len(rows.Rows) == 0 {
		return page, nil
	}
	last := &rows.Rows[len(rows.Rows)-1]
	next := cursor{Query: l.b.queryOf(l.t, l.q), Total: page.TotalResults, Place: of.place(last)}
	if !l.served && l.q.SortBy != nil {
		next.Place, next.Key = store.Place{ID: of.id(last)}, json.RawMessage(keys[of.id(last)].AppendJSON(nil))
	}
	if !l.q.ByCursor {
		l.b.s.walks.keep(l.b.scope.Directory, l.q.StartIndex+len(rows.Rows), next, l.b.began)
		return page, nil
	}
	page.NextCursor, err = next.encode()
	return page, err
}

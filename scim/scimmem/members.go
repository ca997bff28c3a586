package scimmem

import (
	"maps"
	"slices"

	"github.com/gatehouse-id/gatehouse/scim"
)

// enrol notes that the group e has the members now, and before had those in was.
func (d *Directory) enrol(e *entry, was, now []string) {
	id := e.r.ID()
	for _, member := range was {
		delete(d.groups[member], id)
	}
	for _, member := range now {
		if d.groups[member] == nil {
			d.groups[member] = map[string]*entry{}
		}
		d.groups[member][id] = e
	}
}

// view returns the resource of an entry with the groups that it is in, where its type shows them. The maps inside are
// the Directory's own.
func (d *Directory) view(e *entry) scim.Resource {
	in := d.groups[e.r.ID()]
	if len(in) == 0 || e.t.Schema.Attribute("groups") == nil {
		return e.r
	}
	list := make([]any, 0, len(in))
	for _, g := range slices.SortedFunc(maps.Values(in), func(a, b *entry) int { return compare(a.number, b.number) }) {
		list = append(list, map[string]any{"value": g.r.ID(), "display": g.r.String("displayName"), "type": "direct"})
	}
	r := maps.Clone(e.r)
	r["groups"] = list
	return r
}

// setMembers puts a list of ids into a group.
func setMembers(r scim.Resource, ids []string) {
	delete(r, "members")
	if len(ids) == 0 {
		return
	}
	list := make([]any, len(ids))
	for i, id := range ids {
		list[i] = map[string]any{"value": id}
	}
	r["members"] = list
}

// sayTypes gives each member of a group its type, so that $ref leads to the right endpoint.
func (d *Directory) sayTypes(r scim.Resource) {
	list, _ := r["members"].([]any)
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			id, _ := m["value"].(string)
			if e := d.byID[id]; e != nil {
				m["type"] = e.t.Name
			} else if id == r.ID() {
				m["type"] = "Group"
			}
		}
	}
}

// tidy removes an empty list of members, which only a request has a use for.
func tidy(r scim.Resource) scim.Resource {
	if ids, named := r.Members(); named && len(ids) == 0 {
		delete(r, "members")
	}
	return r
}

// forget removes a deleted resource from the groups that it was in, and from those whose manager it was.
func (d *Directory) forget(id string) error {
	for _, g := range d.groups[id] {
		ids, _ := g.r.Members()
		next := maps.Clone(g.r)
		setMembers(next, slices.DeleteFunc(ids, func(member string) bool { return member == id }))
		if err := d.store(g, next, g.r.String("meta.created")); err != nil {
			return err
		}
	}
	delete(d.groups, id)
	for _, e := range d.byID {
		if e.r.String(scim.URNEnterpriseUser+":manager.value") != id {
			continue
		}
		next := e.r.Clone()
		ext := next.Extension(scim.URNEnterpriseUser)
		if delete(ext, "manager"); len(ext) == 0 {
			delete(next, scim.URNEnterpriseUser)
		}
		if err := d.store(e, next, e.r.String("meta.created")); err != nil {
			return err
		}
	}
	return nil
}

package idpsim

import (
	"context"
	"net/http"
	"slices"
)

// The numbered steps of Okta's client that concern groups.
var (
	oktaNameCheck    = step{"group name check", "Okta 8"}
	oktaCreateGroup  = step{"create group", "Okta 8"}
	oktaRename       = step{"rename group", "Okta 9"}
	oktaMembers      = step{"change members", "Okta 10"}
	oktaAllMembers   = step{"replace members", "Okta 10"}
	oktaReplaceGroup = step{"replace group", "Okta 10"}
	oktaAppGroups    = step{"refresh app groups", "Okta 8"}
)

// oktaPush creates the group, or links one with exactly that name, and writes all its members.
// Only people who are assigned and provisioned are members in the application.
func (p *IdP) oktaPush(ctx context.Context, g Group) error {
	if g.App.RemoteID == "" {
		id, linked, err := p.oktaFindOrCreateGroup(ctx, g)
		if err != nil {
			return err
		}
		g, err = p.changeGroup(g.ID, func(g *Group) error {
			g.App.RemoteID, g.App.Linked, g.App.Name = id, linked, g.Name
			return nil
		})
		if err != nil {
			return err
		}
		if !linked && len(p.known(g.Members, true)) == 0 {
			return nil
		}
	}
	return p.oktaReplaceMembers(ctx, g)
}

// oktaLink links the group to one that the application lists under that name, whatever its own is, gives it its own
// name and writes all its members. The first page is enough for a simulation.
func (p *IdP) oktaLink(ctx context.Context, g Group, name string) error {
	r := request{step: oktaAppGroups, method: http.MethodGet, path: "/Groups", query: "startIndex=1&count=" + oktaPage}
	got, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	for _, o := range got.resources() {
		if o.text("displayName") != name || o.text("id") == "" {
			continue
		}
		g, err = p.changeGroup(g.ID, func(g *Group) error {
			g.Pushed, g.App.RemoteID, g.App.Linked, g.App.Name = true, o.text("id"), true, name
			return nil
		})
		if err == nil && !p.kind.usesPut() {
			err = p.oktaPatchName(ctx, g)
		}
		if err != nil {
			return err
		}
		return p.oktaReplaceMembers(ctx, g)
	}
	return p.unusable(r, got, "no group is called "+name)
}

func (p *IdP) oktaFindOrCreateGroup(ctx context.Context, g Group) (id string, linked bool, err error) {
	got, err := p.send(ctx, request{step: oktaNameCheck, method: http.MethodGet, path: "/Groups",
		query: p.eqFilter("displayName", g.Name) + "&startIndex=1&count=100"})
	if err != nil && statusOf(err) != http.StatusNotFound {
		return "", false, err
	}
	for _, o := range got.resources() {
		if o.text("displayName") == g.Name && o.text("id") != "" {
			return o.text("id"), true, nil
		}
	}
	r := request{step: oktaCreateGroup, method: http.MethodPost, path: "/Groups",
		body: object{{"schemas", []string{groupSchema}}, {"displayName", g.Name}, {"members", []any{}}}}
	if got, err = p.send(ctx, r); err != nil {
		return "", false, err
	}
	if id = got.body.text("id"); id == "" {
		return "", false, p.unusable(r, got, "the created group has no id")
	}
	return id, false, nil
}

// oktaReplaceMembers writes the complete member list ("Push now").
func (p *IdP) oktaReplaceMembers(ctx context.Context, g Group) error {
	all := p.known(g.Members, true)
	r := request{step: oktaAllMembers, method: http.MethodPatch, path: "/Groups/" + g.App.RemoteID,
		body: patch(object{{"op", "replace"}, {"path", "members"}, {"value", oktaMemberList(all)}})}
	if p.kind.usesPut() {
		r.step, r.method = oktaReplaceGroup, http.MethodPut
		r.body = object{{"schemas", []string{groupSchema}}, {"id", g.App.RemoteID}, {"displayName", g.Name}, {"members", oktaMemberList(all)}}
	}
	if _, err := p.send(ctx, r); err != nil {
		return err
	}
	return p.noteMembers(g.ID, g.Name, memberIDs(all))
}

// oktaMemberList names members by id and user name; Okta sends no type.
func oktaMemberList(list []member) []object {
	out := make([]object, 0, len(list))
	for _, m := range list {
		out = append(out, object{{"value", m.remoteID}, {"display", m.display}})
	}
	return out
}

// oktaSyncGroup sends what changed in a pushed group since the last time: the name, then members.
func (p *IdP) oktaSyncGroup(ctx context.Context, id string) error {
	g, err := p.group(id)
	if err != nil || g.App.RemoteID == "" {
		return err
	}
	add, remove := p.memberChanges(g)
	if len(add)+len(remove) == 0 && g.Name == g.App.Name {
		return nil
	}
	if p.kind.usesPut() {
		return p.oktaReplaceMembers(ctx, g)
	}
	if err := p.oktaPatchName(ctx, g); err != nil {
		return err
	}
	if len(add)+len(remove) == 0 {
		return nil
	}
	var ops []object
	for _, m := range remove {
		ops = append(ops, object{{"op", "remove"}, {"path", `members[value eq "` + m.remoteID + `"]`}})
	}
	if len(add) > 0 {
		ops = append(ops, object{{"op", "add"}, {"path", "members"}, {"value", oktaMemberList(add)}})
	}
	if _, err := p.send(ctx, request{step: oktaMembers, method: http.MethodPatch, path: "/Groups/" + g.App.RemoteID, body: patch(ops...)}); err != nil {
		return err
	}
	return p.noteMembers(g.ID, g.Name, after(g.App.Members, add, remove))
}

// oktaPatchName is the rename, which the catalogue app sends again before each membership change.
func (p *IdP) oktaPatchName(ctx context.Context, g Group) error {
	value := object{{"id", g.App.RemoteID}, {"displayName", g.Name}}
	_, err := p.send(ctx, request{step: oktaRename, method: http.MethodPatch, path: "/Groups/" + g.App.RemoteID,
		body: patch(object{{"op", "replace"}, {"value", value}})})
	if err != nil {
		return err
	}
	_, err = p.changeGroup(g.ID, func(x *Group) error { x.App.Name = g.Name; return nil })
	return err
}

// unlinkGroup forgets the link and, when asked to, deletes the group in the application.
func (p *IdP) unlinkGroup(ctx context.Context, g Group, remove bool) error {
	if remove && g.App.RemoteID != "" {
		_, err := p.send(ctx, request{step: p.step("delete group", 11), method: http.MethodDelete, path: "/Groups/" + g.App.RemoteID})
		if err != nil && statusOf(err) != http.StatusNotFound {
			return err
		}
	}
	_, err := p.changeGroup(g.ID, func(g *Group) error {
		g.Pushed, g.App = false, AppGroup{Members: []string{}}
		return nil
	})
	return err
}

// memberChanges compares the group with what the application acknowledged. Somebody who was
// deactivated or unassigned meanwhile stays: no vendor takes them out of the group for that.
func (p *IdP) memberChanges(g Group) (add, remove []member) {
	had, has := setOf(g.App.Members), setOf(g.Members)
	for _, m := range p.known(g.Members, true) {
		if !had[m.id] {
			add = append(add, m)
		}
	}
	for _, m := range p.known(g.App.Members, false) {
		if !has[m.id] {
			remove = append(remove, m)
		}
	}
	return add, remove
}

// after is the list of ids once add and remove were acknowledged.
func after(ids []string, add, remove []member) []string {
	gone := setOf(memberIDs(remove))
	out := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return gone[id] })
	return append(out, memberIDs(add)...)
}

// noteMembers records what the application acknowledged for a group.
func (p *IdP) noteMembers(id, name string, members []string) error {
	_, err := p.changeGroup(id, func(g *Group) error {
		g.App.Name, g.App.Members, g.App.Error, g.App.Attempts = name, members, "", 0
		return nil
	})
	return err
}

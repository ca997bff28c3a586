package idpsim

import (
	"context"
	"net/http"
	"slices"
	"strings"
)

// putPush creates the group, or links one of that name, and writes its members: all of them, or
// what differs where the client cannot replace a list.
func (p *IdP) putPush(ctx context.Context, g Group) error {
	if g.App.RemoteID == "" {
		id, linked, err := p.putFindOrCreateGroup(ctx, g)
		if err != nil {
			return err
		}
		g, err = p.changeGroup(g.ID, func(g *Group) error {
			g.App.RemoteID, g.App.Linked, g.App.Name, g.App.Members = id, linked, g.Name, []string{}
			return nil
		})
		if err != nil {
			return err
		}
		if !linked && len(p.known(g.Members, true)) == 0 {
			return nil
		}
	}
	if err := p.putRename(ctx, g); err != nil {
		return err
	}
	if vendorOf(p.kind).replaces {
		return p.putReplaceMembers(ctx, g)
	}
	_, remove := p.putMemberChanges(g)
	return p.putMembers(ctx, g, p.known(g.Members, true), remove)
}

// putSyncGroup sends what changed in a pushed group since the last time.
func (p *IdP) putSyncGroup(ctx context.Context, id string) error {
	g, err := p.group(id)
	if err != nil || g.App.RemoteID == "" {
		return err
	}
	if err := p.putRename(ctx, g); err != nil {
		return err
	}
	add, remove := p.putMemberChanges(g)
	switch {
	case len(add)+len(remove) == 0:
		return nil
	case vendorOf(p.kind).members == nil:
		return p.putReplaceMembers(ctx, g)
	}
	return p.putMembers(ctx, g, add, remove)
}

func (p *IdP) putFindOrCreateGroup(ctx context.Context, g Group) (id string, linked bool, err error) {
	var found []object
	what := p.step("find group", 8)
	if vendorOf(p.kind).listsGroups {
		found, err = p.readPages(ctx, what, "/Groups", false)
	} else {
		var got answer
		got, err = p.send(ctx, request{step: what, method: http.MethodGet, path: "/Groups", query: p.eqFilter("displayName", g.Name)})
		found = got.resources()
	}
	if err != nil {
		return "", false, err
	}
	for _, o := range found {
		if strings.EqualFold(o.text("displayName"), g.Name) && o.text("id") != "" {
			return o.text("id"), true, nil
		}
	}
	r := request{step: p.step("create group", 8), method: http.MethodPost, path: "/Groups",
		body: object{{"schemas", []string{groupSchema}}, {"displayName", g.Name}}}
	got, err := p.send(ctx, r)
	if err != nil {
		return "", false, err
	}
	if id = got.body.text("id"); id == "" {
		return "", false, p.unusable(r, got, "the created group has no id")
	}
	return id, false, nil
}

// putRename sends a name that the application does not know yet.
func (p *IdP) putRename(ctx context.Context, g Group) error {
	if g.Name == g.App.Name {
		return nil
	}
	err := p.patchGroup(ctx, g, p.step("rename group", 9), object{{"op", "replace"}, {"path", "displayName"}, {"value", g.Name}})
	if err != nil {
		return err
	}
	_, err = p.changeGroup(g.ID, func(x *Group) error { x.App.Name = g.Name; return nil })
	return err
}

// putMemberChanges is memberChanges with those whose last change got no answer: they are told
// again, whatever the application acknowledged before.
func (p *IdP) putMemberChanges(g Group) (add, remove []member) {
	add, remove = p.memberChanges(g)
	adding, removing, has := setOf(memberIDs(add)), setOf(memberIDs(remove)), setOf(g.Members)
	for _, m := range p.known(g.App.Doubtful, false) {
		switch {
		case has[m.id] && !adding[m.id]:
			adding[m.id] = true
			add = append(add, p.known([]string{m.id}, true)...)
		case !has[m.id] && !removing[m.id]:
			removing[m.id] = true
			remove = append(remove, m)
		}
	}
	return add, remove
}

// groupDue says whether a pushed group lacks something that a retry of people has made possible.
func (p *IdP) groupDue(g Group) bool {
	if p.kind.isOkta() || g.App.RemoteID == "" {
		return false
	}
	add, remove := p.putMemberChanges(g)
	return len(add)+len(remove) > 0
}

// putMembers sends a change in batches, notes what was acknowledged, and carries on from there the
// next time.
func (p *IdP) putMembers(ctx context.Context, g Group, add, remove []member) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	v := vendorOf(p.kind)
	for len(add)+len(remove) > 0 {
		var joining, leaving []member
		leaving, remove = cut(remove, conn.MemberBatch)
		joining, add = cut(add, conn.MemberBatch-len(leaving))
		err := p.patchGroup(ctx, g, p.step("change members", 10), v.members(joining, leaving)...)
		if err := p.noteChange(g, joining, leaving, err); err != nil {
			return err
		}
	}
	return nil
}

func cut(list []member, n int) (head, tail []member) {
	n = min(n, len(list))
	return list[:n], list[n:]
}

// noteChange records what a change of members came to. cause, if any, is handed on.
func (p *IdP) noteChange(g Group, add, remove []member, cause error) error {
	told := append(memberIDs(add), memberIDs(remove)...)
	_, err := p.changeGroup(g.ID, func(g *Group) error {
		switch {
		case inDoubt(cause):
			g.App.Doubtful = append(g.App.Doubtful, told...)
		case cause == nil:
			is := setOf(told)
			g.App.Doubtful = slices.DeleteFunc(g.App.Doubtful, func(id string) bool { return is[id] })
			g.App.Members = after(after(g.App.Members, nil, add), add, remove)
		}
		return nil
	})
	if cause != nil {
		return cause
	}
	return err
}

// putReplaceMembers writes the complete list.
func (p *IdP) putReplaceMembers(ctx context.Context, g Group) error {
	all := p.known(g.Members, true)
	err := p.patchGroup(ctx, g, p.step("replace members", 10),
		object{{"op", "replace"}, {"path", "members"}, {"value", memberValues(all)}})
	_, noteErr := p.changeGroup(g.ID, func(g *Group) error {
		switch {
		case inDoubt(err):
			g.App.Doubtful = append(slices.Clone(g.App.Members), g.Members...)
		case err == nil:
			g.App.Members, g.App.Doubtful = memberIDs(all), nil
		}
		return nil
	})
	if err != nil {
		return err
	}
	return noteErr
}

// patchGroup sends operations. A group that is gone is forgotten, so that a retry makes it again.
func (p *IdP) patchGroup(ctx context.Context, g Group, what step, ops ...object) error {
	var err error
	path := "/Groups/" + g.App.RemoteID
	if vendorOf(p.kind).readsFirst {
		_, err = p.send(ctx, request{step: p.step("read group", 10), method: http.MethodGet, path: path})
	}
	if err == nil {
		_, err = p.send(ctx, request{step: what, method: http.MethodPatch, path: path, body: patch(ops...)})
	}
	if statusOf(err) == http.StatusNotFound {
		_, _ = p.changeGroup(g.ID, func(g *Group) error { g.App = AppGroup{Members: []string{}}; return nil }) // it may be gone here too
	}
	return err
}

// memberValues names members by id alone.
func memberValues(list []member) []object {
	out := make([]object, 0, len(list))
	for _, m := range list {
		out = append(out, object{{"value", m.remoteID}})
	}
	return out
}

// addValues and removeValues are one operation each with a list of values.
func addValues(list []member) []object    { return valuesOp("add", list) }
func removeValues(list []member) []object { return valuesOp("remove", list) }

func valuesOp(op string, list []member) []object {
	if len(list) == 0 {
		return nil
	}
	return []object{{{"op", op}, {"path", "members"}, {"value", memberValues(list)}}}
}

// removeByPath is one operation for each member (RFC 7644 section 3.5.2.2).
func removeByPath(list []member) []object {
	var out []object
	for _, m := range list {
		out = append(out, object{{"op", "remove"}, {"path", "members[value eq " + quoted(m.remoteID) + "]"}})
	}
	return out
}

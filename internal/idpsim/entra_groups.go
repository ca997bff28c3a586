package idpsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
)

// The numbered steps of Entra's client that concern groups.
var (
	entraMatchGroup    = step{"match group", "Entra 2"}
	entraCreateGroup   = step{"create group", "Entra 7"}
	entraReadGroup     = step{"read group", "Entra 7"}
	entraRenameGroup   = step{"update group", "Entra 7"}
	entraAddMembers    = step{"add members", "Entra 7"}
	entraRemoveMembers = step{"remove members", "Entra 7"}
	entraDeleteGroup   = step{"delete group", "Entra 7"}
)

// entraSendGroup brings one group to the state that the IdP has. verb says what was done.
func (p *IdP) entraSendGroup(ctx context.Context, g Group, d dialect) (verb string, err error) {
	if g.Deleted || !g.Pushed {
		return p.entraDropGroup(ctx, g)
	}
	if g.App.RemoteID == "" {
		if verb, err = p.entraMatchOrCreateGroup(ctx, g, d); err != nil {
			return "", err
		}
	} else {
		add, remove := p.memberChanges(g)
		if len(add)+len(remove) == 0 && g.Name == g.App.Name {
			return "", nil
		}
		r := request{step: entraReadGroup, method: http.MethodGet, path: "/Groups/" + g.App.RemoteID, query: "excludedAttributes=members"}
		if _, err = p.send(ctx, r); err != nil {
			return "", p.entraGroupGone(g, err)
		}
	}
	if g, err = p.group(g.ID); err != nil {
		return "", err
	}
	if g.Name != g.App.Name {
		changes := []change{{path: "displayName", before: g.App.Name, after: g.Name}}
		if err = p.entraPatchGroup(ctx, g, entraRenameGroup, d.operations(changes)); err != nil {
			return "", err
		}
	}
	if err = p.entraMembers(ctx, g, d); err != nil {
		return "", err
	}
	if verb == "" {
		verb = "updated"
	}
	return verb, nil
}

// entraGroupGone forgets a group that the application no longer knows, so that the next cycle
// matches again.
func (p *IdP) entraGroupGone(g Group, cause error) error {
	if statusOf(cause) == http.StatusNotFound {
		_, err := p.changeGroup(g.ID, func(g *Group) error {
			g.App.RemoteID, g.App.Members = "", []string{}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return cause
}

func (p *IdP) entraMatchOrCreateGroup(ctx context.Context, g Group, d dialect) (string, error) {
	r := request{step: entraMatchGroup, method: http.MethodGet, path: "/Groups", query: entraGroupProbed + p.eqFilter("displayName", g.Name)}
	got, err := p.send(ctx, r)
	if err != nil {
		return "", err
	}
	found := got.resources()
	if len(found) > 1 {
		return "", p.unusable(r, got, fmt.Sprintf("%d groups match displayName %q", len(found), g.Name))
	}
	if len(found) == 1 {
		id, name := found[0].text("id"), found[0].text("displayName")
		g, err = p.changeGroup(g.ID, func(g *Group) error {
			g.App.RemoteID, g.App.Linked, g.App.Name = id, true, name
			return nil
		})
		if before := found[0].text("externalId"); err == nil && before != g.ID {
			changes := []change{{path: "externalId", before: before, after: g.ID}}
			err = p.entraPatchGroup(ctx, g, entraRenameGroup, d.operations(changes))
		}
		return "linked", err
	}
	r = request{step: entraCreateGroup, method: http.MethodPost, path: "/Groups",
		body: object{{"schemas", []string{groupSchema, adscimGroupSchema}}, {"externalId", g.ID},
			{"displayName", g.Name}, {"meta", object{{"resourceType", "Group"}}}}}
	if got, err = p.send(ctx, r); err != nil {
		return "", err
	}
	id := got.body.text("id")
	if id == "" {
		return "", p.unusable(r, got, "the created group has no id")
	}
	_, err = p.changeGroup(g.ID, func(g *Group) error {
		g.App.RemoteID, g.App.Linked, g.App.Name = id, false, g.Name
		return nil
	})
	return "created", err
}

// entraMembers sends added, then removed members, in batches. What was acknowledged is noted
// batch by batch, so that a failure in the middle is carried on from there.
func (p *IdP) entraMembers(ctx context.Context, g Group, d dialect) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	add, remove := p.memberChanges(g)
	sent := g.App.Members
	for batch := range slices.Chunk(add, conn.MemberBatch) {
		if err := p.entraPatchGroup(ctx, g, entraAddMembers, d.addMembers(batch)); err != nil {
			return err
		}
		sent = after(sent, batch, nil)
		if err := p.noteMembers(g.ID, g.Name, sent); err != nil {
			return err
		}
	}
	for batch := range slices.Chunk(remove, conn.MemberBatch) {
		if err := p.entraPatchGroup(ctx, g, entraRemoveMembers, d.removeMembers(batch)); err != nil {
			return err
		}
		sent = after(sent, nil, batch)
		if err := p.noteMembers(g.ID, g.Name, sent); err != nil {
			return err
		}
	}
	return p.noteMembers(g.ID, g.Name, sent)
}

// addMembers is one operation with a list of values.
func (d dialect) addMembers(list []member) []object {
	return []object{{{"op", d.name("add")}, {"path", "members"}, {"value", d.values(list)}}}
}

// removeMembers is one operation with a list of values by default (which RFC 7644 does not know),
// and one filtered path for each member with the flag.
func (d dialect) removeMembers(list []member) []object {
	if !d.flag {
		return []object{{{"op", d.name("remove")}, {"path", "members"}, {"value", d.values(list)}}}
	}
	var ops []object
	for _, m := range list {
		ops = append(ops, object{{"op", "remove"}, {"path", `members[value eq "` + m.remoteID + `"]`}})
	}
	return ops
}

func (d dialect) values(list []member) []object {
	var out []object
	for _, m := range list {
		out = append(out, object{{"$ref", nil}, {"value", m.remoteID}})
	}
	return out
}

func (p *IdP) entraPatchGroup(ctx context.Context, g Group, what step, ops []object) error {
	_, err := p.send(ctx, request{step: what, method: http.MethodPatch, path: "/Groups/" + g.App.RemoteID, body: patch(ops...)})
	return err
}

// entraDropGroup deletes a group that was deleted in the IdP or went out of scope.
func (p *IdP) entraDropGroup(ctx context.Context, g Group) (string, error) {
	verb := ""
	if g.App.RemoteID != "" {
		_, err := p.send(ctx, request{step: entraDeleteGroup, method: http.MethodDelete, path: "/Groups/" + g.App.RemoteID})
		if err != nil && statusOf(err) != http.StatusNotFound {
			return "", err
		}
		verb = "deleted"
	}
	if g.Deleted {
		p.forgetGroup(g.ID)
		return verb, nil
	}
	_, err := p.changeGroup(g.ID, func(g *Group) error {
		g.App = AppGroup{Members: []string{}}
		return nil
	})
	return verb, err
}

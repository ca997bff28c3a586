package scimserver

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// backend is one request of one directory.
type backend struct {
	s       *Server
	r       *http.Request
	sent    *captured
	began   time.Time
	scope   provision.Scope
	results int // resources returned, for the request log
}

var _ scim.Backend = (*backend)(nil)

// acting is the scope with what was sent, for the event of a change.
func (b *backend) acting(ctx context.Context) provision.Scope {
	scope := b.scope
	scope.Payload = b.payload(ctx)
	return scope
}

func (b *backend) payload(ctx context.Context) json.RawMessage {
	return exchange(b.r, 0, b.sent.bytes, scim.Warnings(ctx))
}

func (b *backend) Create(ctx context.Context, t *scim.ResourceType, r scim.Resource) (scim.Resource, error) {
	if t == b.s.groups {
		return b.createGroup(ctx, r)
	}
	p := toPerson(r)
	if active, said := r.Bool("active"); said {
		p.Active = &active
	}
	u, err := b.s.provision.CreateUser(ctx, b.acting(ctx), p)
	if err != nil {
		return nil, wire(err)
	}
	out := r.Clone()
	dress(out, &u)
	return out, nil
}

func (b *backend) Get(ctx context.Context, t *scim.ResourceType, id string, want scim.Projection) (scim.Resource, error) {
	b.results = 1
	if t == b.s.groups {
		g, err := b.s.provision.GetGroup(ctx, b.scope, id, want.Wants("members"))
		if err != nil {
			return nil, wire(err)
		}
		return fromGroup(&g)
	}
	u, err := b.s.provision.GetUser(ctx, b.scope, id, want.Wants("groups"))
	if err != nil {
		return nil, wire(err)
	}
	return fromUser(&u)
}

func (b *backend) List(ctx context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	page, err := b.list(ctx, t, q)
	b.results = len(page.Resources)
	return page, wire(err)
}

func (b *backend) list(ctx context.Context, t *scim.ResourceType, q scim.Query) (scim.Page, error) {
	where, exact := compile(t, q.Filter)
	list := provision.List{Where: where, Start: q.StartIndex, Count: q.Count, Terms: terms(q.Filter)}
	if t == b.s.groups {
		var match func(provision.Group) (bool, error)
		if !exact {
			match = func(g provision.Group) (bool, error) {
				r, err := fromGroup(&g)
				return err == nil && scim.Match(t, q.Filter, r), err
			}
		}
		groups, total, err := b.s.provision.ListGroups(ctx, b.scope, list, q.Projection.Wants("members"), match, !exact && mentions(q.Filter, "members"))
		return pageOf(groups, total, err, fromGroup)
	}
	var match func(provision.User) (bool, error)
	if !exact {
		match = func(u provision.User) (bool, error) {
			r, err := fromUser(&u)
			return err == nil && scim.Match(t, q.Filter, r), err
		}
	}
	users, total, err := b.s.provision.ListUsers(ctx, b.scope, list, q.Projection.Wants("groups"), match)
	return pageOf(users, total, err, fromUser)
}

func pageOf[T any](rows []T, total int, err error, from func(*T) (scim.Resource, error)) (scim.Page, error) {
	page := scim.Page{TotalResults: total, Resources: make([]scim.Resource, 0, len(rows))}
	if err != nil {
		return page, err
	}
	for i := range rows {
		r, err := from(&rows[i])
		if err != nil {
			return page, err
		}
		page.Resources = append(page.Resources, r)
	}
	return page, nil
}

func (b *backend) Replace(ctx context.Context, t *scim.ResourceType, id string, r scim.Resource) (scim.Resource, error) {
	if t == b.s.groups {
		return b.replaceGroup(ctx, id, r)
	}
	p := toPerson(r)
	if active, said := r.Bool("active"); said {
		p.Active = &active
	}
	u, err := b.s.provision.UpdateUser(ctx, b.acting(ctx), id, scim.Wanted(ctx).Wants("groups"), func(provision.User) (provision.Person, error) {
		return p, nil
	})
	if err != nil {
		return nil, wire(err)
	}
	return fromUser(&u)
}

func (b *backend) Patch(ctx context.Context, t *scim.ResourceType, id string, p scim.Patch) (scim.Resource, error) {
	if t == b.s.groups {
		return b.patchGroup(ctx, id, p)
	}
	// Only what a directory says counts: a PATCH of another attribute must not repeat an
	// old "active" on its behalf.
	saysActive := p.Touches(scim.AttrPath{Name: "active"})
	u, err := b.s.provision.UpdateUser(ctx, b.acting(ctx), id, p.Return && p.Projection.Wants("groups"), func(now provision.User) (provision.Person, error) {
		r, err := fromUser(&now)
		if err != nil {
			return provision.Person{}, err
		}
		after, _, err := p.Apply(r)
		if err != nil {
			return provision.Person{}, err
		}
		person := toPerson(after)
		if saysActive {
			// Taking the value away says nothing about access: somebody without "active"
			// stays as they are.
			if active, present := after.Bool("active"); present {
				person.Active = &active
			}
		}
		return person, nil
	})
	if err != nil {
		return nil, wire(err)
	}
	return fromUser(&u)
}

func (b *backend) Delete(ctx context.Context, t *scim.ResourceType, id string) error {
	if t == b.s.groups {
		return wire(b.s.provision.DeleteGroup(ctx, b.acting(ctx), id))
	}
	return wire(b.s.provision.DeleteUser(ctx, b.acting(ctx), id))
}

func (b *backend) createGroup(ctx context.Context, r scim.Resource) (scim.Resource, error) {
	members, _ := r.Members()
	members = distinct(members)
	g, err := b.s.provision.CreateGroup(ctx, b.acting(ctx), toGroup(r), members)
	if err != nil {
		return nil, wire(err)
	}
	if len(members) > 0 && scim.Wanted(ctx).Wants("members") {
		return b.Get(ctx, b.s.groups, g.ID, scim.Wanted(ctx))
	}
	return fromGroup(&provision.Group{Group: g})
}

func (b *backend) replaceGroup(ctx context.Context, id string, r scim.Resource) (scim.Resource, error) {
	var ops []scim.MemberOp
	// A PUT without members leaves them alone; with an empty list it empties the group.
	if members, given := r.Members(); given {
		ops = []scim.MemberOp{{Kind: scim.MemberReplace, Values: distinct(members)}}
	}
	form := toGroup(r)
	if _, err := b.s.provision.UpdateGroup(ctx, b.acting(ctx), id, func(store.Group) (provision.GroupForm, error) { return form, nil }, ops); err != nil {
		return nil, wire(err)
	}
	return b.Get(ctx, b.s.groups, id, scim.Wanted(ctx))
}

func (b *backend) patchGroup(ctx context.Context, id string, p scim.Patch) (scim.Resource, error) {
	_, err := b.s.provision.UpdateGroup(ctx, b.acting(ctx), id, func(now store.Group) (provision.GroupForm, error) {
		if len(p.Ops) == 0 {
			return provision.GroupForm{DisplayName: now.DisplayName, ExternalID: now.ExternalID, Document: now.Document}, nil
		}
		r, err := fromGroup(&provision.Group{Group: now})
		if err != nil {
			return provision.GroupForm{}, err
		}
		after, _, err := p.Apply(r)
		if err != nil {
			return provision.GroupForm{}, err
		}
		return toGroup(after), nil
	}, p.Members)
	if err != nil {
		return nil, wire(err)
	}
	if !p.Return {
		return nil, nil
	}
	return b.Get(ctx, b.s.groups, id, p.Projection)
}

// distinct keeps the first of equal ids.
func distinct(ids []string) []string {
	seen := make(map[string]bool, len(ids))
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		again := seen[id]
		seen[id] = true
		return again
	})
}

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
	results int  // resources returned, for the request log
	listed  bool // it is a read, whatever its method
	// deactivates says that it takes somebody's access away.
	deactivates bool
	mode        scim.Mode
	types       *resourceTypes // nil until the token is known to be worth something
}

var (
	_ scim.ModeBackend  = (*backend)(nil)
	_ scim.TypesBackend = (*backend)(nil)
)

// Types are the workspace's.
func (b *backend) Types() []*scim.ResourceType { return b.types.list() }

// sealed are the names of what the workspace never shows.
func (b *backend) sealed() []string {
	if b.types == nil {
		return nil
	}
	return b.types.sealed
}

// Mode is what the directory's administrator chose.
func (b *backend) Mode() scim.Mode { return b.mode }

// acting is the scope with what was sent, for the event of a change, and with the condition that it is made under.
func (b *backend) acting(ctx context.Context) provision.Scope {
	scope := b.scope
	scope.Payload, scope.Put = b.payload(ctx), b.r.Method == http.MethodPut
	if scim.Conditional(ctx) {
		scope.Precondition = func(modified time.Time, groups []store.GroupMember) error {
			return scim.CheckVersion(ctx, version(modified, groups))
		}
	}
	return scope
}

// showsGroups reports whether the groups of people are to be loaded: they are shown, or the version is, which
// depends on them.
func showsGroups(p scim.Projection) bool { return p.Wants("groups") || p.Wants("meta") }

func (b *backend) payload(ctx context.Context) json.RawMessage {
	return exchange(b.r, 0, b.sent.bytes, scim.Warnings(ctx), b.sealed()...)
}

func (b *backend) Create(ctx context.Context, t *scim.ResourceType, r scim.Resource) (scim.Resource, error) {
	if t == b.types.groups {
		return b.createGroup(ctx, r)
	}
	p := b.toPerson(r)
	if active, said := r.Bool("active"); said {
		p.Active = &active
	}
	u, err := b.s.provision.CreateUser(ctx, b.acting(ctx), p)
	if err != nil {
		return nil, wire(err)
	}
	out := r.Clone()
	dress(out, &u, true)
	return out, nil
}

func (b *backend) Get(ctx context.Context, t *scim.ResourceType, id string, want scim.Projection) (scim.Resource, error) {
	b.results = 1
	if t == b.types.groups {
		return b.getGroup(ctx, id, want.Wants("members"))
	}
	withGroups := showsGroups(want)
	u, err := b.s.provision.GetUser(ctx, b.scope, id, withGroups)
	if err != nil {
		return nil, wire(err)
	}
	return b.fromUser(&u, withGroups)
}

func (b *backend) Replace(ctx context.Context, t *scim.ResourceType, id string, r scim.Resource) (scim.Resource, error) {
	if t == b.types.groups {
		return b.replaceGroup(ctx, id, r)
	}
	withGroups := showsGroups(scim.Wanted(ctx))
	u, err := b.s.provision.UpdateUser(ctx, b.acting(ctx), id, withGroups, func(now provision.User) (provision.Person, error) {
		stored, err := b.fromUser(&now, false)
		if err != nil {
			return provision.Person{}, err
		}
		// What stays since the PUT says nothing of it, the directory does not say.
		active, said := r.Bool("active")
		next, _, err := scim.ApplyReplace(t, stored, r)
		if err != nil && said && !active {
			// An attribute that cannot be changed is no reason to leave somebody inside.
			next, err = stored, nil
		}
		if err != nil {
			return provision.Person{}, err
		}
		p := b.toPerson(next)
		if said {
			p.Active = &active
		}
		b.deactivates = said && !active
		return p, nil
	})
	if err != nil {
		return nil, wire(err)
	}
	return b.fromUser(&u, withGroups)
}

func (b *backend) Patch(ctx context.Context, t *scim.ResourceType, id string, p scim.Patch) (scim.Resource, error) {
	if t == b.types.groups {
		return b.patchGroup(ctx, id, p)
	}
	// Only what a directory says counts: a PATCH of another attribute must not repeat an
	// old "active" on its behalf.
	saysActive := p.Touches(scim.AttrPath{Name: "active"})
	withGroups := p.Return && showsGroups(p.Projection)
	u, err := b.s.provision.UpdateUser(ctx, b.acting(ctx), id, withGroups, func(now provision.User) (provision.Person, error) {
		r, err := b.fromUser(&now, withGroups)
		if err != nil {
			return provision.Person{}, err
		}
		after, _, err := p.Apply(r)
		if err != nil {
			return provision.Person{}, err
		}
		person := b.toPerson(after)
		if saysActive {
			// Taking the value away says nothing about access: somebody without "active"
			// stays as they are.
			if active, present := after.Bool("active"); present {
				person.Active = &active
				b.deactivates = !active
			}
		}
		return person, nil
	})
	if err != nil {
		return nil, wire(err)
	}
	return b.fromUser(&u, withGroups)
}

func (b *backend) Delete(ctx context.Context, t *scim.ResourceType, id string) error {
	if t == b.types.groups {
		return wire(b.s.provision.DeleteGroup(ctx, b.acting(ctx), id))
	}
	return wire(b.s.provision.DeleteUser(ctx, b.acting(ctx), id))
}

func (b *backend) createGroup(ctx context.Context, r scim.Resource) (scim.Resource, error) {
	members, _ := r.Members()
	members = distinct(members)
	g, err := b.s.provision.CreateGroup(ctx, b.acting(ctx), b.toGroup(r), members)
	if err != nil {
		return nil, wire(err)
	}
	if len(members) > 0 && scim.Wanted(ctx).Wants("members") {
		return b.Get(ctx, b.types.groups, g.ID, scim.Wanted(ctx))
	}
	return b.fromGroup(&provision.Group{Group: g})
}

func (b *backend) replaceGroup(ctx context.Context, id string, r scim.Resource) (scim.Resource, error) {
	var ops []scim.MemberOp
	// A PUT without members leaves them alone; with an empty list it empties the group.
	if members, given := r.Members(); given {
		ops = []scim.MemberOp{{Kind: scim.MemberReplace, Values: distinct(members)}}
	}
	if _, err := b.s.provision.UpdateGroup(ctx, b.acting(ctx), id, func(now store.Group) (provision.GroupForm, error) {
		stored, err := b.fromGroup(&provision.Group{Group: now})
		if err != nil {
			return provision.GroupForm{}, err
		}
		next, _, err := scim.ApplyReplace(b.types.groups, stored, r)
		if err != nil {
			return provision.GroupForm{}, err
		}
		return b.toGroup(next), nil
	}, ops); err != nil {
		return nil, wire(err)
	}
	return b.Get(ctx, b.types.groups, id, scim.Wanted(ctx))
}

func (b *backend) patchGroup(ctx context.Context, id string, p scim.Patch) (scim.Resource, error) {
	_, err := b.s.provision.UpdateGroup(ctx, b.acting(ctx), id, func(now store.Group) (provision.GroupForm, error) {
		if len(p.Ops) == 0 {
			return provision.GroupForm{DisplayName: now.DisplayName, ExternalID: now.ExternalID, Document: now.Document}, nil
		}
		r, err := b.fromGroup(&provision.Group{Group: now})
		if err != nil {
			return provision.GroupForm{}, err
		}
		after, _, err := p.Apply(r)
		if err != nil {
			return provision.GroupForm{}, err
		}
		return b.toGroup(after), nil
	}, p.Members)
	if err != nil {
		return nil, wire(err)
	}
	if !p.Return {
		return nil, nil
	}
	return b.Get(ctx, b.types.groups, id, p.Projection)
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

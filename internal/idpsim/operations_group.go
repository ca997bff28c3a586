package idpsim

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// AddGroup creates a group with members given by id or user name. Nothing is sent before it is
// pushed. An empty id is filled in.
func (p *IdP) AddGroup(ctx context.Context, id, name string, members ...string) (Group, error) {
	var out Group
	err := p.run(ctx, "Create group", func(context.Context) (msg string, err error) {
		out, err = p.insertGroup(id, strings.TrimSpace(name), members)
		return "Group " + out.Name + " was created.", err
	})
	return out, err
}

// RenameGroup gives a group another name, in the application too if it was pushed.
func (p *IdP) RenameGroup(ctx context.Context, which, name string) error {
	name = strings.TrimSpace(name)
	return p.changeMembership(ctx, "Rename group", which, "renamed to "+name, func(g *Group) error {
		if name == "" {
			return fmt.Errorf("%w: a group needs a name", ErrInvalid)
		}
		g.Name = name
		return nil
	})
}

// AddMembers adds people to a group; those who are in it stay.
func (p *IdP) AddMembers(ctx context.Context, which string, who ...string) error {
	return p.ChangeMembers(ctx, which, who, nil)
}

// RemoveMembers takes people out of a group.
func (p *IdP) RemoveMembers(ctx context.Context, which string, who ...string) error {
	return p.ChangeMembers(ctx, which, nil, who)
}

// ChangeMembers adds and removes people in one step, which Okta sends as one request.
func (p *IdP) ChangeMembers(ctx context.Context, which string, add, remove []string) error {
	joining, err := p.ids(add)
	if err != nil {
		return err
	}
	leaving, err := p.ids(remove)
	if err != nil {
		return err
	}
	return p.changeMembership(ctx, "Change members", which, "changed", func(g *Group) error {
		has, goes := setOf(g.Members), setOf(leaving)
		for _, id := range joining {
			if !has[id] {
				g.Members, has[id] = append(g.Members, id), true
			}
		}
		g.Members = slices.DeleteFunc(g.Members, func(id string) bool { return goes[id] })
		return nil
	})
}

// Move takes somebody from one group to another. They join the new group first, so that they are
// never without a group.
func (p *IdP) Move(ctx context.Context, who, from, to string) error {
	if err := p.AddMembers(ctx, to, who); err != nil {
		return err
	}
	return p.RemoveMembers(ctx, from, who)
}

func (p *IdP) ids(who []string) ([]string, error) {
	out := make([]string, 0, len(who))
	for _, w := range who {
		x, err := p.person(w)
		if err != nil {
			return nil, err
		}
		out = append(out, x.ID)
	}
	return out, nil
}

func (p *IdP) changeMembership(ctx context.Context, name, which, verb string, fn func(*Group) error) error {
	return p.run(ctx, name, func(ctx context.Context) (string, error) {
		g, err := p.changeGroup(which, fn)
		if err != nil {
			return "", err
		}
		if p.kind.IsEntra() {
			return "Group " + g.Name + " was " + verb + "; the next sync sends it.", nil
		}
		return "Group " + g.Name + " was " + verb + ".", p.groupTask(ctx, g.ID)
	})
}

// PushGroup brings a group into the application: it is created or linked at once, but Entra takes
// it into scope. Google offers none of this.
func (p *IdP) PushGroup(ctx context.Context, which string) error {
	if !p.kind.PushesGroups() {
		return fmt.Errorf("push group: %w", ErrNotOffered)
	}
	return p.run(ctx, "Push group", func(ctx context.Context) (string, error) {
		g, err := p.changeGroup(which, func(g *Group) error { g.Pushed = true; return nil })
		if err != nil {
			return "", err
		}
		if p.kind.IsEntra() {
			return "Group " + g.Name + " is in scope; the next sync sends it.", nil
		}
		return "Group " + g.Name + " was pushed.", p.pushTask(ctx, g)
	})
}

// LinkGroup pushes a group into one that the application has already, under whatever name: Okta's enhanced group
// push, which nobody else offers.
func (p *IdP) LinkGroup(ctx context.Context, which, name string) error {
	if !p.kind.isOkta() {
		return fmt.Errorf("link group: %w", ErrNotOffered)
	}
	return p.run(ctx, "Link group", func(ctx context.Context) (string, error) {
		g, err := p.group(which)
		switch {
		case err != nil:
			return "", err
		case g.App.RemoteID != "":
			return "", fmt.Errorf("%w: group %q is in the application already", ErrInvalid, g.Name)
		}
		return "Group " + g.Name + " was linked to " + name + ".", p.groupOutcome(g.ID, p.oktaLink(ctx, g, name))
	})
}

// PushNow sends the complete member list again: Okta's "Push now"; Entra, JumpCloud and CyberArk
// add everybody anew.
func (p *IdP) PushNow(ctx context.Context, which string) error {
	if !p.kind.PushesGroups() {
		return fmt.Errorf("push now: %w", ErrNotOffered)
	}
	return p.run(ctx, "Push now", func(ctx context.Context) (string, error) {
		g, err := p.group(which)
		switch {
		case err != nil:
			return "", err
		case !g.Pushed:
			return "", fmt.Errorf("%w: group %q is not pushed yet", ErrInvalid, g.Name)
		case p.kind.IsEntra():
			g, err = p.changeGroup(which, func(g *Group) error { g.App.Members = g.leavers(); return nil })
			if err != nil {
				return "", err
			}
			_, err = p.entraSendGroup(ctx, g, dialect{})
			return "Group " + g.Name + " was provisioned on demand.", err
		}
		return "All members of " + g.Name + " were pushed.", p.pushTask(ctx, g)
	})
}

// UnlinkGroup ends the push of a group. With remove the group is deleted in the application, else
// Okta leaves it there. Entra always deletes a group that went out of scope.
func (p *IdP) UnlinkGroup(ctx context.Context, which string, remove bool) error {
	return p.run(ctx, "Unlink group", func(ctx context.Context) (string, error) {
		g, err := p.group(which)
		if err != nil {
			return "", err
		}
		if p.kind.IsEntra() {
			_, err = p.changeGroup(which, func(g *Group) error { g.Pushed = false; return nil })
			return "Group " + g.Name + " is out of scope; the next sync deletes it in the application.", err
		}
		return "Group " + g.Name + " was unlinked.", p.unlinkGroup(ctx, g, remove)
	})
}

// DeleteGroup deletes a group in the IdP, and in the application if it was pushed.
func (p *IdP) DeleteGroup(ctx context.Context, which string) error {
	return p.run(ctx, "Delete group", func(ctx context.Context) (string, error) {
		if p.kind.IsEntra() {
			g, err := p.changeGroup(which, func(g *Group) error { g.Deleted = true; return nil })
			return "Group " + g.Name + " was deleted; the next sync sends it.", err
		}
		g, err := p.group(which)
		if err != nil {
			return "", err
		}
		if err := p.unlinkGroup(ctx, g, true); err != nil {
			return "", err
		}
		p.forgetGroup(g.ID)
		return "Group " + g.Name + " was deleted.", nil
	})
}

// pushTask pushes a group with all members and keeps a refusal for Retry.
func (p *IdP) pushTask(ctx context.Context, g Group) error {
	push := p.putPush
	if p.kind.isOkta() {
		push = p.oktaPush
	}
	return p.groupOutcome(g.ID, push(ctx, g))
}

// groupTask sends what changed in a group and keeps a refusal for Retry.
func (p *IdP) groupTask(ctx context.Context, id string) error {
	send := p.putSyncGroup
	if p.kind.isOkta() {
		send = p.oktaSyncGroup
	}
	return p.groupOutcome(id, send(ctx, id))
}

func (p *IdP) groupOutcome(id string, err error) error {
	switch {
	case errors.Is(err, ErrNotConnected):
	case err != nil:
		p.groupFailed(id, err.Error())
	default:
		p.groupFine(id)
	}
	return err
}

// oktaSendPassword is the catalogue app's password sync, a path-less PATCH.
func (p *IdP) oktaSendPassword(ctx context.Context, x Person, password string) error {
	_, err := p.send(ctx, request{step: oktaPassword, method: http.MethodPatch, path: "/Users/" + x.App.RemoteID,
		body: patch(object{{"op", "replace"}, {"value", object{{"password", password}}}})})
	return err
}

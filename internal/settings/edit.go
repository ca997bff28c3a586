package settings

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// edit changes the configuration of a workspace by fn, which works on p.after, in one transaction
// that holds it. What an apply settles is settled here as well: what differs is written and
// recorded, roles are decided again, sessions end, and law 7 is asked. Where nothing differs nothing
// is written. A member needs the permission to change settings, as they are now: what the door has seen may be over. fn
// may run twice.
func (s *Service) edit(ctx context.Context, slug string, actor audit.Party, fn func(p *plan) error) error {
	return s.editThen(ctx, slug, actor, fn, nil)
}

// editThen is edit with a last word: then, which may be nil, is asked when all is settled, also where nothing differs, and its error
// takes everything back.
func (s *Service) editThen(ctx context.Context, slug string, actor audit.Party, fn func(p *plan) error, then func(a *apply) error) error {
	return s.editWith(ctx, directory.PermissionSettings, slug, actor, fn, then)
}

func (s *Service) editWith(ctx context.Context, permission, slug string, actor audit.Party, fn func(p *plan) error, then func(a *apply) error) error {
	return s.editPaged(ctx, permission, slug, actor, Page{}, fn, then)
}

// editAs is edit that tells whom it changed. Where word is not "" it is exactly what foresee showed under it, or nothing.
func (s *Service) editAs(ctx context.Context, slug string, actor audit.Party, word string, page Page, fn func(p *plan) error) (done Preview, err error) {
	err = s.editPaged(ctx, directory.PermissionSettings, slug, actor, page, fn, func(a *apply) error {
		done = a.preview()
		return unchanged(word, done.Word)
	})
	return done, err
}

func (s *Service) editPaged(ctx context.Context, permission, slug string, actor audit.Party, page Page, fn func(p *plan) error, then func(a *apply) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Write(ctx, id, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		before, err := tx.Config()
		if err != nil {
			return err
		}
		p, err := s.planOf(tx, before, permission, actor)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		if err := p.givesSource(); err != nil {
			return err
		}
		a := &apply{Service: s, tx: tx, options: ApplyOptions{Actor: actor}, plan: p, diffs: stateOf(before).to(stateOf(p.after)), tally: newTally(before, p.after, page)}
		if len(a.diffs) == 0 {
			if then != nil {
				return then(a)
			}
			return nil
		}
		for _, step := range []func() error{a.write, a.endConnectionSessions, a.shortenSessions, a.remap, a.renewSessions, a.reread, a.settleEnforcement, a.record} {
			if err := step(); err != nil {
				return err
			}
		}
		if then != nil {
			return then(a)
		}
		return nil
	})
}

// planOf is a plan of a change by actor, who needs the permission.
func (s *Service) planOf(tx *store.Tx, before *directory.Config, permission string, actor audit.Party) (*plan, error) {
	who, err := roleOf(tx, before, actor)
	if err != nil {
		return nil, err
	}
	if who != nil {
		if err := who.CheckMay(permission); err != nil {
			return nil, err
		}
	}
	return &plan{before: before, after: clone(before), now: tx.Now(), allowPrivate: s.AllowPrivate, who: who,
		byOwner: actor.Kind == "operator" || who != nil && who.IsOwner()}, nil
}

// roleOf is the role of a member who acts, nil for an operator and for what happens by itself.
func roleOf(tx *store.Tx, cfg *directory.Config, actor audit.Party) (*directory.Role, error) {
	if actor.Kind != "member" {
		return nil, nil
	}
	m, err := tx.Member(actor.ID)
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		return nil, err
	}
	if err != nil || !m.In() {
		return nil, errs.Forbidden("permission_missing", "You are no member of this workspace any more.")
	}
	role, ok := cfg.Roles.ByID(m.Role)
	if !ok {
		return nil, errs.Forbidden("permission_missing", "Your role is none of this workspace's.")
	}
	return &role, nil
}

// actsAsOwner reports whether an act is an owner's, or the operator's.
func actsAsOwner(tx *store.Tx, cfg *directory.Config, actor audit.Party) (bool, error) {
	role, err := roleOf(tx, cfg, actor)
	if errs.Is(err, errs.KindForbidden) {
		return false, nil
	}
	return actor.Kind == "operator" || role != nil && role.IsOwner(), err
}

// editConnection is edit for one connection, named by name or id, and returns it as it is then.
func (s *Service) editConnection(ctx context.Context, slug, nameOrID string, actor audit.Party, fn func(p *plan, c *directory.Connection) error) (ConnectionView, error) {
	var after directory.Connection
	var cfg *directory.Config
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		found, err := connectionOf(p.after, nameOrID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(p.after.Connections, func(c directory.Connection) bool { return c.ID == found.ID })
		if err := fn(p, &p.after.Connections[i]); err != nil {
			return err
		}
		cfg, after = p.after, p.after.Connections[i]
		return nil
	})
	if err != nil {
		return ConnectionView{}, err
	}
	return s.view(cfg, after), nil
}

func connectionOf(cfg *directory.Config, nameOrID string) (directory.Connection, error) {
	c, ok := findConnection(cfg, nameOrID)
	if !ok {
		return c, errs.NotFound("connection_unknown", "The workspace %q has no connection %q%s",
			cfg.Workspace.Slug, clip(nameOrID), orMeant(nameOrID, connectionNames(cfg)))
	}
	return c, nil
}

// checkName refuses what cannot name a connection or directory. taken are those that are there.
func checkName(name string, taken []string) error {
	if !nameForm.MatchString(name) {
		return errs.Invalid("name_invalid", "name: expected up to 63 letters, digits, spaces, - and _, received %s", quote(name))
	}
	if slices.ContainsFunc(taken, func(t string) bool { return strings.EqualFold(t, name) }) {
		return errs.Conflict("name_taken", "The name %q is taken.", name)
	}
	return nil
}

// checkText refuses what an apply file would refuse as a text, so that every configuration can be
// exported and applied.
func checkText(field, s string) error {
	switch {
	case len(s) > maxText:
		return errs.Invalid("text_too_long", "%s: expected at most %d bytes, received %d", field, maxText, len(s))
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return errs.Invalid("text_invalid", "%s: expected text without control characters", field)
	}
	return nil
}

// enough refuses one more of what there may be so many.
func enough(what string, n, most int) error {
	if n >= most {
		return errs.Conflict("too_many", "There are %d %s already, and more are not possible.", n, what)
	}
	return nil
}

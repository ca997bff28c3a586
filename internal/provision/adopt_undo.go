package provision

import (
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// UndoAdoption makes a member nobody's directory's again: name, address, attributes and role are what they were,
// but for what was set by hand since; the directory's word about them, and group loss, are lifted unless they
// stood before. The directory's resource is retired, and its next POST of them asks. Sign-in links that came about
// through the directory are cut, with the sessions of their connection; other sessions live on. Errors: as of
// AllowAdoption; conflict "address_taken" where somebody else has the address by now; forbidden
// "protected_member".
func (s *Service) UndoAdoption(ctx context.Context, scope Scope, id, seen string) (Adoption, error) {
	return s.onAdoption(ctx, scope, id, seen, func(tx *store.Tx, cfg *directory.Config, r *store.Adoption, m *directory.Member) error {
		if r.State != store.AdoptionAdopted || m.Directory != r.Directory {
			return adoptionOver()
		}
		var was formerly
		if err := r.DecodeBefore(&was); err != nil {
			return err
		}
		live, err := s.behind(tx, r, m)
		if err != nil {
			return err
		}
		c := edit(m, "adoption_undone")
		touch, err := retire(tx, live)
		if err != nil {
			return err
		}
		if err := cutLinks(tx, cfg, r, m, was); err != nil {
			return err
		}
		if err := was.restore(tx, cfg, m); err != nil {
			return err
		}
		if c.before.Sources == 0 && m.Sources != 0 {
			if err := s.shield(tx, cfg, scope, &c.before, "undoing an adoption that puts them out"); err != nil {
				return err
			}
		}
		if m.Email != c.before.Email || c.before.Sources != 0 && m.Sources == 0 {
			if err := checkAddress(tx, m.Email, m.ID, m.Sources == 0); err != nil {
				return err
			}
		}
		r.State, r.Before, r.DecidedAt, r.DecidedBy = store.AdoptionUndone, "", tx.Now(), scope.Actor.Name
		tx.UpdateAdoption(r)
		changes := []audit.Change{{Field: "directory", From: r.Directory}}
		for _, u := range live {
			changes = append(changes, audit.Change{Field: "scim_id", From: u.ID})
		}
		if err := tx.Record(adoptionEvent(scope, audit.AdoptionUndone, r, m, changes...)); err != nil {
			return err
		}
		if err := save(tx, cfg, scope, c); err != nil {
			return err
		}
		touch()
		return nil
	})
}

// behind returns the directory's live resources behind m. A fresh member may have taken m's place since: then
// there is nothing to undo.
func (s *Service) behind(tx *store.Tx, r *store.Adoption, m *directory.Member) ([]store.SCIMUser, error) {
	if u, err := tx.SCIMUser(r.Directory, r.User); err == nil && u.Member != m.ID {
		return nil, errs.Conflict("adoption_over", "A fresh member took the place of %s since; there is nothing to undo.", m.Email)
	} else if err != nil && !errs.Is(err, errs.KindNotFound) {
		return nil, err
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	return slices.DeleteFunc(resources, func(u store.SCIMUser) bool { return !u.RetiredAt.IsZero() || u.Directory != r.Directory }), err
}

// cutLinks takes away the sign-in links that the adoption made possible: whoever the directory meant signed in
// by them as m.
func cutLinks(tx *store.Tx, cfg *directory.Config, r *store.Adoption, m *directory.Member, was formerly) error {
	dir, _ := cfg.Directory(r.Directory)
	links, err := tx.IdentitiesOf(m.ID)
	if err != nil || dir.Connection == "" {
		return err
	}
	cut, left := false, false
	for _, l := range links {
		switch {
		case l.Connection != dir.Connection:
		case slices.Contains(was.Links, [2]string{l.Connection, l.Subject}):
			left = true
		default:
			cut = true
			tx.DropIdentity(l)
		}
	}
	if !cut {
		return nil
	}
	if !left {
		tx.DropClaims(m.ID, dir.Connection)
	}
	sessions, err := tx.Sessions(m.ID)
	if err != nil {
		return err
	}
	for _, live := range sessions {
		if live.Connection != dir.Connection {
			continue
		}
		if err := tx.EndSession(live.ID, "adoption_undone"); err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
	}
	return nil
}

// restore gives m back what they were.
func (was formerly) restore(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
	const theirs = directory.SourceIdP | directory.SourceGroupLoss
	m.Directory = ""
	m.Email, m.Name, m.GivenName, m.FamilyName, m.Attributes = was.Email, was.Name, was.GivenName, was.FamilyName, was.Attributes
	m.Sources = m.Sources&^directory.Sources(theirs) | was.Sources&directory.Sources(theirs)
	groups, err := groupsOf(tx, cfg, m)
	if err != nil {
		return err
	}
	role, known := cfg.Roles.ByID(was.Role)
	lasts := was.RoleReason.Source == directory.RoleByMapping || was.RoleReason.Source == directory.RoleKept
	if _, byHand := cfg.Roles.ByID(m.ManualRole); !byHand && len(groups) == 0 && lasts && known && !role.IsOwner() {
		// A group gave it that is another directory's: it stays as over a return.
		m.Role, m.RoleReason = role.ID, directory.RoleReason{Source: directory.RoleKept, At: tx.Now()}
		return nil
	}
	decide(cfg, m, groups, tx.Now())
	return nil
}

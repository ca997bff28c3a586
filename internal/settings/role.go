package settings

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// RoleLine is a role as it is shown and edited.
type RoleLine struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Rank        int      `json:"rank"` // 0 is the highest, the owner role's
	Owner       bool     `json:"owner"`
	Lowest      bool     `json:"lowest"` // everybody has it until something gives another
	Permissions []string `json:"permissions"`
	// Members are those who have it, in or out; store.MaxRoleCount+1 stands for more.
	Members  int      `json:"members"`
	Mappings []string `json:"mappings"` // that give it, in words
}

const (
	maxRoles    = 100
	maxRoleName = 100
)

// Roles are those of a workspace, highest first.
func (s *Service) Roles(ctx context.Context, slug string) ([]RoleLine, error) {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return nil, err
	}
	var out []RoleLine
	err = s.DB.Read(ctx, id, func(tx *store.Tx) error {
		out = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		for i, r := range cfg.Roles {
			line := RoleLine{ID: r.ID, Name: r.Name, Rank: i, Owner: r.IsOwner(), Lowest: i == len(cfg.Roles)-1, Permissions: orEmpty(r.Permissions), Mappings: mappingsTo(cfg, r.ID)}
			if line.Members, err = tx.MembersWith(r.ID); err != nil {
				return err
			}
			out = append(out, line)
		}
		return nil
	})
	return out, err
}

// mappingsTo are the mappings that give a role, in words.
func mappingsTo(cfg *directory.Config, role string) []string {
	out := []string{}
	for _, m := range cfg.Mappings {
		if m.Role == role {
			text, _ := cfg.MappingText(m.ID)
			out = append(out, text)
		}
	}
	return out
}

// Role is one of them, by name or id.
func (s *Service) Role(ctx context.Context, slug, nameOrID string) (RoleLine, error) {
	all, err := s.Roles(ctx, slug)
	if err != nil {
		return RoleLine{}, err
	}
	var names []string
	for _, r := range all {
		if r.ID == nameOrID || strings.EqualFold(r.Name, nameOrID) {
			return r, nil
		}
		names = append(names, r.Name)
	}
	return RoleLine{}, noRole(nameOrID, names)
}

func noRole(named string, known []string) error {
	return errs.NotFound("role_unknown", "There is no role %s%s", quote(named), orMeant(named, known))
}

// NewRole is a role as somebody makes it.
type NewRole struct {
	Name        string
	Permissions []string
	// Above is the name or id of the role that shall stand directly below it, "" for the lowest: the new one is never
	// the lowest itself, which everybody has to whom nothing gives another.
	Above string
}

// AddRole makes a role, below the actor's own and with no permission that they lack.
func (s *Service) AddRole(ctx context.Context, slug string, n NewRole, actor audit.Party) error {
	return s.editRoles(ctx, slug, actor, func(p *plan) error {
		name, err := roleNamed(p.after.Roles, "", n.Name)
		if err != nil {
			return err
		}
		if err := enough("roles", len(p.after.Roles), maxRoles); err != nil {
			return err
		}
		role := directory.Role{ID: keys.ID("rol_", p.now), Name: name}
		if role.Permissions, err = directory.TidyPermissions(n.Permissions); err != nil {
			return err
		}
		at := len(p.after.Roles) - 1
		if n.Above != "" {
			below, err := p.role(n.Above)
			if err != nil {
				return err
			}
			at = below.Rank
		}
		if at == 0 {
			return errs.Invalid("owner_first", "The owner role stands first: no role is above it.")
		}
		role.Rank = at
		p.ranked(slices.Insert(p.after.Roles, at, role))
		return p.gives(p.after.Roles[at])
	})
}

// RenameRole gives a role another name. Whoever has it keeps it, and so do mappings.
func (s *Service) RenameRole(ctx context.Context, slug, role, name string, actor audit.Party) error {
	return s.editRoles(ctx, slug, actor, func(p *plan) error {
		r, err := p.mine(role)
		if err != nil {
			return err
		}
		p.after.Roles[r.Rank].Name, err = roleNamed(p.after.Roles, r.ID, name)
		return err
	})
}

// SetRolePermissions says what a role allows. The owner role always allows everything.
func (s *Service) SetRolePermissions(ctx context.Context, slug, role string, permissions []string, actor audit.Party) error {
	return s.editRoles(ctx, slug, actor, func(p *plan) error {
		r, err := p.mine(role)
		if err != nil {
			return err
		}
		if r.IsOwner() {
			return errs.Invalid("owner_role", "The owner role %s always allows everything.", r.Name)
		}
		if r.Permissions, err = directory.TidyPermissions(permissions); err != nil {
			return err
		}
		p.after.Roles[r.Rank] = r
		return p.gives(r)
	})
}

// MoveRole exchanges a role with the one above it (up) or below. What moves, and what it passes, are both at or below
// the actor's own: of several mapped roles the highest wins, so that either way somebody may get one of them.
func (s *Service) MoveRole(ctx context.Context, slug, role string, up bool, actor audit.Party) error {
	return s.editRoles(ctx, slug, actor, func(p *plan) error {
		r, err := p.mine(role)
		if err != nil {
			return err
		}
		to := r.Rank + 1
		if up {
			to = r.Rank - 1
		}
		switch {
		case r.IsOwner(), to == 0:
			return errs.Invalid("owner_first", "The owner role %s stands first, and no other comes before it.", p.after.Roles.Owner().Name)
		case to == len(p.after.Roles):
			return errs.Invalid("role_lowest", "The role %s is the lowest already.", r.Name)
		}
		other := p.after.Roles[to]
		if err := p.gives(other); err != nil {
			return err
		}
		if p.who != nil && (r.ID == p.who.ID || other.ID == p.who.ID) {
			return errs.Forbidden("own_rank", "Your own role keeps its rank: only somebody above it can move it, or another one past it.")
		}
		p.after.Roles[r.Rank], p.after.Roles[to] = other, r
		p.ranked(p.after.Roles)
		return nil
	})
}

// RemoveRole removes a role. Whoever has it gets the role instead, those who have it by hand by hand, and the mappings that
// give it give that one; everybody's role is decided again in the same transaction. The lowest role makes room for the
// one above it, which is the lowest then.
func (s *Service) RemoveRole(ctx context.Context, slug, role, instead string, actor audit.Party) error {
	return s.editRoles(ctx, slug, actor, func(p *plan) error {
		r, err := p.mine(role)
		if err != nil {
			return err
		}
		last := len(p.after.Roles) - 1
		switch {
		case r.IsOwner():
			return errs.Invalid("owner_role", "The owner role %s cannot be removed.", r.Name)
		case p.who != nil && p.who.ID == r.ID:
			return errs.Forbidden("own_role", "%s is your own role: somebody above it can remove it.", r.Name)
		case last == 1:
			return errs.Conflict("role_last", "The role %s is the only one beside the owner role: without it everybody would be an owner.", r.Name)
		case instead == "":
			return errs.Invalid("instead_missing", "Say which role those get who have %s.", r.Name)
		}
		other, err := p.mine(instead)
		switch {
		case err != nil:
			return err
		case other.ID == r.ID:
			return errs.Invalid("instead_same", "The role %s goes: choose another one for those who have it.", r.Name)
		case other.IsOwner():
			return errs.Invalid("owner_role", "The owner role %s is given to one person at a time, by hand.", other.Name)
		case r.Rank == last && other.Rank != last-1:
			return errs.Invalid("instead_lowest", "Without %s, %s is the lowest role, which everybody has to whom nothing gives another: choose it.", r.Name, p.after.Roles[last-1].Name)
		}
		for i, m := range p.after.Mappings {
			if m.Role == r.ID {
				// Other parts make it another mapping.
				m.ID, m.Role = keys.ID("map_", p.now), other.ID
				p.after.Mappings[i] = m
			}
		}
		p.instead = map[string]string{r.ID: other.ID}
		p.ranked(slices.Delete(p.after.Roles, r.Rank, r.Rank+1))
		return nil
	})
}

// editRoles is edit by somebody who may change roles.
func (s *Service) editRoles(ctx context.Context, slug string, actor audit.Party, fn func(p *plan) error) error {
	return s.editWith(ctx, directory.PermissionRoles, slug, actor, fn, nil)
}

// role finds a role by name or id.
func (p *plan) role(nameOrID string) (directory.Role, error) {
	r, ok := p.after.Roles.ByID(nameOrID)
	if !ok {
		r, ok = p.after.Roles.ByName(nameOrID)
	}
	if !ok {
		return r, noRole(nameOrID, p.after.Roles.Names())
	}
	return r, nil
}

// mine finds a role that whoever acts may change: none above their own, none that allows what theirs does not.
func (p *plan) mine(nameOrID string) (directory.Role, error) {
	r, err := p.role(nameOrID)
	if err == nil {
		err = p.gives(r)
	}
	return r, err
}

// gives refuses a role that whoever acts may not give.
func (p *plan) gives(r directory.Role) error {
	if p.who == nil {
		return nil
	}
	own, _ := p.before.Roles.ByID(p.who.ID)
	if now, ok := p.after.Roles.ByID(own.ID); ok {
		own.Rank = now.Rank
	}
	return own.CheckGives(r)
}

// givesSource refuses to switch mappings on or off for whoever may not give each role that they give: all of them together
// would do what adding or removing one may not.
func (p *plan) givesSource() error {
	if p.before.Workspace.Policy.RoleSource == p.after.Workspace.Policy.RoleSource {
		return nil
	}
	for _, m := range p.after.Mappings {
		if r, ok := p.after.Roles.ByID(m.Role); ok {
			if err := p.gives(r); err != nil {
				return err
			}
		}
	}
	return nil
}

// renewSessions has the browsers of everybody get a new token whose role allows more than before, or stands above one that
// it stood below: one statement for each such role. Who got another role has it by save.
func (a *apply) renewSessions() error {
	if a.before == nil {
		return nil
	}
	for _, is := range a.after.Roles {
		if was, ok := a.before.Roles.ByID(is.ID); ok && (!was.Covers(is) || passes(a.before.Roles, a.after.Roles, is.ID)) {
			a.tx.RenewSessionsWith(is.ID, session.RenewedRole)
		}
	}
	return nil
}

// passes reports whether a role stands above another one that it stood below.
func passes(before, after directory.Roles, role string) bool {
	was, _ := before.ByID(role)
	is, _ := after.ByID(role)
	return slices.ContainsFunc(after, func(r directory.Role) bool {
		had, ok := before.ByID(r.ID)
		return ok && had.Rank < was.Rank && r.Rank > is.Rank
	})
}

// ranked takes a list of roles and numbers it.
func (p *plan) ranked(roles directory.Roles) {
	for i := range roles {
		roles[i].Rank = i
	}
	p.after.Roles = roles
}

// roleNamed checks the name of a role. Names are unique without regard to letter case.
func roleNamed(roles directory.Roles, self, typed string) (string, error) {
	name := strings.Join(strings.Fields(typed), " ")
	switch {
	case name == "":
		return "", errs.Invalid("name_missing", "A role needs a name.")
	case len(name) > maxRoleName || strings.Contains(name, ","):
		return "", errs.Invalid("name_invalid", "name: expected at most %d bytes without commas, received %s", maxRoleName, quote(name))
	}
	if err := checkText("name", name); err != nil {
		return "", err
	}
	if other, taken := roles.ByName(name); taken && other.ID != self {
		return "", errs.Conflict("name_taken", "There is a role %s already.", other.Name)
	}
	return name, nil
}

package settings

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

func (s *Service) viewDirectory(d directory.Directory) DirectoryView {
	return DirectoryView{ID: d.ID, Name: d.Name, BaseURL: s.SCIMBaseURL()}
}

// CreateDirectory makes a provisioning feed beside a connection, named by name or id, "" for none. It
// is switched on, and nothing can speak for it before RotateToken gives it a token. A name that is
// taken is a conflict, name_taken.
func (s *Service) CreateDirectory(ctx context.Context, slug, name, connection string, actor audit.Party) (DirectoryView, error) {
	var d directory.Directory
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		if err := checkName(name, directoryNames(p.after)); err != nil {
			return err
		}
		if err := enough("directories", len(p.after.Directories), maxItems); err != nil {
			return err
		}
		d = directory.Directory{ID: keys.ID("dir_", p.now), Name: name, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}
		if connection != "" {
			c, err := connectionOf(p.after, connection)
			if err != nil {
				return err
			}
			if !directory.OffersSCIM(c.Provider) {
				return errs.Conflict("scim_not_offered", "The connection %q is %s, which offers no SCIM. Make the directory without a connection.", c.Name, genericRow(c.Protocol))
			}
			d.Connection = c.ID
		}
		p.after.Directories = append(p.after.Directories, d)
		return nil
	})
	if err != nil {
		return DirectoryView{}, err
	}
	return s.viewDirectory(d), nil
}

// NewMapping is a role mapping as an administrator gives it.
type NewMapping struct {
	// Match is a group's display name or external id, or a group claim's value as it comes.
	Match string `json:"group"`
	Role  string `json:"role"` // name or id
	// Directory or Connection, by name or id, hold it to the groups of one directory or to the claims
	// of one connection; neither is for all.
	Directory  string `json:"directory,omitempty"`
	Connection string `json:"connection,omitempty"`
}

// AddRoleMapping gives the members of a group a role, at once. The owner role cannot be mapped
// (invalid, owner_role); a second role for the same group of the same source is a conflict,
// mapping_taken.
func (s *Service) AddRoleMapping(ctx context.Context, slug string, n NewMapping, actor audit.Party) (MappingView, error) {
	var view MappingView
	err := s.edit(ctx, slug, actor, func(p *plan) error {
		m, err := p.newMapping(n)
		if err != nil {
			return err
		}
		p.after.Mappings = append(p.after.Mappings, m)
		view = viewMapping(p.after, m)
		return nil
	})
	return view, err
}

func (p *plan) newMapping(n NewMapping) (directory.RoleMapping, error) {
	m := directory.RoleMapping{ID: keys.ID("map_", p.now), Match: n.Match}
	if strings.TrimSpace(n.Match) == "" {
		return m, errs.Invalid("group_missing", "group: expected the name of a group, received nothing")
	}
	if err := checkText("group", n.Match); err != nil {
		return m, err
	}
	if err := enough("role mappings", len(p.after.Mappings), MaxMappings); err != nil {
		return m, err
	}
	role, ok := p.after.Roles.ByID(n.Role)
	if !ok {
		role, ok = p.after.Roles.ByName(n.Role)
	}
	switch {
	case !ok:
		return m, errs.Invalid("role_unknown", "role: there is no role %s%s", quote(n.Role), didYouMean(n.Role, p.after.Roles.Names()))
	case role.IsOwner():
		return m, errs.Invalid("owner_role", "role: the owner role %q cannot be mapped; owners are named by hand", role.Name)
	case n.Directory != "" && n.Connection != "":
		return m, errs.Invalid("two_sources", "expected a directory (its groups) or a connection (its group claims), received both; leave both out for either")
	}
	if err := p.gives(role); err != nil {
		return m, err
	}
	m.Role = role.ID
	if n.Directory != "" {
		d, err := directoryOf(p.after, n.Directory)
		if err != nil {
			return m, err
		}
		m.Directory = d.ID
	}
	if n.Connection != "" {
		c, err := connectionOf(p.after, n.Connection)
		if err != nil {
			return m, err
		}
		m.Connection = c.ID
	}
	for _, other := range p.after.Mappings {
		if other.Directory == m.Directory && other.Connection == m.Connection && strings.EqualFold(other.Match, m.Match) {
			has, _ := p.after.Roles.ByID(other.Role)
			return m, errs.Conflict("mapping_taken", "The group %s is mapped already, to %s. Remove that mapping first.", quote(m.Match), has.Name)
		}
	}
	return m, nil
}

// RemoveRoleMapping takes a mapping, by id, away. Who had the role by it alone has another from that
// instant; nobody goes out by it.
func (s *Service) RemoveRoleMapping(ctx context.Context, slug, id string, actor audit.Party) error {
	return s.edit(ctx, slug, actor, func(p *plan) error { return p.removeMapping(id) })
}

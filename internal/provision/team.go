package provision

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Teams are groups that people here make. No directory sees or changes one, and none gives a mapped role (DESIGN section
// 2): who decides who is in a team must not thereby decide who is an administrator.

// team runs one change of a team, or of none yet for "", under the locks that it needs.
func (s *Service) team(ctx context.Context, scope Scope, id string, fn func(tx *store.Tx, g *store.Group) (*audit.Event, error)) error {
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople(nil, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		var g *store.Group
		if id != "" {
			if g, err = tx.Group("", id); err != nil {
				return errs.NotFound("team_unknown", "There is no team %s.", id)
			}
		}
		if _, err := handOf(tx, cfg, scope, directory.PermissionTeams); err != nil {
			return refusedAct(scope, &directory.Member{}, err)
		}
		e, err := fn(tx, g)
		if err != nil || e == nil {
			return err
		}
		return tx.Record(*e)
	})
}

// teamName checks a name. Names are unique among teams, without regard to letter case.
func teamName(typed string) (string, error) {
	name := strings.Join(strings.Fields(typed), " ")
	if name == "" {
		return "", errs.Invalid("name_missing", "A team needs a name.")
	}
	return name, checkName("name", name)
}

func nameTaken(err error, name string) error {
	if errs.Is(err, errs.KindConflict) && errs.CodeOf(err) != "busy" {
		return errs.Conflict("name_taken", "There is a team %s already.", name)
	}
	return err
}

// CreateTeam makes a team.
func (s *Service) CreateTeam(ctx context.Context, scope Scope, typed string) (g store.Group, err error) {
	name, err := teamName(typed)
	if err != nil {
		return g, err
	}
	err = s.team(ctx, scope, "", func(tx *store.Tx, _ *store.Group) (*audit.Event, error) {
		g = store.Group{Group: directory.Group{ID: keys.ID("grp_", tx.Now()), DisplayName: name}, Document: "{}"}
		tx.InsertGroup(&g)
		e := scope.event(audit.TeamCreated, groupParty(&g))
		return &e, nil
	})
	return g, nameTaken(err, name)
}

// RenameTeam gives a team another name.
func (s *Service) RenameTeam(ctx context.Context, scope Scope, id, typed string) error {
	name, err := teamName(typed)
	if err != nil {
		return err
	}
	return nameTaken(s.team(ctx, scope, id, func(tx *store.Tx, g *store.Group) (*audit.Event, error) {
		if g.DisplayName == name {
			return nil, nil
		}
		e := scope.event(audit.TeamChanged, groupParty(g), audit.Change{Field: "name", From: g.DisplayName, To: name})
		g.DisplayName = name
		tx.UpdateGroup(g)
		return &e, nil
	}), name)
}

// DeleteTeam removes a team; its members stay members.
func (s *Service) DeleteTeam(ctx context.Context, scope Scope, id string) error {
	return s.team(ctx, scope, id, func(tx *store.Tx, g *store.Group) (*audit.Event, error) {
		tx.DeleteGroup(g.ID)
		e := scope.event(audit.TeamRemoved, groupParty(g))
		return &e, nil
	})
}

// AddToTeam puts a member into a team; somebody who is in it stays.
func (s *Service) AddToTeam(ctx context.Context, scope Scope, id string, find func(*store.Tx) (*directory.Member, error)) (m directory.Member, err error) {
	err = s.team(ctx, scope, id, func(tx *store.Tx, g *store.Group) (*audit.Event, error) {
		who, err := find(tx)
		if err != nil {
			return nil, err
		}
		m = *who
		if m.Stage == directory.StageErased {
			return nil, errs.Conflict("member_erased", "The member %s was erased.", m.ID)
		}
		added, err := tx.AddTeamMember(g.ID, m.ID)
		if err != nil || !added {
			return nil, err
		}
		return inTeam(scope, &m, "member_added", audit.Change{Field: "team", To: g.DisplayName}), nil
	})
	return m, err
}

// RemoveFromTeam takes a member out of a team.
func (s *Service) RemoveFromTeam(ctx context.Context, scope Scope, id string, find func(*store.Tx) (*directory.Member, error)) (m directory.Member, err error) {
	err = s.team(ctx, scope, id, func(tx *store.Tx, g *store.Group) (*audit.Event, error) {
		who, err := find(tx)
		if err != nil {
			return nil, err
		}
		m = *who
		removed, err := tx.RemoveTeamMember(g.ID, m.ID)
		if err != nil || !removed {
			return nil, err
		}
		return inTeam(scope, &m, "member_removed", audit.Change{Field: "team", From: g.DisplayName}), nil
	})
	return m, err
}

// inTeam is the event of somebody's coming into a team, or going out of it.
func inTeam(scope Scope, m *directory.Member, reason string, c audit.Change) *audit.Event {
	e := scope.event(audit.TeamChanged, memberParty(m), c)
	e.Reason = reason
	return &e
}

// Team is a team as it is shown.
type Team struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int    `json:"size"` // members
}

// Teams returns teams in the order of their names: those behind a name, limit at most.
func (s *Service) Teams(ctx context.Context, scope Scope, after string, limit int) (out []Team, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		out = []Team{}
		found, err := tx.Teams(after, limit)
		if err != nil {
			return err
		}
		ids := make([]string, len(found))
		for i, g := range found {
			ids[i] = g.ID
		}
		sizes, err := tx.TeamSizes(ids)
		for _, g := range found {
			out = append(out, Team{g.ID, g.DisplayName, sizes[g.ID]})
		}
		return err
	})
	return out, err
}

// LookTeam returns a team with some of its members, in id order: those behind the id after, limit at most.
func (s *Service) LookTeam(ctx context.Context, scope Scope, id, after string, limit int) (t Team, members []directory.Member, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		g, err := tx.Group("", id)
		if err != nil {
			return errs.NotFound("team_unknown", "There is no team %s.", id)
		}
		sizes, err := tx.TeamSizes([]string{id})
		if err != nil {
			return err
		}
		t = Team{g.ID, g.DisplayName, sizes[id]}
		members, err = tx.TeamMembers(id, after, limit)
		return err
	})
	return t, members, err
}

// TeamNamed finds a team by name, without regard to letter case.
func (s *Service) TeamNamed(ctx context.Context, scope Scope, name string) (t Team, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		g, err := tx.TeamNamed(strings.Join(strings.Fields(name), " "))
		if err != nil {
			return err
		}
		t = Team{ID: g.ID, Name: g.DisplayName}
		return nil
	})
	return t, err
}

// Roles is the configuration with which the members of a team are shown.
func (s *Service) Roles(ctx context.Context, scope Scope) (cfg *directory.Config, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		cfg, err = tx.Config()
		return err
	})
	return cfg, err
}

package api

import (
	"context"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Team is a group that people here made.
type Team struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Size int    `json:"size" doc:"How many members are in it"`
}

// TeamPage is a page of teams.
type TeamPage struct {
	Teams []Team `json:"teams"`
	Next  string `json:"next,omitempty"`
}

// TeamMembers is a team with a page of its members.
type TeamMembers struct {
	Team
	Members []MemberLine `json:"members"`
	Next    string       `json:"next,omitempty"`
}

type (
	teamAnswer        struct{ Body Team }
	teamPageAnswer    struct{ Body TeamPage }
	teamMembersAnswer struct{ Body TeamMembers }
	inTeamInput       struct {
		TeamInput
		Member string `path:"member" maxLength:"100"`
	}
)

// TeamInput names a team. What is embedded is exported, or it is not read.
type TeamInput struct {
	Team string `path:"team" maxLength:"100"`
}

// TeamName is what a team is to be called.
type TeamName struct {
	Name string `json:"name" minLength:"1" maxLength:"256"`
}

const (
	teamCursor       cursorKind = "team"
	teamMemberCursor cursorKind = "team member"
)

func (d *Door) addTeams() {
	add(d, route{method: http.MethodGet, path: "/teams", id: "list-teams", tag: "Teams", summary: "List teams, by name", needs: directory.PermissionTeamsRead}, d.listTeams)
	add(d, route{method: http.MethodPost, path: "/teams", id: "create-team", tag: "Teams", summary: "Make a team", needs: directory.PermissionTeams, made: true, twice: "409 name_taken."},
		func(ctx context.Context, c *caller, in *struct{ Body TeamName }) (*teamAnswer, error) {
			g, err := d.Provision.CreateTeam(ctx, c.scope(), in.Body.Name)
			if err != nil {
				return nil, err
			}
			return &teamAnswer{Team{ID: g.ID, Name: g.DisplayName}}, nil
		})
	add(d, route{method: http.MethodGet, path: "/teams/{team}", id: "show-team", tag: "Teams", summary: "Show a team with a page of its members", needs: directory.PermissionTeamsRead}, d.showTeam)
	add(d, route{method: http.MethodPatch, path: "/teams/{team}", id: "rename-team", tag: "Teams", summary: "Give a team another name", needs: directory.PermissionTeams, twice: "the same answer; nothing changes."},
		func(ctx context.Context, c *caller, in *struct {
			TeamInput
			Body TeamName
		}) (*teamAnswer, error) {
			if err := d.Provision.RenameTeam(ctx, c.scope(), in.Team, in.Body.Name); err != nil {
				return nil, err
			}
			t, _, err := d.Provision.LookTeam(ctx, c.scope(), in.Team, "", 0)
			return &teamAnswer{Team(t)}, err
		})
	add(d, route{method: http.MethodDelete, path: "/teams/{team}", id: "delete-team", tag: "Teams", summary: "Remove a team; its members stay members", needs: directory.PermissionTeams, twice: "404 team_unknown."},
		func(ctx context.Context, c *caller, in *TeamInput) (*struct{}, error) {
			return nil, d.Provision.DeleteTeam(ctx, c.scope(), in.Team)
		})
	add(d, route{method: http.MethodPut, path: "/teams/{team}/members/{member}", id: "add-to-team", tag: "Teams", summary: "Put a member into a team", needs: directory.PermissionTeams, twice: "the same answer; nothing changes."},
		func(ctx context.Context, c *caller, in *inTeamInput) (*struct{}, error) {
			_, err := d.Provision.AddToTeam(ctx, c.scope(), in.Team, byID(in.Member))
			return nil, err
		})
	add(d, route{method: http.MethodDelete, path: "/teams/{team}/members/{member}", id: "remove-from-team", tag: "Teams", summary: "Take a member out of a team", needs: directory.PermissionTeams, twice: "the same answer; nothing changes."},
		func(ctx context.Context, c *caller, in *inTeamInput) (*struct{}, error) {
			_, err := d.Provision.RemoveFromTeam(ctx, c.scope(), in.Team, byID(in.Member))
			return nil, err
		})
}

func (d *Door) listTeams(ctx context.Context, c *caller, in *PageInput) (*teamPageAnswer, error) {
	after, err := place(teamCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	found, err := d.Provision.Teams(ctx, c.scope(), after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &teamPageAnswer{TeamPage{Teams: []Team{}}}
	for i, t := range found {
		if i == in.Limit {
			out.Body.Next = cursor(teamCursor, found[i-1].Name)
			break
		}
		out.Body.Teams = append(out.Body.Teams, Team(t))
	}
	return out, nil
}

func (d *Door) showTeam(ctx context.Context, c *caller, in *struct {
	TeamInput
	PageInput
}) (*teamMembersAnswer, error) {
	after, err := place(teamMemberCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	t, members, err := d.Provision.LookTeam(ctx, c.scope(), in.Team, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &teamMembersAnswer{TeamMembers{Team: Team(t), Members: []MemberLine{}}}
	for i := range members {
		if i == in.Limit {
			out.Body.Next = cursor(teamMemberCursor, members[i-1].ID)
			break
		}
		out.Body.Members = append(out.Body.Members, lineOf(c.cfg, &members[i]))
	}
	return out, nil
}

// Group is a group that a directory pushed.
type Group struct {
	ID         string `json:"id"`
	Directory  string `json:"directory" doc:"Id"`
	Name       string `json:"name"`
	ExternalID string `json:"external_id,omitempty"`
	MappedRole string `json:"mapped_role,omitempty" doc:"Name of the highest role that mappings give to it"`
}

// GroupPage is a page of groups.
type GroupPage struct {
	Groups []Group `json:"groups"`
	Next   string  `json:"next,omitempty"`
}

// GroupMembers is a group with a page of who is in it.
type GroupMembers struct {
	Group
	Members []InGroup `json:"members"`
	Next    string    `json:"next,omitempty"`
}

// InGroup is a person, or a group, in a group.
type InGroup struct {
	Member string `json:"member,omitempty" doc:"Id; absent for a group, and for a person who is no member yet"`
	Group  string `json:"group,omitempty" doc:"Id of a group in the group"`
	Name   string `json:"name" doc:"As the directory names them"`
}

type (
	groupPageAnswer    struct{ Body GroupPage }
	groupMembersAnswer struct{ Body GroupMembers }
)

const (
	groupCursor       cursorKind = "group"
	groupMemberCursor cursorKind = "group member"
)

func groupOf(cfg *directory.Config, g *store.Group) Group {
	role, _ := cfg.Roles.ByID(g.MappedRole)
	return Group{ID: g.ID, Directory: g.Directory, Name: g.DisplayName, ExternalID: g.ExternalID, MappedRole: role.Name}
}

func (d *Door) addGroups() {
	add(d, route{method: http.MethodGet, path: "/groups", id: "list-groups", tag: "Groups", summary: "List the groups that directories pushed", needs: directory.PermissionTeamsRead,
		says: "They are the directory's: what is in them is changed there."}, d.listGroups)
	add(d, route{method: http.MethodGet, path: "/groups/{group}", id: "show-group", tag: "Groups", summary: "Show a group with a page of who is in it", needs: directory.PermissionTeamsRead}, d.showGroup)
}

func (d *Door) listGroups(ctx context.Context, c *caller, in *PageInput) (*groupPageAnswer, error) {
	after, err := place(groupCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	var out *groupPageAnswer
	err = d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
		out = &groupPageAnswer{GroupPage{Groups: []Group{}}}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		at, err := walk(after, in.Limit, tx.GroupsAfter, func(g *store.Group) string { return g.ID }, func(g *store.Group) bool {
			if g.Directory == "" {
				return false // a team
			}
			out.Body.Groups = append(out.Body.Groups, groupOf(cfg, g))
			return true
		})
		if at != "" {
			out.Body.Next = cursor(groupCursor, at)
		}
		return err
	})
	return out, err
}

func (d *Door) showGroup(ctx context.Context, c *caller, in *struct {
	Group string `path:"group" maxLength:"100"`
	PageInput
}) (*groupMembersAnswer, error) {
	after, err := place(groupMemberCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	var out *groupMembersAnswer
	err = d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		g, err := findGroup(tx, cfg, in.Group)
		if err != nil {
			return err
		}
		out = &groupMembersAnswer{GroupMembers{Group: groupOf(cfg, g), Members: []InGroup{}}}
		members, err := tx.MembersBehind(g.ID, after, in.Limit+1)
		if err != nil {
			return err
		}
		if len(members) > in.Limit {
			members = members[:in.Limit]
			out.Body.Next = cursor(groupMemberCursor, members[in.Limit-1].User)
		}
		out.Body.Members, err = inGroup(tx, g, members)
		return err
	})
	return out, err
}

// findGroup finds a group, whatever its directory.
func findGroup(tx *store.Tx, cfg *directory.Config, id string) (*store.Group, error) {
	for _, dir := range cfg.Directories {
		g, err := tx.Group(dir.ID, id)
		if err == nil || !errs.Is(err, errs.KindNotFound) {
			return g, err
		}
	}
	return nil, errs.NotFound("group_unknown", "There is no group %s.", clip(id))
}

func inGroup(tx *store.Tx, g *store.Group, members []store.GroupMember) ([]InGroup, error) {
	var ids []string
	for _, m := range members {
		if !m.IsGroup() {
			ids = append(ids, m.User)
		}
	}
	resources, err := tx.SCIMUsers(g.Directory, ids)
	if err != nil {
		return nil, err
	}
	member := map[string]string{}
	for _, u := range resources {
		member[u.ID] = u.Member
	}
	out := []InGroup{}
	for _, m := range members {
		if m.IsGroup() {
			out = append(out, InGroup{Group: m.User, Name: m.Name})
		} else {
			out = append(out, InGroup{Member: member[m.User], Name: m.Name})
		}
	}
	return out, nil
}

var _ = provision.Team(Team{}) // the same fields, so that one converts to the other

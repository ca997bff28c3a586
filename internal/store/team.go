package store

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// A team is a group of no directory; its members are members of the workspace, and not resources of a directory.

const teamsAfter = `
	SELECT ` + groupColumns + ` FROM grp r
	WHERE  r.workspace_id = $1 AND r.directory_id = '' AND r.display_name_folded > $2 ORDER BY r.display_name_folded LIMIT $3`

// Teams returns teams in the order of their names: those behind a name, limit at most.
func (tx *Tx) Teams(after string, limit int) (out []Group, err error) {
	err = tx.each(func(r Rows) error {
		var row groupRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		out = append(out, row.group())
		return nil
	}, teamsAfter, tx.workspace, directory.Fold(after), limit)
	return out, err
}

const (
	addTeamMember     = `INSERT INTO team_member (workspace_id, group_id, member_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	removeTeamMember  = `DELETE FROM team_member WHERE workspace_id = $1 AND group_id = $2 AND member_id = $3`
	deleteTeamMembers = `DELETE FROM team_member WHERE workspace_id = $1 AND group_id = $2`
	leaveTeams        = `DELETE FROM team_member WHERE workspace_id = $1 AND member_id = $2`
)

// AddTeamMember puts a member into a team, and reports whether they were not in it.
func (tx *Tx) AddTeamMember(team, member string) (added bool, err error) {
	return tx.onTeam(addTeamMember, team, member)
}

// RemoveTeamMember takes a member out of a team, and reports whether they were in it.
func (tx *Tx) RemoveTeamMember(team, member string) (removed bool, err error) {
	return tx.onTeam(removeTeamMember, team, member)
}

func (tx *Tx) onTeam(statement, team, member string) (changed bool, err error) {
	n, err := tx.exec(statement, tx.workspace, team, member)
	if n == 1 {
		tx.change("team")
	}
	return n == 1, err
}

// LeaveTeams takes a member out of all teams.
func (tx *Tx) LeaveTeams(member string) { tx.later(leaveTeams, tx.workspace, member) }

const teamMembers = `
	SELECT member_id FROM team_member WHERE workspace_id = $1 AND group_id = $2 AND member_id > $3 ORDER BY member_id LIMIT $4`

// TeamMembers returns members of a team in id order: those behind the id after, limit at most.
func (tx *Tx) TeamMembers(team, after string, limit int) ([]directory.Member, error) {
	var ids []string
	if err := tx.each(collect(&ids), teamMembers, tx.workspace, team, after, limit); err != nil {
		return nil, err
	}
	return tx.Members(ids)
}

// TeamSizes counts the members of teams, by id.
func (tx *Tx) TeamSizes(teams []string) (map[string]int, error) {
	sizes := map[string]int{}
	err := eachChunk(slices.Clone(teams), func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var id string
			var n int64
			if err := r.Scan(&id, &n); err != nil {
				return err
			}
			sizes[id] = int(n)
			return nil
		}, `SELECT group_id, COUNT(*) FROM team_member WHERE workspace_id = $1 AND group_id IN (`+list+`) GROUP BY group_id`, append([]any{tx.workspace}, args...)...)
	})
	return sizes, err
}

const teamNamed = `SELECT ` + groupColumns + ` FROM grp r WHERE r.workspace_id = $1 AND r.directory_id = '' AND r.display_name_folded = $2`

// TeamNamed returns a team by name, without regard to letter case.
func (tx *Tx) TeamNamed(name string) (*Group, error) {
	var row groupRow
	found, err := tx.one(row.dest(), teamNamed, tx.workspace, directory.Fold(name))
	if err == nil && !found {
		err = errs.NotFound("team_unknown", "There is no team %q.", name)
	}
	if err != nil {
		return nil, err
	}
	g := row.group()
	return &g, nil
}

package store

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Group is a stored group: the noun with the resource as understood.
type Group struct {
	directory.Group
	// Document is the resource without what stands in columns: id, meta, members.
	Document string
}

const groupColumns = `r.id, r.directory_id, r.display_name, r.external_id, r.mapped_role, r.document, r.created_at, r.updated_at`

type groupRow struct {
	g                Group
	external         *string
	created, updated int64
}

func (r *groupRow) dest() []any {
	g := &r.g
	return []any{&g.ID, &g.Directory, &g.DisplayName, &r.external, &g.MappedRole, &g.Document, &r.created, &r.updated}
}

func (r *groupRow) group() Group {
	g := r.g
	g.ExternalID = deref(r.external)
	g.CreatedAt, g.UpdatedAt = instant(r.created), instant(r.updated)
	return g
}

const insertGroup = `
	INSERT INTO grp (workspace_id, id, directory_id, display_name, display_name_folded, external_id, mapped_role, document, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)`

const updateGroup = `
	UPDATE grp SET display_name = $4, display_name_folded = $5, external_id = $6, mapped_role = $7, document = $8,
		updated_at = CASE WHEN updated_at < $9 THEN $9 ELSE updated_at + 1 END
	WHERE  workspace_id = $1 AND id = $2 AND directory_id = $3`

// InsertGroup adds a group.
func (tx *Tx) InsertGroup(g *Group) { tx.saveGroup(insertGroup, g) }

// UpdateGroup saves a group without its members.
func (tx *Tx) UpdateGroup(g *Group) { tx.saveGroup(updateGroup, g) }

func (tx *Tx) saveGroup(statement string, g *Group) {
	tx.change("group")
	tx.unique("grp_name", "grp.display_name_folded",
		errs.Conflict("display_name_taken", "displayName %q is already in use by another group of this directory.", g.DisplayName))
	tx.unique("grp_external", "grp.external_id", ErrExternalIDTaken(g.ExternalID))
	tx.later(statement, tx.workspace, g.ID, g.Directory, g.DisplayName, directory.Fold(g.DisplayName), maybe(g.ExternalID), g.MappedRole, g.Document, micros(tx.now))
}

const touchGroup = `
	UPDATE grp SET updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at + 1 END
	WHERE  workspace_id = $1 AND id = $2`

// TouchGroup moves a group's last change on, to now where the clock allows: its membership, or what is
// shown of a member, changed.
func (tx *Tx) TouchGroup(id string) { tx.later(touchGroup, tx.workspace, id, micros(tx.now)) }

const deleteGroup = `DELETE FROM grp WHERE workspace_id = $1 AND id = $2`

const deleteGroupMembers = `DELETE FROM group_member WHERE workspace_id = $1 AND group_id = $2`

// DeleteGroup removes a group, its membership, and its place in groups that contain it.
func (tx *Tx) DeleteGroup(id string) {
	tx.change("group")
	tx.later(deleteGroupMembers, tx.workspace, id)
	tx.later(dropMemberships, tx.workspace, id)
	tx.later(deleteTeamMembers, tx.workspace, id)
	tx.later(deleteGroup, tx.workspace, id)
}

const groupByID = `SELECT ` + groupColumns + ` FROM grp r WHERE r.workspace_id = $1 AND r.directory_id = $2 AND r.id = $3`

// Group returns a group of a directory.
func (tx *Tx) Group(directoryID, id string) (*Group, error) {
	var row groupRow
	found, err := tx.one(row.dest(), groupByID, tx.workspace, directoryID, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNoResource("Group", id)
	}
	g := row.group()
	return &g, nil
}

const groupsAfter = `
	SELECT ` + groupColumns + ` FROM grp r
	WHERE  r.workspace_id = $1 AND r.id > $2 ORDER BY r.id LIMIT $3`

// GroupsAfter pages through all groups of the workspace, whatever their directory, in id order.
func (tx *Tx) GroupsAfter(after string, limit int) ([]Group, error) {
	var out []Group
	err := tx.each(func(r Rows) error {
		var row groupRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		out = append(out, row.group())
		return nil
	}, groupsAfter, tx.workspace, after, limit)
	return out, err
}

// SelectGroups returns one page of a directory's groups, and how many there are in all.
func (tx *Tx) SelectGroups(directoryID string, sel Select) (page []Group, total int, err error) {
	total, err = tx.page(tx.groupList(directoryID, sel, &page))
	return page[:min(len(page), sel.Count)], total, err
}

// GroupsBehind is SCIMUsersBehind for groups.
func (tx *Tx) GroupsBehind(directoryID string, sel Select, after *Place) (page []Group, more bool, err error) {
	got, err := tx.rows(tx.groupList(directoryID, sel, &page), after, 0, sel.Count+1)
	return page[:min(len(page), sel.Count)], got > sel.Count, err
}

func (tx *Tx) groupList(directoryID string, sel Select, page *[]Group) *listing {
	return tx.listing(directoryID, "grp", groupColumns, sel, func(r Rows) error {
		var row groupRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		*page = append(*page, row.group())
		return nil
	})
}

// SetMappedRole notes which role mappings give to a group ("" for none).
func (tx *Tx) SetMappedRole(group, role string) {
	tx.change("group")
	tx.later(`UPDATE grp SET mapped_role = $3 WHERE workspace_id = $1 AND id = $2`, tx.workspace, group, role)
}

// KnownGroups returns, of ids, those that are groups of a directory, with the name of each.
func (tx *Tx) KnownGroups(directoryID string, ids []string) (map[string]string, error) {
	known := make(map[string]string, len(ids))
	// The directory is bound as in KnownSCIMUsers.
	err := eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		return tx.each(func(r Rows) error {
			var id, name string
			err := r.Scan(&id, &name)
			known[id] = name
			return err
		}, `SELECT id, display_name FROM grp WHERE workspace_id = $1 AND directory_id || '' = $2 AND id IN (`+list+`)`,
			append([]any{tx.workspace, directoryID}, args...)...)
	})
	return known, err
}

// AddGroupMembers adds SCIM users, or groups, to a group and returns those who were not in it. A group in a
// group is a row like any other; whatever asks for people finds none behind it. Each statement adds at most 512.
func (tx *Tx) AddGroupMembers(group string, users []string) (added []string, err error) {
	err = eachChunk(users, func(part []string) error {
		args := make([]any, 0, 2+len(part))
		args = append(args, tx.workspace, group)
		var b strings.Builder
		b.WriteString(`INSERT INTO group_member (workspace_id, group_id, scim_user_id) VALUES `)
		for i, u := range part {
			if i > 0 {
				b.WriteByte(',')
			}
			args = append(args, u)
			b.WriteString("($1,$2,$")
			b.WriteString(strconv.Itoa(len(args)))
			b.WriteByte(')')
		}
		b.WriteString(` ON CONFLICT DO NOTHING RETURNING scim_user_id`)
		return tx.each(collect(&added), b.String(), args...)
	})
	if len(added) > 0 {
		tx.change("group membership")
	}
	return added, err
}

// RemoveGroupMembers removes SCIM users and groups from a group and returns those who were in it.
func (tx *Tx) RemoveGroupMembers(group string, users []string) (removed []string, err error) {
	err = eachChunk(users, func(part []string) error {
		list, args := in(3, part)
		return tx.each(collect(&removed), `DELETE FROM group_member WHERE workspace_id = $1 AND group_id = $2 AND scim_user_id IN (`+list+`) RETURNING scim_user_id`,
			append([]any{tx.workspace, group}, args...)...)
	})
	if len(removed) > 0 {
		tx.change("group membership")
	}
	return removed, err
}

const groupMemberIDs = `SELECT scim_user_id FROM group_member WHERE workspace_id = $1 AND group_id = $2 ORDER BY scim_user_id`

// GroupMemberIDs returns the ids of a group's members, SCIM users and groups, in id order.
func (tx *Tx) GroupMemberIDs(group string) (ids []string, err error) {
	err = tx.each(collect(&ids), groupMemberIDs, tx.workspace, group)
	return ids, err
}

func collect(out *[]string) func(Rows) error {
	return func(r Rows) error {
		var s string
		if err := r.Scan(&s); err != nil {
			return err
		}
		*out = append(*out, s)
		return nil
	}
}

// GroupMember is one membership as a list shows it.
type GroupMember struct {
	Group string // group id
	User  string // SCIM id of the user, or the id of a group in the group
	Name  string // userName of the user, or display name of the group
}

// IsGroup reports whether the member of a list of members is a group. Ids of users are UUIDs.
func (m GroupMember) IsGroup() bool { return strings.HasPrefix(m.User, "grp_") }

// groupsInGroups finds groups in groups by their prefix, at the end of each group's rows: where there are none it
// costs one look at an index.
const groupsInGroups = `
	SELECT gm.group_id, gm.scim_user_id, g.display_name
	FROM   group_member gm CROSS JOIN grp g
	WHERE  gm.workspace_id = $1 AND gm.group_id IN (%s) AND gm.scim_user_id >= 'grp_' AND gm.scim_user_id < 'grp~'
	AND    g.workspace_id = $1 AND g.id = gm.scim_user_id ORDER BY gm.group_id, gm.scim_user_id`

// MembersOfGroups returns the members of each of groups, in group and user order.
func (tx *Tx) MembersOfGroups(groups []string) ([]GroupMember, error) {
	list, err := tx.peopleOfGroups(groups)
	if err != nil {
		return nil, err
	}
	inner, err := tx.memberships(groups, groupsInGroups)
	if err != nil || len(inner) == 0 {
		return list, err
	}
	list = append(list, inner...)
	slices.SortFunc(list, byGroup)
	return slices.Compact(list), nil
}

func byGroup(a, b GroupMember) int {
	return cmp.Or(strings.Compare(a.Group, b.Group), strings.Compare(a.User, b.User))
}

func (tx *Tx) peopleOfGroups(groups []string) ([]GroupMember, error) {
	list, err := tx.memberships(groups, `
		SELECT gm.group_id, gm.scim_user_id, u.user_name
		FROM   group_member gm CROSS JOIN scim_user u
		WHERE  gm.workspace_id = $1 AND gm.group_id IN (%s) AND u.workspace_id = $1 AND u.id = gm.scim_user_id ORDER BY gm.group_id, gm.scim_user_id`)
	return ordered(list, len(groups), byGroup), err
}

// GroupSizes returns how many members each of groups has.
func (tx *Tx) GroupSizes(groups []string) (map[string]int, error) {
	sizes := make(map[string]int, len(groups))
	err := eachChunk(groups, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var group string
			var n int64
			err := r.Scan(&group, &n)
			sizes[group] = int(n)
			return err
		}, `SELECT group_id, COUNT(*) FROM group_member WHERE workspace_id = $1 AND group_id IN (`+list+`) GROUP BY group_id`,
			append([]any{tx.workspace}, args...)...)
	})
	return sizes, err
}

// GroupsOfUsers returns the groups of each of users (SCIM ids, or ids of groups), in user and group order.
func (tx *Tx) GroupsOfUsers(users []string) ([]GroupMember, error) {
	list, err := tx.memberships(users, `
		SELECT gm.group_id, gm.scim_user_id, g.display_name
		FROM   group_member gm CROSS JOIN grp g
		WHERE  gm.workspace_id = $1 AND gm.scim_user_id IN (%s) AND g.workspace_id = $1 AND g.id = gm.group_id ORDER BY gm.scim_user_id, gm.group_id`)
	return ordered(list, len(users), func(a, b GroupMember) int {
		return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Group, b.Group))
	}), err
}

// ordered puts the answers to more than one chunk in one order, each once.
func ordered(list []GroupMember, asked int, compare func(a, b GroupMember) int) []GroupMember {
	if asked <= chunk {
		return list
	}
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}

func (tx *Tx) memberships(ids []string, query string) ([]GroupMember, error) {
	var out []GroupMember
	err := eachChunk(ids, func(part []string) error {
		list, args := in(2, part)
		var last GroupMember
		return tx.each(func(r Rows) error {
			var m GroupMember
			if err := r.Scan(&m.Group, &m.User, &m.Name); err != nil {
				return err
			}
			// Neighbours share an id: one text of it does for all of them.
			if m.Group == last.Group {
				m.Group = last.Group
			}
			if m.User == last.User {
				m.User = last.User
			}
			last = m
			if len(out) == cap(out) {
				out = slices.Grow(out, max(len(out), 16)) // append alone copies a long list four times over
			}
			out = append(out, m)
			return nil
		}, fmt.Sprintf(query, list), append([]any{tx.workspace}, args...)...)
	})
	return out, err
}

// Where a list of a few leads to many, CROSS JOIN tells SQLite to begin with the few: it keeps no
// statistics and would walk all memberships of the workspace. PostgreSQL reads it as any join.

// MappedGroups returns, for each of members, the mapped groups that their live SCIM users are in.
func (tx *Tx) MappedGroups(members []string) (map[string][]directory.MappedGroup, error) {
	return tx.groupsBehind(members, ` AND g.mapped_role <> ''`)
}

// PushedGroups is MappedGroups with all groups, those that give no role included.
func (tx *Tx) PushedGroups(members []string) (map[string][]directory.MappedGroup, error) {
	return tx.groupsBehind(members, "")
}

func (tx *Tx) groupsBehind(members []string, which string) (map[string][]directory.MappedGroup, error) {
	out := make(map[string][]directory.MappedGroup, len(members))
	err := eachChunk(members, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var member string
			var g directory.MappedGroup
			if err := r.Scan(&member, &g.ID, &g.Name, &g.Role, &g.Directory, &g.ExternalID); err != nil {
				return err
			}
			out[member] = append(out[member], g)
			return nil
		}, `
		SELECT u.member_id, g.id, g.display_name, g.mapped_role, g.directory_id, COALESCE(g.external_id, '')
		FROM   scim_user u CROSS JOIN group_member gm CROSS JOIN grp g
		WHERE  u.workspace_id = $1 AND u.member_id IN (`+list+`) AND u.retired_at IS NULL
		AND    gm.workspace_id = $1 AND gm.scim_user_id = u.id
		AND    g.workspace_id = $1 AND g.id = gm.group_id`+which,
			append([]any{tx.workspace}, args...)...)
	})
	return out, err
}

// MembersInGroup returns the ids of the members whose live SCIM users are in a group, in id order. Staged
// people have none.
func (tx *Tx) MembersInGroup(group string) (ids []string, err error) {
	err = tx.each(collect(&ids), `
		SELECT DISTINCT u.member_id
		FROM   group_member gm CROSS JOIN scim_user u
		WHERE  gm.workspace_id = $1 AND gm.group_id = $2
		AND    u.workspace_id = $1 AND u.id = gm.scim_user_id AND u.retired_at IS NULL AND u.member_id <> '' ORDER BY u.member_id`, tx.workspace, group)
	return ids, err
}

// groupNames reads the groups of a member's live SCIM users (asserted_at NULL), and beside them the
// lists that connections asserted, the newest of which counts where there are none, and the member's teams (-1).
const groupNames = `
	SELECT g.display_name AS name, CAST(NULL AS BIGINT) AS asserted_at
	FROM   scim_user u CROSS JOIN group_member gm CROSS JOIN grp g
	WHERE  u.workspace_id = $1 AND u.member_id = $2 AND u.retired_at IS NULL
	AND    gm.workspace_id = $1 AND gm.scim_user_id = u.id
	AND    g.workspace_id = $1 AND g.id = gm.group_id
	UNION  ALL
	SELECT c.asserted AS name, c.updated_at AS asserted_at FROM claim c WHERE c.workspace_id = $1 AND c.member_id = $2
	UNION  ALL
	SELECT g.display_name AS name, -1 AS asserted_at FROM team_member t CROSS JOIN grp g
	WHERE  t.workspace_id = $1 AND t.member_id = $2 AND g.workspace_id = $1 AND g.id = t.group_id`

// GroupNames returns the groups of a member by name: those that their live SCIM users are in, else
// those that a connection asserted of them last; and their teams.
func (tx *Tx) GroupNames(member string) ([]string, error) {
	var names, claimed, teams []string
	var newest int64
	if err := tx.each(func(r Rows) error {
		var name string
		var assertedAt *int64
		if err := r.Scan(&name, &assertedAt); err != nil {
			return err
		}
		switch {
		case assertedAt == nil:
			names = append(names, name)
		case *assertedAt < 0:
			teams = append(teams, name)
		case *assertedAt >= newest:
			newest, claimed = *assertedAt, nil
			if err := json.Unmarshal([]byte(name), &claimed); err != nil {
				return fmt.Errorf("claims of %s: %w", member, err)
			}
		}
		return nil
	}, groupNames, tx.workspace, member); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = claimed
	}
	names = append(names, teams...)
	slices.Sort(names)
	return slices.Compact(names), nil
}

package store

// membersBehind begins with the rows of the group, in the order of the primary key: CROSS JOIN keeps SQLite to it.
const membersBehind = `
	SELECT gm.scim_user_id, u.user_name
	FROM   group_member gm CROSS JOIN scim_user u
	WHERE  gm.workspace_id = $1 AND gm.group_id = $2 AND gm.scim_user_id > $3
	AND    u.workspace_id = $1 AND u.id = gm.scim_user_id
	ORDER  BY gm.scim_user_id LIMIT $4`

// groupsBehind are the groups in the group, whose ids follow those of people.
const groupsBehind = `
	SELECT gm.scim_user_id, g.display_name
	FROM   group_member gm CROSS JOIN grp g
	WHERE  gm.workspace_id = $1 AND gm.group_id = $2 AND gm.scim_user_id > $3
	AND    gm.scim_user_id >= 'grp_' AND gm.scim_user_id < 'grp~'
	AND    g.workspace_id = $1 AND g.id = gm.scim_user_id
	ORDER  BY gm.scim_user_id LIMIT $4`

// MembersBehind returns at most limit members of a group, in the order of their ids, behind the id after, "" for
// the first ones: people, then the groups in it. It reads what it returns alone, however large the group is.
func (tx *Tx) MembersBehind(group, after string, limit int) ([]GroupMember, error) {
	out := make([]GroupMember, 0, limit)
	for _, sql := range []string{membersBehind, groupsBehind} {
		if len(out) == limit {
			break
		}
		err := tx.each(func(r Rows) error {
			m := GroupMember{Group: group}
			if err := r.Scan(&m.User, &m.Name); err != nil {
				return err
			}
			out = append(out, m)
			return nil
		}, sql, tx.workspace, group, after, limit-len(out))
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

package store

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Staged is a resource of a person who is no member yet: Member is "".
type Staged struct {
	ID         string // SCIM id
	UserName   string
	ExternalID string
	Active     bool
	Manager    string
	CreatedAt  time.Time
	UpdatedAt  time.Time
	// Person is what makes a member of them, as the caller encoded it.
	Person string
}

const stagedColumns = `r.id, r.user_name, r.external_id, r.active, r.manager_id, r.created_at, r.updated_at`

const stagedRows = `
	SELECT ` + stagedColumns + `
	FROM   scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.member_id = '' AND r.retired_at IS NULL`

const stagedBehind = stagedRows + `
	AND    r.created_at >= $3 AND (r.created_at > $3 OR r.id > $4)
	ORDER  BY r.created_at, r.id LIMIT $5`

// StagedBehind returns the staged people of a directory behind one of them, in the order of their
// arrival; nil begins. The page has limit people at most.
func (tx *Tx) StagedBehind(directoryID string, last *Staged, limit int) ([]Staged, error) {
	var at int64
	id := ""
	if last != nil {
		at, id = micros(last.CreatedAt), last.ID
	}
	return tx.staged(directoryID, stagedBehind, tx.workspace, directoryID, at, id, limit)
}

const stagedByID = stagedRows + ` AND r.id = $3`

// StagedUser returns a staged person by SCIM id.
func (tx *Tx) StagedUser(directoryID, id string) (Staged, error) {
	found, err := tx.staged(directoryID, stagedByID, tx.workspace, directoryID, id)
	if err == nil && len(found) == 0 {
		err = ErrNoResource("User", id)
	}
	if err != nil {
		return Staged{}, err
	}
	return found[0], nil
}

const stagedNamed = stagedRows + ` AND r.user_name_folded = $3
	UNION ` + stagedRows + ` AND r.external_id = $4
	UNION
	SELECT ` + stagedColumns + `
	FROM   staged_person s CROSS JOIN scim_user r
	WHERE  s.workspace_id = $1 AND s.directory_id = $2 AND s.address_folded = $3
	AND    r.workspace_id = $1 AND r.id = s.scim_user_id AND r.directory_id = $2 AND r.member_id = '' AND r.retired_at IS NULL
	ORDER  BY 6, 1 LIMIT 20`

// StagedNamed returns the staged people of a directory who have a name as userName, externalId or
// address. They are candidates: letter case does not count.
func (tx *Tx) StagedNamed(directoryID, name string) ([]Staged, error) {
	if name == "" {
		return nil, nil
	}
	return tx.staged(directoryID, stagedNamed, tx.workspace, directoryID, directory.Fold(name), name)
}

// staged reads resources, and then by their ids what is kept beside them: joined, a database without statistics
// of a first sync may look at all of one for each of the other.
func (tx *Tx) staged(directoryID, query string, args ...any) ([]Staged, error) {
	var out []Staged
	at := map[string]int{}
	var ids []string
	if err := tx.each(func(r Rows) error {
		s := Staged{Person: "{}"}
		var external, manager *string
		var created, updated int64
		if err := r.Scan(&s.ID, &s.UserName, &external, &s.Active, &manager, &created, &updated); err != nil {
			return err
		}
		s.ExternalID, s.Manager = deref(external), deref(manager)
		s.CreatedAt, s.UpdatedAt = instant(created), instant(updated)
		at[s.ID] = len(out)
		out, ids = append(out, s), append(ids, s.ID)
		return nil
	}, query, args...); err != nil {
		return nil, err
	}
	err := eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		return tx.each(func(r Rows) error {
			var id, person string
			err := r.Scan(&id, &person)
			out[at[id]].Person = person
			return err
		}, `SELECT scim_user_id, person FROM staged_person WHERE workspace_id = $1 AND directory_id = $2 AND scim_user_id IN (`+list+`)`,
			append([]any{tx.workspace, directoryID}, args...)...)
	})
	return out, err
}

const stagedHolding = `
	SELECT r.id
	FROM   staged_person s CROSS JOIN scim_user r
	WHERE  s.workspace_id = $1 AND s.directory_id = $2 AND s.address_folded = $3 AND s.scim_user_id <> $4
	AND    r.workspace_id = $1 AND r.id = s.scim_user_id AND r.directory_id = $2 AND r.member_id = '' AND r.retired_at IS NULL AND r.active
	ORDER  BY r.created_at, r.id LIMIT 1`

// StagedHolder returns the SCIM id of an active staged person, other than one, who has an address; "" for nobody.
func (tx *Tx) StagedHolder(directoryID, address, other string) (id string, err error) {
	if address == "" {
		return "", nil
	}
	_, err = tx.one([]any{&id}, stagedHolding, tx.workspace, directoryID, directory.Fold(address), other)
	return id, err
}

const stagePerson = `
	INSERT INTO staged_person (workspace_id, directory_id, scim_user_id, address_folded, person) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace_id, directory_id, scim_user_id) DO UPDATE SET address_folded = excluded.address_folded, person = excluded.person`

// StagePerson keeps what makes a member of a staged resource, in place of what was kept before.
func (tx *Tx) StagePerson(directoryID, id, address, person string) {
	tx.change("staged person")
	tx.later(stagePerson, tx.workspace, directoryID, id, directory.Fold(address), person)
}

const unstage = `UPDATE scim_user SET member_id = $4 WHERE workspace_id = $1 AND directory_id = $2 AND id = $3 AND member_id = ''`

const dropStagedPerson = `DELETE FROM staged_person WHERE workspace_id = $1 AND directory_id = $2 AND scim_user_id = $3`

// Unstage makes a staged resource a member's. What is shown of it stays as it is, and so does its version.
func (tx *Tx) Unstage(directoryID, id, member string) {
	tx.change("SCIM user")
	tx.later(unstage, tx.workspace, directoryID, id, member)
	tx.later(dropStagedPerson, tx.workspace, directoryID, id)
}

const deleteStaged = `DELETE FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND id = $3 AND member_id = ''`

// DropStaged deletes a staged resource with its group rows: nobody was behind it, so that nobody's
// return has to find it.
func (tx *Tx) DropStaged(directoryID, id string) {
	tx.change("SCIM user")
	tx.later(dropStagedPerson, tx.workspace, directoryID, id)
	tx.later(dropMemberships, tx.workspace, id)
	tx.later(deleteEmails, tx.workspace, id)
	tx.later(dropManager, tx.workspace, id, micros(tx.now))
	tx.later(deleteStaged, tx.workspace, directoryID, id)
}

// groupsOfNobody are a directory's groups without a person: they may hold each other.
const groupsOfNobody = `
	SELECT g.id FROM grp g WHERE g.workspace_id = $1 AND g.directory_id = $2
	AND    NOT EXISTS (SELECT 1 FROM group_member gm CROSS JOIN scim_user u
		WHERE gm.workspace_id = $1 AND gm.group_id = g.id AND u.workspace_id = $1 AND u.id = gm.scim_user_id)`

const stagedIDs = `SELECT id FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND member_id = '' AND retired_at IS NULL`

const groupsMoveOn = `UPDATE grp SET updated_at = updated_at + 1 WHERE workspace_id = $1 AND directory_id = $2 AND id IN `

// What belongs to staged people, and the people themselves at the end. Groups that stay without some of their members
// are shown otherwise from then on, so that their version moves.
var discardStaged = []string{
	groupsMoveOn + `(SELECT group_id FROM group_member WHERE workspace_id = $1 AND scim_user_id IN (` + stagedIDs + `))`,
	`DELETE FROM group_member WHERE workspace_id = $1 AND scim_user_id IN (` + stagedIDs + `)`,
	groupsMoveOn + `(SELECT group_id FROM group_member WHERE workspace_id = $1 AND scim_user_id IN (` + groupsOfNobody + `))`,
	`DELETE FROM group_member WHERE workspace_id = $1 AND (group_id IN (` + groupsOfNobody + `) OR scim_user_id IN (` + groupsOfNobody + `))`,
	`DELETE FROM scim_user_email WHERE workspace_id = $1 AND scim_user_id IN
		(` + stagedIDs + `)`,
	`UPDATE scim_user SET manager_id = NULL, updated_at = updated_at + 1 WHERE workspace_id = $1 AND directory_id = $2 AND manager_id IN
		(` + stagedIDs + `)`,
	`DELETE FROM staged_person WHERE workspace_id = $1 AND directory_id = $2`,
}

const discardStagedUsers = `DELETE FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND member_id = '' AND retired_at IS NULL`

const discardGroups = `
	DELETE FROM grp WHERE workspace_id = $1 AND directory_id = $2
	AND    NOT EXISTS (SELECT 1 FROM group_member gm WHERE gm.workspace_id = $1 AND gm.group_id = grp.id)`

// DiscardStaged deletes all staged people of a directory, and then the groups in which nobody is left.
// It takes the same few statements for any number of them.
func (tx *Tx) DiscardStaged(directoryID string) (people, groups int64, err error) {
	tx.change("SCIM user")
	for _, statement := range discardStaged {
		tx.later(statement, tx.workspace, directoryID)
	}
	if people, err = tx.exec(discardStagedUsers, tx.workspace, directoryID); err != nil {
		return 0, 0, err
	}
	groups, err = tx.exec(discardGroups, tx.workspace, directoryID)
	return people, groups, err
}

const countStaged = `SELECT COUNT(*) FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND retired_at IS NULL AND member_id = ''`

// CountStaged returns how many people of a directory are staged.
func (tx *Tx) CountStaged(directoryID string) (int, error) {
	var n int64
	_, err := tx.one([]any{&n}, countStaged, tx.workspace, directoryID)
	return int(n), err
}

const liveSCIMUsers = `
	SELECT ` + scimUserColumns + `, ` + memberColumns + `
	FROM   scim_user r JOIN member m ON m.workspace_id = r.workspace_id AND m.id = r.member_id
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.retired_at IS NULL AND r.member_id <> ''
	ORDER  BY r.created_at, r.id LIMIT $3`

// LiveUser is a resource with the member behind it.
type LiveUser struct {
	SCIMUser
	Behind directory.Member
}

// LiveUsers returns the first people of a directory who have a member, limit at the most.
func (tx *Tx) LiveUsers(directoryID string, limit int) ([]LiveUser, error) {
	var out []LiveUser
	err := tx.each(func(r Rows) error {
		var row scimUserRow
		var mrow memberRow
		if err := r.Scan(append(row.dest(), mrow.dest()...)...); err != nil {
			return err
		}
		m, err := mrow.member()
		out = append(out, LiveUser{row.user(), m})
		return err
	}, liveSCIMUsers, tx.workspace, directoryID, limit)
	return out, err
}

const countLive = `
	SELECT COUNT(*) FROM (SELECT 1 AS one FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND retired_at IS NULL AND member_id <> '' LIMIT $3) AS counted`

// CountLive returns how many people of a directory have a member, most at the most: they are counted one by one.
func (tx *Tx) CountLive(directoryID string, most int) (int, error) {
	var n int64
	_, err := tx.one([]any{&n}, countLive, tx.workspace, directoryID, most)
	return int(n), err
}

// MappedGroupsOfUsers is MappedGroups by SCIM id, for people who may be staged.
func (tx *Tx) MappedGroupsOfUsers(users []string) (map[string][]directory.MappedGroup, error) {
	out := make(map[string][]directory.MappedGroup, len(users))
	err := eachChunk(users, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var user string
			var g directory.MappedGroup
			if err := r.Scan(&user, &g.ID, &g.Name, &g.Role, &g.Directory, &g.ExternalID); err != nil {
				return err
			}
			out[user] = append(out[user], g)
			return nil
		}, `
		SELECT gm.scim_user_id, g.id, g.display_name, g.mapped_role, g.directory_id, COALESCE(g.external_id, '')
		FROM   group_member gm CROSS JOIN grp g
		WHERE  gm.workspace_id = $1 AND gm.scim_user_id IN (`+list+`)
		AND    g.workspace_id = $1 AND g.id = gm.group_id AND g.mapped_role <> ''
		ORDER  BY gm.scim_user_id, g.id`,
			append([]any{tx.workspace}, args...)...)
	})
	return out, err
}

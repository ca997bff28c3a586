package store

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// SCIMUser is a directory's resource of a person. It is not the member: it points at one.
type SCIMUser struct {
	ID         string
	Directory  string
	Member     string // "" while the person is staged
	UserName   string
	ExternalID string // "" where the directory gave none
	// Active is what the directory said last and is told.
	Active  bool
	Manager string // SCIM id of another resource of the directory, or ""
	// Document is the resource as understood, JSON, without what stands in columns of its own:
	// id, meta, groups, manager.
	Document  string
	Emails    []EmailKey // only on writing
	CreatedAt time.Time
	UpdatedAt time.Time
	RetiredAt time.Time // zero while it stands
}

// EmailKey is how one element of emails is found, both folded.
type EmailKey struct{ Value, Type string }

const scimUserColumns = `r.id, r.directory_id, r.member_id, r.user_name, r.external_id, r.active, r.manager_id, r.document,
	r.created_at, r.updated_at, r.retired_at`

type scimUserRow struct {
	u                 SCIMUser
	external, manager *string
	created, updated  int64
	retired           *int64
}

func (r *scimUserRow) dest() []any {
	u := &r.u
	return []any{&u.ID, &u.Directory, &u.Member, &u.UserName, &r.external, &u.Active, &r.manager, &u.Document,
		&r.created, &r.updated, &r.retired}
}

func (r *scimUserRow) user() SCIMUser {
	u := r.u
	u.ExternalID, u.Manager = deref(r.external), deref(r.manager)
	u.CreatedAt, u.UpdatedAt, u.RetiredAt = instant(r.created), instant(r.updated), maybeInstant(r.retired)
	return u
}

const insertSCIMUser = `
	INSERT INTO scim_user (workspace_id, id, directory_id, member_id, user_name, user_name_folded, external_id, active, manager_id, document, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)`

// A change moves updated_at on, whatever the clock does: the resource's version is made of it.
const updateSCIMUser = `
	UPDATE scim_user SET member_id = $4, user_name = $5, user_name_folded = $6, external_id = $7, active = $8, manager_id = $9,
		document = $10, updated_at = CASE WHEN updated_at < $11 THEN $11 ELSE updated_at + 1 END
	WHERE  workspace_id = $1 AND id = $2 AND directory_id = $3`

const deleteEmails = `DELETE FROM scim_user_email WHERE workspace_id = $1 AND scim_user_id = $2`

// ErrUserNameTaken and ErrExternalIDTaken are the conflicts of two live resources of one directory.
func ErrUserNameTaken(userName string) error {
	return errs.Conflict("user_name_taken", "userName %q is already in use by another user of this directory.", userName)
}

// ErrExternalIDTaken is the same for externalId.
func ErrExternalIDTaken(externalID string) error {
	return errs.Conflict("external_id_taken", "externalId %q is already in use by another resource of this directory.", externalID)
}

// InsertSCIMUser adds a resource.
func (tx *Tx) InsertSCIMUser(u *SCIMUser) {
	tx.saveSCIMUser(insertSCIMUser, u)
	tx.insertEmails(u)
}

// UpdateSCIMUser saves a resource; emails are rewritten when they are set.
func (tx *Tx) UpdateSCIMUser(u *SCIMUser) {
	tx.saveSCIMUser(updateSCIMUser, u)
	if u.Emails != nil {
		tx.later(deleteEmails, tx.workspace, u.ID)
		tx.insertEmails(u)
	}
}

func (tx *Tx) saveSCIMUser(statement string, u *SCIMUser) {
	tx.change("SCIM user")
	tx.unique("scim_user_name", "scim_user.user_name_folded", ErrUserNameTaken(u.UserName))
	tx.unique("scim_user_external", "scim_user.external_id", ErrExternalIDTaken(u.ExternalID))
	tx.later(statement, tx.workspace, u.ID, u.Directory, u.Member, u.UserName, directory.Fold(u.UserName), maybe(u.ExternalID), u.Active,
		maybe(u.Manager), u.Document, micros(tx.now))
}

func (tx *Tx) insertEmails(u *SCIMUser) {
	for part := u.Emails; len(part) > 0; {
		n := min(len(part), 64)
		args := make([]any, 0, 5*n)
		for _, e := range part[:n] {
			args = append(args, tx.workspace, u.Directory, e.Value, e.Type, u.ID)
		}
		tx.later(`INSERT INTO scim_user_email (workspace_id, directory_id, value_folded, type_folded, scim_user_id) VALUES `+
			tuples(1, 5, n)+` ON CONFLICT DO NOTHING`, args...)
		part = part[n:]
	}
}

// ErrNoResource is the answer for an unknown id and for one of another directory or workspace.
func ErrNoResource(kind, id string) error {
	return errs.NotFound("resource_unknown", "%s %q was not found.", kind, id)
}

const scimUserByID = `
	SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.id = $3 AND r.retired_at IS NULL`

// SCIMUser returns a live resource of a directory.
func (tx *Tx) SCIMUser(directoryID, id string) (*SCIMUser, error) {
	var row scimUserRow
	found, err := tx.one(row.dest(), scimUserByID, tx.workspace, directoryID, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNoResource("User", id)
	}
	u := row.user()
	return &u, nil
}

const scimUserAndMember = `
	SELECT ` + scimUserColumns + `, ` + memberColumns + `
	FROM   scim_user r JOIN member m ON m.workspace_id = r.workspace_id AND m.id = r.member_id
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.id = $3 AND r.retired_at IS NULL`

// SCIMUserAndMember returns a live resource with the member it points at.
func (tx *Tx) SCIMUserAndMember(directoryID, id string) (*SCIMUser, *directory.Member, error) {
	var row scimUserRow
	var mrow memberRow
	found, err := tx.one(append(row.dest(), mrow.dest()...), scimUserAndMember, tx.workspace, directoryID, id)
	if err != nil {
		return nil, nil, err
	}
	if !found {
		return nil, nil, ErrNoResource("User", id)
	}
	u := row.user()
	m, err := mrow.member()
	return &u, &m, err
}

const scimUsersOfMember = `
	SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.member_id = $2 ORDER BY r.created_at, r.id`

// SCIMUsersOfMember returns the resources that point at a member, retired ones included.
func (tx *Tx) SCIMUsersOfMember(member string) ([]SCIMUser, error) {
	return tx.scimUsers(scimUsersOfMember, tx.workspace, member)
}

func (tx *Tx) scimUsers(query string, args ...any) ([]SCIMUser, error) {
	var out []SCIMUser
	err := tx.each(scanSCIMUsers(&out), query, args...)
	return out, err
}

func scanSCIMUsers(out *[]SCIMUser) func(Rows) error {
	return func(r Rows) error {
		var row scimUserRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		*out = append(*out, row.user())
		return nil
	}
}

// SCIMUsers returns those of ids that are live resources of a directory, in the order of their ids.
func (tx *Tx) SCIMUsers(directoryID string, ids []string) ([]SCIMUser, error) {
	var out []SCIMUser
	err := eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		// The directory is bound as in KnownSCIMUsers.
		return tx.each(scanSCIMUsers(&out), `
		SELECT `+scimUserColumns+` FROM scim_user r
		WHERE  r.workspace_id = $1 AND r.directory_id || '' = $2 AND r.retired_at IS NULL AND r.id IN (`+list+`)`,
			append([]any{tx.workspace, directoryID}, args...)...)
	})
	slices.SortFunc(out, func(a, b SCIMUser) int { return strings.Compare(a.ID, b.ID) })
	return out, err
}

// LiveSCIMUsersOf returns the resources that point at members now: id, external id and member of each.
func (tx *Tx) LiveSCIMUsersOf(members []string) ([]SCIMUser, error) {
	var out []SCIMUser
	err := eachChunk(members, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var u SCIMUser
			var external *string
			if err := r.Scan(&u.ID, &external, &u.Member); err != nil {
				return err
			}
			if external != nil {
				u.ExternalID = *external
			}
			out = append(out, u)
			return nil
		}, `SELECT id, external_id, member_id FROM scim_user WHERE workspace_id = $1 AND retired_at IS NULL AND member_id IN (`+list+`)`,
			append([]any{tx.workspace}, args...)...)
	})
	slices.SortFunc(out, func(a, b SCIMUser) int { return strings.Compare(a.ID, b.ID) })
	return out, err
}

const scimUserClaims = `
	SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.user_name_folded = $3 AND r.retired_at IS NULL
	UNION
	SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.external_id = $4 AND r.retired_at IS NULL
	UNION
	SELECT * FROM (SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.user_name_folded = $3 AND r.retired_at IS NOT NULL
	ORDER  BY r.retired_at DESC LIMIT 20) AS by_name
	UNION
	SELECT * FROM (SELECT ` + scimUserColumns + ` FROM scim_user r
	WHERE  r.workspace_id = $1 AND r.directory_id = $2 AND r.external_id = $4 AND r.retired_at IS NOT NULL
	ORDER  BY r.retired_at DESC LIMIT 20) AS by_external
	ORDER  BY 9 DESC, 1`

// SCIMUserClaims returns the resources of a directory, live and the newest retired ones, that have or had
// that userName or externalId, newest first.
func (tx *Tx) SCIMUserClaims(directoryID, userName, externalID string) ([]SCIMUser, error) {
	key := claimsKey{directoryID, userName, externalID}
	if claims, ok := use(&tx.ahead.claims, key); ok {
		return claims, nil
	}
	return tx.scimUsers(scimUserClaims, claimsArgs(tx, key)...)
}

func claimsArgs(tx *Tx, key claimsKey) []any {
	return []any{tx.workspace, key.directory, directory.Fold(key.userName), maybe(key.externalID)}
}

const retireSCIMUser = `
	UPDATE scim_user SET retired_at = $3, updated_at = $3, active = FALSE, manager_id = NULL WHERE workspace_id = $1 AND id = $2`

const dropMemberships = `DELETE FROM group_member WHERE workspace_id = $1 AND scim_user_id = $2`

const dropManager = `
	UPDATE scim_user SET manager_id = NULL, updated_at = CASE WHEN updated_at < $3 THEN $3 ELSE updated_at + 1 END
	WHERE  workspace_id = $1 AND manager_id = $2`

// RetireSCIMUser takes an id out of service for good: its group rows go, nobody has it as
// manager, userName and externalId are free.
func (tx *Tx) RetireSCIMUser(id string) {
	tx.change("SCIM user")
	tx.later(retireSCIMUser, tx.workspace, id, micros(tx.now))
	tx.later(dropMemberships, tx.workspace, id)
	tx.later(deleteEmails, tx.workspace, id)
	tx.later(dropManager, tx.workspace, id, micros(tx.now))
}

// KnownSCIMUsers returns, of ids, those that are live resources of a directory, with the member of each, "" for
// staged ones.
func (tx *Tx) KnownSCIMUsers(directoryID string, ids []string) (map[string]string, error) {
	known := make(map[string]string, len(ids))
	// The directory is bound so that no index serves it: for a long list SQLite would search all of it.
	err := eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		return tx.each(func(r Rows) error {
			var id, member string
			if err := r.Scan(&id, &member); err != nil {
				return err
			}
			known[id] = member
			return nil
		}, `SELECT id, member_id FROM scim_user WHERE workspace_id = $1 AND directory_id || '' = $2 AND retired_at IS NULL AND id IN (`+list+`)`,
			append([]any{tx.workspace, directoryID}, args...)...)
	})
	return known, err
}

// SelectSCIMUsers returns one page of the live resources of a directory, and how many there are in
// all.
func (tx *Tx) SelectSCIMUsers(directoryID string, sel Select) (page []SCIMUser, total int, err error) {
	total, err = tx.page(tx.userList(directoryID, sel, &page))
	return page[:min(len(page), sel.Count)], total, err
}

// SCIMUsersBehind returns the page of sel.Count resources behind a place in their order, nil for its
// beginning, and whether there are more behind it. It counts nothing and reads what it returns alone,
// wherever the page is; sel.Start does not matter.
func (tx *Tx) SCIMUsersBehind(directoryID string, sel Select, after *Place) (page []SCIMUser, more bool, err error) {
	got, err := tx.rows(tx.userList(directoryID, sel, &page), after, 0, sel.Count+1)
	return page[:min(len(page), sel.Count)], got > sel.Count, err
}

func (tx *Tx) userList(directoryID string, sel Select, page *[]SCIMUser) *listing {
	size := 0
	return tx.listing(directoryID, "scim_user", scimUserColumns, sel, func(r Rows) error {
		var row scimUserRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		if size += len(row.u.Document); sel.MaxBytes > 0 && size > sel.MaxBytes {
			return errs.Invalid("too_many", "The request would have to look at more than %d bytes of resources one by one. Filter by userName, externalId, id or emails, or with fewer terms.", sel.MaxBytes)
		}
		*page = append(*page, row.user())
		return nil
	})
}

// ForgetDirectory retires all resources of a directory and deletes its groups; its members stay
// and belong to no directory.
func (tx *Tx) ForgetDirectory(id string) error {
	tx.change("directory")
	for _, statement := range []string{
		`DELETE FROM group_member WHERE workspace_id = $1 AND group_id IN (SELECT id FROM grp WHERE workspace_id = $1 AND directory_id = $2)`,
		`DELETE FROM grp WHERE workspace_id = $1 AND directory_id = $2`,
		`DELETE FROM scim_user_email WHERE workspace_id = $1 AND directory_id = $2`,
		`DELETE FROM staged_person WHERE workspace_id = $1 AND directory_id = $2`,
		`DELETE FROM scim_user WHERE workspace_id = $1 AND directory_id = $2 AND member_id = ''`,
		`DELETE FROM directory_heard WHERE workspace_id = $1 AND directory_id = $2`,
		`DELETE FROM adoption WHERE workspace_id = $1 AND directory_id = $2`,
		`UPDATE member SET directory_id = '' WHERE workspace_id = $1 AND directory_id = $2`,
	} {
		tx.later(statement, tx.workspace, id)
	}
	tx.later(`UPDATE scim_user SET retired_at = $3, updated_at = $3, active = FALSE, manager_id = NULL
		WHERE workspace_id = $1 AND directory_id = $2 AND retired_at IS NULL`, tx.workspace, id, micros(tx.now))
	return nil
}

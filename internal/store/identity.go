package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Identity is a sign-in link: who a connection's subject is in this workspace.
type Identity struct {
	Connection string
	// Subject is the whole of what the IdP says: format, qualifiers and value. It is compared
	// byte for byte.
	Subject string
	Shown   string // the value alone, for people
	Email   string // the address that the IdP asserted last, or ""
	Member  string
	How     string // "first_sign_in", "directory" or another code of what made the link
	// CreatedAt and LastUsedAt are set by the store.
	CreatedAt  time.Time
	LastUsedAt time.Time
}

const identityColumns = `i.connection_id, i.subject, i.shown, i.email, i.member_id, i.how, i.created_at, i.last_used_at`

// identityRow receives identityColumns.
type identityRow struct {
	i             Identity
	created, used int64
}

func (r *identityRow) dest() []any {
	i := &r.i
	return []any{&i.Connection, &i.Subject, &i.Shown, &i.Email, &i.Member, &i.How, &r.created, &r.used}
}

func (r *identityRow) identity() Identity {
	i := r.i
	i.CreatedAt, i.LastUsedAt = instant(r.created), instant(r.used)
	return i
}

func scanIdentities(out *[]Identity) func(Rows) error {
	return func(r Rows) error {
		var row identityRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		*out = append(*out, row.identity())
		return nil
	}
}

const identityOf = `SELECT ` + identityColumns + ` FROM identity i WHERE i.workspace_id = $1 AND i.connection_id = $2 AND i.subject = $3`

// errNoIdentity is the answer for a subject that nobody is linked to.
var errNoIdentity = errs.NotFound("identity_unknown", "No account is linked to this subject.")

// Identity finds a link. One that is not there is errs.KindNotFound, "identity_unknown".
func (tx *Tx) Identity(connection, subject string) (*Identity, error) {
	var row identityRow
	found, err := tx.one(row.dest(), identityOf, tx.workspace, connection, subject)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoIdentity
	}
	i := row.identity()
	return &i, nil
}

const identityAndMember = `
	SELECT ` + identityColumns + `, ` + memberColumns + `
	FROM   identity i JOIN member m ON m.workspace_id = i.workspace_id AND m.id = i.member_id
	WHERE  i.workspace_id = $1 AND i.connection_id = $2 AND i.subject = $3`

// IdentityAndMember finds a link with the member whom it names.
func (tx *Tx) IdentityAndMember(connection, subject string) (*Identity, *directory.Member, error) {
	var row identityRow
	var mrow memberRow
	found, err := tx.one(append(row.dest(), mrow.dest()...), identityAndMember, tx.workspace, connection, subject)
	if err != nil {
		return nil, nil, err
	}
	if !found {
		return nil, nil, errNoIdentity
	}
	i := row.identity()
	m, err := mrow.member()
	return &i, &m, err
}

const identitiesOf = `SELECT ` + identityColumns + ` FROM identity i WHERE i.workspace_id = $1 AND i.member_id = $2 ORDER BY i.created_at, i.connection_id, i.subject LIMIT 200`

// IdentitiesOf lists the links of a member, oldest first, 200 at most.
func (tx *Tx) IdentitiesOf(member string) ([]Identity, error) {
	var out []Identity
	err := tx.each(scanIdentities(&out), identitiesOf, tx.workspace, member)
	return out, err
}

const insertIdentity = `
	INSERT INTO identity (workspace_id, connection_id, subject, shown, shown_folded, email, email_folded, member_id, how, created_at, last_used_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`

// InsertIdentity makes a link. When somebody else made one for the subject meanwhile, the closure
// of the transaction runs again.
func (tx *Tx) InsertIdentity(i Identity) {
	tx.change("sign-in link")
	tx.unique("identity_pkey", "identity.subject", errRerun)
	tx.later(insertIdentity, tx.workspace, i.Connection, i.Subject, i.Shown, directory.Fold(i.Shown), i.Email, directory.Fold(i.Email), i.Member, i.How, micros(tx.now))
}

const touchIdentity = `
	UPDATE identity SET last_used_at = $4, email = $5, email_folded = $6 WHERE workspace_id = $1 AND connection_id = $2 AND subject = $3`

// TouchIdentity notes that a link was used now, with the address that the IdP asserted ("" for none).
func (tx *Tx) TouchIdentity(connection, subject, email string) {
	tx.later(touchIdentity, tx.workspace, connection, subject, micros(tx.now), email, directory.Fold(email))
}

const moveIdentities = `UPDATE identity SET member_id = $3 WHERE workspace_id = $1 AND member_id = $2`

// MoveIdentities makes the links of one member those of another.
func (tx *Tx) MoveIdentities(from, to string) {
	tx.change("sign-in link")
	tx.later(moveIdentities, tx.workspace, from, to)
}

const relinkIdentity = `
	UPDATE identity SET member_id = $5, how = $6, email = $7, email_folded = $8, last_used_at = $9
	WHERE  workspace_id = $1 AND connection_id = $2 AND subject = $3 AND member_id = $4`

// RelinkIdentity makes the link i, as it is now, another member's, for the reason how. email is the
// address that the IdP asserted, "" for none.
func (tx *Tx) RelinkIdentity(i Identity, member, how, email string) {
	tx.change("sign-in link")
	tx.later(relinkIdentity, tx.workspace, i.Connection, i.Subject, i.Member, member, how, email, directory.Fold(email), micros(tx.now))
}

const deleteIdentitiesOf = `DELETE FROM identity WHERE workspace_id = $1 AND connection_id = $2`

const saveClaims = `
	INSERT INTO claim (workspace_id, member_id, connection_id, asserted, updated_at) VALUES ($1, $2, $3, $4, $5)
	ON CONFLICT (workspace_id, member_id, connection_id) DO UPDATE SET asserted = excluded.asserted, updated_at = excluded.updated_at`

// SaveClaims keeps the groups that a connection asserts of a member, in place of what it asserted
// before. An empty list says that the person is in none.
func (tx *Tx) SaveClaims(member, connection string, groups []string) {
	if groups == nil {
		groups = []string{}
	}
	tx.change("group claims")
	tx.later(saveClaims, tx.workspace, member, connection, toJSON(groups), micros(tx.now))
}

// Claims are the groups that one connection asserted of one member last.
type Claims struct {
	Connection string
	Groups     []string
}

// Claims returns what connections asserted of members, by member id, in order of connection.
func (tx *Tx) Claims(members []string) (map[string][]Claims, error) {
	out := map[string][]Claims{}
	err := eachChunk(members, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var member, groups string
			var c Claims
			if err := r.Scan(&member, &c.Connection, &groups); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(groups), &c.Groups); err != nil {
				return fmt.Errorf("claims of %s: %w", member, err)
			}
			out[member] = append(out[member], c)
			return nil
		}, `SELECT member_id, connection_id, asserted FROM claim WHERE workspace_id = $1 AND member_id IN (`+list+`) ORDER BY member_id, connection_id`,
			append([]any{tx.workspace}, args...)...)
	})
	return out, err
}

const touchClaims = `UPDATE claim SET updated_at = $4 WHERE workspace_id = $1 AND member_id = $2 AND connection_id = $3`

// TouchClaims notes that a connection asserted now what it had asserted of a member before.
func (tx *Tx) TouchClaims(member, connection string) {
	tx.later(touchClaims, tx.workspace, member, connection, micros(tx.now))
}

const deleteClaimsOf = `DELETE FROM claim WHERE workspace_id = $1 AND connection_id = $2`

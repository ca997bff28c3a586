package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Identity is a sign-in link: who a connection's subject is in this workspace.
type Identity struct {
	Connection string
	// Subject is the whole of what the IdP says: format, qualifiers and value. It is compared
	// byte for byte.
	Subject string
	Shown   string // the value alone, for people
	Member  string
	How     string // "first_sign_in", "directory" or another code of what made the link
	// CreatedAt and LastUsedAt are set by the store.
	CreatedAt  time.Time
	LastUsedAt time.Time
}

const identityColumns = `connection_id, subject, shown, member_id, how, created_at, last_used_at`

func scanIdentity(r Rows) (Identity, error) {
	var i Identity
	var created, used int64
	err := r.Scan(&i.Connection, &i.Subject, &i.Shown, &i.Member, &i.How, &created, &used)
	i.CreatedAt, i.LastUsedAt = instant(created), instant(used)
	return i, err
}

const identityOf = `SELECT ` + identityColumns + ` FROM identity WHERE workspace_id = $1 AND connection_id = $2 AND subject = $3`

// Identity finds a link. One that is not there is errs.KindNotFound, "identity_unknown".
func (tx *Tx) Identity(connection, subject string) (*Identity, error) {
	var found *Identity
	err := tx.each(func(r Rows) error {
		i, err := scanIdentity(r)
		found = &i
		return err
	}, identityOf, tx.workspace, connection, subject)
	if err == nil && found == nil {
		err = errs.NotFound("identity_unknown", "No account is linked to this subject.")
	}
	return found, err
}

const identitiesOf = `SELECT ` + identityColumns + ` FROM identity WHERE workspace_id = $1 AND member_id = $2 ORDER BY created_at, connection_id, subject LIMIT 200`

// IdentitiesOf lists the links of a member, oldest first, 200 at most.
func (tx *Tx) IdentitiesOf(member string) ([]Identity, error) {
	var out []Identity
	err := tx.each(func(r Rows) error {
		i, err := scanIdentity(r)
		out = append(out, i)
		return err
	}, identitiesOf, tx.workspace, member)
	return out, err
}

const insertIdentity = `
	INSERT INTO identity (workspace_id, connection_id, subject, shown, member_id, how, created_at, last_used_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`

// InsertIdentity makes a link. When somebody else made one for the subject meanwhile, the closure
// of the transaction runs again.
func (tx *Tx) InsertIdentity(i Identity) {
	tx.change("sign-in link")
	tx.unique("identity_pkey", "identity.subject", errRerun)
	tx.later(insertIdentity, tx.workspace, i.Connection, i.Subject, i.Shown, i.Member, i.How, micros(tx.now))
}

const touchIdentity = `UPDATE identity SET last_used_at = $4 WHERE workspace_id = $1 AND connection_id = $2 AND subject = $3`

// TouchIdentity notes that a link was used now.
func (tx *Tx) TouchIdentity(connection, subject string) {
	tx.later(touchIdentity, tx.workspace, connection, subject, micros(tx.now))
}

const moveIdentities = `UPDATE identity SET member_id = $3 WHERE workspace_id = $1 AND member_id = $2`

// MoveIdentities makes the links of one member those of another.
func (tx *Tx) MoveIdentities(from, to string) {
	tx.change("sign-in link")
	tx.later(moveIdentities, tx.workspace, from, to)
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

const deleteClaimsOf = `DELETE FROM claim WHERE workspace_id = $1 AND connection_id = $2`

package store

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// NamedSession is a live session with whom its IdP signed in.
type NamedSession struct {
	ID, Member string
	Index      string // the IdP's own name of the session, or ""
	NameID     string // JSON as Session.NameID; "" in a session of an older version
}

const sessionsOfName = `
	SELECT id, member_id, session_index, name_id FROM session
	WHERE  workspace_id = $1 AND connection_id = $2 AND name_hash = $3 AND name_hash <> '' AND ended_at IS NULL AND id > $4
	ORDER  BY id LIMIT 1000`

// SessionsOfName lists the sessions of a connection that have that hash of a name and that nothing has ended, in
// order of id, 1000 at the most, those behind the id after.
func (tx *Tx) SessionsOfName(connection, hash, after string) ([]NamedSession, error) {
	return tx.namedSessions(sessionsOfName, tx.workspace, connection, hash, after)
}

const namelessSessions = `
	SELECT id, member_id, session_index, name_id FROM session
	WHERE  workspace_id = $1 AND connection_id = $2 AND member_id = $3 AND name_hash = '' AND ended_at IS NULL AND id > $4
	ORDER  BY id LIMIT 1000`

// NamelessSessions is SessionsOfName for those of a member that a version before names were kept has opened.
func (tx *Tx) NamelessSessions(connection, member, after string) ([]NamedSession, error) {
	return tx.namedSessions(namelessSessions, tx.workspace, connection, member, after)
}

func (tx *Tx) namedSessions(query string, args ...any) ([]NamedSession, error) {
	var out []NamedSession
	err := tx.each(func(r Rows) error {
		var s NamedSession
		if err := r.Scan(&s.ID, &s.Member, &s.Index, &s.NameID); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	}, query, args...)
	return out, err
}

const nameOfSession = `SELECT name_id FROM session WHERE workspace_id = $1 AND id = $2`

// NameOfSession returns whom the IdP signed in, as JSON; "" where it is not known, or was forgotten at the session's end.
func (tx *Tx) NameOfSession(session string) (name string, err error) {
	_, err = tx.one([]any{&name}, nameOfSession, tx.workspace, session)
	return name, err
}

// ApplicationsOf lists the applications that have got tokens of live sessions and have to hear of their end, each once.
func (tx *Tx) ApplicationsOf(sessions []string) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	err := eachChunk(sessions, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var id string
			if err := r.Scan(&id); err != nil {
				return err
			}
			if !seen[id] {
				seen[id] = true
				out = append(out, id)
			}
			return nil
		}, `SELECT DISTINCT application_id FROM oidc_grant
			WHERE workspace_id = $1 AND session_id IN (`+list+`) AND redeemed_at IS NOT NULL AND (ended_at IS NULL OR due_at IS NOT NULL) ORDER BY application_id`,
			append([]any{tx.workspace}, args...)...)
	})
	return out, err
}

// Leaving is a sign-out that an IdP was told of.
type Leaving struct {
	Connection string // id
	Member     string // id
	ReturnTo   string // where the browser goes at the end; "" for our own page
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

const insertLogout = `
	INSERT INTO logout (workspace_id, connection_id, hash, member_id, return_to, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)`

// InsertLogout keeps a sign-out that an IdP is told of, by the hash of the request's ID.
func (tx *Tx) InsertLogout(hash string, l Leaving) {
	tx.change("sign-out")
	tx.later(insertLogout, tx.workspace, l.Connection, hash, l.Member, l.ReturnTo, micros(tx.now), micros(l.ExpiresAt))
}

const logoutByHash = `SELECT member_id, return_to, created_at, expires_at FROM logout WHERE workspace_id = $1 AND connection_id = $2 AND hash = $3`

// Logout reads a sign-out that waits for the IdP's answer, an expired one too. It consumes nothing. One that is not there is
// errs.KindNotFound, "logout_unknown".
func (tx *Tx) Logout(connection, hash string) (*Leaving, error) {
	l := Leaving{Connection: connection}
	var created, expires int64
	found, err := tx.one([]any{&l.Member, &l.ReturnTo, &created, &expires}, logoutByHash, tx.workspace, connection, hash)
	if err == nil && !found {
		err = errLogoutUnknown
	}
	if err != nil {
		return nil, err
	}
	l.CreatedAt, l.ExpiresAt = instant(created), instant(expires)
	return &l, nil
}

var errLogoutUnknown = errs.NotFound("logout_unknown", "No sign-out waits for this answer.")

const useLogout = `DELETE FROM logout WHERE workspace_id = $1 AND connection_id = $2 AND hash = $3 AND expires_at > $4 RETURNING hash`

// UseLogout consumes a sign-out that waits: of many who try at once one succeeds, the others get errs.KindNotFound,
// "logout_unknown".
func (tx *Tx) UseLogout(connection, hash string) error {
	var gone string
	found, err := tx.one([]any{&gone}, useLogout, tx.workspace, connection, hash, micros(tx.now))
	if err == nil && !found {
		err = errLogoutUnknown
	}
	return err
}

const deleteLogoutsOf = `DELETE FROM logout WHERE workspace_id = $1 AND connection_id = $2`

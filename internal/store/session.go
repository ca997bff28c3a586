package store

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
)

const sessionColumns = `s.id, s.workspace_id, s.member_id, s.method, s.connection_id, s.break_glass, s.created_at, s.last_used_at,
	s.expires_at, s.ended_at, s.end_reason, s.address, s.user_agent, s.authenticated_at, s.context, s.session_index`

type sessionRow struct {
	s                          session.Session
	method                     string
	created, lastUsed, expires int64
	authenticated              int64
	ended                      *int64
}

func (r *sessionRow) dest() []any {
	s := &r.s
	return []any{&s.ID, &s.Workspace, &s.Member, &r.method, &s.Connection, &s.BreakGlass, &r.created, &r.lastUsed,
		&r.expires, &r.ended, &s.EndReason, &s.Address, &s.UserAgent, &r.authenticated, &s.Context, &s.SessionIndex}
}

func (r *sessionRow) session() session.Session {
	s := r.s
	s.Method = directory.Method(r.method)
	s.CreatedAt, s.LastUsedAt, s.ExpiresAt, s.EndedAt = instant(r.created), instant(r.lastUsed), instant(r.expires), maybeInstant(r.ended)
	s.AuthenticatedAt = s.CreatedAt
	if r.authenticated != 0 {
		s.AuthenticatedAt = instant(r.authenticated)
	}
	return s
}

const insertSession = `
	INSERT INTO session (workspace_id, id, member_id, method, connection_id, break_glass, created_at, last_used_at, expires_at, end_reason, address, user_agent,
		authenticated_at, context, session_index, name_id, name_hash)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, '', $9, $10, $11, $12, $13, $14, $15)`

const insertSessionHandle = `INSERT INTO session_handle (hash, workspace_id, session_id) VALUES ($1, $2, $3)`

// InsertSession starts a session that the token with that hash opens.
func (tx *Tx) InsertSession(s *session.Session, hash string) {
	tx.change("session")
	tx.later(insertSessionHandle, hash, tx.workspace, s.ID)
	tx.later(insertSession, tx.workspace, s.ID, s.Member, string(s.Method), s.Connection, s.BreakGlass, micros(tx.now),
		micros(s.ExpiresAt), clean(s.Address), clean(s.UserAgent), authenticated(s, tx.now), s.Context, s.SessionIndex, s.NameID, s.NameHash)
}

// authenticated is when the person proved who they are: now, where nobody says otherwise.
func authenticated(s *session.Session, now time.Time) int64 {
	if s.AuthenticatedAt.IsZero() {
		return micros(now)
	}
	return micros(s.AuthenticatedAt)
}

// EndSessions ends the live sessions of a member, but the one with id except, and announces each.
// With connectionOnly, sessions that were opened by password or link stay.
func (tx *Tx) EndSessions(member, except, reason string, connectionOnly bool) ([]string, error) {
	query := `
	UPDATE session SET ended_at = $3, end_reason = $4, id_token = '', name_id = '', name_hash = ''
	WHERE  workspace_id = $1 AND member_id = $2 AND ended_at IS NULL AND id <> $5`
	if connectionOnly {
		query += ` AND method IN ('saml', 'oidc')`
	}
	var ids []string
	err := tx.each(collect(&ids), query+` RETURNING id`, tx.workspace, member, micros(tx.now), reason, except)
	return ids, errors.Join(err, tx.announceEnded(ids))
}

// EndSessionsOf ends every live session of many members, one statement per 512.
func (tx *Tx) EndSessionsOf(members []string, reason string) ([]string, error) {
	var ids []string
	err := eachChunk(members, func(part []string) error {
		list, args := in(4, part)
		return tx.each(collect(&ids), `UPDATE session SET ended_at = $2, end_reason = $3, id_token = '', name_id = '', name_hash = ''
			WHERE workspace_id = $1 AND ended_at IS NULL AND member_id IN (`+list+`) RETURNING id`,
			append([]any{tx.workspace, micros(tx.now), reason}, args...)...)
	})
	return ids, errors.Join(err, tx.announceEnded(ids))
}

const endConnectionSessions = `
	UPDATE session SET ended_at = $3, end_reason = $4, id_token = '', name_id = '', name_hash = ''
	WHERE  workspace_id = $1 AND connection_id = $2 AND ended_at IS NULL RETURNING id`

// EndSessionsOfConnection ends every live session that was opened through a connection.
func (tx *Tx) EndSessionsOfConnection(connection, reason string) ([]string, error) {
	var ids []string
	err := tx.each(collect(&ids), endConnectionSessions, tx.workspace, connection, micros(tx.now), reason)
	return ids, errors.Join(err, tx.announceEnded(ids))
}

const shortenConnectionSessions = `
	UPDATE session SET expires_at = $3
	WHERE  workspace_id = $1 AND connection_id = $2 AND ended_at IS NULL AND expires_at > $3 RETURNING id`

// ShortenSessionsOfConnection has every live session that was opened through a connection end at until at the latest,
// and returns those that would have lived longer. Applications that were given something are told no later than then.
func (tx *Tx) ShortenSessionsOfConnection(connection string, until time.Time) ([]string, error) {
	var ids []string
	if err := tx.each(collect(&ids), shortenConnectionSessions, tx.workspace, connection, micros(until)); err != nil || len(ids) == 0 {
		return nil, err
	}
	tx.change("session")
	return ids, eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		_, err := tx.exec(`UPDATE oidc_grant SET due_at = $2 WHERE workspace_id = $1 AND session_id IN (`+list+`) AND due_at > $2`,
			append([]any{tx.workspace, micros(until)}, args...)...)
		return err
	})
}

// throughConnection is the status of the connection c as a session that came through it sees it: one that is disabled
// and lets its sessions run is active to them. What has ended by itself has done so in its own row.
const throughConnection = `CASE WHEN c.status = 'disabled' AND c.sessions_run THEN 'active' ELSE COALESCE(c.status, '') END`

const passwordSessions = `
	SELECT id, member_id FROM session
	WHERE  workspace_id = $1 AND ended_at IS NULL AND method = 'password' AND NOT break_glass ORDER BY id`

const sessionsOfIdP = `
	SELECT id, member_id, ended_at IS NULL FROM session
	WHERE  workspace_id = $1 AND connection_id = $2 AND session_index = $3 AND session_index <> '' ORDER BY id LIMIT 1000`

// IdPSession is a session as its IdP can name it.
type IdPSession struct {
	ID, Member string
	Live       bool // nothing has ended it
}

// SessionsOfIdP lists the sessions, ended ones too, that an IdP knows by its own name index at a connection.
func (tx *Tx) SessionsOfIdP(connection, index string) ([]IdPSession, error) {
	return tx.idpSessions(sessionsOfIdP, tx.workspace, connection, index)
}

const sessionsOfSubject = `
	SELECT id, member_id, TRUE FROM session
	WHERE  workspace_id = $1 AND connection_id = $2 AND member_id = $3 AND ended_at IS NULL ORDER BY id LIMIT 1000`

// LiveSessionsThrough lists what a member has open through a connection.
func (tx *Tx) LiveSessionsThrough(connection, member string) ([]IdPSession, error) {
	return tx.idpSessions(sessionsOfSubject, tx.workspace, connection, member)
}

func (tx *Tx) idpSessions(query string, args ...any) ([]IdPSession, error) {
	var out []IdPSession
	err := tx.each(func(r Rows) error {
		var s IdPSession
		if err := r.Scan(&s.ID, &s.Member, &s.Live); err != nil {
			return err
		}
		out = append(out, s)
		return nil
	}, query, args...)
	return out, err
}

const setIDToken = `UPDATE session SET id_token = $3 WHERE workspace_id = $1 AND id = $2`

// KeepIDToken keeps, sealed, what the session's IdP wants to see again at sign-out. It goes with the session's end.
func (tx *Tx) KeepIDToken(session, sealed string) {
	tx.later(setIDToken, tx.workspace, session, sealed)
}

const idTokenOf = `SELECT id_token FROM session WHERE workspace_id = $1 AND id = $2`

// IDToken returns what KeepIDToken kept, "" for nothing.
func (tx *Tx) IDToken(session string) (sealed string, err error) {
	_, err = tx.one([]any{&sealed}, idTokenOf, tx.workspace, session)
	return sealed, err
}

// PasswordSessions lists whose the sessions are that EndPasswordSessions would look at, by member id, each as often as
// they have one.
func (tx *Tx) PasswordSessions() (members []string, err error) {
	err = tx.each(func(r Rows) error {
		var id, member string
		err := r.Scan(&id, &member)
		members = append(members, member)
		return err
	}, passwordSessions, tx.workspace)
	return members, err
}

const endPasswordSessionsOf = `
	UPDATE session SET ended_at = $3, end_reason = $4, id_token = '', name_id = '', name_hash = ''
	WHERE  workspace_id = $1 AND member_id = $2 AND ended_at IS NULL AND method = 'password' RETURNING id`

// EndPasswordSessionsOf ends what a member opened with a password, by emergency access too.
func (tx *Tx) EndPasswordSessionsOf(member, reason string) ([]string, error) {
	var ids []string
	err := tx.each(collect(&ids), endPasswordSessionsOf, tx.workspace, member, micros(tx.now), reason)
	return ids, errors.Join(err, tx.announceEnded(ids))
}

// EndPasswordSessions ends every session that was opened with a password, of members for whom
// covered holds.
func (tx *Tx) EndPasswordSessions(reason string, covered func(member string) bool) (ended int, err error) {
	var live []struct{ id, member string }
	if err := tx.each(func(r Rows) error {
		var s struct{ id, member string }
		if err := r.Scan(&s.id, &s.member); err != nil {
			return err
		}
		live = append(live, s)
		return nil
	}, passwordSessions, tx.workspace); err != nil {
		return 0, err
	}
	for _, s := range live {
		if !covered(s.member) {
			continue
		}
		if err := tx.EndSession(s.id, reason); err != nil && !errs.Is(err, errs.KindNotFound) {
			return ended, err
		}
		ended++
	}
	return ended, nil
}

const endSession = `
	UPDATE session SET ended_at = $3, end_reason = $4, id_token = '', name_id = '', name_hash = ''
	WHERE  workspace_id = $1 AND id = $2 AND ended_at IS NULL RETURNING id`

// EndSession ends one live session.
func (tx *Tx) EndSession(id, reason string) error {
	var ids []string
	if err := tx.each(collect(&ids), endSession, tx.workspace, id, micros(tx.now), reason); err != nil {
		return err
	}
	if len(ids) == 0 {
		return errs.NotFound("session_unknown", "There is no live session %s.", id)
	}
	return tx.announceEnded(ids)
}

// announceEnded is what follows every end of a session, whatever the cause: signals after the
// commit, and what the sessions gave to applications ends with them.
func (tx *Tx) announceEnded(ids []string) error {
	if len(ids) > 0 {
		tx.change("session")
	}
	for _, id := range ids {
		tx.signal(Signal{Topic: TopicSession, Key: id})
	}
	return tx.endGrantsOf(ids)
}

const sessionsOf = `
	SELECT ` + sessionColumns + ` FROM session s
	WHERE  s.workspace_id = $1 AND s.member_id = $2 AND s.ended_at IS NULL AND s.expires_at > $3 AND s.last_used_at > $4
	ORDER  BY s.created_at DESC, s.id LIMIT 200`

// Sessions lists the live sessions of a member, newest first, 200 at most.
func (tx *Tx) Sessions(member string) ([]session.Session, error) {
	var out []session.Session
	err := tx.each(func(r Rows) error {
		var row sessionRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		out = append(out, row.session())
		return nil
	}, sessionsOf, tx.workspace, member, micros(tx.now), micros(tx.now.Add(-session.Idle)))
	return out, err
}

// LiveSession is what a check of a session learns in one statement.
type LiveSession struct {
	session.Session
	Slug   string
	Member directory.Member
	// RoleName is the name of the member's role.
	RoleName string
}

const sessionByHash = `
	SELECT ` + sessionColumns + `, w.slug, ro.name, ` + throughConnection + `, ` + memberColumns + `
	FROM   session_handle h
	JOIN   session s ON s.workspace_id = h.workspace_id AND s.id = h.session_id
	JOIN   member m ON m.workspace_id = s.workspace_id AND m.id = s.member_id
	JOIN   workspace w ON w.id = s.workspace_id
	JOIN   role ro ON ro.workspace_id = m.workspace_id AND ro.id = m.role_id
	LEFT   JOIN connection c ON c.workspace_id = s.workspace_id AND c.id = s.connection_id
	WHERE  h.hash = $1`

// ErrNoSession is the one answer for every session that does not live, whatever the cause.
var ErrNoSession = errs.Unauthenticated("session_ended", "There is no live session. Sign in.")

// SessionByToken checks a session by the hash of its token: the session, its member and its
// connection are read now, and all must stand. Nothing here is cached.
func (db *DB) SessionByToken(ctx context.Context, hash string, now time.Time) (*LiveSession, error) {
	var live LiveSession
	var srow sessionRow
	var mrow memberRow
	var status string
	dest := append(srow.dest(), &live.Slug, &live.RoleName, &status)
	dest = append(dest, mrow.dest()...)
	found := false
	err := each(ctx, db.driver, func(r Rows) error {
		found = true
		return r.Scan(dest...)
	}, sessionByHash, hash)
	if err != nil {
		return nil, db.translate(err)
	}
	if !found {
		return nil, ErrNoSession
	}
	live.Session = srow.session()
	if live.Member, err = mrow.member(); err != nil {
		return nil, err
	}
	if !live.Alive(now) || !live.Member.In() {
		return nil, ErrNoSession
	}
	if live.Connection != "" && status != string(directory.ConnectionActive) {
		return nil, ErrNoSession
	}
	if live.DueTouch(now) {
		db.reads.session(live.Workspace, live.Session.ID, now)
	}
	return &live, nil
}

const insertLink = `
	INSERT INTO link_handle (hash, workspace_id, member_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`

// InsertLink makes a one-time sign-in link.
func (tx *Tx) InsertLink(hash, member string, expires time.Time) {
	tx.change("sign-in link")
	tx.later(insertLink, hash, tx.workspace, member, micros(tx.now), micros(expires))
}

const useLink = `
	UPDATE link_handle SET used_at = $3
	WHERE  hash = $1 AND workspace_id = $2 AND used_at IS NULL AND expires_at > $3 RETURNING member_id`

var errLinkInvalid = errs.Forbidden("link_invalid", "This sign-in link was used already, has expired or was never made. Ask for a new one.")

// UseLink consumes a link and returns its member. Of many who try at once one succeeds.
func (tx *Tx) UseLink(hash string) (member string, err error) {
	found, err := tx.one([]any{&member}, useLink, hash, tx.workspace, micros(tx.now))
	if err == nil && !found {
		err = errLinkInvalid
	}
	return member, err
}

const endLinks = `UPDATE link_handle SET used_at = $3 WHERE workspace_id = $1 AND member_id = $2 AND used_at IS NULL`

// EndLinks makes the unused links of a member useless, those that were sent by mail too.
func (tx *Tx) EndLinks(member string) {
	tx.later(endLinks, tx.workspace, member, micros(tx.now))
	tx.later(endMailLinks, tx.workspace, member, micros(tx.now))
}

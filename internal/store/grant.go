package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// JobLogout is the kind of job that tells an application that a session has ended.
const JobLogout = "oidc.backchannel_logout"

// Logout is the body of such a job.
type Logout struct {
	Application string `json:"application"` // id
	Session     string `json:"session"`     // id, the sid of what the application was given
	Member      string `json:"member"`      // id, the sub
}

// Grant is what a session gives to an application.
type Grant struct {
	ID          string
	Application string // id
	Session     string // id
	Member      string // id
	Scope       string // separated by spaces
	Nonce       string
}

// Code is an authorization code, but for itself.
type Code struct {
	Grant       string // id
	Application string // id, set when read
	RedirectURI string
	Challenge   string // PKCE, S256; "" for none
	ExpiresAt   time.Time
	UsedAt      time.Time // zero while it was not
}

// GrantHolder is what a token of an application leads to: whom it stands for, and for how long.
type GrantHolder struct {
	LiveSession
	Grant       string // id
	Application string // id
	Scope       string
	Nonce       string
	IssuedAt    time.Time
	ExpiresAt   time.Time
}

const insertGrant = `
	INSERT INTO oidc_grant (workspace_id, id, application_id, session_id, member_id, scope, nonce, created_at, end_reason)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '')`

const insertCode = `
	INSERT INTO code_handle (hash, workspace_id, grant_id, redirect_uri, challenge, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`

// InsertGrant makes a grant that the code with that hash opens. It needs no event.
func (tx *Tx) InsertGrant(g Grant, hash string, c Code) {
	tx.later(insertGrant, tx.workspace, g.ID, g.Application, g.Session, g.Member, g.Scope, g.Nonce, micros(tx.now))
	tx.later(insertCode, hash, tx.workspace, g.ID, c.RedirectURI, c.Challenge, micros(c.ExpiresAt))
}

// ofApplication binds a handle to the application that it was given to.
const ofApplication = `EXISTS (SELECT 1 FROM oidc_grant g WHERE g.workspace_id = $2 AND g.id = grant_id AND g.application_id = $3)`

const useCode = `
	UPDATE code_handle SET used_at = $4
	WHERE  hash = $1 AND workspace_id = $2 AND used_at IS NULL AND expires_at > $4 AND ` + ofApplication + `
	RETURNING grant_id, redirect_uri, challenge, expires_at`

var errCodeUnknown = errs.NotFound("code_unknown", "There is no such code.")

// UseCode consumes a code that was given to an application: of many who try at once one succeeds.
// The others, and every other code, get errs.KindNotFound, "code_unknown".
func (tx *Tx) UseCode(hash, application string) (*Code, error) {
	c := Code{Application: application, UsedAt: tx.now}
	var expires int64
	found, err := tx.one([]any{&c.Grant, &c.RedirectURI, &c.Challenge, &expires}, useCode, hash, tx.workspace, application, micros(tx.now))
	if err == nil && !found {
		err = errCodeUnknown
	}
	if err != nil {
		return nil, err
	}
	c.ExpiresAt = instant(expires)
	return &c, nil
}

const codeByHash = `
	SELECT h.grant_id, g.application_id, h.redirect_uri, h.challenge, h.expires_at, h.used_at
	FROM   code_handle h JOIN oidc_grant g ON g.workspace_id = h.workspace_id AND g.id = h.grant_id
	WHERE  h.hash = $1 AND h.workspace_id = $2`

// Code reads a code, whatever became of it. One that is not there is errs.KindNotFound, "code_unknown".
func (tx *Tx) Code(hash string) (*Code, error) {
	var c Code
	var expires int64
	var used *int64
	found, err := tx.one([]any{&c.Grant, &c.Application, &c.RedirectURI, &c.Challenge, &expires, &used}, codeByHash, hash, tx.workspace)
	if err == nil && !found {
		err = errCodeUnknown
	}
	if err != nil {
		return nil, err
	}
	c.ExpiresAt, c.UsedAt = instant(expires), maybeInstant(used)
	return &c, nil
}

const insertAccess = `
	INSERT INTO access_handle (hash, workspace_id, grant_id, scope, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`

// InsertAccess gives an access token of a grant.
func (tx *Tx) InsertAccess(hash, grant, scope string, expires time.Time) {
	tx.later(insertAccess, hash, tx.workspace, grant, scope, micros(tx.now), micros(expires))
}

const revokeAccess = `
	UPDATE access_handle SET revoked_at = $4
	WHERE  hash = $1 AND workspace_id = $2 AND revoked_at IS NULL AND ` + ofApplication

// RevokeAccess makes an access token of an application worth nothing. One that is not the
// application's is passed over.
func (tx *Tx) RevokeAccess(hash, application string) {
	tx.later(revokeAccess, hash, tx.workspace, application, micros(tx.now))
}

const insertRefresh = `
	INSERT INTO refresh_handle (hash, workspace_id, grant_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`

// InsertRefresh gives a refresh token of a grant.
func (tx *Tx) InsertRefresh(hash, grant string, expires time.Time) {
	tx.later(insertRefresh, hash, tx.workspace, grant, micros(tx.now), micros(expires))
}

const useRefresh = `
	UPDATE refresh_handle SET used_at = $4
	WHERE  hash = $1 AND workspace_id = $2 AND used_at IS NULL AND expires_at > $4 AND ` + ofApplication + ` RETURNING grant_id`

var errRefreshUnknown = errs.NotFound("refresh_unknown", "There is no such refresh token.")

// UseRefresh consumes a refresh token that was given to an application and returns its grant. Of many who
// try at once one succeeds; the others, and every other token, get errs.KindNotFound, "refresh_unknown".
func (tx *Tx) UseRefresh(hash, application string) (grant string, err error) {
	found, err := tx.one([]any{&grant}, useRefresh, hash, tx.workspace, application, micros(tx.now))
	if err == nil && !found {
		err = errRefreshUnknown
	}
	return grant, err
}

const grantOfRefresh = `
	SELECT grant_id, used_at FROM refresh_handle WHERE hash = $1 AND workspace_id = $2 AND ` + ofApplication

// GrantOfRefresh returns the grant of an application's refresh token, whatever became of the token, and
// whether it was used. One that is not the application's is errs.KindNotFound, "refresh_unknown".
func (tx *Tx) GrantOfRefresh(hash, application string) (grant string, used bool, err error) {
	var at *int64
	found, err := tx.one([]any{&grant, &at}, grantOfRefresh, hash, tx.workspace, application)
	if err == nil && !found {
		err = errRefreshUnknown
	}
	return grant, at != nil, err
}

const endGrant = `
	UPDATE oidc_grant SET ended_at = $3, end_reason = $4
	WHERE  workspace_id = $1 AND id = $2 AND ended_at IS NULL RETURNING member_id`

// EndGrant ends a grant with all its tokens and returns whose it was, "" where it had ended before. The
// application is still told when the session ends. It needs no event.
func (tx *Tx) EndGrant(id, reason string) (member string, err error) {
	_, err = tx.one([]any{&member}, endGrant, tx.workspace, id, micros(tx.now), reason)
	return member, err
}

// runsOut is when the session of a grant will have run out if nobody uses it, NULL where it has ended.
const runsOut = `(SELECT CASE WHEN s.expires_at < s.last_used_at + s.idle THEN s.expires_at ELSE s.last_used_at + s.idle END
	FROM session s WHERE s.workspace_id = $1 AND s.id = oidc_grant.session_id AND s.ended_at IS NULL)`

const holdGrant = `
	UPDATE oidc_grant SET redeemed_at = COALESCE(redeemed_at, $3), due_at = ` + runsOut + `
	WHERE  workspace_id = $1 AND id = $2 AND ended_at IS NULL`

var errGrantUnknown = errs.NotFound("grant_unknown", "There is no grant whose session lives.")

// HoldGrant reads a grant of which tokens are about to be given, and all that it hangs on. It is
// errs.KindNotFound, "grant_unknown", unless grant, session, member and connection stand. The row stays
// locked: every end of a session ends its grants, and so comes either before, or after and then tells the
// application. It counts as a use of the session.
func (tx *Tx) HoldGrant(id string) (*GrantHolder, error) {
	tx.later(holdGrant, tx.workspace, id, micros(tx.now))
	var row holderRow
	found, err := tx.one(row.dest(), holderByGrant, tx.workspace, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errGrantUnknown
	}
	h, err := row.holder(tx.now)
	if errs.Is(err, errs.KindUnauthenticated) {
		return nil, errGrantUnknown
	}
	if err == nil && h.DueTouch(tx.now) {
		tx.db.reads.session(h.Workspace, h.Session.ID, tx.now)
	}
	return h, err
}

const holderColumns = sessionColumns + `, w.slug, ro.name, ` + throughConnection + `, ` + memberColumns + `,
	g.id, g.application_id, g.nonce, g.ended_at`

const holderJoins = `
	JOIN   session s ON s.workspace_id = g.workspace_id AND s.id = g.session_id
	JOIN   member m ON m.workspace_id = s.workspace_id AND m.id = s.member_id
	JOIN   workspace w ON w.id = s.workspace_id
	JOIN   role ro ON ro.workspace_id = m.workspace_id AND ro.id = m.role_id
	LEFT   JOIN connection c ON c.workspace_id = s.workspace_id AND c.id = s.connection_id`

const holderByGrant = `
	SELECT ` + holderColumns + `, g.scope, g.created_at, s.expires_at, CAST(NULL AS BIGINT)
	FROM   oidc_grant g` + holderJoins + `
	WHERE  g.workspace_id = $1 AND g.id = $2`

const holderByAccess = `
	SELECT ` + holderColumns + `, h.scope, h.created_at, h.expires_at, h.revoked_at
	FROM   access_handle h
	JOIN   oidc_grant g ON g.workspace_id = h.workspace_id AND g.id = h.grant_id` + holderJoins + `
	WHERE  h.hash = $1`

const holderByRefresh = `
	SELECT ` + holderColumns + `, g.scope, h.created_at, h.expires_at, h.used_at
	FROM   refresh_handle h
	JOIN   oidc_grant g ON g.workspace_id = h.workspace_id AND g.id = h.grant_id` + holderJoins + `
	WHERE  h.hash = $1`

// holderRow receives holderColumns, and scope, begin, end and spent of a token or grant.
type holderRow struct {
	h               GrantHolder
	s               sessionRow
	m               memberRow
	status          string
	issued, expires int64
	ended, spent    *int64
}

func (r *holderRow) dest() []any {
	h := &r.h
	dest := append(r.s.dest(), &h.Slug, &h.RoleName, &r.status)
	dest = append(dest, r.m.dest()...)
	return append(dest, &h.Grant, &h.Application, &h.Nonce, &r.ended, &h.Scope, &r.issued, &r.expires, &r.spent)
}

// holder is ErrNoSession unless token, grant, session, member and connection all stand.
func (r *holderRow) holder(now time.Time) (*GrantHolder, error) {
	h := r.h
	var err error
	h.Session = r.s.session()
	if h.Member, err = r.m.member(); err != nil {
		return nil, err
	}
	h.IssuedAt, h.ExpiresAt = instant(r.issued), instant(r.expires)
	switch {
	case r.spent != nil, r.ended != nil, !now.Before(h.ExpiresAt), !h.Alive(now), !h.Member.In(),
		h.Connection != "" && r.status != string(directory.ConnectionActive):
		return nil, ErrNoSession
	}
	return &h, nil
}

// HolderByAccess checks an access token by its hash: token, grant, session, member and connection
// are read now in one statement, and all must stand, or it is ErrNoSession. Nothing here is cached.
// It counts as a use of the session.
func (db *DB) HolderByAccess(ctx context.Context, hash string, now time.Time) (*GrantHolder, error) {
	h, err := db.holder(ctx, holderByAccess, hash, now)
	if err == nil && h.DueTouch(now) {
		db.reads.session(h.Workspace, h.Session.ID, now)
	}
	return h, err
}

// HolderByRefresh is HolderByAccess for a refresh token, and leaves it as it is. It counts as no use.
func (db *DB) HolderByRefresh(ctx context.Context, hash string, now time.Time) (*GrantHolder, error) {
	return db.holder(ctx, holderByRefresh, hash, now)
}

func (db *DB) holder(ctx context.Context, query, hash string, now time.Time) (*GrantHolder, error) {
	var row holderRow
	found := false
	err := each(ctx, db.driver, func(r Rows) error {
		found = true
		return r.Scan(row.dest()...)
	}, query, hash)
	if err != nil {
		return nil, db.translate(err)
	}
	if !found {
		return nil, ErrNoSession
	}
	return row.holder(now)
}

// endGrantsOf ends what sessions gave to applications, and puts one logout for each pair of
// session and application that has got tokens into the outbox. It is part of every end of a session.
func (tx *Tx) endGrantsOf(sessions []string) error {
	told := map[Logout]bool{}
	return eachChunk(sessions, func(part []string) error {
		list, args := in(3, part)
		return tx.each(func(r Rows) error {
			var l Logout
			var redeemed bool
			if err := r.Scan(&l.Application, &l.Session, &l.Member, &redeemed); err != nil {
				return err
			}
			if redeemed && !told[l] {
				told[l] = true
				tx.InsertJob(JobLogout, toJSON(l), tx.now)
			}
			return nil
		}, `UPDATE oidc_grant SET due_at = NULL, ended_at = COALESCE(ended_at, $2),
				end_reason = CASE WHEN ended_at IS NULL THEN 'session_ended' ELSE end_reason END
			WHERE workspace_id = $1 AND session_id IN (`+list+`) AND (ended_at IS NULL OR due_at IS NOT NULL)
			RETURNING application_id, session_id, member_id, redeemed_at IS NOT NULL`,
			append([]any{tx.workspace, micros(tx.now)}, args...)...)
	})
}

// SessionRef names a session across workspaces.
type SessionRef struct{ Workspace, Session string } // ids

const dueSessions = `
	SELECT workspace_id, session_id FROM oidc_grant WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2`

// DueSessions lists sessions that gave something to applications and may have run out, those of the longest
// ago first. ExpireSessions finds out, and sets when to look again.
func (s System) DueSessions(ctx context.Context, now time.Time, limit int) ([]SessionRef, error) {
	var out []SessionRef
	err := each(ctx, s.db.driver, func(r Rows) error {
		var ref SessionRef
		if err := r.Scan(&ref.Workspace, &ref.Session); err != nil {
			return err
		}
		out = append(out, ref)
		return nil
	}, dueSessions, micros(now), limit)
	return out, s.db.translate(err)
}

// ExpireSessions ends those of the sessions that have run out, and returns them. For the others it
// notes when they will have.
func (tx *Tx) ExpireSessions(ids []string) (ended []string, err error) {
	err = eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		return tx.each(collect(&ended), `UPDATE session SET ended_at = $2, end_reason = 'session_expired', id_token = '', name_id = '', name_hash = ''
			WHERE workspace_id = $1 AND ended_at IS NULL AND (expires_at <= $2 OR last_used_at + idle <= $2) AND id IN (`+list+`) RETURNING id`,
			append([]any{tx.workspace, micros(tx.now)}, args...)...)
	})
	if err != nil {
		return nil, err
	}
	if err := tx.announceEnded(ended); err != nil {
		return nil, err
	}
	// A session that has ended or is no longer there gives NULL, and is not looked for again.
	return ended, eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		_, err := tx.exec(`UPDATE oidc_grant SET due_at = `+runsOut+`
			WHERE workspace_id = $1 AND session_id IN (`+list+`) AND due_at <= $2`,
			append([]any{tx.workspace, micros(tx.now)}, args...)...)
		return err
	})
}

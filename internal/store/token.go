package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Why a token ended.
const (
	TokenReplaced = "replaced" // another took its place
	TokenRevoked  = "revoked"  // somebody ended it
	TokenExpired  = "expired"  // it had an end from the start
)

// Token is a SCIM token as it may be shown: never the secret.
type Token struct {
	ID        string
	Directory string
	Name      string
	Hint      string // last characters
	CreatedBy string // who made it, by name
	CreatedAt time.Time
	// ExpiresAt is when it ends by itself; zero for never.
	ExpiresAt  time.Time
	LastUsedAt time.Time
	// ReplacedAt is when another token took its place. With an overlap it lives on until ExpiresAt.
	ReplacedAt time.Time
	// RevokedAt is when it ended, by an act or by itself; zero while it lives.
	RevokedAt  time.Time
	RevokedWhy string // TokenReplaced, TokenRevoked or TokenExpired
}

// Live reports whether the token works.
func (t Token) Live() bool { return t.RevokedAt.IsZero() }

// tokenEnds are the columns from which endOf reads a token's end.
const tokenEnds = `t.expires_at, t.replaced_at, t.revoked_at, t.revoked_why`

// ends receives tokenEnds.
type ends struct {
	expires, replaced, revoked *int64
	why                        string
}

func (e *ends) dest() []any { return []any{&e.expires, &e.replaced, &e.revoked, &e.why} }

// at returns when and why the token ended, as of now; zero and "" while it lives.
func (e *ends) at(now time.Time) (time.Time, string) {
	switch {
	case e.revoked != nil:
		return instant(*e.revoked), e.why
	case e.expires == nil || now.Before(instant(*e.expires)):
		return time.Time{}, ""
	case e.replaced != nil:
		return instant(*e.expires), TokenReplaced
	default:
		return instant(*e.expires), TokenExpired
	}
}

// TokenHolder is what the hash of a SCIM token leads to.
type TokenHolder struct {
	Token      string // id of the token
	TokenName  string
	Workspace  string // id
	Slug       string
	Version    int64  // of the workspace's configuration
	Directory  string // id
	Name       string // of the directory
	Status     directory.DirectoryStatus
	Mode       string
	ReplacedAt time.Time // when another took its place, which with an overlap is before its end
	RevokedAt  time.Time // when it ended, by an act or by itself; zero while it lives
	Why        string    // TokenReplaced, TokenRevoked or TokenExpired
}

const tokenByHash = `
	SELECT t.id, t.name, t.workspace_id, w.slug, w.version, t.directory_id, d.name, d.enabled, d.status, d.mode, t.last_used_at, ` + tokenEnds + `
	FROM   token_handle t
	JOIN   workspace w ON w.id = t.workspace_id
	JOIN   directory d ON d.workspace_id = t.workspace_id AND d.id = t.directory_id
	WHERE  t.hash = $1`

// TokenByHash finds the holder of a SCIM token, one that has ended by now included: RevokedAt tells.
func (s System) TokenByHash(ctx context.Context, hash string, now time.Time) (*TokenHolder, error) {
	var h TokenHolder
	var used *int64
	var e ends
	var enabled bool
	var status string
	dest := append([]any{&h.Token, &h.TokenName, &h.Workspace, &h.Slug, &h.Version, &h.Directory, &h.Name, &enabled, &status, &h.Mode, &used}, e.dest()...)
	found, err := s.one(ctx, dest, tokenByHash, hash)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errs.Unauthenticated("token_unknown", "The bearer token is missing or not valid.")
	}
	h.Status = directoryStatus(enabled, status)
	h.ReplacedAt = maybeInstant(e.replaced)
	h.RevokedAt, h.Why = e.at(now)
	if h.RevokedAt.IsZero() && now.Sub(maybeInstant(used)) > tokenTouchEvery {
		s.db.reads.token(hash, now)
	}
	return &h, nil
}

const insertToken = `
	INSERT INTO token_handle (hash, workspace_id, directory_id, id, name, hint, created_at, revoked_why, created_by, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8, $9)`

// InsertToken stores a token's hash.
func (tx *Tx) InsertToken(t Token, hash string) {
	tx.change("token")
	tx.later(insertToken, hash, tx.workspace, t.Directory, t.ID, t.Name, t.Hint, micros(tx.now), t.CreatedBy, maybeMicros(t.ExpiresAt))
}

// What has ended by itself keeps its own end.
const revokeTokens = `
	UPDATE token_handle SET revoked_at = $3, revoked_why = $4, replaced_at = CASE WHEN $4 = 'replaced' THEN COALESCE(replaced_at, $3) ELSE replaced_at END
	WHERE  workspace_id = $1 AND directory_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) AND ($5 = '' OR id = $5)`

// RevokeTokens ends the living tokens of a directory, or the one with id, and returns how many it ended.
func (tx *Tx) RevokeTokens(directoryID, id, why string) (int64, error) {
	n, err := tx.exec(revokeTokens, tx.workspace, directoryID, micros(tx.now), why, id)
	if n > 0 {
		tx.change("token")
	}
	return n, err
}

const retireTokens = `
	UPDATE token_handle SET replaced_at = COALESCE(replaced_at, $3), expires_at = CASE WHEN expires_at < $4 THEN expires_at ELSE $4 END
	WHERE  workspace_id = $1 AND directory_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)`

// RetireTokens marks the living tokens of a directory as replaced, lets them live until until at the
// most, and returns how many there were.
func (tx *Tx) RetireTokens(directoryID string, until time.Time) (int64, error) {
	n, err := tx.exec(retireTokens, tx.workspace, directoryID, micros(tx.now), micros(until))
	if n > 0 {
		tx.change("token")
	}
	return n, err
}

const tokensOf = `
	SELECT t.id, t.directory_id, t.name, t.hint, t.created_by, t.created_at, t.last_used_at, ` + tokenEnds + `
	FROM   token_handle t WHERE t.workspace_id = $1 AND t.directory_id = $2 ORDER BY t.created_at, t.id`

// Tokens lists the tokens of a directory, ended ones included, oldest first.
func (tx *Tx) Tokens(directoryID string) ([]Token, error) {
	var out []Token
	err := tx.each(func(r Rows) error {
		var t Token
		var created int64
		var used *int64
		var e ends
		if err := r.Scan(append([]any{&t.ID, &t.Directory, &t.Name, &t.Hint, &t.CreatedBy, &created, &used}, e.dest()...)...); err != nil {
			return err
		}
		t.CreatedAt, t.LastUsedAt, t.ExpiresAt, t.ReplacedAt = instant(created), maybeInstant(used), maybeInstant(e.expires), maybeInstant(e.replaced)
		t.RevokedAt, t.RevokedWhy = e.at(tx.now)
		out = append(out, t)
		return nil
	}, tokensOf, tx.workspace, directoryID)
	return out, err
}

const canBeHeard = `
	SELECT 1 FROM token_handle t WHERE t.workspace_id = $1 AND t.directory_id = $2 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $3)
	UNION ALL
	SELECT 1 FROM client_credential t WHERE t.workspace_id = $1 AND t.directory_id = $2 AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > $3)
	LIMIT 1`

// CanBeHeard reports whether a directory has a living credential by which its IdP can say something.
func (tx *Tx) CanBeHeard(directoryID string) (bool, error) {
	var one int64
	return tx.one([]any{&one}, canBeHeard, tx.workspace, directoryID, micros(tx.now))
}

// settleTokens writes the end of tokens that ended by themselves down as a revocation: a binary of
// schema level 2, which knows no other, would let them in again.
const settleTokens = `
	UPDATE token_handle SET revoked_at = expires_at, revoked_why = CASE WHEN replaced_at IS NULL THEN 'expired' ELSE 'replaced' END
	WHERE  workspace_id = $1 AND revoked_at IS NULL AND expires_at <= $2`

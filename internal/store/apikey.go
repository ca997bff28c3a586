package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Why an API key ended, beside TokenRevoked and TokenExpired.
const (
	// KeyOwnerGone is the end of its owner's access.
	KeyOwnerGone = "owner_deactivated"
)

// APIKey is a key of the REST API as it may be shown: never the secret.
type APIKey struct {
	ID        string
	Member    string // id of its owner
	Name      string
	Hint      string   // last characters
	Scopes    []string // names of permissions
	CreatedAt time.Time
	// ExpiresAt is when it ends by itself, which each does.
	ExpiresAt  time.Time
	LastUsedAt time.Time
	// RevokedAt is when it ended, by an act or by itself; zero while it lives.
	RevokedAt  time.Time
	RevokedWhy string // TokenRevoked, TokenExpired or KeyOwnerGone
}

// Live reports whether the key has not ended.
func (k APIKey) Live() bool { return k.RevokedAt.IsZero() }

const apiKeyColumns = `t.id, t.member_id, t.name, t.hint, t.scopes, t.created_at, t.last_used_at, ` + secretEnds

// apiKeyRow receives apiKeyColumns.
type apiKeyRow struct {
	k       APIKey
	scopes  string
	created int64
	used    *int64
	e       ends
}

func (r *apiKeyRow) dest() []any {
	k := &r.k
	return append([]any{&k.ID, &k.Member, &k.Name, &k.Hint, &r.scopes, &r.created, &r.used}, r.e.dest()...)
}

func (r *apiKeyRow) key(now time.Time) (APIKey, error) {
	k := r.k
	k.CreatedAt, k.LastUsedAt, k.ExpiresAt = instant(r.created), maybeInstant(r.used), maybeInstant(r.e.expires)
	k.RevokedAt, k.RevokedWhy = r.e.at(now)
	return k, parse("scopes of an API key", r.scopes, &k.Scopes)
}

const insertAPIKey = `
	INSERT INTO api_key_handle (hash, workspace_id, member_id, id, name, hint, scopes, created_at, expires_at, revoked_why)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '')`

// InsertAPIKey stores a key's hash.
func (tx *Tx) InsertAPIKey(k APIKey, hash string) {
	tx.change("api key")
	tx.later(insertAPIKey, hash, tx.workspace, k.Member, k.ID, k.Name, k.Hint, toJSON(k.Scopes), micros(tx.now), micros(k.ExpiresAt))
}

const apiKeyByID = `SELECT ` + apiKeyColumns + ` FROM api_key_handle t WHERE t.workspace_id = $1 AND t.id = $2`

// APIKey returns a key by id, one that has ended included.
func (tx *Tx) APIKey(id string) (APIKey, error) {
	var row apiKeyRow
	found, err := tx.one(row.dest(), apiKeyByID, tx.workspace, id)
	if err != nil {
		return APIKey{}, err
	}
	if !found {
		return APIKey{}, errs.NotFound("api_key_unknown", "There is no API key %s.", cut(id, 40))
	}
	return row.key(tx.now)
}

const apiKeysOf = `
	SELECT ` + apiKeyColumns + ` FROM api_key_handle t WHERE t.workspace_id = $1 AND t.member_id = $2 ORDER BY t.id DESC LIMIT $3`

// APIKeysOf lists keys of a member, the newest first, ended ones included.
func (tx *Tx) APIKeysOf(member string, limit int) ([]APIKey, error) {
	return tx.apiKeys(apiKeysOf, tx.workspace, member, limit)
}

const apiKeysBehind = `
	SELECT ` + apiKeyColumns + ` FROM api_key_handle t WHERE t.workspace_id = $1 AND t.id < $2 ORDER BY t.id DESC LIMIT $3`

// APIKeysBehind lists keys of the workspace, the newest first, ended ones included: those behind the id after, "" for the newest.
func (tx *Tx) APIKeysBehind(after string, limit int) ([]APIKey, error) {
	if after == "" {
		after = "~" // behind every id
	}
	return tx.apiKeys(apiKeysBehind, tx.workspace, after, limit)
}

const countAPIKeys = `
	SELECT COUNT(*) FROM api_key_handle WHERE workspace_id = $1 AND member_id = $2 AND revoked_at IS NULL AND expires_at > $3`

// CountAPIKeys returns how many keys of a member live.
func (tx *Tx) CountAPIKeys(member string) (n int, err error) {
	_, err = tx.one([]any{&n}, countAPIKeys, tx.workspace, member, micros(tx.now))
	return n, err
}

const apiKeysEnding = `
	SELECT ` + apiKeyColumns + ` FROM api_key_handle t
	WHERE  t.workspace_id = $1 AND t.revoked_at IS NULL AND t.expires_at > $2 AND t.expires_at <= $3 ORDER BY t.expires_at, t.id LIMIT $4`

// APIKeysEnding lists living keys that end by themselves until until, the soonest first.
func (tx *Tx) APIKeysEnding(until time.Time, limit int) ([]APIKey, error) {
	return tx.apiKeys(apiKeysEnding, tx.workspace, micros(tx.now), micros(until), limit)
}

func (tx *Tx) apiKeys(query string, args ...any) (out []APIKey, err error) {
	err = tx.each(func(r Rows) error {
		var row apiKeyRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		k, err := row.key(tx.now)
		out = append(out, k)
		return err
	}, query, args...)
	return out, err
}

// What has ended by itself keeps its own end.
const revokeAPIKey = `
	UPDATE api_key_handle SET revoked_at = $3, revoked_why = $4
	WHERE  workspace_id = $1 AND id = $2 AND revoked_at IS NULL AND expires_at > $3`

// RevokeAPIKey ends a living key and reports whether it lived.
func (tx *Tx) RevokeAPIKey(id, why string) (bool, error) {
	n, err := tx.exec(revokeAPIKey, tx.workspace, id, micros(tx.now), why)
	if n > 0 {
		tx.change("api key")
	}
	return n > 0, err
}

// EndAPIKeysOf ends every living key of many members, one statement per 512, and returns what it ended.
func (tx *Tx) EndAPIKeysOf(members []string, why string) (ended []APIKey, err error) {
	err = eachChunk(members, func(part []string) error {
		list, args := in(4, part)
		return tx.each(func(r Rows) error {
			var k APIKey
			err := r.Scan(&k.ID, &k.Member, &k.Name)
			ended = append(ended, k)
			return err
		}, `UPDATE api_key_handle SET revoked_at = $2, revoked_why = $3
			WHERE workspace_id = $1 AND revoked_at IS NULL AND expires_at > $2 AND member_id IN (`+list+`) RETURNING id, member_id, name`,
			append([]any{tx.workspace, micros(tx.now), why}, args...)...)
	})
	if len(ended) > 0 {
		tx.change("api key")
	}
	return ended, err
}

// KeyHolder is what the hash of an API key leads to.
type KeyHolder struct {
	APIKey
	Workspace string // id
	Slug      string
	Owner     directory.Member
}

const apiKeyByHash = `
	SELECT ` + apiKeyColumns + `, t.workspace_id, w.slug, ` + memberColumns + `
	FROM   api_key_handle t
	JOIN   workspace w ON w.id = t.workspace_id
	JOIN   member m ON m.workspace_id = t.workspace_id AND m.id = t.member_id
	WHERE  t.hash = $1`

// APIKeyByHash finds whose an API key is, one that has ended by now included: RevokedAt tells. One of somebody who is
// out has ended too, whoever put them out. Nothing here is cached.
func (s System) APIKeyByHash(ctx context.Context, hash string, now time.Time) (*KeyHolder, error) {
	var h KeyHolder
	var row apiKeyRow
	var member memberRow
	dest := append(row.dest(), &h.Workspace, &h.Slug)
	found, err := s.one(ctx, append(dest, member.dest()...), apiKeyByHash, hash)
	if err == nil && !found {
		err = errs.Unauthenticated("api_key_unknown", "The API key is missing or not valid.")
	}
	if err != nil {
		return nil, err
	}
	if h.APIKey, err = row.key(now); err != nil {
		return nil, err
	}
	if h.Owner, err = member.member(); err != nil {
		return nil, err
	}
	if h.Live() && (!h.Owner.In() || h.Owner.Stage != directory.StageActive) {
		h.RevokedAt, h.RevokedWhy = now, KeyOwnerGone
	}
	if h.Live() && now.Sub(h.LastUsedAt) > tokenTouchEvery {
		s.db.reads.apiKey(hash, now)
	}
	return &h, nil
}

const touchAPIKey = `UPDATE api_key_handle SET last_used_at = $2 WHERE hash = $1 AND (last_used_at IS NULL OR last_used_at < $2)`

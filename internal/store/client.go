package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Trust is an issuer that may vouch for a directory's client (RFC 7523), by JWTs of one subject.
type Trust struct {
	Issuer  string `json:"issuer"`
	Subject string `json:"subject"`
	JWKSURI string `json:"jwks_uri,omitempty"` // where its keys are; "" asks its discovery document
}

// ClientCredential is how a directory's client proves who it is when it asks for access tokens, as it may be
// shown: a secret, or a trusted issuer. The client's id is the directory's.
type ClientCredential struct {
	ID         string
	Directory  string
	Name       string
	Hint       string // last characters of a secret
	Trust      Trust  // zero for a secret
	CreatedBy  string // who made it, by name
	CreatedAt  time.Time
	ExpiresAt  time.Time // when it ends by itself; zero for never
	LastUsedAt time.Time // when it was last exchanged for an access token
	RevokedAt  time.Time // when it ended, by an act or by itself; zero while it lives
	RevokedWhy string    // TokenRevoked or TokenExpired
}

// Live reports whether the secret works.
func (c ClientCredential) Live() bool { return c.RevokedAt.IsZero() }

const insertClientSecret = `
	INSERT INTO client_credential (workspace_id, id, directory_id, name, hint, trust, created_at, created_by, expires_at, revoked_why)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, '')`

const insertSecretHandle = `INSERT INTO secret_handle (hash, workspace_id, secret_id) VALUES ($1, $2, $3)`

// InsertClientCredential stores a secret's hash, or a trust, which has none.
func (tx *Tx) InsertClientCredential(c ClientCredential, hash string) {
	tx.change("client credential")
	trust := ""
	if c.Trust != (Trust{}) {
		trust = toJSON(c.Trust)
	}
	tx.later(insertClientSecret, tx.workspace, c.ID, c.Directory, c.Name, c.Hint, trust, micros(tx.now), c.CreatedBy, maybeMicros(c.ExpiresAt))
	if trust == "" {
		tx.later(insertSecretHandle, hash, tx.workspace, c.ID)
	}
}

// secretEnds are the columns from which ends reads a secret's end; nothing replaces a secret.
const secretEnds = `t.expires_at, CAST(NULL AS BIGINT), t.revoked_at, t.revoked_why`

const clientSecrets = `
	SELECT t.id, t.directory_id, t.name, t.hint, t.trust, t.created_by, t.created_at, t.last_used_at, ` + secretEnds + `
	FROM   client_credential t WHERE t.workspace_id = $1 AND t.directory_id = $2 ORDER BY t.created_at, t.id`

// ClientCredentials lists the secrets of a directory, ended ones included, oldest first.
func (tx *Tx) ClientCredentials(directoryID string) ([]ClientCredential, error) {
	var out []ClientCredential
	err := tx.each(func(r Rows) error {
		var c ClientCredential
		var created int64
		var used *int64
		var trust string
		var e ends
		if err := r.Scan(append([]any{&c.ID, &c.Directory, &c.Name, &c.Hint, &trust, &c.CreatedBy, &created, &used}, e.dest()...)...); err != nil {
			return err
		}
		c.CreatedAt, c.LastUsedAt, c.ExpiresAt = instant(created), maybeInstant(used), maybeInstant(e.expires)
		c.RevokedAt, c.RevokedWhy = e.at(tx.now)
		out = append(out, c)
		return readTrust(trust, &out[len(out)-1].Trust)
	}, clientSecrets, tx.workspace, directoryID)
	return out, err
}

// What has ended by itself keeps its own end.
const revokeClientSecrets = `
	UPDATE client_credential SET revoked_at = $3, revoked_why = 'revoked'
	WHERE  workspace_id = $1 AND directory_id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3) AND ($4 = '' OR id = $4)`

// RevokeClientCredentials ends the living secrets of a directory, or the one with id, and the access tokens that
// they gave, and returns how many it ended.
func (tx *Tx) RevokeClientCredentials(directoryID, id string) (int64, error) {
	n, err := tx.exec(revokeClientSecrets, tx.workspace, directoryID, micros(tx.now), id)
	if n > 0 {
		tx.change("client secret")
	}
	return n, err
}

const insertSCIMAccess = `INSERT INTO scim_access_handle (hash, workspace_id, secret_id, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)`

const touchClientSecret = `
	UPDATE client_credential SET last_used_at = $3
	WHERE  workspace_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $4)`

// InsertSCIMAccess keeps an access token that a secret gave, and notes that the secret was used. It needs
// no event, and is worth nothing once its secret is not.
func (tx *Tx) InsertSCIMAccess(hash, secret string, until time.Time) {
	tx.later(insertSCIMAccess, hash, tx.workspace, secret, micros(tx.now), micros(until))
	tx.later(touchClientSecret, tx.workspace, secret, micros(tx.now), micros(tx.now.Add(-tokenTouchEvery)))
}

// credential receives what bySecret and byAccess find.
type credential struct {
	h       TokenHolder
	e       ends
	enabled bool
	status  string
}

// holder is who was found, one that has ended by now included.
func (c *credential) holder(now time.Time) *TokenHolder {
	c.h.Status = directoryStatus(c.enabled, c.status)
	c.h.RevokedAt, c.h.Why = c.e.at(now)
	return &c.h
}

func (c *credential) dest() []any {
	h := &c.h
	return append([]any{&h.Token, &h.TokenName, &h.Workspace, &h.Slug, &h.Version, &h.Directory, &h.Name, &c.enabled, &c.status, &h.Mode}, c.e.dest()...)
}

const credentialColumns = `t.id, t.name, t.workspace_id, w.slug, w.version, t.directory_id, d.name, d.enabled, d.status, d.mode, ` + secretEnds

const credentialJoins = `
	JOIN   client_credential t ON t.workspace_id = h.workspace_id AND t.id = h.secret_id
	JOIN   workspace w ON w.id = t.workspace_id
	JOIN   directory d ON d.workspace_id = t.workspace_id AND d.id = t.directory_id
	WHERE  h.hash = $1`

const bySecret = `SELECT ` + credentialColumns + ` FROM secret_handle h` + credentialJoins

// HolderBySecret finds whose a client secret is, one that has ended by now included: RevokedAt tells. Token
// is the secret's id.
func (s System) HolderBySecret(ctx context.Context, hash string, now time.Time) (*TokenHolder, error) {
	var c credential
	found, err := s.one(ctx, c.dest(), bySecret, hash)
	if err == nil && !found {
		err = errs.Unauthenticated("secret_unknown", "The client could not be authenticated.")
	}
	if err != nil {
		return nil, err
	}
	return c.holder(now), nil
}

const byAccess = `SELECT ` + credentialColumns + `, h.expires_at FROM scim_access_handle h` + credentialJoins

// HolderBySCIMAccess finds whose an access token is. Token is the id of the secret that it was given for,
// whose end is the token's: RevokedAt tells. One that is past its own end is unknown.
func (s System) HolderBySCIMAccess(ctx context.Context, hash string, now time.Time) (*TokenHolder, error) {
	var c credential
	var expires int64
	found, err := s.one(ctx, append(c.dest(), &expires), byAccess, hash)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errs.Unauthenticated("token_unknown", "The bearer token is missing or not valid.")
	}
	if !now.Before(instant(expires)) {
		return nil, errs.Unauthenticated("access_expired", "The bearer token is missing or not valid.")
	}
	return c.holder(now), nil
}

func readTrust(text string, t *Trust) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), t); err != nil {
		return fmt.Errorf("read trust: %w", err)
	}
	return nil
}

// Vouched is a client that an issuer may vouch for.
type Vouched struct {
	TokenHolder // Token is the credential's id
	Trust       Trust
}

const trustsOfClient = `
	SELECT ` + credentialColumns + `, t.trust FROM client_credential t
	JOIN   workspace w ON w.id = t.workspace_id
	JOIN   directory d ON d.workspace_id = t.workspace_id AND d.id = t.directory_id
	WHERE  t.directory_id = $1 AND t.trust <> '' LIMIT 100`

// TrustsOfClient returns who may vouch for a client now.
func (s System) TrustsOfClient(ctx context.Context, client string, now time.Time) ([]Vouched, error) {
	var out []Vouched
	err := each(ctx, s.db.driver, func(r Rows) error {
		var c credential
		var trust string
		if err := r.Scan(append(c.dest(), &trust)...); err != nil {
			return err
		}
		v := Vouched{TokenHolder: *c.holder(now)}
		if !v.RevokedAt.IsZero() {
			return nil
		}
		out = append(out, v)
		return readTrust(trust, &out[len(out)-1].Trust)
	}, trustsOfClient, client)
	return out, s.db.translate(err)
}

const workspaceOfClient = `SELECT workspace_id FROM client_credential WHERE directory_id = $1 LIMIT 1`

// WorkspaceOfClient returns the id of the workspace that a client belongs to, "" where nobody has such a
// client. It proves nothing: a client's id is no secret.
func (s System) WorkspaceOfClient(ctx context.Context, client string) (string, error) {
	var id string
	_, err := s.one(ctx, []any{&id}, workspaceOfClient, client)
	return id, err
}

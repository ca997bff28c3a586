package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// SignInState is a sign-in under way: what was asked of an IdP and by which browser.
type SignInState struct {
	Workspace  string     // id
	Connection string     // id
	RequestID  string     // of the AuthnRequest
	Browser    string     // hash of what only that browser holds
	ReturnTo   string     // a path of ours, or ""
	Force      bool       // a fresh proof was asked for
	OIDC       *OIDCState // nil for SAML
	Attempt    string     // id of the attempt that it belongs to, or ""
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// OIDCState is what an OIDC sign-in was begun with, and what its answer is held against.
type OIDCState struct {
	Issuer      string   `json:"issuer"`
	ClientID    string   `json:"client_id"`
	RedirectURI string   `json:"redirect_uri"`
	Nonce       string   `json:"nonce"`             // its hash
	Verifier    string   `json:"verifier"`          // of PKCE
	MaxAge      *int     `json:"max_age,omitempty"` // seconds
	ACRValues   []string `json:"acr_values,omitempty"`
}

const insertState = `
	INSERT INTO state_handle (hash, workspace_id, connection_id, request_id, browser, return_to, force, oidc, created_at, expires_at, attempt_id)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// InsertSignInState keeps a sign-in under way, found by the hash of its handle. It needs no event.
func (tx *Tx) InsertSignInState(hash string, s SignInState) {
	oidc := ""
	if s.OIDC != nil {
		oidc = toJSON(s.OIDC)
	}
	tx.later(insertState, hash, tx.workspace, s.Connection, s.RequestID, s.Browser, s.ReturnTo, s.Force, oidc, micros(tx.now), micros(s.ExpiresAt), s.Attempt)
}

const stateByHash = `
	SELECT workspace_id, connection_id, request_id, browser, return_to, force, oidc, created_at, expires_at, attempt_id FROM state_handle WHERE hash = $1`

// SignInState reads a sign-in under way, expired ones included. It consumes nothing.
// One that is not there is errs.KindForbidden, "state_unknown".
func (s System) SignInState(ctx context.Context, hash string) (*SignInState, error) {
	var st SignInState
	var created, expires int64
	var oidc string
	found, err := s.one(ctx, []any{&st.Workspace, &st.Connection, &st.RequestID, &st.Browser, &st.ReturnTo, &st.Force, &oidc, &created, &expires, &st.Attempt}, stateByHash, hash)
	if err == nil && !found {
		err = errStateUnknown
	}
	if err != nil {
		return nil, err
	}
	st.CreatedAt, st.ExpiresAt = instant(created), instant(expires)
	if oidc != "" {
		st.OIDC = &OIDCState{}
		err = parse("sign-in under way", oidc, st.OIDC)
	}
	return &st, err
}

var errStateUnknown = errs.Forbidden("state_unknown", "This sign-in was finished already, took too long, or was begun elsewhere. Start again.")

const useState = `DELETE FROM state_handle WHERE hash = $1 AND workspace_id = $2 AND connection_id = $3 AND expires_at > $4 RETURNING hash`

// UseSignInState consumes a sign-in under way: of many who try at once one succeeds, the others
// get errs.KindForbidden, "state_unknown".
func (tx *Tx) UseSignInState(hash, connection string) error {
	var gone string
	found, err := tx.one([]any{&gone}, useState, hash, tx.workspace, connection, micros(tx.now))
	if err == nil && !found {
		err = errStateUnknown
	}
	return err
}

const deleteStatesOf = `DELETE FROM state_handle WHERE workspace_id = $1 AND connection_id = $2`

const insertReplay = `
	INSERT INTO replay (workspace_id, connection_id, id, expires_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

// FirstSight notes that a message of a connection was accepted, and reports whether it had not been
// before. Of many at once, one is told true. It is remembered until until.
func (tx *Tx) FirstSight(connection, id string, until time.Time) (bool, error) {
	n, err := tx.exec(insertReplay, tx.workspace, connection, id, micros(until))
	return n == 1, err
}

const replaySeen = `SELECT id FROM replay WHERE workspace_id = $1 AND connection_id = $2 AND id = $3`

// Sighted reports whether FirstSight has noted a message of a connection and not forgotten it yet. It
// notes nothing: it explains a refusal and never decides about one.
func (tx *Tx) Sighted(connection, id string) (bool, error) {
	var seen string
	return tx.one([]any{&seen}, replaySeen, tx.workspace, connection, id)
}

const deleteReplaysOf = `DELETE FROM replay WHERE workspace_id = $1 AND connection_id = $2`

const connectionHandle = `SELECT workspace_id FROM connection_handle WHERE connection_id = $1`

// WorkspaceOfConnection returns the id of the workspace that a connection belongs to. An unknown one
// is errs.KindNotFound, "connection_unknown".
func (s System) WorkspaceOfConnection(ctx context.Context, connection string) (string, error) {
	var id string
	found, err := s.one(ctx, []any{&id}, connectionHandle, connection)
	if err == nil && !found {
		err = errs.NotFound("connection_unknown", "There is no such connection.")
	}
	return id, err
}

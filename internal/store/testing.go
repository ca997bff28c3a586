package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Kinds of a TestState.
const (
	TestTicket = "ticket" // a link with which a test is begun, once
	TestRound  = "state"  // it travels to the IdP and back
	TestTile   = "tile"   // it waits for an answer that nobody asked for
)

// TestState is a test of a connection under way. It is in a table of its own: what is looked up as a sign-in under way is
// never a test, nor the other way round.
type TestState struct {
	Workspace, Connection string // ids
	Attempt               string // id
	Kind                  string
	// Session is the administrator's, "" where an operator began.
	Session   string
	RequestID string
	Browser   string // hash, "" of a ticket
	OIDC      *OIDCState
	CreatedAt time.Time
	ExpiresAt time.Time
}

const insertTest = `
	INSERT INTO test_handle (hash, workspace_id, connection_id, attempt_id, kind, session_id, request_id, browser, oidc, created_at, expires_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

// InsertTestState keeps a test under way, found by the hash of its handle. It needs no event.
func (tx *Tx) InsertTestState(hash string, t TestState) {
	oidc := ""
	if t.OIDC != nil {
		oidc = toJSON(t.OIDC)
	}
	tx.later(insertTest, hash, tx.workspace, t.Connection, t.Attempt, t.Kind, t.Session, t.RequestID, t.Browser, oidc, micros(tx.now), micros(t.ExpiresAt))
}

const testByHash = `
	SELECT workspace_id, connection_id, attempt_id, kind, session_id, request_id, browser, oidc, created_at, expires_at FROM test_handle WHERE hash = $1`

// TestState reads a test under way, expired ones included. It consumes nothing. One that is not there is
// errs.KindForbidden, "test_unknown".
func (s System) TestState(ctx context.Context, hash string) (*TestState, error) {
	var t TestState
	var created, expires int64
	var oidc string
	found, err := s.one(ctx, []any{&t.Workspace, &t.Connection, &t.Attempt, &t.Kind, &t.Session, &t.RequestID, &t.Browser, &oidc, &created, &expires}, testByHash, hash)
	if err == nil && !found {
		err = errTestUnknown
	}
	if err != nil {
		return nil, err
	}
	t.CreatedAt, t.ExpiresAt = instant(created), instant(expires)
	if oidc != "" {
		t.OIDC = &OIDCState{}
		err = parse("test under way", oidc, t.OIDC)
	}
	return &t, err
}

var errTestUnknown = errs.Forbidden("test_unknown", "This test was finished already, took too long, or was begun elsewhere. Begin a new one.")

const useTest = `DELETE FROM test_handle WHERE hash = $1 AND workspace_id = $2 AND connection_id = $3 AND kind = $4 AND expires_at > $5 RETURNING hash`

// UseTestState consumes a test under way: of many who try at once one succeeds, the others get errs.KindForbidden,
// "test_unknown".
func (tx *Tx) UseTestState(hash, connection, kind string) error {
	var gone string
	found, err := tx.one([]any{&gone}, useTest, hash, tx.workspace, connection, kind, micros(tx.now))
	if err == nil && !found {
		err = errTestUnknown
	}
	return err
}

const deleteTestsOf = `DELETE FROM test_handle WHERE workspace_id = $1 AND connection_id = $2`

package signin

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

const (
	// statePrefix begins the handle that travels as RelayState or state; with it the handle has 47 of the 80
	// bytes that the bindings of SAML carry.
	statePrefix = "grs_"
	// browserPrefix begins the secret of a browser, by which it is known again when the IdP answers.
	browserPrefix = "gbr_"
	// beginLimit is how many sign-ins one client may begin in a window: generous, because an office
	// of thousands stands behind one address on Monday morning, and bounded, because each is a row.
	beginLimit = 5000
)

// side is a connection found by the id in an address, with its workspace as of one version.
type side struct {
	workspace  string // id
	cfg        *directory.Config
	connection directory.Connection
}

var errConnectionUnknown = errs.NotFound("connection_unknown", "There is no such connection.")

// sideOf finds a connection of a protocol. Another kind of connection is as unknown as none.
func (s *Service) sideOf(ctx context.Context, id string, protocol directory.Protocol) (*side, error) {
	if !lookable(id) {
		return nil, errConnectionUnknown
	}
	workspace, err := s.DB.System().WorkspaceOfConnection(ctx, id)
	if errs.Is(err, errs.KindNotFound) {
		return nil, errConnectionUnknown
	} else if err != nil {
		return nil, fmt.Errorf("find connection: %w", err)
	}
	at := &side{workspace: workspace}
	if at.cfg, err = s.config(ctx, workspace); err != nil {
		return nil, fmt.Errorf("find connection: %w", err)
	}
	found := false
	if at.connection, found = at.cfg.Connection(id); !found || at.connection.Protocol != protocol || at.connection.SAML == nil && at.connection.OIDC == nil {
		return nil, errConnectionUnknown
	}
	return at, nil
}

// config returns the configuration of a workspace as it is now.
func (s *Service) config(ctx context.Context, workspace string) (cfg *directory.Config, err error) {
	err = s.DB.Peek(ctx, workspace, func(tx *store.Tx) error {
		cfg, err = tx.Config()
		return err
	})
	return cfg, err
}

// usable says why nobody can sign in through a connection, nil when they can.
func usable(c directory.Connection) error {
	switch {
	case c.Status == directory.ConnectionDraft:
		return errs.Forbidden("connection_draft", "Single sign-on by %s is still being set up. An administrator has to activate it first.", c.Name)
	case c.Status != directory.ConnectionActive:
		return errs.Forbidden("connection_disabled", "Single sign-on by %s is switched off.", c.Name)
	case c.Known():
		return nil
	case c.Protocol == directory.ProtocolOIDC:
		return errs.Forbidden("idp_unknown", "Single sign-on by %s is not set up: the identity provider's issuer, the client id or the client secret is missing.", c.Name)
	}
	return errs.Forbidden("idp_unknown", "Single sign-on by %s is not set up: the identity provider's metadata is missing.", c.Name)
}

// admitBegin counts a sign-in that a client begins.
func (s *Service) admitBegin(ctx context.Context, c Client) error {
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("begin", c.Bucket)}, []int{beginLimit})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin.too_many_attempts", nil)
		return limited(wait)
	}
	return nil
}

// keepState remembers a sign-in that begins, for life, and returns the instant at which it did. asked makes the step
// of the attempt that led to the IdP.
func (s *Service) keepState(ctx context.Context, at *side, hash string, state store.SignInState, life time.Duration, c Client, asked func(issued time.Time) audit.Step) (issued time.Time, err error) {
	state.Attempt = s.traced(at.connection.ID, c)
	if err := s.DB.Write(ctx, at.workspace, func(tx *store.Tx) error {
		issued = tx.Now()
		state.ExpiresAt = issued.Add(life)
		tx.InsertSignInState(hash, state)
		if state.Attempt != "" {
			tx.BeginAttempt(begunAttempt(state.Attempt, at, state.Browser, c, issued, asked(issued)))
		}
		return nil
	}); err != nil {
		return issued, fmt.Errorf("begin sign-in: %w", err)
	}
	return issued, nil
}

// pending is what is known of the sign-in that an answer may belong to.
type pending struct {
	hash  string             // of the handle
	state *store.SignInState // nil where the answer belongs to none of ours by this browser
	found string             // for the event: "", "none", "unknown", "expired", "other_connection", "other_browser"
	// waiting is true where the sign-in is under way and nothing is known of the browser: it sent no cookie.
	waiting bool
	to      string // where that sign-in leads
	attempt string // id, of a sign-in of this browser; "" where none is kept
}

// pendingOf looks up the sign-in of a handle (RelayState, state) under the connection of the address. It
// consumes nothing.
func (s *Service) pendingOf(ctx context.Context, at *side, handle, browser string) (pending, error) {
	if !isHandle(handle) {
		return pending{found: "none"}, nil
	}
	p := pending{hash: keys.HashToken(handle)}
	state, err := s.DB.System().SignInState(ctx, p.hash)
	switch {
	case errs.Is(err, errs.KindForbidden):
		p.found = "unknown"
	case err != nil:
		return p, fmt.Errorf("find sign-in: %w", err)
	case state.Workspace != at.workspace || state.Connection != at.connection.ID:
		p.found = "other_connection"
	case !s.now().Before(state.ExpiresAt):
		p.found = "expired"
	case browser == "":
		p.found, p.waiting, p.to = "other_browser", true, state.ReturnTo
	case subtle.ConstantTimeCompare([]byte(state.Browser), []byte(keys.HashToken(browser))) != 1:
		p.found = "other_browser"
	default:
		p.state, p.to, p.attempt = state, state.ReturnTo, state.Attempt
	}
	return p, nil
}

func isHandle(handle string) bool {
	return len(handle) >= len(statePrefix) && handle[:len(statePrefix)] == statePrefix
}

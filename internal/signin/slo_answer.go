package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// answered takes a LogoutResponse. The session that it is about ended before the IdP was asked; all that hangs on the
// answer is what the person is told, and where they go.
func (s *Service) answered(ctx context.Context, r *logoutReceived) (*LoggedOut, error) {
	expected, err := s.logoutExpectation(r)
	if err != nil {
		return nil, s.logoutTurnedAway(ctx, r, err)
	}
	id, waiting, err := s.waiting(ctx, r, expected)
	if err != nil {
		return nil, err
	}
	expected.RequestID = id
	outcome, err := saml.VerifyLogoutResponse(r.message, expected, s.now())
	if err != nil {
		if anew, e := s.lookForLogoutKey(ctx, r, err, true); anew || e != nil {
			return nil, cmp.Or(e, errMoved)
		}
		return nil, s.logoutTurnedAway(ctx, r, err)
	}
	r.answer = outcome.ID
	err = s.DB.Write(ctx, r.side.workspace, func(tx *store.Tx) error {
		if err := r.unmoved(tx); err != nil {
			return err
		}
		if err := tx.UseLogout(r.Connection, keys.HashToken(id)); err != nil {
			return err
		}
		e := audit.Event{Type: audit.LogoutAnswered, Connection: r.Connection, Subject: audit.Party{Kind: "member", ID: waiting.Member},
			Actor: audit.Party{Kind: "connection", ID: r.Connection, Name: r.side.connection.Name}, Payload: r.payload(outcome, false)}
		switch {
		case !outcome.Success:
			e.Outcome, e.Reason = audit.Refused, saml.ReasonStatus
		case outcome.Partial:
			e.Reason = "partial"
		}
		return tx.Record(e)
	})
	switch {
	case errors.Is(err, errMoved):
		return nil, err
	case errs.Is(err, errs.KindNotFound): // another answer was faster
		return nil, s.logoutTurnedAway(ctx, r, errLogoutNotAwaited)
	case err != nil:
		return nil, fmt.Errorf("take logout answer: %w", err)
	}
	out := &LoggedOut{Slug: r.side.cfg.Workspace.Slug, ReturnTo: waiting.ReturnTo, Notice: noticeSignedOut}
	switch {
	case !outcome.Success:
		out.Notice = noticeHereOnly
	case outcome.Partial:
		out.Notice = noticePartly
	}
	return out, nil
}

var errLogoutNotAwaited = errs.Forbidden(saml.ReasonInResponseTo, "This answer belongs to no sign-out that is waiting for one: it came already, or took too long.")

// waiting finds the sign-out that a LogoutResponse may answer, and the ID of its request: by the relay state, or, where the
// IdP did not give that back, by what the message says, once its signature was verified.
func (s *Service) waiting(ctx context.Context, r *logoutReceived, expected saml.LogoutExpectation) (id string, _ *store.Leaving, err error) {
	if id = r.message.RelayState; !isRequestID(id) {
		_, err := saml.VerifyLogoutResponse(r.message, expected, s.now())
		var refusal *saml.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != saml.ReasonInResponseTo || !refusal.Verified || !isRequestID(refusal.InResponseTo) {
			return "", nil, s.logoutTurnedAway(ctx, r, err)
		}
		id = refusal.InResponseTo
	}
	var l *store.Leaving
	err = s.DB.Peek(ctx, r.side.workspace, func(tx *store.Tx) (err error) {
		l, err = tx.Logout(r.Connection, keys.HashToken(id))
		return err
	})
	if errs.Is(err, errs.KindNotFound) || err == nil && !s.now().Before(l.ExpiresAt) {
		// Who asks without the IdP's signature is told nothing of what is waiting.
		expected.RequestID = id
		outcome, err := saml.VerifyLogoutResponse(r.message, expected, s.now())
		if err != nil {
			return "", nil, s.logoutTurnedAway(ctx, r, err)
		}
		r.answer = outcome.ID
		return "", nil, s.logoutTurnedAway(ctx, r, errLogoutNotAwaited)
	} else if err != nil {
		return "", nil, fmt.Errorf("find sign-out: %w", err)
	}
	return id, l, nil
}

package signin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// TurnedAway is a sign-in that was refused, by an IdP or by whoever proved who they are. It wraps
// the *errs.Error that people are told.
type TurnedAway struct {
	err *errs.Error
	// Event is the id of the event that was recorded, "" where it was summed up instead.
	Event string
	// Detail is for administrators: what was expected and what was received. "" before a signature
	// was verified. It may quote the IdP.
	Detail string
	Slug   string // of the workspace
	To     string // where the sign-in was to lead, or ""
}

func (t *TurnedAway) Error() string { return t.err.Error() }

// Unwrap returns the error that people are told.
func (t *TurnedAway) Unwrap() error { return t.err }

// errNotVerified is the one answer while nothing is verified, so that it tells nothing to whoever tries.
var errNotVerified = errs.Forbidden("saml_refused", "The answer of your identity provider was not accepted. If it happens each time, show this page to your administrator.")

// sentences are for people, by reason, once the IdP's signature was verified.
var sentences = map[string]string{
	saml.ReasonStructure:      "Your identity provider's answer is not put together as SAML 2.0 asks for.",
	saml.ReasonVersion:        "Your identity provider does not speak SAML 2.0.",
	saml.ReasonEncrypted:      "Your identity provider encrypts its answer. The administrator has to switch assertion encryption off there.",
	saml.ReasonDestination:    "Your identity provider sent its answer to another address. The administrator should check the ACS URL there.",
	saml.ReasonIssuer:         "The answer comes from another identity provider than the one that is set up here.",
	saml.ReasonInResponseTo:   "This sign-in was finished already, took too long, or was begun in another browser. Start again.",
	saml.ReasonUnsolicited:    "Signing in from the identity provider's own page is switched off for this workspace. Start on the sign-in page here.",
	saml.ReasonSubject:        "Your identity provider's answer does not say who you are.",
	saml.ReasonNoConfirmation: "Your identity provider's answer lacks the confirmation that single sign-on needs.",
	saml.ReasonRecipient:      "Your identity provider's answer is meant for another address. The administrator should check the ACS URL there.",
	saml.ReasonNoConditions:   "Your identity provider's answer lacks the conditions that single sign-on needs.",
	saml.ReasonCondition:      "Your identity provider's answer has a condition that is not understood here.",
	saml.ReasonAudience:       "Your identity provider's answer is meant for another service. The administrator should check the audience (entity ID) there.",
	saml.ReasonExpired:        "Your identity provider's answer had expired when it came. Start again.",
	saml.ReasonNotYetValid:    "Your identity provider's answer is not valid yet.",
	saml.ReasonNoAuthn:        "Your identity provider does not say that you signed in there.",
	saml.ReasonAuthnInstant:   "Your identity provider did not ask you to sign in again, which was required.",
	saml.ReasonContext:        "You signed in at your identity provider by other means than required.",
	saml.ReasonSessionExpired: "Your session at the identity provider is over. Start again.",
	reasonReplayed:            "This answer of your identity provider was used already. Start again.",
}

// ofRefusal returns what people are told of a refusal by the library.
func ofRefusal(r *saml.Refusal) *errs.Error {
	switch {
	case !r.Verified:
		return errNotVerified
	case r.Reason == saml.ReasonClockSkew:
		return errs.Forbidden(r.Reason, "%s", cut(r.Detail, maxDetail))
	case r.Reason == saml.ReasonStatus:
		return errs.Forbidden(r.Reason, "Your identity provider did not sign you in (%s).", cut(r.StatusCode, maxTyped))
	case sentences[r.Reason] != "":
		return errs.Forbidden(r.Reason, "%s", sentences[r.Reason])
	}
	return errs.Forbidden(r.Reason, "Your identity provider's answer was not accepted.")
}

// Limits of events of refused answers in a window. Answers whose signature is good come from the
// IdP and each has its event; but whoever holds one could post it again and again.
const (
	strangerEvents = 30 // of one client at one connection, nothing verified
	messageEvents  = 5  // of one verified message
	// strangerTexts is how many of all clients' at one connection, nothing verified, keep what was
	// posted: addresses are cheap, and each text may have 64 KiB.
	strangerTexts = 300
	// refusalTime bounds the recording of a refusal, which does not wait for the client.
	refusalTime = 10 * time.Second
)

// turnAway records why an answer was refused and returns the *TurnedAway for it.
func (s *Service) turnAway(ctx context.Context, r *received, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	why := &told{reason: errs.CodeOf(cause)}
	away := &TurnedAway{err: errs.As(cause), Slug: r.side.cfg.Workspace.Slug, To: r.pending.to}
	verified, message := r.assertion != nil, ""
	var refusal *saml.Refusal
	var missing *provision.NotFound
	switch {
	case errors.As(cause, &refusal):
		var err error
		if refusal, err = s.replayed(ctx, r, refusal); err != nil {
			return err
		}
		verified, message = refusal.Verified, signedID(refusal.AssertionID, refusal.ResponseID)
		away.err, why.refusal, why.reason = ofRefusal(refusal), refusal, refusal.Reason
		if verified {
			away.Detail = cut(refusal.Detail, maxDetail)
		}
	case errors.As(cause, &missing) && missing.Cause != "":
		why.reason = missing.Cause
	case why.reason == reasonReplayed && r.assertion != nil:
		why.detail = replayDetail(r.assertion.ID)
		away.Detail = why.detail
	}
	if r.assertion != nil {
		message = signedID(r.assertion.ID, r.assertion.ResponseID)
	}
	why.code = away.err.Code
	admitted, text, err := s.admitEvent(ctx, r, verified, message)
	if err != nil {
		return err
	}
	if !admitted {
		s.DB.System().RecordStranger(r.Client.Bucket, "signin."+why.reason, nil)
		return away
	}
	subject := r.subject()
	if subject.Name == "" && verified && refusal != nil {
		subject.Name = cut(refusal.Subject, maxTyped)
	}
	r.textless = !text
	id := keys.ID("evt_", s.now())
	e := audit.Event{ID: id, Reason: why.reason, Actor: r.Client.stranger(), Subject: subject, Connection: r.Connection, Payload: r.payload("", why)}
	if err := s.recordRefusal(ctx, r.side.workspace, e); err != nil {
		return err
	}
	away.Event = id
	return away
}

// notBegun records that a sign-in could not begin, because of what its connection is, and returns the
// *TurnedAway for it. Anybody may ask, so a client has only so many events.
func (s *Service) notBegun(ctx context.Context, side *samlSide, to string, cause error, c Client) error {
	away := &TurnedAway{err: errs.As(cause), Slug: side.cfg.Workspace.Slug}
	away.To, _ = ContinuePath(to)
	connection := side.connection.ID
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{bucket("saml-client", connection, c.Bucket)}, []int{strangerEvents})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		s.DB.System().RecordStranger(c.Bucket, "signin."+away.err.Code, nil)
		return away
	}
	e := audit.Event{ID: keys.ID("evt_", s.now()), Reason: away.err.Code, Actor: c.stranger(), Subject: c.stranger(), Connection: connection,
		Payload: attemptBy(c, directory.MethodSAML).payload()}
	if err := s.recordRefusal(ctx, side.workspace, e); err != nil {
		return err
	}
	away.Event = e.ID
	return away
}

// barred refuses, with e, somebody who proved who they are and may not sign in. They are told which
// event that is.
func barred(tx *store.Tx, cfg *directory.Config, why *errs.Error, e audit.Event) error {
	e.ID, e.Type, e.Outcome, e.Reason = keys.ID("evt_", tx.Now()), audit.SignInRefused, audit.Refused, why.Code
	return store.Refuse(&TurnedAway{err: why, Event: e.ID, Slug: cfg.Workspace.Slug}, nil, e)
}

// signedID names a verified message by an ID that a signature covers. That is the assertion's wherever
// there is one: the Response around it may be unsigned, and whoever holds the answer could give it
// another ID each time.
func signedID(assertion, response string) string { return cmp.Or(assertion, response) }

// admitEvent reports whether a refusal gets an event of its own, and whether that keeps the text.
func (s *Service) admitEvent(ctx context.Context, r *received, verified bool, message string) (event, text bool, err error) {
	name, limit := bucket("saml-client", r.Connection, r.Client.Bucket), strangerEvents
	if verified {
		name, limit = bucket("saml-message", r.Connection, message), messageEvents
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{name}, []int{limit})
	if err == nil && wait == 0 && !verified {
		// Only then: a client that is summed up by now takes nothing from the others.
		var full time.Duration
		full, err = s.DB.System().Attempt(ctx, limitWindow, []string{bucket("saml-texts", r.Connection)}, []int{strangerTexts})
		text = full == 0
	}
	if err != nil {
		return false, false, fmt.Errorf("count attempt: %w", err)
	}
	return wait == 0, text || verified, nil
}

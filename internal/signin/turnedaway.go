package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/reason"
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
	// Why is the coded reason, for whoever may be told; nil before a signature was verified. Provider is that of the
	// connection.
	Why      *reason.Reason
	Provider string
}

func (t *TurnedAway) Error() string { return t.err.Error() }

// Unwrap returns the error that people are told.
func (t *TurnedAway) Unwrap() error { return t.err }

// errNotVerified is the one answer while nothing is verified, so that it tells nothing to whoever tries.
var errNotVerified = errs.Forbidden("saml_refused", "The answer of your identity provider was not accepted. If it happens each time, show this page to your administrator.")

// sentences are for people, by reason, once the IdP's signature was verified.
var sentences = map[string]string{
	saml.ReasonStructure:           "Your identity provider's answer is not put together as SAML 2.0 asks for.",
	saml.ReasonVersion:             "Your identity provider does not speak SAML 2.0.",
	saml.ReasonEncrypted:           "Your identity provider encrypts its answer, and no key for that is set up here. The administrator has to switch encryption on for this connection, or off there.",
	saml.ReasonEncryptionAlgorithm: "Your identity provider encrypts its answer in a way that is not accepted here. The administrator should choose AES-GCM with RSA-OAEP there.",
	saml.ReasonDecryption:          "Your identity provider's encrypted answer could not be opened. The administrator should give it the current certificate of this connection.",
	saml.ReasonDestination:         "Your identity provider sent its answer to another address. The administrator should check the ACS URL there.",
	saml.ReasonIssuer:              "The answer comes from another identity provider than the one that is set up here.",
	saml.ReasonInResponseTo:        "This sign-in was finished already, took too long, or was begun in another browser. Start again.",
	saml.ReasonUnsolicited:         "Signing in from the identity provider's own page is switched off for this workspace. Start on the sign-in page here.",
	saml.ReasonSubject:             "Your identity provider's answer does not say who you are.",
	saml.ReasonNoConfirmation:      "Your identity provider's answer lacks the confirmation that single sign-on needs.",
	saml.ReasonRecipient:           "Your identity provider's answer is meant for another address. The administrator should check the ACS URL there.",
	saml.ReasonNoConditions:        "Your identity provider's answer lacks the conditions that single sign-on needs.",
	saml.ReasonCondition:           "Your identity provider's answer has a condition that is not understood here.",
	saml.ReasonAudience:            "Your identity provider's answer is meant for another service. The administrator should check the audience (entity ID) there.",
	saml.ReasonExpired:             "Your identity provider's answer had expired when it came. Start again.",
	saml.ReasonNotYetValid:         "Your identity provider's answer is not valid yet.",
	saml.ReasonNoAuthn:             "Your identity provider does not say that you signed in there.",
	saml.ReasonAuthnInstant:        "Your identity provider did not ask you to sign in again, which was required.",
	saml.ReasonContext:             "You signed in at your identity provider by other means than required.",
	saml.ReasonSessionExpired:      "Your session at the identity provider is over. Start again.",
	reasonReplayed:                 "This answer of your identity provider was used already. Start again.",
}

// ofRefusal returns what people are told of a refusal by the library.
func ofRefusal(r *saml.Refusal) *errs.Error {
	switch {
	case r.Reason == reasonUnfetched:
		return errs.Unavailable(reasonUnfetched, "Your identity provider does not answer at the moment. Start again.")
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

// refused is an answer that is turned away, whatever its protocol.
type refused struct {
	*entry
	client Client
	told   *errs.Error // what people are told
	reason string      // of the event
	detail string      // for administrators, "" while nothing is verified
	to     string      // where the sign-in was to lead
	// verified says that the IdP signed it. message then names it, so that one message has few events.
	verified bool
	message  string
	name     string // of the subject, as far as verified, where no member is known
	// payload makes the event's; textless leaves out what was sent.
	payload func(textless bool) json.RawMessage
	// facts are what the coded reason is found by, beside the event's own; how says how it came, "" for what did not
	// come from an IdP.
	request, said, how string
	checks             []audit.Check
	skew               *time.Duration
	browser            string // hash
}

// record writes the event of a refusal, unless there were many, and returns the *TurnedAway for it. It does not
// wait for the client.
func (s *Service) record(ctx context.Context, r refused) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	connection := r.side.connection.ID
	why := reason.Diagnose(reason.Facts{Reason: r.reason, Request: r.request, IdPSaid: r.said})
	away := &TurnedAway{err: r.told, Detail: r.detail, Slug: r.side.cfg.Workspace.Slug, To: r.to, Provider: r.side.connection.Provider}
	if r.verified || r.how == "" || r.detail != "" {
		away.Why = &why
	}
	admitted, text, err := s.admitEvent(ctx, connection, r)
	if err != nil {
		return err
	}
	if !admitted {
		s.DB.System().RecordStranger(r.client.Bucket, "signin."+r.reason, nil)
		return away
	}
	subject := r.subject()
	if subject.Name == "" && r.verified {
		subject.Name = cut(r.name, maxTyped)
	}
	e := audit.Event{ID: keys.ID("evt_", s.now()), Reason: r.reason, Actor: r.client.stranger(), Subject: subject, Connection: connection, Payload: r.payload(!text)}
	if err := s.recordRefusal(ctx, r.side.workspace, e, r.trace(e, why, text, s.now())); err != nil {
		return err
	}
	away.Event = e.ID
	return away
}

// trace is the attempt that was refused; nil where too many of its kind came for it to be kept.
func (r *refused) trace(e audit.Event, why reason.Reason, text bool, now time.Time) *store.Attempt {
	if r.attempt == "" && !text {
		return nil
	}
	steps := []audit.Step{{Actor: audit.ActorBrowser, At: now, Text: "Asked to sign in, " + whereFrom(r.client.address(), r.client.UserAgent) + "."},
		{Actor: audit.ActorGatehouse, At: now, Text: "Refused: " + why.Sentence, Checks: r.checks}}
	if r.how != "" {
		steps = ended(now, r.verified, r.how, r.checks, &why)
	}
	out := r.traceOf(now, r.verified, r.skew, steps)
	out.Outcome, out.Code, out.Reason, out.Event, out.Browser = audit.Refused, why.Code, r.reason, e.ID, r.browser
	if r.verified {
		out.Name = cut(cmp.Or(r.arrival.Shown, r.name), maxTyped)
	}
	if r.member != nil {
		out.Member, out.Name = r.member.ID, r.member.Email
	}
	return out
}

// traceOf is the attempt of an entry with its last steps.
func (e *entry) traceOf(now time.Time, verified bool, skew *time.Duration, steps []audit.Step) *store.Attempt {
	id := e.attempt
	if id == "" {
		id = store.NewAttemptID(now)
	}
	return &store.Attempt{ID: id, Connection: e.side.connection.ID, Method: directory.Method(e.side.connection.Protocol), Skew: skew, Loose: !verified, Steps: steps}
}

// turnAway records why an assertion was refused and returns the *TurnedAway for it.
func (s *Service) turnAway(ctx context.Context, r *received, cause error) error {
	why := &told{reason: errs.CodeOf(cause)}
	out := refused{entry: &r.entry, client: r.Client, told: errs.As(cause), to: r.pending.to, verified: r.assertion != nil,
		payload: func(textless bool) json.RawMessage { return r.payload("", why, textless) }}
	var refusal *saml.Refusal
	switch {
	case errors.As(cause, &refusal):
		var err error
		if refusal, err = s.replayed(context.WithoutCancel(ctx), r, refusal); err != nil {
			return err
		}
		refusal = withAdvice(refusal, r.side.connection.SAML)
		out.verified, out.message, out.name = refusal.Verified, signedID(refusal.AssertionID, refusal.ResponseID), refusal.Subject
		out.told, why.refusal, why.reason = ofRefusal(refusal), refusal, refusal.Reason
		r.refusal = refusal
		out.said = refusal.StatusCode
		if out.verified {
			out.detail = cut(refusal.Detail, maxDetail)
		}
	case why.reason == reasonReplayed && r.assertion != nil:
		why.detail = replayDetail(r.assertion.ID)
		out.detail = why.detail
	default:
		why.reason = reasonOf(cause)
	}
	if r.assertion != nil {
		out.message = signedID(r.assertion.ID, r.assertion.ResponseID)
	}
	why.code, out.reason = out.told.Code, why.reason
	detail := why.detail
	if refusal != nil {
		detail = refusal.Detail
	} else if detail == "" {
		detail = out.told.Message
	}
	out.request, out.how, out.skew = r.pending.found, "SAML", r.skew()
	out.checks = judged(r.rules(s.PublicURL), out.reason, cut(detail, maxDetail))
	out.browser = browserHash(r.Browser)
	return s.record(ctx, out)
}

// reasonOf is why a rule refused somebody, for the event: it may say more than people are told.
func reasonOf(cause error) string {
	var missing *provision.NotFound
	if errors.As(cause, &missing) && missing.Cause != "" {
		return missing.Cause
	}
	return errs.CodeOf(cause)
}

// notBegun records that a sign-in could not begin, because of what its connection is or its IdP does, and returns
// the *TurnedAway for it. Anybody may ask, so a client has only so many events. payload is nil for the usual one.
func (s *Service) notBegun(ctx context.Context, side *side, to string, cause error, payload json.RawMessage, c Client) error {
	to, _ = ContinuePath(to)
	if payload == nil {
		payload = attemptBy(c, directory.Method(side.connection.Protocol)).payload()
	}
	stranger := c.stranger()
	return s.record(ctx, refused{entry: &entry{side: side}, client: c, told: errs.As(cause), reason: errs.CodeOf(cause), to: to,
		name: stranger.Name, payload: func(bool) json.RawMessage { return payload }})
}

// stopped records that a browser was kept from beginning once more.
func (s *Service) stopped(ctx context.Context, side *side, to string, told *errs.Error, detail, browser string, c Client) error {
	to, _ = ContinuePath(to)
	payload := encoded(struct {
		attempt
		Refusal shownReason `json:"refusal"`
	}{attemptBy(c, directory.Method(side.connection.Protocol)), shownReason{Code: told.Code, Detail: detail}})
	return s.record(ctx, refused{entry: &entry{side: side}, client: c, told: told, reason: told.Code, detail: detail, to: to, browser: browserHash(browser),
		payload: func(bool) json.RawMessage { return payload }})
}

// barred refuses, with e, somebody who proved who they are and may not sign in. They are told which
// event that is.
func barred(tx *store.Tx, cfg *directory.Config, why *errs.Error, a attempt, e audit.Event) error {
	e.ID, e.Type, e.Outcome, e.Reason = keys.ID("evt_", tx.Now()), audit.SignInRefused, audit.Refused, why.Code
	coded := reason.Diagnose(reason.Facts{Reason: why.Code})
	return store.Refuse(&TurnedAway{err: why, Event: e.ID, Slug: cfg.Workspace.Slug, Why: &coded}, keepRefused(a, e), e)
}

// keepRefused keeps the attempt that an event refuses, in the transaction of the event.
func keepRefused(a attempt, e audit.Event) func(*store.Tx) error {
	return func(tx *store.Tx) error {
		tx.EndAttempt(refusedAttempt(a, e, tx.Now()))
		return nil
	}
}

// signedID names a verified message by an ID that a signature covers. That is the assertion's wherever
// there is one: the Response around it may be unsigned, and whoever holds the answer could give it
// another ID each time.
func signedID(assertion, response string) string { return cmp.Or(assertion, response) }

// admitEvent reports whether a refusal gets an event of its own, and whether that keeps the text.
func (s *Service) admitEvent(ctx context.Context, connection string, r refused) (event, text bool, err error) {
	name, limit := bucket("answer-client", connection, r.client.Bucket), strangerEvents
	if r.verified {
		name, limit = bucket("answer-message", connection, r.message), messageEvents
	}
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{name}, []int{limit})
	if err == nil && wait == 0 && !r.verified {
		// Only then: a client that is summed up by now takes nothing from the others.
		var full time.Duration
		full, err = s.DB.System().Attempt(ctx, limitWindow, []string{bucket("answer-texts", connection)}, []int{strangerTexts})
		text = full == 0
	}
	if err != nil {
		return false, false, fmt.Errorf("count attempt: %w", err)
	}
	return wait == 0, text || r.verified, nil
}

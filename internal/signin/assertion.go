package signin

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// Answer is what an IdP had a browser post to a connection's address.
type Answer struct {
	Connection string // id, from the address: the message decides nothing about it
	Response   string // the form field SAMLResponse
	Artifact   string // what came in the field or parameter SAMLart in its place, or ""
	RelayState string
	Browser    string // the secret that the browser holds, "" where it sent none
	Client     Client
	// Direct marks an answer that was not passed on by a page of ours yet, and CrossSite one that the
	// browser says comes from another site.
	Direct, CrossSite bool
	// Tile is what the browser holds that waits for the answer of a test, "" for nothing. Session returns its live session,
	// nil for none, and is asked only where it matters; nil is none.
	Tile    string
	Session func() *store.LiveSession

	unreadable *saml.Refusal // why there is no form to read
	looked     bool          // the IdP's metadata was looked at because of it
	fetched    *fetched      // what the artifact stands for, once the IdP was asked
}

// SAML signs in with an IdP's answer. The connection is known from the address, the sign-in that
// is answered from the RelayState under that connection and by the browser that began it. The
// answer is verified outside the transaction; in one transaction then nobody has used it before,
// the sign-in under way is consumed, the member is found or made, and the session is opened.
//
// A direct answer may have to be posted once more, *PassOn. A refusal is *TurnedAway; its event is recorded whether or not the client still waits. An
// unknown connection is errs.KindNotFound.
func (s *Service) SAML(ctx context.Context, a Answer) (*Entered, error) {
	for range maxMoves {
		side, err := s.sideOf(ctx, a.Connection, directory.ProtocolSAML)
		if err != nil {
			if errs.Is(err, errs.KindNotFound) {
				s.DB.System().RecordStranger(a.Client.Bucket, "signin.connection_unknown", nil)
			}
			return nil, err
		}
		entered, err := s.receive(ctx, side, &a)
		if !errors.Is(err, errMoved) {
			return entered, err
		}
	}
	return nil, errs.Unavailable("busy", "This connection is being changed. Start again in a moment.")
}

// maxMoves bounds how often an answer is verified for a connection that changes meanwhile.
const maxMoves = 3

// received is an answer on its way through the checks, with what is known of it so far.
type received struct {
	Answer
	entry
	pending   pending
	raw       []byte // the XML, as far as it could be decoded
	assertion *saml.Assertion
	refusal   *saml.Refusal // why it was refused, where the library did
}

// receive takes one answer through the checks.
func (s *Service) receive(ctx context.Context, side *side, a *Answer) (*Entered, error) {
	r := &received{Answer: *a, entry: entry{side: side}}
	var err error
	if r.pending, err = s.pendingOf(ctx, side, a.RelayState, a.Browser); err != nil {
		return nil, err
	}
	r.attempt = r.pending.attempt
	waits, err := s.answersTest(ctx, r)
	if err != nil {
		return nil, err
	}
	if waits || r.test == nil && r.lacksCookies() {
		to := a.RelayState
		if r.pending.waiting {
			to = r.pending.to
		}
		formActions, err := s.formActions(ctx, to)
		if err != nil {
			return nil, err
		}
		return nil, &PassOn{FormActions: formActions}
	}
	if r.test != nil {
		return nil, s.testSAML(ctx, r)
	}
	if r.converted() && r.Artifact != "" && r.unreadable == nil {
		return nil, &Converted{To: r.RelayState} // whatever it stands for would be dropped
	}
	err = s.resolve(ctx, r)
	a.fetched = r.fetched // an artifact counts once, and the connection may change meanwhile
	if err == nil {
		err = s.verify(r)
	}
	switch {
	case !a.looked && r.byUnknownKey(err):
		a.looked = true
		anew, e := s.lookForKey(ctx, r)
		if e != nil {
			return nil, fmt.Errorf("look for the key of an answer: %w", e)
		}
		if anew {
			return nil, errMoved
		}
		return nil, s.turnAway(ctx, r, err)
	case errors.As(err, new(*saml.Refusal)), errs.CodeOf(err) == reasonSPKey:
		return nil, s.turnAway(ctx, r, err)
	case err != nil:
		return nil, fmt.Errorf("sign in by SAML: %w", err)
	}
	if r.converted() {
		return nil, &Converted{To: r.RelayState}
	}
	r.signer = side.connection.SAML.Certificates[r.assertion.Certificate]
	if r.arrival, err = arrivalOf(r.assertion, side.connection); err != nil {
		return nil, s.turnAway(ctx, r, err)
	}
	r.arrival.Invitation = r.Client.invitation
	entered := &Entered{}
	err = s.DB.Write(ctx, side.workspace, func(tx *store.Tx) error {
		var err error
		entered.Token, entered.Session, err = r.enter(s, tx, r.consume, func(tx *store.Tx) (opening, error) { return r.opening(tx, s.PublicURL) })
		return err
	})
	switch {
	case errors.Is(err, errMoved):
		return nil, err
	case refusing(err):
		return nil, s.turnAway(ctx, r, err)
	case err != nil:
		return nil, fmt.Errorf("sign in by SAML: %w", err)
	}
	to := a.RelayState // of an answer that nobody asked for: a stranger's input
	if r.pending.state != nil {
		to = r.pending.state.ReturnTo
	}
	entered.To = landing(side.cfg.Workspace.Slug, to)
	return entered, nil
}

// Converted has the browser begin a sign-in of ours in place of one that the IdP began: the answer is dropped, so that
// nobody can plant theirs in somebody else's browser. To is a stranger's word for where to go afterwards.
type Converted struct{ To string }

// Error makes an error of it.
func (*Converted) Error() string { return "an answer that nobody asked for begins a sign-in" }

// converted reports whether an answer belongs to no sign-in under way and is to begin one.
func (r *received) converted() bool {
	return r.side.connection.SAML.ConvertUnasked && r.pending.state == nil && r.pending.found == "none"
}

// answersTest finds out whether an answer belongs to a test. waits says that it does and that the browser's cookies did
// not come along.
func (s *Service) answersTest(ctx context.Context, r *received) (waits bool, err error) {
	if r.unreadable != nil {
		return false, nil
	}
	if r.test, r.testHash, r.tester, waits, err = s.heldTest(ctx, r.Connection, r.RelayState, r.Tile, r.Browser, r.Session); err != nil {
		s.strangersTest(r.Client, err)
		return false, err
	}
	if waits {
		if !r.Direct {
			s.strangersTest(r.Client, errTestElsewhere)
			return false, errTestElsewhere
		}
		return true, nil
	}
	if r.test != nil {
		r.attempt = r.test.Attempt
		if r.pending = (pending{}); r.test.Kind == store.TestRound {
			r.pending.state = asSignIn(r.test)
			r.pending.state.Force = r.side.connection.SAML.ForceAuthn
		} else {
			r.pending.found = "none"
		}
	}
	return false, nil
}

// verify sets raw and assertion. The error is a *saml.Refusal, or reasonSPKey where our own key fails us.
func (s *Service) verify(r *received) error {
	if r.unreadable != nil {
		return r.unreadable
	}
	var err error
	if r.fetched != nil {
		r.raw = r.fetched.envelope
	} else if r.raw, err = saml.DecodePost(r.Response, saml.DefaultMaxBytes); err != nil {
		return err
	}
	expected, err := r.expectation(s.PublicURL)
	if err != nil {
		return err
	}
	if expected.DecryptionKeys, err = s.decryptionKeys(r.side.connection); err != nil {
		return err
	}
	if r.fetched != nil {
		r.assertion, err = saml.VerifyArtifactResponse(r.raw, r.fetched.asked, expected, s.now())
		return err
	}
	r.assertion, err = saml.Verify(r.raw, expected, s.now())
	return err
}

// expectation is what the connection and the sign-in under way demand of the answer.
func (r *received) expectation(publicURL string) (saml.Expectation, error) {
	c := r.side.connection
	idp := saml.IdentityProvider{EntityID: c.SAML.EntityID}
	for _, der := range c.SAML.Certificates {
		certificate, err := saml.ParseCertificate(der)
		if err != nil {
			return saml.Expectation{}, fmt.Errorf("certificate of connection %s: %w", c.ID, err)
		}
		idp.Certificates = append(idp.Certificates, certificate)
	}
	if c.SAML.EntityID == "" || len(idp.Certificates) == 0 {
		return saml.Expectation{}, &saml.Refusal{Reason: "idp_unknown", Detail: "The connection has no metadata of the identity provider yet, so nothing can be verified."}
	}
	e := saml.Expectation{ServiceProvider: ServiceProvider(publicURL, c), IdentityProvider: idp, AllowUnsolicited: unasked(c.SAML),
		Skew: c.SAML.Skew, MaxBytes: saml.DefaultMaxBytes, AllowCBC: c.SAML.Encryption == "cbc", SHA1Until: c.SAML.SHA1End(), Contexts: c.SAML.AuthnContexts}
	switch c.SAML.Require {
	case "both":
		e.Require = saml.SignedBoth
	case "response":
		e.Require = saml.SignedResponse
	}
	if state := r.pending.state; state != nil {
		e.RequestID, e.RequestedAt = state.RequestID, state.CreatedAt
		if state.Force {
			e.ForceAuthnAt = state.CreatedAt
		}
	}
	return e, nil
}

// unasked reports whether answers to no request are taken: not where each must show a proof that was asked for.
func unasked(side *directory.SAML) bool {
	return side.IdPInitiated && !side.ForceAuthn || side.ConvertUnasked
}

// reasonReplayed is the code of an answer that was accepted before.
const reasonReplayed = "replayed"

// sightOf names a message in the table of those that were accepted. Hashed, because the IdP chooses
// how long its IDs are.
func sightOf(kind, id string) string { return kind + " " + keys.HashToken(id) }

func sightOfAssertion(id string) string { return sightOf("assertion", id) }

// replayed tells a replay from an answer to somebody else's request: what was accepted once has used up
// the request that it answers. It looks only once the signature is verified, so that nobody can ask which
// IDs were seen, and goes by the assertion's ID, which is always signed. The answer is refused either way.
func (s *Service) replayed(ctx context.Context, r *received, refusal *saml.Refusal) (*saml.Refusal, error) {
	if !refusal.Verified || refusal.Reason != saml.ReasonInResponseTo || refusal.AssertionID == "" {
		return refusal, nil
	}
	var seen bool
	if err := s.DB.Peek(ctx, r.side.workspace, func(tx *store.Tx) (err error) {
		seen, err = tx.Sighted(r.Connection, sightOfAssertion(refusal.AssertionID))
		return err
	}); err != nil {
		return nil, fmt.Errorf("look for replay: %w", err)
	}
	if !seen {
		return refusal, nil
	}
	again := *refusal
	again.Reason, again.Detail = reasonReplayed, replayDetail(refusal.AssertionID)
	return &again, nil
}

// replayDetail is the sentence for administrators.
func replayDetail(assertion string) string {
	return fmt.Sprintf("The assertion %q was accepted on this connection before; each counts once.", cut(assertion, maxTyped))
}

// consume makes the answer and the sign-in that it belongs to useless for everybody else. It comes
// after the locks: who changes the connection holds the policy and then deletes these rows, and
// each would wait for the other.
func (r *received) consume(tx *store.Tx) error {
	until := r.assertion.ReplayUntil.Add(saml.MaxSkew)
	for _, id := range []string{sightOfAssertion(r.assertion.ID), sightOf("response", r.assertion.ResponseID)} {
		first, err := tx.FirstSight(r.Connection, id, until)
		if err != nil {
			return err
		}
		if !first {
			return errs.Forbidden(reasonReplayed, "%s", sentences[reasonReplayed])
		}
	}
	if r.pending.state == nil {
		return nil
	}
	return tx.UseSignInState(r.pending.hash, r.Connection)
}

// opening is the session that the answer opens. The IdP may shorten its life and not lengthen it.
func (r *received) opening(tx *store.Tx, publicURL string) (opening, error) {
	now := tx.Now()
	a := r.assertion
	o := opening{attempt: attemptBy(r.Client, directory.MethodSAML), connection: r.Connection, authenticatedAt: a.AuthnInstant,
		context: short(a.ContextClass), index: short(a.SessionIndex), until: now.Add(session.Absolute)}
	if a.HasSubject {
		o.nameID, o.named = kept(a.Subject)
	}
	if o.authenticatedAt.After(now) {
		o.authenticatedAt = now // its clock is ahead by no more than is accepted
	}
	if end := a.SessionNotOnOrAfter; !end.IsZero() && end.Before(o.until) {
		if o.until = end; !end.After(now) {
			return opening{}, errs.Forbidden(saml.ReasonSessionExpired, "%s", sentences[saml.ReasonSessionExpired])
		}
	}
	o.payload = func(session string) []byte { return r.payload(session, nil, false) }
	o.trace = r.traceOf(now, true, r.skew(), ended(now, true, "SAML", allPassed(r.rules(publicURL)), nil))
	o.trace.Browser = browserHash(r.Browser)
	return o, nil
}

// lacksCookies reports whether the answer is to come again from a page of ours: when it belongs to a
// sign-in under way and the browser's secret did not come along, and when nobody asked for it and
// another site sent it, so that the session that the browser has is seen and ended.
func (r *received) lacksCookies() bool {
	if !r.Direct || r.unreadable != nil {
		return false
	}
	c := r.side.connection
	return r.pending.waiting || r.pending.found == "none" && r.CrossSite && unasked(c.SAML) && c.Known()
}

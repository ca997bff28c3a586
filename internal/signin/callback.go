package signin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Callback is what an IdP led a browser back with.
type Callback struct {
	Connection string // id, from the address; "" at the address of all connections, where State says which
	Code       string
	State      string
	Issuer     string // iss (RFC 9207)
	// Error and ErrorDescription are the IdP's own no.
	Error, ErrorDescription string
	Browser                 string // the secret that the browser holds, "" where it sent none
	Client                  Client
	// Posted marks an answer that another site posted here, so that no cookie came along, and that was not
	// passed on by a page of ours yet.
	Posted bool
	// Session is as in Answer.
	Session func() *store.LiveSession

	unreadable bool // there is no form or query that can be read, or a field comes twice
}

// Reasons of refusals before the IdP is asked. A state that is not this browser's own has the reason "state_"
// with what was found.
const (
	reasonState       = "state_invalid"
	reasonRedirectURI = "redirect_uri_mismatch"
	reasonIssMissing  = "iss_missing"
	reasonIssMismatch = "iss_mismatch"
	reasonIdPError    = "idp_error"
	reasonCode        = "code_missing"
	reasonMoved       = "connection_changed"
)

var (
	errOIDCNotVerified = errs.Forbidden("oidc_refused", "The answer of your identity provider was not accepted. If it happens each time, show this page to your administrator.")
	// errState is the one answer to every state that is not this browser's own, whatever is wrong with it.
	errState = errs.Forbidden(reasonState, "This sign-in was finished already, took too long, or was begun in another browser. Start again.")
)

// redeemed is a callback on its way through the checks, with what is known of it so far.
type redeemed struct {
	Callback
	entry
	pending pending
	party   relyingparty.Party
	outcome *relyingparty.Outcome
	notes   []string
	refusal *relyingparty.Refusal // why it was refused, where the protocol did
	at      time.Time             // when it came
	used    bool                  // the state is
}

// OIDC signs in with an IdP's answer. The sign-in that is answered is known from its state, under the connection
// of the address and by the browser that began it. Everything that needs no word of the IdP is judged first;
// then the state is used up, so that of many answers with one state one goes on; then the code is redeemed, outside
// any transaction; and in one transaction the member is found or made, and the session is opened.
//
// A posted answer may have to be posted once more, *PassOn. A refusal is *TurnedAway; its event is recorded
// whether or not the client still waits. An unknown connection is errs.KindNotFound.
func (s *Service) OIDC(ctx context.Context, a Callback) (*Entered, error) {
	at, err := s.sideOfCallback(ctx, a)
	if err != nil {
		return nil, err
	}
	r := &redeemed{Callback: a, entry: entry{side: at}, at: s.now()}
	if r.pending, err = s.pendingOf(ctx, at, a.State, a.Browser); err != nil {
		return nil, err
	}
	r.attempt = r.pending.attempt
	waits := r.pending.waiting
	if strings.HasPrefix(a.State, testPrefix) && !r.unreadable {
		if waits, err = s.answersTestOIDC(ctx, r); err != nil {
			s.strangersTest(r.Client, err)
			return nil, err
		}
	}
	if r.Posted && waits && !r.unreadable {
		formActions, err := s.formActions(ctx, r.pending.to)
		if err != nil {
			return nil, err
		}
		return nil, &PassOn{FormActions: formActions}
	}
	for _, step := range []func(context.Context, *redeemed) error{s.recognised, s.useState, s.redeem} {
		if err := step(ctx, r); err != nil {
			if r.test != nil {
				return nil, s.testOIDC(ctx, r, err, r.used)
			}
			return nil, s.turnedBack(ctx, r, err)
		}
	}
	if r.test != nil {
		return nil, s.testOIDC(ctx, r, nil, true)
	}
	return s.enterOIDC(ctx, r)
}

// answersTestOIDC finds the test that an answer belongs to, and makes it what the checks see.
func (s *Service) answersTestOIDC(ctx context.Context, r *redeemed) (waits bool, err error) {
	if r.test, r.testHash, r.tester, waits, err = s.heldTest(ctx, r.side.connection.ID, r.State, "", r.Browser, r.Session); err != nil {
		return false, err
	}
	if waits && !r.Posted {
		return false, errTestElsewhere
	}
	r.attempt, r.pending = r.test.Attempt, pending{hash: r.testHash, state: asSignIn(r.test)}
	return waits, nil
}

// strangersTest sums up answers to tests of other browsers.
func (s *Service) strangersTest(c Client, err error) {
	if errors.Is(err, errTestElsewhere) {
		s.DB.System().RecordStranger(c.Bucket, "signin."+errTestElsewhere.Code, nil)
	}
}

// sideOfCallback finds the connection of an answer. At the address of all connections a state that leads to
// none has no workspace whose log it belongs to.
func (s *Service) sideOfCallback(ctx context.Context, a Callback) (*side, error) {
	connection := a.Connection
	if connection == "" && isHandle(a.State) {
		state, err := s.DB.System().SignInState(ctx, keys.HashToken(a.State))
		switch {
		case err == nil && state.OIDC != nil:
			connection = state.Connection
		case err != nil && !errs.Is(err, errs.KindForbidden):
			return nil, fmt.Errorf("find sign-in: %w", err)
		}
	}
	if connection == "" && strings.HasPrefix(a.State, testPrefix) {
		state, err := s.DB.System().TestState(ctx, keys.HashToken(a.State))
		switch {
		case err == nil && state.OIDC != nil:
			connection = state.Connection
		case err != nil && !errs.Is(err, errs.KindForbidden):
			return nil, fmt.Errorf("find test: %w", err)
		}
	}
	if connection == "" {
		s.DB.System().RecordStranger(a.Client.Bucket, "signin."+reasonState, nil)
		return nil, &TurnedAway{err: errState}
	}
	at, err := s.sideOf(ctx, connection, directory.ProtocolOIDC)
	if errs.Is(err, errs.KindNotFound) {
		s.DB.System().RecordStranger(a.Client.Bucket, "signin.connection_unknown", nil)
	}
	return at, err
}

// unaccepted is a refusal before anything is verified: people are told told, the event has the reason.
type unaccepted struct {
	told   *errs.Error
	reason string
	detail string // for the event alone
	shown  bool   // the detail is for the page as well: the IdP said it to this browser
}

func (u *unaccepted) Error() string { return u.reason + ": " + u.detail }
func (u *unaccepted) Unwrap() error { return u.told }

func unacceptable(reason, format string, args ...any) error {
	return &unaccepted{told: errOIDCNotVerified, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// recognised judges what needs no word of the IdP: that this browser began the sign-in, here, through the
// connection as it still is, and that this IdP answers (RFC 9207, RFC 9700 section 4.4).
func (s *Service) recognised(ctx context.Context, r *redeemed) error {
	state, o := r.pending.state, r.side.connection.OIDC
	if r.unreadable {
		return unacceptable("callback_malformed", "Expected each of code, state, iss and error once at the most.")
	}
	if state == nil || state.OIDC == nil {
		return &unaccepted{told: errState, reason: "state_" + r.pending.found, detail: "The state belongs to no sign-in that this browser has begun here."}
	}
	here := directory.OIDCEndpoints(s.PublicURL, r.side.connection.ID)
	arrived := here.Callback
	if r.Connection != "" {
		arrived = here.OwnCallback
	}
	if arrived != state.OIDC.RedirectURI {
		return unacceptable(reasonRedirectURI, "Expected the answer at %s, received it at %s.", state.OIDC.RedirectURI, arrived)
	}
	if err := usable(r.side.connection); err != nil && r.test == nil {
		return err
	}
	if state.OIDC.Issuer != o.Issuer || state.OIDC.ClientID != o.ClientID {
		return &unaccepted{told: errState, reason: reasonMoved, detail: "The connection has another issuer or client id than when this sign-in was begun."}
	}
	var err error
	if r.party, err = s.OIDCParty(r.side.connection); err != nil {
		return err
	}
	d, err := s.Outside.Discover(ctx, r.party, s.now())
	if err != nil {
		return err
	}
	switch {
	case r.Issuer != "" && !r.party.IssuerFits(r.Issuer):
		return unacceptable(reasonIssMismatch, "Expected the answer of %s, received that of %q: another identity provider answered.", o.Issuer, cut(r.Issuer, maxTyped))
	case r.Issuer == "" && d.IssInAnswer:
		return unacceptable(reasonIssMissing, "The identity provider announces the parameter iss, and the answer has none.")
	}
	return nil
}

// useState makes the sign-in under way useless for everybody else. What the IdP says of it is heard only once.
func (s *Service) useState(ctx context.Context, r *redeemed) error {
	err := s.DB.Write(ctx, r.side.workspace, func(tx *store.Tx) error {
		if r.test != nil {
			return tx.UseTestState(r.testHash, r.side.connection.ID, r.test.Kind)
		}
		return tx.UseSignInState(r.pending.hash, r.side.connection.ID)
	})
	r.used = err == nil
	switch {
	case errs.Is(err, errs.KindForbidden):
		return &unaccepted{told: errState, reason: "state_used", detail: "Another answer with this state came first."}
	case err != nil:
		return fmt.Errorf("use sign-in: %w", err)
	case r.Error != "":
		said := strings.TrimSpace(cut(r.Error, 100))
		return &unaccepted{told: errs.Forbidden(reasonIdPError, "Your identity provider did not sign you in (%s).", said), reason: reasonIdPError,
			detail: fmt.Sprintf("The identity provider answered %s: %s", said, cut(r.ErrorDescription, maxDetail)), shown: true}
	case r.Code == "":
		return unacceptable(reasonCode, "The answer has neither code nor error.")
	}
	return nil
}

// redeem asks the IdP who signed in, and reads the person out of it.
func (s *Service) redeem(ctx context.Context, r *redeemed) error {
	state := r.pending.state
	sent := relyingparty.Sent{RedirectURI: state.OIDC.RedirectURI, Verifier: state.OIDC.Verifier, NonceHolds: nonceHolds(state.OIDC.Nonce),
		At: state.CreatedAt, MaxAge: state.OIDC.MaxAge, ACRValues: state.OIDC.ACRValues}
	var err error
	if r.outcome, err = s.Outside.Redeem(ctx, r.party, r.Code, sent, s.now()); err != nil {
		return err
	}
	r.arrival, r.notes, err = arrivalOfClaims(r.outcome, r.side.connection)
	r.arrival.Invitation = r.Client.invitation
	return err
}

func (s *Service) enterOIDC(ctx context.Context, r *redeemed) (*Entered, error) {
	entered := &Entered{To: landing(r.side.cfg.Workspace.Slug, r.pending.state.ReturnTo)}
	err := s.DB.Write(ctx, r.side.workspace, func(tx *store.Tx) (err error) {
		if entered.Token, entered.Session, err = r.enter(s, tx, r.consume, r.opening); err != nil {
			return err
		}
		return s.keepIDToken(tx, r, entered.Session)
	})
	switch {
	case errors.Is(err, errMoved):
		return nil, s.turnedBack(ctx, r, &unaccepted{told: errState, reason: reasonMoved, detail: "The connection was changed while this sign-in was under way."})
	case refusing(err):
		return nil, s.turnedBack(ctx, r, err)
	case err != nil:
		return nil, fmt.Errorf("sign in by OIDC: %w", err)
	}
	return entered, nil
}

// consume notes the ID token, by what is signed of it. Its nonce is that of a state which is used up by now, so
// this catches what should not be possible.
func (r *redeemed) consume(tx *store.Tx) error {
	first, err := tx.FirstSight(r.side.connection.ID, sightOfToken(r.outcome.IDToken), tx.Now().Add(oidcStateLife+2*relyingparty.MaxSkew))
	if err == nil && !first {
		err = errs.Forbidden(reasonReplayed, "%s", sentences[reasonReplayed])
	}
	return err
}

// sightOfToken names an ID token by what is signed of it.
func sightOfToken(text string) string {
	return sightOf("id token", text[:strings.LastIndexByte(text, '.')])
}

// opening is the session that the answer opens.
func (r *redeemed) opening(tx *store.Tx) (opening, error) {
	now := tx.Now()
	o := opening{attempt: attemptBy(r.Client, directory.MethodOIDC), connection: r.side.connection.ID, authenticatedAt: r.outcome.AuthTime,
		context: short(r.outcome.Context), index: short(r.outcome.Session), until: now.Add(session.Absolute)}
	if o.authenticatedAt.After(now) {
		o.authenticatedAt = now // its clock is ahead by no more than is accepted
	}
	if o.authenticatedAt.Before(time.UnixMicro(1)) {
		o.authenticatedAt = time.Time{} // not said
	}
	o.payload = func(session string) []byte { return r.payload(session, "", nil, false) }
	o.trace = r.traceOf(now, true, r.skew(), ended(now, true, "code flow", allPassed(r.rules()), nil))
	o.trace.Browser = browserHash(r.Browser)
	return o, nil
}

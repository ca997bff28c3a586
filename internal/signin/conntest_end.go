package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/reason"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// TestDone is what is returned in place of a sign-in where an answer belonged to a test: nobody was let in.
type TestDone struct {
	Attempt string
	Slug    string
	Console bool           // an administrator began it in the console
	Why     *reason.Reason // nil where somebody would have been let in
	Name    string         // of the connection
}

func (*TestDone) Error() string { return "a test of a connection has ended" }

// TestFound is who a test's answer would have been.
type TestFound struct {
	// Received are the attributes or claims as they came, once verified.
	Received []TestAttribute `json:"received"`
	// Subject, Email and the rest are what the connection's names made of them.
	Subject         string   `json:"subject"`
	Email           string   `json:"email"`
	EmailUnverified string   `json:"email_unverified,omitempty"`
	Name            string   `json:"name"`
	GivenName       string   `json:"given_name"`
	FamilyName      string   `json:"family_name"`
	Groups          []string `json:"groups"`
	GroupsKnown     bool     `json:"groups_known"`
	// Would is "sign_in", "create" or "refuse".
	Would        string   `json:"would"`
	Member       string   `json:"member,omitempty"` // id, of one who is there
	MemberEmail  string   `json:"member_email,omitempty"`
	Role         string   `json:"role,omitempty"`
	RoleReason   string   `json:"role_reason,omitempty"`
	MemberGroups []string `json:"member_groups,omitempty"`
	Refusal      string   `json:"refusal,omitempty"` // the sentence
	// Verified says that the connection counts as verified now.
	Verified bool `json:"verified"`
}

// TestAttribute is an attribute or claim.
type TestAttribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Limits of what a test keeps of an answer.
const (
	testAttributes = 60
	testValues     = 50
	testFoundBytes = 48 << 10
)

// testEnd is how a test ends.
type testEnd struct {
	client        Client
	kind          string // of the handle that is used up, "" where it is already
	reason        string // precise, "" where it went well so far
	detail        string
	request, said string
	how           string
	verified      bool
	name          string // of the subject, as far as verified
	skew          *time.Duration
	checks        func(failed, detail string) []audit.Check
	payload       func(textless bool) json.RawMessage
	found         *TestFound
	rehearsed     *provision.Rehearsal
	sights        []string // of messages, which nobody may use any more
	until         time.Time
}

// endTest keeps how a test ended, uses up its handle and its messages, and returns the *TestDone. Nothing else is
// changed, but that the connection may count as verified.
func (s *Service) endTest(ctx context.Context, e *entry, end testEnd) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	done := &TestDone{Attempt: e.test.Attempt, Slug: e.side.cfg.Workspace.Slug, Console: e.test.Session != "", Name: e.side.connection.Name}
	err := s.DB.Write(ctx, e.side.workspace, func(tx *store.Tx) error {
		done.Why = nil
		end := end
		// Before any row is touched: who removes the connection holds the policy and then deletes these rows.
		if end.rehearsed != nil {
			if err := tx.LockPolicy(); err != nil {
				return err
			}
		}
		if end.kind != "" {
			if err := tx.UseTestState(e.testHash, e.side.connection.ID, end.kind); err != nil {
				return err
			}
		}
		for _, id := range end.sights {
			first, err := tx.FirstSight(e.side.connection.ID, id, end.until)
			if err != nil {
				return err
			}
			if !first {
				end.reason, end.detail, end.rehearsed = reasonReplayed, "The answer was accepted on this connection before; each counts once.", nil
			}
		}
		found := end.found
		if end.reason == "" && found != nil && end.rehearsed != nil && end.rehearsed.Refused == nil {
			verified, err := s.testProves(tx, e)
			if err != nil {
				return err
			}
			copied := *found
			copied.Verified, found = verified, &copied
		}
		a, event := s.testAttempt(tx, e, end, found)
		if a.Code != "" {
			why, _ := reason.ByCode(a.Code)
			done.Why = &why
		}
		tx.EndAttempt(a)
		return tx.Record(event)
	})
	switch {
	case errs.Is(err, errs.KindForbidden):
		return errTestElsewhere
	case err != nil:
		return fmt.Errorf("end test: %w", err)
	}
	return done
}

// testProves has the connection count as verified, where settings says so, and reports whether it does. The policy is
// held.
func (s *Service) testProves(tx *store.Tx, e *entry) (bool, error) {
	cfg, err := tx.Config()
	if err != nil {
		return false, err
	}
	c, ok := cfg.Connection(e.side.connection.ID)
	if !ok || !sameSide(c, e.side.connection) {
		return false, nil // the answer was verified for other keys or other rules
	}
	if err := settings.TestProven(tx, cfg, c.ID, e.signer); err != nil {
		return false, err
	}
	if cfg, err = tx.Config(); err != nil {
		return false, err
	}
	c, _ = cfg.Connection(c.ID)
	return !c.VerifiedAt.IsZero(), nil
}

// testAttempt is the end of a test with its event.
func (s *Service) testAttempt(tx *store.Tx, e *entry, end testEnd, found *TestFound) (store.Attempt, audit.Event) {
	event := audit.Event{ID: tx.EventID(), Type: audit.ConnectionTested, Actor: e.tester, Connection: e.side.connection.ID,
		Subject: audit.Party{Kind: "connection", ID: e.side.connection.ID, Name: e.side.connection.Name}}
	if end.payload != nil {
		event.Payload = end.payload(false)
	}
	a := *e.traceOf(tx.Now(), end.verified, end.skew, nil)
	a.Test, a.Event, a.Outcome = true, event.ID, audit.OK
	var why *reason.Reason
	if end.rehearsed != nil && end.rehearsed.Refused != nil && end.reason == "" {
		end.reason, end.detail = reasonOf(end.rehearsed.Refused), end.rehearsed.Refused.Error()
		if told := errs.As(end.rehearsed.Refused); told != nil {
			end.detail = told.Message
		}
	}
	if end.reason != "" {
		coded := reason.Diagnose(reason.Facts{Reason: end.reason, Request: end.request, IdPSaid: end.said})
		why = &coded
		a.Outcome, a.Code, a.Reason = audit.Refused, coded.Code, end.reason
		event.Outcome, event.Reason = audit.Refused, end.reason
	}
	if end.verified {
		a.Name = cut(cmp.Or(e.arrival.Shown, end.name), maxTyped)
	}
	var checks []audit.Check
	if end.checks != nil {
		checks = end.checks(end.reason, cut(end.detail, maxDetail))
	}
	if end.how != "" {
		a.Steps = ended(tx.Now(), end.verified, end.how, checks, why)
	} else {
		a.Steps = []audit.Step{{Actor: audit.ActorGatehouse, At: tx.Now(), Text: "Could not begin.", Checks: checks}}
	}
	last := &a.Steps[len(a.Steps)-1]
	switch {
	case why == nil:
		last.Text = "Accepted the answer. It was a test: nobody was let in."
	case end.how == "":
		last.Text = "Could not begin: " + end.detail
	}
	if found != nil {
		a.Found = found.encode()
	}
	return a, event
}

// encode is what is kept, without the attributes as they came where that would be too much.
func (f TestFound) encode() json.RawMessage {
	out := encoded(f)
	if len(out) > testFoundBytes {
		f.Received = nil
		f.Groups = f.Groups[:min(len(f.Groups), testValues)]
		if out = encoded(f); len(out) > testFoundBytes {
			return nil
		}
	}
	return out
}

// foundOf is who an arrival would have been.
func foundOf(a provision.Arrival, received []TestAttribute, r *provision.Rehearsal) *TestFound {
	f := &TestFound{Received: received, Subject: cut(a.Shown, maxShort), Email: a.Email, EmailUnverified: a.Unverified, Name: a.Name, GivenName: a.GivenName,
		FamilyName: a.FamilyName, Groups: a.Groups, GroupsKnown: a.GroupsKnown, Would: "sign_in"}
	if len(f.Groups) > testValues*4 {
		f.Groups = f.Groups[:testValues*4]
	}
	if r.New {
		f.Would = "create"
	}
	if m := r.Member; m != nil {
		if !r.New {
			f.Member = m.ID
		}
		f.MemberEmail = m.Email
		if r.Refused == nil {
			f.Role, f.RoleReason, f.MemberGroups = r.Role, m.RoleReason.Sentence(), r.Groups
		}
	}
	if r.Refused != nil {
		f.Would, f.Refusal = "refuse", errs.As(r.Refused).Message
	}
	return f
}

func attributesOf(a *saml.Assertion) (out []TestAttribute) {
	if a.HasSubject {
		out = append(out, TestAttribute{Name: "NameID (" + cut(a.Subject.Format, maxTyped) + ")", Values: []string{cut(a.Subject.Value, maxTyped)}})
	}
	for _, attribute := range a.Attributes[:min(len(a.Attributes), testAttributes)] {
		out = append(out, TestAttribute{Name: cut(attribute.Name, maxTyped), Values: shortened(attribute.Values)})
	}
	return out
}

func shortened(values []string) []string {
	out := []string{}
	for _, v := range values[:min(len(values), testValues)] {
		out = append(out, cut(v, maxTyped))
	}
	if more := len(values) - testValues; more > 0 {
		out = append(out, fmt.Sprintf("and %d more", more))
	}
	return out
}

// claimsOf are claims as attributes, without those that bind a token to others and without what they hold of secrets: an
// IdP may send a token for another service along (OIDC Core section 5.6.2).
func claimsOf(said relyingparty.Claims) (out []TestAttribute) {
	masked, _ := audit.Redact(encoded(said), math.MaxInt)
	var c relyingparty.Claims
	if json.Unmarshal(masked, &c) != nil {
		return nil
	}
	for name, raw := range c {
		if slices.Contains(withheld, name) {
			continue
		}
		if values, ok := c.List(name); ok {
			out = append(out, TestAttribute{Name: cut(name, maxTyped), Values: shortened(values)})
		} else {
			out = append(out, TestAttribute{Name: cut(name, maxTyped), Values: []string{cut(string(raw), maxTyped)}})
		}
	}
	slices.SortFunc(out, func(a, b TestAttribute) int { return strings.Compare(a.Name, b.Name) })
	return out[:min(len(out), testAttributes)]
}

// testSAML is the end of a test by a SAML answer.
func (s *Service) testSAML(ctx context.Context, r *received) error {
	end := testEnd{client: r.Client, kind: r.test.Kind, how: "SAML", payload: func(textless bool) json.RawMessage { return r.payload("", nil, textless) },
		checks: func(failed, detail string) []audit.Check { return judged(r.rules(s.PublicURL), failed, detail) }}
	err := s.resolve(ctx, r)
	if err == nil {
		err = s.verify(r)
	}
	var refusal *saml.Refusal
	switch {
	case errors.As(err, &refusal):
		if refusal, err = s.replayed(ctx, r, refusal); err != nil {
			return err
		}
		r.refusal = refusal
		end.reason, end.detail, end.said, end.verified, end.name = refusal.Reason, refusal.Detail, refusal.StatusCode, refusal.Verified, refusal.Subject
		end.payload = func(textless bool) json.RawMessage {
			return r.payload("", &told{reason: refusal.Reason, code: refusal.Reason, refusal: refusal}, textless)
		}
	case errs.CodeOf(err) == reasonSPKey:
		end.reason, end.detail = reasonSPKey, errs.As(err).Message
	case err != nil:
		return fmt.Errorf("test by SAML: %w", err)
	default:
		r.signer = r.side.connection.SAML.Certificates[r.assertion.Certificate]
		end.verified, end.until = true, r.assertion.ReplayUntil.Add(saml.MaxSkew)
		end.sights = []string{sightOfAssertion(r.assertion.ID), sightOf("response", r.assertion.ResponseID)}
		if r.arrival, err = arrivalOf(r.assertion, r.side.connection); err != nil {
			end.reason, end.detail = errs.CodeOf(err), errs.As(err).Message
			end.found = &TestFound{Received: attributesOf(r.assertion), Would: "refuse", Refusal: end.detail}
		} else if end.rehearsed, err = provision.Rehearse(ctx, s.DB, r.side.workspace, r.arrival); err != nil {
			return err
		} else {
			r.member, end.found = end.rehearsed.Member, foundOf(r.arrival, attributesOf(r.assertion), end.rehearsed)
		}
	}
	end.skew = r.skew()
	return s.endTest(ctx, &r.entry, end)
}

// testOIDC is the end of a test by an OIDC answer; cause is why it failed, nil where it did not.
func (s *Service) testOIDC(ctx context.Context, r *redeemed, cause error, used bool) error {
	end := testEnd{client: r.Client, kind: r.test.Kind, how: "code flow", checks: func(failed, detail string) []audit.Check { return judged(r.rules(), failed, detail) },
		payload: func(textless bool) json.RawMessage { return r.payload("", "", nil, textless) }, verified: r.outcome != nil}
	if used {
		end.kind = ""
	}
	var refusal *relyingparty.Refusal
	var early *unaccepted
	switch {
	case cause == nil:
		text := r.outcome.IDToken
		end.sights, end.until = []string{sightOfToken(text)}, s.now().Add(oidcStateLife+2*relyingparty.MaxSkew)
		var err error
		if end.rehearsed, err = provision.Rehearse(ctx, s.DB, r.side.workspace, r.arrival); err != nil {
			return err
		}
		r.member, end.found = end.rehearsed.Member, foundOf(r.arrival, claimsOf(r.outcome.Claims), end.rehearsed)
	case errors.As(cause, &early):
		end.reason, end.detail, end.said = early.reason, early.detail, r.Error
	case errors.As(cause, &refusal):
		r.refusal = refusal
		end.reason, end.detail, end.said, end.verified = refusal.Reason, refusal.Detail, refusal.IdPError, refusal.Verified
		if refusal.Verified {
			end.name = refusal.Claims.Text("sub")
		}
	case errs.As(cause) != nil:
		end.reason, end.detail = errs.CodeOf(cause), errs.As(cause).Message
	default:
		return cause
	}
	if end.reason != "" {
		code := end.reason
		end.payload = func(textless bool) json.RawMessage {
			return r.payload("", code, &shownOIDC{Code: code, Detail: cut(end.detail, maxDetail), refusal: refusal}, textless)
		}
		if r.outcome != nil {
			end.found = &TestFound{Received: claimsOf(r.outcome.Claims), Would: "refuse", Refusal: end.detail}
		}
	}
	end.skew = r.skew()
	return s.endTest(ctx, &r.entry, end)
}

// asSignIn is a test as the checks of an answer see it.
func asSignIn(t *store.TestState) *store.SignInState {
	return &store.SignInState{Workspace: t.Workspace, Connection: t.Connection, RequestID: t.RequestID, Browser: t.Browser, OIDC: t.OIDC, CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt}
}

// ReadTestFound reads what a test kept of its answer; false where it kept nothing.
func ReadTestFound(kept json.RawMessage) (found TestFound, ok bool) {
	if len(kept) == 0 || json.Unmarshal(kept, &found) != nil {
		return TestFound{}, false
	}
	return found, true
}

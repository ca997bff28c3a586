package saml

import (
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// authn is an AuthnStatement (Core section 2.7.2).
type authn struct {
	instant, sessionEnd time.Time // sessionEnd is zero when absent
	sessionIndex, class string
}

// authn returns the first AuthnStatement that meets what the request asked for. All must be
// sound, and the earliest end of a session is that of all; when none meets the request, the
// first one's failure is told.
func (s signed) authn(e *Expectation, c clock) (authn, *Refusal) {
	p, r := readParts(s.assertion)
	if r != nil {
		return authn{}, r
	}
	var chosen authn
	var first *Refusal
	var sessionEnd time.Time
	count, good := 0, false
	for statement := p.statements; statement != nil; statement = statement.Next() {
		if !statement.Is(nsAssertion, "AuthnStatement") {
			continue
		}
		count++
		a, r := readAuthn(statement, c)
		if r != nil {
			return a, r
		}
		if !a.sessionEnd.IsZero() && (sessionEnd.IsZero() || a.sessionEnd.Before(sessionEnd)) {
			sessionEnd = a.sessionEnd
		}
		if r := a.meets(e, c); r != nil && first == nil {
			first = r
		} else if r == nil && !good {
			chosen, good = a, true
		}
	}
	switch {
	case count == 0:
		return chosen, refuse(ReasonNoAuthn, "The Assertion has no AuthnStatement: it does not say that anybody signed in.")
	case !good:
		return chosen, first
	}
	chosen.sessionEnd = sessionEnd
	return chosen, nil
}

// readAuthn reads one statement and checks its times.
func readAuthn(statement *strictxml.Element, c clock) (authn, *Refusal) {
	a := authn{sessionIndex: attr(statement, "SessionIndex")}
	var r *Refusal
	if a.instant, r = instant("AuthnInstant", attr(statement, "AuthnInstant")); r != nil {
		return a, r
	}
	if r := c.early("time of the sign-in (AuthnInstant)", a.instant, ReasonAuthnInstant); r != nil {
		return a, r
	}
	if raw, has := statement.Attr("SessionNotOnOrAfter"); has {
		if a.sessionEnd, r = instant("SessionNotOnOrAfter", raw); r != nil {
			return a, r
		}
		if r := c.late("end of the identity provider's session (SessionNotOnOrAfter)", a.sessionEnd, ReasonSessionExpired); r != nil {
			return a, r
		}
	}
	children, r := sequenceOf(statement)
	if r != nil {
		return a, r
	}
	children.optional(nsAssertion, "SubjectLocality")
	context, r := children.required(nsAssertion, "AuthnContext")
	if r != nil {
		return a, r
	}
	if r := children.done(); r != nil {
		return a, r
	}
	for element := range context.Elements() {
		if element.Is(nsAssertion, "AuthnContextClassRef") && a.class == "" {
			if a.class, r = textOf(element); r != nil {
				return a, r
			}
		}
	}
	return a, nil
}

// meets holds a statement against ForceAuthn and the demanded contexts. Identity providers are free
// to overlook ForceAuthn, so the service provider has to look.
func (a *authn) meets(e *Expectation, c clock) *Refusal {
	if !e.ForceAuthnAt.IsZero() && e.ForceAuthnAt.Sub(a.instant) > c.skew {
		return refuse(ReasonAuthnInstant, "A new sign-in was demanded at %s, but the person had signed in at %s.", written(e.ForceAuthnAt), written(a.instant))
	}
	if len(e.Contexts) > 0 && !slices.Contains(e.Contexts, a.class) {
		return refuse(ReasonContext, "The person signed in by %s; %q was demanded.", quote(a.class), e.Contexts)
	}
	return nil
}

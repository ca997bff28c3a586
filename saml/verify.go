package saml

import (
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Verify checks a Response, as DecodePost returned it, and gives what it asserts. The error is
// always a *Refusal. There is no other way to an Assertion, but for VerifyArtifactResponse.
//
// What is left to the caller: to refuse an Assertion.ID or ResponseID seen before, to consume the
// request, and to decide about the person.
func Verify(raw []byte, e Expectation, now time.Time) (*Assertion, error) {
	v := newVerification(&e, now)
	return v.outcome(v.read(raw))
}

func newVerification(e *Expectation, now time.Time) *verification {
	return &verification{e: e, now: now, decryption: newDecryption(e)}
}

// outcome goes on after the message was read.
func (v *verification) outcome(r *Refusal) (*Assertion, error) {
	if r == nil {
		r = v.run()
	}
	if r != nil {
		v.tell(r)
		return nil, r
	}
	return &v.out, nil
}

// verification is one run of Verify, and what it has learnt so far.
type verification struct {
	e   *Expectation
	now time.Time

	env        envelope
	decryption decryption
	artifact   bool      // the message came by artifact
	wrapped    time.Time // IssueInstant of the ArtifactResponse around it; zero when it came otherwise
	verified   bool
	out        Assertion
}

// run takes the steps in their order; the first that fails ends it.
func (v *verification) run() *Refusal {
	signatures, r := v.env.checkSignatures(v.e, &v.decryption, v.now)
	if v.env.assertion != nil {
		v.out.ID = attr(v.env.assertion, "ID")
	}
	v.out.Certificate, v.out.SHA1 = signatures.key, signatures.sha1
	v.out.ResponseSigned, v.out.AssertionSigned, v.out.ArtifactSigned = signatures.response, signatures.assertion, signatures.artifact
	v.verified = r == nil || signatures.sound
	if r != nil {
		v.out.Issuer = v.env.claimed()
		return r
	}
	// The subject first, so that every later refusal can say whose sign-in it was.
	var sub subject
	var subjectRefusal *Refusal
	if signatures.signed.assertion != nil {
		sub, subjectRefusal = signatures.signed.subject(&v.decryption)
		v.out.Subject, v.out.HasSubject = sub.name, sub.hasName
		v.dated(signatures.signed)
	}
	if r := v.checkResponse(); r != nil {
		return r
	}
	if subjectRefusal != nil {
		return subjectRefusal
	}
	r = v.checkAssertion(signatures.signed, &sub)
	v.out.Encryption = v.decryption.how
	return r
}

// read parses the message and its outline.
func (v *verification) read(raw []byte) *Refusal {
	limit := v.e.maxBytes()
	if len(raw) > limit {
		return refuse(ReasonTooLarge, "The message is %d bytes long; up to %d are accepted.", len(raw), limit)
	}
	root, err := strictxml.Parse(raw, strictxml.Limits{Bytes: limit})
	if err != nil {
		return syntaxRefusal(err)
	}
	return v.outline(root)
}

// outline reads the outline of the Response.
func (v *verification) outline(root *strictxml.Element) *Refusal {
	if root.Is(nsProtocol, "Response") {
		v.out.ResponseID, v.out.InResponseTo = attr(root, "ID"), attr(root, "InResponseTo")
		if _, _, r := identify(root); r != nil {
			return r
		}
	}
	var r *Refusal
	v.env, r = readEnvelope(root)
	if v.env.assertion != nil {
		v.out.ID = attr(v.env.assertion, "ID")
	}
	return r
}

// syntaxRefusal puts an error of strictxml into the words of this package.
func syntaxRefusal(err error) *Refusal {
	var syntax *strictxml.SyntaxError
	if !errors.As(err, &syntax) {
		return refuse(ReasonMalformed, "The message cannot be read: %v.", err)
	}
	switch syntax.Cause {
	case strictxml.TooLarge:
		return refuse(ReasonTooLarge, "The message is too large: %v.", err)
	case strictxml.DocumentType:
		return refuse(ReasonDTD, "The message has a document type declaration (DTD) at byte %d. None is accepted: it can change what the rest means.", syntax.Offset)
	case strictxml.Comment:
		return refuse(ReasonComment, "The message has a comment at byte %d. None is accepted: a signature does not cover comments, and one inside a name can cut it short.", syntax.Offset)
	case strictxml.ProcessingInstruction:
		return refuse(ReasonInstruction, "The message has a processing instruction at byte %d. None is accepted: readers differ on what the text around it is.", syntax.Offset)
	case strictxml.CDATA:
		return refuse(ReasonCDATA, "The message has a CDATA section at byte %d. None is accepted: readers differ on what the text around it is.", syntax.Offset)
	case strictxml.DuplicateID:
		return refuse(ReasonDuplicateID, "Two elements of the message have one ID, the later one at byte %d: which of them is signed would depend on the reader.", syntax.Offset)
	}
	return refuse(ReasonMalformed, "The message is not XML as SAML needs it: %v.", err)
}

// dated notes what the verified assertion says of itself, for a Refusal.
func (v *verification) dated(s signed) {
	v.out.ID = attr(s.assertion, "ID")
	if issued, ok := parseInstant(attr(s.assertion, "IssueInstant")); ok {
		v.out.IssueInstant, v.out.Skew = issued, issued.Sub(v.now)
	}
}

// checkResponse holds the Response against the expectation: where to, from whom, with what
// outcome, in answer to what. What a signature does not cover is compared all the same.
func (v *verification) checkResponse() *Refusal {
	root := v.env.root
	destination, has := root.Attr("Destination")
	switch {
	case has && destination != v.e.ServiceProvider.ACS:
		return refuse(ReasonDestination, "The Response is for destination %s; this connection's is %s.", quote(destination), quote(v.e.ServiceProvider.ACS))
	case !has && v.out.ResponseSigned && !v.artifact:
		return refuse(ReasonDestination, "The Response is signed and has no Destination; %s is expected.", quote(v.e.ServiceProvider.ACS))
	}
	if v.env.issuer != nil {
		if r := v.checkIssuer(v.env.issuer); r != nil {
			return r
		}
	}
	if !v.env.status.success {
		return v.env.status.refusal()
	}
	inResponseTo, answers := root.Attr("InResponseTo")
	if r := v.e.checkInResponseTo("The Response", inResponseTo, answers); r != nil {
		return r
	}
	if v.e.RequestID == "" && !v.e.AllowUnsolicited {
		return refuse(ReasonUnsolicited, "The Response answers no request, and this connection does not accept sign-ins that begin at the identity provider.")
	}
	if v.env.assertion == nil { // encrypted, and there is no key
		return v.env.unsigned(&v.decryption)
	}
	if v.out.ArtifactSigned {
		if r := v.clock().early("ArtifactResponse's IssueInstant", v.wrapped, ReasonNotYetValid); r != nil {
			return r
		}
	}
	issued, r := instant("The Response's IssueInstant", attr(root, "IssueInstant"))
	if r != nil || !v.out.ResponseSigned && !v.out.ArtifactSigned { // unsigned, it proves nothing about a clock
		return r
	}
	return v.clock().early("Response's IssueInstant", issued, ReasonNotYetValid)
}

// checkAssertion holds the verified assertion against the expectation and fills the outcome.
func (v *verification) checkAssertion(s signed, sub *subject) *Refusal {
	_, rawIssued, r := identify(s.assertion)
	if r != nil {
		return r
	}
	p, r := readParts(s.assertion)
	if r != nil {
		return r
	}
	if r := v.checkIssuer(p.issuer); r != nil {
		return r
	}
	v.out.Issuer = v.e.IdentityProvider.EntityID
	issued, r := instant("The Assertion's IssueInstant", rawIssued)
	if r != nil {
		return r
	}
	c := v.clock()
	if r := c.early("Assertion's IssueInstant", issued, ReasonNotYetValid); r != nil {
		return r
	}
	confirmed, r := sub.confirm(v.e, c)
	if r != nil {
		return r
	}
	until, r := s.checkConditions(v.e, c)
	if r != nil {
		return r
	}
	if confirmed.After(until) {
		until = confirmed
	}
	v.out.ReplayUntil = until.Add(MaxSkew)
	statement, r := s.authn(v.e, c)
	if r != nil {
		return r
	}
	v.out.AuthnInstant, v.out.SessionNotOnOrAfter = statement.instant, statement.sessionEnd
	v.out.SessionIndex, v.out.ContextClass = statement.sessionIndex, statement.class
	v.out.Attributes, r = s.attributes(&v.decryption)
	return r
}

// checkIssuer compares an Issuer octet by octet (Core section 2.2.5).
func (v *verification) checkIssuer(e *strictxml.Element) *Refusal {
	expected := v.e.IdentityProvider.EntityID
	issuer, r := textOf(e)
	if r != nil {
		return r
	}
	if v.out.Issuer == "" {
		v.out.Issuer = issuer
	}
	if format, has := e.Attr("Format"); has && format != formatEntity {
		return refuse(ReasonIssuer, "The issuer of %s has the format %s, not that of an entity.", e.Parent.Local, quote(format))
	}
	if issuer != expected || expected == "" {
		return refuse(ReasonIssuer, "The %s is issued by %s; this connection's identity provider is %s.", e.Parent.Local, quote(issuer), quote(expected))
	}
	return nil
}

// clock returns the instants to compare with.
func (v *verification) clock() clock {
	return clock{now: v.now, skew: v.e.skew(), issued: v.out.IssueInstant, asked: v.e.RequestedAt}
}

// tell fills in what is known at the time of a refusal.
func (v *verification) tell(r *Refusal) {
	r.Verified = v.verified && (r.Reason != ReasonStatus || v.out.ResponseSigned || v.out.ArtifactSigned)
	r.ResponseID, r.AssertionID = v.out.ResponseID, v.out.ID
	r.Issuer, r.InResponseTo = v.out.Issuer, v.out.InResponseTo
	if !v.verified {
		return
	}
	r.Subject = v.out.Subject.Value
	if r.Reason != ReasonClockSkew {
		r.Skew = v.out.Skew
	}
}

// short is the innermost code without the prefix that all have.
func (s *status) short() string { return strings.TrimPrefix(s.code, statusPrefix) }

// refusal tells that the identity provider refused.
func (s *status) refusal() *Refusal {
	code := s.short()
	r := refuse(ReasonStatus, "The identity provider refused: %s.", quote(code))
	if s.message != "" {
		r.Detail = "The identity provider refused: " + quote(code) + ", " + quote(s.message) + "."
	}
	r.StatusCode, r.StatusMessage = code, s.message
	return r
}

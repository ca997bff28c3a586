package saml

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// VerifyArtifactResponse checks the answer to an ArtifactResolve, a SOAP envelope, and the Response in
// it as Verify does, and gives what that asserts. The error is always a *Refusal.
//
// Something must be signed by a key of the identity provider: the ArtifactResponse, the Response or the
// Assertion. That the answer came from its address over TLS counts for nothing; an identity
// provider that answered with another one's Response was believed elsewhere (CVE-2026-49283).
func VerifyArtifactResponse(envelope []byte, asked ArtifactResolve, e Expectation, now time.Time) (*Assertion, error) {
	v := newVerification(&e, now)
	v.artifact = true
	return v.outcome(v.readResolved(envelope, asked))
}

// readResolved reads the envelope and the outline of the Response in it.
func (v *verification) readResolved(raw []byte, asked ArtifactResolve) *Refusal {
	if !asked.Artifact.Of(v.e.IdentityProvider.EntityID) {
		return foreignArtifact(v.e.IdentityProvider.EntityID)
	}
	limit := v.e.maxBytes()
	if len(raw) > limit {
		return refuse(ReasonTooLarge, "The message is %d bytes long; up to %d are accepted.", len(raw), limit)
	}
	root, err := strictxml.Parse(raw, strictxml.Limits{Bytes: limit})
	if err != nil {
		return syntaxRefusal(err)
	}
	answer, r := soapBody(root)
	if r != nil {
		return r
	}
	response, signature, r := v.readAnswer(answer, asked.ID)
	if r != nil {
		return r
	}
	if r := nothingBeside(root, response, signature); r != nil {
		return r
	}
	r = v.outline(response)
	v.env.around = signature
	return r
}

// soapBody returns the ArtifactResponse of a SOAP 1.1 envelope. Headers are passed over, but for those
// that say that they must not be.
func soapBody(root *strictxml.Element) (*strictxml.Element, *Refusal) {
	if !root.Is(nsSOAP, "Envelope") {
		return nil, refuse(ReasonMessage, "The message is %s, not a SOAP envelope.", named(root))
	}
	children, r := sequenceOf(root)
	if r != nil {
		return nil, r
	}
	if header := children.optional(nsSOAP, "Header"); header != nil {
		for block := range header.Elements() {
			if must, _ := block.AttrNS(nsSOAP, "mustUnderstand"); truth(must) {
				return nil, refuse(ReasonStructure, "The SOAP envelope has a header that must be understood and is not: %s.", named(block))
			}
		}
	}
	body, r := children.required(nsSOAP, "Body")
	if r != nil {
		return nil, r
	}
	if r := children.done(); r != nil {
		return nil, r
	}
	inside, r := sequenceOf(body)
	if r != nil {
		return nil, r
	}
	if fault := inside.optional(nsSOAP, "Fault"); fault != nil {
		return nil, faultRefusal(fault)
	}
	answer, r := inside.required(nsProtocol, "ArtifactResponse")
	if r != nil {
		return nil, r
	}
	return answer, inside.done()
}

// faultRefusal tells what a SOAP fault says.
func faultRefusal(fault *strictxml.Element) *Refusal {
	message := ""
	for e := range fault.Elements() {
		if e.Local == "faultstring" {
			message, _ = e.OnlyText()
		}
	}
	r := refuse(ReasonStatus, "The identity provider answered with a SOAP fault: %s.", quote(message))
	r.StatusCode, r.StatusMessage = "Fault", message
	return r
}

// readAnswer reads an ArtifactResponse (Core section 3.5.2) and returns the Response in it and its
// own signature, nil for none.
func (v *verification) readAnswer(answer *strictxml.Element, asked string) (response, signature *strictxml.Element, r *Refusal) {
	_, rawIssued, r := identify(answer)
	if r != nil {
		return nil, nil, r
	}
	if v.wrapped, r = instant("The ArtifactResponse's IssueInstant", rawIssued); r != nil {
		return nil, nil, r
	}
	if inResponseTo := attr(answer, "InResponseTo"); inResponseTo != asked || asked == "" {
		return nil, nil, refuse(ReasonInResponseTo, "The ArtifactResponse answers request %s; %s was sent.", quote(inResponseTo), quote(asked))
	}
	children, r := sequenceOf(answer)
	if r != nil {
		return nil, nil, r
	}
	if issuer := children.optional(nsAssertion, "Issuer"); issuer != nil {
		if r := v.checkIssuer(issuer); r != nil {
			return nil, nil, r
		}
	}
	signature = children.optional(nsSignature, "Signature")
	children.optional(nsProtocol, "Extensions")
	element, r := children.required(nsProtocol, "Status")
	if r != nil {
		return nil, nil, r
	}
	s, r := readStatus(element)
	if r != nil {
		return nil, nil, r
	}
	if !s.success {
		return nil, nil, s.refusal()
	}
	if children.next == nil {
		return nil, nil, refuse(ReasonArtifact, "The artifact stands for nothing at the identity provider: it was resolved already, or is too old.")
	}
	if response, r = children.required(nsProtocol, "Response"); r != nil {
		return nil, nil, r
	}
	return response, signature, children.done()
}

// nothingBeside refuses assertions and signatures in the envelope that are not the Response's or
// the ArtifactResponse's own: onlyOnes for what is around a Response.
func nothingBeside(root, response, signature *strictxml.Element) *Refusal {
	from, to := response.Extent()
	for e := range root.Descendants() {
		if start, end := e.Extent(); start >= from && end <= to {
			continue
		}
		switch {
		case e.Is(nsSignature, "Signature") && e != signature:
			return refuse(ReasonMisplacedSignature, "There is a Signature inside %s.", e.Parent.Local)
		case e.Is(nsAssertion, "Assertion"), e.Is(nsAssertion, "EncryptedAssertion"), e.Is(nsProtocol, "Response"):
			return nested(e)
		}
	}
	return nil
}

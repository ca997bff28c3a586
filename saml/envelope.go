package saml

import (
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// envelope is the outline of a Response (Core section 3.2.2), read before any signature is
// checked. From it signatures are found and the addressing is compared; nothing in it is an identity.
type envelope struct {
	root      *strictxml.Element
	issuer    *strictxml.Element // nil when absent
	signature *strictxml.Element // of the Response; nil when absent
	assertion *strictxml.Element // nil while encrypted, or when the status tells of a failure
	inner     *strictxml.Element // signature of the assertion; nil when absent
	sealed    *strictxml.Element // EncryptedAssertion; nil when absent
	around    *strictxml.Element // signature of the ArtifactResponse that root came in; nil when absent
	status    status
}

// status is what a Response says of the request (Core section 3.2.2.1).
type status struct {
	success bool
	code    string // the innermost
	message string
}

// readEnvelope checks the outline of a Response: its children in the schema's order, one
// assertion and no second one anywhere, and no signature but on those two.
func readEnvelope(root *strictxml.Element) (envelope, *Refusal) {
	env := envelope{root: root}
	if !root.Is(nsProtocol, "Response") {
		return env, refuse(ReasonNotAResponse, "The message is %s, not a SAML 2.0 Response.", named(root))
	}
	if r := onlyOnes(root); r != nil {
		return env, r
	}
	children, r := sequenceOf(root)
	if r != nil {
		return env, r
	}
	env.issuer = children.optional(nsAssertion, "Issuer")
	env.signature = children.optional(nsSignature, "Signature")
	children.optional(nsProtocol, "Extensions")
	statusElement, r := children.required(nsProtocol, "Status")
	if r != nil {
		return env, r
	}
	if env.status, r = readStatus(statusElement); r != nil {
		return env, r
	}
	env.assertion = children.optional(nsAssertion, "Assertion")
	if env.assertion == nil {
		env.sealed = children.optional(nsAssertion, "EncryptedAssertion")
	}
	if r := children.done(); r != nil {
		return env, r
	}
	if env.assertion == nil && env.sealed == nil && env.status.success {
		return env, refuse(ReasonStructure, "The Response has no Assertion.")
	}
	if env.assertion != nil {
		parts, r := readParts(env.assertion)
		if r != nil {
			return env, r
		}
		env.inner = parts.signature
	}
	return env, nil
}

// claimed is whom the message says that it is from, "" where it does not say. It proves nothing.
func (env *envelope) claimed() string {
	issuer := env.issuer
	if issuer == nil && env.assertion != nil {
		for e := range env.assertion.Elements() {
			if e.Is(nsAssertion, "Issuer") {
				issuer = e
			}
		}
	}
	if issuer == nil {
		return ""
	}
	text, err := issuer.OnlyText()
	if err != nil {
		return ""
	}
	return text
}

// onlyOnes refuses assertions and signatures in any place but their own, and more than one of each
// there. Every signature wrapping needs one: beside the Assertion, or below Extensions, Advice,
// Object, or another assertion. It comes before the outline so that its reason is told, and
// not that of an element which the schema does not have there.
func onlyOnes(root *strictxml.Element) *Refusal {
	var assertion, signature, inner *strictxml.Element
	for e := range root.Descendants() {
		switch {
		case e == root:
		case e.Is(nsAssertion, "Assertion"), e.Is(nsAssertion, "EncryptedAssertion"):
			if e.Parent != root {
				return nested(e)
			}
			if assertion != nil {
				return refuse(ReasonSecondAssertion, "A further %s is beside the %s; exactly one is expected, so that what is signed is what is read.", e.Local, assertion.Local)
			}
			assertion = e
		case e.Is(nsProtocol, "Response"):
			return nested(e)
		case e.Is(nsSignature, "Signature"):
			var place **strictxml.Element
			switch {
			case e.Parent == root:
				place = &signature
			case e.Parent == assertion && assertion.Local == "Assertion":
				place = &inner
			default:
				return refuse(ReasonMisplacedSignature, "There is a Signature inside %s; only Response and Assertion carry one.", e.Parent.Local)
			}
			if *place != nil {
				return refuse(ReasonMisplacedSignature, "%s has two Signatures; one is expected.", e.Parent.Local)
			}
			*place = e
		}
	}
	return nil
}

// onlyOne is onlyOnes for an assertion that was encrypted.
func onlyOne(assertion *strictxml.Element) *Refusal {
	var signature *strictxml.Element
	for e := range assertion.Descendants() {
		switch {
		case e == assertion:
		case e.Is(nsAssertion, "Assertion"), e.Is(nsAssertion, "EncryptedAssertion"), e.Is(nsProtocol, "Response"):
			return nested(e)
		case !e.Is(nsSignature, "Signature"):
		case e.Parent != assertion || signature != nil:
			return refuse(ReasonMisplacedSignature, "There is a Signature inside %s; the Assertion carries one and nothing else does.", e.Parent.Local)
		default:
			signature = e
		}
	}
	return nil
}

// nested refuses an element that may be at the top only.
func nested(e *strictxml.Element) *Refusal {
	return refuse(ReasonNestedAssertion, "A further %s is inside %s; exactly one is expected, at the top, so that what is signed is what is read.", e.Local, e.Parent.Local)
}

// readStatus reads Status: a StatusCode, inside which others may be, and a message.
func readStatus(e *strictxml.Element) (status, *Refusal) {
	var s status
	children, r := sequenceOf(e)
	if r != nil {
		return s, r
	}
	code, r := children.required(nsProtocol, "StatusCode")
	if r != nil {
		return s, r
	}
	s.code = attr(code, "Value")
	s.success = s.code == StatusSuccess
	for inner := code.First(); inner != nil && inner.Is(nsProtocol, "StatusCode"); inner = inner.First() {
		s.code = attr(inner, "Value")
	}
	if message := children.optional(nsProtocol, "StatusMessage"); message != nil {
		if s.message, r = textOf(message); r != nil {
			return s, r
		}
	}
	children.optional(nsProtocol, "StatusDetail")
	return s, children.done()
}

// parts are the children of an Assertion (Core section 2.3.3).
type parts struct {
	issuer, signature, subject, conditions *strictxml.Element // nil when absent; issuer is there
	statements                             *strictxml.Element // the first, nil when there is none
}

// readParts finds the children of an Assertion in the schema's order. It is used twice: to find the
// signature, and then on the verified element for everything else.
func readParts(assertion *strictxml.Element) (parts, *Refusal) {
	var p parts
	children, r := sequenceOf(assertion)
	if r != nil {
		return p, r
	}
	if p.issuer, r = children.required(nsAssertion, "Issuer"); r != nil {
		return p, r
	}
	p.signature = children.optional(nsSignature, "Signature")
	p.subject = children.optional(nsAssertion, "Subject")
	p.conditions = children.optional(nsAssertion, "Conditions")
	children.optional(nsAssertion, "Advice")
	p.statements = children.next
	for children.next != nil && children.next.Space == nsAssertion {
		switch children.next.Local {
		case "Statement", "AuthnStatement", "AuthzDecisionStatement", "AttributeStatement":
			children.next = children.next.Next()
			continue
		}
		break
	}
	return p, children.done()
}

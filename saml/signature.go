package saml

import (
	"crypto"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// signed is an assertion that a checked signature covers, by itself or with the Response or
// ArtifactResponse around it. Only coveredBy makes one, from what dsig.Verify returned, and everything that
// is read about a person is read through it.
type signed struct {
	assertion *strictxml.Element
}

// unsealed is an assertion that was encrypted, and the EncryptedAssertion that it came from.
type unsealed struct {
	holder, assertion *strictxml.Element
}

// coveredBy returns the assertion that v covers: the verified element, or the one child of the
// verified Response that is an assertion, or that was one before it was encrypted. The Response may be
// the one child of a verified ArtifactResponse.
func coveredBy(v dsig.Verified, u unsealed) (signed, bool) {
	e := v.Element()
	if e != nil && e.Is(nsProtocol, "ArtifactResponse") {
		e, _ = onlyChild(e, func(child *strictxml.Element) *strictxml.Element {
			if child.Is(nsProtocol, "Response") {
				return child
			}
			return nil
		})
	}
	switch {
	case e == nil:
		return signed{}, false
	case e.Is(nsAssertion, "Assertion"):
		return signed{e}, true
	case !e.Is(nsProtocol, "Response"):
		return signed{}, false
	}
	assertion, ok := onlyChild(e, func(child *strictxml.Element) *strictxml.Element {
		switch {
		case child.Is(nsAssertion, "Assertion"):
			return child
		case child == u.holder:
			return u.assertion
		}
		return nil
	})
	return signed{assertion}, ok
}

// onlyChild returns what pick gives for one child of e, when it gives nothing for all others.
func onlyChild(e *strictxml.Element, pick func(*strictxml.Element) *strictxml.Element) (*strictxml.Element, bool) {
	var found *strictxml.Element
	for child := range e.Elements() {
		picked := pick(child)
		switch {
		case picked == nil:
		case found != nil:
			return nil, false
		default:
			found = picked
		}
	}
	return found, found != nil
}

// signatures is the outcome of checking every signature of a message.
type signatures struct {
	artifact, response, assertion bool // which of them are signed
	sha1                          bool
	key                           int    // index of the key that signed nearest to the assertion
	signed                        signed // zero when there is no assertion

	sound bool // what was refused afterwards is covered by a good signature

	keys   []crypto.PublicKey
	policy dsig.Policy
	last   dsig.Verified // the innermost so far
}

// checkSignatures verifies the signatures that are there, from the outermost inwards, opens the
// assertion where it is encrypted, and then holds the policy against what was found.
func (env *envelope) checkSignatures(e *Expectation, d *decryption, now time.Time) (signatures, *Refusal) {
	s := signatures{policy: dsig.Policy{AllowSHA1: e.allowsSHA1(now)}}
	opens := env.sealed != nil && env.status.success && len(d.keys) > 0
	if env.around == nil && env.signature == nil && env.inner == nil && !opens {
		return s, env.unsigned(d)
	}
	s.keys = e.IdentityProvider.keys()
	var r *Refusal
	if s.artifact, r = s.check(env.around, e); r != nil {
		return s, r
	}
	if s.response, r = s.check(env.signature, e); r != nil {
		return s, r
	}
	d.unsigned = !s.artifact && !s.response
	if opens {
		if r := env.unseal(d); r != nil {
			s.sound = !d.unsigned
			return s, r
		}
	}
	if s.assertion, r = s.check(env.inner, e); r != nil {
		return s, r
	}
	if !s.artifact && !s.response && !s.assertion { // encrypted for us, by anybody who has our certificate
		return s, refuse(ReasonSignatureNone, "Neither the Response nor the Assertion inside the encryption is signed.")
	}
	d.unsigned = false
	if r := s.require(e.Require); r != nil || env.assertion == nil {
		return s, r
	}
	covered, ok := coveredBy(s.last, unsealed{env.sealed, env.assertion})
	if !ok {
		return s, refuse(ReasonSignature, "The signature covers no assertion.")
	}
	s.signed = covered
	return s, nil
}

// check verifies one signature, over the element that it is a child of; nil for none.
func (s *signatures) check(signature *strictxml.Element, e *Expectation) (bool, *Refusal) {
	if signature == nil {
		return false, nil
	}
	v, err := dsig.Verify(signature.Parent, s.keys, s.policy)
	if err != nil {
		return false, signatureRefusal(err, signature, e)
	}
	s.last, s.key, s.sha1 = v, v.Key(), s.sha1 || v.SHA1()
	return true, nil
}

// unseal opens the encrypted assertion and reads its outline as readEnvelope does that of others.
func (env *envelope) unseal(d *decryption) *Refusal {
	assertion, r := d.open(env.sealed, "assertion", "Assertion")
	if r != nil {
		return r
	}
	if r := onlyOne(assertion); r != nil {
		return r
	}
	p, r := readParts(assertion)
	if r != nil {
		return r
	}
	env.assertion, env.inner = assertion, p.signature
	return nil
}

// unsigned refuses a message without any signature, with the most useful words. An identity
// provider's refusal is often not signed; nobody gains anything by forging one.
func (env *envelope) unsigned(d *decryption) *Refusal {
	switch {
	case !env.status.success && env.assertion == nil && env.sealed == nil:
		return env.status.refusal()
	case env.sealed != nil && len(d.keys) == 0:
		_, r := d.open(env.sealed, "assertion", "Assertion")
		return r
	}
	return refuse(ReasonSignatureNone, "Neither the Response nor the Assertion is signed.")
}

// require holds the policy against the signatures that were good. What is around the Response covers
// it as its own signature does.
func (s *signatures) require(policy Signed) *Refusal {
	switch {
	case policy != SignedAny && !s.response && !s.artifact:
		return refuse(ReasonSignatureNone, "The Response is not signed, only the Assertion; this connection requires %s.", requirement(policy))
	case policy == SignedBoth && !s.assertion:
		return refuse(ReasonSignatureNone, "The Assertion is not signed, only the Response; this connection requires %s.", requirement(policy))
	}
	return nil
}

func requirement(policy Signed) string {
	if policy == SignedBoth {
		return "both signatures"
	}
	return "a signed Response"
}

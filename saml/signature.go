package saml

import (
	"errors"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// signed is an assertion that a checked signature covers, by itself or with the Response around
// it. Only coveredBy makes one, from what dsig.Verify returned, and everything that is
// read about a person is read through it.
type signed struct {
	assertion *strictxml.Element
}

// coveredBy returns the assertion that v covers: the verified element, or the one child of the
// verified Response that is an assertion.
func coveredBy(v dsig.Verified) (signed, bool) {
	e := v.Element()
	switch {
	case e == nil:
		return signed{}, false
	case e.Is(nsAssertion, "Assertion"):
		return signed{e}, true
	case !e.Is(nsProtocol, "Response"):
		return signed{}, false
	}
	var found signed
	for child := range e.Elements() {
		if !child.Is(nsAssertion, "Assertion") {
			continue
		}
		if found.assertion != nil {
			return signed{}, false
		}
		found.assertion = child
	}
	return found, found.assertion != nil
}

// signatures is the outcome of checking every signature of a message.
type signatures struct {
	response, assertion bool // which of them are signed
	sha1                bool
	key                 int    // index of the key that signed the assertion, or else the Response
	signed              signed // zero when there is no assertion
}

// checkSignatures verifies the signatures that are there and then holds the policy against them.
func (env *envelope) checkSignatures(e *Expectation) (signatures, *Refusal) {
	var s signatures
	if env.signature == nil && env.inner == nil {
		return s, env.unsigned()
	}
	keys, policy := e.IdentityProvider.keys(), dsig.Policy{AllowSHA1: e.AllowSHA1}
	var response, assertion dsig.Verified
	var err error
	if env.signature != nil {
		if response, err = dsig.Verify(env.root, keys, policy); err != nil {
			return s, signatureRefusal(err, env.signature, e)
		}
		s.response, s.key = true, response.Key()
	}
	if env.inner != nil {
		if assertion, err = dsig.Verify(env.assertion, keys, policy); err != nil {
			return s, signatureRefusal(err, env.inner, e)
		}
		s.assertion, s.key = true, assertion.Key()
	}
	s.sha1 = response.SHA1() || assertion.SHA1()
	if r := s.require(e.Require); r != nil || env.assertion == nil {
		return s, r
	}
	inner := assertion
	if !s.assertion {
		inner = response
	}
	covered, ok := coveredBy(inner)
	if !ok {
		return s, refuse(ReasonSignature, "The signature covers no assertion.")
	}
	s.signed = covered
	return s, nil
}

// unsigned refuses a message without any signature, with the most useful words. An identity
// provider's refusal is often not signed; nobody gains anything by forging one.
func (env *envelope) unsigned() *Refusal {
	switch {
	case !env.status.success && env.assertion == nil && !env.encrypted:
		return env.status.refusal()
	case env.encrypted:
		return env.encryptedRefusal()
	}
	return refuse(ReasonSignatureNone, "Neither the Response nor the Assertion is signed.")
}

func (env *envelope) encryptedRefusal() *Refusal {
	return refuse(ReasonEncrypted, "The assertion is encrypted, which this service provider cannot read. Turn assertion encryption off at the identity provider.")
}

// require holds the policy against the signatures that were good.
func (s *signatures) require(policy Signed) *Refusal {
	switch {
	case policy != SignedAny && !s.response:
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

// signatureRefusal puts an error of dsig into the words of this package.
func signatureRefusal(err error, signature *strictxml.Element, e *Expectation) *Refusal {
	var failed *dsig.Error
	if !errors.As(err, &failed) {
		return refuse(ReasonSignature, "The signature cannot be checked: %v.", err)
	}
	switch failed.Reason {
	case dsig.ReasonAlgorithm:
		return refuse(ReasonAlgorithm, "The signature uses an algorithm that is not accepted: %s.", failed.Detail)
	case dsig.ReasonNoKey:
		return refuse(ReasonUnknownKey, "No certificate of this connection has a key for this signature: %s.", failed.Detail)
	case dsig.ReasonReference:
		return refuse(ReasonReference, "The signature is not over exactly the %s that it is in: %s.", signature.Parent.Local, failed.Detail)
	case dsig.ReasonSignature:
		return mismatch(signature, e)
	}
	return refuse(ReasonSignature, "The signature is not valid: %s.", failed.Detail)
}

// mismatch explains a signature that none of the keys made. The certificate that the message carries
// proves nothing, but whether it is one of the connection's tells a key that was changed at the
// identity provider from a message that was.
func mismatch(signature *strictxml.Element, e *Expectation) *Refusal {
	for _, element := range signature.All(nsSignature, "X509Certificate") {
		text, err := element.OnlyText()
		if err != nil {
			continue
		}
		claimed, err := ParseCertificate([]byte(text))
		if err != nil {
			continue
		}
		fingerprint := claimed.Fingerprint()
		for _, known := range e.IdentityProvider.Certificates {
			if known.Fingerprint() == fingerprint {
				return refuse(ReasonSignature, "The message names a certificate of this connection, but that key did not make the signature.")
			}
		}
		return refuse(ReasonUnknownKey, "The message is signed with a key that is not this connection's. It names the certificate with SHA-256 fingerprint %s, subject %s.",
			fingerprint, quote(claimed.Subject))
	}
	return refuse(ReasonUnknownKey, "None of the connection's certificates belongs to the key that signed the message.")
}

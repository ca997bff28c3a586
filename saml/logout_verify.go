package saml

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// logoutVerification is one run of either, and what it has learnt so far.
type logoutVerification struct {
	verification
	destination string
	root        *strictxml.Element
	children    sequence // after Issuer, Signature and Extensions
	key         int
	sha1        bool
}

func newLogoutVerification(e *LogoutExpectation, now time.Time) *logoutVerification {
	return &logoutVerification{destination: e.Destination, verification: *newVerification(&Expectation{
		ServiceProvider: e.ServiceProvider, IdentityProvider: e.IdentityProvider, RequestID: e.RequestID,
		Skew: e.Skew, SHA1Until: e.SHA1Until, DecryptionKeys: e.DecryptionKeys, AllowCBC: e.AllowCBC, MaxBytes: maxInflated,
	}, now)}
}

// told makes the error.
func (v *logoutVerification) told(r *Refusal) error {
	if r == nil {
		return nil
	}
	v.tell(r)
	return r
}

// open reads a message of that name and checks what requests and answers have in common.
func (v *logoutVerification) open(m Message, local string) *Refusal {
	if m.IsResponse != (local == "LogoutResponse") {
		return refuse(ReasonMessage, "The message came in the place of another kind than a %s.", local)
	}
	root, err := strictxml.Parse(m.XML, strictxml.Limits{Bytes: maxInflated})
	if err != nil {
		return syntaxRefusal(err)
	}
	v.root = root
	if !root.Is(nsProtocol, local) {
		return refuse(ReasonMessage, "The message is %s, not a SAML 2.0 %s.", named(root), local)
	}
	var rawIssued string
	var r *Refusal
	if v.out.ResponseID, rawIssued, r = identify(root); r != nil {
		return r
	}
	v.out.InResponseTo = attr(root, "InResponseTo")
	issuer, signature, r := v.head()
	if r != nil {
		return r
	}
	if r := v.checkSignature(m, signature); r != nil {
		if r.Reason == ReasonUnknownKey {
			v.hearsay(r, issuer)
		}
		return r
	}
	v.verified = true
	if v.out.IssueInstant, r = instant("The "+local+"'s IssueInstant", rawIssued); r != nil {
		return r
	}
	v.out.Skew = v.out.IssueInstant.Sub(v.now)
	if destination := attr(root, "Destination"); destination != v.destination || destination == "" {
		return refuse(ReasonDestination, "The %s is for destination %s; this connection's is %s.", local, quote(destination), quote(v.destination))
	}
	if r := v.checkIssuer(issuer); r != nil {
		return r
	}
	return v.clock().early(local+"'s IssueInstant", v.out.IssueInstant, ReasonNotYetValid)
}

// hearsay notes whose a message says it is that a key has signed which nobody knows here, so that the caller can judge
// whether it may be worth looking for the key.
func (v *logoutVerification) hearsay(r *Refusal, issuer *strictxml.Element) {
	v.out.Issuer, _ = textOf(issuer)
	for e := range v.root.Descendants() {
		if index, bad := textOf(e); e.Is(nsProtocol, "SessionIndex") && e.Parent == v.root && bad == nil && len(r.SessionIndexes) < maxHearsay {
			r.SessionIndexes = append(r.SessionIndexes, index)
		}
	}
}

// maxHearsay is how many sessions of an unverified LogoutRequest are told.
const maxHearsay = 8

// head reads what every protocol message begins with (Core section 3.2), and refuses assertions and
// signatures in any other place.
func (v *logoutVerification) head() (issuer, signature *strictxml.Element, r *Refusal) {
	children, r := sequenceOf(v.root)
	if r != nil {
		return nil, nil, r
	}
	if issuer, r = children.required(nsAssertion, "Issuer"); r != nil {
		return nil, nil, r
	}
	signature = children.optional(nsSignature, "Signature")
	children.optional(nsProtocol, "Extensions")
	v.children = children
	for e := range v.root.Descendants() {
		switch {
		case e.Is(nsSignature, "Signature") && e != signature:
			return nil, nil, refuse(ReasonMisplacedSignature, "There is a Signature inside %s; only %s carries one.", e.Parent.Local, v.root.Local)
		case e.Is(nsAssertion, "Assertion"), e.Is(nsAssertion, "EncryptedAssertion"):
			return nil, nil, refuse(ReasonNestedAssertion, "There is an %s inside %s; a logout needs none.", e.Local, e.Parent.Local)
		}
	}
	return issuer, signature, nil
}

// checkSignature wants the signature of the binding: over the query, or inside the message. Redirected
// messages should have none inside (Bindings section 3.4.4.1); where there is one, it counts too.
func (v *logoutVerification) checkSignature(m Message, signature *strictxml.Element) *Refusal {
	keys, policy := v.e.IdentityProvider.keys(), dsig.Policy{AllowSHA1: v.e.allowsSHA1(v.now)}
	if signature == nil && m.query == nil {
		return refuse(ReasonSignatureNone, "The %s is not signed.", v.root.Local)
	}
	if signature != nil {
		verified, err := dsig.Verify(v.root, keys, policy)
		if err != nil {
			return signatureRefusal(err, signature, v.e)
		}
		v.key, v.sha1 = verified.Key(), verified.SHA1()
	}
	if m.query != nil {
		key, sha1, err := dsig.VerifyOctets(m.query.octets, m.query.value, m.query.method, keys, policy)
		if err != nil {
			return signatureRefusal(err, v.root, v.e)
		}
		v.key, v.sha1 = key, v.sha1 || sha1
	}
	v.decryption.unsigned = false
	return nil
}

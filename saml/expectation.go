package saml

import (
	"crypto"
	"time"
)

// MaxSkew is how far an identity provider's clock may differ from ours, ahead or behind. Exactly
// that much is accepted, a second more is not. A connection can lower it and none can raise it.
// Kantara SDP-G01 asks for three to five minutes.
const MaxSkew = 300 * time.Second

// DefaultMaxBytes bounds a message: the XML of a person with some thousands of groups.
const DefaultMaxBytes = 1 << 20

// Expectation is what a Response is held against: the connection on which it came, known
// from the address it was posted to and never from the message.
type Expectation struct {
	// ServiceProvider is us: EntityID is the audience, ACS the destination and recipient.
	ServiceProvider ServiceProvider
	// IdentityProvider is the other side: its EntityID and the keys in Certificates count.
	IdentityProvider IdentityProvider
	// RequestID is the ID of the pending AuthnRequest of this browser on this connection; "" when
	// there is none, and then a Response that answers any request is refused.
	RequestID string
	// RequestedAt is when that request was issued; zero when unknown. It decides nothing: an
	// assertion dated before its request shows that the identity provider's clock is slow.
	RequestedAt time.Time
	// AllowUnsolicited accepts Responses that answer no request (Profiles section 4.1.5)
	// while RequestID is "".
	AllowUnsolicited bool
	// Skew is how far clocks may differ; zero means MaxSkew, and more than MaxSkew means MaxSkew.
	Skew time.Duration
	// Require says which signatures must be there.
	Require Signed
	// SHA1Until is when rsa-sha1 and SHA-1 digests cease to be accepted; zero means that they never
	// are. Assertion.SHA1 tells when that mattered.
	SHA1Until time.Time
	// DecryptionKeys open what is encrypted: RSA keys, of which all are tried in this order. With
	// none, encrypted assertions are refused as such.
	DecryptionKeys []crypto.Decrypter
	// AllowCBC accepts AES-CBC beside AES-GCM, in a Response whose own signature was good and nowhere
	// else: CBC lets whoever carries a message change it unseen. Assertion.Encryption.CBC tells when
	// that mattered.
	AllowCBC bool
	// ForceAuthnAt is when a request with ForceAuthn was issued: the person must have proved
	// who they are since. Zero when it was not asked.
	ForceAuthnAt time.Time
	// Contexts are the authentication context classes that the request demanded; one of them must
	// come back. Empty when none was.
	Contexts []string
	// MaxBytes bounds the XML; zero means DefaultMaxBytes.
	MaxBytes int
}

// Signed says which parts of a message must carry a signature.
type Signed int

const (
	SignedAny      Signed = iota // the Response, the Assertion, or both
	SignedBoth                   // both, each by its own signature
	SignedResponse               // at least the Response
)

// String returns "any", "both" or "response".
func (s Signed) String() string {
	switch s {
	case SignedBoth:
		return "both"
	case SignedResponse:
		return "response"
	default:
		return "any"
	}
}

// skew is Skew within its bounds.
func (e *Expectation) skew() time.Duration {
	if e.Skew <= 0 || e.Skew > MaxSkew {
		return MaxSkew
	}
	return e.Skew
}

// allowsSHA1 reports whether SHA-1 is accepted at an instant.
func (e *Expectation) allowsSHA1(now time.Time) bool { return now.Before(e.SHA1Until) }

// maxBytes is MaxBytes with its default.
func (e *Expectation) maxBytes() int {
	if e.MaxBytes <= 0 {
		return DefaultMaxBytes
	}
	return e.MaxBytes
}

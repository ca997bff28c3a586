package saml

import (
	"crypto"
	"time"
)

// LogoutExpectation is what a logout message is held against: the connection on which it came, known
// from the address it was sent to and never from the message.
type LogoutExpectation struct {
	ServiceProvider  ServiceProvider  // EntityID counts
	IdentityProvider IdentityProvider // its EntityID and the keys in Certificates count
	Destination      string           // our single logout service, to which the message came
	// RequestID is the ID of our pending LogoutRequest, for VerifyLogoutResponse only.
	RequestID string
	// Skew, SHA1Until, DecryptionKeys and AllowCBC are as in Expectation. Encrypted is at most
	// the name identifier, and only a message whose signature was good is decrypted.
	Skew           time.Duration
	SHA1Until      time.Time
	DecryptionKeys []crypto.Decrypter
	AllowCBC       bool
}

// Logout is an identity provider's request to end sessions, verified. Only VerifyLogoutRequest makes one.
type Logout struct {
	// ID must be remembered until ReplayUntil, and a request that has it again refused.
	ID          string
	ReplayUntil time.Time
	Issuer      string
	// IssueInstant is what the message says; Skew is it minus the time of verification.
	IssueInstant time.Time
	Skew         time.Duration
	// NameID is whose sessions end: those at whose sign-in NameID.Same was the name, and no others,
	// whatever their index.
	NameID NameID
	// SessionIndexes are the sessions that end; none means all of that person's.
	SessionIndexes []string
	Reason         string // "" when not said
	Certificate    int    // index into IdentityProvider.Certificates of the key that signed
	SHA1           bool   // the signature was good only because of SHA1Until
	Encryption     Encryption
}

// LogoutOutcome is an identity provider's answer to our LogoutRequest, verified. Only
// VerifyLogoutResponse makes one.
type LogoutOutcome struct {
	ID, InResponseTo, Issuer string
	IssueInstant             time.Time
	// Success tells that the session at the identity provider is over; Partial that at some other
	// service it may not be.
	Success, Partial bool
	// StatusCode is the innermost code, without the common prefix; StatusMessage is its own text.
	StatusCode, StatusMessage string
	Certificate               int
	SHA1                      bool
	Skew                      time.Duration
}

// VerifyLogoutRequest checks a LogoutRequest (Profiles section 4.4.4.1): it is signed by a key of the
// identity provider, for our single logout service, and not over. The error is always a *Refusal.
//
// What is left to the caller: to refuse an ID seen before, to find the sessions, and to answer.
func VerifyLogoutRequest(m Message, e LogoutExpectation, now time.Time) (*Logout, error) {
	v := newLogoutVerification(&e, now)
	out, r := v.request(m)
	return out, v.told(r)
}

// VerifyLogoutResponse checks a LogoutResponse (Profiles section 4.4.4.2): it is signed by a key of
// the identity provider and answers our request. An answer that says no is not refused: see Success.
// The error is always a *Refusal.
func VerifyLogoutResponse(m Message, e LogoutExpectation, now time.Time) (*LogoutOutcome, error) {
	v := newLogoutVerification(&e, now)
	out, r := v.response(m)
	return out, v.told(r)
}

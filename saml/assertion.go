package saml

import "time"

// Assertion is what an identity provider has said about a person, verified. Only Verify makes one.
type Assertion struct {
	// ID and ResponseID name the two parts of the message. Both must be remembered until
	// ReplayUntil, and a message with either of them refused. ResponseID is covered by a
	// signature only when ResponseSigned.
	ID, ResponseID string
	// InResponseTo is the ID of the AuthnRequest that was answered, "" when there was none.
	InResponseTo string
	Issuer       string // the identity provider's entity ID
	IssueInstant time.Time
	// AuthnInstant is when the person proved who they are.
	AuthnInstant time.Time
	// SessionNotOnOrAfter is when the identity provider wants the session to end; zero when it did
	// not say.
	SessionNotOnOrAfter time.Time
	// ReplayUntil is the instant from which no setting accepts the message any more.
	ReplayUntil time.Time

	// Subject is the name identifier. HasSubject is false where the identity provider sent none
	// or an empty one, and names the person by an attribute.
	Subject    NameID
	HasSubject bool

	SessionIndex string // for single logout; "" when absent
	ContextClass string // how the person proved it (AuthnContextClassRef); "" when absent
	Attributes   []Attribute

	// Certificate is the index into IdentityProvider.Certificates of the key that signed the
	// assertion or, where that has no signature of its own, the response.
	Certificate                     int
	ResponseSigned, AssertionSigned bool
	// ArtifactSigned tells that the message around the Response was signed; by artifact only.
	ArtifactSigned bool
	// Encryption tells what the assertion, or else a part of it, was encrypted with.
	Encryption Encryption
	// SHA1 tells that a signature was good only because of Expectation.SHA1Until.
	SHA1 bool
	// Skew is IssueInstant minus the time of verification: by how much the identity provider's
	// clock is ahead, less the way of the message.
	Skew time.Duration
}

// Attribute is one Attribute element (Core section 2.7.3.1). Values are texts; values with
// elements inside are left out, for there is no one text that they mean.
type Attribute struct {
	Name, FriendlyName, NameFormat string
	Values                         []string
}

// Values returns the values of the attributes with that Name, those of repeated Attribute
// elements joined (Keycloak sends one per role). FriendlyName does not count (Kantara IIP-SP11).
// The second result is false when there is no such attribute; one without values is ([]string{}, true).
func (a *Assertion) Values(name string) ([]string, bool) {
	var values []string
	found := false
	for i := range a.Attributes {
		if a.Attributes[i].Name != name {
			continue
		}
		if !found {
			found = true
			values = make([]string, 0, len(a.Attributes[i].Values))
		}
		values = append(values, a.Attributes[i].Values...)
	}
	return values, found
}

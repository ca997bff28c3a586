package saml

import (
	"errors"
	"time"
)

// IdentityProvider is the other side of a connection.
type IdentityProvider struct {
	EntityID string
	// SSO are the single sign-on services for Redirect and POST, in the order of the metadata.
	SSO []Endpoint
	// Certificates hold the keys that may sign. Several are normal: one in use, one to come.
	Certificates []Certificate
	// WantAuthnRequestsSigned is what the identity provider asks for; this package cannot yet.
	WantAuthnRequestsSigned bool
	// ValidUntil is when the metadata itself expires; zero when it does not say.
	ValidUntil time.Time
	// Ignored names, in sentences, signing keys that ParseMetadata left out as unusable.
	Ignored []string
}

// Endpoint is a place of the identity provider.
type Endpoint struct {
	Binding, Location string
}

// Check tells whether sign-in can be enabled: there is an entity ID, a signing key, and a single
// sign-on service. Addresses must be https; allowInsecure accepts http as well, for tests on
// one machine. The error is a sentence.
func (idp IdentityProvider) Check(allowInsecure bool) error { return errors.New("not written yet") }

// Endpoint returns the first single sign-on service with that binding.
func (idp IdentityProvider) Endpoint(binding string) (Endpoint, bool) {
	for _, endpoint := range idp.SSO {
		if endpoint.Binding == binding {
			return endpoint, true
		}
	}
	return Endpoint{}, false
}

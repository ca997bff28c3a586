package saml

import (
	"crypto"
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

// Check tells whether sign-in can be enabled: there is an entity ID, a usable signing key, and a
// single sign-on service. Every address must be https; allowInsecure accepts http as well, for
// tests on one machine. The error is a sentence. Certificates that have expired are no obstacle.
func (idp IdentityProvider) Check(allowInsecure bool) error {
	if idp.EntityID == "" {
		return sentence("The identity provider's entity ID is missing.")
	}
	usable := false
	for _, certificate := range idp.Certificates {
		usable = usable || certificate.PublicKey() != nil
	}
	if !usable {
		return sentence("There is no signing certificate of the identity provider: nothing that it sends could be verified.")
	}
	services := 0
	for _, endpoint := range idp.SSO {
		if endpoint.Binding != BindingRedirect && endpoint.Binding != BindingPOST {
			continue
		}
		services++
		u, err := checkLocation(endpoint.Location)
		if err != nil {
			return err
		}
		if u.Scheme != "https" && !allowInsecure {
			return sentencef("The address %s is not https.", quote(endpoint.Location))
		}
	}
	if services == 0 {
		return sentence("The identity provider has no single sign-on service for the Redirect or POST binding.")
	}
	return nil
}

// Endpoint returns the first single sign-on service with that binding.
func (idp IdentityProvider) Endpoint(binding string) (Endpoint, bool) {
	for _, endpoint := range idp.SSO {
		if endpoint.Binding == binding {
			return endpoint, true
		}
	}
	return Endpoint{}, false
}

// keys returns one key per certificate, so that indexes agree; unusable ones are nil.
func (idp *IdentityProvider) keys() []crypto.PublicKey {
	keys := make([]crypto.PublicKey, len(idp.Certificates))
	for i := range idp.Certificates {
		keys[i] = idp.Certificates[i].PublicKey()
	}
	return keys
}

package saml

import (
	"crypto"
	"slices"
	"time"
)

// IdentityProvider is the other side of a connection.
type IdentityProvider struct {
	EntityID string
	// SSO are the single sign-on services for Redirect and POST, in the order of the metadata.
	SSO []Endpoint
	// Certificates hold the keys that may sign. Several are normal: one in use, one to come.
	Certificates []Certificate
	// WantAuthnRequestsSigned is what the identity provider asks for.
	WantAuthnRequestsSigned bool
	// SLO are the single logout services for Redirect and POST, in the order of the metadata; none when
	// the identity provider knows no single logout.
	SLO []Endpoint
	// ArtifactResolution are the services that resolve artifacts, by SOAP.
	ArtifactResolution []Endpoint
	// NameIDFormats are those that it says it can send.
	NameIDFormats []string
	// ValidUntil is when the metadata itself expires; zero when it does not say.
	ValidUntil time.Time
	// Ignored names, in sentences, signing keys that ParseMetadata left out as unusable.
	Ignored []string
}

// Endpoint is a place where messages are taken.
type Endpoint struct {
	Binding, Location string
	// ResponseLocation is where answers go if not to Location; for single logout only.
	ResponseLocation string
	// Index tells services of artifact resolution apart.
	Index uint16
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
		if err := checkSecure(endpoint.Location, allowInsecure); err != nil {
			return err
		}
	}
	if services == 0 {
		return sentence("The identity provider has no single sign-on service for the Redirect or POST binding.")
	}
	for _, endpoint := range slices.Concat(idp.SLO, idp.ArtifactResolution) {
		if err := checkSecure(endpoint.Location, allowInsecure); err != nil {
			return err
		}
		if endpoint.ResponseLocation == "" {
			continue
		}
		if err := checkSecure(endpoint.ResponseLocation, allowInsecure); err != nil {
			return err
		}
	}
	return nil
}

// checkSecure is checkLocation, and wants https.
func checkSecure(location string, allowInsecure bool) error {
	u, err := checkLocation(location)
	if err == nil && u.Scheme != "https" && !allowInsecure {
		return sentencef("The address %s is not https.", quote(location))
	}
	return err
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

// LogoutEndpoint returns the first single logout service with that binding; the second result is false
// when there is none.
func (idp IdentityProvider) LogoutEndpoint(binding string) (Endpoint, bool) {
	for _, endpoint := range idp.SLO {
		if endpoint.Binding == binding {
			return endpoint, true
		}
	}
	return Endpoint{}, false
}

// ForResponse is where answers go.
func (e Endpoint) ForResponse() string {
	if e.ResponseLocation != "" {
		return e.ResponseLocation
	}
	return e.Location
}

// keys returns one key per certificate, so that indexes agree; unusable ones are nil.
func (idp *IdentityProvider) keys() []crypto.PublicKey {
	keys := make([]crypto.PublicKey, len(idp.Certificates))
	for i := range idp.Certificates {
		keys[i] = idp.Certificates[i].PublicKey()
	}
	return keys
}

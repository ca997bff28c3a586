package saml

import (
	"errors"
	"time"
)

// AuthnRequest asks an identity provider to sign somebody in (Core section 3.4.1).
type AuthnRequest struct {
	ID           string // from NewID
	Issuer       string // our entity ID
	Destination  string // the Location of one of IdentityProvider.SSO
	ACS          string // ServiceProvider.ACS
	IssueInstant time.Time
	ForceAuthn   bool     // ask the person again even if they have a session
	NameIDFormat string   // "" leaves it to the identity provider
	Contexts     []string // authentication context classes, exact; empty demands none
}

// NewID returns a new identifier for a request: "_" and 160 random bits.
func NewID() string { return "" }

// XML returns the request, for the POST binding after base64.
func (r AuthnRequest) XML() []byte { return nil }

// RedirectURL returns the address that carries the request by the Redirect binding (Bindings
// section 3.4.4.1).
func (r AuthnRequest) RedirectURL(relayState string) (string, error) {
	return "", errors.New("not written yet")
}

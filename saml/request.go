package saml

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// AuthnRequest asks an identity provider to sign somebody in (Core section 3.4.1).
type AuthnRequest struct {
	ID           string // from NewID
	Issuer       string // our entity ID
	Destination  string // the Location of one of IdentityProvider.SSO
	ACS          string // ServiceProvider.ACS
	IssueInstant time.Time
	ForceAuthn   bool // ask the person again even if they have a session; see Expectation.ForceAuthnAt
	IsPassive    bool // ask the person nothing; the answer may be the status NoPassive
	// ProtocolBinding is how the Response shall come: BindingPOST, which "" stands for, or BindingArtifact.
	ProtocolBinding string
	// NameIDFormat and Contexts are left to the identity provider when empty, which is best:
	// Entra answers AADSTS75011 to those who signed in by other means than demanded.
	NameIDFormat string
	Contexts     []string // authentication context classes, of which one must be met exactly; see Expectation.Contexts
}

// NewID returns a new identifier for a request: "_" and 160 random bits in hexadecimal digits. An
// xs:ID must not begin with a digit, and Entra refuses those that do.
func NewID() string {
	var random [20]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return "_" + hex.EncodeToString(random[:])
}

// XML returns the request without a signature, for the POST binding after base64.
func (r AuthnRequest) XML() []byte {
	b := make([]byte, 0, 1024)
	b = append(b, "<samlp:AuthnRequest"...)
	b = appendAttr(b, "xmlns:samlp", nsProtocol)
	b = appendAttr(b, "xmlns:saml", nsAssertion)
	b = appendAttr(b, "AssertionConsumerServiceURL", r.ACS)
	b = appendAttr(b, "Destination", r.Destination)
	if r.ForceAuthn {
		b = appendAttr(b, "ForceAuthn", "true")
	}
	b = appendAttr(b, "ID", r.ID)
	if r.IsPassive {
		b = appendAttr(b, "IsPassive", "true")
	}
	b = appendAttr(b, "IssueInstant", formatInstant(r.IssueInstant))
	if r.ProtocolBinding == "" {
		r.ProtocolBinding = BindingPOST
	}
	b = appendAttr(b, "ProtocolBinding", r.ProtocolBinding)
	b = appendAttr(b, "Version", version)
	b = append(b, '>')
	b = appendElement(b, "saml:Issuer", r.Issuer)
	if r.NameIDFormat != "" {
		b = append(b, "<samlp:NameIDPolicy"...)
		b = appendAttr(b, "AllowCreate", "true")
		b = appendAttr(b, "Format", r.NameIDFormat)
		b = append(b, "></samlp:NameIDPolicy>"...)
	}
	if len(r.Contexts) > 0 {
		b = append(b, `<samlp:RequestedAuthnContext Comparison="exact">`...)
		for _, class := range r.Contexts {
			b = appendElement(b, "saml:AuthnContextClassRef", class)
		}
		b = append(b, "</samlp:RequestedAuthnContext>"...)
	}
	return append(b, "</samlp:AuthnRequest>"...)
}

// SignedXML returns the request with a signature inside, for the POST binding after base64. The error
// is a sentence.
func (r AuthnRequest) SignedXML(key SigningKey) ([]byte, error) {
	if err := checkSending(r.Destination, r.ID); err != nil {
		return nil, err
	}
	return key.signXML(r.XML())
}

// RedirectURL returns the address that carries the request by the Redirect binding (Bindings
// section 3.4.4.1): deflated, in base64, added to whatever query Destination has. relayState comes
// back with the Response, unprotected, and has at most 80 bytes; "" sends none. The error is a sentence.
func (r AuthnRequest) RedirectURL(relayState string) (string, error) {
	return redirect{parameter: "SAMLRequest", destination: r.Destination, id: r.ID, message: r.XML(), relayState: relayState}.url(nil)
}

// SignedRedirectURL is RedirectURL with a signature over the query.
func (r AuthnRequest) SignedRedirectURL(relayState string, key SigningKey) (string, error) {
	return redirect{parameter: "SAMLRequest", destination: r.Destination, id: r.ID, message: r.XML(), relayState: relayState}.url(&key)
}

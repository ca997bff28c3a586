package saml

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

// AuthnRequest asks an identity provider to sign somebody in (Core section 3.4.1).
type AuthnRequest struct {
	ID           string // from NewID
	Issuer       string // our entity ID
	Destination  string // the Location of one of IdentityProvider.SSO
	ACS          string // ServiceProvider.ACS
	IssueInstant time.Time
	ForceAuthn   bool // ask the person again even if they have a session
	// NameIDFormat and Contexts are left to the identity provider when empty, which is best:
	// Entra answers AADSTS75011 to those who signed in by other means than demanded.
	NameIDFormat string
	Contexts     []string // authentication context classes, of which one must be met exactly
}

// maxRelayState is the longest RelayState that the bindings carry (Bindings sections 3.4.3 and 3.5.3).
const maxRelayState = 80

// NewID returns a new identifier for a request: "_" and 160 random bits in hexadecimal digits. An
// xs:ID must not begin with a digit, and Entra refuses those that do.
func NewID() string {
	var random [20]byte
	rand.Read(random[:]) // never fails (crypto/rand)
	return "_" + hex.EncodeToString(random[:])
}

// XML returns the request, for the POST binding after base64.
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
	b = appendAttr(b, "IssueInstant", formatInstant(r.IssueInstant))
	b = appendAttr(b, "ProtocolBinding", BindingPOST)
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

// RedirectURL returns the address that carries the request by the Redirect binding (Bindings
// section 3.4.4.1): deflated, in base64, added to whatever query Destination has. relayState comes
// back with the Response, unprotected, and has at most 80 bytes; "" sends none. The error is a sentence.
func (r AuthnRequest) RedirectURL(relayState string) (string, error) {
	if _, err := checkLocation(r.Destination); err != nil {
		return "", err
	}
	if r.ID == "" || isDigit(r.ID[0]) {
		return "", sentencef("%s cannot be the ID of a request.", quote(r.ID))
	}
	if len(relayState) > maxRelayState {
		return "", sentencef("The relay state has %d bytes; %d is the most.", len(relayState), maxRelayState)
	}
	message := base64.StdEncoding.EncodeToString(deflate(r.XML()))
	var b strings.Builder
	b.WriteString(r.Destination)
	switch {
	case !strings.Contains(r.Destination, "?"):
		b.WriteByte('?')
	case !strings.HasSuffix(r.Destination, "?") && !strings.HasSuffix(r.Destination, "&"):
		b.WriteByte('&')
	}
	b.WriteString("SAMLRequest=")
	b.WriteString(url.QueryEscape(message))
	if relayState != "" {
		b.WriteString("&RelayState=")
		b.WriteString(url.QueryEscape(relayState))
	}
	return b.String(), nil
}

// deflate writes raw in DEFLATE form without header or checksum (RFC 1951), as stored blocks:
// every inflater reads them. Compressing would save some 300 bytes of an address and cost
// compress/flate more than a megabyte of memory, for a page that strangers can ask for.
func deflate(raw []byte) []byte {
	const most = 1<<16 - 1
	out := make([]byte, 0, len(raw)+5*(len(raw)/most+1))
	for {
		block := raw[:min(len(raw), most)]
		raw = raw[len(block):]
		final := byte(0)
		if len(raw) == 0 {
			final = 1
		}
		size := uint16(len(block))
		out = append(out, final)
		out = binary.LittleEndian.AppendUint16(out, size)
		out = binary.LittleEndian.AppendUint16(out, ^size)
		out = append(out, block...)
		if final == 1 {
			return out
		}
	}
}

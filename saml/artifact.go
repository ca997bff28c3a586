package saml

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"
)

// Artifact stands for a Response that the identity provider keeps until it is asked for it (Bindings
// section 3.6.4). It comes in the parameter SAMLart, by a redirect or a form. Whoever holds one can
// resolve it once, so it is as secret as a password that is used once.
type Artifact struct {
	Index    uint16   // of the service that resolves it
	SourceID [20]byte // says whose it is
	handle   [20]byte
}

// ParseArtifact reads an artifact of type 0x0004, the only one that SAML 2.0 has. The error is a *Refusal.
func ParseArtifact(text string) (Artifact, error) {
	var a Artifact
	raw, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != 44 || strings.ContainsAny(text, "\r\n") {
		return a, refuse(ReasonMalformed, "The artifact is not one of SAML 2.0: it must be 44 bytes in base64.")
	}
	if kind := binary.BigEndian.Uint16(raw); kind != 4 {
		return a, refuse(ReasonMalformed, "The artifact is of type %#04x; 0x0004 is expected.", kind)
	}
	a.Index = binary.BigEndian.Uint16(raw[2:])
	copy(a.SourceID[:], raw[4:])
	copy(a.handle[:], raw[24:])
	return a, nil
}

// String returns the artifact as it came.
func (a Artifact) String() string {
	raw := binary.BigEndian.AppendUint16([]byte{0, 4}, a.Index)
	raw = append(append(raw, a.SourceID[:]...), a.handle[:]...)
	return base64.StdEncoding.EncodeToString(raw)
}

// Of reports whether the artifact is that entity's: SourceID is the SHA-1 of its entity ID. That finds
// the owner and proves nothing.
func (a Artifact) Of(entityID string) bool { return a.SourceID == sha1.Sum([]byte(entityID)) }

// Resolver returns the service of the identity provider that resolves the artifact. There is none for
// the artifact of another one, whatever that says of itself: the connection is known from the
// address to which the artifact came. The error is a *Refusal.
func (idp IdentityProvider) Resolver(a Artifact) (Endpoint, error) {
	if !a.Of(idp.EntityID) {
		return Endpoint{}, foreignArtifact(idp.EntityID)
	}
	for _, endpoint := range idp.ArtifactResolution {
		if endpoint.Binding == BindingSOAP && endpoint.Index == a.Index {
			return endpoint, nil
		}
	}
	return Endpoint{}, refuse(ReasonArtifact, "The artifact is to be resolved at the service with index %d, which is not in the identity provider's metadata.", a.Index)
}

func foreignArtifact(entityID string) *Refusal {
	return refuse(ReasonArtifact, "The artifact is not of this connection's identity provider, %s.", quote(entityID))
}

// What an HTTP POST of ArtifactResolve.SignedEnvelope needs (Bindings section 3.2.3).
const (
	SOAPType   = "text/xml; charset=utf-8"
	SOAPAction = "http://www.oasis-open.org/committees/security" // header of that name
)

// ArtifactResolve asks for what an artifact stands for (Core section 3.5.1).
type ArtifactResolve struct {
	ID           string // from NewID
	Issuer       string // our entity ID
	Destination  string // from IdentityProvider.Resolver
	IssueInstant time.Time
	Artifact     Artifact
}

// SignedEnvelope returns the request, signed, in the SOAP envelope that is posted to Destination. The
// answer is for VerifyArtifactResponse. The error is a sentence.
func (r ArtifactResolve) SignedEnvelope(key SigningKey) ([]byte, error) {
	if err := checkSending(r.Destination, r.ID); err != nil {
		return nil, err
	}
	b := make([]byte, 0, 1024)
	b = append(b, "<samlp:ArtifactResolve"...)
	b = appendAttr(b, "xmlns:samlp", nsProtocol)
	b = appendAttr(b, "xmlns:saml", nsAssertion)
	b = appendAttr(b, "Destination", r.Destination)
	b = appendAttr(b, "ID", r.ID)
	b = appendAttr(b, "IssueInstant", formatInstant(r.IssueInstant))
	b = appendAttr(b, "Version", version)
	b = append(b, '>')
	b = appendElement(b, "saml:Issuer", r.Issuer)
	b = appendElement(b, "samlp:Artifact", r.Artifact.String())
	signed, err := key.signXML(append(b, "</samlp:ArtifactResolve>"...))
	if err != nil {
		return nil, err
	}
	b = append(b[:0:0], `<soap:Envelope xmlns:soap="`+nsSOAP+`"><soap:Body>`...)
	b = append(b, signed...)
	return append(b, "</soap:Body></soap:Envelope>"...), nil
}

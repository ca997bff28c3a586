package samltest

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Artifact returns a new artifact of the identity provider, to be resolved at the service with that index.
func (idp *IdP) Artifact(index uint16) string {
	source := sha1.Sum([]byte(idp.EntityID))
	raw := binary.BigEndian.AppendUint16([]byte{0, 4}, index)
	raw = append(raw, source[:]...)
	raw = append(raw, make([]byte, 20)...)
	rand.Read(raw[24:])
	return base64.StdEncoding.EncodeToString(raw)
}

// ArtifactResponse is the answer to an ArtifactResolve, about to be written.
type ArtifactResponse struct {
	Version, ID, InResponseTo, IssueInstant, Issuer string
	Header                                          string // XML inside soap:Header; "" for no header
	Extensions                                      string // XML
	StatusCodes                                     []string
	Message                                         []byte // the Response, signed or not; nil for none
	Trailer                                         string // XML after it
	Signed                                          bool
	Signing                                         Signing
}

// ArtifactResponse returns an answer that is right in every way and not signed, around a Response.
func (idp *IdP) ArtifactResponse(resolveID string, response []byte, now time.Time) *ArtifactResponse {
	return &ArtifactResponse{Version: "2.0", ID: saml.NewID(), InResponseTo: resolveID, IssueInstant: Instant(now), Issuer: idp.EntityID,
		StatusCodes: []string{Success}, Message: response}
}

// Envelope writes the answer in its SOAP envelope.
func (idp *IdP) Envelope(a *ArtifactResponse) []byte {
	w := &writer{protocol: "samlp:", assertion: "saml:"}
	w.WriteString(`<?xml version="1.0" encoding="UTF-8"?>`)
	w.open("soap:Envelope", "xmlns:soap", "http://schemas.xmlsoap.org/soap/envelope/")
	if a.Header != "" {
		w.open("soap:Header")
		w.WriteString(a.Header)
		w.close("soap:Header")
	}
	w.open("soap:Body")
	w.open("samlp:ArtifactResponse", "xmlns:samlp", nsProtocol, "xmlns:saml", nsAssertion, "ID", a.ID, "InResponseTo", a.InResponseTo,
		"IssueInstant", a.IssueInstant, "Version", a.Version)
	if a.Issuer != "" {
		w.text("saml:Issuer", a.Issuer)
	}
	if a.Extensions != "" {
		w.open("samlp:Extensions")
		w.WriteString(a.Extensions)
		w.close("samlp:Extensions")
	}
	w.status(a.StatusCodes, "")
	message := string(a.Message)
	if strings.HasPrefix(message, "<?xml") {
		_, message, _ = strings.Cut(message, "?>")
	}
	w.WriteString(message + a.Trailer)
	w.close("samlp:ArtifactResponse")
	w.close("soap:Body")
	w.close("soap:Envelope")
	doc := []byte(w.String())
	if a.Signed {
		doc = SignElement(doc, a.ID, idp.signing(a.Signing))
	}
	return doc
}

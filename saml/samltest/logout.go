package samltest

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Logout is a LogoutRequest about to be written, or a LogoutResponse when it has StatusCodes. What is
// empty is left out; what is not is written as it is, right or wrong.
type Logout struct {
	Version, ID, InResponseTo, IssueInstant, NotOnOrAfter, Destination, Reason string
	Issuer                                                                     string
	Extensions                                                                 string       // XML
	NameID                                                                     *saml.NameID // nil for none
	Encryption                                                                 *Encryption  // of the NameID; nil for none
	SessionIndexes                                                             []string
	StatusCodes                                                                []string // outermost first
	StatusMessage                                                              string
	Trailer                                                                    string // XML at the end
	Signing                                                                    Signing
}

// LogoutRequest returns a request that is right in every way: to end all sessions of that person at the
// service provider whose single logout service is at destination.
func (idp *IdP) LogoutRequest(destination string, name saml.NameID, now time.Time) *Logout {
	return &Logout{Version: "2.0", ID: saml.NewID(), IssueInstant: Instant(now), NotOnOrAfter: Instant(now.Add(5 * time.Minute)),
		Destination: destination, Issuer: idp.EntityID, NameID: &name}
}

// LogoutResponse returns an answer that is right in every way, and says that all sessions have ended.
func (idp *IdP) LogoutResponse(destination, requestID string, now time.Time) *Logout {
	return &Logout{Version: "2.0", ID: saml.NewID(), InResponseTo: requestID, IssueInstant: Instant(now), Destination: destination,
		Issuer: idp.EntityID, StatusCodes: []string{Success}}
}

// Unsigned returns the message without any signature.
func (l *Logout) Unsigned() []byte {
	w := &writer{protocol: "samlp:", assertion: "saml:"}
	name := "samlp:LogoutRequest"
	if len(l.StatusCodes) > 0 {
		name = "samlp:LogoutResponse"
	}
	w.open(name, "xmlns:samlp", nsProtocol, "xmlns:saml", nsAssertion, "Destination", l.Destination, "ID", l.ID, "InResponseTo", l.InResponseTo,
		"IssueInstant", l.IssueInstant, "NotOnOrAfter", l.NotOnOrAfter, "Reason", l.Reason, "Version", l.Version)
	if l.Issuer != "" {
		w.text("saml:Issuer", l.Issuer)
	}
	if l.Extensions != "" {
		w.open("samlp:Extensions")
		w.WriteString(l.Extensions)
		w.close("samlp:Extensions")
	}
	if l.NameID != nil {
		name := &writer{}
		name.nameID("saml:NameID", l.NameID)
		if l.Encryption != nil {
			w.WriteString(Seal(name.String(), "EncryptedID", *l.Encryption))
		} else {
			w.WriteString(name.String())
		}
	}
	for _, index := range l.SessionIndexes {
		w.text("samlp:SessionIndex", index)
	}
	w.status(l.StatusCodes, l.StatusMessage)
	w.WriteString(l.Trailer)
	w.close(name)
	return []byte(w.String())
}

// SignLogout writes a message for the POST binding, signed inside.
func (idp *IdP) SignLogout(l *Logout) []byte {
	return SignElement(l.Unsigned(), l.ID, idp.signing(l.Signing))
}

// RedirectLogout writes a message for the Redirect binding and returns the query, signed.
func (idp *IdP) RedirectLogout(l *Logout, relayState string) string {
	parameter := "SAMLRequest"
	if len(l.StatusCodes) > 0 {
		parameter = "SAMLResponse"
	}
	return idp.Redirect(parameter, Deflate(l.Unsigned()), relayState, l.Signing, false)
}

// Redirect returns a signed query of the Redirect binding. Escapes are in lower case on request, as
// ADFS writes them.
func (idp *IdP) Redirect(parameter string, deflated []byte, relayState string, s Signing, lowerCase bool) string {
	s = idp.signing(s)
	escape := url.QueryEscape
	if lowerCase {
		escape = func(text string) string {
			return escaped.ReplaceAllStringFunc(url.QueryEscape(text), strings.ToLower)
		}
	}
	query := parameter + "=" + escape(base64.StdEncoding.EncodeToString(deflated))
	if relayState != "" {
		query += "&RelayState=" + escape(relayState)
	}
	query += "&SigAlg=" + escape(s.method())
	value, err := s.sign(digestOf(s.method(), []byte(query)))
	must(err, "sign a query")
	return query + "&Signature=" + escape(base64.StdEncoding.EncodeToString(value))
}

var escaped = regexp.MustCompile(`%[0-9A-F]{2}`)

// Deflate compresses a message as the Redirect binding does.
func Deflate(message []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	must(err, "deflate")
	_, err = w.Write(message)
	must(err, "deflate")
	must(w.Close(), "deflate")
	return b.Bytes()
}

// signing fills in the key.
func (idp *IdP) signing(s Signing) Signing {
	if s.Key == nil {
		s.Key = idp.Keys[0]
	}
	s.NoPrefixList = true
	return s
}

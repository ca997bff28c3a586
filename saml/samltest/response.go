package samltest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Response is a Response about to be written. Empty strings leave the attribute or element out; what
// is not empty is written as it is, right or wrong. Instants are texts for the same
// reason: see Instant.
type Response struct {
	Style                                                Style
	Version, ID, InResponseTo, IssueInstant, Destination string
	Issuer, IssuerFormat                                 string
	Extensions                                           string   // XML
	StatusCodes                                          []string // outermost first
	StatusMessage                                        string
	Assertion                                            *Assertion  // nil for none
	Encryption                                           *Encryption // of the assertion, after it was signed; nil for none
	Trailer                                              string      // XML after the assertion
	Signing                                              Signing
}

// Style is the handwriting of an identity provider: prefixes and where namespaces are declared.
type Style int

const (
	Okta  Style = iota // saml2p and saml2, xs declared at the top and in PrefixList
	Entra              // samlp, and assertions in a default namespace
)

// Assertion is the assertion of a Response.
type Assertion struct {
	Version, ID, IssueInstant string
	Issuer, IssuerFormat      string
	NoSubject                 bool
	NameID                    *saml.NameID // nil for none
	NameIDEncryption          *Encryption  // of the NameID; nil for none
	Confirmations             []Confirmation
	NoConditions              bool
	NotBefore, NotOnOrAfter   string
	Audiences                 [][]string // one list for each AudienceRestriction
	Conditions                string     // XML after the restrictions
	Advice                    string     // XML
	Authn                     []Authn
	Attributes                []saml.Attribute
	AttributeEncryption       *Encryption // of each Attribute; nil for none
	Trailer                   string      // XML at the end
}

// Confirmation is a SubjectConfirmation. NoData leaves out SubjectConfirmationData.
type Confirmation struct {
	Method, Recipient, NotBefore, NotOnOrAfter, InResponseTo string
	NoData                                                   bool
}

// Bearer is the method of a bearer confirmation.
const Bearer = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

// Success is the status of a sign-in.
const Success = "urn:oasis:names:tc:SAML:2.0:status:Success"

// Authn is an AuthnStatement.
type Authn struct {
	AuthnInstant, SessionIndex, SessionNotOnOrAfter, Class string
}

// Instant writes an instant as identity providers do.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Response returns a Response that is right in every way: for sp, in answer to requestID or
// unsolicited when that is "", issued now and good for five minutes, about alice@corp.example,
// with attributes and two groups, and with the assertion to be signed.
func (idp *IdP) Response(sp saml.ServiceProvider, requestID string, now time.Time) *Response {
	until := Instant(now.Add(5 * time.Minute))
	return &Response{
		Version: "2.0", ID: saml.NewID(), InResponseTo: requestID, IssueInstant: Instant(now), Destination: sp.ACS,
		Issuer:      idp.EntityID,
		StatusCodes: []string{Success},
		Assertion: &Assertion{
			Version: "2.0", ID: saml.NewID(), IssueInstant: Instant(now), Issuer: idp.EntityID,
			NameID: &saml.NameID{Value: "alice@corp.example", Format: saml.FormatEmail},
			Confirmations: []Confirmation{{
				Method: Bearer, Recipient: sp.ACS, NotOnOrAfter: until, InResponseTo: requestID,
			}},
			NotBefore: Instant(now.Add(-5 * time.Minute)), NotOnOrAfter: until,
			Audiences: [][]string{{sp.EntityID}},
			Authn: []Authn{{
				AuthnInstant: Instant(now.Add(-10 * time.Second)), SessionIndex: saml.NewID(),
				Class: "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
			}},
			Attributes: []saml.Attribute{
				{Name: "email", Values: []string{"alice@corp.example"}},
				{Name: "firstName", Values: []string{"Alice"}},
				{Name: "lastName", Values: []string{"Adams"}},
				{Name: "groups", Values: []string{"Engineering", "Research & Development"}},
			},
		},
		Signing: Signing{Assertion: true},
	}
}

package idpsim

import (
	"fmt"
	"slices"
	"time"
)

// Fault is what goes wrong with the next response of an IdP. It is used once.
type Fault string

// The faults. All but FaultNone, FaultClockAhead4m and AttackManyValues must be refused.
const (
	FaultNone           Fault = "none"
	FaultExpired        Fault = "expired"           // made two days ago and delivered only now
	FaultWrongAudience  Fault = "wrong_audience"    // meant for another application
	FaultWrongRecipient Fault = "wrong_recipient"   // the confirmation names another ACS
	FaultWrongIssuer    Fault = "wrong_issuer"      // another organisation at the same vendor
	FaultUnsigned       Fault = "unsigned"          // no signature at all
	FaultWrongKey       Fault = "wrong_key"         // another key; its certificate, alike but for the key, is in KeyInfo
	FaultClockAhead7m   Fault = "clock_ahead_7m"    // the IdP's clock is seven minutes ahead
	FaultClockAhead4m   Fault = "clock_ahead_4m"    // four minutes, which must work
	FaultReplay         Fault = "replay"            // the response before, once more
	FaultWrapped        Fault = "wrapped"           // a forged assertion in front of the signed one (XSW3)
	FaultWrappedAround  Fault = "wrapped_around"    // a forged assertion around the signed one (XSW4)
	FaultDTD            Fault = "dtd"               // a document type declaration
	FaultComment        Fault = "comment_in_nameid" // a comment cuts somebody else's address out of a signed NameID
	FaultNoConditions   Fault = "no_conditions"     // neither lifetime nor audience
	FaultOtherRequest   Fault = "other_request"     // an answer to a request that nobody made
	FaultDenied         Fault = "denied"            // the IdP says no: a status and no assertion
)

type faultInfo struct {
	Fault Fault  `json:"fault"`
	Title string `json:"title"`
	Works bool   `json:"works"` // the application should let the person in
	// Attack is its number in the catalogue of attacks, "" for none.
	Attack string `json:"attack,omitempty"`
}

// faults lists them in the order in which pages offer them.
var faults = numbered([]faultInfo{
	{Fault: FaultNone, Title: "Nothing, a good response", Works: true},
	{Fault: FaultExpired, Title: "Expired: made two days ago", Works: false},
	{Fault: FaultClockAhead7m, Title: "The IdP's clock is 7 minutes ahead", Works: false},
	{Fault: FaultClockAhead4m, Title: "The IdP's clock is 4 minutes ahead", Works: true},
	{Fault: FaultReplay, Title: "Replay: the response before, once more", Works: false},
	{Fault: FaultWrongAudience, Title: "Wrong audience", Works: false},
	{Fault: FaultWrongRecipient, Title: "Wrong recipient", Works: false},
	{Fault: FaultWrongIssuer, Title: "Wrong issuer", Works: false},
	{Fault: FaultOtherRequest, Title: "Answers a request that nobody made", Works: false},
	{Fault: FaultNoConditions, Title: "No conditions", Works: false},
	{Fault: FaultUnsigned, Title: "Unsigned", Works: false},
	{Fault: FaultWrongKey, Title: "Signed with another key", Works: false},
	{Fault: FaultWrapped, Title: "Signature wrapping: a forged assertion comes first", Works: false},
	{Fault: FaultWrappedAround, Title: "Signature wrapping: a forged assertion encloses the signed one", Works: false},
	{Fault: FaultComment, Title: "A comment inside the NameID", Works: false},
	{Fault: FaultDTD, Title: "A document type declaration", Works: false},
	{Fault: FaultDenied, Title: "The IdP says no", Works: false},
	{Fault: AttackXSW1, Title: "Signature wrapping: the signed response inside its own signature", Works: false},
	{Fault: AttackXSW2, Title: "Signature wrapping: the signed response before its signature", Works: false},
	{Fault: AttackXSW5, Title: "Signature wrapping: the forged assertion has the signature", Works: false},
	{Fault: AttackXSW6, Title: "Signature wrapping: the signed assertion inside the signature", Works: false},
	{Fault: AttackXSW7, Title: "Signature wrapping: a forged assertion in Extensions", Works: false},
	{Fault: AttackXSW8, Title: "Signature wrapping: the signed assertion in an Object", Works: false},
	{Fault: AttackWrappedStatus, Title: "Signature wrapping: the signed assertion in StatusDetail", Works: false},
	{Fault: AttackWrappedAdvice, Title: "Signature wrapping: the signed assertion in Advice", Works: false},
	{Fault: AttackMovedSignature, Title: "The assertion's signature stands in the response", Works: false},
	{Fault: AttackChanged, Title: "The name changed after signing", Works: false},
	{Fault: AttackCommentAdded, Title: "A comment lengthens the NameID", Works: false},
	{Fault: AttackInstruction, Title: "A processing instruction in the NameID", Works: false},
	{Fault: AttackDoctypeQuotes, Title: "A document type with quotes", Works: false},
	{Fault: AttackCDATA, Title: "The NameID as a CDATA section", Works: false},
	{Fault: AttackRelativeNamespace, Title: "A relative namespace", Works: false},
	{Fault: AttackEmptyDigest, Title: "A digest of nothing", Works: false},
	{Fault: AttackOtherID, Title: "A second ID of another namespace", Works: false},
	{Fault: AttackSameID, Title: "One ID on response and assertion", Works: false},
	{Fault: AttackAttlist, Title: "A document type makes an attribute an ID", Works: false},
	{Fault: AttackColons, Title: "A name with two colons", Works: false},
	{Fault: AttackTwoReferences, Title: "Two references in the signature", Works: false},
	{Fault: AttackTwoSignedInfos, Title: "Two SignedInfo in the signature", Works: false},
	{Fault: AttackCommentInDigest, Title: "A comment in the digest", Works: false},
	{Fault: AttackEntity, Title: "An external entity", Works: false},
	{Fault: AttackLaughs, Title: "Entities of entities", Works: false},
	{Fault: AttackDeep, Title: "3,000 elements within each other", Works: false},
	{Fault: AttackWide, Title: "21,000 elements side by side", Works: false},
	{Fault: AttackBogus, Title: "1,200 attributes and a bogus signature", Works: false},
	{Fault: AttackManyValues, Title: "2,000 values in an attribute", Works: true},
	{Fault: AttackDeflated, Title: "Compressed", Works: false},
	{Fault: AttackHMAC, Title: "An HMAC with the public key", Works: false},
	{Fault: AttackSHA1, Title: "Signed with SHA-1", Works: false},
	{Fault: AttackSHA1Digest, Title: "A digest with SHA-1", Works: false},
	{Fault: AttackXSLT, Title: "A transform by XSLT", Works: false},
	{Fault: AttackExternalReference, Title: "The signature is over another address", Works: false},
	{Fault: AttackWholeDocument, Title: "The signature is over the whole document", Works: false},
	{Fault: AttackNoRequestOutside, Title: "The response names no request, the assertion does", Works: false},
	{Fault: AttackNoRequestInside, Title: "The assertion names no request, the response does", Works: false},
	{Fault: AttackNoAudience, Title: "No audience", Works: false},
	{Fault: AttackNoConfirmation, Title: "No subject confirmation", Works: false},
	{Fault: AttackDeniedMarkup, Title: "The IdP says no, in markup", Works: false},
})

// numbered gives each fault its number in the catalogue.
func numbered(list []faultInfo) []faultInfo {
	for i := range list {
		list[i].Attack = attacks[list[i].Fault].number
	}
	return list
}

// Attack is the fault's number in the catalogue of attacks, "" for none.
func (f Fault) Attack() string { return f.info().Attack }

// Faults lists every fault by name, FaultNone first.
func Faults() []Fault {
	out := make([]Fault, 0, len(faults))
	for _, f := range faults {
		out = append(out, f.Fault)
	}
	return out
}

// info is the fault's line in the table; an unknown one has only its name.
func (f Fault) info() faultInfo {
	if i := slices.IndexFunc(faults, func(i faultInfo) bool { return i.Fault == f }); i >= 0 {
		return faults[i]
	}
	return faultInfo{Fault: f, Title: string(f)}
}

// Works says whether the application should let the person in all the same.
func (f Fault) Works() bool { return f.info().Works }

// Title is the fault for people.
func (f Fault) Title() string { return f.info().Title }

// shift is how far the response's times are from now.
func (f Fault) shift() time.Duration {
	switch f {
	case FaultExpired:
		return -48 * time.Hour // beyond the hour that Entra's live, and what a clock could be off
	case FaultClockAhead7m:
		return 7 * time.Minute
	case FaultClockAhead4m:
		return 4 * time.Minute
	}
	return 0
}

// SetSAMLFault arms a fault for the next response; FaultNone disarms. A replay needs a response
// to repeat.
func (p *IdP) SetSAMLFault(f Fault) error {
	if !slices.Contains(Faults(), f) {
		return fmt.Errorf("%w: fault %q; the faults are %v", ErrInvalid, f, Faults())
	}
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	if f == FaultReplay && p.saml.good == nil {
		return fmt.Errorf("%w: there is no response to replay yet, sign in once before", ErrInvalid)
	}
	p.saml.fault = f
	return nil
}

// SAMLFault is the fault that the next response will have.
func (p *IdP) SAMLFault() Fault {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	return p.saml.fault
}

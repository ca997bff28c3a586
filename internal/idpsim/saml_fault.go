package idpsim

import (
	"fmt"
	"slices"
	"time"
)

// Fault is what goes wrong with the next response of an IdP. It is used once.
type Fault string

// The faults. All but FaultNone and FaultClockAhead4m must be refused.
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
}

// faults lists them in the order in which pages offer them.
var faults = []faultInfo{
	{FaultNone, "Nothing, a good response", true},
	{FaultExpired, "Expired: made two days ago", false},
	{FaultClockAhead7m, "The IdP's clock is 7 minutes ahead", false},
	{FaultClockAhead4m, "The IdP's clock is 4 minutes ahead", true},
	{FaultReplay, "Replay: the response before, once more", false},
	{FaultWrongAudience, "Wrong audience", false},
	{FaultWrongRecipient, "Wrong recipient", false},
	{FaultWrongIssuer, "Wrong issuer", false},
	{FaultOtherRequest, "Answers a request that nobody made", false},
	{FaultNoConditions, "No conditions", false},
	{FaultUnsigned, "Unsigned", false},
	{FaultWrongKey, "Signed with another key", false},
	{FaultWrapped, "Signature wrapping: a forged assertion comes first", false},
	{FaultWrappedAround, "Signature wrapping: a forged assertion encloses the signed one", false},
	{FaultComment, "A comment inside the NameID", false},
	{FaultDTD, "A document type declaration", false},
	{FaultDenied, "The IdP says no", false},
}

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

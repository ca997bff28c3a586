package saml

import (
	"fmt"
	"time"
)

// Reasons of a Refusal, stable codes.
const (
	ReasonMalformed   = "malformed"              // not base64, not UTF-8, or not XML that is accepted
	ReasonTooLarge    = "too_large"              // over a limit of size, depth or number
	ReasonDTD         = "dtd"                    // a document type declaration
	ReasonComment     = "comment"                // a comment, anywhere
	ReasonInstruction = "processing_instruction" // a processing instruction, anywhere
	ReasonCDATA       = "cdata"                  // a CDATA section, anywhere
	ReasonDuplicateID = "duplicate_id"           // one ID on two elements, so that a reference could mean either

	ReasonNotAResponse = "not_a_response"     // some other document than a Response
	ReasonMessage      = "unexpected_message" // some other document than the logout or artifact message that was due
	ReasonVersion      = "version"            // not SAML 2.0
	ReasonStructure    = "structure"          // elements missing, repeated, out of order, or foreign

	// What signature wrapping looks like before any signature is checked: a part that somebody signed
	// is there, and another one that would be read in its stead.
	ReasonSecondAssertion    = "second_assertion"    // one beside the Assertion, encrypted or not
	ReasonNestedAssertion    = "nested_assertion"    // an Assertion or Response inside some other element
	ReasonMisplacedSignature = "misplaced_signature" // a Signature elsewhere than once in Response and Assertion

	ReasonEncrypted           = "encrypted"            // encrypted, and there is no key to read it with
	ReasonEncryptionAlgorithm = "encryption_algorithm" // encrypted by an algorithm off the list, or CBC where it must not be
	ReasonDecryption          = "decryption"           // it did not open; the cause is not told, for it could be used to guess

	ReasonSignatureNone  = "signature_missing"   // unsigned, or not what Require asks for
	ReasonSignature      = "signature_invalid"   // broken, or changed after signing
	ReasonReference      = "signature_reference" // made over something else than the element that it is in
	ReasonAlgorithm      = "signature_algorithm" // an algorithm off the list
	ReasonUnknownKey     = "unknown_key"         // signed by a key that is not the connection's
	ReasonDestination    = "destination"         // addressed to another place
	ReasonIssuer         = "issuer"              // from another identity provider
	ReasonStatus         = "status"              // the identity provider says no; see StatusCode
	ReasonInResponseTo   = "in_response_to"      // answers another request, or one unknown
	ReasonUnsolicited    = "unsolicited"         // answers no request, and that is not allowed
	ReasonSubject        = "subject_missing"     // says nothing about anybody
	ReasonNoConfirmation = "no_confirmation"     // no usable bearer confirmation
	ReasonRecipient      = "recipient"           // confirmed for another place
	ReasonNoConditions   = "no_conditions"       // conditions are missing
	ReasonCondition      = "unknown_condition"   // a condition that is not understood
	ReasonAudience       = "audience"            // meant for another service provider
	ReasonExpired        = "expired"             // too old
	ReasonNotYetValid    = "not_yet_valid"       // dated more than a day ahead of its own issue
	ReasonClockSkew      = "clock_skew"          // the identity provider's clock is off; see Skew
	ReasonNoAuthn        = "no_authn_statement"  // does not say that anybody signed in
	ReasonAuthnInstant   = "authn_instant"       // signed in too long ago for ForceAuthn, or in the future
	ReasonContext        = "authn_context"       // signed in by other means than demanded
	ReasonSessionExpired = "session_expired"     // the identity provider's session is over
	ReasonArtifact       = "artifact"            // an artifact of another identity provider, or one that stands for nothing
)

// Refusal says why a message was not accepted. It is for logs and administrators: whoever posted
// the message should learn little of it, and Reason only when Verified.
type Refusal struct {
	Reason string // one of the Reason constants
	// Detail is a sentence with what was expected and what was received. It may quote the
	// message, shortened and with control characters escaped: escape it again for HTML.
	Detail string
	// Verified is true when every signature in the message was good, made by a key of the connection,
	// and the policy on signatures was met; for ReasonStatus, and for what could not be decrypted, that
	// the Response itself was signed. Otherwise nothing here is more than hearsay.
	Verified bool
	// Skew is the assertion's IssueInstant minus the time of verification, positive when
	// the identity provider's clock is ahead; zero while unknown. With ReasonClockSkew it is the
	// difference that Detail speaks of.
	Skew time.Duration
	// Subject is the value of the verified name identifier; "" unless Verified.
	Subject string
	// What the message calls itself, as far as it was read. ResponseID is the ID of a logout message, too.
	ResponseID, AssertionID, Issuer, InResponseTo string
	// SessionIndexes, of ReasonUnknownKey, are the first that an unverified LogoutRequest lists.
	SessionIndexes []string
	// StatusCode, of ReasonStatus, is the innermost code without "urn:oasis:names:tc:SAML:2.0:status:",
	// such as "AuthnFailed" or "NoPassive"; StatusMessage is the identity provider's own text.
	StatusCode, StatusMessage string
}

func (r *Refusal) Error() string { return "saml: " + r.Reason + ": " + r.Detail }

// refuse makes a Refusal.
func refuse(reason, format string, a ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}

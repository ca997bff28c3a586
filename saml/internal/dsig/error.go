package dsig

import "fmt"

// Namespace is the namespace name of XML Signature.
const Namespace = "http://www.w3.org/2000/09/xmldsig#"

// Reasons of an Error, stable codes.
const (
	ReasonMissing   = "signature_missing"   // no Signature is a direct child of the element
	ReasonStructure = "signature_structure" // the Signature's elements, attributes or base64 are not as they must be
	ReasonAlgorithm = "signature_algorithm" // a signature, digest or canonicalisation algorithm off the list
	ReasonTransform = "transform"           // transforms other than enveloped-signature and exclusive canonicalisation
	ReasonReference = "reference"           // not exactly one reference, to the element itself by its ID
	ReasonNoKey     = "no_key"              // none of the keys fits the signature method, or all are too weak
	ReasonSignature = "signature_mismatch"  // none of the fitting keys made this signature
	ReasonDigest    = "digest_mismatch"     // a key made the signature, but the element is not what was signed
)

// Error says why a signature was refused.
type Error struct {
	Reason string // one of the Reason constants
	Detail string // in words, for an administrator
}

func (e *Error) Error() string { return e.Reason + ": " + e.Detail }

// refuse makes an Error.
func refuse(reason, format string, a ...any) *Error {
	return &Error{Reason: reason, Detail: fmt.Sprintf(format, a...)}
}

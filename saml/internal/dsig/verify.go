package dsig

import (
	"crypto"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Policy is what a connection allows beyond the defaults.
type Policy struct {
	// AllowSHA1 accepts rsa-sha1 signatures and SHA-1 digests, for identity providers that
	// know nothing newer. Verified.SHA1 says when it was needed.
	AllowSHA1 bool
}

// Verify checks the enveloped signature of signed against keys. The error is an *Error.
func Verify(signed *strictxml.Element, keys []crypto.PublicKey, policy Policy) (Verified, error) {
	return Verified{}, refuse(ReasonMissing, "not written yet")
}

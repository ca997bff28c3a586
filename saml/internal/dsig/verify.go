package dsig

import (
	"bytes"
	"crypto"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Policy is what a connection allows beyond the defaults.
type Policy struct {
	// AllowSHA1 accepts rsa-sha1 signatures and SHA-1 digests, for identity providers that
	// know nothing newer. Verified.SHA1 says when it was needed.
	AllowSHA1 bool
}

// Verify checks the enveloped signature of signed, which must be its direct child, made over signed
// as a whole by one of keys (XML Signature section 3.2; SAML 2.0 Core section 5.4). Every key that
// fits the signature method is tried; what the signature says about its key counts for nothing.
// The error is an *Error.
//
// The signature value is checked before the digest: ReasonDigest thus says that somebody changed
// what a known key had signed, ReasonSignature that no known key signed.
func Verify(signed *strictxml.Element, keys []crypto.PublicKey, policy Policy) (Verified, error) {
	signature, err := only(signed)
	if err != nil {
		return Verified{}, err
	}
	f, err := readSignature(signed, signature)
	if err != nil {
		return Verified{}, err
	}
	if !policy.AllowSHA1 && (f.method.hash == crypto.SHA1 || f.digest == crypto.SHA1) {
		return Verified{}, refuse(ReasonAlgorithm, "SHA-1 is not allowed on this connection")
	}
	start, end := signed.Extent()
	buffer := make([]byte, 0, end-start+512)
	buffer = strictxml.AppendCanonical(buffer, f.signedInfo, f.infoPrefixes, nil)
	key, err := f.method.check(keys, buffer, f.value)
	if err != nil {
		return Verified{}, err
	}
	buffer = strictxml.AppendCanonical(buffer[:0], signed, f.prefixes, signature)
	if !bytes.Equal(sum(f.digest, buffer), f.digestValue) {
		return Verified{}, refuse(ReasonDigest, "<%s> was changed after it had been signed", signed.Local)
	}
	return Verified{
		element:   signed,
		signature: signature,
		key:       key,
		sha1:      f.method.hash == crypto.SHA1 || f.digest == crypto.SHA1,
	}, nil
}

// only returns the one Signature among the children of signed. Signatures further down are
// somebody else's: searching for one is what signature wrapping lives on.
func only(signed *strictxml.Element) (*strictxml.Element, error) {
	var found *strictxml.Element
	for child := range signed.Elements() {
		switch {
		case !child.Is(Namespace, "Signature"):
		case found != nil:
			return nil, refuse(ReasonStructure, "<%s> has two signatures", signed.Local)
		default:
			found = child
		}
	}
	if found == nil {
		return nil, refuse(ReasonMissing, "<%s> is not signed", signed.Local)
	}
	return found, nil
}

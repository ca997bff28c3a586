package saml

import (
	"crypto"
	"errors"
	"time"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// ParseSignedMetadata is ParseMetadata for a document that signer must have signed, as a whole or the
// chosen EntityDescriptor in it (Kantara IIP-MD03). A certificate in the signature itself counts for
// nothing. SHA-1 is not accepted.
func ParseSignedMetadata(raw []byte, entityID string, signer Certificate, now time.Time) (IdentityProvider, error) {
	return parseMetadata(raw, entityID, now, func(root, entity *strictxml.Element) error {
		return signedBy(root, entity, signer)
	})
}

// signedBy tells why neither the document nor the entity in it is signed by signer.
func signedBy(root, entity *strictxml.Element, signer Certificate) error {
	key := signer.PublicKey()
	if key == nil {
		return sentence("The certificate that metadata must be signed with cannot be read.")
	}
	signed := root
	if !hasSignature(root) {
		signed = entity
	}
	_, err := dsig.Verify(signed, []crypto.PublicKey{key}, dsig.Policy{})
	var failed *dsig.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &failed):
		return sentencef("The metadata's signature cannot be checked: %v.", err)
	case failed.Reason == dsig.ReasonMissing:
		return sentencef("The metadata is not signed; this connection expects it to be signed by the certificate with SHA-256 fingerprint %s.", signer.Fingerprint())
	case failed.Reason == dsig.ReasonSignature:
		return sentencef("The metadata is signed by another key than expected, that of the certificate with SHA-256 fingerprint %s.", signer.Fingerprint())
	}
	return sentencef("The metadata's signature is not valid: %s.", failed.Detail)
}

func hasSignature(e *strictxml.Element) bool {
	for child := range e.Elements() {
		if child.Is(nsSignature, "Signature") {
			return true
		}
	}
	return false
}

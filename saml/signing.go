package saml

import (
	"crypto"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
)

// SigningKey signs messages of ours, by RSA or ECDSA with SHA-256. Signer may keep the private key
// wherever it likes; for RSA it signs by PKCS #1 v1.5, as crypto/rsa does.
type SigningKey struct {
	Signer crypto.Signer
	// Certificate has the same key and is in our metadata. Signatures in XML name it; without one
	// they name no key, which not every identity provider takes.
	Certificate Certificate
}

// method returns the identifier of the signature method. The error is a sentence.
func (k SigningKey) method() (string, error) {
	if k.Signer == nil {
		return "", sentence("There is no key to sign with.")
	}
	if public := k.Certificate.PublicKey(); public != nil {
		if key, ok := public.(interface{ Equal(crypto.PublicKey) bool }); !ok || !key.Equal(k.Signer.Public()) {
			return "", sentence("The certificate is not of the key that signs.")
		}
	}
	method, err := dsig.SignatureMethod(k.Signer.Public())
	if err != nil {
		return "", sentencef("Nobody would accept a signature of this key: %v.", err)
	}
	return method, nil
}

// signXML signs a message of ours as a whole.
func (k SigningKey) signXML(message []byte) ([]byte, error) {
	if _, err := k.method(); err != nil {
		return nil, err
	}
	signed, err := dsig.Sign(message, k.Signer, k.Certificate.Raw)
	if err != nil {
		return nil, sentencef("The message cannot be signed: %v.", err)
	}
	return signed, nil
}

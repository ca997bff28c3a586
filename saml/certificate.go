package saml

import (
	"crypto"
	"errors"
	"time"
)

// Certificate is a container of an identity provider's public key.
type Certificate struct {
	Raw                 []byte    // DER
	Subject             string    // RFC 2253 form
	NotBefore, NotAfter time.Time // shown to people; they decide nothing

	key crypto.PublicKey
}

// ParseCertificate reads a certificate from PEM, from base64 without the PEM lines, or from DER.
func ParseCertificate(raw []byte) (Certificate, error) {
	return Certificate{}, errors.New("not written yet")
}

// PublicKey returns the key, nil when there is none that is usable.
func (c Certificate) PublicKey() crypto.PublicKey { return c.key }

// Fingerprint returns the SHA-256 of the DER form in lower-case hexadecimal digits.
func (c Certificate) Fingerprint() string { return "" }

// PEM returns the certificate in PEM form.
func (c Certificate) PEM() string { return "" }

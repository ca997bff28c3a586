package saml

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Certificate is a container of an identity provider's public key. Make one with ParseCertificate;
// one that has Raw only works too, at the price of parsing it at each use.
type Certificate struct {
	Raw     []byte // DER
	Subject string // RFC 2253 form
	// NotBefore and NotAfter are for people; they decide nothing (Kantara IIP-MD12).
	NotBefore, NotAfter time.Time

	key crypto.PublicKey
}

// maxCertificateBytes bounds what ParseCertificate looks at; real ones have one or two thousand.
const maxCertificateBytes = 64 << 10

// ParseCertificate reads a certificate from PEM, from base64 without the PEM lines, or from DER.
// Only the key must be sound: RSA from 2048 to 8192 bits, or ECDSA on P-256, P-384 or P-521. The
// error is a sentence.
func ParseCertificate(raw []byte) (Certificate, error) {
	if len(raw) > maxCertificateBytes {
		return Certificate{}, sentencef("A certificate of %d bytes is too large.", len(raw))
	}
	der, err := certificateDER(raw)
	if err != nil {
		return Certificate{}, err
	}
	return parseDER(der)
}

// certificateDER takes the wrapping off a certificate.
func certificateDER(raw []byte) ([]byte, error) {
	text := bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == 0x30 { // a DER sequence; as text it would be the digit 0
		if _, err := asn1.Unmarshal(raw, new(asn1.RawValue)); err == nil {
			return bytes.Clone(raw), nil
		}
	}
	if bytes.HasPrefix(text, []byte("-----BEGIN")) {
		block, rest := pem.Decode(text)
		switch {
		case block == nil:
			return nil, sentence("The PEM text is damaged.")
		case block.Type != "CERTIFICATE":
			return nil, sentencef("The PEM text holds a %s, not a CERTIFICATE.", quote(block.Type))
		case len(bytes.TrimSpace(rest)) > 0:
			return nil, sentence("There is more than one certificate. Give them one by one.")
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil)))
	if err != nil || len(der) == 0 {
		return nil, sentence("This is not a certificate: neither PEM, nor base64, nor DER.")
	}
	return der, nil
}

// parseDER reads the outline of a certificate (RFC 5280 section 4.1) and its key. crypto/x509
// would refuse serial numbers and extensions that some IdPs have and nobody here looks at.
func parseDER(der []byte) (Certificate, error) {
	var outline struct {
		Body struct {
			Version      int `asn1:"optional,explicit,default:0,tag:0"`
			SerialNumber asn1.RawValue
			Algorithm    asn1.RawValue
			Issuer       asn1.RawValue
			Validity     struct{ NotBefore, NotAfter time.Time }
			Subject      asn1.RawValue
			PublicKey    asn1.RawValue
		}
		Algorithm asn1.RawValue
		Signature asn1.BitString
	}
	rest, err := asn1.Unmarshal(der, &outline)
	if err != nil || len(rest) > 0 {
		return Certificate{}, sentence("This is not a certificate: its DER form is damaged.")
	}
	key, err := x509.ParsePKIXPublicKey(outline.Body.PublicKey.FullBytes)
	if err != nil {
		return Certificate{}, sentence("The certificate's public key is of a kind that SAML does not use, or damaged.")
	}
	if err := checkKey(key); err != nil {
		return Certificate{}, err
	}
	return Certificate{
		Raw:       der,
		Subject:   distinguishedName(outline.Body.Subject.FullBytes),
		NotBefore: outline.Body.Validity.NotBefore.UTC(),
		NotAfter:  outline.Body.Validity.NotAfter.UTC(),
		key:       key,
	}, nil
}

// distinguishedName writes a name for people, "" when it cannot be read.
func distinguishedName(der []byte) string {
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(der, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}

// checkKey refuses keys with which no signature would be accepted.
func checkKey(key crypto.PublicKey) error {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < 2048 || bits > 8192 {
			return sentencef("The certificate's RSA key has %d bits; 2048 to 8192 are accepted.", bits)
		}
		if key.E < 65537 {
			return sentencef("The certificate's RSA key has the exponent %d; at least 65537 is accepted.", key.E)
		}
		return nil
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return sentence("The certificate's ECDSA key is not on P-256, P-384 or P-521.")
	default:
		return sentence("The certificate's key is neither RSA nor ECDSA.")
	}
}

// PublicKey returns the key, a *rsa.PublicKey or *ecdsa.PublicKey; nil when there is none that is usable.
func (c Certificate) PublicKey() crypto.PublicKey {
	if c.key == nil && len(c.Raw) > 0 {
		parsed, err := parseDER(c.Raw)
		if err != nil {
			return nil
		}
		return parsed.key
	}
	return c.key
}

// Fingerprint returns the SHA-256 of the DER form in lower-case hexadecimal digits.
func (c Certificate) Fingerprint() string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// PEM returns the certificate in PEM form.
func (c Certificate) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

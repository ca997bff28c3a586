package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// Key is a private key with a certificate that it signed itself.
type Key struct {
	Signer      crypto.Signer
	Certificate saml.Certificate
}

// NewKey makes an RSA key of 2048 bits. That takes a while: share keys between tests where
// it does not matter whose they are.
func NewKey() *Key {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	must(err, "make an RSA key")
	return Certify(key, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC))
}

// Decrypter returns the key as a service provider decrypts with it; RSA only.
func (k *Key) Decrypter() crypto.Decrypter {
	decrypter, ok := k.Signer.(crypto.Decrypter)
	if !ok {
		panic("samltest: the key cannot decrypt")
	}
	return decrypter
}

// SigningKey returns the key as a service provider signs with it.
func (k *Key) SigningKey() saml.SigningKey {
	return saml.SigningKey{Signer: k.Signer, Certificate: k.Certificate}
}

// NewECKey makes a key on a curve, such as elliptic.P256(). That is quick.
func NewECKey(curve elliptic.Curve) *Key {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(err, "make an EC key")
	return Certify(key, time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2049, 12, 31, 0, 0, 0, 0, time.UTC))
}

// Certify wraps a key in a certificate with that validity. All certificates have the same names
// and serial number, so that nothing can tell them apart but their keys.
func Certify(key crypto.Signer, notBefore, notAfter time.Time) *Key {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "samltest", Organization: []string{"Test IdP"}},
		NotBefore:    notBefore,
		NotAfter:     notAfter,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(err, "sign a certificate")
	certificate, err := saml.ParseCertificate(der)
	must(err, "parse the certificate")
	return &Key{Signer: key, Certificate: certificate}
}

// must panics on what only a mistake of the test can cause.
func must(err error, doing string) {
	if err != nil {
		panic("samltest: " + doing + ": " + err.Error())
	}
}

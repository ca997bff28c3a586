package dsigtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"sync"
	"testing"
	"time"
)

// Key is a private key with a certificate that it signed itself.
type Key struct {
	Signer      crypto.Signer
	Certificate *x509.Certificate
}

// Public returns the public key, as dsig.Verify takes it.
func (k Key) Public() crypto.PublicKey { return k.Signer.Public() }

// Base64 returns the certificate as X509Certificate holds it, in one line.
func (k Key) Base64() string { return base64.StdEncoding.EncodeToString(k.Certificate.Raw) }

// CertificatePEM returns the certificate in PEM.
func (k Key) CertificatePEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.Certificate.Raw})
}

// PEM returns the private key in PKCS #8 PEM.
func (k Key) PEM(tb testing.TB) []byte {
	tb.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(k.Signer)
	if err != nil {
		tb.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// made is what making a key gave.
type made struct {
	key Key
	err error
}

// Keys that take a while to make are made once.
var (
	firstRSA  = sync.OnceValue(func() made { return makeRSA(2048) })
	secondRSA = sync.OnceValue(func() made { return makeRSA(2048) })
	weakRSA   = sync.OnceValue(func() made { return makeRSA(1024) })
)

// RSA returns an RSA key of 2048 bits, the same one every time.
func RSA(tb testing.TB) Key { return take(tb, firstRSA()) }

// OtherRSA returns another RSA key with a certificate of the same names as RSA's.
func OtherRSA(tb testing.TB) Key { return take(tb, secondRSA()) }

// WeakRSA returns an RSA key of 1024 bits.
func WeakRSA(tb testing.TB) Key { return take(tb, weakRSA()) }

// EC returns a new key on a curve.
func EC(tb testing.TB, curve elliptic.Curve) Key {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	return take(tb, certified(key, err))
}

func take(tb testing.TB, m made) Key {
	tb.Helper()
	if m.err != nil {
		tb.Fatal(m.err)
	}
	return m.key
}

func makeRSA(bits int) made {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	return certified(key, err)
}

// certified signs a certificate for key by itself. All certificates have the same names and number.
func certified(key crypto.Signer, err error) made {
	if err != nil {
		return made{err: err}
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "dev-12345678", Organization: []string{"Okta"}, Country: []string{"US"}},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2048, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return made{err: err}
	}
	certificate, err := x509.ParseCertificate(der)
	return made{Key{key, certificate}, err}
}

package saml_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

func TestParseCertificate_TakesEveryWrapping(t *testing.T) {
	want := k1().Certificate
	inline := base64.StdEncoding.EncodeToString(want.Raw)
	for name, raw := range map[string][]byte{
		"PEM":                  []byte(want.PEM()),
		"PEM with blank lines": []byte("\n\n" + want.PEM() + "\n"),
		"base64":               []byte(inline),
		"base64 in lines":      []byte("\n  " + inline[:64] + "\r\n  " + inline[64:128] + "\n\t" + inline[128:] + "\n"),
		"DER":                  want.Raw,
	} {
		got, err := saml.ParseCertificate(raw)
		if err != nil || !bytes.Equal(got.Raw, want.Raw) || got.Fingerprint() != want.Fingerprint() {
			t.Errorf("%s: %v", name, err)
		}
	}
	parsed := parseX509(t, want.Raw)
	if want.Subject != "CN=samltest,O=Test IdP" || !want.NotBefore.Equal(parsed.NotBefore) || !want.NotAfter.Equal(parsed.NotAfter) ||
		!parsed.PublicKey.(*rsa.PublicKey).Equal(want.PublicKey()) || len(want.Fingerprint()) != 64 {
		t.Errorf("%+v", want)
	}
	if key := (saml.Certificate{Raw: want.Raw}).PublicKey(); !parsed.PublicKey.(*rsa.PublicKey).Equal(key) {
		t.Error("a certificate that has Raw only has no key")
	}
}

func TestParseCertificate_RefusesWithASentence(t *testing.T) {
	good := k1().Certificate
	block, _ := pem.Decode([]byte(good.PEM()))
	for name, raw := range map[string][]byte{
		"nothing":             nil,
		"blank":               []byte("  \n"),
		"text":                []byte("certificate"),
		"damaged PEM":         []byte(good.PEM()[:200]),
		"a private key":       pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
		"two certificates":    []byte(good.PEM() + good.PEM()),
		"cut DER":             block.Bytes[:len(block.Bytes)-1],
		"bytes after the DER": append(bytes.Clone(block.Bytes), 0),
		"other DER":           {0x30, 0x03, 0x02, 0x01, 0x01},
		"RSA 1024":            dsigtest.WeakRSA(t).Certificate.Raw,
		"P-224":               certified(t, must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))),
		"Ed25519":             certified(t, must2(ed25519.GenerateKey(rand.Reader))),
		"exponent 3":          cubed(t),
		"too large":           []byte(strings.Repeat("A", 1<<20)),
	} {
		_, err := saml.ParseCertificate(raw)
		if err == nil {
			t.Errorf("%s was taken", name)
		} else if !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%s: %q is not a sentence", name, err)
		}
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func must2[S, T any](_ S, value T, err error) T { return must(value, err) }

// certified is a certificate of a key, signed by itself.
func certified(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// cubed is a certificate of an RSA key with the exponent 3.
func cubed(t testing.TB) []byte {
	t.Helper()
	signer := k1().Signer.(*rsa.PrivateKey)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &rsa.PublicKey{N: signer.N, E: 3}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

package idpsim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // an application must refuse it; IdPs still offer it
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// samlKey is a signing key with its self-signed certificate.
type samlKey struct {
	private *rsa.PrivateKey
	der     []byte
}

// samlKeys are the key that the application knows and one that it must not believe: its
// certificate has the same subject, the same serial number and the same validity.
type samlKeys struct {
	own, impostor samlKey
	beside        []samlKey // published and not signing, while a key is replaced
}

// newSAMLKeys makes both. RSA-2048 and ten years are what Okta's certificates have.
func newSAMLKeys(name string, now time.Time) (*samlKeys, error) {
	var serial [8]byte
	_, _ = rand.Read(serial[:]) // never fails
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]), Subject: pkix.Name{CommonName: name, Organization: []string{"Simulated identity provider"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0), BasicConstraintsValid: true,
	}
	own, err := newSAMLKey(template)
	if err != nil {
		return nil, err
	}
	impostor, err := newSAMLKey(template)
	if err != nil {
		return nil, err
	}
	return &samlKeys{own: own, impostor: impostor}, nil
}

func newSAMLKey(template *x509.Certificate) (samlKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return samlKey{}, fmt.Errorf("make signing key: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return samlKey{}, fmt.Errorf("make certificate: %w", err)
	}
	return samlKey{private, der}, nil
}

// PEM is the certificate as administrators download it.
func (k samlKey) PEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.der}))
}

// fingerprint is the SHA-256 of the certificate in hexadecimal.
func (k samlKey) fingerprint() string {
	sum := sha256.Sum256(k.der)
	return hex.EncodeToString(sum[:])
}

// Namespaces and identifiers of XML Signature.
const (
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	exclusive   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	enveloped   = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
)

// algorithm names a signature with its digest.
type algorithm struct {
	hash              crypto.Hash
	signature, digest string
}

var algorithms = map[string]algorithm{
	"rsa-sha1":   {crypto.SHA1, nsSignature + "rsa-sha1", nsSignature + "sha1"},
	"rsa-sha256": {crypto.SHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", "http://www.w3.org/2001/04/xmlenc#sha256"},
	"rsa-sha384": {crypto.SHA384, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", "http://www.w3.org/2001/04/xmldsig-more#sha384"},
	"rsa-sha512": {crypto.SHA512, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", "http://www.w3.org/2001/04/xmlenc#sha512"},
}

func (a algorithm) sum(text string) []byte {
	h := a.hash.New()
	h.Write([]byte(text))
	return h.Sum(nil)
}

// signer signs elements whose text is exclusive canonical XML already.
type signer struct {
	key   samlKey
	alg   algorithm
	style style
	// What an attack does differently, each of which may be nothing.
	digest algorithm                         // of the element, where it is not alg's
	change func(info string) string          // of SignedInfo, before that is signed
	value  func(info string) ([]byte, error) // in place of the signature's value
}

// sign returns the Signature for the element with that ID.
func (s signer) sign(id, canonical string) (string, error) {
	ds := s.style.ds
	list := ""
	if s.style.prefixList != "" {
		list = el("ec:InclusiveNamespaces", attrs("xmlns:ec", exclusive, "PrefixList", s.style.prefixList))
	}
	digest := s.digest
	if digest.hash == 0 {
		digest = s.alg
	}
	info := func(declaration string) string {
		text := el(ds("SignedInfo"), declaration,
			el(ds("CanonicalizationMethod"), attrs("Algorithm", exclusive)),
			el(ds("SignatureMethod"), attrs("Algorithm", s.alg.signature)),
			el(ds("Reference"), attrs("URI", "#"+id),
				el(ds("Transforms"), "", el(ds("Transform"), attrs("Algorithm", enveloped)), el(ds("Transform"), attrs("Algorithm", exclusive), list)),
				el(ds("DigestMethod"), attrs("Algorithm", digest.digest)),
				el(ds("DigestValue"), "", base64.StdEncoding.EncodeToString(digest.sum(canonical)))))
		if s.change != nil {
			text = s.change(text)
		}
		return text
	}
	// What is signed is SignedInfo by itself, where its namespace must be declared; in the
	// document it is inherited.
	sign := func(info string) ([]byte, error) {
		return rsa.SignPKCS1v15(rand.Reader, s.key.private, s.alg.hash, s.alg.sum(info))
	}
	if s.value != nil {
		sign = s.value
	}
	value, err := sign(info(s.style.dsDeclaration()))
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return el(ds("Signature"), s.style.dsDeclaration(), info(""),
		el(ds("SignatureValue"), "", s.style.base64(value)),
		el(ds("KeyInfo"), "", el(ds("X509Data"), "", el(ds("X509Certificate"), "", s.style.base64(s.key.der))))), nil
}

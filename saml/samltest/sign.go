package samltest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // some identity providers still use it, and tests must see it refused
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/base64"
	"errors"
	"math/big"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Signing says what is signed and how. The zero value of a field is what most identity providers do.
type Signing struct {
	Response, Assertion bool
	Key                 *Key    // nil for the first of the identity provider
	Method              string  // signature algorithm; "" for RSA or ECDSA with SHA-256
	Digest              string  // digest algorithm; "" for SHA-256
	NoPrefixList        bool    // of the Okta style, which has "xs"
	KeyInfo             KeyInfo // what the signature says about its key
	Claims              *Key    // the key it says it is; nil for the one that signed
}

// KeyInfo is a form of what a signature says about its key.
type KeyInfo int

const (
	WithCertificate KeyInfo = iota
	WithoutKeyInfo
	WithKeyName
	WithKeyValue // RSA only
)

// Algorithm identifiers (RFC 9231).
const (
	RSASHA1     = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
	RSASHA256   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	RSASHA512   = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	ECDSASHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	SHA1        = "http://www.w3.org/2000/09/xmldsig#sha1"
	SHA256      = "http://www.w3.org/2001/04/xmlenc#sha256"
	SHA512      = "http://www.w3.org/2001/04/xmlenc#sha512"
	exclusive   = "http://www.w3.org/2001/10/xml-exc-c14n#"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
)

// Sign writes and signs a Response: the assertion first where both are, and encrypted in between.
func (idp *IdP) Sign(r *Response) []byte {
	s := r.Signing
	if s.Key == nil {
		s.Key = idp.Keys[0]
	}
	s.NoPrefixList = s.NoPrefixList || r.Style == Entra
	doc := r.Unsigned()
	if s.Assertion && r.Assertion != nil {
		doc = SignElement(doc, r.Assertion.ID, s)
	}
	if r.Encryption != nil && r.Assertion != nil {
		doc = EncryptElement(doc, r.Assertion.ID, *r.Encryption)
	}
	if s.Response {
		doc = SignElement(doc, r.ID, s)
	}
	return doc
}

// SignElement puts a signature over the element with that ID after its Issuer, or before its first
// child where that is something else. s.Key must be there.
func SignElement(doc []byte, id string, s Signing) []byte {
	doc = []byte(strings.ReplaceAll(string(doc), "\r\n", "\n")) // as positions are counted
	e := find(doc, id)
	digest := digestOf(s.digest(), strictxml.AppendCanonical(nil, e, s.prefixes(), nil))
	first := e.First()
	if first == nil {
		panic("samltest: the element to sign is empty")
	}
	at, end := first.Extent()
	if first.Local == "Issuer" {
		at = end
	}
	signature := s.template(id, digest)
	doc = []byte(string(doc[:at]) + signature + string(doc[at:]))
	for signature := range find(doc, id).Elements() {
		if !signature.Is(nsSignature, "Signature") {
			continue
		}
		info := strictxml.AppendCanonical(nil, signature.First(), nil, nil)
		value, err := s.sign(digestOf(s.method(), info))
		must(err, "sign")
		return []byte(strings.Replace(string(doc), valuePlace, base64.StdEncoding.EncodeToString(value), 1))
	}
	panic("samltest: the signature is not where it was put")
}

// valuePlace stands where the signature's value will be.
const valuePlace = "@SignatureValue@"

func find(doc []byte, id string) *strictxml.Element {
	root, err := strictxml.Parse(doc, strictxml.Limits{Bytes: 64 << 20, Depth: 1000, Nodes: 1 << 22})
	must(err, "parse what is to be signed")
	for e := range root.Descendants() {
		if value, _ := e.Attr("ID"); value == id {
			return e
		}
	}
	panic("samltest: no element has the ID " + id)
}

// template is a Signature without its value.
func (s *Signing) template(id string, digest []byte) string {
	transform := `<ds:Transform Algorithm="` + exclusive + `"/>`
	if !s.NoPrefixList {
		transform = `<ds:Transform Algorithm="` + exclusive + `"><ec:InclusiveNamespaces xmlns:ec="` + exclusive + `" PrefixList="xs"/></ds:Transform>`
	}
	return `<ds:Signature xmlns:ds="` + nsSignature + `"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="` + exclusive + `"/>` +
		`<ds:SignatureMethod Algorithm="` + s.method() + `"/><ds:Reference URI="#` + id + `"><ds:Transforms>` +
		`<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>` + transform + `</ds:Transforms>` +
		`<ds:DigestMethod Algorithm="` + s.digest() + `"/><ds:DigestValue>` + base64.StdEncoding.EncodeToString(digest) +
		`</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue>` + valuePlace + `</ds:SignatureValue>` + s.keyInfo() + `</ds:Signature>`
}

func (s *Signing) keyInfo() string {
	key := s.Claims
	if key == nil {
		key = s.Key
	}
	var inside string
	switch s.KeyInfo {
	case WithoutKeyInfo:
		return ""
	case WithKeyName:
		inside = "<ds:KeyName>signing</ds:KeyName>"
	case WithKeyValue:
		public, ok := key.Signer.Public().(*rsa.PublicKey)
		if !ok {
			panic("samltest: WithKeyValue needs an RSA key")
		}
		number := func(n *big.Int) string { return base64.StdEncoding.EncodeToString(n.Bytes()) }
		inside = "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>" + number(public.N) + "</ds:Modulus><ds:Exponent>" +
			number(big.NewInt(int64(public.E))) + "</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>"
	default:
		inside = "<ds:X509Data><ds:X509Certificate>" + base64.StdEncoding.EncodeToString(key.Certificate.Raw) + "</ds:X509Certificate></ds:X509Data>"
	}
	return "<ds:KeyInfo>" + inside + "</ds:KeyInfo>"
}

func (s *Signing) prefixes() []string {
	if s.NoPrefixList {
		return nil
	}
	return []string{"xs"}
}

func (s *Signing) digest() string {
	if s.Digest == "" {
		return SHA256
	}
	return s.Digest
}

func (s *Signing) method() string {
	if s.Method != "" {
		return s.Method
	}
	if _, ok := s.Key.Signer.(*ecdsa.PrivateKey); ok {
		return ECDSASHA256
	}
	return RSASHA256
}

// hashOf returns the hash that an algorithm identifier ends in.
func hashOf(identifier string) crypto.Hash {
	switch {
	case strings.HasSuffix(identifier, "sha1"):
		return crypto.SHA1
	case strings.HasSuffix(identifier, "sha512"):
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

func digestOf(identifier string, data []byte) []byte {
	h := hashOf(identifier).New()
	h.Write(data)
	return h.Sum(nil)
}

// sign returns the bytes of SignatureValue over a digest.
func (s *Signing) sign(digest []byte) ([]byte, error) {
	switch key := s.Key.Signer.(type) {
	case *rsa.PrivateKey:
		return rsa.SignPKCS1v15(nil, key, hashOf(s.method()), digest)
	case *ecdsa.PrivateKey:
		r, t, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			return nil, err
		}
		width := (key.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, width)), t.FillBytes(make([]byte, width))...), nil
	}
	return nil, errors.New("a key that is neither RSA nor ECDSA")
}

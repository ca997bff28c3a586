package dsigtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // for documents that must be refused
	"crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Identifiers of algorithms.
const (
	SHA1         = dsig.Namespace + "sha1"
	SHA256       = "http://www.w3.org/2001/04/xmlenc#sha256"
	SHA384       = "http://www.w3.org/2001/04/xmldsig-more#sha384"
	SHA512       = "http://www.w3.org/2001/04/xmlenc#sha512"
	RSASHA1      = dsig.Namespace + "rsa-sha1"
	RSASHA256    = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
	RSASHA384    = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
	RSASHA512    = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
	PSSSHA256    = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
	PSSSHA384    = "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"
	PSSSHA512    = "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"
	ECDSASHA256  = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
	ECDSASHA384  = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
	ECDSASHA512  = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
	HMACSHA256   = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
	ExclusiveC14 = "http://www.w3.org/2001/10/xml-exc-c14n#"
	Enveloped    = dsig.Namespace + "enveloped-signature"
)

// Options are the choices of a signer. The zero value signs as most identity providers do.
type Options struct {
	Method         string                        // "" for rsa-sha256, or ecdsa-sha256 with such a key
	Digest         string                        // "" for SHA-256
	PrefixList     string                        // of the second transform; "" for no InclusiveNamespaces
	InfoPrefixList string                        // the same for SignedInfo
	KeyInfo        KeyInfo                       // the zero value for the certificate
	Template       func(signature string) string // changes the Signature before it is signed; nil for none
}

// Sign returns doc with the element of that ID signed: a Signature after its Issuer, or as its
// first child when it begins with none.
func Sign(tb testing.TB, doc, id string, key Key, o Options) string {
	tb.Helper()
	e := Find(tb, Parse(tb, doc), id)
	digest := hashed(o.digest(), strictxml.AppendCanonical(nil, e, Prefixes(o.PrefixList), nil))
	signature := Template(tb, id, key, o)
	signature = strings.Replace(signature, "@digest@", base64.StdEncoding.EncodeToString(digest), 1)
	if o.Template != nil {
		signature = o.Template(signature)
	}
	return fill(tb, Insert(tb, doc, id, signature), id, key, o)
}

// fill writes the SignatureValue.
func fill(tb testing.TB, doc, id string, key Key, o Options) string {
	tb.Helper()
	for _, info := range Find(tb, Parse(tb, doc), id).All(dsig.Namespace, "SignedInfo") {
		if info.Parent.Parent == nil {
			continue
		}
		if owner, _ := info.Parent.Parent.Attr("ID"); owner != id {
			continue
		}
		canonical := strictxml.AppendCanonical(nil, info, Prefixes(o.InfoPrefixList), nil)
		value := base64.StdEncoding.EncodeToString(signed(tb, key, o.method(key), canonical))
		return strings.Replace(doc, "@value@", value, 1)
	}
	tb.Fatalf("%s has no SignedInfo", id)
	return ""
}

// Parse parses a document that must be right.
func Parse(tb testing.TB, doc string) *strictxml.Element {
	tb.Helper()
	root, err := strictxml.Parse([]byte(doc), strictxml.Limits{Bytes: 64 << 20, Nodes: 1 << 20, Depth: 1000})
	if err != nil {
		tb.Fatalf("%v in %.2000s", err, doc)
	}
	return root
}

// Find returns the element with an ID.
func Find(tb testing.TB, root *strictxml.Element, id string) *strictxml.Element {
	tb.Helper()
	for e := range root.Descendants() {
		if value, _ := e.Attr("ID"); value == id {
			return e
		}
	}
	tb.Fatalf("no element has the ID %q", id)
	return nil
}

// Prefixes splits a PrefixList.
func Prefixes(list string) []string {
	prefixes := strings.Fields(list)
	for i := range prefixes {
		if prefixes[i] == "#default" {
			prefixes[i] = ""
		}
	}
	return prefixes
}

var issuer = regexp.MustCompile(`^\s*<([A-Za-z0-9]+:)?Issuer[^>]*>[^<]*</([A-Za-z0-9]+:)?Issuer\s*>`)

// Insert puts a Signature into the element of that ID, where SAML wants it: after the Issuer.
func Insert(tb testing.TB, doc, id, signature string) string {
	tb.Helper()
	at := strings.Index(doc, ` ID="`+id+`"`)
	if at < 0 {
		tb.Fatalf(`no ID="%s" in the document`, id)
	}
	for quote := byte(0); quote != 0 || doc[at] != '>'; at++ {
		switch c := doc[at]; {
		case quote == c:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		}
	}
	at++
	at += len(issuer.FindString(doc[at:]))
	return doc[:at] + signature + doc[at:]
}

func (o Options) digest() string {
	if o.Digest == "" {
		return SHA256
	}
	return o.Digest
}

func (o Options) method(key Key) string {
	if o.Method != "" {
		return o.Method
	}
	if _, ok := key.Signer.(*ecdsa.PrivateKey); ok {
		return ECDSASHA256
	}
	return RSASHA256
}

// hashOf returns the hash that an identifier of a signature or digest method names.
func hashOf(identifier string) crypto.Hash {
	switch {
	case strings.Contains(identifier, "sha384"):
		return crypto.SHA384
	case strings.Contains(identifier, "sha512"):
		return crypto.SHA512
	case strings.Contains(identifier, "sha1"):
		return crypto.SHA1
	}
	return crypto.SHA256
}

func hashed(identifier string, data []byte) []byte {
	h := hashOf(identifier).New()
	h.Write(data)
	return h.Sum(nil)
}

// signed returns the bytes of SignatureValue.
func signed(tb testing.TB, key Key, method string, data []byte) []byte {
	tb.Helper()
	hash, sum := hashOf(method), hashed(method, data)
	var value []byte
	var err error
	switch signer := key.Signer.(type) {
	case *ecdsa.PrivateKey:
		r, s, failure := ecdsa.Sign(rand.Reader, signer, sum)
		if failure != nil {
			tb.Fatal(failure)
		}
		width := (signer.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, width)), s.FillBytes(make([]byte, width))...)
	case *rsa.PrivateKey:
		switch {
		case method == HMACSHA256: // with the public key as the secret, which everybody knows
			der, failure := x509.MarshalPKIXPublicKey(key.Public())
			if failure != nil {
				tb.Fatal(failure)
			}
			mac := hmac.New(sha256.New, der)
			mac.Write(data)
			return mac.Sum(nil)
		case strings.HasSuffix(method, "MGF1"):
			value, err = rsa.SignPSS(rand.Reader, signer, hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		default:
			value, err = rsa.SignPKCS1v15(nil, signer, hash, sum)
		}
	}
	if err != nil {
		tb.Fatal(err)
	}
	return value
}

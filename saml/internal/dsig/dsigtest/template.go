package dsigtest

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"
)

// KeyInfo is what a signature says about its key.
type KeyInfo int

// Forms of KeyInfo.
const (
	WithCertificate KeyInfo = iota
	WithKeyName
	WithRSAKeyValue // the public key itself; RSA only
	WithoutKeyInfo
)

// Template returns a Signature for the element of that ID, with @digest@ and @value@ in the places
// of DigestValue and SignatureValue.
func Template(tb testing.TB, id string, key Key, o Options) string {
	tb.Helper()
	return `<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>` +
		`<ds:CanonicalizationMethod Algorithm="` + ExclusiveC14 + `">` + inclusive(o.InfoPrefixList) + `</ds:CanonicalizationMethod>` +
		`<ds:SignatureMethod Algorithm="` + o.method(key) + `"/>` +
		Reference(id, o, "@digest@") +
		`</ds:SignedInfo><ds:SignatureValue>@value@</ds:SignatureValue>` + keyInfo(tb, key, o.KeyInfo) + `</ds:Signature>`
}

// Reference returns a Reference to the element of that ID.
func Reference(id string, o Options, digest string) string {
	return `<ds:Reference URI="#` + id + `"><ds:Transforms>` +
		`<ds:Transform Algorithm="` + Enveloped + `"/>` +
		`<ds:Transform Algorithm="` + ExclusiveC14 + `">` + inclusive(o.PrefixList) + `</ds:Transform>` +
		`</ds:Transforms><ds:DigestMethod Algorithm="` + o.digest() + `"/><ds:DigestValue>` + digest + `</ds:DigestValue></ds:Reference>`
}

func inclusive(prefixList string) string {
	if prefixList == "" {
		return ""
	}
	return `<ec:InclusiveNamespaces xmlns:ec="` + ExclusiveC14 + `" PrefixList="` + prefixList + `"/>`
}

func keyInfo(tb testing.TB, key Key, form KeyInfo) string {
	tb.Helper()
	var inside string
	switch form {
	case WithoutKeyInfo:
		return ""
	case WithKeyName:
		inside = `<ds:KeyName>signing-2026</ds:KeyName>`
	case WithRSAKeyValue:
		public, ok := key.Public().(*rsa.PublicKey)
		if !ok {
			tb.Fatal("RSAKeyValue of a key that is not RSA")
		}
		number := func(n *big.Int) string { return base64.StdEncoding.EncodeToString(n.Bytes()) }
		inside = `<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>` + number(public.N) + `</ds:Modulus><ds:Exponent>` +
			number(big.NewInt(int64(public.E))) + `</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>`
	default:
		inside = `<ds:X509Data><ds:X509Certificate>` + wrap(key.Base64()) + `</ds:X509Certificate></ds:X509Data>`
	}
	return `<ds:KeyInfo>` + inside + `</ds:KeyInfo>`
}

// wrap breaks base64 into lines of 76, as most signers do.
func wrap(s string) string {
	var out strings.Builder
	for len(s) > 76 {
		out.WriteString(s[:76] + "\n")
		s = s[76:]
	}
	return out.String() + s
}

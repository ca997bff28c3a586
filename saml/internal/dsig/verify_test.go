package dsig_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// signer is one of the two that make signatures here.
type signer struct {
	name string
	sign func(tb testing.TB, doc, id string, key dsigtest.Key, o dsigtest.Options) string
}

var signers = []signer{{"ours", dsigtest.Sign}, {"xmlsec1", dsigtest.Xmlsec1Sign}}

// TestVerify_AgreesWithXmlsec1 signs with either and verifies with both.
func TestVerify_AgreesWithXmlsec1(t *testing.T) {
	rsa2048, p256, p384, p521 := dsigtest.RSA(t), dsigtest.EC(t, elliptic.P256()), dsigtest.EC(t, elliptic.P384()), dsigtest.EC(t, elliptic.P521())
	for name, c := range map[string]struct {
		key dsigtest.Key
		o   dsigtest.Options
	}{
		"rsa-sha256":                         {rsa2048, dsigtest.Options{}},
		"rsa-sha384":                         {rsa2048, dsigtest.Options{Method: dsigtest.RSASHA384, Digest: dsigtest.SHA384}},
		"rsa-sha512":                         {rsa2048, dsigtest.Options{Method: dsigtest.RSASHA512, Digest: dsigtest.SHA512}},
		"rsa-sha1":                           {rsa2048, dsigtest.Options{Method: dsigtest.RSASHA1, Digest: dsigtest.SHA1}},
		"ecdsa-sha256 on P-256":              {p256, dsigtest.Options{}},
		"ecdsa-sha384 on P-384":              {p384, dsigtest.Options{Method: dsigtest.ECDSASHA384, Digest: dsigtest.SHA384}},
		"ecdsa-sha512 on P-521":              {p521, dsigtest.Options{Method: dsigtest.ECDSASHA512, Digest: dsigtest.SHA512}},
		"ecdsa-sha256 on P-521":              {p521, dsigtest.Options{}},
		"the prefix xs":                      {rsa2048, dsigtest.Options{PrefixList: "xs"}},
		"many prefixes":                      {rsa2048, dsigtest.Options{PrefixList: "xs xsi #default saml2p nobody", InfoPrefixList: "#default xs saml2"}},
		"KeyName":                            {rsa2048, dsigtest.Options{KeyInfo: dsigtest.WithKeyName}},
		"RSAKeyValue":                        {rsa2048, dsigtest.Options{KeyInfo: dsigtest.WithRSAKeyValue}},
		"no KeyInfo":                         {rsa2048, dsigtest.Options{KeyInfo: dsigtest.WithoutKeyInfo}},
		"no prefix for XML Signature itself": {rsa2048, dsigtest.Options{Template: func(s string) string { return strings.NewReplacer("ds:", "", ":ds=", "=").Replace(s) }}},
		"white space between elements":       {rsa2048, dsigtest.Options{Template: func(s string) string { return strings.ReplaceAll(s, "><", ">\n\t<") }}},
	} {
		for _, signer := range signers {
			t.Run(name+" by "+signer.name, func(t *testing.T) {
				t.Parallel()
				doc := signer.sign(t, dsigtest.Response(3), dsigtest.AssertionID, c.key, c.o)
				v, err := check(t, doc, dsigtest.AssertionID, dsig.Policy{AllowSHA1: true}, publics(rsa2048, p256, p384, p521)...)
				if err != nil {
					t.Fatalf("we refuse: %v\n%s", err, doc)
				}
				if id, _ := v.Element().Attr("ID"); id != dsigtest.AssertionID || v.Signature().Parent != v.Element() {
					t.Errorf("verified %s", id)
				}
				if publics(rsa2048, p256, p384, p521)[v.Key()] != c.key.Public() {
					t.Errorf("made by key %d, says the verifier", v.Key())
				}
				if v.SHA1() != (name == "rsa-sha1") {
					t.Errorf("SHA-1 was used: %t", v.SHA1())
				}
				if err := dsigtest.Xmlsec1Verify(t, doc, dsigtest.AssertionID, c.key); err != nil {
					t.Errorf("xmlsec1 refuses: %v", err)
				}
			})
		}
	}
}

func TestVerify_TakesPSS(t *testing.T) { // xmlsec1 1.2 does not know it
	key := dsigtest.RSA(t)
	for _, method := range []string{dsigtest.PSSSHA256, dsigtest.PSSSHA384, dsigtest.PSSSHA512} {
		doc := small(t, key, dsigtest.Options{Method: method})
		if _, err := check(t, doc, "_a", dsig.Policy{}, key.Public()); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if _, err := check(t, strings.Replace(doc, method, dsigtest.RSASHA256, 1), "_a", dsig.Policy{}, key.Public()); err == nil {
			t.Errorf("a signature by %s counts as another", method)
		}
	}
}

// TestVerify_TakesNoOtherSalt: RFC 9231 section 2.3.10 fixes the salt to the length of the hash.
func TestVerify_TakesNoOtherSalt(t *testing.T) {
	key := dsigtest.RSA(t)
	doc := small(t, key, dsigtest.Options{Method: dsigtest.PSSSHA256})
	info := dsigtest.Parse(t, doc).All(dsig.Namespace, "SignedInfo")[0]
	sum := sha256.Sum256(strictxml.AppendCanonical(nil, info, nil, nil))
	for salt, accepted := range map[int]bool{32: true, 20: false, rsa.PSSSaltLengthAuto: false} {
		value, err := rsa.SignPSS(rand.Reader, key.Signer.(*rsa.PrivateKey), crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: salt})
		if err != nil {
			t.Fatal(err)
		}
		other := strings.Replace(doc, textOf(t, doc, "SignatureValue"), base64.StdEncoding.EncodeToString(value), 1)
		if _, err := check(t, other, "_a", dsig.Policy{}, key.Public()); (err == nil) != accepted {
			t.Errorf("salt %d: %v", salt, err)
		}
	}
}

func TestVerify_TakesBothElementsOfAResponse(t *testing.T) {
	key := dsigtest.RSA(t)
	for _, signer := range signers {
		doc := signer.sign(t, dsigtest.Response(1), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs"})
		doc = signer.sign(t, doc, dsigtest.ResponseID, key, dsigtest.Options{PrefixList: "xs"})
		if all := verified(doc, key.Public()); len(all) != 2 {
			t.Errorf("signed by %s, %d elements verify", signer.name, len(all))
		}
		for _, id := range []string{dsigtest.AssertionID, dsigtest.ResponseID} {
			if err := dsigtest.Xmlsec1Verify(t, doc, id, key); err != nil {
				t.Errorf("signed by %s, refused by xmlsec1: %v", signer.name, err)
			}
		}
	}
}

// TestVerify_TakesTheDefaultNamespaceAsInclusive: in a PrefixList it is written #default.
func TestVerify_TakesTheDefaultNamespaceAsInclusive(t *testing.T) {
	key := dsigtest.RSA(t)
	around := strings.Replace(smallDocument, "<p:Response ", `<p:Response xmlns="urn:d" `, 1)
	for _, signer := range signers {
		for _, list := range []string{"#default", "p #default", "p"} {
			doc := signer.sign(t, around, "_a", key, dsigtest.Options{PrefixList: list, InfoPrefixList: list})
			if _, err := check(t, doc, "_a", dsig.Policy{}, key.Public()); err != nil {
				t.Errorf("%s by %s: %v", list, signer.name, err)
			}
			_, err := check(t, strings.Replace(doc, "urn:d", "urn:e", 1), "_a", dsig.Policy{}, key.Public())
			if (err != nil) != (list != "p") {
				t.Errorf("%s by %s, another default namespace: %v", list, signer.name, err)
			}
		}
	}
}

func TestVerify_TriesEveryKey(t *testing.T) {
	signing, other, curve := dsigtest.RSA(t), dsigtest.OtherRSA(t), dsigtest.EC(t, elliptic.P256())
	for _, form := range []dsigtest.KeyInfo{dsigtest.WithCertificate, dsigtest.WithKeyName, dsigtest.WithRSAKeyValue, dsigtest.WithoutKeyInfo} {
		doc := small(t, signing, dsigtest.Options{KeyInfo: form})
		v, err := check(t, doc, "_a", dsig.Policy{}, publics(curve, other, dsigtest.WeakRSA(t), signing, other)...)
		if err != nil || v.Key() != 3 {
			t.Errorf("KeyInfo %d: key %d, %v", form, v.Key(), err)
		}
	}
}

func TestVerify_ReadsBase64WithWhiteSpace(t *testing.T) {
	key := dsigtest.RSA(t)
	doc := small(t, key, dsigtest.Options{})
	value := textOf(t, doc, "SignatureValue")
	for name, between := range map[string]string{
		"line feeds":                             "\n",
		"carriage returns, as Keycloak has them": "&#13;\n",
		"tabs and spaces":                        "\t ",
	} {
		spaced := between + strings.Join(strings.Split(value, ""), between) + between
		if _, err := check(t, strings.Replace(doc, value, spaced, 1), "_a", dsig.Policy{}, key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerified_IsMadeByVerifyOnly(t *testing.T) { // A10
	var nothing dsig.Verified
	if nothing.Element() != nil || nothing.Signature() != nil || nothing.SHA1() {
		t.Error("the zero value says something")
	}
	v, err := check(t, smallDocument, "_a", dsig.Policy{})
	if err == nil || v != nothing {
		t.Error("a refusal comes with an element")
	}
}

// TestVerify_KeysMustFit has keys that cannot have made the signature, or should not have (A30).
func TestVerify_KeysMustFit(t *testing.T) {
	signing, curve := dsigtest.RSA(t), dsigtest.EC(t, elliptic.P256())
	strange := func(change func(k *rsaKey)) crypto.PublicKey { return changed(signing, change) }
	for name, c := range map[string]struct {
		doc    string
		key    crypto.PublicKey
		reason string
	}{
		"no key":                       {small(t, signing, dsigtest.Options{}), nil, dsig.ReasonNoKey},
		"another key":                  {small(t, signing, dsigtest.Options{}), dsigtest.OtherRSA(t).Public(), dsig.ReasonSignature},
		"RSA of 1024 bits":             {small(t, dsigtest.WeakRSA(t), dsigtest.Options{}), dsigtest.WeakRSA(t).Public(), dsig.ReasonNoKey},
		"RSA with the exponent 3":      {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.E = 3 }), dsig.ReasonNoKey},
		"RSA with the exponent 1":      {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.E = 1 }), dsig.ReasonNoKey},
		"RSA with an even exponent":    {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.E = 65538 }), dsig.ReasonNoKey},
		"RSA with an even modulus":     {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.N.SetBit(k.N, 0, 0) }), dsig.ReasonNoKey},
		"RSA with a modulus too long":  {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.N.SetBit(k.N, 8192, 1) }), dsig.ReasonNoKey},
		"RSA without a modulus":        {small(t, signing, dsigtest.Options{}), strange(func(k *rsaKey) { k.N = nil }), dsig.ReasonNoKey},
		"a curve for an RSA method":    {small(t, signing, dsigtest.Options{}), curve.Public(), dsig.ReasonNoKey},
		"RSA for a method of curves":   {small(t, curve, dsigtest.Options{}), signing.Public(), dsig.ReasonNoKey},
		"another key on the curve":     {small(t, curve, dsigtest.Options{}), dsigtest.EC(t, elliptic.P256()).Public(), dsig.ReasonSignature},
		"another curve":                {small(t, curve, dsigtest.Options{}), dsigtest.EC(t, elliptic.P384()).Public(), dsig.ReasonSignature},
		"the curve P-224":              {small(t, dsigtest.EC(t, elliptic.P224()), dsigtest.Options{}), dsigtest.EC(t, elliptic.P224()).Public(), dsig.ReasonNoKey},
		"something that is not a key":  {small(t, signing, dsigtest.Options{}), "key", dsig.ReasonNoKey},
		"A28 a namesake's certificate": {small(t, dsigtest.OtherRSA(t), dsigtest.Options{}), signing.Public(), dsig.ReasonSignature},
		"A29 HMAC with the public key": {small(t, signing, dsigtest.Options{Method: dsigtest.HMACSHA256}), signing.Public(), dsig.ReasonAlgorithm},
	} {
		t.Run(name, func(t *testing.T) {
			var keys []crypto.PublicKey
			if c.key != nil {
				keys = append(keys, c.key)
			}
			if _, err := check(t, c.doc, "_a", dsig.Policy{}, keys...); reason(t, err) != c.reason {
				t.Errorf("got %v, want %s", err, c.reason)
			}
		})
	}
}

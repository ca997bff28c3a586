package dsig_test

import (
	"crypto"
	"crypto/elliptic"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

const unsignedText = `<p:Request xmlns:p="urn:p" xmlns:a="urn:a" B="&lt;&quot;" ID="_1"><a:Issuer>me &amp; them</a:Issuer><p:Empty/></p:Request>`

func TestSign_MakesWhatVerifyAndXmlsec1Take(t *testing.T) {
	for name, key := range map[string]dsigtest.Key{"RSA": dsigtest.RSA(t), "P-256": dsigtest.EC(t, elliptic.P256()),
		"P-384": dsigtest.EC(t, elliptic.P384()), "P-521": dsigtest.EC(t, elliptic.P521())} {
		for form, doc := range map[string]string{"after the issuer": unsignedText,
			"at the beginning": strings.Replace(unsignedText, "<a:Issuer>me &amp; them</a:Issuer>", "<a:Other/>", 1)} {
			t.Run(name+" "+form, func(t *testing.T) {
				signed, err := dsig.Sign([]byte(doc), key.Signer, key.Certificate.Raw)
				if err != nil {
					t.Fatal(err)
				}
				root := dsigtest.Parse(t, string(signed))
				if _, err := dsig.Verify(root, []crypto.PublicKey{key.Public()}, dsig.Policy{}); err != nil {
					t.Errorf("%v\n%s", err, signed)
				}
				if err := dsigtest.Xmlsec1Verify(t, string(signed), "_1", key); err != nil {
					t.Errorf("xmlsec1: %v\n%s", err, signed)
				}
				changed := dsigtest.Parse(t, strings.Replace(string(signed), "&quot;", "", 1))
				if _, err := dsig.Verify(changed, []crypto.PublicKey{key.Public()}, dsig.Policy{}); err == nil {
					t.Error("a changed message is verified")
				}
			})
		}
	}
}

func TestSign_RefusesWhatNobodyWouldAccept(t *testing.T) {
	key := dsigtest.RSA(t)
	for name, doc := range map[string]string{"no ID": `<a><b/></a>`, "an ID that is none": `<a ID="#x"><b/></a>`, "nothing inside": `<a ID="_1"/>`, "no XML": `<a`} {
		if _, err := dsig.Sign([]byte(doc), key.Signer, nil); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
	if _, err := dsig.Sign([]byte(unsignedText), dsigtest.WeakRSA(t).Signer, nil); err == nil {
		t.Error("signed with a weak key")
	}
}

func TestVerifyOctets_TakesTheKeyAndMethodThatSigned(t *testing.T) {
	octets := []byte("SAMLRequest=a&SigAlg=b")
	rsa, other, ec := dsigtest.RSA(t), dsigtest.OtherRSA(t), dsigtest.EC(t, elliptic.P256())
	keys := []crypto.PublicKey{other.Public(), rsa.Public(), ec.Public()}
	for index, key := range map[int]dsigtest.Key{1: rsa, 2: ec} {
		method, err := dsig.SignatureMethod(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		value, err := dsig.SignOctets(octets, key.Signer)
		if err != nil {
			t.Fatal(err)
		}
		if got, sha1, err := dsig.VerifyOctets(octets, value, method, keys, dsig.Policy{}); got != index || sha1 || err != nil {
			t.Errorf("%d %t %v", got, sha1, err)
		}
		for name, wrong := range map[string]struct {
			octets string
			method string
		}{"other octets": {"SAMLRequest=A&SigAlg=b", method}, "SHA-1": {string(octets), dsigtest.RSASHA1},
			"HMAC": {string(octets), dsigtest.HMACSHA256}, "another hash": {string(octets), strings.Replace(method, "256", "512", 1)}} {
			if _, _, err := dsig.VerifyOctets([]byte(wrong.octets), value, wrong.method, keys, dsig.Policy{}); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
	}
}

package saml_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

func parseX509(t testing.TB, der []byte) *x509.Certificate {
	t.Helper()
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// A12: without a signature there is nothing.
func TestSignatures_CannotBeLeftOut(t *testing.T) {
	s := newScene()
	for _, form := range []struct{ response, assertion bool }{{true, false}, {false, true}, {true, true}} {
		r, doc := s.signedAs(form.response, form.assertion)
		s.accept(t, []byte(doc))
		for _, id := range []string{r.ID, r.Assertion.ID} {
			if id == r.ID && !form.response || id == r.Assertion.ID && !form.assertion {
				continue
			}
			before, _, after := cutSignature(t, doc, id)
			doc = before + after
		}
		s.refuse(t, []byte(doc), saml.ReasonSignatureNone)
	}
	t.Run("a connection without certificates refuses everything", func(t *testing.T) {
		s := newScene()
		_, doc := s.signedAs(true, true)
		s.e.IdentityProvider.Certificates = nil
		s.refuse(t, []byte(doc), saml.ReasonUnknownKey)
		s.e.IdentityProvider.Certificates = []saml.Certificate{{}}
		s.refuse(t, []byte(doc), saml.ReasonUnknownKey)
	})
	t.Run("a good Assertion signature does not save a bad one of the Response", func(t *testing.T) {
		r, doc := s.signedAs(true, true)
		doc = replaceOnce(t, doc, ` IssueInstant="`+r.IssueInstant+`"`, ` IssueInstant="`+samltest.Instant(s.now.Add(time.Second))+`"`)
		s.refuse(t, []byte(doc), saml.ReasonSignature)
	})
	t.Run("nor the other way round", func(t *testing.T) {
		r := s.response()
		r.Signing = samltest.Signing{Assertion: true, Key: kx()}
		doc := samltest.SignElement(s.idp.Sign(r), r.ID, samltest.Signing{Key: k1()})
		s.refuse(t, doc, saml.ReasonUnknownKey)
	})
}

func TestRequire_IsHeldAgainstGoodSignatures(t *testing.T) { // IIP-SP13
	for _, test := range []struct {
		require             saml.Signed
		response, assertion bool
		good                bool
	}{
		{saml.SignedAny, true, false, true}, {saml.SignedAny, false, true, true}, {saml.SignedAny, true, true, true},
		{saml.SignedResponse, true, false, true}, {saml.SignedResponse, false, true, false}, {saml.SignedResponse, true, true, true},
		{saml.SignedBoth, true, false, false}, {saml.SignedBoth, false, true, false}, {saml.SignedBoth, true, true, true},
	} {
		t.Run(fmt.Sprintf("%s, Response %t, Assertion %t", test.require, test.response, test.assertion), func(t *testing.T) {
			s := newScene()
			s.e.Require = test.require
			_, doc := s.signedAs(test.response, test.assertion)
			if !test.good {
				if r := s.refuse(t, []byte(doc), saml.ReasonSignatureNone); r.Verified {
					t.Error("the policy was not met, and yet it is verified")
				}
				return
			}
			if a := s.accept(t, []byte(doc)); a.ResponseSigned != test.response || a.AssertionSigned != test.assertion {
				t.Errorf("ResponseSigned %t, AssertionSigned %t", a.ResponseSigned, a.AssertionSigned)
			}
		})
	}
}

func TestKeyInfo_IsNeverASourceOfTrust(t *testing.T) { // SA11 and A28
	for _, test := range []struct {
		name    string
		signing samltest.Signing
		reason  string // "" for accepted
	}{
		{"KX, with its own certificate of the same names and number", samltest.Signing{Key: kx()}, saml.ReasonUnknownKey},
		{"KX, claiming to be K1", samltest.Signing{Key: kx(), Claims: k1()}, saml.ReasonSignature},
		{"KX, no KeyInfo", samltest.Signing{Key: kx(), KeyInfo: samltest.WithoutKeyInfo}, saml.ReasonUnknownKey},
		{"K1, no KeyInfo", samltest.Signing{KeyInfo: samltest.WithoutKeyInfo}, ""},
		{"K1, KeyName only", samltest.Signing{KeyInfo: samltest.WithKeyName}, ""},
		{"K1, its RSAKeyValue", samltest.Signing{KeyInfo: samltest.WithKeyValue}, ""},
		{"K1, the RSAKeyValue of KX", samltest.Signing{KeyInfo: samltest.WithKeyValue, Claims: kx()}, ""},
		{"K1, the certificate of KX", samltest.Signing{Claims: kx()}, ""},
	} {
		for _, response := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, Response %t", test.name, response), func(t *testing.T) {
				s := newScene()
				r := s.response()
				r.Signing = test.signing
				r.Signing.Response, r.Signing.Assertion = response, !response
				if test.reason == "" {
					s.accept(t, s.idp.Sign(r))
					return
				}
				if refusal := s.refuse(t, s.idp.Sign(r), test.reason); refusal.Verified || refusal.Subject != "" {
					t.Errorf("%+v", refusal)
				}
			})
		}
	}
	t.Run("the refusal names the certificate that the message carried", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Signing.Key = kx()
		if refusal := s.refuse(t, s.idp.Sign(r), saml.ReasonUnknownKey); !strings.Contains(refusal.Detail, kx().Certificate.Fingerprint()) {
			t.Error(refusal.Detail)
		}
	})
}

func TestRotation_TriesEveryKnownKey(t *testing.T) { // SA12
	s := newScene()
	s.idp.Keys = []*samltest.Key{k1(), k2()}
	s.e.IdentityProvider = s.idp.IdentityProvider()
	r := s.response()
	if a := s.accept(t, s.idp.Sign(r)); a.Certificate != 0 {
		t.Errorf("key %d", a.Certificate)
	}
	r.Signing.Key, r.Signing.KeyInfo = k2(), samltest.WithoutKeyInfo
	if a := s.accept(t, s.idp.Sign(r)); a.Certificate != 1 {
		t.Errorf("key %d", a.Certificate)
	}
	r.Signing.Response, r.Signing.Assertion = true, false
	if a := s.accept(t, s.idp.Sign(r)); a.Certificate != 1 {
		t.Errorf("key %d of the Response", a.Certificate)
	}
	s.e.IdentityProvider.Certificates = s.e.IdentityProvider.Certificates[1:]
	r.Signing.Key = k1()
	s.refuse(t, s.idp.Sign(r), saml.ReasonUnknownKey)
}

func TestExpiredCertificate_IsAsGoodAsAny(t *testing.T) { // SA13, IIP-MD12
	s := newScene()
	for _, validity := range [][2]time.Duration{{-48 * time.Hour, -24 * time.Hour}, {24 * time.Hour, 48 * time.Hour}} {
		s.idp.Keys = []*samltest.Key{samltest.Certify(k1().Signer, s.now.Add(validity[0]), s.now.Add(validity[1]))}
		s.e.IdentityProvider = s.idp.IdentityProvider()
		s.accept(t, s.idp.Sign(s.response()))
	}
}

func TestEllipticCurves_SignAsWell(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		s := newScene()
		s.idp.Keys = []*samltest.Key{samltest.NewECKey(curve)}
		s.e.IdentityProvider = s.idp.IdentityProvider()
		s.accept(t, s.idp.Sign(s.response()))
	}
}

func TestAlgorithms_OffTheListAreRefused(t *testing.T) { // SA14, A29, A30
	sha1Both := samltest.Signing{Assertion: true, Method: samltest.RSASHA1, Digest: samltest.SHA1}
	for _, test := range []struct {
		name    string
		signing samltest.Signing
	}{
		{"rsa-sha1", samltest.Signing{Assertion: true, Method: samltest.RSASHA1}},
		{"SHA-1 digest", samltest.Signing{Assertion: true, Digest: samltest.SHA1}},
		{"both", sha1Both},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			r := s.response()
			r.Signing = test.signing
			doc := s.idp.Sign(r)
			s.refuse(t, doc, saml.ReasonAlgorithm)
			s.e.SHA1Until = s.now // the first instant at which it is over
			if refusal := s.refuse(t, doc, saml.ReasonAlgorithm); !strings.Contains(refusal.Detail, "2026-11-22 09:00:00 UTC") {
				t.Errorf("it does not tell when the grace ended: %s", refusal.Detail)
			}
			s.e.SHA1Until = s.now.Add(time.Nanosecond)
			if a := s.accept(t, doc); !a.SHA1 {
				t.Error("it does not tell that SHA-1 was needed")
			}
			if a := s.accept(t, s.idp.Sign(s.response())); a.SHA1 {
				t.Error("it tells of SHA-1 where there was none")
			}
		})
	}
	t.Run("hmac-sha256 with the public key as secret", func(t *testing.T) {
		s := newScene()
		r := s.response()
		doc := dsigtest.Sign(t, string(r.Unsigned()), r.Assertion.ID, dsigKey(t, k1()), dsigtest.Options{Method: dsigtest.HMACSHA256})
		s.refuse(t, []byte(doc), saml.ReasonAlgorithm)
	})
	t.Run("an MD5 digest, and an MD5 signature", func(t *testing.T) {
		s := newScene()
		_, doc := s.signedAs(false, true)
		s.refuse(t, []byte(replace(t, doc, samltest.SHA256, "http://www.w3.org/2001/04/xmldsig-more#md5")), saml.ReasonAlgorithm)
		s.refuse(t, []byte(replace(t, doc, samltest.RSASHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5")), saml.ReasonAlgorithm)
	})
	t.Run("inclusive canonicalisation", func(t *testing.T) {
		s := newScene()
		_, doc := s.signedAs(false, true)
		doc = replaceOnce(t, doc, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"`, `<ds:CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"`)
		s.refuse(t, []byte(doc), saml.ReasonAlgorithm)
	})
	t.Run("RSA of 1024 bits", func(t *testing.T) {
		s := newScene()
		weak := dsigtest.WeakRSA(t)
		if _, err := saml.ParseCertificate(weak.Certificate.Raw); err == nil {
			t.Error("the certificate was accepted")
		}
		s.e.IdentityProvider.Certificates = []saml.Certificate{{Raw: weak.Certificate.Raw}}
		r := s.response()
		doc := dsigtest.Sign(t, string(r.Unsigned()), r.Assertion.ID, weak, dsigtest.Options{})
		s.refuse(t, []byte(doc), saml.ReasonUnknownKey)
	})
	t.Run("an ECDSA method with an RSA key", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Signing.Method = samltest.ECDSASHA256
		s.refuse(t, s.idp.Sign(r), saml.ReasonUnknownKey)
	})
	t.Run("a signature value with bytes after it", func(t *testing.T) {
		s := newScene()
		_, doc := s.signedAs(false, true)
		s.refuse(t, []byte(replaceOnce(t, doc, "<ds:SignatureValue>", "<ds:SignatureValue>AAAA")), saml.ReasonSignature)
	})
}

// A22, A23 and A31, signed anew after the change, so that only the form is wrong.
func TestSignatureForms_OtherThanOneAreRefused(t *testing.T) {
	s := newScene()
	r := s.response()
	unsigned := string(r.Unsigned())
	key := dsigKey(t, k1())
	reference := dsigtest.Reference(r.ID, dsigtest.Options{}, "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=")
	in := func(old, new string) func(string) string {
		return func(signature string) string { return replaceOnce(t, signature, old, new) }
	}
	uri := `URI="#` + r.Assertion.ID + `"`
	transforms := "</ds:Transforms>"
	// These cover something else than the Assertion that they are in.
	elsewhere := []string{"A22, a reference to something else first", "A22, a reference to something else last", "A31, an external reference",
		"A31, xpointer", "A31, the whole document", "A31, no URI"}
	for _, test := range []struct {
		name   string
		change func(signature string) string
	}{
		{"control", nil},
		{"A22, a reference to something else first", in("<ds:Reference ", reference+"<ds:Reference ")},
		{"A22, a reference to something else last", in("</ds:Reference>", "</ds:Reference>"+reference)},
		{"A23, two SignatureValues", in("<ds:SignatureValue>", "<ds:SignatureValue>AAAA</ds:SignatureValue><ds:SignatureValue>")},
		{"A23, an element in DigestValue", in("</ds:DigestValue>", "<ds:x/></ds:DigestValue>")},
		{"an Object", in("</ds:Signature>", "<ds:Object/></ds:Signature>")},
		{"A31, an XSLT transform", in(transforms, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>`+transforms)},
		{"A31, an XPath transform", in(transforms, `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116"><ds:XPath>1=1</ds:XPath></ds:Transform>`+transforms)},
		{"A31, a base64 transform", in(transforms, `<ds:Transform Algorithm="http://www.w3.org/2000/09/xmldsig#base64"/>`+transforms)},
		{"A31, only enveloped-signature", in(`<ds:Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"></ds:Transform>`, "")},
		{"A31, an external reference", in(uri, `URI="http://127.0.0.1:1/x"`)},
		{"A31, xpointer", in(uri, `URI="#xpointer(/)"`)},
		{"A31, the whole document", in(uri, `URI=""`)},
		{"A31, no URI", in(" "+uri, "")},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := test.change
			if strings.Contains(test.name, "only enveloped") {
				change = func(signature string) string {
					at := strings.LastIndex(signature, "<ds:Transform ")
					end := strings.Index(signature, transforms)
					return signature[:at] + signature[end:]
				}
			}
			doc := dsigtest.Sign(t, unsigned, r.Assertion.ID, key, dsigtest.Options{Template: change})
			sound(t, doc)
			if change == nil {
				s.accept(t, []byte(doc))
				return
			}
			reason := saml.ReasonSignature
			if slices.Contains(elsewhere, test.name) {
				reason = saml.ReasonReference
			}
			s.refuse(t, []byte(doc), reason)
		})
	}
	t.Run("A23, two SignedInfos", func(t *testing.T) {
		doc := dsigtest.Sign(t, unsigned, r.Assertion.ID, key, dsigtest.Options{})
		_, rest, _ := strings.Cut(doc, "<ds:SignedInfo>")
		info, _, _ := strings.Cut(rest, "</ds:SignedInfo>")
		s.refuse(t, []byte(replaceOnce(t, doc, "<ds:SignatureValue>", "<ds:SignedInfo>"+info+"</ds:SignedInfo><ds:SignatureValue>")), saml.ReasonSignature)
	})
	t.Run("A23, a comment in DigestValue", func(t *testing.T) {
		doc := dsigtest.Sign(t, unsigned, r.Assertion.ID, key, dsigtest.Options{})
		s.refuse(t, []byte(replaceOnce(t, doc, "</ds:DigestValue>", "<!-- x --></ds:DigestValue>")), saml.ReasonComment)
	})
}

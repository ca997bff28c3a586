package dsig_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// TestVerify_IsNotWrapped has the eight shapes of XML signature wrapping that Somorovsky and others
// published in 2012 (A1-A8), each with where an honest original remains. An evil element must never
// verify; an original may, and whoever reads an identity reads it from the verified element.
func TestVerify_IsNotWrapped(t *testing.T) {
	key := dsigtest.RSA(t)
	o := dsigtest.Options{PrefixList: "xs"}
	response := dsigtest.Sign(t, dsigtest.Response(2), dsigtest.ResponseID, key, o)
	plainResponse, signature := cut(t, response, "<ds:Signature ", "</ds:Signature>")
	_, plainResponse, _ = strings.Cut(plainResponse, "?>")
	assertion := dsigtest.Sign(t, dsigtest.Response(2), dsigtest.AssertionID, key, o)
	before, rest, _ := strings.Cut(assertion, "<saml2:Assertion ")
	inner, after, _ := strings.Cut(rest, "</saml2:Assertion>")
	original := "<saml2:Assertion " + inner + "</saml2:Assertion>"
	plain, assertionSignature := cut(t, original, "<ds:Signature ", "</ds:Signature>")

	evil := func(s string) string {
		return strings.NewReplacer("alice@corp.example", "mallory@evil.example", dsigtest.AssertionID, "_evilA", dsigtest.ResponseID, "_evilR").Replace(s)
	}
	insideSignature := func(signature, what string) string {
		return strings.Replace(signature, "</ds:Signature>", what+"</ds:Signature>", 1)
	}
	signedBy := func(signature, s string) string { // the signature after the first Issuer
		return strings.Replace(s, "</saml2:Issuer>", "</saml2:Issuer>"+signature, 1)
	}
	wrap := func(name, s string) string { return "<" + name + ">" + s + "</" + name + ">" }

	for name, c := range map[string]struct {
		doc      string
		verified int // originals that verify
	}{
		"A1 XSW1, the original response inside the signature": {signedBy(insideSignature(signature, plainResponse), evil(plainResponse)), 0},
		"A1 XSW1, in an Object":                               {signedBy(insideSignature(signature, wrap("ds:Object", plainResponse)), evil(plainResponse)), 0},
		"A2 XSW2, the original response before the signature": {signedBy(plainResponse+signature, evil(plainResponse)), 0},
		"A3 XSW3, an evil assertion before":                   {before + evil(plain) + original + after, 1},
		"A3 an evil assertion after":                          {before + original + evil(plain) + after, 1},
		"A4 XSW4, an evil assertion around":                   {before + strings.Replace(evil(plain), "</saml2:Assertion>", original+"</saml2:Assertion>", 1) + after, 1},
		"A5 XSW5, the original appended":                      {before + signedBy(assertionSignature, evil(plain)) + plain + after, 0},
		"A6 XSW6, the original inside the signature":          {before + signedBy(insideSignature(assertionSignature, plain), evil(plain)) + after, 0},
		"A7 XSW7, an evil assertion in Extensions":            {before + wrap("saml2p:Extensions", evil(plain)) + original + after, 1},
		"A7 with the same ID":                                 {before + wrap("saml2p:Extensions", strings.Replace(evil(plain), "_evilA", dsigtest.AssertionID, 1)) + original + after, -1},
		"A8 XSW8, the original in an Object":                  {before + signedBy(insideSignature(assertionSignature, wrap("ds:Object", plain)), evil(plain)) + after, 0},
		"A6 the original inside KeyInfo":                      {before + signedBy(strings.Replace(assertionSignature, "</ds:KeyInfo>", plain+"</ds:KeyInfo>", 1), evil(plain)) + after, 0},
		"A9 the whole original in the signature":              {before + signedBy(insideSignature(assertionSignature, original), evil(plain)) + after, 1},
		"A9 the signature of another element":                 {before + signedBy(assertionSignature, evil(plain)) + after, 0},
		"A9 the signature on the response":                    {signedBy(assertionSignature, before) + plain + after, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(c.doc, "evil") && !strings.HasPrefix(name, "A9") {
				t.Fatal("nobody is evil")
			}
			_, err := strictxml.Parse([]byte(c.doc), strictxml.Limits{})
			if (err != nil) != (c.verified < 0) {
				t.Fatalf("the reader says %v", err)
			}
			all := verified(c.doc, key.Public())
			if len(all) != max(c.verified, 0) {
				t.Errorf("%d elements verify, want %d", len(all), c.verified)
			}
			for _, v := range all {
				if strings.Contains(content(v), "evil") {
					t.Error("an evil element verifies")
				}
			}
		})
	}
	for _, honest := range []string{response, assertion} {
		if len(verified(honest, key.Public())) != 1 {
			t.Error("without wrapping nothing verifies")
		}
	}
}

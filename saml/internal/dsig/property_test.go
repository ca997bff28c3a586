package dsig_test

import (
	"crypto/x509"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/beevik/etree"
	goxmldsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// TestVerify_OneByteChangedIsRefusedOrChangesNothing flips a bit of every byte of a signed response.
// Where the signature covers the byte, verification must fail; elsewhere it may hold, for the same
// bytes as before.
func TestVerify_OneByteChangedIsRefusedOrChangesNothing(t *testing.T) {
	key := dsigtest.RSA(t)
	doc := dsigtest.Sign(t, dsigtest.Response(1), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs"})
	v, err := check(t, doc, dsigtest.AssertionID, dsig.Policy{}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signed := content(v, "xs")
	covered := make([]bool, len(doc))
	mark := func(e *strictxml.Element, value bool) {
		start, end := e.Extent()
		for i := start; i < end; i++ {
			covered[i] = value
		}
	}
	mark(v.Element(), true)
	mark(v.Signature(), false)
	mark(v.Signature().First(), true)        // SignedInfo
	mark(v.Signature().First().Next(), true) // SignatureValue: nothing but its white space is free

	// A declaration that the canonical form leaves out may have any prefix.
	for _, extent := range regexp.MustCompile(` xmlns:[a-z0-9]+="[^"]*"`).FindAllStringIndex(doc, -1) {
		for i := extent[0]; i < extent[1]; i++ {
			covered[i] = false
		}
	}

	random := rand.New(rand.NewPCG(1, 2))
	still := 0
	for i := range doc {
		mutant := []byte(doc)
		mutant[i] ^= 1 << random.IntN(8)
		for _, v := range verified(string(mutant), key.Public()) {
			if covered[i] {
				t.Errorf("byte %d changed to %q, and %.60q... verifies", i, mutant[i], mutant[max(0, i-20):])
			}
			if content(v, "xs") != signed {
				t.Errorf("byte %d changed to %q, and something else verifies: %s", i, mutant[i], content(v))
			}
			still++
		}
	}
	if still == 0 || still > len(doc)/2 {
		t.Errorf("%d of %d documents still verify", still, len(doc))
	}
}

// damage changes a few bytes of a document, often so that it stays a document.
func damage(random *rand.Rand, doc string) string {
	pieces := []string{"", " ", "\n", "\r", "\t", "a", ":", "'", `"`, "<", ">", "&", "&amp;", "&#13;", "=", "/", "<a/>", "<!---->", "é", ` x=""`, ` xmlns=""`, ` xmlns:ds="urn:x"`}
	for range 1 + random.IntN(2) {
		from := random.IntN(len(doc))
		to := min(len(doc), from+random.IntN(3))
		doc = doc[:from] + pieces[random.IntN(len(pieces))] + doc[to:]
	}
	return doc
}

// TestVerify_AcceptsNothingThatOthersRefuse damages signed responses and asks xmlsec1 and goxmldsig
// about those that still verify.
func TestVerify_AcceptsNothingThatOthersRefuse(t *testing.T) {
	const want = 25 // damaged documents for xmlsec1, which takes a process for each
	key := dsigtest.RSA(t)
	doc := dsigtest.Sign(t, dsigtest.Response(1), dsigtest.AssertionID, key, dsigtest.Options{PrefixList: "xs saml2"})
	v, err := check(t, doc, dsigtest.AssertionID, dsig.Policy{}, key.Public())
	if err != nil {
		t.Fatal(err)
	}
	signed := content(v, "xs", "saml2")
	random := rand.New(rand.NewPCG(3, 4))
	var accepted []string
	for range 40 * want {
		mutant := damage(random, doc)
		for _, v := range verified(mutant, key.Public()) {
			if content(v, "xs", "saml2") != signed {
				t.Fatalf("something else than what was signed verifies in %s", mutant)
			}
			if mutant != doc {
				accepted = append(accepted, mutant)
			}
		}
	}
	if len(accepted) < want {
		t.Fatalf("%d damaged documents still verify: too few to ask about", len(accepted))
	}
	t.Logf("%d damaged documents still verify", len(accepted))
	theirs := goxmldsig.NewDefaultValidationContext(&goxmldsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{key.Certificate}})
	judged := 0
	_, certificate := cut(t, doc, "<ds:X509Certificate>", "</ds:X509Certificate>")
	for _, mutant := range accepted {
		if !strings.Contains(mutant, certificate) || strings.ContainsAny(textOf(t, mutant, "SignatureValue")+textOf(t, mutant, "DigestValue"), " \t&") {
			continue // it takes the certificate from there, and no spaces in base64
		}
		tree := etree.NewDocument()
		if err := tree.ReadFromString(mutant); err != nil {
			t.Errorf("etree does not read what we do: %v\n%s", err, mutant)
			continue
		}
		if _, err := theirs.Validate(tree.FindElement("//*[@ID='" + dsigtest.AssertionID + "']")); err != nil {
			t.Errorf("goxmldsig refuses what we do not: %v\n%s", err, mutant)
		}
		judged++
	}
	if judged == 0 {
		t.Error("goxmldsig was asked about none")
	}
	for _, mutant := range accepted[:want] {
		if err := dsigtest.Xmlsec1Verify(t, mutant, dsigtest.AssertionID, key); err != nil {
			t.Errorf("xmlsec1 refuses what we do not: %v\n%s", err, mutant)
		}
	}
}

package saml_test

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/beevik/etree"
	goxmldsig "github.com/russellhaering/goxmldsig"
	"github.com/russellhaering/goxmldsig/etreeutils"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// asGoxmldsigReads verifies the element of that ID with goxmldsig and returns the name identifier
// in the bytes that it verified.
func asGoxmldsigReads(t testing.TB, doc, id string, certificate saml.Certificate) (string, error) {
	t.Helper()
	document := etree.NewDocument()
	if err := document.ReadFromString(doc); err != nil {
		return "", err
	}
	element := document.FindElement(`//*[@ID='` + id + `']`)
	if element == nil {
		return "", fmt.Errorf("no element %s", id)
	}
	context, err := etreeutils.NSBuildParentContext(element)
	if err != nil {
		return "", err
	}
	if element, err = etreeutils.NSDetatch(context, element); err != nil {
		return "", err
	}
	theirs := goxmldsig.NewDefaultValidationContext(&goxmldsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{parseX509(t, certificate.Raw)}})
	verified, err := theirs.Validate(element)
	if err != nil {
		return "", err
	}
	for _, name := range verified.FindElements("//NameID") {
		return name.Text(), nil
	}
	return "", fmt.Errorf("no NameID")
}

// agree asks xmlsec1 and goxmldsig about every signature of a message that we accepted. goxmldsig
// takes the certificate from the message and no spaces in base64, so that it cannot be asked
// about some rewritings.
func agree(t testing.TB, doc string, a *saml.Assertion, certificate saml.Certificate) {
	t.Helper()
	askGoxmldsig := true
	for _, text := range base64Text.FindAllStringSubmatch(doc, -1) {
		if strings.ContainsAny(text[2], " \t&") || text[1] == "X509Certificate" && !sameCertificate(text[2], certificate) {
			askGoxmldsig = false
		}
	}
	responseID, assertionID := ids(t, doc)
	for _, part := range []struct {
		id     string
		signed bool
	}{{responseID, a.ResponseSigned}, {assertionID, a.AssertionSigned}} {
		if !part.signed {
			continue
		}
		if err := dsigtest.Xmlsec1Verify(t, doc, part.id, dsigtest.Key{Certificate: parseX509(t, certificate.Raw)}); err != nil {
			t.Errorf("xmlsec1 refuses %s: %v\n%s", part.id, err, doc)
		}
		if !askGoxmldsig {
			continue
		}
		name, err := asGoxmldsigReads(t, doc, part.id, certificate)
		if err != nil {
			t.Errorf("goxmldsig refuses %s: %v\n%s", part.id, err, doc)
		} else if name != a.Subject.Value {
			t.Errorf("goxmldsig reads %q, we %q", name, a.Subject.Value)
		}
	}
}

var base64Text = regexp.MustCompile(`<(?:ds:)?(X509Certificate|SignatureValue|DigestValue)\s*>([^<]*)<`)

func sameCertificate(text string, certificate saml.Certificate) bool {
	parsed, err := saml.ParseCertificate([]byte(text))
	return err == nil && parsed.Fingerprint() == certificate.Fingerprint()
}

func TestOracles_AgreeOnWhatIsAccepted(t *testing.T) {
	for _, f := range fixtures {
		s, doc := f.load(t)
		agree(t, doc, s.accept(t, []byte(doc)), s.e.IdentityProvider.Certificates[0])
	}
	for _, style := range []samltest.Style{samltest.Okta, samltest.Entra} {
		for _, form := range []struct{ response, assertion bool }{{false, true}, {true, true}, {true, false}} {
			s := newScene()
			r := s.response()
			r.Style, r.Signing.Response, r.Signing.Assertion = style, form.response, form.assertion
			r.Assertion.NameID.Value = "Ünï \"<&>'\r\n@corp.example"
			doc := s.idp.Sign(r)
			agree(t, string(doc), s.accept(t, doc), k1().Certificate)
		}
	}
}

// rewritings change how a document is written, and some of them what it says.
var rewritings = []func(r *rand.Rand, doc string) string{
	func(r *rand.Rand, doc string) string { return at(r, doc, `>`, " >") },
	func(r *rand.Rand, doc string) string { return at(r, doc, `/>`, "\n/>") },
	func(r *rand.Rand, doc string) string { return at(r, doc, ` ID=`, "\n\tID=") },
	func(r *rand.Rand, doc string) string { return at(r, doc, `="`, ` = "`) },
	func(r *rand.Rand, doc string) string { return at(r, doc, "e", "&#101;") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "a", "&#x61;") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "\n", "\r\n") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "><", ">\n<") },
	func(r *rand.Rand, doc string) string { return at(r, doc, "><", "> <") },
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `Response `, `Response xmlns:unused="urn:unused" `)
	},
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `Assertion `, `Assertion xmlns:unused="urn:unused" `)
	},
	func(r *rand.Rand, doc string) string {
		return at(r, doc, `Response `, `Response xmlns:xs="urn:other" `)
	},
	func(r *rand.Rand, doc string) string { return at(r, doc, `Response `, `Response Consent="urn:x" `) },
	func(r *rand.Rand, doc string) string { return at(r, doc, `&gt;`, ">") },
	func(r *rand.Rand, doc string) string {
		return quotes.ReplaceAllStringFunc(doc, func(s string) string { return swap(r, s) })
	},
	func(r *rand.Rand, doc string) string { return empty.ReplaceAllString(doc, "<$1></$2>") },
	func(r *rand.Rand, doc string) string { return strings.ReplaceAll(doc, "saml2p", "other") },
	func(r *rand.Rand, doc string) string {
		from := r.IntN(len(doc))
		return doc[:from] + string(rune(32+r.IntN(95))) + doc[from+1:]
	},
	func(r *rand.Rand, doc string) string {
		from := r.IntN(len(doc))
		to := min(len(doc), from+r.IntN(20))
		return doc[:to] + doc[from:to] + doc[to:]
	},
}

var (
	quotes = regexp.MustCompile(`="[^"']*"`)
	empty  = regexp.MustCompile(`<(([A-Za-z0-9:]+)[^<>]*)/>`)
)

func swap(r *rand.Rand, s string) string {
	if r.IntN(4) > 0 {
		return s
	}
	return "='" + s[2:len(s)-1] + "'"
}

// at replaces one of the places of old.
func at(r *rand.Rand, doc, old, new string) string {
	parts := strings.Split(doc, old)
	if len(parts) < 2 {
		return doc
	}
	i := 1 + r.IntN(len(parts)-1)
	return strings.Join(parts[:i], old) + new + strings.Join(parts[i:], old)
}

// A10: whatever is accepted after a rewriting says the same as before, and others accept it too. A
// random kind of rewriting is as likely inside what is signed as outside.
func TestOracles_AgreeOnRewrittenMessages(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2026))
	documents, asked, every := 1200, 24, 16
	if raceEnabled {
		documents, asked, every = 300, 8, 8
	}
	accepted, questions := 0, 0
	for _, f := range fixtures {
		s, doc := f.load(t)
		original := s.accept(t, []byte(doc))
		for range documents / len(fixtures) {
			mutant := doc
			for range 1 + r.IntN(2) {
				mutant = rewritings[r.IntN(len(rewritings))](r, mutant)
			}
			if mutant == doc {
				continue
			}
			a, refusal := s.verify([]byte(mutant))
			if refusal != nil {
				continue
			}
			accepted++
			sameStatement(t, original, a, mutant)
			// Asking xmlsec1 costs a process: spread the questions.
			if accepted%every == 0 && questions < asked {
				questions++
				agree(t, mutant, a, s.e.IdentityProvider.Certificates[0])
			}
		}
	}
	if accepted < 50 || questions < asked {
		t.Errorf("only %d rewritings were accepted and %d asked about", accepted, questions)
	}
	t.Logf("%d accepted, %d asked about", accepted, questions)
}

// sameStatement compares what the signature of the assertion covers.
func sameStatement(t testing.TB, want, got *saml.Assertion, doc string) {
	t.Helper()
	a, b := *want, *got
	if !a.ResponseSigned {
		b.ResponseID = a.ResponseID
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the message changed its meaning:\n%+v\n%+v\n%s", a, b, doc)
	}
}

// A10: one byte that is changed makes a message refused, or leaves what it says.
func TestOneByteFlipped_NeverChangesWhatIsSaid(t *testing.T) {
	for _, f := range fixtures {
		s, doc := f.load(t)
		original := s.accept(t, []byte(doc))
		raw := []byte(doc)
		stride := 1
		if raceEnabled || testing.Short() {
			stride = 7
		}
		accepted := 0
		for i := 0; i < len(raw); i += stride {
			for _, bit := range []byte{1 << (i % 7), 0x20} {
				raw[i] ^= bit
				if a, refusal := s.verify(raw); refusal == nil {
					accepted++
					sameStatement(t, original, a, string(raw))
				}
				raw[i] ^= bit
			}
		}
		if accepted == 0 {
			t.Error("not one flip was accepted; those in KeyInfo should be")
		}
	}
}

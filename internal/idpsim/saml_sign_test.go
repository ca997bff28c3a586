package idpsim

import (
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	dsig "github.com/russellhaering/goxmldsig"
)

// The signatures are judged by two strangers: xmlsec1 and goxmldsig.

// xmlsec verifies one signature, chosen by XPath, with the IdP's certificate.
func xmlsec(t *testing.T, k samlKey, document, parent string) error {
	t.Helper()
	dir := t.TempDir()
	cert, doc := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "doc.xml")
	must(t, os.WriteFile(cert, []byte(k.PEM()), 0o600))
	must(t, os.WriteFile(doc, []byte(document), 0o600))
	out, err := exec.CommandContext(t.Context(), "xmlsec1", "--verify", "--enabled-reference-uris", "same-doc",
		"--id-attr:ID", nsAssertion+":Assertion", "--id-attr:ID", nsProtocol+":Response", "--id-attr:ID", nsMetadata+":EntityDescriptor",
		"--pubkey-cert-pem", cert, "--node-xpath", parent+"/*[local-name()='Signature']", doc).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Fatal("xmlsec1 is not installed; run make deps")
	}
	if err != nil {
		return errors.New(string(out))
	}
	return nil
}

// second verifies with goxmldsig the signature that is a child of the element found by path.
func second(t *testing.T, k samlKey, document, path string, now time.Time) error {
	t.Helper()
	cert, err := x509.ParseCertificate(k.der)
	must(t, err)
	doc := etree.NewDocument()
	must(t, doc.ReadFromString(document))
	e := doc.FindElement(path)
	if e == nil {
		t.Fatalf("%s is not in %s", path, document)
	}
	// The library judges an element by itself; what it inherits must be said on it.
	for a := e.Parent(); a != nil && a.Tag != ""; a = a.Parent() {
		for _, at := range a.Attr {
			if at.Space == "xmlns" && e.SelectAttr("xmlns:"+at.Key) == nil {
				e.CreateAttr("xmlns:"+at.Key, at.Value)
			}
		}
	}
	v := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{cert}})
	v.IdAttribute, v.Clock = "ID", dsig.NewFakeClockAt(now)
	_, err = v.Validate(e)
	return err
}

const (
	atResponse  = "/*[local-name()='Response']"
	atAssertion = atResponse + "/*[local-name()='Assertion']"
)

func TestStrangersAcceptEverySignature(t *testing.T) {
	for _, kind := range []Kind{Okta, Entra} {
		p, z := signIn(t, kind, nil)
		keys, err := p.saml.keys()
		must(t, err)
		for _, algorithm := range algorithmChoices {
			for sign, signed := range map[string][2]bool{"assertion": {true, false}, "response": {false, true}, "both": {true, true}} {
				t.Run(string(kind)+" "+algorithm+" "+sign, func(t *testing.T) {
					set := p.SAMLSettings()
					set.Algorithm, set.Sign = algorithm, sign
					must(t, p.ConfigureSAML(set))
					out, err := p.SignInAs(redirect(t, p, asked(p), ""), "zoe.mueller@acme.test")
					must(t, err)
					doc := decoded(t, out)
					if n := strings.Count(doc, "SignatureValue>") / 2; n != btoi(signed[0])+btoi(signed[1]) {
						t.Errorf("%d signatures", n)
					}
					for i, place := range []struct{ xpath, path string }{{atAssertion, "//Assertion"}, {atResponse, "//Response"}} {
						if !signed[i] {
							continue
						}
						if err := xmlsec(t, keys.own, doc, place.xpath); err != nil {
							t.Errorf("xmlsec1 at %s: %v\n%s", place.path, err, doc)
						}
						if err := second(t, keys.own, doc, place.path, z.now); err != nil {
							t.Errorf("goxmldsig at %s: %v", place.path, err)
						}
						if algorithm != "rsa-sha256" {
							continue
						}
						if xmlsec(t, keys.impostor, doc, place.xpath) == nil {
							t.Error("xmlsec1 accepts any key")
						}
						if xmlsec(t, keys.own, strings.Replace(doc, ">zoe.mueller@", ">ann.lee@", 1), place.xpath) == nil {
							t.Error("xmlsec1 accepts a changed NameID")
						}
					}
				})
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestStrangersAcceptTheSignatureOfEntrasMetadata(t *testing.T) {
	p, _ := signIn(t, Entra, nil)
	keys, err := p.saml.keys()
	must(t, err)
	doc, err := p.SAMLMetadata()
	must(t, err)
	if err := xmlsec(t, keys.own, string(doc), "/*[local-name()='EntityDescriptor']"); err != nil {
		t.Errorf("%v\n%s", err, doc)
	}
}

// TestEachFaultIsTheOneThatItIsCalled says for every fault whether the signature still holds by
// the IdP's key, and what is in the document that a good one has not.
func TestEachFaultIsTheOneThatItIsCalled(t *testing.T) {
	type expectation struct {
		holds   bool     // xmlsec1 accepts the assertion's signature
		has     []string // what the document must contain
		without string
	}
	for _, kind := range []Kind{Okta, Entra} {
		p, _ := signIn(t, kind, func(s *SAMLSettings) { s.Sign = "assertion" })
		keys, err := p.saml.keys()
		must(t, err)
		st := styleOf(kind)
		for fault, want := range map[Fault]expectation{
			FaultNone:           {true, []string{`IssueInstant="2026-11-21T09:00:00.000Z"`}, "evil"},
			FaultExpired:        {true, []string{`IssueInstant="2026-11-19T09:00:00.000Z"`, `AuthnInstant="2026-11-19T09:00:00.000Z"`}, "11-21T"},
			FaultClockAhead7m:   {true, []string{`IssueInstant="2026-11-21T09:07:00.000Z"`, `NotBefore="2026-11-21T09:02:00.000Z"`}, "T09:00"},
			FaultClockAhead4m:   {true, []string{`IssueInstant="2026-11-21T09:04:00.000Z"`, `NotBefore="2026-11-21T08:59:00.000Z"`}, "T09:00"},
			FaultWrongAudience:  {true, []string{"Audience>https://another-application.example/saml</"}, ">" + testAudience + "<"},
			FaultWrongRecipient: {true, []string{`Recipient="https://another-application.example/saml/acs"`, `Destination="` + testACS}, `Recipient="` + testACS},
			FaultWrongIssuer:    {true, nil, p.SAMLEntityID() + "</" + st.a("Issuer")},
			FaultOtherRequest:   {true, []string{`InResponseTo="_request-that-nobody-made"`}, `InResponseTo="_4fee`},
			FaultNoConditions:   {true, nil, "Conditions"},
			FaultUnsigned:       {false, nil, "Signature"},
			FaultWrongKey:       {false, []string{st.base64(keys.impostor.der)}, st.base64(keys.own.der)},
			FaultWrapped:        {true, []string{">zoe.mueller@acme.test</" + st.a("NameID"), ">ann.lee@acme.test</" + st.a("NameID")}, "evil"},
			FaultWrappedAround:  {true, []string{">ann.lee@acme.test</" + st.a("NameID"), ">zoe.mueller@acme.test</" + st.a("NameID"), "Statement><" + st.a("Assertion")}, "evil"},
			FaultComment:        {true, []string{">zoe.mueller@acme.test<!---->.evil.example</"}, ">zoe.mueller@acme.test</" + st.a("NameID")},
			FaultDTD:            {true, []string{"<!DOCTYPE " + st.p("Response")}, "evil"},
			FaultDenied:         {false, []string{statusPrefix + "Responder", statusPrefix + "RequestDenied"}, "Assertion "},
		} {
			t.Run(string(kind)+" "+string(fault), func(t *testing.T) {
				must(t, p.SetSAMLFault(fault))
				out, err := p.SignInAs(redirect(t, p, asked(p), "r"), "zoe.mueller@acme.test")
				must(t, err)
				doc := decoded(t, out)
				holds(t, doc, want.has...)
				if want.without != "" && strings.Contains(doc, want.without) {
					t.Errorf("the response has %q:\n%s", want.without, doc)
				}
				if got := xmlsec(t, keys.own, doc, "//*[local-name()='Assertion']"); (got == nil) != want.holds {
					t.Errorf("xmlsec1: %v\n%s", got, doc)
				}
				if fault == FaultWrongKey {
					if err := xmlsec(t, keys.impostor, doc, atAssertion); err != nil {
						t.Error("the other key did not sign:", err)
					}
				}
				if out.Fault != fault || p.SAMLFault() != FaultNone {
					t.Errorf("fault %s was made, %s is armed", out.Fault, p.SAMLFault())
				}
			})
		}
	}
}

// TestAnExpiredResponseIsBeyondEveryTolerance holds the fault against the lifetime: Entra's hour
// and the five minutes that applications may allow.
func TestAnExpiredResponseIsBeyondEveryTolerance(t *testing.T) {
	for _, kind := range Kinds() {
		p, z := signIn(t, kind, nil)
		must(t, p.SetSAMLFault(FaultExpired))
		out, err := p.Tile("zoe.mueller@acme.test")
		must(t, err)
		ends := regexp.MustCompile(`NotOnOrAfter="([^"]+)"`).FindAllStringSubmatch(decoded(t, out), -1)
		for _, m := range ends {
			if end, err := time.Parse(time.RFC3339, m[1]); err != nil || z.now.Sub(end) <= 5*time.Minute {
				t.Errorf("%s: %s, %v", kind, m[0], err)
			}
		}
		if len(ends) != 2 {
			t.Errorf("%s: %d ends", kind, len(ends))
		}
	}
}

func TestAReplayIsTheGoodResponseBeforeByteForByte(t *testing.T) {
	p, _ := signIn(t, Okta, nil)
	if err := p.SetSAMLFault(FaultReplay); !errors.Is(err, ErrInvalid) {
		t.Errorf("a replay of nothing: %v", err)
	}
	good, err := p.Tile("zoe.mueller@acme.test")
	must(t, err)
	must(t, p.SetSAMLFault(FaultExpired))
	_, err = p.Tile("zoe.mueller@acme.test")
	must(t, err)
	must(t, p.SetSAMLFault(FaultReplay))
	again, err := p.SignInAs(redirect(t, p, asked(p), "other"), "zoe.mueller@acme.test")
	must(t, err)
	if again.SAMLResponse != good.SAMLResponse || again.RelayState != good.RelayState {
		t.Error("the replay differs")
	}
	next, err := p.Tile("zoe.mueller@acme.test")
	must(t, err)
	if next.SAMLResponse == good.SAMLResponse {
		t.Error("the fault was used twice")
	}
}

func TestEveryFaultHasATitleAndAnExpectation(t *testing.T) {
	for _, f := range Faults() {
		if f.Title() == string(f) || f.Works() != (f == FaultNone || f == FaultClockAhead4m || f == AttackManyValues) {
			t.Errorf("%s: %q, works %v", f, f.Title(), f.Works())
		}
	}
	p, _ := signIn(t, Okta, nil)
	if err := p.SetSAMLFault("nonsense"); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

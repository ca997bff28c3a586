package saml_test

import (
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// Attacks that leave the signature good: xmlsec1, which is asked about each, says so. Whoever refuses them only because a
// signature breaks would let them in. They were used against readers that took the text before a comment, the text with
// a comment or an instruction in it, an attribute that a document type had made an ID, or another attribute than ID.
func TestTricksThatLeaveTheSignatureGood_AreRefused(t *testing.T) { // A13, A14, A15, A16, A18, A20, A24
	key := dsigKey(t, k1())
	const long = "admin@corp.example.evil.example" // the attacker's own account at the identity provider
	for _, test := range []struct {
		name, signed string
		change       func(doc string) string
		reason       string
	}{
		{"A13 the name ends at a comment", long, func(doc string) string {
			return replaceOnce(t, doc, ">admin@corp.example.evil.example<", ">admin@corp.example<!---->.evil.example<")
		}, saml.ReasonComment},
		{"A13 an attribute ends at a comment", "alice@corp.example", func(doc string) string {
			return replaceOnce(t, doc, "</saml2:AttributeValue>", "<!-- x --></saml2:AttributeValue>")
		}, saml.ReasonComment},
		{"A14 the comment is read along", "alice@corp.example", func(doc string) string {
			return replaceOnce(t, doc, ">alice@corp.example<", ">alice@corp.example<!--.victim.example--><")
		}, saml.ReasonComment},
		{"A13 a comment outside of what is signed", "alice@corp.example", func(doc string) string {
			return replaceOnce(t, doc, "<saml2p:Status>", "<!-- x --><saml2p:Status>")
		}, saml.ReasonComment},
		{"A15 an instruction outside of what is signed", "alice@corp.example", func(doc string) string {
			return replaceOnce(t, doc, "<saml2p:Status>", "<?x y?><saml2p:Status>")
		}, saml.ReasonInstruction},
		{"A16 a document type", "alice@corp.example", func(doc string) string {
			return "<!DOCTYPE saml2p:Response>" + bare(doc)
		}, saml.ReasonDTD},
		{"A20 a document type makes an ID", "alice@corp.example", func(doc string) string {
			return "<!DOCTYPE saml2p:Response [<!ATTLIST Elsewhere AltID ID #IMPLIED>]>" + bare(doc)
		}, saml.ReasonDTD},
		{"A24 a document type with an entity that nobody uses", "alice@corp.example", func(doc string) string {
			return `<!DOCTYPE saml2p:Response [<!ENTITY e "x">]>` + bare(doc)
		}, saml.ReasonDTD},
		{"A18 q:ID beside ID in what nobody signed", "alice@corp.example", func(doc string) string {
			return replaceOnce(t, doc, "<saml2p:Response ", `<saml2p:Response xmlns:q="urn:q" q:ID="_other" `)
		}, saml.ReasonMalformed},
		{"A9 a Reference in StatusDetail", "alice@corp.example", func(doc string) string {
			reference := dsigtest.Reference("_x", dsigtest.Options{}, emptyDigest)
			return replaceOnce(t, doc, "</saml2p:Status>", `<saml2p:StatusDetail><ds:SignedInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#">`+reference+`</ds:SignedInfo></saml2p:StatusDetail></saml2p:Status>`)
		}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene()
			r := s.response()
			r.Assertion.NameID.Value = test.signed
			doc := dsigtest.Xmlsec1Sign(t, string(r.Unsigned()), r.Assertion.ID, key, dsigtest.Options{PrefixList: "xs"})
			if a := s.accept(t, []byte(doc)); a.Subject.Value != test.signed {
				t.Fatalf("the control is read as %q", a.Subject.Value)
			}
			attack := test.change(doc)
			if attack == doc {
				t.Fatal("nothing was changed")
			}
			if err := goodForXmlsec1(t, attack, r.Assertion.ID, key); err != nil {
				t.Fatalf("the signature is not good any more, so that this shows nothing: %v", err)
			}
			if test.reason == "" { // what is nobody's business changes nothing
				if a := s.accept(t, []byte(attack)); a.Subject.Value != test.signed || a.AssertionSigned != true {
					t.Errorf("%+v", a)
				}
				return
			}
			if refusal := s.refuse(t, []byte(attack), test.reason); refusal.Verified {
				t.Error("verified")
			}
		})
	}
	t.Run("A15 an instruction in a name and signed along with it", func(t *testing.T) {
		s := newScene()
		r := s.response()
		r.Signing = samltest.Signing{}
		template := dsigtest.Template(t, r.Assertion.ID, key, dsigtest.Options{KeyInfo: dsigtest.WithoutKeyInfo})
		unsigned := replaceOnce(t, string(r.Unsigned()), ">alice@corp.example<", "><?p not-an-?>admin@corp.example<")
		at := strings.Index(unsigned, "<saml2:Subject>")
		doc := unsigned[:at] + strings.NewReplacer("@digest@", "", "@value@", "").Replace(template) + unsigned[at:]
		dir := t.TempDir()
		signed, err := dsigtest.Xmlsec1(t, append([]string{"--sign", "--pkcs8-pem", write(t, dir, "key.pem", string(key.PEM(t)))}, signatureAt(t, dir, doc, r.Assertion.ID)...)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := goodForXmlsec1(t, signed, r.Assertion.ID, key); err != nil || !strings.Contains(signed, "<?p") {
			t.Fatalf("not signed: %v", err)
		}
		s.refuse(t, []byte(signed), saml.ReasonInstruction)
		s.accept(t, s.idp.Sign(s.response()))
	})
}

// goodForXmlsec1 asks xmlsec1 about the signature in an assertion of a document that our own reader refuses.
func goodForXmlsec1(t *testing.T, doc, id string, key dsigtest.Key) error {
	t.Helper()
	dir := t.TempDir()
	_, err := dsigtest.Xmlsec1(t, append([]string{"--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem", write(t, dir, "cert.pem", string(key.CertificatePEM()))},
		signatureAt(t, dir, doc, id)...)...)
	return err
}

func signatureAt(t *testing.T, dir, doc, id string) []string {
	t.Helper()
	return []string{"--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion", "--node-xpath", `//*[@ID="` + id + `"]/*[local-name()="Signature"]`, write(t, dir, "in.xml", doc)}
}

// A30, Bleichenbacher's forgery of 2006: with the exponent 3 a number can be found whose cube begins as a signature does, and a
// reader that does not look at the end of the block takes it. Keys with such an exponent are none here.
func TestCubeRoots_AreNoSignatures(t *testing.T) {
	s := newScene()
	r, doc := s.signedAs(false, true)
	s.accept(t, []byte(doc))
	public := k1().Signer.Public().(*rsa.PublicKey)
	block := append([]byte{0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0}, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20)
	block = append(block, make([]byte, public.Size()-len(block))...)
	root := new(big.Int)
	for low, high := big.NewInt(0), new(big.Int).Lsh(big.NewInt(1), 700); low.Cmp(high) < 0; { // the cube root, by halves
		root.Add(low, high).Rsh(root, 1)
		if cube := new(big.Int).Exp(root, big.NewInt(3), nil); cube.Cmp(new(big.Int).SetBytes(block)) < 0 {
			low.Add(root, big.NewInt(1))
		} else {
			high.Set(root)
		}
	}
	_, signature, _ := cutSignature(t, doc, r.Assertion.ID)
	forged := replaceOnce(t, doc, between(t, signature, "<ds:SignatureValue>", "</ds:SignatureValue>"), "<ds:SignatureValue>"+base64.StdEncoding.EncodeToString(root.FillBytes(make([]byte, public.Size())))+"</ds:SignatureValue>")
	s.refuse(t, []byte(forged), saml.ReasonSignature)

	raw := k1().Certificate.Raw
	at := strings.Index(string(raw), "\x02\x03\x01\x00\x01") // the exponent 65537
	if at < 0 {
		t.Fatal("the certificate has another exponent")
	}
	changed := append([]byte{}, raw...)
	copy(changed[at:], "\x02\x03\x00\x00\x03")
	if _, err := saml.ParseCertificate(changed); err == nil {
		t.Error("a certificate with the exponent 3 is taken")
	}
	s.e.IdentityProvider.Certificates = []saml.Certificate{{Raw: changed}}
	s.refuse(t, []byte(forged), saml.ReasonUnknownKey)
}

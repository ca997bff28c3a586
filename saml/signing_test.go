package saml_test

import (
	"crypto"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/beevik/etree"
	goxmldsig "github.com/russellhaering/goxmldsig"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// agreeOnOurs asks xmlsec1 and goxmldsig about a signature that we made, and xmlsec1 about the same after a change.
func agreeOnOurs(t testing.TB, doc, id string, key *samltest.Key) {
	t.Helper()
	certificate := parseX509(t, key.Certificate.Raw)
	if err := dsigtest.Xmlsec1Verify(t, doc, id, dsigtest.Key{Certificate: certificate}); err != nil {
		t.Errorf("xmlsec1: %v\n%s", err, doc)
	}
	changed := strings.Replace(doc, "Version=\"2.0\"", "Version=\"2.1\"", 1)
	if changed == doc {
		changed = strings.Replace(doc, "SPSSODescriptor ", "SPSSODescriptor errorURL=\"x\" ", 1)
	}
	if err := dsigtest.Xmlsec1Verify(t, changed, id, dsigtest.Key{Certificate: certificate}); err == nil {
		t.Error("xmlsec1 takes a changed message")
	}
	if certificate.PublicKeyAlgorithm != x509.RSA {
		return // goxmldsig expects the DER form of ECDSA signatures, which XML Signature does not have
	}
	document := etree.NewDocument()
	if err := document.ReadFromString(doc); err != nil {
		t.Fatal(err)
	}
	element := document.FindElement(`//*[@ID='` + id + `']`)
	theirs := goxmldsig.NewDefaultValidationContext(&goxmldsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
	if _, err := theirs.Validate(element); err != nil {
		t.Errorf("goxmldsig: %v\n%s", err, doc)
	}
}

func TestSignedRequests_AreTakenByOthers(t *testing.T) {
	for name, key := range map[string]*samltest.Key{"RSA": k1(), "P-256": samltest.NewECKey(elliptic.P256()), "P-384": samltest.NewECKey(elliptic.P384())} {
		t.Run(name, func(t *testing.T) {
			r := plainRequest()
			r.ForceAuthn, r.IsPassive, r.NameIDFormat, r.Contexts, r.ProtocolBinding = true, true, saml.FormatTransient, []string{"urn:a&b"}, saml.BindingArtifact
			doc := string(must(r.SignedXML(key.SigningKey())))
			agreeOnOurs(t, doc, r.ID, key)
			for _, want := range []string{`ForceAuthn="true"`, `IsPassive="true"`, `ProtocolBinding="` + saml.BindingArtifact + `"`, `Format="` + saml.FormatTransient + `"`, "urn:a&amp;b", "ds:X509Certificate"} {
				if !strings.Contains(doc, want) {
					t.Errorf("no %s in %s", want, doc)
				}
			}
			l := saml.LogoutRequest{ID: saml.NewID(), Issuer: r.Issuer, Destination: r.Destination, IssueInstant: r.IssueInstant, NameID: alice, SessionIndexes: []string{"a"}}
			agreeOnOurs(t, string(must(l.SignedXML(key.SigningKey()))), l.ID, key)
			a := saml.LogoutResponse{ID: saml.NewID(), InResponseTo: "_1", Issuer: r.Issuer, Destination: r.Destination, IssueInstant: r.IssueInstant, Detail: saml.StatusPartialLogout}
			agreeOnOurs(t, string(must(a.SignedXML(key.SigningKey()))), a.ID, key)
		})
	}
}

// The signature is over the octets between "?" and "&Signature=", as an identity provider finds them.
func TestSignedRedirects_SignTheOctetsThatAreSent(t *testing.T) { // S5
	for name, key := range map[string]*samltest.Key{"RSA": k1(), "P-256": samltest.NewECKey(elliptic.P256())} {
		for _, state := range []string{"", "a b&c=d+/é"} {
			r := plainRequest()
			r.Destination = "https://idp.example/sso?tenant=a%2Fb"
			address := must(r.SignedRedirectURL(state, key.SigningKey()))
			query, found := strings.CutPrefix(address, r.Destination+"&")
			octets, signature, signed := strings.Cut(query, "&Signature=")
			if !found || !signed || !strings.HasPrefix(octets, "SAMLRequest=") || strings.Contains(octets, "&RelayState=") != (state != "") {
				t.Fatalf("%s: %s", name, address)
			}
			values := must(url.ParseQuery(query))
			if values.Get("RelayState") != state {
				t.Errorf("%q", values.Get("RelayState"))
			}
			value := must(base64.StdEncoding.DecodeString(must(url.QueryUnescape(signature))))
			certificate := parseX509(t, key.Certificate.Raw)
			if name == "RSA" {
				if values.Get("SigAlg") != samltest.RSASHA256 {
					t.Error(values.Get("SigAlg"))
				}
				if err := certificate.CheckSignature(x509.SHA256WithRSA, []byte(octets), value); err != nil {
					t.Error(err)
				}
			} else if values.Get("SigAlg") != samltest.ECDSASHA256 || len(value) != 64 {
				t.Error(values.Get("SigAlg"), len(value))
			}
			// Our own reader of logout messages agrees, up to the kind of message.
			m := decoded(t, query, nil, false)
			if m.RelayState != state || !strings.Contains(string(m.XML), "AuthnRequest") {
				t.Errorf("%+v", m)
			}
		}
	}
}

func TestSigningKey_ThatNobodyWouldAcceptIsRefused(t *testing.T) {
	r := plainRequest()
	weak := dsigtest.WeakRSA(t)
	for name, key := range map[string]saml.SigningKey{
		"no key":                      {},
		"a weak one":                  {Signer: weak.Signer},
		"another's certificate":       {Signer: k1().Signer, Certificate: k2().Certificate},
		"a key for something else":    {Signer: strange{}},
		"a signer that does not work": {Signer: strange{k1().Signer}},
	} {
		if _, err := r.SignedXML(key); err == nil || !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := r.SignedRedirectURL("", key); err == nil || !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r.Destination = "javascript:alert(1)"
	if _, err := r.SignedXML(k1().SigningKey()); err == nil {
		t.Error("signed for an address of no use")
	}
	// Without a certificate there is no KeyInfo, and the signature is as good.
	r = plainRequest()
	doc := string(must(r.SignedXML(saml.SigningKey{Signer: k1().Signer})))
	if strings.Contains(doc, "KeyInfo") {
		t.Error(doc)
	}
	if err := dsigtest.Xmlsec1Verify(t, doc, r.ID, dsigtest.Key{Certificate: parseX509(t, k1().Certificate.Raw)}); err != nil {
		t.Error(err)
	}
}

// strange is a signer whose key is nothing that SAML knows, or that cannot sign.
type strange struct{ crypto.Signer }

func (s strange) Public() crypto.PublicKey {
	if s.Signer == nil {
		return sha256.Size
	}
	return s.Signer.Public()
}

func (s strange) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the vault is closed")
}

package saml_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

var metadataNow = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

// idpMetadata is a good one with a place for changes.
func idpMetadata() string {
	return string(samltest.NewIdP("https://idp.example/a", k1(), k2()).Metadata())
}

// parse wants metadata to be accepted.
func parse(t *testing.T, raw, entityID string) saml.IdentityProvider {
	t.Helper()
	idp, err := saml.ParseMetadata([]byte(raw), entityID, metadataNow)
	if err != nil {
		t.Fatal(err)
	}
	return idp
}

// parseRefused wants a sentence with all these words in it.
func parseRefused(t *testing.T, raw, entityID string, words ...string) {
	t.Helper()
	idp, err := saml.ParseMetadata([]byte(raw), entityID, metadataNow)
	if err == nil {
		t.Fatalf("accepted: %+v", idp)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
	if !strings.HasSuffix(err.Error(), ".") {
		t.Errorf("%q is not a sentence", err)
	}
}

// keyDescriptor is one with that use, "" for none, and these certificates in one X509Data.
func keyDescriptor(use string, certificates ...[]byte) string {
	if use != "" {
		use = ` use="` + use + `"`
	}
	data := ""
	for _, der := range certificates {
		data += "<ds:X509Certificate>\n" + base64.StdEncoding.EncodeToString(der) + "\n</ds:X509Certificate>"
	}
	return `<md:KeyDescriptor` + use + `><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data>` + data + `</ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`
}

// withKeys is metadata with those key descriptors.
func withKeys(t *testing.T, descriptors ...string) string {
	t.Helper()
	doc := idpMetadata()
	from, to := strings.Index(doc, "<md:KeyDescriptor"), strings.LastIndex(doc, "</md:KeyDescriptor>")
	return doc[:from] + strings.Join(descriptors, "") + doc[to+len("</md:KeyDescriptor>"):]
}

func TestParseMetadata_ReadsWhatSignInNeeds(t *testing.T) {
	idp := parse(t, idpMetadata(), "")
	if idp.EntityID != "https://idp.example/a" || len(idp.SSO) != 2 || len(idp.Certificates) != 2 || idp.WantAuthnRequestsSigned || !idp.ValidUntil.IsZero() {
		t.Errorf("%+v", idp)
	}
	if e, ok := idp.Endpoint(saml.BindingRedirect); !ok || e.Location != "https://idp.example/a/sso" {
		t.Errorf("%+v", e)
	}
	if _, ok := idp.Endpoint("urn:x"); ok {
		t.Error("an endpoint of an unknown binding")
	}
	if err := idp.Check(false); err != nil {
		t.Error(err)
	}
	if idp := parse(t, strings.Replace(idpMetadata(), `WantAuthnRequestsSigned="false"`, `WantAuthnRequestsSigned="1"`, 1), ""); !idp.WantAuthnRequestsSigned {
		t.Error("WantAuthnRequestsSigned was not read")
	}
}

func TestParseMetadata_ReadsOktasAndEntras(t *testing.T) {
	okta := parse(t, string(readFile(t, fixtures[0].metadata)), "http://www.okta.com/exk8q2v6u1Zc0y4gP5d7")
	if len(okta.Certificates) != 1 || len(okta.SSO) != 2 || okta.SSO[0].Binding != saml.BindingPOST || okta.Check(false) != nil {
		t.Errorf("%+v", okta)
	}
	raw := string(readFile(t, fixtures[1].metadata))
	entra := parse(t, raw, "https://sts.windows.net/0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9/")
	if len(entra.Certificates) != 3 || len(entra.SSO) != 2 || entra.Check(false) != nil {
		t.Errorf("%+v", entra)
	}
	t.Run("as large as they come", func(t *testing.T) {
		from, to := strings.Index(raw, "<RoleDescriptor "), strings.Index(raw, "<IDPSSODescriptor ")
		large := raw[:to] + strings.Repeat(raw[from:to], 10) + raw[to:]
		if len(large) < 100_000 {
			t.Fatal(len(large))
		}
		parse(t, large, "")
	})
}

func TestParseMetadata_ChoosesTheEntity(t *testing.T) { // SA31, IIP-MD02
	a := idpMetadata()[strings.Index(idpMetadata(), "<md:"):]
	b := strings.ReplaceAll(a, "https://idp.example/a", "https://idp.example/b")
	sp := string(saml.ServiceProvider{EntityID: "https://id.example.com/sp", ACS: "https://id.example.com/acs"}.Metadata())
	both := func(inside string) string {
		return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata">` + inside + `</md:EntitiesDescriptor>`
	}
	if idp := parse(t, both(a+both(b)), "https://idp.example/b"); idp.EntityID != "https://idp.example/b" {
		t.Error(idp.EntityID)
	}
	if idp := parse(t, both(sp[strings.Index(sp, "<md:"):]+b), ""); idp.EntityID != "https://idp.example/b" {
		t.Error(idp.EntityID)
	}
	parseRefused(t, both(a+b), "", "2 identity providers", "https://idp.example/a", "https://idp.example/b")
	parseRefused(t, a, "https://idp.example/b", `"https://idp.example/a"`, `expected "https://idp.example/b"`)
	parseRefused(t, both(a+b), "https://idp.example/c", "https://idp.example/a", "https://idp.example/c")
	parseRefused(t, both(a+a), "https://idp.example/a", "twice")
	parseRefused(t, both(a+a), "", "2 identity providers")
	parseRefused(t, sp, "", "no SAML 2.0 identity provider", "https://id.example.com/sp")
	parseRefused(t, both(""), "", "nobody")
	parseRefused(t, strings.Replace(a, `protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"`, `protocolSupportEnumeration="urn:oasis:names:tc:SAML:1.1:protocol"`, 1), "", "no SAML 2.0 identity provider")
	parseRefused(t, strings.Replace(a, ` entityID="https://idp.example/a"`, "", 1), "", "entityID")
	parseRefused(t, `<html xmlns="http://www.w3.org/1999/xhtml"/>`, "", "not SAML metadata")
	parseRefused(t, `{"issuer":"x"}`, "", "not metadata in XML")
	parseRefused(t, "<!DOCTYPE html><html>", "", "document type")
	parseRefused(t, strings.Replace(a, "<md:IDPSSO", "<!-- x --><md:IDPSSO", 1), "", "comment")
	parseRefused(t, strings.Repeat(" ", 5<<20+1), "", "5242881 bytes")
	parseRefused(t, both(strings.Repeat("<a/>", 200_000)), "", "too large")
}

func TestParseMetadata_HoldsItsOwnEnd(t *testing.T) { // IIP-MD04
	valid := func(at string) string {
		return strings.Replace(idpMetadata(), " entityID=", ` validUntil="`+at+`" entityID=`, 1)
	}
	if idp := parse(t, valid("2026-11-22T09:00:01Z"), ""); !idp.ValidUntil.Equal(metadataNow.Add(time.Second)) {
		t.Error(idp.ValidUntil)
	}
	parseRefused(t, valid("2026-11-22T09:00:00Z"), "", "was valid until 2026-11-22 09:00:00 UTC")
	parseRefused(t, valid("2026-11-22"), "", "validUntil")
	t.Run("the earliest of those around it counts", func(t *testing.T) {
		doc := valid("2026-12-01T00:00:00Z")
		doc = doc[strings.Index(doc, "<md:"):]
		doc = strings.Replace(doc, "<md:IDPSSODescriptor ", `<md:IDPSSODescriptor validUntil="2026-11-30T00:00:00Z" `, 1)
		around := func(at string) string {
			return `<md:EntitiesDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" validUntil="` + at + `">` + doc + `</md:EntitiesDescriptor>`
		}
		if idp := parse(t, around("2026-12-31T00:00:00Z"), ""); idp.ValidUntil.Day() != 30 {
			t.Error(idp.ValidUntil)
		}
		parseRefused(t, around("2026-01-01T00:00:00Z"), "", "was valid until")
	})
}

func TestParseMetadata_TakesNoAddressButHTTP(t *testing.T) { // SA31, A43
	const good = "https://idp.example/a/sso"
	for _, location := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)//https://x", "data:text/html,x", "ftp://idp.example/", "//idp.example/sso", "/sso", "",
		"https:///sso", "https://", "https://user@idp.example/", "https://idp.example/#x", "https://idp.example/a b", "https://idp.example\\@evil.example/",
		"https://idp.example/&#10;x", "https://[::1", "https://:443/",
	} {
		parseRefused(t, strings.Replace(idpMetadata(), `Location="`+good+`"`, `Location="`+location+`"`, 1), "", "single sign-on service")
	}
	t.Run("http is for Check to decide", func(t *testing.T) {
		idp := parse(t, strings.ReplaceAll(idpMetadata(), good, "http://127.0.0.1:8081/sso"), "")
		if err := idp.Check(false); err == nil || !strings.Contains(err.Error(), "not https") {
			t.Error(err)
		}
		if err := idp.Check(true); err != nil {
			t.Error(err)
		}
	})
	t.Run("other bindings are passed over", func(t *testing.T) {
		doc := strings.Replace(idpMetadata(), saml.BindingPOST, "urn:oasis:names:tc:SAML:2.0:bindings:SOAP", 1)
		if idp := parse(t, doc, ""); len(idp.SSO) != 1 {
			t.Errorf("%+v", idp.SSO)
		}
		parseRefused(t, strings.ReplaceAll(strings.ReplaceAll(idpMetadata(), saml.BindingPOST, "urn:a"), saml.BindingRedirect, "urn:b"), "", "no single sign-on service")
	})
}

func TestParseMetadata_ReadsSigningKeys(t *testing.T) { // SA31, IIP-MD11, IIP-MD12
	first, second := k1().Certificate.Raw, k2().Certificate.Raw
	weak := dsigtest.WeakRSA(t).Certificate.Raw
	expired := samltest.Certify(k1().Signer, metadataNow.Add(-48*time.Hour), metadataNow.Add(-24*time.Hour)).Certificate.Raw
	for _, test := range []struct {
		name         string
		descriptors  []string
		keys, others int
	}{
		{"without use", []string{keyDescriptor("", first)}, 1, 0},
		{"one to sign and one to encrypt", []string{keyDescriptor("signing", first), keyDescriptor("encryption", second)}, 1, 0},
		{"the same twice", []string{keyDescriptor("signing", first), keyDescriptor("", first)}, 1, 0},
		{"one key in two certificates", []string{keyDescriptor("signing", first), keyDescriptor("signing", expired)}, 1, 0},
		{"an expired one", []string{keyDescriptor("signing", expired)}, 1, 0},
		{"two in one X509Data", []string{keyDescriptor("signing", first, second)}, 2, 0},
		{"a weak one beside a good one", []string{keyDescriptor("signing", weak), keyDescriptor("signing", first)}, 1, 1},
		{"a chain", []string{keyDescriptor("signing", chain(t)...)}, 1, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			idp := parse(t, withKeys(t, test.descriptors...), "")
			if len(idp.Certificates) != test.keys || len(idp.Ignored) != test.others {
				t.Errorf("%d certificates, ignored %q", len(idp.Certificates), idp.Ignored)
			}
		})
	}
	parseRefused(t, withKeys(t), "", "no usable signing certificate")
	parseRefused(t, withKeys(t, keyDescriptor("encryption", first)), "", "no usable signing certificate")
	parseRefused(t, withKeys(t, keyDescriptor("signing")), "", "no usable signing certificate")
	parseRefused(t, withKeys(t, keyDescriptor("signing", weak)), "", "no usable signing certificate", "1024 bits")
	parseRefused(t, withKeys(t, keyDescriptor("signing", []byte("x"))), "", "DER")
}

// chain is a certificate and the one that vouches for it.
func chain(t *testing.T) [][]byte {
	t.Helper()
	authority := k2().Signer.(*rsa.PrivateKey)
	root := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: metadataNow, NotAfter: metadataNow.Add(time.Hour)}
	rootDER := must(x509.CreateCertificate(rand.Reader, root, root, &authority.PublicKey, authority))
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: metadataNow, NotAfter: metadataNow.Add(time.Hour)}
	leafDER := must(x509.CreateCertificate(rand.Reader, leaf, root, k1().Signer.Public(), authority))
	return [][]byte{leafDER, rootDER}
}

func TestCheck_SaysWhatIsMissing(t *testing.T) {
	good := samltest.NewIdP("https://idp.example/a", k1()).IdentityProvider()
	if err := good.Check(false); err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		change func(idp *saml.IdentityProvider)
		word   string
	}{
		{func(idp *saml.IdentityProvider) { idp.EntityID = "" }, "entity ID"},
		{func(idp *saml.IdentityProvider) { idp.Certificates = nil }, "certificate"},
		{func(idp *saml.IdentityProvider) {
			idp.Certificates = []saml.Certificate{{Raw: dsigtest.WeakRSA(t).Certificate.Raw}}
		}, "certificate"},
		{func(idp *saml.IdentityProvider) { idp.SSO = nil }, "single sign-on"},
		{func(idp *saml.IdentityProvider) {
			idp.SSO = []saml.Endpoint{{Binding: "urn:x", Location: "https://idp.example"}}
		}, "single sign-on"},
		{func(idp *saml.IdentityProvider) {
			idp.SSO = append([]saml.Endpoint{{Binding: saml.BindingPOST, Location: "javascript:alert(1)"}}, idp.SSO...)
		}, "javascript"},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			idp := good
			test.change(&idp)
			for _, insecure := range []bool{false, true} {
				if err := idp.Check(insecure); err == nil || !strings.Contains(err.Error(), test.word) {
					t.Errorf("insecure %t: %v", insecure, err)
				}
			}
		})
	}
}

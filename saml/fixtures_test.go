package saml_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/internal/dsig/dsigtest"
)

// fixture is a message in the shape of a vendor's, signed by xmlsec1, with the metadata that goes with it.
type fixture struct {
	name, metadata, response, acs, entityID string
}

var fixtures = []fixture{
	{"okta", "testdata/okta/metadata.xml", "testdata/okta/response.xml",
		"https://id.example.com/auth/saml/con_a1/acs", "https://id.example.com/auth/saml/con_a1/metadata"},
	{"entra", "testdata/entra/federationmetadata.xml", "testdata/entra/response.xml",
		"https://id.example.com/auth/saml/con_e1/acs", "https://id.example.com/auth/saml/con_e1/metadata"},
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// load returns the fixture's scene, known by its metadata, and its message.
func (f fixture) load(t testing.TB) (*scene, string) {
	t.Helper()
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	idp, err := saml.ParseMetadata(readFile(t, f.metadata), "", now)
	if err != nil {
		t.Fatal(err)
	}
	return &scene{now: now, e: saml.Expectation{
		ServiceProvider:  saml.ServiceProvider{EntityID: f.entityID, ACS: f.acs},
		IdentityProvider: idp,
		RequestID:        "_c7d0f4b2a58e4d1f9d2b7f0f7a3a6c11",
		RequestedAt:      now.Add(-time.Minute),
	}}, string(readFile(t, f.response))
}

func TestOktasShape_IsRead(t *testing.T) {
	s, doc := fixtures[0].load(t)
	a := s.accept(t, []byte(doc))
	if !a.ResponseSigned || !a.AssertionSigned || a.Subject.Value != "alice@corp.example" || a.Subject.Format != saml.FormatEmail {
		t.Errorf("%+v", a)
	}
	for name, want := range map[string][]string{
		"email": {"alice@corp.example"}, "firstName": {"Alice"}, "lastName": {"Adams"}, "groups": {"Everyone", "Engineering", "R&D"},
	} {
		if got, _ := a.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if a.Skew != -1896*time.Millisecond {
		t.Error(a.Skew)
	}
}

func TestEntrasShape_IsRead(t *testing.T) {
	s, doc := fixtures[1].load(t)
	a := s.accept(t, []byte(doc))
	if a.ResponseSigned || !a.AssertionSigned || a.Subject.Value != "alice@corp.example" || a.Certificate != 0 {
		t.Errorf("%+v", a)
	}
	if got, _ := a.Values("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"); !slices.Equal(got,
		[]string{"3f2504e0-4f89-41d3-9a0c-0305e82c3301", "6fa459ea-ee8a-3ca4-894e-db77e160355e"}) {
		t.Errorf("%q", got)
	}
	if got, _ := a.Values("http://schemas.microsoft.com/identity/claims/objectidentifier"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// ids returns the IDs of Response and Assertion.
func ids(t testing.TB, doc string) (response, assertion string) {
	t.Helper()
	root := dsigtest.Parse(t, doc)
	response, _ = root.Attr("ID")
	for e := range root.Elements() {
		if e.Local == "Assertion" {
			assertion, _ = e.Attr("ID")
		}
	}
	return response, assertion
}

var signatureText = regexp.MustCompile(`(?s)<(ds:)?Signature .*?</(ds:)?Signature>`)

// xmlsec1 signs what the fixtures say in each form. No comma may be in the names: temporary folders
// are called by them, and xmlsec1 takes a comma for the end of a file name.
func TestFixtures_SignedAnewByXmlsec1AreAccepted(t *testing.T) {
	for _, f := range fixtures {
		for _, form := range []struct {
			name                string
			response, assertion bool
			options             dsigtest.Options
		}{
			{"assertion", false, true, dsigtest.Options{PrefixList: "xs"}},
			{"response", true, false, dsigtest.Options{PrefixList: "xs"}},
			{"both", true, true, dsigtest.Options{PrefixList: "xs"}},
			{"assertion by SHA-512", false, true, dsigtest.Options{Method: dsigtest.RSASHA512, Digest: dsigtest.SHA512}},
			{"assertion and PrefixLists everywhere", false, true, dsigtest.Options{PrefixList: "#default xs saml2 xsi", InfoPrefixList: "#default xs"}},
			{"response without KeyInfo", true, false, dsigtest.Options{KeyInfo: dsigtest.WithoutKeyInfo}},
			{"assertion and KeyName", false, true, dsigtest.Options{KeyInfo: dsigtest.WithKeyName}},
		} {
			t.Run(f.name+" with "+form.name, func(t *testing.T) {
				s, doc := f.load(t)
				doc = signatureText.ReplaceAllString(doc, "")
				s.e.IdentityProvider.Certificates = []saml.Certificate{k1().Certificate}
				responseID, assertionID := ids(t, doc)
				if form.assertion {
					doc = dsigtest.Xmlsec1Sign(t, doc, assertionID, dsigKey(t, k1()), form.options)
				}
				if form.response {
					doc = dsigtest.Xmlsec1Sign(t, doc, responseID, dsigKey(t, k1()), form.options)
				}
				a := s.accept(t, []byte(doc))
				if a.Subject.Value != "alice@corp.example" || a.ResponseSigned != form.response || a.AssertionSigned != form.assertion {
					t.Errorf("%+v", a)
				}
				s.refuse(t, []byte(strings.ReplaceAll(doc, "alice@", "admin@")), saml.ReasonSignature)
			})
		}
	}
}

package saml_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// authnRequest is the request as encoding/xml reads it: another reader than ours.
type authnRequest struct {
	XMLName      xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:protocol AuthnRequest"`
	ID           string   `xml:"ID,attr"`
	Version      string   `xml:"Version,attr"`
	IssueInstant string   `xml:"IssueInstant,attr"`
	Destination  string   `xml:"Destination,attr"`
	ACS          string   `xml:"AssertionConsumerServiceURL,attr"`
	Binding      string   `xml:"ProtocolBinding,attr"`
	ForceAuthn   string   `xml:"ForceAuthn,attr"`
	Index        *string  `xml:"AssertionConsumerServiceIndex,attr"`
	Issuer       string   `xml:"urn:oasis:names:tc:SAML:2.0:assertion Issuer"`
	Policy       *struct {
		Format string `xml:"Format,attr"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:protocol NameIDPolicy"`
	Context *struct {
		Comparison string   `xml:"Comparison,attr"`
		Classes    []string `xml:"urn:oasis:names:tc:SAML:2.0:assertion AuthnContextClassRef"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:protocol RequestedAuthnContext"`
}

func readRequest(t *testing.T, raw []byte) authnRequest {
	t.Helper()
	var r authnRequest
	if err := xml.Unmarshal(raw, &r); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return r
}

func plainRequest() saml.AuthnRequest {
	return saml.AuthnRequest{
		ID: saml.NewID(), Issuer: "https://id.example.com/auth/saml/con_a1/metadata",
		Destination: "https://idp.example/sso", ACS: "https://id.example.com/auth/saml/con_a1/acs",
		IssueInstant: time.Date(2026, 11, 22, 10, 0, 0, 0, time.FixedZone("", 3600)),
	}
}

func TestAuthnRequest_AsksForNothingUnlessConfigured(t *testing.T) { // S4
	r := plainRequest()
	got := readRequest(t, r.XML())
	if got.ID != r.ID || got.Version != "2.0" || got.IssueInstant != "2026-11-22T09:00:00Z" || got.Destination != r.Destination ||
		got.ACS != r.ACS || got.Binding != saml.BindingPOST || got.Issuer != r.Issuer {
		t.Errorf("%+v", got)
	}
	if got.ForceAuthn != "" || got.Index != nil || got.Policy != nil || got.Context != nil {
		t.Errorf("it asks for what was not configured: %+v", got)
	}
	r.ForceAuthn, r.NameIDFormat, r.Contexts = true, saml.FormatPersistent, []string{"urn:a", "urn:b"}
	got = readRequest(t, r.XML())
	if got.ForceAuthn != "true" || got.Policy.Format != saml.FormatPersistent || got.Context.Comparison != "exact" ||
		!slices.Equal(got.Context.Classes, []string{"urn:a", "urn:b"}) {
		t.Errorf("%+v", got)
	}
}

func TestRedirectURL_CarriesTheRequest(t *testing.T) { // S5
	for _, test := range []struct{ destination, begins string }{
		{"https://idp.example/sso", "https://idp.example/sso?SAMLRequest="},
		{"https://idp.example/sso?", "https://idp.example/sso?SAMLRequest="},
		{"https://idp.example/sso?idpid=C01", "https://idp.example/sso?idpid=C01&SAMLRequest="},
		{"https://idp.example/sso?idpid=C01&", "https://idp.example/sso?idpid=C01&SAMLRequest="},
	} {
		r := plainRequest()
		r.Destination = test.destination
		address, err := r.RedirectURL("a+b &=%/ä")
		if err != nil || !strings.HasPrefix(address, test.begins) {
			t.Fatalf("%s %v", address, err)
		}
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		if state := u.Query().Get("RelayState"); state != "a+b &=%/ä" {
			t.Errorf("RelayState %q", state)
		}
		message, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
		if err != nil {
			t.Fatal(err)
		}
		inflated, err := io.ReadAll(flate.NewReader(bytes.NewReader(message)))
		if err != nil || !bytes.Equal(inflated, r.XML()) {
			t.Errorf("%q %v", inflated, err)
		}
	}
	t.Run("without RelayState there is none", func(t *testing.T) {
		if address, err := plainRequest().RedirectURL(""); err != nil || strings.Contains(address, "RelayState") {
			t.Error(address, err)
		}
	})
	t.Run("a long one takes several blocks", func(t *testing.T) {
		r := plainRequest()
		r.Contexts = []string{strings.Repeat("x", 200_000)}
		address, err := r.RedirectURL("")
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(address)
		message, _ := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
		if inflated, err := io.ReadAll(flate.NewReader(bytes.NewReader(message))); err != nil || !bytes.Equal(inflated, r.XML()) {
			t.Error(len(inflated), err)
		}
	})
}

func TestRedirectURL_RefusesWhatCannotBeSent(t *testing.T) {
	for name, change := range map[string]func(r *saml.AuthnRequest){
		"javascript":         func(r *saml.AuthnRequest) { r.Destination = "javascript:alert(1)" },
		"no host":            func(r *saml.AuthnRequest) { r.Destination = "https:///sso" },
		"relative":           func(r *saml.AuthnRequest) { r.Destination = "/sso" },
		"a fragment":         func(r *saml.AuthnRequest) { r.Destination += "#x" },
		"a line break":       func(r *saml.AuthnRequest) { r.Destination += "\r\nX: y" },
		"an ID with a digit": func(r *saml.AuthnRequest) { r.ID = "1" },
		"no ID":              func(r *saml.AuthnRequest) { r.ID = "" },
	} {
		r := plainRequest()
		change(&r)
		if address, err := r.RedirectURL(""); err == nil {
			t.Errorf("%s: %s", name, address)
		}
	}
	if _, err := plainRequest().RedirectURL(strings.Repeat("x", 81)); err == nil {
		t.Error("81 bytes of RelayState were taken")
	}
	if _, err := plainRequest().RedirectURL(strings.Repeat("x", 80)); err != nil {
		t.Error(err)
	}
}

func TestNewID_IsANameAndNew(t *testing.T) { // S3
	seen := map[string]bool{}
	for range 1000 {
		id := saml.NewID()
		if len(id) < 1+32 || id[0] != '_' || strings.Trim(id[1:], "0123456789abcdef") != "" || seen[id] {
			t.Fatalf("%q", id)
		}
		seen[id] = true
	}
}

// A44: names come from administrators of workspaces.
func TestWriters_EscapeWhateverTheyAreGiven(t *testing.T) {
	for _, hostile := range []string{
		`"><saml:Issuer>https://evil.example</saml:Issuer><x y="`,
		"]]>&amp;<!--", "a\tb\nc\rd", "ünï\u2028", "' onload='", "<script>",
	} {
		r := plainRequest()
		r.Issuer, r.ACS, r.ID, r.NameIDFormat, r.Contexts = hostile, hostile, hostile, hostile, []string{hostile}
		got := readRequest(t, r.XML())
		if got.Issuer != hostile || got.ACS != hostile || got.ID != hostile || got.Policy.Format != hostile || got.Context.Classes[0] != hostile {
			t.Errorf("%q became %+v", hostile, got)
		}
		m := readSPMetadata(t, saml.ServiceProvider{EntityID: hostile, ACS: hostile, Name: hostile}.Metadata())
		if m.EntityID != hostile || m.SP.ACS[0].Location != hostile || m.SP.Extensions.UI.Name != hostile {
			t.Errorf("%q became %+v", hostile, m)
		}
	}
	t.Run("what XML cannot hold is replaced", func(t *testing.T) {
		r := plainRequest()
		r.Issuer = "a\x00b\xffc\uFFFEd"
		if got := readRequest(t, r.XML()); got.Issuer != "a\uFFFDb\uFFFDc\uFFFDd" {
			t.Errorf("%q", got.Issuer)
		}
	})
}

type spMetadata struct {
	XMLName  xml.Name `xml:"urn:oasis:names:tc:SAML:2.0:metadata EntityDescriptor"`
	EntityID string   `xml:"entityID,attr"`
	SP       struct {
		Protocol   string `xml:"protocolSupportEnumeration,attr"`
		Want       bool   `xml:"WantAssertionsSigned,attr"`
		Extensions struct {
			UI struct {
				Name string `xml:"urn:oasis:names:tc:SAML:metadata:ui DisplayName"`
			} `xml:"urn:oasis:names:tc:SAML:metadata:ui UIInfo"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata Extensions"`
		Formats []string `xml:"urn:oasis:names:tc:SAML:2.0:metadata NameIDFormat"`
		ACS     []struct {
			Binding  string `xml:"Binding,attr"`
			Location string `xml:"Location,attr"`
			Index    int    `xml:"index,attr"`
			Default  bool   `xml:"isDefault,attr"`
		} `xml:"urn:oasis:names:tc:SAML:2.0:metadata AssertionConsumerService"`
	} `xml:"urn:oasis:names:tc:SAML:2.0:metadata SPSSODescriptor"`
}

func readSPMetadata(t *testing.T, raw []byte) spMetadata {
	t.Helper()
	var m spMetadata
	if err := xml.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return m
}

func TestServiceProviderMetadata_SaysWhoWeAreInStableBytes(t *testing.T) {
	sp := saml.ServiceProvider{EntityID: "https://id.example.com/sp", ACS: "https://id.example.com/acs", Name: "Acme"}
	raw := sp.Metadata()
	if !bytes.Equal(raw, sp.Metadata()) {
		t.Error("the bytes are not stable")
	}
	m := readSPMetadata(t, raw)
	if m.EntityID != sp.EntityID || m.SP.Protocol != "urn:oasis:names:tc:SAML:2.0:protocol" || !m.SP.Want || len(m.SP.ACS) != 1 ||
		m.SP.Extensions.UI.Name != "Acme" || len(m.SP.Formats) != 3 {
		t.Fatalf("%+v", m)
	}
	if acs := m.SP.ACS[0]; acs.Binding != saml.BindingPOST || acs.Location != sp.ACS || acs.Index != 0 || !acs.Default {
		t.Errorf("%+v", acs)
	}
	if sp.Name = ""; bytes.Contains(sp.Metadata(), []byte("mdui")) {
		t.Error("a name that is not there was written")
	}
}

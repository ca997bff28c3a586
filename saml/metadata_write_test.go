package saml_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
)

// wholeSP is a service provider that does everything, in the middle of a change of keys.
func wholeSP() saml.ServiceProvider {
	return saml.ServiceProvider{
		EntityID: "https://id.example.com/sp?a=1&b=2", ACS: "https://id.example.com/acs", Name: "Acme <&>",
		ArtifactACS: true, AuthnRequestsSigned: true,
		Logout: []saml.Endpoint{{Binding: saml.BindingRedirect, Location: "https://id.example.com/slo"},
			{Binding: saml.BindingPOST, Location: "https://id.example.com/slo", ResponseLocation: "https://id.example.com/slo/done?a&b"}},
		SigningCertificates:    []saml.Certificate{k1().Certificate, k2().Certificate},
		EncryptionCertificates: []saml.Certificate{k2().Certificate, k1().Certificate},
		NameIDFormats:          []string{saml.FormatTransient},
		ValidUntil:             metadataNow.Add(48 * time.Hour), CacheDuration: time.Hour,
	}
}

// published is what an identity provider that knows the schema reads of it.
type published struct {
	ValidUntil    string `xml:"validUntil,attr"`
	CacheDuration string `xml:"cacheDuration,attr"`
	Role          struct {
		Signed     bool `xml:"AuthnRequestsSigned,attr"`
		Extensions struct {
			Algorithms []struct {
				XMLName   xml.Name
				Algorithm string `xml:"Algorithm,attr"`
			} `xml:",any"`
		} `xml:"Extensions"`
		Keys []struct {
			Use     string `xml:"use,attr"`
			Text    string `xml:"KeyInfo>X509Data>X509Certificate"`
			Methods []struct {
				Algorithm string `xml:"Algorithm,attr"`
			} `xml:"EncryptionMethod"`
		} `xml:"KeyDescriptor"`
		Logout []struct {
			Binding  string `xml:"Binding,attr"`
			Location string `xml:"Location,attr"`
			Response string `xml:"ResponseLocation,attr"`
		} `xml:"SingleLogoutService"`
		Formats []string `xml:"NameIDFormat"`
		ACS     []struct {
			Binding  string `xml:"Binding,attr"`
			Location string `xml:"Location,attr"`
			Index    int    `xml:"index,attr"`
		} `xml:"AssertionConsumerService"`
	} `xml:"SPSSODescriptor"`
}

func TestServiceProviderMetadata_SaysEverythingInTheSchemasOrder(t *testing.T) { // IIP-MD09, IIP-SP08
	sp := wholeSP()
	var m published
	if err := xml.Unmarshal(sp.Metadata(), &m); err != nil {
		t.Fatal(err)
	}
	if m.ValidUntil != "2026-11-24T09:00:00Z" || m.CacheDuration != "PT3600S" || !m.Role.Signed || !slices.Equal(m.Role.Formats, sp.NameIDFormats) {
		t.Errorf("%+v", m)
	}
	var uses []string
	for _, key := range m.Role.Keys {
		uses = append(uses, key.Use)
		if der, err := base64.StdEncoding.DecodeString(key.Text); err != nil || len(der) < 100 {
			t.Error(err)
		}
	}
	if !slices.Equal(uses, []string{"signing", "signing", "encryption", "encryption"}) {
		t.Error(uses)
	}
	for _, key := range m.Role.Keys[2:] {
		if len(key.Methods) != 4 || !strings.HasSuffix(key.Methods[0].Algorithm, "#aes256-gcm") {
			t.Errorf("%+v", key.Methods)
		}
	}
	if len(m.Role.Logout) != 2 || m.Role.Logout[1].Response != sp.Logout[1].ResponseLocation || m.Role.Logout[0].Response != "" {
		t.Errorf("%+v", m.Role.Logout)
	}
	if len(m.Role.ACS) != 2 || m.Role.ACS[1].Binding != saml.BindingArtifact || m.Role.ACS[1].Location != sp.ACS || m.Role.ACS[1].Index != 1 {
		t.Errorf("%+v", m.Role.ACS)
	}
	digests, methods := 0, 0
	for _, a := range m.Role.Extensions.Algorithms {
		if a.XMLName.Space == "urn:oasis:names:tc:SAML:metadata:algsupport" && a.XMLName.Local == "DigestMethod" {
			digests++
		} else if a.XMLName.Local == "SigningMethod" {
			methods++
		}
		if strings.HasSuffix(a.Algorithm, "sha1") {
			t.Error("SHA-1 is advertised")
		}
	}
	if digests != 3 || methods != 6 {
		t.Error(digests, methods)
	}
	// Metadata section 2.4.4 with its base types.
	text, last := string(sp.Metadata()), 0
	for _, element := range []string{"<md:Extensions>", "<md:KeyDescriptor ", "<md:SingleLogoutService ", "<md:NameIDFormat>", "<md:AssertionConsumerService "} {
		at := strings.Index(text, element)
		if at < last {
			t.Errorf("%s is out of order", element)
		}
		last = at
	}
	sp.AllowCBC = true
	if !strings.Contains(string(sp.Metadata()), "#aes256-cbc") || strings.Contains(text, "cbc") {
		t.Error("AES-CBC is advertised where it is not allowed, or the other way about")
	}
}

func TestServiceProviderMetadata_CanBeSigned(t *testing.T) {
	sp := wholeSP()
	raw := must(sp.SignedMetadata(k1().SigningKey()))
	if !bytes.Equal(raw, must(sp.SignedMetadata(k1().SigningKey()))) {
		t.Error("the bytes are not stable")
	}
	agreeOnOurs(t, string(raw), attrOf(t, string(raw), "EntityDescriptor", "ID"), k1())
	if _, err := sp.SignedMetadata(saml.SigningKey{}); err == nil {
		t.Error("signed by nobody")
	}
}

func TestParseMetadata_ReadsLogoutAndResolutionServices(t *testing.T) {
	services := `<md:ArtifactResolutionService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example/resolve" index="7"/>` +
		`<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:SOAP" Location="https://idp.example/soap"/>` +
		`<md:SingleLogoutService Binding="` + saml.BindingPOST + `" Location="https://idp.example/slo" ResponseLocation="https://idp.example/slo/done"/>` +
		`<md:SingleLogoutService Binding="` + saml.BindingRedirect + `" Location="https://idp.example/slo"/>`
	with := func(services string) string {
		return replaceOnce(t, idpMetadata(), "<md:NameIDFormat>", services+"<md:NameIDFormat> urn:x </md:NameIDFormat><md:NameIDFormat>")
	}
	idp := parse(t, with(services), "")
	if len(idp.SLO) != 2 || len(idp.ArtifactResolution) != 1 || idp.ArtifactResolution[0].Index != 7 || !slices.Equal(idp.NameIDFormats, []string{"urn:x", saml.FormatEmail}) {
		t.Errorf("%+v", idp)
	}
	if e, ok := idp.LogoutEndpoint(saml.BindingPOST); !ok || e.ForResponse() != "https://idp.example/slo/done" {
		t.Error(e, ok)
	}
	if e, ok := idp.LogoutEndpoint(saml.BindingRedirect); !ok || e.ForResponse() != "https://idp.example/slo" {
		t.Error(e, ok)
	}
	if _, ok := idp.LogoutEndpoint(saml.BindingSOAP); ok {
		t.Error("logout by SOAP, which is not spoken")
	}
	if err := idp.Check(false); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ old, new, word string }{ // A43
		"script as a place to log out":        {"https://idp.example/slo\"", "javascript:alert(1)\"", "javascript"},
		"script as a place of answers":        {"https://idp.example/slo/done", "javascript:alert(2)", "javascript"},
		"a user name in a place of artifacts": {"https://idp.example/resolve", "https://a:b@idp.example/", "user name"},
		"an index that is none":               {`index="7"`, `index="70000"`, "index"},
		"no index":                            {` index="7"`, "", "index"},
	} {
		t.Run(name, func(t *testing.T) { parseRefused(t, with(strings.Replace(services, c.old, c.new, 1)), "", c.word) })
	}
	parseRefused(t, with(strings.Repeat(services, 65)), "", "64")
	for _, insecure := range []string{"https://idp.example/slo\"", "https://idp.example/slo/done", "https://idp.example/resolve"} {
		idp := parse(t, with(strings.Replace(services, insecure, "http"+strings.TrimPrefix(insecure, "https"), 1)), "")
		if idp.Check(false) == nil || idp.Check(true) != nil {
			t.Errorf("http at %s", insecure)
		}
	}
}

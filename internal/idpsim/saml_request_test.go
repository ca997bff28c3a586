package idpsim

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestMistakesInARequestAreNamed(t *testing.T) {
	p, _ := signIn(t, Entra, nil)
	raw := func(replace ...string) string { return redirect(t, p, asked(p, replace...), "r") }
	plain := asked(p)
	for name, c := range map[string]struct{ url, want string }{
		"an ID with a digit first":    {raw("_4fee", "4fee"), "never with a digit"},
		"another version":             {raw(`"2.0"`, `"1.1"`), "Version"},
		"another issuer":              {raw(">"+testAudience, ">"+testAudience+"x"), "the audience of this application"},
		"no issuer":                   {raw("saml:Issuer", "saml:Other"), "0 Issuer elements"},
		"another ACS":                 {raw(testACS, testACS+"/"), "AssertionConsumerServiceURL"},
		"no ACS":                      {raw("AssertionConsumerServiceURL", "X"), "AssertionConsumerServiceURL is missing"},
		"an ACS index":                {raw("ID=", `AssertionConsumerServiceIndex="0" ID=`), "AssertionConsumerServiceIndex"},
		"another destination":         {raw(testBase, "http://localhost:8090"), "Destination"},
		"a response by redirect":      {raw("HTTP-POST", "HTTP-Redirect"), "ProtocolBinding"},
		"a time of no zone":           {raw("00Z", "00"), "IssueInstant"},
		"a time with an offset":       {raw("00Z", "00+00:00"), "IssueInstant"},
		"a time far off":              {raw("T09:00:00Z", "T09:05:01Z"), "more than 5m0s"},
		"a passive request":           {raw("ID=", `IsPassive="1" ID=`), "IsPassive"},
		"another message":             {raw("AuthnRequest", "LogoutRequest"), "AuthnRequest"},
		"a comment":                   {raw("</saml:Issuer>", "<!-- x --></saml:Issuer>"), "comment"},
		"a document type":             {redirect(t, p, "<!DOCTYPE x>"+plain, ""), "document type"},
		"a processing instruction":    {raw("<saml:Issuer", "<?x y?><saml:Issuer"), "processing instruction"},
		"two roots":                   {redirect(t, p, plain+plain, ""), "2 root elements"},
		"text behind the root":        {redirect(t, p, plain+"x", ""), "outside of the root"},
		"broken XML":                  {redirect(t, p, plain[:100], ""), "EOF"},
		"a relay state of 81 bytes":   {redirect(t, p, plain, strings.Repeat("r", 81)), "81 bytes"},
		"no request":                  {p.ssoURL(testBase), "no SAMLRequest"},
		"two requests":                {raw() + "&SAMLRequest=x", "more than once"},
		"a response beside it":        {raw() + "&SAMLResponse=x", "SAMLResponse"},
		"no base64":                   {p.ssoURL(testBase) + "?SAMLRequest=%25", "base64"},
		"no DEFLATE":                  {p.ssoURL(testBase) + "?SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(plain))), "DEFLATE"},
		"bytes behind the DEFLATE":    {p.ssoURL(testBase) + "?SAMLRequest=" + url.QueryEscape(base64.StdEncoding.EncodeToString(append(unpacked(t, deflate(t, plain)), 0))), "bytes follow"},
		"too large a request":         {redirect(t, p, strings.Replace(plain, "<saml:Issuer", strings.Repeat(" ", maxAuthnRequest)+"<saml:Issuer", 1), ""), "larger than"},
		"the address of a neighbour":  {strings.Replace(raw(), "/entra/", "/okta/", 1), "it went to"},
		"an unknown encoding":         {raw() + "&SAMLEncoding=x", "SAMLEncoding"},
		"a URL that cannot be parsed": {"http://[", "request"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := p.SignInAs(c.url, "ann.lee@acme.test")
			if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a sentence with %q", err, c.want)
			}
		})
	}
	for name, good := range map[string]string{
		"five minutes off":             raw("T09:00:00Z", "T08:55:00.000Z"),
		"a relay state of 80 bytes":    redirect(t, p, plain, strings.Repeat("r", 80)),
		"an XML declaration":           redirect(t, p, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+plain+"\n", ""),
		"a wish to sign in once more":  raw("ID=", `ForceAuthn="true" ID=`),
		"a signature that it ignores":  raw() + "&SigAlg=x&Signature=y",
		"no binding, so that POST is":  raw("ProtocolBinding", "X"),
		"the default encoding by name": raw() + "&SAMLEncoding=" + url.QueryEscape("urn:oasis:names:tc:SAML:2.0:bindings:URL-Encoding:DEFLATE"),
	} {
		if _, err := p.SignInAs(good, "ann.lee@acme.test"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func unpacked(t *testing.T, encoded string) []byte {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	must(t, err)
	return raw
}

const spDocument = `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://app.test/saml/conn_2">
<md:SPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact" Location="https://app.test/artifact" index="0"/>
<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://app.test/second" index="2"/>
<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://app.test/first" index="1"/>
</md:SPSSODescriptor></md:EntityDescriptor>`

func TestTheApplicationsMetadataFillsTheSettings(t *testing.T) {
	answer, status := spDocument, http.StatusOK
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	defer app.Close()
	s, _ := quiet(t)
	p := s.IdP(Okta)
	must(t, p.ImportSAML(t.Context(), app.URL))
	if set := p.SAMLSettings(); set.ACSURL != "https://app.test/first" || set.Audience != "https://app.test/saml/conn_2" || set.Sign != "both" {
		t.Errorf("settings %+v", set)
	}
	answer = strings.Replace(spDocument, `index="2"`, `index="2" isDefault="true"`, 1)
	must(t, p.ImportSAML(t.Context(), app.URL))
	if got := p.SAMLSettings().ACSURL; got != "https://app.test/second" {
		t.Errorf("the default ACS is not taken, but %s", got)
	}
	for name, bad := range map[string]string{
		"no XML":         "<html>",
		"no entityID":    strings.Replace(spDocument, "entityID", "id", 1),
		"an IdP":         strings.ReplaceAll(spDocument, "SPSSO", "IDPSSO"),
		"no POST":        strings.ReplaceAll(spDocument, "HTTP-POST", "PAOS"),
		"no index":       strings.Replace(spDocument, ` index="1"`, "", 1),
		"no protocol":    strings.Replace(spDocument, "SAML:2.0:protocol", "SAML:1.1:protocol", 1),
		"too much of it": spDocument + strings.Repeat(" ", maxMetadata),
	} {
		answer = bad
		if err := p.ImportSAML(t.Context(), app.URL); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	answer, status = spDocument, http.StatusNotFound
	if err := p.ImportSAML(t.Context(), app.URL); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "404") {
		t.Errorf("a refusal of the application: %v", err)
	}
	if err := p.ImportSAML(t.Context(), "http://127.0.0.1:1/"); !errors.Is(err, ErrInvalid) {
		t.Errorf("nobody there: %v", err)
	}
}

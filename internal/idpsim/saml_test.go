package idpsim

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	testBase     = "http://127.0.0.1:8090"
	testACS      = "https://app.test/saml/conn_1/acs"
	testAudience = "https://app.test/saml/conn_1"
)

// signIn is an IdP with a company, everybody assigned, and the application's SAML settings.
func signIn(t *testing.T, kind Kind, change func(*SAMLSettings)) (*IdP, *sleeps) {
	t.Helper()
	z := &sleeps{now: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)}
	s := New(Options{Clock: z.clock, Sleep: z.sleep, BaseURL: testBase})
	t.Cleanup(s.Close)
	p := s.IdP(kind)
	must(t, p.Seed(t.Context(), Company{}))
	for _, x := range p.State().People {
		if x.UserName != "bjork@acme.test" {
			must(t, p.Assign(t.Context(), x.ID))
		}
	}
	set := p.SAMLSettings()
	set.ACSURL, set.Audience, set.RelayState = testACS, testAudience, "/start"
	if change != nil {
		change(&set)
	}
	must(t, p.ConfigureSAML(set))
	return p, z
}

// asked is what an application would ask; old and new pairs change its text.
func asked(p *IdP, replace ...string) string {
	text := `<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_4fee3b046395c4e751011e97f8900b52" Version="2.0"` +
		` IssueInstant="2026-11-21T09:00:00Z" Destination="` + p.ssoURL(testBase) + `" AssertionConsumerServiceURL="` + testACS + `"` +
		` ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">` +
		testAudience + `</saml:Issuer></samlp:AuthnRequest>`
	return strings.NewReplacer(replace...).Replace(text)
}

func deflate(t *testing.T, raw string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	must(t, err)
	_, err = w.Write([]byte(raw))
	must(t, err)
	must(t, w.Close())
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

func redirect(t *testing.T, p *IdP, raw, relay string) string {
	t.Helper()
	return p.ssoURL(testBase) + "?" + url.Values{"SAMLRequest": {deflate(t, raw)}, "RelayState": {relay}}.Encode()
}

func decoded(t *testing.T, out Posting) string {
	t.Helper()
	raw, err := base64.StdEncoding.Strict().DecodeString(out.SAMLResponse)
	must(t, err)
	return string(raw)
}

func holds(t *testing.T, document string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(document, w) {
			t.Errorf("the response lacks %s:\n%s", w, document)
		}
	}
}

func TestOktaAnswersARequestInItsOwnWriting(t *testing.T) {
	p, _ := signIn(t, Okta, nil)
	out, err := p.SignInAs(redirect(t, p, asked(p), "handle-1"), "ZOE.mueller@acme.test")
	must(t, err)
	if out.ACS != testACS || out.RelayState != "handle-1" || out.Fault != FaultNone || out.Form().Get("RelayState") != "handle-1" {
		t.Errorf("posting: %+v", out)
	}
	holds(t, decoded(t, out), `<?xml version="1.0" encoding="UTF-8"?><saml2p:Response xmlns:saml2p="`+nsProtocol+`" Destination="`+testACS+`"`,
		`InResponseTo="_4fee3b046395c4e751011e97f8900b52" IssueInstant="2026-11-21T09:00:00.000Z"`,
		`Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">`+p.SAMLEntityID()+`</saml2:Issuer>`,
		`PrefixList="xs"/>`, `<saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>`,
		`<saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">zoe.mueller@acme.test</saml2:NameID>`,
		`<saml2:SubjectConfirmationData InResponseTo="_4fee3b046395c4e751011e97f8900b52" NotOnOrAfter="2026-11-21T09:05:00.000Z" Recipient="`+testACS+`"/>`,
		`<saml2:Conditions NotBefore="2026-11-21T08:55:00.000Z" NotOnOrAfter="2026-11-21T09:05:00.000Z">`,
		`<saml2:Audience>`+testAudience+`</saml2:Audience>`,
		`<saml2:Attribute Name="firstName" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"><saml2:AttributeValue xmlns:xsi="`+nsXSI+`" xsi:type="xs:string">Zoë</saml2:AttributeValue></saml2:Attribute>`,
		`>Omniflow-Admins</saml2:AttributeValue><saml2:AttributeValue`)
	if !strings.HasPrefix(p.SAMLEntityID(), "http://www.okta.com/exk") {
		t.Errorf("entityID %q", p.SAMLEntityID())
	}
}

func TestEntraAnswersWithClaimURIsAndObjectIDs(t *testing.T) {
	p, _ := signIn(t, Entra, func(s *SAMLSettings) { s.NameIDFormat = "persistent" })
	out, err := p.SignInAs(redirect(t, p, asked(p), ""), "ann.lee@acme.test")
	must(t, err)
	x, err := p.person("ann.lee@acme.test")
	must(t, err)
	g, err := p.group("Omniflow-Admins")
	must(t, err)
	doc := decoded(t, out)
	holds(t, doc, `<samlp:Response xmlns:samlp="`+nsProtocol+`" `, `<Assertion xmlns="`+nsAssertion+`" ID="_`,
		`<Attribute Name="http://schemas.microsoft.com/identity/claims/objectidentifier"><AttributeValue>`+x.ID+`</AttributeValue></Attribute>`,
		`<Attribute Name="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"><AttributeValue>ann.lee@acme.test</AttributeValue>`,
		`<Attribute Name="http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"><AttributeValue>`+g.ID+`</AttributeValue>`,
		`<NameID Format="urn:oasis:names:tc:SAML:2.0:nameid-format:persistent">`, `NotOnOrAfter="2026-11-21T10:00:00.000Z"`)
	again, err := p.Tile("ann.lee@acme.test")
	must(t, err)
	nameID := func(doc string) string {
		_, rest, _ := strings.Cut(doc, "<NameID")
		value, _, _ := strings.Cut(rest, "</NameID>")
		return value
	}
	if nameID(doc) != nameID(decoded(t, again)) {
		t.Error("a persistent NameID changed between two sign-ins")
	}
	if strings.Contains(doc, "ann.lee@acme.test</NameID>") || p.SAMLEntityID() != "https://sts.windows.net/"+p.saml.tenant()+"/" {
		t.Errorf("the NameID is not pairwise, or the issuer %q is not Entra's", p.SAMLEntityID())
	}
}

func TestTheTileSendsAResponseThatNobodyAskedFor(t *testing.T) {
	p, _ := signIn(t, Okta, nil)
	out, err := p.Tile("ann.lee@acme.test")
	must(t, err)
	if out.RelayState != "/start" || strings.Contains(decoded(t, out), "InResponseTo") {
		t.Errorf("relay state %q in %s", out.RelayState, decoded(t, out))
	}
}

func TestTheIdPRefusesThoseWhoMayNotUseTheApplication(t *testing.T) {
	p, _ := signIn(t, Entra, nil)
	must(t, p.Deactivate(t.Context(), "zoe.mueller@acme.test"))
	must(t, p.SetSAMLFault(FaultUnsigned))
	for who, want := range map[string]error{"bjork@acme.test": ErrDenied, "zoe.mueller@acme.test": ErrDenied, "nobody@acme.test": ErrUnknown} {
		if _, err := p.SignInAs(redirect(t, p, asked(p), ""), who); !errors.Is(err, want) {
			t.Errorf("%s by request: %v", who, err)
		}
		if _, err := p.Tile(who); !errors.Is(err, want) {
			t.Errorf("%s by tile: %v", who, err)
		}
	}
	if p.SAMLFault() != FaultUnsigned {
		t.Error("a refusal used the fault up")
	}
}

func TestNothingIsSentBeforeTheApplicationIsEntered(t *testing.T) {
	s, _ := quiet(t)
	p := s.IdP(Okta)
	must(t, p.Seed(t.Context(), Company{}))
	must(t, p.Assign(t.Context(), "ann.lee@acme.test"))
	if _, err := p.Tile("ann.lee@acme.test"); !errors.Is(err, ErrNotConnected) {
		t.Error(err)
	}
}

func TestGroupsGoByFilterAndByNumber(t *testing.T) {
	joined := func(t *testing.T, kind Kind, n int, change func(*SAMLSettings)) string {
		t.Helper()
		p, _ := signIn(t, kind, change)
		for i := range n {
			_, err := p.AddGroup(t.Context(), "", fmt.Sprintf("Extra %d", i), "sam.smith@acme.test")
			must(t, err)
		}
		out, err := p.Tile("sam.smith@acme.test") // in one group of the company's
		must(t, err)
		return decoded(t, out)
	}
	link := `Name="http://schemas.microsoft.com/claims/groups.link"`
	if doc := joined(t, Entra, 149, nil); strings.Contains(doc, link) || strings.Count(doc, "<AttributeValue>") < 150 {
		t.Error("150 groups were not sent as a list")
	}
	if doc := joined(t, Entra, 150, nil); !strings.Contains(doc, link) || strings.Contains(doc, entraGroupsClaim) || !strings.Contains(doc, "/getMemberObjects</AttributeValue>") {
		t.Error("151 groups were not sent as a link")
	}
	if doc := joined(t, Okta, 160, nil); strings.Count(doc, ">Extra ") != 160 {
		t.Error("Okta left groups out")
	}
	prefix := func(s *SAMLSettings) { s.GroupFilter, s.GroupPrefix = "starts_with", "Extra 1" }
	if doc := joined(t, Okta, 20, prefix); strings.Count(doc, ">Extra 1") != 11 || strings.Contains(doc, "Finance") {
		t.Error("the prefix does not filter")
	}
	if doc := joined(t, Okta, 1, func(s *SAMLSettings) { s.GroupFilter = "none" }); strings.Contains(doc, `Name="groups"`) {
		t.Error("groups were sent in spite of the filter")
	}
}

func TestAttributesComeFromExpressions(t *testing.T) {
	p, _ := signIn(t, OktaCustom, func(s *SAMLSettings) {
		s.NameID = "user.id"
		s.Attributes = []AttributeStatement{{"a&\"<b", `"x < y & "z">"`}, {"badge", "user.custom.badge"}, {"none", "user.mobilePhone"}}
	})
	must(t, p.Change(t.Context(), "ann.lee@acme.test", Attributes{Custom: map[string]string{"badge": "B\x01\r7"}}))
	out, err := p.Tile("ann.lee@acme.test")
	must(t, err)
	x, err := p.person("ann.lee@acme.test")
	must(t, err)
	doc := decoded(t, out)
	holds(t, doc, `Name="a&amp;&quot;&lt;b"`, `>x &lt; y &amp; "z"&gt;<`, ">B\uFFFD&#xD;7<", `emailAddress">`+x.ID+`</saml2:NameID>`)
	if strings.Contains(doc, `Name="none"`) {
		t.Error("an attribute without a value was sent")
	}
}

func TestEntraFollowsTheNameIDPolicyAndOktaItsSettings(t *testing.T) {
	policy := []string{"</saml:Issuer>", `</saml:Issuer><samlp:NameIDPolicy Format="urn:oasis:names:tc:SAML:2.0:nameid-format:transient" AllowCreate="true"/>`}
	for kind, want := range map[Kind]bool{Entra: true, Okta: false} {
		p, _ := signIn(t, kind, nil)
		out, err := p.SignInAs(redirect(t, p, asked(p, policy...), ""), "ann.lee@acme.test")
		must(t, err)
		if got := strings.Contains(decoded(t, out), "nameid-format:transient"); got != want {
			t.Errorf("%s sent a transient NameID: %v", kind, got)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	p, _ := signIn(t, Okta, nil)
	for name, change := range map[string]func(*SAMLSettings){
		"an ACS that is no URL":    func(s *SAMLSettings) { s.ACSURL = "javascript:alert(1)" },
		"an ACS with a fragment":   func(s *SAMLSettings) { s.ACSURL = testACS + "#x" },
		"no audience":              func(s *SAMLSettings) { s.Audience = "" },
		"an unknown signature":     func(s *SAMLSettings) { s.Algorithm = "hmac-sha256" },
		"signing nothing":          func(s *SAMLSettings) { s.Sign = "none" },
		"an unknown expression":    func(s *SAMLSettings) { s.Attributes = []AttributeStatement{{"x", "user.mail"}} },
		"an attribute of no name":  func(s *SAMLSettings) { s.Attributes = []AttributeStatement{{"", "user.email"}} },
		"an unknown NameID format": func(s *SAMLSettings) { s.NameIDFormat = "entity" },
	} {
		set := p.SAMLSettings()
		change(&set)
		if err := p.ConfigureSAML(set); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p.SAMLSettings().ACSURL != testACS {
		t.Error("a refused setting was kept")
	}
}

func TestPeopleSignInAtTheSameTime(t *testing.T) {
	p, _ := signIn(t, Okta, nil)
	var wg sync.WaitGroup
	for _, who := range []string{"ann.lee@acme.test", "zoe.mueller@acme.test", "sam.smith@acme.test"} {
		wg.Go(func() {
			for range 5 {
				out, err := p.SignInAs(redirect(t, p, asked(p), ""), who)
				if err != nil {
					t.Error(err)
					return
				}
				holds(t, decoded(t, out), ">"+who+"</saml2:NameID>")
			}
		})
		wg.Go(func() {
			if err := p.SetSAMLFault(FaultExpired); err != nil {
				t.Error(err)
			}
			if err := p.Change(t.Context(), who, Attributes{}); err != nil {
				t.Error(err)
			}
			if _, err := p.SAML(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

package idpsim

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// signInSite is a site whose IdP of that kind has people, all assigned but one, and settings.
func signInSite(t *testing.T, kind Kind) (*site, *IdP) {
	t.Helper()
	x := openSite(t)
	at := "/api/" + string(kind)
	x.script(at+"/seed", "", at+"/saml", `{"acs_url":"`+testACS+`","audience":"`+testAudience+`","relay_state":"/start"}`, at+"/assign-all", "",
		at+"/people/zoe.mueller@acme.test/deactivate", "", at+"/people/bjork@acme.test/unassign", "")
	return x, x.s.IdP(kind)
}

// request is a good request to this site, as text.
func (x *site) request(p *IdP) string {
	return asked(p, testBase, x.url, "2026-11-21T09:00:00Z", p.opts.Clock().Format(time.RFC3339))
}

func (x *site) redirect(p *IdP) string {
	return "/" + string(p.kind) + "/saml/sso?" + url.Values{"SAMLRequest": {deflate(x.t, x.request(p))}, "RelayState": {"h<1>"}}.Encode()
}

// result decodes the answer of a script's call.
func result(t *testing.T, body string) Posting {
	t.Helper()
	var v struct{ Result Posting }
	must(t, json.Unmarshal([]byte(body), &v))
	return v.Result
}

func TestAScriptSignsPeopleIn(t *testing.T) {
	for _, kind := range Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			x, p := signInSite(t, kind)
			at := "/api/" + string(kind) + "/saml"
			x.script(at+"/fault", `{"fault":"unsigned"}`)
			for i, body := range []string{
				`{"who":"ann.lee@acme.test","url":"` + x.url + x.redirect(p) + `"}`,
				`{"who":"ann.lee@acme.test","relay_state":"h<1>","saml_request":"` + base64.StdEncoding.EncodeToString([]byte(x.request(p))) + `"}`,
			} {
				status, answer := x.post(at+"/sso", body)
				out := result(t, answer)
				if status != 200 || out.ACS != testACS || out.RelayState != "h<1>" || strings.Contains(decoded(t, out), "SignatureValue") != (i == 1) {
					t.Errorf("%d %s", status, answer)
				}
			}
			status, answer := x.post(at+"/tile", `{"who":"ann.lee@acme.test"}`)
			if out := result(t, answer); status != 200 || out.RelayState != "/start" || out.Fault != FaultNone {
				t.Errorf("tile: %d %s", status, answer)
			}
			for body, want := range map[string]int{`{"who":"zoe.mueller@acme.test"}`: 403, `{"who":"bjork@acme.test"}`: 403, `{"who":"x"}`: 404, `{"user":"x"}`: 400} {
				if status, answer := x.post(at+"/tile", body); status != want || !strings.Contains(answer, `"error"`) {
					t.Errorf("tile %s: %d %s", body, status, answer)
				}
			}
			if status, _ := x.post(at+"/sso", `{"who":"ann.lee@acme.test","url":"`+x.url+`/`+string(kind)+`/saml/sso"}`); status != 400 {
				t.Errorf("no request: %d", status)
			}
			var state SAMLState
			_, answer = x.do(http.MethodGet, at, "", "")
			must(t, json.Unmarshal([]byte(answer), &state))
			if state.SSOURL != x.url+"/"+string(kind)+"/saml/sso" || state.EntityID != p.SAMLEntityID() || len(state.Issued) != 3 || state.Issued[2].Fault != FaultUnsigned || len(state.Faults) != len(faults) {
				t.Errorf("state: %+v", state)
			}
		})
	}
}

func TestSettingsThatAreNotGivenStay(t *testing.T) {
	x, p := signInSite(t, Okta)
	x.script("/api/okta/saml", `{"sign":"assertion","attributes":[{"name":"mail","value":"user.email"}]}`)
	s := p.SAMLSettings()
	if s.Sign != "assertion" || s.ACSURL != testACS || len(s.Attributes) != 1 || s.Attributes[0] != (AttributeStatement{"mail", "user.email"}) {
		t.Errorf("%+v", s)
	}
	for _, bad := range []string{`{"sign":"none"}`, `{"attributes":[{"name":"x"}]}`, `{"acs":"x"}`, `{"acs_url":"ftp://x"}`} {
		if status, body := x.post("/api/okta/saml", bad); status != 400 {
			t.Errorf("%s: %d %s", bad, status, body)
		}
	}
	x.script("/api/okta/saml/import", `{"xml":`+string(encode(spDocument))+`}`, "/api/okta/saml", `{"attributes":[]}`)
	if s := p.SAMLSettings(); s.Audience != "https://app.test/saml/conn_2" || len(s.Attributes) != 0 || s.Sign != "assertion" {
		t.Errorf("%+v", s)
	}
}

func TestMetadataNamesTheAddressThatItWasAskedAt(t *testing.T) {
	for _, kind := range Kinds() {
		x, p := signInSite(t, kind)
		status, body := x.do(http.MethodGet, "/"+string(kind)+"/saml/metadata", "", "")
		var d struct {
			EntityID string `xml:"entityID,attr"`
			Role     struct {
				Keys []struct {
					Use  string `xml:"use,attr"`
					Cert string `xml:"KeyInfo>X509Data>X509Certificate"`
				} `xml:"KeyDescriptor"`
				Services []struct {
					Binding  string `xml:"Binding,attr"`
					Location string `xml:"Location,attr"`
				} `xml:"SingleSignOnService"`
			} `xml:"urn:oasis:names:tc:SAML:2.0:metadata IDPSSODescriptor"`
		}
		must(t, xml.Unmarshal([]byte(body), &d))
		keys, err := p.saml.keys()
		must(t, err)
		der, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(d.Role.Keys[0].Cert, "\n", ""))
		must(t, err)
		if status != 200 || d.EntityID != p.SAMLEntityID() || string(der) != string(keys.own.der) || d.Role.Keys[0].Use != "signing" || len(d.Role.Services) != 2 {
			t.Errorf("%s: %d %+v", kind, status, d)
		}
		for _, s := range d.Role.Services {
			if s.Location != x.url+"/"+string(kind)+"/saml/sso" {
				t.Errorf("%s: %s is at %s", kind, s.Binding, s.Location)
			}
		}
		if _, again := x.do(http.MethodGet, "/"+string(kind)+"/saml/metadata?download", "", ""); again != body {
			t.Errorf("%s: metadata changes from call to call", kind)
		}
		if status, body := x.do(http.MethodGet, "/"+string(kind)+"/saml/certificate", "", ""); status != 200 || body != keys.own.PEM() {
			t.Errorf("%s: certificate: %d %s", kind, status, body)
		}
	}
}

// hidden returns the value of a hidden field or of another attribute that follows a text.
func hidden(t *testing.T, page, before string) string {
	t.Helper()
	_, rest, ok := strings.Cut(page, before)
	value, _, _ := strings.Cut(rest, `"`)
	if !ok {
		t.Fatalf("the page lacks %s:\n%s", before, page)
	}
	return strings.NewReplacer("&#43;", "+", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(value)
}

func TestAPersonSignsInOnPages(t *testing.T) {
	x, p := signInSite(t, Entra)
	ann, err := p.person("ann.lee@acme.test")
	must(t, err)
	posted := url.Values{"SAMLRequest": {base64.StdEncoding.EncodeToString([]byte(x.request(p)))}, "RelayState": {"h<1>"}}
	get := func(path string) (int, string) { return x.do(http.MethodGet, path, "", "") }
	for name, open := range map[string]func() (int, string){
		"redirect": func() (int, string) { return get(x.redirect(p)) },
		"post": func() (int, string) {
			return x.do(http.MethodPost, "/entra/saml/sso", "application/x-www-form-urlencoded", posted.Encode(),
				"Origin", "https://app.test", "Sec-Fetch-Site", "cross-site")
		},
	} {
		t.Run(name, func(t *testing.T) {
			status, page := open()
			for _, want := range []string{`id="who-` + ann.ID + `" data-user="ann.lee@acme.test">`, `data-user="zoe.mueller@acme.test" disabled>`,
				`data-user="bjork@acme.test" disabled>`, ">deactivated<", ">not assigned<", "Sign in to Omniflow"} {
				if status != 200 || !strings.Contains(page, want) {
					t.Fatalf("%d, the page lacks %s:\n%s", status, want, page)
				}
			}
			form := url.Values{"SAMLRequest": {hidden(t, page, `name="SAMLRequest" value="`)}, "RelayState": {hidden(t, page, `name="RelayState" value="`)},
				"fault": {"wrong_audience"}, "who": {ann.ID}}
			status, page = x.form("/entra/saml/sso/as", form)
			out := Posting{SAMLResponse: hidden(t, page, `name="SAMLResponse" value="`)}
			if status != 200 || !strings.Contains(page, `action="`+testACS+`" id="saml-post"`) || hidden(t, page, `name="RelayState" value="`) != "h<1>" ||
				!strings.Contains(page, `id="continue"`) || !strings.Contains(page, `src="/assets/post.js"`) {
				t.Errorf("%d %s", status, page)
			}
			holds(t, decoded(t, out), "another-application", ann.ID)
			form.Set("who", "bjork@acme.test")
			if status, page := x.form("/entra/saml/sso/as", form); status != 403 || !strings.Contains(page, "bjork@acme.test is not assigned") {
				t.Errorf("%d %s", status, page)
			}
		})
	}
	if _, page := get(x.redirect(p) + "&q=ann"); strings.Count(page, `class="pick"`) > 3 || !strings.Contains(page, ann.ID) {
		t.Error("the search does not narrow the list down")
	}
	if status, page := get("/entra/saml/sso"); status != 400 || !strings.Contains(page, "There is no SAMLRequest") {
		t.Errorf("no request: %d %s", status, page)
	}
}

func TestAPersonSignsInFromTheDashboard(t *testing.T) {
	x, _ := signInSite(t, Okta)
	page := func(who string) (int, string) { return x.do(http.MethodGet, "/okta/dashboard/"+who, "", "") }
	if status, body := page("ann.lee@acme.test"); status != 200 || !strings.Contains(body, `id="tile"`) {
		t.Errorf("%d %s", status, body)
	}
	if status, body := page("bjork@acme.test"); status != 200 || strings.Contains(body, `id="tile"`) || !strings.Contains(body, `id="no-app"`) {
		t.Errorf("not assigned: %d %s", status, body)
	}
	if status, body := page("zoe.mueller@acme.test"); status != 403 || !strings.Contains(body, "is deactivated") {
		t.Errorf("deactivated: %d %s", status, body)
	}
	if status, _ := page("nobody"); status != 404 {
		t.Errorf("unknown: %d", status)
	}
	if status, body := x.form("/okta/saml/tile", url.Values{"who": {"ann.lee@acme.test"}}); status != 200 || !strings.Contains(body, `name="RelayState" value="/start"`) {
		t.Errorf("%d %s", status, body)
	}
}

func TestTheAdministratorsPageTakesSettingsAndFaults(t *testing.T) {
	x, p := signInSite(t, Entra)
	x.form("/entra/saml", url.Values{"acs_url": {testACS + "2"}, "sign": {"both"}, "attributes": {"a b = user.email\r\n\r\nc = \"x = y\"\r\n"}})
	if s := p.SAMLSettings(); s.ACSURL != testACS+"2" || s.Sign != "both" || len(s.Attributes) != 2 || s.Attributes[0].Name != "a b" || s.Attributes[1].Value != `"x = y"` {
		t.Errorf("%+v", s)
	}
	x.form("/entra/saml/fault", url.Values{"fault": {"dtd"}})
	if p.SAMLFault() != FaultDTD {
		t.Error("the fault is not set")
	}
	for form, want := range map[string]string{"attributes=x": "expected &#34;name = expression&#34;", "sign=x": "must be one of"} {
		status, _ := x.do(http.MethodPost, "/entra/saml", "application/x-www-form-urlencoded", form)
		if _, page := x.do(http.MethodGet, "/entra/saml", "", ""); status != 303 || !strings.Contains(page, want) {
			t.Errorf("%s: %d, the page lacks %q", form, status, want)
		}
	}
	for _, path := range []string{"/entra/saml", "/entra/saml/fault", "/entra/saml/tile", "/entra/saml/sso/as", "/api/entra/saml/tile"} {
		status, _ := x.do(http.MethodPost, path, "application/x-www-form-urlencoded", "who=ann.lee@acme.test", "Origin", "https://evil.test", "Sec-Fetch-Site", "cross-site")
		if status != http.StatusForbidden {
			t.Errorf("POST %s from another site: %d", path, status)
		}
	}
}

func TestOnlyThePageThatPostsHasAScript(t *testing.T) {
	x, _ := signInSite(t, Okta)
	policy := func(method, path string, form url.Values) string {
		req, err := http.NewRequestWithContext(t.Context(), method, x.url+path, strings.NewReader(form.Encode()))
		must(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := x.client.Do(req)
		must(t, err)
		must(t, res.Body.Close())
		return res.Header.Get("Content-Security-Policy")
	}
	if got := policy(http.MethodGet, "/okta/saml", nil); got != pagePolicy {
		t.Errorf("settings: %s", got)
	}
	got := policy(http.MethodPost, "/okta/saml/tile", url.Values{"who": {"ann.lee@acme.test"}})
	if !strings.Contains(got, "script-src 'self';") || !strings.Contains(got, "default-src 'none'") || strings.Contains(got, "unsafe") {
		t.Errorf("posting: %s", got)
	}
	if status, body := x.do(http.MethodGet, "/assets/post.js", "", ""); status != 200 || !strings.Contains(body, "submit()") {
		t.Errorf("script: %d %s", status, body)
	}
}

// TestThePackageCommentListsEverySAMLRoute keeps doc.go true for routes, faults and expressions.
func TestThePackageCommentListsEverySAMLRoute(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	must(t, err)
	for path := range samlVerbs {
		if !regexp.MustCompile(`POST /api/\{idp\}/saml` + regexp.QuoteMeta(path) + `\s`).Match(doc) {
			t.Errorf("doc.go does not list POST /api/{idp}/saml%s", path)
		}
	}
	var words []string
	for _, f := range Faults() {
		words = append(words, string(f))
	}
	for e := range expressions {
		words = append(words, e)
	}
	for _, w := range words {
		if !regexp.MustCompile(`\b` + regexp.QuoteMeta(w) + `\b`).Match(doc) {
			t.Errorf("doc.go does not list %s", w)
		}
	}
}

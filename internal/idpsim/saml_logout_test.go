package idpsim

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// app is the application's side of these tests, with a key of its own.
type app struct {
	x   *site
	p   *IdP
	key samlKey
	st  style
}

// leavingSite is signInSite with an application that signs and takes logouts.
func leavingSite(t *testing.T, kind Kind) *app {
	t.Helper()
	x, p := signInSite(t, kind)
	keys, err := newSAMLKeys("application", p.opts.Clock())
	must(t, err)
	a := &app{x, p, keys.own, styleOf(Okta)}
	x.script("/api/"+string(kind)+"/saml", `{"logout_url":"https://app.test/slo","logout_answer_url":"https://app.test/slo/answers","signing_certificates":["`+base64.StdEncoding.EncodeToString(a.key.der)+`"]}`)
	return a
}

// logout is a signed LogoutRequest of the application's by Redirect, as a query.
func (a *app) logout(t *testing.T, f logoutFacts, parameter string) string {
	t.Helper()
	query := parameter + "=" + url.QueryEscape(pack([]byte(a.st.finish(a.st.logoutMessage(f).with(""))))) + "&RelayState=r%2b1&SigAlg=" + url.QueryEscape(algorithms["rsa-sha256"].signature)
	alg := algorithms["rsa-sha256"]
	value, err := rsa.SignPKCS1v15(rand.Reader, a.key.private, alg.hash, alg.sum(query))
	must(t, err)
	return query + "&Signature=" + url.QueryEscape(base64.StdEncoding.EncodeToString(value))
}

func (a *app) facts(nameID string, indexes ...string) logoutFacts {
	return logoutFacts{id: "_request", issued: a.p.opts.Clock(), destination: a.x.url + "/" + string(a.p.kind) + "/saml/slo", issuer: testAudience, nameID: nameID, format: nameIDFormats["emailAddress"], indexes: indexes}
}

func TestSomebodyWhoSignsOutAtTheIdPIsSentToTheApplication(t *testing.T) {
	for _, kind := range []Kind{Okta, Entra, OneLogin} {
		a := leavingSite(t, kind)
		for _, binding := range []string{"redirect", "post"} {
			a.x.script("/api/"+string(kind)+"/saml", `{"logout_binding":"`+binding+`"}`, "/api/"+string(kind)+"/saml/tile", `{"who":"ann.lee@acme.test"}`)
			out, err := a.p.SAMLSignOut("ann.lee@acme.test")
			must(t, err)
			if len(a.p.SAMLSessions()) != 0 || (out.Form == nil) != (binding == "redirect") || !strings.HasPrefix(out.URL, "https://app.test/slo") {
				t.Errorf("%s by %s: %+v", kind, binding, out)
			}
			if _, err := a.p.SAMLSignOut("ann.lee@acme.test"); err == nil {
				t.Errorf("%s: a session that is over is signed out", kind)
			}
		}
	}
	if _, body := leavingSite(t, Google).x.do(http.MethodGet, "/google/saml/metadata", "", ""); strings.Contains(body, "SingleLogout") || strings.Contains(body, "ArtifactResolution") {
		t.Errorf("Google's application knows logout: %s", body)
	}
}

func TestTheApplicationsLogoutIsVerifiedAndAnswered(t *testing.T) {
	a := leavingSite(t, Okta)
	a.x.script("/api/okta/saml/tile", `{"who":"ann.lee@acme.test"}`)
	index := a.p.SAMLSessions()[0].Index
	late, stranger, elsewhere := a.facts("ann.lee@acme.test"), a.facts("ann.lee@acme.test"), a.facts("ann.lee@acme.test")
	late.issued = late.issued.Add(-time.Hour)
	stranger.issuer = "https://other.test"
	elsewhere.destination += "x"
	good := a.logout(t, a.facts("ann.lee@acme.test", index), "SAMLRequest")
	for why, query := range map[string]string{
		"late": a.logout(t, late, "SAMLRequest"), "of another": a.logout(t, stranger, "SAMLRequest"), "elsewhere": a.logout(t, elsewhere, "SAMLRequest"),
		"encoded anew": strings.Replace(good, "r%2b1", "r%2B1", 1), "unsigned": strings.Split(good, "&SigAlg")[0],
	} {
		if status, body := a.x.do(http.MethodGet, "/okta/saml/slo?"+query, "", ""); status != http.StatusBadRequest || len(a.p.SAMLSessions()) != 1 {
			t.Errorf("%s: %d %s", why, status, body)
		}
	}
	status, body := a.x.post("/api/okta/saml/slo", `{"url":"`+a.x.url+`/okta/saml/slo?`+good+`"}`)
	var v struct{ Result Carrying }
	must(t, json.Unmarshal([]byte(body), &v))
	if status != 200 || len(a.p.SAMLSessions()) != 0 || !strings.HasPrefix(v.Result.URL, "https://app.test/slo/answers?SAMLResponse=") || !strings.Contains(v.Result.URL, "RelayState=r%2B1") {
		t.Errorf("%d %s", status, body)
	}
}

func TestALogoutByFormAndAQuestionForAnArtifactMustBeSigned(t *testing.T) {
	a := leavingSite(t, Okta)
	a.x.script("/api/okta/saml/tile", `{"who":"ann.lee@acme.test"}`)
	m := a.st.logoutMessage(a.facts("ann.lee@acme.test"))
	signature, err := signer{key: a.key, alg: algorithms["rsa-sha256"], style: a.st}.sign(m.id, m.with(""))
	must(t, err)
	signed := a.st.finish(m.with(signature))
	send := func(document string) int {
		status, _ := a.x.post("/api/okta/saml/slo", `{"saml_request":"`+base64.StdEncoding.EncodeToString([]byte(document))+`"}`)
		return status
	}
	if send(a.st.finish(m.with(""))) == 200 || send(strings.Replace(signed, "ann.lee@", "bob.lee@", 1)) == 200 || len(a.p.SAMLSessions()) != 1 {
		t.Error("a logout that is unsigned or was changed is believed")
	}
	if status := send(signed); status != 200 || len(a.p.SAMLSessions()) != 0 {
		t.Errorf("the signed one is answered %d", status)
	}
}

func TestTheNextLogoutIsBrokenOnce(t *testing.T) {
	a := leavingSite(t, Okta)
	for _, f := range LogoutFaults() {
		if f == LogoutReplay {
			continue
		}
		a.x.script("/api/okta/saml/tile", `{"who":"ann.lee@acme.test"}`, "/api/okta/saml/logout-fault", `{"fault":"`+string(f)+`"}`)
		out, err := a.p.SAMLSignOut("ann.lee@acme.test")
		if err != nil || out.Fault != f || strings.Contains(out.URL, "Signature=") != (f != LogoutUnsigned) {
			t.Errorf("%s: %+v %v", f, out, err)
		}
	}
	must(t, a.p.SetSAMLLogoutFault(LogoutReplay))
	again, err := a.p.SAMLSignOut("ann.lee@acme.test")
	if err != nil || again.Fault != LogoutReplay || again.URL != a.p.saml.goodLogout.URL {
		t.Errorf("%+v %v", again, err)
	}
	if err := a.p.SetSAMLLogoutFault("other"); err == nil {
		t.Error("an unknown fault is armed")
	}
}

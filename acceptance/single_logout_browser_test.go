package acceptance

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestBrowser_SingleLogout signs out in both directions with an IdP on another site, whose forms come without our cookies:
// from our own page, from the product's way out, and from the IdP's dashboard, by a redirect and by a form.
func TestBrowser_SingleLogout(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	okta := s.idps + "/okta"
	got := s.mustApply(fmt.Sprintf(`workspace: acme
name: Acme Inc
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
connections:
  - {name: okta, provider: okta, protocol: saml, status: active, metadata_url: %q, single_logout: yes, artifact: yes, encryption: on}
`, okta+"/saml/metadata"))
	idp := newPerson(t).open(okta)
	idp.press("/okta/seed", okta)
	idp.visit(okta + "/saml")
	idp.enter("#import-url", got.Connections[0].MetadataURL)
	idp.follow("#import", okta+"/saml")
	idp.follow("#assign-all", okta+"/saml")

	ann := newPerson(t)
	enters := func(b *tab) {
		t.Helper()
		b.visit(s.base + "/signin?workspace=acme")
		b.follow(`a[href^="/auth/saml/"]`, okta+"/saml/sso")
		b.follow(`button[data-user="ann.lee@acme.test"]`, s.base+"/w/acme") // an artifact by GET, an answer encrypted for us
		b.wantText("main", "ann.lee@acme.test")
	}
	b := ann.open(s.base + "/signin?workspace=acme")
	enters(b)

	// From our pages.
	b.follow(`form[action="/signout"] button`, s.base+"/signin")
	b.wantText("main", "You have signed out.")
	enters(b)
	b.visit(s.base + "/signout")
	b.follow(`form[action="/signout"] button`, s.base+"/signin")
	b.wantText("main", "You have signed out.")
	idp.visit(okta + "/saml")
	idp.wantText("#logout", "Nobody is signed in by SAML.")

	// The IdP says no, and then nothing at all.
	for fault, words := range map[string]string{"denied": "you may still be signed in there", "partial": "At other services"} {
		enters(b)
		idp.visit(okta + "/saml")
		idp.choose("#logout-fault", fault)
		idp.follow("#set-logout-fault", okta+"/saml")
		b.follow(`form[action="/signout"] button`, s.base+"/signin")
		b.wantText("main", words)
		b.picture("signed-out-" + fault)
	}
	enters(b)
	idp.visit(okta + "/saml")
	idp.picture("idpsim-saml-sessions")
	idp.choose("#logout-fault", "no_answer")
	idp.follow("#set-logout-fault", okta+"/saml")
	b.follow(`form[action="/signout"] button`, okta+"/saml/slo")
	b.see("#signed-out")
	b.visit(s.base + "/w/acme")
	b.wantText("main", "Sign in")

	// From the IdP, by either binding; the open page here is told.
	people := map[string]string{}
	for _, binding := range []string{"redirect", "post"} {
		idp.visit(okta + "/saml")
		idp.click("details summary")
		idp.choose(`select[name="logout_binding"]`, binding)
		// The application's address is the same for both.
		idp.follow("#save", okta+"/saml")
		enters(b)
		there := ann.open(okta + "/saml")
		if people["ann"] == "" {
			people["ann"] = okta + valueOf(there, "find her dashboard", chromedp.Evaluate[string](
				`[...document.querySelectorAll("#people li")].find((e) => e.textContent.includes("ann.lee@acme.test")).querySelector("a").getAttribute("href").replace("/okta", "")`))
		}
		there.visit(people["ann"])
		there.picture("idpsim-saml-dashboard")
		there.follow("#sign-out", okta+"/saml/slo")
		there.wantText("#application-said", "Success")
		there.picture("idpsim-signed-out")
		b.wantText("main", "ended")
		b.visit(s.base + "/w/acme")
		b.wantText("main", "Sign in")
	}

	// A logout that is not the IdP's word.
	enters(b)
	there := ann.open(people["ann"])
	there.mayAnswer(http.StatusForbidden)
	there.click("#leave summary")
	there.choose("#logout-fault", "unsigned")
	there.follow("#sign-out", s.base+"/auth/saml/")
	there.wantText("main", "Sign-out message refused", "saml_refused")
	there.picture("logout-refused")
	b.visit(s.base + "/w/acme")
	b.wantText("main", "ann.lee@acme.test")

	console := s.ownerWho("acme")
	console.visit(s.base + "/console/acme/sso/connections/" + got.Connections[0].ID)
	console.click("#saml-options-ask")
	console.wantText("#logout-places", okta+"/saml/slo", "/auth/saml/"+got.Connections[0].ID+"/logout")
	console.wantText("#artifact-places", okta+"/saml/artifact")
	console.picture("console-saml-logout")
}

// ownerWho signs in the owner of a workspace that has connections already.
func (s *site) ownerWho(slug string) *tab {
	s.t.Helper()
	var link struct{ URL string }
	s.gatehouse(&link, "owner", "link", "--workspace", slug)
	b := newPerson(s.t).open(link.URL)
	b.follow("form button", s.base+"/w/"+slug)
	return b
}

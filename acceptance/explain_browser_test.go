package acceptance

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// An administrator tests a draft, mends what is wrong, and later looks why somebody could not sign in (F18, F34, F35).
func TestBrowser_AConnectionIsTestedBeforeItIsSwitchedOn(t *testing.T) {
	t.Parallel()
	shows(t, "F34")
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omniflow\ndomains: [acme.test]\npolicy: {provision_on: scim}\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	entra, here := s.idps+"/entra", s.base+"/console/acme/sso"
	console := s.ownerAt("acme")
	console.choose("#provider", "entra")
	console.follow("#new-connection", here+"/connections/")
	connection := valueOf(console, "stay", chromedp.Location())
	acs, audience := console.value("#acs-url"), console.value("#entity-id")
	idp := newPerson(t).open(entra)
	idp.press("/entra/seed", entra)
	idp.visit(entra + "/saml")
	idp.enter("#settings input[name=acs_url]", acs)
	idp.enter("#settings input[name=audience]", audience)
	idp.follow("#save", entra+"/saml")
	idp.follow("#assign-all", entra+"/saml")
	console.enter("#metadata-xml", s.download(idp.see("#metadata-url")))
	console.follow("#import-xml", here+"/connections/")
	console.follow("#apply-metadata", here+"/connections/")
	console.follow("#new-directory", here+"/directories/")
	console.visit(connection)
	console.picture("console-connection-test")

	console.follow("#test-connection", s.base+"/auth/test/")
	console.picture("signin-test")
	console.follow("#begin-test", entra+"/saml/sso")
	console.click("details.break summary")
	console.choose("#fault", "wrong_audience")
	console.follow(userButton("ann.lee@acme.test"), s.base+"/console/acme/sign-ins/att_")
	console.wantText("#reason", "wrong_audience")
	console.wantText("#expected", audience)
	console.wantText("#where", "Identifier (Entity ID)")
	console.picture("console-test-failed")

	console.visit(connection)
	console.follow("#test-connection", s.base+"/auth/test/")
	console.follow("#begin-test", entra+"/saml/sso")
	console.follow(userButton("ann.lee@acme.test"), s.base+"/console/acme/sign-ins/att_")
	console.wantText("#would", "Nobody would have been signed in", "couldn't find your account")
	console.wantText("#attributes", "ann.lee@acme.test")
	console.picture("console-test-not-provisioned")

	// Switched on all the same, Ann is told, and the administrator sees which of the two it is.
	console.visit(connection)
	console.follow("#activate", here+"/connections/")
	ann := newPerson(t).open(s.base + "/signin?workspace=acme")
	ann.follow(connectionButton, entra+"/saml/sso")
	ann.mayAnswer(403)
	ann.follow(userButton("ann.lee@acme.test"), s.base+"/auth/saml/")
	ann.wantText("main", "not_provisioned")
	ann.click("summary")
	ann.picture("signin-refused-why")
	newPerson(t).open(s.base+"/signin?workspace=acme").follow(connectionButton, entra+"/saml/sso") // and stays there
	console.visit(s.base + "/console/acme/sign-ins")
	console.wantText("#attempts", "not_provisioned", "ann.lee@acme.test", "under way")
	console.picture("console-sign-ins")
	console.follow("#missing", s.base+"/console/acme/sign-ins/people")
	console.wantText("#nobody", "ann.lee@acme.test")
	console.picture("console-missing")
	console.visit(s.base + "/console/acme/sign-ins?reason=not_provisioned&outcome=refused")
	console.follow("#attempts a", s.base+"/console/acme/sign-ins/att_")
	console.wantText("#where", "Provision on demand")
	console.picture("console-attempt")
}

// The same of an IdP of OpenID Connect, whose person would be let in.
func TestBrowser_AnOIDCDraftIsTested(t *testing.T) {
	t.Parallel()
	shows(t, "F18")
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n")
	idp := oidctest.New(t)
	idp.Do(func(idp *oidctest.IdP) {
		idp.URL = strings.Replace(idp.URL, "127.0.0.1", "localhost", 1) // another site than ours
		idp.Issuer = idp.URL
		idp.Person["groups"] = []string{"Engineering", "<b>All</b>"}
	})
	here := s.base + "/console/acme/sso"
	console := s.ownerAt("acme")
	console.choose("#provider", "generic")
	console.choose("#protocol", "oidc")
	console.follow("#new-connection", here+"/connections/")
	connection := valueOf(console, "stay", chromedp.Location())
	console.enter("#issuer", idp.Issuer)
	console.enter("#client-id", idp.ClientID)
	console.enter("#client-secret", idp.Secret)
	console.follow("#save-oidc", here+"/connections/")
	for _, posted := range []bool{false, true} {
		if posted {
			console.visit(connection)
			console.click("#options-ask")
			console.click(`input[name="form_post"]`)
			console.follow("#save-options", here+"/connections/")
		}
		console.follow("#test-connection", s.base+"/auth/test/")
		console.follow("#begin-test", s.base+"/console/acme/sign-ins/att_")
		console.wantText("#would", "A new member would have been made")
		console.wantText("#found", "Member", "bob@acme.test", "Engineering", "<b>All</b>")
	}
	console.picture("console-test-oidc")
	console.visit(here) // still signed in
	console.see("#connections")
}

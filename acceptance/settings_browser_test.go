package acceptance

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-id/gatehouse/internal/hostapp"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// site is a server on 127.0.0.1 and the simulated IdPs on localhost, which is another site to a browser.
type site struct {
	*world
	idps string // origin
}

func newSite(t *testing.T, args ...string) *site {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{idps: "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)}
	sim := idpsim.New(idpsim.Options{BaseURL: s.idps})
	t.Cleanup(sim.Close)
	serveUntilEnd(t, listener, sim.Handler())
	s.world = newWorld(t, "", append(args, "--allow-private-networks")...)
	return s
}

// ownerAt signs in the owner of a workspace as an operator lets them in, and opens the settings.
func (s *site) ownerAt(slug string) *tab {
	s.t.Helper()
	var link struct{ URL string }
	s.gatehouse(&link, "owner", "link", "--workspace", slug)
	b := newPerson(s.t).open(link.URL)
	b.picture("signin-link")
	b.follow("form button", s.base+"/w/"+slug)
	b.visit(s.base + "/console/" + slug + "/sso")
	b.see("#no-connections")
	return b
}

// emergency goes from a sign-in page by the way that needs no IdP.
func (b *tab) emergency(base, address string) {
	b.t.Helper()
	b.click("summary")
	b.follow("details a.button", base+"/signin")
	b.enter("#email", address)
	b.enter("#password", ownerPassword)
	b.follow(`form[method="post"] button`, base+"/w/acme")
}

// copied presses the button that copies a field, and returns what it holds.
func (b *tab) copied(id string) string {
	b.t.Helper()
	b.click(fmt.Sprintf("button[data-copy=%q]", id))
	b.do("see that it was copied", chromedp.WaitVisible(chromedp.Search(fmt.Sprintf(`//button[@data-copy=%q][text()="Copied"]`, id))))
	return b.value("#" + id)
}

// pick chooses an option by its text.
func (b *tab) pick(sel, text string) {
	b.t.Helper()
	value := valueOf(b, "look for "+text, chromedp.Evaluate[string](fmt.Sprintf(`([...document.querySelector(%q).options].find((o) => o.text.trim() === %q) || {value: ""}).value`, sel, text)))
	if value == "" {
		b.fail("%s offers no %q", sel, text)
	}
	b.choose(sel, value)
}

// press submits a form of an IdP's page by its action.
func (b *tab) press(action, where string) {
	b.t.Helper()
	b.follow(fmt.Sprintf("form[action=%q] button", action), where)
}

// seed 000: an administrator of Omniflow's customer connects Okta, by the guide and by nothing else.
func TestBrowser_OmniflowIsSetUpWithOktaByHand(t *testing.T) {
	shows(t, "F10", "F11", "F12", "F13", "F15", "F23", "F24", "F27", "F28", "F30", "F32", "F38", "K22", "V9", "V10", "V14")
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omniflow\ndomains: [acme.test]\nowners:\n  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}\n" +
		"schemas:\n  - urn: urn:ietf:params:scim:schemas:extension:acme:2.0:User\n    name: Acme\n    description: What Acme's IdP knows of its people.\n    attributes:\n" +
		"      - {name: costCentre, description: Who pays for the seat., case_exact: yes}\n      - {name: pin, type: integer, mutability: writeOnly}\n" +
		"      - {name: cards, type: complex, multi_valued: yes, returned: request, sub_attributes: [{name: value, required: yes}, {name: code, returned: never}]}\n")
	okta, here := s.idps+"/okta", s.base+"/console/acme/sso"
	console := s.ownerAt("acme")
	console.picture("console-empty")

	// "Settings, SSO & SCIM, SAML, show metadata URL. Copy the URL."
	console.choose("#provider", "okta")
	console.follow("#new-connection", here+"/connections/")
	console.picture("console-connection-draft")
	metadata := console.copied("metadata-url-value")

	// "Paste the metadata URL into Okta's app config. This populates the SSO URL and audience automatically."
	idp := newPerson(t).open(okta)
	idp.picture("idp-okta-empty")
	idp.press("/okta/seed", okta)
	idp.visit(okta + "/saml")
	idp.enter("#import-url", metadata)
	idp.follow("#import", okta+"/saml")
	idp.wantText("main", console.value("#acs-url"), console.value("#entity-id"))
	idp.follow("#assign-all", okta+"/saml") // "Assign users"
	idp.picture("idp-okta-saml")
	// "Map the Okta user attributes to Omniflow fields."
	for name, expression := range map[string]string{"email": "user.email", "firstName": "user.firstName", "lastName": "user.lastName", "groups": "user.groups"} {
		if lines := idp.value("textarea[name=attributes]"); !strings.Contains(lines, name+" = "+expression) {
			t.Errorf("Okta's attributes are %q, without %s", lines, name)
		}
		// Okta has no expression for the groups there: a group attribute statement has a filter.
		if words := valueOf(console, "read", chromedp.Evaluate[string](`document.getElementById("values").innerHTML`)); !strings.Contains(words, expression) && name != "groups" {
			t.Errorf("the settings page does not name %s", expression)
		}
	}

	// What is no metadata is refused beside its field.
	console.mayAnswer(400)
	console.enter("#metadata-xml", "<html>\n<body>Sign in to Okta</body></html>")
	console.follow("#import-xml", here+"/connections/")
	console.see("#metadata-xml-error")
	console.picture("console-metadata-refused")
	console.enter("#metadata-url", idp.see("#metadata-url"))
	console.follow("#import-url", here+"/connections/")
	console.picture("console-metadata-review")
	console.follow("#apply-metadata", here+"/connections/")
	if got, want := console.see("#idp-entity-id"), idp.see("#entity-id"); got != want {
		t.Errorf("the settings page understood the entity id %q, Okta's is %q", got, want)
	}
	console.follow("#activate", here+"/connections/")
	console.wantText("#verified", "not verified yet")

	// "Use Okta's tile. You should land in the workspace already logged in." Nobody has been provisioned.
	person := newPerson(t)
	zoe := person.open(okta + "/dashboard/zoe.mueller@acme.test")
	zoe.follow("#tile", s.base+"/w/acme")
	zoe.wantText("main", "Zoë Müller", "Trainee")
	console.visit(valueOf(console, "stay", chromedp.Location()))
	console.wantText("#verified", "verified")
	console.picture("console-connection-active")

	// "Generate token. Copy the token and base URL. In your IdP, enable provisioning, paste."
	console.follow("#new-directory", here+"/directories/")
	console.follow("#generate-token", here+"/directories/")
	console.see("#scim-token-once")
	console.picture("console-token")
	idp.visit(okta)
	idp.enter(`form[action="/okta/connect"] input[name=base_url]`, console.copied("scim-base-url"))
	idp.enter(`form[action="/okta/connect"] input[name=token]`, console.copied("scim-token"))
	idp.press("/okta/connect", okta)
	idp.press("/okta/test", okta) // "Run a test sync."
	idp.wantText(".badges", "connected", "tested")

	// "Map IdP groups to Omniflow roles."
	console.visit(s.base + "/console/acme/roles")
	console.see("#no-mappings")
	for _, role := range []string{"Admin", "Supervisor", "Agent", "Trainee"} {
		console.enter("#mapping-group", "Omniflow-"+role+"s")
		console.pick("#mapping-role", role)
		console.follow("#add-mapping", s.base+"/console/acme/")
		if role == "Admin" { // somebody has signed in with that group already, and is told before
			console.wantText("#affected", "1 member")
			console.follow("#save-change", s.base+"/console/acme/roles")
		}
	}
	console.wantText("#mappings", "Omniflow-Admins", "Omniflow-Trainees")
	console.picture("console-roles")
	idp.press("/okta/assign-all", okta)
	idp.wantText("[role=status]", "25")
	idp.picture("idp-okta")

	// The highest of two groups, and a tile.
	zoe.do("look again", chromedp.Reload())
	zoe.wantText("main", "Zoë Müller", "Admin", "Omniflow-Supervisors")
	jose := newPerson(t).open(okta + "/dashboard/jose.garcia@acme.test")
	jose.follow("#tile", s.base+"/w/acme")
	jose.wantText("main", "José García Márquez", "Supervisor")
	jose.mayAnswer(403)
	jose.visit(s.base + "/console")
	jose.wantText("main", "Not for your role", "Supervisor")
	jose.picture("console-denied")

	// "The audit log shows every SSO and SCIM event with the IdP's response payload."
	console.visit(s.base + "/console/acme/events?type=signin.succeeded")
	console.picture("console-events")
	console.follow("#events a", s.base+"/console/acme/events/")
	console.wantText("#payload-xml", "Assertion", "jose.garcia@acme.test")
	console.picture("console-event")
	console.visit(here)
	console.picture("console")

	// "Always have an SSO-bypass break-glass admin", who has been seen to get in.
	root := newPerson(t).open(s.base + "/signin?workspace=acme")
	root.emergency(s.base, "root@acme.test")
	// "Require SSO for all users": an address leads straight to the IdP, which is a redirect of a form.
	s.mustApply("workspace: acme\nenforcement: {require_sso: all}\n", "--force")
	root.visit(s.base + "/signin?workspace=acme")
	root.picture("signin-enforced")
	root.emergency(s.base, "root@acme.test")
	root.wantText("main", "emergency access")
	grace := newPerson(t).open(s.base + "/signin")
	grace.enter("#identifier", "grace.okafor@acme.test")
	grace.follow("form button", okta+"/saml/sso")
	grace.follow(userButton("grace.okafor@acme.test"), s.base+"/w/acme")
	grace.wantText("main", "Grace Okafor")

	// What an administrator changes waits for an owner.
	connection := valueOf(console, "look", chromedp.Evaluate[string](`document.querySelector('a[href*="/connections/"]').href`))
	zoe.visit(connection)
	zoe.click("#save-attributes-ask")
	zoe.enter("#attribute-name", "displayName")
	zoe.follow("#save-attributes", here+"/connections/")
	zoe.wantText("#unconfirmed", "Ask an owner")
	zoe.picture("console-unconfirmed-administrator")
	zoe.visit(here)
	zoe.wantText("#connections", "waits for an owner")
	zoe.picture("console-waits-for-owner")
	console.visit(connection)
	console.see("#confirm")
	console.picture("console-unconfirmed")
	console.follow("#confirm", here+"/connections/")
	console.wantText("main", "The connection is confirmed.")
}

// A password leads back to the product that asked: three redirects of a form, to another origin.
func TestBrowser_APasswordLeadsBackToTheProduct(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	w.must(err)
	origin := "http://localhost:" + strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	got := w.mustApply(fmt.Sprintf(`workspace: acme
name: Acme Inc
preset: omniflow
owners:
  - {email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}
applications:
  - {name: omniflow, redirect_uris: [%q], post_logout_redirect_uris: [%q]}
`, hostapp.RedirectURI(origin), hostapp.SignedOutURI(origin)))
	app, err := hostapp.New(hostapp.Options{Origin: origin, Companies: []hostapp.Company{{Slug: "acme", Name: "Acme Inc", Issuer: w.base,
		ClientID: got.Applications[0].ID, ClientSecret: got.Applications[0].Secret}}})
	w.must(err)
	serveUntilEnd(t, listener, app.Handler())
	t.Cleanup(app.Close)

	b := newPerson(t).open(origin)
	b.follow("#sign-in-acme", w.base+"/signin")
	b.enter("#email", "root@acme.test")
	b.enter("#password", "not "+ownerPassword)
	b.mayAnswer(401)
	b.follow(`form[method="post"] button`, w.base+"/signin")
	b.see("[role=alert]")
	b.picture("signin-wrong-password")
	b.enter("#password", ownerPassword)
	b.follow(`form[method="post"] button`, origin+"/")
	b.wantText("#member-role", "Owner")
	b.follow("#sign-out", origin+"/signed-out")
	b.see("#sign-in-acme")
}

// serveUntilEnd serves a handler for as long as the test runs.
func serveUntilEnd(t *testing.T, listener net.Listener, h http.Handler) {
	server := &http.Server{Handler: h}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close() // what Serve returns says it all
		<-ended
	})
}

// seed 004: an administrator of Omnivoo's customer connects Entra; provisioning waits for a verified
// connection, and deprovisioning closes every open tab.
func TestBrowser_OmnivooIsSetUpWithEntraByHand(t *testing.T) {
	shows(t, "E1", "V6", "V8", "V9", "V10", "V15", "V21", "F34")
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme Inc\npreset: omnivoo\ndomains: [acme.test]\nowners:\n  - {email: root@acme.test}\n")
	entra, here := s.idps+"/entra", s.base+"/console/acme/sso"
	console := s.ownerAt("acme")
	console.choose("#provider", "entra")
	console.enter("#connection-name", "Acme sign-in")
	console.follow("#new-connection", here+"/connections/")
	connection := valueOf(console, "stay", chromedp.Location())
	console.picture("console-entra-draft")

	// The values one by one, typed into Entra's form.
	idp := newPerson(t).open(entra)
	idp.press("/entra/seed", entra)
	idp.click("#people details summary")
	for name, text := range map[string]string{"userName": "root@acme.test", "givenName": "Rita", "familyName": "Root"} {
		idp.enter(fmt.Sprintf(`form[action="/entra/people"] input[name=%s]`, name), text)
	}
	idp.press("/entra/people", entra)
	idp.visit(entra + "/saml")
	idp.enter("#settings input[name=acs_url]", console.copied("acs-url"))
	idp.enter("#settings input[name=audience]", console.copied("entity-id"))
	idp.enter("#settings input[name=app]", "Omnivoo")
	idp.follow("#save", entra+"/saml")
	idp.follow("#assign-all", entra+"/saml")
	console.enter("#metadata-xml", s.download(idp.see("#metadata-url")))
	console.follow("#import-xml", here+"/connections/")
	console.follow("#apply-metadata", here+"/connections/")
	console.see("#idp-entity-id")

	// "SCIM requires an active SSO connection configured and verified."
	console.follow("#new-directory", here+"/directories/")
	directory := valueOf(console, "stay", chromedp.Location())
	console.wantText("#token-refused", "verified")
	console.picture("console-token-waits")
	console.visit(connection)
	console.follow("#activate", here+"/connections/")

	// Somebody whom nobody has provisioned.
	ann := newPerson(t).open(s.base + "/signin?workspace=acme")
	ann.wantText(connectionButton, "Acme sign-in")
	ann.follow(connectionButton, entra+"/saml/sso")
	ann.mayAnswer(403)
	ann.follow(userButton("ann.lee@acme.test"), s.base+"/auth/saml/")
	ann.wantText("[role=alert]", "We couldn't find your account")
	ann.picture("signin-refused-not-found")

	// The first sign-in proves the connection.
	console.follow("#test-sign-in", entra+"/saml/sso")
	console.follow(userButton("root@acme.test"), s.base+"/w/acme")
	console.visit(connection)
	console.wantText("#verified", "verified")
	console.follow("#idp-initiated", here+"/connections/")

	// A key of our own, published before the next one.
	console.click("#saml-options-ask")
	console.click("input[name=sign_requests]")
	console.follow("#save-saml-options", here+"/connections/")
	console.follow("#rotate-key", here+"/connections/")
	console.click("#saml-options-ask")
	console.click("#certificate-ask-0")
	console.see("#use-key-0")
	console.picture("console-entra-keys")

	// "Click Generate Token. Copy the token that appears." "Tenant URL, Secret Token, Test Connection."
	console.visit(directory)
	console.follow("#generate-token", here+"/directories/")
	idp.visit(entra)
	idp.enter(`form[action="/entra/connect"] input[name=base_url]`, console.copied("scim-base-url"))
	idp.enter(`form[action="/entra/connect"] input[name=token]`, console.copied("scim-token"))
	idp.press("/entra/connect", entra)
	idp.press("/entra/test", entra)
	idp.wantText(".badges", "connected", "tested")
	console.visit(s.base + "/console/acme/roles")
	console.enter("#mapping-group", "Engineering")
	console.pick("#mapping-role", "Admin")
	console.follow("#add-mapping", s.base+"/console/acme/roles")
	idp.press("/entra/assign-all", entra)

	grace := newPerson(t).open(entra + "/dashboard/grace.okafor@acme.test")
	grace.picture("idp-entra-dashboard")
	grace.follow("#tile", s.base+"/w/acme")
	grace.wantText("main", "Grace Okafor", "Admin", "Engineering")

	// "Their account is deactivated. All active sessions are revoked immediately: any open tabs are logged out."
	at := grace.seen()
	row := `//li[contains(@class,"item")][.//span[text()="grace.okafor@acme.test"]]//form[contains(@action,"/%s")]//button`
	idp.arrive(entra, func() {
		idp.do("deactivate her", chromedp.Click(chromedp.Search(fmt.Sprintf(row, "deactivate"))))
	})
	idp.press("/entra/sync", entra)
	grace.wantText("#main [role=alert] h1", "You have been signed out")
	grace.wantStill(at)
	idp.picture("idp-entra")

	// "If the user is later re-provisioned, their account is reactivated with their previous data intact."
	idp.arrive(entra, func() {
		idp.do("bring her back", chromedp.Click(chromedp.Search(fmt.Sprintf(row, "reactivate"))))
	})
	idp.press("/entra/sync", entra)
	grace.visit(entra + "/dashboard/grace.okafor@acme.test")
	grace.follow("#tile", s.base+"/w/acme")
	grace.wantText("main", "Grace Okafor", "Admin")
	console.visit(s.base + "/console/acme/events?outcome=refused")
	console.wantText("#events", "ann.lee@acme.test", "not_provisioned")
	console.picture("console-events-refused")
}

// download gets what an administrator would save as a file.
func (w *world) download(address string) string {
	w.t.Helper()
	res, err := http.Get(address)
	w.must(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	w.must(err)
	return string(body)
}

//go:build accept

package acceptance

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestPeer_SimpleSAMLphpLogsOut signs out in both directions with an identity provider written by others, in Chromium, on
// another site. It signs its logout messages, wants ours signed, and names people by a persistent NameID with qualifiers.
func TestPeer_SimpleSAMLphpLogsOut(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		idp := w.peerIdP()
		idp.write("options.json", map[string]bool{"saml20.sign.response": true, "saml20.sign.assertion": true, "sign.logout": true, "validate.logout": true, "validate.authnrequest": true})
		idp.more = ", sign_requests: yes, single_logout: yes"
		connection := idp.connect("acme", "")
		enters := func(b *tab) {
			t.Helper()
			b.visit(connection.signIn(w))
			b.enter("#username", "ada")
			b.enter("#password", "analytical")
			b.follow("form button, form input[type=submit]", w.base+"/w/acme")
			b.wantText("main", "Ada Lovelace")
		}
		b := newPerson(t).open(w.base + "/signin?workspace=acme")
		b.mayAnswer(http.StatusNotFound) // the IdP's pages have no favicon
		enters(b)
		other := newPerson(t).open(w.base + "/signin?workspace=acme")
		other.mayAnswer(http.StatusNotFound)
		enters(other)

		// Here: the IdP is told, and asks for the password again.
		b.visit(w.base + "/signout")
		b.follow(`form[action="/signout"] button`, w.base+"/signin")
		b.wantText("main", "You have signed out.")
		if e := w.wantEvent("acme", "logout.answered", ""); e.Outcome != "ok" {
			t.Errorf("the IdP answers %s: %s", e.Outcome, e.Payload)
		}
		b.visit(connection.signIn(w))
		b.see("#password")
		enters(b)
		if n := w.signedInAt("acme"); n != 2 {
			t.Errorf("%d sessions, want two", n)
		}

		// There: our session ends, that of her other browser does not.
		b.arrive(idp.base, func() {
			b.visit(idp.base + "/saml2/idp/SingleLogoutService.php?" + url.Values{"ReturnTo": {idp.base + "/"}}.Encode())
		})
		e := w.wantEvent("acme", "logout.received", "")
		if !strings.Contains(string(e.Payload), "SessionIndex") || w.signedInAt("acme") != 1 {
			t.Errorf("%d sessions live after %s", w.signedInAt("acme"), e.Payload)
		}
		b.visit(w.base + "/w/acme")
		b.wantText("main", "Sign in")
		other.visit(w.base + "/w/acme")
		other.wantText("main", "Ada Lovelace")

		// What it has signed counts once, and unsigned never.
		replay := w.newBrowser().fetch(http.MethodGet, w.base+"/auth/saml/"+connection.id+"/logout?SAMLRequest=x")
		if !replay.failed() || w.signedInAt("acme") != 1 {
			t.Errorf("an unsigned logout is answered %d", replay.status)
		}
	}, "--allow-private-networks") // the peers are on this machine
}

// signedInAt is how many sessions a workspace's people have.
func (w *world) signedInAt(slug string) (n int) {
	w.t.Helper()
	for _, m := range w.people(slug) {
		var list []struct{ ID string }
		w.gatehouse(&list, "session", "list", m.ID, "--workspace", slug)
		n += len(list)
	}
	return n
}

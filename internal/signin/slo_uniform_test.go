package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// The logout door tells whoever proves nothing as little as the door of sign-in, calls nobody whom a message names, and leads
// nobody there.
func TestSingleLogout_UnprovenMessagesCannotBeToldApartAndMakeUsCallNobody(t *testing.T) { // A27, A31, A45
	eachLeaving(t, func(t *testing.T, w *world) {
		trap := untouched(t)
		b, courier := w.browser(), w.browser()
		b.entersAs(w, "_one", bobsName)
		idp, impostor := oktaIdP(), samltest.NewIdP(oktaIdP().EntityID, otherKey())
		l := w.logout("_one")
		l.Destination, l.Issuer = trap, trap
		unsigned := string(l.Unsigned())
		get := func(query string) func() answer {
			return func() answer { return courier.get(oktaLogout + "?" + query) }
		}
		post := func(doc string) func() answer {
			return func() answer { return courier.posts("SAMLRequest", []byte(doc), trap) }
		}
		deflated := func(doc string) string {
			return url.QueryEscape(samltest.Encode(samltest.Deflate([]byte(doc))))
		}
		signed := string(idp.SignLogout(w.logout("_one")))
		first, whose := "", ""
		for name, send := range map[string]func() answer{
			"unsigned":               get("SAMLRequest=" + deflated(unsigned) + "&RelayState=" + url.QueryEscape(trap)),
			"unsigned in a form":     post(unsigned),
			"by another key":         get(impostor.RedirectLogout(w.logout("_one"), trap)),
			"another key's form":     post(string(impostor.SignLogout(w.logout("_one")))),
			"a bomb":                 get("SAMLRequest=" + deflated(strings.Repeat("x", 1<<20)) + "&SigAlg=x&Signature=AAAA"),
			"an algorithm elsewhere": get("SAMLRequest=" + deflated(unsigned) + "&SigAlg=" + url.QueryEscape(trap) + "&Signature=AAAA"),
			"an external DTD":        post(`<!DOCTYPE x SYSTEM "` + trap + `">` + bare([]byte(signed))),
			"an external entity":     post(`<!DOCTYPE x [<!ENTITY e SYSTEM "` + trap + `">]>` + bare([]byte(signed))),
			"a reference elsewhere":  post(strings.Replace(signed, `URI="#`, `URI="`+trap+`#`, 1)),
			"a comment":              post(strings.Replace(signed, "bob@acme", "bob<!---->@acme", 1)),
			"another person":         post(strings.Replace(signed, "bob@acme", "ann@acme", 1)),
			"another message":        post(string(idp.Sign(w.response("")))),
			"no XML":                 post("hello"),
			"nothing":                get(""),
		} {
			a := send()
			all := w.events(acme, audit.LogoutRefused)
			if len(all) == 0 {
				t.Fatalf("%s: no event", name)
			}
			e := all[len(all)-1]
			if e.Reason == "" || e.Reason == "saml_refused" || a.to() != "" || a.StatusCode < 400 || a.StatusCode > 499 {
				t.Errorf("%s: %d to %q, the event says %q", name, a.StatusCode, a.to(), e.Reason)
			}
			now := seen(a, e.ID)
			if first == "" {
				first, whose = now, name
			}
			if now != first {
				t.Errorf("%s is told apart from %s:\n%s\n%s", name, whose, now, first)
			}
			w.clock.turn(1e6)
		}
		if !b.signedIn() {
			t.Fatal("the session has ended")
		}
		// The control, with an address as the relay state: the answer goes to the IdP, and the address only beside it.
		a := courier.redirects(w.logout("_one"), trap)
		if b.signedIn() || a.StatusCode >= http.StatusBadRequest || strings.HasPrefix(a.to(), trap) {
			t.Errorf("the control: %d to %q", a.StatusCode, a.to())
		}
	})
}

package signin

import (
	"context"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// Somebody has the IdP answer them, keeps the code to themselves and puts it into the answer to somebody else's request. The IdP
// refuses it by the verifier of that request; one that does not look is found out by the nonce.
func TestOIDC_SomebodyElsesCodeOpensNothing(t *testing.T) { // A48
	eachOIDC(t, func(t *testing.T, w *parties) {
		injected := func() answer {
			t.Helper()
			attacker, victim := w.browser(), w.browser()
			_, stolen := w.back(attacker.begins(oidc))
			path, q := w.back(victim.begins(oidc))
			q.Set("code", stolen.Get("code"))
			a := victim.get(path + "?" + q.Encode())
			if victim.cookie() != "" {
				t.Error("the victim has a session")
			}
			return a
		}
		a := injected()
		w.wantBack(a, "oidc_refused", relyingparty.ReasonTokenRequest)
		if _, p := w.oidcRefused(a); p.Refusal.IdPError != "invalid_grant" {
			t.Errorf("the event has %+v", p.Refusal)
		}
		w.idp.Do(func(idp *oidctest.IdP) { idp.NoPKCE = true })
		w.wantBack(injected(), relyingparty.ReasonNonce, relyingparty.ReasonNonce)
		w.browser().entersBy(w, oidc) // the control
	})
}

// What a post costs in memory is bounded by what may be posted, not by what is in it: a megabyte of form becomes text, bytes and
// a tree that stops at its limits.
func TestGarbage_CostsLittleMemory(t *testing.T) { // A25, A26
	w := newWorld(t, storetest.SQLite(t))
	w.connect(acme, okta, oktaIdP(), func(c *directory.Connection) { c.SAML.IdPInitiated = true })
	var attributes strings.Builder
	for range 20_000 {
		attributes.WriteString(` a=""`)
	}
	good := string(oktaIdP().Sign(w.response("")))
	inside := func(flood string) string {
		return strings.Replace(good, "<saml2p:Status>", "<saml2p:Extensions>"+flood+"</saml2p:Extensions><saml2p:Status>", 1)
	}
	w.browser().answers(okta, "%%%", "") // whatever is made once is made
	for name, doc := range map[string]string{
		"deep":                 inside(strings.Repeat("<a>", 30_000)),
		"wide":                 inside(strings.Repeat("<a/>", 60_000)),
		"attributes":           inside("<a" + attributes.String() + "/>"),
		"text":                 inside(strings.Repeat("x", 500_000)),
		"entities":             inside(strings.Repeat("&amp;", 60_000)),
		"namespaces":           inside(strings.Repeat(`<a xmlns:b="urn:`+strings.Repeat("x", 200)+`">`, 1_000)),
		"a long name":          inside("<" + strings.Repeat("a", 300_000) + "/>"),
		"a declaration":        "<!DOCTYPE x [" + strings.Repeat(`<!ENTITY a "&a;&a;">`, 20_000) + "]>",
		"a signature's base64": strings.Replace(good, "<ds:SignatureValue>", "<ds:SignatureValue>"+strings.Repeat("AAAA", 50_000), 1),
	} {
		posted := samltest.Encode([]byte(doc))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: posted, Client: from("192.0.2.1")})
		runtime.ReadMemStats(&after)
		harmless := name == "text" || name == "a long name" || name == "entities" // long, and nothing else is the matter with them
		if err == nil && !harmless {
			t.Errorf("%s: accepted", name)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 8<<20 {
			t.Errorf("%s: %d bytes were allocated for %d", name, used, len(posted))
		}
	}
	// The control.
	if a := w.browser().answers(okta, sign(w.response("")), ""); a.StatusCode != http.StatusSeeOther {
		t.Errorf("the control: %d %s", a.StatusCode, a.body)
	}
}

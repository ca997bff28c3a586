package signin

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// untouched is an address to which nobody may connect, and the file:// and DNS forms are beside it in every message: a test
// ends with a failure where somebody did.
func untouched(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		// Whoever was on the way here is let in before the count.
		_ = l.Close()
		<-done
		if n := calls.Load(); n != 0 {
			t.Errorf("an address that a message named was called %d times", n)
		}
	})
	return "http://" + l.Addr().String() + "/trap"
}

// Every field of a SAML answer that can hold an address holds one at which somebody listens.
func TestNoAnswer_MakesUsCallAnybody(t *testing.T) { // A20, A24, A31; section 3: no outbound call that a message asked for
	eachConnected(t, func(t *testing.T, w *world) {
		trap := untouched(t)
		ours := samltest.NewKey()
		w.keyed(encrypting, ours)
		b := w.browser()
		harmless := []string{"a schema", "XInclude", "a base"} // which nobody resolves: they are text in what nobody signed
		for name := range messages(w, asked{}, ours, trap) {
			b := w.browser()
			q := b.begin(okta)
			a := b.answers(okta, samltest.Encode([]byte(messages(w, q, ours, trap)[name])), q.relay)
			if slices.Contains(harmless, name) != (a.StatusCode == http.StatusSeeOther) || a.StatusCode >= 500 {
				t.Errorf("%s: %d to %q", name, a.StatusCode, a.to())
			}
		}
		// What may be anything is taken for what it is, and nothing is fetched either.
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		r := w.response("")
		r.Assertion.NameID.Value, r.Assertion.NameID.Format = trap, saml.FormatPersistent
		r.Assertion.NameID.NameQualifier, r.Assertion.NameID.SPNameQualifier = trap, trap
		about := r.Assertion.Attributes
		about[0].Values, about[1].Values, about[3].Values = []string{"trap@partner.test"}, []string{trap}, []string{trap}
		r.Assertion.Authn[0].Class = trap
		r.Assertion.Advice = `<saml2:AssertionURIRef>` + trap + `</saml2:AssertionURIRef>`
		if a := b.answers(okta, sign(r), trap); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" {
			_, p := w.refused()
			t.Errorf("the control: %d to %q: %+v", a.StatusCode, a.to(), p.Refusal)
		}
		// Where a key is says its place in the message, whatever a RetrievalMethod says.
		r = w.response("")
		r.Encryption = &samltest.Encryption{For: ours.Certificate, Placement: samltest.Retrieved}
		doc := string(oktaIdP().Sign(r))
		elsewhere := strings.Replace(doc, `EncryptedKey" URI="#`, `EncryptedKey" URI="`+trap+`#`, 1)
		if a := b.answers(okta, samltest.Encode([]byte(elsewhere)), ""); elsewhere == doc || a.StatusCode != http.StatusSeeOther {
			_, p := w.refused()
			t.Errorf("a key that is said to be elsewhere: %d to %q: %+v", a.StatusCode, a.to(), p.Refusal)
		}
	})
}

// messages are answers to a request with an address in each field that can hold one.
func messages(w *world, q asked, ours *samltest.Key, trap string) map[string]string {
	w.t.Helper()
	good := string(oktaIdP().Sign(w.response(q.id)))
	change := func(old, new string) string {
		if !strings.Contains(good, old) {
			w.t.Fatalf("%s is not in the answer", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	signed := func(change func(*samltest.Response)) string {
		r := w.response(q.id)
		change(r)
		return string(oktaIdP().Sign(r))
	}
	retrieval := `<ds:RetrievalMethod URI="` + trap + `" Type="http://www.w3.org/2000/09/xmldsig#rawX509Certificate"/>`
	return map[string]string{
		"an external DTD":     `<!DOCTYPE x SYSTEM "` + trap + `">` + bare([]byte(good)),
		"a public DTD":        `<!DOCTYPE x PUBLIC "-//x" "` + trap + `">` + bare([]byte(good)),
		"an external entity":  `<!DOCTYPE x [<!ENTITY e SYSTEM "` + trap + `">]>` + strings.Replace(bare([]byte(good)), ">bob@", ">&e;bob@", 1),
		"a parameter entity":  `<!DOCTYPE x [<!ENTITY % e SYSTEM "` + trap + `"> %e;]>` + bare([]byte(good)),
		"a style sheet":       `<?xml-stylesheet href="` + trap + `"?>` + bare([]byte(good)),
		"a schema":            change("<saml2p:Response ", `<saml2p:Response xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x `+trap+`" `),
		"XInclude":            change("<saml2p:Status>", `<saml2p:Extensions><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="`+trap+`"/></saml2p:Extensions><saml2p:Status>`),
		"a base":              change("<saml2p:Response ", `<saml2p:Response xml:base="`+trap+`" `),
		"a reference":         change(`URI="#`, `URI="`+trap+`#`),
		"a key to be fetched": change("<ds:X509Data>", retrieval+"<ds:X509Data>"),
		"a transform":         change("</ds:Transforms>", `<ds:Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"><xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform" version="1.0"><xsl:include href="`+trap+`"/></xsl:stylesheet></ds:Transform></ds:Transforms>`),
		"an algorithm":        change(saml2RSA, trap),
		"the destination":     signed(func(r *samltest.Response) { r.Destination, r.Signing = trap, samltest.Signing{Response: true} }),
		"the recipient":       signed(func(r *samltest.Response) { r.Assertion.Confirmations[0].Recipient = trap }),
		"the issuer":          signed(func(r *samltest.Response) { r.Issuer, r.Assertion.Issuer = trap, trap }),
		"the audience":        signed(func(r *samltest.Response) { r.Assertion.Audiences = [][]string{{trap}} }),
		"what the status says": signed(func(r *samltest.Response) {
			r.StatusCodes, r.StatusMessage, r.Signing = []string{trap}, trap, samltest.Signing{Response: true}
		}),
		"a ciphertext to be fetched": encryptedElsewhere(w.t, signed(func(r *samltest.Response) { r.Encryption = &samltest.Encryption{For: ours.Certificate} }), trap),
		"a ciphertext that is elsewhere, signed": encryptedElsewhere(w.t, signed(func(r *samltest.Response) {
			r.Encryption, r.Signing = &samltest.Encryption{For: ours.Certificate}, samltest.Signing{Response: true, Assertion: true}
		}), trap),
	}
}

const saml2RSA = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

// encryptedElsewhere replaces the ciphertext of an assertion by an address of it.
func encryptedElsewhere(t *testing.T, doc, address string) string {
	t.Helper()
	at := strings.LastIndex(doc, "<xenc:CipherValue>")
	end := strings.LastIndex(doc, "</xenc:CipherValue>")
	if at < 0 || end < at {
		t.Fatal("nothing is encrypted")
	}
	return doc[:at] + `<xenc:CipherReference URI="` + address + `"/>` + doc[end+len("</xenc:CipherValue>"):]
}

func TestOIDC_NoAnswerMakesUsCallAnybody(t *testing.T) { // A46, OI02, OI08
	eachOIDC(t, func(t *testing.T, w *parties) {
		trap := untouched(t)
		key, stranger, named := w.idp.Keys[0], oidctest.NewRSA("k1"), oidctest.NewRSA(trap) // not while the IdP is waited for
		host, _, _ := strings.Cut(strings.TrimPrefix(trap, "http://"), "/")
		for name, make := range map[string]func(c map[string]any) string{
			"jku, x5u": func(c map[string]any) string { return key.SignWith(map[string]any{"jku": trap, "x5u": trap}, c) },
			"another's, jku": func(c map[string]any) string {
				return stranger.SignWith(map[string]any{"jku": trap, "x5u": trap}, c)
			},
			"another's, kid": func(c map[string]any) string { return named.Sign(c) },
			"the issuer":     func(c map[string]any) string { c["iss"] = trap; return key.Sign(c) },
			"the audience":   func(c map[string]any) string { c["aud"] = trap; return key.Sign(c) },
			"claims elsewhere": func(c map[string]any) string {
				c["_claim_names"] = map[string]any{"groups": "s", "email": "s"}
				c["_claim_sources"] = map[string]any{"s": map[string]any{"endpoint": trap, "access_token": "x", "JWT": "e30.e30.e30"}}
				return key.Sign(c)
			},
			"what profiles have": func(c map[string]any) string {
				c["picture"], c["profile"], c["website"], c["sub_jwk"], c["jwks_uri"] = trap, trap, trap, map[string]any{"jku": trap}, trap
				return key.Sign(c)
			},
		} {
			w.idp.Do(func(idp *oidctest.IdP) { idp.Token = make })
			if a := w.browser().tries(w, oidc); a.StatusCode >= 500 {
				t.Errorf("%s: %d", name, a.StatusCode)
			}
		}
		w.idp.Do(func(idp *oidctest.IdP) {
			idp.Token = nil
			idp.Said = func(a map[string]any) {
				a["userinfo_endpoint"], a["token_endpoint"], a["id_token_signed_response_alg"] = trap, trap, trap
			}
		})
		// In the callback and at the tile.
		path, q := w.back(w.browser().begins(oidc))
		for _, more := range []url.Values{{"iss": {trap}}, {"error": {"x"}, "error_uri": {trap}}, {"session_state": {trap}}, {"response": {"e30.e30.e30"}, "request_uri": {trap}}} {
			for name, values := range q {
				if more.Get(name) == "" && name != "code" {
					more[name] = values
				}
			}
			w.browser().get(path + "?" + more.Encode())
		}
		w.join(acme, oidc, func(c *directory.Connection) { c.OIDC.IdPInitiated = true })
		w.browser().get("/auth/oidc/con_oidc/initiate?" + url.Values{"iss": {trap}, "target_link_uri": {trap}}.Encode())
		w.browser().get("/auth/oidc/con_oidc/initiate?" + url.Values{"iss": {w.idp.Issuer}, "target_link_uri": {trap}, "login_hint": {trap}}.Encode())
		// Logout: in a token, and in a frame.
		claims := map[string]any{"iss": trap, "aud": w.idp.ClientID, "sub": trap, "sid": trap, "jti": trap}
		for _, token := range []string{key.SignWith(map[string]any{"jku": trap, "x5u": trap, "typ": "logout+jwt"}, claims), trap,
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","jku":"`+trap+`"}`)) + ".e30.e30"} {
			if a := w.browser().post(backchannel, "logout_token", token); a.StatusCode != http.StatusBadRequest {
				t.Errorf("a logout token: %d", a.StatusCode)
			}
		}
		w.browser().get("/auth/oidc/con_oidc/frontchannel-logout?" + url.Values{"iss": {trap}, "sid": {trap}}.Encode())
		b := w.browser()
		b.header.Set("X-Forwarded-Host", host)
		b.header.Set("Forwarded", "host="+host)
		if a := b.tries(w, oidc); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the control: %d %s", a.StatusCode, a.body)
		}
	})
}

package signin

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// seen is all that whoever posted an answer gets to see of what became of it, without the ids of request and event.
func seen(a answer, event string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d\n", a.StatusCode)
	for _, name := range slices.Sorted(maps.Keys(a.Header)) {
		if name != "Date" {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(a.Header[name], ", "))
		}
	}
	return ids.ReplaceAllString(withoutRequest(strings.ReplaceAll(b.String()+a.body, event, "")), "")
}

// ids are new in each answer: they name what was recorded, and say nothing of what it is.
var ids = regexp.MustCompile(`\b[a-z]{2,4}_[0-9a-z]{26}\b`)

// part returns the first element of a name, from its start tag to its end tag.
func part(t *testing.T, doc, name string) string {
	t.Helper()
	from := strings.Index(doc, "<"+name+" ")
	to := strings.Index(doc, "</"+name+">")
	if from < 0 || to < from {
		t.Fatalf("no %s in %s", name, doc)
	}
	return doc[from : to+len("</"+name+">")]
}

// wrappings are the eight of the catalogue, of a message whose Assertion is signed: somebody else's statement in
// the place where it might be read, the signed one in a place where only its signature is looked for.
func wrappings(t *testing.T, doc string) map[string]string {
	t.Helper()
	doc = bare([]byte(doc))
	signed, signature := part(t, doc, "saml2:Assertion"), part(t, doc, "ds:Signature")
	original := strings.Replace(signed, signature, "", 1)
	id := original[strings.Index(original, ` ID="`)+5:]
	id = id[:strings.Index(id, `"`)]
	evil := func(text string) string {
		return strings.ReplaceAll(strings.Replace(text, ` ID="`+id, ` ID="_evil`, 1), "bob@acme.test", "ann@acme.test")
	}
	in := func(text string) string { return strings.Replace(doc, signed, text, 1) }
	into := func(element, text string) string {
		at := strings.LastIndex(element, "</")
		return element[:at] + text + element[at:]
	}
	whole := evil(strings.Replace(doc, ` ID="`, ` ID="_r`, 1))
	return map[string]string{
		"A1": strings.Replace(whole, "</ds:Signature>", doc+"</ds:Signature>", 1),
		"A2": strings.Replace(whole, "<ds:Signature ", doc+"<ds:Signature ", 1),
		"A3": in(evil(original) + signed),
		"A4": in(into(evil(original), signed)),
		"A5": in(evil(signed) + original),
		"A6": in(strings.Replace(evil(signed), "</ds:Signature>", original+"</ds:Signature>", 1)),
		"A7": strings.Replace(doc, "<saml2p:Status>", "<saml2p:Extensions>"+evil(original)+"</saml2p:Extensions><saml2p:Status>", 1),
		"A8": in(strings.Replace(evil(signed), "</ds:Signature>", "<ds:Object>"+original+"</ds:Object></ds:Signature>", 1)),
	}
}

// unproven are answers to a request that anybody could have made, by their reason in the log.
func (w *world) unproven(q asked) map[string]string {
	good := string(oktaIdP().Sign(w.response(q.id)))
	encode := func(doc string) string { return samltest.Encode([]byte(doc)) }
	change := func(old, new string) string {
		w.t.Helper()
		if !strings.Contains(good, old) {
			w.t.Fatalf("%s is not in %s", old, good)
		}
		return encode(strings.Replace(good, old, new, 1))
	}
	with := func(change func(*samltest.Response)) string {
		r := w.response(q.id)
		change(r)
		return sign(r)
	}
	all := map[string]string{
		"malformed, no base64":                 "%%%",
		"malformed, nothing":                   "",
		"malformed, no XML":                    encode("hello"),
		"malformed, deflated":                  samltest.Encode(samltest.Deflate([]byte(good))),
		"malformed, an entity":                 change(">bob@", ">&x;bob@"),
		"malformed, a relative namespace":      change("<saml2p:Response ", `<saml2p:Response xmlns:q="1" `),
		"malformed, two colons":                change("<saml2:Issuer", "<saml2::Issuer"),
		"malformed, another encoding":          encode(`<?xml version="1.0" encoding="UTF-16"?>` + bare([]byte(good))),
		"too_large, deep":                      encode(strings.Repeat("<a>", 10_000)),
		"too_large, wide":                      encode("<a>" + strings.Repeat("<a/>", 30_000) + "</a>"),
		"too_large, long":                      strings.Repeat("A", saml.DefaultMaxBytes*2),
		"dtd":                                  encode("<!DOCTYPE x>" + bare([]byte(good))),
		"dtd, an entity of a file":             encode(`<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + bare([]byte(good))),
		"comment":                              change(">bob@", "><!-- x -->bob@"),
		"processing_instruction":               encode("<?p x?>" + bare([]byte(good))),
		"cdata":                                change(">bob@acme.test<", "><![CDATA[bob@acme.test]]><"),
		"not_a_response":                       encode("<x/>"),
		"not_a_response, a logout":             encode(`<saml2p:LogoutRequest xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_x" Version="2.0"/>`),
		"version":                              change(`Version="2.0"`, `Version="1.1"`),
		"structure":                            change("</saml2p:Response>", `<x:y xmlns:x="urn:x"/></saml2p:Response>`),
		"signature_missing":                    with(func(r *samltest.Response) { r.Signing = samltest.Signing{} }),
		"signature_missing, for another place": with(func(r *samltest.Response) { r.Signing = samltest.Signing{}; r.Destination = "https://elsewhere.test/" }),
		"signature_missing, expired":           with(func(r *samltest.Response) { r.Signing = samltest.Signing{}; r.Assertion.NotOnOrAfter = r.IssueInstant }),
		"signature_missing, of nobody":         with(func(r *samltest.Response) { r.Signing = samltest.Signing{}; about(r, "nobody@acme.test", "No", "Body") }),
		"signature_invalid, another person":    change(">bob@acme.test<", ">ann@acme.test<"),
		"signature_invalid, another value":     change("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"),
		"unknown_key":                          with(func(r *samltest.Response) { r.Signing.Key = otherKey() }),
		"unknown_key, of another IdP": with(func(r *samltest.Response) {
			r.Signing.Key, r.Issuer, r.Assertion.Issuer = otherKey(), "https://elsewhere.test/", "https://elsewhere.test/"
		}),
		"signature_algorithm, SHA-1": with(func(r *samltest.Response) { r.Signing.Method = samltest.RSASHA1 }),
	}
	reasons := map[string]string{"A1": "", "A2": "", "A3": "second_assertion", "A5": "second_assertion"}
	for name, doc := range wrappings(w.t, good) {
		reason, known := reasons[name]
		if !known {
			reason = "nested_assertion"
		}
		all[reason+", "+name] = encode(doc)
	}
	return all
}

// Until a signature of the connection's IdP was verified, whoever posts learns nothing by what comes back: status, headers
// and page are the same byte for byte, but for the ids of request and event. The event has the true reason.
func TestUnprovenAnswers_CannotBeToldApart(t *testing.T) { // A1 to A31, SA05
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		first, whose := "", ""
		known := map[string]bool{}
		clients := 0
		for name, response := range w.unproven(q) {
			reason, _, _ := strings.Cut(name, ", ")
			if clients++; clients%20 == 0 { // what one client posts is summed up past a limit
				b.header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", clients))
			}
			a := b.answers(okta, response, q.relay)
			e, p := w.refused()
			w.wantRefused(a, "saml_refused", e.Reason)
			if reason != "" && e.Reason != reason || e.Reason == "" || known[e.ID] {
				t.Errorf("%s: the event %s has the reason %q", name, e.ID, e.Reason)
			}
			known[e.ID] = true
			if p.Subject != "" || e.Subject.Name != "" {
				t.Errorf("%s: hearsay in the event: %+v", name, e)
			}
			now := seen(a, e.ID)
			if first == "" {
				first, whose = now, name
			}
			if now != first {
				t.Errorf("%s is told apart from %s:\n%s\n%s", name, whose, now, first)
			}
		}
		if n := w.live(acme, bob) + w.live(acme, ann); n != 0 {
			t.Errorf("%d sessions", n)
		}
		// Nothing of it was used up: the control.
		if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the control: %d %s", a.StatusCode, a.body)
		}
		// And once it is verified, the true reason.
		q = b.begin(okta)
		r := w.response(q.id)
		r.Assertion.Audiences = [][]string{{"https://elsewhere.test/"}}
		w.wantRefused(b.answers(okta, sign(r), q.relay), "audience", "audience")
	})
}

// What does not open looks the same whatever is wrong with it, inside a Response that the IdP signed as well: somebody who could
// tell a wrong padding from a wrong text would read it piece by piece.
func TestEncryptedAnswers_ThatDoNotOpenCannotBeToldApart(t *testing.T) { // A11, A32, A33
	eachConnected(t, func(t *testing.T, w *world) {
		ours := samltest.NewKey()
		w.keyed(func(s *directory.SAML) { s.Encryption = "cbc" }, ours)
		for _, signed := range []bool{true, false} {
			first, whose := "", ""
			try := func(name string, e samltest.Encryption) {
				t.Helper()
				b := w.browser()
				q := b.begin(okta)
				r := w.response(q.id)
				e.For = ours.Certificate
				r.Encryption, r.Signing = &e, samltest.Signing{Response: signed, Assertion: true}
				a := b.answers(okta, sign(r), q.relay)
				if e.Cipher == nil {
					if a.StatusCode != http.StatusSeeOther {
						t.Fatalf("the control %s, signed %t: %d %s", name, signed, a.StatusCode, a.body)
					}
					return
				}
				event, p := w.refused()
				if event.Reason != saml.ReasonDecryption || p.Refusal == nil {
					t.Errorf("%s, signed %t: the reason is %q", name, signed, event.Reason)
				}
				now := seen(a, event.ID)
				for _, own := range []string{r.ID, r.Assertion.ID} { // new each time
					now = strings.ReplaceAll(now, own, "")
				}
				if first == "" {
					first, whose = now, name
				}
				if now != first {
					t.Errorf("%s, signed %t, is told apart from %s:\n%s\n%s", name, signed, whose, now, first)
				}
			}
			for _, content := range []string{samltest.AES256CBC, samltest.AES256GCM} {
				if content == samltest.AES256CBC && !signed {
					continue // CBC does not count there at all
				}
				try("untouched", samltest.Encryption{Content: content})
				for name, cipher := range map[string]func([]byte) []byte{
					"nothing":                 func([]byte) []byte { return nil },
					"17 bytes":                func(c []byte) []byte { return c[:17] },
					"40 bytes":                func(c []byte) []byte { return c[:40] },
					"a block less":            func(c []byte) []byte { return c[:len(c)-16] },
					"a tag of four bytes":     func(c []byte) []byte { return c[:len(c)-12] },
					"the last byte":           func(c []byte) []byte { c[len(c)-1] ^= 1; return c },
					"the byte of the padding": func(c []byte) []byte { c[len(c)-17] ^= 1; return c },
					"the first block":         func(c []byte) []byte { c[0] ^= 1; return c },
					"the middle":              func(c []byte) []byte { c[len(c)/2] ^= 1; return c },
				} {
					try(name, samltest.Encryption{Content: content, Cipher: cipher})
				}
			}
		}
	})
}

func TestOIDC_UnprovenAnswersCannotBeToldApart(t *testing.T) { // A46
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.browser().entersBy(w, oidc)
		key, stranger := w.idp.Keys[0], oidctest.NewRSA("k1")
		header := func(alg string) map[string]any { return map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"} }
		first, whose := "", ""
		for name, token := range map[string]func(claims map[string]any) string{
			relyingparty.ReasonAlgorithm: func(c map[string]any) string { return oidctest.Forge(header("none"), c, nil) },
			relyingparty.ReasonAlgorithm + ", HS256": func(c map[string]any) string {
				return oidctest.Forge(header("HS256"), c, oidctest.HMAC([]byte(w.idp.Secret)))
			},
			relyingparty.ReasonSignature:                       stranger.Sign,
			relyingparty.ReasonSignature + ", and expired":     func(c map[string]any) string { c["exp"] = 1; return stranger.Sign(c) },
			relyingparty.ReasonSignature + ", of an unknown":   func(c map[string]any) string { c["sub"] = "somebody"; return stranger.Sign(c) },
			relyingparty.ReasonSignature + ", another IdP":     func(c map[string]any) string { c["iss"] = "https://elsewhere.test"; return stranger.Sign(c) },
			relyingparty.ReasonKeyUnknown:                      oidctest.NewRSA("k9").Sign,
			relyingparty.ReasonType:                            func(c map[string]any) string { return key.SignAs("at+jwt", c) },
			relyingparty.ReasonMalformed:                       func(map[string]any) string { return "e30.e30" },
			relyingparty.ReasonMalformed + ", encrypted":       func(map[string]any) string { return "e30.e30.e30.e30.e30" },
			relyingparty.ReasonMalformed + ", JSON":            func(map[string]any) string { return `{"payload":"e30"}` },
			relyingparty.ReasonMalformed + ", a critical word": func(c map[string]any) string { return key.SignWith(map[string]any{"crit": []string{"x"}, "x": 1}, c) },
		} {
			reason, _, _ := strings.Cut(name, ", ")
			w.idp.Do(func(idp *oidctest.IdP) { idp.Token = token })
			a := w.browser().tries(w, oidc)
			w.wantBack(a, "oidc_refused", reason)
			e, _ := w.oidcRefused(a)
			now := seen(a, e.ID)
			if first == "" {
				first, whose = now, name
			}
			if now != first {
				t.Errorf("%s is told apart from %s:\n%s\n%s", name, whose, now, first)
			}
		}
	})
}

package signin

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// refuses posts an answer to a request of a fresh browser, changed, and wants it refused. The same
// answer unchanged is accepted afterwards: nothing of the refused one was used up.
func (w *world) refuses(code, reason string, change func(r *samltest.Response)) {
	w.t.Helper()
	b := w.browser()
	q := b.begin(okta)
	r := w.response(q.id)
	change(r)
	w.wantRefused(b.answers(okta, sign(r), q.relay), code, reason)
	if b.cookie() != "" {
		w.t.Errorf("%s: the browser has a session", reason)
	}
	if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
		w.t.Errorf("%s: the unchanged answer is refused as well: %s", reason, a.body)
	}
}

func TestAnswers_AreRefusedWithTheirReason(t *testing.T) { // A41 and what lies around it
	wrong := "https://elsewhere.example/"
	cases := []struct {
		reason string
		change func(w *world, r *samltest.Response)
	}{
		{"audience", func(_ *world, r *samltest.Response) { r.Assertion.Audiences = [][]string{{wrong}} }},
		{"audience", func(_ *world, r *samltest.Response) { r.Assertion.Audiences = nil }},
		{"recipient", func(_ *world, r *samltest.Response) { r.Assertion.Confirmations[0].Recipient = wrong }},
		{"destination", func(_ *world, r *samltest.Response) { r.Destination = wrong }},
		{"issuer", func(_ *world, r *samltest.Response) { r.Assertion.Issuer, r.Issuer = wrong, wrong }},
		{"no_conditions", func(_ *world, r *samltest.Response) { r.Assertion.NoConditions = true }},
		{"no_confirmation", func(_ *world, r *samltest.Response) { r.Assertion.Confirmations = nil }},
		{"no_authn_statement", func(_ *world, r *samltest.Response) { r.Assertion.Authn = nil }},
		{"expired", func(w *world, r *samltest.Response) {
			past := samltest.Instant(w.clock.now().Add(-time.Hour))
			r.Assertion.NotOnOrAfter, r.Assertion.Confirmations[0].NotOnOrAfter = past, past
		}},
		{"status", func(_ *world, r *samltest.Response) {
			r.StatusCodes = []string{"urn:oasis:names:tc:SAML:2.0:status:Responder", "urn:oasis:names:tc:SAML:2.0:status:AuthnFailed"}
			r.StatusMessage = "<script>alert(1)</script>"
			r.Signing = samltest.Signing{Response: true}
		}},
		// A38: the answer must be to the very request of this browser.
		{"in_response_to", func(_ *world, r *samltest.Response) { r.InResponseTo = "" }},
		{"in_response_to", func(_ *world, r *samltest.Response) { r.Assertion.Confirmations[0].InResponseTo = "" }},
		{"in_response_to", func(_ *world, r *samltest.Response) { r.InResponseTo = saml.NewID() }},
		{"in_response_to", func(_ *world, r *samltest.Response) {
			r.InResponseTo, r.Assertion.Confirmations[0].InResponseTo = saml.NewID(), r.InResponseTo
		}},
	}
	eachConnected(t, func(t *testing.T, w *world) {
		for _, c := range cases {
			w.refuses(c.reason, c.reason, func(r *samltest.Response) { c.change(w, r) })
			e, p := w.refused()
			if !strings.Contains(string(e.Payload), "<saml2p:Response") || p.Refusal == nil || p.Refusal.Detail == "" || strings.Contains(string(p.XML), "SignatureValue>A") {
				t.Errorf("%s: payload %s", c.reason, e.Payload)
			}
		}
		if n := w.live(acme, bob); n != len(cases) {
			t.Errorf("%d sessions, want those of the controls", n)
		}
	})
}

func TestClockThatIsOff_HasASentenceAndNoLoop(t *testing.T) { // SA16, F35
	eachConnected(t, func(t *testing.T, w *world) {
		at := func(offset time.Duration) func(*samltest.Response) {
			return func(r *samltest.Response) {
				wrong := oktaIdP().Response(w.provider(okta), r.InResponseTo, w.clock.now().Add(offset))
				wrong.Assertion.NotBefore = wrong.IssueInstant
				about(wrong, "bob@acme.test", "Bob", "Builder")
				*r = *wrong
			}
		}
		for _, limit := range []time.Duration{300 * time.Second, 180 * time.Second} {
			w.reconnect(func(c *directory.Connection) { c.SAML.Skew = limit })
			w.browser().enters(w, at(limit))
			w.refuses("clock_skew", "clock_skew", at(limit+time.Second))
		}
		w.reconnect(func(c *directory.Connection) { c.SAML.Skew = 0 })
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		at(7 * minute)(r)
		a := b.answers(okta, sign(r), q.relay)
		w.wantRefused(a, "clock_skew", "clock_skew")
		if !strings.Contains(a.body, "7 min 0 s ahead") {
			t.Errorf("page: %s", a.body)
		}
		if _, p := w.refused(); p.SkewSeconds != 420 {
			t.Errorf("payload: %+v", p)
		}
	})
}

func TestBeforeASignatureIsVerified_EveryRefusalIsTheSame(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		for range 3 { // other messages, other events: the same page
			var first string
			for reason, response := range map[string]func(q asked) string{
				"malformed": func(asked) string { return "%%%" },
				"unknown_key": func(q asked) string {
					r := w.response(q.id)
					r.Signing.Key = otherKey()
					return sign(r)
				},
				"signature_missing": func(q asked) string {
					r := w.response(q.id)
					r.Signing = samltest.Signing{}
					return sign(r)
				},
				"signature_invalid": func(q asked) string {
					signed := string(oktaIdP().Sign(w.response(q.id)))
					return samltest.Encode([]byte(strings.Replace(signed, "bob@acme.test", "ann@acme.test", 1)))
				},
				"not_a_response": func(asked) string { return samltest.Encode([]byte("<x/>")) },
				"dtd": func(q asked) string {
					return samltest.Encode([]byte("<!DOCTYPE x>" + bare(oktaIdP().Sign(w.response(q.id)))))
				},
				"comment": func(q asked) string {
					signed := string(oktaIdP().Sign(w.response(q.id)))
					return samltest.Encode([]byte(strings.Replace(signed, ">bob@", "><!-- x -->bob@", 1)))
				},
				"processing_instruction": func(q asked) string {
					return samltest.Encode([]byte("<?p x?>" + bare(oktaIdP().Sign(w.response(q.id)))))
				},
				"second_assertion": func(q asked) string {
					return samltest.Encode([]byte(copied(string(oktaIdP().Sign(w.response(q.id))), "</saml2p:Response>")))
				},
				"nested_assertion": func(q asked) string {
					return samltest.Encode([]byte(copied(string(oktaIdP().Sign(w.response(q.id))), "</saml2:Assertion>")))
				},
			} {
				b := w.browser()
				q := b.begin(okta)
				a := b.answers(okta, response(q), q.relay)
				e, p := w.refused()
				if p.Subject != "" || e.Subject.Name != "" {
					t.Errorf("%s: hearsay in the event: %+v", reason, e)
				}
				w.wantRefused(a, "saml_refused", e.Reason)
				if e.Reason != reason && (reason != "malformed" || e.Reason == "") {
					t.Errorf("the reason is %s, want %s", e.Reason, reason)
				}
				page := withoutRequest(strings.ReplaceAll(a.body, e.ID, ""))
				if first == "" {
					first = page
				}
				if page != first || a.StatusCode != http.StatusForbidden {
					t.Errorf("%s: %d %s", reason, a.StatusCode, page)
				}
			}
		}
	})
}

// bare is a message without its XML declaration.
func bare(message []byte) string {
	_, rest, found := strings.Cut(string(message), "?>")
	if !found {
		return string(message)
	}
	return rest
}

// copied puts another assertion in before a tag.
func copied(message, tag string) string {
	at := strings.LastIndex(message, tag)
	return message[:at] + `<saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion"/>` + message[at:]
}

func TestGarbage_IsSummedUpPastALimit(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		var last answer
		for range strangerEvents + 5 {
			last = b.answers(okta, samltest.Encode([]byte("<garbage/>")), "")
		}
		if n := len(w.events(acme, audit.SignInRefused)); n != strangerEvents {
			t.Errorf("%d events", n)
		}
		if last.StatusCode != http.StatusForbidden || !strings.Contains(last.body, "saml_refused") || strings.Contains(last.body, "evt_") {
			t.Errorf("%d %s", last.StatusCode, last.body)
		}
		w.must(w.DB.FlushMarks(context.Background()))
		found, err := w.DB.System().Strangers(context.Background(), w.clock.now().Add(-time.Hour))
		w.must(err)
		if len(found) != 1 || found[0].Count != 5 || !strings.HasPrefix(found[0].Reason, "signin.") {
			t.Errorf("strangers: %+v", found)
		}
		// It costs nobody else their sign-in, and nobody at the same address theirs.
		w.browser().enters(w, nil)
	})
}

func TestPosts_TooLargeOrNotAForm_AreRefusedAndRecorded(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		w.wantRefused(b.answers(okta, strings.Repeat("A", maxAnswer+1), ""), "saml_refused", "too_large")
		w.wantRefused(b.post("/auth/saml/con_okta/acs"), "saml_refused", "malformed")
		twice := b.do("POST", "/auth/saml/con_okta/acs", map[string][]string{"SAMLResponse": {"A", "B"}})
		w.wantRefused(twice, "saml_refused", "malformed")
		w.wantRefused(b.get("/auth/saml/con_okta/acs?SAMLResponse="+url.QueryEscape(sign(w.response("")))), "saml_refused", "malformed") // S1: never by Redirect
	})
}

func TestAnswersOfAnotherTenant_AreRefused(t *testing.T) { // A34, A35
	eachConnected(t, func(t *testing.T, w *world) {
		// Beta has a connection to the same IdP with the same key, and one that names itself alike with
		// its own key (JumpCloud lets administrators type the entity ID).
		w.connect(beta, "con_same", oktaIdP(), nil)
		w.connect(beta, "con_alike", samltest.NewIdP(oktaIdP().EntityID, otherKey()), nil)
		b := w.browser()
		q := b.begin(okta)
		forBeta := oktaIdP().Response(w.provider("con_same"), q.id, w.clock.now())
		forBeta.Signing.Response = true
		w.wantRefused(b.answers(okta, sign(forBeta), q.relay), "destination", "destination")
		forBeta.Destination = w.provider(okta).ACS
		forBeta.Signing = samltest.Signing{Assertion: true}
		a := b.answers(okta, sign(forBeta), q.relay)
		e, _ := w.refused()
		w.wantRefused(a, e.Reason, e.Reason)
		if e.Reason != "recipient" && e.Reason != "audience" {
			t.Errorf("reason %s", e.Reason)
		}

		alike := w.response(q.id)
		alike.Signing.Key = otherKey()
		w.wantRefused(b.answers(okta, sign(alike), q.relay), "saml_refused", "unknown_key")

		// A sign-in begun at beta is none of acme's, whoever answers.
		other := b.begin("con_same")
		w.wantRefused(b.answers(okta, sign(w.response(other.id)), other.relay), "in_response_to", "in_response_to")
		if _, p := w.refused(); p.Request != "other_connection" {
			t.Errorf("payload: %+v", p)
		}
		if n := w.live(acme, bob); n != 0 {
			t.Errorf("%d sessions", n)
		}
		// The control: all of it is accepted where it belongs.
		if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestAnswers_CountOnlyInTheBrowserThatAsked(t *testing.T) { // A38, A39
	eachConnected(t, func(t *testing.T, w *world) {
		attacker, victim := w.browser(), w.browser()
		q := attacker.begin(okta)
		stolen := sign(w.response(q.id))
		victim.begin(okta) // has a secret of its own
		w.wantRefused(victim.answers(okta, stolen, q.relay), "in_response_to", "in_response_to")
		if _, p := w.refused(); p.Request != "other_browser" {
			t.Errorf("payload: %+v", p)
		}
		w.wantRefused(victim.answers(okta, stolen, ""), "in_response_to", "in_response_to")
		w.wantRefused(victim.answers(okta, stolen, "grs_unknown"), "in_response_to", "in_response_to")
		// A browser without any secret is asked to post once more from our page, and no more than once.
		bare := w.browser()
		page := bare.answers(okta, stolen, q.relay)
		if page.StatusCode != http.StatusOK || bare.cookie() != "" {
			t.Errorf("%d %s", page.StatusCode, page.body)
		}
		w.wantRefused(bare.post("/auth/saml/con_okta/acs", "SAMLResponse", stolen, "RelayState", q.relay, passedOn, "1"), "in_response_to", "in_response_to")
		if n := w.live(acme, bob); n != 0 {
			t.Errorf("%d sessions", n)
		}
		if a := attacker.answers(okta, stolen, q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the control: %d %s", a.StatusCode, a.body)
		}
	})
}

func TestSignInsUnderWay_LastFifteenMinutes(t *testing.T) { // A38
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		w.turn(stateLife)
		w.wantRefused(b.answers(okta, sign(w.response(q.id)), q.relay), "in_response_to", "in_response_to")
		if _, p := w.refused(); p.Request != "expired" {
			t.Errorf("payload: %+v", p)
		}
		q = b.begin(okta)
		w.turn(stateLife - time.Second)
		if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestUnsolicitedAnswers_CountWhereTheConnectionAllowsThem(t *testing.T) { // SA21
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		w.wantRefused(b.answers(okta, sign(w.response("")), ""), "unsolicited", "unsolicited")
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		if a := b.answers(okta, sign(w.response("")), ""); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" {
			t.Errorf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		// One that answers a request that we did not make never does.
		w.wantRefused(b.answers(okta, sign(w.response(saml.NewID())), ""), "in_response_to", "in_response_to")
		half := w.response("")
		half.Assertion.Confirmations[0].InResponseTo = saml.NewID()
		w.wantRefused(b.answers(okta, sign(half), ""), "in_response_to", "in_response_to")
	})
}

func TestDisabledAfterTheRequest_IsRefusedOnceTheSignatureIsVerified(t *testing.T) { // A42, S9, SA33
	eachConnected(t, func(t *testing.T, w *world) {
		w.browser().enters(w, nil)
		b := w.browser()
		for reason, status := range map[string]directory.ConnectionStatus{"connection_disabled": directory.ConnectionDisabled, "connection_draft": directory.ConnectionDraft} {
			q := b.begin(okta)
			w.reconnect(func(c *directory.Connection) { c.Status, c.SAML.IdPInitiated = status, true })
			w.wantRefused(b.answers(okta, sign(w.response(q.id)), q.relay), reason, reason)
			w.wantRefused(b.answers(okta, sign(w.response("")), ""), reason, reason)
			forged := w.response(q.id)
			forged.Signing.Key = otherKey()
			w.wantRefused(b.answers(okta, sign(forged), q.relay), "saml_refused", "unknown_key")
			w.reconnect(func(c *directory.Connection) { c.Status, c.SAML.IdPInitiated = directory.ConnectionActive, false })
		}
		q := b.begin(okta)
		w.deactivate(bob)
		a := b.answers(okta, sign(w.response(q.id)), q.relay)
		w.wantRefused(a, "account_deactivated", "account_deactivated")
		if e, _ := w.refused(); e.Subject.ID != bob || !strings.Contains(a.body, "An administrator of this workspace deactivated this account.") {
			t.Errorf("event %+v, page %s", e, a.body)
		}
		if n := w.live(acme, bob); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestSomebodyUnknown_IsToldSoAndTheEventHasTheCause(t *testing.T) { // F34
	eachConnected(t, func(t *testing.T, w *world) {
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			ws := cfg.Workspace
			ws.Policy.ProvisionOn = directory.ProvisionSCIM
			if err := tx.UpdateWorkspace(ws); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		}))
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		about(r, "nobody@acme.test", "No", "Body")
		a := b.answers(okta, sign(r), q.relay)
		w.wantRefused(a, "account_not_found", "not_provisioned")
		if e, p := w.refused(); p.Refusal.Code != "account_not_found" || e.Subject.Name != "nobody@acme.test" || !strings.Contains(a.body, "We couldn&#39;t find your account") {
			t.Errorf("event %+v, page %s", e, a.body)
		}
	})
}

func TestTextsOfTheIdP_AreNeverMarkup(t *testing.T) { // A53
	eachConnected(t, func(t *testing.T, w *world) {
		evil := `"><script>alert(1)</script><b>`
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		r.StatusCodes = []string{"urn:oasis:names:tc:SAML:2.0:status:" + evil}
		r.StatusMessage = evil
		r.Signing = samltest.Signing{Response: true}
		pages := []answer{b.answers(okta, sign(r), q.relay)}
		r = w.response(q.id)
		r.Assertion.Audiences = [][]string{{evil}}
		pages = append(pages, b.answers(okta, sign(r), q.relay))
		if page := pages[len(pages)-1]; !strings.Contains(page.body, "&lt;script&gt;") {
			t.Errorf("the audience is not shown: %s", page.body)
		}
		b.enters(w, func(r *samltest.Response) {
			r.Assertion.NameID.Value, r.Assertion.NameID.Format = evil, saml.FormatPersistent
			r.Assertion.Attributes[0].Values = []string{"evil@partner.test"}
			r.Assertion.Attributes[1].Values = []string{evil}
			r.Assertion.Attributes[3].Values = []string{evil}
		})
		pages = append(pages, b.get("/w/acme"))
		bare := w.browser()
		q = bare.begin(okta)
		bare.client.Jar = nil
		pages = append(pages, bare.answers(okta, evil, q.relay))
		for _, page := range pages {
			if strings.Contains(page.body, "<script>") || strings.Contains(page.body, evil) {
				t.Errorf("markup of the IdP's: %s", page.body)
			}
		}
	})
}

func TestGarbageFromEverNewAddresses_KeepsNoTextPastALimit(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		garbage := samltest.Encode([]byte("<garbage>" + strings.Repeat("x", 40_000) + "</garbage>"))
		post := func(client string) samlPayload {
			_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: garbage, Client: from(client)})
			var away *TurnedAway
			if !errors.As(err, &away) || away.Event == "" {
				t.Fatalf("%v", err)
			}
			_, p := w.refused()
			return p
		}
		if p := post("192.0.2.1"); len(p.XML) < 40_000 {
			t.Errorf("the first has %d bytes of text", len(p.XML))
		}
		full, limits := make([]string, strangerTexts), make([]int, strangerTexts)
		for i := range full {
			full[i] = bucket("answer-texts", okta)
		}
		_, err := w.DB.System().Attempt(context.Background(), limitWindow, full, limits)
		w.must(err)
		if p := post("192.0.2.77"); len(p.XML) != 0 || len(p.Notes) != 1 || p.Refusal == nil {
			t.Errorf("an event past the limit has %d bytes of text and the notes %q", len(p.XML), p.Notes)
		}
		// What the IdP has signed is kept.
		b := w.browser()
		w.wantRefused(b.answers(okta, sign(stale(w)), ""), "unsolicited", "unsolicited")
		if _, p := w.refused(); len(p.XML) == 0 {
			t.Error("a verified answer is recorded without its text")
		}
	})
}

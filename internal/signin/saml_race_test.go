package signin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// together runs fn n times at once and waits for all.
func together(n int, fn func(i int)) {
	var wg sync.WaitGroup
	ready := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-ready
			fn(i)
		})
	}
	close(ready)
	wg.Wait()
}

func TestReplay_OfFiftyAtOnceOneSignsIn(t *testing.T) { // A37
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		secret, _ := keys.NewToken(browserPrefix)
		for name, unsolicited := range map[string]bool{"asked for": false, "unsolicited": true} {
			a := Answer{Connection: okta, Browser: secret, Client: from("192.0.2.1")}
			request := ""
			if !unsolicited {
				begun, err := w.BeginSAML(context.Background(), okta, "", secret, false, a.Client)
				w.must(err)
				q := w.read(begun.URL)
				request, a.RelayState = q.id, q.relay
			}
			r := w.response(request)
			about(r, "first@partner.test", "First", "Time") // who also has to be made
			a.Response = sign(r)
			const many = 50
			codes := make([]string, many)
			together(many, func(i int) {
				_, err := w.SAML(context.Background(), a)
				if codes[i] = "ok"; err != nil {
					codes[i] = errs.CodeOf(err)
				}
			})
			count := map[string]int{}
			for _, code := range codes {
				count[code]++
			}
			// Also who reads after the sign-in under way was consumed, and finds that the answer belongs to none.
			if count["ok"] != 1 || count["replayed"] != many-1 {
				t.Errorf("%s: %v", name, count)
			}
		}
		m := w.memberBy("first@partner.test")
		if n := w.live(acme, m.ID); n != 2 {
			t.Errorf("%d sessions", n)
		}
	})
}

func TestOneRequest_IsAnsweredOnce(t *testing.T) { // the person clicked twice at the IdP
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		b.answers(okta, sign(w.response(q.id)), q.relay)
		w.wantRefused(b.answers(okta, sign(w.response(q.id)), q.relay), "in_response_to", "in_response_to")

		secret, _ := keys.NewToken(browserPrefix)
		begun, err := w.BeginSAML(context.Background(), okta, "", secret, false, from("192.0.2.1"))
		w.must(err)
		q = w.read(begun.URL)
		const many = 10
		var entered atomic.Int32
		responses := make([]string, many)
		for i := range responses {
			responses[i] = sign(w.response(q.id))
		}
		together(many, func(i int) {
			_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: responses[i], RelayState: q.relay, Browser: secret, Client: from("192.0.2.1")})
			switch code := errs.CodeOf(err); {
			case err == nil:
				entered.Add(1)
			case code != "state_unknown" && code != "in_response_to":
				t.Error(err)
			}
		})
		if n := entered.Load(); n != 1 {
			t.Errorf("%d answers of %d were accepted", n, many)
		}
	})
}

func TestReplay_IsRefusedAfterSignOutAndAfterARestart(t *testing.T) { // A37, SA23
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		b := w.browser()
		response := sign(w.response(""))
		if a := b.answers(okta, response, ""); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		w.wantRefused(b.answers(okta, response, ""), "replayed", "replayed")
		if _, p := w.refused(); p.Refusal == nil || !strings.Contains(p.Refusal.Detail, "was accepted on this connection before") {
			t.Errorf("payload %+v", p)
		}
		b.post("/signout")
		w.wantRefused(b.answers(okta, response, ""), "replayed", "replayed")

		restarted := &Service{DB: w.DB, Passwords: keys.NewPasswords(0), PublicURL: w.PublicURL}
		_, err := restarted.SAML(context.Background(), Answer{Connection: okta, Response: response, Client: from("192.0.2.1")})
		wantCode(t, err, "replayed")

		// Past its time it is expired, and forgetting it harms nothing.
		w.turn(30 * 24 * time.Hour)
		w.must(w.DB.Sweep(context.Background(), time.Hour, time.Hour))
		a := b.answers(okta, response, "")
		e, _ := w.refused()
		w.wantRefused(a, e.Reason, e.Reason)
		if n := w.live(acme, bob); n != 0 {
			t.Errorf("%d sessions", n)
		}
	})
}

// What was asked for has used up its request: the log says that it is a replay all the same, and says so of
// nothing else.
func TestReplay_OfAnAnswerToARequestIsCalledOne(t *testing.T) { // A37
	eachConnected(t, func(t *testing.T, w *world) {
		b, stranger := w.browser(), w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		r.Signing = samltest.Signing{Assertion: true} // as Entra signs
		response := sign(r)
		w.wantRefused(stranger.answers(okta, response, ""), "in_response_to", "in_response_to") // not used yet
		if a := b.answers(okta, response, q.relay); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("the control: %d %s", a.StatusCode, a.body)
		}
		own := stranger.begin(okta)
		for name, post := range map[string]func() answer{
			"in the same browser":          func() answer { return b.answers(okta, response, q.relay) },
			"in another browser":           func() answer { return stranger.answers(okta, response, q.relay) },
			"to another browser's request": func() answer { return stranger.answers(okta, response, own.relay) },
			"in another Response": func() answer {
				document := strings.Replace(string(oktaIdP().Sign(r)), `ID="`+r.ID+`"`, `ID="`+saml.NewID()+`"`, 1)
				return stranger.answers(okta, samltest.Encode([]byte(document)), own.relay)
			},
		} {
			w.wantRefused(post(), "replayed", "replayed")
			if _, p := w.refused(); p.Refusal.Code != "replayed" || !strings.Contains(p.Refusal.Detail, r.Assertion.ID) || p.Subject != "bob@acme.test" {
				t.Errorf("%s: payload %+v of %+v", name, p.Refusal, p)
			}
		}
		// Another answer to the same request is none, nor is the old one for whoever cannot sign.
		w.wantRefused(b.answers(okta, sign(w.response(q.id)), q.relay), "in_response_to", "in_response_to")
		forged := w.response(q.id)
		forged.Assertion.ID, forged.Signing.Key = r.Assertion.ID, otherKey()
		w.wantRefused(b.answers(okta, sign(forged), q.relay), "saml_refused", "unknown_key")
		if a := stranger.answers(okta, sign(w.response(own.id)), own.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the other browser's own sign-in was spoilt: %d %s", a.StatusCode, a.body)
		}
	})
}

func TestReplayedMessage_CannotFillTheLog(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		b := w.browser()
		response := sign(w.response(""))
		for range messageEvents + 10 {
			b.answers(okta, response, "")
		}
		if n := len(w.events(acme, audit.SignInRefused)); n != messageEvents {
			t.Errorf("%d events", n)
		}
		// Other messages have theirs.
		w.wantRefused(b.answers(okta, sign(stale(w)), ""), "expired", "expired")
	})
}

func stale(w *world) *samltest.Response {
	r := w.response("")
	past := samltest.Instant(w.clock.now().Add(-time.Hour))
	r.Assertion.NotOnOrAfter, r.Assertion.Confirmations[0].NotOnOrAfter = past, past
	return r
}

func TestRefusal_IsRecordedThoughTheClientHangsUp(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		r, err := w.sideOf(context.Background(), okta, directory.ProtocolSAML)
		w.must(err)
		gone, hangUp := context.WithCancel(context.Background())
		hangUp()
		got := &received{Answer: Answer{Connection: okta, Client: from("192.0.2.1")}, entry: entry{side: r}}
		if err := w.turnAway(gone, got, errs.Forbidden("replayed", "Again.")); errs.CodeOf(err) != "replayed" {
			t.Errorf("%v", err)
		}
		if e, _ := w.refused(); e.Reason != "replayed" {
			t.Errorf("%+v", e)
		}
	})
}

func TestDeactivation_RacingASignInLeavesNoSession(t *testing.T) { // SA33
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		scope := provision.Scope{Workspace: acme, Actor: operator}
		for range 15 {
			_, err := w.people.Restore(context.Background(), scope, provision.Who(bob))
			w.must(err)
			responses := make([]string, 4)
			for i := range responses {
				responses[i] = sign(w.response(""))
			}
			together(len(responses)+1, func(i int) {
				if i == len(responses) {
					_, err := w.people.Deactivate(context.Background(), scope, provision.Who(bob))
					if err != nil {
						t.Error(err)
					}
					return
				}
				_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: responses[i], Client: from(fmt.Sprintf("192.0.2.%d", i))})
				if err != nil && errs.CodeOf(err) != "account_deactivated" {
					t.Error(err)
				}
			})
			if n := w.live(acme, bob); n != 0 {
				t.Fatalf("%d sessions outlived the deactivation", n)
			}
		}
	})
}

func TestChangeOfAConnection_RacingASignInLeavesNoSession(t *testing.T) { // A42
	changes := map[string]func(c *directory.Connection){
		"switched off": func(c *directory.Connection) { c.Status = directory.ConnectionDisabled },
		"another key":  func(c *directory.Connection) { c.SAML.Certificates = [][]byte{otherKey().Certificate.Raw} },
	}
	eachConnected(t, func(t *testing.T, w *world) {
		for name, change := range changes {
			for range 15 {
				w.connect(acme, okta, oktaIdP(), func(c *directory.Connection) { c.SAML.IdPInitiated = true })
				responses := make([]string, 4)
				for i := range responses {
					responses[i] = sign(w.response(""))
				}
				together(len(responses)+1, func(i int) {
					if i == len(responses) {
						if err := w.settle(change); err != nil {
							t.Error(err)
						}
						return
					}
					_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: responses[i], Client: from(fmt.Sprintf("192.0.2.%d", i))})
					switch code := errs.CodeOf(err); code {
					case "connection_disabled", "connection_not_active", "saml_refused":
					default:
						if err != nil {
							t.Error(err)
						}
					}
				})
				if n := w.live(acme, bob); n != 0 {
					t.Fatalf("%s: %d sessions outlived the change", name, n)
				}
			}
		}
	})
}

// settle changes the connection as settings does: the policy exclusively, the change, the end of sessions.
func (w *world) settle(change func(*directory.Connection)) error {
	return w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, _ := cfg.Connection(okta)
		known := *c.SAML
		c.SAML = &known
		change(&c)
		tx.SaveConnection(c, false)
		if _, err := tx.EndSessionsOfConnection(okta, "connection_disabled"); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.ConnectionChanged})
	})
}

func TestAnswerFromAnotherSite_IsPostedOnceMoreFromOurPage(t *testing.T) { // S10
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		q := b.begin(okta, "continue", "/w/acme?tab=2")
		elsewhere := w.browser() // the same browser as far as cookies go that a form of another site sends
		elsewhere.header.Set("Sec-Fetch-Site", "cross-site")
		elsewhere.header.Set("Origin", "https://okta.example")
		page := elsewhere.answers(okta, sign(w.response(q.id)), q.relay)
		if page.StatusCode != http.StatusOK || !strings.Contains(page.body, `action="/auth/saml/con_okta/acs"`) || !strings.Contains(page.body, "<button") ||
			!strings.Contains(page.body, `<script src="/assets/onward.js?v=`) || len(page.Header.Values("Set-Cookie")) != 0 {
			t.Fatalf("%d %s", page.StatusCode, page.body)
		}
		if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self';") {
			t.Errorf("policy: %s", csp)
		}
		script := b.get(section(page.body, `<script src="`, `"`))
		if script.StatusCode != http.StatusOK || !strings.Contains(script.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("script: %d %v", script.StatusCode, script.Header)
		}
		a := b.post("/auth/saml/con_okta/acs", hidden(page.body)...)
		if a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme?tab=2" {
			t.Errorf("%d to %q: %s", a.StatusCode, a.to(), a.body)
		}
		if w.live(acme, ann) != 0 || w.live(acme, bob) != 1 {
			t.Error("the session before was not replaced")
		}

		// The tile: nobody asked, and the session of the browser must be seen all the same.
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		page = elsewhere.answers(okta, sign(w.response("")), "/console/members")
		if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "data-onward") {
			t.Fatalf("%d %s", page.StatusCode, page.body)
		}
		if a := b.post("/auth/saml/con_okta/acs", hidden(page.body)...); a.to() != "/console/members" || w.live(acme, bob) != 1 {
			t.Errorf("%d to %q, %d sessions: %s", a.StatusCode, a.to(), w.live(acme, bob), a.body)
		}
		// Every other form of ours is refused from there.
		if a := elsewhere.post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", password); a.StatusCode != http.StatusForbidden {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

// hidden returns the hidden fields of a page as pairs.
func hidden(body string) (pairs []string) {
	for _, part := range strings.Split(body, `<input type="hidden" name="`)[1:] {
		name, rest, _ := strings.Cut(part, `" value="`)
		value, _, _ := strings.Cut(rest, `"`)
		pairs = append(pairs, name, strings.NewReplacer("&#43;", "+", "&amp;", "&").Replace(value))
	}
	return pairs
}

func TestOneSignedAssertion_InEverNewResponsesCannotFillTheLog(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		r := stale(w)
		r.Signing = samltest.Signing{Assertion: true}
		signed := string(oktaIdP().Sign(r))
		if !strings.Contains(signed, `ID="`+r.ID+`"`) {
			t.Fatalf("the response has no ID %q", r.ID)
		}
		for range messageEvents + 10 {
			// Nothing signed covers the Response's own ID.
			again := strings.Replace(signed, `ID="`+r.ID+`"`, `ID="`+saml.NewID()+`"`, 1)
			if a := b.answers(okta, samltest.Encode([]byte(again)), ""); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "<code>unsolicited</code>") {
				t.Fatalf("%d: %s", a.StatusCode, a.body)
			}
		}
		if n := len(w.events(acme, audit.SignInRefused)); n != messageEvents {
			t.Errorf("%d events of one assertion, want %d", n, messageEvents)
		}
	})
}

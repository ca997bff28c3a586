package signin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// What is here attacks where two parts of single sign-on meet, each of which has tests of its own.

// An IdP may send a token for other services along in a claim (OIDC Core section 5.6.2). Neither the event nor what a test
// shows keeps it.
func TestSeam_NoTokenInAClaimIsKeptByATestOrASignIn(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		const secret = "geheim-4711"
		w.person(map[string]any{"groups": []string{"Agents"}, "client_secret": secret, "_claim_names": map[string]any{"address": "src1"},
			"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://elsewhere.example", "access_token": secret}}})
		b := w.browser()
		a, attempt := b.tests(w.world, oidc, "")
		path, q := w.back(a.to())
		end := b.get(path + "?" + q.Encode())
		e, err := w.ExplainAttempt(context.Background(), acme, attempt)
		w.must(err)
		if e.Found == nil || len(e.Found.Received) < 3 {
			t.Fatalf("the test found %+v: %s", e.Found, end.body)
		}
		w.browser().entersBy(w, oidc)
		kept := string(encoded(e)) + end.body
		for _, one := range append(w.events(acme, audit.ConnectionTested), w.events(acme, audit.SignInSucceeded)...) {
			kept += string(one.Payload)
		}
		if strings.Contains(kept, secret) {
			t.Errorf("a token is kept: %.3000s", kept)
		}
	})
}

// Where an unasked answer begins a sign-in, an IdP that never answers what it was asked would be gone round with for ever.
func TestSeam_AnIdPThatOnlyEverSendsWhatNobodyAskedForIsNotGoneRoundWith(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated, c.SAML.ConvertUnasked = false, true })
		b := w.browser()
		for trip := 1; ; trip++ {
			a := b.answers(okta, sign(w.response("")), "")
			next := b.get(a.to())
			if next.StatusCode != http.StatusFound {
				if next.StatusCode < 400 || b.cookie() != "" {
					t.Errorf("after %d trips: %d", trip, next.StatusCode)
				}
				return
			}
			if trip > 10 {
				t.Fatal("it goes round")
			}
			w.clock.turn(time.Second)
		}
	})
}

// A key that was removed does not come back: not by an answer, a logout or a test that it signs, and not by the metadata
// that still names it.
func TestSeam_AKeyThatWasRemovedSignsNothingAnyMore(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		at := w.watch()
		both := samltest.NewIdP(oktaIdP().EntityID, idpKey(), otherKey())
		at.set(both)
		known := &settings.Service{DB: w.DB, PublicURL: w.PublicURL, Metadata: at.get, Looks: &settings.Looks{}}
		_, err := known.RefreshNow(context.Background(), "acme", okta)
		w.must(err)
		w.browser().enters(w, nil)
		print := directory.KeyPrint(both.IdentityProvider().Certificates[1].Raw)
		_, err = known.DropIdPKey(context.Background(), "acme", okta, print, operator)
		w.must(err)
		looks := at.looks()
		victim := w.browser()
		victim.entersAs(w, "_session", bobsName)
		b := w.browser()
		q := b.begin(okta)
		w.wantRefused(b.answers(okta, w.answerBy(rotated(), q, 0), q.relay), "saml_refused", saml.ReasonUnknownKey)
		tester := w.browser()
		started, attempt := tester.tests(w, okta, "")
		q = w.read(started.to())
		tester.answers(okta, w.answerBy(rotated(), q, 0), q.relay)
		if e, err := w.ExplainAttempt(context.Background(), acme, attempt); err != nil || e.Outcome != "refused" {
			t.Errorf("a test by the key that was removed ended %+v, %v", e, err)
		}
		a := w.browser().get(oktaLogout + "?" + rotated().RedirectLogout(w.logout("_session"), ""))
		if a.StatusCode < 400 || !victim.signedIn() {
			t.Errorf("a logout by the key that was removed is answered %d", a.StatusCode)
		}
		if at.looks() > looks+1 {
			t.Errorf("%d looks within a minute", at.looks()-looks)
		}
		cfg, err := w.config(context.Background(), acme)
		w.must(err)
		if c, _ := cfg.Connection(okta); c.SAML.Believes(print) {
			t.Error("the key that was removed is believed again")
		}
	})
}

// A connection that is switched off, and whose sessions go on, opens nothing: no tile, no test, no conversion, no artifact
// lets anybody in through it; and the IdP can still end what is left there.
func TestSeam_AConnectionThatIsSwitchedOffAndLetsSessionsRunOpensNoDoor(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		left := w.browser()
		left.entersAs(w, "_left", bobsName)
		asked, waiting := w.browser(), w.browser()
		q := asked.begin(okta)
		started, attempt := waiting.tests(w, okta, "")
		test := w.read(started.to())
		w.reconnect(func(c *directory.Connection) {
			*c = unproven(*c)
			c.Status, c.SessionsRun = directory.ConnectionDisabled, true
		})
		if !left.signedIn() {
			t.Fatal("the session does not run on")
		}
		tile := w.browser()
		tile.answers(okta, sign(w.response("")), "")
		asked.answers(okta, sign(w.response(q.id)), q.relay)
		waiting.answers(okta, sign(w.response(test.id)), test.relay)
		converted := w.browser()
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated, c.SAML.ConvertUnasked = false, true })
		if a := converted.get(converted.answers(okta, sign(w.response("")), "").to()); a.StatusCode < 400 {
			t.Errorf("a conversion begins: %d", a.StatusCode)
		}
		for name, b := range map[string]*browser{"the tile": tile, "an answer": asked, "a test": waiting, "a conversion": converted} {
			if b.signedIn() {
				t.Errorf("%s signs in", name)
			}
		}
		if e, err := w.ExplainAttempt(context.Background(), acme, attempt); err == nil && e.Found != nil && e.Found.Verified {
			t.Errorf("a test has verified it: %+v", e)
		}
		if w.browser().redirects(w.logout("_left"), ""); left.signedIn() {
			t.Error("its IdP cannot end the session that runs on")
		}
	})
}

// A second connection of the workspace asserts addresses of the first one's people: it makes and links nobody while the
// domain is not proven (law 6), and its test says so as well.
func TestSeam_ASecondConnectionReachesNobodyOfTheFirst(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.browser().enters(w, nil)
		second := samltest.NewIdP("https://second.example/idp", otherKey())
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.SaveConnection(directory.Connection{ID: "con_second", Name: "second", Provider: "generic", Protocol: directory.ProtocolSAML,
				Status: directory.ConnectionActive, VerifiedAt: tx.Now(), SAML: sideOf(second)}, true)
			return tx.Record(audit.Event{Type: audit.ConnectionCreated})
		}))
		claims := func(q asked, change func(*samltest.Response)) string {
			r := second.Response(w.provider("con_second"), q.id, w.clock.now())
			about(r, "bob@acme.test", "Bob", "Builder")
			if change != nil {
				change(r)
			}
			return samltest.Encode(second.Sign(r))
		}
		for name, change := range map[string]func(*samltest.Response){
			"the address": nil,
			"the address in capitals": func(r *samltest.Response) {
				about(r, "BOB@ACME.TEST", "Bob", "Builder")
			},
			"another name with the address": func(r *samltest.Response) {
				r.Assertion.NameID = &saml.NameID{Value: "somebody", Format: saml.FormatPersistent}
			},
		} {
			b := w.browser()
			q := b.begin("con_second")
			if a := b.answers("con_second", claims(q, change), q.relay); a.StatusCode < 400 || b.cookie() != "" {
				t.Errorf("%s: answered %d", name, a.StatusCode)
			}
			w.clock.turn(time.Second)
		}
		b := w.browser()
		started, attempt := b.tests(w, "con_second", "")
		q := w.read(started.to())
		b.answers("con_second", claims(q, nil), q.relay)
		e, err := w.ExplainAttempt(context.Background(), acme, attempt)
		if err != nil || e.Found == nil || e.Found.Would != "refuse" || e.Found.Member != "" {
			t.Errorf("its test says %+v, %v", e.Found, err)
		}
		// Nobody in another workspace is told of the attempt, whatever they ask by.
		if _, err := w.ExplainAttempt(context.Background(), beta, attempt); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("the other workspace reads the attempt: %v", err)
		}
		// And a logout by the second one is about its own sessions.
		victim := w.browser()
		victim.entersAs(w, "_bobs", bobsName)
		l := second.LogoutRequest(w.PublicURL+"/auth/saml/con_second/logout", bobsName, w.clock.now())
		for _, connection := range []string{"con_second", okta} {
			l.Destination = w.PublicURL + "/auth/saml/" + connection + "/logout"
			w.browser().get("/auth/saml/" + connection + "/logout?" + second.RedirectLogout(l, ""))
		}
		if !victim.signedIn() {
			t.Error("the second connection's IdP has ended a session of the first")
		}
		// The control: a person of its own.
		own := w.browser()
		q = own.begin("con_second")
		if a := own.answers("con_second", claims(q, func(r *samltest.Response) { about(r, "new@second.example", "New", "One") }), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the control: %d %s", a.StatusCode, a.body)
		}
	})
}

// The pieces of one attempt are those of one browser and one connection: an answer that was passed on by our own page, the
// relay state of another sign-in, an artifact in the place of an answer.
func TestSeam_TheHandleOfASignOutOpensNoSignIn(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		l, _ := b.leaves(w)
		thief := w.browser()
		if a := thief.answers(okta, sign(w.response(l.ID)), l.ID); a.StatusCode < 400 || thief.cookie() != "" {
			t.Errorf("an answer to the LogoutRequest signs in: %d", a.StatusCode)
		}
		q := b.begin(okta)
		a := w.browser().redirects(w.loggedOutAnswer(q.id), q.relay)
		if a.StatusCode < 400 {
			t.Errorf("a LogoutResponse to an AuthnRequest is answered %d to %q", a.StatusCode, a.to())
		}
		if u, err := url.Parse(a.to()); err != nil || u.Host != "" {
			t.Errorf("it leads to %q", a.to())
		}
		if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the sign-in is spoilt: %d", a.StatusCode)
		}
	})
}

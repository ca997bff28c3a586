package signin

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

func TestSingleLogout_EndsTheSessionsThatTheIdPNamesAndAnswersIt(t *testing.T) { // SA29, IIP-SP14
	eachLeaving(t, func(t *testing.T, w *world) {
		one, two, three := w.browser(), w.browser(), w.browser()
		one.entersAs(w, "_one", bobsName)
		two.entersAs(w, "_two", bobsName)
		three.entersAs(w, "_three", bobsName)
		courier := w.browser() // whose cookies are nobody's: browsers send none with a form of another site

		l := w.logout("_one", "of another service")
		a := courier.redirects(l, "state of the IdP")
		if out := w.answerTo(a, l.ID, sloRedirect); !out.Success || out.Partial || !strings.Contains(a.to(), "RelayState=state+of+the+IdP") {
			t.Errorf("the answer says %+v: %s", out, a.to())
		}
		if a.Header.Get("Cache-Control") != "no-store" || len(a.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("headers: %v", a.Header)
		}
		if one.signedIn() || !two.signedIn() || !three.signedIn() {
			t.Fatal("not exactly the session of the index has ended")
		}
		ends := w.events(acme, audit.SessionEnded)
		if len(ends) != 1 || ends[0].Reason != EndedByIdP || ends[0].Actor.ID != okta {
			t.Errorf("the ends are recorded as %+v", ends)
		}
		e, p := w.logoutOf(audit.LogoutReceived)
		if e.Subject.ID != bob || e.Connection != okta || p.Binding != "redirect" || len(p.Ended) != 1 || p.MessageID != l.ID || p.Subject != "bob@acme.test" ||
			!strings.Contains(string(p.XML), "LogoutRequest") || strings.Contains(string(e.Payload), "SigAlg") {
			t.Errorf("the event is %+v: %s", e, e.Payload)
		}

		w.clock.turn(time.Second)
		l = w.logout()
		a = courier.posts("SAMLRequest", oktaIdP().SignLogout(l), "")
		if out := w.answerTo(a, l.ID, sloAnswers); !out.Success {
			t.Errorf("the answer says %+v", out)
		}
		if csp := a.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https:") {
			t.Errorf("the form could not go on: %s", csp)
		}
		if two.signedIn() || three.signedIn() {
			t.Error("without an index not all of the person's sessions ended")
		}
		if e, _ := w.logoutOf(audit.LogoutReceived); strings.Contains(string(e.Payload), "<ds:SignatureValue>") && !strings.Contains(string(e.Payload), audit.Masked) {
			t.Errorf("the event holds a signature: %s", e.Payload)
		}
		w.clock.turn(time.Second)
		l = w.logout("_one")
		if out := w.answerTo(courier.redirects(l, ""), l.ID, sloRedirect); !out.Success {
			t.Errorf("a session that has ended is answered %+v", out)
		}
	})
}

func TestSingleLogout_WhatIsNotTheIdPsWordIsRefusedAndEndsNothing(t *testing.T) { // A45, A27, A13, A37
	eachLeaving(t, func(t *testing.T, w *world) {
		b, courier := w.browser(), w.browser()
		b.entersAs(w, "_one", bobsName)
		changed := func(change func(*samltest.Logout)) *samltest.Logout {
			l := w.logout("_one")
			change(l)
			return l
		}
		idp := oktaIdP()
		impostor := samltest.NewIdP(idp.EntityID, otherKey())
		good := idp.RedirectLogout(w.logout("_one"), "r")
		q, err := url.ParseQuery(good)
		w.must(err)
		bare := q.Encode() // sorted: RelayState before SAMLRequest
		twice := strings.Replace(string(idp.SignLogout(w.logout("_one"))), "<saml:NameID", string(impostor.SignLogout(w.logout("_one")))+"<saml:NameID", 1)
		post := func(xml []byte) func() answer { return func() answer { return courier.posts("SAMLRequest", xml, "") } }
		get := func(query string) func() answer {
			return func() answer { return courier.get(oktaLogout + "?" + query) }
		}
		for why, c := range map[string]struct {
			send         func() answer
			code, reason string
		}{
			"unsigned by redirect":     {get("SAMLRequest=" + url.QueryEscape(samltest.Encode(samltest.Deflate(w.logout().Unsigned())))), "saml_refused", "signature_missing"},
			"unsigned by form":         {post(w.logout().Unsigned()), "saml_refused", "signature_missing"},
			"by another key":           {get(impostor.RedirectLogout(w.logout("_one"), "")), "saml_refused", "unknown_key"},
			"by another key in a form": {post(impostor.SignLogout(w.logout("_one"))), "saml_refused", "unknown_key"},
			"re-ordered":               {get(bare), "saml_refused", "malformed"},
			"with two requests":        {get(good + "&SAMLRequest=x"), "saml_refused", "malformed"},
			"with two relay states":    {get(good + "&RelayState=x"), "saml_refused", "malformed"},
			"with another relay state": {get(strings.Replace(good, "RelayState=r", "RelayState=s", 1)), "saml_refused", "unknown_key"},
			"without its algorithm":    {get(strings.Replace(good, "SigAlg=", "Sigalg=", 1)), "saml_refused", "malformed"},
			"both request and answer":  {get(good + "&SAMLResponse=x"), "saml_refused", "malformed"},
			"nothing":                  {get(""), "saml_refused", "malformed"},
			"a bomb":                   {get("SAMLRequest=" + url.QueryEscape(samltest.Encode(samltest.Deflate(make([]byte, 1<<20)))) + "&SigAlg=x&Signature=AAAA"), "saml_refused", "too_large"},
			"two signatures":           {post([]byte(twice)), "saml_refused", "misplaced_signature"},
			"a comment in the name":    {post([]byte(strings.Replace(string(idp.SignLogout(w.logout("_one"))), "bob@acme", "bob<!---->@acme", 1))), "saml_refused", "comment"},
			"another's name, then":     {post([]byte(strings.Replace(string(idp.SignLogout(w.logout("_one"))), "bob@acme", "ann@acme", 1))), "saml_refused", "signature_invalid"},
			"expired":                  {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.NotOnOrAfter = samltest.Instant(w.clock.now().Add(-5 * time.Minute)) }), "")), "expired", "expired"},
			"long expired": {get(idp.RedirectLogout(changed(func(l *samltest.Logout) {
				l.IssueInstant = samltest.Instant(w.clock.now().Add(-time.Hour))
				l.NotOnOrAfter = ""
			}), "")), "expired", "expired"},
			"for another address":        {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.Destination += "/" }), "")), "destination", "destination"},
			"for another connection":     {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.Destination = w.PublicURL + "/auth/saml/con_other/logout" }), "")), "destination", "destination"},
			"without an address":         {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.Destination = "" }), "")), "destination", "destination"},
			"of another IdP":             {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.Issuer = "https://other.example" }), "")), "issuer", "issuer"},
			"about nobody":               {get(idp.RedirectLogout(changed(func(l *samltest.Logout) { l.NameID = nil }), "")), "structure", "structure"},
			"a request in the wrong box": {func() answer { return courier.posts("SAMLResponse", idp.SignLogout(w.logout("_one")), "") }, "saml_refused", "unexpected_message"},
		} {
			w.wantLogoutRefused(why, c.send(), c.code, c.reason)
			if !b.signedIn() {
				t.Fatalf("%s: the session has ended", why)
			}
		}
		if a := courier.do("HEAD", oktaLogout+"?"+good, nil); a.StatusCode != http.StatusBadRequest {
			t.Errorf("HEAD is answered %d", a.StatusCode)
		}
		if a := courier.get("/auth/saml/con_unknown/logout?" + good); a.StatusCode != http.StatusNotFound {
			t.Errorf("an unknown connection is answered %d", a.StatusCode)
		}
		if !b.signedIn() { // the control
			t.Fatal("the session has ended")
		}
		if courier.get(oktaLogout + "?" + good); b.signedIn() {
			t.Fatal("the message that was mutated is not accepted untouched")
		}
		w.clock.turn(time.Second)
		b.entersAs(w, "_one", bobsName)
		w.wantLogoutRefused("a replay", courier.get(oktaLogout+"?"+good), "replayed", "replayed")
		if !b.signedIn() {
			t.Error("a replayed message has ended a session")
		}
	})
}

func TestSingleLogout_MeansThisNameThroughThisConnectionAlone(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		w.connect(beta, "con_beta", oktaIdP(), nil) // the same IdP, with the same key
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			side := sideOf(oktaIdP())
			tx.SaveConnection(directory.Connection{ID: "con_second", Name: "second", Provider: "generic", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive, VerifiedAt: tx.Now(), SAML: side}, true)
			return tx.Record(audit.Event{Type: audit.ConnectionCreated})
		}))
		other := bobsName
		other.Value = "bob@acme.tes"
		qualified, persistent := bobsName, saml.NameID{Value: "00u1", Format: saml.FormatPersistent}
		qualified.SPNameQualifier = "https://other.example"
		w.sessionIn(beta, zoe, "con_beta", "ses_beta", "_one", &bobsName)
		w.sessionIn(acme, bob, "con_second", "ses_second", "_one", &bobsName)
		w.sessionIn(acme, ann, okta, "ses_other", "_one", &other)
		w.sessionIn(acme, ann, okta, "ses_qualified", "_one", &qualified)
		w.sessionIn(acme, bob, okta, "ses_indexless", "", &bobsName)
		w.sessionIn(acme, bob, okta, "ses_this", "_one", &bobsName)
		w.sessionIn(acme, bob, okta, "ses_that", "_two", &bobsName)
		w.sessionIn(acme, ann, okta, "ses_persistent", "_9", &persistent)
		ended := func(l *samltest.Logout) string {
			t.Helper()
			w.clock.turn(time.Second)
			a := w.browser().redirects(l, "")
			w.answerTo(a, l.ID, sloRedirect)
			_, p := w.logoutOf(audit.LogoutReceived)
			return strings.Join(p.Ended, " ")
		}
		if got := ended(w.logout("_one")); got != "ses_indexless ses_this" {
			t.Errorf("with the index one, ended: %q", got)
		}
		l := w.logout("_9")
		l.NameID = &saml.NameID{Value: "00u1", Format: saml.FormatPersistent, NameQualifier: oktaIdP().EntityID, SPNameQualifier: w.provider(okta).EntityID}
		if got := ended(l); got != "ses_persistent" {
			t.Errorf("a name whose qualifiers are spelt out ended %q", got)
		}
		l = w.logout("_one", "_two")
		l.NameID = &saml.NameID{Value: "nobody@acme.test", Format: saml.FormatEmail}
		if got := ended(l); got != "" {
			t.Errorf("another's name with known indexes ended %q", got)
		}
		if got := ended(w.logout()); got != "ses_that" {
			t.Errorf("without an index, ended: %q", got)
		}
		for workspace, want := range map[string][]string{acme: {"ses_second", "ses_other", "ses_qualified"}, beta: {"ses_beta"}} {
			w.must(w.DB.Read(context.Background(), workspace, func(tx *store.Tx) error {
				for _, id := range want {
					if name, err := tx.NameOfSession(id); err != nil || name == "" {
						t.Errorf("%s does not live any more: %q %v", id, name, err)
					}
				}
				name, err := tx.NameOfSession("ses_this")
				if name != "" {
					t.Errorf("a session that has ended still names somebody: %s", name)
				}
				return err
			}))
		}
	})
}

func TestSingleLogout_FindsASessionOfAnOlderVersionByItsSignInLink(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.entersAs(w, "_new", bobsName) // makes the link
		w.sessionIn(acme, bob, okta, "ses_old", "_old", nil)
		w.sessionIn(acme, bob, okta, "ses_older", "_older", nil)
		w.sessionIn(acme, ann, okta, "ses_hers", "_old", nil)
		l := w.logout("_old")
		w.answerTo(w.browser().redirects(l, ""), l.ID, sloRedirect)
		if _, p := w.logoutOf(audit.LogoutReceived); strings.Join(p.Ended, " ") != "ses_old" {
			t.Errorf("ended: %v", p.Ended)
		}
		w.clock.turn(time.Second)
		l = w.logout()
		w.answerTo(w.browser().redirects(l, ""), l.ID, sloRedirect)
		if _, p := w.logoutOf(audit.LogoutReceived); len(p.Ended) != 2 || w.live(acme, bob) != 0 || w.live(acme, ann) != 1 {
			t.Errorf("ended: %v", p.Ended)
		}
	})
}

func TestSingleLogout_OfManyAtOnceOneIsBelieved(t *testing.T) { // A37 for logout
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		query := oktaIdP().RedirectLogout(w.logout(), "")
		var accepted, refused int
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 12 {
			courier := w.browser()
			all.Go(func() {
				a := courier.get(oktaLogout + "?" + query)
				mu.Lock()
				defer mu.Unlock()
				switch a.StatusCode {
				case http.StatusSeeOther:
					accepted++
				case http.StatusForbidden:
					refused++
				}
			})
		}
		all.Wait()
		if accepted != 1 || refused != 11 || b.signedIn() || len(w.events(acme, audit.LogoutReceived)) != 1 || len(w.events(acme, audit.SessionEnded)) != 1 {
			t.Errorf("%d accepted, %d refused, %s", accepted, refused, reasons(w.events(acme, audit.LogoutReceived, audit.SessionEnded)))
		}
	})
}

func TestSingleLogout_AFloodOfStrangersLeavesFewEvents(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		courier := w.browser()
		query := samltest.NewIdP(oktaIdP().EntityID, otherKey()).RedirectLogout(w.logout(), "")
		for range strangerEvents + 20 {
			if a := courier.get(oktaLogout + "?" + query); a.StatusCode != http.StatusForbidden {
				t.Fatalf("answered %d", a.StatusCode)
			}
		}
		if n := len(w.events(acme, audit.LogoutRefused)); n != strangerEvents {
			t.Errorf("%d events, want %d", n, strangerEvents)
		}
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		courier.redirects(w.logout(), "")
		if b.signedIn() {
			t.Error("after a flood from the same address the IdP is not heard any more")
		}
	})
}

func TestSingleLogout_WithoutAKeyOrAPlaceTheSessionEndsAllTheSame(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) { // neither key nor place nor switch
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		if a := w.browser().redirects(w.logout(), "//evil.example"); a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=signed_out_by_idp&workspace=acme" {
			t.Errorf("answered %d to %q", a.StatusCode, a.to())
		}
		if b.signedIn() {
			t.Error("the session lives")
		}
		w.clock.turn(time.Second)
		w.keyed(logsOut, spKeyPair())
		b.entersAs(w, "_two", bobsName)
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionDisabled })
		l := w.logout()
		w.answerTo(w.browser().redirects(l, ""), l.ID, sloRedirect) // a session that outlives its connection can still be ended
		if w.live(acme, bob) != 0 {
			t.Error("a session of a connection that is switched off lives on")
		}
	})
}

func TestSingleLogout_SaysSoWhereAnApplicationCannotBeTold(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		for app, address := range map[string]string{"app_told": "https://app.test/logout", "app_deaf": ""} {
			b.entersAs(w, "_one", bobsName)
			w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
				tx.InsertApplication(directory.Application{ID: app, Name: app, BackchannelLogoutURI: address, RedirectURIs: []string{"https://app.test/cb"}}, "")
				sessions, err := tx.Sessions(bob)
				if err != nil {
					return err
				}
				tx.InsertGrant(store.Grant{ID: "gnt_" + app, Application: app, Session: sessions[0].ID, Member: bob}, "code "+app, store.Code{ExpiresAt: tx.Now().Add(minute)})
				if _, err := tx.HoldGrant("gnt_" + app); err != nil {
					return err
				}
				return tx.Record(audit.Event{Type: audit.ApplicationCreated})
			}))
			l := w.logout()
			out := w.answerTo(w.browser().redirects(l, ""), l.ID, sloRedirect)
			if !out.Success || out.Partial != (address == "") {
				t.Errorf("%s: the answer says %+v", app, out)
			}
			w.clock.turn(time.Second)
		}
	})
}

func TestASession_ForgetsWhomTheIdPSignedInHoweverItEnds(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		ends := map[string]func(*store.Tx) error{
			"ses_one":        func(tx *store.Tx) error { return tx.EndSession("ses_one", "x") },
			"ses_member":     func(tx *store.Tx) error { _, err := tx.EndSessions(bob, "", "x", true); return err },
			"ses_members":    func(tx *store.Tx) error { _, err := tx.EndSessionsOf([]string{bob}, "x"); return err },
			"ses_connection": func(tx *store.Tx) error { _, err := tx.EndSessionsOfConnection(okta, "x"); return err },
			"ses_expired": func(tx *store.Tx) error {
				_, err := tx.ExpireSessions([]string{"ses_expired"})
				return err
			},
		}
		for id, end := range ends {
			w.sessionIn(acme, bob, okta, id, "_one", &bobsName)
			if id == "ses_expired" {
				w.clock.turn(8 * 24 * time.Hour)
			}
			w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
				if name, err := tx.NameOfSession(id); err != nil || !strings.Contains(name, bobsName.Value) {
					t.Errorf("%s: the session names %q: %v", id, name, err)
				}
				if err := end(tx); err != nil {
					return err
				}
				if name, err := tx.NameOfSession(id); err != nil || name != "" {
					t.Errorf("%s: it has ended and names %q: %v", id, name, err)
				}
				return tx.Record(audit.Event{Type: audit.SessionEnded})
			}))
		}
	})
}

// IdPs log out of all their applications in frames of one page. Where we answer by a form it may stand there, at that IdP
// and nowhere else; nothing else of ours may.
func TestSingleLogout_TheAnswerByFormMayStandInAFrameOfTheIdPAlone(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		a := w.browser().posts("SAMLRequest", oktaIdP().SignLogout(w.logout("_one")), "relay")
		policy := a.Header.Get("Content-Security-Policy")
		if action, _ := postedOn(t, a); action != sloAnswers || !strings.Contains(policy, "frame-ancestors https://okta.example;") || a.Header.Get("X-Frame-Options") != "" {
			t.Errorf("the answer goes to %s under %q", action, policy)
		}
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "base-uri 'none'") {
			t.Errorf("the rest of the policy is %q", policy)
		}
		for name, page := range map[string]answer{
			"a refusal":        w.browser().posts("SAMLRequest", []byte("hello"), ""),
			"the sign-in page": w.browser().get("/signin?workspace=acme"),
			"sign-out":         b.get("/signout"),
		} {
			if !strings.Contains(page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") || page.Header.Get("X-Frame-Options") != "DENY" {
				t.Errorf("%s may be framed: %q", name, page.Header.Get("Content-Security-Policy"))
			}
		}
	})
}

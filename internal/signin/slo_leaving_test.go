package signin

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// leaves signs out on our page and returns the LogoutRequest that the IdP gets.
func (b *browser) leaves(w *world) (*saml.Logout, string) {
	b.t.Helper()
	a := b.post("/signout")
	if a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.to(), sloRedirect+"?") {
		b.t.Fatalf("sign-out answered %d to %q: %s", a.StatusCode, a.to(), a.body)
	}
	if b.signedIn() || b.cookie() != "" {
		b.t.Fatal("the IdP is told before the session has ended")
	}
	return w.reads(a.to()), a.to()
}

// answer is a right LogoutResponse to our request.
func (w *world) loggedOutAnswer(request string) *samltest.Logout {
	return oktaIdP().LogoutResponse(w.PublicURL+oktaLogout, request, w.clock.now())
}

func TestSignOut_EndsTheSessionHereFirstAndThenTellsTheIdP(t *testing.T) { // SDP-SP29, SDP-SP34, IIP-SP15
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		name := saml.NameID{Value: "00u1", Format: saml.FormatPersistent, NameQualifier: "q", SPNameQualifier: "s", SPProvidedID: "p"}
		b.entersAs(w, "_one", name)
		if page := b.get("/signout"); !strings.Contains(page.Header.Get("Content-Security-Policy"), "form-action 'self' https: http:") {
			t.Errorf("the form cannot lead to the IdP: %s", page.Header.Get("Content-Security-Policy"))
		}
		l, address := b.leaves(w)
		if l.NameID != name || len(l.SessionIndexes) != 1 || l.SessionIndexes[0] != "_one" || l.Reason != saml.LogoutByUser {
			t.Errorf("the IdP is told %+v", l)
		}
		if !strings.Contains(address, "RelayState="+l.ID) {
			t.Errorf("no relay state in %s", address)
		}
		e, p := w.logoutOf(audit.LogoutSent)
		if e.Outcome != audit.OK || e.Subject.Kind != "member" || p.MessageID != l.ID || strings.Contains(string(e.Payload), "00u1") {
			t.Errorf("the event is %+v: %s", e, e.Payload)
		}
		a := b.redirects(w.loggedOutAnswer(l.ID), l.ID)
		if a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=signed_out&workspace=acme" {
			t.Fatalf("the answer leads to %q with %d: %s", a.to(), a.StatusCode, a.body)
		}
		if landed := b.get(a.to()); !strings.Contains(landed.body, "You have signed out.") {
			t.Errorf("the page says %s", landed.body)
		}
		if e, _ := w.logoutOf(audit.LogoutAnswered); e.Outcome != audit.OK || e.Connection != okta {
			t.Errorf("the event is %+v", e)
		}
		w.clock.turn(time.Second)
		again := oktaIdP().RedirectLogout(w.loggedOutAnswer(l.ID), l.ID)
		w.wantLogoutRefused("a second answer", b.get(oktaLogout+"?"+again), "in_response_to", "in_response_to")
	})
}

func TestSignOut_WhateverTheIdPAnswersNobodyIsSignedInAndNothingGoesRound(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		for why, c := range map[string]struct {
			change func(*samltest.Logout)
			to     string
			says   string
		}{
			"success": {func(*samltest.Logout) {}, "signed_out", "You have signed out."},
			"partly":  {func(l *samltest.Logout) { l.StatusCodes = []string{saml.StatusSuccess, saml.StatusPartialLogout} }, "signed_out_partly", "At other services"},
			"no": {func(l *samltest.Logout) {
				l.StatusCodes = []string{saml.StatusResponder}
				l.StatusMessage = "<b>broken</b>"
			}, "signed_out_here", "you may still be signed in there"},
			"never heard of":   {func(l *samltest.Logout) { l.StatusCodes = []string{saml.StatusRequester, saml.StatusUnknownPrincipal} }, "signed_out_here", "you may still be signed in there"},
			"no, partly known": {func(l *samltest.Logout) { l.StatusCodes = []string{saml.StatusResponder, saml.StatusPartialLogout} }, "signed_out_here", "you may still be signed in there"},
		} {
			for _, relay := range []bool{true, false} {
				w.clock.turn(time.Second)
				b := w.browser()
				b.entersAs(w, "_one", bobsName)
				l, _ := b.leaves(w)
				answer := w.loggedOutAnswer(l.ID)
				c.change(answer)
				state := ""
				if relay { // some IdPs forget it
					state = l.ID
				}
				a := b.posts("SAMLResponse", oktaIdP().SignLogout(answer), state)
				if a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice="+c.to+"&workspace=acme" || !strings.Contains(b.get(a.to()).body, c.says) || b.signedIn() {
					t.Errorf("%s, relay state %t: %d to %q: %s", why, relay, a.StatusCode, a.to(), a.body)
				}
			}
		}
		// No answer at all.
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		l, _ := b.leaves(w)
		if b.signedIn() {
			t.Error("an IdP that does not answer leaves somebody signed in")
		}
		w.clock.turn(leavingLife)
		w.wantLogoutRefused("an answer that comes too late", b.redirects(w.loggedOutAnswer(l.ID), l.ID), "in_response_to", "in_response_to")
	})
}

func TestSignOut_AnAnswerThatIsNotTheIdPsOrNotToThisRequestIsRefused(t *testing.T) { // A38 and A45 for logout
	eachLeaving(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		l, _ := b.leaves(w)
		idp, impostor := oktaIdP(), samltest.NewIdP(oktaIdP().EntityID, otherKey())
		other := w.loggedOutAnswer("_0000000000000000000000000000000000000000")
		wrong := w.loggedOutAnswer(l.ID)
		wrong.Issuer = "https://other.example"
		elsewhere := w.loggedOutAnswer(l.ID)
		elsewhere.Destination = "https://evil.example/"
		none := w.loggedOutAnswer("")
		for why, c := range map[string]struct{ query, code, reason string }{
			"by another key":               {impostor.RedirectLogout(w.loggedOutAnswer(l.ID), l.ID), "saml_refused", "unknown_key"},
			"by another key, no state":     {impostor.RedirectLogout(w.loggedOutAnswer(l.ID), ""), "saml_refused", "unknown_key"},
			"of another IdP":               {idp.RedirectLogout(wrong, l.ID), "issuer", "issuer"},
			"to another request":           {idp.RedirectLogout(other, l.ID), "in_response_to", "in_response_to"},
			"to another request, no state": {idp.RedirectLogout(other, ""), "in_response_to", "in_response_to"},
			"with another's state":         {idp.RedirectLogout(w.loggedOutAnswer(l.ID), other.InResponseTo), "in_response_to", "in_response_to"},
			"to none":                      {idp.RedirectLogout(none, l.ID), "in_response_to", "in_response_to"},
			"for another address":          {idp.RedirectLogout(elsewhere, l.ID), "destination", "destination"},
		} {
			w.wantLogoutRefused(why, b.get(oktaLogout+"?"+c.query), c.code, c.reason)
		}
		if a := b.redirects(w.loggedOutAnswer(l.ID), l.ID); a.StatusCode != http.StatusSeeOther { // the control
			t.Errorf("the right answer is refused: %d %s", a.StatusCode, a.body)
		}
	})
}

func TestSignOut_ByFormWhereTheIdPTakesNothingElse(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.SLO = c.SAML.SLO[1:] })
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		a := b.post("/signout")
		action, fields := postedOn(t, a)
		if action != sloPost || b.signedIn() || !strings.Contains(a.body, "<h1>Signing out</h1>") || !strings.Contains(a.Header.Get("Content-Security-Policy"), "https:") {
			t.Fatalf("the form goes to %s: %s", action, a.body)
		}
		m, err := saml.DecodeLogoutForm(fields)
		w.must(err)
		l, err := saml.VerifyLogoutRequest(m, w.turnedRound(sloPost, ""), w.clock.now())
		if err != nil || l.NameID != bobsName || m.RelayState != l.ID {
			t.Errorf("%+v %v", l, err)
		}
	})
}

func TestSignOut_TellsTheIdPOnlyWhereThatIsWantedAndPossible(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		stays := func(why string) {
			t.Helper()
			b := w.browser()
			b.entersAs(w, "_one", bobsName)
			if a := b.post("/signout"); a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=signed_out&workspace=acme" || b.signedIn() {
				t.Errorf("%s: %d to %q", why, a.StatusCode, a.to())
			}
			w.clock.turn(time.Second)
		}
		w.reconnect(func(c *directory.Connection) { c.SAML.SingleLogout = false })
		stays("switched off")
		w.reconnect(func(c *directory.Connection) { c.SAML.SingleLogout, c.SAML.SLO = true, nil })
		stays("without a place")
		w.reconnect(func(c *directory.Connection) { logsOut(c.SAML); c.SAML.Keys = nil })
		stays("without a key")
		if e, p := w.logoutOf(audit.LogoutSent); e.Outcome != audit.Refused || e.Reason != reasonSPKey || p.Detail == "" {
			t.Errorf("that the IdP was not told is recorded as %+v", e)
		}
		b := w.browser()
		if b.signIn("acme", "Ann@acme.test"); b.post("/signout").to() != "/signin?notice=signed_out&workspace=acme" {
			t.Error("a session by password is told to an IdP")
		}
		// A session that grew idle, or that the IdP itself ended, is told to nobody (SDP-SP35).
		w.keyed(logsOut, spKeyPair())
		b.entersAs(w, "_one", bobsName)
		w.browser().redirects(w.logout(), "")
		if a := b.post("/signout"); a.to() != "/signin?notice=signed_out" {
			t.Errorf("a session that the IdP has ended: %q", a.to())
		}
	})
}

func TestSignOut_ForAnApplicationLeadsBackThereAfterTheIdP(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		const back = "https://app.test/bye?state=s+1"
		for _, status := range []string{saml.StatusSuccess, saml.StatusResponder} {
			b := w.browser()
			b.entersAs(w, "_one", bobsName)
			live := w.liveOf(b)
			leaving, err := w.SignOut(context.Background(), live, "signed_out_by_application", back, from("192.0.2.9"))
			if err != nil || leaving == nil || b.signedIn() {
				t.Fatalf("%+v %v", leaving, err)
			}
			l := w.reads(leaving.URL)
			answer := w.loggedOutAnswer(l.ID)
			answer.StatusCodes = []string{status}
			if a := b.redirects(answer, l.ID); a.StatusCode != http.StatusSeeOther || a.to() != back {
				t.Errorf("%s leads to %q with %d", status, a.to(), a.StatusCode)
			}
			if again, err := w.SignOut(context.Background(), live, "signed_out_by_application", back, from("192.0.2.9")); again != nil || err != nil {
				t.Errorf("a session that ended meanwhile: %+v %v", again, err)
			}
			w.clock.turn(time.Second)
		}
	})
}

// liveOf is the session of a browser.
func (w *world) liveOf(b *browser) *store.LiveSession {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.server.URL, nil)
	w.must(err)
	r.AddCookie(&http.Cookie{Name: w.cookieName(), Value: b.cookie()})
	live, err := w.Check(context.Background(), r)
	w.must(err)
	return live
}

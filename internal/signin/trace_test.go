package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// attempts are those of a workspace, newest first.
func (w *world) attempts(workspace string) (page []store.Attempt) {
	w.t.Helper()
	w.must(w.DB.Read(context.Background(), workspace, func(tx *store.Tx) (err error) {
		page, _, err = tx.Attempts(store.AttemptQuery{Limit: 5000})
		return err
	}))
	return page
}

// kept is all that is kept of an attempt, as JSON.
func (w *world) kept(id string) (store.Attempt, string) {
	w.t.Helper()
	var a *store.Attempt
	w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) (err error) {
		a, err = tx.Attempt(id)
		return err
	}))
	text, err := json.Marshal(a)
	w.must(err)
	return *a, string(text)
}

// forgetsTries has a browser lose the cookie that stops it from going in circles.
func (b *browser) forgetsTries() {
	b.t.Helper()
	u, err := url.Parse(b.base)
	if err != nil {
		b.t.Fatal(err)
	}
	b.client.Jar.SetCookies(u, []*http.Cookie{{Name: "gatehouse_tries", Path: "/", MaxAge: -1}})
}

func outcomes(checks []audit.Check) string {
	var out []string
	for _, c := range checks {
		out = append(out, c.Name+": "+c.Outcome)
	}
	return strings.Join(out, ", ")
}

func TestASAMLSignIn_IsKeptAsStepsFromItsBeginToItsEnd(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		all := w.attempts(acme)
		if len(all) != 1 || !all[0].Open() || all[0].Connection != okta || all[0].Method != directory.MethodSAML {
			t.Fatalf("what was begun is kept as %+v", all)
		}
		_, text := w.kept(all[0].ID)
		if !strings.Contains(text, "AuthnRequest") || !strings.Contains(text, q.id) || strings.Contains(text, q.relay) {
			t.Errorf("the begin is kept as %s", text)
		}
		r := w.response(q.id)
		r.Issuer = "https://elsewhere.example/"
		signed := sign(r)
		w.wantRefused(b.answers(okta, signed, q.relay), "issuer", "issuer")
		a, text := w.kept(all[0].ID)
		last := a.Steps[len(a.Steps)-1]
		if a.Code != "wrong_idp" || a.Reason != "issuer" || a.Name != "bob@acme.test" || a.Loose || len(a.Steps) != 4 || a.Skew == nil {
			t.Errorf("the refused attempt is %s", text)
		}
		if got := outcomes(last.Checks); !strings.Contains(got, "Destination: passed, Issuer: failed, Status: not_reached") {
			t.Errorf("the checks are %s", got)
		}
		at := slices.IndexFunc(last.Checks, func(c audit.Check) bool { return c.Outcome == audit.Failed })
		if c := last.Checks[at]; c.Expected != "https://okta.example/exk1" || !strings.Contains(c.Received, "elsewhere.example") {
			t.Errorf("the failed check is %+v", c)
		}
		// The request is still there, and the right answer to it ends the same attempt.
		if a := b.answers(okta, sign(w.response(q.id)), q.relay); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		all = w.attempts(acme)
		a, text = w.kept(all[0].ID)
		if len(all) != 1 || a.Outcome != audit.OK || a.Member != bob || a.Code != "" || a.Event == "" {
			t.Fatalf("the attempt that went well is %s", text)
		}
		if got := outcomes(a.Steps[len(a.Steps)-1].Checks); strings.Contains(got, "failed") || strings.Contains(got, "not_reached") {
			t.Errorf("its checks are %s", got)
		}
		if e := w.events(acme, audit.SignInSucceeded); e[len(e)-1].ID != a.Event {
			t.Errorf("its event is %s, want %s", a.Event, e[len(e)-1].ID)
		}
		for _, secret := range []string{q.relay, b.cookie(), "SignatureValue", signed[:200]} {
			if strings.Contains(text, secret) {
				t.Errorf("the attempt holds the secret %.40q", secret)
			}
		}
	})
}

func TestAnOIDCSignIn_IsKeptWithoutCodeTokenOrVerifier(t *testing.T) {
	eachOIDC(t, func(t *testing.T, w *parties) {
		b := w.browser()
		address := b.begins(oidc, "login_hint", "carol@partner.test")
		path, q := w.back(address)
		if a := b.get(path + "?" + q.Encode()); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		all := w.attempts(acme)
		a, text := w.kept(all[0].ID)
		if len(all) != 1 || a.Outcome != audit.OK || a.Method != directory.MethodOIDC || a.Name != "carol@partner.test" || len(a.Steps) != 4 || a.Skew == nil {
			t.Fatalf("the attempt is %s", text)
		}
		form := w.idp.Requests()[0].PostForm
		for _, secret := range []string{q.Get("code"), q.Get("state"), form.Get("code_verifier"), "nonce=", "state=", "code_challenge", b.cookie(), w.idp.Secret} {
			if strings.Contains(text, secret) {
				t.Errorf("the attempt holds the secret %.40q: %s", secret, text)
			}
		}
		if !strings.Contains(text, "login_hint=carol@partner.test") || !strings.Contains(text, "scope=openid email profile") {
			t.Errorf("the request is not told: %s", text)
		}
	})
}

func TestPasswordsAndLinks_AreAttemptsToo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.post("/signin", "workspace", "acme", "email", "bob@acme.test", "password", "wrong horse battery")
		w.clock.turn(time.Second)
		b.signIn("acme", "bob@acme.test")
		all := w.attempts(acme)
		if len(all) != 2 || all[1].Code != "credentials_wrong" || !all[1].Loose || all[1].Reason != "password_wrong" || all[0].Outcome != audit.OK || all[0].Member != bob {
			t.Fatalf("%+v", all)
		}
		if _, text := w.kept(all[1].ID); strings.Contains(text, "horse") {
			t.Errorf("what was typed is kept: %s", text)
		}
		e, err := w.Explain(context.Background(), acme, "bob@acme.test")
		w.must(err)
		if e.Member != bob || e.FirstSignIn == nil || len(e.Attempts) != 2 || e.Code != "" {
			t.Errorf("bob is explained as %+v", e)
		}
	})
}

func TestRubbishOfStrangers_LeavesFewAttempts(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		garbage := samltest.Encode([]byte("<garbage/>"))
		for i := range 4 * (strangerEvents + 5) {
			_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: garbage, Client: from(fmt.Sprintf("192.0.2.%d", i%4))})
			if err == nil {
				t.Fatal("it was accepted")
			}
		}
		if n := len(w.attempts(acme)); n != 4*strangerEvents {
			t.Errorf("posts of four clients left %d attempts", n)
		}
		full, limits := make([]string, strangerTexts), make([]int, strangerTexts)
		for i := range full {
			full[i] = bucket("answer-texts", okta)
		}
		_, err := w.DB.System().Attempt(context.Background(), limitWindow, full, limits)
		w.must(err)
		for i := range 20 { // of ever new addresses
			_, _ = w.SAML(context.Background(), Answer{Connection: okta, Response: garbage, Client: from(fmt.Sprintf("198.51.100.%d", i))})
		}
		if n := len(w.attempts(acme)); n != 4*strangerEvents {
			t.Errorf("past the limit of all clients there are %d attempts", n)
		}
		for _, a := range w.attempts(acme) {
			if !a.Loose || a.Name != "" || a.Member != "" {
				t.Fatalf("hearsay is kept: %+v", a)
			}
		}
		// Sign-ins that are begun and never come back are rows as well.
		secret := "gbr_x"
		for range tracesOfClient + 50 {
			_, err := w.BeginSAML(context.Background(), okta, "", secret, false, from("203.0.113.9"))
			w.must(err)
		}
		if n := len(w.attempts(acme)); n != 4*strangerEvents+tracesOfClient {
			t.Errorf("one client began and left %d attempts", n-4*strangerEvents)
		}
		// Whoever comes later signs in all the same, and is kept from the answer on.
		for range tracesOfConnection {
			w.traces.admit(w.clock.now(), okta, "somebody")
			w.traces.connections[okta]++
		}
		w.clock.turn(minute)
		w.browser().enters(w, nil)
		if a := w.attempts(acme)[0]; a.Outcome != audit.OK || a.Member != bob {
			t.Errorf("past the limit a sign-in is kept as %+v", a)
		}
	})
}

func TestABrowserThatGoesInCircles_IsStoppedAndToldWhy(t *testing.T) { // F35
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		var q asked
		for range loopLimit {
			q = b.begin(okta)
		}
		late := w.response(q.id)
		*late = *oktaIdP().Response(w.provider(okta), q.id, w.clock.now().Add(7*minute))
		w.wantRefused(b.answers(okta, sign(late), q.relay), "clock_skew", "clock_skew")
		a := b.get("/auth/saml/" + okta + "/login?continue=/w/acme")
		w.wantRefused(a, "sign_in_loop", "sign_in_loop")
		if !strings.Contains(a.body, "refused with the reason clock_skew") || !strings.Contains(a.body, "We stopped") {
			t.Errorf("the page does not say what became of the last one: %s", a.body)
		}
		// A person who is shown the sign-in page and chooses again goes in no circle.
		if a := b.get("/signin?workspace=acme"); a.StatusCode != http.StatusOK {
			t.Errorf("the sign-in page answers %d", a.StatusCode)
		}
		for range loopLimit {
			b.begin(okta)
		}
		w.wantRefused(b.get("/auth/saml/"+okta+"/login"), "sign_in_loop", "sign_in_loop")
		// Another browser is not stopped, and this one goes on after a while.
		w.browser().begin(okta)
		w.clock.turn(loopWindow)
		b.begin(okta)
		// Whoever changes the cookie harms nobody but their own browser, and breaks nothing.
		for _, value := range []string{"x", "1.2", "9999999999999.1." + okta, "1.-5." + okta, strings.Repeat("9", 4000)} {
			other := w.browser()
			other.header.Set("Cookie", "gatehouse_tries="+value)
			if a := other.get("/auth/saml/" + okta + "/login"); a.StatusCode != http.StatusFound {
				t.Errorf("the cookie %.20q is answered %d", value, a.StatusCode)
			}
		}
	})
}

func TestAClockThatIsOff_IsMeasuredInEveryRefusalOfTimeAndWarnedOfBelowTheLimit(t *testing.T) { // F35
	eachConnected(t, func(t *testing.T, w *world) {
		for offset, shown := range map[time.Duration]string{7 * minute: "7 min 0 s", -20 * minute: "20 min 0 s"} {
			w.clock.turn(minute)
			b := w.browser()
			q := b.begin(okta)
			r := oktaIdP().Response(w.provider(okta), q.id, w.clock.now().Add(offset))
			a := b.answers(okta, sign(r), q.relay)
			e, p := w.refused()
			last, _ := w.lastAttempt(map[string]string{"clock_skew": "clock_skew", "expired": "answer_expired"}[e.Reason])
			if last == nil || last.Skew == nil || *last.Skew != int64(offset/time.Second) || p.SkewSeconds != int64(offset/time.Second) {
				t.Fatalf("%s: %s, %+v", offset, e.Reason, last)
			}
			if !strings.Contains(last.Received, shown) || !strings.Contains(last.Received, "5 min") && !strings.Contains(last.Expected, "5m0s") || !strings.Contains(a.body, shown) {
				t.Errorf("%s: expected %q, received %q, page %s", offset, last.Expected, last.Received, a.body)
			}
		}
		w.clock.turn(minute)
		for range 3 {
			w.clock.turn(minute)
			b := w.browser()
			q := b.begin(okta)
			r := oktaIdP().Response(w.provider(okta), q.id, w.clock.now().Add(90*time.Second))
			about(r, "bob@acme.test", "Bob", "Builder")
			if a := b.answers(okta, sign(r), q.relay); a.StatusCode != http.StatusSeeOther {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
		}
		good := w.attempts(acme)[:3]
		if got := ClockWarning(good); !strings.Contains(got, "1m30s ahead") {
			t.Errorf("three sign-ins with a clock 90 s ahead warn %q", got)
		}
		w.clock.turn(minute)
		w.browser().enters(w, nil)
		if got := ClockWarning(w.attempts(acme)[:4]); got != "" {
			t.Errorf("a clock that was right once warns %q", got)
		}
	})
}

func TestWhoCannotBeFound_IsDiagnosedAsOneOfTheTwo(t *testing.T) { // F34, F37
	eachConnected(t, func(t *testing.T, w *world) {
		w.policy(func(ws *directory.Workspace) { ws.Policy.ProvisionOn = directory.ProvisionSCIM })
		b := w.browser()
		q := b.begin(okta)
		r := w.response(q.id)
		about(r, "eve@acme.test", "Eve", "E")
		a := b.answers(okta, sign(r), q.relay)
		if !strings.Contains(a.body, `id="reason">not_provisioned<`) || !strings.Contains(a.body, "Provisioning &gt; To App: Create Users") {
			t.Errorf("the page does not say which of the two, or where at Okta: %s", a.body)
		}
		explained := func(who string) *Explanation {
			t.Helper()
			e, err := w.Explain(context.Background(), acme, who)
			w.must(err)
			return e
		}
		if e := explained("EVE@acme.test"); e.Code != "not_provisioned" || e.Member != "" || len(e.Attempts) != 1 || !strings.Contains(e.Attempts[0].Where, "Create Users") {
			t.Errorf("eve, whom SCIM has not created, is explained as %+v", e)
		}
		// Whom the IdP does not let through leaves no name.
		w.browser().begin(okta)
		w.clock.turn(AnswerTime + time.Second)
		if e := explained("pat@acme.test"); e.Code != "no_answer" || !strings.Contains(e.Diagnosis, "not assigned to the application for sign-on") || e.Unanswered != 1 {
			t.Errorf("pat, who was provisioned and never came, is explained as %+v", e)
		}
		if e := explained("nobody@acme.test"); e.Code != "not_provisioned" || !strings.Contains(e.Diagnosis, "neither provisioning (SCIM) nor sign-on") {
			t.Errorf("nobody is explained as %+v", e)
		}
		if e := explained("gone@acme.test"); e.Code != "account_deactivated" {
			t.Errorf("gone is explained as %+v", e)
		}
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			nobody, err := StillUnknown(tx, 10)
			if len(nobody) != 1 || nobody[0].Name != "eve@acme.test" || nobody[0].Times != 1 {
				t.Errorf("never provisioned: %+v", nobody)
			}
			return err
		}))
		w.direct(func(tx *store.Tx) {
			tx.InsertMember(&directory.Member{ID: "mem_eve", Email: "eve@acme.test", Stage: directory.StageActive, Role: "rol_member", Directory: "dir_okta"})
		})
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			nobody, err := StillUnknown(tx, 10)
			if err != nil || len(nobody) != 0 {
				t.Errorf("eve, who was provisioned since, is still on the list: %+v, %v", nobody, err)
			}
			unseen, _, err := tx.NeverSignedIn("", 10)
			if len(unseen) != 1 || unseen[0].Member != "mem_eve" {
				t.Errorf("never signed in: %+v", unseen)
			}
			return err
		}))
	})
}

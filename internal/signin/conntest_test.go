package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// tests makes a test of a connection and begins it in a browser; session "" is an operator's.
func (b *browser) tests(w *world, connection, session string, pairs ...string) (answer, string) {
	b.t.Helper()
	made, err := w.MakeTest(context.Background(), acme, connection, session)
	w.must(err)
	path := strings.TrimPrefix(made.URL, w.PublicURL)
	if a := b.get(path); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `id="begin-test"`) {
		b.t.Fatalf("the page of the test is %d: %s", a.StatusCode, a.body)
	}
	return b.post(path, pairs...), made.Attempt
}

// untouched is everything that a test must leave as it is.
func (w *world) untouched() string {
	w.t.Helper()
	var out []any
	w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
		members, err := tx.MembersAfter("", 100)
		if err != nil {
			return err
		}
		for _, m := range members {
			links, err := tx.IdentitiesOf(m.ID)
			if err != nil {
				return err
			}
			sessions, err := tx.Sessions(m.ID)
			if err != nil {
				return err
			}
			claims, err := tx.Claims([]string{m.ID})
			if err != nil {
				return err
			}
			seen, err := tx.MemberSeen(m.ID)
			if err != nil {
				return err
			}
			out = append(out, m, links, sessions, claims, seen)
		}
		return nil
	}))
	text, err := json.Marshal(out)
	w.must(err)
	return string(text)
}

func TestATestBySAML_ShowsWhoItWouldBeAndLetsNobodyIn(t *testing.T) { // F18, of drafts too
	eachConnected(t, func(t *testing.T, w *world) {
		goneIsProvisioned(w)
		for _, status := range []directory.ConnectionStatus{directory.ConnectionDraft, directory.ConnectionActive, directory.ConnectionDisabled} {
			w.reconnect(func(c *directory.Connection) { c.Status = status })
			for address, would := range map[string]string{"bob@acme.test": "sign_in", string(status) + "@partner.test": "create", "gone@acme.test": "refuse"} {
				before := w.untouched()
				b := w.browser()
				a, attempt := b.tests(w, okta, "")
				if a.StatusCode != http.StatusSeeOther {
					t.Fatalf("%s: %d %s", status, a.StatusCode, a.body)
				}
				q := w.read(a.to())
				r := w.response(q.id)
				about(r, address, "Te", "St")
				r.Assertion.Attributes[3].Values = []string{"Agents", "<b>evil</b>"}
				text := sign(r)
				end := b.answers(okta, text, q.relay)
				if end.StatusCode != http.StatusOK || !strings.Contains(end.body, attempt) || b.cookie() != "" {
					t.Fatalf("%s %s: the end is %d: %s", status, address, end.StatusCode, end.body)
				}
				e, err := w.ExplainAttempt(context.Background(), acme, attempt)
				w.must(err)
				if e.Found == nil || e.Found.Would != would || e.Found.Email != address || !e.Test || len(e.Found.Groups) != 2 || len(e.Found.Received) == 0 {
					t.Fatalf("%s %s: found %+v in %+v", status, address, e.Found, e)
				}
				if would != "refuse" && (e.Outcome != "ok" || e.Found.Role != "Member" || e.Found.RoleReason == "") {
					t.Errorf("%s %s: %+v", status, address, e.Found)
				}
				if would == "refuse" && (e.Code != "account_deactivated" || !strings.Contains(end.body, "account_deactivated")) {
					t.Errorf("%s: %+v", address, e)
				}
				if after := w.untouched(); after != before {
					t.Errorf("%s %s: the test changed somebody:\n%s\nwas\n%s", status, address, after, before)
				}
				// The same answer is worth nothing afterwards, as a test or as a sign-in.
				for _, relay := range []string{q.relay, "", "grs_x"} {
					if a := b.answers(okta, text, relay); a.StatusCode < 400 || b.cookie() != "" {
						t.Errorf("the test's answer with the RelayState %q is answered %d", relay, a.StatusCode)
					}
				}
			}
		}
		if n := len(w.events(acme, audit.ConnectionTested)); n != 9 {
			t.Errorf("%d events tell of the tests", n)
		}
	})
}

func TestATestProvesTheConnection_OnlyWhereSomebodyWouldBeLetIn(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		goneIsProvisioned(w)
		for address, proven := range map[string]bool{"gone@acme.test": false, "bob@acme.test": true} {
			w.connect(acme, okta, oktaIdP(), func(c *directory.Connection) { *c = unproven(*c) })
			b := w.browser()
			a, attempt := b.tests(w, okta, "")
			q := w.read(a.to())
			r := w.response(q.id)
			about(r, address, "Te", "St")
			b.answers(okta, sign(r), q.relay)
			e, err := w.ExplainAttempt(context.Background(), acme, attempt)
			w.must(err)
			cfg, err := w.config(context.Background(), acme)
			w.must(err)
			if c, _ := cfg.Connection(okta); c.Verified() != proven || e.Found.Verified != proven {
				t.Errorf("%s: the connection is verified: %v, told %v", address, c.Verified(), e.Found.Verified)
			}
		}
	})
}

// goneIsProvisioned says that the directory knows gone, whom it has put out.
func goneIsProvisioned(w *world) {
	w.direct(func(tx *store.Tx) {
		tx.InsertSCIMUser(&store.SCIMUser{ID: "u_gone", Directory: "dir_okta", Member: gone, UserName: "gone@acme.test", Document: "{}"})
	})
}

func unproven(c directory.Connection) directory.Connection {
	var none directory.Connection
	c.VerifiedAt = none.VerifiedAt
	return c
}

func TestATestAndASignIn_AreNeverTakenForEachOther(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		w.reconnect(func(c *directory.Connection) { c.SAML.IdPInitiated = true })
		b := w.browser()
		signIn := b.begin(okta)
		a, attempt := b.tests(w, okta, "")
		test := w.read(a.to())
		// The test's answer with the sign-in's handle, the sign-in's with the test's, and either with none.
		for name, post := range map[string]answer{
			"the test's answer for the sign-in": b.answers(okta, sign(w.response(test.id)), signIn.relay),
			"the test's answer for nothing":     b.answers(okta, sign(w.response(test.id)), ""),
			"the sign-in's answer for nothing":  b.answers(okta, sign(w.response(signIn.id)), ""),
		} {
			if post.StatusCode < 400 || b.cookie() != "" {
				t.Errorf("%s is answered %d", name, post.StatusCode)
			}
		}
		if post := b.answers(okta, sign(w.response(signIn.id)), test.relay); b.cookie() != "" || strings.Contains(post.body, `id="test-ok"`) {
			t.Errorf("the sign-in's answer for the test is answered %d: %s", post.StatusCode, post.body)
		}
		if e, err := w.ExplainAttempt(context.Background(), acme, attempt); err != nil || e.Code != "not_this_sign_in" || e.Outcome != "refused" {
			t.Errorf("the test ended as %+v, %v", e, err)
		}
		if n := w.live(acme, bob); n != 0 {
			t.Errorf("bob has %d sessions", n)
		}
		// The sign-in goes on as if nothing had been.
		if a := b.answers(okta, sign(w.response(signIn.id)), signIn.relay); a.StatusCode != http.StatusSeeOther || b.cookie() == "" {
			t.Errorf("the sign-in is answered %d: %s", a.StatusCode, a.body)
		}
	})
}

func TestATest_BelongsToTheSessionAndBrowserThatBeganIt(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		admin, other := w.browser(), w.browser()
		admin.signIn("acme", "ann@acme.test")
		other.signIn("acme", "root@acme.test")
		sessionOf := func(member string) string {
			live, err := w.ListSessions(context.Background(), acme, member)
			w.must(err)
			return live[0].ID
		}
		made, err := w.MakeTest(context.Background(), acme, okta, sessionOf(ann))
		w.must(err)
		path := strings.TrimPrefix(made.URL, w.PublicURL)
		for _, b := range []*browser{other, w.browser()} {
			if a := b.post(path); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "test_elsewhere") {
				t.Errorf("another browser begins it: %d %s", a.StatusCode, a.body)
			}
		}
		a := admin.post(path)
		if a.StatusCode != http.StatusSeeOther {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if a := admin.post(path); a.StatusCode != http.StatusForbidden {
			t.Errorf("a ticket begins a second test: %d", a.StatusCode)
		}
		q := w.read(a.to())
		text := sign(w.response(q.id))
		for _, b := range []*browser{other, w.browser()} {
			post := b.post("/auth/saml/con_okta/acs", "SAMLResponse", text, "RelayState", q.relay, passedOn, "1")
			if post.StatusCode != http.StatusForbidden || !strings.Contains(post.body, "test_elsewhere") {
				t.Errorf("another browser finishes it: %d %s", post.StatusCode, post.body)
			}
		}
		// The secret of the browser alone is not enough: its session is over.
		u, _ := url.Parse(admin.base)
		kept := admin.client.Jar.Cookies(u)
		w.must(w.EndSession(context.Background(), acme, sessionOf(ann), EndedByOperator, operator))
		if post := admin.answers(okta, text, q.relay); post.StatusCode != http.StatusForbidden || !strings.Contains(post.body, "test_elsewhere") {
			t.Errorf("after the sign-out it is finished: %d %s (%d cookies)", post.StatusCode, post.body, len(kept))
		}
		if e, err := w.ExplainAttempt(context.Background(), acme, made.Attempt); err != nil || e.Outcome != "open" || e.Found != nil {
			t.Errorf("the test ended as %+v, %v", e, err)
		}
		// In its own browser and session it leads back to the console.
		admin.signIn("acme", "ann@acme.test")
		started, attempt := admin.tests(w, okta, sessionOf(ann))
		q = w.read(started.to())
		if end := admin.answers(okta, sign(w.response(q.id)), q.relay); end.StatusCode != http.StatusSeeOther || end.to() != "/console/acme/sign-ins/"+attempt {
			t.Errorf("the end is %d to %q: %s", end.StatusCode, end.to(), end.body)
		}
		if _, err := w.MakeTest(context.Background(), beta, okta, ""); err == nil {
			t.Error("beta may test a connection of acme")
		}
		if !strings.HasPrefix(admin.cookie(), session.TokenPrefix) {
			t.Error("the administrator was signed out by the test")
		}
	})
}

func TestATestByTheTile_TakesOneAnswerNobodyAskedFor(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		if a, _ := b.tests(w, okta, "", "how", "tile"); a.StatusCode != http.StatusForbidden {
			t.Fatalf("where the tile is off a test waits for it: %d %s", a.StatusCode, a.body)
		}
		w.reconnect(func(c *directory.Connection) { c.Status, c.SAML.IdPInitiated = directory.ConnectionDraft, true })
		a, attempt := b.tests(w, okta, "", "how", "tile")
		if a.StatusCode != http.StatusOK || !strings.Contains(a.body, "Waiting for") {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		text := sign(w.response(""))
		// In another browser it is no test, and a draft signs nobody in.
		other := w.browser()
		w.wantRefused(other.answers(okta, sign(w.response("")), ""), "connection_draft", "connection_draft")
		// From the IdP's site no cookie comes along, so it is posted once more from ours.
		bare := w.browser()
		bare.header.Set("Sec-Fetch-Site", "cross-site")
		if page := bare.answers(okta, text, ""); page.StatusCode != http.StatusOK || !strings.Contains(page.body, passedOn) {
			t.Errorf("without cookies it is answered %d: %s", page.StatusCode, page.body)
		}
		if end := b.answers(okta, text, ""); end.StatusCode != http.StatusOK || !strings.Contains(end.body, `id="test-ok"`) || b.cookie() != "" {
			t.Fatalf("the end is %d: %s", end.StatusCode, end.body)
		}
		if e, err := w.ExplainAttempt(context.Background(), acme, attempt); err != nil || e.Outcome != "ok" || e.Found.MemberEmail != "bob@acme.test" {
			t.Errorf("%+v, %v", e, err)
		}
		w.reconnect(func(c *directory.Connection) { c.Status = directory.ConnectionActive })
		w.wantRefused(other.answers(okta, text, ""), "replayed", "replayed")
		// The next answer of the tile in that browser is a sign-in again.
		if a := b.answers(okta, sign(w.response("")), ""); a.StatusCode != http.StatusSeeOther || b.cookie() == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestATestByOIDC_ShowsWhoItWouldBeAndLetsNobodyIn(t *testing.T) { // F18
	eachOIDC(t, func(t *testing.T, w *parties) {
		w.join(acme, oidc, func(c *directory.Connection) { c.Status = directory.ConnectionDraft })
		w.person(map[string]any{"groups": []string{"Agents"}, "evil": "<script>alert(1)</script>"})
		before := w.untouched()
		b := w.browser()
		run := func(connection string) (answer, ExplainedAttempt, url.Values) {
			t.Helper()
			a, attempt := b.tests(w.world, connection, "")
			if a.StatusCode != http.StatusSeeOther {
				e, err := w.ExplainAttempt(context.Background(), acme, attempt)
				w.must(err)
				return a, e, nil
			}
			path, q := w.back(a.to())
			end := b.get(path + "?" + q.Encode())
			e, err := w.ExplainAttempt(context.Background(), acme, attempt)
			w.must(err)
			return end, e, q
		}
		end, e, q := run(oidc)
		if end.StatusCode != http.StatusOK || b.cookie() != "" || e.Outcome != "ok" || e.Found == nil || e.Found.Would != "create" || e.Found.Email != "carol@partner.test" || fmt.Sprint(e.Found.Groups) != "[Agents]" {
			t.Fatalf("%d %s: %+v", end.StatusCode, end.body, e)
		}
		received := fmt.Sprint(e.Found.Received)
		if strings.Contains(received, "nonce") || !strings.Contains(received, "evil") {
			t.Errorf("received %s", received)
		}
		if a := b.get("/auth/oidc/callback?" + q.Encode()); a.StatusCode != http.StatusForbidden || b.cookie() != "" {
			t.Errorf("the test's answer once more: %d", a.StatusCode)
		}
		if after := w.untouched(); after != before {
			t.Errorf("the test changed somebody:\n%s\nwas\n%s", after, before)
		}
		// What goes wrong is told: at the IdP, in the token, in discovery.
		w.idp.Do(func(idp *oidctest.IdP) { idp.Claims = func(c map[string]any) { c["aud"] = "another" } })
		if _, e, _ := run(oidc); e.Code != "wrong_audience" || e.Outcome != "refused" || !strings.Contains(e.Received, "another") {
			t.Errorf("a wrong audience: %+v", e)
		}
		w.idp.Do(func(idp *oidctest.IdP) { idp.Claims = nil })
		w.join(acme, "con_gone", func(c *directory.Connection) { c.OIDC.Issuer = "http://127.0.0.1:1" })
		if _, e, _ := run("con_gone"); e.Code != "idp_unreachable" || e.Outcome != "refused" {
			t.Errorf("an IdP that is away: %+v", e)
		}
		// A sign-in's state is no test's, and the other way round.
		w.join(acme, oidc, func(c *directory.Connection) { c.Status = directory.ConnectionActive })
		started, attempt := b.tests(w.world, oidc, "")
		path, tested := w.back(started.to())
		_, signs := w.back(b.begins(oidc))
		mixed := url.Values{"code": tested["code"], "state": signs["state"]}
		w.wantBack(b.get(path+"?"+mixed.Encode()), "oidc_refused", "token_refused")
		mixed = url.Values{"code": signs["code"], "state": tested["state"]}
		if a := b.get(path + "?" + mixed.Encode()); b.cookie() != "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if e, err := w.ExplainAttempt(context.Background(), acme, attempt); err != nil || e.Outcome != "refused" {
			t.Errorf("%+v, %v", e, err)
		}
		other, stolen := w.browser(), ""
		started, _ = b.tests(w.world, oidc, "")
		path, tested = w.back(started.to())
		if a := other.get(path + "?" + tested.Encode()); a.StatusCode != http.StatusForbidden || other.cookie() != stolen {
			t.Errorf("another browser ends it: %d %s", a.StatusCode, a.body)
		}
	})
}

func TestFiftyAnswersToOneTest_EndItOnce(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		a, _ := b.tests(w, okta, "")
		q := w.read(a.to())
		u, _ := url.Parse(b.base)
		secret := ""
		for _, c := range b.client.Jar.Cookies(u) {
			if c.Name == "gatehouse_browser" {
				secret = c.Value
			}
		}
		text := sign(w.response(q.id))
		ended := make([]bool, 50)
		together(len(ended), func(i int) {
			_, err := w.SAML(context.Background(), Answer{Connection: okta, Response: text, RelayState: q.relay, Browser: secret, Client: from("192.0.2.1")})
			_, ended[i] = err.(*TestDone)
		})
		n := 0
		for _, e := range ended {
			if e {
				n++
			}
		}
		if n != 1 || len(w.events(acme, audit.ConnectionTested)) != 1 {
			t.Errorf("%d answers ended the test, with %d events", n, len(w.events(acme, audit.ConnectionTested)))
		}
	})
}

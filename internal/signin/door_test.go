package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestSigninPage_WorksWithoutScriptAndOffersEmergencyAccessToEverybody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		known, unknown := w.browser().get("/signin?workspace=acme"), w.browser().get("/signin?workspace=nowhere")
		pages := []answer{known, unknown, w.browser().get("/signin"), w.browser().get("/signin?identifier=somebody@nowhere.test")}
		for _, a := range pages {
			if a.StatusCode != http.StatusOK || strings.Contains(a.body, "<script") || section(a.body, "<details>", "</p>") != section(known.body, "<details>", "</p>") {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			for _, want := range []string{`action="/signin"`, "Emergency access", "Use emergency access", "/signin?emergency=1"} {
				if !strings.Contains(a.body, want) {
					t.Errorf("%s is missing from %s", want, a.body)
				}
			}
		}
		emergency := w.browser().get("/signin?emergency=1&workspace=acme").body
		for _, want := range []string{`action="/signin"`, `name="workspace" value="acme"`, `name="email"`, `name="password"`, `name="emergency" value="1"`} {
			if !strings.Contains(emergency, want) {
				t.Errorf("%s is missing from %s", want, emergency)
			}
		}
		if strings.NewReplacer(`"acme"`, `"nowhere"`, "=acme", "=nowhere").Replace(known.body) != unknown.body {
			t.Error("the page tells which workspaces exist")
		}
		w.enforce()
		if w.browser().get("/signin?workspace=acme").body != known.body || w.browser().get("/signin?emergency=1&workspace=acme").body != emergency {
			t.Error("the page tells which workspaces are enforced")
		}
		evil := w.browser().get("/signin?workspace=%22%3E%3Cscript%3E%00&notice=" + "%3Cb%3E" + "&continue=%22%3E%3Cscript%3E")
		if strings.Contains(evil.body, "<script") || strings.Contains(evil.body, "<b>") {
			t.Errorf("unescaped: %s", evil.body)
		}
	})
}

// section is the part of a page from from to to.
func section(body, from, to string) string {
	_, rest, _ := strings.Cut(body, from)
	part, _, _ := strings.Cut(rest, to)
	return part
}

func TestRefusedSignIn_AnswersAlikeForKnownAndUnknownAccounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		var first answer
		for i, c := range []struct{ workspace, email, password string }{
			{"acme", "ann@acme.test", "a guess"}, {"acme", "nobody@acme.test", password}, {"acme", "pat@acme.test", password}, {"nowhere", "ann@acme.test", password},
		} {
			b := w.browser()
			a := b.post("/signin", "workspace", c.workspace, "email", c.email, "password", c.password)
			a.body = strings.NewReplacer(`"`+c.workspace+`"`, "", `"`+c.email+`"`, "", "workspace="+c.workspace, "").Replace(a.body)
			if i == 0 {
				first = a
			}
			if a.StatusCode != http.StatusUnauthorized || a.body != first.body || b.cookie() != "" {
				t.Errorf("%v answers %d %s, want as the first", c, a.StatusCode, a.body)
			}
			if !strings.Contains(a.body, errCredentials.Message) || !strings.Contains(a.body, "<code>signin_failed</code>") || strings.Contains(a.body, c.password) {
				t.Errorf("page: %s", a.body)
			}
		}
	})
}

func TestRefusalsOnceProven_AnswerWithTheirSentence(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.browser().post("/signin", "workspace", "acme", "email", "gone@acme.test", "password", password)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "account_deactivated") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		w.wantItsEvent(a, "account_deactivated")
		w.enforce()
		a = w.browser().post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", password, "emergency", "1")
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "sso_required") || !strings.Contains(a.body, `name="emergency" value="1"`) {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		w.wantItsEvent(a, "sso_required")
		_, token := w.makeLink(bob)
		w.deactivate(bob)
		a = w.browser().post("/signin/link/" + token)
		if a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "An administrator of this workspace deactivated this account.") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		w.wantItsEvent(a, "account_deactivated")
		// A password in the address is not read.
		a = w.browser().post("/signin?workspace=acme&email=root@acme.test&password=" + strings.ReplaceAll(password, " ", "+"))
		if a.StatusCode != http.StatusUnauthorized {
			t.Errorf("%d", a.StatusCode)
		}
	})
}

func TestForgedForwardedFor_DoesNotEscapeTheLimit(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		var last answer
		for i := range clientLimit + 1 {
			// The proxy adds the right-most entry; what stands before it is the client's own.
			b.header.Set("X-Forwarded-For", fmt.Sprintf("10.0.0.%d, 198.51.100.7", i))
			last = b.post("/signin", "workspace", "acme", "email", fmt.Sprintf("p%d@acme.test", i), "password", guess)
		}
		if last.StatusCode != http.StatusTooManyRequests || last.Header.Get("Retry-After") != "900" || !strings.Contains(last.body, "Try again in 15 minutes.") {
			t.Errorf("%d %q %s", last.StatusCode, last.Header.Get("Retry-After"), last.body)
		}
		b.header.Set("X-Forwarded-For", "198.51.100.8")
		b.signIn("acme", "ann@acme.test")
	})
}

func TestCookie_IsForThisHostAndNoScript(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		line := w.browser().signIn("acme", "ann@acme.test").Header.Get("Set-Cookie")
		if !regexp.MustCompile(`^gatehouse_session=gses_[0-9A-Za-z]{43}; Path=/; HttpOnly; SameSite=Lax$`).MatchString(line) {
			t.Errorf("Set-Cookie: %s", line)
		}
		door, err := NewDoor(&Service{DB: w.DB, Passwords: w.Passwords, PublicURL: "https://id.example.com"})
		w.must(err)
		mux := http.NewServeMux()
		door.Mount(mux)
		r := httptest.NewRequest("POST", "/signin", strings.NewReader("workspace=acme&email=ann@acme.test&password="+strings.ReplaceAll(password, " ", "+")))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		mux.ServeHTTP(rec, r)
		line = rec.Header().Get("Set-Cookie")
		if !regexp.MustCompile(`^__Host-gatehouse_session=gses_[0-9A-Za-z]{43}; Path=/; HttpOnly; Secure; SameSite=Lax$`).MatchString(line) {
			t.Errorf("Set-Cookie: %s", line)
		}
	})
}

func TestSigningInAgain_EndsTheSessionOfTheBrowser(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		first := b.cookie()
		b.signIn("beta", "zoe@beta.test")
		if b.cookie() == first {
			t.Error("the token stayed")
		}
		if w.live(acme, ann) != 0 || w.live(beta, zoe) != 1 {
			t.Errorf("%d and %d live", w.live(acme, ann), w.live(beta, zoe))
		}
		if got := reasons(w.events(acme, audit.SessionEnded)); got != "session.ended replaced" {
			t.Errorf("events: %s", got)
		}
		b.post("/signin", "workspace", "acme", "email", "ann@acme.test", "password", "wrong")
		if w.live(beta, zoe) != 1 {
			t.Error("a refused sign-in ended the session")
		}
	})
}

func TestSignout_AsksFirstAndEndsTheSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		token := b.cookie()
		if a := b.get("/signout"); a.StatusCode != http.StatusOK || !strings.Contains(a.body, `<form method="post" action="/signout">`) || w.live(acme, ann) != 1 {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		a := b.post("/signout")
		if a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=signed_out&workspace=acme" || b.cookie() != "" || w.live(acme, ann) != 0 {
			t.Errorf("%d %q, cookie %q", a.StatusCode, a.to(), b.cookie())
		}
		if page := b.get(a.to()); !strings.Contains(page.body, "You have signed out.") {
			t.Errorf("page: %s", page.body)
		}
		b.header.Set("Cookie", "gatehouse_session="+token)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("the old token still opens: %d", a.StatusCode)
		}
		if a := b.post("/signout"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("without a session: %d", a.StatusCode)
		}
	})
}

func TestWorkspacePage_ShowsWhoIAmAndWhy(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
		b.header.Set("X-Forwarded-For", "198.51.100.7")
		b.signIn("acme", "bob@acme.test")
		a := b.get("/w/acme")
		for _, want := range []string{"Acme Inc", "Bob", "bob@acme.test", "active", "Member", "lowest role", "Agents", "Password", "Firefox on Linux", "198.51.100.7", "this one"} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%q is missing", want)
			}
		}
		if strings.Contains(a.body, "emergency access") || strings.Contains(a.body, "everywhere else") {
			t.Error("the page shows what does not apply")
		}
		other := w.browser()
		other.signIn("acme", "ann@acme.test")
		if a := other.get("/w/acme"); !strings.Contains(a.body, "Ann &lt;b&gt;Lee&lt;/b&gt;") || !strings.Contains(a.body, "Set by hand") {
			t.Errorf("page: %s", a.body)
		}
	})
}

func TestWorkspacePage_LeadsToTheSettingsWhoMayChangeThem(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for address, may := range map[string]bool{"ann@acme.test": true, "bob@acme.test": false} {
			b := w.browser()
			b.signIn("acme", address)
			if strings.Contains(b.get("/w/acme").body, `href="/console/acme"`) != may {
				t.Errorf("%s: a link to the settings: %v", address, !may)
			}
		}
	})
}

func TestWorkspacePage_SendsEverybodyElseToSignIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		if a := b.get("/w/acme"); a.StatusCode != http.StatusSeeOther || a.to() != "/signin?workspace=acme" {
			t.Errorf("%d %q", a.StatusCode, a.to())
		}
		b.signIn("acme", "ann@acme.test")
		for _, slug := range []string{"beta", "nowhere"} {
			for _, a := range []answer{b.get("/w/" + slug), b.post("/w/" + slug + "/sessions/ses_1/end"), b.post("/w/" + slug + "/sessions/end-others")} {
				if a.StatusCode != http.StatusSeeOther || a.to() != "/signin?workspace="+slug || a.Header.Get("Set-Cookie") != "" {
					t.Errorf("%s: %d %q", slug, a.StatusCode, a.to())
				}
			}
		}
		if w.live(acme, ann) != 1 {
			t.Error("the member's own session ended")
		}
		w.deactivate(ann)
		a := b.get("/w/acme")
		if a.StatusCode != http.StatusSeeOther || a.to() != "/signin?notice=ended&workspace=acme" || b.cookie() != "" {
			t.Errorf("%d %q", a.StatusCode, a.to())
		}
		if page := b.get(a.to()); !strings.Contains(page.body, "Your session has ended.") {
			t.Errorf("page: %s", page.body)
		}
	})
}

func TestEmergencySession_IsMarkedOnThePage(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.enforce()
		b := w.browser()
		b.post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password, "emergency", "1")
		if a := b.get("/w/acme"); !strings.Contains(a.body, "You are signed in by emergency access.") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
	})
}

func TestOwners_AreToldOfEmergencyAccessAndOfAttemptsOnProtectedMembers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			return tx.Record(audit.Event{Type: audit.ProtectedAttempt, Outcome: audit.Refused, Actor: audit.Party{Kind: "directory", Name: "okta"},
				Subject: audit.Party{Kind: "member", ID: root, Name: "root@acme.test"}})
		}))
		member, owner := w.browser(), w.browser()
		member.signIn("acme", "bob@acme.test")
		owner.post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password)
		const told = "The directory okta tried to take out or change root@acme.test"
		if a := owner.get("/w/acme"); !strings.Contains(a.body, told) {
			t.Errorf("the owner is not told: %s", a.body)
		}
		if a := member.get("/w/acme"); strings.Contains(a.body, told) {
			t.Error("a member who is no owner is told")
		}
		w.enforce()
		again := w.browser()
		again.post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password, "emergency", "1")
		if a := again.get("/w/acme"); !strings.Contains(a.body, "root@acme.test signed in by emergency access.") {
			t.Errorf("the owners are not told of emergency access: %s", a.body)
		}
		w.turn(31 * 24 * time.Hour)
		later := w.browser()
		later.post("/signin", "workspace", "acme", "email", "root@acme.test", "password", password, "emergency", "1")
		if a := later.get("/w/acme"); strings.Contains(a.body, told) {
			t.Error("after 31 days the banner is still there")
		}
	})
}

func TestOwnSessions_CanBeEndedAndNobodyElses(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		here, there, far, neighbour := w.browser(), w.browser(), w.browser(), w.browser()
		for _, b := range []*browser{there, far, here} {
			b.signIn("acme", "ann@acme.test")
			w.turn(time.Second)
		}
		neighbour.signIn("acme", "bob@acme.test")
		own, err := w.ListSessions(context.Background(), acme, ann)
		w.must(err)
		others, err := w.ListSessions(context.Background(), acme, bob)
		w.must(err)
		end := func(id string) answer { return here.post("/w/acme/sessions/" + id + "/end") }

		if a := end(own[2].ID); a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme?done=ended" {
			t.Errorf("%d %q", a.StatusCode, a.to())
		}
		if there.get("/auth/session").StatusCode != http.StatusUnauthorized {
			t.Error("the ended session lives")
		}
		foreign, unknown := end(others[0].ID), end("ses_none")
		if foreign.StatusCode != http.StatusNotFound || unknown.StatusCode != http.StatusNotFound || w.live(acme, bob) != 1 {
			t.Errorf("somebody else's: %d, unknown: %d", foreign.StatusCode, unknown.StatusCode)
		}
		if a := here.post("/w/acme/sessions/end-others"); a.to() != "/w/acme?done=others" || w.live(acme, ann) != 1 || far.get("/auth/session").StatusCode != http.StatusUnauthorized {
			t.Errorf("%q, %d live", a.to(), w.live(acme, ann))
		}
		if page := here.get("/w/acme?done=others"); !strings.Contains(page.body, "You are signed out everywhere else.") {
			t.Errorf("page: %s", page.body)
		}
		if a := end(own[0].ID); a.to() != "/signin?notice=signed_out&workspace=acme" || here.cookie() != "" {
			t.Errorf("%q", a.to())
		}
	})
}

func TestFormsFromOtherSites_AreRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "ann@acme.test")
		b.header.Set("Sec-Fetch-Site", "cross-site")
		b.header.Set("Origin", "https://evil.test")
		for _, path := range []string{"/signin", "/signout", "/w/acme/sessions/end-others", "/w/acme/sessions/ses_1/end"} {
			if a := b.post(path); a.StatusCode != http.StatusForbidden {
				t.Errorf("%s answers %d", path, a.StatusCode)
			}
		}
		if w.live(acme, ann) != 1 {
			t.Error("the session ended")
		}
	})
}

func TestSessionEndpoint_SaysWhoIsSignedIn(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		a := b.get("/auth/session")
		if a.StatusCode != http.StatusUnauthorized || a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		b.signIn("acme", "bob@acme.test")
		a = b.get("/auth/session")
		var got map[string]any
		w.must(json.Unmarshal([]byte(a.body), &got))
		want := `{"connection":"","created_at":"2026-05-04T10:00:00Z","expires_at":"2026-05-11T10:00:00Z","member":{"attributes":{},"email":"bob@acme.test","groups":["Agents"],"id":"mem_bob","name":"Bob","role":"Member"},"method":"password","workspace":"acme"}`
		sorted, err := json.Marshal(got)
		w.must(err)
		if string(sorted) != want || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s\nwant %s, headers %v", sorted, want, a.Header)
		}
		other := w.browser()
		other.signIn("acme", "ann@acme.test")
		if a := other.get("/auth/session"); !strings.Contains(a.body, `"groups":[]`) {
			t.Errorf("no groups: %s", a.body)
		}
		w.turn(session.Idle)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("idle: %d", a.StatusCode)
		}
	})
}

func TestTokensOfAnotherShape_AreNobody(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		for _, value := range []string{"", "x", session.TokenPrefix, session.TokenPrefix + strings.Repeat("a", 43), "%00", strings.Repeat("a", 5000)} {
			b.header.Set("Cookie", "gatehouse_session="+value)
			if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
				t.Errorf("%.20q answers %d", value, a.StatusCode)
			}
		}
		// A request's own idea of the member is not read; only the row is.
		r := httptest.NewRequest("GET", "/", nil)
		if _, err := w.Check(context.Background(), r); err != store.ErrNoSession {
			t.Errorf("%v", err)
		}
	})
}

func TestScript_IsServedUnderItsHash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a := w.browser().get(w.door.assets["session.js"].address)
		if a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/javascript") || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") ||
			!strings.Contains(a.body, "EventSource") {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
		if a := w.browser().get("/assets/session.js?v=old"); a.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%v", a.Header)
		}
		if a := w.browser().get("/assets/gatehouse.css"); a.StatusCode != http.StatusOK {
			t.Errorf("the kit's own files: %d", a.StatusCode)
		}
	})
}

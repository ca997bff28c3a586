package signin

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
)

// raise gives bob a role by hand, "" for none.
func (w *world) raise(role string) {
	w.t.Helper()
	svc := &provision.Service{DB: w.DB}
	_, err := svc.SetRole(context.Background(), w.scope(), provision.Who(bob), role)
	w.must(err)
}

func TestARoleThatWasRaised_GivesTheBrowserANewTokenAndTheOldOneDies(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b, tab := w.browser(), w.browser()
		b.signIn("acme", "bob@acme.test")
		old := b.cookie()
		tab.header.Set("Cookie", "gatehouse_session="+old)
		w.raise("Owner")

		// A check by a program goes on, and gets no cookie that it could not keep.
		if a := b.get("/auth/session"); a.StatusCode != http.StatusOK || b.cookie() != old {
			t.Fatalf("the check: %d, cookie changed: %v", a.StatusCode, b.cookie() != old)
		}
		if a := b.get("/w/acme"); a.StatusCode != http.StatusOK || b.cookie() == old || !strings.HasPrefix(b.cookie(), session.TokenPrefix) {
			t.Fatalf("the page: %d, cookie changed: %v", a.StatusCode, b.cookie() != old)
		}
		fresh := b.cookie()
		if a := b.get("/w/acme"); a.StatusCode != http.StatusOK || b.cookie() != fresh {
			t.Errorf("the next page: %d, once more a new cookie: %v", a.StatusCode, b.cookie() != fresh)
		}
		if got := reasons(w.events(acme, audit.SessionRenewed)); got != "session.renewed role_changed" {
			t.Errorf("events: %s", got)
		}
		// What the other tab had sent with the old one is answered, and gets no token.
		if a := tab.get("/w/acme"); a.StatusCode != http.StatusOK || a.Header.Get("Set-Cookie") != "" {
			t.Errorf("the other tab: %d, %q", a.StatusCode, a.Header.Get("Set-Cookie"))
		}
		w.clock.turn(session.RenewGrace)
		if a := tab.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("the old token still opens: %d", a.StatusCode)
		}
		if a := b.get("/auth/session"); a.StatusCode != http.StatusOK || w.live(acme, bob) != 1 {
			t.Errorf("the new token: %d, %d live", a.StatusCode, w.live(acme, bob))
		}
		// A role that is taken away gives nothing to anybody.
		w.raise("")
		if b.get("/w/acme"); b.cookie() != fresh {
			t.Error("a lower role renewed the session")
		}
	})
}

func TestTwoTabsAtOnce_AreNotSignedOutByARenewal(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		b.signIn("acme", "bob@acme.test")
		old := b.cookie()
		w.raise("Owner")
		var tokens sync.Map
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				tab := w.browser()
				tab.header.Set("Cookie", "gatehouse_session="+old)
				a := tab.get("/w/acme")
				if a.StatusCode != http.StatusOK {
					t.Errorf("a tab: %d", a.StatusCode)
				}
				if cookie := a.Header.Get("Set-Cookie"); cookie != "" {
					tokens.Store(cookie, true)
				}
			})
		}
		all.Wait()
		n := 0
		tokens.Range(func(any, any) bool { n++; return true })
		if n != 1 || w.live(acme, bob) != 1 || len(w.events(acme, audit.SessionRenewed)) != 1 {
			t.Errorf("%d new tokens, %d live, %d events", n, w.live(acme, bob), len(w.events(acme, audit.SessionRenewed)))
		}
	})
}

func TestSigningOutEverywhere_EndsThisSessionToo(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		here, there := w.browser(), w.browser()
		here.signIn("acme", "bob@acme.test")
		there.signIn("acme", "bob@acme.test")
		page := here.get("/w/acme")
		for _, want := range []string{`action="/w/acme/sessions/end-others"`, `action="/w/acme/sessions/end-all"`, "12h without use", "7d after it began"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if a := here.post("/w/acme/sessions/end-all"); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.to(), "/signin?notice=signed_out") || here.cookie() != "" {
			t.Errorf("%d %q", a.StatusCode, a.to())
		}
		if w.live(acme, bob) != 0 || there.get("/auth/session").StatusCode != http.StatusUnauthorized {
			t.Errorf("%d live", w.live(acme, bob))
		}
	})
}

func TestSessionsOfOthers_AreEndedByWhoMayManageThemAndByNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		b := w.browser()
		b.signIn("acme", "bob@acme.test")
		b2 := w.browser()
		b2.signIn("acme", "bob@acme.test")
		live, err := w.ListSessions(ctx, acme, bob)
		w.must(err)
		as := func(member string) provision.Scope {
			return provision.Scope{Workspace: acme, Actor: audit.Party{Kind: "member", ID: member}}
		}
		_, err = w.EndSessionsFor(ctx, as(bob), ann, "")
		wantCode(t, err, "permission_missing")
		_, err = w.EndSessionsFor(ctx, as(ann), zoe, "")
		wantCode(t, err, "member_unknown")
		_, err = w.EndSessionsFor(ctx, as(ann), ann, live[0].ID)
		wantCode(t, err, "session_unknown")
		if n := w.live(acme, bob); n != 2 {
			t.Fatalf("%d live", n)
		}
		n, err := w.EndSessionsFor(ctx, as(ann), bob, live[0].ID)
		w.must(err)
		if n != 1 || w.live(acme, bob) != 1 {
			t.Errorf("%d ended, %d live", n, w.live(acme, bob))
		}
		n, err = w.EndSessionsFor(ctx, as(ann), bob, "")
		w.must(err)
		if n != 1 || w.live(acme, bob) != 0 || b.get("/auth/session").StatusCode != http.StatusUnauthorized || b2.get("/auth/session").StatusCode != http.StatusUnauthorized {
			t.Errorf("%d ended, %d live", n, w.live(acme, bob))
		}
	})
}

func TestALifeByPolicy_HoldsForNewSessions(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.policy(func(ws *directory.Workspace) { ws.Policy.SessionIdle, ws.Policy.SessionLife = "15m", "1h" })
		b := w.browser()
		b.signIn("acme", "bob@acme.test")
		for range 5 {
			w.clock.turn(11 * time.Minute)
			if a := b.get("/auth/session"); a.StatusCode != http.StatusOK {
				t.Fatalf("used every eleven minutes: %d", a.StatusCode)
			}
			w.must(w.DB.FlushMarks(context.Background()))
		}
		w.clock.turn(5 * time.Minute)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("after an hour: %d", a.StatusCode)
		}
		b.signIn("acme", "bob@acme.test")
		w.clock.turn(15 * time.Minute)
		if a := b.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("after a quarter of an hour without use: %d", a.StatusCode)
		}
	})
}

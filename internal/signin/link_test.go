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
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// makeLink makes a link for a member of acme and returns its path and its token.
func (w *world) makeLink(member string) (path, token string) {
	w.t.Helper()
	link, _, err := w.MakeLink(context.Background(), acme, member, false, operator)
	w.must(err)
	u, err := url.Parse(link)
	w.must(err)
	return u.Path, strings.TrimPrefix(u.Path, linkPath)
}

func TestLink_SignsInOnceAndMakesAPendingPersonAMember(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		link, expires, err := w.MakeLink(context.Background(), acme, pat, false, operator)
		w.must(err)
		if !strings.HasPrefix(link, "http://gatehouse.test/signin/link/glink_") || !expires.Equal(w.clock.now().Add(10*time.Minute)) {
			t.Errorf("link %s until %s", link, expires)
		}
		_, token, _ := strings.Cut(link, linkPath)
		w.turn(time.Second)
		_, s, err := w.UseLink(context.Background(), token, from("192.0.2.1"))
		w.must(err)
		if s.Method != directory.MethodLink || s.Member != pat {
			t.Errorf("session %+v", s)
		}
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			m, err := tx.Member(pat)
			if err == nil && m.Status() != directory.StatusActive {
				t.Errorf("status %s", m.Status())
			}
			return err
		}))
		w.turn(time.Second)
		_, _, err = w.UseLink(context.Background(), token, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
		got := reasons(w.events(acme, audit.SignInLinkMade, audit.SignInSucceeded, audit.SignInRefused, audit.MemberActivated))
		if got != "signin.link_made , signin.succeeded link, member.activated first_sign_in, signin.refused link_invalid" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestLink_LastsTenMinutes(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, late := w.makeLink(bob)
		w.turn(LinkValid)
		_, _, err := w.UseLink(context.Background(), late, from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
		_, inTime := w.makeLink(bob)
		w.turn(LinkValid - time.Second)
		_, _, err = w.UseLink(context.Background(), inTime, from("192.0.2.1"))
		w.must(err)
	})
}

func TestLink_OfTwentyAtOnceOneSucceeds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, token := w.makeLink(bob)
		results := make([]error, 20)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { _, _, results[i] = w.UseLink(context.Background(), token, from("192.0.2.1")) })
		}
		wg.Wait()
		succeeded := 0
		for _, err := range results {
			if err == nil {
				succeeded++
				continue
			}
			wantCode(t, err, "link_invalid")
		}
		if succeeded != 1 || w.live(acme, bob) != 1 {
			t.Errorf("%d succeeded, %d sessions", succeeded, w.live(acme, bob))
		}
	})
}

func TestLink_IsRefusedForPeopleWhoAreOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, _, err := w.MakeLink(context.Background(), acme, gone, false, operator)
		wantCode(t, err, "account_deactivated")
		if e := errs.As(err); e == nil || e.Message != "Your organisation's directory deactivated this account." {
			t.Errorf("sentence: %v", err)
		}
		w.turn(time.Second)
		_, token := w.makeLink(bob)
		w.deactivate(bob)
		_, _, err = w.UseLink(context.Background(), token, from("192.0.2.1"))
		wantCode(t, err, "account_deactivated") // the deactivation ended it
		if w.live(acme, bob) != 0 {
			t.Error("a session was started")
		}
		got := w.events(acme, audit.SignInLinkMade)
		if reasons(got) != "signin.link_made account_deactivated, signin.link_made " || got[0].Outcome != audit.Refused || got[0].Actor != operator {
			t.Errorf("events: %+v", got)
		}
	})
}

func TestOwnerLink_NeedsAnOwner(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, _, err := w.MakeLink(context.Background(), acme, bob, true, operator)
		wantCode(t, err, "not_an_owner")
		w.enforce()
		_, _, err = w.MakeLink(context.Background(), acme, ann, true, operator)
		w.must(err)
		_, _, err = w.MakeLink(context.Background(), acme, zoe, false, operator)
		wantCode(t, err, "member_unknown")
	})
}

func TestLink_UnknownIsCountedAsAStranger(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, _, err := w.UseLink(context.Background(), "glink_none", from("192.0.2.1"))
		wantCode(t, err, "link_invalid")
		w.must(w.DB.FlushMarks(context.Background()))
		strangers, err := w.DB.System().Strangers(context.Background(), time.Time{})
		w.must(err)
		if len(strangers) != 1 || strangers[0].Reason != "signin.link_invalid" || strangers[0].Source != "192.0.2.1/32" {
			t.Errorf("strangers: %+v", strangers)
		}
	})
}

func TestLink_ThatIsKeptBeingUsedStopsFillingTheLog(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, token := w.makeLink(bob)
		var last error
		for range linkLimit + 5 {
			_, _, last = w.UseLink(context.Background(), token, from("192.0.2.1"))
		}
		wantCode(t, last, "too_many_attempts")
		if got := len(w.events(acme, audit.SignInRefused)); got != linkLimit-1 {
			t.Errorf("%d events", got)
		}
	})
}

func TestLinkPage_IsNotConsumedByBeingLookedAt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		path, token := w.makeLink(bob)
		for range 3 { // a mail scanner, a prefetch, a preview
			a := w.browser().get(path)
			if a.StatusCode != http.StatusOK || !strings.Contains(a.body, `<form method="post" action="`+path+`">`) {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if w.browser().do("HEAD", path, nil).StatusCode != http.StatusOK {
				t.Error("HEAD is not answered like GET")
			}
		}
		b := w.browser()
		a := b.post(path)
		if a.StatusCode != http.StatusSeeOther || a.to() != "/w/acme" || b.cookie() == "" {
			t.Fatalf("%d %q", a.StatusCode, a.to())
		}
		if page := b.get("/w/acme"); !strings.Contains(page.body, "bob@acme.test") || !strings.Contains(page.body, "One-time link") {
			t.Errorf("page: %s", page.body)
		}
		again := w.browser().post(path)
		if again.StatusCode != http.StatusForbidden || !strings.Contains(again.body, "was used already, has expired or was never made") ||
			!strings.Contains(again.body, "link_invalid") || strings.Contains(again.body, token) {
			t.Errorf("%d %s", again.StatusCode, again.body)
		}
		unknown := w.browser().post(linkPath + "glink_none")
		if unknown.StatusCode != again.StatusCode || withoutRequest(unknown.body) != withoutRequest(again.body) {
			t.Errorf("an unknown link answers differently: %d %s", unknown.StatusCode, unknown.body)
		}
	})
}

func TestLink_IsRefusedFromAnotherSite(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		path, _ := w.makeLink(bob)
		b := w.browser()
		b.header.Set("Sec-Fetch-Site", "cross-site")
		b.header.Set("Origin", "https://evil.test")
		if a := b.post(path); a.StatusCode != http.StatusForbidden || !strings.Contains(a.body, "cross_origin") {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if w.live(acme, bob) != 0 {
			t.Error("a session was started")
		}
	})
}

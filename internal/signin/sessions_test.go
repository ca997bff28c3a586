package signin

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestDeactivationBetweenCheckAndSession_LeavesNoLiveSession(t *testing.T) {
	ways := map[string]func(w *world) func() error{
		"password": func(w *world) func() error {
			return func() error { _, err := w.as("bob@acme.test", password, "192.0.2.1"); return err }
		},
		"link": func(w *world) func() error {
			_, token := w.makeLink(bob)
			return func() error { return errOf(w.UseLink(context.Background(), token, from("192.0.2.1"))) }
		},
	}
	for way, prepare := range ways {
		t.Run(way, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				entered := make(chan error, 1)
				// The deactivation has ended the sessions there are and has not committed when the
				// sign-in arrives. It goes on when the sign-in is through, which only a sign-in that
				// does not wait for the member's lock can be, else after a moment.
				signIn := prepare(w)
				var once sync.Once
				w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
					if err := tx.LockPeople([]string{bob}, false); err != nil {
						return err
					}
					m, err := tx.Member(bob)
					if err != nil {
						return err
					}
					m.Sources = m.Sources.With(directory.SourceOwner)
					tx.UpdateMember(m)
					if _, err := tx.EndSessions(bob, "", "deactivated", false); err != nil {
						return err
					}
					once.Do(func() { go func() { entered <- signIn() }() })
					select {
					case err := <-entered:
						entered <- err
					case <-time.After(500 * time.Millisecond):
					}
					return tx.Record(audit.Event{Type: audit.MemberDeactivated})
				}))
				wantCode(t, <-entered, "account_deactivated")
				if n := w.live(acme, bob); n != 0 {
					t.Errorf("%d live sessions of somebody who is out", n)
				}
			})
		})
	}
}

func errOf(_ string, _ *session.Session, err error) error { return err }

func TestDeactivationsRacingSignIns_LeaveNoLiveSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		scope := provision.Scope{Workspace: acme, Actor: operator}
		for range 10 {
			_, err := w.people.Restore(context.Background(), scope, provision.Who(bob))
			w.must(err)
			var wg sync.WaitGroup
			for range 4 {
				_, token := w.makeLink(bob)
				wg.Go(func() {
					if err := errOf(w.UseLink(context.Background(), token, from("192.0.2.1"))); err != nil && !errs.Is(err, errs.KindForbidden) {
						t.Error(err)
					}
				})
			}
			wg.Go(func() { w.deactivate(bob) })
			wg.Wait()
			if n := w.live(acme, bob); n != 0 {
				t.Fatalf("%d live sessions of somebody who is out", n)
			}
		}
	})
}

func TestSession_OfSomebodyDeactivatedIsDeadAtTheNextCheck(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token, err := w.as("bob@acme.test", password, "192.0.2.1")
		w.must(err)
		check := func() error {
			_, err := w.DB.SessionByToken(context.Background(), keys.HashToken(token), w.clock.now())
			return err
		}
		w.must(check())
		w.deactivate(bob)
		wantCode(t, check(), "session_ended")
	})
}

func TestSessions_AreListedAndEndedByTheCommandLine(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		for i := range 3 {
			_, err := w.as("ann@acme.test", password, fmt.Sprintf("192.0.2.%d", i+1))
			w.must(err)
			w.turn(time.Second)
		}
		live, err := w.ListSessions(ctx, acme, ann)
		w.must(err)
		if len(live) != 3 || live[0].Address != "192.0.2.3" {
			t.Fatalf("sessions %+v", live)
		}
		w.must(w.EndSession(ctx, acme, live[0].ID, EndedByOperator, operator))
		wantCode(t, w.EndSession(ctx, acme, live[0].ID, EndedByOperator, operator), "session_unknown")
		wantCode(t, w.EndSession(ctx, beta, live[1].ID, EndedByOperator, operator), "session_unknown")
		w.turn(time.Second)
		ended, err := w.EndAllSessions(ctx, acme, ann, "", EndedByOperator, operator)
		w.must(err)
		if ended != 2 || w.live(acme, ann) != 0 {
			t.Errorf("%d ended, %d live", ended, w.live(acme, ann))
		}
		if got := reasons(w.events(acme, audit.SessionEnded, audit.SessionsEnded)); got != "session.ended ended_by_operator, session.all_ended ended_by_operator" {
			t.Errorf("events: %s", got)
		}
		ended, err = w.EndAllSessions(ctx, acme, ann, "", EndedByOperator, operator)
		if w.must(err); ended != 0 {
			t.Errorf("%d ended of none", ended)
		}
		_, err = w.EndAllSessions(ctx, beta, ann, "", EndedByOperator, operator)
		wantCode(t, err, "member_unknown")
		_, err = w.ListSessions(ctx, beta, ann)
		wantCode(t, err, "member_unknown")
	})
}

func TestWhy_NamesWhatEndedASession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, s, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: "bob@acme.test", Password: password, Client: from("192.0.2.1")})
		w.must(err)
		last := &store.LiveSession{Session: *s, Member: directory.Member{ID: bob}}
		why := func(want string) {
			t.Helper()
			ended, err := w.why(context.Background(), last)
			if err != nil || ended.Reason != want || ended.Message == "" {
				t.Errorf("%+v %v, want %s", ended, err, want)
			}
		}
		why("session_ended")
		last.Connection = "con_none"
		why("connection_disabled")
		w.enforce()
		why("sso_required")
		w.deactivate(bob)
		why("account_deactivated")
		w.turn(session.Idle)
		why("session_expired")
	})
}

func TestBrowserNames_AreWords(t *testing.T) {
	for agent, want := range map[string]string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                                  "Firefox on Linux",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0":           "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15":                   "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1": "Safari on iPhone",
		"Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36":                            "Chrome on Android",
		"curl/8.5.0":     "curl",
		"something else": "Unknown browser",
		"":               "Unknown browser",
	} {
		if got := BrowserName(agent); got != want {
			t.Errorf("%q is %q, want %q", agent, got, want)
		}
	}
}

func TestCut_MakesTextThatBothDatabasesHold(t *testing.T) {
	for in, want := range map[string]string{"plain": "plain", "a\x00b\nc": "a b c", "a\xffb": "a?b", "äöü": "äö", "abcdefgh": "abcde"} {
		if got := cut(in, 5); got != want {
			t.Errorf("cut(%q) = %q, want %q", in, got, want)
		}
	}
}

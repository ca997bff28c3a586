package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// application is a host application that hears of logouts and answers as told.
type application struct {
	*httptest.Server
	status atomic.Int64
	heard  chan url.Values
}

func newApplication(t *testing.T) *application {
	a := &application{heard: make(chan url.Values, 100)}
	a.status.Store(http.StatusOK)
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		form, parseErr := url.ParseQuery(string(body))
		if err != nil || parseErr != nil || r.Method != http.MethodPost || r.URL.Path != "/logout" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
			t.Errorf("%s %s with %q: %v", r.Method, r.URL, body, err)
		}
		a.heard <- form
		if status := int(a.status.Load()); status/100 == 3 {
			http.Redirect(w, r, "/elsewhere", status)
		} else {
			w.WriteHeader(status)
		}
	}))
	t.Cleanup(a.Close)
	return a
}

// listens makes the server the one that app_one is told at.
func (w *world) listens(a *application) {
	w.write(acme, func(tx *store.Tx) error {
		tx.UpdateApplication(directory.Application{ID: "app_one", Name: "App", RedirectURIs: []string{callback}, BackchannelLogoutURI: a.URL + "/logout"})
		return nil
	})
}

func (w *world) logoutJob(live *store.LiveSession) store.Job {
	body, err := json.Marshal(store.Logout{Application: "app_one", Session: live.ID, Member: live.Member.ID})
	w.must(err)
	return store.Job{ID: "job_1", Workspace: acme, Kind: store.JobLogout, Body: string(body)}
}

func TestLogoutToken_IsWhatBackChannelLogoutAsksFor(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, live := newApplication(t), w.annIn()
		w.listens(a)
		w.must(w.SendLogout(bg, w.logoutJob(live)))
		w.must(w.SendLogout(bg, w.logoutJob(live)))
		raw, err := w.Keys.JWKS(bg)
		w.must(err)
		seen := map[string]bool{}
		for range 2 {
			form := <-a.heard
			token := form.Get("logout_token")
			payload, err := keySet{raw}.VerifySignature(bg, token)
			w.must(err)
			signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
			w.must(err)
			if typ := signed.Signatures[0].Header.ExtraHeaders[jose.HeaderType]; typ != "logout+jwt" || len(form) != 1 {
				t.Errorf("type %v, form %v", typ, form)
			}
			var c struct {
				Issuer   string                    `json:"iss"`
				Audience string                    `json:"aud"`
				Subject  string                    `json:"sub"`
				Session  string                    `json:"sid"`
				ID       string                    `json:"jti"`
				IssuedAt int64                     `json:"iat"`
				Expires  int64                     `json:"exp"`
				Nonce    *string                   `json:"nonce"`
				Events   map[string]map[string]any `json:"events"`
			}
			w.must(json.Unmarshal(payload, &c))
			if c.Issuer != issuer || c.Audience != "app_one" || c.Subject != w.ann || c.Session != live.ID || c.Nonce != nil || c.ID == "" || seen[c.ID] ||
				c.IssuedAt != w.now().Unix() || c.Expires != w.now().Add(2*time.Minute).Unix() ||
				len(c.Events) != 1 || c.Events["http://schemas.openid.net/event/backchannel-logout"] == nil {
				t.Errorf("claims %s", payload)
			}
			seen[c.ID] = true
		}
		if got := w.events(acme, audit.ApplicationLogoutSent); !slices.Equal(got, []string{"ok ", "ok "}) {
			t.Errorf("events %q", got)
		}
	})
}

func TestLogout_IsTriedAgainUnlessItWasRefusedForGood(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, live := newApplication(t), w.annIn()
		w.listens(a)
		permanent := errorOf(jobs.Permanent(errors.New("x")))
		for status, want := range map[int]string{200: "sent", 204: "sent", 400: "for good", 401: "again", 500: "again", 503: "again", 302: "again", 307: "again", 202: "again"} {
			a.status.Store(int64(status))
			err := w.SendLogout(bg, w.logoutJob(live))
			got := "sent"
			if err != nil {
				got = "again"
				if errorOf(err) == permanent {
					got = "for good"
				}
			}
			if got != want {
				t.Errorf("%d: %s (%v), want %s", status, got, err, want)
			}
			<-a.heard
		}
		a.Close()
		if err := w.SendLogout(bg, w.logoutJob(live)); err == nil || errorOf(err) == permanent {
			t.Errorf("nobody listens: %v", err)
		}
		w.LogoutHandler().Dead(bg, w.logoutJob(live), errors.New("x"))
		if got := w.events(acme, audit.ApplicationLogoutSent); !slices.Equal(got, []string{"ok ", "ok ", "refused given_up"}) {
			t.Errorf("events %q", got)
		}
	})
}

// errorOf names the outermost type that jobs tells permanent errors by.
func errorOf(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if name := fmt.Sprintf("%T", err); strings.HasPrefix(name, "jobs.") {
			return name
		}
	}
	return ""
}

func TestLogout_OfNobodyWhoListensIsDone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, live := newApplication(t), w.annIn()
		w.listens(a)
		j := w.logoutJob(live)
		j.Workspace = beta
		w.must(w.SendLogout(bg, j))
		w.write(acme, func(tx *store.Tx) error {
			tx.UpdateApplication(directory.Application{ID: "app_one", Name: "App"})
			return nil
		})
		w.must(w.SendLogout(bg, w.logoutJob(live)))
		w.write(acme, func(tx *store.Tx) error { tx.DeleteApplication("app_one"); return nil })
		w.must(w.SendLogout(bg, w.logoutJob(live)))
		if len(a.heard) != 0 || len(w.events(acme, audit.ApplicationLogoutSent)) != 0 {
			t.Error("somebody was told")
		}
	})
}

func TestDeactivation_ReachesTheApplicationThroughTheOutbox(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		a, live := newApplication(t), w.annIn()
		w.listens(a)
		w.given(live)
		ctx, stop := context.WithCancel(bg)
		runner := &jobs.Runner{DB: w.DB, Handlers: map[string]jobs.Handler{store.JobLogout: w.LogoutHandler()}, Log: slog.New(slog.DiscardHandler)}
		done := make(chan error, 1)
		go func() { done <- runner.Run(ctx) }()
		begin := time.Now()
		w.say(false)
		select {
		case <-a.heard:
			t.Logf("told %s after the directory's word", time.Since(begin))
		case <-time.After(20 * time.Second):
			t.Error("the application was not told")
		}
		stop()
		w.must(<-done)
	})
}

func TestCodeThatWasNeverRedeemed_NeedsNoLogout(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		w.authorize(live, newProof())
		w.write(acme, func(tx *store.Tx) error { return tx.EndSession(live.ID, "signed_out") })
		w.turn(session.Absolute)
		w.must(w.EndExpired(bg))
		if got := w.logouts(); len(got) != 0 {
			t.Errorf("logouts %q", got)
		}
	})
}

func TestEndExpired_LooksAtASessionOnlyWhenItMayHaveRunOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		given := w.given(live)
		due := func() int {
			list, err := w.DB.System().DueSessions(bg, w.now(), 10)
			w.must(err)
			return len(list)
		}
		w.turn(session.Idle - time.Second)
		if due() != 0 {
			t.Error("it is looked at early")
		}
		// The browser came by meanwhile: not run out, and not looked at again for as long.
		w.turn(-time.Hour)
		_, err := w.Refresh(bg, w.client("app_one"), given.Refresh)
		w.must(err)
		w.must(w.DB.FlushMarks(bg))
		w.turn(time.Hour + time.Second)
		w.must(w.EndExpired(bg))
		if due() != 0 || len(w.logouts()) != 0 {
			t.Error("a session that was used is ended or looked at again")
		}
		// A session that ended while a code was being made: looked at and forgotten.
		w.write(acme, func(tx *store.Tx) error { return tx.EndSession(live.ID, "signed_out") })
		p := newProof()
		_, err = w.Redeem(bg, w.client("app_one"), w.authorize(live, p), callback, p.verifier)
		refused(t, err, "invalid_grant", "session_ended")
		w.turn(session.Absolute)
		w.must(w.EndExpired(bg))
		if due() != 0 {
			t.Error("an ended session is looked at for ever")
		}
	})
}

func TestEndExpired_TellsOfASessionThatWasShortenedWhenItRunsOut(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		w.given(live)
		w.write(acme, func(tx *store.Tx) error {
			ids, err := tx.ShortenSessionsOfConnection(live.Connection, tx.Now().Add(time.Hour))
			if err == nil && len(ids) == 0 {
				t.Error("nothing was shortened")
			}
			return err
		})
		w.turn(time.Hour - time.Second)
		w.must(w.EndExpired(bg))
		if got := w.logouts(); len(got) != 0 {
			t.Errorf("told early: %q", got)
		}
		w.turn(time.Second)
		w.must(w.EndExpired(bg))
		if got := w.logouts(); len(got) != 1 {
			t.Errorf("logouts %q, want one", got)
		}
	})
}

func TestEndExpired_EndsManyMoreThanOneBatch(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		const many = expireBatch + 20
		w.write(acme, func(tx *store.Tx) error {
			for i := range many {
				id := "many" + string(rune('a'+i%26)) + string(rune('a'+i/26))
				tx.InsertSession(&session.Session{ID: "ses_" + id, Member: w.ann, ExpiresAt: tx.Now().Add(session.Absolute)}, "sh"+id)
				tx.InsertGrant(store.Grant{ID: "gra_" + id, Application: "app_one", Session: "ses_" + id, Member: w.ann, Scope: "openid"}, "ch"+id, store.Code{ExpiresAt: tx.Now().Add(time.Minute)})
				if _, err := tx.HoldGrant("gra_" + id); err != nil {
					return err
				}
			}
			return nil
		})
		w.turn(session.Idle)
		w.must(w.EndExpired(bg))
		told := 0
		for list := w.claimed(); len(list) > 0; list = w.claimed() {
			told += len(list)
		}
		if told != many || len(w.events(acme, audit.SessionEnded)) != many {
			t.Errorf("%d logouts and %d events, want %d", told, len(w.events(acme, audit.SessionEnded)), many)
		}
	})
}

package grants

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

func TestAuthorize_RefusesWhatCannotBeGiven(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, p := w.annIn(), newProof()
		good := AuthorizeRequest{RedirectURI: callback, Scope: "openid", Challenge: p.challenge}
		if _, err := w.Authorize(bg, live, w.client("app_one"), good); err != nil {
			t.Fatal(err)
		}
		for reason, c := range map[string]struct {
			client, code string
			edit         func(r *AuthorizeRequest)
		}{
			"other_workspace": {"app_beta", "access_denied", func(r *AuthorizeRequest) {}},
			"redirect_uri":    {"app_one", "invalid_request", func(r *AuthorizeRequest) { r.RedirectURI += "/" }},
			"pkce_missing":    {"app_one", "invalid_request", func(r *AuthorizeRequest) { r.Challenge = "" }},
			"nonce_too_long":  {"app_one", "invalid_request", func(r *AuthorizeRequest) { r.Nonce = strings.Repeat("n", 1025) }},
			"scope":           {"app_one", "invalid_scope", func(r *AuthorizeRequest) { r.Scope = "profile email" }},
		} {
			req := good
			c.edit(&req)
			_, err := w.Authorize(bg, live, w.client(c.client), req)
			refused(t, err, c.code, reason)
		}
	})
}

func TestRedeem_GivesTokensOfTheGrantedScope(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		given := w.given(live)
		if given.Scope != everything || given.ExpiresIn != AccessLife || !strings.HasPrefix(given.Refresh, RefreshPrefix) {
			t.Errorf("given %+v", given)
		}
		h, err := w.Access(bg, given.Access)
		w.must(err)
		if h.LiveSession.Member.ID != w.ann || h.Session.ID != live.ID || h.Application != "app_one" || h.Scope != everything || !h.ExpiresAt.Equal(w.now().Add(AccessLife)) {
			t.Errorf("holder %+v", h)
		}
		p := newProof()
		code, err := w.Authorize(bg, live, w.client("app_one"), AuthorizeRequest{RedirectURI: callback, Scope: "email admin openid email", Challenge: p.challenge})
		w.must(err)
		less, err := w.Redeem(bg, w.client("app_one"), code, callback, p.verifier)
		w.must(err)
		if less.Scope != "openid email" || less.Refresh != "" {
			t.Errorf("of a smaller scope came %+v", less)
		}
		if got := w.events(acme, audit.ApplicationSignedIn); len(got) != 2 {
			t.Errorf("events %q, want one for each code", got)
		}
		w.turn(AccessLife)
		w.dead(given.Access)
	})
}

func TestCode_RedeemedByTwentyAtOnceGivesOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := newProof()
		code, client := w.authorize(w.annIn(), p), w.client("app_one")
		var mu sync.Mutex
		var given []Tokens
		var all sync.WaitGroup
		gate := make(chan struct{})
		for range 20 {
			all.Go(func() {
				<-gate
				got, err := w.Redeem(bg, client, code, callback, p.verifier)
				if err != nil {
					refused(t, err, "invalid_grant", "code_reused")
					return
				}
				mu.Lock()
				defer mu.Unlock()
				given = append(given, got)
			})
		}
		close(gate)
		all.Wait()
		if len(given) != 1 {
			t.Fatalf("%d of 20 were given tokens", len(given))
		}
		// The second use ended what the first gave, and left one event.
		w.dead(given[0].Access)
		_, err := w.Refresh(bg, client, given[0].Refresh)
		refused(t, err, "invalid_grant", "session_ended")
		if got := w.events(acme, audit.ApplicationGrantRevoked); !slices.Equal(got, []string{"refused code_reused"}) {
			t.Errorf("events %q", got)
		}
	})
}

func TestCode_OfAnotherClientIsRefusedAndNotSpoilt(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p := newProof()
		code := w.authorize(w.annIn(), p)
		_, err := w.Redeem(bg, w.client("app_two"), code, callback, p.verifier)
		refused(t, err, "invalid_grant", "other_client")
		_, err = w.Redeem(bg, w.client("app_beta"), code, callback, p.verifier)
		refused(t, err, "invalid_grant", "code_unknown")
		given, err := w.Redeem(bg, w.client("app_one"), code, callback, p.verifier)
		w.must(err)
		w.alive(given.Access)
		// Nor does another client's second use end anything.
		_, err = w.Redeem(bg, w.client("app_two"), code, callback, p.verifier)
		refused(t, err, "invalid_grant", "other_client")
		w.alive(given.Access)
		if got := w.events(acme, audit.ApplicationRefused); !slices.Equal(got, []string{"refused code_of_another_client"}) {
			t.Errorf("events %q, want the one while the code was worth something", got)
		}
	})
}

func TestCode_WithAnotherRedirectOrVerifierIsUsedUp(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, client := w.annIn(), w.client("app_one")
		for _, c := range []struct{ name, redirect, verifier, reason string }{
			{"another redirect URI", callback + "?x", "", "redirect_uri_mismatch"},
			{"no redirect URI", "-", "", "redirect_uri_mismatch"},
			{"another verifier", callback, newProof().verifier, "pkce_mismatch"},
			{"no verifier", callback, "-", "pkce_mismatch"},
			{"the challenge as verifier", callback, "challenge", "pkce_mismatch"},
		} {
			p := newProof()
			code := w.authorize(live, p)
			redirect, verifier := c.redirect, c.verifier
			switch verifier {
			case "":
				verifier = p.verifier
			case "-":
				verifier = ""
			case "challenge":
				verifier = p.challenge
			}
			_, err := w.Redeem(bg, client, code, strings.TrimPrefix(redirect, "-"), verifier)
			t.Log(c.name)
			refused(t, err, "invalid_grant", c.reason)
			_, err = w.Redeem(bg, client, code, callback, p.verifier)
			refused(t, err, "invalid_grant", "code_reused")
		}
		if got := w.events(acme, audit.ApplicationGrantRevoked); len(got) != 5 {
			t.Errorf("events %q, want one for each code", got)
		}
	})
}

func TestCode_MadeWithoutChallengeIsWorthNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		for _, verifier := range []string{newProof().verifier, ""} {
			code, hash := keys.NewToken(CodePrefix)
			w.write(acme, func(tx *store.Tx) error {
				tx.InsertGrant(store.Grant{ID: keys.ID("gra_", tx.Now()), Application: "app_one", Session: live.ID, Member: w.ann, Scope: "openid"}, hash,
					store.Code{RedirectURI: callback, ExpiresAt: tx.Now().Add(CodeLife)})
				return nil
			})
			_, err := w.Redeem(bg, w.client("app_one"), code, callback, verifier)
			refused(t, err, "invalid_grant", "pkce_downgrade")
		}
	})
}

func TestCode_LivesSixtySeconds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, p, client := w.annIn(), newProof(), w.client("app_one")
		code := w.authorize(live, p)
		late := w.authorize(live, p)
		w.turn(CodeLife - time.Second)
		_, err := w.Redeem(bg, client, code, callback, p.verifier)
		w.must(err)
		w.turn(time.Second)
		_, err = w.Redeem(bg, client, late, callback, p.verifier)
		refused(t, err, "invalid_grant", "code_expired")
		_, err = w.Redeem(bg, client, CodePrefix+"nobody", callback, p.verifier)
		refused(t, err, "invalid_grant", "code_unknown")
		_, err = w.Redeem(bg, client, "\x00\xff", callback, p.verifier)
		refused(t, err, "invalid_grant", "code_unknown")
	})
}

// ways are all the ways in which a session of ann's comes to its end.
var ways = map[string]func(w *world, live *store.LiveSession){
	"deactivated by the directory": func(w *world, _ *store.LiveSession) { w.say(false) },
	"deleted by the directory": func(w *world, _ *store.LiveSession) {
		w.must(w.people.DeleteUser(bg, w.feed, w.annUser))
	},
	"lost the last mapped group": func(w *world, _ *store.LiveSession) { w.inGroup(scim.MemberRemove) },
	"signed out": func(w *world, live *store.LiveSession) {
		w.write(acme, func(tx *store.Tx) error { return tx.EndSession(live.ID, "signed_out") })
	},
	"revoked with all others": func(w *world, _ *store.LiveSession) {
		w.write(acme, func(tx *store.Tx) error { _, err := tx.EndSessions(w.ann, "", "ended_by_operator", false); return err })
	},
	"connection disabled": func(w *world, _ *store.LiveSession) {
		w.write(acme, func(tx *store.Tx) error {
			if err := tx.LockPolicy(); err != nil {
				return err
			}
			w.disable(tx)
			_, err := tx.EndSessionsOfConnection(okta, "connection_disabled")
			return err
		})
	},
	"idle": func(w *world, _ *store.LiveSession) {
		w.turn(session.Idle)
		w.must(w.EndExpired(bg))
	},
	"absolute end": func(w *world, live *store.LiveSession) {
		w.turn(session.Absolute)
		w.must(w.EndExpired(bg))
	},
}

func (w *world) disable(tx *store.Tx) { setStatus(tx, directory.ConnectionDisabled) }

func setStatus(tx *store.Tx, status directory.ConnectionStatus) {
	tx.SaveConnection(directory.Connection{ID: okta, Name: "idp", Provider: "generic", Protocol: directory.ProtocolSAML, Status: status}, false)
}

func TestEndOfASession_EndsWhatItGaveAndTellsTheApplicationOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for name, end := range ways {
			w.newAnn()
			endsAll(t, w, name, end)
			w.write(acme, func(tx *store.Tx) error { setStatus(tx, directory.ConnectionActive); return nil })
		}
	})
}

// newAnn puts somebody else in ann's place.
func (w *world) newAnn() {
	w.t.Helper()
	w.annName = fmt.Sprint("ann", rand.Int64())
	w.annUser, w.ann = w.create(w.annName, "Ann Lee")
	w.inGroup(scim.MemberAdd)
}

func endsAll(t *testing.T, w *world, name string, end func(w *world, live *store.LiveSession)) {
	live, p, client := w.annIn(), newProof(), w.client("app_one")
	bobs := w.given(w.signIn(acme, w.bob, ""))
	open := w.authorize(live, p)
	first, again := w.given(live), w.given(live)
	w.alive(first.Access)
	if got := w.logoutsOf(live); len(got) != 0 {
		t.Fatalf("%s: logouts before the end: %q", name, got)
	}
	begun := w.now()
	end(w, live)
	w.dead(first.Access)
	w.dead(again.Access)
	if _, err := w.Refresh(bg, client, first.Refresh); err == nil {
		t.Errorf("%s: a refresh token outlived its session", name)
	}
	if w.now().Equal(begun) { // else everything has run out
		_, err := w.Redeem(bg, client, open, callback, p.verifier)
		refused(t, err, "invalid_grant", "session_ended")
		_, err = w.Refresh(bg, client, again.Refresh)
		refused(t, err, "invalid_grant", "session_ended")
		w.alive(bobs.Access)
	}
	if got := w.logoutsOf(live); !slices.Equal(got, []string{"app_one " + live.ID}) {
		t.Errorf("%s: logouts %q, want one", name, got)
	}
}

// logoutsOf are the logouts of one session.
func (w *world) logoutsOf(live *store.LiveSession) []string {
	return slices.DeleteFunc(w.logouts(), func(l string) bool { return !strings.HasSuffix(l, live.ID) })
}

func TestConnectionThatIsOff_OpensNothingEvenWhileSessionsStand(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, p, client := w.annIn(), newProof(), w.client("app_one")
		open, given := w.authorize(live, p), w.given(live)
		w.write(acme, func(tx *store.Tx) error { w.disable(tx); return nil })
		w.dead(given.Access)
		_, err := w.Redeem(bg, client, open, callback, p.verifier)
		refused(t, err, "invalid_grant", "session_ended")
		_, err = w.Refresh(bg, client, given.Refresh)
		refused(t, err, "invalid_grant", "session_ended")
	})
}

func TestApplicationThatIsRemoved_KeepsNothing(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		given := w.given(w.annIn())
		w.write(acme, func(tx *store.Tx) error { tx.DeleteApplication("app_one"); return nil })
		if _, err := w.Access(bg, given.Access); !errors.Is(err, store.ErrNoSession) {
			t.Errorf("the access token still opens: %v", err)
		}
	})
}

func TestRefresh_RotatesAndASecondUseEndsTheFamily(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, client := w.annIn(), w.client("app_one")
		first := w.given(live)
		_, err := w.Refresh(bg, w.client("app_two"), first.Refresh)
		refused(t, err, "invalid_grant", "refresh_unknown")
		_, err = w.Refresh(bg, w.client("app_beta"), first.Refresh)
		refused(t, err, "invalid_grant", "refresh_unknown")
		second, err := w.Refresh(bg, client, first.Refresh)
		w.must(err)
		if second.Refresh == first.Refresh || second.Refresh == "" || second.Scope != everything {
			t.Errorf("refreshed to %+v", second)
		}
		third, err := w.Refresh(bg, client, second.Refresh)
		w.must(err)
		w.alive(third.Access)
		_, err = w.Refresh(bg, client, first.Refresh)
		refused(t, err, "invalid_grant", "refresh_reused")
		for _, given := range []Tokens{first, second, third} {
			w.dead(given.Access)
		}
		_, err = w.Refresh(bg, client, third.Refresh)
		refused(t, err, "invalid_grant", "session_ended")
		if got := w.events(acme, audit.ApplicationGrantRevoked); !slices.Equal(got, []string{"refused refresh_reused"}) {
			t.Errorf("events %q", got)
		}
		// The session goes on, and its end is still told: the application may have opened one of its own.
		w.write(acme, func(tx *store.Tx) error { return tx.EndSession(live.ID, "signed_out") })
		if got := w.logouts(); !slices.Equal(got, []string{"app_one " + live.ID}) {
			t.Errorf("logouts %q", got)
		}
	})
}

func TestRefreshToken_UsedByTwentyAtOnceGivesOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		first, client := w.given(w.annIn()), w.client("app_one")
		given := make(chan Tokens, 20)
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if got, err := w.Refresh(bg, client, first.Refresh); err == nil {
					given <- got
				}
			})
		}
		all.Wait()
		close(given)
		n := 0
		for got := range given {
			n++
			w.dead(got.Access)
		}
		if n != 1 {
			t.Errorf("%d of 20 were given tokens", n)
		}
	})
}

func TestRefreshToken_DiesUnusedAndKeepsAUsedSessionAlive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, client := w.annIn(), w.client("app_one")
		given := w.given(live)
		for range 3 { // 33 hours in all: more than the session's idle time without a visit of the browser
			w.turn(session.Idle - time.Hour)
			var err error
			given, err = w.Refresh(bg, client, given.Refresh)
			w.must(err)
			w.must(w.DB.FlushMarks(bg))
			w.must(w.EndExpired(bg))
		}
		w.alive(given.Access)
		w.turn(session.Idle)
		_, err := w.Refresh(bg, client, given.Refresh)
		refused(t, err, "invalid_grant", "refresh_expired")
		w.must(w.EndExpired(bg))
		if got := w.logouts(); !slices.Equal(got, []string{"app_one " + live.ID}) {
			t.Errorf("logouts %q", got)
		}
		if got := w.events(acme, audit.SessionEnded); !slices.Equal(got, []string{"ok session_expired"}) {
			t.Errorf("events %q", got)
		}
	})
}

func TestTokens_EndNoLaterThanTheSession(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, client := w.annIn(), w.client("app_one")
		given := w.given(live)
		for w.now().Before(live.Session.ExpiresAt.Add(-10 * time.Hour)) {
			w.turn(9 * time.Hour)
			var err error
			given, err = w.Refresh(bg, client, given.Refresh)
			w.must(err)
			w.must(w.DB.FlushMarks(bg))
		}
		w.turn(live.Session.ExpiresAt.Sub(w.now()) - time.Minute)
		given, err := w.Refresh(bg, client, given.Refresh)
		w.must(err)
		if given.ExpiresIn != time.Minute {
			t.Errorf("a minute before the session's end a token lives %s", given.ExpiresIn)
		}
	})
}

func TestRevoke_TakesTheClientsOwnTokensOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live, client := w.annIn(), w.client("app_one")
		a, b := w.given(live), w.given(live)
		for _, other := range []string{"app_two", "app_beta"} {
			for _, token := range []string{a.Access, a.Refresh, "", "nothing", "\x00"} {
				w.must(w.Revoke(bg, w.client(other), token))
			}
		}
		w.alive(a.Access)
		w.must(w.Revoke(bg, client, a.Access))
		w.dead(a.Access)
		refreshed, err := w.Refresh(bg, client, a.Refresh)
		w.must(err)
		w.must(w.Revoke(bg, client, refreshed.Refresh))
		w.must(w.Revoke(bg, client, refreshed.Refresh))
		w.dead(refreshed.Access)
		_, err = w.Refresh(bg, client, refreshed.Refresh)
		refused(t, err, "invalid_grant", "session_ended")
		w.alive(b.Access)
	})
}

func TestIntrospect_TellsTheWorkspacesClientsOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		given := w.given(w.annIn())
		for _, id := range []string{"app_one", "app_two"} {
			got, err := w.Introspect(bg, w.client(id), given.Access)
			if err != nil || !got.Active || got.Subject != w.ann || got.ClientID != "app_one" || got.Role != "Agent" || got.Workspace != "acme" {
				t.Errorf("%s is told %+v, %v", id, got, err)
			}
		}
		own, err := w.Introspect(bg, w.client("app_one"), given.Refresh)
		if err != nil || !own.Active {
			t.Errorf("of its own refresh token a client is told %+v, %v", own, err)
		}
		for _, c := range []struct{ client, token string }{{"app_beta", given.Access}, {"app_two", given.Refresh}, {"app_beta", given.Refresh}, {"app_one", given.ID}, {"app_one", ""}} {
			if got, err := w.Introspect(bg, w.client(c.client), c.token); err != nil || got != (Introspection{}) {
				t.Errorf("%s is told %+v, %v", c.client, got, err)
			}
		}
		public := w.client("app_one")
		public.Public = true
		_, err = w.Introspect(bg, public, given.Access)
		refused(t, err, "invalid_client", "public_client")
	})
}

func TestSweep_KeepsSpentCodesAsLongAsTheirSessionMayLive(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		p, client := newProof(), w.client("app_one")
		code := w.authorize(w.annIn(), p)
		_, err := w.Redeem(bg, client, code, callback, p.verifier)
		w.must(err)
		w.turn(session.Absolute - time.Hour)
		w.must(w.DB.Sweep(bg, time.Hour, time.Hour))
		_, err = w.Redeem(bg, client, code, callback, p.verifier)
		refused(t, err, "invalid_grant", "code_reused")
		w.turn(2 * time.Hour)
		w.must(w.DB.Sweep(bg, time.Hour, time.Hour))
		_, err = w.Redeem(bg, client, code, callback, p.verifier)
		refused(t, err, "invalid_grant", "code_unknown")
	})
}

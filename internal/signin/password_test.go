package signin

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestPassword_StartsASessionWhoseTokenIsStoredHashedOnly(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		token, s, err := w.Password(context.Background(), PasswordRequest{Workspace: " ACME ", Email: " ann@ACME.test", Password: password, Client: from("192.0.2.7")})
		w.must(err)
		if !strings.HasPrefix(token, session.TokenPrefix) || len(token) < 40 {
			t.Errorf("token %q", token)
		}
		live, err := w.DB.SessionByToken(context.Background(), keys.HashToken(token), w.clock.now())
		w.must(err)
		if live.Member.ID != ann || live.Slug != "acme" || live.RoleName != "Owner" || live.Address != "192.0.2.7" || live.BreakGlass || live.ID != s.ID {
			t.Errorf("session %+v", live)
		}
		if _, err := w.DB.SessionByToken(context.Background(), token, w.clock.now()); err == nil {
			t.Error("the token itself is in the database")
		}
		events := w.events(acme, audit.SignInSucceeded, audit.BreakGlassUsed, audit.SignInRefused)
		if reasons(events) != "signin.succeeded password" || events[0].Subject.ID != ann {
			t.Errorf("events: %+v", events)
		}
		for _, secret := range []string{password, token} {
			if strings.Contains(string(events[0].Payload), secret) {
				t.Errorf("the payload holds a secret: %s", events[0].Payload)
			}
		}
	})
}

func TestPassword_TellsNobodyWhatWasWrong(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i, c := range []struct{ workspace, email, password, reason string }{
			{"acme", "ann@acme.test", "wrong horse battery", "password_wrong"},
			{"acme", "nobody@acme.test", password, "account_unknown"},
			{"acme", "zoe@beta.test", password, "account_unknown"},
			{"acme", "pat@acme.test", password, "no_password"},
			{"acme", "ann@acme.test\x00", password, "account_unknown"},
			{"acme", "\xff@acme.test", password, "account_unknown"},
			{"acme", "", password, "account_unknown"},
			{"acme", password, "ann@acme.test", "account_unknown"}, // typed into the wrong field
			{"acme", "ann@acme.test", strings.Repeat("x", 2000), "password_wrong"},
			{"nowhere", "ann@acme.test", password, ""},
			{"", "ann@acme.test", password, ""},
			{"ac\x00me", "ann@acme.test", password, ""},
			{strings.Repeat("a", 10000), "ann@acme.test", password, ""},
		} {
			before := len(w.events(acme, audit.SignInRefused))
			w.turn(time.Second)
			_, _, err := w.Password(context.Background(), PasswordRequest{Workspace: c.workspace, Email: c.email, Password: c.password, Client: from(fmt.Sprintf("192.0.2.%d", i+1))})
			if err == nil || errs.As(err) != errCredentials {
				t.Errorf("%q %q: %v, want the one answer", c.workspace, c.email, err)
			}
			refused := w.events(acme, audit.SignInRefused)[before:]
			got := ""
			if len(refused) > 0 {
				got = refused[0].Reason
			}
			if len(refused) > 0 && strings.Contains(fmt.Sprint(refused[0], string(refused[0].Payload)), password) {
				t.Errorf("%q: the event holds a password: %+v", c.email, refused[0])
			}
			if got != c.reason || len(refused) > 1 {
				t.Errorf("%q %q: event reason %q, want %q", c.workspace, c.email, got, c.reason)
			}
		}
		w.must(w.DB.FlushMarks(context.Background()))
		strangers, err := w.DB.System().Strangers(context.Background(), time.Time{})
		w.must(err)
		if len(strangers) != 4 || strangers[0].Reason != "signin.workspace_unknown" {
			t.Errorf("strangers: %+v", strangers)
		}
	})
}

func TestPassword_CostsTheSameForUnknownAccounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		// Nobody whose request has ended gets a slot for hashing. Whoever is answered all the same
		// was answered without the work.
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		for _, r := range []PasswordRequest{{Workspace: "acme", Email: "ann@acme.test"}, {Workspace: "acme", Email: "nobody@acme.test"},
			{Workspace: "acme", Email: "pat@acme.test"}, {Workspace: "nowhere", Email: "ann@acme.test"}} {
			found, err := w.find(context.Background(), r)
			w.must(err)
			if reason, err := w.prove(ended, found, password); err == nil {
				t.Errorf("%s in %s: no work was done (%s)", r.Email, r.Workspace, reason)
			}
		}
	})
}

func TestPassword_TellsTheTrueReasonOnceItWasProven(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, err := w.as("gone@acme.test", password, "192.0.2.1")
		wantCode(t, err, "account_deactivated")
		if !strings.Contains(err.Error(), "directory deactivated") {
			t.Errorf("sentence: %v", err)
		}
		w.enforce()
		w.turn(time.Second)
		_, err = w.as("ann@acme.test", password, "192.0.2.1")
		wantCode(t, err, "sso_required")
		if got := reasons(w.events(acme, audit.SignInRefused, audit.SignInSucceeded)); got != "signin.refused account_deactivated, signin.refused sso_required" {
			t.Errorf("events: %s", got)
		}
		if w.live(acme, gone)+w.live(acme, ann) != 0 {
			t.Error("a refused sign-in left a session")
		}
	})
}

func TestEmergencyAccess_IsForTheBreakGlassAdministratorWhileEnforced(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		emergency := func(email string) (*session.Session, error) {
			_, s, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: email, Password: password, Emergency: true, Client: from("192.0.2.1")})
			return s, err
		}
		s, err := emergency("root@acme.test")
		w.must(err)
		if s.BreakGlass {
			t.Error("without enforcement it was marked as emergency access")
		}
		w.enforce()
		s, err = emergency("root@acme.test")
		w.must(err)
		if !s.BreakGlass {
			t.Error("the session is not marked")
		}
		_, err = emergency("ann@acme.test")
		wantCode(t, err, "sso_required")
		if got := w.events(acme, audit.BreakGlassUsed); len(got) != 1 || got[0].Subject.ID != root {
			t.Errorf("events: %+v", got)
		}
	})
}

func TestLimits_StopGuessingAtAnAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range accountLimit {
			_, err := w.as("ann@acme.test", guess, fmt.Sprintf("192.0.2.%d", i+1))
			wantCode(t, err, "signin_failed")
		}
		_, err := w.as("ANN@acme.test ", password, "198.51.100.1")
		wantCode(t, err, "too_many_attempts")
		if errs.KindOf(err) != errs.KindLimited {
			t.Errorf("kind %s", errs.KindOf(err))
		}
		if _, err := w.as("bob@acme.test", password, "198.51.100.1"); err != nil {
			t.Errorf("another account is held up: %v", err)
		}
		w.turn(limitWindow + time.Second)
		if _, err := w.as("ann@acme.test", password, "198.51.100.1"); err != nil {
			t.Errorf("after the window: %v", err)
		}
	})
}

func TestLimits_AreTheSameForUnknownAccounts(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for _, slug := range []string{"acme", "nowhere"} {
			var last error
			for i := range accountLimit + 1 {
				_, _, last = w.Password(context.Background(), PasswordRequest{Workspace: slug, Email: "nobody@acme.test", Password: guess, Client: from(fmt.Sprintf("192.0.2.%d", i+1))})
			}
			wantCode(t, last, "too_many_attempts")
		}
	})
}

func TestLimits_StopOneClientOnManyAccountsAndLeaveOneEvent(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range clientLimit {
			// One household of IPv6 has many addresses.
			_, err := w.as(fmt.Sprintf("p%d@acme.test", i), guess, fmt.Sprintf("2001:db8:1:2::%x", i+1))
			wantCode(t, err, "signin_failed")
		}
		before := len(w.events(acme, audit.SignInRefused))
		for i := range 3 {
			_, err := w.as(fmt.Sprintf("q%d@acme.test", i), guess, "2001:db8:1:2:ffff::1")
			wantCode(t, err, "too_many_attempts")
		}
		if after := w.events(acme, audit.SignInRefused)[before:]; reasons(after) != "signin.refused too_many_attempts" {
			t.Errorf("events past the limit: %s", reasons(after))
		}
		if _, err := w.as("ann@acme.test", password, "2001:db8:1:3::1"); err != nil {
			t.Errorf("a neighbour is held up: %v", err)
		}
	})
}

func TestLimits_AClientThatWasRefusedCountsAgainstNobodysAccount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for i := range clientLimit {
			_, err := w.as(fmt.Sprintf("p%d@acme.test", i), guess, "192.0.2.1")
			wantCode(t, err, "signin_failed")
		}
		for range accountLimit + 1 {
			_, err := w.as("ann@acme.test", guess, "192.0.2.1")
			wantCode(t, err, "too_many_attempts")
		}
		if _, err := w.as("ann@acme.test", password, "198.51.100.1"); err != nil {
			t.Errorf("the account is held up by attempts that were never made: %v", err)
		}
	})
}

func TestLimits_OfStrangersNeverHoldUpEmergencyAccess(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.enforce()
		try := func(emergency bool, password, client string) error {
			_, _, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: "root@acme.test", Password: password, Emergency: emergency, Client: from(client)})
			return err
		}
		for i := range accountLimit + 2 {
			_ = try(false, guess, fmt.Sprintf("192.0.2.%d", i+1))
			_ = try(true, guess, "203.0.113.9")
		}
		wantCode(t, try(false, password, "198.51.100.1"), "too_many_attempts")
		wantCode(t, try(true, password, "203.0.113.9"), "too_many_attempts")
		if err := try(true, password, "198.51.100.1"); err != nil {
			t.Errorf("emergency access from elsewhere: %v", err)
		}
	})
}

func TestSuccess_ForgetsTheAccountsFailures(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		for round := range 2 {
			for range accountLimit - 1 {
				_, err := w.as("ann@acme.test", guess, fmt.Sprintf("192.0.2.%d", round+1))
				wantCode(t, err, "signin_failed")
			}
			_, err := w.as("ann@acme.test", password, "198.51.100.1")
			w.must(err)
		}
	})
}

func TestPassword_ThatChangedWhileItWasCheckedIsRefused(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		r := PasswordRequest{Workspace: "acme", Email: "ann@acme.test", Password: password, Client: from("192.0.2.1")}
		found, err := w.find(context.Background(), r)
		w.must(err)
		w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			tx.SaveCredential(ann, "another", tx.Now())
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		}))
		err = w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
			_, _, err := w.enterByPassword(tx, found, r, "")
			return err
		})
		wantCode(t, err, "signin_failed")
		if got := reasons(w.events(acme, audit.SignInRefused)); got != "signin.refused password_changed" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestPassword_ProvesItselfAndReplacesAnOldHash(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		// argon2id of the password under half of today's memory.
		const old = "$argon2id$v=19$m=9728,t=2,p=1$"
		hash, err := hashed()
		w.must(err)
		if !strings.Contains(hash, "m=19456,t=2,p=1") || keys.NeedsRehash(hash) {
			t.Fatalf("hash %q", hash)
		}
		w.turn(time.Hour)
		_, err = w.as("ann@acme.test", password, "192.0.2.1")
		w.must(err)
		w.must(w.DB.Read(context.Background(), acme, func(tx *store.Tx) error {
			_, proven, err := tx.Credential(ann)
			if !proven.Equal(w.clock.now()) {
				t.Errorf("proven at %s, want %s", proven, w.clock.now())
			}
			return err
		}))
		if fresh, err := w.rehash(context.Background(), old, password); err != nil || fresh == "" || keys.NeedsRehash(fresh) {
			t.Errorf("rehash: %q %v", fresh, err)
		}
		if fresh, err := w.rehash(context.Background(), old, "short"); err != nil || fresh != "" {
			t.Errorf("rehash of a short one: %q %v", fresh, err)
		}
	})
}

func TestWhomTheEndOfADomainLeftWithoutAWayIn_KeepsThePasswordAndOthersDoNot(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		box := w.mail()
		set := func(proven bool) {
			t.Helper()
			w.must(w.DB.Write(context.Background(), acme, func(tx *store.Tx) error {
				cfg, err := tx.Config()
				if err != nil {
					return err
				}
				changed := cfg.Workspace
				changed.Enforcement = directory.Enforcement{RequireSSO: directory.RequireDomains, Domains: []string{"acme.test"}}
				if tx.DeleteDomain("acme.test"); proven {
					tx.InsertDomain("acme.test")
				}
				if err := tx.UpdateWorkspace(changed); err != nil {
					return err
				}
				return tx.Record(audit.Event{Type: audit.SettingsChanged})
			}))
		}
		set(true)
		for _, who := range []string{"ann@acme.test", "bob@acme.test"} {
			_, err := w.as(who, password, "192.0.2.1")
			wantCode(t, err, "sso_required")
		}
		w.browser().enters(w, nil) // links bob
		set(false)
		_, err := w.as("bob@acme.test", password, "192.0.2.2")
		wantCode(t, err, "sso_required") // nothing is dropped
		token, err := w.as("ann@acme.test", password, "192.0.2.3")
		w.must(err)
		live, err := w.DB.SessionByToken(context.Background(), keys.HashToken(token), w.clock.now())
		w.must(err)
		if live.BreakGlass {
			t.Error("that is no emergency access")
		}
		if a := w.browser().get("/signin?workspace=acme&email=ann@acme.test"); !strings.Contains(a.body, `id="password"`) {
			t.Error("the page has no field for the password")
		}
		if m := w.asked(box, "ann@acme.test"); m != nil { // the mailbox may be somebody else's by now
			t.Errorf("a letter: %+v", m)
		}
		set(true)
		_, err = w.as("ann@acme.test", password, "192.0.2.4")
		wantCode(t, err, "sso_required")
	})
}

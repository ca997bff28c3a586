package signin

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// emergency makes an attempt at emergency access on acme.
func (w *world) emergency(email, password, code, recovery, client string) (*session.Session, error) {
	_, s, err := w.Password(context.Background(), PasswordRequest{Workspace: "acme", Email: email, Password: password, Code: code, Recovery: recovery, Emergency: true, Client: from(client)})
	return s, err
}

// freshSession is a session of a member as doors hand it on.
func (w *world) freshSession(email string) *store.LiveSession {
	w.t.Helper()
	token, err := w.as(email, password, "192.0.2.77")
	w.must(err)
	live, err := w.DB.SessionByToken(context.Background(), keys.HashToken(token), w.clock.now())
	w.must(err)
	return live
}

// withFactor sets a second factor up for root and returns its secret.
func (w *world) withFactor(live *store.LiveSession) (code func() string) {
	w.t.Helper()
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	w.Master = master
	f, err := w.BeginFactor(context.Background(), live)
	w.must(err)
	body, err := master.Open(settingPurpose(live), f.Sealed)
	w.must(err)
	var plain sealedFactor
	w.must(json.Unmarshal(body, &plain))
	code = func() string { return keys.TOTP(plain.Secret, keys.TOTPStep(w.clock.now())) }
	_, err = w.ConfirmFactor(context.Background(), live, f.Sealed, "000000")
	if code() != "000000" {
		wantCode(w.t, err, "code_wrong")
	}
	if _, err := w.ConfirmFactor(context.Background(), live, f.Sealed, code()); err != nil {
		w.t.Fatal(err)
	}
	return code
}

func TestASecondFactor_IsAskedForWhereverThePasswordIsAndEachStepIsUsedOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		code := w.withFactor(w.freshSession("root@acme.test"))
		_, err := w.emergency("root@acme.test", password, code(), "", "192.0.2.1")
		wantCode(t, err, "code_wrong") // the step of the confirmation was used by it
		w.turn(keys.TOTPPeriod)
		if _, err := w.as("root@acme.test", password, "192.0.2.1"); err == nil {
			t.Error("the ordinary form gets past the second factor")
		}
		_, err = w.emergency("root@acme.test", "wrong horse battery", code(), "", "192.0.2.1")
		wantCode(t, err, "signin_failed")
		now := code()
		var wait sync.WaitGroup
		results := make([]error, 12)
		for i := range results {
			wait.Go(func() {
				_, results[i] = w.emergency("root@acme.test", password, now, "", fmt.Sprint("192.0.2.", 10+i))
			})
		}
		wait.Wait()
		entered := 0
		for _, err := range results {
			if err == nil {
				entered++
			}
		}
		if entered != 1 {
			t.Errorf("%d of %d at once entered with one one-time password", entered, len(results))
		}
		for _, e := range w.events(acme, audit.SecondFactorSet, audit.SignInRefused, audit.SignInSucceeded) {
			if strings.Contains(string(e.Payload), now) {
				t.Errorf("the one-time password is in the log: %s", e.Payload)
			}
		}
	})
}

func TestARecoveryCode_TakesThePlaceOfOneProofAndWorksOnce(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		live := w.freshSession("root@acme.test")
		if _, err := w.MakeRecoveryCodes(ctx, w.freshSession("ann@acme.test")); err == nil {
			t.Error("an owner who is not designated has recovery codes")
		}
		vouched := *live
		vouched.Connection = "con_idp"
		_, err := w.MakeRecoveryCodes(ctx, &vouched)
		wantCode(t, err, "by_single_sign_on") // else the identity provider has a way in that outlives it
		wantCode(t, w.RemoveFactor(ctx, &vouched), "by_single_sign_on")
		_, err = w.BeginFactor(ctx, &vouched)
		wantCode(t, err, "by_single_sign_on")
		old, err := w.MakeRecoveryCodes(ctx, live)
		w.must(err)
		codes, err := w.MakeRecoveryCodes(ctx, live)
		w.must(err)
		if len(codes) != 10 {
			t.Fatalf("%d codes", len(codes))
		}
		w.enforce()
		_, err = w.emergency("root@acme.test", "", "", old[0], "192.0.2.1")
		wantCode(t, err, "signin_failed") // making new ones ended it
		_, err = w.emergency("ann@acme.test", "", "", codes[0], "192.0.2.1")
		wantCode(t, err, "signin_failed") // somebody else's
		results := make([]error, 10)
		var wait sync.WaitGroup
		for i := range results {
			wait.Go(func() { _, results[i] = w.emergency("root@acme.test", "", "", strings.ToLower(codes[0]), "192.0.2.1") })
		}
		wait.Wait()
		entered := 0
		for _, err := range results {
			if err == nil {
				entered++
			}
		}
		if entered != 1 {
			t.Errorf("%d entered with one code", entered)
		}
		used := w.events(acme, audit.BreakGlassUsed)
		if len(used) != 1 || used[0].Reason != "recovery_code" {
			t.Errorf("%+v", used)
		}
		code := w.withFactor(live)
		w.turn(keys.TOTPPeriod)
		_, err = w.emergency("root@acme.test", "", "", codes[1], "192.0.2.1")
		wantCode(t, err, "proof_missing")
		_, err = w.emergency("root@acme.test", "wrong horse battery", "", codes[1], "192.0.2.1")
		wantCode(t, err, "proof_missing")
		if _, err := w.emergency("root@acme.test", password, "", codes[1], "192.0.2.1"); err != nil {
			t.Errorf("with the password: %v", err)
		}
		s, err := w.emergency("root@acme.test", "", code(), codes[2], "192.0.2.1")
		if err != nil || !s.BreakGlass {
			t.Errorf("with a one-time password: %v", err)
		}
	})
}

func TestStrangersFailures_NeverDelayARecoveryCode(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		codes, err := w.MakeRecoveryCodes(context.Background(), w.freshSession("root@acme.test"))
		w.must(err)
		w.enforce()
		// From the very address of the administrator, in every form.
		for range 40 {
			_, _ = w.emergency("root@acme.test", guess, "", "", "192.0.2.1")
			_, _ = w.emergency("root@acme.test", "", "", "00000-00000-00000-00000", "192.0.2.1")
			_, _ = w.as("root@acme.test", guess, "192.0.2.1")
		}
		_, err = w.emergency("root@acme.test", password, "", "", "192.0.2.1")
		wantCode(t, err, "too_many_attempts")
		if _, err := w.emergency("root@acme.test", "", "", codes[0], "192.0.2.1"); err != nil {
			t.Errorf("the recovery code is delayed: %v", err)
		}
		refused := 0
		for _, e := range w.events(acme, audit.SignInRefused) {
			if e.Reason == "recovery_code_wrong" {
				refused++
			}
		}
		if refused == 0 || refused > accountLimit {
			t.Errorf("%d events of wrong recovery codes", refused)
		}
	})
}

func TestWrongRecoveryCodes_AreAnsweredAlikeForEveryAddress(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		b := w.browser()
		want := ""
		for _, c := range [][2]string{{"acme", "root@acme.test"}, {"acme", "nobody@acme.test"}, {"acme", "bob@acme.test"}, {"nowhere", "root@acme.test"}} {
			a := b.post("/signin", "workspace", c[0], "email", c[1], "recovery", "ABCDE-ABCDE-ABCDE-ABCDE", "emergency", "1")
			body := strings.NewReplacer(c[0], "W", c[1], "E").Replace(withoutRequest(a.body))
			if want == "" {
				want = body
			}
			if a.StatusCode != 401 || body != want {
				t.Errorf("%v: %d\n%s\nwant\n%s", c, a.StatusCode, body, want)
			}
		}
	})
}

func TestTheSetUpOfASecondFactor_BelongsToOneSessionAndEnds(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		ctx := context.Background()
		live := w.freshSession("root@acme.test")
		_ = w.withFactor(live)
		f, err := w.BeginFactor(ctx, live)
		w.must(err)
		other := w.another()
		_, err = w.ConfirmFactor(ctx, other, f.Sealed, "123456")
		wantCode(t, err, "setup_over")
		w.turn(factorTime + time.Second)
		_, err = w.ConfirmFactor(ctx, live, f.Sealed, "123456")
		wantCode(t, err, "setup_over")
		w.must(w.RemoveFactor(ctx, live))
		if _, err := w.as("root@acme.test", password, "192.0.2.5"); err != nil {
			t.Errorf("after it was switched off: %v", err)
		}
	})
}

// another is another session of root, made without a proof.
func (w *world) another() *store.LiveSession {
	w.t.Helper()
	url, _, err := w.MakeLink(context.Background(), acme, root, false, operator)
	w.must(err)
	token, _, err := w.UseLink(context.Background(), url[strings.LastIndex(url, "/")+1:], from("192.0.2.78"))
	w.must(err)
	live, err := w.DB.SessionByToken(context.Background(), keys.HashToken(token), w.clock.now())
	w.must(err)
	return live
}

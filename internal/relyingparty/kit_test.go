package relyingparty

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// start is where the clock of every trial begins.
var start = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// trial is one relying party and the IdP of its only connection.
type trial struct {
	t   *testing.T
	idp *oidctest.IdP
	rp  *RelyingParty
	p   Party
	now time.Time
	// request is what a sign-in is begun with, beside what begin adds.
	request Request
}

func newTrial(t *testing.T) *trial {
	t.Helper()
	tr := &trial{t: t, idp: oidctest.New(t), rp: &RelyingParty{HTTP: &http.Client{Timeout: 5 * time.Second}}, now: start}
	tr.idp.Now = func() time.Time { return tr.now }
	tr.p = Party{Key: "con_1", Issuer: tr.idp.Issuer, ClientID: tr.idp.ClientID, Secret: tr.idp.Secret, ClientAuth: "basic",
		Usual: []string{"RS256", "PS256", "ES256", "EdDSA"}, UserInfo: "auto", Mapped: []string{"email"}}
	tr.request = Request{RedirectURI: "https://gatehouse.test/auth/oidc/callback", Scopes: []string{"email", "profile"}}
	return tr
}

// signIn is a whole round: there, in, and back.
func (tr *trial) signIn() (*Outcome, error) {
	tr.t.Helper()
	r := tr.request
	r.State, r.Nonce, r.Verifier = NewSecret(), NewSecret(), NewSecret()
	address, err := tr.rp.AuthorizationURL(context.Background(), tr.p, r, tr.now)
	if err != nil {
		return nil, err
	}
	_, answer, err := tr.idp.Answer(address)
	if err != nil {
		tr.t.Fatal(err)
	}
	return tr.redeem(answer, r)
}

func (tr *trial) redeem(answer url.Values, r Request) (*Outcome, error) {
	sent := Sent{RedirectURI: r.RedirectURI, Verifier: r.Verifier, At: tr.now, MaxAge: r.MaxAge, ACRValues: r.ACRValues,
		NonceHolds: func(nonce string) bool { return subtle.ConstantTimeCompare([]byte(nonce), []byte(r.Nonce)) == 1 }}
	return tr.rp.Redeem(context.Background(), tr.p, answer.Get("code"), sent, tr.now)
}

// wantIn demands that a sign-in succeeds: the control of every refusal.
func (tr *trial) wantIn(why string) *Outcome {
	tr.t.Helper()
	out, err := tr.signIn()
	if err != nil {
		tr.t.Fatalf("%s: %v", why, err)
	}
	if out.Subject != tr.idp.Person["sub"] {
		tr.t.Fatalf("%s: %q signed in", why, out.Subject)
	}
	return out
}

// wantRefused demands a refusal for a reason; verified is whether the signature had been good.
func (tr *trial) wantRefused(why, reason string, verified bool) *Refusal {
	tr.t.Helper()
	_, err := tr.signIn()
	return tr.refused(err, why, reason, verified)
}

func (tr *trial) refused(err error, why, reason string, verified bool) *Refusal {
	tr.t.Helper()
	var r *Refusal
	if !errors.As(err, &r) {
		tr.t.Fatalf("%s: want a refusal for %s, got %v", why, reason, err)
	}
	if r.Reason != reason || r.Verified != verified || r.Detail == "" {
		tr.t.Fatalf("%s: want %s (verified %v), got %s (verified %v): %s", why, reason, verified, r.Reason, r.Verified, r.Detail)
	}
	return r
}

// claims changes every ID token from now on.
func (tr *trial) claims(change func(c map[string]any)) {
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Claims = change })
}

// set changes one claim of every ID token; nil takes it away.
func (tr *trial) set(name string, value any) {
	tr.claims(func(c map[string]any) {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	})
}

// token makes every ID token by hand.
func (tr *trial) token(make func(claims map[string]any) string) {
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Token = make })
}

func (tr *trial) document(change func(d map[string]any)) {
	tr.idp.Do(func(idp *oidctest.IdP) { idp.Document = change })
}

// fresh forgets what was learnt of the IdP.
func (tr *trial) fresh() { tr.rp = &RelyingParty{HTTP: tr.rp.HTTP} }

// elsewhere is a server that must not be called.
func elsewhere(t *testing.T) (address string, calls func() int) {
	t.Helper()
	var mu sync.Mutex
	n := 0
	trap := oidctest.New(t)
	trap.Do(func(idp *oidctest.IdP) {
		idp.Raw = map[string]http.HandlerFunc{"/trap": func(w http.ResponseWriter, _ *http.Request) {
			mu.Lock()
			n++
			mu.Unlock()
			w.WriteHeader(http.StatusOK)
		}}
	})
	return trap.URL + "/trap", func() int { mu.Lock(); defer mu.Unlock(); return n }
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("expected %q in %q", part, text)
		}
	}
}

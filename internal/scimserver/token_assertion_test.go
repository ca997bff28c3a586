package scimserver_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// issuer is what vouches for workloads.
type issuer struct {
	t       *testing.T
	url     string
	mu      sync.Mutex
	public  []jose.JSONWebKey
	down    bool
	fetched atomic.Int64 // how often its keys were asked for
}

func (i *issuer) key(id string) jose.JSONWebKey {
	i.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	return jose.JSONWebKey{Key: private, KeyID: id, Algorithm: "ES256", Use: "sig"}
}

func (i *issuer) publish(list ...jose.JSONWebKey) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.public = nil
	for _, k := range list {
		i.public = append(i.public, k.Public())
	}
}

func (i *issuer) fetch(_ context.Context, address string) ([]byte, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.down {
		return nil, errors.New("no answer")
	}
	switch address {
	case i.url + "/.well-known/openid-configuration":
		return json.Marshal(map[string]string{"issuer": i.url, "jwks_uri": i.url + "/keys"})
	case i.url + "/keys":
		i.fetched.Add(1)
		return json.Marshal(map[string]any{"keys": i.public})
	}
	return nil, errors.New("404 " + address)
}

// sign makes an assertion; nil claims are left out.
func (i *issuer) sign(key any, algorithm jose.SignatureAlgorithm, claims map[string]any) string {
	i.t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, nil)
	if err != nil {
		i.t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		i.t.Fatal(err)
	}
	return text
}

// trusting is a house whose server asks i, and a tenant whose client i may vouch for.
func trusting(t *testing.T, fn func(t *testing.T, i *issuer, w *tenant, trust string, pass func(time.Duration))) {
	eachAt(t, func(t *testing.T, h *house, pass func(time.Duration)) {
		i := &issuer{t: t, url: "https://issuer.test"}
		h.server = scimserver.New(scimserver.Options{DB: h.db, Provision: &provision.Service{DB: h.db}, Origin: origin, Log: slog.New(slog.DiscardHandler), Fetch: i.fetch})
		w := h.workspace("acme", "default", nil)
		fn(t, i, w, w.trust(store.Trust{Issuer: i.url, Subject: "repo:acme/sync"}), pass)
	})
}

func (w *tenant) trust(trust store.Trust) string {
	w.t.Helper()
	id := keys.ID("sec_", w.db.Now())
	w.write(func(tx *store.Tx) error {
		tx.InsertClientCredential(store.ClientCredential{ID: id, Directory: w.directory, Name: "pipeline", Trust: trust}, "")
		return nil
	})
	return id
}

// good are the claims of an assertion for w that is to be accepted now.
func (w *tenant) good(i *issuer) map[string]any {
	now := w.db.Now()
	return map[string]any{"iss": i.url, "sub": "repo:acme/sync", "aud": origin + scimserver.TokenPath, "exp": now.Add(10 * time.Minute).Unix(),
		"iat": now.Unix(), "nbf": now.Unix(), "jti": keys.ID("jti_", now)}
}

func (w *tenant) vouched(assertion string) *answer {
	w.t.Helper()
	return w.ask("192.0.2.1", w.assertion(assertion), nil)
}

func (w *tenant) assertion(text string) url.Values {
	return form("grant_type", "client_credentials", "client_id", w.directory, "client_assertion", text,
		"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
}

func TestWorkload_IsVouchedForByItsIssuer(t *testing.T) {
	trusting(t, func(t *testing.T, i *issuer, w *tenant, trust string, pass func(time.Duration)) {
		key := i.key("one")
		i.publish(key)
		client := w.with(w.vouched(i.sign(key, jose.ES256, w.good(i))).want(200).str("access_token"))
		client.do("POST", "/Users", user("ann@acme.test")).want(201)
		// Where no id is named, every key is tried; where no keys are named, discovery tells; among several audiences ours is one.
		claims := w.good(i)
		claims["aud"] = []string{"https://other.test", origin + scimserver.TokenPath}
		delete(claims, "iat")
		w.vouched(i.sign(key.Key, jose.ES256, claims)).want(200)

		pass(time.Second)
		w.write(func(tx *store.Tx) error { _, err := tx.RevokeClientCredentials(w.directory, trust); return err })
		client.do("GET", "/Users", "").want(401)
		w.vouched(i.sign(key, jose.ES256, w.good(i))).want(401)
		w.do("GET", "/Users", "").want(200)
	})
}

func TestAssertion_ThatIsNotForUsNowIsRefused(t *testing.T) {
	trusting(t, func(t *testing.T, i *issuer, w *tenant, _ string, _ func(time.Duration)) {
		key, stranger := i.key("one"), i.key("one")
		i.publish(key)
		now := w.db.Now()
		at := func(d time.Duration) int64 { return now.Add(d).Unix() }
		public, err := x509.MarshalPKIXPublicKey(key.Public().Key)
		if err != nil {
			t.Fatal(err)
		}
		other := w.house.workspace("beta", "default", nil)
		other.trust(store.Trust{Issuer: "https://other.test", Subject: "repo:acme/sync"})
		changed := func(pairs ...any) string {
			claims := w.good(i)
			for n := 0; n < len(pairs); n += 2 {
				if pairs[n+1] == nil {
					delete(claims, pairs[n].(string))
				} else {
					claims[pairs[n].(string)] = pairs[n+1]
				}
			}
			return i.sign(key, jose.ES256, claims)
		}
		none := "eyJhbGciOiJub25lIn0." + strings.Split(changed(), ".")[1] + "."
		for name, c := range map[string]struct{ text, reason string }{
			"300 s too old":           {changed("exp", at(-300*time.Second), "iat", at(-time.Hour), "nbf", nil), ""},
			"301 s too old":           {changed("exp", at(-301*time.Second), "iat", at(-time.Hour), "nbf", nil), "assertion_expired"},
			"300 s too early":         {changed("nbf", at(300*time.Second), "iat", at(300*time.Second)), ""},
			"not before 301 s":        {changed("nbf", at(301*time.Second)), "assertion_too_early"},
			"issued in 301 s":         {changed("iat", at(301*time.Second)), "assertion_too_early"},
			"no end":                  {changed("exp", nil), "assertion_endless"},
			"a life of two days":      {changed("exp", at(48*time.Hour)), "assertion_lives_too_long"},
			"two days, without issue": {changed("exp", at(48*time.Hour), "iat", nil), "assertion_lives_too_long"},
			"another audience":        {changed("aud", "https://other.test"), "assertion_audience"},
			"the base as audience":    {changed("aud", origin), "assertion_audience"},
			"no audience":             {changed("aud", nil), "assertion_audience"},
			"another issuer":          {changed("iss", "https://other.test"), "assertion_untrusted"},
			"another subject":         {changed("sub", "repo:acme/other"), "assertion_untrusted"},
			"a longer issuer":         {changed("iss", i.url+"/"), "assertion_untrusted"},
			"a stranger's key":        {i.sign(stranger, jose.ES256, w.good(i)), "assertion_signature"},
			"HMAC with the public":    {i.sign(public, jose.HS256, w.good(i)), "assertion_malformed"},
			"no signature":            {none, "assertion_malformed"},
			"no JWT":                  {"x", "assertion_malformed"},
			"empty":                   {"", "assertion_malformed"},
		} {
			a := w.vouched(c.text)
			if c.reason == "" {
				if a.status != 200 {
					t.Errorf("%s: %s", name, a.text)
				}
				continue
			}
			events := w.events()
			e := events[0]
			for _, x := range events {
				if x.Type == audit.ClientRefused && x.Reason == c.reason {
					e = x
				}
			}
			if a.status != 401 || a.str("error") != "invalid_client" || e.Reason != c.reason {
				t.Errorf("%s: %d %s, log %v", name, a.status, a.text, e.Reason)
			}
		}
		for name, change := range map[string]func(url.Values){
			"another client's id":    func(v url.Values) { v.Set("client_id", other.directory) },
			"an unknown client's id": func(v url.Values) { v.Set("client_id", "dir_x") },
			"no client id":           func(v url.Values) { v.Del("client_id") },
			"a secret as well":       func(v url.Values) { v.Set("client_secret", "gscs_x") },
			"another kind of assertion": func(v url.Values) {
				v.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
			},
		} {
			v := w.assertion(changed())
			change(v)
			if a := w.ask("192.0.2.2", v, nil); a.status != 401 && a.status != 400 {
				t.Errorf("%s: %d %s", name, a.status, a.text)
			}
		}
	})
}

func TestAssertion_IsUsedOnce(t *testing.T) {
	trusting(t, func(t *testing.T, i *issuer, w *tenant, _ string, pass func(time.Duration)) {
		key := i.key("one")
		i.publish(key)
		nameless := w.good(i)
		delete(nameless, "jti")
		for _, text := range []string{i.sign(key, jose.ES256, w.good(i)), i.sign(key, jose.ES256, nameless)} {
			var good atomic.Int64
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					if w.vouched(text).status == 200 {
						good.Add(1)
					}
				})
			}
			all.Wait()
			if good.Load() != 1 {
				t.Errorf("%d of 10 who brought one assertion got a token", good.Load())
			}
		}
		pass(time.Minute)
		// Signed anew, the same claims are the same assertion.
		w.vouched(i.sign(key, jose.ES256, nameless)).want(401)
		events := w.events()
		if e := events[len(events)-1]; e.Type != audit.ClientRefused || e.Reason != "assertion_replayed" {
			t.Errorf("%+v", e)
		}
	})
}

func TestIssuer_IsAskedForItsKeysOnceAMinuteAtTheMost(t *testing.T) {
	trusting(t, func(t *testing.T, i *issuer, w *tenant, _ string, pass func(time.Duration)) {
		first, second := i.key("one"), i.key("two")
		i.publish(first)
		w.vouched(i.sign(first, jose.ES256, w.good(i))).want(200)
		i.publish(second)
		for range 20 {
			w.vouched(i.sign(second, jose.ES256, w.good(i))).want(401)
		}
		w.vouched(i.sign(first, jose.ES256, w.good(i))).want(200)
		if n := i.fetched.Load(); n != 1 {
			t.Errorf("asked %d times in a minute", n)
		}
		pass(time.Minute)
		w.vouched(i.sign(second, jose.ES256, w.good(i))).want(200)
		w.vouched(i.sign(first, jose.ES256, w.good(i))).want(401) // it is withdrawn
		if n := i.fetched.Load(); n != 2 {
			t.Errorf("asked %d times", n)
		}
		// An issuer that does not answer is good for as long as its keys are fresh, and no longer.
		i.mu.Lock()
		i.down = true
		i.mu.Unlock()
		pass(9 * time.Minute)
		w.vouched(i.sign(second, jose.ES256, w.good(i))).want(200)
		pass(time.Minute)
		w.vouched(i.sign(second, jose.ES256, w.good(i))).want(401)
	})
}

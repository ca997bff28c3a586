package hostapp

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// fakeIssuer is an OpenID Connect provider that does as it is told.
type fakeIssuer struct {
	*httptest.Server
	key *rsa.PrivateKey

	mu       sync.Mutex
	asked    url.Values                  // the last authorization request
	form     url.Values                  // the last token request
	spoil    func(claims map[string]any) // of the next ID token
	over     bool                        // the session has ended
	iss      string                      // said in answers; "" for the true one
	userinfo map[string]any
}

func newIssuer(t *testing.T) *fakeIssuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &fakeIssuer{key: key}
	mux := http.NewServeMux()
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	i.userinfo = map[string]any{"sub": "mbr_1", "name": "Zoë Müller", "email": "zoe@acme.test", "role": "Admin", "groups": []string{"Admins"}, "workspace": "acme"}
	answer := func(path string, v func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v())
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		return map[string]any{"issuer": i.URL, "authorization_endpoint": i.URL + "/authorize", "token_endpoint": i.URL + "/token",
			"userinfo_endpoint": i.URL + "/userinfo", "jwks_uri": i.URL + "/jwks", "end_session_endpoint": i.URL + "/end",
			"id_token_signing_alg_values_supported": []string{"RS256"}, "authorization_response_iss_parameter_supported": true}
	})
	answer("/jwks", func() any {
		return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k1", Algorithm: "RS256", Use: "sig"}}}
	})
	mux.HandleFunc("/authorize", i.authorize)
	mux.HandleFunc("/token", i.token)
	mux.HandleFunc("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.over {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_ = json.NewEncoder(w).Encode(i.userinfo)
	})
	return i
}

func (i *fakeIssuer) authorize(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked = r.URL.Query()
	iss := i.iss
	if iss == "" {
		iss = i.URL
	}
	q := url.Values{"code": {"c1"}, "state": {i.asked.Get("state")}, "iss": {iss}}
	http.Redirect(w, r, i.asked.Get("redirect_uri")+"?"+q.Encode(), http.StatusSeeOther)
}

func (i *fakeIssuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	_ = r.ParseForm()
	i.form = r.PostForm
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if base64.RawURLEncoding.EncodeToString(sum[:]) != i.asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	half := sha256.Sum256([]byte("at"))
	claims := map[string]any{"iss": i.URL, "aud": "app_acme", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "sid": "ses_1",
		"nonce": i.asked.Get("nonce"), "at_hash": base64.RawURLEncoding.EncodeToString(half[:16])}
	for k, v := range i.userinfo {
		claims[k] = v
	}
	if i.spoil != nil {
		i.spoil(claims)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 600, "refresh_token": "rt",
		"id_token": sign(i.key, "JWT", claims)})
}

// sign makes a JWS; a failure makes a token that nobody accepts.
func sign(key *rsa.PrivateKey, typ string, claims map[string]any) string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}},
		(&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return err.Error()
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return err.Error()
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return err.Error()
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		return err.Error()
	}
	return text
}

// set changes what the issuer does.
func (i *fakeIssuer) set(change func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change()
}

// logoutToken is a good one; change spoils it.
func (i *fakeIssuer) logoutToken(change func(claims map[string]any)) string {
	claims := map[string]any{"iss": i.URL, "aud": "app_acme", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
		"jti": rand.Text(), "sub": "mbr_1", "sid": "ses_1", "events": map[string]any{logoutEvent: map[string]any{}}}
	if change != nil {
		change(claims)
	}
	return sign(i.key, "logout+jwt", claims)
}

package oidctest

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// IdP is an OpenID provider. Its fields may be changed between requests, under Do.
type IdP struct {
	*httptest.Server

	mu sync.Mutex
	// Issuer is the server's URL unless a test sets another.
	Issuer string
	// Keys are published, the first signs.
	Keys             []Key
	ClientID, Secret string
	// Public is the client's key where it authenticates by private_key_jwt.
	Public func(kid string) crypto.PublicKey
	// Person are the claims of whoever signs in, beside those of the protocol.
	Person map[string]any
	// Thin keeps Person out of the ID token but for sub, so that userinfo has to be asked.
	Thin bool
	// NoPKCE redeems a code whatever the verifier, Again as often as it comes.
	NoPKCE, Again bool
	Now           func() time.Time

	// Hooks. Each may be nil.
	Document func(map[string]any)                              // the discovery document
	Claims   func(map[string]any)                              // of an ID token
	Token    func(claims map[string]any) string                // makes the ID token
	Exchange func(w http.ResponseWriter, r *http.Request) bool // answers a token request instead
	Said     func(map[string]any)                              // the answer to a token request
	UserInfo func(map[string]any) any                          // what userinfo answers; a string is a JWT
	Raw      map[string]http.HandlerFunc                       // answers by path instead

	asked    map[string]int
	codes    map[string]url.Values // what each code was asked for with
	requests []*http.Request       // token requests, with their forms
	pushed   map[string]url.Values
}

// New starts an IdP with one RSA key and the client "gatehouse" with the secret "s:e/c r&t".
func New(t testing.TB) *IdP {
	idp := &IdP{ClientID: "gatehouse", Secret: "s:e/c r&t", Keys: []Key{NewRSA("k1")}, Now: time.Now,
		Person: map[string]any{"sub": "sub-bob", "email": "bob@acme.test", "email_verified": true, "name": "Bob Builder", "given_name": "Bob", "family_name": "Builder"},
		asked:  map[string]int{}, codes: map[string]url.Values{}, pushed: map[string]url.Values{}}
	idp.Server = httptest.NewServer(idp)
	idp.Issuer = idp.URL
	t.Cleanup(idp.Close)
	return idp
}

// Do changes the IdP while nobody reads it.
func (idp *IdP) Do(change func(*IdP)) {
	idp.mu.Lock()
	defer idp.mu.Unlock()
	change(idp)
}

// Asked counts the requests to a path so far: "/jwks", "/token", "/userinfo", "/.well-known/openid-configuration".
func (idp *IdP) Asked(path string) int {
	idp.mu.Lock()
	defer idp.mu.Unlock()
	return idp.asked[path]
}

// Requests are the token requests so far, with their forms parsed.
func (idp *IdP) Requests() []*http.Request {
	idp.mu.Lock()
	defer idp.mu.Unlock()
	return append([]*http.Request(nil), idp.requests...)
}

// ServeHTTP answers as the IdP.
func (idp *IdP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	idp.mu.Lock()
	defer idp.mu.Unlock()
	path := r.URL.Path
	if rest, nested := strings.CutSuffix(path, "/.well-known/openid-configuration"); nested && rest != "" {
		path = "/.well-known/openid-configuration"
	}
	idp.asked[path]++
	if raw := idp.Raw[path]; raw != nil {
		raw(w, r)
		return
	}
	switch path {
	case "/.well-known/openid-configuration":
		reply(w, http.StatusOK, idp.document())
	case "/jwks":
		reply(w, http.StatusOK, idp.keySet())
	case "/authorize": // where a browser that follows it is signed in at once
		redirect, answer, err := idp.answer(r.URL.Query())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if r.URL.Query().Get("response_mode") == "form_post" {
			formPost(w, redirect, answer)
			return
		}
		http.Redirect(w, r, redirect+"?"+answer.Encode(), http.StatusFound)
	case "/token":
		idp.token(w, r)
	case "/userinfo":
		idp.userInfo(w, r)
	case "/par":
		_ = r.ParseForm()
		if !idp.client(r) {
			reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
			return
		}
		uri := "urn:ietf:params:oauth:request_uri:" + rand.Text()
		idp.pushed[uri] = r.PostForm
		reply(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
	default:
		http.NotFound(w, r)
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the test has gone
}

// formPost has the browser post the answer (OAuth 2.0 Form Post Response Mode).
func formPost(w http.ResponseWriter, redirect string, answer url.Values) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><title>IdP</title><form method="post" action="%s">`, html.EscapeString(redirect))
	for name := range answer {
		fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, html.EscapeString(name), html.EscapeString(answer.Get(name)))
	}
	fmt.Fprint(w, `<button>Go on</button></form><script>document.forms[0].submit()</script>`)
}

func (idp *IdP) document() map[string]any {
	d := map[string]any{"issuer": idp.Issuer, "authorization_endpoint": idp.URL + "/authorize", "token_endpoint": idp.URL + "/token",
		"userinfo_endpoint": idp.URL + "/userinfo", "jwks_uri": idp.URL + "/jwks", "end_session_endpoint": idp.URL + "/logout",
		"pushed_authorization_request_endpoint": idp.URL + "/par",
		"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "PS256", "EdDSA"}}
	if idp.Document != nil {
		idp.Document(d)
	}
	return d
}

func (idp *IdP) keySet() map[string]any {
	set := []any{}
	for _, k := range idp.Keys {
		set = append(set, k.JWK())
	}
	return map[string]any{"keys": set}
}

// Answer signs Person in by the address that a relying party leads to, and returns what the browser is led back
// with: the redirect URI, and the parameters of the answer.
func (idp *IdP) Answer(address string) (redirect string, answer url.Values, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, err
	}
	idp.mu.Lock()
	defer idp.mu.Unlock()
	return idp.answer(u.Query())
}

func (idp *IdP) answer(q url.Values) (redirect string, answer url.Values, err error) {
	if uri := q.Get("request_uri"); uri != "" {
		if q = idp.pushed[uri]; q == nil {
			return "", nil, fmt.Errorf("no request was pushed as %s", uri)
		}
	}
	if q.Get("client_id") != idp.ClientID || q.Get("response_type") != "code" || q.Get("code_challenge_method") != "S256" {
		return "", nil, fmt.Errorf("not an authorization request for this client: %v", q)
	}
	code := rand.Text()
	idp.codes[code] = q
	out := url.Values{"code": {code}, "state": {q.Get("state")}}
	if on, _ := idp.document()["authorization_response_iss_parameter_supported"].(bool); on {
		out.Set("iss", idp.Issuer)
	}
	return q.Get("redirect_uri"), out, nil
}

func (idp *IdP) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	idp.requests = append(idp.requests, r)
	if idp.Exchange != nil && idp.Exchange(w, r) {
		return
	}
	if !idp.client(r) {
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": "no such client <b>here</b>"})
		return
	}
	code := r.PostForm.Get("code")
	asked := idp.codes[code]
	if !idp.Again {
		delete(idp.codes, code)
	}
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if asked == nil || asked.Get("redirect_uri") != r.PostForm.Get("redirect_uri") || !idp.NoPKCE && asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	access := rand.Text()
	claims := idp.idClaims(asked, access)
	if idp.Claims != nil {
		idp.Claims(claims)
	}
	make := idp.Token
	if make == nil {
		make = func(claims map[string]any) string { return idp.Keys[0].Sign(claims) }
	}
	said := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": make(claims)}
	if idp.Said != nil {
		idp.Said(said)
	}
	reply(w, http.StatusOK, said)
}

func (idp *IdP) idClaims(asked url.Values, access string) map[string]any {
	now := idp.Now()
	sum := sha256.Sum256([]byte(access))
	claims := map[string]any{"iss": idp.Issuer, "aud": idp.ClientID, "iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "auth_time": now.Unix(),
		"nonce": asked.Get("nonce"), "sid": "idp-session-of-" + fmt.Sprint(idp.Person["sub"]), "at_hash": base64.RawURLEncoding.EncodeToString(sum[:16])}
	for name, value := range idp.Person {
		if !idp.Thin || name == "sub" {
			claims[name] = value
		}
	}
	return claims
}

// client checks who asks: by basic, post, or an assertion.
func (idp *IdP) client(r *http.Request) bool {
	if id, secret, ok := r.BasicAuth(); ok {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
		return id == idp.ClientID && secret == idp.Secret
	}
	if r.PostForm.Get("client_assertion") == "" {
		return r.PostForm.Get("client_id") == idp.ClientID && r.PostForm.Get("client_secret") == idp.Secret && idp.Secret != ""
	}
	signed, err := jose.ParseSignedCompact(r.PostForm.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256})
	if err != nil || idp.Public == nil {
		return false
	}
	payload, err := signed.Verify(idp.Public(signed.Signatures[0].Header.KeyID))
	var c map[string]any
	return err == nil && json.Unmarshal(payload, &c) == nil && c["iss"] == idp.ClientID && c["sub"] == idp.ClientID && c["aud"] == idp.Issuer && c["jti"] != nil &&
		c["exp"].(float64)-c["iat"].(float64) <= 60
}

func (idp *IdP) userInfo(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	claims := maps.Clone(idp.Person)
	var body any = claims
	if idp.UserInfo != nil {
		body = idp.UserInfo(claims)
	}
	if text, ok := body.(string); ok {
		w.Header().Set("Content-Type", "application/jwt; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write([]byte(text)) // the test has gone
		return
	}
	reply(w, http.StatusOK, body)
}

// LogoutToken is what the IdP posts when the session of Person ends, changed by change.
func (idp *IdP) LogoutToken(change func(map[string]any)) string {
	idp.mu.Lock()
	defer idp.mu.Unlock()
	now := idp.Now()
	claims := map[string]any{"iss": idp.Issuer, "aud": idp.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"sub": idp.Person["sub"], "sid": "idp-session-of-" + fmt.Sprint(idp.Person["sub"]),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	if change != nil {
		change(claims)
	}
	return idp.Keys[0].SignAs("logout+jwt", claims)
}

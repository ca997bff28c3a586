package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// openID is the IdP of the workspace's other connection, which the load plays: discovery, keys, and a token endpoint that gives what
// was signed beforehand for a code.
type openID struct {
	server *http.Server
	url    string
	key    oidctest.Key

	mu     sync.Mutex
	tokens map[string][]byte // by code
}

func startOpenID() (*openID, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &openID{url: "http://" + l.Addr().String(), key: oidctest.NewRSA("bench"), tokens: map[string][]byte{}}
	document, err := json.Marshal(map[string]any{"issuer": o.url, "authorization_endpoint": o.url + "/authorize", "token_endpoint": o.url + "/token", "jwks_uri": o.url + "/jwks",
		"id_token_signing_alg_values_supported": []string{"RS256"}})
	if err != nil {
		return nil, err
	}
	set, err := json.Marshal(map[string]any{"keys": []any{o.key.JWK()}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	give := func(text []byte) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(text)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", give(document))
	mux.HandleFunc("GET /jwks", give(set))
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		code := r.PostFormValue("code")
		o.mu.Lock()
		text := o.tokens[code]
		delete(o.tokens, code)
		o.mu.Unlock()
		if text == nil {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		give(text)(w, r)
	})
	o.server = &http.Server{ReadHeaderTimeout: time.Minute, Handler: mux}
	go func() { _ = o.server.Serve(l) }() // ends with close
	return o, nil
}

func (o *openID) close() { _ = o.server.Close() }

// answers signs in somebody for a request, and returns the code.
func (o *openID) answers(nonce string, n int) (code string, err error) {
	now := time.Now()
	id := o.key.Sign(map[string]any{"iss": o.url, "aud": client, "sub": fmt.Sprint("person-", n), "nonce": nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "auth_time": now.Unix(),
		"email": userName("openid", n), "email_verified": true, "name": "Somebody From Elsewhere", "given_name": "Somebody", "family_name": "Elsewhere",
		"groups": strings.Fields(strings.Repeat("Some-Group-Of-The-Company-With-A-Name ", 40)), "sid": fmt.Sprint("session-at-the-idp-", n)})
	text, err := json.Marshal(map[string]any{"access_token": "unused", "token_type": "Bearer", "expires_in": 300, "id_token": id})
	if err != nil {
		return "", err
	}
	code, _ = keys.NewToken("code_")
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tokens[code] = text
	return code, nil
}

// openIDConnection is how an administrator sets up single sign-on with that IdP. sealed is the client secret.
func (o outsiders) openIDConnection(now time.Time, sealed string) directory.Connection {
	known := directory.DefaultOIDC("generic")
	known.Issuer, known.ClientID, known.Secret = o.Issuer, client, sealed
	return directory.Connection{ID: openIDID, Name: "openid", Provider: "generic", Protocol: directory.ProtocolOIDC, Status: directory.ConnectionActive, VerifiedAt: now, OIDC: &known}
}

// calledBack is enter for a callback of OpenID Connect: what is between is a token request, which the load answers at once.
func (h *house) calledBack(_ context.Context, s *slot) error {
	n := int(h.stock.next.Add(1)) - 1
	if n >= len(h.stock.answers) {
		return errDry
	}
	a := h.stock.answers[n]
	body, err := s.want(303, "GET", a.path, a.cookies, "")
	if err == nil && !strings.Contains(string(s.cookies), "gatehouse_session=") {
		err = fmt.Errorf("sign-in %d: no session: %s %s", n, s.location, body)
	}
	return err
}

// askedOpenID begins a sign-in and has the IdP sign the answer.
func (h *house) askedOpenID(w *wire, n int) (answer, error) {
	header := from(h.stock.salt, n)
	if _, err := w.want(302, "GET", "/auth/oidc/"+openIDID+"/login", header, ""); err != nil {
		return answer{}, err
	}
	there, err := url.Parse(string(w.location))
	if err != nil {
		return answer{}, err
	}
	q := there.Query()
	if q.Get("nonce") == "" {
		return answer{}, errors.New("no nonce in " + there.String())
	}
	code, err := h.openid.answers(q.Get("nonce"), n%signers)
	if err != nil {
		return answer{}, err
	}
	back := url.Values{"code": {code}, "state": {q.Get("state")}}
	return answer{cookies: header + "Cookie: " + string(w.cookies) + "\r\n", path: "/auth/oidc/callback?" + back.Encode()}, nil
}

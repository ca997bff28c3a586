package relyingparty

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Request is a sign-in that is about to begin.
type Request struct {
	RedirectURI string
	State       string   // at least 128 random bits
	Nonce       string   // the same
	Verifier    string   // of PKCE: NewSecret
	Scopes      []string // beside openid
	Prompt      string
	MaxAge      *int // seconds, nil for any
	ACRValues   []string
	LoginHint   string
	// Domain is the Google Workspace domain that the IdP may offer alone. It proves nothing.
	Domain   string
	FormPost bool
}

// NewSecret returns 256 random bits as text, for a nonce or a verifier (RFC 7636 section 4.1).
func NewSecret() string { return rand.Text() + rand.Text() }

// challenge is the code challenge of a verifier by S256, which is the only method used.
func challenge(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// AuthorizationURL returns the address that begins a sign-in at the IdP. Where the IdP takes only requests
// that were pushed (RFC 9126) it is pushed first. The error is a *Refusal, or that of ctx.
func (rp *RelyingParty) AuthorizationURL(ctx context.Context, p Party, r Request, now time.Time) (string, error) {
	d, err := rp.Discover(ctx, p, now)
	if err != nil {
		return "", err
	}
	q := r.parameters(p)
	if d.PushedOnly && d.Pushed != "" {
		if q, err = rp.push(ctx, p, d, q, now); err != nil {
			return "", err
		}
	}
	u, err := url.Parse(d.Authorization)
	if err != nil {
		return "", refuse(ReasonDiscovery, "authorization_endpoint: expected a URL, received %s.", quote(d.Authorization)).because(err)
	}
	// What stands in the endpoint's own query is kept (RFC 6749 section 3.1), but for our parameters.
	all := u.Query()
	for name, values := range q {
		all[name] = values
	}
	u.RawQuery = all.Encode()
	return u.String(), nil
}

// parameters are those of OIDC Core section 3.1.2.1 and RFC 7636.
func (r Request) parameters(p Party) url.Values {
	q := url.Values{"response_type": {"code"}, "client_id": {p.ClientID}, "redirect_uri": {r.RedirectURI}, "state": {r.State}, "nonce": {r.Nonce},
		"scope":          {strings.Join(append([]string{"openid"}, r.Scopes...), " ")},
		"code_challenge": {challenge(r.Verifier)}, "code_challenge_method": {"S256"}}
	optional := map[string]string{"prompt": r.Prompt, "login_hint": r.LoginHint, "hd": r.Domain}
	if r.FormPost {
		optional["response_mode"] = "form_post"
	}
	if r.MaxAge != nil {
		optional["max_age"] = strconv.Itoa(*r.MaxAge)
	}
	if len(r.ACRValues) > 0 {
		optional["acr_values"] = strings.Join(r.ACRValues, " ")
		// As a claim it is essential, which acr_values alone never is (section 5.5.1.1).
		claims, _ := json.Marshal(map[string]any{"id_token": map[string]any{"acr": map[string]any{"essential": true, "values": r.ACRValues}}}) // texts always encode
		optional["claims"] = string(claims)
	}
	for name, value := range optional {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// push hands the parameters to the IdP and returns those that stand for them (RFC 9126 section 2).
func (rp *RelyingParty) push(ctx context.Context, p Party, d *Document, q url.Values, now time.Time) (url.Values, error) {
	a, err := rp.post(ctx, p, d, d.Pushed, q, now)
	if err != nil {
		return nil, err
	}
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	if a.status != http.StatusCreated && a.status != http.StatusOK {
		return nil, refusedBy(ReasonPushed, a)
	}
	if json.Unmarshal(a.body, &pushed) != nil || pushed.RequestURI == "" {
		return nil, refuse(ReasonPushed, "The IdP's answer to the pushed request has no request_uri.")
	}
	return url.Values{"client_id": {p.ClientID}, "request_uri": {pushed.RequestURI}}, nil
}

// EndSessionURL is where the IdP signs people out (RP-Initiated Logout section 2), "" where it offers none.
// idToken is the one that the session began with.
func (rp *RelyingParty) EndSessionURL(ctx context.Context, p Party, idToken, back, state string, now time.Time) string {
	d, err := rp.Discover(ctx, p, now)
	if err != nil || d.EndSession == "" {
		return ""
	}
	u, err := url.Parse(d.EndSession)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", p.ClientID)
	q.Set("post_logout_redirect_uri", back)
	q.Set("state", state)
	if idToken != "" {
		q.Set("id_token_hint", idToken)
	}
	u.RawQuery = q.Encode()
	return u.String()
}

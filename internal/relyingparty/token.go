package relyingparty

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"crypto/rand"
)

// Sent is what a sign-in was begun with, against which its end is held.
type Sent struct {
	RedirectURI string
	Verifier    string
	NonceHolds  func(nonce string) bool // compares in constant time
	At          time.Time               // when it began
	MaxAge      *int                    // seconds, nil for any
	ACRValues   []string                // one of which must be met; none for any
}

// Outcome is a sign-in that may be believed.
type Outcome struct {
	Issuer, Subject string
	// Claims are those of the ID token, and those of userinfo that it does not have.
	Claims Claims
	// AuthTime is when the person proved who they are, as far as the IdP says; zero where it does not.
	AuthTime time.Time
	Context  string // acr, or ""
	Session  string // sid, or ""
	IDToken  string // as it came
	// Behind is how far the IdP's clock is behind ours, negative where it is ahead, by iat.
	Behind time.Duration
	Notes  []string // for the event
}

// tokens is an answer of a token endpoint.
type tokens struct {
	Access string `json:"access_token"`
	Type   string `json:"token_type"`
	ID     string `json:"id_token"`
}

// Redeem turns a code into who signed in. The error is a *Refusal, or that of ctx.
func (rp *RelyingParty) Redeem(ctx context.Context, p Party, code string, sent Sent, now time.Time) (*Outcome, error) {
	d, err := rp.Discover(ctx, p, now)
	if err != nil {
		return nil, err
	}
	t, err := rp.exchange(ctx, p, d, code, sent, now)
	if err != nil {
		return nil, err
	}
	id, err := rp.idToken(ctx, p, d, t, sent, now)
	if err != nil {
		return nil, err
	}
	if err := rp.askUserInfo(ctx, p, d, t, id, now); err != nil {
		return nil, err
	}
	return id.outcome, nil
}

// exchange is the token request (OIDC Core section 3.1.3.1, RFC 7636 section 4.5).
func (rp *RelyingParty) exchange(ctx context.Context, p Party, d *Document, code string, sent Sent, now time.Time) (*tokens, error) {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {sent.RedirectURI}, "code_verifier": {sent.Verifier}}
	a, err := rp.post(ctx, p, d, d.Token, form, now)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, refusedBy(ReasonTokenRequest, a)
	}
	var t tokens
	if err := json.Unmarshal(a.body, &t); err != nil {
		return nil, refuse(ReasonTokenAnswer, "Expected the tokens in JSON from %s.", d.Token).because(err)
	}
	switch {
	case t.ID == "":
		return nil, refuse(ReasonTokenAnswer, "The answer of %s has no id_token. The application there has to be one for OpenID Connect, and the scope openid allowed.", d.Token)
	case t.Access != "" && !strings.EqualFold(t.Type, "Bearer"):
		return nil, refuse(ReasonTokenAnswer, "Expected token_type Bearer, received %s.", quote(t.Type))
	}
	return &t, nil
}

// post sends a form to the IdP as the client that we are there (OIDC Core section 9). The error is a *Refusal.
func (rp *RelyingParty) post(ctx context.Context, p Party, d *Document, address string, form url.Values, now time.Time) (*answer, error) {
	switch p.ClientAuth {
	case "private_key_jwt":
		assertion, err := p.assertion(ctx, d, now)
		if err != nil {
			return nil, err
		}
		form.Set("client_id", p.ClientID)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
	case "post":
		form.Set("client_id", p.ClientID)
		form.Set("client_secret", p.Secret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, refuse(ReasonUnreachable, "expected an address, received %s.", quote(address)).because(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if p.ClientAuth == "basic" {
		// Both parts are form-encoded first (RFC 6749 section 2.3.1), which matters for a secret with a colon.
		r.SetBasicAuth(url.QueryEscape(p.ClientID), url.QueryEscape(p.Secret))
	}
	return rp.call(r, maxTokens, true)
}

// assertionLife is how long a client assertion is worth something.
const assertionLife = 60 * time.Second

// assertion proves by our own key who we are (RFC 7523 section 2.2). Its audience is the issuer, and nothing
// that somebody else could be: an assertion that was sent to one IdP must be worth nothing at another.
func (p Party) assertion(ctx context.Context, d *Document, now time.Time) (string, error) {
	if p.Assert == nil {
		return "", refuse(ReasonIdPUnknown, "The connection wants private_key_jwt, and there is no key to sign with here.")
	}
	text, err := p.Assert(ctx, map[string]any{"iss": p.ClientID, "sub": p.ClientID, "aud": d.Issuer, "jti": rand.Text(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix()})
	if err != nil {
		return "", refuse(ReasonIdPUnknown, "The client assertion could not be signed.").because(err)
	}
	return text, nil
}

// refusedBy makes a refusal of an error answer (RFC 6749 section 5.2). What it says is text, to be shown as such.
func refusedBy(reason string, a *answer) *Refusal {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(a.body, &said) // what cannot be read says nothing
	r := refuse(reason, "The IdP answered %d, %s: %s.", a.status, quote(said.Error), quote(said.Description))
	r.IdPError, r.IdPDescription = said.Error, said.Description
	switch said.Error {
	case "invalid_client":
		r.Detail += " It does not know this client id, or the client secret is not the one it has."
	case "invalid_grant":
		r.Detail += " The code was used before, has expired, or was given for another redirect URI."
	case "unauthorized_client":
		r.Detail += " The application there may not use the authorization code flow."
	}
	return r
}

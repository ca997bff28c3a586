package idpsim

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// oauthError is an error answer of the token endpoint (RFC 6749 section 5.2).
type oauthError struct {
	status            int
	code, description string
}

func (e *oauthError) Error() string { return e.code + ": " + e.description }

func refuseClient(description string) error {
	return &oauthError{http.StatusUnauthorized, "invalid_client", description}
}

func refuseGrant(description string) error {
	return &oauthError{http.StatusBadRequest, "invalid_grant", description}
}

// redeem answers a token request at base.
func (p *IdP) redeem(r *http.Request, base string) (map[string]any, error) {
	s, err := p.oidcReady()
	if err != nil {
		return nil, err
	}
	if err := p.client(r, s, base); err != nil {
		return nil, err
	}
	if r.PostForm.Get("grant_type") != "authorization_code" {
		return nil, &oauthError{http.StatusBadRequest, "unsupported_grant_type", "Expected authorization_code."}
	}
	g, err := p.spend(r.PostForm)
	if err != nil {
		return nil, err
	}
	access := p.opts.randomText(43)
	token, err := p.idToken(g, access)
	if err != nil {
		return nil, err
	}
	p.oidc.mu.Lock()
	p.oidc.access[access] = g
	p.oidc.keep(access)
	p.oidc.mu.Unlock()
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 3600, "scope": strings.Join(slices.Sorted(keysOf(g.scopes)), " "), "id_token": token}
	if g.fault == OIDCNoToken {
		delete(out, "id_token")
	}
	return out, nil
}

func keysOf(set map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range set {
			if !yield(name) {
				return
			}
		}
	}
}

// spend takes a code, once (RFC 6749 section 4.1.3, RFC 7636 section 4.6).
func (p *IdP) spend(form url.Values) (*grant, error) {
	now := p.opts.Clock()
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	g := p.oidc.codes[form.Get("code")]
	if g == nil || g.spent || now.After(g.until) {
		return nil, refuseGrant("The authorization code is invalid, was used before or has expired.")
	}
	g.spent = true
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case form.Get("redirect_uri") != g.redirect:
		return nil, refuseGrant("The redirect_uri is not that of the authorization request.")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge:
		return nil, refuseGrant("PKCE verification failed.")
	}
	return g, nil
}

// idToken makes the ID token of a grant, with its fault.
func (p *IdP) idToken(g *grant, access string) (string, error) {
	own, impostor, err := p.oidcKeys()
	if err != nil {
		return "", err
	}
	now := p.opts.Clock()
	claims := p.idClaims(g, access, now.Add(g.fault.shift()))
	g.fault.spoil(p, claims)
	sign := func() (string, error) { return own.sign("JWT", claims, false, false) }
	switch g.fault {
	case OIDCUnsigned:
		sign = func() (string, error) { return unsigned(claims) }
	case OIDCSymmetric:
		sign = func() (string, error) { return own.symmetric(claims) }
	case OIDCWrongKey:
		impostor.id = own.id
		sign = func() (string, error) { return impostor.sign("JWT", claims, false, false) }
	case OIDCUnknownKey:
		sign = func() (string, error) { return impostor.sign("JWT", claims, false, false) }
	case OIDCKeyInHeader:
		sign = func() (string, error) { return impostor.sign("JWT", claims, true, true) }
	case OIDCKeyAddress:
		sign = func() (string, error) { return impostor.withHeader(claims, "jku", g.base+"/keys-of-nobody") }
	case OIDCCritical:
		sign = func() (string, error) { return own.withHeader(claims, "crit", []string{"urn:gatehouse:unknown"}) }
	case OIDCEncrypted:
		sign = func() (string, error) { return costly(), nil }
	case OIDCNoKeyID:
		sign = func() (string, error) { return own.sign("JWT", claims, true, false) }
	}
	token, err := sign()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode claims: %w", err)
	}
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	p.oidc.issued = slices.Insert(p.oidc.issued, 0, OIDCIssued{Time: now, UserName: g.person.UserName, Fault: g.fault, Claims: string(text)})
	p.oidc.issued = p.oidc.issued[:min(len(p.oidc.issued), shownIssued)]
	switch g.fault {
	case OIDCOldToken:
		return p.oidc.token, nil // SetOIDCFault refuses the fault before there is one
	case OIDCNone:
		p.oidc.token = token
	}
	return token, nil
}

// client checks who asks at the token endpoint (OIDC Core section 9).
func (p *IdP) client(r *http.Request, s OIDCSettings, base string) error {
	id, secret, basic := r.BasicAuth()
	form := r.PostForm
	how := "post"
	switch {
	case basic:
		how = "basic"
		var errID, errSecret error
		id, errID = url.QueryUnescape(id)
		secret, errSecret = url.QueryUnescape(secret)
		if errors.Join(errID, errSecret) != nil || form.Has("client_secret") {
			return refuseClient("The client's credentials are not form-encoded, or come twice.")
		}
	case form.Has("client_assertion"):
		how = "private_key_jwt"
	default:
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	if how != s.ClientAuth && (s.ClientAuth != "secret" || how == "private_key_jwt") {
		return refuseClient("The client may not authenticate by " + how + ".")
	}
	if how == "private_key_jwt" {
		return p.asserted(r.Context(), form, s, base)
	}
	if id != s.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(s.ClientSecret)) != 1 {
		return refuseClient("The client id or secret is wrong.")
	}
	return nil
}

// maxAssertion is how long a client assertion may be worth something.
const maxAssertion = 5 * time.Minute

// asserted checks a client assertion against the application's published keys (RFC 7523 section 3).
func (p *IdP) asserted(ctx context.Context, form url.Values, s OIDCSettings, base string) error {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return refuseClient("client_assertion_type is not that of a JWT.")
	}
	signed, err := jose.ParseSignedCompact(form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return refuseClient("The client assertion cannot be read.")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.KeysURL, nil)
	if err != nil {
		return refuseClient("The client's keys cannot be fetched.")
	}
	res, err := p.opts.HTTPClient.Do(req)
	if err != nil {
		return refuseClient("The client's keys cannot be fetched.")
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if res.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&set) != nil {
		return refuseClient("The client's keys cannot be read.")
	}
	for _, key := range set.Key(signed.Signatures[0].Header.KeyID) {
		payload, err := signed.Verify(key.Key)
		if err != nil {
			continue
		}
		var c struct {
			Issuer   string `json:"iss"`
			Subject  string `json:"sub"`
			Audience any    `json:"aud"`
			ID       string `json:"jti"`
			Until    int64  `json:"exp"`
		}
		now, at := p.opts.Clock(), p.oidcPlaces(base)
		until := func() time.Time { return time.Unix(c.Until, 0) }
		if json.Unmarshal(payload, &c) == nil && c.Issuer == s.ClientID && c.Subject == s.ClientID && (c.Audience == at.issuer || c.Audience == at.token) &&
			c.ID != "" && until().After(now) && until().Before(now.Add(maxAssertion)) {
			return nil
		}
		return refuseClient("The client assertion's claims are not as RFC 7523 wants them.")
	}
	return refuseClient("No key of the client made the assertion's signature.")
}

// userInfo is what userinfo answers for an access token, nil for none that is good.
func (p *IdP) userInfo(access string) map[string]any {
	p.oidc.mu.Lock()
	g := p.oidc.access[access]
	p.oidc.mu.Unlock()
	if g == nil {
		return nil
	}
	c := p.personClaims(g)
	if p.kind.IsEntra() { // its userinfo is Graph's, and knows little
		for name := range c {
			if !slices.Contains([]string{"sub", "name", "email"}, name) {
				delete(c, name)
			}
		}
	}
	if g.fault == OIDCOtherUserInfo {
		c["sub"] = "another-" + p.oidcSubject(g.person)
	}
	return c
}

package idpsim

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Answer is what the IdP leads a browser back with.
type Answer struct {
	RedirectURI string     `json:"redirect_uri"`
	Parameters  url.Values `json:"parameters"`
	FormPost    bool       `json:"form_post"` // they are posted as a form, not put into the address
	Session     string     `json:"session"`   // the session at the IdP, or ""
	Fault       OIDCFault  `json:"fault"`     // what is done to this sign-in
}

// URL is the address that a browser is redirected to, for answers that are not posted.
func (a Answer) URL() string {
	mark := "?"
	if strings.Contains(a.RedirectURI, "?") {
		mark = "&"
	}
	return a.RedirectURI + mark + a.Parameters.Encode()
}

// authorization is an authorization request that was read.
type authorization struct {
	settings                     OIDCSettings
	redirect, state, nonce, hint string
	challenge                    string
	scopes                       map[string]bool
	formPost, silent, maxAge     bool
	query                        string // as it came, for forms that come back here
}

// grant is somebody's sign-in, for the code and then for the access token.
type grant struct {
	*authorization
	person  Person
	base    string
	session string
	fault   OIDCFault
	until   time.Time
	spent   bool
}

// codeLife is how long a code is good.
const codeLife = time.Minute

// Authorize answers an authorization request of the application, given as the URL that it sent the browser to, as
// if that person had signed in. Errors are those of [IdP.SignInAs].
func (p *IdP) Authorize(requestURL, who string) (Answer, error) {
	return p.authorizeAt(requestURL, p.opts.BaseURL, who)
}

// authorizeAt is Authorize for an IdP that stands at base.
func (p *IdP) authorizeAt(requestURL, base, who string) (Answer, error) {
	u, err := url.Parse(requestURL)
	if err != nil {
		return Answer{}, mistake("%v", err)
	}
	if base == "" {
		base = u.Scheme + "://" + u.Host
	}
	at := p.oidcPlaces(base).authorize
	if got := u.Scheme + "://" + u.Host + u.EscapedPath(); got != at {
		return Answer{}, mistake("it went to %q, expected %q", got, at)
	}
	a, err := p.readAuthorization(u.RawQuery)
	if err != nil {
		return Answer{}, err
	}
	return p.grantTo(who, a, base)
}

// readAuthorization reads a request (OIDC Core section 3.1.2.1, RFC 7636 section 4.3), more strictly than the vendors do.
func (p *IdP) readAuthorization(query string) (*authorization, error) {
	s, err := p.oidcReady()
	if err != nil {
		return nil, err
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, mistake("the query cannot be read: %v", err)
	}
	for name, values := range q {
		if len(values) > 1 {
			return nil, mistake("%s comes more than once", name)
		}
	}
	a := &authorization{settings: s, redirect: q.Get("redirect_uri"), state: q.Get("state"), nonce: q.Get("nonce"), hint: q.Get("login_hint"),
		challenge: q.Get("code_challenge"), scopes: map[string]bool{}, formPost: q.Get("response_mode") == "form_post", silent: q.Get("prompt") == "none", query: query}
	if text := q.Get("max_age"); text != "" {
		if n, err := strconv.Atoi(text); err != nil || n < 0 {
			return nil, mistake("max_age is %q, expected seconds", text)
		}
		a.maxAge = true
	}
	for scope := range strings.FieldsSeq(q.Get("scope")) {
		if !slices.Contains(p.scopes(), scope) {
			return nil, mistake("invalid_scope: %q is none of %s", scope, strings.Join(p.scopes(), ", "))
		}
		a.scopes[scope] = true
	}
	return a, a.check(q)
}

// check holds the request against the settings and names the first mistake.
func (a *authorization) check(q url.Values) error {
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(a.challenge)
	switch mode := q.Get("response_mode"); {
	case q.Get("client_id") != a.settings.ClientID:
		return mistake("client_id is %q, expected %q", q.Get("client_id"), a.settings.ClientID)
	case !slices.Contains(a.settings.RedirectURIs, a.redirect):
		return mistake("redirect_uri is %q, expected one of %s", a.redirect, strings.Join(a.settings.RedirectURIs, ", "))
	case q.Get("response_type") != "code":
		return mistake("response_type is %q, expected \"code\"", q.Get("response_type"))
	case !a.scopes["openid"]:
		return mistake("scope is %q, expected openid among it", q.Get("scope"))
	case a.state == "" || a.nonce == "":
		return mistake("state and nonce are expected, one of them is missing")
	case q.Get("code_challenge_method") != "S256" || err != nil || len(challenge) != 32:
		return mistake("code_challenge is missing, or not of the method S256")
	case mode != "" && mode != "query" && mode != "form_post":
		return mistake("response_mode is %q, expected query or form_post", mode)
	}
	return nil
}

// grantTo makes the answer for somebody. It uses up the fault that is armed.
func (p *IdP) grantTo(who string, a *authorization, base string) (Answer, error) {
	out := Answer{RedirectURI: a.redirect, FormPost: a.formPost, Parameters: url.Values{"state": {a.state}}, Fault: OIDCNone}
	if a.silent {
		out.Parameters.Set("error", "login_required")
		return out, nil
	}
	x, err := p.mayUse(who)
	if err != nil {
		return Answer{}, err
	}
	code, session := p.opts.randomText(43), p.opts.randomGUID()
	now := p.opts.Clock()
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	out.Fault, p.oidc.fault = p.oidc.fault, OIDCNone
	switch out.Fault {
	case OIDCReplay:
		again := *p.oidc.good // SetOIDCFault refuses the fault before there is one
		again.Fault = OIDCReplay
		return again, nil
	case OIDCDenied:
		out.Parameters.Set("error", "access_denied")
		out.Parameters.Set("error_description", "User is not assigned to the client application.")
		return out, nil
	case OIDCOtherIdP:
		out.Parameters.Set("iss", "https://another.example")
	case OIDCOtherState:
		out.Parameters.Set("state", p.opts.randomText(43))
	}
	out.Parameters.Set("code", code)
	out.Session = session
	p.oidc.codes[code] = &grant{authorization: a, person: x, base: base, session: session, fault: out.Fault, until: now.Add(codeLife), spent: out.Fault == OIDCSpentCode}
	p.oidc.keep(code)
	p.oidc.sessions = append(p.oidc.sessions, OIDCSession{ID: session, UserName: x.UserName, Started: now, person: x.ID})
	if len(p.oidc.sessions) > maxOIDCKept {
		p.oidc.sessions = p.oidc.sessions[1:]
	}
	if out.Fault == OIDCNone {
		good := out
		p.oidc.good = &good
	}
	return out, nil
}

// keep remembers a code or access token and forgets the oldest. mu must be held.
func (a *oidcApp) keep(secret string) {
	a.order = append(a.order, secret)
	for len(a.order) > 2*maxOIDCKept {
		delete(a.codes, a.order[0])
		delete(a.access, a.order[0])
		a.order = a.order[1:]
	}
}

// OIDCTile is what the application's tile on somebody's dashboard does: the browser goes to the application, which
// begins the sign-in (OIDC Core section 4). The address is returned.
func (p *IdP) OIDCTile(who string) (string, error) { return p.oidcTileAt(p.opts.BaseURL, who) }

func (p *IdP) oidcTileAt(base, who string) (string, error) {
	s, err := p.oidcReady()
	if err != nil {
		return "", err
	}
	x, err := p.mayUse(who)
	if err != nil {
		return "", err
	}
	if s.InitiateURL == "" {
		return "", fmt.Errorf("%w: initiate_url is not set, so the tile leads nowhere", ErrNotConnected)
	}
	q := url.Values{"iss": {p.oidcPlaces(base).issuer}, "login_hint": {x.UserName}}
	if s.TargetURL != "" {
		q.Set("target_link_uri", s.TargetURL)
	}
	return s.InitiateURL + "?" + q.Encode(), nil
}

package idpsim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// SignedOut is whom the end of a session was told.
type SignedOut struct {
	Told   bool     `json:"told"`   // the application, by a logout token
	Frames []string `json:"frames"` // addresses that the browser loads in frames
}

// SignOut ends sessions at the IdP and tells the application: which is a session's id, or a person, all of whose
// sessions end. The logout token (OIDC Back-Channel Logout section 2.4) names sub and sid, or sub alone; a refusal
// is a [*StepError]. Entra tells only by way of the browser, Google nobody. Okta and OneLogin are made to tell
// beyond what their documents promise.
func (p *IdP) SignOut(ctx context.Context, which string) (SignedOut, error) {
	return p.signOutAt(ctx, p.opts.BaseURL, which)
}

func (p *IdP) signOutAt(ctx context.Context, base, which string) (SignedOut, error) {
	s, err := p.oidcReady()
	if err != nil {
		return SignedOut{}, err
	}
	ended, subject, session, err := p.endSessions(which)
	if err != nil {
		return SignedOut{}, p.oidcOutcome("Sign out", "", err)
	}
	at := p.oidcPlaces(base)
	var out SignedOut
	if s.FrontchannelURL != "" {
		for _, e := range ended {
			mark := "?"
			if strings.Contains(s.FrontchannelURL, "?") {
				mark = "&"
			}
			out.Frames = append(out.Frames, s.FrontchannelURL+mark+url.Values{"iss": {at.issuer}, "sid": {e.ID}}.Encode())
		}
	}
	if s.BackchannelURL == "" {
		return out, p.oidcOutcome("Sign out", fmt.Sprintf("%d sessions ended here.", len(ended)), nil)
	}
	now := p.opts.Clock()
	claims := map[string]any{"iss": at.issuer, "aud": s.ClientID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": p.opts.randomGUID(), "sub": subject,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	if session != "" {
		claims["sid"] = session
	}
	own, _, err := p.oidcKeys()
	if err != nil {
		return out, err
	}
	token, err := own.sign("logout+jwt", claims, false, false)
	if err != nil {
		return out, err
	}
	err = p.tellLogout(ctx, s.BackchannelURL, token)
	out.Told = err == nil
	return out, p.oidcOutcome("Sign out", fmt.Sprintf("%d sessions ended here, and the application was told.", len(ended)), err)
}

// endSessions takes sessions out. session is "" when a person was named.
func (p *IdP) endSessions(which string) (ended []OIDCSession, subject, session string, err error) {
	x, personErr := p.person(which)
	p.oidc.mu.Lock()
	p.oidc.sessions = slices.DeleteFunc(p.oidc.sessions, func(s OIDCSession) bool {
		fits := s.ID == which || personErr == nil && s.person == x.ID
		if fits {
			ended = append(ended, s)
		}
		return fits
	})
	p.oidc.mu.Unlock()
	switch {
	case personErr == nil:
		return ended, p.oidcSubject(x), "", nil
	case len(ended) == 0:
		return nil, "", "", fmt.Errorf("%w: no session and nobody here is called %q", ErrUnknown, which)
	}
	if x, err = p.person(ended[0].person); err != nil {
		return nil, "", "", err
	}
	return ended, p.oidcSubject(x), which, nil
}

// tellLogout posts a logout token (section 2.5).
func (p *IdP) tellLogout(ctx context.Context, address, token string) error {
	step := &StepError{IdP: p.kind, Step: "tell of the logout", Method: http.MethodPost, Target: address, Attempts: 1}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	if err != nil {
		step.Err = err
		return step
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := p.opts.HTTPClient.Do(req)
	if err != nil {
		step.Err = err
		return step
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusNoContent {
		return nil
	}
	said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what cannot be read says nothing
	step.Status, step.Detail = res.StatusCode, strings.TrimSpace(string(said))
	return step
}

// OIDCSessions are the sessions at the IdP that sign-ins to the application began, oldest first.
func (p *IdP) OIDCSessions() []OIDCSession {
	p.oidc.mu.Lock()
	defer p.oidc.mu.Unlock()
	return slices.Clone(p.oidc.sessions)
}

// endedByApp is the sign-out that the application began (OIDC RP-Initiated Logout section 2): its hint must be an ID token of
// this IdP's. It returns where the browser goes on to, "" for nowhere.
func (p *IdP) endedByApp(q url.Values) (string, error) {
	s, err := p.oidcReady()
	if err != nil {
		return "", err
	}
	back := q.Get("post_logout_redirect_uri")
	if back != "" && !slices.Contains(s.PostLogoutURIs, back) {
		return "", mistake("post_logout_redirect_uri is %q, expected one of %s", back, strings.Join(s.PostLogoutURIs, ", "))
	}
	if id := q.Get("client_id"); id != "" && id != s.ClientID {
		return "", mistake("client_id is %q, expected %q", id, s.ClientID)
	}
	hint := q.Get("id_token_hint")
	if hint == "" && back != "" {
		return "", mistake("id_token_hint is missing")
	}
	if hint != "" {
		session, err := p.sessionOf(hint)
		if err != nil {
			return "", err
		}
		p.oidc.mu.Lock()
		p.oidc.sessions = slices.DeleteFunc(p.oidc.sessions, func(one OIDCSession) bool { return one.ID == session })
		p.oidc.mu.Unlock()
	}
	if back == "" {
		return "", nil
	}
	if state := q.Get("state"); state != "" {
		mark := "?"
		if strings.Contains(back, "?") {
			mark = "&"
		}
		back += mark + url.Values{"state": {state}}.Encode()
	}
	return back, nil
}

// sessionOf is the session that an ID token of ours was made in. It may have expired.
func (p *IdP) sessionOf(hint string) (string, error) {
	signed, err := jose.ParseSignedCompact(hint, []jose.SignatureAlgorithm{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA})
	if err != nil {
		return "", mistake("id_token_hint cannot be read: %v", err)
	}
	set, err := p.publicKeys()
	if err != nil {
		return "", err
	}
	for _, key := range set.Keys {
		payload, err := signed.Verify(key.Key)
		var c struct {
			Session string `json:"sid"`
		}
		if err == nil && json.Unmarshal(payload, &c) == nil {
			return c.Session, nil
		}
	}
	return "", mistake("id_token_hint was not signed by this IdP")
}

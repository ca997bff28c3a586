package hostapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// logoutEvent makes a token a logout token (OIDC Back-Channel Logout 1.0 section 2.4).
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	// freshness is how old a logout token may be, or how far ahead the issuer's clock.
	freshness  = 5 * time.Minute
	maxLogout  = 64 << 10 // bytes of a form
	logoutType = "logout+jwt"
)

// logout is what a logout token says.
type logout struct {
	Session string                     `json:"sid"`
	ID      string                     `json:"jti"`
	Nonce   *string                    `json:"nonce"`
	Events  map[string]json.RawMessage `json:"events"`
}

// backchannel receives a logout token and ends the sessions that it means, before it answers.
func (a *App) backchannel(w http.ResponseWriter, r *http.Request) {
	received := a.options.Now()
	w.Header().Set("Cache-Control", "no-store")
	p := a.party(r.PathValue("company"))
	if p == nil {
		http.NotFound(w, r)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxLogout)
	token, said, err := p.readLogout(r, received)
	if err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": err.Error()})
		return
	}
	for _, v := range a.endBy(p, said.Session, token.Subject, func(v *visit) *ending { return a.endedBy(v, received) }) {
		if a.options.OnEnded != nil {
			a.options.OnEnded(*v.end.word) // set once, by us, before the visit was returned
		}
	}
	w.WriteHeader(http.StatusOK)
}

// endedBy is the end of a visit that its issuer wants.
func (a *App) endedBy(v *visit, received time.Time) *ending {
	word := Ended{Company: v.party.Slug, Subject: v.person.Subject, Session: v.sid, Received: received}
	e := &ending{at: received, word: &word, sentence: "You were signed out: " + v.party.Name + " ended this session."}
	if a.options.Cause == nil {
		return e
	}
	if cause, ok := a.options.Cause(word); ok {
		e.since, e.known = received.Sub(cause.At), true
		e.sentence = fmt.Sprintf("You were signed out: your company ended your access (%d ms after %s).", e.since.Milliseconds(), cause.What)
	}
	return e
}

// readLogout checks a logout token as section 2.6 says.
func (p *party) readLogout(r *http.Request, now time.Time) (*oidc.IDToken, logout, error) {
	var said logout
	if err := r.ParseForm(); err != nil {
		return nil, said, fmt.Errorf("read form: %w", err)
	}
	raw := r.PostForm["logout_token"]
	if len(raw) != 1 {
		return nil, said, fmt.Errorf("expected one logout_token, got %d", len(raw))
	}
	found, err := p.issuer(r.Context())
	if err != nil {
		return nil, said, err
	}
	if err := checkType(raw[0]); err != nil {
		return nil, said, err
	}
	token, err := found.logouts.Verify(p.app.outside(r.Context()), raw[0]) // signature, iss, aud, exp
	if err != nil {
		return nil, said, fmt.Errorf("verify logout token: %w", err)
	}
	if err := token.Claims(&said); err != nil {
		return nil, said, fmt.Errorf("read logout token: %w", err)
	}
	if err := said.check(token, now); err != nil {
		return nil, said, err
	}
	if p.app.usedBefore(p, said.ID) {
		return nil, said, errors.New("the logout token was used before")
	}
	return token, said, nil
}

// check is what a logout token must be beyond being a token of the issuer for us.
func (l logout) check(token *oidc.IDToken, now time.Time) error {
	var event map[string]json.RawMessage
	age := now.Sub(token.IssuedAt)
	switch {
	case json.Unmarshal(l.Events[logoutEvent], &event) != nil:
		return errors.New("expected the event " + logoutEvent + " with an object")
	case l.Nonce != nil:
		return errors.New("expected no nonce")
	case l.Session == "" && token.Subject == "":
		return errors.New("expected sid or sub")
	case l.ID == "":
		return errors.New("expected a jti")
	case age > freshness || age < -freshness:
		return fmt.Errorf("expected a logout token of the last %s, got one of %s", freshness, token.IssuedAt.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkType keeps tokens that were made for something else from being taken for a logout token.
func checkType(raw string) error {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return fmt.Errorf("read logout token: %w", err)
	}
	typ, _ := jws.Signatures[0].Protected.ExtraHeaders[jose.HeaderType].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != logoutType {
		return fmt.Errorf("expected the type %s, got %q", logoutType, typ)
	}
	return nil
}

// signOut ends the session here, and leads to the issuer, which ends its own (RP-Initiated Logout 1.0).
func (a *App) signOut(w http.ResponseWriter, r *http.Request) {
	v := a.visit(r)
	a.cookie(w, sessionCookie, "", 0)
	if v == nil {
		http.Redirect(w, r, signedOutPath, http.StatusSeeOther)
		return
	}
	a.mu.Lock()
	hint := v.idToken
	a.mu.Unlock()
	a.end(v, &ending{sentence: "You signed out."})
	found, err := v.party.issuer(r.Context())
	if err != nil || found.endSession == "" || hint == "" {
		http.Redirect(w, r, signedOutPath, http.StatusSeeOther)
		return
	}
	q := url.Values{"id_token_hint": {hint}, "client_id": {v.party.ClientID}, "post_logout_redirect_uri": {SignedOutURI(a.options.Origin)}}
	http.Redirect(w, r, found.endSession+"?"+q.Encode(), http.StatusSeeOther)
}

package relyingparty

import (
	"context"
	"encoding/json"
	"time"
)

// logoutEvent is the member of "events" that makes a token a logout token (Back-Channel Logout section 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// logoutAge is how old a logout token may be beside the skew: a token that lay about logs nobody out.
const logoutAge = 2 * time.Minute

// Logout is what a logout token says.
type Logout struct {
	Issuer, Subject, Session string    // sub and sid, of which one may be ""
	ID                       string    // jti
	Until                    time.Time // when the token could be believed at the latest
	Claims                   Claims
}

// LogoutToken verifies a logout token (Back-Channel Logout section 2.6). Whether it came before is for the
// caller to know. The error is a *Refusal, or that of ctx.
func (rp *RelyingParty) LogoutToken(ctx context.Context, p Party, raw string, now time.Time) (*Logout, error) {
	d, err := rp.Discover(ctx, p, now)
	if err != nil {
		return nil, err
	}
	payload, err := rp.signed(ctx, p, d, raw, []string{"", "JWT", "logout+jwt"}, now)
	if err != nil {
		return nil, err
	}
	c, err := parseClaims(payload)
	if err != nil {
		return nil, err
	}
	l, err := p.logout(c, now)
	return l, told(err, c)
}

func (p Party) logout(c Claims, now time.Time) (*Logout, error) {
	issuer, err := p.common(c, now)
	if err != nil {
		return nil, err
	}
	l := &Logout{Issuer: issuer, Subject: c.Text("sub"), Session: c.Text("sid"), ID: c.Text("jti"), Claims: c, Until: now.Add(2*p.skew() + logoutAge)}
	issued, _, _ := c.instant("iat")
	exp, ends, readable := c.instant("exp")
	var events map[string]json.RawMessage
	_ = json.Unmarshal(c["events"], &events) // what is no object has no members
	var event map[string]json.RawMessage
	_, nonce := c["nonce"]
	switch {
	case now.Sub(issued) > p.skew()+logoutAge:
		return nil, refuse(ReasonExpired, "The logout token was issued at %s; our time is %s.", shown(issued), shown(now))
	case ends && (!readable || now.Sub(exp) > p.skew()):
		return nil, refuse(ReasonExpired, "The logout token expired at %s; our time is %s.", quote(c["exp"]), shown(now))
	case json.Unmarshal(events[logoutEvent], &event) != nil || event == nil:
		return nil, refuse(ReasonLogoutEvent, "Expected the member %s in events, received %s.", logoutEvent, quote(c["events"]))
	case nonce:
		return nil, refuse(ReasonLogoutNonce, "A logout token has no nonce; with one it is an ID token.")
	case l.ID == "":
		return nil, refuse(ReasonLogoutID, "Expected the claim jti, received %s.", quote(c["jti"]))
	case l.Subject == "" && l.Session == "":
		return nil, refuse(ReasonLogoutSubject, "Expected the claims sub or sid, received neither.")
	}
	return l, nil
}

package hostapp

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/oauth2"
)

// Cookies are the product's own: another name than anybody else's on the same host.
const (
	sessionCookie = "omniflow_session"
	browserCookie = "omniflow_browser"
)

const (
	flowLife    = 15 * time.Minute
	sessionLife = 12 * time.Hour
	// endedLife is for how long an end is remembered: for its browser, and for a sign-in that was on
	// its way when the logout token came.
	endedLife   = time.Hour
	maxFlows    = 10_000
	maxSessions = 10_000
)

// Person is what the issuer says of somebody.
type Person struct {
	Subject    string   `json:"sub"`
	Name       string   `json:"name"`
	Email      string   `json:"email"`
	Role       string   `json:"role"`
	Groups     []string `json:"groups"`
	Workspace  string   `json:"workspace"`
	GivenName  string   `json:"given_name"`
	FamilyName string   `json:"family_name"`
}

// flow is a sign-in under way.
type flow struct {
	party           *party
	browser         string
	nonce, verifier string
	began           time.Time
}

// visit is a signed-in browser.
type visit struct {
	party   *party
	cookie  string
	sid     string
	idToken string
	tokens  oauth2.TokenSource
	began   time.Time
	done    chan struct{} // closed when the visit has ended
	ticket  string        // by which the open page reports that it said so

	// Guarded by App.mu.
	person Person
	end    *ending
}

// ending is how a visit ended.
type ending struct {
	at       time.Time
	sentence string
	since    time.Duration // from its cause, where that is known
	known    bool
	word     *Ended // of the issuer, nil where the end is our own
	shown    bool
}

// state is everything that the product remembers. App.mu guards it.
type state struct {
	flows  map[string]flow // by state parameter
	visits map[string]*visit
	// gone are ended sessions by company and sid, jtis logout tokens that were used.
	gone, jtis map[string]time.Time
}

func newState() state {
	return state{flows: map[string]flow{}, visits: map[string]*visit{}, gone: map[string]time.Time{}, jtis: map[string]time.Time{}}
}

// forget drops what is too old. It is called where something is added.
func (s *state) forget(now time.Time) {
	for k, f := range s.flows {
		if now.Sub(f.began) > flowLife {
			delete(s.flows, k)
		}
	}
	for k, v := range s.visits {
		if now.Sub(v.began) > sessionLife || v.end != nil && now.Sub(v.end.at) > endedLife {
			if v.end == nil {
				close(v.done)
			}
			delete(s.visits, k)
		}
	}
	for _, m := range []map[string]time.Time{s.gone, s.jtis} {
		for k, at := range m {
			if now.Sub(at) > endedLife {
				delete(m, k)
			}
		}
	}
}

// visit returns the visit of a request's browser, ended ones included, or nil.
func (a *App) visit(r *http.Request) *visit {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	v := a.state.visits[c.Value]
	if v != nil && v.end == nil && a.options.Now().Sub(v.began) > sessionLife {
		a.endLocked(v, &ending{sentence: "You were signed out: twelve hours have passed."})
	}
	return v
}

// live returns the visit of a request's browser unless it has ended.
func (a *App) live(r *http.Request) *visit {
	v := a.visit(r)
	if v == nil || a.ending(v) != nil {
		return nil
	}
	return v
}

// ending returns how a visit ended, or nil.
func (a *App) ending(v *visit) *ending {
	a.mu.Lock()
	defer a.mu.Unlock()
	return v.end
}

// begin makes a visit. It fails when the session was ended while the sign-in was on its way.
func (a *App) begin(v *visit) error {
	v.cookie, v.ticket, v.done = rand.Text(), rand.Text(), make(chan struct{})
	a.mu.Lock()
	defer a.mu.Unlock()
	v.began = a.options.Now()
	a.state.forget(v.began)
	if _, gone := a.state.gone[v.party.Slug+" "+v.sid]; gone {
		return fmt.Errorf("begin session: %s has ended it already", v.party.Name)
	}
	if len(a.state.visits) >= maxSessions {
		return fmt.Errorf("begin session: %d sessions are enough for a demonstration", maxSessions)
	}
	a.state.visits[v.cookie] = v
	return nil
}

// end ends a visit; one that has ended keeps its first end.
func (a *App) end(v *visit, e *ending) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(v, e)
}

func (a *App) endLocked(v *visit, e *ending) {
	if v.end != nil {
		return
	}
	if e.at.IsZero() {
		e.at = a.options.Now()
	}
	v.end, v.tokens, v.idToken = e, nil, ""
	close(v.done)
}

// endBy ends the visits that a logout token means: those of a session, or all of a subject.
func (a *App) endBy(p *party, sid, subject string, make func(*visit) *ending) []*visit {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.options.Now()
	a.state.forget(now)
	if sid != "" {
		a.state.gone[p.Slug+" "+sid] = now
	}
	var ended []*visit
	for _, v := range a.state.visits {
		if v.party != p || v.end != nil || sid != "" && v.sid != sid || sid == "" && v.person.Subject != subject {
			continue
		}
		a.endLocked(v, make(v))
		ended = append(ended, v)
	}
	return ended
}

// usedBefore notes a logout token's id and reports whether it came before.
func (a *App) usedBefore(p *party, jti string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	key := p.Slug + " " + jti
	_, used := a.state.jtis[key]
	a.state.jtis[key] = a.options.Now()
	return used
}

// cookie sets or, with an empty value, removes one of our cookies.
func (a *App) cookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteLaxMode, MaxAge: int(life.Seconds())}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// browser returns the secret of a request's browser, which it gets at its first sign-in.
func (a *App) browser(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(browserCookie); err == nil && len(c.Value) == len(rand.Text()) {
		return c.Value
	}
	secret := rand.Text()
	a.cookie(w, browserCookie, secret, sessionLife)
	return secret
}

// person returns what is known of somebody now.
func (a *App) person(v *visit) Person {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := v.person
	p.Groups = slices.Clone(p.Groups)
	return p
}

package hostapp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// refusal is a sign-in that came to nothing, for its page.
type refusal struct {
	Code     string
	Sentence string
}

func (r *refusal) Error() string { return r.Sentence }

// signIn sends the browser to the company's issuer.
func (a *App) signIn(w http.ResponseWriter, r *http.Request) {
	p := a.party(r.PathValue("company"))
	if p == nil {
		a.refuse(w, http.StatusNotFound, &refusal{"company_unknown", "No company of that name uses Omniflow."})
		return
	}
	found, err := p.issuer(r.Context())
	if err != nil {
		a.refuse(w, http.StatusBadGateway, &refusal{"issuer_silent", "Sign-in of " + p.Name + " does not answer. Try again in a moment."})
		return
	}
	state, f := rand.Text(), flow{party: p, browser: a.browser(w, r), nonce: rand.Text(), verifier: oauth2.GenerateVerifier(), began: a.options.Now()}
	if !a.note(state, f) {
		a.refuse(w, http.StatusServiceUnavailable, &refusal{"busy", "Too many people are signing in. Try again in a moment."})
		return
	}
	with := []oauth2.AuthCodeOption{oidc.Nonce(f.nonce), oauth2.S256ChallengeOption(f.verifier)}
	if hint := r.URL.Query().Get("hint"); hint != "" {
		with = append(with, oauth2.SetAuthURLParam("login_hint", hint))
	}
	http.Redirect(w, r, found.config.AuthCodeURL(state, with...), http.StatusSeeOther)
}

// note keeps a sign-in under way.
func (a *App) note(state string, f flow) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state.forget(f.began)
	if len(a.state.flows) >= maxFlows {
		return false
	}
	a.state.flows[state] = f
	return true
}

// take returns a sign-in under way and forgets it, if this browser began it.
func (a *App) take(r *http.Request, state string) (flow, bool) {
	c, err := r.Cookie(browserCookie)
	if err != nil {
		return flow{}, false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	f, ok := a.state.flows[state]
	if !ok || f.browser != c.Value || a.options.Now().Sub(f.began) > flowLife {
		return flow{}, false
	}
	delete(a.state.flows, state)
	return f, true
}

// callback receives the browser back from the issuer.
func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	f, ok := a.take(r, query.Get("state"))
	if !ok {
		a.refuse(w, http.StatusBadRequest, &refusal{"state_unknown", "This sign-in was not begun in this browser, or too long ago."})
		return
	}
	v, err := a.redeem(r.Context(), f, query.Get("iss"), query.Get("error"), query.Get("error_description"), query.Get("code"))
	if err == nil {
		err = a.begin(v)
	}
	var known *refusal
	switch {
	case errors.As(err, &known):
		a.refuse(w, http.StatusForbidden, known)
		return
	case err != nil:
		a.refuse(w, http.StatusBadGateway, &refusal{"sign_in_failed", "The answer of " + f.party.Name + "'s sign-in could not be used: " + err.Error() + "."})
		return
	}
	a.cookie(w, sessionCookie, v.cookie, sessionLife)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// redeem holds the issuer's answer against the sign-in that was begun and turns the code into a visit.
func (a *App) redeem(ctx context.Context, f flow, iss, problem, description, code string) (*visit, error) {
	p := f.party
	found, err := p.issuer(ctx)
	if err != nil {
		return nil, err
	}
	// Before anything else is believed, errors included (RFC 9207 section 2.4).
	if iss != p.Issuer && (iss != "" || found.namesSelf) {
		return nil, &refusal{"issuer_wrong", fmt.Sprintf("The answer says that it is from %q; expected %q.", iss, p.Issuer)}
	}
	if problem != "" {
		return nil, &refusal{problem, p.Name + "'s sign-in said no. " + description}
	}
	ctx = a.outside(ctx)
	token, err := found.config.Exchange(ctx, code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		return nil, fmt.Errorf("redeem code: %w", err)
	}
	raw, _ := token.Extra("id_token").(string)
	id, err := found.tokens.Verify(ctx, raw)
	if err != nil {
		return nil, fmt.Errorf("verify ID token: %w", err)
	}
	if id.Nonce != f.nonce {
		return nil, &refusal{"nonce_wrong", "The ID token was made for another sign-in."}
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		return nil, fmt.Errorf("verify access token: %w", err)
	}
	var claims struct {
		Person
		Session string `json:"sid"`
	}
	if err := id.Claims(&claims); err != nil {
		return nil, fmt.Errorf("read ID token: %w", err)
	}
	if a.options.OnSignIn != nil {
		a.options.OnSignIn(SignIn{Company: p.Slug, Subject: id.Subject, Session: claims.Session,
			Access: token.AccessToken, Refresh: token.RefreshToken, ID: raw})
	}
	return &visit{party: p, person: claims.Person, sid: claims.Session, idToken: raw,
		tokens: found.config.TokenSource(a.outside(context.Background()), token)}, nil // it outlives this request
}

// errOver: the issuer no longer knows the session.
var errOver = errors.New("the issuer has ended the session")

// recheck asks the issuer who this is now. Where it says that the session is over, the visit ends;
// where it does not answer, what was known stays.
func (a *App) recheck(ctx context.Context, v *visit) error {
	a.mu.Lock()
	tokens := v.tokens
	a.mu.Unlock()
	if tokens == nil {
		return errOver
	}
	now, err := a.userinfo(ctx, v.party, tokens)
	if errors.Is(err, errOver) {
		a.end(v, &ending{sentence: "You were signed out: your session at " + v.party.Name + " has ended."})
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Subject != v.person.Subject {
		return fmt.Errorf("ask userinfo: expected %q, got claims of %q", v.person.Subject, now.Subject)
	}
	v.person = now
	return nil
}

func (a *App) userinfo(ctx context.Context, p *party, tokens oauth2.TokenSource) (Person, error) {
	var now Person
	found, err := p.issuer(ctx)
	if err != nil {
		return now, err
	}
	token, err := tokens.Token()
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.ErrorCode == "invalid_grant" {
		return now, errOver
	}
	if err != nil {
		return now, fmt.Errorf("refresh: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, found.userinfo, nil)
	if err != nil {
		return now, fmt.Errorf("ask userinfo: %w", err)
	}
	token.SetAuthHeader(r)
	res, err := a.options.HTTP.Do(r)
	if err != nil {
		return now, fmt.Errorf("ask userinfo: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized:
		return now, errOver
	default:
		return now, fmt.Errorf("ask userinfo: %s", res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&now); err != nil {
		return now, fmt.Errorf("read userinfo: %w", err)
	}
	return now, nil
}

package signin

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Routes that other sites post to: the IdP's answer as a form, and its word that a session has ended.
var oidcCrossSite = []string{"POST /auth/oidc/callback", "POST /auth/oidc/{connection}/callback", "POST /auth/oidc/{connection}/initiate"}

// mountOIDC adds the routes of OIDC connections.
func (d *Door) mountOIDC(mux *http.ServeMux) {
	mux.Handle("GET /auth/oidc/{connection}/login", d.browser.Handle(d.oidcLogin))
	mux.Handle("GET /auth/oidc/{connection}/initiate", d.browser.Handle(d.initiate))
	mux.Handle("POST /auth/oidc/{connection}/initiate", d.browser.Handle(d.initiatePosted))
	for _, method := range []string{"GET ", "POST "} {
		mux.Handle(method+"/auth/oidc/callback", d.browser.Handle(d.callback))
		mux.Handle(method+"/auth/oidc/{connection}/callback", d.browser.Handle(d.callback))
	}
	mux.Handle("POST /auth/oidc/{connection}/backchannel-logout", d.program.Handle(d.backchannelLogout))
	mux.Handle("GET /auth/oidc/{connection}/frontchannel-logout", d.program.Handle(d.frontchannelLogout))
}

// oidcLogin is GET /auth/oidc/{connection}/login: off to the IdP.
func (d *Door) oidcLogin(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return d.beginOIDC(w, r, Beginning{Connection: r.PathValue("connection"), To: q.Get("continue"), Fresh: q.Get("fresh") == "1", LoginHint: q.Get("login_hint")})
}

func (d *Door) beginOIDC(w http.ResponseWriter, r *http.Request, b Beginning) error {
	if b.Browser = d.browserSecret(r); b.Browser == "" {
		b.Browser, _ = keys.NewToken(browserPrefix)
	}
	var address string
	var err error
	if d.looping(r, b.Connection) {
		err = d.service.stopLoop(r.Context(), b.Connection, directory.ProtocolOIDC, b.Browser, b.To, ClientOf(r))
	} else {
		address, err = d.service.BeginOIDC(r.Context(), b, ClientOf(r))
	}
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
	}
	if err != nil {
		return err
	}
	http.SetCookie(w, d.browserCookie(b.Browser))
	d.tried(w, r, b.Connection)
	http.Redirect(w, r, address, http.StatusFound)
	return nil
}

// initiate is GET /auth/oidc/{connection}/initiate: a sign-in that the IdP's tile begins (OIDC Core section 4).
func (d *Door) initiate(w http.ResponseWriter, r *http.Request) error {
	q, connection := r.URL.Query(), r.PathValue("connection")
	to, err := d.service.MayInitiate(r.Context(), connection, Initiation{Issuer: q.Get("iss"), Target: q.Get("target_link_uri")}, ClientOf(r))
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
	}
	if err != nil {
		return err
	}
	return d.beginOIDC(w, r, Beginning{Connection: connection, To: to, LoginHint: q.Get("login_hint")})
}

// initiatePosted is the same, posted. Cookies do not come along with that, so it is asked again by GET.
func (d *Door) initiatePosted(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	q := url.Values{}
	for _, name := range []string{"iss", "target_link_uri", "login_hint"} {
		if value := r.PostForm.Get(name); value != "" {
			q.Set(name, value)
		}
	}
	http.Redirect(w, r, r.URL.EscapedPath()+"?"+q.Encode(), http.StatusSeeOther)
	return nil
}

// callbackFields are those of an IdP's answer.
var callbackFields = []string{"code", "state", "iss", "error", "error_description"}

// callback is where IdPs lead browsers back to, by a redirect or by a posted form (response_mode=form_post).
// Cookies that are SameSite=Lax come along with the former only; the latter is posted once more from a page of ours.
func (d *Door) callback(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodHead {
		return errs.Invalid("method_head", "This address is for browsers that an identity provider leads back.")
	}
	a := Callback{Connection: r.PathValue("connection"), Browser: d.browserSecret(r), Client: d.client(r), Session: d.sessionOf(r)}
	said := r.URL.Query()
	if r.Method == http.MethodPost {
		if _, err := web.Form(r); err != nil {
			if errors.As(err, new(*http.MaxBytesError)) {
				return err
			}
			a.unreadable = true
		}
		said = r.PostForm
		a.Posted = !said.Has(passedOn)
	}
	for _, name := range callbackFields {
		a.unreadable = a.unreadable || len(said[name]) > 1
	}
	a.Code, a.State, a.Issuer, a.Error, a.ErrorDescription = said.Get("code"), said.Get("state"), said.Get("iss"), said.Get("error"), said.Get("error_description")
	entered, err := d.service.OIDC(r.Context(), a)
	var pass *PassOn
	var away *TurnedAway
	var done *TestDone
	switch {
	case errors.As(err, &done):
		return d.testDone(w, r, done)
	case errors.As(err, &pass):
		fields := []field{{passedOn, "1"}}
		for _, name := range callbackFields {
			if said.Has(name) {
				fields = append(fields, field{name, said.Get(name)})
			}
		}
		return d.onward(w, onward{Action: r.URL.EscapedPath(), Fields: fields}, pass.FormActions)
	case errors.As(err, &away):
		return d.turnedAway(w, r, away)
	case err != nil:
		return err
	}
	return d.enter(w, r, entered.Token, entered.To)
}

// backchannelLogout is POST /auth/oidc/{connection}/backchannel-logout. It is answered 200 or 400 (section 2.8).
func (d *Door) backchannelLogout(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	if _, err := web.Form(r); err != nil {
		return err
	}
	if len(r.PostForm["logout_token"]) != 1 {
		return errs.Invalid("logout_token_missing", "Expected the form field logout_token once.")
	}
	if err := d.service.BackchannelLogout(r.Context(), r.PathValue("connection"), r.PostForm.Get("logout_token"), ClientOf(r)); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// frontchannelLogout is GET /auth/oidc/{connection}/frontchannel-logout, which IdPs load in a frame. The answer
// says nothing, whatever came of it.
func (d *Door) frontchannelLogout(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	// In a frame of whatever site the IdP has its page at; there is nothing here to be clicked on.
	w.Header().Set("Content-Security-Policy", "default-src 'none'")
	live, err := d.service.Check(r.Context(), r)
	if err != nil && !errs.Is(err, errs.KindUnauthenticated) {
		return err
	}
	q := r.URL.Query()
	if err := d.service.FrontchannelLogout(r.Context(), r.PathValue("connection"), q.Get("iss"), q.Get("sid"), live); err != nil {
		return err
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

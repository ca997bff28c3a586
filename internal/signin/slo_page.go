package signin

import (
	"errors"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// logoutRoute is where IdPs have browsers post logout messages to, from their own sites.
const logoutRoute = "POST /auth/saml/{connection}/logout"

// singleLogout is GET and POST /auth/saml/{connection}/logout. Browsers send no cookie of ours with a form of another site
// or inside its frames, and none is looked at: the message names the sessions, and its signature is what is believed.
func (d *Door) singleLogout(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "no-store")
	m := LogoutMessage{Connection: r.PathValue("connection"), Query: r.URL.RawQuery, Client: ClientOf(r)}
	switch r.Method {
	case http.MethodHead:
		return errs.Invalid("method_head", "This address is for browsers that an identity provider leads here.")
	case http.MethodPost:
		if _, err := web.Form(r); err != nil {
			m.unreadable = unreadable(err)
		}
		m.Form = r.PostForm // the body alone
	}
	out, err := d.service.SingleLogout(r.Context(), m)
	var away *TurnedAway
	switch {
	case errors.As(err, &away):
		return d.logoutRefused(w, r, away)
	case err != nil:
		return err
	case out.Leaving != nil:
		return d.Leave(w, r, out.Leaving)
	case out.ReturnTo != "":
		http.Redirect(w, r, out.ReturnTo, http.StatusSeeOther)
		return nil
	}
	http.Redirect(w, r, signinPath{Workspace: out.Slug, Notice: out.Notice}.url(), http.StatusSeeOther)
	return nil
}

// logoutRefused shows that a logout message was not accepted.
func (d *Door) logoutRefused(w http.ResponseWriter, r *http.Request, away *TurnedAway) error {
	f := web.FailureOf(r, away)
	web.Add(r.Context(), "error_code", f.Code)
	web.Add(r.Context(), "event", away.Event)
	data := turnedAwayData{Failure: f, Event: away.Event, Detail: away.Detail, Again: signinPath{Workspace: away.Slug}.url()}
	return web.Render(w, f.Status, d.pages["logout"], web.Page{Title: "Sign-out message refused", Data: data})
}

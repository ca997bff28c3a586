package signin

import (
	"math"
	"net/http"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Codes of the sentences that other pages send along to the sign-in page.
const (
	noticeEnded     = "ended"
	noticeSignedOut = "signed_out"
)

var notices = map[string]*web.Notice{
	noticeEnded:     {Kind: "info", Text: "Your session has ended. Sign in again."},
	noticeSignedOut: {Kind: "ok", Text: "You have signed out."},
}

// signinData is what the sign-in page shows.
type signinData struct {
	Workspace, Email string
	Emergency        bool // the emergency section is open
	Refusal          *web.Failure
	SignedIn         string // address of the member who is signed in, "" for nobody
	SignedInURL      string
}

func (d *Door) signinPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	data := signinData{Workspace: cut(q.Get("workspace"), maxTyped), Emergency: q.Get("emergency") == "1"}
	live, err := d.service.Check(r.Context(), r)
	switch {
	case err == nil:
		data.SignedIn, data.SignedInURL = live.Member.Email, workspaceURL(live.Slug)
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	return web.Render(w, http.StatusOK, d.pages["signin"], web.Page{Title: "Sign in", Notice: notices[q.Get("notice")], Data: data})
}

func (d *Door) signin(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	// The body alone: a password in an address would end up in histories and logs.
	form := r.PostForm
	req := PasswordRequest{Workspace: form.Get("workspace"), Email: form.Get("email"), Password: form.Get("password"),
		Emergency: form.Get("emergency") == "1", Client: ClientOf(r)}
	token, started, err := d.service.Password(r.Context(), req)
	if err != nil {
		return d.refuse(w, r, req, err)
	}
	return d.enter(w, r, token, started)
}

// refuse shows the form again with the sentence of a refusal. Other errors are the door's.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, req PasswordRequest, err error) error {
	f := web.FailureOf(r, err)
	if f.Status >= http.StatusInternalServerError {
		return err
	}
	web.Add(r.Context(), "error_code", f.Code)
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	data := signinData{Workspace: cut(req.Workspace, maxTyped), Email: cut(req.Email, maxTyped), Emergency: req.Emergency, Refusal: &f}
	return web.Render(w, f.Status, d.pages["signin"], web.Page{Title: "Sign in", Data: data})
}

// linkPage shows one button. It asks the database nothing: mail scanners and prefetching browsers
// follow links, and a link must not be consumed by being looked at.
func (d *Door) linkPage(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, http.StatusOK, d.pages["link"], web.Page{Title: "Sign in", Data: r.URL.EscapedPath()})
}

func (d *Door) link(w http.ResponseWriter, r *http.Request) error {
	token, started, err := d.service.UseLink(r.Context(), r.PathValue("token"), ClientOf(r))
	if err != nil {
		return err
	}
	return d.enter(w, r, token, started)
}

// signoutData is what the sign-out page shows.
type signoutData struct{ Email, Workspace, Back string }

func (d *Door) signoutPage(w http.ResponseWriter, r *http.Request) error {
	var data signoutData
	live, err := d.service.Check(r.Context(), r)
	switch {
	case err == nil:
		data = signoutData{Email: live.Member.Email, Workspace: live.Slug, Back: workspaceURL(live.Slug)}
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	return web.Render(w, http.StatusOK, d.pages["signout"], web.Page{Title: "Sign out", Data: data})
}

func (d *Door) signout(w http.ResponseWriter, r *http.Request) error {
	live, err := d.service.Check(r.Context(), r)
	slug := ""
	switch {
	case err == nil:
		slug = live.Slug
		err = d.service.EndSession(r.Context(), live.Workspace, live.ID, EndedSignedOut, party(&live.Member))
		if err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	d.clearCookie(w)
	http.Redirect(w, r, signinURL(slug, noticeSignedOut), http.StatusSeeOther)
	return nil
}

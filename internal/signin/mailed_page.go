package signin

import (
	"errors"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

const (
	invitationPath = provision.InvitationPath
	forgotPath     = "/signin/forgot"
	// resetPath is where links to set a password lead; the token follows.
	resetPath = "/signin/password/"
	// mailedPath is where links lead that sign in while enforcement is relaxed; the token follows.
	mailedPath = "/signin/mail/"
	// invitationTime is how long an invitation may be away at the IdP.
	invitationTime = 15 * time.Minute
)

func (d *Door) mountMailed(mux *http.ServeMux) {
	mux.Handle("GET "+invitationPath+"{token}", d.browser.Handle(d.invitationPage))
	mux.Handle("POST "+invitationPath+"{token}", d.browser.Handle(d.accept))
	mux.Handle("GET "+forgotPath, d.browser.Handle(d.forgotPage))
	mux.Handle("POST "+forgotPath, d.browser.Handle(d.forgot))
	mux.Handle("GET "+resetPath+"{token}", d.browser.Handle(d.passwordPage))
	mux.Handle("POST "+resetPath+"{token}", d.browser.Handle(d.setPassword))
	mux.Handle("GET "+mailedPath+"{token}", d.browser.Handle(d.mailedPage))
	mux.Handle("POST "+mailedPath+"{token}", d.browser.Handle(d.mailed))
}

// mailedData is what the pages behind links in letters show.
type mailedData struct {
	Invited *Invited // of an invitation
	Email   string   // whose password is set
	Path    string
	Min     int // characters of a password
	Refusal *web.Failure
	Dead    bool // the link opens nothing
	Mailed  bool // of a sign-in link: it was asked for by mail
	// Of the question for a new password.
	Workspace string
	Sent      bool
}

// showMailed answers with a page behind a link. A refusal is shown on it: over the form, or alone where the link opens
// nothing.
func (d *Door) showMailed(w http.ResponseWriter, r *http.Request, name, title string, data mailedData, err error) error {
	status, workspace := http.StatusOK, ""
	if err != nil {
		f := web.FailureOf(r, err)
		if f.Status >= http.StatusInternalServerError {
			return err
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		status, data.Refusal, data.Dead = f.Status, &f, f.Code == "link_invalid"
		web.Add(r.Context(), "error_code", f.Code)
	}
	page := web.Page{Title: title, Data: data}
	if data.Invited != nil && !data.Dead {
		workspace = data.Invited.Workspace
	}
	page.Workspace = workspace
	return web.Render(w, status, d.pages[name], page)
}

// invitationPage shows an invitation, or leads to the connection of the query. Who chooses one takes the invitation along in
// a cookie: it says who they are when they come back. It is a link and no form, so that the form for a password may lead
// nowhere but here.
func (d *Door) invitationPage(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("connection")
	if id == "" {
		return d.showInvitation(w, r, nil)
	}
	token := r.PathValue("token")
	invited, err := d.service.Invitation(r.Context(), token, ClientOf(r))
	if err != nil {
		return d.showInvitation(w, r, err)
	}
	for _, c := range invited.Connections {
		if c.ID == id {
			http.SetCookie(w, d.invitationCookie(token, int(invitationTime.Seconds())))
			http.Redirect(w, r, c.LoginPath(), http.StatusFound)
			return nil
		}
	}
	return d.showInvitation(w, r, errs.Invalid("connection_unknown", "That way of signing in is not there any more. Choose another."))
}

func (d *Door) showInvitation(w http.ResponseWriter, r *http.Request, refusal error) error {
	invited, err := d.service.Invitation(r.Context(), r.PathValue("token"), ClientOf(r))
	if err != nil {
		refusal = err
	}
	return d.showMailed(w, r, "invitation", "Invitation", mailedData{Invited: invited, Path: r.URL.EscapedPath(), Min: keys.MinPasswordLength}, refusal)
}

// accept sets the password of an invited person and lets them in.
func (d *Door) accept(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	form, token := r.PostForm, r.PathValue("token")
	if err := same(form); err != nil {
		return d.showInvitation(w, r, err)
	}
	session, started, err := d.service.AcceptInvitation(r.Context(), token, form.Get("password"), ClientOf(r))
	if refusing(err) {
		return d.showInvitation(w, r, err)
	}
	if err != nil {
		return err
	}
	slug, err := d.service.slug(r.Context(), started.Workspace)
	if err != nil {
		return err
	}
	return d.enter(w, r, session, workspaceURL(slug))
}

// same refuses a new password that was not typed twice the same.
func same(form url.Values) error {
	if form.Get("password") != form.Get("again") {
		return errs.Invalid("password_differs", "The two passwords are not the same.")
	}
	return nil
}

func (d *Door) invitationCookie(token string, seconds int) *http.Cookie {
	c := d.cookie(token)
	c.Name = d.service.invitationCookieName()
	c.MaxAge = seconds
	return c
}

func (s *Service) invitationCookieName() string {
	if s.secure() {
		return "__Host-gatehouse_invitation"
	}
	return "gatehouse_invitation"
}

// invitationOf is the hash of the invitation that a browser took along, or "".
func (s *Service) invitationOf(r *http.Request) string {
	c, err := r.Cookie(s.invitationCookieName())
	if err != nil || c.Value == "" || len(c.Value) > maxTyped {
		return ""
	}
	return keys.HashToken(c.Value)
}

// client is the sender of a request that may carry an invitation.
func (d *Door) client(r *http.Request) Client {
	c := ClientOf(r)
	c.invitation = d.service.invitationOf(r)
	return c
}

func (d *Door) forgotPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return d.showMailed(w, r, "forgot", "New password", mailedData{Workspace: cut(q.Get("workspace"), maxTyped), Email: cut(q.Get("email"), maxTyped)}, nil)
}

func (d *Door) forgot(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	form := r.PostForm
	data := mailedData{Workspace: cut(form.Get("workspace"), maxTyped), Email: cut(form.Get("email"), maxTyped)}
	var err error
	if !d.service.Mail {
		err = errs.Invalid("no_mail", "This server sends no mail. Ask your administrator for a sign-in link.")
	} else {
		err = d.service.AskPassword(r.Context(), form.Get("workspace"), form.Get("email"), ClientOf(r))
	}
	if err != nil && !refusing(err) {
		return err
	}
	data.Sent = err == nil
	return d.showMailed(w, r, "forgot", "New password", data, err)
}

func (d *Door) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return d.showPassword(w, r, nil)
}

func (d *Door) showPassword(w http.ResponseWriter, r *http.Request, refusal error) error {
	email, err := d.service.resetStands(r.Context(), r.PathValue("token"), ClientOf(r))
	if err != nil {
		refusal = err
	}
	return d.showMailed(w, r, "password", "New password", mailedData{Email: email, Path: r.URL.EscapedPath(), Min: keys.MinPasswordLength}, refusal)
}

func (d *Door) setPassword(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	if err := same(r.PostForm); err != nil {
		return d.showPassword(w, r, err)
	}
	slug, err := d.service.SetPassword(r.Context(), r.PathValue("token"), r.PostForm.Get("password"), ClientOf(r))
	if err != nil && refusing(err) {
		return d.showPassword(w, r, err)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, signinPath{Workspace: slug, Notice: noticePassword}.url(), http.StatusSeeOther)
	return nil
}

// mailedPage shows one button and asks the database nothing, as linkPage does.
func (d *Door) mailedPage(w http.ResponseWriter, r *http.Request) error {
	return d.showMailed(w, r, "link", "Sign in", mailedData{Path: r.URL.EscapedPath(), Mailed: true}, nil)
}

func (d *Door) mailed(w http.ResponseWriter, r *http.Request) error {
	token, started, err := d.service.UseMailedLink(r.Context(), r.PathValue("token"), ClientOf(r))
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
	}
	if refusing(err) {
		return d.showMailed(w, r, "link", "Sign in", mailedData{Path: r.URL.EscapedPath(), Mailed: true}, err)
	}
	if err != nil {
		return err
	}
	slug, err := d.service.slug(r.Context(), started.Workspace)
	if err != nil {
		return err
	}
	return d.enter(w, r, token, workspaceURL(slug))
}

package signin

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// mailData is what the page shows on which people ask for a link.
type mailData struct {
	Workspace, Email string
	Sent, Mail       bool
	Refusal          *web.Failure
	BackURL          string
}

func (d *Door) mailPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	return d.showMail(w, http.StatusOK, mailData{Workspace: cut(q.Get("workspace"), maxTyped), Email: cut(q.Get("email"), maxTyped), Sent: q.Get("sent") == "1"})
}

func (d *Door) showMail(w http.ResponseWriter, status int, data mailData) error {
	data.Mail, data.BackURL = d.service.Mail, signinPath{Workspace: data.Workspace}.url()
	return web.Render(w, status, d.pages["mail"], web.Page{Title: "Get a link by mail", Data: data})
}

// askMail answers every workspace and address alike.
func (d *Door) askMail(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	workspace, email := r.PostForm.Get("workspace"), r.PostForm.Get("email")
	err := d.service.AskMail(r.Context(), MailRequest{Workspace: workspace, Email: email, Client: ClientOf(r)})
	var wait *tooMany
	if errors.As(err, &wait) {
		f := web.FailureOf(r, err)
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		return d.showMail(w, f.Status, mailData{Workspace: cut(workspace, maxTyped), Email: cut(email, maxTyped), Refusal: &f})
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/signin/mail?sent=1", http.StatusSeeOther)
	return nil
}

// mailLinkPage shows one button and asks the database nothing, as linkPage does.
func (d *Door) mailLinkPage(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, http.StatusOK, d.pages["maillink"], web.Page{Title: "Sign in", Data: r.URL.EscapedPath()})
}

func (d *Door) mailLink(w http.ResponseWriter, r *http.Request) error {
	token, started, err := d.service.UseMailLink(r.Context(), r.PathValue("token"), ClientOf(r))
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
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

// passwordData is what the page shows on which somebody sets or changes a password.
type passwordData struct {
	Action string
	Own    bool // a change by somebody who is signed in
	None   bool // who has no password
	Back   string
	Errors map[string]string // by the id of the field
}

func (d *Door) showPassword(w http.ResponseWriter, status int, data passwordData) error {
	title := "Set your password"
	if data.Own {
		title = "Change your password"
	}
	return web.Render(w, status, d.pages["password"], web.Page{Title: title, Data: data})
}

// setPasswordPage asks the database nothing: a link is not told from another one by being looked at.
func (d *Door) setPasswordPage(w http.ResponseWriter, r *http.Request) error {
	return d.showPassword(w, http.StatusOK, passwordData{Action: r.URL.EscapedPath()})
}

// mistypedPassword says what is wrong with the two fields of a new password, by field.
func mistypedPassword(r *http.Request) map[string]string {
	if r.PostForm.Get("password") != r.PostForm.Get("again") {
		return map[string]string{"again": "The two new passwords differ."}
	}
	return nil
}

func (d *Door) setPassword(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	data := passwordData{Action: r.URL.EscapedPath(), Errors: mistypedPassword(r)}
	if data.Errors != nil {
		return d.showPassword(w, http.StatusUnprocessableEntity, data)
	}
	slug, err := d.service.SetPassword(r.Context(), r.PathValue("token"), r.PostForm.Get("password"), ClientOf(r))
	if errs.Is(err, errs.KindInvalid) {
		f := web.FailureOf(r, err)
		data.Errors = map[string]string{"password": f.Message}
		return d.showPassword(w, f.Status, data)
	}
	if err != nil {
		return err
	}
	if live, err := d.service.Check(r.Context(), r); err != nil || live == nil {
		d.clearCookie(w)
	}
	http.Redirect(w, r, signinPath{Workspace: slug, Notice: noticePassword}.url(), http.StatusSeeOther)
	return nil
}

func ownPasswordURL(slug string) string { return workspaceURL(slug) + "/password" }

func (d *Door) ownPasswordPage(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	has, err := d.service.hasPassword(r.Context(), live)
	if err != nil {
		return err
	}
	return d.showPassword(w, http.StatusOK, passwordData{Action: ownPasswordURL(live.Slug), Own: true, None: !has, Back: workspaceURL(live.Slug)})
}

func (d *Door) changePassword(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	data := passwordData{Action: ownPasswordURL(live.Slug), Own: true, Back: workspaceURL(live.Slug), Errors: mistypedPassword(r)}
	if data.Errors != nil {
		return d.showPassword(w, http.StatusUnprocessableEntity, data)
	}
	err := d.service.ChangePassword(r.Context(), live, r.PostForm.Get("old"), r.PostForm.Get("password"), ClientOf(r))
	if err == nil {
		http.Redirect(w, r, workspaceURL(live.Slug)+"?done=password", http.StatusSeeOther)
		return nil
	}
	if f := web.FailureOf(r, err); f.Status < http.StatusInternalServerError {
		field := "password"
		if strings.HasPrefix(f.Code, "password_wrong") || f.RetryAfter > 0 {
			field = "old"
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		web.Add(r.Context(), "error_code", f.Code)
		data.Errors, data.None = map[string]string{field: f.Message}, f.Code == "no_password"
		return d.showPassword(w, f.Status, data)
	}
	return err
}

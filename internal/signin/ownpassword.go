package signin

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// savePassword sets a member's password under their lock. Their sessions but except, and their links, end with it: whoever
// else holds one is not to get in with it.
func savePassword(tx *store.Tx, m *directory.Member, hash string, proven time.Time, except string, e audit.Event) error {
	tx.SaveCredential(m.ID, hash, proven)
	tx.EndLinks(m.ID)
	ended, err := tx.EndSessions(m.ID, except, EndedPassword, false)
	if err != nil {
		return err
	}
	e.Subject = party(m)
	if len(ended) > 0 {
		e.Changes = append(e.Changes, audit.Change{Field: "sessions_ended", To: fmt.Sprint(len(ended))})
	}
	return tx.Record(e)
}

// ChangePassword changes the password of a session's member, who knows the old one. Their other sessions end. A wrong old password is
// errs.KindInvalid, "password_wrong"; past the limits it is errs.KindLimited.
func (s *Service) ChangePassword(ctx context.Context, live *store.LiveSession, old, password string, c Client) error {
	tries := bucket("change", live.Workspace, live.Member.ID)
	wait, err := s.DB.System().Attempt(ctx, limitWindow, []string{tries}, []int{accountLimit})
	if err != nil {
		return fmt.Errorf("count attempt: %w", err)
	}
	if wait > 0 {
		return limited(wait)
	}
	had, err := s.hashOf(ctx, live)
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	if had == "" {
		return errs.Invalid("no_password", "You have no password here: you sign in with your organisation's account.")
	}
	ok, err := s.Passwords.Verify(ctx, had, old)
	if err != nil {
		return err
	}
	if !ok {
		return errs.Invalid("password_wrong", "The present password is wrong.")
	}
	fresh, err := s.newPassword(ctx, password)
	if err != nil {
		return err
	}
	err = s.DB.Write(ctx, live.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{live.Member.ID}, false); err != nil {
			return err
		}
		m, err := tx.Member(live.Member.ID)
		if err != nil {
			return err
		}
		now, _, err := tx.Credential(m.ID)
		if err != nil {
			return err
		}
		own, err := tx.Sessions(m.ID)
		if err != nil {
			return err
		}
		if now != had || !m.In() || !slices.ContainsFunc(own, func(s session.Session) bool { return s.ID == live.ID }) {
			return errs.Conflict("changed_meanwhile", "Your password or your session was changed meanwhile. Nothing was done.")
		}
		return savePassword(tx, m, fresh, tx.Now(), live.ID, audit.Event{Type: audit.PasswordChanged, Actor: party(m), Payload: attemptBy(c, directory.MethodPassword).payload()})
	})
	if err != nil {
		return fmt.Errorf("change password: %w", err)
	}
	_ = s.DB.System().ForgetAttempts(ctx, tries)
	return nil
}

// hashOf is the password hash of a session's member, "" where they have none.
func (s *Service) hashOf(ctx context.Context, live *store.LiveSession) (hash string, err error) {
	err = s.DB.Read(ctx, live.Workspace, func(tx *store.Tx) (err error) {
		hash, _, err = tx.Credential(live.Member.ID)
		return err
	})
	return hash, err
}

// ownPasswordData is what the page shows on which somebody changes their password.
type ownPasswordData struct {
	Path, Back string
	Min        int
	None       bool // who has no password
	Refusal    *web.Failure
}

func ownPasswordURL(slug string) string { return workspaceURL(slug) + "/password" }

func (d *Door) ownPasswordPage(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	return d.showOwnPassword(w, r, live, nil)
}

func (d *Door) showOwnPassword(w http.ResponseWriter, r *http.Request, live *store.LiveSession, refusal error) error {
	data, status := ownPasswordData{Path: ownPasswordURL(live.Slug), Back: workspaceURL(live.Slug), Min: keys.MinPasswordLength}, http.StatusOK
	if refusal != nil {
		f := web.FailureOf(r, refusal)
		if f.Status >= http.StatusInternalServerError {
			return refusal
		}
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
		}
		web.Add(r.Context(), "error_code", f.Code)
		data.Refusal, status = &f, f.Status
	}
	hash, err := d.service.hashOf(r.Context(), live)
	if err != nil {
		return err
	}
	data.None = hash == ""
	return web.Render(w, status, d.pages["ownpassword"], web.Page{Title: "Change your password", Data: data})
}

func (d *Door) changePassword(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	err := same(r.PostForm)
	if err == nil {
		err = d.service.ChangePassword(r.Context(), live, r.PostForm.Get("old"), r.PostForm.Get("password"), ClientOf(r))
	}
	if err != nil {
		return d.showOwnPassword(w, r, live, err)
	}
	http.Redirect(w, r, workspaceURL(live.Slug)+"?done=password", http.StatusSeeOther)
	return nil
}

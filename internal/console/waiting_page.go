package console

import (
	"context"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// waitingData is the page of members whom directories named without owning them.
type waitingData struct {
	common
	Waiting, Decided, Adopted []adoptionLine
	Owner                     bool
	SignInAgain               string // where to, before anything can be decided; "" for who just did
}

type adoptionLine struct {
	provision.Adoption
	URL       string
	MemberURL string // the member's events
	May       bool   // decide now
}

func (d *Door) waitingPage(v *visit) error { return d.showWaiting(v, told{}) }

// acts is on whose behalf a visitor acts on people.
func (v *visit) acts() provision.Scope {
	return provision.Scope{Workspace: v.live.Workspace, Actor: v.actor}
}

func (d *Door) showWaiting(v *visit, t told) error {
	all, err := d.Provision.Adoptions(v.r.Context(), v.acts())
	if err != nil {
		return err
	}
	return d.show(v, "waiting", "Waiting for a decision", "/sso", t, func(c common) any {
		data := waitingData{common: c, Owner: v.owner}
		may := false
		for _, a := range all {
			may = may || a.MayDecide
		}
		if may && d.stale(v) {
			data.SignInAgain = "/signin?" + url.Values{"workspace": {v.live.Slug}, "fresh": {"1"}, "continue": {v.url("/sso/waiting")}}.Encode()
		}
		for _, a := range all {
			line := adoptionLine{Adoption: a, URL: c.Base + "/sso/waiting/" + a.ID, May: a.MayDecide && data.SignInAgain == "",
				MemberURL: c.Base + "/events?" + url.Values{"who": {a.Member.ID}}.Encode()}
			if !c.Can(directory.PermissionAuditRead) {
				line.MemberURL = c.Base + "/members/" + url.PathEscape(a.Member.ID)
			}
			switch a.State {
			case store.AdoptionWaiting:
				data.Waiting = append(data.Waiting, line)
			case store.AdoptionAdopted:
				data.Adopted = append(data.Adopted, line)
			default:
				data.Decided = append(data.Decided, line)
			}
		}
		return data
	})
}

var errStaleDecision = errs.Forbidden("sign_in_again", "A decision needs a sign-in of the last 10 minutes. Sign in again; you come back here.")

func (d *Door) allowAdoption(v *visit) error {
	return d.decideAdoption(v, d.Provision.AllowAdoption, "adoption-allowed")
}

func (d *Door) refuseAdoption(v *visit) error {
	return d.decideAdoption(v, d.Provision.RefuseAdoption, "adoption-refused")
}

func (d *Door) undoAdoption(v *visit) error {
	return d.decideAdoption(v, d.Provision.UndoAdoption, "adoption-undone")
}

func (d *Door) decideAdoption(v *visit, act func(ctx context.Context, scope provision.Scope, id, seen string) (provision.Adoption, error), done string) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	id, seen := v.r.PathValue("adoption"), form.Get("seen")
	switch {
	case d.stale(v):
		err = errStaleDecision
	case seen == "":
		err = errs.Invalid("seen_missing", "The form does not say what was decided about. Load the page again.")
	default:
		_, err = act(v.r.Context(), v.acts(), id, seen)
	}
	if forTheForm(err) {
		return d.showWaiting(v, told{field: id, err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/sso/waiting?done=" + done)
}

// waitingCount is how many meetings wait, for the badge.
func (d *Door) waitingCount(v *visit) (n int, err error) {
	err = d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		n, err = tx.AdoptionsWaiting()
		return err
	})
	return n, err
}

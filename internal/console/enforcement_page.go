package console

import (
	"context"
	"html/template"
	"net/url"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// enforcementData is the page on which single sign-on is required.
type enforcementData struct {
	common
	View      settings.EnforcementView
	Now       string // who must use it, in words; "" for nobody
	Require   directory.Require
	Domains   []domainChoice
	Plan      *settings.EnforcementPlan // of what was asked about
	PlanWords string
	Shown     []settings.Person // of Plan.ShutOut
	More      int
	Emergency string // address of that page
}

type domainChoice struct {
	Name     string
	Chosen   bool
	Unproven bool // required, and not proven any more
}

// shownShutOut is how many people the page names; the command line names all.
const shownShutOut = 100

func (d *Door) enforcementPage(v *visit) error {
	q := v.r.URL.Query()
	if !q.Has("require") {
		return d.showEnforcement(v, told{}, nil, directory.Enforcement{})
	}
	return d.planEnforcement(v, told{}, directory.Enforcement{RequireSSO: directory.Require(q.Get("require")), Domains: chosenDomains(q)})
}

// chosenDomains are the domains of a form, which count only where it is about domains: boxes may be ticked beside another choice.
func chosenDomains(q url.Values) []string {
	if q.Get("require") != string(directory.RequireDomains) {
		return nil
	}
	return q["domain"]
}

func (d *Door) planEnforcement(v *visit, t told, wants directory.Enforcement) error {
	plan, err := d.Settings.PlanEnforcement(v.r.Context(), v.live.Slug, wants)
	if forTheForm(err) {
		return d.showEnforcement(v, told{field: "plan", err: err}, nil, wants)
	}
	if err != nil {
		return err
	}
	return d.showEnforcement(v, t, &plan, wants)
}

func (d *Door) showEnforcement(v *visit, t told, plan *settings.EnforcementPlan, wants directory.Enforcement) error {
	view, err := d.Settings.Enforcement(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	return d.show(v, "enforcement", "Enforcement", "/enforcement", t, func(c common) any {
		data := enforcementData{common: c, View: view, Now: enforced(v.setup.Enforcement), Require: wants.RequireSSO, Plan: plan, Emergency: c.Base + "/emergency"}
		chosen := wants.Domains
		if data.Require == "" {
			data.Require, chosen = view.RequireSSO, view.Domains
		}
		for _, name := range view.Proven {
			data.Domains = append(data.Domains, domainChoice{name, slices.Contains(chosen, name), false})
		}
		for _, name := range view.Unproven { // else it would be dropped by whoever changes something else
			data.Domains = append(data.Domains, domainChoice{name, slices.Contains(chosen, name), true})
		}
		if plan != nil {
			data.PlanWords = enforced(directory.Enforcement{RequireSSO: plan.Require, Domains: plan.Domains})
			data.Shown = plan.ShutOut[:min(len(plan.ShutOut), shownShutOut)]
			data.More = len(plan.ShutOut) - len(data.Shown)
		}
		return data
	})
}

// setEnforcement does what a plan showed, and nothing where it is not so any more.
func (d *Door) setEnforcement(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	wants := directory.Enforcement{RequireSSO: directory.Require(form.Get("require")), Domains: chosenDomains(form)}
	seen := form.Get("seen")
	if seen == "" {
		return d.planEnforcement(v, told{field: "plan", err: errs.Invalid("not_seen", "Look first at whom it would shut out.")}, wants)
	}
	_, err = d.Settings.SetEnforcement(v.r.Context(), v.live.Slug, wants, seen, v.actor)
	if forTheForm(err) {
		return d.planEnforcement(v, told{field: "plan", err: err}, wants)
	}
	if err != nil {
		return err
	}
	return v.to("/enforcement?done=enforcement")
}

// emergencyData is the page of emergency access.
type emergencyData struct {
	common
	View        settings.EnforcementView
	Enforced    bool
	Mine        bool // whoever looks is the break-glass administrator
	Owner       bool
	MayRelax    bool // in this session
	Mail        bool
	Owners      []ownerChoice
	SignInAgain string // leads to a fresh sign-in, which a credential needs; "" where this one is fresh enough
	Factor      *signin.NewFactor
	FactorURI   template.URL // otpauth://, which a template would not take for an address
	Codes       []string
}

type ownerChoice struct {
	ID, Name, Email string
	Password        bool
}

func (d *Door) emergencyPage(v *visit) error { return d.showEmergency(v, told{}, nil, nil) }

func (d *Door) showEmergency(v *visit, t told, factor *signin.NewFactor, codes []string) error {
	view, err := d.Settings.Enforcement(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	owners, err := d.owners(v.r.Context(), v.live.Workspace)
	if err != nil {
		return err
	}
	if codes != nil || factor != nil {
		v.w.Header().Set("Cache-Control", "no-store")
	}
	return d.show(v, "emergency", "Emergency access", "/emergency", t, func(c common) any {
		data := emergencyData{common: c, View: view, Enforced: v.setup.Enforcement.On(), Owner: v.owner, Mail: d.SignIn.Mail, Factor: factor, Codes: codes}
		data.Mine = view.BreakGlass != nil && view.BreakGlass.ID == v.live.Member.ID
		data.MayRelax = directory.CheckRelax(v.setup.Enforcement, v.live.BreakGlass, d.DB.Now()) == nil
		for _, o := range owners {
			if view.BreakGlass == nil || o.ID != view.BreakGlass.ID {
				data.Owners = append(data.Owners, o)
			}
		}
		if factor != nil {
			data.FactorURI = template.URL(factor.URI)
		}
		if d.stale(v) {
			data.SignInAgain = v.signInAgain("/emergency")
		}
		return data
	})
}

// maxOwnersShown is how many owners can be chosen from.
const maxOwnersShown = 100

func (d *Door) owners(ctx context.Context, workspace string) (out []ownerChoice, err error) {
	err = d.DB.Read(ctx, workspace, func(tx *store.Tx) error {
		out = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		members, err := tx.MembersByRole(cfg.Roles.Owner().ID, maxOwnersShown)
		if err != nil {
			return err
		}
		for i := range members {
			m := &members[i]
			if m.Status() != directory.StatusActive {
				continue
			}
			hash, _, err := tx.Credential(m.ID)
			if err != nil {
				return err
			}
			out = append(out, ownerChoice{m.ID, nameOf(m), m.Email, hash != ""})
		}
		return nil
	})
	return out, err
}

// freshly runs an act that makes or takes a credential, for whoever has signed in lately.
func (d *Door) freshly(field string, act func(v *visit) error) handler {
	return func(v *visit) error {
		if d.stale(v) {
			return d.showEmergency(v, told{field: field, err: errs.Forbidden("sign_in_again", "You signed in a while ago. Sign in again for this.")}, nil, nil)
		}
		err := act(v)
		if forTheForm(err) {
			return d.showEmergency(v, told{field: field, err: err}, nil, nil)
		}
		return err
	}
}

func (d *Door) designate(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	err = d.Settings.Designate(v.r.Context(), v.live.Slug, form.Get("owner"), v.actor)
	if errs.Is(err, errs.KindNotFound) {
		err = errs.Invalid("member_unknown", "Choose one of the owners.")
	}
	if err != nil {
		return err
	}
	return v.to("/emergency?done=designated")
}

func (d *Door) beginFactor(v *visit) error {
	factor, err := d.SignIn.BeginFactor(v.r.Context(), v.live)
	if err != nil {
		return err
	}
	return d.showEmergency(v, told{}, &factor, nil)
}

func (d *Door) confirmFactor(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	again, err := d.SignIn.ConfirmFactor(v.r.Context(), v.live, form.Get("setup"), form.Get("code"))
	if errs.CodeOf(err) == "code_wrong" {
		return d.showEmergency(v, told{field: "code", err: err}, &again, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/emergency?done=factor-on")
}

func (d *Door) removeFactor(v *visit) error {
	if err := d.SignIn.RemoveFactor(v.r.Context(), v.live); err != nil {
		return err
	}
	return v.to("/emergency?done=factor-off")
}

func (d *Door) makeCodes(v *visit) error {
	codes, err := d.SignIn.MakeRecoveryCodes(v.r.Context(), v.live)
	if err != nil {
		return err
	}
	return d.showEmergency(v, told{}, nil, codes)
}

// relax needs no fresh sign-in but a session of emergency access, which settings looks up.
func (d *Door) relax(v *visit) error {
	_, err := d.Settings.Relax(v.r.Context(), v.live.Slug, v.live.ID, v.actor)
	if forTheForm(err) {
		return d.showEmergency(v, told{field: "relax", err: err}, nil, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/emergency?done=relaxed")
}

func (d *Door) resume(v *visit) error {
	if err := d.Settings.Resume(v.r.Context(), v.live.Slug, v.actor); err != nil {
		return err
	}
	return v.to("/emergency?done=resumed")
}

// mountEnforcement adds the routes of both pages.
func (d *Door) mountEnforcement(on mounter) {
	const workspace = "/console/{workspace}"
	on("GET "+workspace+"/enforcement", directory.PermissionSettingsRead, d.enforcementPage)
	on("POST "+workspace+"/enforcement", directory.PermissionSettings, d.setEnforcement)
	on("GET "+workspace+"/emergency", directory.PermissionSettingsRead, d.emergencyPage)
	on("POST "+workspace+"/emergency/designate", directory.PermissionSettings, d.freshly("owner", d.designate))
	on("POST "+workspace+"/emergency/factor", directory.PermissionSettings, d.freshly("begin-factor", d.beginFactor))
	on("POST "+workspace+"/emergency/factor/confirm", directory.PermissionSettings, d.freshly("begin-factor", d.confirmFactor))
	on("POST "+workspace+"/emergency/factor/remove", directory.PermissionSettings, d.freshly("remove-factor", d.removeFactor))
	on("POST "+workspace+"/emergency/codes", directory.PermissionSettings, d.freshly("make-codes", d.makeCodes))
	on("POST "+workspace+"/emergency/relax", directory.PermissionSettings, d.relax)
	on("POST "+workspace+"/emergency/resume", directory.PermissionSettings, d.resume)
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type enforcementCommand struct {
	Show      enforcementShowCommand      `cmd:"" help:"Show who must use single sign-on, what that stands on, and the break-glass administrator."`
	Plan      enforcementPlanCommand      `cmd:"" help:"Say whom a change would shut out. Changes nothing."`
	Set       enforcementSetCommand       `cmd:"" help:"Say who must use single sign-on."`
	Designate enforcementDesignateCommand `cmd:"" help:"Make an owner the break-glass administrator."`
	Resume    enforcementResumeCommand    `cmd:"" help:"End a relaxation by emergency access at once."`
}

// enforcementArgs say what is wanted.
type enforcementArgs struct {
	Workspace string   `json:"workspace"` // slug
	Require   string   `json:"require,omitempty"`
	Domains   []string `json:"domains,omitempty"`
	Seen      string   `json:"seen,omitempty"`
	Who       string   `json:"who,omitempty"`
}

func (a enforcementArgs) wants() directory.Enforcement {
	return directory.Enforcement{RequireSSO: directory.Require(a.Require), Domains: a.Domains}
}

type enforcementShowCommand struct {
	Workspace string `arg:"" help:"The workspace."`
}

func (enforcementShowCommand) Help() string {
	return `Each connection stands on one step of draft, tested, active and enforced; what is missing for the next
one stands below it.

Example:

  gatehouse enforcement show acme`
}

func (c *enforcementShowCommand) Run(ctx context.Context, p *program) error {
	v, err := call[settings.EnforcementView](ctx, p, "enforcement.show", enforcementArgs{Workspace: c.Workspace})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { writeEnforcement(w, v) })
}

func writeEnforcement(w io.Writer, v settings.EnforcementView) {
	required := string(v.RequireSSO)
	if len(v.Domains) > 0 {
		required += " (" + strings.Join(v.Domains, ", ") + ")"
	}
	fmt.Fprint(w, cells("require_sso", required))
	if len(v.Unproven) > 0 {
		fmt.Fprint(w, cells("not proven any more", strings.Join(v.Unproven, ", ")))
	}
	if v.RelaxedUntil != nil {
		fmt.Fprint(w, cells("relaxed until", instant(*v.RelaxedUntil)))
	}
	if b := v.BreakGlass; b == nil {
		fmt.Fprint(w, cells("break-glass", "nobody"))
	} else {
		fmt.Fprint(w, cells("break-glass", b.Email))
		state := "none"
		switch {
		case b.Password && b.ProvenAt == nil:
			state = "never used to sign in"
		case b.Password:
			state = "last proven " + instant(*b.ProvenAt)
		}
		fmt.Fprint(w, cells("  password", state), cells("  second factor", switchWord(b.SecondFactor)), cells("  recovery codes", fmt.Sprint(b.Codes)))
	}
	for _, c := range v.Connections {
		fmt.Fprint(w, cells("connection", c.Name+": "+string(c.Rung)))
		for _, why := range c.Missing {
			fmt.Fprintf(w, "  for %s: %s\n", c.Next, why)
		}
	}
}

func switchWord(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func showEnforcement(ctx context.Context, a *app, _ audit.Party, args enforcementArgs) (settings.EnforcementView, error) {
	if _, err := a.workspace(ctx, args.Workspace); err != nil {
		return settings.EnforcementView{}, err
	}
	return a.settings.Enforcement(ctx, args.Workspace)
}

// enforcementArg is what is wanted, on the command line.
type enforcementArg struct {
	Workspace string   `arg:"" help:"The workspace."`
	Require   string   `required:"" enum:"none,all,domains" placeholder:"WORD" help:"none; all; or domains: whoever has an address in one of --domain, and nobody else."`
	Domain    []string `placeholder:"DOMAIN" help:"A proven domain, with --require domains. May be given several times."`
}

func (c enforcementArg) args() enforcementArgs {
	return enforcementArgs{Workspace: c.Workspace, Require: c.Require, Domains: c.Domain}
}

type enforcementPlanCommand struct{ enforcementArg }

func (enforcementPlanCommand) Help() string {
	return `Who is named would have no way in afterwards: the password does not count any more, no active connection
knows them, its directory does not own them, and their address is in no proven domain. The word "seen" stands
for what was shown; give it to set, and nothing is done where anything is different by then.

Example:

  gatehouse enforcement plan acme --require domains --domain acme.com`
}

func (c *enforcementPlanCommand) Run(ctx context.Context, p *program) error {
	plan, err := call[settings.EnforcementPlan](ctx, p, "enforcement.plan", c.args())
	if err != nil {
		return err
	}
	return p.show(plan, func(w io.Writer) {
		for _, why := range plan.Missing {
			fmt.Fprintln(w, "missing:", why)
		}
		writeShutOut(w, plan, "would have", "would end")
		fmt.Fprint(w, cells("seen", plan.Word))
	})
}

func writeShutOut(w io.Writer, plan settings.EnforcementPlan, have, end string) {
	fmt.Fprintf(w, "%d people %s no way in.\n", len(plan.ShutOut), have)
	for _, m := range plan.ShutOut {
		note := ""
		if m.Guest {
			note = "guest"
		}
		fmt.Fprint(w, cells("  "+m.Email, m.Role, note))
	}
	fmt.Fprintf(w, "%d sessions that were opened with a password %s.\n", plan.Sessions, end)
}

func planEnforcement(ctx context.Context, a *app, _ audit.Party, args enforcementArgs) (settings.EnforcementPlan, error) {
	if _, err := a.workspace(ctx, args.Workspace); err != nil {
		return settings.EnforcementPlan{}, err
	}
	return a.settings.PlanEnforcement(ctx, args.Workspace, args.wants())
}

type enforcementSetCommand struct {
	enforcementArg
	Seen string `placeholder:"WORD" help:"Refuse where anything is different from what plan gave this word for."`
}

func (enforcementSetCommand) Help() string {
	return `It needs a verified connection, and a break-glass administrator who has signed in with their password in the
last 90 days. Passwords of whom it covers stop working, and the sessions that they opened end at once.

Example:

  gatehouse enforcement set acme --require all --seen WORD`
}

func (c *enforcementSetCommand) Run(ctx context.Context, p *program) error {
	args := c.args()
	args.Seen = c.Seen
	plan, err := call[settings.EnforcementPlan](ctx, p, "enforcement.set", args)
	if err != nil {
		return err
	}
	return p.show(plan, func(w io.Writer) {
		fmt.Fprint(w, cells("require_sso", string(plan.Require)))
		writeShutOut(w, plan, "have", "have ended")
	})
}

func setEnforcement(ctx context.Context, a *app, by audit.Party, args enforcementArgs) (settings.EnforcementPlan, error) {
	if _, err := a.workspace(ctx, args.Workspace); err != nil {
		return settings.EnforcementPlan{}, err
	}
	return a.settings.SetEnforcement(ctx, args.Workspace, args.wants(), args.Seen, by)
}

type enforcementDesignateCommand struct {
	Workspace string `arg:"" help:"The workspace."`
	Who       string `arg:"" help:"An owner's id (mem_...) or e-mail address."`
}

func (enforcementDesignateCommand) Help() string {
	return `There is exactly one. They need a password, and while single sign-on is required one that they have signed in
with in the last 90 days. The second factor and the recovery codes of whoever it was are gone.

Example:

  gatehouse enforcement designate acme root@acme.test`
}

func (c *enforcementDesignateCommand) Run(ctx context.Context, p *program) error {
	v, err := call[settings.EnforcementView](ctx, p, "enforcement.glass", enforcementArgs{Workspace: c.Workspace, Who: c.Who})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { writeEnforcement(w, v) })
}

func designateBreakGlass(ctx context.Context, a *app, by audit.Party, args enforcementArgs) (settings.EnforcementView, error) {
	_, m, err := a.find(ctx, memberArgs{args.Workspace, args.Who})
	if err != nil {
		return settings.EnforcementView{}, err
	}
	if err := a.settings.Designate(ctx, args.Workspace, m.ID, by); err != nil {
		return settings.EnforcementView{}, err
	}
	return a.settings.Enforcement(ctx, args.Workspace)
}

type enforcementResumeCommand struct {
	Workspace string `arg:"" help:"The workspace."`
}

func (enforcementResumeCommand) Help() string {
	return `Sessions that were opened by a mailed link end, and mailed links are worth nothing any more. Relaxing
itself is for a session of emergency access, in the console.

Example:

  gatehouse enforcement resume acme`
}

func (c *enforcementResumeCommand) Run(ctx context.Context, p *program) error {
	v, err := call[settings.EnforcementView](ctx, p, "enforcement.resume", enforcementArgs{Workspace: c.Workspace})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { writeEnforcement(w, v) })
}

func resumeEnforcement(ctx context.Context, a *app, by audit.Party, args enforcementArgs) (settings.EnforcementView, error) {
	if _, err := a.workspace(ctx, args.Workspace); err != nil {
		return settings.EnforcementView{}, err
	}
	if err := a.settings.Resume(ctx, args.Workspace, by); err != nil {
		return settings.EnforcementView{}, err
	}
	return a.settings.Enforcement(ctx, args.Workspace)
}

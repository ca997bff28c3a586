package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type directoryCommand struct {
	Show    directoryShowCommand    `cmd:"" help:"Show where a directory stands and what was last heard of its IdP; with --person, of one person."`
	Test    directoryTestCommand    `cmd:"" help:"Start a test sync: SCIM is served in full, and staged."`
	Plan    directoryPlanCommand    `cmd:"" help:"Show what enabling a directory would do to the people whom it has staged."`
	Enable  directoryEnableCommand  `cmd:"" help:"Let a directory provision; its staged people become members by the plan that was shown."`
	Discard directoryDiscardCommand `cmd:"" help:"Throw away what a test sync has staged."`
	Pause   directoryPauseCommand   `cmd:"" help:"Refuse every request of a directory; its people stay as they are."`
	Pilot   directoryPilotCommand   `cmd:"" help:"Show or change who takes effect while a directory is testing."`
}

type directoryArgs struct {
	Workspace string   `json:"workspace"` // slug
	Directory string   `json:"directory"` // name or id
	Word      string   `json:"word,omitempty"`
	Person    string   `json:"person,omitempty"`
	Outcome   string   `json:"outcome,omitempty"`
	Skip      int      `json:"skip,omitempty"`
	Limit     int      `json:"limit,omitempty"`
	Add       []string `json:"add,omitempty"`
	Remove    []string `json:"remove,omitempty"`
	Clear     bool     `json:"clear,omitempty"`
}

func (d directoryArg) args() directoryArgs {
	return directoryArgs{Workspace: d.Workspace, Directory: d.Directory}
}

type directoryShowCommand struct {
	directoryArg
	Person string `placeholder:"WHO" help:"What was heard of this person: a userName, address, externalId, SCIM id or member id."`
	Bodies bool   `help:"Print what the requests sent as well, redacted."`
}

func (directoryShowCommand) Help() string {
	return `Examples:

  gatehouse directory show acme okta
  gatehouse directory show acme okta --person ada@acme.test`
}

func (c *directoryShowCommand) Run(ctx context.Context, p *program) error {
	args := c.args()
	if c.Person != "" {
		args.Person = c.Person
		trace, err := call[settings.PersonTrace](ctx, p, "directory.person", args)
		if err != nil {
			return err
		}
		return p.show(trace, func(w io.Writer) { writeTrace(w, trace) })
	}
	r, err := call[settings.DirectoryReport](ctx, p, "directory.show", args)
	if err != nil {
		return err
	}
	return p.show(r, func(w io.Writer) {
		fmt.Fprint(w, cells("directory", r.Name+" ("+r.ID+")"), cells("status", string(r.Status)), cells("base URL", r.BaseURL))
		if len(r.Pilot) > 0 {
			fmt.Fprint(w, cells("pilot", strings.Join(r.Pilot, ", ")))
		}
		fmt.Fprint(w, cells("people", fmt.Sprintf("%d members, %d staged", r.People, r.Staged)),
			cells("last request", orNever(r.LastRequest)), cells("last served", orNever(r.LastServed)), cells("last refused", orNever(r.LastRefused)+reasonIn(r.LastReason)),
			cells("last 24 hours", heardText(r.Day)), cells("last 30 days", heardText(r.Month)))
		for _, f := range r.Findings {
			fmt.Fprintln(w, "! "+f)
		}
		writeRequests(w, r.Requests, c.Bodies)
	})
}

func reasonIn(code string) string {
	if code == "" {
		return ""
	}
	return " (" + code + ")"
}

func heardText(h settings.HeardCounts) string {
	return fmt.Sprintf("%d created, %d updated, %d deactivated, %d refused, %d reads", h.Created, h.Updated, h.Deactivated, h.Refused, h.Reads)
}

func writeTrace(w io.Writer, t settings.PersonTrace) {
	fmt.Fprintln(w, t.Answer)
	for _, r := range t.Resources {
		state := "member " + r.Member + ", " + r.Status
		switch {
		case r.Staged:
			state = "staged"
		case r.DeletedAt != nil:
			state = "deleted " + instant(*r.DeletedAt) + "; " + state
		}
		fmt.Fprint(w, cells("resource", r.ID, r.UserName, r.ExternalID, state))
	}
	writeRequests(w, t.Events, false)
}

func writeRequests(w io.Writer, list []settings.RequestView, bodies bool) {
	for _, r := range list {
		what := strings.TrimSpace(r.Method + " " + r.Path)
		if what == "" {
			what = r.Type
		}
		fmt.Fprint(w, cells(instant(r.Time), r.Outcome, what, r.Who, strings.TrimSpace(r.Reason+" "+r.Detail)))
		if bodies && len(r.Body) > 0 {
			fmt.Fprintf(w, "    %s\n", r.Body)
		}
	}
}

func showDirectory(ctx context.Context, a *app, _ audit.Party, args directoryArgs) (*settings.DirectoryReport, error) {
	r, err := a.settings.DirectoryReport(ctx, args.Workspace, args.Directory)
	return r, a.nearestWorkspace(ctx, args.Workspace, err)
}

func tracePerson(ctx context.Context, a *app, _ audit.Party, args directoryArgs) (*settings.PersonTrace, error) {
	t, err := a.settings.TracePerson(ctx, args.Workspace, args.Directory, args.Person)
	return t, a.nearestWorkspace(ctx, args.Workspace, err)
}

type directoryTestCommand struct{ directoryArg }

func (directoryTestCommand) Help() string {
	return `People and groups that the IdP sends get their ids and are staged: nobody is a member, has access or
is told by mail. Look at the plan, then enable or discard.

Example:

  gatehouse directory test acme okta`
}

func (c *directoryTestCommand) Run(ctx context.Context, p *program) error {
	return stepDirectory(ctx, p, "directory.test", c.args())
}

type directoryPlanCommand struct {
	directoryArg
	Outcome string `placeholder:"WORD" enum:",created,linked,restored,deactivated,refused,stays" default:"" help:"Only rows with this outcome: created, linked, restored, deactivated, refused or stays."`
	Limit   int    `default:"200" help:"Print this many rows at most."`
	Skip    int    `help:"Leave out this many rows first."`
}

func (directoryPlanCommand) Help() string {
	return `Prints who would be created, linked to a member who is there, restored, deactivated or refused, with which
role and why, and the word of this plan, with which it is carried out.

Examples:

  gatehouse directory plan acme okta
  gatehouse directory plan acme okta --outcome refused
  gatehouse directory enable acme okta --plan 3f0c9a2b11d4e756`
}

func (c *directoryPlanCommand) Run(ctx context.Context, p *program) error {
	if c.Limit < 0 || c.Skip < 0 {
		return usagef("directory plan: --limit and --skip are 0 or more")
	}
	args := c.args()
	args.Outcome, args.Limit, args.Skip = c.Outcome, c.Limit, c.Skip
	plan, err := call[provision.Plan](ctx, p, "directory.plan", args)
	if err != nil {
		return err
	}
	return p.show(plan, func(w io.Writer) {
		writePlan(w, plan)
		if plan.More {
			fmt.Fprintln(w, "There are more rows: --skip and --limit show them.")
		}
		if plan.Blocked != "" {
			fmt.Fprintln(w, "! It cannot be carried out now: "+plan.Blocked)
			return
		}
		if plan.Staged > 0 {
			fmt.Fprintf(w, "To carry out exactly this: gatehouse directory enable %s %s --plan %s\n", c.Workspace, c.Directory, plan.Word)
		}
	})
}

func writePlan(w io.Writer, plan provision.Plan) {
	fmt.Fprintln(w, planCounts(plan))
	for _, r := range plan.Rows {
		what := string(r.Status) + ", " + r.Role
		if r.RoleBefore != "" && r.RoleBefore != r.Role {
			what = string(r.Status) + ", " + r.RoleBefore + " -> " + r.Role
		}
		why := r.RoleReason
		if r.Why != "" {
			what, why = r.Reason, r.Why
		}
		fmt.Fprint(w, cells(r.Outcome, r.UserName, r.Email, what, why))
	}
}

func planCounts(plan provision.Plan) string {
	var parts []string
	for _, outcome := range provision.PlanOutcomes() {
		if n := plan.Counts[outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	if len(parts) == 0 {
		return "Nobody is staged."
	}
	if plan.Mails > 0 {
		parts = append(parts, fmt.Sprintf("%d invitations by mail", plan.Mails))
	}
	return strings.Join(parts, ", ")
}

// maxPlanRows bounds one answer.
const maxPlanRows = 5000

func planDirectory(ctx context.Context, a *app, _ audit.Party, args directoryArgs) (provision.Plan, error) {
	plan, err := a.settings.DirectoryPlan(ctx, args.Workspace, args.Directory,
		provision.PlanPage{Outcome: args.Outcome, Skip: args.Skip, Limit: min(args.Limit, maxPlanRows)})
	return plan, a.nearestWorkspace(ctx, args.Workspace, err)
}

type directoryEnableCommand struct {
	directoryArg
	Plan string `placeholder:"WORD" help:"The word of the plan to carry out; needed where people are staged."`
}

func (directoryEnableCommand) Help() string {
	return `Where people are staged they become members, in one transaction, by exactly the plan that the word names; a
plan that has changed meanwhile is refused and nothing is done. A directory that is paused is resumed.

Examples:

  gatehouse directory enable acme okta --plan 3f0c9a2b11d4e756
  gatehouse directory enable acme okta`
}

func (c *directoryEnableCommand) Run(ctx context.Context, p *program) error {
	args := c.args()
	args.Word = c.Plan
	return stepDirectory(ctx, p, "directory.enable", args)
}

type directoryDiscardCommand struct{ directoryArg }

func (c *directoryDiscardCommand) Run(ctx context.Context, p *program) error {
	return stepDirectory(ctx, p, "directory.discard", c.args())
}

type directoryPauseCommand struct{ directoryArg }

func (c *directoryPauseCommand) Run(ctx context.Context, p *program) error {
	return stepDirectory(ctx, p, "directory.pause", c.args())
}

type directoryPilotCommand struct {
	directoryArg
	Add    []string `placeholder:"NAME" help:"Put somebody on the list: a userName, address or externalId. May be repeated."`
	Remove []string `placeholder:"NAME" help:"Take somebody off the list. Who is a member already stays one."`
	Clear  bool     `help:"Take everybody off the list first."`
}

func (directoryPilotCommand) Help() string {
	return `While a directory is testing, people on the list become members at once and the rest stays staged. Without
a flag the list is printed.

Example:

  gatehouse directory pilot acme okta --add ada@acme.test --add bob@acme.test`
}

func (c *directoryPilotCommand) Run(ctx context.Context, p *program) error {
	args := c.args()
	args.Add, args.Remove, args.Clear = c.Add, c.Remove, c.Clear
	return stepDirectory(ctx, p, "directory.pilot", args)
}

// stepDirectory runs one step in a directory's life and shows where it stands then.
func stepDirectory(ctx context.Context, p *program, verb string, args directoryArgs) error {
	d, err := call[settings.DirectoryState](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(d, func(w io.Writer) {
		fmt.Fprintf(w, "The directory %s is %s. %d people are staged.\n", d.Name, d.Status, d.Staged)
		if len(d.Pilot) > 0 {
			fmt.Fprintln(w, "Pilot: "+strings.Join(d.Pilot, ", "))
		}
		if d.DiscardedPeople+d.DiscardedGroups > 0 {
			fmt.Fprintf(w, "%d people and %d groups were discarded.\n", d.DiscardedPeople, d.DiscardedGroups)
		}
		if d.Plan != nil {
			writePlan(w, *d.Plan)
		}
	})
}

// steps makes a verb of one step.
func steps(fn func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error)) verb {
	return runs(func(ctx context.Context, a *app, by audit.Party, args directoryArgs) (settings.DirectoryState, error) {
		d, err := fn(ctx, a.settings, args, by)
		return d, a.nearestWorkspace(ctx, args.Workspace, err)
	})
}

var (
	testDirectory = steps(func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error) {
		return s.TestDirectory(ctx, args.Workspace, args.Directory, by)
	})
	enableDirectory = steps(func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error) {
		return s.EnableDirectory(ctx, args.Workspace, args.Directory, args.Word, by)
	})
	discardDirectory = steps(func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error) {
		return s.DiscardDirectory(ctx, args.Workspace, args.Directory, by)
	})
	pauseDirectory = steps(func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error) {
		return s.PauseDirectory(ctx, args.Workspace, args.Directory, by)
	})
	pilotDirectory = steps(func(ctx context.Context, s *settings.Service, args directoryArgs, by audit.Party) (settings.DirectoryState, error) {
		edit := settings.PilotEdit{Add: args.Add, Remove: args.Remove}
		if args.Clear {
			edit.Set = &[]string{}
		}
		return s.EditPilot(ctx, args.Workspace, args.Directory, edit, by)
	})
)

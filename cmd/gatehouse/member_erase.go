package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
)

type memberEraseCommand struct {
	whoArg
	Yes bool `help:"Erase without asking."`
}

func (memberEraseCommand) Help() string {
	return `It shows what would go and asks for the person's address, or their id where they have none. Then
they are deactivated, and their name, addresses, sign-in links and everything else that says who they are
is gone: from their own record, from directories' resources, from the event log and its payloads. What
stays is the id, for the log and for applications, and that each event happened. Nothing brings it back
but a backup. What a directory sends of them later is somebody new: take them out of it first.

Example:

  gatehouse member erase --workspace acme ada@acme.test`
}

func (c *memberEraseCommand) Run(ctx context.Context, p *program) error {
	plan, err := call[provision.ErasePlan](ctx, p, "member.plan-erase", c.args())
	if err != nil {
		return err
	}
	if !c.Yes {
		if err := p.confirmErase(plan); err != nil {
			return err
		}
	}
	// By id: whoever has the address by then is not meant.
	return p.act(ctx, "member.erase", memberArgs{c.Workspace, plan.ID})
}

// confirmErase shows the plan and wants the person's address typed.
func (p *program) confirmErase(plan provision.ErasePlan) error {
	word := plan.Email
	if word == "" {
		word = plan.ID
	}
	fmt.Fprint(p.err, planText(plan))
	fmt.Fprintf(p.err, "\nThis cannot be undone. Type %s to erase them: ", word)
	typed, err := bufio.NewReader(p.in).ReadString('\n')
	if err != nil && typed == "" {
		fmt.Fprintln(p.err)
		return usagef("member erase: nothing was typed, and nothing was done; --yes erases without asking")
	}
	if !strings.EqualFold(strings.TrimSpace(typed), word) {
		return usagef("member erase: that is not %s; nothing was done", word)
	}
	return nil
}

func planText(plan provision.ErasePlan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", plan.ID, strings.TrimSpace(plan.Name+" "+plan.Email))
	if plan.Deactivates {
		fmt.Fprintf(&b, "  is %s, and goes out first\n", plan.Status)
	}
	fmt.Fprintf(&b, "  sessions that end: %d\n  sign-in links that go: %d\n", plan.Sessions, plan.Links)
	if len(plan.Groups) > 0 {
		fmt.Fprintf(&b, "  leaves: %s\n", strings.Join(plan.Groups, ", "))
	}
	if len(plan.Resources) > 0 {
		fmt.Fprintf(&b, "  is still in: %s; when that sends them again, they are somebody new\n", strings.Join(plan.Resources, ", "))
	}
	return b.String()
}

func planErase(ctx context.Context, a *app, by audit.Party, args memberArgs) (provision.ErasePlan, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.ErasePlan{}, err
	}
	return a.provision.PlanErase(ctx, scope(workspace, by), provision.Who(args.Who))
}

func eraseMember(ctx context.Context, a *app, by audit.Party, args memberArgs) (memberView, error) {
	return a.change(ctx, args, by, a.provision.Erase)
}

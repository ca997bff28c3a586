package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type adoptionCommand struct {
	List   adoptionListCommand   `cmd:"" help:"List what waits for a decision, what was decided, and what can be undone."`
	Allow  adoptionAllowCommand  `cmd:"" help:"Let a directory have a member whom it named, at its next attempt."`
	Refuse adoptionRefuseCommand `cmd:"" help:"Keep a member from a directory that named them."`
	Undo   adoptionUndoCommand   `cmd:"" help:"Take an adopted member back from the directory, as they were before."`
}

type adoptionListCommand struct {
	Workspace string `arg:"" help:"The workspace."`
	State     string `enum:"all,waiting,allowed,refused,adopted,undone" default:"all" help:"all, waiting, allowed, refused, adopted or undone."`
}

func (adoptionListCommand) Help() string {
	return `A directory that names somebody who is a member already gets them only where that is certain;
else the request is refused (409), and it waits here. The latest 200 of each state are shown.

Example:

  gatehouse adoption list acme --state waiting`
}

// adoptionArgs name a meeting of a directory and a member.
type adoptionArgs struct {
	Workspace string `json:"workspace"` // slug
	ID        string `json:"id,omitempty"`
	Seen      string `json:"seen,omitempty"`
	State     string `json:"state,omitempty"` // of a list; "" for all
}

func (c *adoptionListCommand) Run(ctx context.Context, p *program) error {
	args := adoptionArgs{Workspace: c.Workspace}
	if c.State != "all" {
		args.State = c.State
	}
	list, err := call[[]provision.Adoption](ctx, p, "adoption.list", args)
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "Nothing waits, and nothing was decided.")
			return
		}
		fmt.Fprint(w, cells("ID", "STATE", "MEMBER", "DIRECTORY", "NAMED AS", "ATTEMPTS", "LAST", "WHY"))
		for _, a := range list {
			fmt.Fprint(w, cells(a.ID, string(a.State), a.Member.Email, a.Directory.Name, a.UserName, fmt.Sprint(a.Attempts), instant(a.LastAt), a.Sentence))
		}
	})
}

func listAdoptions(ctx context.Context, a *app, by audit.Party, args adoptionArgs) ([]provision.Adoption, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	list, err := a.provision.Adoptions(ctx, scope(workspace, by))
	return slices.DeleteFunc(list, func(x provision.Adoption) bool { return args.State != "" && string(x.State) != args.State }), err
}

// adoptionArg names one meeting.
type adoptionArg struct {
	Workspace string `arg:"" help:"The workspace."`
	ID        string `arg:"" help:"The id that the list shows (ado_...)."`
	Seen      string `placeholder:"WORD" help:"Refuse where member or claim changed since the list gave this word as \"seen\"."`
}

type adoptionAllowCommand struct{ adoptionArg }

func (adoptionAllowCommand) Help() string {
	return `Nothing happens before the directory names the person again, within 30 days: Entra does in its next
cycle, in Okta retry the failed task. The member keeps id, role, status and address; name, attributes
and groups are the directory's from then on, and it can deactivate them. A member of another
directory leaves that one.

Example:

  gatehouse adoption allow acme ado_...`
}

func (c *adoptionAllowCommand) Run(ctx context.Context, p *program) error {
	return p.decide(ctx, "adoption.allow", c.adoptionArg)
}

type adoptionRefuseCommand struct{ adoptionArg }

func (c *adoptionRefuseCommand) Run(ctx context.Context, p *program) error {
	return p.decide(ctx, "adoption.refuse", c.adoptionArg)
}

type adoptionUndoCommand struct {
	Workspace string `arg:"" help:"The workspace."`
	Who       string `arg:"" help:"The adoption (ado_...), the member's id (mem_...) or their e-mail address."`
	Seen      string `placeholder:"WORD" help:"Refuse where the member changed since the list gave this word as \"seen\"."`
}

func (adoptionUndoCommand) Help() string {
	return `The member is nobody's directory's again, with name, address, attributes and role as before; what an
owner did since stays. The directory's record ends (404), with its groups' hold on them and with sign-ins that
it made possible. If it names them again, that waits for a decision.

Example:

  gatehouse adoption undo acme ada@acme.test`
}

func (c *adoptionUndoCommand) Run(ctx context.Context, p *program) error {
	return p.decide(ctx, "adoption.undo", adoptionArg{c.Workspace, c.Who, c.Seen})
}

func (p *program) decide(ctx context.Context, verb string, c adoptionArg) error {
	a, err := call[provision.Adoption](ctx, p, verb, adoptionArgs{Workspace: c.Workspace, ID: c.ID, Seen: c.Seen})
	if err != nil {
		return err
	}
	return p.show(a, func(w io.Writer) {
		fmt.Fprint(w, cells("id", a.ID), cells("state", string(a.State)), cells("member", a.Member.Email), cells("directory", a.Directory.Name), cells("named as", a.UserName))
		if a.State == store.AdoptionAllowed {
			fmt.Fprintf(w, "It takes effect when %s names the person again: retry the task there, or wait for its next cycle.\n", a.Directory.Name)
		}
	})
}

func allowAdoption(ctx context.Context, a *app, by audit.Party, args adoptionArgs) (provision.Adoption, error) {
	return a.decideAdoption(ctx, by, args, a.provision.AllowAdoption)
}

func refuseAdoption(ctx context.Context, a *app, by audit.Party, args adoptionArgs) (provision.Adoption, error) {
	return a.decideAdoption(ctx, by, args, a.provision.RefuseAdoption)
}

func undoAdoption(ctx context.Context, a *app, by audit.Party, args adoptionArgs) (provision.Adoption, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.Adoption{}, err
	}
	if !strings.HasPrefix(args.ID, "ado_") {
		if err := a.db.Read(ctx, workspace, func(tx *store.Tx) error {
			m, err := provision.Who(args.ID)(tx)
			if err != nil {
				return err
			}
			found, err := tx.AdoptionOf(m.ID)
			if err == nil && found == nil {
				err = errs.NotFound("adoption_unknown", "%s was not adopted by a directory.", m.Email)
			}
			if err == nil {
				args.ID = found.ID
			}
			return err
		}); err != nil {
			return provision.Adoption{}, err
		}
	}
	return a.decideAdoption(ctx, by, args, a.provision.UndoAdoption)
}

func (a *app) decideAdoption(ctx context.Context, by audit.Party, args adoptionArgs, fn func(ctx context.Context, scope provision.Scope, id, seen string) (provision.Adoption, error)) (provision.Adoption, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.Adoption{}, err
	}
	return fn(ctx, scope(workspace, by), args.ID, args.Seen)
}

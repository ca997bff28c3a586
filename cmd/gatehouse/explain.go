package main

import (
	"context"
	"fmt"
	"io"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type explainCommand struct {
	workspaceFlag
	Who     string `arg:"" optional:"" help:"Id or e-mail address of a member, or the name under which somebody tried to sign in."`
	Attempt string `placeholder:"ID" help:"Explain this attempt, with its steps."`
	Missing bool   `help:"List who was provisioned and never signed in, and who tried and was never provisioned."`
}

func (explainCommand) Help() string {
	return `Says why somebody could not sign in, by their last attempts: the reason, what was expected and received, and where to
mend it; and why they have their role. docs/sign-in-reasons.md has all reasons.

Examples:

  gatehouse explain --workspace acme ada@acme.test
  gatehouse explain --workspace acme --attempt att_01hx...
  gatehouse explain --workspace acme --missing`
}

type explainArgs struct {
	Workspace string `json:"workspace"` // slug
	Who       string `json:"who"`
	After     string `json:"after"` // of a list
}

// explanation is what explain tells of somebody.
type explanation struct {
	*signin.Explanation
	Person *memberView `json:"person"` // nil where nobody is known by that name
}

func (c *explainCommand) Run(ctx context.Context, p *program) error {
	given := 0
	for _, on := range []bool{c.Who != "", c.Attempt != "", c.Missing} {
		if on {
			given++
		}
	}
	if given != 1 {
		return usagef("explain: expected one of WHO, --attempt and --missing")
	}
	switch {
	case c.Attempt != "":
		a, err := call[signin.ExplainedAttempt](ctx, p, "explain.attempt", attemptArgs{c.Workspace, c.Attempt})
		if err != nil {
			return err
		}
		return p.show(a, func(w io.Writer) { writeAttempt(w, a, true) })
	case c.Missing:
		return c.missing(ctx, p)
	}
	e, err := call[explanation](ctx, p, "explain", explainArgs{Workspace: c.Workspace, Who: c.Who})
	if err != nil {
		return err
	}
	return p.show(e, func(w io.Writer) {
		if m := e.Person; m != nil {
			fmt.Fprint(w, cells("member", m.Email+" ("+m.ID+")"), cells("status", string(m.Status)), cells("role", m.Role), cells("", m.RoleReason.Sentence))
		} else {
			fmt.Fprint(w, cells("member", "none is known as "+e.Who))
		}
		if e.FirstSignIn != nil {
			fmt.Fprint(w, cells("first sign-in", instant(*e.FirstSignIn)))
		} else {
			fmt.Fprint(w, cells("first sign-in", "never"))
		}
		fmt.Fprint(w, cells("diagnosis", e.Diagnosis))
		if e.Unanswered > 0 {
			fmt.Fprint(w, cells("no answer", fmt.Sprintf("%d sign-ins of the last day, nobody knows whose, were begun and did not come back from the identity provider", e.Unanswered)))
		}
		for _, a := range e.Attempts {
			fmt.Fprintln(w)
			writeAttempt(w, a, false)
		}
	})
}

func explainPerson(ctx context.Context, a *app, _ audit.Party, args explainArgs) (explanation, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return explanation{}, err
	}
	e, err := a.signin.Explain(ctx, workspace, args.Who)
	if err != nil {
		return explanation{}, err
	}
	out := explanation{Explanation: e}
	if e.Member == "" {
		return out, nil
	}
	view, err := a.member(ctx, workspace, provision.Who(e.Member))
	if errs.Is(err, errs.KindNotFound) {
		return out, nil // gone meanwhile
	}
	out.Person = &view
	return out, err
}

func explainAttempt(ctx context.Context, a *app, _ audit.Party, args attemptArgs) (signin.ExplainedAttempt, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return signin.ExplainedAttempt{}, err
	}
	return a.signin.ExplainAttempt(ctx, workspace, args.Attempt)
}

// missing are those who do not sign in.
type missing struct {
	NeverSignedIn    []store.Unseen `json:"never_signed_in"`
	NeverProvisioned []store.Nobody `json:"never_provisioned"`
	Next             string         `json:"next,omitempty"`
}

// missingPage is how many one question lists.
const missingPage = 500

func (c *explainCommand) missing(ctx context.Context, p *program) error {
	all := missing{NeverSignedIn: []store.Unseen{}, NeverProvisioned: []store.Nobody{}}
	for after := ""; ; {
		page, err := call[missing](ctx, p, "explain.missing", explainArgs{Workspace: c.Workspace, After: after})
		if err != nil {
			return err
		}
		all.NeverSignedIn = append(all.NeverSignedIn, page.NeverSignedIn...)
		if after == "" {
			all.NeverProvisioned = append(all.NeverProvisioned, page.NeverProvisioned...)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	return p.show(all, func(w io.Writer) {
		fmt.Fprintf(w, "Provisioned, and never signed in: %d\n", len(all.NeverSignedIn))
		for _, u := range all.NeverSignedIn {
			fmt.Fprint(w, cells("  "+u.Email, u.Name, "since "+instant(u.Since), u.Member))
		}
		fmt.Fprintf(w, "Tried, and never provisioned: %d\n", len(all.NeverProvisioned))
		for _, n := range all.NeverProvisioned {
			fmt.Fprint(w, cells("  "+n.Name, n.Code, "last "+instant(n.At), fmt.Sprintf("%d times", n.Times), n.Attempt))
		}
	})
}

func explainMissing(ctx context.Context, a *app, _ audit.Party, args explainArgs) (missing, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return missing{}, err
	}
	var out missing
	err = a.db.Read(ctx, workspace, func(tx *store.Tx) (err error) {
		if out.NeverSignedIn, out.Next, err = tx.NeverSignedIn(args.After, missingPage); err != nil || args.After != "" {
			return err
		}
		out.NeverProvisioned, err = signin.StillUnknown(tx, missingPage)
		return err
	})
	return out, err
}

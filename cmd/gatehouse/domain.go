package main

import (
	"context"
	"fmt"
	"io"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type domainCommand struct {
	Add    domainAddCommand    `cmd:"" help:"Claim a domain, and show the record that proves it."`
	Verify domainVerifyCommand `cmd:"" help:"Look for the record in DNS now."`
	List   domainListCommand   `cmd:"" help:"List domains with their state, or say whose a domain is."`
	Remove domainRemoveCommand `cmd:"" help:"Take a domain away from a workspace."`
}

// domainArg names a domain of a workspace.
type domainArg struct {
	workspaceFlag
	Domain string `arg:"" help:"The domain, such as acme.com; in any spelling (münchen.de, xn--mnchen-3ya.de)."`
}

type domainArgs struct {
	Workspace string `json:"workspace,omitempty"` // slug
	Domain    string `json:"domain,omitempty"`
}

func (c domainArg) args() domainArgs { return domainArgs{c.Workspace, c.Domain} }

type domainAddCommand struct{ domainArg }

func (domainAddCommand) Help() string {
	return `Shows a TXT record. Set it in the domain's DNS, then run gatehouse domain verify. Its value stays
the same until the domain is removed. A domain covers addresses in it alone: eu.acme.com is another one.
Public suffixes (co.uk, github.io) and providers of free mail are refused. Several workspaces may claim
one domain; the first to prove it has it.

Example:

  gatehouse domain add --workspace acme acme.com`
}

func (c *domainAddCommand) Run(ctx context.Context, p *program) error {
	return p.showDomain(ctx, "domain.add", c.args())
}

type domainVerifyCommand struct{ domainArg }

func (domainVerifyCommand) Help() string {
	return `Asks DNS for the record, 20 times in 10 minutes for one workspace at the most. Exits 1 where the domain is
not proven by it, and says what was expected and what came. A proven domain is looked at again once a day by the
server; this looks at once.

Example:

  gatehouse domain verify --workspace acme acme.com`
}

func (c *domainVerifyCommand) Run(ctx context.Context, p *program) error {
	return p.showDomain(ctx, "domain.verify", c.args())
}

func (p *program) showDomain(ctx context.Context, verb string, args domainArgs) error {
	v, err := call[settings.DomainView](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		fmt.Fprint(w, cells("domain", v.Shown), cells("state", stateOfDomain(v)))
		if v.Record != nil && v.State != settings.DomainProven {
			fmt.Fprint(w, cells("record name", v.Record.Name), cells("record type", v.Record.Type), cells("record value", v.Record.Value))
		}
		if v.NextCheckAt != nil {
			fmt.Fprint(w, cells("looked at again", instant(*v.NextCheckAt)))
		}
	})
}

// stateOfDomain is the state in words.
func stateOfDomain(v settings.DomainView) string {
	switch {
	case v.By == settings.ProvenByOperator:
		return "proven by the operator"
	case v.MissingSince != nil:
		return "proven; its record is missing since " + instant(*v.MissingSince)
	default:
		return string(v.State)
	}
}

type domainListCommand struct {
	Workspace string `placeholder:"SLUG" help:"The domains of this workspace."`
	Domain    string `placeholder:"DOMAIN" help:"Whoever has or claims this domain, in all workspaces."`
}

func (domainListCommand) Help() string {
	return `Examples:

  gatehouse domain list --workspace acme
  gatehouse domain list --domain acme.com`
}

// domainLine is a domain with its workspace.
type domainLine struct {
	Workspace string `json:"workspace"` // slug
	settings.DomainView
}

func (c *domainListCommand) Run(ctx context.Context, p *program) error {
	if (c.Workspace == "") == (c.Domain == "") {
		return errs.Invalid("which_domains", "Expected --workspace or --domain, and one of them.")
	}
	list, err := call[[]domainLine](ctx, p, "domain.list", domainArgs{c.Workspace, c.Domain})
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No domain. Claim one with gatehouse domain add.")
			return
		}
		fmt.Fprint(w, cells("WORKSPACE", "DOMAIN", "STATE", "LOOKED AT", "SINGLE SIGN-ON", "WHAT DNS SAID"))
		for _, d := range list {
			required, said := "", d.Outcome
			if d.Required {
				required = "required"
			}
			fmt.Fprint(w, cells(d.Workspace, d.Shown, stateOfDomain(d.DomainView), orNever(d.CheckedAt), required, said))
		}
	})
}

type domainRemoveCommand struct{ domainArg }

func (domainRemoveCommand) Help() string {
	return `Members, their sign-in links and what enforcement covers stay. Nobody is linked by an address in the domain from then
on, and another workspace may prove it. Claimed anew, it has a new value.

Example:

  gatehouse domain remove --workspace acme acme.com`
}

func (c *domainRemoveCommand) Run(ctx context.Context, p *program) error {
	v, err := call[domainArgs](ctx, p, "domain.remove", c.args())
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) { fmt.Fprintf(w, "The domain %s was removed from %s.\n", v.Domain, v.Workspace) })
}

func addDomain(ctx context.Context, a *app, by audit.Party, args domainArgs) (settings.DomainView, error) {
	v, err := a.settings.ClaimDomain(ctx, args.Workspace, args.Domain, by)
	return v, a.nearestWorkspace(ctx, args.Workspace, err)
}

func verifyDomain(ctx context.Context, a *app, by audit.Party, args domainArgs) (settings.DomainView, error) {
	v, err := a.settings.VerifyDomain(ctx, args.Workspace, args.Domain, by)
	return v, a.nearestWorkspace(ctx, args.Workspace, err)
}

func removeDomain(ctx context.Context, a *app, by audit.Party, args domainArgs) (domainArgs, error) {
	err := a.settings.RemoveDomain(ctx, args.Workspace, args.Domain, by)
	return args, a.nearestWorkspace(ctx, args.Workspace, err)
}

func listDomains(ctx context.Context, a *app, _ audit.Party, args domainArgs) ([]domainLine, error) {
	out := []domainLine{}
	slugs := []string{args.Workspace}
	if args.Workspace == "" {
		name, ok := directory.DomainName(args.Domain)
		if !ok {
			return nil, errs.Invalid("domain_invalid", "Expected a domain such as acme.com, received %q.", args.Domain)
		}
		var all []store.WorkspaceRef
		var err error
		if all, err = a.db.System().WorkspacesNamingDomain(ctx, name); err != nil {
			return nil, err
		}
		slugs = nil
		for _, w := range all {
			slugs = append(slugs, w.Slug)
		}
		args.Domain = name
	}
	for _, slug := range slugs {
		list, err := a.settings.Domains(ctx, slug)
		if err != nil {
			return nil, a.nearestWorkspace(ctx, slug, err)
		}
		for _, d := range list {
			if args.Domain == "" || d.Domain == args.Domain {
				out = append(out, domainLine{slug, d})
			}
		}
	}
	return out, nil
}

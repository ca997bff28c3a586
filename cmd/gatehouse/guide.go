package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/guide"
)

type guideCommand struct {
	IdP        string `arg:"" optional:"" name:"idp" help:"okta, entra, google, onelogin, jumpcloud, generic-saml or generic-oidc."`
	Protocol   string `arg:"" optional:"" help:"saml, oidc or scim."`
	Workspace  string `placeholder:"SLUG" help:"With --connection: fill in the values of a connection of this workspace."`
	Connection string `placeholder:"NAME" help:"The connection's name or id."`
}

func (guideCommand) Help() string {
	return `Without arguments it lists what there is. With --workspace and --connection the guide has the values of that
connection, and is that of its provider and protocol; the protocol scim gives the one for provisioning beside it.

Examples:

  gatehouse guide
  gatehouse guide entra scim
  gatehouse guide --workspace acme --connection okta
  gatehouse guide okta scim --workspace acme --connection okta`
}

func (c *guideCommand) Run(ctx context.Context, p *program) error {
	switch {
	case (c.Workspace == "") != (c.Connection == ""):
		return usagef("guide: expected --workspace and --connection together")
	case c.Workspace != "":
		return c.ofConnection(ctx, p)
	case c.IdP == "":
		return p.show(guide.IdPs(), func(w io.Writer) {
			fmt.Fprint(w, cells("IDP", "PROTOCOLS", "NAME"))
			for _, row := range guide.IdPs() {
				fmt.Fprint(w, cells(row.Name, strings.Join(row.Protocols, ", "), row.Title))
			}
		})
	case c.Protocol == "":
		return c.ofIdP(p)
	}
	g, err := guide.Lookup(c.IdP, c.Protocol)
	if err != nil {
		return err
	}
	return showGuide(p, blankGuide(g))
}

// blankGuide is a guide where no connection is known: addresses stand in it as they look.
func blankGuide(g guide.Guide) guide.Guide {
	const origin = "https://YOUR-GATEHOUSE"
	return g.With(guide.Blank(origin, origin+"/scim/v2"))
}

// ofIdP lists the guides of one row.
func (c *guideCommand) ofIdP(p *program) error {
	name := strings.ToLower(c.IdP)
	i := slices.IndexFunc(guide.IdPs(), func(row guide.IdP) bool { return row.Name == name })
	if i < 0 {
		_, err := guide.Lookup(c.IdP, guide.SAML)
		if err == nil { // "generic" is two rows
			err = usagef("guide: expected a protocol behind %q: saml or oidc", c.IdP)
		}
		return err
	}
	row := guide.IdPs()[i]
	return p.show(row, func(w io.Writer) {
		for _, protocol := range row.Protocols {
			if g, err := guide.Lookup(row.Name, protocol); err == nil {
				fmt.Fprint(w, cells("gatehouse guide "+row.Name+" "+protocol, g.Title))
			}
		}
	})
}

type guideArgs struct {
	connectionArgs
	SCIM bool `json:"scim"`
}

func (c *guideCommand) ofConnection(ctx context.Context, p *program) error {
	if c.Protocol == "" && slices.Contains(guide.Protocols(), strings.ToLower(c.IdP)) {
		c.IdP, c.Protocol = "", c.IdP // the one that is left out is the IdP, which the connection says
	}
	protocol := strings.ToLower(c.Protocol)
	g, err := call[guide.Guide](ctx, p, "connection.guide", guideArgs{connectionArgs{c.Workspace, c.Connection}, protocol == guide.SCIM})
	if err != nil {
		return err
	}
	if protocol != "" && protocol != g.Protocol || c.IdP != "" && !sameRow(c.IdP, g.IdP) {
		return errs.Conflict("other_guide", "The connection %q is set up by the guide %s %s; %s was asked for.", c.Connection, g.IdP, g.Protocol,
			strings.TrimSpace(c.IdP+" "+c.Protocol))
	}
	return showGuide(p, g)
}

// sameRow reports whether somebody who typed idp means the row: "generic" is either of two.
func sameRow(idp, row string) bool {
	idp = strings.ToLower(idp)
	return idp == row || idp == "generic" && strings.HasPrefix(row, "generic-")
}

func showGuide(p *program, g guide.Guide) error {
	return p.show(g, func(w io.Writer) { fmt.Fprint(w, g.Markdown()) })
}

func guideConnection(ctx context.Context, a *app, _ audit.Party, args guideArgs) (guide.Guide, error) {
	g, err := a.settings.Guide(ctx, args.Workspace, args.Connection, args.SCIM)
	return g, a.nearestWorkspace(ctx, args.Workspace, err)
}

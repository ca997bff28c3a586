package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type connectionCommand struct {
	List    connectionListCommand    `cmd:"" help:"List the connections of a workspace."`
	Show    connectionShowCommand    `cmd:"" help:"Show one connection, with the addresses that its IdP asks for."`
	Disable connectionDisableCommand `cmd:"" help:"Switch a connection off, and end the sessions that it made or let them run to their end."`
	Test    connectionTestCommand    `cmd:"" help:"Test a connection by a whole round trip with its IdP, which lets nobody in."`

	Metadata connectionMetadataCommand `cmd:"" help:"What a SAML connection knows of its IdP: show, import by a shown difference, look again."`
	IdPKey   connectionIdPKeyCommand   `cmd:"" name:"idp-key" help:"The IdP's signing keys at a SAML connection: list, promote, keep, drop."`
	SPKey    connectionSPKeyCommand    `cmd:"" name:"sp-key" help:"Our own keys at a SAML connection: list, publish the next, switch, drop."`
}

type connectionListCommand struct {
	Workspace string `arg:"" help:"The workspace."`
}

type connectionArgs struct {
	Workspace  string `json:"workspace"`  // slug
	Connection string `json:"connection"` // name or id
}

func (c *connectionListCommand) Run(ctx context.Context, p *program) error {
	list, err := call[[]settings.ConnectionView](ctx, p, "connection.list", connectionArgs{Workspace: c.Workspace})
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No connection. Add one under connections in an apply file.")
			return
		}
		fmt.Fprint(w, cells("ID", "NAME", "PROVIDER", "PROTOCOL", "STATUS", "VERIFIED", "IDP", "LEAVERS"))
		for _, c := range list {
			idp := "unknown"
			if c.IdP != nil {
				idp = c.IdP.EntityID
			}
			fmt.Fprint(w, cells(c.ID, c.Name, c.Provider, string(c.Protocol), string(c.Status), orNever(c.VerifiedAt), idp, leavers(c)))
		}
	})
}

func listConnections(ctx context.Context, a *app, _ audit.Party, args connectionArgs) ([]settings.ConnectionView, error) {
	list, err := a.settings.Connections(ctx, args.Workspace)
	return list, a.nearestWorkspace(ctx, args.Workspace, err)
}

type connectionShowCommand struct {
	Workspace  string `arg:"" help:"The workspace."`
	Connection string `arg:"" help:"The connection's name or id."`
}

func (c *connectionShowCommand) Run(ctx context.Context, p *program) error {
	v, err := call[settings.ConnectionView](ctx, p, "connection.show", connectionArgs{c.Workspace, c.Connection})
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		fmt.Fprint(w, cells("id", v.ID), cells("name", v.Name), cells("provider", v.Provider), cells("protocol", string(v.Protocol)), cells("status", string(v.Status)), cells("verified", orNever(v.VerifiedAt)))
		if v.OpenSessions != "" {
			fmt.Fprint(w, cells("open sessions", v.OpenSessions))
		}
		if len(v.Domains) > 0 {
			fmt.Fprint(w, cells("domains", strings.Join(v.Domains, ", ")))
		}
		showAddresses(w, v)
		showIdP(w, v)
		if warning := v.Leavers(); warning != "" {
			fmt.Fprintln(w, "! "+warning)
		}
	})
}

// showIdP writes what is known of the other side, and how its assertions are read.
func showIdP(w io.Writer, c settings.ConnectionView) {
	if c.IdP != nil {
		fmt.Fprint(w, cells("  IdP", c.IdP.EntityID))
		for _, e := range c.IdP.SSO {
			fmt.Fprint(w, cells("  IdP sign-in ("+e.Binding+")", e.URL))
		}
		for _, cert := range c.IdP.Certificates {
			fmt.Fprint(w, cells("  IdP certificate", cert.Subject, "until "+instant(cert.NotAfter), "sha256:"+cert.Fingerprint, string(cert.State)))
		}
		if c.IdP.MetadataURL != "" {
			fmt.Fprint(w, cells("  IdP metadata", c.IdP.MetadataURL))
		}
	} else if c.Attributes != nil {
		fmt.Fprint(w, cells("  IdP", "unknown: give its metadata in an apply file"))
	}
	if c.IdPInitiated != nil {
		tile := yesOrNo(*c.IdPInitiated)
		if c.ConvertUnasked {
			tile = "converted into a sign-in that begins here"
		}
		fmt.Fprint(w, cells("  IdP-initiated", tile))
	}
	if a := c.Attributes; a != nil {
		for _, row := range [][2]string{{"email", a.Email}, {"firstName", a.FirstName}, {"lastName", a.LastName}, {"name", a.Name}, {"groups", a.Groups}, {"groups_delimiter", a.GroupsDelimiter}, {"subject", a.Subject}} {
			if row[1] != "" {
				fmt.Fprint(w, cells("  attribute "+row[0], row[1]))
			}
		}
	}
}

// leavers is whether it is noticed when somebody leaves, in a table.
func leavers(c settings.ConnectionView) string {
	if c.LeaversNoticed {
		return "noticed"
	}
	return "not noticed"
}

func yesOrNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// showAddresses writes the addresses that an IdP's administrator copies.
func showAddresses(w io.Writer, c settings.ConnectionView) {
	for _, row := range [][2]string{{"metadata URL", c.MetadataURL}, {"entity ID", c.EntityID}, {"ACS URL", c.ACSURL}, {"logout URL", c.LogoutURL}, {"callback URL", c.CallbackURL}, {"sign-in link", c.SigninURL}} {
		if row[1] != "" {
			fmt.Fprint(w, cells("  "+row[0], row[1]))
		}
	}
}

func showConnection(ctx context.Context, a *app, _ audit.Party, args connectionArgs) (settings.ConnectionView, error) {
	v, err := a.settings.Connection(ctx, args.Workspace, args.Connection)
	return v, a.nearestWorkspace(ctx, args.Workspace, err)
}

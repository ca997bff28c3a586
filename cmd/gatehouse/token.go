package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type scimTokenCommand struct {
	Rotate tokenRotateCommand `cmd:"" help:"Make a new token and print it, once. The one before stops working at once."`
	List   tokenListCommand   `cmd:"" help:"List the tokens of a directory, without their values."`
	Revoke tokenRevokeCommand `cmd:"" help:"End the live token of a directory."`
}

// directoryArg names a directory.
type directoryArg struct {
	Workspace string `arg:"" help:"The workspace."`
	Directory string `arg:"" help:"The directory's name or id."`
}

type tokenArgs struct {
	Workspace string `json:"workspace"` // slug
	Directory string `json:"directory"` // name or id
	Name      string `json:"name,omitempty"`
	ID        string `json:"id,omitempty"`
}

type tokenRotateCommand struct {
	directoryArg
	urlFlags
	Name string `help:"What to call the token in lists (default the directory's name)."`
}

func (tokenRotateCommand) Help() string {
	return `Paste base URL and token into the IdP's provisioning settings. The token is kept nowhere: who
loses it makes a new one.

Examples:

  gatehouse scim-token rotate acme okta
  gatehouse scim-token rotate acme okta --output json`
}

func (c *tokenRotateCommand) Run(ctx context.Context, p *program) error {
	t, err := call[settings.Issued](ctx, p, "scim-token.rotate", tokenArgs{Workspace: c.Workspace, Directory: c.Directory, Name: c.Name})
	if err != nil {
		return err
	}
	return p.show(t, func(w io.Writer) {
		fmt.Fprint(w, cells("base URL", t.BaseURL), cells("token", t.Token))
		fmt.Fprintln(w, "It is shown this once. The token before it does not work any more.")
	})
}

func rotateToken(ctx context.Context, a *app, by audit.Party, args tokenArgs) (settings.Issued, error) {
	t, err := a.settings.RotateToken(ctx, args.Workspace, args.Directory, args.Name, by)
	return t, a.nearestWorkspace(ctx, args.Workspace, err)
}

type tokenListCommand struct{ directoryArg }

func (c *tokenListCommand) Run(ctx context.Context, p *program) error {
	list, err := call[[]settings.TokenView](ctx, p, "scim-token.list", tokenArgs{Workspace: c.Workspace, Directory: c.Directory})
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "No token. Make one with gatehouse scim-token rotate %s %s.\n", c.Workspace, c.Directory)
			return
		}
		fmt.Fprint(w, cells("ID", "NAME", "ENDS IN", "CREATED", "LAST USED", "STATE"))
		for _, t := range list {
			state := "live"
			if t.RevokedAt != nil {
				state = t.RevokedWhy + " " + instant(*t.RevokedAt)
			}
			fmt.Fprint(w, cells(t.ID, t.Name, t.Hint, instant(t.CreatedAt), orNever(t.LastUsedAt), state))
		}
	})
}

func orNever(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return instant(*t)
}

func listTokens(ctx context.Context, a *app, _ audit.Party, args tokenArgs) ([]settings.TokenView, error) {
	list, err := a.settings.ListTokens(ctx, args.Workspace, args.Directory)
	return list, a.nearestWorkspace(ctx, args.Workspace, err)
}

type tokenRevokeCommand struct {
	directoryArg
	ID string `placeholder:"ID" help:"Only the token with this id."`
}

// done answers a verb that has nothing to show.
type done struct {
	Done bool `json:"done"`
}

func (c *tokenRevokeCommand) Run(ctx context.Context, p *program) error {
	d, err := call[done](ctx, p, "scim-token.revoke", tokenArgs{Workspace: c.Workspace, Directory: c.Directory, ID: c.ID})
	if err != nil {
		return err
	}
	return p.show(d, func(w io.Writer) { fmt.Fprintln(w, "The token does not work any more.") })
}

func revokeToken(ctx context.Context, a *app, by audit.Party, args tokenArgs) (done, error) {
	err := a.settings.RevokeToken(ctx, args.Workspace, args.Directory, args.ID, by)
	return done{true}, a.nearestWorkspace(ctx, args.Workspace, err)
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type scimSecretCommand struct {
	Create secretCreateCommand `cmd:"" help:"Make one more secret of a directory's OAuth client and print it, once."`
	List   secretListCommand   `cmd:"" help:"List the secrets of a directory's OAuth client, without their values."`
	Revoke secretRevokeCommand `cmd:"" help:"End a secret, with every access token that it gave."`
}

type secretCreateCommand struct {
	directoryArg
	urlFlags
	Name    string `help:"What to call the secret in lists (default the directory's name)."`
	Expires span   `placeholder:"TIME" help:"End the secret by itself after this time, such as 90d (default never)."`
}

func (secretCreateCommand) Help() string {
	return `For an IdP that provisions with OAuth 2.0 client credentials: paste client ID, secret and token URL
into its settings. A new secret works beside those that are there: change the IdP over, then
revoke the old one.

Examples:

  gatehouse scim-secret create acme pingone --name blue
  gatehouse scim-secret list acme pingone
  gatehouse scim-secret revoke acme pingone sec_...`
}

func (c *secretCreateCommand) Run(ctx context.Context, p *program) error {
	s, err := call[settings.IssuedSecret](ctx, p, "scim-secret.create", tokenArgs{Workspace: c.Workspace, Directory: c.Directory, Name: c.Name, Lifetime: time.Duration(c.Expires)})
	if err != nil {
		return err
	}
	return p.show(s, func(w io.Writer) {
		fmt.Fprint(w, cells("base URL", s.BaseURL), cells("token URL", s.TokenURL), cells("client ID", s.ClientID), cells("client secret", s.ClientSecret))
		fmt.Fprintln(w, "The secret is shown this once. Those before it go on working until they are revoked.")
	})
}

func createSecret(ctx context.Context, a *app, by audit.Party, args tokenArgs) (settings.IssuedSecret, error) {
	s, err := a.settings.AddClientSecret(ctx, args.Workspace, args.Directory, settings.TokenOptions{Name: args.Name, Lifetime: args.Lifetime}, by)
	return s, a.nearestWorkspace(ctx, args.Workspace, err)
}

type secretListCommand struct{ directoryArg }

func (c *secretListCommand) Run(ctx context.Context, p *program) error {
	list, err := call[[]settings.SecretView](ctx, p, "scim-secret.list", tokenArgs{Workspace: c.Workspace, Directory: c.Directory})
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintf(w, "No secret. Make one with gatehouse scim-secret create %s %s.\n", c.Workspace, c.Directory)
			return
		}
		fmt.Fprint(w, cells("ID", "NAME", "ENDS IN", "CREATED", "BY", "EXPIRES", "LAST USED", "STATE"))
		for _, s := range list {
			state := "live"
			if s.RevokedAt != nil {
				state = s.RevokedWhy + " " + instant(*s.RevokedAt)
			}
			fmt.Fprint(w, cells(s.ID, s.Name, s.Hint, instant(s.CreatedAt), s.CreatedBy, orNever(s.ExpiresAt), orNever(s.LastUsedAt), state))
		}
	})
}

func listSecrets(ctx context.Context, a *app, _ audit.Party, args tokenArgs) ([]settings.SecretView, error) {
	list, err := a.settings.ListClientSecrets(ctx, args.Workspace, args.Directory)
	return list, a.nearestWorkspace(ctx, args.Workspace, err)
}

type secretRevokeCommand struct {
	directoryArg
	ID string `arg:"" help:"The secret's id, from the list."`
}

func (c *secretRevokeCommand) Run(ctx context.Context, p *program) error {
	d, err := call[done](ctx, p, "scim-secret.revoke", tokenArgs{Workspace: c.Workspace, Directory: c.Directory, ID: c.ID})
	if err != nil {
		return err
	}
	return p.show(d, func(w io.Writer) { fmt.Fprintln(w, "Neither the secret nor what it gave works any more.") })
}

func revokeSecret(ctx context.Context, a *app, by audit.Party, args tokenArgs) (done, error) {
	err := a.settings.RevokeClientSecret(ctx, args.Workspace, args.Directory, args.ID, by)
	return done{true}, a.nearestWorkspace(ctx, args.Workspace, err)
}

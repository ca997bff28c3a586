package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type scimSecretCommand struct {
	Create secretCreateCommand `cmd:"" help:"Make one more secret of a directory's OAuth client and print it, once."`
	List   secretListCommand   `cmd:"" help:"List the secrets of a directory's OAuth client, without their values."`
	Trust  secretTrustCommand  `cmd:"" help:"Let an issuer vouch for the client, in the place of a secret (RFC 7523)."`
	Revoke secretRevokeCommand `cmd:"" help:"End a secret or a trust, with every access token that it gave."`
}

type secretTrustCommand struct {
	directoryArg
	urlFlags
	Issuer  string `required:"" placeholder:"URL" help:"The issuer, exactly as its JWTs name it."`
	Subject string `required:"" help:"The subject that its JWTs must name."`
	JWKSURI string `name:"jwks-uri" placeholder:"URL" help:"Where its keys are (default: as its discovery document says)."`
	Name    string `help:"What to call the trust in lists (default the directory's name)."`
	Expires span   `placeholder:"TIME" help:"End the trust by itself after this time, such as 90d (default never)."`
}

func (secretTrustCommand) Help() string {
	return `The workload gets a JWT from its platform, with the token URL as audience, and sends it there
as client_assertion, with the directory's id as client_id. Each JWT is good once, and for a day
at the most.

Example:

  gatehouse scim-secret trust acme okta --issuer https://token.actions.githubusercontent.com \
      --subject repo:acme/sync:ref:refs/heads/main`
}

type trustArgs struct {
	tokenArgs
	Trust store.Trust `json:"trust"`
}

func (c *secretTrustCommand) Run(ctx context.Context, p *program) error {
	args := trustArgs{tokenArgs{Workspace: c.Workspace, Directory: c.Directory, Name: c.Name, Lifetime: time.Duration(c.Expires)},
		store.Trust{Issuer: c.Issuer, Subject: c.Subject, JWKSURI: c.JWKSURI}}
	t, err := call[trusted](ctx, p, "scim-secret.trust", args)
	if err != nil {
		return err
	}
	return p.show(t, func(w io.Writer) {
		fmt.Fprint(w, cells("token URL and audience", t.TokenURL), cells("client ID", t.Directory), cells("issuer", t.Issuer), cells("subject", t.Subject))
	})
}

// trusted is what an administrator of a workload needs to know.
type trusted struct {
	settings.SecretView
	TokenURL string `json:"token_url"`
}

func trustIssuer(ctx context.Context, a *app, by audit.Party, args trustArgs) (trusted, error) {
	t, err := a.settings.TrustIssuer(ctx, args.Workspace, args.Directory, args.Trust, settings.TokenOptions{Name: args.Name, Lifetime: args.Lifetime}, by)
	return trusted{t, a.settings.SCIMTokenURL()}, a.nearestWorkspace(ctx, args.Workspace, err)
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
		fmt.Fprint(w, cells("ID", "NAME", "ENDS IN, OR ISSUER", "CREATED", "BY", "EXPIRES", "LAST USED", "STATE"))
		for _, s := range list {
			state := "live"
			if s.RevokedAt != nil {
				state = s.RevokedWhy + " " + instant(*s.RevokedAt)
			}
			fmt.Fprint(w, cells(s.ID, s.Name, cmp.Or(s.Hint, s.Issuer+" "+s.Subject), instant(s.CreatedAt), s.CreatedBy, orNever(s.ExpiresAt), orNever(s.LastUsedAt), state))
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

package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type scimTokenCommand struct {
	Rotate tokenRotateCommand `cmd:"" help:"Make a new token and print it, once. The one before stops working at once, or after --overlap."`
	List   tokenListCommand   `cmd:"" help:"List the tokens of a directory, without their values."`
	Revoke tokenRevokeCommand `cmd:"" help:"End the live tokens of a directory, or one of them."`
}

// directoryArg names a directory.
type directoryArg struct {
	Workspace string `arg:"" help:"The workspace."`
	Directory string `arg:"" help:"The directory's name or id."`
}

type tokenArgs struct {
	Workspace string        `json:"workspace"` // slug
	Directory string        `json:"directory"` // name or id
	Name      string        `json:"name,omitempty"`
	ID        string        `json:"id,omitempty"`
	Lifetime  time.Duration `json:"lifetime,omitempty"`
	Overlap   time.Duration `json:"overlap,omitempty"`
}

// span is a length of time on the command line: 24h, or days as 90d.
type span time.Duration

// UnmarshalText reads it.
func (s *span) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		*s = span(time.Duration(n) * 24 * time.Hour)
		if err == nil {
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("expected hours such as 24h or days such as 90d, got %q", text)
	}
	*s = span(d)
	return nil
}

type tokenRotateCommand struct {
	directoryArg
	urlFlags
	Name    string `help:"What to call the token in lists (default the directory's name)."`
	Expires span   `placeholder:"TIME" help:"End the new token by itself after this time, such as 90d (default never)."`
	Overlap span   `placeholder:"TIME" help:"Let the token before go on working for this time, such as 24h, 7d at most (default not at all)."`
}

func (tokenRotateCommand) Help() string {
	return `Paste base URL and token into the IdP's provisioning settings. The token is kept nowhere: who
loses it makes a new one.

Examples:

  gatehouse scim-token rotate acme okta
  gatehouse scim-token rotate acme okta --overlap 24h --expires 365d
  gatehouse scim-token rotate acme okta --output json`
}

func (c *tokenRotateCommand) Run(ctx context.Context, p *program) error {
	t, err := call[settings.Issued](ctx, p, "scim-token.rotate", tokenArgs{Workspace: c.Workspace, Directory: c.Directory, Name: c.Name,
		Lifetime: time.Duration(c.Expires), Overlap: time.Duration(c.Overlap)})
	if err != nil {
		return err
	}
	return p.show(t, func(w io.Writer) {
		fmt.Fprint(w, cells("base URL", t.BaseURL), cells("token", t.Token))
		fmt.Fprintln(w, "It is shown this once.", tokenBefore(t))
	})
}

// tokenBefore says what becomes of the token before, and of the new one in the end.
func tokenBefore(t settings.Issued) string {
	text := "The token before it does not work any more."
	if t.ReplacedUntil != nil {
		text = "The token before it works until " + instant(*t.ReplacedUntil) + "."
	}
	if t.ExpiresAt != nil {
		text += " The new one ends by itself at " + instant(*t.ExpiresAt) + "."
	}
	return text
}

func rotateToken(ctx context.Context, a *app, by audit.Party, args tokenArgs) (settings.Issued, error) {
	t, err := a.settings.RotateToken(ctx, args.Workspace, args.Directory, settings.TokenOptions{Name: args.Name, Lifetime: args.Lifetime, Overlap: args.Overlap}, by)
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
		fmt.Fprint(w, cells("ID", "NAME", "ENDS IN", "CREATED", "BY", "EXPIRES", "LAST USED", "STATE"))
		for _, t := range list {
			fmt.Fprint(w, cells(t.ID, t.Name, t.Hint, instant(t.CreatedAt), t.CreatedBy, orNever(t.ExpiresAt), orNever(t.LastUsedAt), tokenState(t)))
		}
	})
}

func tokenState(t settings.TokenView) string {
	switch {
	case t.RevokedAt == nil && t.ReplacedAt != nil:
		return "live, replaced " + instant(*t.ReplacedAt)
	case t.RevokedAt == nil:
		return "live"
	case t.RevokedWhy == store.TokenReplaced && t.ReplacedAt != nil && !t.ReplacedAt.Equal(*t.RevokedAt):
		return "replaced " + instant(*t.ReplacedAt) + ", ended " + instant(*t.RevokedAt)
	default:
		return t.RevokedWhy + " " + instant(*t.RevokedAt)
	}
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

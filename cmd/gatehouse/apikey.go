package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type apiKeyCommand struct {
	Create apiKeyCreateCommand `cmd:"" help:"Make a key for the REST API that acts as a member, and print it, once."`
	List   apiKeyListCommand   `cmd:"" help:"List API keys, without their values."`
	Revoke apiKeyRevokeCommand `cmd:"" help:"End an API key at once."`
}

type apiKeyArgs struct {
	Workspace string        `json:"workspace"`       // slug
	Owner     string        `json:"owner,omitempty"` // id or address of a member
	Name      string        `json:"name,omitempty"`
	Scopes    []string      `json:"scopes,omitempty"`
	Lifetime  time.Duration `json:"lifetime,omitempty"`
	ID        string        `json:"id,omitempty"`
	After     string        `json:"after,omitempty"` // id
}

type apiKeyCreateCommand struct {
	workspaceFlag
	urlFlags
	Owner   string   `arg:"" help:"The member as whom the key acts: an id (mem_...) or e-mail address."`
	Name    string   `required:"" help:"What to call the key in lists."`
	Scope   []string `required:"" help:"What the key may do, such as members:read; repeated, or with commas."`
	Expires span     `placeholder:"TIME" help:"End the key by itself after this time, such as 30d (default 90d, 366d at most)."`
}

func (apiKeyCreateCommand) Help() string {
	return `The key can do what its scopes and its owner's role both allow at each use, and ends with its owner's access. It is kept
nowhere: who loses it makes another.

Examples:

  gatehouse api-key create root@acme.test --workspace acme --name reporting --scope members:read,audit:read
  gatehouse api-key create mem_01k... --workspace acme --name sync --scope teams --expires 30d --output json`
}

func (c *apiKeyCreateCommand) Run(ctx context.Context, p *program) error {
	k, err := call[settings.IssuedKey](ctx, p, "api-key.create", apiKeyArgs{Workspace: c.Workspace, Owner: c.Owner, Name: c.Name, Scopes: c.Scope, Lifetime: time.Duration(c.Expires)})
	if err != nil {
		return err
	}
	return p.show(k, func(w io.Writer) {
		fmt.Fprint(w, cells("API", k.BaseURL), cells("key", k.Key), cells("acts as", k.OwnerEmail), cells("scopes", strings.Join(k.Scopes, ", ")))
		fmt.Fprintf(w, "It is shown this once, and ends by itself at %s.\n", instant(k.ExpiresAt))
	})
}

func createAPIKey(ctx context.Context, a *app, by audit.Party, args apiKeyArgs) (settings.IssuedKey, error) {
	k, err := a.settings.CreateAPIKey(ctx, args.Workspace, provision.Who(args.Owner), settings.KeyOptions{Name: args.Name, Scopes: args.Scopes, Lifetime: args.Lifetime}, by)
	return k, a.nearestWorkspace(ctx, args.Workspace, err)
}

type apiKeyListCommand struct {
	workspaceFlag
	Owner string `placeholder:"WHO" help:"Only those of this member, by id or e-mail address."`
}

func (c *apiKeyListCommand) Run(ctx context.Context, p *program) error {
	list := []settings.APIKeyView{}
	for after := ""; ; {
		page, err := call[[]settings.APIKeyView](ctx, p, "api-key.list", apiKeyArgs{Workspace: c.Workspace, Owner: c.Owner, After: after})
		if err != nil {
			return err
		}
		list = append(list, page...)
		if c.Owner != "" || len(page) < settings.KeyPage {
			break
		}
		after = page[len(page)-1].ID
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No API key. Make one with gatehouse api-key create.")
			return
		}
		fmt.Fprint(w, cells("ID", "NAME", "ENDS IN", "ACTS AS", "SCOPES", "EXPIRES", "LAST USED", "STATE"))
		for _, k := range list {
			fmt.Fprint(w, cells(k.ID, k.Name, k.Hint, cmp.Or(k.OwnerEmail, k.Owner), strings.Join(k.Scopes, ","), instant(k.ExpiresAt), orNever(k.LastUsedAt), apiKeyState(k)))
		}
	})
}

func apiKeyState(k settings.APIKeyView) string {
	if k.RevokedAt == nil {
		return "live"
	}
	return k.RevokedWhy + " " + instant(*k.RevokedAt)
}

func listAPIKeys(ctx context.Context, a *app, by audit.Party, args apiKeyArgs) ([]settings.APIKeyView, error) {
	owner := ""
	if args.Owner != "" {
		workspace, err := a.workspace(ctx, args.Workspace)
		if err != nil {
			return nil, err
		}
		m, err := a.member(ctx, workspace, provision.Who(args.Owner))
		if err != nil {
			return nil, err
		}
		owner = m.ID
	}
	list, err := a.settings.ListAPIKeys(ctx, args.Workspace, owner, args.After, by)
	return list, a.nearestWorkspace(ctx, args.Workspace, err)
}

type apiKeyRevokeCommand struct {
	workspaceFlag
	ID string `arg:"" help:"The key's id (key_...)."`
}

func (c *apiKeyRevokeCommand) Run(ctx context.Context, p *program) error {
	d, err := call[done](ctx, p, "api-key.revoke", apiKeyArgs{Workspace: c.Workspace, ID: c.ID})
	if err != nil {
		return err
	}
	return p.show(d, func(w io.Writer) { fmt.Fprintln(w, "The key does not work any more.") })
}

func revokeAPIKey(ctx context.Context, a *app, by audit.Party, args apiKeyArgs) (done, error) {
	err := a.settings.RevokeAPIKey(ctx, args.Workspace, args.ID, by)
	return done{true}, a.nearestWorkspace(ctx, args.Workspace, err)
}

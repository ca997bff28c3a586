package main

import (
	"context"
	"io"

	"github.com/gatehouse-id/gatehouse/internal/audit"
)

type exportCommand struct {
	Workspace string `arg:"" help:"The workspace."`
}

func (exportCommand) Help() string {
	return `Prints the file that would change nothing when applied. Secrets, and people other than owners, are
not in it. With --output json the file's text is the field yaml.

Example:

  gatehouse export acme > acme.yaml`
}

type exportArgs struct {
	Workspace string `json:"workspace"` // slug
}

// exported is a workspace as an apply file.
type exported struct {
	Workspace string `json:"workspace"`
	YAML      string `json:"yaml"`
}

func exportWorkspace(ctx context.Context, a *app, _ audit.Party, args exportArgs) (exported, error) {
	text, err := a.settings.Export(ctx, args.Workspace)
	return exported{args.Workspace, string(text)}, a.nearestWorkspace(ctx, args.Workspace, err)
}

func (c *exportCommand) Run(ctx context.Context, p *program) error {
	e, err := call[exported](ctx, p, "export", exportArgs{c.Workspace})
	if err != nil {
		return err
	}
	if p.json {
		return writeJSON(p.out, e)
	}
	_, err = io.WriteString(p.out, e.YAML)
	return err
}

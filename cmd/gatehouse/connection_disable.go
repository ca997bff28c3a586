package main

import (
	"context"
	"fmt"
	"io"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

type connectionDisableCommand struct {
	Workspace    string `arg:"" help:"The workspace."`
	Connection   string `arg:"" help:"The connection's name or id."`
	OpenSessions string `required:"" enum:"end,keep" placeholder:"WORD" help:"What becomes of the sessions that it made: end signs everybody out at once, keep lets them run to their own end."`
}

func (connectionDisableCommand) Help() string {
	return `Nobody signs in through the connection any more. With --open-sessions end the sessions that came through it end in
the same transaction, and applications are told; a connection that was disabled with keep is told so the same way. An
apply file does it with status: disabled and open_sessions: end or keep; removing a connection always ends them.

Example:

  gatehouse connection disable acme okta --open-sessions end`
}

type connectionDisableArgs struct {
	connectionArgs
	Keep bool `json:"keep"`
}

func (c *connectionDisableCommand) Run(ctx context.Context, p *program) error {
	args := connectionDisableArgs{connectionArgs{c.Workspace, c.Connection}, c.OpenSessions == "keep"}
	v, err := call[settings.ConnectionView](ctx, p, "connection.disable", args)
	if err != nil {
		return err
	}
	return p.show(v, func(w io.Writer) {
		if c.OpenSessions == "keep" {
			fmt.Fprintf(w, "The connection %s is disabled. Sessions that it made go on to their own end.\n", v.Name)
			return
		}
		fmt.Fprintf(w, "The connection %s is disabled, and the sessions that it made have ended.\n", v.Name)
	})
}

func disableConnection(ctx context.Context, a *app, by audit.Party, args connectionDisableArgs) (settings.ConnectionView, error) {
	v, err := a.settings.DisableConnection(ctx, args.Workspace, args.Connection, args.Keep, by)
	return v, a.nearestWorkspace(ctx, args.Workspace, err)
}

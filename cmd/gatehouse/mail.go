package main

import (
	"context"
	"fmt"
	"io"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
)

type mailCommand struct {
	List    mailListCommand    `cmd:"" help:"List letters that were not sent yet, and those that were given up, with what the mail server said."`
	Retry   mailRetryCommand   `cmd:"" help:"Try a letter again at once."`
	Discard mailDiscardCommand `cmd:"" help:"Throw a letter away unsent."`
}

// mailPage is how many letters are listed.
const mailPage = 500

type mailListCommand struct{ workspaceFlag }

// letterView is a letter as verbs show one.
type letterView struct {
	ID        string `json:"id"`
	Letter    string `json:"letter"`
	To        string `json:"to"`
	State     string `json:"state"`
	Attempts  int    `json:"attempts"`
	LastError string `json:"last_error"`
	CreatedAt string `json:"created_at"`
	NextAt    string `json:"next_at,omitempty"`
}

// workspaceArgs name a workspace.
type workspaceArgs struct {
	Workspace string `json:"workspace"` // slug
}

func listMail(ctx context.Context, a *app, _ audit.Party, args workspaceArgs) ([]letterView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	list, err := jobs.Outbox(ctx, a.db, workspace, "", mailPage)
	views := []letterView{}
	for _, l := range list {
		v := letterView{l.ID, l.Letter, l.To, l.State, l.Attempts, l.LastError, instant(l.CreatedAt), ""}
		if !l.NextAt.IsZero() {
			v.NextAt = instant(l.NextAt)
		}
		views = append(views, v)
	}
	return views, err
}

func (c *mailListCommand) Run(ctx context.Context, p *program) error {
	list, err := call[[]letterView](ctx, p, "mail.list", workspaceArgs{c.Workspace})
	if err != nil {
		return err
	}
	return p.show(list, func(w io.Writer) {
		if len(list) == 0 {
			fmt.Fprintln(w, "No letter waits.")
			return
		}
		fmt.Fprint(w, cells("ID", "LETTER", "TO", "STATE", "ATTEMPTS", "LAST ERROR"))
		for _, l := range list {
			fmt.Fprint(w, cells(l.ID, l.Letter, l.To, l.State, strconv.Itoa(l.Attempts), l.LastError))
		}
	})
}

// letterArg names a letter.
type letterArg struct {
	workspaceFlag
	ID string `arg:"" help:"The letter's id (job_...)."`
}

type letterArgs struct {
	Workspace string `json:"workspace"` // slug
	ID        string `json:"id"`
}

// letterDone is what became of a letter.
type letterDone struct {
	ID   string `json:"id"`
	Done string `json:"done"`
}

type mailRetryCommand struct{ letterArg }

func (c *mailRetryCommand) Run(ctx context.Context, p *program) error {
	return p.onLetter(ctx, "mail.retry", letterArgs{c.Workspace, c.ID})
}

type mailDiscardCommand struct{ letterArg }

func (c *mailDiscardCommand) Run(ctx context.Context, p *program) error {
	return p.onLetter(ctx, "mail.discard", letterArgs{c.Workspace, c.ID})
}

func (p *program) onLetter(ctx context.Context, verb string, args letterArgs) error {
	done, err := call[letterDone](ctx, p, verb, args)
	if err != nil {
		return err
	}
	return p.show(done, func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", done.ID, done.Done) })
}

func retryMail(ctx context.Context, a *app, by audit.Party, args letterArgs) (letterDone, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err == nil {
		err = jobs.RetryLetter(ctx, a.db, workspace, args.ID, by)
	}
	return letterDone{args.ID, "tried again"}, err
}

func discardMail(ctx context.Context, a *app, by audit.Party, args letterArgs) (letterDone, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err == nil {
		err = jobs.DiscardLetter(ctx, a.db, workspace, args.ID, by)
	}
	return letterDone{args.ID, "thrown away"}, err
}

package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

type connectionTestCommand struct {
	Workspace  string `arg:"" help:"The workspace."`
	Connection string `arg:"" help:"The connection's name or id."`
	Stored     bool   `help:"Only look at what is stored: is the IdP known, is the connection on, when do its certificates expire."`
	NoWait     bool   `help:"Print the link and end; gatehouse explain --attempt tells the outcome later."`
}

func (connectionTestCommand) Help() string {
	return `Prints a link, which works once and in any browser, waits for what comes back from the identity provider,
and shows it: each check, the attributes, who it would have been, and with which role. Nobody is signed in and nobody
is made. It works for drafts too. Exits 1 where nobody would have been signed in.

With --stored it calls nobody and needs no server: it looks at what is stored, and exits 1 where nobody could sign in.

Examples:

  gatehouse connection test acme okta
  gatehouse connection test acme okta --stored`
}

func (c *connectionTestCommand) Run(ctx context.Context, p *program) error {
	args := connectionArgs{c.Workspace, c.Connection}
	if c.Stored {
		return p.showStored(ctx, args)
	}
	begun, err := call[testBegun](ctx, p, "connection.test-begin", args)
	if err != nil {
		return err
	}
	if c.NoWait {
		return p.show(begun, func(w io.Writer) {
			fmt.Fprintf(w, "%s\n\nOpen it in a browser, until %s. It works once and lets nobody in. The outcome is then told by\n\n  gatehouse explain --workspace %s --attempt %s\n", begun.URL, begun.ExpiresAt, c.Workspace, begun.Attempt)
		})
	}
	// Beside the outcome, which may be one JSON document.
	fmt.Fprintf(p.err, "Open this in a browser, until %s. It works once and lets nobody in:\n\n%s\n\nwaiting for the identity provider's answer\n", begun.ExpiresAt, begun.URL)
	for {
		a, err := call[signin.ExplainedAttempt](ctx, p, "connection.test-wait", attemptArgs{c.Workspace, begun.Attempt})
		if err != nil {
			return err
		}
		switch a.Outcome {
		case "open":
			continue
		case "ok":
			return p.show(a, func(w io.Writer) { writeAttempt(w, a, true) })
		}
		if err := p.show(a, func(w io.Writer) { writeAttempt(w, a, true) }); err != nil {
			return err
		}
		return errs.Conflict("connection_test_failed", "The test of %q failed: %s", c.Connection, a.Sentence)
	}
}

// testBegun is a test that waits for a browser.
type testBegun struct {
	Attempt   string `json:"attempt"`
	URL       string `json:"url"`
	ExpiresAt string `json:"expires_at"`
}

func beginConnectionTest(ctx context.Context, a *app, _ audit.Party, args connectionArgs) (testBegun, error) {
	if !a.serving {
		return testBegun{}, errs.Conflict("server_needed", "No server is running that could take the identity provider's answer. Start gatehouse serve, or look at what is stored with --stored.")
	}
	c, err := a.settings.Connection(ctx, args.Workspace, args.Connection)
	if err != nil {
		return testBegun{}, a.nearestWorkspace(ctx, args.Workspace, err)
	}
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return testBegun{}, err
	}
	made, err := a.signin.MakeTest(ctx, workspace, c.ID, "")
	if err != nil {
		return testBegun{}, err
	}
	return testBegun{made.Attempt, made.URL, instant(made.ExpiresAt)}, nil
}

type attemptArgs struct {
	Workspace string `json:"workspace"` // slug
	Attempt   string `json:"attempt"`   // id
}

// waitForTest returns an attempt as soon as it has an end, or as it is after a while. The end of a test is signalled;
// one that another process ends on the same database is looked for, too.
func waitForTest(ctx context.Context, a *app, _ audit.Party, args attemptArgs) (signin.ExplainedAttempt, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return signin.ExplainedAttempt{}, err
	}
	signals, cancel := a.db.Subscribe()
	defer cancel()
	end := time.NewTimer(maxWait)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		found, err := a.signin.ExplainAttempt(ctx, workspace, args.Attempt)
		if err != nil || found.Outcome != "open" {
			return found, err
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return found, ctx.Err()
			case <-web.Closing(ctx):
				return found, errs.Unavailable("server_stopping", "The server is shutting down. gatehouse explain --attempt %s tells the outcome later.", args.Attempt)
			case <-end.C:
				return found, nil
			case <-look.C:
				waiting = false
			case s := <-signals:
				waiting = s.Topic != "" && (s.Topic != store.TopicAttempt || s.Key != args.Attempt)
			}
		}
	}
}

func (p *program) showStored(ctx context.Context, args connectionArgs) error {
	check, err := call[settings.Check](ctx, p, "connection.test", args)
	if err != nil {
		return err
	}
	err = p.show(check, func(w io.Writer) {
		if check.OK {
			fmt.Fprintf(w, "connection %s: ready to sign people in\n", check.Connection.Name)
		}
		for _, f := range check.Findings {
			fmt.Fprintln(w, "  "+f)
		}
	})
	if err == nil && !check.OK {
		err = errs.Conflict("connection_not_ready", "The connection %q signs nobody in.", check.Connection.Name)
	}
	return err
}

func testConnection(ctx context.Context, a *app, _ audit.Party, args connectionArgs) (settings.Check, error) {
	c, err := a.settings.TestConnection(ctx, args.Workspace, args.Connection)
	return c, a.nearestWorkspace(ctx, args.Workspace, err)
}

// writeAttempt writes one attempt; with all its checks where whole.
func writeAttempt(w io.Writer, a signin.ExplainedAttempt, whole bool) {
	through := a.Method
	if a.Connection != "" {
		through += " through " + a.Connection
	}
	if a.Test {
		through = "test, " + through
	}
	fmt.Fprint(w, cells(instant(a.Time), strings.ReplaceAll(a.Outcome, "_", " "), a.Code, through, a.ID))
	row := func(name, text string) {
		if text != "" {
			fmt.Fprint(w, cells("  "+name, text))
		}
	}
	row("about", a.About)
	if a.Code != "" {
		if a.Reason != a.Code {
			row("reason", a.Reason)
		}
		row("why", a.Why)
		row("expected", a.Expected)
		row("received", a.Received)
		row("what to do", a.Do)
		row("where", a.Where)
	}
	if a.Skew != nil {
		skew := time.Duration(*a.Skew) * time.Second
		row("clock", signin.SkewText(&skew))
	}
	row("event", a.Event)
	if !whole {
		return
	}
	for _, s := range a.Steps {
		row(s.Actor, s.Text)
		for _, c := range s.Checks {
			row("  "+strings.ReplaceAll(c.Outcome, "_", " "), c.Name)
		}
	}
	if f := a.Found; f != nil {
		writeFound(w, f)
	}
}

func writeFound(w io.Writer, f *signin.TestFound) {
	row := func(name, text string) {
		if text != "" {
			fmt.Fprint(w, cells("  "+name, text))
		}
	}
	switch f.Would {
	case "sign_in":
		row("would be", f.MemberEmail)
	case "create":
		row("would be", "a new member, "+f.MemberEmail)
	default:
		row("would be", "nobody: "+f.Refusal)
	}
	row("role", f.Role)
	row("", f.RoleReason)
	row("subject", f.Subject)
	row("email", f.Email)
	row("email, not verified", f.EmailUnverified)
	row("name", f.Name)
	if f.GroupsKnown {
		row("groups sent", strings.Join(f.Groups, ", "))
	} else {
		row("groups sent", "none were, so they are unknown")
	}
	for _, a := range f.Received {
		row("received "+a.Name, strings.Join(a.Values, ", "))
	}
	if f.Verified {
		row("verified", "the connection counts as verified")
	}
}

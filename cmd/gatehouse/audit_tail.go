package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

type auditTailCommand struct {
	Workspace  string `placeholder:"SLUG" help:"Only this workspace; default all."`
	After      int64  `default:"-1" placeholder:"SEQ" help:"Begin behind this number; with --workspace. Default: from now on."`
	SinceStart bool   `help:"Begin with the oldest event that is kept."`
}

func (auditTailCommand) Help() string {
	return `One JSON object a line, as for audit export. No event is skipped or repeated; to go on after an
interruption, give the last seq that was printed as --after.

Example:

  gatehouse audit tail --workspace acme`
}

// position is the number of the last event seen, by workspace slug.
type position map[string]int64

type tailArgs struct {
	Workspace string   `json:"workspace"` // slug, "" for all
	After     position `json:"after"`
}

// news are events behind a position, and the position behind them.
type news struct {
	Events []audit.Event `json:"events"`
	After  position      `json:"after"`
}

func (c *auditTailCommand) Run(ctx context.Context, p *program) error {
	if c.After >= 0 && c.Workspace == "" {
		return usagef("audit tail: --after needs --workspace, because each workspace has its own numbers")
	}
	if c.After >= 0 && c.SinceStart {
		return usagef("audit tail: expected either --after or --since-start")
	}
	at, err := call[position](ctx, p, "audit.position", tailArgs{Workspace: c.Workspace})
	if err != nil {
		return err
	}
	for slug := range at {
		if c.SinceStart || c.After >= 0 {
			at[slug] = max(c.After, 0)
		}
	}
	fmt.Fprintf(p.err, "following %s\n", at)
	for {
		n, err := call[news](ctx, p, "audit.wait", tailArgs{c.Workspace, at})
		if ctx.Err() != nil {
			return nil // interrupted, which is how it ends
		}
		if err != nil {
			return err
		}
		if err := p.writeEvents(n.Events); err != nil {
			return err
		}
		at = n.After
	}
}

// String names the positions in the order of workspaces.
func (at position) String() string {
	if len(at) == 0 {
		return "all workspaces"
	}
	text := ""
	for i, slug := range slices.Sorted(maps.Keys(at)) {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s after event %d", slug, at[slug])
	}
	return text
}

// followed returns the workspaces that a tail is about.
func (a *app) followed(ctx context.Context, slug string) ([]store.WorkspaceRef, error) {
	if slug == "" {
		return a.db.System().Workspaces(ctx)
	}
	id, err := a.workspace(ctx, slug)
	return []store.WorkspaceRef{{ID: id, Slug: slug}}, err
}

// positionOfEvents returns where the log stands: behind everything committed so far.
func positionOfEvents(ctx context.Context, a *app, _ audit.Party, args tailArgs) (position, error) {
	if _, err := a.db.Sequence(ctx); err != nil {
		return nil, err
	}
	spaces, err := a.followed(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	at := position{}
	for _, w := range spaces {
		if err := a.db.Read(ctx, w.ID, func(tx *store.Tx) error {
			at[w.Slug], err = tx.LastSeq()
			return err
		}); err != nil {
			return nil, err
		}
	}
	return at, nil
}

const (
	// maxWait is how long one question waits for events, well below the server's limit on answers.
	maxWait = 25 * time.Second
	// lookEvery is how often the log is looked at without a signal: another process that numbers
	// events on the same database does not signal this one.
	lookEvery = time.Second
)

// waitForEvents returns what is behind a position, as soon as there is something, or nothing
// after a while.
func waitForEvents(ctx context.Context, a *app, _ audit.Party, args tailArgs) (news, error) {
	// Subscribed before the first look, so that what is committed in between is not missed.
	signals, cancel := a.db.Subscribe()
	defer cancel()
	end := time.NewTimer(maxWait)
	defer end.Stop()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		n, err := a.newsAfter(ctx, args)
		if err != nil || len(n.Events) > 0 {
			return n, err
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return n, ctx.Err()
			case <-web.Closing(ctx):
				return n, errs.Unavailable("server_stopping", "The server is shutting down. Go on with --after and the last seq.")
			case <-end.C:
				return n, nil
			case <-look.C:
				waiting = false
			case s := <-signals:
				waiting = s.Topic != store.TopicEvent && s.Topic != ""
			}
		}
	}
}

// newsAfter returns a page of each workspace's events behind args.After. A workspace that is not in
// it is new, and is told from its first event on.
func (a *app) newsAfter(ctx context.Context, args tailArgs) (news, error) {
	n := news{Events: []audit.Event{}, After: position{}}
	if !a.serving {
		if _, err := a.db.Sequence(ctx); err != nil {
			return n, err
		}
	}
	spaces, err := a.followed(ctx, args.Workspace)
	if err != nil {
		return n, err
	}
	for _, w := range spaces {
		after := args.After[w.Slug]
		events, err := a.events(ctx, w.ID, after)
		if err != nil {
			return n, err
		}
		if len(events) > 0 {
			after = events[len(events)-1].Seq
		}
		n.After[w.Slug] = after
		n.Events = append(n.Events, events...)
		if len(n.Events) >= eventPage {
			// The rest comes with the next question.
			for _, rest := range spaces {
				if _, told := n.After[rest.Slug]; !told {
					n.After[rest.Slug] = args.After[rest.Slug]
				}
			}
			break
		}
	}
	return n, nil
}

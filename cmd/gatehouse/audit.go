package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

type auditCommand struct {
	Tail   auditTailCommand   `cmd:"" help:"Print events as they happen, until interrupted."`
	Export auditExportCommand `cmd:"" help:"Print the events that are kept."`
}

// eventPage is how many events come at a time; each may have a payload of 64 KiB.
const eventPage = 200

type auditExportCommand struct {
	Workspace string `placeholder:"SLUG" help:"Only this workspace; default all, then refusals of callers whose workspace is not known."`
	After     int64  `placeholder:"SEQ" help:"Only events behind this number; with --workspace."`
}

func (auditExportCommand) Help() string {
	return `One JSON object a line, oldest first: seq, id, time, workspace, type, outcome, reason, actor,
subject, connection, directory, changes, payload. Numbers (seq) have no gaps within a workspace,
but for events whose retention is over.

Example:

  gatehouse audit export --workspace acme > acme.jsonl`
}

func (c *auditExportCommand) Run(ctx context.Context, p *program) error {
	if c.Workspace != "" {
		return exportEvents(ctx, p, c.Workspace, c.After)
	}
	if c.After != 0 {
		return usagef("audit export: --after needs --workspace, because each workspace has its own numbers")
	}
	slugs, err := call[[]string](ctx, p, "audit.workspaces", struct{}{})
	if err != nil {
		return err
	}
	for _, slug := range slugs {
		if err := exportEvents(ctx, p, slug, 0); err != nil {
			return err
		}
	}
	return exportStrangers(ctx, p)
}

type eventPageArgs struct {
	Workspace string `json:"workspace"` // slug
	After     int64  `json:"after"`     // number of the last event seen
}

func exportEvents(ctx context.Context, p *program, slug string, after int64) error {
	for {
		page, err := call[[]audit.Event](ctx, p, "audit.page", eventPageArgs{slug, after})
		if err != nil {
			return err
		}
		if err := p.writeEvents(page); err != nil {
			return err
		}
		if len(page) < eventPage {
			return nil
		}
		after = page[len(page)-1].Seq
	}
}

// writeEvents writes one JSON object a line.
func (p *program) writeEvents(events []audit.Event) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	for _, event := range events {
		if err := e.Encode(event); err != nil {
			return fmt.Errorf("write events: %w", err)
		}
	}
	return nil
}

func pageEvents(ctx context.Context, a *app, _ audit.Party, args eventPageArgs) ([]audit.Event, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	// What was committed before the question is part of the answer.
	if _, err := a.db.Sequence(ctx); err != nil {
		return nil, err
	}
	return a.events(ctx, workspace, args.After)
}

func (a *app) events(ctx context.Context, workspace string, after int64) (events []audit.Event, err error) {
	err = a.db.Read(ctx, workspace, func(tx *store.Tx) error {
		events, err = tx.EventsAfter(after, eventPage)
		return err
	})
	if events == nil {
		events = []audit.Event{}
	}
	return events, err
}

func listWorkspaces(ctx context.Context, a *app, _ audit.Party, _ struct{}) ([]string, error) {
	all, err := a.db.System().Workspaces(ctx)
	slugs := []string{}
	for _, w := range all {
		slugs = append(slugs, w.Slug)
	}
	return slugs, err
}

// strangerPage is how many lines System.Strangers gives at the most.
const strangerPage = 10_000

type strangerArgs struct {
	Since time.Time `json:"since"`
}

func listStrangers(ctx context.Context, a *app, _ audit.Party, args strangerArgs) ([]store.Stranger, error) {
	// Refusals of the last second wait in memory.
	if err := a.db.FlushMarks(ctx); err != nil {
		return nil, err
	}
	since := args.Since
	if since.IsZero() {
		since = time.Unix(0, 0)
	}
	list, err := a.db.System().Strangers(ctx, since)
	if list == nil {
		list = []store.Stranger{}
	}
	return list, err
}

// exportStrangers writes refusals of callers whose workspace is not known: each line sums up those
// of one source, reason and hour. They have no number.
func exportStrangers(ctx context.Context, p *program) error {
	type key struct {
		source, reason string
		first          time.Time
	}
	var since time.Time
	seen := map[key]bool{} // of the last instant, which the next page begins with
	for {
		page, err := call[[]store.Stranger](ctx, p, "audit.strangers", strangerArgs{since})
		if err != nil {
			return err
		}
		var events []audit.Event
		for _, s := range page {
			k := key{s.Source, s.Reason, s.FirstAt}
			if !s.LastAt.Equal(since) {
				since = s.LastAt
				clear(seen)
			}
			if !seen[k] {
				seen[k] = true
				events = append(events, strangerEvent(s))
			}
		}
		if err := p.writeEvents(events); err != nil {
			return err
		}
		if len(page) < strangerPage || len(events) == 0 {
			return nil
		}
	}
}

func strangerEvent(s store.Stranger) audit.Event {
	return audit.Event{Time: s.LastAt, Type: audit.StrangerRefused, Outcome: audit.Refused, Reason: s.Reason,
		Actor:   audit.Party{Kind: "stranger", Name: s.Source},
		Changes: []audit.Change{{Field: "count", To: fmt.Sprint(s.Count)}, {Field: "first_at", To: instant(s.FirstAt)}},
		Payload: s.Sample}
}

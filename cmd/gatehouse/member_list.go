package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// memberPage is how many members come at a time.
const memberPage = 500

type memberListCommand struct{ workspaceFlag }

type memberPageArgs struct {
	Workspace string `json:"workspace"` // slug
	After     string `json:"after"`     // id of the last member seen, "" at first
}

func pageMembers(ctx context.Context, a *app, _ audit.Party, args memberPageArgs) ([]memberLine, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return nil, err
	}
	lines := []memberLine{}
	err = a.db.Read(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		members, err := tx.MembersAfter(args.After, memberPage)
		for _, m := range members {
			lines = append(lines, memberLine{m.ID, m.Email, m.Name, m.Status(), roleName(cfg, m.Role), m.Sources.Names()})
		}
		return err
	})
	return lines, err
}

// Run writes members as they come, because a workspace may have a million of them: the JSON
// document is a list that is closed after the last page.
func (c *memberListCommand) Run(ctx context.Context, p *program) error {
	text := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	write, end := p.tableOfMembers(text)
	if p.json {
		write, end = listOf[memberLine](p.out)
	}
	for after := ""; ; {
		page, err := call[[]memberLine](ctx, p, "member.page", memberPageArgs{c.Workspace, after})
		if err != nil {
			return err
		}
		for _, m := range page {
			if err := write(m); err != nil {
				return err
			}
			after = m.ID
		}
		if len(page) < memberPage {
			return end()
		}
	}
}

// tableOfMembers writes members as lines of a table, with the head before the first.
func (p *program) tableOfMembers(w *tabwriter.Writer) (write func(memberLine) error, end func() error) {
	n := 0
	return func(m memberLine) error {
		if n++; n == 1 {
			fmt.Fprint(w, cells("ID", "EMAIL", "STATUS", "ROLE", "DEACTIVATED BY"))
		}
		if n%memberPage == 0 {
			defer w.Flush()
		}
		_, err := fmt.Fprint(w, cells(m.ID, m.Email, string(m.Status), m.Role, strings.Join(m.DeactivatedBy, ", ")))
		return err
	}, w.Flush
}

// listOf writes one JSON list, an element a line.
func listOf[T any](w io.Writer) (write func(T) error, end func() error) {
	n := 0
	return func(v T) error {
			body, err := json.Marshal(v)
			if err != nil {
				return fmt.Errorf("encode: %w", err)
			}
			before := ",\n"
			if n++; n == 1 {
				before = "[\n"
			}
			_, err = fmt.Fprintf(w, "%s  %s", before, body)
			return err
		}, func() error {
			last := "\n]\n"
			if n == 0 {
				last = "[]\n"
			}
			_, err := io.WriteString(w, last)
			return err
		}
}

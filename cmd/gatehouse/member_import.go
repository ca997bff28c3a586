package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/roster"
)

type memberImportCommand struct {
	workspaceFlag
	File    string `arg:"" optional:"" help:"A CSV file whose first row names the columns: email, name, given_name, family_name, role."`
	Start   string `placeholder:"WORD" help:"Carry out the plan with this word, and nothing else."`
	Stop    bool   `help:"Throw the list away, or stop carrying it out; what was done stays."`
	Outcome string `placeholder:"WORD" help:"Show only rows with this outcome: new, again, fresh, here, duplicate, invalid, invited, changed."`
}

func (memberImportCommand) Help() string {
	return `With a file, it says of every row what would become of it, and the word of that plan; nobody is
invited. With --start and the word, exactly that is done, in the background of the server. Without either
it shows the list as it stands.

Example:

  gatehouse member import --workspace acme people.csv
  gatehouse member import --workspace acme --start 4f1c2b3a9d0e8f77`
}

// importRow is one person of a list as verbs show one.
type importRow struct {
	Line    int    `json:"line"`
	Email   string `json:"email"`
	Name    string `json:"name"`
	Role    string `json:"role"`
	Outcome string `json:"outcome"`
	Reason  string `json:"reason,omitempty"`
	Detail  string `json:"detail,omitempty"`
}

// importView is a list with its rows.
type importView struct {
	provision.Import
	Rows []importRow `json:"rows"`
}

type importArgs struct {
	Workspace string       `json:"workspace"` // slug
	ID        string       `json:"id"`
	Rows      []roster.Row `json:"rows,omitempty"`
	Ignored   []string     `json:"ignored,omitempty"`
	Word      string       `json:"word,omitempty"`
	After     int          `json:"after,omitempty"`
	Outcome   string       `json:"outcome,omitempty"`
}

// importChunk is how many rows travel at once: as many of the longest fit a request.
const importChunk = 500

func (c *memberImportCommand) Run(ctx context.Context, p *program) error {
	asked := 0
	for _, given := range []bool{c.File != "", c.Start != "", c.Stop} {
		if given {
			asked++
		}
	}
	if asked > 1 {
		return usagef("member import: expected one of FILE, --start and --stop")
	}
	at := importArgs{Workspace: c.Workspace}
	switch {
	case c.File != "":
		id, err := c.read(ctx, p)
		if err != nil {
			return err
		}
		at.ID = id
	case c.Start != "":
		at.Word = c.Start
		started, err := call[provision.Import](ctx, p, "import.start", at)
		if err != nil {
			return err
		}
		at.ID, at.Word = started.ID, ""
	case c.Stop:
		stopped, err := call[provision.Import](ctx, p, "import.stop", at)
		if err != nil {
			return err
		}
		return p.show(stopped, func(w io.Writer) { fmt.Fprintf(w, "The list %s is over; %d were invited.\n", stopped.ID, stopped.Done) })
	}
	return c.print(ctx, p, at)
}

// read reads the file here and hands its rows over, and has them planned.
func (c *memberImportCommand) read(ctx context.Context, p *program) (id string, err error) {
	f, err := os.Open(c.File)
	if err != nil {
		return "", errs.Invalid("file_unreadable", "The file %s cannot be read: %s.", c.File, innermost(err)).With(err)
	}
	defer f.Close()
	list, err := roster.NewReader(f)
	if err != nil {
		return "", errs.Invalid("file_invalid", "%s: %s", c.File, err)
	}
	at := importArgs{Workspace: c.Workspace}
	if at.ID, err = call[string](ctx, p, "import.begin", at); err != nil {
		return "", err
	}
	for end := false; !end; {
		at.Rows = at.Rows[:0]
		for len(at.Rows) < importChunk {
			row, err := list.Next()
			if end = errors.Is(err, io.EOF); end {
				break
			}
			if err != nil {
				_, stopErr := call[provision.Import](ctx, p, "import.stop", importArgs{Workspace: c.Workspace})
				return "", errors.Join(errs.Invalid("file_invalid", "%s: %s", c.File, err), stopErr)
			}
			at.Rows = append(at.Rows, row)
		}
		if len(at.Rows) == 0 {
			break
		}
		if _, err := call[bool](ctx, p, "import.add", at); err != nil {
			return "", err
		}
	}
	at.Rows, at.Ignored = nil, list.Ignored
	if _, err := call[provision.Import](ctx, p, "import.plan", at); err != nil {
		return "", err
	}
	return at.ID, nil
}

// maxImportText is how many rows are shown to people; programs get all.
const maxImportText = 40

func (c *memberImportCommand) print(ctx context.Context, p *program, at importArgs) error {
	at.Outcome = c.Outcome
	var all importView
	for {
		page, err := call[importView](ctx, p, "import.show", at)
		if err != nil {
			return err
		}
		all.Import, all.Rows, at.ID = page.Import, append(all.Rows, page.Rows...), page.ID
		if len(page.Rows) < importChunk || !p.json && len(all.Rows) >= maxImportText {
			break
		}
		at.After = page.Rows[len(page.Rows)-1].Line
	}
	return p.show(all, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s, %d people, %d invited\n", all.ID, all.State, all.People, all.Done)
		if all.Note != "" {
			fmt.Fprintln(w, all.Note)
		}
		fmt.Fprint(w, cells("LINE", "EMAIL", "ROLE", "OUTCOME", "WHY"))
		for _, r := range all.Rows[:min(len(all.Rows), maxImportText)] {
			fmt.Fprint(w, cells(strconv.Itoa(r.Line), r.Email, r.Role, r.Outcome, r.Detail))
		}
		if len(all.Rows) > maxImportText {
			fmt.Fprintln(w, "... and more; --output json has all of them.")
		}
		for _, outcome := range slices.Sorted(keysOf(all.Counts)) {
			fmt.Fprintf(w, "%s: %d\n", outcome, all.Counts[outcome])
		}
		if all.State == provision.ImportPlanned {
			fmt.Fprintf(w, "\nNobody was invited yet. To do exactly this:\n\n  gatehouse member import --workspace %s --start %s\n", c.Workspace, all.Word)
		}
	})
}

func keysOf(m map[string]int) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func beginImport(ctx context.Context, a *app, by audit.Party, args importArgs) (string, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return "", err
	}
	return a.provision.BeginImport(ctx, scope(workspace, by))
}

func addToImport(ctx context.Context, a *app, by audit.Party, args importArgs) (bool, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return false, err
	}
	return true, a.provision.AddImportRows(ctx, scope(workspace, by), args.ID, args.Rows)
}

func planImport(ctx context.Context, a *app, by audit.Party, args importArgs) (provision.Import, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.Import{}, err
	}
	return a.provision.PlanImport(ctx, scope(workspace, by), args.ID, args.Ignored)
}

// newestImport returns the list that args mean: the one with the id, else the newest.
func (a *app) newestImport(ctx context.Context, s provision.Scope, id string) (string, error) {
	if id != "" {
		return id, nil
	}
	all, err := a.provision.ListImports(ctx, s)
	if err == nil && len(all) == 0 {
		err = errs.NotFound("import_unknown", "There is no list of people to invite. Read one: gatehouse member import FILE.")
	}
	if err != nil {
		return "", err
	}
	return all[0].ID, nil
}

func startImport(ctx context.Context, a *app, by audit.Party, args importArgs) (provision.Import, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.Import{}, err
	}
	id, err := a.newestImport(ctx, scope(workspace, by), args.ID)
	if err != nil {
		return provision.Import{}, err
	}
	return a.provision.StartImport(ctx, scope(workspace, by), id, args.Word)
}

func stopImport(ctx context.Context, a *app, by audit.Party, args importArgs) (provision.Import, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return provision.Import{}, err
	}
	id, err := a.newestImport(ctx, scope(workspace, by), args.ID)
	if err != nil {
		return provision.Import{}, err
	}
	was, _, err := a.provision.LookImport(ctx, scope(workspace, by), id, 0, 0, "")
	if err != nil {
		return provision.Import{}, err
	}
	return was, a.provision.DiscardImport(ctx, scope(workspace, by), id)
}

func showImport(ctx context.Context, a *app, by audit.Party, args importArgs) (importView, error) {
	workspace, err := a.workspace(ctx, args.Workspace)
	if err != nil {
		return importView{}, err
	}
	id, err := a.newestImport(ctx, scope(workspace, by), args.ID)
	if err != nil {
		return importView{}, err
	}
	list, rows, err := a.provision.LookImport(ctx, scope(workspace, by), id, args.After, importChunk, args.Outcome)
	v := importView{Import: list, Rows: []importRow{}}
	for _, r := range rows {
		v.Rows = append(v.Rows, importRow{r.Line, r.Email, r.Name, r.Role, r.Outcome, r.Reason, r.Detail})
	}
	return v, err
}

package settings

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
)

// MaxPilot is how many names a directory's pilot list has at the most.
const MaxPilot = 200

// cleanPilot is a pilot list as it was typed with each name once, in order.
func cleanPilot(names []string, mistake func(format string, args ...any)) []string {
	var out []string
	for _, name := range names {
		name = strings.TrimSpace(name)
		if name == "" || slices.ContainsFunc(out, func(o string) bool { return directory.SameName(o, name) }) {
			continue
		}
		if err := checkText("name", name); err != nil {
			mistake("%s", err.Error())
			continue
		}
		out = append(out, name)
	}
	if len(out) > MaxPilot {
		mistake("expected at most %d names, received %d; for more, enable the directory", MaxPilot, len(out))
	}
	return out
}

// pilotText is a list in an event or a difference.
func pilotText(names []string) string { return strings.Join(names, ", ") }

// pilot reads a pilot list; nil where the file has none.
func (r *reader) pilot(n *yaml.Node, path string) *[]string {
	if n == nil {
		return nil
	}
	lines, ok := r.texts(n, path)
	if !ok {
		return nil
	}
	names := make([]string, len(lines))
	for i, l := range lines {
		names[i] = l.text
	}
	names = cleanPilot(names, func(format string, args ...any) { r.add(n.Line, path+": "+format, args...) })
	return &names
}

// statusFrom is the status that a file asks for, of a directory that has one, or "" where it is being made.
// enabled says less than status: no leaves what is not enabled as it is.
func (part directoryPart) statusFrom(now directory.DirectoryStatus) directory.DirectoryStatus {
	switch {
	case part.status != nil:
		return *part.status
	case part.enabled != nil && *part.enabled:
		return directory.DirectoryEnabled
	case part.enabled != nil && now == directory.DirectoryEnabled:
		return directory.DirectoryPaused
	case part.enabled != nil && now == "":
		return directory.DirectoryDraft
	case now == "":
		return directory.DirectoryEnabled
	default:
		return now
	}
}

// settleDirectories carries out what an apply asks of directories that are there: a status only by the rules, and
// staged people who are on the pilot list now. An apply never enables what is staged: nobody has seen a plan.
func (a *apply) settleDirectories() error {
	for _, now := range a.after.Directories {
		was, there := a.had().Directory(now.ID)
		if !there || was.Status == now.Status && slices.Equal(was.Pilot, now.Pilot) {
			continue
		}
		if was.Status != now.Status {
			people, err := provision.PeopleOf(a.tx, now)
			if err != nil {
				return err
			}
			if err := directory.CheckStatus(was.Status, now.Status, people); err != nil {
				return errs.Conflict(errs.CodeOf(err), "directories.%s.status: %s", now.Name, err.Error())
			}
		}
		scope := provision.Scope{Workspace: a.tx.Workspace(), Directory: now.ID, Actor: a.options.Actor}
		plan, err := turnPilots(a.tx, a.after, now, scope, a.Mail)
		if err == nil {
			err = tellTested(a.tx, a.after, was, now)
		}
		if err != nil {
			return err
		}
		if plan == nil {
			continue
		}
		for _, row := range plan.Rows {
			text := row.Outcome
			if row.Why != "" {
				text += ", " + row.Why
			}
			a.notes = append(a.notes, fmt.Sprintf("directories.%s.pilot: %s: %s", now.Name, row.UserName, text))
		}
	}
	return nil
}

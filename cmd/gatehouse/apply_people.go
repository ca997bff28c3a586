package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/roster"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// shownPeople is how many of those whom a file changes are shown to people.
const shownPeople = 20

// showPeople says whom a file changes, or would change.
func showPeople(w io.Writer, r settings.Result, dry bool) {
	for _, line := range r.Later {
		fmt.Fprintln(w, "from then on: "+line)
	}
	a := r.Affects
	switch {
	case a == nil || len(r.Changes) == 0:
		return
	case a.Members == 0:
		fmt.Fprintln(w, "people: nobody's role or status "+would(dry, "changes", "would change"))
		return
	}
	fmt.Fprintf(w, "people: %s %s\n", counted(a.Members, "member"), would(dry, "changed", "would change"))
	for _, k := range a.Kinds {
		fmt.Fprintf(w, "  %d: %s -> %s\n", k.Members, orNew(k.Was), k.Becomes)
	}
	for i, c := range a.Changes {
		if i == shownPeople {
			break
		}
		fmt.Fprintf(w, "  %s: %s -> %s. %s\n", c.Email, orNew(c.Was), c.Becomes, c.Why)
	}
	if n := a.Members - min(len(a.Changes), shownPeople); n > 0 {
		fmt.Fprintf(w, "  and %d more%s\n", n, would(dry, "", "; --people FILE writes all of them into a file"))
	}
}

func would(dry bool, did, would string) string {
	if dry {
		return would
	}
	return did
}

func orNew(s settings.Standing) string {
	if s == (settings.Standing{}) {
		return "nobody yet"
	}
	return s.String()
}

func counted(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// writePeople writes everybody whom a dry run names into a file that is not there yet. page computes the same again and shows
// those behind the first skip.
func writePeople(name string, r settings.Result, page func(skip int) (settings.Result, error)) (err error) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errs.Invalid("file_unwritable", "The file %s cannot be written: %s.", name, innermost(err)).With(err)
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(name)) // half of it is nothing to decide by
		}
	}()
	out := csv.NewWriter(f)
	if err := out.Write([]string{"member", "email", "name", "role was", "status was", "role becomes", "status becomes", "why"}); err != nil {
		return err
	}
	for word, skip := r.Word, 0; r.Affects != nil; {
		for _, c := range r.Affects.Changes {
			// What somebody is called elsewhere is no formula in a spreadsheet here.
			line := []string{c.Member, c.Email, c.Name, c.Was.Role, string(c.Was.Status), c.Becomes.Role, string(c.Becomes.Status), c.Why}
			for i := range line {
				line[i] = roster.Cell(line[i])
			}
			if err := out.Write(line); err != nil {
				return err
			}
		}
		if !r.Affects.More {
			break
		}
		skip += len(r.Affects.Changes)
		if r, err = page(skip); err != nil {
			return err
		}
		if r.Word != word {
			return errs.Conflict("changed_meanwhile", "The workspace was changed while its people were being listed. Look again.")
		}
	}
	out.Flush()
	return out.Error()
}

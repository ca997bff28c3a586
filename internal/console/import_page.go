package console

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/roster"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// importsData is the page where lists are read.
type importsData struct {
	common
	Lists []importLine
	Mail  bool
}

type importLine struct {
	provision.Import
	URL string
}

// importData is the page of one list.
type importData struct {
	common
	importLine
	Rows     []store.ImportRow
	Outcomes []choice // with how many rows have each
	Outcome  string   // chosen
	Next     string
	CSV      string
	Work     int // invitations that it sends
}

const rowsPerPage = 100

// maxImportBody is how long the form with a list may be.
const maxImportBody = roster.MaxBytes + 64<<10

func (d *Door) importsPage(v *visit) error { return d.showImports(v, told{}) }

func (d *Door) showImports(v *visit, t told) error {
	lists, err := d.Provision.ListImports(v.r.Context(), v.acts())
	if err != nil {
		return err
	}
	return d.show(v, "imports", "Invite a list", "/members", t, func(c common) any {
		data := importsData{common: c, Mail: d.Provision.Mail}
		for _, l := range lists {
			data.Lists = append(data.Lists, importLine{l, c.Base + "/imports/" + l.ID})
		}
		return data
	})
}

// readImport reads an uploaded list as it comes in.
func (d *Door) readImport(v *visit) error {
	parts, err := v.r.MultipartReader()
	if err != nil {
		return d.showImports(v, told{field: "import-file", err: errs.Invalid("file_missing", "Choose a file.")})
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return d.showImports(v, told{field: "import-file", err: errs.Invalid("file_missing", "Choose a file.")})
		}
		if err != nil {
			return unreadableUpload(err)
		}
		if part.FormName() != "file" {
			continue
		}
		list, err := d.Provision.ReadImport(v.r.Context(), v.acts(), part)
		if forTheForm(err) {
			return d.showImports(v, told{field: "import-file", err: err})
		}
		if err != nil {
			return unreadableUpload(err)
		}
		return v.to("/imports/" + list.ID)
	}
}

// unreadableUpload tells a form that is broken or too long from our own trouble.
func unreadableUpload(err error) error {
	var tooLong *http.MaxBytesError
	if errors.As(err, &tooLong) || errs.As(err) != nil {
		return err
	}
	return errs.Invalid("form_unreadable", "The form could not be read.").With(err)
}

// outcomeLabels are what becomes of rows, in words, in the order in which they are shown.
var outcomeLabels = []choice{
	{provision.RowInvited, "invited"}, {string(provision.InviteNew), "new"}, {string(provision.InviteAgain), "invited again"}, {string(provision.InviteFresh), "as a fresh member"},
	{provision.RowChanged, "changed meanwhile"}, {provision.RowHere, "here already"}, {provision.RowDuplicate, "twice in the file"}, {provision.RowInvalid, "cannot be read"},
}

func (d *Door) importPage(v *visit) error { return d.showImport(v, told{}) }

func (d *Door) showImport(v *visit, t told) error {
	q := v.r.URL.Query()
	after, err := strconv.Atoi(q.Get("after"))
	if err != nil || after < 0 {
		after = 0
	}
	list, rows, err := d.Provision.LookImport(v.r.Context(), v.acts(), v.r.PathValue("import"), after, rowsPerPage+1, q.Get("outcome"))
	if err != nil {
		return err
	}
	return d.show(v, "import", "Invite a list", "/members", t, func(c common) any {
		data := importData{common: c, importLine: importLine{list, c.Base + "/imports/" + list.ID}, Outcome: q.Get("outcome"), Rows: rows}
		counts := soFar(list)
		for _, o := range outcomeLabels {
			if n := counts[o.Value]; n > 0 || o.Value == data.Outcome {
				data.Outcomes = append(data.Outcomes, choice{o.Value, fmt.Sprintf("%d %s", n, o.Text)})
			}
		}
		if len(rows) > rowsPerPage {
			data.Rows = rows[:rowsPerPage]
			data.Next = data.URL + "?" + url.Values{"after": {strconv.Itoa(data.Rows[rowsPerPage-1].Line)}, "outcome": {data.Outcome}}.Encode()
		}
		data.CSV, data.Work = data.URL+"/rows.csv", list.Seats
		return data
	})
}

// soFar is how many rows have each outcome by now.
func soFar(list provision.Import) map[string]int {
	counts := maps.Clone(list.Counts)
	switch list.State {
	case provision.ImportDone:
		for _, o := range []provision.InviteOutcome{provision.InviteNew, provision.InviteAgain, provision.InviteFresh} {
			delete(counts, string(o))
		}
		counts[provision.RowInvited], counts[provision.RowChanged] = list.Done, list.Seats-list.Done
	case provision.ImportRunning, provision.ImportStopped:
		counts[provision.RowInvited] = list.Done
	}
	return counts
}

// importCSV is a list with what became of each row, for a spreadsheet.
func (d *Door) importCSV(v *visit) error {
	id := v.r.PathValue("import")
	if _, _, err := d.Provision.LookImport(v.r.Context(), v.acts(), id, 0, 1, ""); err != nil {
		return err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="`+id+`.csv"`)
	out := csv.NewWriter(v.w)
	_ = out.Write([]string{"line", "email", "name", "role", "outcome", "reason", "detail"})
	for after := 0; ; {
		_, rows, err := d.Provision.LookImport(v.r.Context(), v.acts(), id, after, 1000, "")
		if err != nil {
			return err
		}
		for _, r := range rows {
			// What somebody wrote into a list is no formula in another's spreadsheet.
			line := []string{strconv.Itoa(r.Line), r.Email, r.Name, r.Role, r.Outcome, r.Reason, r.Detail}
			for i := range line {
				line[i] = roster.Cell(line[i])
			}
			if err := out.Write(line); err != nil {
				return nil // the client has gone away
			}
		}
		out.Flush()
		if len(rows) < 1000 {
			return nil
		}
		after = rows[len(rows)-1].Line
	}
}

func (d *Door) startImport(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	id := v.r.PathValue("import")
	_, err = d.Provision.StartImport(v.r.Context(), v.acts(), id, form.Get("plan"))
	if forTheForm(err) {
		return d.showImport(v, told{field: "start-import", err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/imports/" + url.PathEscape(id) + "?done=import-started")
}

func (d *Door) stopImport(v *visit) error {
	id := v.r.PathValue("import")
	err := d.Provision.DiscardImport(v.r.Context(), v.acts(), id)
	if forTheForm(err) {
		return d.showImport(v, told{field: "stop-import", err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/imports?done=import-stopped")
}

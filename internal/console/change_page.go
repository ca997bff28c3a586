package console

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/roster"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// changeData is a change of mappings or policy before it is saved: whom it would change, and how.
type changeData struct {
	common
	settings.Preview
	Change         string // as the form and addresses carry it
	Back           string // address of the page that it came from
	List           string // address of the whole list
	Shown          string // "1 to 100"
	Previous, Next string // addresses, or ""
}

// changesPerPage is how many people a page shows.
const changesPerPage = 100

// maxChange is how long a change may be in an address.
const maxChange = 4 << 10

func encodeChange(c settings.Change) string {
	text, _ := json.Marshal(c) // strings alone
	return string(text)
}

// decodeChange reads a change out of an address or form of ours.
func decodeChange(text string) (c settings.Change, err error) {
	wrong := errs.Invalid("change_invalid", "The address of this page is not complete. Begin again.")
	if len(text) > maxChange {
		return c, wrong
	}
	in := json.NewDecoder(strings.NewReader(text))
	in.DisallowUnknownFields()
	if in.Decode(&c) != nil || in.More() {
		return settings.Change{}, wrong
	}
	return c, nil
}

// backFrom is the page that a change is made on.
func backFrom(c settings.Change) string {
	if len(c.AddMappings)+len(c.RemoveMappings) > 0 {
		return "/roles"
	}
	return "/policy"
}

// reviewed saves a change that changes nobody, and else leads to the page that says whom it would change. done
// is the notice for what was saved.
func (d *Door) reviewed(v *visit, c settings.Change, done string) error {
	p, err := d.Settings.PreviewChange(v.r.Context(), v.live.Slug, c, settings.Page{Limit: 1}, v.actor)
	if err != nil {
		return err
	}
	if p.Members == 0 && len(p.Later) == 0 {
		_, err := d.Settings.ApplyChange(v.r.Context(), v.live.Slug, c, p.Word, settings.Page{Limit: 1}, v.actor)
		if errs.CodeOf(err) != "changed_meanwhile" || v.seen.stale() { // else it changes somebody by now
			if err == nil {
				err = v.to(backFrom(c) + "?done=" + done)
			}
			return err
		}
	}
	return v.to("/changes?" + url.Values{"change": {encodeChange(c)}}.Encode())
}

func (d *Door) changePage(v *visit) error {
	c, err := decodeChange(v.r.URL.Query().Get("change"))
	if err != nil {
		return err
	}
	return d.showChange(v, c, told{})
}

func (d *Door) showChange(v *visit, c settings.Change, t told) error {
	skip, err := strconv.Atoi(v.r.URL.Query().Get("skip"))
	if err != nil || skip < 0 {
		skip = 0 // an address that was tampered with begins at the first
	}
	p, err := d.Settings.PreviewChange(v.r.Context(), v.live.Slug, c, settings.Page{Skip: skip, Limit: changesPerPage}, v.actor)
	if err != nil {
		return err
	}
	return d.show(v, "change", "Look before you save", backFrom(c), t, func(shared common) any {
		data := changeData{common: shared, Preview: p, Change: encodeChange(c), Back: shared.Base + backFrom(c)}
		at := func(path string, skip int) string {
			q := url.Values{"change": {data.Change}}
			if skip > 0 {
				q.Set("skip", strconv.Itoa(skip))
			}
			return shared.Base + path + "?" + q.Encode()
		}
		data.List = at("/changes.csv", 0)
		if len(p.Changes) > 0 {
			data.Shown = strconv.Itoa(skip+1) + " to " + strconv.Itoa(skip+len(p.Changes))
		}
		if skip > 0 {
			data.Previous = at("/changes", max(0, skip-changesPerPage))
		}
		if p.More {
			data.Next = at("/changes", skip+changesPerPage)
		}
		return data
	})
}

// saveChange carries out what the page showed, and nothing else.
func (d *Door) saveChange(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	c, err := decodeChange(form.Get("change"))
	if err != nil {
		return err
	}
	word := form.Get("plan")
	if word == "" {
		return errs.Invalid("change_invalid", "The form is not complete. Begin again.")
	}
	_, err = d.Settings.ApplyChange(v.r.Context(), v.live.Slug, c, word, settings.Page{Limit: 1}, v.actor)
	switch {
	case errs.CodeOf(err) == "changed_meanwhile":
		return d.showChange(v, c, told{field: "save-change", err: err})
	case err != nil:
		return err
	case backFrom(c) == "/policy":
		return v.to("/policy?done=policy-saved")
	}
	return v.to("/roles?done=mappings-saved")
}

// changeCSV is everybody whom a change would change, for a spreadsheet.
func (d *Door) changeCSV(v *visit) error {
	c, err := decodeChange(v.r.URL.Query().Get("change"))
	if err != nil {
		return err
	}
	var body bytes.Buffer
	out := csv.NewWriter(&body)
	begin := func() error {
		body.Reset()
		return out.Write([]string{"member", "email", "name", "role was", "status was", "role becomes", "status becomes", "why"})
	}
	began := false
	_, err = d.Settings.EachChange(v.r.Context(), v.live.Slug, c, v.actor, func(m settings.MemberChange) error {
		if !began {
			began = true
			if err := begin(); err != nil {
				return err
			}
		}
		// What somebody is called elsewhere is no formula in a spreadsheet here.
		line := []string{m.Member, m.Email, m.Name, m.Was.Role, string(m.Was.Status), m.Becomes.Role, string(m.Becomes.Status), m.Why}
		for i := range line {
			line[i] = roster.Cell(line[i])
		}
		return out.Write(line)
	})
	if err == nil && !began {
		err = begin()
	}
	if err != nil {
		return err
	}
	out.Flush()
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="changes.csv"`)
	h.Set("Cache-Control", "no-store")
	v.w.WriteHeader(http.StatusOK)
	_, _ = v.w.Write(body.Bytes()) // the client may have gone away
	return nil
}

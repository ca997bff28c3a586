package console

import (
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// attributesData is the page of the attributes of people.
type attributesData struct {
	common
	Attributes []attributeLine
	Tables     []tableLine
	Types      []choice
	Type       string // chosen
	Visible    bool
}

// attributeLine is an attribute with the address of its forms.
type attributeLine struct {
	settings.AttributeView
	URL  string
	From []string // names of what maps it
	Own  bool     // the workspace defines it
}

type tableLine struct {
	settings.TableView
	URL string
}

// attributeTypes are the types in words.
func attributeTypes() []choice {
	return []choice{{"string", "Text"}, {"integer", "Whole number"}, {"number", "Number"}, {"boolean", "Yes or no"}, {"date", "Date"},
		{"list", "List of texts"}, {"choice", "One of several values"}}
}

func (d *Door) attributesPage(v *visit) error { return d.showAttributes(v, told{}) }

func (d *Door) showAttributes(v *visit, t told) error {
	all, err := d.Settings.Attributes(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	return d.show(v, "attributes", "Attributes", "/attributes", t, func(c common) any {
		data := attributesData{common: c, Types: attributeTypes(), Type: c.Typed["attribute-type"], Visible: c.Typed == nil || c.Typed["attribute-visible"] != ""}
		for _, table := range all.Tables {
			data.Tables = append(data.Tables, tableLine{table, tableURL(c.Base, table)})
		}
		for _, a := range all.Attributes {
			line := attributeLine{AttributeView: a, URL: c.Base + "/attributes/" + url.PathEscape(a.Name), Own: !a.BuiltIn || a.Changed}
			for _, table := range all.Tables {
				for _, row := range table.Rows {
					if row.Attribute == a.Name {
						line.From = append(line.From, table.Name)
					}
				}
			}
			data.Attributes = append(data.Attributes, line)
		}
		return data
	})
}

func tableURL(base string, t settings.TableView) string {
	return base + "/attributes/from/" + t.Kind + "/" + url.PathEscape(t.ID)
}

// attributeForm reads the form of a definition. Its fields begin with "attribute-".
func attributeForm(form url.Values) (a directory.Attribute, typed map[string]string) {
	typed = map[string]string{}
	for name := range form {
		typed[name] = form.Get(name)
	}
	a = directory.Attribute{Name: form.Get("attribute-name"), Label: form.Get("attribute-label"), Type: directory.AttributeType(form.Get("attribute-type")),
		Required: form.Get("attribute-required") != "", Hidden: form.Get("attribute-visible") == ""}
	for _, line := range strings.Split(form.Get("attribute-choices"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			a.Choices = append(a.Choices, line)
		}
	}
	return a, typed
}

// defineAttribute makes an attribute of people.
func (d *Door) defineAttribute(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	a, typed := attributeForm(form)
	_, err = d.Settings.DefineAttribute(v.r.Context(), v.live.Slug, a, true, v.actor)
	if forTheForm(err) {
		return d.showAttributes(v, told{field: "define-attribute", err: err, typed: typed})
	}
	if err != nil {
		return err
	}
	return v.to("/attributes?done=attribute-defined")
}

// changeAttribute changes what an attribute is.
func (d *Door) changeAttribute(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	a, _ := attributeForm(form)
	a.Name = v.r.PathValue("attribute")
	_, err = d.Settings.DefineAttribute(v.r.Context(), v.live.Slug, a, false, v.actor)
	if forTheForm(err) {
		return d.showAttributes(v, told{field: "attribute:" + a.Name, err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/attributes?done=attribute-changed")
}

func (d *Door) removeAttribute(v *visit) error {
	name := v.r.PathValue("attribute")
	err := d.Settings.RemoveAttribute(v.r.Context(), v.live.Slug, name, v.actor)
	if forTheForm(err) {
		return d.showAttributes(v, told{field: "attribute:" + name, err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/attributes?done=attribute-removed")
}

// sourceData is the page of one table: where a directory or connection has the values.
type sourceData struct {
	common
	settings.TableView
	URL      string
	OfPerson bool // of a directory
	Lines    []sourceLine
	Paths    []string // that people of a directory may have, some of them
	Messages []messageChoice
	Message  string // chosen
	Who      string // typed
	Preview  *settings.AttributePreview
	Nothing  []string // labels of what a preview has nothing for
}

type sourceLine struct {
	settings.AttributeView
	Sources string // one on a line
	Default bool
}

type messageChoice struct{ ID, Text string }

// maxMessages is how many of the newest messages a connection's preview offers.
const maxMessages = 20

func (d *Door) attributeSourcePage(v *visit) error { return d.showSource(v, told{}, nil, nil) }

// showSource shows a table, or the one that is being tried.
func (d *Door) showSource(v *visit, t told, trying directory.AttributeMap, preview *settings.AttributePreview) error {
	all, err := d.Settings.Attributes(v.r.Context(), v.live.Slug)
	if err != nil {
		return err
	}
	table, ok := findTable(all, v)
	if !ok {
		return errs.NotFound("source_unknown", "There is no such directory or connection.")
	}
	data := sourceData{TableView: table, OfPerson: table.Kind == settings.TableOfDirectory, Preview: preview}
	if preview != nil {
		for _, l := range preview.Lines {
			if l.Now == "" && l.Becomes == "" && len(l.Dropped) == 0 {
				data.Nothing = append(data.Nothing, l.Label)
			}
		}
	}
	if data.OfPerson {
		data.Paths = pathsOf(v.setup.Schemas)
	} else if data.Messages, err = d.messages(v, table.ID); err != nil {
		return err
	}
	for _, a := range all.Attributes {
		line := sourceLine{AttributeView: a}
		for _, row := range table.Rows {
			if row.Attribute == a.Name {
				line.Sources, line.Default = strings.Join(row.Sources, "\n"), row.Default
			}
		}
		if trying != nil {
			line.Sources = strings.Join(trying[a.Name], "\n")
		}
		data.Lines = append(data.Lines, line)
	}
	return d.show(v, "attribute-source", table.Name, "/attributes", t, func(c common) any {
		data.common, data.URL = c, tableURL(c.Base, table)
		data.Who, data.Message = c.Typed["preview-who"], c.Typed["preview-message"]
		if word := c.Typed["table"]; word != "" {
			data.Word = word
		}
		return data
	})
}

func findTable(all settings.AttributesView, v *visit) (settings.TableView, bool) {
	for _, t := range all.Tables {
		if t.Kind == v.r.PathValue("kind") && t.ID == v.r.PathValue("source") {
			return t, true
		}
	}
	return settings.TableView{}, false
}

// messages are the newest messages of a connection that can be read.
func (d *Door) messages(v *visit, connection string) (out []messageChoice, err error) {
	err = d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		out = nil
		page, _, err := tx.Attempts(store.AttemptQuery{Connection: connection, Limit: 5 * maxMessages})
		for _, a := range page {
			if a.Event == "" || a.Loose || a.Open() || len(out) == maxMessages {
				continue
			}
			text := a.BeganAt.UTC().Format("2006-01-02 15:04") + " UTC"
			if a.Name != "" {
				text += ", " + a.Name
			}
			if a.Test {
				text += " (test)"
			}
			out = append(out, messageChoice{a.ID, text})
		}
		return err
	})
	return out, err
}

// pathsOf are paths of SCIM that mappings begin with, and those of the workspace's own schemas.
func pathsOf(schemas []directory.Schema) []string {
	out := []string{"title", "userType", "displayName", "name.givenName", `emails[type eq "work"].value`, `phoneNumbers[type eq "mobile"].value`,
		"addresses[primary eq true].country", "roles.value",
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value"}
	for _, s := range schemas {
		if s.Resource != directory.SchemaUser {
			continue
		}
		for _, a := range s.Attributes {
			if !a.Sealed() {
				out = append(out, s.URN+":"+a.Name)
			}
		}
	}
	return out
}

// sourceForm reads the table that a form has: of each attribute its sources, one on a line.
func sourceForm(form url.Values) directory.AttributeMap {
	m := directory.AttributeMap{}
	for field := range form {
		name, ok := strings.CutPrefix(field, "map-")
		if !ok {
			continue
		}
		list := []string{}
		for _, line := range strings.Split(form.Get(field), "\n") {
			if line = strings.TrimSpace(line); line != "" {
				list = append(list, line)
			}
		}
		m[name] = list
	}
	return m
}

// previewSource shows what the typed table would give somebody. It changes nothing.
func (d *Door) previewSource(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	m := sourceForm(form)
	typed := map[string]string{"preview-who": strings.TrimSpace(form.Get("preview-who")), "preview-message": form.Get("preview-message"), "table": form.Get("table")}
	preview, err := d.Settings.PreviewAttributes(v.r.Context(), v.live.Slug, settings.PreviewAsk{Kind: v.r.PathValue("kind"), Of: v.r.PathValue("source"),
		Map: &m, Who: typed["preview-who"], Attempt: typed["preview-message"]})
	switch {
	case errs.CodeOf(err) == "attribute_map_invalid":
		return d.showSource(v, told{field: "save-map", err: err, typed: typed}, m, nil)
	case forTheForm(err), errs.CodeOf(err) == "member_unknown", errs.CodeOf(err) == "not_of_directory", errs.CodeOf(err) == "no_message",
		errs.CodeOf(err) == "message_gone", errs.CodeOf(err) == "attempt_unknown", errs.CodeOf(err) == "event_unknown":
		return d.showSource(v, told{field: "preview", err: err, typed: typed}, m, nil)
	case err != nil:
		return err
	}
	return d.showSource(v, told{typed: typed}, m, &preview)
}

// saveSource saves a table.
func (d *Door) saveSource(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	m := sourceForm(form)
	kind, id := v.r.PathValue("kind"), v.r.PathValue("source")
	_, err = d.Settings.SetAttributeMap(v.r.Context(), v.live.Slug, kind, id, m, form.Get("table"), v.actor)
	if forTheForm(err) {
		return d.showSource(v, told{field: "save-map", err: err}, m, nil)
	}
	if err != nil {
		return err
	}
	return v.to("/attributes/from/" + url.PathEscape(kind) + "/" + url.PathEscape(id) + "?done=map-saved")
}

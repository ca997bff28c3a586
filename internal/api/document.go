package api

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

//go:embed docs.html
var files embed.FS

// operation is a route as the page shows it.
type operation struct {
	Method, Path, ID, Summary string
	Says                      []string // paragraphs
	Scope                     string
	Inputs, Outputs           []fieldLine
	Status                    string
}

// fieldLine is a parameter, or a field of a body.
type fieldLine struct{ Name, Where, Type, Says string }

type docsData struct {
	Says    []string
	Base    string
	Tags    []taggedOperations
	Problem []fieldLine
}

type taggedOperations struct {
	Tag, Anchor string
	Operations  []operation
}

// describe writes the document and the page of all routes, and refuses a route that does not say what it needs.
func (d *Door) describe() error {
	all := d.doc.Components.Schemas.Map()
	delete(all, "ErrorModel") // huma's own, in whose place every error is a Problem
	delete(all, "ErrorDetail")
	data := docsData{Says: paragraphs(description), Base: d.Settings.APIBaseURL(), Problem: d.fields(all["Problem"], "")}
	seen := map[string]bool{}
	for _, path := range slices.Sorted(keysOf(d.doc.Paths)) {
		for method, op := range operations(d.doc.Paths[path]) {
			switch {
			case len(op.Security) != 1:
				return fmt.Errorf("the route %s %s does not say which permission it needs", method, path)
			case op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 || seen[op.OperationID]:
				return fmt.Errorf("the route %s %s is not described", method, path)
			}
			seen[op.OperationID] = true
			data.add(d.operation(method, path, op))
		}
	}
	var err error
	if d.document, err = json.MarshalIndent(d.doc, "", " "); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	page, err := web.Template(files, "docs.html")
	if err != nil {
		return err
	}
	browser, err := web.PageDoor(d.Settings.PublicURL)
	if err != nil {
		return err
	}
	d.docs = browser.Handle(func(w http.ResponseWriter, _ *http.Request) error { return showDocs(w, page, data) })
	return nil
}

func showDocs(w http.ResponseWriter, page *template.Template, data docsData) error {
	return web.Render(w, http.StatusOK, page, web.Page{Title: "API", Wide: true, Data: data})
}

func (data *docsData) add(tag string, op operation) {
	i := slices.IndexFunc(data.Tags, func(t taggedOperations) bool { return t.Tag == tag })
	if i < 0 {
		i = len(data.Tags)
		data.Tags = append(data.Tags, taggedOperations{Tag: tag, Anchor: strings.ToLower(strings.Join(strings.FieldsFunc(tag, func(r rune) bool { return r == ' ' || r == '&' }), "-"))})
	}
	data.Tags[i].Operations = append(data.Tags[i].Operations, op)
}

func keysOf[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// operations are those of a path, by method.
func operations(item *huma.PathItem) func(yield func(string, *huma.Operation) bool) {
	return func(yield func(string, *huma.Operation) bool) {
		for _, o := range []struct {
			method string
			op     *huma.Operation
		}{{http.MethodGet, item.Get}, {http.MethodPost, item.Post}, {http.MethodPut, item.Put}, {http.MethodPatch, item.Patch}, {http.MethodDelete, item.Delete}} {
			if o.op != nil && !yield(o.method, o.op) {
				return
			}
		}
	}
}

func (d *Door) operation(method, path string, op *huma.Operation) (tag string, out operation) {
	out = operation{Method: method, Path: path, ID: op.OperationID, Summary: op.Summary, Says: paragraphs(op.Description), Scope: scopeOf(op)}
	for _, p := range op.Parameters {
		out.Inputs = append(out.Inputs, fieldLine{p.Name, p.In, d.typeOf(p.Schema), p.Description})
	}
	if op.RequestBody != nil {
		out.Inputs = append(out.Inputs, d.fields(op.RequestBody.Content["application/json"].Schema, "body")...)
	}
	for status, r := range op.Responses {
		if status == "default" {
			continue
		}
		out.Status = status
		if c := r.Content["application/json"]; c != nil {
			out.Outputs = d.fields(c.Schema, "")
		}
	}
	return op.Tags[0], out
}

func (d *Door) fields(s *huma.Schema, where string) (lines []fieldLine) {
	if s != nil && s.Ref != "" {
		s = d.doc.Components.Schemas.SchemaFromRef(s.Ref)
	}
	if s == nil {
		return nil
	}
	for _, name := range slices.Sorted(keysOf(s.Properties)) {
		p := s.Properties[name]
		kind := d.typeOf(p)
		if where != "" && !slices.Contains(s.Required, name) {
			kind += ", optional"
		}
		lines = append(lines, fieldLine{name, where, kind, p.Description})
	}
	return lines
}

// typeOf says what a schema is: "string", "one of a, b", "list of Member".
func (d *Door) typeOf(s *huma.Schema) string {
	switch {
	case s == nil:
		return ""
	case s.Ref != "":
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	case len(s.Enum) > 0:
		words := make([]string, len(s.Enum))
		for i, w := range s.Enum {
			words[i] = fmt.Sprint(w)
		}
		return "one of " + strings.Join(words, ", ")
	case s.Type == huma.TypeArray:
		return "list of " + cmp.Or(d.typeOf(s.Items), "values")
	case s.Format != "":
		return s.Type + " (" + s.Format + ")"
	default:
		return s.Type
	}
}

func paragraphs(text string) (out []string) {
	for p := range strings.SplitSeq(text, "\n\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			out = append(out, p)
		}
	}
	return out
}

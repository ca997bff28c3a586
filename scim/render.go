package scim

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// renderer writes resources for clients: in the order of the schema, what the projection
// shows, with schemas, meta.resourceType, locations and references filled in.
type renderer struct {
	base  string // the public base URL without a trailing slash
	types []*ResourceType
	// versions says that meta.version is shown.
	versions bool
	// open is told of rows that are to be read while the answer is sent; nil where none can be.
	open *opened
}

// location is the address of a resource. It is made from configuration alone.
func (w renderer) location(t *ResourceType, id string) string {
	return w.base + "/" + t.segment() + "/" + url.PathEscape(id)
}

func (w renderer) resource(b []byte, t *ResourceType, r Resource, p Projection) []byte {
	t.index()
	p.t = t
	urns := t.schemasOf(r)
	b = append(b, `{"schemas":[`...)
	for i, urn := range urns {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, urn)
	}
	listed := len(b)
	b = append(b, ']')
	known := len(urns) - 1 // keys of r that the type knows
	for _, name := range [...]string{"id", "externalId", "meta"} {
		if r[name] != nil {
			known++
		}
	}
	b = w.attribute(b, p, "", t.core["id"], r["id"])
	b = w.attribute(b, p, "", t.core["externalid"], r["externalId"])
	for _, a := range t.Schema.Attributes {
		if v := r[a.Name]; v != nil {
			known++
			b = w.attribute(b, p, "", a, v)
		}
	}
	for _, e := range t.Extensions {
		b = w.extension(b, p, e.Schema, r)
	}
	if known < len(r) {
		b = openExtensions(b, listed, p, r)
	}
	b = w.attribute(b, p, "", t.core["meta"], w.meta(t, r))
	return append(b, '}')
}

// extension writes the data of one extension, and nothing where the projection leaves nothing.
func (w renderer) extension(b []byte, p Projection, s *Schema, r Resource) []byte {
	data := r.Extension(s.ID)
	if len(data) == 0 {
		return b
	}
	start := len(b)
	b = append(b, ',')
	b = appendString(b, s.ID)
	b = append(b, ':', '{')
	open := len(b)
	for _, a := range s.Attributes {
		b = w.attribute(b, p, s.ID, a, data[a.Name])
	}
	if len(b) == open {
		return b[:start]
	}
	b = append(b[:open], b[open+1:]...) // the first attribute's comma
	return append(b, '}')
}

// openExtensions writes the extensions that the type does not know, sorted, and lists them in
// "schemas", whose last URN ends at listed. Few resources have any: they are looked for only where
// the schema's attributes were not all there is.
func openExtensions(b []byte, listed int, p Projection, r Resource) []byte {
	var urns []byte
	for _, urn := range p.t.openURNs(r) {
		urns = append(urns, ',')
		urns = appendString(urns, urn)
		shown := map[string]any{}
		for name, v := range r.Extension(urn) {
			if p.showsOpen(urn, name) {
				shown[name] = v
			}
		}
		if len(shown) == 0 {
			continue
		}
		b = append(b, ',')
		b = appendString(b, urn)
		b = append(b, ':')
		b = appendPlain(b, shown)
	}
	return slices.Insert(b, listed, urns...)
}

func (w renderer) meta(t *ResourceType, r Resource) map[string]any {
	m := map[string]any{"resourceType": t.Name}
	if id := r.ID(); id != "" {
		m["location"] = w.location(t, id)
	}
	given, _ := r["meta"].(map[string]any)
	for _, name := range []string{"created", "lastModified", "version"} {
		if v := given[name]; assigned(v) && (w.versions || name != "version") {
			m[name] = v
		}
	}
	return m
}

// attribute writes ,"name":value, or nothing.
func (w renderer) attribute(b []byte, p Projection, urn string, a *Attribute, v any) []byte {
	if v == nil {
		return b
	}
	shown, subs := p.shows(urn, a)
	if !shown {
		return b
	}
	start := len(b)
	b = append(b, ',')
	b = appendString(b, a.Name)
	b = append(b, ':')
	out, ok := w.value(b, p, subs, a, v)
	if !ok {
		return b[:start]
	}
	return out
}

// value writes a value; ok is false where it has no content to show.
func (w renderer) value(b []byte, p Projection, subs subset, a *Attribute, v any) (out []byte, ok bool) {
	switch v := v.(type) {
	case string:
		return appendString(b, v), true
	case bool:
		return strconv.AppendBool(b, v), true
	case json.Number:
		return append(b, v...), true
	case []any:
		return w.list(b, p, subs, a, v), true
	case Rows:
		return w.rows(b, p, subs, a, v), true
	case RowReader:
		if w.open == nil || w.open.reader != nil {
			return b, false
		}
		*w.open = opened{v, w.rowWriter(p, subs, a)}
		return append(b, rowsMark), true
	case map[string]any:
		return w.complex(b, p, subs, a, v)
	}
	return b, false
}

func (w renderer) list(b []byte, p Projection, subs subset, a *Attribute, list []any) []byte {
	b = append(b, '[')
	first := true
	for _, e := range list {
		mark := len(b)
		if !first {
			b = append(b, ',')
		}
		out, ok := w.value(b, p, subs, a, e)
		if !ok {
			b = b[:mark]
			continue
		}
		b, first = out, false
	}
	return append(b, ']')
}

func (w renderer) complex(b []byte, p Projection, subs subset, a *Attribute, m map[string]any) ([]byte, bool) {
	b = append(b, '{')
	open := len(b)
	for _, sub := range a.SubAttributes {
		if !p.showsSub(subs, sub) {
			continue
		}
		if sub.Name == "$ref" && m["$ref"] == nil {
			b = w.reference(b, sub, m)
			continue
		}
		v := m[sub.Name]
		if v == nil {
			continue
		}
		b = append(b, ',')
		b = appendString(b, sub.Name)
		b = append(b, ':')
		b, _ = w.value(b, p, nil, sub, v)
	}
	if len(b) == open {
		return b, false
	}
	b = append(b[:open], b[open+1:]...)
	return append(b, '}'), true
}

// reference writes $ref from the id in value, when $ref points at one of our resource types: the
// one named by the element's type, else the first.
func (w renderer) reference(b []byte, ref *Attribute, m map[string]any) []byte {
	id, _ := m["value"].(string)
	if id == "" {
		return b
	}
	kind, _ := m["type"].(string)
	t := w.referenced(ref, kind)
	if t == nil {
		return b
	}
	b = append(b, `,"$ref":`...)
	return appendString(b, w.location(t, id))
}

func (w renderer) referenced(ref *Attribute, kind string) *ResourceType {
	var first *ResourceType
	for _, name := range ref.ReferenceTypes {
		for _, t := range w.types {
			if t.Name != name {
				continue
			}
			if strings.EqualFold(name, kind) {
				return t
			}
			if first == nil {
				first = t
			}
		}
	}
	return first
}

package scim

import (
	"net/url"
	"slices"
)

// Rows is the value of a row-level attribute in a Resource that a Backend returns from Get: what a list of objects
// says, without one map for each of a hundred thousand members. Nothing but an answer is made of it, so a Resource
// that is to be matched, compared or patched has a list instead.
type Rows []Row

// Row is one element. $ref is made of Type and Value; an empty text is absent.
type Row struct {
	Value, Display, Type string
}

// list is what rows stand for.
func (rows Rows) list() []any {
	out := make([]any, len(rows))
	for i, row := range rows {
		m := map[string]any{}
		for _, name := range [...]string{"value", "display", "type"} {
			if v := row.text(name); v != "" {
				m[name] = v
			}
		}
		out[i] = m
	}
	return out
}

func (r *Row) text(sub string) string {
	switch sub {
	case "value":
		return r.Value
	case "display":
		return r.Display
	case "type":
		return r.Type
	}
	return ""
}

// rows writes what list would write for the list that they stand for.
func (w renderer) rows(b []byte, p Projection, subs subset, a *Attribute, rows Rows) []byte {
	return append(w.rowWriter(p, subs, a).append(append(b, '['), rows), ']')
}

// rowWriter writes the elements of one list, all at once or part by part.
type rowWriter struct {
	shown  []shownSub
	places places
	some   bool // an element was written
}

func (w renderer) rowWriter(p Projection, subs subset, a *Attribute) *rowWriter {
	x := &rowWriter{places: places{w: w, known: map[string][]byte{}}}
	for _, sub := range a.SubAttributes {
		if p.showsSub(subs, sub) {
			x.shown = append(x.shown, shownSub{sub, appendString(nil, sub.Name)})
		}
	}
	return x
}

// size is about how long rows will be.
func (x *rowWriter) size(rows Rows) int {
	size := 0
	for i := range rows {
		for _, s := range x.shown {
			size += len(s.name) + 4
			if s.attr.Name == "$ref" {
				size += len(x.places.of(s.attr, rows[i].Type)) + len(rows[i].Value)
			}
			size += len(rows[i].text(s.attr.Name))
		}
		size += 3
	}
	return size
}

// append writes rows behind those that were written before, without the brackets of the list.
func (x *rowWriter) append(b []byte, rows Rows) []byte {
	b = slices.Grow(b, x.size(rows)+2)
	for i := range rows {
		mark := len(b)
		if x.some {
			b = append(b, ',')
		}
		b = append(b, '{')
		start := len(b)
		for _, s := range x.shown {
			b = x.places.appendSub(b, s, &rows[i])
		}
		if len(b) == start {
			b = b[:mark]
			continue
		}
		x.some = true
		b[len(b)-1] = '}' // the last comma
	}
	return b
}

// shownSub is a sub-attribute that is shown, with its name in quotes.
type shownSub struct {
	attr *Attribute
	name []byte
}

// places are the addresses of collections that $ref points at, by the row's type.
type places struct {
	w     renderer
	known map[string][]byte
}

// of is the address as the beginning of a JSON string, with its quote and a slash at the end; nil where $ref points at none of our
// types.
func (p places) of(ref *Attribute, kind string) []byte {
	place, seen := p.known[kind]
	if seen {
		return place
	}
	if t := p.w.referenced(ref, kind); t != nil {
		place = appendString(nil, p.w.location(t, ""))
		place = place[:len(place)-1]
	}
	p.known[kind] = place
	return place
}

// appendSub writes "name":value and a comma, or nothing.
func (p places) appendSub(b []byte, s shownSub, row *Row) []byte {
	text, place := row.text(s.attr.Name), []byte(nil)
	if s.attr.Name == "$ref" && row.Value != "" {
		if place = p.of(s.attr, row.Type); place != nil {
			text = url.PathEscape(row.Value)
		}
	}
	if text == "" {
		return b
	}
	b = append(b, s.name...)
	b = append(append(b, ':'), place...)
	at := len(b)
	b = appendString(b, text)
	if place != nil {
		b = slices.Delete(b, at, at+1) // the quote stands before the address
	}
	return append(b, ',')
}

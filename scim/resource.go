package scim

import "encoding/json"

// Resource is one SCIM resource as understood: canonical attribute names ("userName", never
// "USERNAME"), values of the declared types (string, bool, json.Number, []any, map[string]any),
// extensions as maps under their URN. An unassigned attribute has no key: there is no nil, no
// empty string and no empty list in it, except an explicit empty list of a row-level attribute,
// which empties that list.
//
// An extension that the type does not know has simple values only, and the letter case in which it
// came first; its paths are found in any.
//
// A Resource never holds "schemas", which follows from its content, and never a password. What a
// Backend returns should hold "id" and "meta" with "created" and "lastModified" (RFC 3339, UTC);
// the Handler adds the rest of meta and every "$ref".
type Resource map[string]any

// ID returns the resource's id, or "".
func (r Resource) ID() string { return r.String("id") }

// String returns the string at "attr", "attr.sub" or "URN:attr.sub" in canonical spelling. For a
// multi-valued attribute it is that of the primary element, else of the first. It returns ""
// where there is no string.
func (r Resource) String(path string) string {
	container, name, sub := r.locate(path)
	v := container[name]
	if list, ok := v.([]any); ok {
		v = primaryOf(list)
	}
	if sub != "" {
		m, _ := v.(map[string]any)
		v = m[sub]
	}
	s, _ := v.(string)
	return s
}

// locate splits a path and returns the map that holds its attribute. Extensions are found by
// the keys of r, the longest first, since a URN contains dots and colons itself.
func (r Resource) locate(path string) (container map[string]any, name, sub string) {
	container = r
	if isURN(path) {
		longest := 0
		for key := range r {
			if n := len(key); n > longest && len(path) > n && path[n] == ':' && path[:n] == key {
				container, _ = r[key].(map[string]any)
				longest = n + 1
			}
		}
		path = path[longest:]
	}
	for i := 0; i < len(path); i++ {
		if path[i] == '.' {
			return container, path[:i], path[i+1:]
		}
	}
	return container, path, ""
}

func primaryOf(list []any) any {
	for _, e := range list {
		if m, ok := e.(map[string]any); ok && m["primary"] == true {
			return e
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return nil
}

// Bool returns the boolean at a top-level attribute and whether it is there.
func (r Resource) Bool(name string) (value, present bool) {
	value, present = r[name].(bool)
	return value, present
}

// Extension returns the extension's data, or nil. The map is r's own.
func (r Resource) Extension(urn string) map[string]any {
	m, _ := r[urn].(map[string]any)
	return m
}

// Value is an element of a multi-valued complex attribute in the standard's common form (RFC
// 7643 section 2.4).
type Value struct {
	Value, Type, Display string
	Primary              bool
}

// Values returns the elements of a multi-valued attribute ("emails", "roles", "groups").
func (r Resource) Values(name string) []Value {
	list, _ := r[name].([]any)
	out := make([]Value, 0, len(list))
	for _, e := range list {
		switch e := e.(type) {
		case map[string]any:
			var v Value
			v.Value, _ = e["value"].(string)
			v.Type, _ = e["type"].(string)
			v.Display, _ = e["display"].(string)
			v.Primary, _ = e["primary"].(bool)
			out = append(out, v)
		case string:
			out = append(out, Value{Value: e})
		}
	}
	return out
}

// Members returns the ids in "members" and whether the resource names members at all: a PUT
// without them leaves a group's members alone, a PUT with an empty list empties it.
func (r Resource) Members() (ids []string, present bool) {
	if rows, ok := r["members"].(Rows); ok {
		for i := range rows {
			ids = append(ids, rows[i].Value)
		}
		return ids, true
	}
	list, present := r["members"].([]any)
	for _, v := range list {
		if m, ok := v.(map[string]any); ok {
			if id, ok := m["value"].(string); ok {
				ids = append(ids, id)
			}
		}
	}
	return ids, present
}

// Clone returns a deep copy.
func (r Resource) Clone() Resource {
	if r == nil {
		return nil
	}
	return Resource(cloneMap(r))
}

func cloneMap(m map[string]any) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = cloneValue(v)
	}
	return out
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneMap(v)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = cloneValue(e)
		}
		return out
	}
	return v
}

// Equal reports whether two resources say the same, element order included. A PATCH or PUT
// whose result is Equal to what was there has changed nothing.
func Equal(a, b Resource) bool { return equalMap(a, b) }

func equalMap(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || !equalValue(v, w) {
			return false
		}
	}
	return true
}

func equalValue(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMap(a, b)
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalValue(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case json.Number:
		b, ok := b.(json.Number)
		return ok && a == b
	case nil:
		return b == nil
	}
	return false
}

// Parse reads a stored document back into a Resource: the JSON that AppendJSON wrote. It checks
// the JSON and not the schema.
func Parse(doc []byte) (Resource, error) {
	o, err := decodeObject(doc)
	if err != nil {
		return nil, err
	}
	return Resource(o.plain()), nil
}

// AppendJSON appends the resource as JSON with sorted keys, for storage: equal resources give
// equal bytes. Answers to clients are written by the Handler, in the order of the schema.
func (r Resource) AppendJSON(b []byte) []byte { return appendPlain(b, map[string]any(r)) }

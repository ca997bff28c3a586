package scim

import (
	"net/http"
	"strings"
)

// bulkRef takes the bulkId out of a reference, "bulkId:x" (RFC 7644 section 3.7.2).
func bulkRef(s string) (ref string, ok bool) {
	const prefix = "bulkId:"
	if len(s) <= len(prefix) || !equalFoldASCII(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// resolve returns the id that a bulkId stands for.
func (b *bulk) resolve(ref string) (string, error) {
	op := b.named[ref]
	switch {
	case op == nil:
		return "", bad(TypeInvalidValue, "No operation of this request has the bulkId %s.", quote(ref))
	case op.id != "" && (op.method != http.MethodPost || op.state == bulkDone):
		return op.id, nil
	case op.state == bulkDone:
		return "", Errorf(http.StatusConflict, "", "The operation with the bulkId %s failed, so there is nothing to refer to.", quote(ref))
	}
	return "", Errorf(http.StatusConflict, "", "The reference to the bulkId %s could not be resolved.", quote(ref))
}

// resolveIn returns a copy of an attribute's value with ids in place of references.
func (b *bulk) resolveIn(v any) (any, error) {
	var failed error
	out := mapRefs(v, func(s, ref string) string {
		id, err := b.resolve(ref)
		if err != nil {
			if failed == nil {
				failed = err
			}
			return s
		}
		return id
	})
	return out, failed
}

// mapRefs copies a value and puts what f returns in place of each reference: a bare string, an element of a list, or
// the "value" of an object. A text in a path's filter counts, as in members[value eq "bulkId:x"].
func mapRefs(v any, f func(s, ref string) string) any {
	switch v := v.(type) {
	case string:
		if ref, ok := bulkRef(v); ok {
			return f(v, ref)
		}
	case filterText:
		return mapFilterText(string(v), f)
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = mapRefs(e, f)
		}
		return out
	case object:
		out := make(object, len(v))
		for i, m := range v {
			if out[i] = m; equalFoldASCII(m.name, "value") {
				out[i].value = mapRefs(m.value, f)
			}
		}
		return out
	}
	return v
}

// filterText is the path of a PATCH operation, in whose filter references stand in quotes.
type filterText string

func mapFilterText(text string, f func(s, ref string) string) any {
	var out []byte
	for {
		i := strings.IndexByte(text, '"')
		if i < 0 {
			return string(append(out, text...))
		}
		s, n, why := unquote([]byte(text[i:]))
		if why != "" {
			return string(append(out, text...))
		}
		out = append(out, text[:i]...)
		if ref, ok := bulkRef(s); ok {
			out = appendString(out, f(s, ref))
		} else {
			out = append(out, text[i:i+n]...)
		}
		text = text[i+n:]
	}
}

// eachRef calls f for every reference in an attribute's value.
func eachRef(v any, f func(ref string)) {
	mapRefs(v, func(s, ref string) string {
		f(ref)
		return s
	})
}

// eachReference calls f for every reference of an operation, that in its path first.
func (b *bulk) eachReference(op *bulkOp, f func(ref string)) {
	if op.pathRef != "" {
		f(op.pathRef)
	}
	b.rewrite(op, func(_ string, v any) (any, bool) {
		eachRef(v, f)
		return v, true
	})
}

// rewrite copies the data of an operation and hands each attribute that can hold ids of other resources to f, with its
// path; f returns its new value, or false to leave it out.
func (b *bulk) rewrite(op *bulkOp, f func(path string, v any) (any, bool)) object {
	t := op.route.t
	if t == nil || op.data == nil {
		return op.data
	}
	w := refWalk{h: b.e.h, t: t, f: f}
	if op.method != http.MethodPatch {
		return w.document(op.data, "")
	}
	out := make(object, len(op.data))
	for i, m := range op.data {
		if list, ok := m.value.([]any); ok && equalFoldASCII(m.name, "Operations") {
			m.value = w.operations(list)
		}
		out[i] = m
	}
	return out
}

type refWalk struct {
	h *Handler
	t *ResourceType
	f func(path string, v any) (any, bool)
}

// document copies a resource, or the data of an extension: urn is its URN with a colon.
func (w refWalk) document(o object, urn string) object {
	out := make(object, 0, len(o))
	for _, m := range o {
		if inner, ok := m.value.(object); ok && urn == "" && w.t.space(m.name) != nil {
			m.value = w.document(inner, m.name+":")
		} else if path := urn + m.name; w.refers(path) {
			if m.value, ok = w.f(path, m.value); !ok {
				continue
			}
		}
		out = append(out, m)
	}
	return out
}

// operations copies the operations of a PATCH.
func (w refWalk) operations(list []any) []any {
	out := make([]any, len(list))
	for i, v := range list {
		out[i] = v
		o, ok := v.(object)
		if !ok {
			continue
		}
		value, _ := o.get("value")
		text, _ := o.get("path")
		path, _ := text.(string)
		within := "" // the URN that the keys of the value are under
		if w.t.space(path) != nil {
			path, within = "", path+":"
		} else if path != "" && !w.refers(path) {
			continue
		}
		copied := make(object, 0, len(o))
		for _, m := range o {
			switch {
			case path != "" && equalFoldASCII(m.name, "path"):
				m.value, _ = w.f(path, filterText(path))
			case path != "" && equalFoldASCII(m.name, "value"):
				m.value, _ = w.f(path, value)
			case equalFoldASCII(m.name, "value"):
				if keys, ok := value.(object); ok {
					m.value = w.document(keys, within)
				}
			}
			copied = append(copied, m)
		}
		out[i] = copied
	}
	return out
}

// refers reports whether the attribute at the start of a path can hold the id of another resource: rows such as
// members, what has a $ref such as manager, and references to a type that is served.
func (w refWalk) refers(path string) bool {
	s, why := scope{t: w.t}.scan(path)
	if why != "" || s.attr == nil || s.attr.Mutability == ReadOnly {
		return false
	}
	a := s.attr
	return a.RowLevel || a.Sub("$ref") != nil || w.pointsAtServed(a) || a.Sub("value") != nil && w.pointsAtServed(a.Sub("value"))
}

func (w refWalk) pointsAtServed(a *Attribute) bool {
	return a.Type == Reference && w.h.renderer().referenced(a, "") != nil
}

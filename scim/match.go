package scim

import (
	"encoding/json"
	"math/big"
	"strings"
	"time"
)

// Match evaluates f on a resource of type t in memory. A nil filter matches everything. f must
// come from ParseFilter for the same type. "%" and "_" are characters like any other.
func Match(t *ResourceType, f Filter, r Resource) bool {
	if f == nil {
		return true
	}
	return matcher{t: t, r: r}.match(f)
}

// matcher looks paths up in a resource, or, inside a value path, in one element.
type matcher struct {
	t      *ResourceType
	r      Resource
	parent *Attribute // set inside a value path, with elem
	elem   any
}

func (m matcher) match(f Filter) bool {
	switch f := f.(type) {
	case And:
		for _, term := range f.Terms {
			if !m.match(term) {
				return false
			}
		}
		return true
	case Or:
		for _, term := range f.Terms {
			if m.match(term) {
				return true
			}
		}
		return false
	case Not:
		return !m.match(f.Term)
	case Present:
		v, _ := m.find(f.Path)
		return assigned(v)
	case Compare:
		v, a := m.find(f.Path)
		return a != nil && matchAny(a, f.Op, v, f.Value)
	case ValuePath:
		v, a := m.find(f.Path)
		if a == nil {
			return false
		}
		list, _ := v.([]any)
		for _, e := range list {
			if matchElement(a, f.Filter, e) {
				return true
			}
		}
	}
	return false
}

// matchElement evaluates a filter of bare sub-attribute names on one element of a.
func matchElement(a *Attribute, f Filter, elem any) bool {
	return matcher{parent: a, elem: elem}.match(f)
}

// find returns what a path holds and its attribute. Of a sub-attribute of a multi-valued
// attribute it returns the list of all.
func (m matcher) find(p AttrPath) (any, *Attribute) {
	if m.parent != nil {
		a := m.parent.element(p.Name)
		if e, ok := m.elem.(map[string]any); ok {
			return e[p.Name], a
		}
		return m.elem, a
	}
	a := m.t.top(p.URN, p.Name)
	if a == nil {
		if p.URN != "" && m.t.space(p.URN) == nil {
			return openText(m.r.openData(p)), &Attribute{Name: p.Name}
		}
		return nil, nil
	}
	container := map[string]any(m.r)
	if p.URN != "" {
		container = m.r.Extension(p.URN)
	}
	v := container[p.Name]
	if p.URN == "" && p.Name == "schemas" {
		v = stringsAsAny(m.t.SchemasOf(m.r))
	}
	if p.Sub == "" {
		return v, a
	}
	return subValue(v, p.Sub), a.Sub(p.Sub)
}

func subValue(v any, sub string) any {
	switch v := v.(type) {
	case map[string]any:
		return v[sub]
	case []any:
		out := make([]any, 0, len(v))
		for _, e := range v {
			if m, ok := e.(map[string]any); ok {
				if s, ok := m[sub]; ok {
					out = append(out, s)
				}
			}
		}
		return out
	}
	return nil
}

func stringsAsAny(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// assigned reports a value: not nil, not empty, and for what has parts any part that is.
func assigned(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		for _, e := range v {
			if assigned(e) {
				return true
			}
		}
		return false
	case map[string]any:
		for _, e := range v {
			if assigned(e) {
				return true
			}
		}
		return false
	}
	return true
}

func matchAny(a *Attribute, op CompareOp, have, want any) bool {
	list, ok := have.([]any)
	if !ok {
		if have == nil {
			return op == NotEqual
		}
		return matchOne(a, op, have, want)
	}
	for _, v := range list {
		if matchOne(a, op, v, want) {
			return true
		}
	}
	return op == NotEqual && len(list) == 0
}

func matchOne(a *Attribute, op CompareOp, have, want any) bool {
	switch have := have.(type) {
	case bool:
		return (have == want) == (op == EqualTo)
	case json.Number:
		w, ok := want.(json.Number)
		return ok && ordered(op, compareNumbers(have, w))
	case string:
		w, ok := want.(string)
		if !ok {
			return op == NotEqual
		}
		if a.Type == DateTime {
			return matchInstant(op, have, w)
		}
		return matchText(op, have, w, a.Exact())
	}
	return false
}

func matchInstant(op CompareOp, have, want string) bool {
	h, err1 := time.Parse(time.RFC3339, have)
	w, err2 := time.Parse(time.RFC3339, want)
	return err1 == nil && err2 == nil && ordered(op, h.Compare(w))
}

func matchText(op CompareOp, have, want string, exact bool) bool {
	if !exact {
		if op == EqualTo || op == NotEqual {
			return strings.EqualFold(have, want) == (op == EqualTo)
		}
		have, want = Fold(have), Fold(want)
	}
	switch op {
	case Contains:
		return strings.Contains(have, want)
	case StartsWith:
		return strings.HasPrefix(have, want)
	case EndsWith:
		return strings.HasSuffix(have, want)
	}
	return ordered(op, strings.Compare(have, want))
}

func ordered(op CompareOp, c int) bool {
	switch op {
	case EqualTo:
		return c == 0
	case NotEqual:
		return c != 0
	case Greater:
		return c > 0
	case GreaterEquals:
		return c >= 0
	case Less:
		return c < 0
	case LessEquals:
		return c <= 0
	}
	return false
}

// compareNumbers compares by size. big.Rat would spell out 1e999999999, so numbers with an
// exponent go through big.Float.
func compareNumbers(a, b json.Number) int {
	if strings.ContainsAny(string(a)+string(b), "eE") {
		x, _, err1 := big.ParseFloat(string(a), 10, 256, big.ToNearestEven)
		y, _, err2 := big.ParseFloat(string(b), 10, 256, big.ToNearestEven)
		if err1 != nil || err2 != nil {
			return strings.Compare(string(a), string(b))
		}
		return x.Cmp(y)
	}
	x, ok1 := new(big.Rat).SetString(string(a))
	y, ok2 := new(big.Rat).SetString(string(b))
	if !ok1 || !ok2 {
		return strings.Compare(string(a), string(b))
	}
	return x.Cmp(y)
}

package scim

import (
	"encoding/json"
	"strings"
	"time"
)

// CompareBy orders two resources of type t by an attribute, ascending (RFC 7644 section 3.4.2.3): it is negative
// where a comes first and 0 where the attribute does not tell. Strings follow the attribute's Exact, instants
// compare by time, numbers by size, false comes before true. A multi-valued attribute counts by its primary
// element, else its first, a complex one by its "value". A resource without a value comes last.
//
// The caller negates for descending, which puts missing values first as the standard asks, and breaks ties.
func CompareBy(t *ResourceType, path AttrPath, a, b Resource) int {
	return compareKeys(sortKeyOf(t, path, a), sortKeyOf(t, path, b))
}

// sortKey is what a resource is sorted by: a string, bool or json.Number, nil for no value.
type sortKey struct {
	value any
	attr  *Attribute
}

func sortKeyOf(t *ResourceType, path AttrPath, r Resource) sortKey {
	v, a := matcher{t: t, r: r}.find(AttrPath{URN: path.URN, Name: path.Name})
	if list, ok := v.([]any); ok {
		v = primaryOf(list)
	}
	if m, ok := v.(map[string]any); ok {
		sub := path.Sub
		if sub == "" {
			sub = "value"
		}
		v = m[sub]
		if a != nil {
			a = a.Sub(sub)
		}
	}
	if a == nil || !assigned(v) {
		return sortKey{}
	}
	return sortKey{v, a}
}

func compareKeys(a, b sortKey) int {
	switch {
	case a.value == nil && b.value == nil:
		return 0
	case a.value == nil:
		return 1
	case b.value == nil:
		return -1
	}
	switch x := a.value.(type) {
	case bool:
		if y, ok := b.value.(bool); ok {
			return compareBools(x, y)
		}
	case json.Number:
		if y, ok := b.value.(json.Number); ok {
			return compareNumbers(x, y)
		}
	case string:
		if y, ok := b.value.(string); ok {
			return compareText(a.attr, x, y)
		}
	}
	return 0 // of two types: no order that means anything
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// compareText compares as the attribute says. An instant that is none, which only a Backend could have made,
// is compared as text.
func compareText(attr *Attribute, a, b string) int {
	if attr.Type == DateTime {
		x, err1 := time.Parse(time.RFC3339, a)
		y, err2 := time.Parse(time.RFC3339, b)
		if err1 == nil && err2 == nil {
			return x.Compare(y)
		}
	}
	if attr.Exact() {
		return strings.Compare(a, b)
	}
	return strings.Compare(Fold(a), Fold(b))
}

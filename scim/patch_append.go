package scim

// appendDistinct appends values to a list. A value that is there already is dropped; one with
// the value and type of an element is merged into it, since the same pair should not occur
// twice (RFC 7643 section 2.4). A new primary element takes the mark from the others.
//
// Existing elements are found by hash, so that the cost is the size of both lists.
func appendDistinct(list []any, a *Attribute, v any) []any {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	at := make(map[string]int, len(list)+len(values))
	for i, e := range list {
		if key := identity(a, e); key != "" {
			if _, seen := at[key]; !seen {
				at[key] = i
			}
		}
	}
	lead := -1
	for _, v := range values {
		v = cloneValue(v)
		key := identity(a, v)
		i, seen := at[key]
		switch {
		case !seen:
			i = len(list)
			list = append(list, v)
			at[key] = i
		default:
			mergeElement(list[i], v)
		}
		if m, ok := v.(map[string]any); ok && m["primary"] == true && lead < 0 {
			lead = i
		}
	}
	if lead >= 0 {
		leadPrimary(list, lead, Op{Value: map[string]any{"primary": true}})
	}
	return list
}

// identity is what makes two elements the same: value and type where there is a value, else
// everything.
func identity(a *Attribute, e any) string {
	m, ok := e.(map[string]any)
	if !ok {
		return string(appendPlain(nil, e))
	}
	value, ok := m["value"].(string)
	if !ok {
		return string(appendPlain(nil, withoutPrimary(m)))
	}
	if sub := a.Sub("value"); sub != nil && !sub.Exact() {
		value = Fold(value)
	}
	kind, _ := m["type"].(string)
	return string(appendPlain(nil, []any{value, Fold(kind)}))
}

func withoutPrimary(m map[string]any) map[string]any {
	if _, has := m["primary"]; !has {
		return m
	}
	c := make(map[string]any, len(m))
	for k, v := range m {
		if k != "primary" {
			c[k] = v
		}
	}
	return c
}

func mergeElement(into, from any) {
	m, ok1 := into.(map[string]any)
	f, ok2 := from.(map[string]any)
	if ok1 && ok2 {
		for k, v := range f {
			m[k] = v
		}
	}
}

package scim

// ApplyReplace performs a PUT on a stored resource: r takes the place of stored, except for what
// a PUT cannot change or, by its absence, does not mean to. Kept are id, meta and every
// read-only attribute; "active" and other permanent attributes when r has no value (a PUT
// without active must never let a deactivated user in again); row-level attributes when r does not
// name them; and attributes that are never returned, or on request alone, which a client that sends back
// what it read does not have. Unknown extensions keep their spelling. It returns the result and whether that differs from stored. Neither
// argument is changed. A different value for a set immutable attribute is 400 mutability (RFC 7644
// section 3.5.1).
func ApplyReplace(t *ResourceType, stored, r Resource) (next Resource, changed bool, err error) {
	t.index()
	next = r.Clone()
	for _, a := range t.core {
		if err := keep(next, stored, a, ""); err != nil {
			return nil, false, err
		}
	}
	for _, e := range t.Extensions {
		old := stored.Extension(e.Schema.ID)
		if old == nil {
			continue
		}
		data := next.Extension(e.Schema.ID)
		if data == nil {
			data = map[string]any{}
		}
		for _, a := range e.Schema.Attributes {
			if err := keep(data, old, a, e.Schema.ID); err != nil {
				return nil, false, err
			}
		}
		put(next, e.Schema.ID, data)
	}
	next.keepAside(stored)
	t.keepSpelling(next, stored)
	return next, !Equal(stored, next), nil
}

// keep carries one attribute over from what was stored, where a PUT leaves it.
func keep(next, stored map[string]any, a *Attribute, urn string) error {
	old, had := stored[a.Name]
	if !had {
		return nil
	}
	v, has := next[a.Name]
	switch {
	case a.Mutability == ReadOnly, !has && (a.Permanent || a.RowLevel || a.hidden()):
		next[a.Name] = cloneValue(old)
	case a.Mutability == Immutable && !has:
		next[a.Name] = cloneValue(old)
	case a.Mutability == Immutable && !sameValue(a, old, v):
		return immutable(Path{AttrPath: AttrPath{URN: urn, Name: a.Name}})
	case a.isComplex() && !a.MultiValued:
		return keepParts(next, old, a, urn)
	}
	return nil
}

// keepParts is keep for what is in a complex value. A whole that the PUT leaves out goes, unless something in it is
// not the client's to take away.
func keepParts(next map[string]any, old any, a *Attribute, urn string) error {
	was, _ := old.(map[string]any)
	parts, _ := next[a.Name].(map[string]any)
	if parts == nil {
		parts = map[string]any{}
	}
	for _, sub := range a.SubAttributes {
		v, had := was[sub.Name]
		now, has := parts[sub.Name]
		switch {
		case !had:
		case sub.Mutability == ReadOnly, !has && (sub.Mutability == Immutable || sub.hidden()):
			parts[sub.Name] = cloneValue(v)
		case sub.Mutability == Immutable && !sameValue(sub, v, now):
			return immutable(Path{AttrPath: AttrPath{URN: urn, Name: a.Name, Sub: sub.Name}})
		}
	}
	put(next, a.Name, parts)
	return nil
}

// sameValue compares as the attribute's caseExact says.
func sameValue(a *Attribute, old, v any) bool {
	o, ok1 := old.(string)
	n, ok2 := v.(string)
	if ok1 && ok2 && !a.Exact() {
		return Fold(o) == Fold(n)
	}
	return equalValue(old, v)
}

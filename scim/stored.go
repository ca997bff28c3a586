package scim

import (
	"encoding/json"
	"slices"
)

// What stands in a stored document under these keys is shown to nobody and found by no filter or path. No
// attribute can be called so. Each holds maps by the URN of an extension.
const (
	asideKey  = "~aside"  // does not fit the extension as it is declared now
	sealedKey = "~sealed" // was stored under a declaration by which it is never returned
)

// Save writes r as a document for storage, which Load reads again: equal resources give equal bytes. Unlike
// AppendJSON it is for a type whose extensions can change while there are resources, since somebody configures
// them. What is never returned is kept apart, so that it stays unseen when its declaration is gone.
func (t *ResourceType) Save(r Resource) []byte {
	t.index()
	copied := false
	for _, e := range t.Extensions {
		data := r.Extension(e.Schema.ID)
		for _, a := range e.Schema.Attributes {
			v := data[a.Name]
			if v == nil || !a.seals() {
				continue
			}
			if !copied {
				r, copied = r.Clone(), true
			}
			r.move(sealedKey, e.Schema.ID, a.Name, v)
		}
	}
	return r.AppendJSON(nil)
}

// Load reads a document that Save or AppendJSON wrote, perhaps when the extensions of t were others or were not
// known at all. Names get the spelling of the declaration, and a value counts where it fits: as POST in lenient mode would
// take it. What does not fit, or is not declared in an extension that is, is put aside: no answer has it, it
// stays stored, and it counts again under a declaration that it fits, or as data of an unknown extension once there is no
// declaration. A PATCH of the attribute ends that. What was stored as never returned stays unseen.
func (t *ResourceType) Load(doc []byte) (Resource, error) {
	r, err := Parse(doc)
	if err != nil {
		return nil, err
	}
	t.index()
	aside, _ := r[asideKey].(map[string]any)
	sealed, _ := r[sealedKey].(map[string]any)
	delete(r, asideKey)
	for urn, v := range aside {
		data, _ := v.(map[string]any)
		for _, name := range sortedKeys(data) {
			r.offer(t, urn, name, data[name])
		}
	}
	for _, e := range t.Extensions {
		if !e.Schema.fixed {
			t.conform(r, e.Schema, sealed)
		}
	}
	for _, urn := range t.openURNs(r) {
		for name, v := range r.Extension(urn) {
			if !isSimple(v) {
				r.move(asideKey, urn, name, v)
			}
		}
	}
	return r, nil
}

// isSimple reports a value that data of an unknown extension can have.
func isSimple(v any) bool {
	switch v.(type) {
	case string, bool, json.Number:
		return true
	}
	return false
}

// offer puts back what was aside where an extension now could have it.
func (r Resource) offer(t *ResourceType, urn, name string, v any) {
	if t.space(urn) == nil {
		if !t.opens(urn) || !isSimple(v) {
			r.putUnder(asideKey, urn, name, v)
			return
		}
	}
	key, ok := findFold(r, urn)
	if !ok {
		key = urn
	}
	data := r.Extension(key)
	if _, taken := findFold(data, name); taken {
		return // written since
	}
	if data == nil {
		data = map[string]any{}
		r[key] = data
	}
	data[name] = v
}

// conform makes the data of one extension fit its schema.
func (t *ResourceType) conform(r Resource, s *Schema, sealed map[string]any) {
	respell(r, s.ID)
	data, attrs := r.Extension(s.ID), t.space(s.ID).attrs
	for _, name := range sortedKeys(data) {
		a := attrs[lowerASCII(name)]
		if a == nil {
			r.move(asideKey, s.ID, name, data[name])
			continue
		}
		respell(data, a.Name)
		if v, fits := adapt(a, data[a.Name]); fits {
			data[a.Name] = v
		} else {
			r.move(asideKey, s.ID, a.Name, data[a.Name])
		}
	}
	key, ok := findFold(sealed, s.ID)
	if !ok {
		return
	}
	unseen, _ := sealed[key].(map[string]any)
	for _, name := range sortedKeys(unseen) {
		a := attrs[lowerASCII(name)]
		if a == nil || !a.seals() {
			continue // nobody may see it under this declaration
		}
		if v, fits := adapt(a, unseen[name]); fits && r.Extension(s.ID)[a.Name] == nil {
			if r.Extension(s.ID) == nil {
				r[s.ID] = map[string]any{}
			}
			r.Extension(s.ID)[a.Name] = v
			delete(unseen, name)
		}
	}
	if put(sealed, key, unseen); len(sealed) == 0 {
		delete(r, sealedKey)
	}
}

// move takes an attribute out of an extension and keeps it apart under key.
func (r Resource) move(key, urn, name string, v any) {
	data := r.Extension(urn)
	delete(data, name)
	put(r, urn, data)
	r.putUnder(key, urn, name, v)
}

func (r Resource) putUnder(key, urn, name string, v any) {
	all, _ := r[key].(map[string]any)
	if all == nil {
		all = map[string]any{}
		r[key] = all
	}
	under, _ := all[urn].(map[string]any)
	if under == nil {
		under = map[string]any{}
		all[urn] = under
	}
	under[name] = v
}

// keepAside carries what is kept apart over a PUT, which cannot mean what its client does not see. What the PUT
// gives anew takes the place of the old.
func (r Resource) keepAside(stored Resource) {
	for _, key := range [...]string{asideKey, sealedKey} {
		all, _ := stored[key].(map[string]any)
		if all == nil {
			continue
		}
		r[key] = cloneValue(all)
		for _, urn := range sortedKeys(all) {
			for _, name := range sortedKeys(r.Extension(urn)) {
				r.forget(urn, name)
			}
		}
	}
}

// forget ends what is kept apart of an attribute, with an empty name of a whole extension.
func (r Resource) forget(urn, name string) {
	for _, key := range [...]string{asideKey, sealedKey} {
		all, _ := r[key].(map[string]any)
		at, ok := findFold(all, urn)
		if !ok {
			continue
		}
		under, _ := all[at].(map[string]any)
		if name == "" {
			under = nil
		} else if one, ok := findFold(under, name); ok {
			delete(under, one)
		}
		if put(all, at, under); len(all) == 0 {
			delete(r, key)
		}
	}
}

// adapt returns a stored value as a declares it, as lenient mode would read it.
func adapt(a *Attribute, v any) (any, bool) {
	list, isList := v.([]any)
	switch {
	case a.MultiValued && !isList:
		one, ok := adaptOne(a, v)
		return []any{one}, ok
	case a.MultiValued:
		out := make([]any, len(list))
		for i, e := range list {
			one, ok := adaptOne(a, e)
			if !ok {
				return nil, false
			}
			out[i] = one
		}
		return out, len(list) > 0 && len(list) <= maxValues
	case isList && len(list) == 1:
		v = list[0]
	}
	return adaptOne(a, v)
}

func adaptOne(a *Attribute, v any) (any, bool) {
	m, isMap := v.(map[string]any)
	switch {
	case a.isComplex() && isMap:
		for _, sub := range a.SubAttributes {
			if part, has := m[sub.Name]; has {
				fitting, ok := adapt(sub, part)
				if !ok {
					return nil, false
				}
				m[sub.Name] = fitting
			}
		}
		return m, true
	case a.isComplex() || !isSimple(v):
		return nil, false
	}
	out, err := scalar(a, v, "")
	return out, err == nil
}

func sortedKeys(m map[string]any) []string {
	keys := keysOf(m)
	slices.Sort(keys)
	return keys
}

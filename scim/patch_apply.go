package scim

import "net/http"

// maxPatchVisits bounds how many filter terms one PATCH evaluates on elements, so that a
// thousand operations on a long list, or on a short one of long texts, stay cheap.
const maxPatchVisits = 2_000_000

// weigh returns what looking at every element of list costs, in visits: one for each element and
// one for each 8 bytes of text in it, which a comparison folds and searches.
func weigh(list []any) int {
	size := 0
	for _, e := range list {
		if s, ok := e.(string); ok {
			size += len(s)
		}
		m, _ := e.(map[string]any)
		for _, v := range m {
			if s, ok := v.(string); ok {
				size += len(s)
			}
		}
	}
	return len(list) + size/8
}

// Apply performs the attribute operations in order on a copy of r and returns the copy, and
// whether it differs from r. Members are not its business. r is not changed.
//
// A replace whose value filter selects nothing is 400 noTarget, except that with a
// sub-attribute, as in emails[type eq "work"].value, the element is created from the filter's
// equality terms: Entra relies on it. A Patch that was parsed in strict mode differs as Tolerances
// says. Source: RFC 7644 section 3.5.2.
func (p Patch) Apply(r Resource) (next Resource, changed bool, err error) {
	next = r.Clone()
	if next == nil {
		next = Resource{}
	}
	ap := applier{t: p.t, mode: p.mode, visits: maxPatchVisits}
	for _, op := range p.Ops {
		if err := ap.apply(next, op); err != nil {
			return nil, false, err
		}
	}
	return next, !Equal(r, next), nil
}

type applier struct {
	t      *ResourceType
	mode   Mode
	visits int
}

func (ap *applier) apply(r Resource, op Op) error {
	urn, name := op.Path.URN, op.Path.Name
	if urn != "" && ap.t.space(urn) == nil {
		return ap.open(r, op)
	}
	if name == "" {
		return ap.removeExtension(r, urn)
	}
	a := ap.t.top(urn, name)
	if a == nil {
		return bad(TypeInvalidPath, "%s is not an attribute of %s.", quote(op.Path.AttrPath.String()), ap.t.Name)
	}
	container := map[string]any(r)
	if urn != "" {
		if container = r.Extension(urn); container == nil {
			container = map[string]any{}
		}
	}
	var err error
	if a.MultiValued {
		err = ap.multi(container, a, op)
	} else {
		err = ap.single(container, a, op)
	}
	if urn != "" {
		put(r, urn, container)
		r.forget(urn, a.Name)
	}
	return err
}

// removeExtension takes an extension away but for what the client cannot change.
func (ap *applier) removeExtension(r Resource, urn string) error {
	data, kept := r.Extension(urn), map[string]any{}
	for _, a := range ap.t.space(urn).attrs {
		switch v := data[a.Name]; {
		case v == nil:
		case a.Mutability == ReadOnly:
			kept[a.Name] = v
		case a.Mutability == Immutable:
			return immutable(Path{AttrPath: AttrPath{URN: urn, Name: a.Name}})
		}
	}
	put(r, urn, kept)
	r.forget(urn, "")
	return nil
}

// put sets a key, or deletes it where there is nothing to hold.
func put(m map[string]any, key string, v any) {
	if empty(v) {
		delete(m, key)
		return
	}
	m[key] = v
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func (ap *applier) single(m map[string]any, a *Attribute, op Op) error {
	if op.Path.Sub == "" && !a.isComplex() {
		return assign(m, a, op.Value)
	}
	if op.Path.Sub == "" && op.Kind == Remove {
		return assign(m, a, nil)
	}
	parent, _ := m[a.Name].(map[string]any)
	if parent == nil {
		parent = map[string]any{}
	} else if a.Mutability == Immutable {
		return immutable(op.Path)
	} else if ap.mode.strict() && op.Kind == Replace && op.Path.Sub == "" {
		parent = serverOwned(a, parent)
	}
	if err := mergeInto(parent, a, op); err != nil {
		return err
	}
	put(m, a.Name, parent)
	return nil
}

// serverOwned is what stays of a complex value that is replaced as a whole.
func serverOwned(a *Attribute, m map[string]any) map[string]any {
	kept := map[string]any{}
	for _, sub := range a.SubAttributes {
		if v := m[sub.Name]; v != nil && sub.Mutability == ReadOnly {
			kept[sub.Name] = v
		}
	}
	return kept
}

// assign sets a simple attribute, nil to unassign it.
func assign(m map[string]any, a *Attribute, v any) error {
	if old, ok := m[a.Name]; ok && a.Mutability == Immutable && !sameValue(a, old, v) {
		return immutable(Path{AttrPath: AttrPath{Name: a.Name}})
	}
	put(m, a.Name, cloneValue(v))
	return nil
}

func immutable(p Path) error {
	return bad(TypeMutability, "%s is immutable and has a value.", quote(p.String()))
}

// mergeInto applies op to one complex value: its sub-attribute, or the map to merge.
func mergeInto(into map[string]any, a *Attribute, op Op) error {
	if op.Path.Sub != "" {
		return assign(into, a.Sub(op.Path.Sub), op.Value)
	}
	m, _ := op.Value.(map[string]any)
	for name, v := range m {
		sub := a.Sub(name)
		if sub == nil {
			continue
		}
		if err := assign(into, sub, v); err != nil {
			return err
		}
	}
	return nil
}

// multi applies op to a multi-valued attribute.
func (ap *applier) multi(m map[string]any, a *Attribute, op Op) (err error) {
	list, _ := m[a.Name].([]any)
	if a.Mutability == Immutable && len(list) > 0 {
		// On a copy: elements are changed where they are.
		before := list
		list, _ = cloneValue(list).([]any)
		defer func() {
			if now, _ := m[a.Name].([]any); err == nil && !equalValue(before, now) {
				m[a.Name], err = before, immutable(op.Path)
			}
		}()
	}
	switch {
	case op.Path.Filter != nil:
		list, err = ap.filtered(list, a, op)
	case op.Path.Sub != "":
		ap.visits -= len(list)
		list, err = ap.everyElement(list, a, op)
	case op.Kind == Remove && op.Value == nil:
		list = nil
	case op.Kind == Remove:
		list = ap.without(list, op.Value.([]any))
	case op.Kind == Replace:
		list, _ = cloneValue(op.Value).([]any)
	default:
		const perIdentity = 4 // a hash costs about as much as four terms
		if ap.visits -= perIdentity * weigh(list); ap.visits >= 0 {
			list = appendDistinct(list, a, op.Value)
		}
	}
	if err != nil {
		return err
	}
	if ap.visits < 0 {
		return Errorf(http.StatusBadRequest, TypeTooMany, "The operations select among too many values; send fewer at once.")
	}
	if len(list) > maxValues {
		return bad(TypeInvalidValue, "%s would have %d values; at most %d are accepted.", a.Name, len(list), maxValues)
	}
	put(m, a.Name, list)
	return nil
}

// everyElement applies attr.sub on a list: a removal to all elements, a value only where there is
// exactly one, since the standard does not say which it would mean.
func (ap *applier) everyElement(list []any, a *Attribute, op Op) ([]any, error) {
	if op.Kind != Remove && ap.mode.strict() {
		return nil, subOfList.refused("%s selects no single value. Use %s[type eq \"...\"].%s.", quote(op.Path.String()), a.Name, op.Path.Sub)
	}
	if op.Kind != Remove && len(list) != 1 {
		return nil, bad(TypeInvalidPath, "%s selects no single value: there are %d. Use %s[type eq \"...\"].%s.", quote(op.Path.String()), len(list), a.Name, op.Path.Sub)
	}
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			if err := mergeInto(m, a, op); err != nil {
				return nil, err
			}
		}
	}
	return dropVoid(list, a), nil
}

func dropVoid(list []any, a *Attribute) []any {
	kept := list[:0]
	for _, e := range list {
		if !void(a, e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// filtered applies attr[filter] and attr[filter].sub.
func (ap *applier) filtered(list []any, a *Attribute, op Op) ([]any, error) {
	ap.visits -= weigh(list) * countTerms(op.Path.Filter)
	if ap.visits < 0 {
		return list, nil
	}
	if ap.mode.strict() && matches(list, a, op.Path.Filter) > 1 {
		return nil, severalMatches.refused("%s selects several values; one operation changes one.", quote(op.Path.String()))
	}
	if op.Kind == Remove && op.Path.Sub == "" {
		kept := list[:0]
		for _, e := range list {
			if !matchElement(a, op.Path.Filter, e) {
				kept = append(kept, e)
			}
		}
		return kept, nil
	}
	first := -1
	for i, e := range list {
		if !matchElement(a, op.Path.Filter, e) {
			continue
		}
		if first < 0 {
			first = i
		}
		m, ok := e.(map[string]any)
		if !ok {
			list[i] = op.Value
		} else if err := mergeInto(m, a, op); err != nil {
			return nil, err
		}
	}
	switch {
	case op.Kind == Remove:
		return dropVoid(list, a), nil
	case first < 0:
		if op.Kind == Replace && ap.mode.strict() {
			return nil, replaceCreates.refused("%s selects no value.", quote(op.Path.String()))
		}
		return create(list, a, op)
	}
	leadPrimary(list, first, op)
	return dropVoid(list, a), nil
}

// matches counts the elements that f selects.
func matches(list []any, a *Attribute, f Filter) int {
	n := 0
	for _, e := range list {
		if matchElement(a, f, e) {
			n++
		}
	}
	return n
}

func countTerms(f Filter) int {
	n := 0
	switch f := f.(type) {
	case And:
		for _, t := range f.Terms {
			n += countTerms(t)
		}
	case Or:
		for _, t := range f.Terms {
			n += countTerms(t)
		}
	case Not:
		n = countTerms(f.Term)
	default:
		n = 1
	}
	return n
}

// create makes the element that a filter describes, since none matched.
func create(list []any, a *Attribute, op Op) ([]any, error) {
	noTarget := bad(TypeNoTarget, "%s selects no value.", quote(op.Path.String()))
	if op.Kind == Replace && op.Path.Sub == "" || !a.isComplex() {
		return nil, noTarget
	}
	elem := map[string]any{}
	if !equalities(op.Path.Filter, elem) {
		return nil, noTarget
	}
	if err := mergeInto(elem, a, op); err != nil {
		return nil, err
	}
	if void(a, elem) {
		return nil, bad(TypeInvalidValue, "%s would create a value that says nothing but its type.", quote(op.Path.String()))
	}
	list = append(list, elem)
	leadPrimary(list, len(list)-1, Op{Value: elem})
	return list, nil
}

// equalities collects name eq value terms joined by "and". Anything else describes no element.
func equalities(f Filter, into map[string]any) bool {
	switch f := f.(type) {
	case Compare:
		if f.Op != EqualTo || f.Value == "" {
			return false
		}
		into[f.Path.Name] = f.Value
		return true
	case And:
		for _, term := range f.Terms {
			if !equalities(term, into) {
				return false
			}
		}
		return true
	}
	return false
}

// leadPrimary leaves list[lead] as the only primary element, where op made it primary.
func leadPrimary(list []any, lead int, op Op) {
	made := op.Path.Sub == "primary" && op.Value == true
	if m, ok := op.Value.(map[string]any); ok {
		made = m["primary"] == true
	}
	if !made {
		return
	}
	for i, e := range list {
		if m, ok := e.(map[string]any); ok && i != lead && m["primary"] == true {
			m["primary"] = false
		}
	}
}

// without removes the elements that values point at. A value selects by what it says; its value
// and type suffice where it has them.
func (ap *applier) without(list, values []any) []any {
	ap.visits -= weigh(list) * len(values)
	if ap.visits < 0 {
		return list
	}
	kept := list[:0]
	for _, e := range list {
		if !pointedAt(e, values) {
			kept = append(kept, e)
		}
	}
	return kept
}

func pointedAt(e any, values []any) bool {
	have, isMap := e.(map[string]any)
	for _, v := range values {
		want, ok := v.(map[string]any)
		if !isMap || !ok {
			if equalValue(e, v) {
				return true
			}
			continue
		}
		names := []string{"value", "type"}
		if want["value"] == nil {
			names = keysOf(want)
		}
		if agree(have, want, names) {
			return true
		}
	}
	return false
}

func agree(have, want map[string]any, names []string) bool {
	for _, n := range names {
		if w, said := want[n]; said && !equalValue(have[n], w) {
			return false
		}
	}
	return true
}

func keysOf(m map[string]any) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

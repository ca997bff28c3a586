package scim

import "net/http"

// maxPatchOps is how many operations a PATCH may have. IdPs batch members, one operation each.
const maxPatchOps = 1000

// ParsePatch reads the body of a PATCH for the resource with that id (RFC 7644 section 3.5.2). The
// result is validated completely: every path exists, every value has its type, nothing
// read-only is touched.
//
// What the modes make of the same body is in Tolerances. In lenient mode it accepts capitalised operations, values without a path whose keys are paths
// (Entra with aadOptscim062020), booleans as words, values wrapped in arrays, a remove with a list
// of values, and no operations at all. A password is dropped with a warning. A path under the URN of
// an unknown extension sets or unsets a simple value there, with the limits of Decode.
//
// Errors: 400 invalidSyntax, invalidPath, invalidValue, noTarget, mutability; 413 above 1,000
// operations.
func ParsePatch(t *ResourceType, mode Mode, id string, body []byte) (Patch, error) {
	o, err := decodeObject(body)
	if err != nil {
		return Patch{}, err
	}
	operations, err := patchOperations(o, mode)
	if err != nil {
		return Patch{}, err
	}
	pr := &patchReader{reader: reader{t: t, mode: mode, patch: true}, id: id}
	for i, v := range operations {
		if err := pr.operation(v, i+1); err != nil {
			return Patch{}, err
		}
	}
	pr.out.mode = mode
	pr.out.t, pr.out.Warnings, pr.out.Return = t, pr.warnings, !t.PatchNoContent
	return pr.out, nil
}

func patchOperations(o object, mode Mode) ([]any, error) {
	if !namesSchema(o, URNPatchOp) {
		return nil, bad(TypeInvalidSyntax, "\"schemas\" must contain %s.", quote(URNPatchOp))
	}
	v, ok := o.get("Operations")
	operations, isList := v.([]any)
	if !ok || !isList {
		return nil, bad(TypeInvalidSyntax, "\"Operations\" must be an array.")
	}
	if len(operations) == 0 && mode.strict() {
		return nil, noOperations.refused("\"Operations\" must have one operation at least.")
	}
	if len(operations) > maxPatchOps {
		return nil, Errorf(http.StatusRequestEntityTooLarge, "", "The request has %d operations; at most %d are accepted.", len(operations), maxPatchOps)
	}
	return operations, nil
}

// patchReader turns operations into Ops and MemberOps.
type patchReader struct {
	reader
	id  string
	out Patch
}

// request is one operation on its way: target and value as they were sent.
type request struct {
	kind    OpKind
	path    Path
	at      scanned
	value   any
	given   bool // a value was sent
	keyed   bool // the path was a key of an object without path
	element bool // the target is one element or sub-attribute, not a list
}

func (pr *patchReader) operation(v any, number int) error {
	o, ok := v.(object)
	if !ok {
		return bad(TypeInvalidSyntax, "Operation %d must be an object; received %s.", number, describe(v))
	}
	kind, err := opKind(o, number)
	if err != nil {
		return err
	}
	value, given := o.get("value")
	path, err := opPath(o)
	if err != nil {
		return err
	}
	if path != "" {
		return pr.target(kind, path, value, given, false)
	}
	if kind == Remove { // RFC 7644 section 3.5.2.2
		return bad(TypeNoTarget, "Operation %d: remove needs a path.", number)
	}
	if pr.mode.strict() {
		return noPath.refused("Operation %d needs a path.", number)
	}
	keys, ok := value.(object)
	if !ok {
		return bad(TypeInvalidValue, "Operation %d: without a path the value must be an object; received %s.", number, describe(value))
	}
	for _, f := range keys {
		if err := pr.key(kind, f); err != nil {
			return err
		}
	}
	return nil
}

func opKind(o object, number int) (OpKind, error) {
	v, ok := o.get("op")
	s, _ := v.(string)
	switch kind := OpKind(lowerASCII(s)); kind {
	case Add, Replace, Remove:
		return kind, nil
	}
	if !ok {
		return "", bad(TypeInvalidSyntax, "Operation %d has no \"op\"; add, replace or remove was expected.", number)
	}
	return "", bad(TypeInvalidSyntax, "Operation %d: \"op\" must be add, replace or remove; received %s.", number, describe(v))
}

func opPath(o object) (string, error) {
	v, _ := o.get("path")
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", bad(TypeInvalidPath, "\"path\" must be a string; received %s.", describe(v))
	}
	return s, nil
}

// key performs one key of an object without path. Okta's rename of a group carries the group's
// id, other clients echo schemas and meta.
func (pr *patchReader) key(kind OpKind, f field) error {
	switch lowerASCII(f.name) {
	case "id":
		if f.value != pr.id {
			pr.warn("\"id\" was ignored: it is read-only.")
		}
		return nil
	case "schemas":
		return nil
	case "meta":
		pr.warn("\"meta\" was ignored: it is read-only.")
		return nil
	}
	return pr.target(kind, f.name, f.value, true, true)
}

// target resolves a path and hands the operation on.
func (pr *patchReader) target(kind OpKind, text string, value any, given, keyed bool) error {
	path, at, err := parsePath(pr.t, pr.mode, text)
	if err != nil {
		return err
	}
	return pr.perform(request{kind: kind, path: path, at: at, value: value, given: given, keyed: keyed})
}

func (pr *patchReader) perform(q request) error {
	a, sub := q.at.attr, q.at.sub
	if q.at.open {
		return pr.open(q)
	}
	if a == nil {
		return pr.wholeExtension(q)
	}
	if a.Unstored || sub != nil && sub.Unstored {
		if pr.mode.strict() {
			return unstoredAttribute.refused("%s cannot be set: it is not stored.", quote(q.path.AttrPath.String()))
		}
		pr.warn("%s was dropped: it is not stored.", quote(q.path.AttrPath.String()))
		return nil
	}
	if pr.mode.strict() && q.kind != Remove && q.path.Filter != nil && sub == nil && a.isComplex() {
		return elementPath.refused("The path %s must end in a sub-attribute.", quote(q.path.String()))
	}
	if a.RowLevel {
		return pr.member(q)
	}
	if a.Mutability == ReadOnly || sub != nil && sub.Mutability == ReadOnly {
		if q.keyed && !assignedJSON(q.value) {
			return nil // "groups": [] among the keys changes nothing
		}
		return bad(TypeMutability, "%s is read-only.", quote(q.path.AttrPath.String()))
	}
	q.element = q.path.Filter != nil || sub != nil || !a.MultiValued
	if q.kind == Remove {
		return pr.remove(q)
	}
	if !q.given {
		return bad(TypeInvalidValue, "%s of %s needs a value.", q.kind, quote(q.path.String()))
	}
	return pr.set(q)
}

// wholeExtension expands the bare URN of an extension into its attributes.
func (pr *patchReader) wholeExtension(q request) error {
	if pr.mode.strict() {
		return extensionPath.refused("%s names a schema; an attribute was expected after it.", quote(q.path.URN))
	}
	if q.kind == Remove {
		for _, a := range pr.t.space(q.path.URN).attrs {
			if a.Required || a.Permanent {
				return bad(TypeMutability, "%s cannot be removed: %s is required.", quote(q.path.URN), a.Name)
			}
		}
		pr.emit(Remove, q.path, nil)
		return nil
	}
	o, ok := q.value.(object)
	if !ok {
		return bad(TypeInvalidValue, "%s must be an object; received %s.", quote(q.path.URN), describe(q.value))
	}
	for _, f := range o {
		if equalFoldASCII(f.name, "schemas") {
			continue // scim2-models repeats the URN inside the extension
		}
		if err := pr.target(q.kind, q.path.URN+":"+f.name, f.value, true, true); err != nil {
			return err
		}
	}
	return nil
}

func (pr *patchReader) remove(q request) error {
	a := q.at.attr
	if !q.element && q.value != nil && pr.mode.strict() {
		return removeValues.refused("A remove takes no value; select what is to go from %s by a filter in the path.", quote(q.path.String()))
	}
	if q.element || q.value == nil || q.value == "" {
		return pr.unassign(q)
	}
	// Entra's remove with a list of values removes those and no other. An empty list
	// names nothing, and so removes nothing.
	if list, ok := q.value.([]any); ok && len(list) == 0 {
		return nil
	}
	pr.selecting = true
	v, err := pr.value(a, q.value, q.path.String())
	pr.selecting = false
	if err != nil {
		return err
	}
	list, _ := v.([]any)
	for _, e := range list {
		if e == nil {
			return bad(TypeInvalidValue, "A value to remove from %s is empty.", q.path)
		}
	}
	if len(list) > 0 {
		pr.emit(Remove, q.path, list)
	}
	return nil
}

// unassign removes the target as a whole.
func (pr *patchReader) unassign(q request) error {
	leaf := q.at.leaf()
	if leaf.Required || leaf.Permanent {
		return bad(TypeMutability, "%s cannot be removed: it must have a value.", quote(q.path.AttrPath.String()))
	}
	pr.emit(Remove, q.path, nil)
	return nil
}

// set reads the value of an add or replace. A value that means "unassigned" removes the target,
// except that adding nothing to a list adds nothing.
func (pr *patchReader) set(q request) error {
	v, err := pr.operand(q)
	if err != nil && q.at.attr.sealed() {
		return untold(q.at.leaf(), q.path.AttrPath.String())
	}
	if err != nil {
		return err
	}
	if v != nil {
		pr.emit(q.kind, q.path, v)
		return nil
	}
	if leaf := q.at.leaf(); leaf.Required || leaf.Permanent {
		return bad(TypeInvalidValue, "%s must have a value; received %s.", quote(q.path.AttrPath.String()), describe(q.value)) // which is empty
	}
	if q.element && q.at.sub == nil && q.at.attr.isComplex() {
		replaces := pr.mode.strict() && q.kind == Replace && q.path.Filter == nil
		if o, ok := q.value.(object); ok && len(o) == 0 && !replaces {
			return nil // merging nothing changes nothing
		}
	}
	if q.kind == Add && (!q.element || q.path.Filter != nil) {
		return nil
	}
	pr.emit(Remove, q.path, nil)
	return nil
}

// operand reads the value for the target: of the sub-attribute, a map to merge into one complex
// value, or a list.
func (pr *patchReader) operand(q request) (any, error) {
	a, at := q.at.attr, q.path.String()
	if q.at.sub != nil {
		return pr.value(q.at.sub, q.value, at)
	}
	if !q.element {
		return pr.value(a, q.value, at)
	}
	v := q.value
	if list, ok := v.([]any); ok {
		if len(list) > 1 {
			return nil, bad(TypeInvalidValue, "%s takes one value; received %s.", quote(at), describe(v))
		}
		if len(list) == 1 && pr.mode.strict() {
			return nil, arrayForOne.refused("%s takes one value without an array; received %s.", quote(at), describe(v))
		}
		if v = nil; len(list) == 1 {
			v = unwrap(a, list[0])
		}
	}
	if !a.isComplex() {
		return pr.single(a, v, at)
	}
	if v == nil {
		return nil, nil
	}
	m, err := pr.complex(a, v, at, true)
	if len(m) == 0 {
		return nil, err
	}
	return m, err
}

func (pr *patchReader) emit(kind OpKind, path Path, v any) {
	pr.out.Ops = append(pr.out.Ops, Op{kind, path, v})
}

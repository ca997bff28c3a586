package scim

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// maxValues is how many elements a multi-valued attribute may have, row-level ones aside. PATCH
// filters visit all of them, so a list without a limit would make requests cost more than
// their size.
const maxValues = 1000

// maxWarnings is how many warnings one request keeps; the last one says that there were more.
const maxWarnings = 100

// reader turns decoded JSON into canonical values and collects what it dropped.
type reader struct {
	t        *ResourceType
	mode     Mode
	warnings []string
	// patch is set while operations are read: what POST and PUT may drop is an error there,
	// since an operation that was not done must not be answered with success.
	patch bool
	// selecting is set while the values of a remove are read: they only point at elements.
	selecting bool
}

func (rd *reader) warn(format string, args ...any) {
	switch n := len(rd.warnings); {
	case n < maxWarnings-1:
		rd.warnings = append(rd.warnings, fmt.Sprintf(format, args...))
	case n == maxWarnings-1:
		rd.warnings = append(rd.warnings, "There were more warnings than are kept.")
	}
}

// value is read, with an error that does not repeat what no answer may show.
func (rd *reader) value(a *Attribute, v any, at string) (any, error) {
	out, err := rd.read(a, v, at)
	if err != nil && a.sealed() {
		err = untold(a, at)
	}
	return out, err
}

// untold refuses a value of a sealed attribute: an error is on record, and may be read by others than its sender.
func untold(a *Attribute, at string) error {
	return bad(TypeInvalidValue, "%s must be %s.", at, a.kind())
}

// read reads v for attribute a, which at names in messages. It returns nil for an unassigned
// value: null, an empty string, an empty list, an object without content (RFC 7643 section 2.5;
// the empty string is how OneLogin and Okta write it).
func (rd *reader) read(a *Attribute, v any, at string) (any, error) {
	if v == nil {
		return nil, nil
	}
	if a.RowLevel {
		return rd.rows(a, v, at)
	}
	if a.MultiValued {
		return rd.list(a, v, at)
	}
	if list, ok := v.([]any); ok {
		if len(list) > 1 {
			return nil, wrongType(at, a, v)
		}
		if len(list) == 0 {
			return nil, nil
		}
		if rd.mode.strict() {
			return nil, notOne(at, a, v)
		}
		v = unwrap(a, list[0])
	}
	return rd.single(a, v, at)
}

func notOne(at string, a *Attribute, got any) error {
	return arrayForOne.refused("%s must be %s; received %s.", at, a.kind(), describe(got))
}

// unwrap opens the element of a one-element array. Entra wraps a group's displayName so, older
// versions as [{"value": "x"}].
func unwrap(a *Attribute, v any) any {
	if o, ok := v.(object); ok && !a.isComplex() {
		if inner, ok := o.get("value"); ok {
			return inner
		}
	}
	return v
}

func (rd *reader) single(a *Attribute, v any, at string) (any, error) {
	if v == nil {
		return nil, nil
	}
	if a.isComplex() {
		m, err := rd.complex(a, v, at, false)
		if len(m) == 0 {
			return nil, err
		}
		return m, err
	}
	if v == "" && a.Type != Boolean {
		if rd.mode.strict() && (a.Type == Integer || a.Type == Decimal || a.Type == DateTime) {
			return nil, emptyText.refused("%s must be %s; received empty text. null means that there is no value.", at, a.kind())
		}
		return nil, nil
	}
	if _, text := v.(string); text && a.Type == Boolean && rd.mode.strict() {
		return nil, booleanText.refused("%s must be true or false; received %s.", at, describe(v))
	}
	return scalar(a, v, at)
}

// scalar checks the type of a simple value.
func scalar(a *Attribute, v any, at string) (any, error) {
	s, isString := v.(string)
	switch a.Type {
	case Boolean:
		if b, ok := toBool(v); ok {
			return b, nil
		}
		return nil, wrongType(at, a, v)
	case Integer:
		if n, ok := v.(json.Number); ok && !strings.ContainsAny(string(n), ".eE") {
			return n, nil
		}
		return nil, wrongType(at, a, v)
	case Decimal:
		if n, ok := v.(json.Number); ok {
			return n, nil
		}
		return nil, wrongType(at, a, v)
	case DateTime:
		if _, err := time.Parse(time.RFC3339, s); !isString || err != nil {
			return nil, wrongType(at, a, v)
		}
	case Binary:
		if !isString || !isBase64(s) {
			return nil, wrongType(at, a, v)
		}
	}
	if !isString {
		return nil, wrongType(at, a, v)
	}
	return s, nil
}

func isBase64(s string) bool {
	s = strings.TrimRight(s, "=")
	_, err := base64.RawStdEncoding.DecodeString(s)
	if err != nil {
		_, err = base64.RawURLEncoding.DecodeString(s)
	}
	return err == nil
}

func wrongType(at string, a *Attribute, got any) error {
	return bad(TypeInvalidValue, "%s must be %s; received %s.", at, a.kind(), describe(got))
}

// kind names what an attribute accepts, for messages.
func (a *Attribute) kind() string {
	switch {
	case a.MultiValued && a.isComplex():
		return "an array of objects"
	case a.isComplex():
		return "an object"
	case a.Type == Boolean:
		return "true or false"
	case a.Type == Integer:
		return "a whole number"
	case a.Type == Decimal:
		return "a number"
	case a.Type == DateTime:
		return "an instant such as 2026-01-31T09:00:00Z"
	case a.Type == Binary:
		return "base64 text"
	}
	return "a string"
}

// complex reads an object. With merge, unassigned sub-attributes are kept as nil, so that
// {"middleName": ""} in a PATCH removes one.
func (rd *reader) complex(a *Attribute, v any, at string, merge bool) (map[string]any, error) {
	o, ok := v.(object)
	if !ok {
		// Entra sends manager as a bare id, other clients e-mail addresses as bare strings.
		s, isString := v.(string)
		if isString && rd.mode.strict() {
			return nil, textForObject.refused("%s must be an object; received %s.", at, describe(v))
		}
		if sub := a.Sub("value"); isString && sub != nil {
			if s == "" {
				return nil, nil
			}
			o = object{{sub.Name, s}}
		} else {
			return nil, wrongType(at, a, v)
		}
	}
	if (a.Name == "roles" || a.Name == "entitlements") && a.Sub("displayName") == nil {
		if err := rd.refuseAppRole(o, at); err != nil {
			return nil, err
		}
		o = appRole(o)
	}
	m := make(map[string]any, len(o))
	for _, f := range o {
		if err := rd.subAttribute(a, f, at, m, merge); err != nil {
			return nil, err
		}
	}
	for _, sub := range a.SubAttributes {
		if sub.Required && m[sub.Name] == nil && len(m) > 0 && !merge && !rd.selecting {
			return nil, bad(TypeInvalidValue, "%s is required and must not be empty.", at+"."+sub.Name)
		}
	}
	return m, nil
}

func (rd *reader) subAttribute(a *Attribute, f field, at string, into map[string]any, merge bool) error {
	sub := a.Sub(f.name)
	switch {
	case sub == nil && rd.mode.strict():
		return undefinedAttribute.refused("%s is not an attribute of %s.", quote(f.name), at)
	case sub == nil && rd.patch:
		return bad(TypeInvalidPath, "%s is not an attribute of %s.", quote(f.name), at)
	case sub == nil:
		rd.warn("%s was dropped: %s has no such attribute.", quote(at+"."+f.name), at)
		return nil
	case sub.Name == "$ref":
		return nil // written by the server from the id
	case sub.Mutability == ReadOnly:
		if assignedJSON(f.value) {
			rd.warn("%s was dropped: it is read-only.", quote(at+"."+sub.Name))
		}
		return nil
	case sub.Unstored && rd.mode.strict():
		return unstoredAttribute.refused("%s cannot be set: it is not stored.", quote(at+"."+sub.Name))
	case sub.Unstored:
		rd.warn("%s was dropped: it is not stored.", quote(at+"."+sub.Name))
		return nil
	}
	v, err := rd.value(sub, f.value, at+"."+sub.Name)
	if err != nil {
		return err
	}
	if v != nil || merge {
		into[sub.Name] = v
	}
	return nil
}

// appRole reads the forms of Entra's app roles: an object as JSON text inside value
// (AppRoleAssignmentsComplex), and displayName for display.
func appRole(o object) object {
	out := make(object, 0, len(o)+1)
	for _, f := range o {
		if text, ok := f.value.(string); ok && equalFoldASCII(f.name, "value") && strings.HasPrefix(text, "{") {
			if inner, err := decodeObject([]byte(text)); err == nil {
				out = append(out, nestedRole(inner, o)...)
				continue
			}
		}
		if equalFoldASCII(f.name, "displayName") {
			if _, both := o.get("display"); both {
				continue
			}
			f.name = "display"
		}
		out = append(out, f)
	}
	return out
}

// refuseAppRole refuses in strict mode what appRole would read.
func (rd *reader) refuseAppRole(o object, at string) error {
	if !rd.mode.strict() {
		return nil
	}
	for _, f := range o {
		text, isText := f.value.(string)
		if equalFoldASCII(f.name, "displayName") {
			return appRoles.refused("%s is not an attribute of %s; \"display\" is.", quote(f.name), at)
		}
		if !isText || !equalFoldASCII(f.name, "value") || !strings.HasPrefix(text, "{") {
			continue
		}
		if _, err := decodeObject([]byte(text)); err == nil {
			return appRoles.refused("The value of %s must not be an object as JSON text.", at)
		}
	}
	return nil
}

// nestedRole takes value and display out of the nested object, where o does not say them itself.
func nestedRole(inner, o object) object {
	var out object
	if v, ok := inner.get("value"); ok {
		out = append(out, field{"value", v})
	}
	_, display := o.get("display")
	_, displayName := o.get("displayName")
	if v, ok := inner.get("displayName"); ok && !display && !displayName {
		out = append(out, field{"display", v})
	}
	return out
}

// list reads a multi-valued attribute. One value without an array is accepted as a list of one.
func (rd *reader) list(a *Attribute, v any, at string) (any, error) {
	elems, ok := v.([]any)
	if !ok {
		if rd.mode.strict() {
			return nil, notArray(at, v)
		}
		elems = []any{v}
	}
	if len(elems) > maxValues {
		return nil, bad(TypeInvalidValue, "%s has %d values; at most %d are accepted.", at, len(elems), maxValues)
	}
	out := make([]any, 0, len(elems))
	for _, e := range elems {
		if e == nil || e == "" && !(rd.mode.strict() && a.isComplex()) {
			continue
		}
		v, err := rd.single(a, e, at)
		if err != nil {
			return nil, err
		}
		if !rd.selecting && a.isComplex() && void(a, v) {
			if rd.mode.strict() {
				return nil, typeAlone.refused("A value of %s says nothing but its type; received %s.", at, describe(e))
			}
			if rd.patch {
				return nil, bad(TypeInvalidValue, "A value of %s says nothing but its type; received %s.", at, describe(e))
			}
			rd.warn("A value of %s was dropped: it says nothing but its type.", at)
			continue
		}
		out = append(out, v)
	}
	if len(out) == 0 {
		return nil, nil
	}
	if err := rd.onePrimary(out, at); err != nil {
		return nil, err
	}
	return out, nil
}

func notArray(at string, got any) error {
	return oneForArray.refused("%s must be an array; received %s.", at, describe(got))
}

// void reports an element in which nothing but type and primary is assigned, although a could
// hold more.
func void(a *Attribute, elem any) bool {
	if elem == nil {
		return true
	}
	m, ok := elem.(map[string]any)
	if !ok {
		return false
	}
	for name := range m {
		if name != "type" && name != "primary" {
			return false
		}
	}
	for _, s := range a.SubAttributes {
		if s.Name != "type" && s.Name != "primary" {
			return true
		}
	}
	return len(m) == 0
}

// onePrimary keeps the first primary element of a list (RFC 7643 section 2.4 allows one).
func (rd *reader) onePrimary(list []any, at string) error {
	found := false
	for _, e := range list {
		m, ok := e.(map[string]any)
		if !ok || m["primary"] != true {
			continue
		}
		if found && rd.mode.strict() {
			return twoPrimaries.refused("%s has two primary values; at most one is possible.", at)
		}
		if found {
			m["primary"] = false
			rd.warn("A second primary value of %s was set to primary false.", at)
		}
		found = true
	}
	return nil
}

// rows reads the elements of a row-level attribute: the ids alone, each once. Everything else
// in them belongs to the server. An empty list stays an empty list, null is no list.
func (rd *reader) rows(a *Attribute, v any, at string) (any, error) {
	ids, err := rd.rowIDs(a, v, at)
	if err != nil {
		return nil, err
	}
	out := make([]any, len(ids))
	for i, id := range ids {
		out[i] = map[string]any{"value": id}
	}
	return out, nil
}

func (rd *reader) rowIDs(a *Attribute, v any, at string) ([]string, error) {
	elems, ok := v.([]any)
	if !ok {
		if rd.mode.strict() {
			return nil, notArray(at, v)
		}
		elems = []any{v}
	}
	ids := make([]string, 0, len(elems))
	seen := make(map[string]bool, len(elems))
	for _, e := range elems {
		if rd.mode.strict() {
			if err := strictRow(a, e, at); err != nil {
				return nil, err
			}
		}
		id, ok := e.(string)
		if o, isObject := e.(object); isObject {
			v, _ := o.get("value")
			id, ok = v.(string)
		}
		if !ok || id == "" {
			return nil, bad(TypeInvalidValue, "Each of %s must have the id of a resource as its value; received %s.", at, describe(e))
		}
		if !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// strictRow wants an object that has no attributes but those of a.
func strictRow(a *Attribute, e any, at string) error {
	o, ok := e.(object)
	if !ok {
		return textForObject.refused("Each of %s must be an object; received %s.", at, describe(e))
	}
	for _, f := range o {
		if a.Sub(f.name) == nil {
			return undefinedAttribute.refused("%s is not an attribute of %s.", quote(f.name), at)
		}
	}
	return nil
}

// assignedJSON reports a decoded value with content.
func assignedJSON(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case string:
		return v != ""
	case []any:
		return len(v) > 0
	case object:
		return len(v) > 0
	}
	return true
}

package scim

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// An open extension is data under a schema URN that the resource type does not know. Entra sends
// custom attributes so, usually without listing the URN in "schemas", and a PATCH refused for one of
// them would leave somebody active whom the same PATCH puts out. Lenient mode keeps such data as it
// is: simple values under names, found in any letter case and shown in the one that came first.
//
// Limits of open extensions. They bound a resource, since no schema does.
const (
	maxOpenExtensions = 10      // of one resource
	maxOpenAttributes = 100     // of one extension
	maxOpenValue      = 8 << 10 // bytes of a string
	maxOpenName       = 255     // bytes of a URN, and of an attribute name
)

// standardURNs begin the URNs that the standard has given a meaning (RFC 7643 section 10.3, RFC 7644
// section 8.2). One that a type does not know is a mistake and no custom extension.
var standardURNs = [...]string{
	"urn:ietf:params:scim:schemas:core:", "urn:ietf:params:scim:schemas:extension:enterprise:", "urn:ietf:params:scim:api:",
}

// opens reports whether urn can name an open extension of t: well-formed, not the standard's, and
// neither above nor below a schema that t knows, so that no path to that schema changes its meaning.
func (t *ResourceType) opens(urn string) bool {
	if !isOpenURN(urn) {
		return false
	}
	for _, prefix := range standardURNs {
		if within(urn, prefix[:len(prefix)-1]) {
			return false
		}
	}
	for _, s := range t.spaces {
		if within(urn, s.urn) || within(s.urn, urn) {
			return false
		}
	}
	return true
}

// within reports whether urn is above or begins with above and a colon.
func within(urn, above string) bool {
	n := len(above)
	return len(urn) >= n && equalFoldASCII(urn[:n], above) && (len(urn) == n || urn[n] == ':')
}

// isOpenURN reports a URN (RFC 8141 section 2) whose last segment is a resource type, as in
// Acme:2.0:User, or a version, as in custom:1.0.
func isOpenURN(s string) bool {
	if !isURN(s) || len(s) > maxOpenName {
		return false
	}
	segments := strings.Split(s, ":")
	if len(segments) < 3 || len(segments[1]) < 2 {
		return false
	}
	for _, segment := range segments {
		if segment == "" || strings.ContainsFunc(segment, notInURN) {
			return false
		}
	}
	last := segments[len(segments)-1]
	return isOpenName(last) || isDigit(last[0])
}

func notInURN(r rune) bool {
	return ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && !strings.ContainsRune("-._~%", r)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isOpenName reports an ATTRNAME of the grammar proper, without the "$" that attrName forgives.
func isOpenName(s string) bool {
	return s != "" && len(s) <= maxOpenName && s[0] != '$' && attrName(s) == s
}

// splitOpen splits the path of an open extension at its last colon: URN and attribute, or the URN
// alone where no attribute name follows one. ok is false where t opens no such URN.
func (t *ResourceType) splitOpen(path string) (p AttrPath, ok bool) {
	if i := strings.LastIndexByte(path, ':'); i > 0 && isOpenName(path[i+1:]) && t.opens(path[:i]) {
		return AttrPath{URN: path[:i], Name: path[i+1:]}, true
	}
	return AttrPath{URN: path}, t.opens(path)
}

// scanOpen reads the path of an open extension at the start of text.
func (c scope) scanOpen(text string) (s scanned, why string) {
	path := untilDelimiter(text)
	p, ok := c.t.splitOpen(path)
	if !ok || c.mode.strict() {
		s.unknown = true
		return s, quote(path) + " names no schema of " + c.t.Name
	}
	s.path, s.n, s.open = p, len(path), true
	if p.Name != "" {
		s.attr = &Attribute{Name: p.Name}
	}
	return s, ""
}

// findFold returns the key of m that equals name in any letter case.
func findFold(m map[string]any, name string) (string, bool) {
	if _, ok := m[name]; ok {
		return name, true
	}
	for key := range m {
		if equalFoldASCII(key, name) {
			return key, true
		}
	}
	return "", false
}

// openData returns what r holds at the path of an open extension, or nil.
func (r Resource) openData(p AttrPath) any {
	key, _ := findFold(r, p.URN)
	data := r.Extension(key)
	name, _ := findFold(data, p.Name)
	return data[name]
}

// openText returns a value of an open extension as filters compare it: as text, since no schema
// says whether 7 is a number.
func openText(v any) any {
	switch v := v.(type) {
	case json.Number:
		return string(v)
	case bool:
		return strconv.FormatBool(v)
	}
	return v
}

// openURNs returns the keys of r that are open extensions, sorted.
func (t *ResourceType) openURNs(r Resource) []string {
	var urns []string
	for key, v := range r {
		if isURN(key) && t.space(key) == nil {
			if data, _ := v.(map[string]any); len(data) > 0 {
				urns = append(urns, key)
			}
		}
	}
	slices.Sort(urns)
	return urns
}

// openExtension reads an extension that the type does not know. What cannot be kept is dropped:
// it belongs to nothing that we know, and is no reason to refuse a person.
func (rd *reader) openExtension(r Resource, f field) {
	o, isObject := f.value.(object)
	switch {
	case !rd.t.opens(f.name):
		rd.warn("%s was dropped: it is not a schema of %s.", quote(f.name), rd.t.Name)
		return
	case !assignedJSON(f.value):
		return
	case !isObject:
		rd.warn("%s was dropped: an extension must be an object.", quote(f.name))
		return
	case rd.ambiguous(r, f.name, o):
		rd.warn("%s was dropped: it is an attribute of another extension as well.", quote(f.name))
		return
	case len(rd.t.openURNs(r)) >= maxOpenExtensions:
		rd.warn("%s was dropped: %d unknown extensions are kept at most.", quote(f.name), maxOpenExtensions)
		return
	}
	data := make(map[string]any, min(len(o), maxOpenAttributes))
	for _, a := range o {
		rd.openAttribute(data, f.name, a)
	}
	if len(data) > 0 {
		r[f.name] = data
	}
}

func (rd *reader) openAttribute(data map[string]any, urn string, f field) {
	at := quote(AttrPath{URN: urn, Name: f.name}.String())
	v, why := openValue(f.value)
	switch {
	case !isOpenName(f.name):
		why = "it has no valid attribute name"
	case isPassword(f.name):
		why = "it is not stored"
	case why == "" && v != nil && len(data) >= maxOpenAttributes:
		why = "its extension has more attributes than are kept"
	}
	if why != "" {
		rd.warn("%s was dropped: %s.", at, why)
	} else if v != nil {
		data[f.name] = v
	}
}

// openValue checks a value of an open extension. It returns nil for an unassigned one; why says
// what is wrong.
func openValue(v any) (value any, why string) {
	if !assignedJSON(v) {
		return nil, ""
	}
	switch v := v.(type) {
	case object, []any:
		return nil, "only simple values are kept of an unknown extension"
	case string:
		if len(v) > maxOpenValue {
			return nil, "it is longer than is kept"
		}
	}
	return v, ""
}

// isPassword reports a name whose value is never stored, whatever the schema.
func isPassword(name string) bool { return equalFoldASCII(name, "password") }

// ambiguous reports that a path could mean urn as well as an attribute: the extension Acme with
// an attribute "User" beside the extension Acme:User.
func (rd *reader) ambiguous(r Resource, urn string, data object) bool {
	if i := strings.LastIndexByte(urn, ':'); r.openData(AttrPath{URN: urn[:i], Name: urn[i+1:]}) != nil {
		return true
	}
	for key := range r {
		if n := len(urn); len(key) > n && within(key, urn) {
			if _, both := data.get(key[n+1:]); both {
				return true
			}
		}
	}
	return false
}

// keepSpelling gives the open extensions of next, and the attributes in them, the letter case in
// which they are stored.
func (t *ResourceType) keepSpelling(next, stored Resource) {
	for _, urn := range t.openURNs(stored) {
		key, ok := findFold(next, urn)
		if !ok {
			continue
		}
		data := next.Extension(key)
		for name := range stored.Extension(urn) {
			respell(data, name)
		}
		respell(next, urn)
	}
}

func respell(m map[string]any, name string) {
	if key, ok := findFold(m, name); ok && key != name {
		m[name] = m[key]
		delete(m, key)
	}
}

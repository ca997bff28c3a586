package scim

import (
	"strings"
	"unicode/utf8"
)

// OpKind is what a PATCH operation does.
type OpKind string

// The kinds of RFC 7644 section 3.5.2.
const (
	Add     OpKind = "add"
	Replace OpKind = "replace"
	Remove  OpKind = "remove"
)

// Path is the target of an operation: an attribute, a sub-attribute, the elements that a
// filter selects, or with an empty Name a whole extension.
type Path struct {
	AttrPath
	Filter Filter // selects elements, nil for all; names in it are bare sub-attributes
}

// String prints the path as RFC 7644 section 3.5.2 writes it.
func (p Path) String() string {
	if p.Filter == nil {
		return p.AttrPath.String()
	}
	s := AttrPath{URN: p.URN, Name: p.Name}.String() + "[" + p.Filter.String() + "]"
	if p.Sub != "" {
		s += "." + p.Sub
	}
	return s
}

// Op is one attribute operation, validated against the schema and with its value coerced.
//
// Value is of the attribute's type; for a complex attribute or element a map that is merged, in
// which nil unassigns a sub-attribute; for Remove nil, or the list of elements to remove.
type Op struct {
	Kind  OpKind
	Path  Path
	Value any
}

// MemberKind is what a membership operation does.
type MemberKind string

// The kinds of membership operations. Each is idempotent.
const (
	MemberAdd     MemberKind = "add"
	MemberRemove  MemberKind = "remove"
	MemberReplace MemberKind = "replace" // the whole list; without values it empties it
)

// MemberOp is one operation on a row-level attribute. Values are ids, each once, as they were
// sent: whether they exist is for the Backend to say.
type MemberOp struct {
	Kind   MemberKind
	Values []string
}

// Patch is a PATCH request as understood. Ops and Members touch different attributes, so their
// order between each other does not matter. A Patch without both changes nothing and is fine.
type Patch struct {
	Ops      []Op
	Members  []MemberOp // on the row-level attribute of the type, in order
	Warnings []string   // what was dropped
	// Return says that the answer will have a body. Where it is false the Backend may return
	// a nil Resource.
	Return bool
	// Projection says what the body will show.
	Projection Projection

	t    *ResourceType
	mode Mode
}

// Touches reports whether an attribute operation changes the attribute or something inside.
func (p Patch) Touches(path AttrPath) bool {
	for _, op := range p.Ops {
		if equalFoldASCII(op.Path.URN, path.URN) && (equalFoldASCII(op.Path.Name, path.Name) || op.Path.Name == "") {
			return true
		}
	}
	return false
}

// ApplyMembers performs membership operations on a list of ids: for backends that keep lists.
// Rows should be changed by the operations themselves.
func ApplyMembers(current []string, ops []MemberOp) []string {
	in := make(map[string]bool, len(current))
	order := append([]string(nil), current...)
	for _, id := range current {
		in[id] = true
	}
	for _, op := range ops {
		if op.Kind == MemberReplace {
			clear(in)
			order = order[:0]
		}
		for _, id := range op.Values {
			if op.Kind != MemberRemove {
				order = append(order, id)
			}
			in[id] = op.Kind != MemberRemove
		}
	}
	next := make([]string, 0, len(in))
	for _, id := range order {
		if in[id] {
			in[id] = false
			next = append(next, id)
		}
	}
	return next
}

// parsePath reads the path of an operation: an attribute path, attr[filter], attr[filter].sub, or
// the URN of an extension.
func parsePath(t *ResourceType, mode Mode, text string) (Path, scanned, error) {
	invalid := func(why string) (Path, scanned, error) {
		return Path{}, scanned{}, bad(TypeInvalidPath, "The path %s is not valid: %s.", quote(text), why)
	}
	if len(text) > maxPathBytes {
		return invalid("it is too long")
	}
	if !utf8.ValidString(text) {
		return invalid("it is not UTF-8")
	}
	s, why := scope{t: t, mode: mode}.scan(text)
	if why != "" && s.unknown && mode.strict() {
		return Path{}, scanned{}, undefinedInPatch.refused("The path %s is not valid: %s.", quote(text), why)
	}
	if why != "" {
		return invalid(why)
	}
	path := Path{AttrPath: s.path}
	rest := text[s.n:]
	if strings.HasPrefix(rest, "[") && s.attr != nil {
		p := filterParser{text: text, at: s.n, scope: scope{t: t, mode: mode}, depth: maxFilterDepth, terms: maxPathTerms}
		f, err := p.brackets(s)
		if err != nil && s.attr.seals() {
			text = text[:s.n] + "[...]"
			return invalid("its filter is none, or names what no answer shows")
		}
		if err != nil {
			return invalid(err.(*Error).Detail)
		}
		path.Filter, rest = f, text[p.at:]
		if strings.HasPrefix(rest, ".") {
			name := attrName(rest[1:])
			if s.sub = s.attr.Sub(name); s.sub == nil && name != "" && mode.strict() {
				return Path{}, scanned{}, undefinedInPatch.refused("The path %s is not valid: %s is not an attribute of %s.", quote(text), quote(name), s.attr.Name)
			}
			if s.sub == nil {
				return invalid(quote(name) + " is not an attribute of " + s.attr.Name)
			}
			path.Sub, rest = s.sub.Name, rest[1+len(name):]
		}
	}
	if rest != "" {
		return invalid("nothing was expected at " + quote(rest))
	}
	return path, s, nil
}

// Limits of a path. A path's filter is evaluated on every element, so it is allowed less than a
// query's.
const (
	maxPathBytes = 2 << 10
	maxPathTerms = 20
)

package scim

import "strings"

// AttrPath names an attribute or sub-attribute in canonical spelling. It is comparable, so a
// Backend can use it as a map key to its columns.
type AttrPath struct {
	URN  string // the extension's URN; "" for the core schema and the common attributes
	Name string // "emails"; inside a value path the sub-attribute itself; "" for a bare extension
	Sub  string // "value" in "emails.value", else ""
}

// String prints the path as RFC 7644 section 3.10 writes it.
func (p AttrPath) String() string {
	s := p.Name
	if p.URN != "" {
		s = p.URN
		if p.Name != "" {
			s += ":" + p.Name
		}
	}
	if p.Sub != "" {
		s += "." + p.Sub
	}
	return s
}

// scope says where names are looked up: a resource type, or inside a value path the
// sub-attributes of one attribute.
type scope struct {
	t      *ResourceType
	parent *Attribute // nil outside value paths
	mode   Mode       // Lenient also finds open extensions
}

// scanned is an attribute path found at the start of a text.
type scanned struct {
	path AttrPath
	attr *Attribute // the top-level attribute, nil for a bare extension URN
	sub  *Attribute // the sub-attribute, or nil
	n    int        // bytes taken
	// unknown says of what could not be read that it is well-formed and names nothing that there is.
	unknown bool
	open    bool // of an extension that the type does not know; attr is nil for its bare URN
}

// leaf is the attribute that holds the value.
func (s scanned) leaf() *Attribute {
	if s.sub != nil {
		return s.sub
	}
	return s.attr
}

// scan reads an attribute path at the start of text. why says what is wrong, in words that
// follow the path.
//
// A URN contains dots and colons, so it is recognised by comparing with the schemas that the
// type knows, longest first, and never by splitting.
func (c scope) scan(text string) (s scanned, why string) {
	attrs := (map[string]*Attribute)(nil)
	if c.parent == nil {
		c.t.index()
		attrs = c.t.core
		if isURN(text) {
			sp, n := c.t.prefix(text)
			if sp == nil {
				return c.scanOpen(text)
			}
			s.path.URN, s.n, attrs = sp.ext, n, sp.attrs
			if n == len(text) || text[n] != ':' {
				return s.bareURN(sp, c.t)
			}
			s.n++
		}
	}
	name := attrName(text[s.n:])
	if name == "" {
		return s, "an attribute name was expected at " + quote(text[s.n:])
	}
	s.n += len(name)
	if c.parent != nil {
		s.attr = c.parent.element(name)
	} else {
		s.attr = attrs[lowerASCII(name)]
	}
	if s.attr == nil {
		s.unknown = true
		return s, quote(text[:s.n]) + " is not an attribute of " + c.owner()
	}
	s.path.Name = s.attr.Name
	return s.scanSub(text, c)
}

func (s scanned) bareURN(sp *space, t *ResourceType) (scanned, string) {
	if sp.ext == "" {
		return s, quote(sp.urn) + " names all of " + t.Name + "; an attribute was expected after it"
	}
	return s, ""
}

func (s scanned) scanSub(text string, c scope) (scanned, string) {
	if s.n >= len(text) || text[s.n] != '.' {
		return s, ""
	}
	name := attrName(text[s.n+1:])
	if c.parent == nil && name != "" {
		s.sub = s.attr.Sub(name)
	}
	if s.sub == nil {
		s.unknown = name != ""
		return s, quote(text[:s.n+1+len(name)]) + " is not an attribute of " + c.owner()
	}
	s.path.Sub = s.sub.Name
	s.n += 1 + len(name)
	return s, ""
}

func (c scope) owner() string {
	if c.parent != nil {
		return c.parent.Name
	}
	return c.t.Name
}

// element returns what a name inside attr[...] stands for. A list of plain strings has elements
// with nothing but a "value".
func (a *Attribute) element(name string) *Attribute {
	if a.isComplex() {
		return a.Sub(name)
	}
	if equalFoldASCII(name, "value") {
		return &Attribute{Name: "value", Type: a.Type, CaseExact: a.CaseExact}
	}
	return nil
}

// prefix returns the schema whose URN starts text and ends at a delimiter, longest first.
func (t *ResourceType) prefix(text string) (*space, int) {
	for _, sp := range t.spaces {
		n := len(sp.urn)
		if len(text) >= n && equalFoldASCII(text[:n], sp.urn) && (len(text) == n || strings.IndexByte(": [])", text[n]) >= 0) {
			return sp, n
		}
	}
	return nil, 0
}

func isURN(s string) bool { return len(s) > 4 && equalFoldASCII(s[:4], "urn:") }

// attrName returns the ATTRNAME at the start of s (RFC 7643 section 2.1). A leading "$" is our
// tolerance, so that $ref is a name.
func attrName(s string) string {
	i := 0
	for i < len(s) {
		c := lowerByte(s[i])
		if 'a' <= c && c <= 'z' || c == '$' || i > 0 && ('0' <= c && c <= '9' || c == '-' || c == '_') {
			i++
			continue
		}
		break
	}
	return s[:i]
}

func untilDelimiter(s string) string {
	if i := strings.IndexAny(s, " []()"); i > 0 {
		return s[:i]
	}
	return s
}

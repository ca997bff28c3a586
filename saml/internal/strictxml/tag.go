package strictxml

import (
	"slices"
	"strings"
)

// startTag reads a start tag or an empty-element tag at pos and makes it a child of open.
func (p *parser) startTag() (*Element, error) {
	if err := p.node(); err != nil {
		return nil, err
	}
	p.depth++
	if p.depth > p.limits.Depth {
		return nil, tooLarge(p.pos, "elements nested more than %d deep", p.limits.Depth)
	}
	e := p.newElement()
	e.doc, e.start, e.Parent = p.doc, p.pos, p.open
	if p.open == nil {
		e.Parent = p.outside
	}
	p.pos++
	var ok bool
	if e.Prefix, e.Local, ok = p.name(); !ok {
		return nil, p.refuse("no element name after <")
	}
	empty, err := p.attributes()
	if err != nil {
		return nil, err
	}
	if err := p.resolve(e); err != nil {
		return nil, err
	}
	p.link(e)
	if empty {
		p.close(e)
	}
	return e, nil
}

// link makes e the last child of open, and open.
func (p *parser) link(e *Element) {
	e.plainText, e.plainTail = true, true // there is none
	switch {
	case p.open == nil:
	case p.previous == nil:
		p.open.first = e
	default:
		p.previous.next = e
	}
	p.open, p.previous = e, nil
}

// name reads a name with at most one colon.
func (p *parser) name() (prefix, local string, ok bool) {
	from := p.pos
	end := nameEnd(p.s, from)
	if end == from {
		return "", "", false
	}
	local = p.s[from:end]
	if p.byteAt(end) == ':' {
		from = end + 1
		end = nameEnd(p.s, from)
		if end == from {
			return "", "", false
		}
		prefix, local = local, p.s[from:end]
	}
	p.pos = end
	return prefix, local, true
}

// attributes reads the attributes and declarations of a tag and its end.
func (p *parser) attributes() (empty bool, err error) {
	p.newAttrs, p.newDecls = p.newAttrs[:0], p.newDecls[:0]
	for {
		before := p.pos
		p.white()
		switch c := p.byteAt(p.pos); {
		case c == '>':
			p.pos++
			return false, nil
		case c == '/' && p.byteAt(p.pos+1) == '>':
			p.pos += 2
			return true, nil
		case c == 0:
			return false, p.refuse("the document ends inside a tag")
		case p.pos == before:
			return false, p.refuse("no white space before an attribute")
		}
		if err := p.attribute(); err != nil {
			return false, err
		}
	}
}

// attribute reads one attribute or declaration.
func (p *parser) attribute() error {
	p.attrs++
	if len(p.newAttrs)+len(p.newDecls) >= p.limits.Attributes {
		return tooLarge(p.pos, "more than %d attributes on an element", p.limits.Attributes)
	}
	if p.attrs > 2*p.limits.Nodes {
		return tooLarge(p.pos, "more than %d attributes", 2*p.limits.Nodes)
	}
	at := p.pos
	prefix, local, ok := p.name()
	if !ok {
		return p.refuse("no attribute name where one should be")
	}
	value, plain, err := p.value()
	if err != nil {
		return err
	}
	switch {
	case prefix == "xmlns":
		return p.declare(at, local, value)
	case prefix == "" && local == "xmlns":
		return p.declare(at, "", value)
	}
	p.newAttrs = append(p.newAttrs, Attr{Prefix: prefix, Local: local, Value: value, plain: plain})
	return nil
}

// value reads the equals sign and the quoted value. Plain is false when it needs escaping.
func (p *parser) value() (value string, plain bool, err error) {
	p.white()
	if p.byteAt(p.pos) != '=' {
		return "", false, p.refuse("attribute without a value")
	}
	p.pos++
	p.white()
	quote := p.byteAt(p.pos)
	if quote != '"' && quote != '\'' {
		return "", false, p.refuse("attribute value without quotes")
	}
	p.pos++
	s, from := p.s, p.pos
	plain = true
	for i := from; i < len(s); i++ {
		c := s[i]
		switch {
		case class[c]&attrStop == 0:
		case c == quote:
			value = s[from:i]
			if !plain {
				value, err = p.decode(value, true)
			}
			p.pos = i + 1
			return value, plain, err
		case c == '<':
			p.pos = i
			return "", false, p.refuse("< in an attribute value")
		case c != '\'':
			plain = false
		}
	}
	return "", false, p.refuse("the document ends inside an attribute value")
}

// declare keeps a namespace declaration (Namespaces in XML 1.0 sections 3 and 5).
func (p *parser) declare(at int, prefix, uri string) error {
	index := p.prefixIndex(prefix)
	switch {
	case prefix == "xml" || prefix == "xmlns":
		p.pos = at
		return p.refuse("declaration of the prefix %s", prefix)
	case uri == "" && prefix != "":
		p.pos = at
		return p.refuse("prefix %s bound to no namespace", prefix)
	case uri == XMLNamespace || uri == xmlnsNamespace:
		p.pos = at
		return p.refuse("prefix bound to a namespace that belongs to XML")
	case uri != p.accepted[index]:
		if uri != "" && !absoluteURI(uri) {
			p.pos = at
			return p.refuse("namespace name that is not an absolute URI")
		}
		p.accepted[index] = uri
	}
	p.newDecls = append(p.newDecls, declaration{index, uri})
	return nil
}

// resolve gives e and its attributes their namespaces and puts both lists into canonical order,
// in which duplicates are neighbours.
func (p *parser) resolve(e *Element) error {
	if len(p.newDecls) > 0 {
		if err := p.bind(e); err != nil {
			return err
		}
	}
	if e.Prefix == "xml" {
		return p.refuse("element <%s> in XML's own namespace", e.Local)
	}
	var ok bool
	if e.prefix, ok = p.lookUp(e.Prefix, e.Parent); !ok {
		return p.refuse("prefix %s of <%s> is not declared", e.Prefix, e.Local)
	}
	e.Space = p.bound[e.prefix]
	if len(p.newAttrs) == 0 {
		return nil
	}
	for i := range p.newAttrs {
		a := &p.newAttrs[i]
		if a.Prefix == "" {
			continue
		}
		if a.prefix, ok = p.lookUp(a.Prefix, e); !ok {
			return p.refuse("prefix %s of attribute %s is not declared", a.Prefix, a.Local)
		}
		a.Space = p.bound[a.prefix]
	}
	if err := p.order(e); err != nil {
		return err
	}
	e.Attrs = slab(&p.attrSlab, p.newAttrs)
	return p.identifiers(e)
}

// bind brings the declarations of e into scope.
func (p *parser) bind(e *Element) error {
	insertionSort(p.newDecls, func(a, b *declaration) bool {
		return p.doc.prefixes[a.prefix] < p.doc.prefixes[b.prefix]
	})
	for i, d := range p.newDecls {
		if i > 0 && d.prefix == p.newDecls[i-1].prefix {
			return p.refuse("two declarations of one prefix on <%s>", e.Local)
		}
		p.undo = append(p.undo, declaration{d.prefix, p.bound[d.prefix]})
		p.bound[d.prefix] = d.uri
	}
	e.decls = slab(&p.declSlab, p.newDecls)
	return nil
}

// order sorts the attributes of e and refuses two of one expanded name.
func (p *parser) order(e *Element) error {
	insertionSort(p.newAttrs, func(a, b *Attr) bool {
		return a.Space < b.Space || a.Space == b.Space && a.Local < b.Local
	})
	for i := 1; i < len(p.newAttrs); i++ {
		if a, b := &p.newAttrs[i-1], &p.newAttrs[i]; a.Local == b.Local && a.Space == b.Space {
			return p.refuse("two attributes %s on <%s>", a.Local, e.Local)
		}
	}
	return nil
}

// identifiers notes the attribute that a reader may take for an ID: ID, Id, id, and any of these
// in a namespace, xml:id among them. Two on one element are refused, for readers differ on which counts.
func (p *parser) identifiers(e *Element) error {
	found := false
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if !identifying(a.Local) {
			continue
		}
		if found {
			return p.refuse("two attributes on <%s> that may be its ID", e.Local)
		}
		found = true
		p.ids = append(p.ids, identifier{a.Value, e.start})
	}
	return nil
}

// identifying reports whether an attribute of that name may be taken for an ID.
func identifying(local string) bool { return len(local) == 2 && strings.EqualFold(local, "id") }

// prefixIndex returns the index of a prefix, a new one when it was not seen before.
func (p *parser) prefixIndex(prefix string) int32 {
	const few = 16 // below, a map is slower than looking at each
	if p.doc.index != nil {
		if i, found := p.doc.index[prefix]; found {
			return i
		}
	} else {
		for i, known := range p.doc.prefixes {
			if known == prefix {
				return int32(i)
			}
		}
	}
	index := int32(len(p.doc.prefixes))
	p.doc.prefixes = append(p.doc.prefixes, prefix)
	p.bound = append(p.bound, "")
	p.accepted = append(p.accepted, "")
	if p.doc.index != nil {
		p.doc.index[prefix] = index
	} else if len(p.doc.prefixes) > few {
		p.doc.index = make(map[string]int32, 2*few)
		for i, known := range p.doc.prefixes {
			p.doc.index[known] = int32(i)
		}
	}
	return index
}

// lookUp returns the index of a prefix that must be in scope. Near, whose own prefix is in scope,
// probably has the same.
func (p *parser) lookUp(prefix string, near *Element) (int32, bool) {
	if near != nil && near.Prefix == prefix {
		return near.prefix, true
	}
	if prefix == "xmlns" {
		return 0, false
	}
	index := p.prefixIndex(prefix)
	return index, prefix == "" || p.bound[index] != ""
}

// insertionSort sorts the few things that a tag has, which mostly are in order already.
func insertionSort[T any](list []T, less func(a, b *T) bool) {
	for i := 1; i < len(list); i++ {
		for j := i; j > 0 && less(&list[j], &list[j-1]); j-- {
			list[j], list[j-1] = list[j-1], list[j]
		}
	}
}

// newElement cuts an element from the slab. The first slab fits a document of usual size.
func (p *parser) newElement() *Element {
	if len(p.elementSlab) == 0 {
		size := 256
		if p.nodes == 1 {
			size = min(size, strings.Count(p.s, "<")/2+4)
		}
		p.elementSlab = make([]Element, size)
	}
	e := &p.elementSlab[0]
	p.elementSlab = p.elementSlab[1:]
	return e
}

// slab copies list to the end of a slab and returns the copy, which cannot grow into the next.
func slab[T any](free *[]T, list []T) []T {
	if cap(*free)-len(*free) < len(list) {
		*free = make([]T, 0, max(len(list), min(256, 32+2*cap(*free))))
	}
	at := len(*free)
	*free = append(*free, list...)
	return slices.Clip((*free)[at:])
}

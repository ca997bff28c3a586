package strictxml

// ParseWithin reads a document whose root stood inside around and was taken out of its text:
// encrypted, as XML Encryption section 4.5.3 says. Prefixes that around has in scope are declared for
// it, and an exclusive canonical form with inclusive prefixes finds them too. Its identifiers must
// differ from those of every document around it.
//
// Parent of the root is an element of around's name that has the declarations and no other child.
// The error is a *SyntaxError.
func ParseWithin(raw []byte, around *Element, limits Limits) (*Element, error) {
	p, err := newParser(raw, limits.withDefaults())
	if err != nil {
		return nil, err
	}
	p.surround(around)
	return p.document()
}

// surround opens an element that declares what is in scope of around.
func (p *parser) surround(around *Element) {
	seen := make(map[string]bool)
	outside := &Element{Prefix: around.Prefix, Local: around.Local, Space: around.Space, doc: p.doc, around: around}
	for e := around; e != nil; e = e.Parent {
		for _, d := range e.decls {
			prefix := e.doc.prefixes[d.prefix]
			if seen[prefix] {
				continue
			}
			seen[prefix] = true
			index := p.prefixIndex(prefix)
			p.bound[index], p.accepted[index] = d.uri, d.uri
			outside.decls = append(outside.decls, declaration{index, d.uri})
		}
	}
	outside.prefix = p.prefixIndex(around.Prefix)
	p.outside = outside
	for at := around; at != nil; at = at.around {
		for at.Parent != nil {
			at = at.Parent
		}
		for e := range at.Descendants() {
			for i := range e.Attrs {
				if a := &e.Attrs[i]; identifying(a.Local) {
					p.ids = append(p.ids, identifier{value: a.Value})
				}
			}
		}
	}
}

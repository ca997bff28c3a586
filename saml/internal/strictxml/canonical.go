package strictxml

import (
	"slices"
	"strings"
)

// AppendCanonical appends the exclusive canonical form of e, without comments, in the context of
// its document (Exclusive XML Canonicalization 1.0 section 3). The prefixes of inclusivePrefixes,
// "" for the default namespace ("#default" in a PrefixList), are treated as Canonical XML 1.0 treats
// all. The element omit, nil for none, is left out with everything in it: the enveloped signature.
//
// It cannot fail. Time and memory grow with the size of e and the declarations around it, not with
// the product of the two.
func AppendCanonical(dst []byte, e *Element, inclusivePrefixes []string, omit *Element) []byte {
	if e == omit {
		return dst
	}
	var few [16]string // most documents have fewer prefixes
	c := canonicaliser{doc: e.doc, omit: omit, rendered: few[:]}
	if n := len(e.doc.prefixes); n > len(few) {
		c.rendered = make([]string, n)
	}
	if len(inclusivePrefixes) == 0 {
		return c.element(dst, e)
	}
	c.include(inclusivePrefixes)
	if e.Parent != nil {
		c.inherit(e)
	}
	return c.element(dst, e)
}

// canonicaliser is the state of one AppendCanonical.
type canonicaliser struct {
	doc       *document
	omit      *Element
	rendered  []string      // by prefix index: the namespace name that output ancestors declared, "" for none
	undo      []declaration // what the open elements replaced in rendered
	inclusive []bool        // by prefix index; nil for none
	inherited []declaration // inclusive prefixes in scope of the first element by declarations around it
	pending   []declaration // to be written on the element at hand
}

// include marks the inclusive prefixes. Those that the document does not have cannot matter.
func (c *canonicaliser) include(prefixes []string) {
	c.inclusive = make([]bool, len(c.doc.prefixes))
	for _, prefix := range prefixes {
		if index, known := c.doc.known(prefix); known && index != xmlPrefix {
			c.inclusive[index] = true
		}
	}
}

// inherit finds what the elements around e bind the inclusive prefixes to. The nearest wins.
func (c *canonicaliser) inherit(e *Element) {
	seen := make([]bool, len(c.inclusive))
	for _, d := range e.decls {
		seen[d.prefix] = true
	}
	for around := e.Parent; around != nil; around = around.Parent {
		for _, d := range around.decls {
			if c.inclusive[d.prefix] && !seen[d.prefix] {
				seen[d.prefix] = true
				c.inherited = append(c.inherited, d)
			}
		}
	}
}

// element appends e without its tail.
func (c *canonicaliser) element(dst []byte, e *Element) []byte {
	before := len(c.undo)
	dst = append(dst, '<')
	dst = appendName(dst, e.Prefix, e.Local)
	dst = c.namespaces(dst, e)
	for i := range e.Attrs {
		a := &e.Attrs[i]
		dst = append(dst, ' ')
		dst = appendName(dst, a.Prefix, a.Local)
		dst = append(dst, '=', '"')
		if a.plain {
			dst = append(dst, a.Value...)
		} else {
			dst = AppendAttr(dst, a.Value)
		}
		dst = append(dst, '"')
	}
	dst = append(dst, '>')
	dst = appendRun(dst, e.text, e.plainText)
	for child := e.first; child != nil; child = child.next {
		if child != c.omit {
			dst = c.element(dst, child)
		}
		dst = appendRun(dst, child.tail, child.plainTail)
	}
	dst = append(dst, '<', '/')
	dst = appendName(dst, e.Prefix, e.Local)
	dst = append(dst, '>')
	for i := len(c.undo) - 1; i >= before; i-- {
		c.rendered[c.undo[i].prefix] = c.undo[i].uri
	}
	c.undo = c.undo[:before]
	return dst
}

// namespaces appends the declarations that e needs: of prefixes in its own name and its attributes'
// names, and of inclusive prefixes that come into scope or change here, unless an output ancestor
// has written the same.
func (c *canonicaliser) namespaces(dst []byte, e *Element) []byte {
	c.pending = c.pending[:0]
	c.need(e.prefix, e.Space)
	for i := range e.Attrs {
		if a := &e.Attrs[i]; a.prefix != noPrefix && a.prefix != xmlPrefix {
			c.need(a.prefix, a.Space)
		}
	}
	if c.inclusive != nil {
		for _, d := range c.inherited {
			c.need(d.prefix, d.uri)
		}
		c.inherited = nil
		for _, d := range e.decls {
			if c.inclusive[d.prefix] {
				c.need(d.prefix, d.uri)
			}
		}
	}
	if len(c.pending) > 1 {
		slices.SortFunc(c.pending, func(a, b declaration) int {
			return strings.Compare(c.doc.prefixes[a.prefix], c.doc.prefixes[b.prefix])
		})
	}
	for _, d := range c.pending {
		dst = append(dst, " xmlns"...)
		if d.prefix != noPrefix {
			dst = append(dst, ':')
			dst = append(dst, c.doc.prefixes[d.prefix]...)
		}
		dst = append(dst, '=', '"')
		dst = append(dst, d.uri...) // has nothing to escape, see absoluteURI
		dst = append(dst, '"')
	}
	return dst
}

// need notes a declaration to be written, unless it is in force in the output.
func (c *canonicaliser) need(prefix int32, uri string) {
	if c.rendered[prefix] == uri {
		return
	}
	c.undo = append(c.undo, declaration{prefix, c.rendered[prefix]})
	c.rendered[prefix] = uri
	c.pending = append(c.pending, declaration{prefix, uri})
}

// known returns the index of a prefix of the document.
func (d *document) known(prefix string) (int32, bool) {
	if d.index != nil {
		index, found := d.index[prefix]
		return index, found
	}
	index := slices.Index(d.prefixes, prefix)
	return int32(index), index >= 0
}

// appendName appends a name as it was written.
func appendName(dst []byte, prefix, local string) []byte {
	if prefix != "" {
		dst = append(dst, prefix...)
		dst = append(dst, ':')
	}
	return append(dst, local...)
}

// appendRun appends character data.
func appendRun(dst []byte, s string, plain bool) []byte {
	if plain {
		return append(dst, s...)
	}
	return AppendText(dst, s)
}

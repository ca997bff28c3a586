package strictxml

import "iter"

// Element is an element of a parsed document. Its strings share the document's memory.
// Elements come from Parse only and nobody changes them afterwards.
type Element struct {
	// Prefix and Local are the two parts of the name as written; Prefix may be "".
	Prefix, Local string
	// Space is the namespace name, "" for none.
	Space string
	// Attrs are the attributes in canonical order: by namespace name, then by local name.
	// Namespace declarations are not among them.
	Attrs []Attr
	// Parent is the element around this one, nil for the root of Parse.
	Parent *Element

	doc         *document
	first, next *Element      // first child element, following sibling
	text, tail  string        // text after the start tag, and after the end tag
	decls       []declaration // declared here, in canonical order: by prefix
	start, end  int           // extent in the document's text
	around      *Element      // of what ParseWithin puts around a root: the element of the outer document
	prefix      int32         // index into doc.prefixes
	plainText   bool          // text needs no escaping
	plainTail   bool          // tail needs no escaping
}

// Attr is an attribute. Value is normalised as XML 1.0 section 3.3.3 says for CDATA.
type Attr struct {
	Prefix, Local string
	Space         string // "" for none: the default namespace does not apply to attributes
	Value         string

	prefix int32 // index into document.prefixes
	plain  bool  // Value needs no escaping
}

// declaration is a namespace declaration; uri is "" for xmlns="".
type declaration struct {
	prefix int32
	uri    string
}

// document is what the elements of one document share.
type document struct {
	text     string
	prefixes []string         // every prefix of the document; the first two are "" and "xml"
	index    map[string]int32 // of prefixes, only when there are many
}

// Is reports whether e has the expanded name {space}local.
func (e *Element) Is(space, local string) bool { return e.Local == local && e.Space == space }

// Attr returns the value of the attribute that has this local name and no namespace.
func (e *Element) Attr(local string) (string, bool) { return e.AttrNS("", local) }

// AttrNS returns the value of the attribute with the expanded name {space}local.
func (e *Element) AttrNS(space, local string) (string, bool) {
	for i := range e.Attrs {
		if e.Attrs[i].Local == local && e.Attrs[i].Space == space {
			return e.Attrs[i].Value, true
		}
	}
	return "", false
}

// First returns the first child element, nil when there is none.
func (e *Element) First() *Element { return e.first }

// Next returns the sibling element that follows e, nil when e is the last.
func (e *Element) Next() *Element { return e.next }

// Elements returns the child elements in document order.
func (e *Element) Elements() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for child := e.first; child != nil; child = child.next {
			if !yield(child) {
				return
			}
		}
	}
}

// Descendants returns e and every element below it in document order.
func (e *Element) Descendants() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for at := e; at != nil; at = at.following(e) {
			if !yield(at) {
				return
			}
		}
	}
}

// following returns the element after e in document order, nil outside top.
func (e *Element) following(top *Element) *Element {
	if e.first != nil {
		return e.first
	}
	for ; e != top; e = e.Parent {
		if e.next != nil {
			return e.next
		}
	}
	return nil
}

// All returns e and the elements below it that have the expanded name {space}local, in document
// order. Called on the root it finds, say, every signature of a document.
func (e *Element) All(space, local string) []*Element {
	var found []*Element
	for at := e; at != nil; at = at.following(e) {
		if at.Is(space, local) {
			found = append(found, at)
		}
	}
	return found
}

// OnlyText returns the text of an element that holds nothing else. A child element is an error,
// a *SyntaxError: the text around it is never joined.
func (e *Element) OnlyText() (string, error) {
	if e.first != nil {
		return "", &SyntaxError{Offset: e.first.start, Reason: "element <" + e.first.Local + "> inside <" + e.Local + ">, which takes text only"}
	}
	return e.text, nil
}

// StrayText reports whether there is text other than white space directly inside e. Elements
// that take elements only have none.
func (e *Element) StrayText() bool {
	if !blank(e.text) {
		return true
	}
	for child := e.first; child != nil; child = child.next {
		if !blank(child.tail) {
			return true
		}
	}
	return false
}

// Extent returns where e begins and ends in the document, in bytes after its line ends were made
// single line feeds and a byte order mark was dropped.
func (e *Element) Extent() (start, end int) { return e.start, e.end }

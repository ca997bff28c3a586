package strictxml

import (
	"bytes"
	"slices"
	"strings"
)

// XMLNamespace is what the prefix xml is bound to, always (Namespaces in XML 1.0 section 3).
const XMLNamespace = "http://www.w3.org/XML/1998/namespace"

const xmlnsNamespace = "http://www.w3.org/2000/xmlns/"

// Indexes of the prefixes that every document has.
const (
	noPrefix  int32 = iota
	xmlPrefix       // never declared, never written by the canonicaliser
)

// parser is the state of one Parse. Elements, attributes and declarations are cut from slabs; the
// binding of each prefix is found by its index, so that a thousand declarations cost no more than one.
type parser struct {
	s      string
	pos    int
	limits Limits
	doc    *document

	outside  *Element // what ParseWithin puts around the root; nil otherwise
	open     *Element // innermost element whose end tag has not come
	previous *Element // last closed child of open
	depth    int
	nodes    int
	attrs    int // attributes and declarations so far

	bound    []string      // namespace name in scope by prefix index, "" for none
	accepted []string      // namespace name that was last found fit, by prefix index
	undo     []declaration // what the declarations of open elements replaced
	ids      []identifier

	elementSlab []Element
	attrSlab    []Attr
	declSlab    []declaration
	newAttrs    []Attr        // of the start tag being read
	newDecls    []declaration // of the start tag being read
	buffer      []byte        // for decoding references
}

// identifier is the value of an attribute that somebody may take for an ID.
type identifier struct {
	value  string
	offset int
}

// Parse reads a whole document and returns its root element. It accepts what the package comment
// does not refuse, in UTF-8 with or without a byte order mark (ADFS writes one), and an XML
// declaration at the very beginning. Raw is copied. The error is a *SyntaxError.
func Parse(raw []byte, limits Limits) (*Element, error) {
	p, err := newParser(raw, limits.withDefaults())
	if err != nil {
		return nil, err
	}
	return p.document()
}

// newParser refuses what needs no parsing to be refused.
func newParser(raw []byte, limits Limits) (*parser, error) {
	if len(raw) > limits.Bytes {
		return nil, tooLarge(limits.Bytes, "more than %d bytes", limits.Bytes)
	}
	if at, what := badCharacter(raw); at >= 0 {
		return nil, &SyntaxError{Offset: at, Reason: what}
	}
	raw = bytes.TrimPrefix(raw, []byte("\uFEFF"))
	p := &parser{s: lineEnds(raw), limits: limits, doc: &document{}}
	p.doc.text = p.s
	p.doc.prefixes = append(make([]string, 0, 8), "", "xml")
	p.bound = append(make([]string, 0, 8), "", XMLNamespace)
	p.accepted = append(make([]string, 0, 8), "", "")
	return p, nil
}

// lineEnds copies raw with CR LF and lone CR as LF (XML 1.0 section 2.11).
func lineEnds(raw []byte) string {
	if bytes.IndexByte(raw, '\r') < 0 {
		return string(raw)
	}
	var out strings.Builder
	out.Grow(len(raw))
	for i, c := range raw {
		switch {
		case c != '\r':
			out.WriteByte(c)
		case i+1 == len(raw) || raw[i+1] != '\n':
			out.WriteByte('\n')
		}
	}
	return out.String()
}

// document reads everything.
func (p *parser) document() (*Element, error) {
	if err := p.prolog(); err != nil {
		return nil, err
	}
	root, err := p.startTag()
	for err == nil && p.open != nil {
		err = p.content()
	}
	if err != nil {
		return nil, err
	}
	p.white()
	if p.pos < len(p.s) {
		return nil, p.refuseMarkup("content after the root element")
	}
	if err := p.uniqueIDs(); err != nil {
		return nil, err
	}
	if p.outside != nil {
		p.outside.first = root
	}
	return root, nil
}

// prolog reads the XML declaration and stops at the root's start tag.
func (p *parser) prolog() error {
	if strings.HasPrefix(p.s, "<?xml") && len(p.s) > 5 && white(p.s[5]) {
		if err := p.xmlDeclaration(); err != nil {
			return err
		}
	}
	p.white()
	if p.pos >= len(p.s) {
		return p.refuse("no root element")
	}
	if p.s[p.pos] != '<' || p.byteAt(p.pos+1) == '!' || p.byteAt(p.pos+1) == '?' {
		return p.refuseMarkup("text before the root element")
	}
	return nil
}

// content reads the text up to the next tag, and that tag.
func (p *parser) content() error {
	length := strings.IndexByte(p.s[p.pos:], '<')
	if length < 0 {
		return p.refuse("the document ends inside <%s>", p.open.Local)
	}
	if length > 0 {
		if err := p.text(p.s[p.pos : p.pos+length]); err != nil {
			return err
		}
		p.pos += length
	}
	switch p.byteAt(p.pos + 1) {
	case '/':
		return p.endTag()
	case '!', '?':
		return p.refuseMarkup("")
	}
	_, err := p.startTag()
	return err
}

// text keeps a run of character data, after the start tag of open or after its last child.
func (p *parser) text(run string) error {
	if err := p.node(); err != nil {
		return err
	}
	plain := true
	if strings.IndexByte(run, '>') >= 0 {
		plain = false
		if at := strings.Index(run, "]]>"); at >= 0 {
			p.pos += at
			return p.refuse("]]> in text")
		}
	}
	if strings.IndexByte(run, '&') >= 0 {
		plain = false
		decoded, err := p.decode(run, false)
		if err != nil {
			return err
		}
		run = decoded
	}
	if p.previous == nil {
		p.open.text, p.open.plainText = run, plain
	} else {
		p.previous.tail, p.previous.plainTail = run, plain
	}
	return nil
}

// endTag closes open.
func (p *parser) endTag() error {
	e := p.open
	i := p.pos + 2
	if e.Prefix != "" {
		if !strings.HasPrefix(p.s[i:], e.Prefix) || p.byteAt(i+len(e.Prefix)) != ':' {
			return p.refuse("end tag that does not match <%s:%s>", e.Prefix, e.Local)
		}
		i += len(e.Prefix) + 1
	}
	if !strings.HasPrefix(p.s[i:], e.Local) {
		return p.refuse("end tag that does not match <%s>", e.Local)
	}
	for i += len(e.Local); i < len(p.s) && white(p.s[i]); i++ {
	}
	if p.byteAt(i) != '>' {
		return p.refuse("end tag that does not match <%s>", e.Local)
	}
	p.pos = i + 1
	p.close(e)
	return nil
}

// close ends e, which is open, at pos.
func (p *parser) close(e *Element) {
	e.end = p.pos
	keep := len(p.undo) - len(e.decls)
	for i := len(p.undo) - 1; i >= keep; i-- {
		p.bound[p.undo[i].prefix] = p.undo[i].uri
	}
	p.undo = p.undo[:keep]
	p.open, p.previous = e.Parent, e
	if p.open == p.outside {
		p.open = nil
	}
	p.depth--
}

// node counts an element or a run of text.
func (p *parser) node() error {
	p.nodes++
	if p.nodes > p.limits.Nodes {
		return tooLarge(p.pos, "more than %d elements and runs of text", p.limits.Nodes)
	}
	return nil
}

// uniqueIDs refuses two identifiers with one value: which of the two elements a reference means
// would depend on the reader.
func (p *parser) uniqueIDs() error {
	slices.SortFunc(p.ids, func(a, b identifier) int { return strings.Compare(a.value, b.value) })
	for i := 1; i < len(p.ids); i++ {
		if p.ids[i].value == p.ids[i-1].value {
			p.pos = max(p.ids[i].offset, p.ids[i-1].offset)
			return &SyntaxError{Offset: p.pos, Reason: "an ID that another element has too", Cause: DuplicateID}
		}
	}
	return nil
}

// white skips white space.
func (p *parser) white() {
	for p.pos < len(p.s) && white(p.s[p.pos]) {
		p.pos++
	}
}

// byteAt returns the byte at i, 0 beyond the end; no document contains the character 0.
func (p *parser) byteAt(i int) byte {
	if i < len(p.s) {
		return p.s[i]
	}
	return 0
}

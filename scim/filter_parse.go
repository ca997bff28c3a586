package scim

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"
)

// Limits of a filter. They bound the parser's work and the size of what a Backend compiles.
const (
	maxFilterBytes = 8 << 10
	maxFilterDepth = 20
	maxFilterTerms = 100
)

// ParseFilter reads a filter for resources of type t. An attribute that t does not have, an
// operator that its type does not allow, and anything outside the grammar is 400 invalidFilter;
// an attribute that is never returned is 403 sensitive. Longer than 8 KiB, deeper than 20 or
// with more than 100 terms is 400 invalidFilter.
//
// Unquoted words as strings are accepted, since Microsoft's documents print externalId eq jyoung. So
// are eq and pr on an attribute of an unknown extension, whose values compare as text.
func ParseFilter(t *ResourceType, s string) (Filter, error) { return parseFilter(t, Lenient, s) }

func parseFilter(t *ResourceType, mode Mode, s string) (Filter, error) {
	p := filterParser{text: s, scope: scope{t: t, mode: mode}, depth: maxFilterDepth, terms: maxFilterTerms}
	return p.whole()
}

type filterParser struct {
	text  string
	at    int
	scope scope
	depth int // levels of nesting still allowed
	terms int // terms still allowed
	// others are the types of a query across types, nil for one type.
	others []*ResourceType
}

func (p *filterParser) whole() (Filter, error) {
	if len(p.text) > maxFilterBytes {
		return nil, bad(TypeInvalidFilter, "The filter has %d bytes; at most %d are accepted.", len(p.text), maxFilterBytes)
	}
	if !utf8.ValidString(p.text) {
		return nil, bad(TypeInvalidFilter, "The filter is not UTF-8.")
	}
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.at < len(p.text) {
		return nil, p.fail("\"and\", \"or\" or the end was expected")
	}
	return f, nil
}

func (p *filterParser) fail(why string) error {
	if p.at >= len(p.text) {
		return bad(TypeInvalidFilter, "The filter ends too early: %s.", why)
	}
	return bad(TypeInvalidFilter, "The filter is not valid: %s (at %s).", why, quote(p.text[p.at:]))
}

func (p *filterParser) space() {
	for p.at < len(p.text) && p.text[p.at] == ' ' {
		p.at++
	}
}

func (p *filterParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// keyword takes w if it comes next as a whole word. A word ends at a space, at a bracket, or
// with the text.
func (p *filterParser) keyword(w string) bool {
	rest := p.text[p.at:]
	if len(rest) < len(w) || !equalFoldASCII(rest[:len(w)], w) {
		return false
	}
	if len(rest) > len(w) && strings.IndexByte(" ()[]", rest[len(w)]) < 0 {
		return false
	}
	p.at += len(w)
	return true
}

// joins takes "and" or "or" between two terms. The grammar wants a space on each side.
func (p *filterParser) joins(w string) (bool, error) {
	start := p.at
	if !p.keyword(w) {
		return false, nil
	}
	if p.scope.mode.strict() && (p.text[start-1] != ' ' || p.peek() != ' ') {
		return false, tightWords.refused("The filter is not valid: a space was expected on each side of %q (at %s).", w, quote(p.text[start:]))
	}
	return true, nil
}

func (p *filterParser) or() (Filter, error) {
	first, err := p.and()
	if err != nil {
		return nil, err
	}
	var terms []Filter
	for p.space(); ; p.space() {
		if more, err := p.joins("or"); err != nil {
			return nil, err
		} else if !more {
			break
		}
		next, err := p.and()
		if err != nil {
			return nil, err
		}
		if terms == nil {
			terms = []Filter{first}
		}
		terms = append(terms, next)
	}
	if terms == nil {
		return first, nil
	}
	return Or{terms}, nil
}

func (p *filterParser) and() (Filter, error) {
	first, err := p.unary()
	if err != nil {
		return nil, err
	}
	var terms []Filter
	for p.space(); ; p.space() {
		if more, err := p.joins("and"); err != nil {
			return nil, err
		} else if !more {
			break
		}
		next, err := p.unary()
		if err != nil {
			return nil, err
		}
		if terms == nil {
			terms = []Filter{first}
		}
		terms = append(terms, next)
	}
	if terms == nil {
		return first, nil
	}
	return And{terms}, nil
}

func (p *filterParser) unary() (Filter, error) {
	p.space()
	start := p.at
	if p.keyword("not") {
		if p.space(); p.peek() == '(' {
			f, err := p.nested('(', ')')
			if err != nil {
				return nil, err
			}
			return Not{f}, nil
		}
		p.at = start // an attribute may be called "not"; the grammar wants "(" after the keyword
	}
	if p.peek() == '(' {
		return p.nested('(', ')')
	}
	return p.term()
}

// nested reads a filter between two brackets, the first of which comes next.
func (p *filterParser) nested(_, end byte) (Filter, error) {
	if p.depth--; p.depth < 0 {
		return nil, bad(TypeInvalidFilter, "The filter is nested deeper than %d.", maxFilterDepth)
	}
	p.at++
	f, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.space(); p.peek() != end {
		return nil, p.fail("a closing " + string(rune(end)) + " was expected")
	}
	p.at++
	p.depth++
	return f, nil
}

// term reads one comparison, presence test or value path.
func (p *filterParser) term() (Filter, error) {
	if p.others != nil && p.scope.parent == nil {
		if t := p.elsewhere(); t != nil {
			return p.absentTerm(t)
		}
	}
	if p.terms--; p.terms < 0 {
		return nil, bad(TypeInvalidFilter, "The filter has more than %d terms.", maxFilterTerms)
	}
	if p.at >= len(p.text) {
		return nil, p.fail("an attribute was expected")
	}
	s, why := p.scope.scan(p.text[p.at:])
	if why != "" {
		return nil, bad(TypeInvalidFilter, "The filter is not valid: %s.", why)
	}
	if s.attr == nil {
		return nil, bad(TypeInvalidFilter, "The filter is not valid: %s names a schema; an attribute was expected.", quote(s.path.URN))
	}
	if s.leaf().sealed() || s.attr.sealed() {
		return nil, Errorf(403, TypeSensitive, "%s cannot be used in a filter.", quote(s.path.String()))
	}
	p.at += s.n
	if p.peek() == '[' {
		return p.valuePath(s)
	}
	return p.comparison(s)
}

// valuePath reads attr[filter], and attr[filter].sub op value.
func (p *filterParser) valuePath(s scanned) (Filter, error) {
	f, err := p.brackets(s)
	if err != nil {
		return nil, err
	}
	path := AttrPath{URN: s.path.URN, Name: s.path.Name}
	if p.peek() != '.' {
		return ValuePath{path, f}, nil
	}
	if p.scope.mode.strict() {
		return nil, filterSub.refused("The filter is not valid: nothing was expected behind the bracket of %s.", quote(path.String()))
	}
	p.at++
	inner := filterParser{text: p.text, at: p.at, scope: scope{t: p.scope.t, parent: s.attr}, depth: p.depth, terms: p.terms}
	last, err := inner.term()
	if err != nil {
		return nil, err
	}
	p.at, p.terms = inner.at, inner.terms
	if and, ok := f.(And); ok {
		return ValuePath{path, And{append(and.Terms, last)}}, nil
	}
	return ValuePath{path, And{[]Filter{f, last}}}, nil
}

// brackets reads the [filter] that comes next and belongs to s.
func (p *filterParser) brackets(s scanned) (Filter, error) {
	if p.scope.parent != nil || s.sub != nil || !s.attr.MultiValued {
		return nil, bad(TypeInvalidFilter, "The filter is not valid: %s is not multi-valued and takes no [..].", quote(s.path.String()))
	}
	outer := p.scope
	p.scope.parent = s.attr
	f, err := p.nested('[', ']')
	p.scope = outer
	return f, err
}

func (p *filterParser) comparison(s scanned) (Filter, error) {
	if p.peek() != ' ' {
		return nil, p.fail("an operator was expected after " + quote(s.path.String()))
	}
	p.space()
	word := attrName(p.text[p.at:])
	if equalFoldASCII(word, "pr") && p.keyword("pr") {
		return Present{s.path}, nil
	}
	op, known := compareOps[lowerASCII(word)]
	if !known {
		return nil, p.fail("an operator (eq, ne, co, sw, ew, gt, ge, lt, le, pr) was expected after " + quote(s.path.String()))
	}
	p.at += len(word)
	if p.peek() != ' ' {
		return nil, p.fail("a space and a value were expected after " + quote(word))
	}
	p.space()
	return p.compare(s, op)
}

// compare reads the value and puts the term into its normal form.
func (p *filterParser) compare(s scanned, op CompareOp) (Filter, error) {
	raw, bare, err := p.value()
	if err != nil {
		return nil, err
	}
	if raw == nil {
		switch op {
		case EqualTo:
			return Not{Present{s.path}}, nil
		case NotEqual:
			return Present{s.path}, nil
		}
		return nil, bad(TypeInvalidFilter, "The filter is not valid: null can be compared with eq and ne only.")
	}
	if s.open && op != EqualTo {
		return nil, bad(TypeInvalidFilter, "The filter is not valid: %s is of no known type and takes eq and pr only.", quote(s.path.String()))
	}
	leaf, path := s.leaf(), s.path
	if leaf.isComplex() {
		if leaf = leaf.Sub("value"); leaf == nil {
			return nil, bad(TypeInvalidFilter, "The filter is not valid: %s is complex; name one of its sub-attributes.", quote(path.String()))
		}
		path.Sub = leaf.Name
	}
	if p.scope.mode.strict() {
		if err := strictOperand(leaf, path, raw, bare); err != nil {
			return nil, err
		}
	}
	v, why := operand(leaf, op, raw, bare)
	if why != "" {
		return nil, bad(TypeInvalidFilter, "The filter is not valid: %s %s.", quote(path.String()+" "+string(op)), why)
	}
	return Compare{path, op, v}, nil
}

// strictOperand wants a value in the notation of JSON.
func strictOperand(a *Attribute, path AttrPath, raw any, bare string) error {
	text, isText := raw.(string)
	switch {
	case a.Type == Boolean && (isText || bare != lowerASCII(bare)):
		return filterBoolean.refused("The filter is not valid: %s needs true or false and got %s.", quote(path.String()), quote(text+bare))
	case bare != "" && a.Type != Boolean && a.Type != Integer && a.Type != Decimal && a.Type != DateTime:
		return unquotedText.refused("The filter is not valid: %s needs a value in double quotes and got %s.", quote(path.String()), quote(bare))
	}
	return nil
}

// value reads a comparison value. bare is its text when it was not in quotes.
func (p *filterParser) value() (v any, bare string, err error) {
	if p.peek() == '"' {
		s, n, why := unquote([]byte(p.text[p.at:]))
		if why != "" {
			return nil, "", p.fail(why)
		}
		p.at += n
		return s, "", nil
	}
	bare = p.text[p.at:]
	if i := strings.IndexAny(bare, " ()[]\"'"); i >= 0 {
		bare = bare[:i]
	}
	if next := p.at + len(bare); bare == "" || next < len(p.text) && strings.IndexByte(" )]", p.text[next]) < 0 || strings.ContainsFunc(bare, isControl) {
		return nil, "", p.fail("a value in double quotes, a number, true, false or null was expected")
	}
	p.at += len(bare)
	switch {
	case equalFoldASCII(bare, "true"):
		return true, bare, nil
	case equalFoldASCII(bare, "false"):
		return false, bare, nil
	case equalFoldASCII(bare, "null"):
		return nil, bare, nil
	case numberLength(bare) == len(bare) && len(bare) <= maxJSONNumber:
		return json.Number(bare), bare, nil
	}
	return bare, bare, nil
}

func isControl(r rune) bool { return r < 0x20 || r == 0x7f }

// operand fits a value to the attribute's type and the operator to both; why is what does not fit.
func operand(a *Attribute, op CompareOp, raw any, bare string) (v any, why string) {
	switch a.Type {
	case Boolean:
		if op != EqualTo && op != NotEqual {
			return nil, "is not possible: a boolean is compared with eq and ne only"
		}
		if b, ok := toBool(raw); ok {
			return b, ""
		}
		return nil, "needs true or false and got " + describe(raw)
	case Integer, Decimal:
		if n, ok := raw.(json.Number); ok && !op.onText() {
			return n, ""
		}
		return nil, "needs a number and an operator for numbers, and got " + describe(raw)
	case DateTime:
		if s, ok := raw.(string); ok && !op.onText() {
			if _, err := time.Parse(time.RFC3339, s); err == nil {
				return s, ""
			}
		}
		return nil, "needs an instant as in RFC 3339 and an operator for instants, and got " + describe(raw)
	case Binary:
		if op.ordered() {
			return nil, "is not possible: binary values have no order"
		}
	}
	if bare != "" {
		if op.ordered() {
			return nil, "needs a string in double quotes"
		}
		return bare, ""
	}
	return raw, ""
}

// toBool reads a boolean, and the exact words true and false in any case: Entra sends "True".
func toBool(v any) (b, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case string:
		if equalFoldASCII(v, "true") {
			return true, true
		}
		return false, equalFoldASCII(v, "false")
	}
	return false, false
}

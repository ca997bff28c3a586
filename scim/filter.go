package scim

import "strings"

// Filter is a parsed filter (RFC 7644 section 3.4.2.2), one of And, Or, Not, Compare, Present and
// ValuePath. All names in it are canonical and known to the resource type, values have the type
// of their attribute, so that a Backend can compile it with bind parameters alone.
//
// ParseFilter leaves these normal forms, which a Backend may rely on:
//
//   - A multi-valued or complex attribute by bare name is compared by its "value":
//     emails co "x" is Compare{emails.value}.
//   - x eq null is Not{Present{x}}, and x ne null is Present{x}.
//   - emails[F].value eq "x", which Entra sends, is ValuePath{emails, And{F, value eq "x"}}.
type Filter interface {
	// String prints the filter in the standard's grammar: parsing it gives the same tree.
	String() string
	appendTo(b []byte, inner bool) []byte
}

// And is true when all terms are. It has two terms or more.
type And struct{ Terms []Filter }

// Or is true when any term is. It has two terms or more.
type Or struct{ Terms []Filter }

// Not is true when its term is false.
type Not struct{ Term Filter }

// CompareOp is a comparison operator in lower case.
type CompareOp string

// The comparison operators. Strings follow the attribute's Exact; for order they compare
// lexically, instants by time, numbers by size. Order on booleans and binary does not parse.
const (
	EqualTo       CompareOp = "eq"
	NotEqual      CompareOp = "ne"
	Contains      CompareOp = "co"
	StartsWith    CompareOp = "sw"
	EndsWith      CompareOp = "ew"
	Greater       CompareOp = "gt"
	GreaterEquals CompareOp = "ge"
	Less          CompareOp = "lt"
	LessEquals    CompareOp = "le"
)

// Compare holds an attribute against a value: string, bool or json.Number. A multi-valued
// attribute matches when any element does. NotEqual is also true when there is no value at all
// (the standard is silent).
type Compare struct {
	Path  AttrPath
	Op    CompareOp
	Value any
}

// Present is true when there is a value, for a complex attribute any value inside.
type Present struct{ Path AttrPath }

// ValuePath is true when one element of a multi-valued attribute satisfies the whole filter,
// whose paths are bare sub-attribute names.
type ValuePath struct {
	Path   AttrPath
	Filter Filter
}

func (f And) String() string       { return string(f.appendTo(nil, false)) }
func (f Or) String() string        { return string(f.appendTo(nil, false)) }
func (f Not) String() string       { return string(f.appendTo(nil, false)) }
func (f Compare) String() string   { return string(f.appendTo(nil, false)) }
func (f Present) String() string   { return string(f.appendTo(nil, false)) }
func (f ValuePath) String() string { return string(f.appendTo(nil, false)) }

// appendTo prints f; inner asks for parentheses around a list of terms, which keeps the grouping
// that was written: "and" binds tighter than "or", and a list inside a list of its own kind
// was in parentheses.
func (f And) appendTo(b []byte, inner bool) []byte {
	return appendTerms(b, f.Terms, " and ", inner, true)
}

func (f Or) appendTo(b []byte, inner bool) []byte {
	return appendTerms(b, f.Terms, " or ", inner, false)
}

func appendTerms(b []byte, terms []Filter, word string, inner, wrapAnd bool) []byte {
	if inner {
		b = append(b, '(')
	}
	for i, t := range terms {
		if i > 0 {
			b = append(b, word...)
		}
		_, or := t.(Or)
		_, and := t.(And)
		b = t.appendTo(b, or || and && wrapAnd)
	}
	if inner {
		b = append(b, ')')
	}
	return b
}

func (f Not) appendTo(b []byte, _ bool) []byte {
	b = append(b, "not ("...)
	b = f.Term.appendTo(b, false)
	return append(b, ')')
}

func (f Compare) appendTo(b []byte, _ bool) []byte {
	b = append(b, f.Path.String()...)
	b = append(b, ' ')
	b = append(b, f.Op...)
	b = append(b, ' ')
	return appendPlain(b, f.Value)
}

func (f Present) appendTo(b []byte, _ bool) []byte {
	b = append(b, f.Path.String()...)
	return append(b, " pr"...)
}

func (f ValuePath) appendTo(b []byte, _ bool) []byte {
	b = append(b, f.Path.String()...)
	b = append(b, '[')
	b = f.Filter.appendTo(b, false)
	return append(b, ']')
}

var compareOps = map[string]CompareOp{
	"eq": EqualTo, "ne": NotEqual, "co": Contains, "sw": StartsWith, "ew": EndsWith,
	"gt": Greater, "ge": GreaterEquals, "lt": Less, "le": LessEquals,
}

// onText reports an operator that only makes sense on text.
func (op CompareOp) onText() bool { return op == Contains || op == StartsWith || op == EndsWith }

// ordered reports an operator that needs an order.
func (op CompareOp) ordered() bool { return strings.ContainsAny(string(op[:1]), "gl") }

package saml

import (
	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// sequence walks the children of an element in the order that the schema gives them. What the
// schema does not have there is refused: attackers hide second assertions in such places.
type sequence struct {
	parent, next *strictxml.Element
}

// sequenceOf begins with the first child of e. Text between the children is refused.
func sequenceOf(e *strictxml.Element) (sequence, *Refusal) {
	if e.StrayText() {
		return sequence{}, refuse(ReasonStructure, "There is text between the elements of %s.", e.Local)
	}
	return sequence{parent: e, next: e.First()}, nil
}

// optional takes the next child if it has that name, and is nil otherwise.
func (s *sequence) optional(space, local string) *strictxml.Element {
	if s.next == nil || !s.next.Is(space, local) {
		return nil
	}
	e := s.next
	s.next = e.Next()
	return e
}

// required takes the next child, which must have that name.
func (s *sequence) required(space, local string) (*strictxml.Element, *Refusal) {
	e := s.optional(space, local)
	if e != nil {
		return e, nil
	}
	if s.next == nil {
		return nil, refuse(ReasonStructure, "%s has no %s.", s.parent.Local, local)
	}
	return nil, refuse(ReasonStructure, "%s has %s where %s was expected.", s.parent.Local, named(s.next), local)
}

// done refuses whatever is left.
func (s *sequence) done() *Refusal {
	if s.next == nil {
		return nil
	}
	return refuse(ReasonStructure, "%s has %s where nothing of the kind may be.", s.parent.Local, named(s.next))
}

// named is an element's name for people.
func named(e *strictxml.Element) string { return quote(e.Local) + " of namespace " + quote(e.Space) }

// textOf returns the text of an element that must hold nothing else.
func textOf(e *strictxml.Element) (string, *Refusal) {
	text, err := e.OnlyText()
	if err != nil {
		return "", refuse(ReasonStructure, "%s holds other elements where only text may be.", e.Local)
	}
	return text, nil
}

// attr returns an attribute without namespace, "" when it is absent.
func attr(e *strictxml.Element, local string) string {
	value, _ := e.Attr(local)
	return value
}

// maxID is the longest ID that is taken; what is remembered against replay is bounded by it.
const maxID = 1024

// identify checks Version and returns the ID and IssueInstant, as Response and Assertion have them.
func identify(e *strictxml.Element) (string, string, *Refusal) {
	if v := attr(e, "Version"); v != version {
		return "", "", refuse(ReasonVersion, "The %s is of version %s; %q is expected.", e.Local, quote(v), version)
	}
	id := attr(e, "ID")
	if id == "" || len(id) > maxID {
		return "", "", refuse(ReasonStructure, "The %s has no usable ID.", e.Local)
	}
	return id, attr(e, "IssueInstant"), nil
}

package dsig

import (
	"encoding/base64"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// cursor goes through the child elements of an element of XML Signature.
type cursor struct {
	parent, next *strictxml.Element
}

// children begins to read an element that takes elements only, with no attributes but those allowed.
func children(e *strictxml.Element, allowed ...string) (cursor, error) {
	if err := attributes(e, allowed...); err != nil {
		return cursor{}, err
	}
	if e.StrayText() {
		return cursor{}, refuse(ReasonStructure, "text directly inside <%s>", e.Local)
	}
	return cursor{e, e.First()}, nil
}

// take returns the next child, which must have this name.
func (c *cursor) take(local string) (*strictxml.Element, error) {
	found := c.next
	if found == nil {
		return nil, refuse(ReasonStructure, "<%s> without %s", c.parent.Local, local)
	}
	if !found.Is(Namespace, local) {
		return nil, refuse(ReasonStructure, "<%s> where <%s> expects %s", short(found.Local), c.parent.Local, local)
	}
	c.next = found.Next()
	return found, nil
}

// done refuses what is left.
func (c *cursor) done() error {
	if c.next != nil {
		return refuse(ReasonStructure, "<%s> inside <%s>", short(c.next.Local), c.parent.Local)
	}
	return nil
}

// attributes refuses all but the named attributes, which are in no namespace.
func attributes(e *strictxml.Element, allowed ...string) error {
	for i := range e.Attrs {
		if a := &e.Attrs[i]; a.Space != "" || !slices.Contains(allowed, a.Local) {
			return refuse(ReasonStructure, "attribute %s on <%s>", short(a.Local), e.Local)
		}
	}
	return nil
}

// empty refuses child elements and text.
func empty(e *strictxml.Element) error {
	if e.First() != nil || e.StrayText() {
		return refuse(ReasonStructure, "<%s> must be empty", e.Local)
	}
	return nil
}

// leaf returns the Algorithm of an element that has nothing else: HMACOutputLength, RSAPSSParams,
// XPath, stylesheets and the like are parameters of what is not accepted.
func leaf(e *strictxml.Element) (string, error) {
	if err := attributes(e, "Algorithm"); err != nil {
		return "", err
	}
	algorithm, _ := e.Attr("Algorithm")
	return algorithm, empty(e)
}

// decoded returns the base64 text of an element. White space is allowed anywhere, the carriage
// returns that Keycloak writes as &#13; included; padding and its bits must be right.
func decoded(e *strictxml.Element, allowed ...string) ([]byte, error) {
	if err := attributes(e, allowed...); err != nil {
		return nil, err
	}
	text, err := e.OnlyText()
	if err != nil {
		return nil, refuse(ReasonStructure, "an element inside %s", e.Local)
	}
	if len(text) > 8192 { // far beyond the largest signature
		return nil, refuse(ReasonStructure, "%s is too long", e.Local)
	}
	digits := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if c := text[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			digits = append(digits, c)
		}
	}
	n, err := base64.StdEncoding.Strict().Decode(digits, digits)
	if err != nil || n == 0 {
		return nil, refuse(ReasonStructure, "%s is not base64", e.Local)
	}
	return digits[:n], nil
}

// isIdentifier reports whether s can be an ID: characters of names without colon. The first may be
// a digit, which the standard forbids and home-made identity providers write. Parentheses and
// slashes cannot be, so no ID reads as an XPointer.
func isIdentifier(s string) bool {
	return strictxml.IsName("_"+s) && s != ""
}

// short keeps what a stranger wrote within a line.
func short(s string) string {
	if len(s) > 100 {
		s = s[:100] + "..."
	}
	return strings.ToValidUTF8(s, "")
}

package strictxml

import (
	"fmt"
	"strings"
)

// refuse makes a SyntaxError at pos. Names from the document are shortened.
func (p *parser) refuse(format string, a ...any) error {
	for i, arg := range a {
		if s, ok := arg.(string); ok && len(s) > 40 {
			a[i] = strings.ToValidUTF8(s[:40], "") + "..."
		}
	}
	return &SyntaxError{Offset: p.pos, Reason: fmt.Sprintf(format, a...)}
}

// refuseMarkup names what stands at pos and is never accepted; otherwise gives that reason.
func (p *parser) refuseMarkup(otherwise string) error {
	rest := p.s[p.pos:]
	for _, forbidden := range []struct {
		begins, name string
		cause        Cause
	}{
		{"<!--", "comment", Comment},
		{"<![CDATA[", "CDATA section", CDATA},
		{"<!DOCTYPE", "document type", DocumentType},
		{"<!", "declaration", NotWellFormed},
		{"<?xml ", "XML declaration not at the start", NotWellFormed},
		{"<?", "processing instruction", ProcessingInstruction},
	} {
		if strings.HasPrefix(rest, forbidden.begins) {
			return &SyntaxError{Offset: p.pos, Reason: forbidden.name, Cause: forbidden.cause}
		}
	}
	return p.refuse("%s", otherwise)
}

// tooLarge makes the SyntaxError of a limit.
func tooLarge(offset int, format string, limit int) error {
	return &SyntaxError{Offset: offset, Reason: fmt.Sprintf(format, limit), Cause: TooLarge}
}

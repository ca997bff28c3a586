package saml

import (
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// appendAttr appends ` name="value"`. What XML cannot hold, such as control characters, becomes
// U+FFFD, so that whatever is written can be read.
func appendAttr(dst []byte, name, value string) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, '=', '"')
	dst = strictxml.AppendAttr(dst, legal(value))
	return append(dst, '"')
}

// appendElement appends an element that holds text only.
func appendElement(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendTextOnly(dst, text)
	dst = append(dst, '<', '/')
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendTextOnly appends character data.
func appendTextOnly(dst []byte, text string) []byte { return strictxml.AppendText(dst, legal(text)) }

// legal replaces what production Char of XML 1.0 leaves out.
func legal(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= ' ' && r != 0xFFFE && r != 0xFFFF {
			return r // an invalid byte comes as U+FFFD
		}
		return utf8.RuneError
	}, s)
}

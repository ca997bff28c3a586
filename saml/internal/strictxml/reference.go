package strictxml

import (
	"strings"
	"unicode/utf8"
)

// decode replaces the references in run, which begins at pos. In an attribute, literal tabs and
// line feeds become spaces while those written as references stay (XML 1.0 section 3.3.3).
func (p *parser) decode(run string, attribute bool) (string, error) {
	out := p.buffer[:0]
	for i := 0; i < len(run); i++ {
		switch c := run[i]; {
		case c == '&':
			end := strings.IndexByte(run[i:], ';')
			r, ok := rune(0), false
			if end > 0 {
				r, ok = reference(run[i+1 : i+end])
			}
			if !ok {
				p.pos += i
				return "", p.refuse("reference to something other than a character or one of XML's own five entities")
			}
			out = utf8.AppendRune(out, r)
			i += end
		case attribute && (c == '\t' || c == '\n'):
			out = append(out, ' ')
		default:
			out = append(out, c)
		}
	}
	p.buffer = out
	return string(out), nil
}

// reference returns the character that a reference's inside stands for.
func reference(inside string) (rune, bool) {
	switch inside {
	case "amp":
		return '&', true
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, base := strings.TrimPrefix(inside, "#"), rune(10)
	if len(digits) == len(inside) {
		return 0, false
	}
	if strings.HasPrefix(digits, "x") {
		digits, base = digits[1:], 16
	}
	var r rune
	for i := 0; i < len(digits); i++ {
		d := digit(digits[i])
		if d < 0 || d >= base {
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, digits != "" && allowed(r)
}

// digit returns the value of a hexadecimal digit, or -1.
func digit(c byte) rune {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0')
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10
	}
	return -1
}

package strictxml

import (
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// Classes of ASCII bytes, looked up in class.
const (
	nameStart = 1 << iota // may begin a name, the colon apart
	nameByte              // may stand in a name, the colon apart
	attrStop              // ends the fast way through an attribute value
)

// class holds the classes of each byte; of those from 0x80 on, letters are told by nameRune.
var class = func() (t [256]uint8) {
	for c := range t {
		switch b := byte(c); {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b == '_':
			t[c] = nameStart | nameByte
		case b >= '0' && b <= '9', b == '-', b == '.':
			t[c] = nameByte
		case b == '<', b == '&', b == '"', b == '\'', b == '\t', b == '\n', b == '\r':
			t[c] = attrStop
		}
	}
	return t
}()

// badCharacter returns the offset of the first byte of raw that is not part of a character that
// XML 1.0 allows (production Char) in UTF-8, or -1, and what is wrong with it. Eight bytes of
// printable ASCII go in one step.
func badCharacter(raw []byte) (int, string) {
	const high, spaces = 0x8080808080808080, 0x2020202020202020
	for i := 0; i < len(raw); {
		if i+8 <= len(raw) {
			word := binary.LittleEndian.Uint64(raw[i:])
			if (word|(word-spaces)&^word)&high == 0 {
				i += 8
				continue
			}
		}
		switch c := raw[i]; {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(raw[i:])
			if r == utf8.RuneError && size == 1 {
				return i, "not UTF-8"
			}
			if r == 0xFFFE || r == 0xFFFF {
				return i, "character that XML does not allow"
			}
			i += size
		case c >= ' ', c == '\n', c == '\t', c == '\r':
			i++
		default:
			return i, "control character"
		}
	}
	return -1, ""
}

// allowed reports whether r may be written as a character reference (production Char).
func allowed(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r <= 0xFFFD || r >= 0x10000 && r <= 0x10FFFF
}

// nameRune reports whether r, which is not ASCII, may stand in a name, or begin one
// (XML 1.0 fifth edition, productions NameChar and NameStartChar).
func nameRune(r rune, start bool) bool {
	switch {
	case r >= 0xC0 && r <= 0x2FF:
		return r != 0xD7 && r != 0xF7
	case r >= 0x370 && r <= 0x1FFF:
		return r != 0x37E
	case r == 0x200C, r == 0x200D,
		r >= 0x2070 && r <= 0x218F, r >= 0x2C00 && r <= 0x2FEF, r >= 0x3001 && r <= 0xD7FF,
		r >= 0xF900 && r <= 0xFDCF, r >= 0xFDF0 && r <= 0xFFFD, r >= 0x10000 && r <= 0xEFFFF:
		return true
	case r == 0xB7, r >= 0x300 && r <= 0x36F, r == 0x203F, r == 0x2040:
		return !start
	}
	return false
}

// nameEnd returns the end of the name without colon that begins at i; i itself when there is none.
func nameEnd(s string, i int) int {
	from := i
	for i < len(s) {
		c := s[i]
		if c < utf8.RuneSelf {
			if class[c]&nameByte == 0 || i == from && class[c]&nameStart == 0 {
				break
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if !nameRune(r, i == from) {
			break
		}
		i += size
	}
	return i
}

// IsName reports whether s is a name without colon (Namespaces in XML 1.0 production NCName),
// which is what an xs:ID must be.
func IsName(s string) bool { return s != "" && nameEnd(s, 0) == len(s) }

// absoluteURI reports whether s is a namespace name that every canonicaliser agrees about: a URI
// with a scheme, in the characters of RFC 3986 without address literals and ampersands (libxml2
// writes the latter unescaped). Relative ones made canonicalisers fail, and a verifier that went
// on had nothing to hash.
func absoluteURI(s string) bool {
	scheme, rest, found := strings.Cut(s, ":")
	if !found || scheme == "" || rest == "" {
		return false
	}
	for i := 0; i < len(scheme); i++ {
		c := scheme[i]
		if !letter(c) && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	if address, found := strings.CutPrefix(rest, "//"); found && !authority(address) {
		return false
	}
	fragments := 0
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case letter(c), c >= '0' && c <= '9', strings.IndexByte("-._~!$'()*+,;=:@/?", c) >= 0:
		case c == '%' && i+2 < len(rest) && digit(rest[i+1]) >= 0 && digit(rest[i+2]) >= 0:
		case c == '#' && fragments == 0:
			fragments++
		default:
			return false
		}
	}
	return true
}

// authority reports whether s begins with a host, and digits after a colon if there is one.
func authority(s string) bool {
	if end := strings.IndexAny(s, "/?#"); end >= 0 {
		s = s[:end]
	}
	host, port, found := strings.Cut(s, ":")
	return host != "" && (!found || port != "" && strings.Trim(port, "0123456789") == "")
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// blank reports whether s is white space only (production S).
func blank(s string) bool {
	for i := 0; i < len(s); i++ {
		if !white(s[i]) {
			return false
		}
	}
	return true
}

// white reports whether c is white space to XML.
func white(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

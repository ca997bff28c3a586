package scim

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns s under Unicode simple case folding: Fold(a) == Fold(b) exactly when
// strings.EqualFold(a, b). It is the one folding for attributes that are not caseExact; a
// Backend that stores folded columns must use it, so that uniqueness and filters agree (RFC 7643
// section 2.2).
func Fold(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		return rune(lowerByte(byte(r)))
	}
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	if lower := unicode.ToLower(least); lower != least && inOrbit(least, lower) {
		return lower
	}
	return least
}

// inOrbit keeps U+0130 apart from i: ToLower maps it there, case folding does not.
func inOrbit(a, b rune) bool {
	for f := unicode.SimpleFold(a); f != a; f = unicode.SimpleFold(f) {
		if f == b {
			return true
		}
	}
	return false
}

package directory

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Fold returns the form of s under which two strings that differ only in letter case are equal:
// Fold(a) == Fold(b) exactly when strings.EqualFold(a, b). It is stored beside every value that
// is unique or looked up without regard to case, so that both databases compare bytes.
func Fold(s string) string {
	for i := range len(s) {
		if c := s[i]; c >= utf8.RuneSelf || 'A' <= c && c <= 'Z' {
			return strings.Map(foldRune, s)
		}
	}
	return s
}

// foldRune maps every rune of one case orbit (K, k, the Kelvin sign) to one representative.
func foldRune(r rune) rune {
	if r < utf8.RuneSelf {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		if next < least {
			least = next
		}
	}
	if 'A' <= least && least <= 'Z' {
		return least + 'a' - 'A'
	}
	return least
}

// IsAddress reports whether s can be an e-mail address as far as a directory can know: one
// "@" with something on both sides and no space or control character, 254 bytes at most. A domain with
// a dot at its end is another name to us and to mail the same, so nobody has such an address.
func IsAddress(s string) bool {
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 || s[at+1] == '.' || s[len(s)-1] == '.' || len(s) > 254 || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if unicode.IsSpace(r) || unicode.IsControl(r) || r == '<' || r == '>' || r == '"' || r == ',' {
			return false
		}
	}
	return strings.IndexByte(s, '@') == at
}

// SameName compares two names without regard to letter case, but never takes an ASCII letter for one
// that only folds to it: the Kelvin sign is no k, and whoever can choose it is not k's owner.
func SameName(a, b string) bool {
	if len(a) != len(b) || Fold(a) != Fold(b) {
		return false // the letters in question are longer than the ASCII ones
	}
	for i := range len(a) {
		if (a[i] < utf8.RuneSelf) != (b[i] < utf8.RuneSelf) {
			return false
		}
	}
	return true
}

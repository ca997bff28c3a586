package directory_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// foldable draws text from the corners of case folding: letters whose orbits have three members or
// leave ASCII, letters without a partner, and bytes that are not UTF-8.
func foldable() *rapid.Generator[string] {
	corners := []string{"k", "K", "\u212a", "s", "S", "\u017f", "\u00e9", "\u00c9", "\u00df", "\u1e9e", "i", "I", "\u0130", "\u0131",
		"\u03c3", "\u03c2", "\u03a3", "\u01c4", "\u01c5", "\u01c6", "\u00b5", "\u03bc", "\u2126", "\u03c9", "1", "@", ".", " ", "\xff", "\u0000"}
	part := rapid.OneOf(rapid.SampledFrom(corners), rapid.StringN(1, 1, 4))
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(part, 0, 4).Draw(t, "parts"), "")
	})
}

func TestFold_SaysEqualExactlyWhenEqualFoldDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := foldable().Draw(t, "a")
		b := rapid.OneOf(foldable(), rapid.SampledFrom([]string{a, strings.ToUpper(a), strings.ToLower(a), strings.ToTitle(a)})).Draw(t, "b")
		if got, want := directory.Fold(a) == directory.Fold(b), strings.EqualFold(a, b); got != want {
			t.Fatalf("Fold(%q) == Fold(%q) is %v, EqualFold says %v", a, b, got, want)
		}
		if once := directory.Fold(a); directory.Fold(once) != once {
			t.Fatalf("Fold(%q) = %q, which folds further to %q", a, once, directory.Fold(once))
		}
	})
}

func TestFold_JoinsTheWholeOrbitOfEveryRune(t *testing.T) {
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		next := unicode.SimpleFold(r)
		if directory.Fold(string(r)) != directory.Fold(string(next)) {
			t.Errorf("%U and %U fold to %q and %q", r, next, directory.Fold(string(r)), directory.Fold(string(next)))
		}
	}
}

func TestIsAddress_AcceptsWhatMailAcceptsAndNothingThatHidesASecondAddress(t *testing.T) {
	local := strings.Repeat("a", 254-len("@acme.test"))
	good := []string{"ada@acme.test", "a@b", "ada+tag@acme.test", "o'brien@acme.test", "\u00e9lise@b\u00fcro.de", local + "@acme.test", "ADA@ACME.TEST"}
	bad := []string{"", "@", "ada", "@acme.test", "ada@", "a@b@c", "ada acme@test.example", "ada@acme.test ", " ada@acme.test", "ada@acme.test\n",
		"ada@acme.test\r\nBcc: eve@evil.test", "Ada <ada@acme.test>", "\"ada\"@acme.test", "ada@acme.test,eve@evil.test", "ada\u0000@acme.test",
		"ada\u00a0x@acme.test", "ada@\xff.test", "ada@acme.test.", "ada@.acme.test", "ada@.", local + "a@acme.test"}
	for _, s := range good {
		if !directory.IsAddress(s) {
			t.Errorf("IsAddress(%q) is false", s)
		}
	}
	for _, s := range bad {
		if directory.IsAddress(s) {
			t.Errorf("IsAddress(%q) is true", s)
		}
	}
}

package directory

import (
	"strings"
	"testing"
)

func TestNearest_GuessesSlipsAndNothingElse(t *testing.T) {
	known := []string{"policy", "preset", "domains", "Admin"}
	cases := map[string]string{
		"polcy": "policy", "ploicy": "policy", "presets": "preset", "domian": "domains", "ADMIN": "Admin", "admon": "Admin",
		"zebra": "", "": "", "x": "", strings.Repeat("policy", 100): "",
	}
	for word, want := range cases {
		if got := Nearest(word, known); got != want {
			t.Errorf("%.20q: got %q, want %q", word, got, want)
		}
	}
}

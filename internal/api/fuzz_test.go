package api

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// What this room parses itself: cursors, entity tags and the header with the key.
func FuzzParsed(f *testing.F) {
	for _, seed := range []string{"", "*", `"1"`, `W/"1", "2"`, "Bearer gk_x", "bearer  gk_", cursor(memberCursor, "mem_1"), cursor(eventCursor, "9223372036854775807"), "====", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if at, err := place(memberCursor, text); err == nil && text != "" {
			if cursor(memberCursor, at) != text {
				t.Errorf("%q is read as %q, which is written otherwise", text, at)
			}
			if _, err := place(teamCursor, text); err == nil {
				t.Errorf("%q is a cursor of two lists", text)
			}
		}
		if n, err := number(eventCursor, text); err == nil && n < 0 {
			t.Errorf("%q is the number %d", text, n)
		}
		if matches(text, `"a"`) && strings.TrimSpace(text) != "" && !strings.Contains(text, "*") && !strings.Contains(text, `"a"`) {
			t.Errorf("%q matches", text)
		}
		if key := bearer(text); key != "" && (!strings.HasPrefix(key, settings.APIKeyPrefix) || len(key) > maxKeyLength || !strings.Contains(text, key)) {
			t.Errorf("%q has the key %q", text, key)
		}
	})
}

package scim

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestJSON_EmptyObjectsTakeNoRoom(t *testing.T) {
	body := []byte(`{"a":[` + strings.Repeat("{},", 340_000) + `{}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := decodeObject(body); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	// The list itself takes 16 bytes an element and doubles as it grows.
	if got := (after.TotalAlloc - before.TotalAlloc) >> 20; got > 48 {
		t.Errorf("a body of 1 MiB took %d MiB to read", got)
	}
}

func TestPatch_LongTextsCountAsManyValues(t *testing.T) {
	text := strings.Repeat("é", 200_000)
	terms := strings.TrimSuffix(strings.Repeat(`display co \"q\" or `, 20), " or ")
	op := `{"op":"remove","path":"emails[` + terms + `]"},`
	body := patchHead + `[` + strings.TrimSuffix(strings.Repeat(op, 300), ",") + `]}`
	user := NewUserType()
	p, err := ParsePatch(user, Lenient, "1", []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = p.Apply(Resource{"userName": "ann", "emails": []any{map[string]any{"value": "a@b.c", "display": text}}})
	var e *Error
	if !errors.As(err, &e) || e.Type != TypeTooMany {
		t.Errorf("6,000 searches of a text of 400 kB: %v, want tooMany", err)
	}
}

package scim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// wantError checks status and scimType of a refusal.
func wantError(t *testing.T, err error, status int, scimType string) *Error {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an Error %d %s", err, status, scimType)
	}
	if e.Status != status || e.Type != scimType {
		t.Fatalf("got %v, want %d %s", e, status, scimType)
	}
	return e
}

func TestJSON_RefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	t.Parallel()
	many := make([]string, 40)
	for i := range many {
		many[i] = fmt.Sprintf(`"k%d":1`, i)
	}
	cases := map[string]string{
		"nothing":                          ``,
		"white space":                      "  \n",
		"an array":                         `[]`,
		"a string":                         `"x"`,
		"a name twice":                     `{"a":1,"a":2}`,
		"a name in two letter cases":       `{"userName":"a","USERNAME":"b"}`,
		"a name twice, inside":             `{"a":[{"value":1,"Value":2}]}`,
		"a name twice through an escape":   `{"a":1,"\u0061":2}`,
		"a name twice in a large object":   `{` + strings.Join(many, ",") + `,"K7":1}`,
		"data after the object":            `{} {}`,
		"a trailing comma":                 `{"a":1,}`,
		"a comma missing":                  `{"a":1 "b":2}`,
		"a colon missing":                  `{"a" 1}`,
		"single quotes":                    `{'a':1}`,
		"a leading zero":                   `{"a":01}`,
		"a plus":                           `{"a":+1}`,
		"a bare dot":                       `{"a":1.}`,
		"NaN":                              `{"a":NaN}`,
		"a number without end":             `{"a":` + strings.Repeat("9", 100) + `}`,
		"U+0000":                           `{"a":"\u0000"}`,
		"U+0000 in a name":                 `{"\u0000":1}`,
		"a raw control character":          "{\"a\":\"\x01\"}",
		"an unpaired surrogate":            `{"a":"\ud800"}`,
		"surrogates in the wrong order":    `{"a":"\udc00\ud800"}`,
		"an unknown escape":                `{"a":"\x41"}`,
		"a short escape":                   `{"a":"\u12"}`,
		"bytes that are not UTF-8":         "{\"a\":\"\xff\"}",
		"an open string":                   `{"a":"b`,
		"an open object":                   `{"a":1`,
		"an open array":                    `{"a":[1`,
		"a word that is nearly true":       `{"a":tru}`,
		"objects that are nested too deep": strings.Repeat(`{"a":`, 40) + `1` + strings.Repeat(`}`, 40),
		"arrays that are nested too deep":  `{"a":` + strings.Repeat(`[`, 40) + strings.Repeat(`]`, 40) + `}`,
	}
	for name, doc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := decodeObject([]byte(doc))
			if e := wantError(t, err, 400, TypeInvalidSyntax); len(e.Detail) > 400 {
				t.Errorf("the detail has %d bytes", len(e.Detail))
			}
		})
	}
}

func TestJSON_KeepsWhatWasWritten(t *testing.T) {
	t.Parallel()
	doc := "\xef\xbb\xbf" + ` {"s":"a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é","n":[-0,1.5e+3,12345678901234567890],"t":true,"f":false,"z":null,"o":{"":{}},"e":[]} ` + "\n"
	o, err := decodeObject([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"s": "a\"\\/\b\f\n\r\té😀é",
		"n": []any{json.Number("-0"), json.Number("1.5e+3"), json.Number("12345678901234567890")},
		"t": true, "f": false, "z": nil, "o": map[string]any{"": map[string]any{}}, "e": []any{},
	}
	if got := o.plain(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestJSON_LimitsTheNumberOfValues(t *testing.T) {
	t.Parallel()
	doc := `{"a":[` + strings.Repeat("0,", maxJSONElements) + `0]}`
	_, err := decodeObject([]byte(doc))
	wantError(t, err, 400, TypeInvalidSyntax)
}

func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":1,"b":[true,null,"x"],"c":{"d":-1.5e3}}`, `{"a":"\ud83d\ude00"}`, `{"A":1,"a":2}`, `{"a":"\u0000"}`,
		"\xef\xbb\xbf{}", `{"a":{"a":{"a":[[[]]]}}}`, `{"a":01}`, ` { } x`, `{"é":"é"}`, "{\"\xff\":1}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		o, err := decodeObject(doc)
		if err != nil {
			wantError(t, err, 400, TypeInvalidSyntax)
			return
		}
		// What we accept, encoding/json must read the same.
		d := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		got := o.plain()
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %#v\nwant %#v", got, want)
		}
		again, err := Parse(Resource(got).AppendJSON(nil))
		if err != nil || !reflect.DeepEqual(map[string]any(again), got) {
			t.Fatalf("written and read again: %v, %v", again, err)
		}
	})
}

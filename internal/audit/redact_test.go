package audit

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedact_NoSecretSurvives(t *testing.T) {
	cases := map[string]string{
		"a password of a user":                   `{"userName":"a","password":"hunter2-hunter2"}`,
		"a password in another letter case":      `{"PassWord":"hunter2-hunter2"}`,
		"a password key behind an escape":        `{"\u0070assword":"hunter2-hunter2"}`,
		"a nested client secret":                 `{"a":[{"client_secret":"hunter2-hunter2"}]}`,
		"an object under a secret key":           `{"password":{"value":"hunter2-hunter2"}}`,
		"a PATCH operation on password":          `{"Operations":[{"op":"replace","path":"password","value":"hunter2-hunter2"}]}`,
		"a PATCH with the value before the path": `{"Operations":[{"value":"hunter2-hunter2","path":"urn:ietf:params:scim:schemas:core:2.0:User:password"}]}`,
		"a path key behind an escape":            `{"\u0070ath":"pass\u0077ord","value":"hunter2-hunter2"}`,
		"a path-less PATCH":                      `{"Operations":[{"op":"replace","value":{"password":"hunter2-hunter2"}}]}`,
		"a body that is not JSON":                `{"password":"hunter2-hunter2"`,
		"a form":                                 `user=a&password=hunter2-hunter2`,
		"a filter in a PATCH path":               `{"path":"password[value eq \"hunter2-hunter2\"]","value":"x"}`,
		"JSON inside a string":                   `{"roles":[{"value":"{\"client_secret\":\"hunter2-hunter2\"}"}]}`,
		"JSON inside a string inside a string":   `{"a":" [\"{\\\"password\\\":\\\"hunter2-hunter2\\\"}\"]"}`,
		"JSON inside an escaped string":          `{"a":"\u007b\"password\":\"hunter2-hunter2\"}"}`,
		"a passphrase":                           `{"passphrase":"hunter2-hunter2","pwd":"hunter2-hunter2"}`,
		"a Kelvin sign in the key":               `{"to` + "\u212a" + `en":"hunter2-hunter2"}`,
	}
	for name, body := range cases {
		t.Run(name, func(t *testing.T) {
			out, _ := Redact([]byte(body), MaxPayload)
			if !json.Valid(out) {
				t.Fatalf("not JSON: %s", out)
			}
			if strings.Contains(string(out), "hunter2") {
				t.Errorf("the secret survived: %s", out)
			}
		})
	}
}

func TestRedact_KeepsEverythingElseAsItCame(t *testing.T) {
	body := `{"b":1.50,"a":[1e400, true ,null,"x\n\"y"],"userName":"ann","Operations":[{"op":"Replace","path":"active","value":"False"}]}`
	want := `{"b":1.50,"a":[1e400,true,null,"x\n\"y"],"userName":"ann","Operations":[{"op":"Replace","path":"active","value":"False"}]}`
	out, note := Redact([]byte(body), MaxPayload)
	if string(out) != want || note != "" {
		t.Errorf("got %s, note %q", out, note)
	}
}

func TestRedact_StaysWithinItsLimit(t *testing.T) {
	for _, body := range []string{
		`{"a":"` + strings.Repeat("é", 50_000) + `"}`,
		strings.Repeat("\x01", 80_000),
		strings.Repeat("\"", 80_000),
	} {
		out, note := Redact([]byte(body), 1000)
		if len(out) > 1000 || !json.Valid(out) || note == "" {
			t.Errorf("%d bytes, valid %v, note %q", len(out), json.Valid(out), note)
		}
	}
}

func TestRedact_SearchesABrokenBodyOnceForEachWord(t *testing.T) {
	body := []byte(strings.Repeat("token\n", 170_000)) // 1 MB, each line a find of its own
	words := findings(body)
	found := 0
	for end := words.next(0); end >= 0; end = words.next(end) {
		found++
	}
	// The square of the size took 19 s.
	if limit := len(secretWords) * len(body); found != 170_000 || words.looked > limit {
		t.Errorf("%d finds by searching %d bytes, limit %d", found, words.looked, limit)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"password":"x","path":["a",{"path":"password","value":1}]}`))
	f.Add([]byte(`{"a":`))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, _ := Redact(body, 4096)
		if len(body) > 0 && !json.Valid(out) {
			t.Fatalf("not JSON: %q from %q", out, body)
		}
		if len(out) > 4096 {
			t.Fatalf("%d bytes", len(out))
		}
	})
}

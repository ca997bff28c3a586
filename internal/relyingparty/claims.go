package relyingparty

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"strings"
	"time"
)

// Claims are those of a token, each as it came.
type Claims map[string]json.RawMessage

// maxList is how many values of a claim are read; more count as unknown.
const maxList = 10_000

// find returns a claim by its name or, where there is none of that name, by a path of names with dots.
func (c Claims) find(name string) json.RawMessage {
	if raw, ok := c[name]; ok || name == "" {
		return raw
	}
	head, rest, nested := strings.Cut(name, ".")
	if !nested {
		return nil
	}
	var inner Claims
	if json.Unmarshal(c[head], &inner) != nil {
		return nil
	}
	return inner.find(rest)
}

// Has reports whether a claim is there and not null.
func (c Claims) Has(name string) bool {
	raw := c.find(name)
	return raw != nil && string(raw) != "null"
}

// Text returns a claim that is a text, "" for any other.
func (c Claims) Text(name string) string {
	var s string
	if raw := c.find(name); raw == nil || json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// True reports whether a claim is the JSON value true: a text, a number or nothing is not (R15: absent is
// not verified).
func (c Claims) True(name string) bool { return string(c.find(name)) == "true" }

// List returns a claim that is a list of texts, or one text as a list of one. known is false where it is
// absent, null, of another kind or too long.
func (c Claims) List(name string) (values []string, known bool) {
	raw := c.find(name)
	if raw == nil || string(raw) == "null" {
		return nil, false
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return []string{one}, true
	}
	if json.Unmarshal(raw, &values) != nil || len(values) > maxList {
		return nil, false
	}
	return values, true
}

// Values returns a claim as JSON decodes it, the elements of a list each for itself; nil where it is absent, null or too
// long. Numbers are json.Number.
func (c Claims) Values(name string) []any {
	raw := c.find(name)
	if raw == nil || string(raw) == "null" {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if decoder.Decode(&v) != nil {
		return nil
	}
	list, many := v.([]any)
	if !many {
		return []any{v}
	}
	if len(list) > maxList {
		return nil
	}
	return list
}

// Overage reports whether groups were left out because there are too many (Entra): the token names a place to
// fetch them from instead, which is never called.
func (c Claims) Overage() bool {
	var names map[string]json.RawMessage
	_ = json.Unmarshal(c["_claim_names"], &names) // nothing readable names no groups
	_, elsewhere := names["groups"]
	return elsewhere || c.True("hasgroups")
}

// Instant returns a claim that is a NumericDate; false where there is none that can be read.
func (c Claims) Instant(name string) (time.Time, bool) {
	at, given, ok := c.instant(name)
	return at, given && ok
}

// instant returns a claim that is a NumericDate. given is whether there is such a claim, ok whether it can be read.
func (c Claims) instant(name string) (at time.Time, given, ok bool) {
	raw, given := c[name]
	if !given || string(raw) == "null" {
		return time.Time{}, false, false
	}
	var seconds float64
	if json.Unmarshal(raw, &seconds) != nil || math.Abs(seconds) > 1e11 { // the year 5138
		return time.Time{}, true, false
	}
	return time.UnixMilli(int64(seconds * 1000)), true, true
}

func parseClaims(payload []byte) (Claims, error) {
	var c Claims
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, refuse(ReasonMalformed, "The token's claims are no JSON object.").because(err)
	}
	return c, nil
}

// headerOf reads the header of a compact JWS.
func headerOf(raw string) (tokenHeader, error) {
	var h tokenHeader
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return h, refuse(ReasonMalformed, "Expected a signed JWT of three parts, received %d.", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		return h, refuse(ReasonMalformed, "The token's header cannot be read.").because(err)
	}
	return h, nil
}

// unread adds the claims of a token that nobody believes yet, for the event.
func (r *Refusal) unread(raw string) *Refusal {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return r
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil {
		_ = json.Unmarshal(text, &r.Claims) // what cannot be read is not shown
	}
	return r
}

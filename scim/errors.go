package scim

import (
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"
)

// The scimType values of RFC 7644 section 3.12, table 9.
const (
	TypeInvalidFilter = "invalidFilter"
	TypeTooMany       = "tooMany"
	TypeUniqueness    = "uniqueness"
	TypeMutability    = "mutability"
	TypeInvalidSyntax = "invalidSyntax"
	TypeInvalidPath   = "invalidPath"
	TypeNoTarget      = "noTarget"
	TypeInvalidValue  = "invalidValue"
	TypeInvalidVers   = "invalidVers"
	TypeSensitive     = "sensitive"
)

// The scimType values of RFC 9865 section 2.1, each with status 400. A Backend that pages by cursor returns the
// first two: for a cursor that it did not make for this query, and for one that is too old.
const (
	TypeInvalidCursor = "invalidCursor"
	TypeExpiredCursor = "expiredCursor"
	TypeInvalidCount  = "invalidCount"
)

// Error is a refusal that the client sees, rendered as a SCIM Error message (RFC 7644 section
// 3.12). A Backend returns one for everything it refuses on purpose; any other error becomes a
// 500 without detail.
type Error struct {
	Status     int    // the HTTP status, 400 and above
	Type       string // the scimType, empty where table 9 has none
	Detail     string // a sentence for the client's administrator; no internals, no secrets
	RetryAfter int    // seconds, sent as Retry-After where it is above zero (429, 503)
}

// Error returns status, scimType and detail in one line.
func (e *Error) Error() string {
	s := "scim: " + strconv.Itoa(e.Status)
	if e.Type != "" {
		s += " " + e.Type
	}
	return s + ": " + e.Detail
}

// MarshalJSON renders the SCIM Error message. The status is a string: Okta's test suite
// compares it with "404".
func (e *Error) MarshalJSON() ([]byte, error) { return e.appendJSON(nil), nil }

func (e *Error) appendJSON(b []byte) []byte {
	b = append(b, `{"schemas":["`+URNError+`"],"status":"`...)
	b = strconv.AppendInt(b, int64(e.Status), 10)
	b = append(b, '"')
	if e.Type != "" {
		b = append(b, `,"scimType":`...)
		b = appendString(b, e.Type)
	}
	if e.Detail != "" {
		b = append(b, `,"detail":`...)
		b = appendString(b, e.Detail)
	}
	return append(b, '}')
}

// Errorf makes an Error. The detail should say what was expected and what was received; clip
// long input first, nothing here does.
func Errorf(status int, scimType, format string, args ...any) *Error {
	return &Error{Status: status, Type: scimType, Detail: fmt.Sprintf(format, args...)}
}

// NotFound is the 404 for an id that this client cannot see, whether or not it exists
// elsewhere.
func NotFound(t *ResourceType, id string) *Error {
	return Errorf(http.StatusNotFound, "", "No %s has the id %s.", t.Name, quote(id))
}

// Unauthorized is the 401 for a missing or wrong token. It says nothing about which.
func Unauthorized() *Error {
	return Errorf(http.StatusUnauthorized, "", "A valid bearer token is required.")
}

func bad(scimType, format string, args ...any) *Error {
	return Errorf(http.StatusBadRequest, scimType, format, args...)
}

// maxEcho is how much of a client's input an error repeats, in bytes.
const maxEcho = 100

// quote returns s in double quotes for an error's detail, cut to maxEcho bytes.
func quote(s string) string {
	if len(s) <= maxEcho {
		return strconv.Quote(s)
	}
	cut := maxEcho
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// describe names a decoded JSON value in an error: its type, and the text of short scalars.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return "the string " + quote(v)
	case bool:
		return "the boolean " + strconv.FormatBool(v)
	case []any:
		return "an array of " + strconv.Itoa(len(v))
	case object, map[string]any:
		return "an object"
	default:
		return fmt.Sprintf("the number %.40v", v)
	}
}

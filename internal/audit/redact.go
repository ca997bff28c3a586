package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// Masked stands for a value that must not be stored.
const Masked = "[redacted]"

// secretWords mark a key whose value is never stored. A key matches when its last name, folded
// and without "-" and "_", contains one of them.
var secretWords = []string{"password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "authorization", "cookie", "apikey", "privatekey", "assertion", "credential"}

// secretKey reports whether key, which may be a SCIM path ("urn:...:User:password") or hold
// escapes, names a secret: by one of secretWords, or by a whole name that is among more.
func secretKey(key string, more []string) bool {
	if len(more) > 0 && slices.ContainsFunc(strings.FieldsFunc(key, outsideName), func(name string) bool { return amongFolded(more, name) }) {
		return true
	}
	var b strings.Builder
	for _, r := range key {
		switch {
		case r == '-' || r == '_' || r == ' ':
		case 'A' <= r && r <= 'Z':
			b.WriteRune(r + 'a' - 'A')
		case r == '\u212a': // the Kelvin sign, which folds to k
			b.WriteByte('k')
		case r == '\u017f': // long s, which folds to s
			b.WriteByte('s')
		default:
			b.WriteRune(r)
		}
	}
	folded := b.String()
	for _, word := range secretWords {
		if strings.Contains(folded, word) {
			return true
		}
	}
	return false
}

// outsideName reports what no attribute name of SCIM has in it.
func outsideName(r rune) bool {
	return ('a' > r || r > 'z') && ('A' > r || r > 'Z') && ('0' > r || r > '9') && r != '-' && r != '_'
}

func amongFolded(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.EqualFold(s, name) })
}

// Exchange is a payload: what was asked and how it was answered.
type Exchange struct {
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"` // with query
	Status int    `json:"status,omitempty"`
	// Body is the redacted body: JSON as it came where it parses, else a string.
	Body json.RawMessage `json:"body,omitempty"`
	// Note says what was left out or dropped.
	Notes []string `json:"notes,omitempty"`
}

// Redact returns body without secrets as valid JSON of at most limit bytes, and a note where
// anything but a secret was left out. A body that is not JSON is kept as a string with the values
// behind secret-looking names masked. An empty body gives nil. more are further names of attributes whose values are
// secret.
func Redact(body []byte, limit int, more ...string) (json.RawMessage, string) {
	if len(body) == 0 {
		return nil, ""
	}
	if json.Valid(body) {
		out := redactJSON(make([]byte, 0, len(body)), body, more)
		if len(out) <= limit {
			return out, ""
		}
		return quoted(out, limit), "the body is cut at the size limit of the log"
	}
	masked := maskText(body, more)
	note := "the body is not valid JSON"
	if len(masked) > limit {
		note += " and is cut at the size limit of the log"
	}
	return quoted(masked, limit), note
}

// quoted returns text as a JSON string of at most limit bytes.
func quoted(text []byte, limit int) json.RawMessage {
	// A byte grows to six at most (\u00XX), so cutting at limit/6 always fits; try larger first.
	for _, n := range []int{limit * 9 / 10, limit / 2, limit/6 - 2} {
		cut := text
		if len(cut) > n {
			cut = cut[:n]
			for len(cut) > 0 && !utf8.RuneStart(cut[len(cut)-1]) {
				cut = cut[:len(cut)-1]
			}
			if len(cut) > 0 {
				if r, size := utf8.DecodeLastRune(cut); r == utf8.RuneError && size == 1 {
					cut = cut[:len(cut)-1]
				}
			}
		}
		out, err := json.Marshal(strings.ToValidUTF8(string(cut), "\uFFFD"))
		if err == nil && len(out) <= limit {
			return out
		}
	}
	return json.RawMessage(`"[too large]"`)
}

package api

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// A cursor is where a page of one kind of list ended. It says nothing about a workspace: it is a place, and what is
// behind it is looked for in the caller's own.

// cursorKind names a list, so that the cursor of one is not taken for another's.
type cursorKind string

const maxCursor = 600 // bytes, encoded

// cursor encodes a place.
func cursor(kind cursorKind, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(string(kind) + ":" + place))
}

// place reads a cursor of a kind, "" for the first page.
func place(kind cursorKind, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	wrong := errs.Invalid("cursor_invalid", "The cursor is none that this list gave. Begin without one.")
	if len(text) > maxCursor {
		return "", wrong
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || !utf8.Valid(raw) {
		return "", wrong
	}
	at, ok := strings.CutPrefix(string(raw), string(kind)+":")
	if !ok || at == "" || strings.ContainsRune(at, 0) {
		return "", wrong
	}
	return at, nil
}

// number is place for lists by number.
func number(kind cursorKind, text string) (int64, error) {
	at, err := place(kind, text)
	if err != nil || at == "" {
		return 0, err
	}
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil || n <= 0 || n == math.MaxInt64 {
		return 0, errs.Invalid("cursor_invalid", "The cursor is none that this list gave. Begin without one.")
	}
	return n, nil
}

// version is the entity tag of what was changed last at an instant.
func version(changed time.Time) string { return tag(changed.UnixMicro()) }

func tag(n int64) string { return `"` + strconv.FormatInt(n, 36) + `"` }

// matches reports whether a condition (If-Match, RFC 9110 section 13.1.1) holds for an entity tag. No condition always does;
// one that cannot be read never does. Weak tags do not match: the comparison is the strong one.
func matches(condition, current string) bool {
	condition = strings.TrimSpace(condition)
	if condition == "" || condition == "*" {
		return true
	}
	for part := range strings.SplitSeq(condition, ",") {
		if strings.TrimSpace(part) == current {
			return true
		}
	}
	return false
}

// unless makes the precondition of a change; nil for none.
func unless(condition string) func(time.Time, []store.GroupMember) error {
	if strings.TrimSpace(condition) == "" {
		return nil
	}
	return func(changed time.Time, _ []store.GroupMember) error {
		if !matches(condition, version(changed)) {
			return errVersion()
		}
		return nil
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }

package saml

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// sentence is an error that administrators read as it is.
type sentence string

func (s sentence) Error() string { return string(s) }

// sentencef makes a sentence.
func sentencef(format string, a ...any) error { return sentence(fmt.Sprintf(format, a...)) }

// quote makes text from outside fit for a sentence: short, and without control characters.
func quote(s string) string {
	const limit = 200
	if len(s) <= limit {
		return strconv.Quote(s)
	}
	end := limit
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strconv.Quote(s[:end]) + "..."
}

package scim

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	peer "github.com/scim2/filter-parser/v2"
	"pgregory.net/rapid"
)

// deviation is a kind of text about which the other parser is wrong, with the reason.
type deviation struct {
	text *regexp.Regexp
	why  string
}

// Texts that it refuses and that are right.
var peerRefuses = []deviation{
	{regexp.MustCompile(`^ | $`), "spaces around a filter are no part of it: clients leave them in a URL"},
	{regexp.MustCompile(`\[.*\(`), "it reads no parentheses in a value path but those of not; the grammar has *1\"not\" \"(\" valFilter \")\" (RFC 7644 section 3.4.2.2)"},
	{regexp.MustCompile(`(?i)\[.* (and|or) .* (and|or) `), "it reads two terms in a value path and no more; the grammar has logExp there (RFC 7644 section 3.4.2.2)"},
	{regexp.MustCompile(`\\u[0-9a-fA-F]*[a-f]`), "it takes the letters of an escaped character in capitals alone; RFC 8259 section 7 takes both"},
}

// Texts that it reads and that are wrong.
var peerReads = []deviation{
	{regexp.MustCompile(`\[`), "in and before a value path it asks for no spaces where the grammar has SP, and takes some where it has none (RFC 7644 section 3.4.2.2)"},
	{regexp.MustCompile(`(?i)true|false|null`), "it takes literals in any letter case; they are those of JSON (RFC 7644 section 3.4.2.2, RFC 8259 section 3)"},
}

func explained(text string, by []deviation) bool {
	return slices.ContainsFunc(by, func(d deviation) bool { return d.text.MatchString(text) })
}

// atoms are terms that are right for a User, by the type of their attribute.
func atoms(inner bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		any := func(label string, words ...string) string { return rapid.SampledFrom(words).Draw(t, label) }
		sp := any("space", " ", " ", "  ")
		text := any("text", `"a"`, `""`, `"a b"`, `"not (x)"`, `"a] and (b"`, `"\"q\""`, `"\\"`, `"é\u00e9"`, `"x.y:z"`, `"true"`, `"\/"`)
		op := any("op", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "EQ", "Co")
		if inner {
			return any("inner", "type"+sp+op+sp+text, "VALUE"+sp+op+sp+text, "primary eq true", "primary ne false", "display pr", "value"+sp+"eq"+sp+"null")
		}
		name := any("name", "userName", "USERNAME", "title", "name.givenName", "emails.value", "emails", "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName",
			URNEnterpriseUser+":department", URNEnterpriseUser+":manager.value", "groups.$ref", "externalId", "id", "schemas")
		return any("atom", name+sp+op+sp+text, name+sp+op+sp+text, name+sp+"pr", name+" PR", name+" eq null", "active eq true", "active ne"+sp+"false",
			urnAcme+":level gt 7", urnAcme+":level le -7.5e3", `meta.created ge "2026-01-02T03:04:05Z"`)
	})
}

// filterTexts are filters of the standard's grammar, written in its many ways.
func filterTexts(depth int, inner bool) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 || kind < 2 {
			return atoms(inner).Draw(t, "atom")
		}
		sub := func(label string) string { return filterTexts(depth-1, inner).Draw(t, label) }
		sp := rapid.SampledFrom([]string{"", "", " "}).Draw(t, "inside")
		switch kind {
		case 2:
			return sub("left") + rapid.SampledFrom([]string{" and ", " AND ", "  and "}).Draw(t, "and") + sub("right")
		case 3:
			return sub("left") + rapid.SampledFrom([]string{" or ", " Or "}).Draw(t, "or") + sub("right")
		case 4:
			return rapid.SampledFrom([]string{"not (", "not(", "NOT ("}).Draw(t, "not") + sp + sub("term") + sp + ")"
		case 5:
			return "(" + sp + sub("group") + sp + ")"
		}
		if inner {
			return atoms(true).Draw(t, "atom")
		}
		return rapid.SampledFrom([]string{"emails", "urn:ietf:params:scim:schemas:core:2.0:User:ims", "phoneNumbers"}).Draw(t, "list") + "[" + sp + filterTexts(depth-1, true).Draw(t, "value filter") + sp + "]"
	})
}

// peerText writes what the other parser read, with parentheses around everything, so that only its terms are left to
// our own. Terms are returned beside it.
func peerText(e peer.Expression, terms *[]string) string {
	switch e := e.(type) {
	case *peer.LogicalExpression:
		return "(" + peerText(e.Left, terms) + ") " + string(e.Operator) + " (" + peerText(e.Right, terms) + ")"
	case *peer.NotExpression:
		return "not (" + peerText(e.Expression, terms) + ")"
	case *peer.ValuePath:
		var inner []string
		text := peerText(e.ValueFilter, &inner)
		for _, term := range inner {
			*terms = append(*terms, e.AttributePath.String()+"["+term+"]")
		}
		return e.AttributePath.String() + "[" + text + "]"
	case *peer.AttributeExpression:
		text := e.AttributePath.String() + " " + string(e.Operator)
		switch v := e.CompareValue.(type) {
		case nil:
			if e.Operator != peer.PR {
				text += " null"
			}
		case string:
			text += ` "` + v + `"` // it leaves a string's escapes as they are written
		default:
			text += fmt.Sprintf(" %v", v)
		}
		*terms = append(*terms, text)
		return text
	}
	return fmt.Sprintf("unknown %T", e)
}

// flat joins a list of terms in a list of its kind: the other parser has two at a time. It writes numbers its own way.
func flat(f Filter) Filter {
	var join func(terms []Filter, inside func(Filter) []Filter) []Filter
	join = func(terms []Filter, inside func(Filter) []Filter) (out []Filter) {
		for _, term := range terms {
			term = flat(term)
			if more := inside(term); more != nil {
				out = append(out, more...)
			} else {
				out = append(out, term)
			}
		}
		return out
	}
	switch f := f.(type) {
	case And:
		return And{join(f.Terms, func(t Filter) []Filter { and, _ := t.(And); return and.Terms })}
	case Or:
		return Or{join(f.Terms, func(t Filter) []Filter { or, _ := t.(Or); return or.Terms })}
	case Not:
		return Not{flat(f.Term)}
	case ValuePath:
		return ValuePath{f.Path, flat(f.Filter)}
	case Compare:
		if n, ok := f.Value.(json.Number); ok {
			f.Value = strings.ToLower(string(n))
		}
		return f
	}
	return f
}

// parseAsPeer parses as strict mode does, where nothing is beyond the grammar, and without limits, which the other
// parser does not have.
func parseAsPeer(t *ResourceType, s string) (Filter, error) {
	p := filterParser{text: s, scope: scope{t: t, mode: Strict}, depth: 1000, terms: 1_000_000}
	return p.whole()
}

func peerParse(s string) (e peer.Expression, err error) {
	defer func() {
		if p := recover(); p != nil { // it does on some text that is no filter
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return peer.ParseFilterNumber([]byte(s))
}

// differ holds a text against both parsers and says how they differ, "" where they agree.
func differ(t *ResourceType, text string, right bool) string {
	ours, ourErr := parseAsPeer(t, text)
	theirs, theirErr := peerParse(text)
	var terms []string
	again := ""
	if theirErr == nil {
		again = peerText(theirs, &terms)
	}
	switch {
	case right && ourErr != nil:
		return fmt.Sprintf("we refuse a right filter: %v", ourErr)
	case ourErr == nil && theirErr != nil:
		if explained(text, peerRefuses) {
			return ""
		}
		return fmt.Sprintf("they refuse: %v", theirErr)
	case ourErr != nil && theirErr != nil:
		return ""
	case ourErr != nil && explained(text, peerReads):
		return ""
	case ourErr != nil:
		// The grammar knows no attributes and no types: a term that we refuse by itself is the reason.
		for _, term := range terms {
			if _, err := parseAsPeer(t, term); err != nil {
				return ""
			}
		}
		return fmt.Sprintf("we refuse (%v), they read %s", ourErr, again)
	}
	same, err := parseAsPeer(t, again)
	if err != nil || !reflect.DeepEqual(flat(ours), flat(same)) {
		return fmt.Sprintf("we read %s, they read %s (%v)", ours, again, err)
	}
	return ""
}

func TestParseFilter_ReadsAsTheParserOfOthersDoes(t *testing.T) {
	t.Parallel()
	user := testUser()
	rapid.Check(t, func(t *rapid.T) {
		text := filterTexts(3, false).Draw(t, "filter")
		if d := differ(user, text, true); d != "" {
			t.Fatalf("%s\n%s", text, d)
		}
	})
}

func TestParseFilter_RefusesAsTheParserOfOthersDoes(t *testing.T) {
	t.Parallel()
	user := testUser()
	rapid.Check(t, func(t *rapid.T) {
		text := []byte(filterTexts(2, false).Draw(t, "filter"))
		for range rapid.IntRange(1, 2).Draw(t, "mistakes") {
			at := rapid.IntRange(0, len(text)-1).Draw(t, "at")
			switch rapid.IntRange(0, 3).Draw(t, "mistake") {
			case 0:
				text = append(text[:at:at], text[at+1:]...)
			case 1:
				text = append(text[:at:at], append([]byte(rapid.SampledFrom([]string{" ", "(", ")", "[", "]", `"`, "and", " or ", "not", "e", ".", ":", `\`, "1", "-"}).Draw(t, "insert")), text[at:]...)...)
			case 2:
				text[at] = rapid.SampledFrom([]byte(` ()[]"\.:aeE19-'$_`)).Draw(t, "instead")
			case 3:
				text = text[:at]
			}
			if len(text) == 0 {
				return
			}
		}
		if d := differ(user, string(text), false); d != "" {
			t.Fatalf("%s\n%s", text, d)
		}
	})
}

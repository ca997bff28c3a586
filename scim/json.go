package scim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of a JSON document. The size is the Handler's business.
const (
	maxJSONDepth    = 32
	maxJSONElements = 500_000 // values in all, names not counted
	maxJSONNumber   = 64      // bytes of one number
)

// object is a JSON object in the order it was written. encoding/json would keep one of two
// members that differ only in letter case and say nothing; which one is then a matter of who
// reads it.
type object []field

type field struct {
	name  string
	value any // nil, bool, string, json.Number, []any or object
}

// get returns the member of that name in any letter case.
func (o object) get(name string) (any, bool) {
	for _, f := range o {
		if equalFoldASCII(f.name, name) {
			return f.value, true
		}
	}
	return nil, false
}

// plain turns the object into maps as they are.
func (o object) plain() map[string]any {
	m := make(map[string]any, len(o))
	for _, f := range o {
		m[f.name] = plainValue(f.value)
	}
	return m
}

func plainValue(v any) any {
	switch v := v.(type) {
	case object:
		return v.plain()
	case []any:
		for i := range v {
			v[i] = plainValue(v[i])
		}
	}
	return v
}

// decodeObject reads a document that must be one JSON object. Stricter than encoding/json:
// members repeated in any letter case, invalid UTF-8, unpaired surrogates and U+0000 (which
// PostgreSQL cannot store) are refused. Every error is 400 invalidSyntax.
func decodeObject(doc []byte) (object, error) {
	doc = bytes.TrimPrefix(doc, []byte("\xef\xbb\xbf"))
	d := decoder{doc: doc, left: maxJSONElements}
	if !utf8.Valid(doc) {
		return nil, d.fail("it is not UTF-8")
	}
	d.space()
	if d.at >= len(doc) {
		return nil, bad(TypeInvalidSyntax, "The body is empty; a JSON object was expected.")
	}
	if doc[d.at] != '{' {
		return nil, d.fail("an object was expected")
	}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	d.space()
	if d.at < len(doc) {
		return nil, d.fail("there is data after the object")
	}
	return v.(object), nil
}

type decoder struct {
	doc  []byte
	at   int
	left int // values still allowed
}

func (d *decoder) fail(format string, args ...any) error {
	return bad(TypeInvalidSyntax, "The body is not acceptable JSON: %s (at byte %d).", fmt.Sprintf(format, args...), d.at)
}

func (d *decoder) space() {
	for d.at < len(d.doc) {
		switch d.doc[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// peek returns the next byte after white space, 0 at the end.
func (d *decoder) peek() byte {
	d.space()
	if d.at < len(d.doc) {
		return d.doc[d.at]
	}
	return 0
}

func (d *decoder) value(depth int) (any, error) {
	if d.left--; d.left < 0 {
		return nil, d.fail("it has more than %d values", maxJSONElements)
	}
	if depth >= maxJSONDepth {
		return nil, d.fail("it is nested deeper than %d", maxJSONDepth)
	}
	switch c := d.peek(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.array(depth)
	case c == '"':
		return d.str()
	case c == '-' || '0' <= c && c <= '9':
		return d.number()
	case c == 't':
		return true, d.word("true")
	case c == 'f':
		return false, d.word("false")
	case c == 'n':
		return nil, d.word("null")
	}
	return nil, d.fail("a value was expected")
}

func (d *decoder) word(w string) error {
	if !bytes.HasPrefix(d.doc[d.at:], []byte(w)) {
		return d.fail("a value was expected")
	}
	d.at += len(w)
	return nil
}

func (d *decoder) object(depth int) (any, error) {
	d.at++
	if d.peek() == '}' {
		d.at++
		return object{}, nil // hundreds of thousands of these fit a body, so they must take no room
	}
	o := make(object, 0, 4)
	var seen map[string]bool
	for {
		if d.peek() != '"' {
			return nil, d.fail("a member name was expected")
		}
		name, err := d.str()
		if err != nil {
			return nil, err
		}
		if seen, err = d.once(o, seen, name); err != nil {
			return nil, err
		}
		if d.peek() != ':' {
			return nil, d.fail("a colon was expected")
		}
		d.at++
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o = append(o, field{name, v})
		switch d.peek() {
		case ',':
			d.at++
		case '}':
			d.at++
			return o, nil
		default:
			return nil, d.fail("a comma or a closing brace was expected")
		}
	}
}

// once refuses a name that o already has in some letter case. Small objects are searched, large
// ones get a set, so that a body of many names costs no more than its size.
func (d *decoder) once(o object, seen map[string]bool, name string) (map[string]bool, error) {
	const small = 16
	if len(o) < small {
		for _, f := range o {
			if equalFoldASCII(f.name, name) {
				return nil, d.fail("the attribute %s appears twice, as %s before", quote(name), quote(f.name))
			}
		}
		return nil, nil
	}
	if seen == nil {
		seen = make(map[string]bool, 2*small)
		for _, f := range o {
			seen[lowerASCII(f.name)] = true
		}
	}
	key := lowerASCII(name)
	if seen[key] {
		return nil, d.fail("the attribute %s appears twice", quote(name))
	}
	seen[key] = true
	return seen, nil
}

func (d *decoder) array(depth int) (any, error) {
	d.at++
	list := []any{}
	if d.peek() == ']' {
		d.at++
		return list, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		switch d.peek() {
		case ',':
			d.at++
		case ']':
			d.at++
			return list, nil
		default:
			return nil, d.fail("a comma or a closing bracket was expected")
		}
	}
}

func (d *decoder) number() (any, error) {
	n := numberLength(d.doc[d.at:])
	if n == 0 || n > maxJSONNumber {
		return nil, d.fail("a number was expected")
	}
	v := json.Number(d.doc[d.at : d.at+n])
	d.at += n
	return v, nil
}

// numberLength returns how many bytes of b are one JSON number (RFC 8259 section 6), 0 for none.
func numberLength[T []byte | string](b T) int {
	i := 0
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return 0
	}
	if i < len(b) && b[i] == '.' {
		if i++; !digits() {
			return 0
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return 0
		}
	}
	return i
}

func (d *decoder) str() (string, error) {
	s, n, why := unquote(d.doc[d.at:])
	if why != "" {
		return "", d.fail("%s", why)
	}
	d.at += n
	return s, nil
}

// unquote reads the JSON string at the start of b, which begins with a quote, and returns it, the
// bytes it took, and what is wrong with it. It also serves the filter's lexer.
func unquote(b []byte) (s string, n int, why string) {
	for i := 1; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return string(b[1:i]), i + 1, ""
		case c == '\\':
			return unquoteSlow(b, i)
		case c < 0x20:
			return "", 0, "a string has an unescaped control character"
		}
	}
	return "", 0, "a string is not closed"
}

func unquoteSlow(b []byte, i int) (string, int, string) {
	out := append(make([]byte, 0, len(b[:i])+32), b[1:i]...)
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return string(out), i + 1, ""
		case c < 0x20:
			return "", 0, "a string has an unescaped control character"
		case c != '\\':
			out = append(out, c)
			i++
		default:
			r, n := unescape(b[i:])
			if n == 0 || r == 0 {
				return "", 0, "a string has an escape that cannot be accepted"
			}
			out = utf8.AppendRune(out, r)
			i += n
		}
	}
	return "", 0, "a string is not closed"
}

// unescape reads one escape and returns 0 bytes for what is none. Unpaired surrogates are none.
func unescape(b []byte) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b[2:])
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
			if pair := utf16.DecodeRune(r, hex4(b[8:])); pair != utf8.RuneError {
				return pair, 12
			}
		}
	}
	return 0, 0
}

// hex4 reads four hexadecimal digits; 0, which no caller accepts, where there are none.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return 0
	}
	n, err := strconv.ParseUint(string(b[:4]), 16, 32)
	if err != nil {
		return 0
	}
	return rune(n)
}

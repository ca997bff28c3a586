package audit

import (
	"bytes"
	"encoding/json"
	"strings"
)

// redactJSON appends valid JSON doc to dst with the values of secret keys masked. It works on
// the text, so that numbers, order and unknown shapes stay as they were sent.
//
// A SCIM PATCH names its target in "path": where an object has a string member "path" that names
// a secret, the object's "value" is masked as well.
func redactJSON(dst, doc []byte) []byte {
	s := scanner{doc: doc}
	return s.value(dst, false)
}

type scanner struct {
	doc   []byte
	at    int
	depth int
}

// maxDepth bounds the look-ahead, which costs the size of each enclosing object once more. What
// lies deeper is masked whole: no SCIM body is that deep.
const maxDepth = 32

func (s *scanner) space(dst []byte) []byte {
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++ // white space carries nothing: the log keeps the compact form
		default:
			return dst
		}
	}
	return dst
}

// value copies one JSON value, masked when secret.
func (s *scanner) value(dst []byte, secret bool) []byte {
	dst = s.space(dst)
	if s.at >= len(s.doc) {
		return dst
	}
	if secret || s.depth > maxDepth {
		s.skip()
		return append(dst, `"`+Masked+`"`...)
	}
	s.depth++
	defer func() { s.depth-- }()
	switch s.doc[s.at] {
	case '{':
		return s.object(dst)
	case '[':
		return s.array(dst)
	case '"':
		return s.text(dst)
	default:
		return append(dst, s.literal()...)
	}
}

func (s *scanner) object(dst []byte) []byte {
	masksValue := s.pathNamesSecret()
	dst = append(dst, '{')
	s.at++
	for first := true; ; first = false {
		dst = s.space(dst)
		if s.at >= len(s.doc) {
			return dst
		}
		if s.doc[s.at] == '}' {
			s.at++
			return append(dst, '}')
		}
		if !first {
			dst = append(dst, ',')
			s.at++ // the comma
			dst = s.space(dst)
		}
		raw := s.str()
		dst = append(dst, raw...)
		dst = s.space(dst)
		dst = append(dst, ':')
		s.at++
		key := unquote(raw)
		if masksValue && bytes.EqualFold([]byte(key), []byte("path")) {
			dst = s.secretPath(dst)
			continue
		}
		dst = s.value(dst, secretKey(key) || masksValue && bytes.EqualFold([]byte(key), []byte("value")))
	}
}

// secretPath copies the path of an operation on a secret, masked where it holds a filter, and with it
// perhaps the secret: password[value eq "..."].
func (s *scanner) secretPath(dst []byte) []byte {
	dst = s.space(dst)
	if s.at < len(s.doc) && s.doc[s.at] == '"' {
		if raw := s.str(); !strings.Contains(unquote(raw), "[") {
			return append(dst, raw...)
		}
		return append(dst, `"`+Masked+`"`...)
	}
	return s.value(dst, true)
}

// text copies a string. One that holds a JSON document, as Entra's app roles do, is redacted as such.
func (s *scanner) text(dst []byte) []byte {
	raw := s.str()
	if len(raw) < 4 || raw[1] != '{' && raw[1] != '[' && raw[1] != '\\' && raw[1] != ' ' {
		return append(dst, raw...)
	}
	inner := []byte(strings.TrimSpace(unquote(raw)))
	if len(inner) == 0 || inner[0] != '{' && inner[0] != '[' || !json.Valid(inner) {
		return append(dst, raw...)
	}
	in := scanner{doc: inner, depth: s.depth}
	redacted := in.value(nil, false)
	if !bytes.Contains(redacted, []byte(Masked)) {
		return append(dst, raw...)
	}
	quoted, err := json.Marshal(string(redacted))
	if err != nil {
		return append(dst, `"`+Masked+`"`...)
	}
	return append(dst, quoted...)
}

func (s *scanner) array(dst []byte) []byte {
	dst = append(dst, '[')
	s.at++
	for first := true; ; first = false {
		dst = s.space(dst)
		if s.at >= len(s.doc) {
			return dst
		}
		if s.doc[s.at] == ']' {
			s.at++
			return append(dst, ']')
		}
		if !first {
			dst = append(dst, ',')
			s.at++
		}
		dst = s.value(dst, false)
	}
}

// pathNamesSecret looks ahead over the object at the cursor for a member "path" that names a
// secret. The cursor does not move.
func (s *scanner) pathNamesSecret() bool {
	// Only a PATCH operation has a path; most objects do not, and need no second look.
	end := s.end()
	if !bytes.Contains(bytes.ToLower(s.doc[s.at:end]), []byte(`path`)) && !bytes.ContainsRune(s.doc[s.at:end], '\\') {
		return false
	}
	look := scanner{doc: s.doc[:end], at: s.at + 1}
	for {
		look.space(nil)
		if look.at >= end-1 || look.doc[look.at] == '}' {
			return false
		}
		if look.doc[look.at] == ',' {
			look.at++
			continue
		}
		key := unquote(look.str())
		look.space(nil)
		look.at++ // the colon
		look.space(nil)
		start := look.at
		look.skip()
		if bytes.EqualFold([]byte(key), []byte("path")) && s.doc[start] == '"' && secretKey(unquote(s.doc[start:look.at])) {
			return true
		}
	}
}

// end returns the index behind the value at the cursor.
func (s *scanner) end() int {
	look := scanner{doc: s.doc, at: s.at}
	look.skip()
	return look.at
}

// skip moves behind the value at the cursor.
func (s *scanner) skip() {
	depth := 0
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case '"':
			s.str()
		case '{', '[':
			depth++
			s.at++
		case '}', ']':
			depth--
			s.at++
		case ' ', '\t', '\n', '\r', ',', ':':
			s.at++
			continue
		default:
			s.literal()
		}
		if depth == 0 {
			return
		}
	}
}

// str returns the JSON string at the cursor with its quotes and moves behind it.
func (s *scanner) str() []byte {
	start := s.at
	for s.at++; s.at < len(s.doc); s.at++ {
		switch s.doc[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return s.doc[start:s.at]
		}
	}
	s.at = len(s.doc)
	return s.doc[start:]
}

func (s *scanner) literal() []byte {
	start := s.at
	for s.at < len(s.doc) {
		switch s.doc[s.at] {
		case ' ', '\t', '\n', '\r', ',', ':', '}', ']':
			return s.doc[start:s.at]
		}
		s.at++
	}
	return s.doc[start:]
}

func unquote(raw []byte) string {
	var key string
	if err := json.Unmarshal(raw, &key); err != nil {
		return string(raw)
	}
	return key
}

// maskText masks, in text that is not JSON, what follows a secret-looking word up to the end of
// the quoted value or of the line: a broken body can still hold a password.
func maskText(body []byte) []byte {
	words := findings(body)
	out := make([]byte, 0, len(body))
	at := 0
	for at < len(body) {
		next := words.next(at)
		if next < 0 || next > len(body) {
			return append(out, body[at:]...)
		}
		out = append(out, body[at:next]...)
		out = append(out, Masked...)
		// Everything up to the end of the line goes: where a value ends cannot be known.
		if end := bytes.IndexByte(body[next:], '\n'); end >= 0 {
			at = next + end
		} else {
			at = len(body)
		}
	}
	return out
}

// finds is where the secret words stand in a text.
type finds struct {
	lower  []byte
	ends   []int // behind the next find of each word, -1 for no more
	looked int   // bytes that were searched
}

func findings(text []byte) *finds {
	return &finds{lower: bytes.ToLower(text), ends: make([]int, len(secretWords))}
}

// next is the end of the first word that begins at at or behind it, -1 for none. at never goes back.
func (f *finds) next(at int) int {
	next := -1
	for i, word := range secretWords {
		// A find that lies ahead still stands: looking again for each would cost the square of the size.
		if f.ends[i] >= 0 && f.ends[i]-len(word) < at {
			f.ends[i] = -1
			f.looked += len(f.lower) - at
			if found := bytes.Index(f.lower[at:], []byte(word)); found >= 0 {
				f.ends[i] = at + found + len(word)
				f.looked -= len(f.lower) - f.ends[i]
			}
		}
		if f.ends[i] >= 0 && (next < 0 || f.ends[i] < next) {
			next = f.ends[i]
		}
	}
	return next
}

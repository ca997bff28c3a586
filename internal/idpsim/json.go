package idpsim

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// object is a JSON object whose keys keep their order. Requests are compared byte for byte with
// fixtures, and Okta sends back the document that it has read, so order must survive.
type object []field

// field is one member of an object. value is a string, bool, int, json.Number, nil, object,
// []any, []object or []string.
type field struct {
	key   string
	value any
}

// maxDepth bounds the nesting of an answer that decodeOrdered accepts.
const maxDepth = 64

// get returns the value of key, or nil.
func (o object) get(key string) any {
	for _, f := range o {
		if f.key == key {
			return f.value
		}
	}
	return nil
}

// text returns the string at key, or "".
func (o object) text(key string) string {
	s, _ := o.get(key).(string)
	return s
}

// child returns the object at key, or nil.
func (o object) child(key string) object {
	c, _ := o.get(key).(object)
	return c
}

// set returns o with key holding value: in its place when the key is there, else at the end.
func (o object) set(key string, value any) object {
	for i := range o {
		if o[i].key == key {
			o[i].value = value
			return o
		}
	}
	return append(o, field{key, value})
}

// without returns o with the keys left out.
func (o object) without(keys ...string) object {
	var out object
	for _, f := range o {
		skip := false
		for _, k := range keys {
			skip = skip || f.key == k
		}
		if !skip {
			out = append(out, f)
		}
	}
	return out
}

// encode renders v without spaces, without HTML escapes and in the order given.
func encode(v any) []byte {
	var b bytes.Buffer
	write(&b, v)
	return b.Bytes()
}

func write(b *bytes.Buffer, v any) {
	switch v := v.(type) {
	case object:
		b.WriteByte('{')
		for i, f := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			writeScalar(b, f.key)
			b.WriteByte(':')
			write(b, f.value)
		}
		b.WriteByte('}')
	case []object:
		writeList(b, v)
	case []string:
		writeList(b, v)
	case []any:
		writeList(b, v)
	default:
		writeScalar(b, v)
	}
}

func writeList[T any](b *bytes.Buffer, list []T) {
	b.WriteByte('[')
	for i, v := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		write(b, v)
	}
	b.WriteByte(']')
}

// writeScalar leaves <, > and & as they are: the real clients do.
func writeScalar(b *bytes.Buffer, v any) {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		b.WriteString("null") // only strings, booleans, integers and json.Number reach this
		return
	}
	b.Truncate(b.Len() - 1) // Encode ends with a newline
}

// decodeOrdered reads one JSON value and keeps the order of keys. Trailing data is an error.
func decodeOrdered(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readValue(dec, 0)
	if err != nil {
		return nil, fmt.Errorf("read JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("read JSON: data after the value")
	}
	return v, nil
}

func readValue(dec *json.Decoder, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch tok {
	case json.Delim('{'):
		return readObject(dec, depth)
	case json.Delim('['):
		list := []any{}
		for dec.More() {
			v, err := readValue(dec, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.Token()
		return list, err
	}
	return tok, nil
}

func readObject(dec *json.Decoder, depth int) (object, error) {
	o := object{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		v, err := readValue(dec, depth+1)
		if err != nil {
			return nil, err
		}
		o = append(o, field{key.(string), v}) // a key of an object is always a string
	}
	_, err := dec.Token()
	return o, err
}

// truthy reads a boolean that may have been sent as a string.
func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case string:
		return strings.EqualFold(v, "true")
	}
	return false
}

package scimtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The names of the standard that requests and answers carry (RFC 7643 section 10, RFC 7644 section 8.2).
const (
	urnUser       = "urn:ietf:params:scim:schemas:core:2.0:User"
	urnGroup      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	urnEnterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	urnMessages   = "urn:ietf:params:scim:api:messages:2.0:"
)

// object is a JSON object.
type object = map[string]any

// trial is one run of one case. After the first thing that is not as expected it sends nothing more and notes nothing
// more, so that a case reads as a plain list of steps.
type trial struct {
	r             *runner
	over          bool
	expected, got string
	skipped       string
	err           error // why a request could not be made
}

// fail ends the case.
func (x *trial) fail(expected, got string) {
	if !x.over {
		x.over, x.expected, x.got = true, expected, got
	}
}

// skip ends the case as about something that the server does not offer.
func (x *trial) skip(why string) {
	if !x.over {
		x.over, x.skipped = true, why
	}
}

// do sends body as JSON, a string as it is, nil as no body. header are names and values in turn.
func (x *trial) do(method, path string, body any, header ...string) answer {
	q := request{method: method, path: path, header: http.Header{}}
	for i := 0; i+1 < len(header); i += 2 {
		q.header.Set(header[i], header[i+1])
	}
	switch b := body.(type) {
	case nil:
	case string:
		q.body = []byte(b)
	default:
		q.body, _ = json.Marshal(b) // of maps, lists and simple values
	}
	return x.send(q)
}

func (x *trial) send(q request) answer {
	if x.over {
		return answer{}
	}
	a, err := x.r.send(x.r.ctx, q)
	if err != nil {
		x.err = err
		x.fail("an answer", fmt.Sprintf("%s %s: %v", q.method, q.path, err))
	}
	return a
}

// get reads path with query parameters, names and values in turn.
func (x *trial) get(path string, query ...string) answer {
	return x.do(http.MethodGet, withQuery(path, query...), nil)
}

func withQuery(path string, query ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		v.Set(query[i], query[i+1])
	}
	if len(v) == 0 {
		return path
	}
	return path + "?" + strings.ReplaceAll(v.Encode(), "+", "%20") // a plus is a space in forms alone
}

// status expects one of these.
func (x *trial) status(a answer, want ...int) {
	if !x.over && !slices.Contains(want, a.status) {
		x.fail("status "+strings.Trim(strings.ReplaceAll(fmt.Sprint(want), " ", " or "), "[]"), a.String())
	}
}

// done expects success of any kind.
func (x *trial) done(a answer) {
	if !x.over && a.status/100 != 2 {
		x.fail("status 2xx", a.String())
	}
}

// refused expects a status and, where types are given, one of them as scimType.
func (x *trial) refused(a answer, status int, types ...string) {
	x.status(a, status)
	if !x.over && len(types) > 0 && !slices.Contains(types, a.str("scimType")) {
		x.fail(fmt.Sprintf("status %d with scimType %s", status, strings.Join(types, " or ")), a.String())
	}
}

// is expects that ok, which expected says in words about a.
func (x *trial) is(ok bool, expected string, a answer) {
	if !x.over && !ok {
		x.fail(expected, a.String())
	}
}

// same expects two values of an answer's attribute to be equal.
func (x *trial) same(a answer, what string, got, want any) {
	if !x.over && fmt.Sprint(got) != fmt.Sprint(want) {
		x.fail(fmt.Sprintf("%s %v", what, want), fmt.Sprintf("%s %v in %s", what, got, a.String()))
	}
}

// String is the request and its answer for people, shortened.
func (a answer) String() string {
	body := strings.TrimSpace(string(a.raw))
	if len(body) > 600 {
		body = strings.ToValidUTF8(body[:600], "") + "..."
	}
	if body == "" {
		body = "no body"
	}
	return fmt.Sprintf("%s: status %d, %s", a.what, a.status, body)
}

// at walks down an answer by attribute names, nil where it ends.
func (a answer) at(names ...string) any { return dig(a.body, names...) }

// str is the string at a path of names, "" where there is none.
func (a answer) str(names ...string) string { return text(a.body, names...) }

// list is the array of that name.
func (a answer) list(name string) []any {
	l, _ := a.at(name).([]any)
	return l
}

// number is the integer of that name, -1 where there is none.
func (a answer) number(name string) int {
	if f, ok := a.at(name).(float64); ok {
		return int(f)
	}
	return -1
}

func dig(v any, names ...string) any {
	for _, n := range names {
		o, _ := v.(object)
		v = o[n]
	}
	return v
}

func text(v any, names ...string) string {
	s, _ := dig(v, names...).(string)
	return s
}

// texts are the strings of that name in a list of objects, sorted.
func texts(list []any, name string) []string {
	out := []string{}
	for _, o := range list {
		out = append(out, text(o, name))
	}
	slices.Sort(out)
	return out
}

// has tells whether a list holds a string.
func has(list []any, s string) bool { return slices.Contains(list, any(s)) }

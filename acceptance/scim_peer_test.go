//go:build accept

package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

// This file holds filters and PATCH against two implementations in JavaScript that share nothing with ours or with each other. Where
// one of them differs, RFC 7644 was asked: what is listed below is theirs.

// difference is a kind of question on which a peer is known to differ, and why ours stands.
type difference struct {
	peer string // "" for both
	text *regexp.Regexp
	why  string
}

var filterDifferences = []difference{
	{"scim2-parse-filter", regexp.MustCompile(` ne `), "it finds an absent attribute not unequal; the standard is silent, ours is documented at scim.Compare"},
	{"scim2-parse-filter", regexp.MustCompile(`\[.*( and |not )`), "it holds each term in brackets against any value; one value must satisfy all (RFC 7644 section 3.4.2.2)"},
	{"scimmy", regexp.MustCompile(`\(`), "it makes choices of one level of parentheses and loses or refuses what is nested in them; and not (emails.type eq \"work\") asks for any other value, where not is the opposite of the whole (RFC 7644 section 3.4.2.2)"},
	{"scimmy", regexp.MustCompile(`\\"`), "it keeps the backslash of an escaped quote (RFC 7644 section 3.4.2.2: values are JSON)"},
	{"scimmy", regexp.MustCompile(`urn:`), "it splits a URN at the dot of its version (RFC 7644 section 3.10)"},
	{"scimmy", regexp.MustCompile(`emails.*emails|phoneNumbers.*phoneNumbers`), "it joins two terms about one list to one about one value (RFC 7644 section 3.4.2.2: outside of brackets each stands alone)"},
}

var patchDifferences = []difference{
	{"", regexp.MustCompile(`"op":"remove","path":"active"`), "somebody without active would have an access that nobody stated: it is refused by name, as what is required is (RFC 7644 section 3.5.2.2)"},
	{"", regexp.MustCompile(`"op":"remove","path":"emails\[[^\]]*\]\.value"`), "what is left of an address without its value, a type, is dropped with it: it says nothing, and the standard is silent"},
	{"", regexp.MustCompile(`"op":"add",("path":"(emails|phoneNumbers)",)?"value"`), "they add what is there a second time; nothing changes then (RFC 7644 section 3.5.2.1)"},
	{"scim-patch", regexp.MustCompile(`"value":\{[^}]*"name":`), "without a path it puts a complex value in place of the old one; sub-attributes that are not named stay (RFC 7644 section 3.5.2.3)"},
	{"scim-patch", regexp.MustCompile(`"op":"(add|remove)","path":"[^"]*\[`), "it refuses a value path that selects nothing; what is not there is removed already, and is added as the filter describes it (RFC 7644 sections 3.5.2.1, 3.5.2.2 ask for no target)"},
	{"scimmy", regexp.MustCompile(`"op":"replace","path":"name"`), "it puts a complex value in place of the old one; sub-attributes that are not named stay (RFC 7644 section 3.5.2.3)"},
	{"scimmy", regexp.MustCompile(`"op":"replace","value":\{`), "without a path it appends to lists; replace replaces all values (RFC 7644 section 3.5.2.3)"},
	{"scimmy", regexp.MustCompile(`"op":"add","path":"[^"]*\[`), "it refuses to add where a value path selects nothing; the standard asks add for no target (RFC 7644 section 3.5.2.1)"},
	{"scimmy", regexp.MustCompile(`"op":"replace","path":"[a-zA-Z]+\[[^\]]*\]"`), "where a value path selects nothing it adds the value without what the filter says; that is noTarget (RFC 7644 section 3.5.2.3)"},
	{"scimmy", regexp.MustCompile(`"op":"replace","path":"[a-zA-Z]+\[[^\]]*\]\.`), "lenient mode makes the value that a replace does not find, for Entra (see docs/scim-modes.md); strict mode refuses as scimmy does"},
}

func known(list []difference, peer, text string) bool {
	return slices.ContainsFunc(list, func(d difference) bool { return (d.peer == "" || d.peer == peer) && d.text.MatchString(text) })
}

// dice make questions.
type dice struct{ *rand.Rand }

// newDice are the same at every run, unless GATEHOUSE_SEED says otherwise.
func newDice(t *testing.T) dice {
	seed, err := strconv.ParseUint(os.Getenv("GATEHOUSE_SEED"), 10, 64)
	if err != nil {
		seed = 20
	}
	t.Logf("GATEHOUSE_SEED=%d", seed)
	return dice{rand.New(rand.NewPCG(seed, 7))}
}

func (d dice) of(words ...string) string { return words[d.IntN(len(words))] }

const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// values are few, so that filters find something, and in lower case: neither peer knows that most attributes are not case-exact.
func (d dice) value() string { return d.of("a", "b", "ab", "ba", "a b", `q"q`, "x@y.z") }

func (d dice) list(kinds ...string) []any {
	out := []any{}
	for range d.IntN(3) {
		e := map[string]any{"value": d.value() + fmt.Sprint(len(out))}
		if len(kinds) > 0 && d.IntN(4) > 0 {
			e["type"] = kinds[len(out)%len(kinds)]
		}
		out = append(out, e)
	}
	return out
}

// user is somebody with random attributes.
func (d dice) user() map[string]any {
	u := map[string]any{"schemas": []any{userURN, enterpriseURN}, "id": "1", "userName": d.value(), "active": d.IntN(2) == 0}
	maybe := func(name string, v any) {
		if d.IntN(3) > 0 {
			u[name] = v
		}
	}
	maybe("title", d.value())
	maybe("displayName", d.value())
	maybe("emails", d.list("work", "home"))
	maybe("phoneNumbers", d.list("mobile", "fax"))
	name := map[string]any{"givenName": d.value()}
	if d.IntN(2) == 0 {
		name["familyName"] = d.value()
	}
	maybe("name", name)
	maybe(enterpriseURN, map[string]any{"department": d.value()})
	for k, v := range u {
		if list, ok := v.([]any); ok && len(list) == 0 {
			delete(u, k)
		}
	}
	return u
}

// term is a comparison; inner is one inside a value path.
func (d dice) term(inner bool) string {
	op := d.of("eq", "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le")
	text, _ := json.Marshal(d.value())
	if inner {
		return d.of("type eq "+d.of(`"work"`, `"home"`), "value "+op+" "+string(text), "type pr", "value pr", "display pr")
	}
	name := d.of("userName", "title", "displayName", "name.givenName", "name.familyName", "emails.value", "phoneNumbers.value", enterpriseURN+":department")
	return d.of(name+" "+op+" "+string(text), name+" "+op+" "+string(text), name+" pr", "active eq true", "active eq false", "active ne true",
		"emails pr", `emails.type eq "work"`)
}

// filter is one of the standard's grammar.
func (d dice) filter(depth int, inner bool) string {
	kind := d.IntN(7)
	switch {
	case depth == 0 || kind < 2 || inner && kind == 6:
		return d.term(inner)
	case kind == 2:
		return d.filter(depth-1, inner) + " and " + d.filter(depth-1, inner)
	case kind == 3:
		return d.filter(depth-1, inner) + " or " + d.filter(depth-1, inner)
	case kind == 4:
		return "not (" + d.filter(depth-1, inner) + ")"
	case kind == 5:
		return "(" + d.filter(depth-1, inner) + ")"
	}
	return d.of("emails", "phoneNumbers") + "[" + d.filter(depth-1, true) + "]"
}

// operation is one of a PATCH.
func (d dice) operation() map[string]any {
	simple := func() any { return d.value() }
	type target struct {
		path  string
		value func() any
	}
	targets := []target{
		{"title", simple}, {"displayName", simple}, {"active", func() any { return d.IntN(2) == 0 }}, {"name.givenName", simple}, {"name.familyName", simple},
		{"name", func() any { return map[string]any{d.of("givenName", "familyName", "middleName"): d.value()} }},
		{"emails", func() any { return d.list("work", "home") }}, {"phoneNumbers", func() any { return d.list("fax", "mobile") }},
		{`emails[type eq "work"].value`, simple}, {`emails[type eq "home"].display`, simple}, {`phoneNumbers[type eq "fax"]`, func() any { return map[string]any{"value": d.value()} }},
		{`emails[value co "a"].display`, simple}, {enterpriseURN + ":department", simple}, {enterpriseURN + ":costCenter", simple},
		{"", func() any { return map[string]any{"title": d.value(), "name": map[string]any{"familyName": d.value()}} }},
		{"", func() any { return map[string]any{"emails": d.list("work", "home"), "active": d.IntN(2) == 0} }},
	}
	x := targets[d.IntN(len(targets))]
	op := map[string]any{"op": d.of("add", "replace", "remove")}
	if x.path != "" {
		op["path"] = x.path
	} else if op["op"] == "remove" {
		op["op"] = "replace"
	}
	if op["op"] != "remove" {
		op["value"] = x.value()
	}
	return op
}

// askPeers puts all questions to the peers and returns their answers.
func askPeers(t *testing.T, questions []any) []map[string]json.RawMessage {
	t.Helper()
	folder := npmInstall(t, "scim", "peers.mjs")
	var in bytes.Buffer
	for _, q := range questions {
		if err := json.NewEncoder(&in).Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "peers.mjs")
	cmd.Dir, cmd.Stdin = folder, &in
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the peers: %v\n%s", err, said.String())
	}
	var answers []map[string]json.RawMessage
	for line := range strings.Lines(string(out)) {
		var a map[string]json.RawMessage
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("the peers printed %q", line)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// canonical is a resource without what is no difference: empty values, schemas and meta.
func canonical(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			if e = canonical(e); e != nil && k != "schemas" && k != "meta" {
				out[k] = e
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, e := range v {
			if e = canonical(e); e != nil {
				out = append(out, e)
			}
		}
		if out == nil {
			return nil
		}
		return out
	}
	return v
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const peerQuestions = 3000

func TestPeer_scim_filters_select_what_theirs_do(t *testing.T) {
	d, user := newDice(t), scim.NewUserType()
	type question struct {
		Filter    string `json:"filter"`
		Resources []any  `json:"resources"`
	}
	var questions []any
	for range peerQuestions {
		q := question{Filter: d.filter(3, false)}
		for range 8 {
			q.Resources = append(q.Resources, d.user())
		}
		questions = append(questions, q)
	}
	agreed, excused := map[string]int{}, map[string]int{}
	for i, answer := range askPeers(t, questions) {
		q := questions[i].(question)
		f, err := scim.ParseFilter(user, q.Filter)
		if err != nil {
			t.Fatalf("%s: %v", q.Filter, err)
		}
		ours := make([]any, len(q.Resources))
		for n, r := range q.Resources {
			kept, _, err := scim.Decode(user, scim.Strict, []byte(mustJSON(t, r)))
			if err != nil {
				t.Fatal(err)
			}
			ours[n] = scim.Match(user, f, kept)
		}
		for peer, raw := range answer {
			var theirs any
			if err := json.Unmarshal(raw, &theirs); err != nil {
				t.Fatal(err)
			}
			want, seen := ours, len(ours)
			if list, ok := theirs.([]any); ok {
				want = slices.Clone(ours)
				for n, v := range list {
					if v == nil {
						want[n] = nil
						seen--
					}
				}
			}
			switch {
			case reflect.DeepEqual(theirs, any(want)):
				if seen > 0 {
					agreed[peer]++
				}
			case known(filterDifferences, peer, q.Filter):
				excused[peer]++
			default:
				t.Errorf("%s\nwe say %v, %s says %s of %s", q.Filter, ours, peer, raw, mustJSON(t, q.Resources))
			}
		}
	}
	reportPeers(t, agreed, excused)
}

func reportPeers(t *testing.T, agreed, excused map[string]int) {
	t.Helper()
	for peer, n := range agreed {
		t.Logf("%s: the same %d times, otherwise as listed %d times", peer, n, excused[peer])
		if n < peerQuestions/3 {
			t.Errorf("%s agrees %d times alone: the list excuses too much", peer, n)
		}
	}
	if len(agreed) != 2 {
		t.Errorf("%d peers answered, want 2", len(agreed))
	}
}

func TestPeer_scim_patches_make_what_theirs_do(t *testing.T) {
	d, user := newDice(t), scim.NewUserType()
	type question struct {
		Resource   map[string]any   `json:"resource"`
		Operations []map[string]any `json:"operations"`
	}
	var questions []any
	for range peerQuestions {
		q := question{Resource: d.user()}
		for range 1 + d.IntN(2) {
			q.Operations = append(q.Operations, d.operation())
		}
		questions = append(questions, q)
	}
	agreed, excused := map[string]int{}, map[string]int{}
	for i, answer := range askPeers(t, questions) {
		q := questions[i].(question)
		ours := patched(t, user, q.Resource, q.Operations)
		for peer, raw := range answer {
			var theirs map[string]any
			if err := json.Unmarshal(raw, &theirs); err != nil {
				t.Fatal(err)
			}
			if theirs["error"] != nil {
				theirs = nil
			}
			switch {
			case (ours == nil) == (theirs == nil) && reflect.DeepEqual(canonical(ours), canonical(theirs)):
				agreed[peer]++
			case known(patchDifferences, peer, mustJSON(t, q)):
				excused[peer]++
			default:
				t.Errorf("%s\nwe make %s\n%s makes %s", mustJSON(t, q), mustJSON(t, ours), peer, raw)
			}
		}
	}
	reportPeers(t, agreed, excused)
}

// patched is what ours makes of a resource, nil where it refuses.
func patched(t *testing.T, user *scim.ResourceType, resource map[string]any, operations []map[string]any) map[string]any {
	t.Helper()
	before, err := scim.Parse([]byte(mustJSON(t, resource)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := scim.ParsePatch(user, scim.Lenient, "1", []byte(mustJSON(t, map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": operations})))
	if err != nil {
		return nil
	}
	after, _, err := p.Apply(before)
	if err != nil {
		return nil
	}
	var out map[string]any
	if err := json.Unmarshal(after.AppendJSON(nil), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

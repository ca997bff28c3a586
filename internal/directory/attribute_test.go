package directory

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestAttributes_TakeValuesOfTheirTypeAndSayWhyNot(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		a     Attribute
		given []any
		want  string
		wrong string // part of the clause
	}{
		{Attribute{Type: AttributeString}, []any{"  Sales "}, "Sales", ""},
		{Attribute{Type: AttributeString}, []any{json.Number("7")}, "7", ""},
		{Attribute{Type: AttributeString}, []any{true}, "true", ""},
		{Attribute{Type: AttributeString}, nil, "", ""},
		{Attribute{Type: AttributeString}, []any{nil, ""}, "", ""},
		{Attribute{Type: AttributeString}, []any{"a\x00b"}, "", "control characters"},
		{Attribute{Type: AttributeString}, []any{"a\r\nX-Forged: yes"}, "", "control characters"},
		{Attribute{Type: AttributeString}, []any{"\xff"}, "", "UTF-8"},
		{Attribute{Type: AttributeString}, []any{long}, "", "1048576 bytes"},
		{Attribute{Type: AttributeString}, []any{map[string]any{"value": "x"}}, "x", ""},
		{Attribute{Type: AttributeString}, []any{map[string]any{"deep": map[string]any{}}}, "", "received an object"},
		{Attribute{Type: AttributeString}, []any{[]any{"x"}}, "", "list in a list"},
		{Attribute{Type: AttributeString}, []any{"first", "second"}, "first", ""},
		{Attribute{Type: AttributeInteger}, []any{"42"}, "42", ""},
		{Attribute{Type: AttributeInteger}, []any{json.Number("42.0")}, "42", ""},
		{Attribute{Type: AttributeInteger}, []any{"-007"}, "-7", ""},
		{Attribute{Type: AttributeInteger}, []any{"42.5"}, "", `expected a whole number, received "42.5"`},
		{Attribute{Type: AttributeInteger}, []any{"9007199254740993"}, "", "whole number"},
		{Attribute{Type: AttributeNumber}, []any{"4.50"}, "4.5", ""},
		{Attribute{Type: AttributeNumber}, []any{"1e400"}, "", "a number"},
		{Attribute{Type: AttributeNumber}, []any{"NaN"}, "", "a number"},
		{Attribute{Type: AttributeNumber}, []any{"0x10"}, "", "a number"},
		{Attribute{Type: AttributeBoolean}, []any{"True"}, "true", ""},
		{Attribute{Type: AttributeBoolean}, []any{"0"}, "false", ""},
		{Attribute{Type: AttributeBoolean}, []any{"perhaps"}, "", "true or false"},
		{Attribute{Type: AttributeDate}, []any{"2026-11-22"}, "2026-11-22", ""},
		{Attribute{Type: AttributeDate}, []any{"2026-11-22T23:30:00-05:00"}, "2026-11-22", ""},
		{Attribute{Type: AttributeDate}, []any{"2026-02-30"}, "", "a date"},
		{Attribute{Type: AttributeDate}, []any{"22.11.2026"}, "", "a date"},
		{Attribute{Type: AttributeChoice, Choices: []string{"Early", "Late"}}, []any{"LATE"}, "Late", ""},
		{Attribute{Type: AttributeChoice, Choices: []string{"Early", "Late"}}, []any{"noon"}, "", "one of Early, Late"},
		{Attribute{Type: AttributeList}, []any{"b", "a", "b"}, `["b","a"]`, ""},
		{Attribute{Type: AttributeList}, []any{"one"}, `["one"]`, ""},
		{Attribute{Type: AttributeList}, slices.Repeat([]any{"x"}, 51), "", "more than 50"},
	} {
		value, wrong := c.a.Read(c.given)
		if value != c.want || (wrong == "") != (c.wrong == "") || !strings.Contains(wrong, c.wrong) || len(wrong) > 300 {
			t.Errorf("%s of %.60v: got %q, %.300q; want %q, %q", c.a.Type, c.given, value, wrong, c.want, c.wrong)
		}
		if value != "" && (!c.a.Holds(value) || c.a.Typed(value) == nil) {
			t.Errorf("%s: %q does not hold once kept", c.a.Type, value)
		}
	}
	if (Attribute{Type: AttributeInteger}).Typed("Sales") != nil {
		t.Error("a value from before the type was changed is handed on")
	}
}

func TestDefinitions_OfAttributesAreChecked(t *testing.T) {
	t.Parallel()
	for name, a := range map[string]Attribute{
		"name":    {Name: "e-mail", Type: AttributeString},
		"name ":   {Name: "email", Type: AttributeString},
		"name  ":  {Name: "Groups", Type: AttributeString},
		"name   ": {Name: strings.Repeat("x", 65), Type: AttributeString},
		"type":    {Name: "x", Type: "complex"},
		"choices": {Name: "x", Type: AttributeChoice},
		"choices ": {Name: "x", Type: AttributeChoice,
			Choices: []string{"a", "A"}},
		"choices  ": {Name: "x", Type: AttributeString, Choices: []string{"a"}},
		"label":     {Name: "x", Type: AttributeString, Label: "a\nb"},
	} {
		if at, wrong := CheckAttribute(a); at != strings.TrimSpace(name) || wrong == "" {
			t.Errorf("%+v: %q %q", a, at, wrong)
		}
	}
}

func TestPaths_LeadToValues(t *testing.T) {
	t.Parallel()
	var user map[string]any
	decoder := json.NewDecoder(strings.NewReader(`{"title":"Boss","name":{"givenName":"Ada"},"emails":[{"value":"h@x","type":"home"},{"value":"w@x","type":"work","primary":true}],
		"roles":["a","b"],"urn:example:2.0:User":{"badge":7,"Deep":{"a":{"b":1}}},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"u1"}}}`))
	decoder.UseNumber()
	if err := decoder.Decode(&user); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"title": `["Boss"]`, "TITLE": `["Boss"]`, "name.givenName": `["Ada"]`, "emails.value": `["w@x","h@x"]`, `emails[type eq "home"].value`: `["h@x"]`,
		`emails[primary EQ true].value`: `["w@x"]`, `emails[type eq "other"].value`: `null`, "roles": `["a","b"]`, "urn:example:2.0:User:badge": `[7]`, "URN:EXAMPLE:2.0:user:Badge": `[7]`,
		"urn:ietf:params:scim:schemas:core:2.0:User:title": `["Boss"]`, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": `["R\u0026D"]`,
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value": `["u1"]`, "title.value": `null`, "urn:example:3.0:User:badge": `null`,
	} {
		p, err := ParseAttributePath(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if got := toJSON(p.Values(user)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, wrong := range []string{"", "a.b.c", "a[", "a[]", `a[type co "x"]`, `a[type eq "x" and b eq "y"]`, "password", "groups", "meta.created", "urn:example:2.0:User:", "urn:x", "a b", "a\x00", strings.Repeat("x", 501), `a[type eq "x].y`} {
		if p, err := ParseAttributePath(wrong); err == nil {
			t.Errorf("%q is taken as %+v", wrong, p)
		}
	}
}

func FuzzParseAttributePath(f *testing.F) {
	for _, seed := range []string{"title", `emails[type eq "work"].value`, "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "a[b eq true].c", "urn:a:b:c[d eq \"urn:x:y\"].z", "[", "a..b"} {
		f.Add(seed)
	}
	resource := map[string]any{"title": "x", "emails": []any{map[string]any{"type": "work", "value": "v"}, "y", nil, []any{}}, "a": map[string]any{"b": true, "c": []any{"z"}}}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseAttributePath(text)
		if err != nil {
			if len(err.Error()) > 400 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			return
		}
		again, err := ParseAttributePath(p.String())
		if err != nil || again != p {
			t.Errorf("%q is %+v, written %q and read back %+v, %v", text, p, p.String(), again, err)
		}
		_ = p.Values(resource)
		_ = p.Values(nil)
	})
}

func TestMaps_AskSourcesInOrderAndStayWithinTheirRoom(t *testing.T) {
	t.Parallel()
	c := &Config{Attributes: []Attribute{{Name: "level", Type: AttributeInteger}, {Name: "tags", Type: AttributeList}, {Name: "Title", Type: AttributeChoice, Choices: []string{"Boss"}}}}
	m, at, wrong := c.CheckAttributeMap(AttributeMap{"LEVEL": {" a ", "b", "a"}, "locale": {}, "title": {"title"}, "tags": {}}, true)
	if wrong != "" || !reflect.DeepEqual(m, AttributeMap{"level": {"a", "b"}, "locale": {}}) {
		t.Fatalf("%v %s %s", m, at, wrong)
	}
	for name, bad := range map[string]AttributeMap{"unknown": {"unknown": {"a"}}, "level": {"level": {"a.b.c"}}, "tags": {"tags": {"a", "b", "c", "d", "e", "f"}}} {
		if _, at, wrong := c.CheckAttributeMap(bad, true); at != name || wrong == "" {
			t.Errorf("%v: %q %q", bad, at, wrong)
		}
	}
	given := Ask(c.AttributeTable(m, true), func(source string) []any {
		switch source {
		case "a":
			return []any{"high"}
		case "b":
			return []any{"3"}
		case "title":
			return []any{"boss"}
		}
		return []any{strings.Repeat("x", 1000)}
	})
	values := ValuesOf(given)
	if values["level"] != "3" || values["title"] != "Boss" || values["locale"] != "" || values["department"] == "" {
		t.Errorf("%v", values)
	}
	i := slices.IndexFunc(given, func(g Given) bool { return g.Attribute.Name == "level" })
	if d := given[i].Dropped; given[i].Source != "b" || len(d) != 1 || d[0].Source != "a" || !strings.Contains(d[0].Why, "whole number") {
		t.Errorf("%+v", given[i])
	}
	var many []AttributeRow
	for i := range 40 {
		many = append(many, AttributeRow{Attribute: Attribute{Name: string(rune('a' + i)), Type: AttributeString}, Sources: []string{"x"}})
	}
	total := 0
	for _, g := range Ask(many, func(string) []any { return []any{strings.Repeat("x", 1000)} }) {
		total += len(g.Value)
	}
	if total != 16000 {
		t.Errorf("%d bytes are kept", total)
	}
}

func TestWhoHasTheSay_DirectoryBeforeConnectionBeforePeople(t *testing.T) {
	t.Parallel()
	c := &Config{Attributes: []Attribute{{Name: "level", Type: AttributeInteger}}, Directories: []Directory{{ID: "dir_1"}},
		Connections: []Connection{{ID: "con_1", Map: AttributeMap{"department": {"dept"}, "level": {"lvl"}}}, {ID: "con_2", Map: AttributeMap{"level": {"l"}}}}}
	m := &Member{Directory: "dir_1"}
	m.Assert("con_2", map[string]string{"level": "2"}, true)
	m.Assert("con_1", map[string]string{"level": "1", "department": "Sales", "title": "not mapped"}, true)
	m.Assert("", map[string]string{"level": "9", "locale": "de"}, false)
	for _, c2 := range []struct {
		directory map[string]string
		want      map[string]string
	}{
		{map[string]string{"department": "R&D"}, map[string]string{"department": "R&D", "level": "1"}},
		{nil, map[string]string{"department": "Sales", "level": "1"}},
	} {
		if got := c.EffectiveAttributes(m, c2.directory); !reflect.DeepEqual(got, c2.want) {
			t.Errorf("%v, want %v", got, c2.want)
		}
	}
	if dir, con := c.AttributeOwner(m, "level"); dir != "" || con != "con_1" {
		t.Errorf("the level is %s%s's", dir, con)
	}
	if dir, _ := c.AttributeOwner(m, "locale"); dir != "dir_1" {
		t.Errorf("the locale is not the directory's, which maps it")
	}
	m.Directory, m.Asserted = "", m.Asserted[2:]
	if got := c.EffectiveAttributes(m, nil); !reflect.DeepEqual(got, map[string]string{"level": "9", "locale": "de"}) {
		t.Errorf("by hand: %v", got)
	}
	m.Attributes = map[string]string{"level": "9", "locale": "de", "gone": "x"}
	c.Attributes = append(c.Attributes, Attribute{Name: "locale", Type: AttributeString, Hidden: true})
	if got := toJSON(c.HostAttributes(m)); got != `{"level":9}` {
		t.Errorf("the host application is told %s", got)
	}
}

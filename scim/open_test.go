package scim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// urnOpen is a schema that no type of these tests knows; urnAcme is one that testUser does.
const urnOpen = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"

// many is count members of a JSON object, each made by format from its number.
func many(count int, format string) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, ","+format, i)
	}
	return b.String()[1:]
}

func TestDecode_KeepsExtensionsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	user := testUser()
	long := strings.Repeat("x", maxOpenValue)
	cases := []struct {
		name, body, want string
		warnings         []string
	}{
		{"Entra does not list the URN", `"` + urnOpen + `":{"badge":"b","costCode":"77"}`, `"` + urnOpen + `":{"badge":"b","costCode":"77"}`, nil},
		{"every simple type", `"urn:scim:schemas:extension:custom:1.0":{"s":"x","b":false,"n":1.50,"o":"False"}`, `"urn:scim:schemas:extension:custom:1.0":{"s":"x","b":false,"n":1.50,"o":"False"}`, nil},
		{"what is empty is absent", `"` + urnOpen + `":{"a":null,"b":"","c":[],"d":{},"e":"x"},"urn:ab:c":{"a":""},"urn:ab:d":null,"urn:ab:e":"","urn:ab:f":{}`, `"` + urnOpen + `":{"e":"x"}`, nil},
		{"lists and objects in it are dropped", `"` + urnOpen + `":{"a":["x"],"b":{"c":1},"d":1}`, `"` + urnOpen + `":{"d":1}`, []string{":User:a", ":User:b"}},
		{"not an object", `"` + urnOpen + `":"x","urn:ab:c":[{"d":1}]`, ``, []string{"object", "urn:ab:c"}},
		{"a password is no attribute of anything", `"` + urnOpen + `":{"Password":"s3cret","a":1}`, `"` + urnOpen + `":{"a":1}`, []string{"not stored"}},
		{"names are ASCII names", `"` + urnOpen + `":{"größe":1,"1a":1,"$ref":1,"a b":1,"a.b":1,"":1,"a:b":1,"\u212a":1}`, ``, make([]string, 8)},
		{"URNs are well-formed", `"urn:x:y":{"a":1},"urn:ab":{"a":1},"urn:ab::c":{"a":1},"urn:ab:c d":{"a":1},"urn:ab:c[d":{"a":1},"urn:ab:ü":{"a":1},"urn:ab:c.d":{"a":1},"urn:ab:c:":{"a":1}`, ``, make([]string, 8)},
		{"URNs of the standard", `"` + URNGroup + `":{"displayName":"x"},"` + URNPatchOp + `":{"a":1},"urn:ietf:params:scim:schemas:core":{"a":1},"urn:ietf:params:scim:schemas:extension:enterprise:3.0:User":{"a":1}`, ``, make([]string, 4)},
		{"no shadow of a known schema", `"` + strings.TrimSuffix(urnAcme, ":User") + `":{"User":"x"},"` + urnAcme + `:badge":{"a":1},"` + strings.ToUpper(URNEnterpriseUser) + `:manager":{"value":"1"},"urn:example:params:scim":{"a":1}`, ``, make([]string, 4)},
		{"one path, one meaning", `"urn:ab:c":{"d":1},"urn:ab:C:D":{"e":1},"urn:ab:c:x":{"e":1}`, `"urn:ab:c":{"d":1},"urn:ab:c:x":{"e":1}`, []string{"attribute of another"}},
		{"one path, one meaning, the other way round", `"urn:ab:C:D":{"e":1},"urn:ab:c":{"d":1}`, `"urn:ab:C:D":{"e":1}`, []string{"attribute of another"}},
		{"as long as may be", `"` + urnOpen + `":{"a":"` + long + `"}`, `"` + urnOpen + `":{"a":"` + long + `"}`, nil},
		{"too long a value", `"` + urnOpen + `":{"a":"` + long + `x","b":1}`, `"` + urnOpen + `":{"b":1}`, []string{":User:a"}},
		{"too long names", `"urn:ab:` + long + `":{"a":1},"` + urnOpen + `":{"` + long + `":1}`, ``, make([]string, 2)},
		{"too many attributes", `"` + urnOpen + `":{` + many(102, `"a%d":1`) + `}`, `"` + urnOpen + `":{` + many(100, `"a%d":1`) + `}`, make([]string, 2)},
		{"too many extensions", many(11, `"urn:ab:c%d":{"a":1}`), many(10, `"urn:ab:c%d":{"a":1}`), make([]string, 1)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, warnings, err := Decode(user, Lenient, []byte(coreHead+`"userName":"u",`+c.body+`}`))
			if err != nil {
				t.Fatal(err)
			}
			want := plain(t, `{"userName":"u"`+strings.TrimSuffix(","+c.want, ",")+`}`)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %.500s\nwant %.500s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			if len(warnings) != len(c.warnings) {
				t.Fatalf("got warnings %q, want %d", warnings, len(c.warnings))
			}
			for i, w := range c.warnings {
				if !strings.Contains(warnings[i], w) || strings.Contains(warnings[i], "s3cret") {
					t.Errorf("warning %q, want it to name %s", warnings[i], w)
				}
			}
		})
	}
}

func TestDecode_OfAListedSchemaWarnsOnlyWithoutData(t *testing.T) {
	t.Parallel()
	head := `{"schemas":["` + URNUser + `","` + urnOpen + `"],"userName":"u"`
	if _, warnings, err := Decode(testUser(), Lenient, []byte(head+`,"`+urnOpen+`":{"a":1}}`)); err != nil || len(warnings) != 0 {
		t.Errorf("with data: %q, %v", warnings, err)
	}
	if _, warnings, err := Decode(testUser(), Lenient, []byte(head+`}`)); err != nil || len(warnings) != 1 {
		t.Errorf("without: %q, %v", warnings, err)
	}
}

func TestOpenExtensions_AreOfLenientModeOnly(t *testing.T) {
	t.Parallel()
	user := testUser()
	_, _, err := Decode(user, Strict, []byte(coreHead+`"userName":"u","`+urnOpen+`":{"a":1}}`))
	wantError(t, err, 400, TypeInvalidSyntax)
	_, err = ParsePatch(user, Strict, "1", []byte(patchHead+`[{"op":"add","path":"`+urnOpen+`:a","value":"1"}]}`))
	wantError(t, err, 400, TypeInvalidSyntax)
	_, err = parseFilter(user, Strict, urnOpen+`:a eq "1"`)
	wantError(t, err, 400, TypeInvalidFilter)
}

func TestPatch_OfExtensionsThatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	user := testUser()
	badge := `"` + urnOpen + `":{"badge":"7"}`
	upper := strings.ToUpper(urnOpen)
	full := many(10, `"urn:ab:c%d":{"a":"1"}`)
	cases := []struct{ name, before, ops, want string }{
		{"add", ``, `[{"op":"Add","path":"` + urnOpen + `:badge","value":"7"}]`, badge},
		{"add beside others", `"` + urnOpen + `":{"a":1}`, `[{"op":"add","path":"` + urnOpen + `:b","value":true},{"op":"add","path":"` + urnOpen + `:c","value":2.50}]`, `"` + urnOpen + `":{"a":1,"b":true,"c":2.50}`},
		{"replace", badge, `[{"op":"Replace","path":"` + urnOpen + `:badge","value":"8"}]`, `"` + urnOpen + `":{"badge":"8"}`},
		{"replace what is not there", ``, `[{"op":"replace","path":"` + urnOpen + `:badge","value":"7"}]`, badge},
		{"replace with the same", badge, `[{"op":"replace","path":"` + urnOpen + `:badge","value":"7"}]`, badge},
		{"the letter case that came first stays", badge, `[{"op":"replace","path":"` + upper + `:BADGE","value":"8"},{"op":"add","path":"` + upper + `:Other","value":"x"}]`, `"` + urnOpen + `":{"badge":"8","Other":"x"}`},
		{"the same in another letter case", badge, `[{"op":"replace","path":"` + upper + `:BADGE","value":"7"}]`, badge},
		{"a value in an array", ``, `[{"op":"Add","path":"` + urnOpen + `:badge","value":["7"]}]`, badge},
		{"remove", `"` + urnOpen + `":{"badge":"7","a":1}`, `[{"op":"Remove","path":"` + upper + `:Badge"}]`, `"` + urnOpen + `":{"a":1}`},
		{"remove the last", badge, `[{"op":"Remove","path":"` + urnOpen + `:badge"}]`, ``},
		{"remove what is not there", badge, `[{"op":"remove","path":"` + urnOpen + `:nope"},{"op":"remove","path":"urn:ab:c:d"},{"op":"remove","path":"urn:ab:c:1.0"}]`, badge},
		{"replace with null", badge, `[{"op":"replace","path":"` + urnOpen + `:badge","value":null}]`, ``},
		{"replace with an empty string", badge, `[{"op":"replace","path":"` + urnOpen + `:badge","value":""}]`, ``},
		{"replace with an empty list", badge, `[{"op":"replace","path":"` + urnOpen + `:badge","value":[]}]`, ``},

		{"without a path, the URN and the attribute as a key", badge, `[{"op":"replace","value":{"title":"T","` + urnOpen + `:badge":"8","` + urnOpen + `:costCode":"78"}}]`, `"title":"T","` + urnOpen + `":{"badge":"8","costCode":"78"}`},
		{"without a path, the URN as a key", badge, `[{"op":"add","value":{"` + upper + `":{"costCode":"78","badge":""}}}]`, `"` + urnOpen + `":{"costCode":"78"}`},
		{"without a path, null", badge, `[{"op":"replace","value":{"` + urnOpen + `:badge":null}}]`, ``},

		{"bare URN, add", `"` + urnOpen + `":{"a":1}`, `[{"op":"add","path":"` + urnOpen + `","value":{"badge":"7"}}]`, `"` + urnOpen + `":{"a":1,"badge":"7"}`},
		{"bare URN, replace leaves what is unspecified", `"` + urnOpen + `":{"a":1,"badge":"6"}`, `[{"op":"replace","path":"` + upper + `","value":{"Badge":"7"}}]`, `"` + urnOpen + `":{"a":1,"badge":"7"}`},
		{"bare URN, replace with nothing", badge, `[{"op":"replace","path":"` + urnOpen + `","value":{}}]`, badge},
		{"bare URN, remove", badge, `[{"op":"remove","path":"` + upper + `"}]`, ``},
		{"bare URN, null", badge, `[{"op":"replace","path":"` + urnOpen + `","value":null}]`, ``},
		{"a URN that ends in a version", `"urn:scim:custom:1.0":{"a":1}`, `[{"op":"add","path":"urn:scim:custom:1.0:b","value":"2"},{"op":"add","path":"urn:scim:custom:1.0","value":{"c":3}}]`, `"urn:scim:custom:1.0":{"a":1,"b":"2","c":3}`},
		{"a URN that ends in a version, removed", `"urn:scim:custom:1.0":{"a":1}`, `[{"op":"remove","path":"urn:scim:custom:1.0"}]`, ``},

		{"a known schema is known first", ``, `[{"op":"add","path":"` + urnAcme + `:level","value":3},{"op":"add","path":"` + ent + `:manager","value":"7"}]`, `"` + urnAcme + `":{"level":3},"` + ent + `":{"manager":{"value":"7"}}`},
		{"an extension takes the path from an attribute", `"urn:ab:c":{"d":"x","e":"y"}`, `[{"op":"add","path":"urn:ab:C:D","value":{"f":"z"}}]`, `"urn:ab:c":{"e":"y"},"urn:ab:C:D":{"f":"z"}`},
		{"a password", badge, `[{"op":"add","path":"` + urnOpen + `:PASSWORD","value":"s"},{"op":"add","path":"` + urnOpen + `","value":{"password":"s"}}]`, badge},
		{"one of ten changed", full, `[{"op":"replace","path":"urn:ab:C9:A","value":"1"}]`, full},
		{"a leaver with a badge", `"active":true`, `[{"op":"Replace","path":"active","value":"False"},{"op":"Add","path":"` + urnOpen + `:badge","value":"7"}]`, `"active":false,` + badge},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc := func(inner string) string { return `{"userName":"u"` + strings.TrimSuffix(","+inner, ",") + `}` }
			got, _, changed, err := patchUser(t, user, doc(c.before), c.ops)
			if err != nil {
				t.Fatal(err)
			}
			if want := plain(t, doc(c.want)); !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %s\nwant %s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			if changed != (c.before != c.want) {
				t.Errorf("changed is %v", changed)
			}
		})
	}
}

func TestPatch_OfExtensionsThatItDoesNotKnowRefuses(t *testing.T) {
	t.Parallel()
	user := testUser()
	long := strings.Repeat("x", maxOpenValue+1)
	add := func(path, value string) string { return `[{"op":"add","path":"` + path + `","value":` + value + `}]` }
	cases := []struct{ name, before, ops, scimType string }{
		{"a URN of two parts", ``, add("urn:ab:badge", `"7"`), TypeInvalidValue},
		{"a short namespace", ``, add("urn:x:y:badge", `"7"`), TypeInvalidPath},
		{"an empty segment", ``, add("urn:ab::c:badge", `"7"`), TypeInvalidPath},
		{"a name that is not ASCII", ``, add(urnOpen+":größe", `"7"`), TypeInvalidPath},
		{"a name with a dollar", ``, add(urnOpen+":$ref", `"7"`), TypeInvalidPath},
		{"a sub-attribute", ``, add(urnOpen+":badge.value", `"7"`), TypeInvalidPath},
		{"a filter", ``, add(urnOpen+`:badge[value eq \"1\"]`, `"7"`), TypeInvalidPath},
		{"text after the path", ``, add(urnOpen+`:badge x`, `"7"`), TypeInvalidPath},
		{"the core schema of another type", ``, add(URNGroup+":displayName", `"7"`), TypeInvalidPath},
		{"a message", ``, add(URNPatchOp+":badge", `"7"`), TypeInvalidPath},
		{"an unknown attribute of a known schema", ``, add(ent+":badge", `"7"`), TypeInvalidPath},
		{"the same as a key", ``, `[{"op":"add","value":{"` + ent + `:badge":"7"}}]`, TypeInvalidPath},
		{"below a known attribute", ``, add(ent+":manager:value", `"7"`), TypeInvalidPath},
		{"above a known schema", ``, add("urn:example:params:scim:schemas:extension:Acme:2.0:badge", `"7"`), TypeInvalidValue},
		{"an unknown version of the standard's", ``, add("urn:ietf:params:scim:schemas:extension:enterprise:3.0:User:badge", `"7"`), TypeInvalidPath},
		{"an object for an attribute", ``, add(urnOpen+":badge", `{"value":"7"}`), TypeInvalidValue},
		{"two values", ``, add(urnOpen+":badge", `["7","8"]`), TypeInvalidValue},
		{"an object in a list", ``, add(urnOpen+":badge", `[{"value":"7"}]`), TypeInvalidValue},
		{"a list in the extension", ``, add(urnOpen, `{"badge":["7"]}`), TypeInvalidValue},
		{"a name that is none in the extension", ``, add(urnOpen, `{"a.b":"7"}`), TypeInvalidPath},
		{"no value", ``, `[{"op":"add","path":"` + urnOpen + `:badge"}]`, TypeInvalidValue},
		{"a value that is too long", ``, add(urnOpen+":badge", `"`+long+`"`), TypeInvalidValue},
		{"a simple value for a bare URN", ``, add("urn:scim:custom:1.0", `"x"`), TypeInvalidValue},
		{"an object in a list for a bare URN", ``, add("urn:scim:custom:1.0", `[{"value":1}]`), TypeInvalidValue},
		{"a simple value for an extension that is there", `"` + urnOpen + `":{"a":1}`, add(urnOpen, `"x"`), TypeInvalidValue},
		{"an eleventh extension", many(10, `"urn:ab:c%d":{"a":1}`), add("urn:ab:c:a", `"x"`), TypeInvalidValue},
		{"attribute 101", `"` + urnOpen + `":{` + many(100, `"a%d":1`) + `}`, add(urnOpen+":a", `"x"`), TypeInvalidValue},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, _, err := patchUser(t, user, `{"userName":"u"`+strings.TrimSuffix(","+c.before, ",")+`}`, c.ops)
			if e := wantError(t, err, 400, c.scimType); len(e.Detail) > 500 {
				t.Errorf("the detail has %d bytes", len(e.Detail))
			}
		})
	}
}

func TestApplyReplace_KeepsTheSpellingOfUnknownExtensions(t *testing.T) {
	t.Parallel()
	stored := plain(t, `{"id":"1","userName":"u","`+urnOpen+`":{"badge":"7","a":1}}`)
	put := plain(t, `{"userName":"u","`+strings.ToUpper(urnOpen)+`":{"BADGE":"7","A":1}}`)
	if next, changed, err := ApplyReplace(testUser(), stored, put); err != nil || changed {
		t.Errorf("got %s, %v", next.AppendJSON(nil), err)
	}
	if next, changed, err := ApplyReplace(testUser(), stored, plain(t, `{"userName":"u"}`)); err != nil || !changed || len(next) != 2 {
		t.Errorf("without the extension: %s, %v", next.AppendJSON(nil), err)
	}
}

// openDocs generates the members of a body that are of unknown extensions.
func openDocs() *rapid.Generator[string] {
	urns := []string{urnOpen, strings.ToUpper(urnOpen), "urn:ietf:params:scim:schemas:extension:Acme:2.0", "urn:ab:c", "urn:ab:c:d", "urn:scim:custom:1.0", URNEnterpriseUser + ":x"}
	names := []string{"badge", "Other", "User", "d", "password", "ü"}
	values := []string{`"x"`, `""`, `true`, `7.50`, `null`, `["x"]`, `{"y":1}`, `"False"`}
	return rapid.Custom(func(t *rapid.T) string {
		doc := ""
		for _, urn := range rapid.SliceOfNDistinct(rapid.SampledFrom(urns), 0, 4, strings.ToLower).Draw(t, "urns") {
			doc += `,"` + urn + `":{"z":` + rapid.SampledFrom(values).Draw(t, "z")
			for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(names), 0, 3, strings.ToLower).Draw(t, "names") {
				doc += `,"` + name + `":` + rapid.SampledFrom(values).Draw(t, "value")
			}
			doc += "}"
		}
		return doc
	})
}

func TestOpenExtensions_SurviveStorageGetAndPut(t *testing.T) {
	t.Parallel()
	user := testUser()
	w := renderer{base: "https://x.test/scim/v2", types: []*ResourceType{user}}
	rapid.Check(t, func(t *rapid.T) {
		stored, _, err := Decode(user, Lenient, []byte(coreHead+`"userName":"u"`+openDocs().Draw(t, "doc")+`}`))
		if err != nil {
			t.Fatal(err)
		}
		read, err := Parse(stored.AppendJSON(nil))
		if err != nil || !Equal(read, stored) {
			t.Fatalf("stored %s, read %s, %v", stored.AppendJSON(nil), read.AppendJSON(nil), err)
		}
		shown := w.resource(nil, user, read, Projection{})
		again, warnings, err := Decode(user, Lenient, shown)
		if err != nil || !Equal(again, stored) || len(warnings) > 0 {
			t.Fatalf("%v, %q\nstored %s\nshown  %s", err, warnings, stored.AppendJSON(nil), shown)
		}
		if _, changed, err := ApplyReplace(user, stored, again); err != nil || changed {
			t.Fatalf("changed %v, %v", changed, err)
		}
	})
}

func TestRender_ShowsUnknownExtensionsLast(t *testing.T) {
	t.Parallel()
	user := testUser()
	r := plain(t, `{"userName":"u","title":"t","urn:scim:custom:1.0":{"c":true,"B":1},"`+urnOpen+`":{"badge":"7"},"`+ent+`":{"department":"d"}}`)
	w := renderer{base: "https://x.test", types: []*ResourceType{user}}
	got := string(w.resource(nil, user, r, Projection{}))
	want := `{"schemas":["` + URNUser + `","` + ent + `","` + urnOpen + `","urn:scim:custom:1.0"],"userName":"u","title":"t","` + ent + `":{"department":"d"},"` +
		urnOpen + `":{"badge":"7"},"urn:scim:custom:1.0":{"B":1,"c":true},"meta":{"resourceType":"User"}}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestProjection_SelectsInUnknownExtensions(t *testing.T) {
	t.Parallel()
	user := testUser()
	r := plain(t, `{"userName":"u","urn:scim:custom:1.0":{"a":1,"b":2},"`+urnOpen+`":{"badge":"7"}}`)
	w := renderer{base: "https://x.test", types: []*ResourceType{user}}
	custom, open := `"urn:scim:custom:1.0":{"a":1,"b":2}`, `"`+urnOpen+`":{"badge":"7"}`
	cases := []struct {
		attributes, excluded, want string
		wants                      [3]bool // urnOpen, its badge, userName
	}{
		{"", "", open + "," + custom, [3]bool{true, true, true}},
		{"userName", "", "", [3]bool{false, false, true}},
		{urnOpen, "", open, [3]bool{true, true, false}},
		{strings.ToUpper(urnOpen) + ":Badge,title", "", open, [3]bool{true, true, false}},
		{urnOpen + ":nope", "", "", [3]bool{true, false, false}},
		{"URN:scim:custom:1.0:B", "", `"urn:scim:custom:1.0":{"b":2}`, [3]bool{}},
		{"urn:scim:custom:1.0", "", custom, [3]bool{}},
		{"", urnOpen, custom, [3]bool{false, false, true}},
		{"", urnOpen + ":badge,urn:scim:custom:1.0:a", `"urn:scim:custom:1.0":{"b":2}`, [3]bool{true, false, true}},
		{"", "title", open + "," + custom, [3]bool{true, true, true}},
	}
	for _, c := range cases {
		p, err := NewProjection(user, splitNames([]string{c.attributes}), splitNames([]string{c.excluded}))
		if err != nil {
			t.Fatal(err)
		}
		got := w.resource(nil, user, r, p)
		_, shown, _ := strings.Cut(string(got), `],`)
		shown = strings.TrimSuffix(strings.TrimSuffix(shown, `"meta":{"resourceType":"User"}}`), "}")
		shown = strings.Trim(strings.TrimPrefix(shown, `"userName":"u"`), ",")
		if shown != c.want && string(got) != `{"schemas":["`+URNUser+`","`+urnOpen+`","urn:scim:custom:1.0"]}` {
			t.Errorf("attributes=%s excludedAttributes=%s:\ngot  %s\nwant %s", c.attributes, c.excluded, shown, c.want)
		}
		if wants := [3]bool{p.Wants(urnOpen), p.Wants(urnOpen + ":badge"), p.Wants("userName")}; wants != c.wants {
			t.Errorf("attributes=%s excludedAttributes=%s wants %v", c.attributes, c.excluded, wants)
		}
	}
}

func TestMatch_InUnknownExtensionsComparesAsText(t *testing.T) {
	t.Parallel()
	user := testUser()
	r := plain(t, `{"userName":"u","`+urnOpen+`":{"badge":"Seven","n":7,"b":true}}`)
	for text, want := range map[string]bool{
		urnOpen + `:badge eq "seven"`:                       true,
		strings.ToUpper(urnOpen) + `:BADGE eq "Seven"`:      true,
		urnOpen + `:badge eq "8"`:                           false,
		urnOpen + `:n eq 7`:                                 true,
		urnOpen + `:n eq "7"`:                               true,
		urnOpen + `:b eq true`:                              true,
		urnOpen + `:b eq "False"`:                           false,
		urnOpen + `:badge pr`:                               true,
		urnOpen + `:nope pr`:                                false,
		urnOpen + `:nope eq null`:                           true,
		urnOpen + `:badge pr and not (userName eq "other")`: true,
		`urn:ab:c:badge pr`:                                 false,
		`schemas eq "` + urnOpen + `"`:                      true,
	} {
		f, err := ParseFilter(user, text)
		if err != nil || Match(user, f, r) != want {
			t.Errorf("%s: want %v, %v", text, want, err)
		}
	}
	for _, text := range []string{urnOpen + `:badge co "e"`, urnOpen + `:badge ne "e"`, urnOpen + `:n gt 6`, urnOpen + `:badge[value eq "x"]`, urnOpen + `:badge.value eq "x"`, `urn:scim:custom:1.0 pr`} {
		_, err := ParseFilter(user, text)
		wantError(t, err, 400, TypeInvalidFilter)
	}
}

func TestResource_FindsTheLongestExtension(t *testing.T) {
	t.Parallel()
	r := plain(t, `{"urn:ab:c":{"x":"1"},"urn:ab:c:d":{"x":"2"},"urn:ab:c:d:e":{"x":"3"}}`)
	for range 20 { // maps have no order
		if r.String("urn:ab:c:x") != "1" || r.String("urn:ab:c:d:x") != "2" || r.String("urn:ab:c:d:e:x") != "3" || r.String("urn:ab:c:d:y") != "" {
			t.Fatal("a path was looked up in a shorter URN")
		}
	}
}

func TestPatch_TouchesAnUnknownExtensionInAnyLetterCase(t *testing.T) {
	t.Parallel()
	_, p, _, err := patchUser(t, testUser(), `{"userName":"u"}`, `[{"op":"add","path":"`+urnOpen+`:Badge","value":"7"}]`)
	if err != nil || !p.Touches(AttrPath{URN: strings.ToLower(urnOpen), Name: "badge"}) || p.Touches(AttrPath{Name: "badge"}) {
		t.Errorf("%v, %v", p.Ops, err)
	}
}

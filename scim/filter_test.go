package scim

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// testUser is a User type with an extension that has what the standard's schemas lack.
func testUser() *ResourceType {
	return NewUserType(Extension{Schema: &Schema{ID: "urn:example:params:scim:schemas:extension:Acme:2.0:User", Name: "Acme", Attributes: []*Attribute{
		{Name: "level", Type: Integer},
		{Name: "hired", Type: DateTime},
		{Name: "tags", MultiValued: true},
		{Name: "badge", CaseExact: true, Mutability: Immutable},
		{Name: "secret", Returned: ReturnedRequest},
		{Name: "pinned", Type: Boolean, Returned: ReturnedAlways},
	}}})
}

const urnAcme = "urn:example:params:scim:schemas:extension:Acme:2.0:User"

func TestParseFilter_ReadsTheGrammar(t *testing.T) {
	t.Parallel()
	user := testUser()
	path := func(name string) AttrPath { n, s, _ := strings.Cut(name, "."); return AttrPath{Name: n, Sub: s} }
	cmp := func(name string, op CompareOp, v any) Filter { return Compare{path(name), op, v} }
	ent := func(name, sub string) AttrPath { return AttrPath{URNEnterpriseUser, name, sub} }
	cases := []struct {
		text string
		want Filter
	}{
		{`userName eq "a"`, cmp("userName", EqualTo, "a")},
		{`USERNAME EQ "a"`, cmp("userName", EqualTo, "a")},
		{`  userName   eq   "a"  `, cmp("userName", EqualTo, "a")},
		{`emails.value co "@x"`, cmp("emails.value", Contains, "@x")},
		{`emails co "@x"`, cmp("emails.value", Contains, "@x")},
		{`active eq true`, cmp("active", EqualTo, true)},
		{`active eq "True"`, cmp("active", EqualTo, true)},
		{`active ne FALSE`, cmp("active", NotEqual, false)},
		{`title pr`, Present{path("title")}},
		{`title PR`, Present{path("title")}},
		{`title eq null`, Not{Present{path("title")}}},
		{`title ne null`, Present{path("title")}},
		{`externalId eq jyoung`, cmp("externalId", EqualTo, "jyoung")},
		{`externalId eq 42`, cmp("externalId", EqualTo, "42")},
		{`userName sw O`, cmp("userName", StartsWith, "O")},
		{`name.FamilyName eq Employee and (emails.Value co example.com or emails.Value co b)`, And{[]Filter{
			cmp("name.familyName", EqualTo, "Employee"), Or{[]Filter{cmp("emails.value", Contains, "example.com"), cmp("emails.value", Contains, "b")}}}}},
		{`meta.Created gt 2026-01-02T03:04:05Z`, cmp("meta.created", Greater, "2026-01-02T03:04:05Z")},
		{`userName eq "a" or active eq true and not (title pr)`, Or{[]Filter{cmp("userName", EqualTo, "a"),
			And{[]Filter{cmp("active", EqualTo, true), Not{Present{path("title")}}}}}}},
		{`(userName eq "a" or userName eq "b") and active eq true`, And{[]Filter{
			Or{[]Filter{cmp("userName", EqualTo, "a"), cmp("userName", EqualTo, "b")}}, cmp("active", EqualTo, true)}}},
		{`not(title pr)`, Not{Present{path("title")}}},
		{`title pr and title pr and title pr`, And{[]Filter{Present{path("title")}, Present{path("title")}, Present{path("title")}}}},
		{`emails[type eq "work" and value co "x"]`, ValuePath{path("emails"), And{[]Filter{cmp("type", EqualTo, "work"), cmp("value", Contains, "x")}}}},
		{`emails[ not (type eq "work") ]`, ValuePath{path("emails"), Not{cmp("type", EqualTo, "work")}}},
		{`emails[type eq "work"].value eq "a@x"`, ValuePath{path("emails"), And{[]Filter{cmp("type", EqualTo, "work"), cmp("value", EqualTo, "a@x")}}}},
		{`emails[type eq "work" and primary eq true].value eq "x"`, ValuePath{path("emails"), And{[]Filter{cmp("type", EqualTo, "work"), cmp("primary", EqualTo, true), cmp("value", EqualTo, "x")}}}},
		{`emails[type eq "work" or primary eq true].value eq "x"`, ValuePath{path("emails"), And{[]Filter{Or{[]Filter{cmp("type", EqualTo, "work"), cmp("primary", EqualTo, true)}}, cmp("value", EqualTo, "x")}}}},
		{`emails[type eq "work"].value pr`, ValuePath{path("emails"), And{[]Filter{cmp("type", EqualTo, "work"), Present{path("value")}}}}},
		{`emails[primary eq "True"].value eq x and active eq true`, And{[]Filter{
			ValuePath{path("emails"), And{[]Filter{cmp("primary", EqualTo, true), cmp("value", EqualTo, "x")}}}, cmp("active", EqualTo, true)}}},
		{`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "a"`, cmp("userName", EqualTo, "a")},
		{`URN:IETF:params:scim:schemas:core:2.0:user:name.familyName eq "a"`, cmp("name.familyName", EqualTo, "a")},
		{URNEnterpriseUser + `:department eq "R"`, Compare{ent("department", ""), EqualTo, "R"}},
		{URNEnterpriseUser + `:manager.value eq "7"`, Compare{ent("manager", "value"), EqualTo, "7"}},
		{URNEnterpriseUser + `:manager eq "7"`, Compare{ent("manager", "value"), EqualTo, "7"}},
		{urnAcme + `:level ge 7`, Compare{AttrPath{URN: urnAcme, Name: "level"}, GreaterEquals, json.Number("7")}},
		{urnAcme + `:tags[value eq "x"]`, ValuePath{AttrPath{URN: urnAcme, Name: "tags"}, cmp("value", EqualTo, "x")}},
		{`groups.$ref co "x"`, cmp("groups.$ref", Contains, "x")},
		{`userName eq "a] and (b) or \"c\": d.e \\ é \u00e9"`, cmp("userName", EqualTo, "a] and (b) or \"c\": d.e \\ é é")},
		{`emails[value eq "]"]`, ValuePath{path("emails"), cmp("value", EqualTo, "]")}},
		{`id eq "x"`, cmp("id", EqualTo, "x")},
		{`schemas eq "` + URNUser + `"`, cmp("schemas", EqualTo, URNUser)},
	}
	for _, c := range cases {
		t.Run(c.text, func(t *testing.T) {
			t.Parallel()
			got, err := ParseFilter(user, c.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got  %#v\nwant %#v", got, c.want)
			}
			again, err := ParseFilter(user, got.String())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("printed as %s it parses as %#v, %v", got, again, err)
			}
		})
	}
}

func TestParseFilter_RefusesAndNeverGuesses(t *testing.T) {
	t.Parallel()
	user := testUser()
	nested := strings.Repeat("(", 200) + "title pr" + strings.Repeat(")", 200)
	cases := []string{
		``, ` `, `userName`, `userName eq`, `userName eq `, `foo eq "1"`, `active gt true`, `userName eq 'x'`, `userName eq "x`,
		`userName == "x"`, `userName eq "x" and`, `and`, `or title pr`, `userName eq "x" userName eq "y"`, `userName eq "a" xor title pr`,
		`(title pr`, `title pr)`, `not title pr`, `not`, `emails[type eq "work"`, `emails[]`, `emails[foo eq "x"]`, `emails[emails.type eq "x"]`,
		`name[familyName eq "x"]`, `name eq "x"`, `emails[value pr].foo eq "x"`, `emails[value pr]. eq "x"`, `emails[phoneNumbers[type eq "x"]]`,
		`userName.foo eq "x"`, `emails.value.x eq "y"`, `active co "t"`, `active eq "yes"`, `active eq 1`, `title gt null`, `title co null`,
		`x509Certificates.value gt "a"`, `meta.created gt "yesterday"`, `meta.created co "2026"`, `userName gt abc`, `userName eq a"b`,
		`urn:foo:bar:userName co "x"`, `urn:foo:bar eq "x"`, `urn:f:userName eq "x"`, `urn:ietf:params:scim:schemas:core:2.0:Usr:userName eq "x"`, `urn:ietf:params:scim:schemas:core:2.0:Group:displayName eq "x"`, URNEnterpriseUser + ` eq "x"`, URNUser + ` pr`,
		URNEnterpriseUser + `:nope eq "x"`, `userName eq "\u0000"`, "userName eq \"\x01\"", "userName eq \"\xff\"", "userName\teq \"a\"", `userName eq"a"`,
		`userName eq a b`, `title pr and(`, `1 eq 1`, `"userName" eq "x"`, nested, `userName eq "` + strings.Repeat("x", 10<<10) + `"`,
		urnAcme + `:level eq "7"`, urnAcme + `:level co 7`, urnAcme + `:tags[type eq "x"]`, strings.Repeat(`title pr or `, 100) + `title pr`,
		`userName eq "a\" or 1=1`, `meta eq "x"`,
	}
	for _, text := range cases {
		t.Run(fmt.Sprintf("%.60s", text), func(t *testing.T) {
			t.Parallel()
			_, err := ParseFilter(user, text)
			if e := wantError(t, err, 400, TypeInvalidFilter); len(e.Detail) > 500 {
				t.Errorf("the detail has %d bytes", len(e.Detail))
			}
		})
	}
	_, err := ParseFilter(user, `title pr and password eq "x"`)
	wantError(t, err, 403, TypeSensitive)
}

func TestParseFilter_AcceptsUpToItsLimits(t *testing.T) {
	t.Parallel()
	user := testUser()
	for name, text := range map[string]string{
		"100 terms":    strings.Repeat(`title pr or `, 99) + `title pr`,
		"20 levels":    strings.Repeat("(", 20) + "title pr" + strings.Repeat(")", 20),
		"levels again": strings.Repeat("(title pr) and ", 50) + "title pr",
	} {
		if _, err := ParseFilter(user, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseFilter(user, strings.Repeat("(", 21)+"title pr"+strings.Repeat(")", 21)); err == nil {
		t.Error("21 levels were accepted")
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	user := testUser()
	r := Resource{
		"id": "Id-1", "externalId": "Ext", "userName": "Ann.Lee@acme.test", "active": true, "title": "100% _a_",
		"name": map[string]any{"familyName": "Lee"},
		"emails": []any{
			map[string]any{"type": "work", "value": "ann@acme.test", "primary": true},
			map[string]any{"type": "home", "value": "ann@home.test"},
		},
		"meta":            map[string]any{"created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T04:04:05+01:00"},
		URNEnterpriseUser: map[string]any{"department": "R&D", "manager": map[string]any{"value": "M1"}},
		urnAcme:           map[string]any{"level": json.Number("10"), "tags": []any{"a", "b"}},
	}
	cases := map[string]bool{
		`userName eq "ANN.LEE@ACME.TEST"`:            true,
		`userName ne "ANN.LEE@ACME.TEST"`:            false,
		`userName sw "ann"`:                          true,
		`userName ew "TEST"`:                         true,
		`userName co "zzz"`:                          false,
		`externalId eq "Ext"`:                        true,
		`externalId eq "ext"`:                        false,
		`externalId co "x"`:                          true,
		`externalId co "X"`:                          false,
		`id eq "id-1"`:                               false,
		`title co "%"`:                               true,
		`title co "0% _"`:                            true,
		`title sw "1_0"`:                             false,
		`title co "%a"`:                              false,
		`userName co "%"`:                            false,
		`userName co "_"`:                            false,
		`active eq true`:                             true,
		`active ne true`:                             false,
		`active eq false`:                            false,
		`nickName ne "x"`:                            true,
		`nickName eq "x"`:                            false,
		`nickName pr`:                                false,
		`nickName eq null`:                           true,
		`name pr`:                                    true,
		`name.givenName pr`:                          false,
		`emails pr`:                                  true,
		`photos pr`:                                  false,
		`emails.display ne "x"`:                      true,
		`photos.value ne "x"`:                        true,
		`emails.value eq "ANN@home.test"`:            true,
		`emails.value ne "ann@home.test"`:            true, // another element differs
		`emails[type eq "work" and value co "home"]`: false,
		`emails[type eq "home" and value co "home"]`: true,
		`emails[type eq "work"].value eq "ann@acme.test"`:         true,
		`emails[type eq "home"].value eq "ann@acme.test"`:         false,
		`emails[primary eq true].value sw "ann@acme"`:             true,
		`emails[not (primary pr)].value sw "ann@home"`:            true,
		`emails.type eq "work" and emails.value co "home"`:        true, // any element, each by itself
		`meta.created eq "2026-01-02T04:04:05+01:00"`:             true,
		`meta.created gt "2026-01-02T03:04:04Z"`:                  true,
		`meta.lastModified le "2026-01-02T03:04:05Z"`:             true,
		`meta.created lt "2026-01-02T03:04:05Z"`:                  false,
		URNEnterpriseUser + `:department eq "r&d"`:                true,
		URNEnterpriseUser + `:manager.value eq "m1"`:              false,
		URNEnterpriseUser + `:manager eq "M1"`:                    true,
		urnAcme + `:level gt 9`:                                   true, // by size, not as text
		urnAcme + `:level eq 1e1`:                                 true,
		urnAcme + `:level lt 1e999999999`:                         true,
		urnAcme + `:level eq 10.0`:                                true,
		urnAcme + `:tags eq "B"`:                                  true,
		urnAcme + `:tags[value eq "c"]`:                           false,
		`schemas eq "` + URNEnterpriseUser + `"`:                  true,
		`userName gt "ann"`:                                       true,
		`userName lt "B"`:                                         true, // lexical without letter case
		`userName eq "x" or active eq true and not (title pr)`:    false,
		`not (userName eq "x") and (title pr or active eq false)`: true,
	}
	for text, want := range cases {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			f, err := ParseFilter(user, text)
			if err != nil {
				t.Fatal(err)
			}
			if got := Match(user, f, r); got != want {
				t.Errorf("got %v", got)
			}
		})
	}
	if !Match(user, nil, r) {
		t.Error("a nil filter must match")
	}
}

func TestFold_AgreesWithEqualFold(t *testing.T) {
	t.Parallel()
	letters := "aAkK\u212asS\u017fiI\u0130\u0131\u00e9\u00c9\u03a3\u03c3\u03c2\u1e9e\u00df\u01c4\u01c5\u01c6z0é"
	for _, a := range letters {
		for _, b := range letters {
			if (Fold(string(a)) == Fold(string(b))) != strings.EqualFold(string(a), string(b)) {
				t.Errorf("%q folds to %q, %q to %q", a, Fold(string(a)), b, Fold(string(b)))
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		alphabet := rapid.SampledFrom([]rune(letters))
		a := rapid.StringOfN(alphabet, 0, 4, -1).Draw(t, "a")
		b := rapid.StringOfN(alphabet, 0, 4, -1).Draw(t, "b")
		if (Fold(a) == Fold(b)) != strings.EqualFold(a, b) {
			t.Fatalf("Fold(%q)=%q Fold(%q)=%q, EqualFold says %v", a, Fold(a), b, Fold(b), strings.EqualFold(a, b))
		}
	})
}

// filters generates trees in ParseFilter's normal form.
func filters(inner bool) *rapid.Generator[Filter] {
	leaf := rapid.Custom(func(t *rapid.T) Filter {
		text := rapid.OneOf(rapid.StringMatching(`[a-z"\\\[\]().: @%é]{0,8}`), rapid.StringN(0, 5, -1).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) })).Draw(t, "text")
		op := rapid.SampledFrom([]CompareOp{EqualTo, NotEqual, Contains, StartsWith, EndsWith, Greater, LessEquals}).Draw(t, "op")
		paths := []AttrPath{{Name: "userName"}, {Name: "emails", Sub: "value"}, {URN: URNEnterpriseUser, Name: "manager", Sub: "value"}, {URN: urnAcme, Name: "tags"}}
		if inner {
			paths = []AttrPath{{Name: "value"}, {Name: "type"}}
		}
		p := rapid.SampledFrom(paths).Draw(t, "path")
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			return Present{p}
		case 1:
			if !inner {
				return ValuePath{AttrPath{Name: "emails"}, filters(true).Draw(t, "inner")}
			}
			return Compare{AttrPath{Name: "primary"}, EqualTo, rapid.Bool().Draw(t, "bool")}
		}
		return Compare{p, op, text}
	})
	return treeOf(leaf, 3)
}

func treeOf(leaf *rapid.Generator[Filter], depth int) *rapid.Generator[Filter] {
	if depth == 0 {
		return leaf
	}
	sub := treeOf(leaf, depth-1)
	return rapid.OneOf(leaf, rapid.Custom(func(t *rapid.T) Filter {
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 0:
			return And{rapid.SliceOfN(sub, 2, 3).Draw(t, "and")}
		case 1:
			return Or{rapid.SliceOfN(sub, 2, 3).Draw(t, "or")}
		}
		return Not{sub.Draw(t, "not")}
	}))
}

func TestFilter_PrintedAndParsedIsTheSameTree(t *testing.T) {
	t.Parallel()
	user := testUser()
	rapid.Check(t, func(t *rapid.T) {
		f := filters(false).Draw(t, "filter")
		got, err := parseUnlimited(user, f.String())
		if err != nil || !reflect.DeepEqual(got, f) {
			t.Fatalf("%s\ngot  %#v, %v\nwant %#v", f, got, err, f)
		}
	})
}

// parseUnlimited parses without the limits of depth and terms, which printing can exceed: the
// normal forms add brackets.
func parseUnlimited(t *ResourceType, s string) (Filter, error) {
	p := filterParser{text: s, scope: scope{t: t}, depth: 1000, terms: 1_000_000}
	return p.whole()
}

func FuzzFilter(f *testing.F) {
	for _, s := range []string{
		`userName eq "a" or active eq true and not (title pr)`, `emails[type eq "work"].value eq "a@x"`, `emails[type eq "work" and (value co "x" or primary eq "True")]`,
		URNEnterpriseUser + `:manager.value eq "7"`, `externalId eq jyoung`, `meta.created gt "2026-01-02T03:04:05Z"`, urnAcme + `:level gt 1e5`, `((title pr))`,
		`userName eq "a\" or 1=1"`, `x509Certificates.value eq "AA=="`, `title ne null`, `members eq "x"`, `urn:`, `emails[`,
		urnOpen + `:badge eq "7" or ` + urnOpen + `:n eq 7`, urnOpen + `:badge pr`, urnOpen + `:b eq null`, `urn:scim:custom:1.0 pr`,
	} {
		f.Add(s)
	}
	user, group := testUser(), NewGroupType()
	full := Resource{"userName": "a", "title": "t", "active": true, "emails": []any{map[string]any{"type": "work", "value": "x"}}}
	f.Fuzz(func(t *testing.T, s string) {
		for _, rt := range []*ResourceType{user, group} {
			got, err := ParseFilter(rt, s)
			if err != nil {
				if e, ok := err.(*Error); !ok || e.Type != TypeInvalidFilter && e.Type != TypeSensitive {
					t.Fatalf("%v", err)
				}
				continue
			}
			again, err := parseUnlimited(rt, got.String())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("%q printed as %q parses as %#v, %v", s, got, again, err)
			}
			if Match(rt, got, full) != Match(rt, again, full) {
				t.Fatal("the printed filter matches differently")
			}
		}
	})
}

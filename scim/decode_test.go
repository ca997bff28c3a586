package scim

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	coreHead  = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`
	groupHead = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],`
)

// plain is a JSON text as a Resource, for comparison.
func plain(t testing.TB, doc string) Resource {
	t.Helper()
	r, err := Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestDecode_ReadsWhatIdentityProvidersSend(t *testing.T) {
	t.Parallel()
	user, group := testUser(), NewGroupType()
	cases := []struct {
		name, body, want string
		warnings         []string // a part of each
		t                *ResourceType
	}{
		{
			name: "Okta creates a user",
			body: coreHead + `"userName":"ann.lee@acme.test","name":{"givenName":"Ann","familyName":"Lee"},"emails":[{"primary":true,"value":"ann.lee@acme.test","type":"work"}],
				"displayName":"Ann Lee","locale":"en-US","externalId":"00u1abcd","groups":[],"password":"r4nd0m","active":true}`,
			want: `{"userName":"ann.lee@acme.test","name":{"givenName":"Ann","familyName":"Lee"},"emails":[{"primary":true,"value":"ann.lee@acme.test","type":"work"}],
				"displayName":"Ann Lee","locale":"en-US","externalId":"00u1abcd","active":true}`,
			warnings: []string{`"password"`},
		},
		{
			name: "Entra creates a user with a bare manager and primary as a string",
			body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],"externalId":"8a1f","userName":"a@acme.test","active":true,
				"emails":[{"Primary":"true","type":"work","value":"a@acme.test"}],"meta":{"resourceType":"User"},"roles":[],"name":{"formatted":"A B"},
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":"77"}}`,
			want: `{"externalId":"8a1f","userName":"a@acme.test","active":true,"emails":[{"primary":true,"type":"work","value":"a@acme.test"}],"name":{"formatted":"A B"},
				"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"R&D","manager":{"value":"77"}}}`,
		},
		{
			name: "extension data whose URN is missing from schemas, in another letter case",
			body: coreHead + `"userName":"a","URN:ietf:params:scim:schemas:EXTENSION:enterprise:2.0:User":{"Department":"Ops"},"urn:example:params:scim:schemas:extension:Acme:2.0:User":{"level":3,"tags":["x"]}}`,
			want: `{"userName":"a","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Ops"},"urn:example:params:scim:schemas:extension:Acme:2.0:User":{"level":3,"tags":["x"]}}`,
		},
		{
			name:     "names in any letter case, unknown attributes dropped",
			body:     `{"SCHEMAS":["URN:ietf:params:scim:schemas:core:2.0:user"],"USERNAME":"a","NAME":{"FAMILYNAME":"b","x":1},"nope":{"a":[1]},"urn:x":{"y":1},"id":"7","isAdmin":true,"meta":{"created":"x"}}`,
			want:     `{"userName":"a","name":{"familyName":"b"}}`,
			warnings: []string{`"name.x"`, `"nope"`, `"urn:x"`, `"id"`, `"isAdmin"`, `"meta"`},
		},
		{
			name:     "what OneLogin leaves empty is unassigned",
			body:     coreHead + `"userName":"a","title":"","nickName":null,"name":{"middleName":"","familyName":"b"},"emails":[{"value":"","type":"work"}],"photos":[],"addresses":[null],"ims":null,"` + URNEnterpriseUser + `":{"manager":"","department":""}}`,
			want:     `{"userName":"a","name":{"familyName":"b"}}`,
			warnings: []string{"emails"},
		},
		{
			name: "booleans as words, values in arrays, lists without one",
			body: coreHead + `"userName":["a"],"active":"FALSE","title":[{"value":"t"}],"emails":{"value":"x"},"phoneNumbers":["+49"],"name":[{"familyName":"b"}]}`,
			want: `{"userName":"a","active":false,"title":"t","emails":[{"value":"x"}],"phoneNumbers":[{"value":"+49"}],"name":{"familyName":"b"}}`,
		},
		{
			name:     "a second primary",
			body:     coreHead + `"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":true}]}`,
			want:     `{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":false}]}`,
			warnings: []string{"second primary"},
		},
		{
			name: "Entra's app roles",
			body: coreHead + `"userName":"a","roles":[{"primary":true,"type":"WindowsAzureActiveDirectoryRole","value":"Admin"},{"value":"{\"id\":\"8\",\"value\":\"Doc\",\"displayName\":\"Doc Admin\"}"},{"value":"V","displayName":"D","primary":"False"},{"value":"{not json"}]}`,
			want: `{"userName":"a","roles":[{"primary":true,"type":"WindowsAzureActiveDirectoryRole","value":"Admin"},{"value":"Doc","display":"Doc Admin"},{"value":"V","display":"D","primary":false},{"value":"{not json"}]}`,
		},
		{
			name: "core attributes under the core URN",
			body: coreHead + `"urn:ietf:params:scim:schemas:core:2.0:User":{"userName":"a","title":"t"}}`,
			want: `{"userName":"a","title":"t"}`,
		},
		{
			name:     "read-only parts of an object, and references",
			body:     coreHead + `"userName":"a","groups":[{"value":"g"}],"` + URNEnterpriseUser + `":{"manager":{"value":"7","displayName":"M","$ref":"../Users/7"}}}`,
			want:     `{"userName":"a","` + URNEnterpriseUser + `":{"manager":{"value":"7"}}}`,
			warnings: []string{`"groups"`, `"manager.displayName"`},
		},
		{
			name:     "Entra creates a group with its own schema",
			t:        group,
			body:     `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":"gid","displayName":"Eng","meta":{"resourceType":"Group"}}`,
			want:     `{"externalId":"gid","displayName":"Eng"}`,
			warnings: []string{"ADSCIM"},
		},
		{
			name: "members are ids, each once; a member without type counts",
			t:    group,
			body: groupHead + `"displayName":"Eng","members":[{"value":"u1","display":"A","$ref":null},{"value":"u2","type":"User","x":1},{"value":"u1"},"u3"]}`,
			want: `{"displayName":"Eng","members":[{"value":"u1"},{"value":"u2"},{"value":"u3"}]}`,
		},
		{name: "no members", t: group, body: groupHead + `"displayName":"Eng"}`, want: `{"displayName":"Eng"}`},
		{name: "members null", t: group, body: groupHead + `"displayName":"Eng","members":null}`, want: `{"displayName":"Eng"}`},
		{name: "an explicit empty list of members", t: group, body: groupHead + `"displayName":"Eng","members":[]}`, want: `{"displayName":"Eng","members":[]}`},
		{name: "displayName in an array", t: group, body: groupHead + `"displayName":["Eng"]}`, want: `{"displayName":"Eng"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := c.t
			if rt == nil {
				rt = user
			}
			got, warnings, err := Decode(rt, Lenient, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if want := plain(t, c.want); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %s\nwant %s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			if len(warnings) != len(c.warnings) {
				t.Fatalf("got warnings %q, want %q", warnings, c.warnings)
			}
			for i, w := range c.warnings {
				if !strings.Contains(warnings[i], w) {
					t.Errorf("warning %q does not name %s", warnings[i], w)
				}
			}
		})
	}
}

func TestDecode_Refuses(t *testing.T) {
	t.Parallel()
	user, group := testUser(), NewGroupType()
	cases := []struct {
		name, body, scimType string
		t                    *ResourceType
	}{
		{name: "neither schemas nor userName", body: `{"displayName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "SCIM 1 without userName", body: `{"schemas":["urn:scim:schemas:core:1.0"],"userName":""}`, scimType: TypeInvalidSyntax},
		{name: "the body of a PATCH without schemas", body: `{"Operations":[]}`, scimType: TypeInvalidSyntax},
		{name: "a user as a group without schemas", t: group, body: `{"userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "null among schemas", body: `{"schemas":[null],"userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "schemas as a string", body: `{"schemas":"` + URNUser + `","userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "schemas of another type", body: `{"schemas":["` + URNGroup + `"],"userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "schemas with a number", body: `{"schemas":["` + URNUser + `",1],"userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "only an extension", body: `{"schemas":["` + URNEnterpriseUser + `"],"userName":"a"}`, scimType: TypeInvalidSyntax},
		{name: "not JSON", body: `userName=a`, scimType: TypeInvalidSyntax},
		{name: "userName beside USERNAME", body: coreHead + `"userName":"a","USERNAME":"b"}`, scimType: TypeInvalidSyntax},
		{name: "userName at the top and under the core URN", body: coreHead + `"userName":"a","` + URNUser + `":{"userName":"b"}}`, scimType: TypeInvalidSyntax},
		{name: "no userName", body: coreHead + `"title":"a"}`, scimType: TypeInvalidValue},
		{name: "an empty userName", body: coreHead + `"userName":""}`, scimType: TypeInvalidValue},
		{name: "userName as a number", body: coreHead + `"userName":1}`, scimType: TypeInvalidValue},
		{name: "userName as an object", body: coreHead + `"userName":{"value":"a"}}`, scimType: TypeInvalidValue},
		{name: "two userNames", body: coreHead + `"userName":["a","b"]}`, scimType: TypeInvalidValue},
		{name: "active as yes", body: coreHead + `"userName":"a","active":"yes"}`, scimType: TypeInvalidValue},
		{name: "active as 1", body: coreHead + `"userName":"a","active":1}`, scimType: TypeInvalidValue},
		{name: "active with a space", body: coreHead + `"userName":"a","active":" true"}`, scimType: TypeInvalidValue},
		{name: "an empty active", body: coreHead + `"userName":"a","active":""}`, scimType: TypeInvalidValue},
		{name: "name as a string", body: coreHead + `"userName":"a","name":"b"}`, scimType: TypeInvalidValue},
		{name: "an e-mail as a number", body: coreHead + `"userName":"a","emails":[1]}`, scimType: TypeInvalidValue},
		{name: "too many e-mails", body: coreHead + `"userName":"a","emails":[` + strings.Repeat(`"x",`, 1000) + `"x"]}`, scimType: TypeInvalidValue},
		{name: "a certificate that is not base64", body: coreHead + `"userName":"a","x509Certificates":[{"value":"!"}]}`, scimType: TypeInvalidValue},
		{name: "an extension as a string", body: coreHead + `"userName":"a","` + URNEnterpriseUser + `":"x"}`, scimType: TypeInvalidValue},
		{name: "a level with a fraction", body: coreHead + `"userName":"a","` + urnAcme + `":{"level":1.5}}`, scimType: TypeInvalidValue},
		{name: "a date that is none", body: coreHead + `"userName":"a","` + urnAcme + `":{"hired":"today"}}`, scimType: TypeInvalidValue},
		{name: "a group without a name", t: group, body: groupHead + `"members":[]}`, scimType: TypeInvalidValue},
		{name: "a member without a value", t: group, body: groupHead + `"displayName":"a","members":[{}]}`, scimType: TypeInvalidValue},
		{name: "a member that is a number", t: group, body: groupHead + `"displayName":"a","members":[7]}`, scimType: TypeInvalidValue},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := c.t
			if rt == nil {
				rt = user
			}
			_, _, err := Decode(rt, Lenient, []byte(c.body))
			if e := wantError(t, err, 400, c.scimType); len(e.Detail) > 500 {
				t.Errorf("the detail has %d bytes", len(e.Detail))
			}
		})
	}
}

func TestDecode_KeepsAFewWarningsOnly(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(coreHead + `"userName":"a"`)
	for i := range 500 {
		b.WriteString(`,"x` + json.Number(string(rune('a'+i%26))+strings.Repeat("y", i/26)).String() + `":1`)
	}
	_, warnings, err := Decode(testUser(), Lenient, []byte(b.String()+"}"))
	if err != nil || len(warnings) != maxWarnings {
		t.Errorf("got %d warnings, %v", len(warnings), err)
	}
}

// userDocs generates POST bodies over many attributes in many forms.
func userDocs() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		text := func(label string) string {
			return string(appendString(nil, rapid.SampledFrom([]string{"", "x", "Ann Lee", "é\"\\", "%"}).Draw(t, label)))
		}
		boolean := func(label string) string {
			return rapid.SampledFrom([]string{"true", "false", `"True"`, `"FALSE"`}).Draw(t, label)
		}
		doc := coreHead + `"userName":"u","title":` + text("title") + `,"active":` + boolean("active")
		doc += `,"name":{"givenName":` + text("given") + `,"familyName":` + text("family") + `}`
		for _, list := range []string{"emails", "phoneNumbers", "roles"} {
			doc += `,"` + list + `":[`
			for i := range rapid.IntRange(0, 3).Draw(t, list) {
				if i > 0 {
					doc += ","
				}
				doc += `{"value":` + text("value") + `,"type":` + text("type") + `,"primary":` + boolean("primary") + `}`
			}
			doc += `]`
		}
		doc += `,"` + URNEnterpriseUser + `":{"manager":` + text("manager") + `,"department":` + text("department") + `}`
		return doc + `,"password":"p","externalId":` + text("external") + `}`
	})
}

func TestReplace_OfExactlyWhatGetReturnedChangesNothing(t *testing.T) {
	t.Parallel()
	user := testUser()
	w := renderer{base: "https://x.test/scim/v2", types: []*ResourceType{user, NewGroupType()}}
	rapid.Check(t, func(t *rapid.T) {
		doc := userDocs().Draw(t, "doc")
		stored, _, err := Decode(user, Lenient, []byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		stored["id"] = "1"
		stored["meta"] = map[string]any{"created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T03:04:05Z"}
		stored["groups"] = []any{map[string]any{"value": "g1", "display": "G"}}
		shown := w.resource(nil, user, stored, Projection{})
		again, _, err := Decode(user, Lenient, shown)
		if err != nil {
			t.Fatal(err)
		}
		next, changed, err := ApplyReplace(user, stored, again)
		if err != nil || changed {
			t.Fatalf("%v\nstored %s\nshown  %s\nnext   %s", err, stored.AppendJSON(nil), shown, next.AppendJSON(nil))
		}
	})
}

func TestApplyReplace_KeepsWhatAPutCannotMean(t *testing.T) {
	t.Parallel()
	user, group := testUser(), NewGroupType()
	cases := []struct {
		name, stored, put, want string
		t                       *ResourceType
		fails                   bool
	}{
		{name: "active absent", stored: `{"id":"1","userName":"a","active":false,"title":"t"}`, put: `{"userName":"a"}`, want: `{"id":"1","userName":"a","active":false}`},
		{name: "active present", stored: `{"id":"1","userName":"a","active":false}`, put: `{"userName":"a","active":true}`, want: `{"id":"1","userName":"a","active":true}`},
		{name: "another id", stored: `{"id":"1","userName":"a"}`, put: `{"id":"2","userName":"b"}`, want: `{"id":"1","userName":"b"}`},
		{name: "an extension cleared", stored: `{"id":"1","userName":"a","` + URNEnterpriseUser + `":{"department":"d"}}`, put: `{"userName":"a"}`, want: `{"id":"1","userName":"a"}`},
		{name: "immutable, absent", stored: `{"userName":"a","` + urnAcme + `":{"badge":"b"}}`, put: `{"userName":"a"}`, want: `{"userName":"a","` + urnAcme + `":{"badge":"b"}}`},
		{name: "immutable, other", stored: `{"userName":"a","` + urnAcme + `":{"badge":"b"}}`, put: `{"userName":"a","` + urnAcme + `":{"badge":"B"}}`, fails: true},
		{name: "members absent", t: group, stored: `{"displayName":"g","members":[{"value":"u"}]}`, put: `{"displayName":"h"}`, want: `{"displayName":"h","members":[{"value":"u"}]}`},
		{name: "members empty", t: group, stored: `{"displayName":"g","members":[{"value":"u"}]}`, put: `{"displayName":"h","members":[]}`, want: `{"displayName":"h","members":[]}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := c.t
			if rt == nil {
				rt = user
			}
			stored := plain(t, c.stored)
			next, _, err := ApplyReplace(rt, stored, plain(t, c.put))
			if c.fails {
				wantError(t, err, 400, TypeMutability)
				return
			}
			if err != nil || !Equal(next, plain(t, c.want)) {
				t.Errorf("got %s, %v", next.AppendJSON(nil), err)
			}
			if !Equal(stored, plain(t, c.stored)) {
				t.Error("the stored resource was changed")
			}
		})
	}
}

package scim

import (
	"fmt"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const patchHead = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":`

func patchUser(t testing.TB, rt *ResourceType, before, operations string) (Resource, Patch, bool, error) {
	t.Helper()
	p, err := ParsePatch(rt, Lenient, "1", []byte(patchHead+operations+"}"))
	if err != nil {
		return nil, p, false, err
	}
	r := plain(t, before)
	next, changed, err := p.Apply(r)
	if !Equal(r, plain(t, before)) {
		t.Error("Apply changed its argument")
	}
	return next, p, changed, err
}

const ent = URNEnterpriseUser

// The table of RFC 7644 section 3.5.2 with the deviations of lenient mode. before and want are
// without userName "u", which every row has.
func TestPatch_OperationByPathForm(t *testing.T) {
	t.Parallel()
	user := testUser()
	cases := []struct{ name, before, ops, want string }{
		// Without a path.
		{"add object merges and appends", `"title":"t","name":{"givenName":"G"},"emails":[{"value":"a","type":"work"}]`,
			`[{"op":"add","value":{"title":"T","name":{"familyName":"F"},"emails":[{"value":"b"},{"value":"A","type":"WORK"}]}}]`,
			`"title":"T","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"A","type":"WORK"},{"value":"b"}]`},
		{"replace object merges and replaces lists whole", `"title":"t","nickName":"n","name":{"givenName":"G"},"emails":[{"value":"a"}]`,
			`[{"op":"replace","value":{"title":"T","name":{"familyName":"F"},"emails":[{"value":"b"}]}}]`,
			`"title":"T","nickName":"n","name":{"givenName":"G","familyName":"F"},"emails":[{"value":"b"}]`},
		{"only active", `"active":true,"title":"t"`, `[{"op":"replace","value":{"active":false}}]`, `"active":false,"title":"t"`},
		{"dotted and URN keys", `"title":"t","name":{"givenName":"G"}`,
			`[{"op":"replace","value":{"displayName":"B","name.givenName":"K","name.familyName":"U","` + ent + `:employeeNumber":"Q","` + ent + `:manager":"7"}}]`,
			`"title":"t","displayName":"B","name":{"givenName":"K","familyName":"U"},"` + ent + `":{"employeeNumber":"Q","manager":{"value":"7"}}`},
		{"value-path keys", ``, `[{"op":"add","value":{"emails[type eq \"work\"].value":"w"}}]`, `"emails":[{"type":"work","value":"w"}]`},
		{"an extension as a key", `"` + ent + `":{"division":"D"}`, `[{"op":"add","value":{"` + ent + `":{"department":"R","manager":{"value":"7"}}}}]`,
			`"` + ent + `":{"division":"D","department":"R","manager":{"value":"7"}}`},
		{"id, schemas and meta among the keys are ignored", ``, `[{"op":"replace","value":{"id":"9","schemas":["x"],"meta":{"created":"x"},"title":"T"}}]`, `"title":"T"`},
		{"empty groups among the keys are ignored", ``, `[{"op":"replace","value":{"groups":[],"title":"T"}}]`, `"title":"T"`},
		{"an empty path is no path", ``, `[{"op":"replace","path":"","value":{"title":"T"}}]`, `"title":"T"`},

		// Single-valued.
		{"add simple", `"title":"t"`, `[{"op":"add","path":"title","value":"T"}]`, `"title":"T"`},
		{"replace simple", ``, `[{"op":"replace","path":"TITLE","value":"T"}]`, `"title":"T"`},
		{"remove simple", `"title":"t"`, `[{"op":"remove","path":"title"}]`, ``},
		{"remove simple that is not there", ``, `[{"op":"remove","path":"title"}]`, ``},
		{"replace with null removes", `"title":"t"`, `[{"op":"replace","path":"title","value":null}]`, ``},
		{"replace with an empty string removes", `"title":"t"`, `[{"op":"replace","path":"title","value":""}]`, ``},
		{"a value in an array", ``, `[{"op":"Replace","path":"displayName","value":["P"]},{"op":"Replace","path":"externalId","value":["x"]}]`, `"displayName":"P","externalId":"x"`},
		{"a value in an array of objects", ``, `[{"op":"Replace","path":"title","value":[{"value":"T"}]}]`, `"title":"T"`},
		{"userName", ``, `[{"op":"replace","path":"userName","value":"u2"},{"op":"replace","path":"userName","value":"u"}]`, ``},

		// Complex.
		{"add complex merges", `"name":{"givenName":"G","middleName":"M"}`, `[{"op":"add","path":"name","value":{"familyName":"F"}}]`, `"name":{"givenName":"G","middleName":"M","familyName":"F"}`},
		{"replace complex leaves what is unspecified", `"name":{"givenName":"G","middleName":"M"}`, `[{"op":"replace","path":"name","value":{"givenName":"K","middleName":""}}]`, `"name":{"givenName":"K"}`},
		{"replace complex with nothing", `"name":{"givenName":"G"}`, `[{"op":"replace","path":"name","value":{}}]`, `"name":{"givenName":"G"}`},
		{"remove complex", `"name":{"givenName":"G"}`, `[{"op":"remove","path":"name"}]`, ``},
		{"add sub creates the parent", ``, `[{"op":"add","path":"name.givenName","value":"G"}]`, `"name":{"givenName":"G"}`},
		{"replace sub", `"name":{"givenName":"G","familyName":"F"}`, `[{"op":"replace","path":"name.givenName","value":"K"}]`, `"name":{"givenName":"K","familyName":"F"}`},
		{"remove sub", `"name":{"givenName":"G","familyName":"F"}`, `[{"op":"remove","path":"name.givenName"}]`, `"name":{"familyName":"F"}`},
		{"remove the last sub", `"name":{"givenName":"G"}`, `[{"op":"remove","path":"name.givenName"}]`, ``},

		// Multi-valued.
		{"add one object", `"emails":[{"value":"a"}]`, `[{"op":"add","path":"emails","value":{"value":"b"}}]`, `"emails":[{"value":"a"},{"value":"b"}]`},
		{"add a list with duplicates", `"emails":[{"value":"a","type":"work"}]`, `[{"op":"add","path":"emails","value":[{"value":"a","type":"work"},{"value":"b"},{"value":"b"}]}]`, `"emails":[{"value":"a","type":"work"},{"value":"b"}]`},
		{"add bare strings", ``, `[{"op":"add","path":"emails","value":["a"]}]`, `"emails":[{"value":"a"}]`},
		{"add without value, the same again", `"addresses":[{"locality":"B"}]`, `[{"op":"add","path":"addresses","value":[{"locality":"B"},{"locality":"C"}]}]`, `"addresses":[{"locality":"B"},{"locality":"C"}]`},
		{"add nothing", `"emails":[{"value":"a"}]`, `[{"op":"add","path":"emails","value":[]}]`, `"emails":[{"value":"a"}]`},
		{"replace the list", `"emails":[{"value":"a"}]`, `[{"op":"replace","path":"emails","value":[{"value":"b"}]}]`, `"emails":[{"value":"b"}]`},
		{"replace with an empty list", `"emails":[{"value":"a"}]`, `[{"op":"replace","path":"emails","value":[]}]`, ``},
		{"remove the list", `"emails":[{"value":"a"}]`, `[{"op":"remove","path":"emails"}]`, ``},
		{"remove listed values only", `"emails":[{"value":"a","type":"work"},{"value":"b"},{"value":"a","type":"home"}]`, `[{"op":"Remove","path":"emails","value":[{"value":"a","type":"work"}]}]`, `"emails":[{"value":"b"},{"value":"a","type":"home"}]`},
		{"remove listed values by type", `"addresses":[{"locality":"a","type":"work"},{"locality":"b"}]`, `[{"op":"remove","path":"addresses","value":[{"type":"work"}]}]`, `"addresses":[{"locality":"b"}]`},
		{"remove an empty list of values", `"emails":[{"value":"a"}]`, `[{"op":"remove","path":"emails","value":[]}]`, `"emails":[{"value":"a"}]`},
		{"simple lists", `"` + urnAcme + `":{"tags":["a","b"]}`, `[{"op":"add","path":"` + urnAcme + `:tags","value":["b","c"]},{"op":"remove","path":"` + urnAcme + `:tags","value":["a"]},{"op":"replace","path":"` + urnAcme + `:tags[value eq \"B\"]","value":"x"},{"op":"remove","path":"` + urnAcme + `:tags[value eq \"c\"]"}]`,
			`"` + urnAcme + `":{"tags":["x"]}`},

		// attr.sub on a list.
		{"sub of the only element", `"emails":[{"value":"a","type":"work"}]`, `[{"op":"replace","path":"emails.value","value":"b"}]`, `"emails":[{"value":"b","type":"work"}]`},
		{"remove a sub of all", `"emails":[{"value":"a","display":"A"},{"value":"b","display":"B"}]`, `[{"op":"remove","path":"emails.display"}]`, `"emails":[{"value":"a"},{"value":"b"}]`},

		// attr[filter].
		{"add to matches", `"emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]`, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"A"}}]`, `"emails":[{"value":"a","type":"work","display":"A"},{"value":"b","type":"home"}]`},
		{"add without a match creates", ``, `[{"op":"add","path":"emails[type eq \"work\" and primary eq \"True\"]","value":{"value":"a"}}]`, `"emails":[{"value":"a","type":"work","primary":true}]`},
		{"replace matches", `"emails":[{"value":"a","type":"work","display":"A"}]`, `[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"b","display":""}}]`, `"emails":[{"value":"b","type":"work"}]`},
		{"remove matches", `"emails":[{"value":"a","type":"work"},{"value":"b","type":"home"}]`, `[{"op":"remove","path":"emails[type eq \"WORK\"]"}]`, `"emails":[{"value":"b","type":"home"}]`},
		{"remove without a match", `"emails":[{"value":"a"}]`, `[{"op":"remove","path":"emails[type eq \"work\"]"}]`, `"emails":[{"value":"a"}]`},

		// attr[filter].sub.
		{"replace sub of matches", `"emails":[{"value":"a","type":"work"},{"value":"b","type":"work"}]`, `[{"op":"replace","path":"emails[type eq \"work\"].display","value":"D"}]`, `"emails":[{"value":"a","type":"work","display":"D"},{"value":"b","type":"work","display":"D"}]`},
		{"replace sub without a match creates, as Entra relies on", ``, `[{"op":"Replace","path":"emails[type eq \"work\"].value","value":"new@acme.test"}]`, `"emails":[{"value":"new@acme.test","type":"work"}]`},
		{"add sub without a match creates", `"phoneNumbers":[{"value":"1","type":"work"}]`, `[{"op":"Add","path":"phoneNumbers[type eq \"mobile\"].value","value":"+49"}]`, `"phoneNumbers":[{"value":"1","type":"work"},{"value":"+49","type":"mobile"}]`},
		{"two subs of one address", ``, `[{"op":"add","path":"addresses[type eq \"work\"].postalCode","value":"10115"},{"op":"add","path":"addresses[type eq \"work\"].locality","value":"Berlin"}]`, `"addresses":[{"type":"work","postalCode":"10115","locality":"Berlin"}]`},
		{"a boolean compared with a word", ``, `[{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"admin"},{"op":"Replace","path":"roles[primary eq \"True\"].value","value":"user"}]`, `"roles":[{"primary":true,"value":"user"}]`},
		{"remove sub of matches", `"emails":[{"value":"a","display":"A","type":"work"}]`, `[{"op":"remove","path":"emails[type eq \"work\"].display"}]`, `"emails":[{"value":"a","type":"work"}]`},
		{"remove sub drops what only has a type", `"emails":[{"value":"a","type":"work","primary":true},{"value":"b"}]`, `[{"op":"remove","path":"emails[type eq \"work\"].value"}]`, `"emails":[{"value":"b"}]`},
		{"an empty string for a sub of matches", `"emails":[{"value":"a","type":"work"}]`, `[{"op":"replace","path":"emails[type eq \"work\"].value","value":""}]`, ``},
		{"brackets, quotes and colons in the filter", `"emails":[{"value":"a:b.c d\"e]"},{"value":"x"}]`, `[{"op":"remove","path":"emails[value eq \"a:b.c d\\\"e]\"]"}]`, `"emails":[{"value":"x"}]`},

		// URNs.
		{"core URN", ``, `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:name.givenName","value":"G"}]`, `"name":{"givenName":"G"}`},
		{"core URN and filter", ``, `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:User:emails[type eq \"work\"].value","value":"G"}]`, `"emails":[{"type":"work","value":"G"}]`},
		{"set in an extension", ``, `[{"op":"Add","path":"` + ent + `:department","value":"Ops"}]`, `"` + ent + `":{"department":"Ops"}`},
		{"unset in an extension", `"` + ent + `":{"department":"Ops"}`, `[{"op":"Remove","path":"` + ent + `:department"}]`, ``},
		{"bare extension, add", `"` + ent + `":{"division":"D"}`, `[{"op":"add","path":"` + ent + `","value":{"department":"R"}}]`, `"` + ent + `":{"division":"D","department":"R"}`},
		{"bare extension, replace", `"` + ent + `":{"division":"D"}`, `[{"op":"replace","path":"` + strings.ToUpper(ent) + `","value":{"division":"E"}}]`, `"` + ent + `":{"division":"E"}`},
		{"bare extension that repeats its URN inside", ``, `[{"op":"add","path":"` + ent + `","value":{"schemas":["` + ent + `"],"department":"R"}}]`, `"` + ent + `":{"department":"R"}`},
		{"bare extension, remove", `"` + ent + `":{"division":"D"}`, `[{"op":"remove","path":"` + ent + `"}]`, ``},

		// manager.
		{"manager as a bare id", ``, `[{"op":"Add","path":"` + ent + `:manager","value":"271"}]`, `"` + ent + `":{"manager":{"value":"271"}}`},
		{"manager as an object", ``, `[{"op":"Add","path":"` + ent + `:manager","value":{"value":"271","$ref":"../Users/271"}}]`, `"` + ent + `":{"manager":{"value":"271"}}`},
		{"manager as a list of one", ``, `[{"op":"Add","path":"` + ent + `:manager","value":[{"value":"271"}]}]`, `"` + ent + `":{"manager":{"value":"271"}}`},
		{"manager removed", `"` + ent + `":{"manager":{"value":"271"}}`, `[{"op":"Remove","path":"` + ent + `:manager"}]`, ``},
		{"manager replaced by nothing", `"` + ent + `":{"manager":{"value":"271"},"division":"D"}`, `[{"op":"Replace","path":"` + ent + `:manager","value":""}]`, `"` + ent + `":{"division":"D"}`},
		{"manager.value", `"` + ent + `":{"manager":{"value":"271"}}`, `[{"op":"replace","path":"` + ent + `:manager.value","value":"9"}]`, `"` + ent + `":{"manager":{"value":"9"}}`},

		// primary.
		{"a second element made primary", `"emails":[{"value":"a","primary":true},{"value":"b","type":"home"}]`, `[{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}]`, `"emails":[{"value":"a","primary":false},{"value":"b","type":"home","primary":true}]`},
		{"a primary element added", `"emails":[{"value":"a","primary":true}]`, `[{"op":"add","path":"emails","value":[{"value":"b","primary":"True"}]}]`, `"emails":[{"value":"a","primary":false},{"value":"b","primary":true}]`},
		{"a primary element created", `"emails":[{"value":"a","primary":true}]`, `[{"op":"add","path":"emails[type eq \"work\"]","value":{"value":"b","primary":true}}]`, `"emails":[{"value":"a","primary":false},{"value":"b","primary":true,"type":"work"}]`},

		// App roles.
		{"JSON in a role", ``, `[{"op":"Add","path":"roles","value":[{"value":"{\"id\":\"827f\",\"value\":\"Doc-Admin\",\"displayName\":\"Doc Admin\"}"}]}]`, `"roles":[{"value":"Doc-Admin","display":"Doc Admin"}]`},
		{"roles asserted", `"roles":[{"value":"old"}]`, `[{"op":"replace","path":"roles","value":[{"primary":false,"type":"W","display":"D","value":"new"}]}]`, `"roles":[{"primary":false,"type":"W","display":"D","value":"new"}]`},

		// Requests.
		{"several operations, in order", `"title":"t"`, `[{"op":"remove","path":"title"},{"op":"add","path":"title","value":"x"},{"op":"Replace","path":"name.familyName","value":"C"},{"op":"Replace","path":"phoneNumbers[type eq \"work\"].value","value":"1"}]`,
			`"title":"x","name":{"familyName":"C"},"phoneNumbers":[{"type":"work","value":"1"}]`},
		{"no operations, as Microsoft's validator sends", `"title":"t"`, `[]`, `"title":"t"`},
		{"unknown keys in an operation", ``, `[{"op":"add","name":"x","Path":"title","VALUE":"T"}]`, `"title":"T"`},
		{"a password alone", `"title":"t"`, `[{"op":"replace","value":{"password":"x"}}]`, `"title":"t"`},
		{"a password by path", `"title":"t"`, `[{"op":"replace","path":"password","value":"x"}]`, `"title":"t"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			doc := func(inner string) string {
				if inner != "" {
					inner = "," + inner
				}
				return `{"userName":"u"` + inner + `}`
			}
			got, p, changed, err := patchUser(t, user, doc(c.before), c.ops)
			if err != nil {
				t.Fatal(err)
			}
			want := plain(t, doc(c.want))
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("got  %s\nwant %s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			if changed != (c.before != c.want) {
				t.Errorf("changed is %v", changed)
			}
			if len(p.Members) > 0 {
				t.Errorf("a user has no members: %v", p.Members)
			}
		})
	}
}

func TestPatch_ActiveInEveryDialect(t *testing.T) {
	t.Parallel()
	user := testUser()
	for _, op := range []string{"add", "replace", "Add", "Replace", "REPLACE"} {
		for _, value := range []string{`false`, `"false"`, `"False"`, `"FALSE"`, `["False"]`} {
			for _, form := range []string{`"path":"active","value":%s`, `"value":{"active":%s}`, `"path":"` + URNUser + `:active","value":%s`, `"value":{"` + URNUser + `:active":%s}`, `"path":"ACTIVE","value":%s`} {
				ops := `[{"op":"` + op + `",` + fmt.Sprintf(form, value) + `}]`
				got, _, changed, err := patchUser(t, user, `{"userName":"u","active":true}`, ops)
				if active, _ := got.Bool("active"); err != nil || active || !changed {
					t.Errorf("%s: active %v, %v", ops, active, err)
				}
			}
		}
	}
}

func TestPatch_Refuses(t *testing.T) {
	t.Parallel()
	user, group := testUser(), NewGroupType()
	cases := []struct {
		name, ops, scimType string
		t                   *ResourceType
	}{
		{"remove without a path", `[{"op":"remove"}]`, TypeNoTarget, nil},
		{"remove with a value and no path", `[{"op":"remove","value":{"title":"x"}}]`, TypeNoTarget, nil},
		{"add without a path or an object", `[{"op":"add","value":"x"}]`, TypeInvalidValue, nil},
		{"replace without a path or value", `[{"op":"replace"}]`, TypeInvalidValue, nil},
		{"add without a value", `[{"op":"add","path":"title"}]`, TypeInvalidValue, nil},
		{"remove userName", `[{"op":"remove","path":"userName"}]`, TypeMutability, nil},
		{"empty userName", `[{"op":"replace","path":"userName","value":""}]`, TypeInvalidValue, nil},
		{"null userName", `[{"op":"replace","value":{"userName":null}}]`, TypeInvalidValue, nil},
		{"remove active", `[{"op":"remove","path":"active"}]`, TypeMutability, nil},
		{"null active", `[{"op":"replace","path":"active","value":null}]`, TypeInvalidValue, nil},
		{"active as yes", `[{"op":"replace","path":"active","value":"yes"}]`, TypeInvalidValue, nil},
		{"active with a space", `[{"op":"replace","path":"active","value":" true"}]`, TypeInvalidValue, nil},
		{"active as 1", `[{"op":"replace","path":"active","value":1}]`, TypeInvalidValue, nil},
		{"replace id", `[{"op":"replace","path":"id","value":"x"}]`, TypeMutability, nil},
		{"replace meta.created", `[{"op":"replace","path":"meta.created","value":"2026-01-02T03:04:05Z"}]`, TypeMutability, nil},
		{"add groups", `[{"op":"add","path":"groups","value":[{"value":"g"}]}]`, TypeMutability, nil},
		{"groups among the keys", `[{"op":"add","value":{"groups":[{"value":"g"}]}}]`, TypeMutability, nil},
		{"add schemas", `[{"op":"add","path":"schemas","value":["x"]}]`, TypeMutability, nil},
		{"manager.displayName", `[{"op":"add","path":"` + ent + `:manager.displayName","value":"x"}]`, TypeMutability, nil},
		{"manager.$ref", `[{"op":"add","path":"` + ent + `:manager.$ref","value":"x"}]`, TypeMutability, nil},
		{"an open bracket", `[{"op":"add","path":"emails[","value":"x"}]`, TypeInvalidPath, nil},
		{"an unknown attribute", `[{"op":"add","path":"nope","value":"x"}]`, TypeInvalidPath, nil},
		{"an unknown key", `[{"op":"add","value":{"nope":"x"}}]`, TypeInvalidPath, nil},
		{"a key that names the tenant", `[{"op":"add","value":{"tenantId":"x","isAdmin":true}}]`, TypeInvalidPath, nil},
		{"an unknown sub-attribute", `[{"op":"add","path":"name.nope","value":"x"}]`, TypeInvalidPath, nil},
		{"an unknown sub-attribute in a value", `[{"op":"add","path":"name","value":{"nope":"x"}}]`, TypeInvalidPath, nil},
		{"an unknown sub-attribute after a filter", `[{"op":"add","path":"emails[type eq \"work\"].nope","value":"x"}]`, TypeInvalidPath, nil},
		{"an unknown attribute in a filter", `[{"op":"add","path":"emails[nope eq \"work\"].value","value":"x"}]`, TypeInvalidPath, nil},
		{"an unknown extension", `[{"op":"add","path":"urn:x:y:z","value":"x"}]`, TypeInvalidPath, nil},
		{"the bare core URN", `[{"op":"add","path":"` + URNUser + `","value":{"title":"x"}}]`, TypeInvalidPath, nil},
		{"text after a path", `[{"op":"add","path":"title x","value":"x"}]`, TypeInvalidPath, nil},
		{"a filter on a simple attribute", `[{"op":"add","path":"title[value eq \"x\"]","value":"x"}]`, TypeInvalidPath, nil},
		{"a filter on one complex value", `[{"op":"add","path":"name[givenName eq \"x\"]","value":{"familyName":"x"}}]`, TypeInvalidPath, nil},
		{"an empty key", `[{"op":"add","value":{"":"x"}}]`, TypeInvalidPath, nil},
		{"a path that is no string", `[{"op":"add","path":1,"value":"x"}]`, TypeInvalidPath, nil},
		{"a path that is too long", `[{"op":"add","path":"emails[value eq \"` + strings.Repeat("x", 3000) + `\"]","value":"x"}]`, TypeInvalidPath, nil},
		{"move", `[{"op":"move","path":"title","value":"x"}]`, TypeInvalidSyntax, nil},
		{"no op", `[{"path":"title","value":"x"}]`, TypeInvalidSyntax, nil},
		{"op as a number", `[{"op":1,"path":"title","value":"x"}]`, TypeInvalidSyntax, nil},
		{"an operation that is a string", `["add"]`, TypeInvalidSyntax, nil},
		{"operations as an object", `{"op":"add","path":"title","value":"x"}`, TypeInvalidSyntax, nil},
		{"a key in two letter cases", `[{"op":"replace","value":{"active":true,"Active":false}}]`, TypeInvalidSyntax, nil},
		{"a wrong type", `[{"op":"add","path":"title","value":{"x":1}}]`, TypeInvalidValue, nil},
		{"two values for one", `[{"op":"add","path":"title","value":["a","b"]}]`, TypeInvalidValue, nil},
		{"a number among e-mails", `[{"op":"add","path":"emails","value":[7]}]`, TypeInvalidValue, nil},
		{"an e-mail with only a type", `[{"op":"add","path":"emails","value":[{"type":"work"}]}]`, TypeInvalidValue, nil},
		{"a certificate that is not base64", `[{"op":"add","path":"x509Certificates","value":[{"value":"!"}]}]`, TypeInvalidValue, nil},
		{"replace matched element, no match", `[{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"x"}}]`, TypeNoTarget, nil},
		{"create from a filter that describes nothing", `[{"op":"add","path":"emails[type ne \"work\"].value","value":"x"}]`, TypeNoTarget, nil},
		{"create from a choice", `[{"op":"add","path":"emails[type eq \"work\" or type eq \"home\"].value","value":"x"}]`, TypeNoTarget, nil},
		{"sub of a list without elements", `[{"op":"add","path":"emails.value","value":"x"}]`, TypeInvalidPath, nil},
		{"group: remove displayName", `[{"op":"remove","path":"displayName"}]`, TypeMutability, group},
		{"group: empty member", `[{"op":"add","path":"members","value":[{}]}]`, TypeInvalidValue, group},
		{"group: member without value", `[{"op":"remove","path":"members","value":[{"display":"x"}]}]`, TypeInvalidValue, group},
		{"group: members null by path", `[{"op":"replace","path":"members","value":null}]`, TypeInvalidValue, group},
		{"group: add without a list", `[{"op":"add","path":"members"}]`, TypeInvalidValue, group},
		{"group: members by type", `[{"op":"remove","path":"members[type eq \"User\"]"}]`, TypeInvalidPath, group},
		{"group: members by part of the value", `[{"op":"remove","path":"members[value co \"u\"]"}]`, TypeInvalidPath, group},
		{"group: members by two values at once", `[{"op":"remove","path":"members[value eq \"u\" and value eq \"v\"]"}]`, TypeInvalidPath, group},
		{"group: members.value", `[{"op":"remove","path":"members.value"}]`, TypeInvalidPath, group},
		{"group: change a member's value", `[{"op":"replace","path":"members[value eq \"u\"].value","value":"v"}]`, TypeMutability, group},
		{"group: another member than the path says", `[{"op":"replace","path":"members[value eq \"u\"]","value":{"value":"v"}}]`, TypeMutability, group},
		{"group: user attribute", `[{"op":"replace","path":"userName","value":"v"}]`, TypeInvalidPath, group},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rt := c.t
			if rt == nil {
				rt = user
			}
			_, _, _, err := patchUser(t, rt, `{"userName":"u"}`, c.ops)
			if e := wantError(t, err, 400, c.scimType); len(e.Detail) > 500 {
				t.Errorf("the detail has %d bytes", len(e.Detail))
			}
		})
	}
}

func TestPatch_NamesWhatItDidNotUnderstand(t *testing.T) {
	t.Parallel()
	for ops, word := range map[string]string{
		`[{"op":"move"}]`: `"move"`, `[{"op":"add","path":"nope","value":1}]`: `"nope"`, `[{"op":"add","value":{"is.it":1}}]`: `"is`,
	} {
		_, err := ParsePatch(testUser(), Lenient, "1", []byte(patchHead+ops+"}"))
		if err == nil || !strings.Contains(err.(*Error).Detail, word) {
			t.Errorf("%s: %v does not name %s", ops, err, word)
		}
	}
}

func TestPatch_ChecksItsEnvelope(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no schemas":    `{"Operations":[]}`,
		"wrong schemas": `{"schemas":["` + URNUser + `"],"Operations":[]}`,
		"no operations": `{"schemas":["` + URNPatchOp + `"]}`,
		"null":          `{"schemas":["` + URNPatchOp + `"],"Operations":null}`,
		"not JSON":      `{"schemas":["` + URNPatchOp + `"],"Operations":[}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParsePatch(testUser(), Lenient, "1", []byte(body))
			wantError(t, err, 400, TypeInvalidSyntax)
		})
	}
	one := `{"op":"replace","path":"title","value":"x"}`
	_, err := ParsePatch(testUser(), Lenient, "1", []byte(patchHead+"["+strings.Repeat(one+",", 1000)+one+"]}"))
	wantError(t, err, 413, "")
	if _, err := ParsePatch(testUser(), Lenient, "1", []byte(patchHead+"["+strings.Repeat(one+",", 999)+one+"]}")); err != nil {
		t.Error(err)
	}
}

func TestPatch_OfMembersArrivesAsRowOperations(t *testing.T) {
	t.Parallel()
	group := NewGroupType()
	op := func(kind MemberKind, ids ...string) MemberOp {
		if ids == nil && kind == MemberReplace {
			return MemberOp{Kind: kind}
		}
		return MemberOp{kind, ids}
	}
	cases := []struct {
		name, ops string
		want      []MemberOp
		attrs     int
	}{
		{"Okta's batch", `[{"op":"remove","path":"members[value eq \"u1\"]"},{"op":"add","path":"members","value":[{"value":"u2","display":"bob"}]}]`, []MemberOp{op(MemberRemove, "u1"), op(MemberAdd, "u2")}, 0},
		{"Okta's push", `[{"op":"replace","path":"members","value":[{"value":"u1","display":"a"},{"value":"u2"},{"value":"u1"}]}]`, []MemberOp{op(MemberReplace, "u1", "u2")}, 0},
		{"Okta's push of an empty group", `[{"op":"replace","path":"members","value":[]}]`, []MemberOp{{MemberReplace, []string{}}}, 0},
		{"Okta's rename", `[{"op":"replace","value":{"id":"1","displayName":"Engineering"}}]`, nil, 1},
		{"rename with another id", `[{"op":"replace","value":{"id":"other","displayName":"Engineering"}}]`, nil, 1},
		{"Entra's add", `[{"op":"Add","path":"members","value":[{"$ref":null,"value":"77"}]}]`, []MemberOp{op(MemberAdd, "77")}, 0},
		{"Entra's remove", `[{"op":"Remove","path":"members","value":[{"$ref":null,"value":"77"}]}]`, []MemberOp{op(MemberRemove, "77")}, 0},
		{"Entra's remove with the flag", `[{"op":"remove","path":"members[value eq \"77\"]"}]`, []MemberOp{op(MemberRemove, "77")}, 0},
		{"remove all", `[{"op":"remove","path":"members"}]`, []MemberOp{op(MemberReplace)}, 0},
		{"remove an empty list removes nobody", `[{"op":"remove","path":"members","value":[]}]`, nil, 0},
		{"add an empty list", `[{"op":"add","path":"members","value":[]}]`, nil, 0},
		{"one object, one string", `[{"op":"add","path":"members","value":{"value":"a"}},{"op":"add","path":"members","value":"b"}]`, []MemberOp{op(MemberAdd, "a"), op(MemberAdd, "b")}, 0},
		{"a value path with several ids", `[{"op":"remove","path":"members[value eq \"a\" or value eq \"b\" or (value eq \"c\" or value eq \"d\")]"}]`, []MemberOp{op(MemberRemove, "a", "b", "c", "d")}, 0},
		{"add through a value path", `[{"op":"add","path":"members[value eq \"a\"]","value":{"value":"a","type":"User"}}]`, []MemberOp{op(MemberAdd, "a")}, 0},
		{"quotes and brackets in an id", `[{"op":"remove","path":"members[value eq \"a:b.c d\\\"e]\"]"}]`, []MemberOp{op(MemberRemove, `a:b.c d"e]`)}, 0},
		{"no path, members among the keys", `[{"op":"replace","value":{"displayName":"x","members":[{"value":"a"}]}}]`, []MemberOp{op(MemberReplace, "a")}, 1},
		{"no path, members null", `[{"op":"replace","value":{"displayName":"x","members":null}}]`, nil, 1},
		{"no path, add members", `[{"op":"add","value":{"members":[{"value":"a"}]}}]`, []MemberOp{op(MemberAdd, "a")}, 0},
		{"core URN", `[{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":[{"value":"a"}]}]`, []MemberOp{op(MemberAdd, "a")}, 0},
		{"externalId alone", `[{"op":"replace","path":"externalId","value":"e"}]`, nil, 1},
		{"display of a member", `[{"op":"replace","path":"members[value eq \"a\"].display","value":"e"}]`, nil, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, err := ParsePatch(group, Lenient, "1", []byte(patchHead+c.ops+"}"))
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(p.Members, c.want) || len(p.Ops) != c.attrs || p.Return {
				t.Errorf("got %#v and %v, return %v\nwant %#v and %d", p.Members, p.Ops, p.Return, c.want, c.attrs)
			}
		})
	}
}

func TestApplyMembers(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		ops  []MemberOp
		want string
	}{
		{"remove one", []MemberOp{{MemberRemove, []string{"B"}}}, "A C"},
		{"remove a stranger", []MemberOp{{MemberRemove, []string{"X"}}}, "A B C"},
		{"add twice", []MemberOp{{MemberAdd, []string{"D"}}, {MemberAdd, []string{"D", "A"}}}, "A B C D"},
		{"remove and add", []MemberOp{{MemberRemove, []string{"A"}}, {MemberAdd, []string{"A"}}}, "A B C"},
		{"add and remove", []MemberOp{{MemberAdd, []string{"D"}}, {MemberRemove, []string{"D", "B"}}}, "A C"},
		{"replace", []MemberOp{{MemberReplace, []string{"C", "D"}}, {MemberAdd, []string{"E"}}}, "C D E"},
		{"empty", []MemberOp{{Kind: MemberReplace}}, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(ApplyMembers([]string{"A", "B", "C"}, c.ops), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPatch_ImmutableIsSetOnce(t *testing.T) {
	t.Parallel()
	user := testUser()
	set := `[{"op":"add","path":"` + urnAcme + `:badge","value":"b"}]`
	if _, _, changed, err := patchUser(t, user, `{"userName":"u"}`, set); err != nil || !changed {
		t.Errorf("first: %v, %v", changed, err)
	}
	if _, _, changed, err := patchUser(t, user, `{"userName":"u","`+urnAcme+`":{"badge":"b"}}`, set); err != nil || changed {
		t.Errorf("same: %v, %v", changed, err)
	}
	_, _, _, err := patchUser(t, user, `{"userName":"u","`+urnAcme+`":{"badge":"B"}}`, set)
	wantError(t, err, 400, TypeMutability)
}

func TestPatch_SubOfSeveralElementsIsRefused(t *testing.T) {
	t.Parallel()
	_, _, _, err := patchUser(t, testUser(), `{"userName":"u","emails":[{"value":"a"},{"value":"b"}]}`, `[{"op":"replace","path":"emails.value","value":"x"}]`)
	wantError(t, err, 400, TypeInvalidPath)
}

func TestPatch_WarnsOfWhatItDropped(t *testing.T) {
	t.Parallel()
	p, err := ParsePatch(testUser(), Lenient, "1", []byte(patchHead+`[{"op":"replace","value":{"password":"s3cret","id":"2","meta":{"a":1},"title":"x"}}]}`))
	if err != nil || len(p.Warnings) != 3 || len(p.Ops) != 1 || !p.Return {
		t.Fatalf("got %q, %v, %v", p.Warnings, p.Ops, err)
	}
	if same, _ := ParsePatch(testUser(), Lenient, "1", []byte(patchHead+`[{"op":"replace","value":{"id":"1","title":"x"}}]}`)); len(same.Warnings) != 0 {
		t.Errorf("warnings for the resource's own id: %q", same.Warnings)
	}
	if strings.Contains(strings.Join(p.Warnings, " "), "s3cret") {
		t.Error("a warning repeats the password")
	}
}

// patchOps generates one operation of the idempotent kinds.
func patchOps() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		op := rapid.SampledFrom([]string{"replace", "Replace", "remove"}).Draw(t, "op")
		path := rapid.SampledFrom([]string{"title", "name", "name.givenName", "emails", `emails[type eq \"work\"]`, `emails[type eq \"work\"].value`, `emails[value eq \"x\"].display`,
			`emails[primary eq true].value`, `emails[not (type eq \"work\")].primary`, ent + ":manager", ent + ":department", ent, urnOpen + ":badge", strings.ToUpper(urnOpen), "urn:ietf:params:scim:schemas:extension:Acme:2.0:User:User"}).Draw(t, "path")
		value := rapid.SampledFrom([]string{`"x"`, `"y"`, `""`, `null`, `[]`, `{}`, `true`, `[{"value":"x","type":"work","primary":true},{"value":"y"}]`, `{"value":"y","type":"home"}`, `{"givenName":"g"}`, `{"department":"d"}`}).Draw(t, "value")
		return `[{"op":"` + op + `","path":"` + path + `","value":` + value + `}]`
	})
}

func TestPatch_ReplaceAndRemoveTwiceIsOnce(t *testing.T) {
	t.Parallel()
	user := testUser()
	rapid.Check(t, func(t *rapid.T) {
		r, _, err := Decode(user, Lenient, []byte(userDocs().Draw(t, "doc")))
		if err != nil {
			t.Fatal(err)
		}
		ops := patchOps().Draw(t, "ops")
		p, err := ParsePatch(user, Lenient, "1", []byte(patchHead+ops+"}"))
		if err != nil {
			return
		}
		once, _, err := p.Apply(r)
		if err != nil {
			return
		}
		twice, _, err := p.Apply(once)
		// A replace that changes what its own filter looks for selects nothing the second time.
		if e, ok := err.(*Error); ok && (e.Type == TypeNoTarget || e.Type == TypeInvalidPath) {
			return
		}
		if err != nil || !Equal(once, twice) {
			t.Fatalf("%s\nonce  %s\ntwice %s, %v", ops, once.AppendJSON(nil), twice.AppendJSON(nil), err)
		}
		// What a PATCH leaves must survive GET and PUT.
		w := renderer{base: "https://x.test", types: []*ResourceType{user}}
		again, _, err := Decode(user, Lenient, w.resource(nil, user, once, Projection{}))
		if err != nil || !Equal(again, once) {
			t.Fatalf("%s\nstored %s\nread   %s, %v", ops, once.AppendJSON(nil), again.AppendJSON(nil), err)
		}
	})
}

func TestPatch_CostsNoMoreThanItsSize(t *testing.T) {
	taken := func(members int) uint64 {
		var b strings.Builder
		for i := range members {
			fmt.Fprintf(&b, `,{"value":"%d"}`, i)
		}
		body := []byte(patchHead + `[{"op":"replace","path":"members","value":[` + b.String()[1:] + `]}]}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		p, err := ParsePatch(NewGroupType(), Lenient, "1", body)
		runtime.ReadMemStats(&after)
		if err != nil || len(p.Members[0].Values) != members {
			t.Fatal(err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	// Lists that double as they grow make up to twice of it.
	if few, many := taken(5_000), taken(50_000); many > 20*few {
		t.Errorf("50,000 members took %d bytes, 5,000 took %d", many, few)
	}

	// Many operations on long lists run into a limit and not into minutes.
	emails := make([]any, maxValues)
	for i := range emails {
		emails[i] = map[string]any{"value": fmt.Sprint(i), "type": "work"}
	}
	for _, op := range []string{`{"op":"replace","path":"emails[display eq \"x\" or display eq \"y\" or display eq \"z\"].value","value":"v"}`, `{"op":"add","path":"emails","value":[{"value":"1","type":"work"}]}`, `{"op":"remove","path":"emails","value":[{"value":"q"},{"value":"r"},{"value":"s"}]}`} {
		p, err := ParsePatch(NewUserType(), Lenient, "1", []byte(patchHead+"["+strings.Repeat(op+",", 999)+op+"]}"))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = p.Apply(Resource{"userName": "u", "emails": emails}); err == nil {
			t.Errorf("%s: no limit", op)
		}
	}
}

func FuzzPatchPath(f *testing.F) {
	for _, s := range []string{
		"title", "name.familyName", `emails[type eq "work"].value`, `emails[type eq "work" and value co "]"]`, ent, ent + ":manager.value", URNUser + ":active",
		`members[value eq "a:b.c d\"e]"]`, "emails[", "urn:", "urn:ietf:params:scim:schemas:core:2.0:User:", "$ref", urnAcme + `:tags[value eq "x"]`, "a.b.c",
		urnOpen, urnOpen + ":badge", "urn:scim:custom:1.0", "urn:scim:custom:1.0:a", "urn:ab:c", "urn:ab::c", URNGroup + ":displayName",
	} {
		f.Add(s)
	}
	user, group := testUser(), NewGroupType()
	f.Fuzz(func(t *testing.T, s string) {
		for _, rt := range []*ResourceType{user, group} {
			p, _, err := parsePath(rt, Lenient, s)
			if err != nil {
				wantError(t, err, 400, TypeInvalidPath)
				continue
			}
			again, _, err := parsePath(rt, Lenient, p.String())
			if err != nil && len(p.String()) < maxPathBytes && !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "deeper than") || err == nil && !reflect.DeepEqual(again, p) {
				t.Fatalf("%q printed as %q parses as %#v, %v", s, p, again, err)
			}
		}
	})
}

func FuzzPatchBody(f *testing.F) {
	for _, s := range []string{
		`[{"op":"replace","value":{"active":false}}]`, `[{"op":"Replace","path":"active","value":"False"}]`, `[{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}]`,
		`[{"op":"remove","path":"members[value eq \"u\"]"},{"op":"Add","path":"members","value":[{"$ref":null,"value":"77"}]}]`, `[]`,
		`[{"op":"replace","value":{"name.givenName":"K","` + ent + `:manager":""}}]`, `[{"op":"Add","path":"roles","value":[{"value":"{\"value\":\"x\"}"}]}]`,
		`[{"op":"remove","path":"emails","value":[{"type":"work"}]}]`, `[{"op":"add","path":"` + ent + `","value":{"department":["d"]}}]`,
		`[{"op":"Replace","path":"active","value":"False"},{"op":"Add","path":"` + urnOpen + `:badge","value":"7"}]`, `[{"op":"replace","value":{"` + urnOpen + `:a":1,"` + urnOpen + `":{"b":null}}}]`,
		`[{"op":"add","path":"urn:scim:custom:1.0","value":[{"value":1}]}]`, `[{"op":"add","path":"urn:ab:c:d","value":"x"},{"op":"add","path":"urn:ab:c:d","value":{"e":1}},{"op":"remove","path":"urn:ab:c"}]`,
	} {
		f.Add([]byte(patchHead + s + "}"))
	}
	user, group := testUser(), NewGroupType()
	r := Resource{"userName": "u", "displayName": "d", "active": true, "emails": []any{map[string]any{"value": "x", "type": "work", "primary": true}, map[string]any{"value": "y"}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, rt := range []*ResourceType{user, group} {
			p, err := ParsePatch(rt, Lenient, "1", body)
			if err != nil {
				if e, ok := err.(*Error); !ok || e.Status != 400 && e.Status != 413 && e.Status != 403 {
					t.Fatal(err)
				}
				continue
			}
			before := r.Clone()
			next, changed, err := p.Apply(r)
			if !Equal(before, r) {
				t.Fatal("Apply changed its argument")
			}
			if err == nil {
				checkCanonical(t, next)
				if changed == Equal(next, r) {
					t.Fatal("changed is wrong")
				}
			}
			for _, op := range p.Members {
				for _, id := range op.Values {
					if id == "" {
						t.Fatal("an empty id")
					}
				}
			}
		}
	})
}

// checkCanonical holds the promise of Resource: no nil, nothing empty, at most one primary.
func checkCanonical(t *testing.T, v any) {
	t.Helper()
	switch v := v.(type) {
	case Resource:
		checkCanonical(t, map[string]any(v))
	case nil:
		t.Fatal("nil in a resource")
	case string:
		if v == "" {
			t.Fatal("an empty string in a resource")
		}
	case map[string]any:
		for _, e := range v {
			checkCanonical(t, e)
		}
	case []any:
		if len(v) == 0 {
			t.Fatal("an empty list in a resource")
		}
		primary := 0
		for _, e := range v {
			checkCanonical(t, e)
			if m, ok := e.(map[string]any); ok && m["primary"] == true {
				primary++
			}
		}
		if primary > 1 {
			t.Fatal("two primary values")
		}
	}
}

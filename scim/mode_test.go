package scim_test

import (
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
)

var update = flag.Bool("update", false, "write docs/scim-modes.md anew")

// modesDoc is the page that is made of the table of tolerances.
const modesDoc = "../docs/scim-modes.md"

// either is one request that the modes treat differently. In body and path {user}, {other}, {group} and {bare} stand
// for ids, {patch}, {userHead} and {groupHead} for the beginnings of bodies.
type either struct {
	method, path, body string
	// after says what strict mode has made of it, where it refuses nothing.
	after func(t *testing.T, s *server, ids *strings.Replacer, mode scim.Mode)
}

func onUser(operation string) either {
	return either{method: "PATCH", path: "/Users/{user}", body: "{patch}[" + operation + "]}"}
}

func onGroup(operation string) either {
	return either{method: "PATCH", path: "/Groups/{group}", body: "{patch}[" + operation + "]}"}
}

func posted(attributes string) either {
	return either{method: "POST", path: "/Users", body: `{userHead}"userName":"new",` + attributes + `}`}
}

func asked(filter string) either {
	return either{method: "GET", path: "/Users?filter=" + strings.NewReplacer(" ", "%20", `"`, "%22", "[", "%5B", "]", "%5D").Replace(filter)}
}

// eithers has requests for each entry of the table: accepted in lenient mode, and in strict mode refused as the
// entry says.
var eithers = map[string][]either{
	"body that does not name its schema": {{method: "POST", path: "/Users", body: `{"userName":"new"}`}, {method: "PUT", path: "/Users/{user}", body: `{"schemas":[],"userName":"ann"}`},
		{method: "PUT", path: "/Users/{user}", body: `{"schemas":["urn:scim:schemas:core:2.0","urn:scim:schemas:extension:enterprise:2.0"],"userName":"ann"}`},
		{method: "POST", path: "/Users", body: `{"schemas":["urn:scim:schemas:core:1.0"],"userName":"new"}`}, {method: "POST", path: "/Groups", body: `{"displayName":"g2"}`},
		{method: "POST", path: "/Users", body: `{"schemas":["` + scim.URNUser + `","urn:scim:schemas:core:1.0"],"userName":"new"}`}},
	"undefined attribute": {posted(`"shoeSize":7`), posted(`"name":{"givenName":"A","shoe":"x"}`), posted(`"emails":[{"value":"a@acme.test","shoe":"x"}]`),
		{method: "PUT", path: "/Users/{user}", body: `{userHead}"userName":"ann","shoeSize":7}`},
		{method: "POST", path: "/Groups", body: `{groupHead}"displayName":"g2","members":[{"value":"{user}","shoe":"x"}]}`},
		onGroup(`{"op":"add","path":"members","value":[{"value":"{user}","shoe":"x"}]}`)},
	"unknown schema": {posted(`"urn:acme:params:Badge:2.0:User":{"a":"1"}`),
		{method: "POST", path: "/Users", body: `{"schemas":["` + scim.URNUser + `","urn:acme:params:Badge:2.0:User"],"userName":"new"}`}},
	"extension that \"schemas\" does not list": {posted(`"` + scim.URNEnterpriseUser + `":{"department":"x"}`)},
	"core attributes under the core URN":       {posted(`"` + scim.URNUser + `":{"title":"x"}`)},
	"attribute that is never stored, such as password": {posted(`"password":"s3cret"`),
		onUser(`{"op":"replace","path":"password","value":"s3cret"}`)},
	"boolean as text":          {posted(`"active":"True"`), onUser(`{"op":"replace","path":"active","value":"False"}`), posted(`"emails":[{"value":"a@acme.test","primary":"true"}]`)},
	"array for a single value": {posted(`"title":["x"]`), onUser(`{"op":"replace","path":"displayName","value":[{"value":"x"}]}`), onUser(`{"op":"replace","path":"name","value":[{"givenName":"x"}]}`)},
	"single value for an array": {posted(`"emails":{"value":"a@acme.test"}`), onUser(`{"op":"add","path":"emails","value":{"value":"a@acme.test"}}`),
		onGroup(`{"op":"add","path":"members","value":{"value":"{user}"}}`)},
	"text for an object": {posted(`"emails":["a@acme.test"]`), posted(`"emails":["",{"value":"a@acme.test"}]`), onUser(`{"op":"add","path":"` + scim.URNEnterpriseUser + `:manager","value":"{other}"}`),
		onUser(`{"op":"replace","path":"` + scim.URNEnterpriseUser + `:manager","value":""}`), onGroup(`{"op":"add","path":"members","value":["{user}"]}`)},
	"empty text for a number or an instant": nil, // no attribute of User and Group is one; see below
	"forms of Entra's app roles":            {posted(`"roles":[{"value":"admin","displayName":"Admin"}]`), posted(`"roles":[{"value":"{\"value\":\"admin\"}"}]`)},
	"value that says nothing but its type":  {posted(`"emails":[{"type":"work"}]`)},
	"two primary values": {posted(`"emails":[{"value":"a@acme.test","primary":true},{"value":"b@acme.test","primary":true}]`),
		onUser(`{"op":"replace","path":"emails","value":[{"value":"a@acme.test","primary":true},{"value":"b@acme.test","primary":true}]}`)},
	"PUT of a group without members": {{method: "PUT", path: "/Groups/{group}", body: `{groupHead}"displayName":"g"}`,
		after: func(t *testing.T, s *server, ids *strings.Replacer, mode scim.Mode) {
			want := map[scim.Mode]string{scim.Lenient: ids.Replace("{user},{other}"), scim.Strict: ""}[mode]
			if got := strings.ReplaceAll(s.members(t, ids.Replace("{group}")), " ", ","); got != want {
				t.Errorf("%s mode: members %q, want %q", mode, got, want)
			}
		}}},
	"PATCH operation without a path": {onUser(`{"op":"replace","value":{"active":false}}`), onUser(`{"op":"add","value":{"title":"x"}}`),
		onGroup(`{"op":"replace","value":{"id":"{group}","displayName":"g3"}}`)},
	"PATCH without operations":             {onUser("")},
	"kind of refusal of an undefined path": {onUser(`{"op":"add","path":"urn:acme:params:Badge:2.0:User:a","value":"1"}`)},
	"URN of an extension as a path":        {onUser(`{"op":"add","path":"` + scim.URNEnterpriseUser + `","value":{"department":"x"}}`), onUser(`{"op":"remove","path":"` + scim.URNEnterpriseUser + `"}`)},
	"add or replace of a whole selected value": {onUser(`{"op":"replace","path":"emails[type eq \"work\"]","value":{"value":"new@acme.test"}}`),
		onUser(`{"op":"add","path":"emails[type eq \"work\"]","value":{"display":"x"}}`), onGroup(`{"op":"add","path":"members[value eq \"{user}\"]","value":{"value":"{user}"}}`)},
	"value filter that selects several": {onUser(`{"op":"replace","path":"phoneNumbers[type eq \"work\"].value","value":"3"}`), onUser(`{"op":"remove","path":"phoneNumbers[type eq \"work\"]"}`),
		onGroup(`{"op":"remove","path":"members[value eq \"{user}\" or value eq \"{other}\"]"}`)},
	"replace of a value that is not there":     {onUser(`{"op":"replace","path":"emails[type eq \"home\"].value","value":"home@acme.test"}`)},
	"sub-attribute of a list without a filter": {onUser(`{"op":"replace","path":"emails.value","value":"new@acme.test"}`), onUser(`{"op":"add","path":"emails.display","value":"x"}`)},
	"replace of a complex attribute": {{method: "PATCH", path: "/Users/{user}", body: `{patch}[{"op":"replace","path":"name","value":{"givenName":"B"}}]}`,
		after: func(t *testing.T, s *server, ids *strings.Replacer, mode scim.Mode) {
			name := s.do(t, "GET", ids.Replace("/Users/{user}"), "").want(t, 200).doc["name"].(map[string]any)
			if name["givenName"] != "B" || (name["familyName"] == nil) != (mode == scim.Strict) {
				t.Errorf("%s mode: name %v", mode, name)
			}
		}}},
	"remove with a list of values":                  {onGroup(`{"op":"remove","path":"members","value":[{"value":"{user}"}]}`), onUser(`{"op":"remove","path":"emails","value":[{"value":"ann@acme.test"}]}`)},
	"display of a member":                           {onGroup(`{"op":"replace","path":"members[value eq \"{user}\"].display","value":"x"}`)},
	"unquoted text in a filter":                     {asked(`userName eq ann`), asked(`emails[type eq work]`), asked(`externalId eq 7`)},
	"and, or without a space on each side":          {asked(`(userName pr)and (title pr)`), asked(`userName eq "a"or title pr`), asked(`userName pr and(title pr)`)},
	"boolean as text in a filter":                   {asked(`active eq "True"`), asked(`active eq True`), asked(`emails[primary eq "true"]`)},
	"sub-attribute behind a value path in a filter": {asked(`emails[type eq "work"].value eq "ann@acme.test"`)},
	"attribute names as one text in a search":       {{method: "POST", path: "/Users/.search", body: `{"schemas":["` + scim.URNSearchRequest + `"],"attributes":"userName,title"}`}},
}

// furnished is a server in a mode, with two people and a group of both.
func furnished(t *testing.T, mode scim.Mode) (*server, *strings.Replacer) {
	s := newServer(func(h *scim.Handler) { h.Mode = mode })
	ann := s.user(t, "ann", `"name":{"givenName":"A","familyName":"Z"},"emails":[{"value":"ann@acme.test","type":"work"}],"phoneNumbers":[{"value":"1","type":"work"},{"value":"2","type":"work"}]`)
	bob := s.user(t, "bob", "")
	group := s.group(t, "g", ann, bob)
	return s, strings.NewReplacer("{user}", ann, "{other}", bob, "{group}", group, "{patch}", patchHead, "{userHead}", userHead, "{groupHead}", groupHead)
}

func TestModes_DifferAsTheTableSays(t *testing.T) {
	t.Parallel()
	for _, entry := range scim.Tolerances() {
		requests, told := eithers[entry.Name]
		if !told {
			t.Errorf("nothing shows %q", entry.Name)
		}
		if entry.Lenient == "" || entry.Strict == "" || entry.Source == "" {
			t.Errorf("%q says too little: %+v", entry.Name, entry)
		}
		for _, e := range requests {
			t.Run(entry.Name, func(t *testing.T) {
				t.Parallel()
				for _, mode := range []scim.Mode{scim.Lenient, scim.Strict} {
					s, ids := furnished(t, mode)
					writes := len(s.m.kept["User"])
					got := s.do(t, e.method, ids.Replace(e.path), ids.Replace(e.body))
					refuses := mode == scim.Strict && entry.Type != ""
					switch {
					case refuses:
						got.want(t, http.StatusBadRequest, entry.Type)
						if len(s.m.kept["User"]) != writes {
							t.Error("a refused request left a user behind")
						}
					case got.Code >= 300:
						t.Fatalf("%s mode: %d %s", mode, got.Code, got.Body)
					case e.after != nil:
						e.after(t, s, ids, mode)
					}
				}
			})
		}
	}
	if got, want := len(eithers), len(scim.Tolerances()); got != want {
		t.Errorf("requests for %d entries, the table has %d", got, want)
	}
}

func TestStrict_AcceptsWhatTheProfileAsksFor(t *testing.T) {
	t.Parallel()
	for _, e := range []either{
		{method: "POST", path: "/Users", body: `{"schemas":["` + scim.URNUser + `","` + scim.URNEnterpriseUser + `"],"id":"x","meta":{"resourceType":"User"},"userName":"new","active":true,"title":null,"emails":[],` +
			`"roles":[{"value":"admin","display":"Admin","primary":true}],"` + scim.URNEnterpriseUser + `":{"department":"x","manager":{"value":"{other}"}}}`},
		onUser(`{"op":"replace","path":"active","value":false}`),
		onUser(`{"op":"Replace","path":"active","value":false}`), // letter case is no deviation
		onUser(`{"op":"add","path":"name.givenName","value":"B"}`),
		onUser(`{"op":"add","path":"name","value":{"givenName":"B"}}`),
		onUser(`{"op":"replace","path":"emails","value":[{"value":"new@acme.test","type":"work","primary":true}]}`),
		onUser(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"new@acme.test"}`),
		onUser(`{"op":"remove","path":"emails[type eq \"work\"]"}`),
		onUser(`{"op":"remove","path":"emails"}`),
		onUser(`{"op":"add","path":"` + scim.URNEnterpriseUser + `:manager","value":{"value":"{other}"}}`),
		onUser(`{"op":"replace","path":"` + scim.URNUser + `:title","value":"x"}`),
		onGroup(`{"op":"add","path":"members","value":[{"value":"{user}","type":"User","display":"Ann","$ref":null}]}`),
		onGroup(`{"op":"remove","path":"members[value eq \"{user}\"]"}`),
		onGroup(`{"op":"replace","path":"members","value":[]}`),
		onGroup(`{"op":"remove","path":"members"}`),
		asked(`userName eq "ann" and active eq true`), asked(`emails[type eq "work" and value eq "ann@acme.test"]`), asked(`emails co "ann"`), asked(`title eq null`),
		{method: "POST", path: "/Users/.search", body: `{"schemas":["` + scim.URNSearchRequest + `"],"attributes":["userName","title"]}`},
	} {
		s, ids := furnished(t, scim.Strict)
		if got := s.do(t, e.method, ids.Replace(e.path), ids.Replace(e.body)); got.Code >= 300 {
			t.Errorf("%s %s %s: %d %s", e.method, e.path, e.body, got.Code, got.Body)
		}
	}
}

func TestStrict_RefusesUndefinedPathsAsItRefusesBodies(t *testing.T) {
	t.Parallel()
	for path, kinds := range map[string][2]string{
		"shoeSize":                          {scim.TypeInvalidPath, scim.TypeInvalidSyntax},
		"name.shoe":                         {scim.TypeInvalidPath, scim.TypeInvalidSyntax},
		`emails[type eq \"work\"].shoe`:     {scim.TypeInvalidPath, scim.TypeInvalidSyntax},
		scim.URNEnterpriseUser + ":shoe":    {scim.TypeInvalidPath, scim.TypeInvalidSyntax},
		"name.":                             {scim.TypeInvalidPath, scim.TypeInvalidPath},
		"title x":                           {scim.TypeInvalidPath, scim.TypeInvalidPath},
		`emails[type eq \"work\"`:           {scim.TypeInvalidPath, scim.TypeInvalidPath},
		scim.URNUser:                        {scim.TypeInvalidPath, scim.TypeInvalidPath},
		"urn:ietf:params:scim:api:messages": {scim.TypeInvalidPath, scim.TypeInvalidSyntax},
	} {
		for mode, kind := range kinds {
			s, ids := furnished(t, scim.Mode(mode))
			e := onUser(`{"op":"add","path":"` + path + `","value":"x"}`)
			if got := s.do(t, e.method, ids.Replace(e.path), ids.Replace(e.body)); got.Code != 400 || got.doc["scimType"] != kind {
				t.Errorf("%s in %s mode: %d %s, want %s", path, scim.Mode(mode), got.Code, got.Body, kind)
			}
		}
	}
}

func TestStrict_ReadsTheFilterOfAPathAsStrictlyAsAQuery(t *testing.T) {
	t.Parallel()
	e := onUser(`{"op":"replace","path":"emails[type eq work].value","value":"new@acme.test"}`)
	s, ids := furnished(t, scim.Lenient)
	s.do(t, e.method, ids.Replace(e.path), ids.Replace(e.body)).want(t, 200)
	s, ids = furnished(t, scim.Strict)
	s.do(t, e.method, ids.Replace(e.path), ids.Replace(e.body)).want(t, 400, scim.TypeInvalidPath)
}

func TestStrict_OfAReplacedComplexAttributeKeepsWhatTheServerOwns(t *testing.T) {
	t.Parallel()
	user := scim.NewUserType()
	stored := scim.Resource{"userName": "u", "name": map[string]any{"givenName": "A"}, scim.URNEnterpriseUser: map[string]any{"manager": map[string]any{"value": "1", "displayName": "Boss"}}}
	p, err := scim.ParsePatch(user, scim.Strict, "1", []byte(patchHead+`[{"op":"replace","path":"`+scim.URNEnterpriseUser+`:manager","value":{"value":"2"}},{"op":"replace","path":"name","value":{}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := p.Apply(stored)
	if err != nil || got["name"] != nil || got.String(scim.URNEnterpriseUser+":manager.value") != "2" || got.String(scim.URNEnterpriseUser+":manager.displayName") != "Boss" {
		t.Errorf("%s, %v", got.AppendJSON(nil), err)
	}
}

// ownMode is a Backend with a mode of its own.
type ownMode struct {
	*memory
	mode scim.Mode
}

func (b ownMode) Mode() scim.Mode { return b.mode }

func TestMode_IsTheBackendsWhereItHasOne(t *testing.T) {
	t.Parallel()
	for _, offered := range []bool{false, true} {
		s := newServer(func(h *scim.Handler) { h.HideNewerKeys = offered })
		s.Backend = func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Strictly") != "" {
				return ownMode{s.m, scim.Strict}, nil
			}
			return ownMode{s.m, scim.Lenient}, nil
		}
		for _, strictly := range []string{"", "yes"} {
			conformant := strictly != "" && !offered
			config := s.do(t, "GET", "/ServiceProviderConfig", "", "Strictly", strictly).want(t, 200)
			schema := s.do(t, "GET", "/Schemas/"+scim.URNServiceProviderConfig, "", "Strictly", strictly).want(t, 200)
			if got, told := config.doc["interopProfileConformant"]; told != conformant || told && got != true {
				t.Errorf("strictly %q: interopProfileConformant is %v", strictly, got)
			}
			if told := strings.Contains(schema.Body.String(), "interopProfileConformant"); told != conformant {
				t.Errorf("strictly %q: the schema says %v", strictly, told)
			}
		}
		loose := userHead + `"userName":"u","active":"True"}`
		s.do(t, "POST", "/Users", loose, "Strictly", "yes").want(t, 400, scim.TypeInvalidValue)
		s.do(t, "POST", "/Users", loose).want(t, 201)
		s.do(t, "GET", "/?filter=userName%20eq%20u", "", "Strictly", "yes").want(t, 400, scim.TypeInvalidFilter)
		s.do(t, "GET", "/?filter=userName%20eq%20u", "").want(t, 200)
	}
}

func TestMode_IsTheHandlersForDiscoveryWithoutAToken(t *testing.T) {
	t.Parallel()
	for _, mode := range []scim.Mode{scim.Lenient, scim.Strict} {
		s := newServer(func(h *scim.Handler) { h.AnonymousDiscovery, h.Mode = true, mode })
		if _, told := s.do(t, "GET", "/ServiceProviderConfig", "", "Authorization", "").want(t, 200).doc["interopProfileConformant"]; told != (mode == scim.Strict) {
			t.Errorf("%s mode: told is %v", mode, told)
		}
	}
}

// The profile wants the values of each "type" declared.
func TestStrict_DeclaresTheTypesOfMultiValuedAttributes(t *testing.T) {
	t.Parallel()
	for _, mode := range []scim.Mode{scim.Lenient, scim.Strict} {
		s := newServer(func(h *scim.Handler) { h.Mode = mode })
		missing := 0
		for _, urn := range []string{scim.URNUser, scim.URNGroup} {
			for _, a := range s.do(t, "GET", "/Schemas/"+urn, "").want(t, 200).doc["attributes"].([]any) {
				subs, _ := a.(map[string]any)["subAttributes"].([]any)
				for _, sub := range subs {
					sub := sub.(map[string]any)
					if _, declared := sub["canonicalValues"]; sub["name"] == "type" && !declared {
						missing++
					}
				}
			}
		}
		if (missing == 0) != (mode == scim.Strict) {
			t.Errorf("%s mode: %d types without canonicalValues", mode, missing)
		}
	}
}

func TestEmptyText_IsNoNumberAndNoInstantInStrictMode(t *testing.T) {
	t.Parallel()
	kind := &scim.ResourceType{Name: "Thing", Endpoint: "Things", Schema: &scim.Schema{ID: "urn:acme:Thing", Name: "Thing",
		Attributes: []*scim.Attribute{{Name: "size", Type: scim.Integer}, {Name: "share", Type: scim.Decimal}, {Name: "since", Type: scim.DateTime}, {Name: "title"}}}}
	for _, name := range []string{"size", "share", "since", "title"} {
		body := []byte(`{"schemas":["urn:acme:Thing"],"` + name + `":""}`)
		if _, _, err := scim.Decode(kind, scim.Lenient, body); err != nil {
			t.Errorf("%s in lenient mode: %v", name, err)
		}
		_, _, err := scim.Decode(kind, scim.Strict, body)
		if refused, _ := err.(*scim.Error); (refused != nil && refused.Type == scim.TypeInvalidValue) != (name != "title") {
			t.Errorf("%s in strict mode: %v", name, err)
		}
	}
}

// modesPage is docs/scim-modes.md.
func modesPage() string {
	var b strings.Builder
	b.WriteString(`# The two modes of a directory

<!-- Made of scim.Tolerances. To write it anew: go test ./scim -run TestModesPage -update -->

A directory is read in one of two modes. *Lenient*, the default, takes what IdPs really send: Okta deactivates people by a PATCH without a path,
Entra sends booleans as text. *Strict* takes what the standard says within the interoperability profile, and refuses the rest with 400; only there
ServiceProviderConfig has ` + "`interopProfileConformant: true`" + `. Okta and Entra, as they are, do not work with a strict directory: choose it for a client
that was written to the profile, or to test one.

In a file for ` + "`gatehouse apply`" + `:

` + "```yaml" + `
directories:
  - {name: okta, mode: strict}    # or lenient
` + "```" + `

## What differs

| What is sent | Lenient | Strict | Strict answers | Who, and where it is said |
|---|---|---|---|---|
`)
	for _, t := range scim.Tolerances() {
		answer := "400 `" + t.Type + "`"
		if t.Type == "" {
			answer = "success"
		}
		b.WriteString("| " + t.Name + " | " + t.Lenient + " | " + t.Strict + " | " + answer + " | " + t.Source + " |\n")
	}
	b.WriteString(`
## What does not

Read-only attributes in POST and PUT are ignored, an id that differs from the path's among them. A PUT without ` + "`active`" + ` keeps what is there. null and
an empty list mean that there is no value. Names, operations and operators are taken in any letter case. Paths are forgiven doubled and trailing
slashes. Limits, entity tags, paging and errors are the same.
`)
	return b.String()
}

func TestModesPage_IsWhatTheTableSays(t *testing.T) {
	t.Parallel()
	want := modesPage()
	if *update {
		if err := os.WriteFile(modesDoc, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(modesDoc)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the table says (%v): run go test ./scim -run TestModesPage -update", modesDoc, err)
	}
}

package scimserver_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/scim"
)

const enterpriseURN = scim.URNEnterpriseUser

// first is the first resource of a list.
func (a *answer) first() map[string]any {
	a.t.Helper()
	list, _ := a.body["Resources"].([]any)
	if len(list) == 0 {
		a.t.Fatalf("an empty list: %s", a.text)
	}
	return list[0].(map[string]any)
}

func (a *answer) isError(status string) {
	a.t.Helper()
	schemas, _ := a.body["schemas"].([]any)
	if len(schemas) != 1 || schemas[0] != scim.URNError || a.body["status"] != status || a.str("detail") == "" {
		a.t.Errorf("not a SCIM error of status %q: %s", status, a.text)
	}
}

// The twelve steps of Okta's SCIM 2.0 SPEC test, R1 to R12, in our own words.
func TestOktasSpecTest_PassesEveryStep(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		w.do("POST", "/Users", user("seed@acme.test")).want(201)
		r1 := w.do("GET", "/Users?count=1&startIndex=1", "").want(200)
		for _, name := range []string{"itemsPerPage", "startIndex", "totalResults"} {
			if _, ok := r1.body[name].(float64); !ok {
				t.Errorf("R1: %s is no number: %s", name, r1.text)
			}
		}
		whole := func(step string, u map[string]any) {
			t.Helper()
			name, _ := u["name"].(map[string]any)
			emails, _ := u["emails"].([]any)
			if u["id"] == nil || u["userName"] == nil || u["active"] != true || name["familyName"] == nil || name["givenName"] == nil || len(emails) == 0 || emails[0].(map[string]any)["value"] == nil {
				t.Errorf("%s: %v", step, u)
			}
		}
		if r1.body["schemas"].([]any)[0] != scim.URNListResponse {
			t.Errorf("R1: %s", r1.text)
		}
		whole("R1", r1.first())
		whole("R2", w.do("GET", "/Users/"+r1.first()["id"].(string), "").want(200).body)
		for _, step := range []string{`userName eq "nobody@acme.test"`, `emails.value eq "nobody@acme.test"`} { // R3, R5
			if n := w.total("/Users", step); n != 0 {
				t.Errorf("%s finds %v", step, n)
			}
		}
		w.do("GET", "/Users/010101001010101011001010101011", "").want(404).isError("404") // R4
		body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Runscope@acme.test","name":{"givenName":"Run","familyName":"Scope"},"emails":[{"primary":true,"value":"Runscope@acme.test","type":"work"}],"displayName":"Run Scope","active":true}`
		r6 := w.do("POST", "/Users", body).want(201)
		whole("R6", r6.body)
		if r6.str("userName") != "Runscope@acme.test" || r6.body["schemas"].([]any)[0] != scim.URNUser {
			t.Errorf("R6: %s", r6.text)
		}
		whole("R7", w.do("GET", "/Users/"+r6.str("id"), "").want(200).body)
		w.do("POST", "/Users", body).want(409).isError("409") // R8
		if n := w.total("/Users", `userName eq "RUNSCOPE@ACME.TEST"`); n != 1 {
			t.Errorf("R9: %v", n)
		}
		if r10 := w.do("GET", "/Groups", "").want(200); r10.body["Resources"] == nil {
			t.Errorf("R10: %s", r10.text)
		}
		r11 := h.raw(t, "GET", "/scim/v2/Users/"+r6.str("id"), "non-token").want(401)
		r11.isError("401")
		w.do("GET", "/Users/00919288221112222", "").want(404).isError("404") // R12
		// Entitlements: a page of exactly one.
		if a := w.do("GET", "/Users?count=1&startIndex=1", "").want(200); a.body["itemsPerPage"] != 1.0 {
			t.Errorf("entitlements: %s", a.text)
		}
	})
}

// The tests of Microsoft's SCIM validator as its users name them, the previews among them.
func TestMicrosoftsValidator_PassesEveryTest(t *testing.T) {
	entraUser := func(name string) string {
		return `{"schemas":["` + scim.URNUser + `","` + enterpriseURN + `"],"externalId":"x-` + name + `","userName":"` + name + `","active":true,"displayName":"D","emails":[{"type":"work","value":"` + name +
			`","primary":"true"}],"name":{"formatted":"F","familyName":"Fa","givenName":"Gi"},"` + enterpriseURN + `":{"department":"R&D"}}`
	}
	entraGroup := func(name string) string {
		return `{"schemas":["` + scim.URNGroup + `","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],"externalId":"x-` + name + `","displayName":"` + name + `","meta":{"resourceType":"Group"}}`
	}
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		ann := w.do("POST", "/Users", entraUser("ann@acme.test")).want(201).str("id") // create
		boss := w.do("POST", "/Users", entraUser("boss@acme.test")).want(201).str("id")
		w.do("POST", "/Users", entraUser("ann@acme.test")).want(409) // create a duplicate
		for filter, n := range map[string]float64{`userName eq "ann@acme.test"`: 1, `userName eq "none@acme.test"`: 0, `userName eq "ANN@ACME.test"`: 1} {
			if got := w.total("/Users", filter); got != n {
				t.Errorf("%s finds %v", filter, got)
			}
		}
		user := func(ops string) *answer { return w.do("PATCH", "/Users/"+ann, patch(ops)).want(200) }
		a := user(`{"op":"replace","path":"emails[type eq \"work\"].value","value":"ann2@acme.test"},{"op":"replace","path":"displayName","value":"N"},{"op":"Replace","path":"name.givenName","value":"G2"},` +
			`{"op":"add","path":"addresses[type eq \"work\"].formatted","value":"street"},{"op":"add","path":"` + enterpriseURN + `:costCenter","value":"C"}`) // replace attributes, several at once
		if a.str("displayName") != "N" || a.str(enterpriseURN, "costCenter") != "C" || !strings.Contains(a.text, `"street"`) || !strings.Contains(a.text, "ann2@acme.test") {
			t.Errorf("replace attributes: %s", a.text)
		}
		a = user(`{"op":"replace","value":{"displayName":"V","name.givenName":"G3","` + enterpriseURN + `:department":"Ops"}}`) // add attributes, verbose
		if a.str("displayName") != "V" || a.str("name", "givenName") != "G3" || a.str(enterpriseURN, "department") != "Ops" {
			t.Errorf("verbose: %s", a.text)
		}
		if a = user(`{"op":"Replace","path":"userName","value":"ann3@acme.test"}`); a.str("userName") != "ann3@acme.test" { // update userName
			t.Errorf("userName: %s", a.text)
		}
		manager := func(ops, want string) {
			t.Helper()
			if a := user(ops); a.str(enterpriseURN, "manager", "value") != want {
				t.Errorf("%s: %s", ops, a.text)
			}
		}
		manager(`{"op":"Add","path":"`+enterpriseURN+`:manager","value":"`+boss+`"}`, boss)
		manager(`{"op":"Replace","path":"`+enterpriseURN+`:manager","value":"`+boss+`"}`, boss)
		manager(`{"op":"Remove","path":"`+enterpriseURN+`:manager"}`, "")
		user(`{"op":"Replace","path":"active","value":"False"}`) // disable
		if got := w.do("GET", `/Users?filter=userName eq "ann3@acme.test"`, "").want(200).first(); got["active"] != false || got["meta"].(map[string]any)["resourceType"] != "User" {
			t.Errorf("disabled: %v", got)
		}
		w.do("PATCH", "/Users/"+ann, patch("")).want(200) // empty operations

		g := w.do("POST", "/Groups", entraGroup("Eng")).want(201).str("id")
		w.do("POST", "/Groups", entraGroup("eng")).want(409)
		if a := w.do("GET", "/Groups/"+g+"?excludedAttributes=members", "").want(200); a.str("displayName") != "Eng" || a.body["members"] != nil {
			t.Errorf("group by id: %s", a.text)
		}
		for name, n := range map[string]float64{"Eng": 1, "None": 0, "ENG": 1} {
			if a := w.do("GET", `/Groups?excludedAttributes=members&filter=displayName eq "`+name+`"`, "").want(200); a.body["totalResults"] != n {
				t.Errorf("group %s: %s", name, a.text)
			}
		}
		group := func(ops string) { w.do("PATCH", "/Groups/"+g, patch(ops)).want(204) }
		group(`{"op":"Replace","path":"displayName","value":["Eng 2"]},{"op":"Replace","path":"externalId","value":["y"]}`) // replace attributes, in arrays
		group(`{"op":"Add","path":"members","value":[{"$ref":null,"value":"` + ann + `"}]}`)
		w.wantMembers(g, "User "+ann)
		group(`{"op":"Add","path":"members","value":[{"value":"` + boss + `"}]},{"op":"Remove","path":"members","value":[{"$ref":null,"value":"` + ann + `"}]}`) // several at once
		w.wantMembers(g, "User "+boss)
		if a := w.do("GET", "/Groups/"+g, "").want(200); a.str("displayName") != "Eng 2" || a.str("externalId") != "y" {
			t.Errorf("group: %s", a.text)
		}
		w.do("DELETE", "/Groups/"+g, "").want(204)
		w.do("DELETE", "/Groups/"+g, "").want(404) // delete what is deleted
		w.do("DELETE", "/Groups/none", "").want(404)
		w.do("DELETE", "/Users/"+ann, "").want(204)
		w.do("DELETE", "/Users/"+ann, "").want(404)
		w.do("DELETE", "/Users/none", "").want(404)
		if s := w.member("ann2@acme.test").Status(); s != directory.StatusDeactivated {
			t.Errorf("after the deletion: %s", s)
		}
	})
}

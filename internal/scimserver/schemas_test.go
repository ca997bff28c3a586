package scimserver_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

const customGroup = "urn:ietf:params:scim:schemas:extension:Acme:2.0:Group"

// declared are the extensions of a workspace with something of everything.
func declared() []directory.Schema {
	return []directory.Schema{
		{URN: custom, Resource: directory.SchemaUser, Name: "Acme", Description: "What Acme knows.", Attributes: []directory.SchemaAttribute{
			{Name: "badge", Type: "string"},
			{Name: "costCode", Type: "string", CaseExact: true, CanonicalValues: []string{"77", "78"}},
			{Name: "level", Type: "integer"},
			{Name: "remote", Type: "boolean"},
			{Name: "since", Type: "dateTime"},
			{Name: "key", Type: "string", Mutability: "immutable"},
			{Name: "rank", Type: "string", Mutability: "readOnly"},
			{Name: "pin", Type: "string", Mutability: "writeOnly", Returned: "never"},
			{Name: "note", Type: "string", Returned: "request"},
			{Name: "home", Type: "string", Returned: "always"},
			{Name: "cards", Type: "complex", MultiValued: true, SubAttributes: []directory.SchemaAttribute{
				{Name: "value", Type: "string", Required: true}, {Name: "type", Type: "string"}, {Name: "secretCode", Type: "string", Returned: "never"}}},
		}},
		{URN: customGroup, Resource: directory.SchemaGroup, Attributes: []directory.SchemaAttribute{{Name: "costCode", Type: "string", Required: true}, {Name: "size", Type: "integer"}}},
	}
}

// declare defines extensions of the workspace in the place of those that it has.
func (w *tenant) declare(schemas ...directory.Schema) *tenant {
	w.t.Helper()
	if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		for _, s := range cfg.Schemas {
			tx.DeleteSchema(s.URN)
		}
		for _, s := range schemas {
			tx.SaveSchema(s)
		}
		return tx.Record(audit.Event{Type: audit.WorkspaceApplied})
	}); err != nil {
		w.t.Fatal(err)
	}
	return w
}

// found counts who matches a filter.
func (w *tenant) found(filter string) any {
	w.t.Helper()
	return w.do("GET", "/Users?filter="+url.QueryEscape(filter), "").want(200).body["totalResults"]
}

func TestADeclaredExtension_IsInDiscoveryOfItsWorkspaceAlone(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil).declare(declared()...), h.workspace("globex", "default", nil)
		schema := w.do("GET", "/Schemas/"+strings.ToLower(custom), "").want(200)
		if schema.str("id") != custom || schema.str("name") != "Acme" || schema.str("meta", "location") != origin+"/scim/v2/Schemas/"+custom {
			t.Errorf("%s", schema.text)
		}
		attributes := map[string]map[string]any{}
		for _, a := range schema.body["attributes"].([]any) {
			a := a.(map[string]any)
			attributes[a["name"].(string)] = a
		}
		for name, want := range map[string]string{
			"badge": "string readWrite default false", "costCode": "string readWrite default true", "level": "integer readWrite default false",
			"key": "string immutable default false", "rank": "string readOnly default false", "pin": "string writeOnly never false",
			"note": "string readWrite request false", "home": "string readWrite always false", "cards": "complex readWrite default false",
		} {
			a := attributes[name]
			if got := fmt.Sprint(a["type"], " ", a["mutability"], " ", a["returned"], " ", a["caseExact"]); got != want || a["uniqueness"] != "none" {
				t.Errorf("%s is published as %s %v", name, got, a)
			}
		}
		if got := fmt.Sprint(attributes["costCode"]["canonicalValues"]); got != "[77 78]" {
			t.Errorf("canonical values %s", got)
		}
		for path, want := range map[string]string{"/ResourceTypes/User": custom, "/ResourceTypes/Group": customGroup} {
			if a := w.do("GET", path, "").want(200); !strings.Contains(a.text, `{"schema":"`+want+`","required":false}`) {
				t.Errorf("%s: %s", path, a.text)
			}
			if a := other.do("GET", path, "").want(200); strings.Contains(a.text, "Acme") {
				t.Errorf("the neighbour's %s: %s", path, a.text)
			}
		}
		other.do("GET", "/Schemas/"+custom, "").want(404)
		if a := other.do("GET", "/Schemas", "").want(200); strings.Contains(a.text, "Acme") {
			t.Errorf("the neighbour has %s", a.text)
		}
		// What the neighbour stores under the same URN is an unknown extension's, of any type.
		id := other.do("POST", "/Users", withCustom("ann@acme.test", `{"level":"high"}`)).want(201).str("id")
		if a := other.do("GET", "/Users/"+id, ""); a.str(custom, "level") != "high" {
			t.Errorf("%s", a.text)
		}
	})
}

func TestADeclaredExtension_IsWrittenInEveryDialectAndReadInEveryWay(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		// Entra lists no extension (AC71).
		made := w.do("POST", "/Users", withCustom("ann@acme.test", `{"BADGE":"b","level":3,"remote":"True","note":"n","home":"h","cards":[{"value":"v1","type":"door"}]}`)).want(201)
		if made.str(custom, "badge") != "b" || !strings.Contains(made.text, `"remote":true`) || !strings.Contains(made.text, `"`+custom+`"]`) || strings.Contains(made.text, `"note"`) {
			t.Fatalf("made %s", made.text)
		}
		path := "/Users/" + made.str("id")
		if read := w.do("GET", path, "").want(200); read.text != made.text {
			t.Errorf("made %s\nread %s", made.text, read.text)
		}
		if same := w.do("PUT", path, made.text).want(200); same.text != made.text {
			t.Errorf("PUT of what was read %s", same.text)
		}
		for _, c := range []struct{ operations, want string }{
			{`{"op":"Replace","path":"` + strings.ToUpper(custom) + `:LEVEL","value":4}`, `"level":4`},
			{`{"op":"replace","value":{"` + custom + `:level":5}}`, `"level":5`},
			{`{"op":"replace","value":{"` + custom + `":{"level":6,"costCode":"77"}}}`, `"level":6`},
			{`{"op":"add","path":"` + custom + `","value":{"since":"2026-01-31T09:00:00Z"}}`, `"since":"2026-01-31T09:00:00Z"`},
			{`{"op":"add","path":"` + custom + `:cards","value":[{"value":"v2","type":"car"}]}`, `{"value":"v2","type":"car"}`},
			{`{"op":"replace","path":"` + custom + `:cards[type eq \"car\"].value","value":"v3"}`, `{"value":"v3","type":"car"}`},
			{`{"op":"remove","path":"` + custom + `:cards[type eq \"door\"]"}`, `"cards":[{"value":"v3","type":"car"}]`},
		} {
			if a := w.do("PATCH", path, patch(c.operations)).want(200); !strings.Contains(a.text, c.want) {
				t.Errorf("%s gives %s", c.operations, a.text)
			}
		}
		bob := w.do("POST", "/Users", withCustom("bob@acme.test", `{"level":12,"costCode":"a"}`)).want(201).str("id")
		for filter, want := range map[string]float64{custom + `:level gt 6`: 1, custom + `:level ge 6 and userName sw "a"`: 1, custom + `:costCode eq "A"`: 0, custom + `:costCode eq "a"`: 1,
			custom + `:badge eq "B"`: 1, custom + `:since lt "2026-02-01T00:00:00+02:00"`: 1, custom + `:remote eq true`: 1, custom + `:cards[type eq "car" and value sw "v"]`: 1, custom + `:cards.value pr`: 1} {
			if got := w.found(filter); got != want {
				t.Errorf("%s: %v", filter, got)
			}
		}
		w.do("GET", "/Users?filter="+url.QueryEscape(custom+`:nope eq "x"`), "").want(400)
		list := w.do("GET", "/Users?sortOrder=descending&sortBy="+custom+":level&attributes="+custom+":level", "").want(200)
		if first := list.body["Resources"].([]any)[0].(map[string]any); first["id"] != bob || first["userName"] != nil || fmt.Sprint(first[custom]) != "map[level:12]" {
			t.Errorf("sorted %s", list.text)
		}
		for query, want := range map[string]string{"?attributes=userName": `"home":"h"`, "?attributes=" + custom + ":note": `"home":"h"`, "?excludedAttributes=" + custom: `"home":"h"`} {
			a := w.do("GET", path+query, "").want(200)
			if !strings.Contains(a.text, want) || strings.Contains(a.text, `"level"`) {
				t.Errorf("%s: %s", query, a.text)
			}
		}
		statuses, _ := w.do("POST", "/Bulk", bulk(
			`{"method":"POST","path":"/Users","bulkId":"c","data":`+withCustom("cid@acme.test", `{"level":1}`)+`}`,
			`{"method":"POST","path":"/Users","bulkId":"d","data":`+withCustom("dan@acme.test", `{"level":"high"}`)+`}`,
			`{"method":"PATCH","path":"/Users/`+bob+`","data":`+patch(`{"op":"replace","path":"`+custom+`:level","value":13}`)+`}`)).want(200).results()
		wantStatuses(t, statuses, "201", "400", "200")
		for _, wrong := range []string{`{"level":"x"}`, `{"remote":"perhaps"}`, `{"since":"soon"}`, `{"cards":[{"type":"door"}]}`, `{"cards":[{"secretCode":"1"}]}`, `{"badge":{}}`} {
			a := w.do("POST", "/Users", withCustom("eve@acme.test", wrong))
			if wrong != `{"cards":[{"type":"door"}]}` && (a.status != 400 || a.str("scimType") != "invalidValue") {
				t.Errorf("%s: %d %s", wrong, a.status, a.text)
			}
		}
		w.do("GET", path, "").want(200)

		team := w.do("POST", "/Groups", group("Eng")).want(201).str("id")
		w.do("PATCH", "/Groups/"+team, patch(`{"op":"add","path":"`+customGroup+`:size","value":"large"}`)).want(400)
		w.do("PATCH", "/Groups/"+team, patch(`{"op":"add","value":{"`+customGroup+`":{"size":7,"costCode":"77"}}}`)).want(204)
		if a := w.do("GET", `/Groups?filter=`+url.QueryEscape(customGroup+`:size ge 7`), "").want(200); a.body["totalResults"] != 1.0 || !strings.Contains(a.text, `{"costCode":"77","size":7}`) {
			t.Errorf("groups %s", a.text)
		}
	})
}

func TestAStrictDirectory_TakesWhatIsDeclaredAndListedAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...).inMode(directory.ModeStrict)
		listed := func(name, data string) string {
			return strings.Replace(withCustom(name, data), `"`+scim.URNUser+`"`, `"`+scim.URNUser+`","`+custom+`"`, 1)
		}
		w.do("POST", "/Users", withCustom("ann@acme.test", `{"badge":"b"}`)).want(400) // AC71
		w.do("POST", "/Users", listed("ann@acme.test", `{"nope":"b"}`)).want(400)
		w.do("POST", "/Users", listed("ann@acme.test", `{"remote":"True"}`)).want(400)
		id := w.do("POST", "/Users", listed("ann@acme.test", `{"badge":"b","remote":true,"pin":"1"}`)).want(201).str("id")
		w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"`+custom+`:badge","value":"c"}`)).want(200)
		if a := w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"`+custom+`:nope","value":"c"}`)); a.status != 400 || a.str("scimType") != scim.TypeInvalidSyntax {
			t.Errorf("%d %s", a.status, a.text)
		}
	})
}

func TestWhatIsNeverReturned_IsInNoAnswerAndInNoEvent(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		const secret = "hush-4711"
		id := w.do("POST", "/Users", withCustom("ann@acme.test", `{"pin":"`+secret+`","badge":"b","cards":[{"value":"v","secretCode":"`+secret+`"}]}`)).want(201).str("id")
		path := "/Users/" + id
		answers := []*answer{
			w.do("GET", path, ""), w.do("GET", path+"?attributes="+custom+":pin,"+custom+":cards.secretCode,"+custom, ""),
			w.do("PATCH", path, patch(`{"op":"replace","path":"`+custom+`:pin","value":"`+secret+`2"}`)),
			w.do("PATCH", path, patch(`{"op":"replace","value":{"`+custom+`:pin":"`+secret+`3"}}`)),
			w.do("PATCH", path, patch(`{"op":"replace","value":{"`+custom+`":{"PIN":"`+secret+`3"}}}`)),
			w.do("PATCH", path, patch(`{"op":"replace","path":"`+custom+`:pin","value":{"x":"`+secret+`"}}`)),
			w.do("PATCH", path, patch(`{"op":"add","path":"`+custom+`:cards","value":[{"value":"w","secretCode":"`+secret+`"}]}`)),
			w.do("PATCH", path, patch(`{"op":"replace","path":"`+custom+`:cards[secretCode eq \"`+secret+`\"].value","value":"w"}`)),
			w.do("POST", "/Bulk", bulk(`{"method":"PATCH","path":"`+path+`","data":`+patch(`{"op":"replace","path":"`+custom+`:pin","value":"`+secret+`4"}`)+`}`)),
			w.do("GET", "/Users?filter="+url.QueryEscape(custom+`:pin eq "`+secret+`4"`), ""),
			w.do("GET", "/Users?sortBy="+custom+":pin", ""),
			w.do("POST", "/Users/.search", `{"schemas":["`+scim.URNSearchRequest+`"],"filter":"`+custom+`:pin eq \"`+secret+`\""}`),
			w.do("PUT", path, withCustom("ann@acme.test", `{"pin":"`+secret+`5"}`)),
			w.do("PUT", path, withCustom("ann@acme.test", `{"pin":["`+secret+`5","x"]}`)),
			w.do("POST", "/Users", `{"pin":"`+secret+`", broken`),
		}
		for i, a := range answers {
			if strings.Contains(a.text, secret) {
				t.Errorf("answer %d: %s", i, a.text)
			}
		}
		if answers[9].status != 403 || answers[10].status != 400 || answers[12].status != 200 {
			t.Errorf("filter %d, order %d, PUT %d", answers[9].status, answers[10].status, answers[12].status)
		}
		events := w.events()
		for _, e := range events {
			if text := fmt.Sprintf("%+v %s", e, e.Payload); strings.Contains(text, secret) {
				t.Errorf("event %s: %s", e.Type, text)
			}
		}
		// It is there all the same, and stays unseen when nobody knows any more that it was secret.
		document := func() string {
			var u *store.SCIMUser
			if err := w.db.Read(context.Background(), w.id, func(tx *store.Tx) (err error) {
				u, err = tx.SCIMUser(w.directory, id)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return u.Document
		}
		if doc := document(); !strings.Contains(doc, secret+"5") {
			t.Errorf("stored %s", doc)
		}
		w.do("PUT", path, withCustom("ann@acme.test", `{"badge":"c"}`)).want(200)
		if doc := document(); !strings.Contains(doc, secret+"5") {
			t.Errorf("after a PUT that could not know it: %s", doc)
		}
		for _, a := range []*answer{w.declare().do("GET", path, ""), w.declare(directory.Schema{URN: custom, Resource: "User", Attributes: []directory.SchemaAttribute{{Name: "pin", Type: "string"}}}).do("GET", path, "")} {
			if a.want(200); strings.Contains(a.text, secret) {
				t.Errorf("declared otherwise: %s", a.text)
			}
		}
	})
}

// B23.
func TestAReadOnlyAttributeOfAnExtension_CannotBeWritten(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		made := w.do("POST", "/Users", withCustom("ann@acme.test", `{"rank":"chief","badge":"b"}`)).want(201)
		path := "/Users/" + made.str("id")
		w.do("PUT", path, withCustom("ann@acme.test", `{"rank":"chief","badge":"b"}`)).want(200)
		for _, op := range []string{`{"op":"add","path":"` + custom + `:rank","value":"chief"}`, `{"op":"replace","value":{"` + custom + `:rank":"chief"}}`, `{"op":"replace","value":{"` + custom + `":{"rank":"chief"}}}`} {
			if a := w.do("PATCH", path, patch(op)); a.status != 400 || a.str("scimType") != scim.TypeMutability {
				t.Errorf("%s: %d %s", op, a.status, a.text)
			}
		}
		if a := w.do("GET", path, ""); strings.Contains(a.text, "chief") {
			t.Errorf("%s", a.text)
		}
	})
}

func TestWhatWasStoredBeforeTheDeclaration_CountsWhereItFitsAndIsNotLost(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		path := "/Users/" + w.do("POST", "/Users", withCustom("ann@acme.test", `{"LEVEL":"high","remote":"true","Badge":"b","other":"o"}`)).want(201).str("id")
		w.declare(declared()...)
		a := w.do("GET", path, "").want(200)
		if !strings.Contains(a.text, `"`+custom+`":{"badge":"b","remote":true}`) {
			t.Errorf("declared: %s", a.text)
		}
		if got := w.found(custom + `:level pr`); got != 0.0 {
			t.Errorf("%v have a level", got)
		}
		w.do("PATCH", path, patch(`{"op":"add","path":"title","value":"x"}`)).want(200)
		w.do("PUT", path, a.text).want(200)
		a = w.declare().do("GET", path, "").want(200)
		if a.str(custom, "LEVEL")+a.str(custom, "level") != "high" || a.str(custom, "other") != "o" {
			t.Errorf("declared no more: %s", a.text)
		}
		w.declare(declared()...).do("PATCH", path, patch(`{"op":"add","path":"`+custom+`:level","value":3}`)).want(200)
		if a = w.declare().do("GET", path, "").want(200); strings.Contains(a.text, "high") {
			t.Errorf("a value that was overwritten is back: %s", a.text)
		}
	})
}

func TestALeaver_GoesThoughTheirPUTChangesWhatCannotChange(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		path := "/Users/" + w.do("POST", "/Users", withCustom("ann@acme.test", `{"key":"a"}`)).want(201).str("id")
		moved := withCustom("ann@acme.test", `{"key":"b"}`)
		if a := w.do("PUT", path, moved); a.status != 400 || a.str("scimType") != scim.TypeMutability {
			t.Errorf("%d %s", a.status, a.text)
		}
		a := w.do("PUT", path, strings.TrimSuffix(strings.Replace(moved, `"active":true`, `"active":false`, 1), "}")+`}`)
		if a.want(200); a.body["active"] != false || a.str(custom, "key") != "a" || w.member("ann@acme.test").Sources == 0 {
			t.Errorf("%s", a.text)
		}
	})
}

func TestEntra_ProvisionsADeclaredExtension(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.Entra, idpsim.EntraFlag} {
		t.Run(string(kind), func(t *testing.T) {
			each(t, func(t *testing.T, h *house) {
				customOfEntra(h.workspace("acme", "default", nil).declare(declared()...), kind)
			})
		})
	}
}

func TestServer_PassesTheConformanceCasesWithDeclaredExtensions(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil).declare(declared()...)
		s := httptest.NewServer(h.server)
		t.Cleanup(s.Close)
		scimtest.Test(t, scimtest.Probe{BaseURL: s.URL + "/scim/v2", Token: w.token, Domain: "acme.test"})
	})
}

package scimserver_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// custom is a schema that only the customer knows.
const custom = "urn:ietf:params:scim:schemas:extension:Acme:2.0:User"

// withCustom is user with data under custom, which "schemas" does not list: Entra's way.
func withCustom(name, data string) string {
	return strings.TrimSuffix(user(name), "}") + `,"` + custom + `":` + data + `}`
}

func TestLeaver_GoesWithACustomAttributeInTheSamePatch(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		a := w.do("PATCH", "/Users/"+id, patch(`{"op":"Replace","path":"active","value":"False"},{"op":"Add","path":"`+custom+`:badge","value":"7"}`)).want(200)
		if a.body["active"] != false || a.str(custom, "badge") != "7" {
			t.Errorf("the answer: %s", a.text)
		}
		if m := w.member("ann@acme.test"); m.Sources == 0 {
			t.Errorf("the leaver is in: %+v", m)
		}
		if read := w.do("GET", "/Users/"+id, "").want(200); read.text != a.text {
			t.Errorf("read  %s\nanswer %s", read.text, a.text)
		}

		bob := w.do("POST", "/Users", user("bob@acme.test")).want(201).str("id")
		w.do("PATCH", "/Users/"+bob, patch(`{"op":"replace","value":{"active":false,"`+custom+`:badge":"8"}}`)).want(200)
		if m := w.member("bob@acme.test"); m.Sources == 0 || w.do("GET", "/Users/"+bob, "").str(custom, "badge") != "8" {
			t.Errorf("with the flag, the leaver is in: %+v", m)
		}
	})
}

func TestCustomExtension_IsStoredListedFoundAndUnchangedByPut(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		made := w.do("POST", "/Users", withCustom("ann@acme.test", `{"badge":"b","level":3,"remote":true,"nested":{"x":1}}`)).want(201)
		path := "/Users/" + made.str("id")
		read := w.do("GET", path, "").want(200)
		if want := `"` + custom + `":{"badge":"b","level":3,"remote":true}`; read.text != made.text || !strings.Contains(read.text, want) || !strings.Contains(read.text, `"`+custom+`"]`) {
			t.Fatalf("made %s\nread %s", made.text, read.text)
		}
		before := len(w.events())
		if put := w.do("PUT", path, read.text).want(200); put.text != read.text {
			t.Errorf("PUT of what was read: %s", put.text)
		}
		// Unchanged data is no change of the person, and so no later time of modification.
		if same := w.do("PATCH", path, patch(`{"op":"Replace","path":"`+strings.ToUpper(custom)+`:BADGE","value":"b"}`)).want(200); same.text != read.text {
			t.Errorf("PATCH with the same value: %s", same.text)
		}
		for _, e := range w.events()[before:] {
			if len(e.Changes) > 0 {
				t.Errorf("an event of what did not change: %+v", e)
			}
		}
		for filter, want := range map[string]float64{custom + `:badge eq "B"`: 1, custom + `:badge eq "c"`: 0, custom + `:level pr`: 1, custom + `:nope pr`: 0} {
			if a := w.do("GET", "/Users?filter="+filter, "").want(200); a.body["totalResults"] != want {
				t.Errorf("%s: %v", filter, a.body["totalResults"])
			}
		}
		w.do("PUT", path, user("ann@acme.test")).want(200)
		if a := w.do("GET", path, "").want(200); strings.Contains(a.text, custom) {
			t.Errorf("after a PUT without the extension: %s", a.text)
		}
	})
}

func TestGroup_KeepsACustomExtension(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		const urn = "urn:ietf:params:scim:schemas:extension:Acme:2.0:Group"
		id := w.do("POST", "/Groups", group("Eng")).want(201).str("id")
		w.do("PATCH", "/Groups/"+id, patch(`{"op":"add","path":"`+urn+`:costCode","value":"77"}`)).want(204)
		if a := w.do("GET", "/Groups/"+id, "").want(200); a.str(urn, "costCode") != "77" {
			t.Errorf("read %s", a.text)
		}
	})
}

func TestEntra_ProvisionsItsCustomExtension(t *testing.T) {
	for _, kind := range []idpsim.Kind{idpsim.Entra, idpsim.EntraFlag} {
		t.Run(string(kind), func(t *testing.T) {
			each(t, func(t *testing.T, h *house) { customOfEntra(h.workspace("acme", "default", nil), kind) })
		})
	}
}

// customOfEntra plays create, change, disable, and restore together with a change.
func customOfEntra(w *tenant, kind idpsim.Kind) {
	t, ctx := w.t, w.t.Context()
	door := httptest.NewServer(w.server)
	defer door.Close()
	sim := idpsim.New(idpsim.Options{})
	defer sim.Close()
	p := sim.IdP(kind)
	sync := func(did string, err error) {
		t.Helper()
		if err == nil {
			_, err = p.Sync(ctx)
		}
		if err != nil {
			t.Fatalf("%s: %v", did, err)
		}
	}
	wantBadge := func(badge, costCode string, active bool) {
		t.Helper()
		list := w.do("GET", `/Users?filter=userName eq "gus@acme.test"`, "").want(200).body["Resources"].([]any)
		if len(list) != 1 {
			t.Fatalf("%d people", len(list))
		}
		r := list[0].(map[string]any)
		data, _ := r[custom].(map[string]any)
		if data["badge"] != badge || data["costCode"] != costCode || r["active"] != active || (w.member("gus@acme.test").Sources == 0) != active {
			t.Errorf("stored %v, want badge %s, costCode %s, active %v", r, badge, costCode, active)
		}
	}
	if err := p.Connect(ctx, idpsim.Connection{BaseURL: door.URL + "/scim/v2", Token: w.token, Attempts: 1, Extension: custom}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AddPerson(ctx, idpsim.Person{ID: "g1", UserName: "gus@acme.test", Custom: map[string]string{"badge": "b", "costCode": "77"}}); err != nil {
		t.Fatal(err)
	}
	sync("create", p.Assign(ctx, "g1"))
	wantBadge("b", "77", true)
	sync("change", p.Change(ctx, "g1", idpsim.Attributes{Custom: map[string]string{"costCode": "78"}}))
	wantBadge("b", "78", true)
	sync("disable", p.Deactivate(ctx, "g1"))
	wantBadge("b", "78", false)
	// Attributes of somebody who is out are not followed: the restore sends both at once.
	if err := p.Change(ctx, "g1", idpsim.Attributes{Custom: map[string]string{"badge": "c"}}); err != nil {
		t.Fatal(err)
	}
	sync("restore with a change", p.Reactivate(ctx, "g1"))
	wantBadge("c", "78", true)
}

package scimserver_test

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// inMode sets the directory's mode.
func (w *tenant) inMode(mode directory.Mode) *tenant {
	w.t.Helper()
	if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
		tx.SaveDirectory(directory.Directory{ID: w.directory, Name: "okta", Status: directory.DirectoryEnabled, Mode: mode}, false)
		return tx.Record(audit.Event{Type: audit.DirectoryChanged})
	}); err != nil {
		w.t.Fatal(err)
	}
	return w
}

func TestAStrictDirectory_StandsBesideALenientOne(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		strict := h.workspace("exact", "default", nil).inMode(directory.ModeStrict)
		lenient := h.workspace("acme", "default", nil)
		for _, w := range []*tenant{strict, lenient} {
			isStrict := w == strict
			if got, told := w.do("GET", "/ServiceProviderConfig", "").want(200).body["interopProfileConformant"]; told != isStrict || told && got != true {
				t.Errorf("strict %v: interopProfileConformant is %v", isStrict, got)
			}
			id := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
			team := w.do("POST", "/Groups", group("Team")).want(201).str("id")
			w.do("PATCH", "/Groups/"+team, patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)).want(204)

			pathless := w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","value":{"active":false}}`))
			active := w.do("GET", "/Users/"+id, "").want(200).body["active"]
			if isStrict && (pathless.status != 400 || pathless.str("scimType") != scim.TypeInvalidSyntax || active != true) {
				t.Errorf("strict: %d %s, active %v", pathless.status, pathless.text, active)
			}
			if !isStrict && (pathless.status != 200 || active != false) {
				t.Errorf("lenient: %d %s, active %v", pathless.status, pathless.text, active)
			}

			w.do("PUT", "/Groups/"+team, group("Team")).want(200)
			members, _ := w.do("GET", "/Groups/"+team, "").want(200).body["members"].([]any)
			if want := map[bool]int{true: 0, false: 1}[isStrict]; len(members) != want {
				t.Errorf("strict %v: a PUT without members leaves %d", isStrict, len(members))
			}

			w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"name","value":{"givenName":"B"}}`)).want(200)
			if family := w.do("GET", "/Users/"+id, "").want(200).str("name", "familyName"); (family == "") != isStrict {
				t.Errorf("strict %v: the family name is %q", isStrict, family)
			}
			w.do("PATCH", "/Users/"+id, patch(`{"op":"replace","path":"active","value":false}`)).want(200)

			status := map[bool]int{true: 400, false: 200}[isStrict]
			w.do("GET", `/Users?filter=userName eq ann@acme.test`, "").want(status)
			bulk := w.do("POST", "/Bulk", `{"schemas":["`+scim.URNBulkRequest+`"],"Operations":[{"method":"PATCH","path":"/Users/`+id+`","data":`+
				patch(`{"op":"replace","path":"title","value":["x"]}`)+`}]}`).want(200)
			op := bulk.body["Operations"].([]any)[0].(map[string]any)
			if (op["status"] == "400") != isStrict {
				t.Errorf("strict %v: in bulk %v", isStrict, op)
			}
		}
	})
}

func TestAStrictDirectory_IsLenientAgainFromTheNextRequestOn(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).inMode(directory.ModeStrict)
		loose := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bob@acme.test","active":"True","emails":[{"value":"bob@acme.test"}]}`
		w.do("POST", "/Users", loose).want(400)
		w.inMode(directory.ModeLenient).do("POST", "/Users", loose).want(201)
	})
}

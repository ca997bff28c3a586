package scimserver_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
)

func bulk(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[` + strings.Join(operations, ",") + `]}`
}

// results are the status and the id at the end of the location of each operation.
func (a *answer) results() (statuses []string, ids []string) {
	a.t.Helper()
	list, _ := a.body["Operations"].([]any)
	for _, o := range list {
		r := o.(map[string]any)
		at, _ := r["location"].(string)
		statuses, ids = append(statuses, fmt.Sprint(r["status"])), append(ids, at[strings.LastIndex(at, "/")+1:])
	}
	return statuses, ids
}

func wantStatuses(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("the operations answered %v, want %v", got, want)
	}
}

// RFC 7644 section 3.7.
func TestBulk_DoesWhatItsRequestsWouldAndLeavesTheirTraces(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		// The group comes before the person who is in it.
		a := w.do("POST", "/Bulk", bulk(
			`{"method":"POST","path":"/Groups","bulkId":"g","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Omniflow-Agents","members":[{"value":"bulkId:ann"}]}}`,
			`{"method":"POST","path":"/Users","bulkId":"ann","data":`+user("ann@acme.test")+`}`,
			`{"method":"POST","path":"/Users","bulkId":"again","data":`+user("ann@acme.test")+`}`,
			`{"method":"DELETE","path":"/Users/unknown"}`)).want(200)
		statuses, ids := a.results()
		wantStatuses(t, statuses, "201", "201", "409", "404")
		if role := w.role("ann@acme.test"); role != "Agent" {
			t.Errorf("the role is %q", role)
		}
		a = w.do("POST", "/Bulk", bulk(`{"method":"patch","path":"/Users/`+ids[1]+`","data":`+patch(`{"op":"replace","path":"active","value":false}`)+`}`)).want(200)
		if statuses, _ = a.results(); len(statuses) != 1 || statuses[0] != "200" && statuses[0] != "204" {
			t.Errorf("the deactivation answered %v: %s", statuses, a.text)
		}
		if s := w.member("ann@acme.test").Status(); s != directory.StatusDeactivated {
			t.Errorf("the member is %s", s)
		}
		var got []string
		for _, e := range w.events() {
			if strings.HasPrefix(string(e.Type), "scim.") {
				got = append(got, string(e.Type)+" "+e.Reason)
				if !strings.Contains(string(e.Payload), `"path":"/scim/v2/`) || strings.Contains(string(e.Payload), "/Bulk") {
					t.Errorf("the payload of %s is not that of its own operation: %s", e.Type, e.Payload)
				}
			}
		}
		all := strings.Join(got, "\n")
		for _, want := range []string{"scim.user.created scim_create", "scim.group.created", "scim.request.refused user_name_taken", "scim.request.refused resource_unknown", "scim.user.deactivated"} {
			if strings.Count(all, want) != 1 {
				t.Errorf("%d events %s, want 1:\n%s", strings.Count(all, want), want, all)
			}
		}
	})
}

// Law 1.
func TestBulk_TouchesNoNeighbour(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		a, b := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		id := a.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		gid := b.do("POST", "/Groups", group("Eng")).want(201).str("id")
		said := b.do("POST", "/Bulk", bulk(
			`{"method":"PATCH","path":"/Users/`+id+`","data":`+patch(`{"op":"replace","path":"active","value":false}`)+`}`,
			`{"method":"DELETE","path":"/Users/`+id+`"}`,
			`{"method":"PATCH","path":"/Groups/`+gid+`","data":`+patch(`{"op":"add","path":"members","value":[{"value":"`+id+`"}]}`)+`}`)).want(200)
		statuses, _ := said.results()
		wantStatuses(t, statuses, "404", "404", "400")
		if active := a.do("GET", "/Users/"+id, "").want(200).body["active"]; active != true {
			t.Errorf("the neighbour's person is active=%v", active)
		}
	})
}

func TestBulk_IsServedWholeAndPaidForAfterwards(t *testing.T) {
	limited(t, func(t *testing.T, h *house, _ *atomic.Int64, pass func(time.Duration)) {
		w := h.workspace("acme", "default", nil)
		const burst = 2 * scimserver.MinRate
		operations := make([]string, 3*burst)
		for i := range operations {
			operations[i] = `{"method":"DELETE","path":"/Groups/` + fmt.Sprint(i) + `"}`
		}
		statuses, _ := w.do("POST", "/Bulk", bulk(operations...)).want(200).results()
		if len(statuses) != len(operations) {
			t.Fatalf("%d operations answered, want %d", len(statuses), len(operations))
		}
		for _, s := range statuses {
			if s != "404" {
				t.Fatalf("an operation answered %s: %v", s, statuses)
			}
		}
		w.do("GET", "/Users?count=0", "").want(429)
		pass(2 * time.Second) // the debt of a full bucket is paid, and no more
		w.do("GET", "/Users?count=0", "").want(429)
		pass(time.Second)
		w.do("GET", "/Users?count=0", "").want(200)
	})
}

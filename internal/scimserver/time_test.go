package scimserver_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
)

// hurried is a server whose requests have no time at all.
func (h *house) hurried() *scimserver.Server {
	return scimserver.New(scimserver.Options{DB: h.db, Provision: &provision.Service{DB: h.db}, Origin: origin, Log: slog.New(slog.DiscardHandler), Time: time.Nanosecond})
}

func TestARequestWithoutTimeLeft_IsTriedAgainAndHasChangedNothing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		ann := w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		patient := w.server
		for _, r := range []struct{ method, path, body string }{
			{"GET", "/Users", ""},
			{"GET", "/Users?filter=title%20co%20%22x%22", ""},
			{"POST", "/Users", user("ben@acme.test")},
			{"PATCH", "/Users/" + ann, patch(`{"op":"replace","path":"active","value":false}`)},
			{"DELETE", "/Users/" + ann, ""},
			{"POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[{"method":"DELETE","path":"/Users/` + ann + `"}]}`},
		} {
			w.server = h.hurried()
			a := w.do(r.method, r.path, r.body)
			if a.status != 503 || !strings.Contains(a.str("detail"), "try again") {
				t.Errorf("%s %s: %d %v", r.method, r.path, a.status, a.body)
			}
		}
		w.server = patient
		if all := w.do("GET", "/Users", "").want(200); all.body["totalResults"] != 1.0 {
			t.Errorf("%v", all.body)
		}
		if a := w.do("GET", "/Users/"+ann, "").want(200); a.body["active"] != true {
			t.Errorf("%v", a.body)
		}
	})
}

package scimserver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestServiceProviderConfig_SpeaksOfEventsWhereAnApplicationIsToldOfThem(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w, other := h.workspace("acme", "default", nil), h.workspace("globex", "default", nil)
		told := func(w *tenant) any {
			return w.do("GET", "/ServiceProviderConfig", "").want(200).body["securityEvents"]
		}
		if got := told(w); got != nil {
			t.Errorf("nobody is told, and it says %v", got)
		}
		app := directory.Application{ID: "app_x" + w.id, Name: "App", RedirectURIs: []string{"https://app.test/"}, SCIMEventsURI: "https://app.test/events"}
		save := func(fn func(tx *store.Tx)) {
			t.Helper()
			if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
				fn(tx)
				return tx.Record(audit.Event{Type: audit.ApplicationChanged})
			}); err != nil {
				t.Fatal(err)
			}
		}
		save(func(tx *store.Tx) { tx.InsertApplication(app, "") })
		got, _ := told(w).(map[string]any)
		if got["asyncRequest"] != "none" || fmt.Sprint(got["eventUris"]) != fmt.Sprint(provision.SCIMEvents()) {
			t.Errorf("it says %v", got)
		}
		if got := told(other); got != nil {
			t.Errorf("the neighbour says %v", got)
		}
		app.SCIMEventsURI = ""
		save(func(tx *store.Tx) { tx.UpdateApplication(app) })
		if got := told(w); got != nil {
			t.Errorf("switched off, it says %v", got)
		}
	})
}

func TestEvents_SayWhetherAWholeResourceWasSent(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil).declare(declared()...)
		if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
			tx.InsertApplication(directory.Application{ID: "app_x" + w.id, Name: "App", RedirectURIs: []string{"https://app.test/"}, SCIMEventsURI: "https://app.test/events"}, "")
			return tx.Record(audit.Event{Type: audit.ApplicationCreated})
		}); err != nil {
			t.Fatal(err)
		}
		path := "/Users/" + w.do("POST", "/Users", user("ann@acme.test")).want(201).str("id")
		w.do("PATCH", path, patch(`{"op":"add","path":"`+custom+`:pin","value":"1"}`)).want(200)
		w.do("PUT", path, withCustom("ann@acme.test", `{"badge":"b"}`)).want(200)
		var got []string
		for {
			list, err := w.db.System().ClaimJobs(context.Background(), "test", 1e12, 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(list) == 0 {
				break
			}
			for _, j := range list {
				if j.Kind == provision.JobSCIMEvent {
					got = append(got, j.Body)
				}
				if err := w.db.System().FinishJob(context.Background(), j, "test"); err != nil {
					t.Fatal(err)
				}
			}
		}
		for i, want := range []string{provision.EventCreated, provision.EventPatched + ` ["` + custom + `:pin"]`, provision.EventPut + ` ["` + custom + `:badge"]`} {
			if i >= len(got) || !says(got[i], want) {
				t.Errorf("event %d of %q, want %s", i, got, want)
			}
		}
	})
}

// says reports whether a job's body has the event and, if given, the attributes.
func says(body, want string) bool {
	var event, attributes string
	if n, _ := fmt.Sscan(want, &event, &attributes); n == 0 {
		return false
	}
	return strings.Contains(body, `"event":"`+event+`"`) && (attributes == "" || strings.Contains(body, `"attributes":`+attributes))
}

package provision_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// listen gives the workspace an application that is told of changes.
func (h *house) listen(id string) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		tx.InsertApplication(directory.Application{ID: id + " of " + h.ws, Name: id, RedirectURIs: []string{"https://app.test/"}, SCIMEventsURI: "https://app.test/events"}, "")
		return tx.Record(audit.Event{Type: audit.ApplicationCreated})
	})
}

// hears returns the events that wait, those of each resource in their order, and takes them away.
func (h *house) hears() []provision.SCIMEvent {
	h.t.Helper()
	var out []provision.SCIMEvent
	for {
		list, err := h.db.System().ClaimJobs(bg, "test", time.Hour, 1000)
		h.ok(err)
		if len(list) == 0 {
			return out
		}
		for _, j := range list {
			if j.Kind == provision.JobSCIMEvent && j.Workspace == h.ws {
				var e provision.SCIMEvent
				h.ok(json.Unmarshal([]byte(j.Body), &e))
				out = append(out, e)
			}
			h.ok(h.db.System().FinishJob(bg, j, "test"))
		}
	}
}

// wantEvents compares the events of one resource with "event attribute attribute".
func (h *house) wantEvents(path string, want ...string) {
	h.t.Helper()
	var got []string
	txns := map[string]bool{}
	for _, e := range h.hears() {
		if e.Path == path {
			got = append(got, strings.TrimSpace(strings.TrimPrefix(e.Event, "urn:ietf:params:scim:event:prov:")+" "+strings.Join(e.Attributes, " ")))
			txns[e.Txn] = true
		}
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		h.t.Errorf("%s: told %q, want %q", path, got, want)
	}
	if len(txns) > 1 {
		h.t.Errorf("%s: one change, %d transactions", path, len(txns))
	}
}

func TestChangesOfAPerson_AreToldToWhoListens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		both(t, db, func(t *testing.T, h *house) {
			h.listen("app_one")
			u := h.post(person("ann"))
			at := "/Users/" + u.ID
			h.wantEvents(at, "create:notice displayName id userName active externalId")
			h.put(u.ID)
			h.wantEvents(at) // nothing has changed
			h.put(u.ID, func(p *provision.Person) { p.UserName, p.Document = "ann.lee@acme.test", `{"title":"x"}` })
			h.wantEvents(at, "patch:notice displayName title userName")
			h.setActive(u.ID, false)
			h.wantEvents(at, "patch:notice active", "deactivate")
			h.setActive(u.ID, true)
			h.wantEvents(at, "patch:notice active", "activate")

			// Whoever puts somebody out or lets them in, the receiver hears of it.
			now, err := h.svc.GetUser(bg, h.okta, u.ID, false)
			h.ok(err)
			h.deactivate(now.Member)
			h.wantEvents(at, "deactivate")
			h.setActive(u.ID, false) // they are out already
			h.wantEvents(at, "patch:notice active")
			h.setActive(u.ID, true)
			h.wantEvents(at, "patch:notice active")
			h.restore(now.Member)
			h.wantEvents(at, "activate")
			h.delete(u.ID)
			h.wantEvents(at, "delete")

			h.unchanged(errs.KindNotFound, "resource_unknown", func() error { return h.svc.DeleteUser(bg, h.okta, u.ID) })
			if more := h.hears(); len(more) > 0 {
				t.Errorf("a refused request was told: %+v", more)
			}
		})
	})
}

func TestGroupLossAndReturn_AreToldOfThePeopleToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.listen("app_one")
		u := h.post(person("ann"))
		g := h.group("Agents", u.ID)
		h.wantEvents("/Groups/"+g, "create:notice id displayName members")
		h.members(g, remove(u.ID))
		got := map[string]string{}
		for _, e := range h.hears() {
			got[e.Path] += e.Event[len("urn:ietf:params:scim:event:prov:"):] + fmt.Sprint(e.Attributes)
		}
		if got["/Users/"+u.ID] != "deactivate[]" || got["/Groups/"+g] != "patch:notice[members]" || len(got) != 2 {
			t.Errorf("told %v", got)
		}
		h.members(g, add(u.ID))
		h.wantEvents("/Users/"+u.ID, "activate")
		h.rename(g, "Supervisors")
		h.wantEvents("/Groups/"+g, "patch:notice displayName")
		h.members(g, add(u.ID))
		h.wantEvents("/Groups/" + g)
		h.ok(h.svc.DeleteGroup(bg, h.okta, g))
		h.wantEvents("/Groups/"+g, "delete")
	})
}

func TestEveryListener_IsToldByAnIdOfItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		other := build(t, db, omniflow(directory.ReactivationRestore))
		h.listen("app_one")
		h.listen("app_two")
		other.listen("app_three")
		h.post(person("ann"))
		list := h.hears()
		if len(list) != 2 || list[0].JTI == list[1].JTI || list[0].Txn != list[1].Txn || list[0].Application == list[1].Application {
			t.Errorf("told %+v", list)
		}
	})
}

// A thousand members who go out at once cost a bounded number of round trips, with a listener as without.
func TestWhatIsTold_CostsNoRoundTripForEachPerson(t *testing.T) {
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		costs := map[bool]int64{}
		for _, listens := range []bool{false, true} {
			h := build(t, db, omniflow(directory.ReactivationRestore))
			if listens {
				h.listen("app_one")
			}
			var ids []string
			for i := range 60 {
				ids = append(ids, h.post(person(fmt.Sprintf("p%d%t", i, listens))).ID)
			}
			g := h.group("Agents", ids...)
			costs[listens], _ = c.during(func() { h.members(g, replace()) })
			if n := len(h.hears()); listens && n != 60+60+2 {
				t.Errorf("%d events", n)
			}
		}
		if costs[true] > costs[false]+3 {
			t.Errorf("%d round trips with a listener, %d without", costs[true], costs[false])
		}
	})
}

package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// testEventPages reads the log backwards as its reader's page does.
func testEventPages(t *testing.T, open func(t testing.TB) store.Driver) {
	db := Open(t, open(t), nil)
	h := furnish(t, db, "a")
	ctx := t.Context()
	write := func(events ...audit.Event) {
		must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error {
			for _, e := range events {
				if err := tx.Record(e); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	old := audit.Event{ID: "evt_old", Type: audit.SignInRefused, Outcome: audit.Refused, Subject: audit.Party{Kind: "stranger", Name: "Zoë@X.test"}, Payload: []byte(`{"a":1}`)}
	write(old)
	for range 5 {
		many := make([]audit.Event, 2100)
		for i := range many {
			many[i] = audit.Event{Type: audit.SettingsChanged, Subject: audit.Party{Kind: "member", ID: fmt.Sprint("m", i%7)}}
		}
		write(many...)
	}
	_, err := db.Sequence(ctx)
	must(t, err)
	page := func(q store.EventQuery) (list []audit.Event, older int64) {
		t.Helper()
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) {
			list, older, err = tx.EventPage(q)
			return err
		})
		return list, older
	}
	total := 3 + 5*2100

	// Page after page there are all, once each, newest first.
	q, seen := store.EventQuery{Limit: 1000}, 0
	for {
		list, older := page(q)
		for _, e := range list {
			if seen++; e.Seq != int64(total-seen+1) || e.Payload != nil {
				t.Fatalf("event %d from the end has the number %d and %d bytes of payload", seen, e.Seq, len(e.Payload))
			}
		}
		if older == 0 {
			break
		}
		q.Before = older
	}
	same(t, "events on all pages", seen, total)

	// What stands beyond the window is found by going on, and the empty page says so.
	q = store.EventQuery{Outcome: audit.Refused, Type: audit.SignInRefused, Name: "zoë@x.test", Limit: 10}
	list, older := page(q)
	if len(list) != 0 || older == 0 {
		t.Errorf("the newest window has %d refusals, older %d", len(list), older)
	}
	q.Before = older
	list, older = page(q)
	if len(list) != 1 || list[0].ID != "evt_old" || older != 0 {
		t.Errorf("the older window has %+v, older %d", list, older)
	}

	// Of a person, events of all ids together, however far back.
	list, older = page(store.EventQuery{Subjects: []string{"m1", "m2"}, Limit: 599})
	if len(list) != 599 || older != list[598].Seq || !slices.IsSortedFunc(list, func(a, b audit.Event) int { return int(b.Seq - a.Seq) }) {
		t.Errorf("%d events of two ids, older %d", len(list), older)
	}
	list, older = page(store.EventQuery{Subjects: []string{h.Member}, Limit: 10})
	if len(list) != 1 || list[0].ID != h.Event || older != 0 {
		t.Errorf("the events of a member: %+v, older %d", list, older)
	}

	read(t, db, h.Workspace, func(tx *store.Tx) error {
		if _, err := tx.Event("evt_none"); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("an unknown event: %v", err)
		}
		e, err := tx.Event("evt_old")
		if string(e.Payload) != `{"a":1}` || e.Subject != old.Subject {
			t.Errorf("the event: %+v", e)
		}
		return err
	})
}

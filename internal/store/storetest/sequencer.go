package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// record commits n events in one transaction; their reasons are tag and a running number.
func record(db *store.DB, workspace, tag string, n int) error {
	return db.Write(context.Background(), workspace, func(tx *store.Tx) error {
		for i := range n {
			if err := tx.Record(audit.Event{Type: audit.SettingsChanged, Reason: fmt.Sprintf("%s %d", tag, i)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// log reads a workspace's events by their number, page by page.
func log(t testing.TB, db *store.DB, workspace string) []audit.Event {
	t.Helper()
	var all []audit.Event
	after := int64(0)
	for {
		var page []audit.Event
		read(t, db, workspace, func(tx *store.Tx) (err error) {
			page, err = tx.EventsAfter(after, 700)
			return err
		})
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
		after = page[len(page)-1].Seq
	}
}

// wantWhole checks that numbers run from 1 without a gap and that each transaction's events
// stand in the order of their recording.
func wantWhole(t testing.TB, events []audit.Event, want int) {
	t.Helper()
	if len(events) != want {
		t.Errorf("%d events, want %d", len(events), want)
	}
	seen := map[string]int{}
	ids := map[string]bool{}
	for i, e := range events {
		if e.Seq != int64(i+1) {
			t.Fatalf("event %d has the number %d", i+1, e.Seq)
		}
		var tag string
		var n int
		if _, err := fmt.Sscanf(e.Reason, "%s %d", &tag, &n); err != nil {
			continue
		}
		if seen[tag] != n {
			t.Fatalf("%s: event %d came when %d was due", tag, n, seen[tag])
		}
		seen[tag]++
		if ids[e.ID] {
			t.Fatalf("%s came twice", e.ID)
		}
		ids[e.ID] = true
	}
}

func testSequencer(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("numbers run without a gap, per workspace, in the order of recording", func(t *testing.T) {
		t.Parallel()
		db := fresh(t, open)
		a, b := named("a"), named("b")
		for _, h := range []house{a, b} {
			must(t, db.Write(ctx, h.Workspace, h.config))
		}
		const each = 60
		done := make(chan []error, 1)
		go func() {
			done <- atOnce(10, func(i int) error {
				for range 2 {
					if _, err := db.Sequence(ctx); err != nil {
						return err
					}
				}
				return record(db, []string{a.Workspace, b.Workspace}[i%2], fmt.Sprint("tx", i), each)
			})
		}()
		for _, err := range <-done {
			must(t, err)
		}
		must(t, record(db, b.Workspace, "large", 2300)) // more than one batch
		for _, err := range atOnce(30, func(int) error { _, err := db.Sequence(ctx); return err }) {
			must(t, err)
		}
		wantWhole(t, log(t, db, a.Workspace), 1+5*each)
		wantWhole(t, log(t, db, b.Workspace), 1+5*each+2300)
		n, err := db.Sequence(ctx)
		if n != 0 || err != nil {
			t.Errorf("numbered again: %d, %v", n, err)
		}
	})
	t.Run("a commit that comes late gets a number behind what was read already", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		db := Open(t, d, nil)
		h := named("a")
		must(t, db.Write(ctx, h.Workspace, h.config))
		begun, goOn, late := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		if d.Name() == "sqlite" {
			close(goOn) // one writer: nobody can commit while another transaction is open
		}
		go func() {
			late <- db.Write(ctx, h.Workspace, func(tx *store.Tx) error {
				if err := tx.Record(audit.Event{Type: audit.SettingsChanged, Reason: "late 0"}); err != nil {
					return err
				}
				if _, err := tx.LastSeq(); err != nil { // the event is sent now
					return err
				}
				close(begun)
				<-goOn
				return nil
			})
		}()
		<-begun
		must(t, record(db, h.Workspace, "early", 3))
		_, err := db.Sequence(ctx)
		must(t, err)
		cursor := log(t, db, h.Workspace)
		if d.Name() != "sqlite" {
			close(goOn)
		}
		must(t, <-late)
		_, err = db.Sequence(ctx)
		must(t, err)
		all := log(t, db, h.Workspace)
		wantWhole(t, all, 5)
		if !slices.EqualFunc(all[:len(cursor)], cursor, func(x, y audit.Event) bool { return x.ID == y.ID }) {
			t.Error("what a reader had passed was renumbered")
		}
		if d.Name() != "sqlite" && all[4].Reason != "late 0" {
			t.Errorf("the late event has the number of %q", all[4].Reason)
		}
	})
	t.Run("the running sequencer wakes at a commit and tells who listens", func(t *testing.T) {
		t.Parallel()
		db := fresh(t, open)
		h := named("a")
		signals, cancel := db.Subscribe()
		defer cancel()
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- db.RunSequencer(running, time.Hour) }()
		must(t, db.Write(ctx, h.Workspace, h.config))
		for {
			s := await(t, signals, "the signal of new numbers")
			if s == (store.Signal{Topic: store.TopicEvent, Key: h.Workspace}) {
				break
			}
		}
		wantWhole(t, log(t, db, h.Workspace), 1)
		stop()
		must(t, await(t, ended, "the sequencer's end"))
	})
}

func testNumberTogether(t *testing.T, open func(t testing.TB) (one, other store.Driver)) {
	ctx := context.Background()
	d1, d2 := open(t)
	dbs := []*store.DB{Open(t, d1, nil), Open(t, d2, nil)}
	h := named("a")
	must(t, dbs[0].Write(ctx, h.Workspace, h.config))
	for _, err := range atOnce(8, func(i int) error {
		db := dbs[i%2]
		for n := range 10 {
			if err := record(db, h.Workspace, fmt.Sprintf("w%d.%d", i, n), 10); err != nil {
				return err
			}
			if _, err := db.Sequence(ctx); err != nil {
				return err
			}
		}
		return nil
	}) {
		must(t, err)
	}
	wantWhole(t, log(t, dbs[1], h.Workspace), 1+8*10*10)
}

package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

var attemptProbes = map[string]probe{
	"EventID": nil, "NeverProvisioned": nil, // they bind the workspace alone
	"BeginAttempt": does(func(tx *store.Tx, h house) {
		tx.BeginAttempt(store.Attempt{ID: h.Attempt, Connection: h.Connection, Steps: []audit.Step{{Text: "taken"}}})
	}),
	"EndAttempt": does(func(tx *store.Tx, h house) {
		tx.EndAttempt(store.Attempt{ID: h.Attempt, Connection: h.Connection, Outcome: audit.OK, Member: h.Member})
	}),
	"ContinueAttempt": does(func(tx *store.Tx, h house) {
		tx.ContinueAttempt(h.Attempt, h.Connection, []audit.Step{{Text: "taken"}})
	}),
	"Attempt": func(tx *store.Tx, h house) (any, error) { return tx.Attempt(h.Attempt) },
	"Attempts": func(tx *store.Tx, h house) (any, error) {
		page, older, err := tx.Attempts(store.AttemptQuery{Connection: h.Connection, Member: h.Member, Name: h.Address, Limit: 10})
		return []any{page, older}, err
	},
	"SeeMember":  does(func(tx *store.Tx, h house) { tx.SeeMember(h.Member) }),
	"MemberSeen": func(tx *store.Tx, h house) (any, error) { return tx.MemberSeen(h.Member) },
	"NeverSignedIn": func(tx *store.Tx, h house) (any, error) {
		list, next, err := tx.NeverSignedIn("zzz"+h.Member, 10)
		return []any{list, next}, err
	},
	"InsertTestState": does(func(tx *store.Tx, h house) {
		tx.InsertTestState("own hash "+h.TestHash, store.TestState{Connection: h.Connection, Attempt: h.Attempt, Kind: store.TestTicket, ExpiresAt: tx.Now().Add(time.Hour)})
	}),
	"UseTestState": func(tx *store.Tx, h house) (any, error) {
		return nil, tx.UseTestState(h.TestHash, h.Connection, store.TestRound)
	},
}

var hotAttempts = map[string]func(tx *store.Tx, h house) error{
	"an attempt":    func(tx *store.Tx, h house) error { _, err := tx.Attempt("att_" + h.Slug + "1005"); return err },
	"a member seen": func(tx *store.Tx, h house) error { _, err := tx.MemberSeen("m5"); return err },
	"a test's answer": func(tx *store.Tx, h house) error {
		_ = tx.UseTestState(h.TestHash, h.Connection, store.TestRound)
		return nil
	},
	"attempts of a person": func(tx *store.Tx, h house) error {
		_, _, err := tx.Attempts(store.AttemptQuery{Member: "m5", Name: "p5@x.test", Limit: 20})
		return err
	},
}

var walkAttempts = map[string]func(tx *store.Tx, h house) error{
	"who never signed in":       func(tx *store.Tx, h house) error { _, _, err := tx.NeverSignedIn("m5", 20); return err },
	"who was never provisioned": func(tx *store.Tx, h house) error { _, err := tx.NeverProvisioned(20); return err },
	"a page of attempts": func(tx *store.Tx, h house) error {
		// A filter costs up to store.AttemptWindow rows, whatever their number.
		_, _, err := tx.Attempts(store.AttemptQuery{Limit: 20})
		return err
	},
	"attempts of a connection": func(tx *store.Tx, h house) error {
		_, _, err := tx.Attempts(store.AttemptQuery{Connection: h.Connection, Limit: 20})
		return err
	},
}

// testAttempts holds what the store says of attempts.
func testAttempts(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	at := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	db := Open(t, open(t), func() time.Time { return at })
	h := furnish(t, db, "a")
	furnish(t, db, "b")
	in := func(fn func(tx *store.Tx)) {
		t.Helper()
		must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error { fn(tx); return nil }))
	}
	look := func(q store.AttemptQuery) (page []store.Attempt, older string) {
		t.Helper()
		must(t, db.Read(ctx, h.Workspace, func(tx *store.Tx) (err error) { page, older, err = tx.Attempts(q); return err }))
		return page, older
	}
	skew := -90 * time.Second
	at = at.Add(time.Minute)
	id := store.NewAttemptID(at)
	in(func(tx *store.Tx) {
		tx.BeginAttempt(store.Attempt{ID: id, Connection: h.Connection, Method: directory.MethodSAML, Browser: "b", Steps: []audit.Step{{Actor: audit.ActorBrowser, Text: "asked"}}})
	})
	if page, _ := look(store.AttemptQuery{Outcome: "open", Limit: 5}); len(page) != 2 || page[1].ID != id || !page[1].Open() || !page[1].Loose || !page[1].BeganAt.Equal(at) { // the other is the house's own
		t.Fatalf("the attempt that has no end is %+v", page)
	}
	began := at
	at = at.Add(time.Minute)
	in(func(tx *store.Tx) {
		tx.EndAttempt(store.Attempt{ID: id, Connection: h.Connection, Method: directory.MethodSAML, Outcome: audit.Refused, Code: "not_provisioned", Reason: "not_provisioned",
			Name: "Eve@x.test\x00", Event: "evt_1", Skew: &skew, Steps: []audit.Step{{Text: "refused", Checks: []audit.Check{{Name: "Account", Outcome: audit.Failed}}}}})
	})
	must(t, db.Read(ctx, h.Workspace, func(tx *store.Tx) error {
		a, err := tx.Attempt(id)
		must(t, err)
		if !a.BeganAt.Equal(began) || !a.EndedAt.Equal(at) || a.Browser != "b" || len(a.Steps) != 2 || a.Steps[1].Checks[0].Name != "Account" || a.Skew == nil || *a.Skew != skew || a.Loose {
			t.Errorf("the attempt is %+v", a)
		}
		nobody, err := tx.NeverProvisioned(10)
		must(t, err)
		if len(nobody) != 1 || nobody[0].Attempt != id || nobody[0].Times != 1 {
			t.Errorf("never provisioned: %+v", nobody)
		}
		return nil
	}))
	// A success stays, whatever comes later for the same attempt.
	in(func(tx *store.Tx) {
		tx.EndAttempt(store.Attempt{ID: id, Connection: h.Connection, Outcome: audit.OK, Member: h.Member, Name: h.Address})
		tx.EndAttempt(store.Attempt{ID: id, Connection: h.Connection, Outcome: audit.Refused, Code: "replayed"})
		tx.SeeMember(h.Member)
		tx.SeeMember(h.Member)
	})
	for _, q := range []store.AttemptQuery{{Member: h.Member, Limit: 5}, {Member: h.Member, Name: h.Address, Outcome: "ok", Limit: 5}} {
		if page, _ := look(q); len(page) != 1 || page[0].ID != id || page[0].Outcome != audit.OK {
			t.Errorf("%+v gives %+v", q, page)
		}
	}
	must(t, db.Read(ctx, h.Workspace, func(tx *store.Tx) error {
		if seen, err := tx.MemberSeen(h.Member); err != nil || !seen.Equal(at) {
			t.Errorf("seen %v, %v", seen, err)
		}
		list, next, err := tx.NeverSignedIn("", 10)
		if err != nil || len(list) != 0 || next != "" {
			t.Errorf("never signed in: %+v %q %v", list, next, err)
		}
		return nil
	}))
	// Pages go on where they ended, and skip nothing.
	for i := range 7 {
		at = at.Add(time.Second)
		in(func(tx *store.Tx) {
			tx.EndAttempt(store.Attempt{ID: store.NewAttemptID(at), Connection: h.Connection, Outcome: audit.Refused, Code: fmt.Sprint("code", i%2)})
		})
	}
	total, older := 0, ""
	for range 10 {
		page, next := look(store.AttemptQuery{Before: older, Outcome: "refused", Limit: 3})
		total += len(page)
		if older = next; older == "" {
			break
		}
	}
	if total != 7 {
		t.Errorf("%d refused attempts over all pages", total)
	}
	// A test that was used up is gone for everybody else, and is of one kind.
	if err := db.Write(ctx, h.Workspace, func(tx *store.Tx) error { return tx.UseTestState(h.TestHash, h.Connection, store.TestTicket) }); !errs.Is(err, errs.KindForbidden) {
		t.Errorf("a test of another kind: %v", err)
	}
	for i, want := range []errs.Kind{"", errs.KindForbidden} {
		err := db.Write(ctx, h.Workspace, func(tx *store.Tx) error { return tx.UseTestState(h.TestHash, h.Connection, store.TestRound) })
		if i == 0 && err != nil || i == 1 && !errs.Is(err, want) {
			t.Errorf("use %d of a test: %v", i, err)
		}
	}
	// They are kept as long as payloads.
	at = at.Add(30 * 24 * time.Hour)
	must(t, db.Sweep(ctx, 30*24*time.Hour-time.Minute, 400*24*time.Hour))
	if page, _ := look(store.AttemptQuery{Limit: 20}); len(page) != 1 { // the house's own has no time in its id
		t.Errorf("%d attempts are kept for too long", len(page))
	}
}

package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

var domainProbes = map[string]probe{
	"DomainClaims": nil, // binds the workspace alone
	"DomainHeld":   nil, // that another workspace has proven a domain is told on purpose
	"DomainClaim":  func(tx *store.Tx, h house) (any, error) { return tx.DomainClaim(h.Domain) },
	"InsertDomainClaim": does(func(tx *store.Tx, h house) {
		tx.InsertDomainClaim(h.Domain, "another") // both may claim; nothing of the neighbour's moves
	}),
	"SaveDomainClaim": does(func(tx *store.Tx, h house) {
		tx.SaveDomainClaim(&store.DomainClaim{Domain: h.Domain, Outcome: "taken"})
	}),
	"DeleteDomainClaim": does(func(tx *store.Tx, h house) { tx.DeleteDomainClaim(h.Domain) }),
}

var hotDomains = map[string]func(tx *store.Tx, h house) error{
	"a claim": func(tx *store.Tx, h house) error { _, err := tx.DomainClaim("d5.test"); return err },
	"a claim looked at": func(tx *store.Tx, h house) error {
		tx.SaveDomainClaim(&store.DomainClaim{Domain: "d5.test"})
		return nil
	},
	"who has a domain": func(tx *store.Tx, h house) error { _, err := tx.DomainHeld("d5.test"); return err },
}

// secondProof gives a domain to a second workspace, as a binary from before a domain had one owner did.
func secondProof(t testing.TB, d store.Driver, domain, workspace string) {
	t.Helper()
	must(t, d.Write(context.Background(), func(c store.Conn) error {
		_, err := c.Exec(context.Background(), `INSERT INTO domain_handle (domain, workspace_id, proven_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, domain, workspace, int64(2))
		return err
	}))
}

func testDomains(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	a, b := furnish(t, db, "a"), furnish(t, db, "b")
	began := db.Now().Truncate(time.Microsecond)
	get := func(h house, domain string) (got *store.DomainClaim) {
		t.Helper()
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) { got, err = tx.DomainClaim(domain); return err })
		return got
	}
	t.Run("a claim is kept as it was saved", func(t *testing.T) {
		want := store.DomainClaim{Workspace: a.Workspace, Domain: "a.test", Challenge: "challenge of a", CreatedAt: began}
		same(t, "a fresh claim", *get(a, "a.test"), want)
		want.ProvenAt, want.LapsedAt, want.CheckedAt, want.MissingSince, want.NextCheckAt = began, began.Add(1000), began.Add(2000), began.Add(3000), began.Add(time.Hour)
		want.Outcome, want.Detail, want.Missing, want.Warned = "missing", "It is not there.", time.Hour, 1
		must(t, db.Write(ctx, a.Workspace, func(tx *store.Tx) error { tx.SaveDomainClaim(&want); return nil }))
		same(t, "one that was looked at, which needs no event", *get(a, "a.test"), want)
		read(t, db, a.Workspace, func(tx *store.Tx) error {
			all, err := tx.DomainClaims()
			same(t, "the claims of a workspace", all, []store.DomainClaim{want})
			_, unknown := tx.DomainClaim("b.test")
			wantCode(t, unknown, errs.KindNotFound, "domain_unknown")
			return err
		})
	})
	t.Run("one workspace claims a domain once", func(t *testing.T) {
		err := changed(db, a.Workspace, func(tx *store.Tx) error { tx.InsertDomainClaim("a.test", "again"); return nil })
		wantCode(t, err, errs.KindConflict, "domain_claimed")
		change(t, db, b.Workspace, func(tx *store.Tx) error { tx.InsertDomainClaim("a.test", "of b"); return nil })
		if get(b, "a.test").Challenge == get(a, "a.test").Challenge {
			t.Error("two workspaces have one challenge")
		}
		change(t, db, b.Workspace, func(tx *store.Tx) error { tx.DeleteDomainClaim("a.test"); return nil })
		if get(a, "a.test").Challenge != "challenge of a" {
			t.Error("the neighbour's claim went with it")
		}
	})
	t.Run("a domain that is due is taken by one", func(t *testing.T) {
		c.pass(2 * time.Hour)
		taken := make([][]store.DomainClaim, 8)
		var running sync.WaitGroup
		for i := range taken {
			running.Go(func() { taken[i], _ = db.System().TakeDueDomains(ctx, time.Minute, 20) })
		}
		running.Wait()
		all := slices.Concat(taken...)
		if len(all) != 1 || all[0].Domain != "a.test" || all[0].Workspace != a.Workspace {
			t.Fatalf("taken: %+v", all)
		}
		c.pass(2 * time.Minute)
		again, err := db.System().TakeDueDomains(ctx, time.Minute, 20)
		if err != nil || len(again) != 1 {
			t.Errorf("whoever took it died: %+v, %v", again, err)
		}
	})
	t.Run("a proven domain has one owner", func(t *testing.T) {
		err := changed(db, b.Workspace, func(tx *store.Tx) error { tx.InsertDomain("a.test"); return nil })
		wantCode(t, err, errs.KindConflict, "domain_held")
		for range 10 {
			errs := make([]error, 2)
			var running sync.WaitGroup
			for i, h := range []house{a, b} {
				running.Go(func() {
					errs[i] = changed(db, h.Workspace, func(tx *store.Tx) error { tx.InsertDomain("race.test"); return nil })
				})
			}
			running.Wait()
			found, err := db.System().WorkspacesOfDomain(ctx, "race.test")
			if err != nil || len(found) != 1 || (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), store.ErrDomainHeld) {
				t.Fatalf("of two proofs at once: %v, %v, owners %v", errs, err, found)
			}
			for _, h := range []house{a, b} {
				change(t, db, h.Workspace, func(tx *store.Tx) error { tx.DeleteDomain("race.test"); return nil })
			}
		}
		change(t, db, a.Workspace, func(tx *store.Tx) error { tx.InsertDomain("a.test"); return nil }) // its own again is no conflict
	})
	t.Run("a pair from before a domain had one owner stays, and one may not come", func(t *testing.T) {
		secondProof(t, d, "old.test", a.Workspace)
		secondProof(t, d, "old.test", b.Workspace)
		read(t, db, a.Workspace, func(tx *store.Tx) error {
			held, err := tx.DomainHeld("old.test")
			same(t, "held by a neighbour", held, true)
			return err
		})
		change(t, db, b.Workspace, func(tx *store.Tx) error { tx.DeleteDomain("old.test"); return nil })
		read(t, db, a.Workspace, func(tx *store.Tx) error {
			held, err := tx.DomainHeld("old.test")
			same(t, "held by a neighbour", held, false)
			return err
		})
	})
}

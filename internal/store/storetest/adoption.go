package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// adoption is the meeting of a furnished workspace.
func (h house) adoption() *store.Adoption {
	return &store.Adoption{ID: h.Adoption, Directory: h.Directory, Member: h.Member, Claim: h.Claim, UserName: h.UserName, ExternalID: h.ExternalID,
		Address: h.Address, Name: "Ann", Active: true, Reason: "domain_unproven", State: store.AdoptionWaiting, Attempts: 1}
}

var adoptionProbes = map[string]probe{
	"AdoptionsWaiting": nil, "Adoptions": nil, // bind the workspace alone
	"LockAdoptions": func(tx *store.Tx, h house) (any, error) { return nil, tx.LockAdoptions(h.Directory) },
	"AddressFacts": func(tx *store.Tx, h house) (any, error) {
		a, err := tx.AddressFacts(h.Address)
		return []any{a.Holder, a.PutOut}, err
	},
	"Adoption": func(tx *store.Tx, h house) (any, error) { return tx.Adoption(h.Adoption) },
	"AdoptionByClaim": func(tx *store.Tx, h house) (any, error) {
		return tx.AdoptionByClaim(h.Directory, h.Member, h.Claim)
	},
	"AdoptionOf":        func(tx *store.Tx, h house) (any, error) { return tx.AdoptionOf(h.Member) },
	"AdoptionWasUndone": func(tx *store.Tx, h house) (any, error) { return tx.AdoptionWasUndone(h.Directory, h.Member) },
	"CountAdoptions": func(tx *store.Tx, h house) (any, error) {
		all, ofMember, err := tx.CountAdoptions(h.Directory, h.Member)
		return []any{all, ofMember}, err
	},
	"InsertAdoption": does(func(tx *store.Tx, h house) { tx.InsertAdoption(h.adoption()) }),
	"UpdateAdoption": does(func(tx *store.Tx, h house) {
		tx.UpdateAdoption(&store.Adoption{ID: h.Adoption, State: store.AdoptionAllowed, DecidedBy: "taken"})
	}),
	"TouchAdoption": does(func(tx *store.Tx, h house) { tx.TouchAdoption(h.Adoption) }),
	"EndAdoptions":  does(func(tx *store.Tx, h house) { tx.EndAdoptions(h.Directory, h.Member, "another") }),
	"DropIdentity": does(func(tx *store.Tx, h house) {
		tx.DropIdentity(store.Identity{Connection: h.Connection, Subject: h.Subject, Member: h.Member})
	}),
	"DropClaims": does(func(tx *store.Tx, h house) { tx.DropClaims(h.Member, h.Connection) }),
}

var hotAdoptions = map[string]func(tx *store.Tx, h house) error{
	"a meeting": func(tx *store.Tx, h house) error {
		if _, err := tx.Adoption("ad5"); err != nil {
			return err
		}
		_, err := tx.AdoptionByClaim("d4", "m4", "c4")
		return err
	},
	"an adoption of a member": func(tx *store.Tx, h house) error { _, err := tx.AdoptionOf("m5"); return err },
	"an adoption undone":      func(tx *store.Tx, h house) error { _, err := tx.AdoptionWasUndone("d5", "m5"); return err },
	"a meeting again": func(tx *store.Tx, h house) error {
		tx.TouchAdoption("ad5")
		tx.UpdateAdoption(&store.Adoption{ID: "ad5", State: store.AdoptionAdopted})
		tx.EndAdoptions("d5", "m5", "ad5")
		return nil
	},
	"a link that is cut": func(tx *store.Tx, h house) error {
		tx.DropIdentity(store.Identity{Connection: h.Connection, Subject: "s5", Member: "m5"})
		tx.DropClaims("m5", h.Connection)
		return nil
	},
	"the facts of an address": func(tx *store.Tx, h house) error { _, err := tx.AddressFacts("p5@x.test"); return err },
}

// What waits is bounded by store.MaxAdoptions for each directory.
var walkAdoptions = map[string]func(tx *store.Tx, h house) error{
	"the queue":      func(tx *store.Tx, h house) error { _, err := tx.Adoptions(store.AdoptionAdopted, 20); return err },
	"what waits":     func(tx *store.Tx, h house) error { _, err := tx.AdoptionsWaiting(); return err },
	"a queue's size": func(tx *store.Tx, h house) error { _, _, err := tx.CountAdoptions("d4", "m4"); return err },
}

func testAdoptions(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	h := furnish(t, db, "a")
	furnish(t, db, "b")
	began := db.Now().Truncate(time.Microsecond)
	var got *store.Adoption
	find := func() *store.Adoption {
		t.Helper()
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) { got, err = tx.Adoption(h.Adoption); return err })
		return got
	}
	want := *h.adoption()
	want.FirstAt, want.LastAt = began, began
	same(t, "what was written", *find(), want)
	c.pass(time.Minute)
	must(t, db.Write(context.Background(), h.Workspace, func(tx *store.Tx) error { tx.TouchAdoption(h.Adoption); return nil }))
	want.Attempts, want.LastAt = 2, began.Add(time.Minute)
	same(t, "a meeting that came again, which needs no event", *find(), want)
	want.State, want.Seen, want.DecidedAt, want.DecidedBy, want.User, want.Before, want.Active, want.Name = store.AdoptionAllowed, "seen", want.LastAt, "root", "u", `{"a":1}`, false, "Anne"
	change(t, db, h.Workspace, func(tx *store.Tx) error { tx.UpdateAdoption(&want); return nil })
	same(t, "a decision", *find(), want)
	t.Run("a claim waits once", func(t *testing.T) {
		runs := 0
		must(t, changed(db, h.Workspace, func(tx *store.Tx) error {
			if runs++; runs > 1 {
				return nil
			}
			again := h.adoption()
			again.ID = "ado_again"
			tx.InsertAdoption(again)
			return nil
		}))
		same(t, "runs of a closure that lost", runs, 2)
	})
	t.Run("counts are of one directory and workspace", func(t *testing.T) {
		other := h.adoption()
		other.ID, other.Member, other.State = "ado_other", h.Boss, store.AdoptionWaiting
		change(t, db, h.Workspace, func(tx *store.Tx) error { tx.InsertAdoption(other); return nil })
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			all, ofMember, err := tx.CountAdoptions(h.Directory, h.Member)
			waiting, waitErr := tx.AdoptionsWaiting()
			same(t, "all, of one member, waiting", [3]int{all, ofMember, waiting}, [3]int{2, 1, 1})
			return errors.Join(err, waitErr)
		})
	})
	t.Run("an adoption ends those before it, and settles other claims of the two", func(t *testing.T) {
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			earlier, later := h.adoption(), h.adoption()
			earlier.ID, earlier.Claim, earlier.State, earlier.Before = "ado_earlier", "earlier", store.AdoptionAdopted, "{}"
			later.ID, later.Claim, later.State = "ado_later", "later", store.AdoptionAdopted
			tx.InsertAdoption(earlier)
			tx.EndAdoptions(h.Directory, h.Member, later.ID)
			tx.InsertAdoption(later)
			return nil
		})
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			now, err := tx.AdoptionOf(h.Member)
			if err != nil {
				return err
			}
			same(t, "the adoption that counts", now.ID, "ado_later")
			earlier, err := tx.Adoption("ado_earlier")
			if err != nil {
				return err
			}
			same(t, "the one before", earlier.State, store.AdoptionOver)
			same(t, "what is kept of whom it can no longer make again", earlier.Before, "")
			_, err = tx.Adoption(h.Adoption)
			wantCode(t, err, errs.KindNotFound, "adoption_unknown")
			_, err = tx.Adoption("ado_other")
			return err
		})
	})
}

func testAdoptionRetention(t *testing.T, open func(t testing.TB) store.Driver) {
	const day = 24 * time.Hour
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	h := furnish(t, db, "a")
	states := []store.AdoptionState{store.AdoptionWaiting, store.AdoptionAllowed, store.AdoptionRefused, store.AdoptionAdopted, store.AdoptionUndone, store.AdoptionOver}
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		for _, state := range states {
			a := h.adoption()
			a.ID, a.Claim, a.State, a.DecidedAt = "ado_of_"+string(state), string(state), state, tx.Now()
			tx.InsertAdoption(a)
		}
		return nil
	})
	left := func(what string, want ...store.AdoptionState) {
		t.Helper()
		must(t, db.Sweep(context.Background(), 30*day, 400*day))
		for _, state := range states {
			var there, expected bool
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				_, err := tx.Adoption("ado_of_" + string(state))
				there = err == nil
				return nil
			})
			for _, w := range want {
				expected = expected || w == state
			}
			if there != expected {
				t.Errorf("%s: %s is there: %v", what, state, there)
			}
		}
	}
	c.pass(30 * day)
	left("at 30 days", states...)
	c.pass(time.Second)
	left("what was allowed and not used within 30 days lapses", store.AdoptionWaiting, store.AdoptionRefused, store.AdoptionAdopted, store.AdoptionUndone, store.AdoptionOver)
	c.pass(371 * day)
	left("an adoption can be undone for as long as it lasts", store.AdoptionAdopted)
}

package storetest

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// testAhead holds that answers asked ahead are those asked for later, and are forgotten by a lock or a
// change, behind which they may be old.
func testAhead(t *testing.T, open func(t testing.TB) store.Driver) {
	s := &spy{Driver: open(t)}
	db := Open(t, s, nil)
	h := furnish(t, db, "a")
	cases := map[string]struct {
		between func(tx *store.Tx) error
		again   bool // the questions are asked again
	}{
		"nothing between": {func(*store.Tx) error { return nil }, false},
		"a lock between":  {func(tx *store.Tx) error { return tx.LockMember(h.Member) }, true},
		"a change between": {func(tx *store.Tx) error {
			tx.UpdateMember(&directory.Member{ID: h.Boss, Email: "other@x.test", Stage: directory.StageActive, Role: h.Owner})
			return nil
		}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := db.Write(context.Background(), h.Workspace, func(tx *store.Tx) error {
				tx.AskCreate(h.Directory, h.UserName, "", h.Address)
				if _, err := tx.Config(); err != nil {
					return err
				}
				if err := c.between(tx); err != nil {
					return err
				}
				s.take()
				claims, err := tx.SCIMUserClaims(h.Directory, h.UserName, "")
				if err != nil {
					return err
				}
				holder, _, err := tx.Address(h.Address)
				if err != nil {
					return err
				}
				if len(claims) != 1 || claims[0].ID != h.User || holder != h.Member {
					t.Errorf("claims %v, holder %q", claims, holder)
				}
				if asked := len(s.take()) > 0; asked != c.again {
					t.Errorf("asked again: %t, want %t", asked, c.again)
				}
				// Of other arguments nothing was asked ahead.
				if holder, _, err = tx.Address("nobody@x.test"); holder != "" || err != nil {
					t.Errorf("holder of an unknown address: %q, %v", holder, err)
				}
				return errOwn
			})
			if err != errOwn {
				t.Fatal(err)
			}
		})
	}
}

package storetest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// watchProbes are the methods that look after the metadata of IdPs.
var watchProbes = map[string]probe{
	"LockConnection": func(tx *store.Tx, h house) (any, error) { return nil, tx.LockConnection(h.Connection) },
	"MetadataWatch": func(tx *store.Tx, h house) (any, error) {
		_, found, err := tx.MetadataWatch(h.Connection)
		return found, err
	},
	"SaveMetadataWatch": does(func(tx *store.Tx, h house) {
		tx.SaveMetadataWatch(h.Connection, store.MetadataWatch{Failures: 7, LastError: "taken over"})
	}),
	"EndMetadataWatch": does(func(tx *store.Tx, h house) { tx.EndMetadataWatch(h.Connection) }),
	"AskMetadata":      func(tx *store.Tx, h house) (any, error) { return tx.AskMetadata(h.Connection, time.Minute) },
	"Warnings":         func(tx *store.Tx, h house) (any, error) { return tx.Warnings(h.Connection) },
	"FirstWarning":     func(tx *store.Tx, h house) (any, error) { return tx.FirstWarning(h.Connection, "new "+h.Slug, 14) },
}

func testWatch(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	watch := func() (w store.MetadataWatch, found bool) {
		t.Helper()
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) {
			w, found, err = tx.MetadataWatch(h.Connection)
			return err
		})
		return w, found
	}
	claim := func() (n int) {
		t.Helper()
		due, err := db.System().ClaimMetadata(ctx, time.Minute, 10)
		must(t, err)
		return len(due)
	}
	t.Run("what is due is claimed once, until its lease is over", func(t *testing.T) {
		same(t, "claimed", claim(), 1)
		same(t, "claimed again", claim(), 0)
		c.pass(2 * time.Minute)
		same(t, "claimed after the lease", claim(), 1)
	})
	t.Run("it is kept as it was saved", func(t *testing.T) {
		now := db.Now().Truncate(time.Microsecond)
		want := store.MetadataWatch{DueAt: now.Add(time.Hour), TriedAt: now, GoodAt: now.Add(-time.Hour), ToldAt: now, Failures: 3, LastError: "nobody is there",
			Proposal: json.RawMessage(`{"a":1}`), Declined: "word"}
		change(t, db, h.Workspace, func(tx *store.Tx) error { tx.SaveMetadataWatch(h.Connection, want); return nil })
		got, found := watch()
		same(t, "found", found, true)
		same(t, "the watch", got, want)
	})
	t.Run("of many that ask one looks, and again after the pause", func(t *testing.T) {
		ask := func() (yes bool) {
			change(t, db, h.Workspace, func(tx *store.Tx) (err error) {
				yes, err = tx.AskMetadata(h.Connection, time.Minute)
				return err
			})
			return yes
		}
		same(t, "the first", ask(), true)
		same(t, "the second", ask(), false)
		c.pass(time.Minute)
		same(t, "after the pause", ask(), true)
		c.pass(-time.Hour)
		same(t, "after the clock went back", ask(), true)
		c.pass(time.Hour)
	})
	t.Run("a warning is given once", func(t *testing.T) {
		for _, want := range []bool{true, false} {
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				first, err := tx.FirstWarning(h.Connection, "x", 14)
				same(t, "first", first, want)
				return err
			})
		}
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			got, err := tx.Warnings(h.Connection)
			same(t, "warnings", got, map[string]int{"x": 14, "of a": 30})
			return err
		})
	})
	t.Run("where the keys stand is read with them, and without those that are gone", func(t *testing.T) {
		save := func(side *directory.SAML) *directory.SAML {
			t.Helper()
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				tx.SaveConnection(directory.Connection{ID: h.Connection, Name: "Okta", Provider: "okta", Protocol: directory.ProtocolSAML, SAML: side}, false)
				return tx.Record(audit.Event{Type: audit.ConnectionChanged})
			})
			var got *directory.SAML
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				cfg, err := tx.Config()
				if err == nil {
					got = cfg.Connections[0].SAML
				}
				return err
			})
			return got
		}
		same(t, "the side", save(h.idp()), h.idp())
		other := h.idp()
		other.Certificates = [][]byte{[]byte("another")}
		want := *other
		want.IdPKeys = nil
		same(t, "the side with another certificate", save(other), &want)
		_, found := watch()
		same(t, "watched", found, true)
		other.Watch = directory.Watch{}
		same(t, "the side without an address", save(other), other)
		_, found = watch()
		same(t, "watched without an address", found, false)
	})
}

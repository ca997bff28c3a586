package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func testAPIKeys(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	setup := func(t *testing.T) (*clock, *store.DB, house) {
		c := newClock()
		db := Open(t, open(t), c.now)
		return c, db, furnish(t, db, "a")
	}
	why := func(t *testing.T, db *store.DB, hash string) string {
		t.Helper()
		holder, err := db.System().APIKeyByHash(ctx, hash, db.Now())
		must(t, err)
		if holder.Live() != (holder.RevokedWhy == "") {
			t.Errorf("%s: live %v, ended by %q", hash, holder.Live(), holder.RevokedWhy)
		}
		return holder.RevokedWhy
	}
	t.Run("a key leads to its workspace, owner and scopes, and works until its end and not a moment longer", func(t *testing.T) {
		t.Parallel()
		c, db, h := setup(t)
		holder, err := db.System().APIKeyByHash(ctx, h.KeyHash, c.now())
		must(t, err)
		same(t, "the holder", []string{holder.ID, holder.Workspace, holder.Slug, holder.Owner.ID, holder.Scopes[0], holder.Hint},
			[]string{h.Key, h.Workspace, h.Slug, h.Boss, "members:read", "ijkl"})
		_, err = db.System().APIKeyByHash(ctx, h.TokenHash, c.now())
		wantCode(t, err, errs.KindUnauthenticated, "api_key_unknown")
		c.pass(24*time.Hour - time.Second)
		same(t, "a second before", why(t, db, h.KeyHash), "")
		c.pass(time.Second)
		same(t, "at its end", why(t, db, h.KeyHash), store.TokenExpired)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			lived, err := tx.RevokeAPIKey(h.Key, store.TokenRevoked)
			same(t, "revoking what has ended", lived, false)
			return err
		})
		same(t, "its own end stays", why(t, db, h.KeyHash), store.TokenExpired)
	})
	t.Run("the last use is written down, a minute apart", func(t *testing.T) {
		t.Parallel()
		c, db, h := setup(t)
		first := c.now().Truncate(time.Microsecond)
		used := func(want time.Time) {
			t.Helper()
			why(t, db, h.KeyHash)
			must(t, db.FlushMarks(ctx))
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				k, err := tx.APIKey(h.Key)
				same(t, "the last use", k.LastUsedAt, want)
				return err
			})
		}
		used(first)
		c.pass(30 * time.Second)
		used(first)
		c.pass(time.Minute)
		used(c.now().Truncate(time.Microsecond))
	})
	t.Run("keys of those who are out do not work, whoever put them out", func(t *testing.T) {
		t.Parallel()
		_, db, h := setup(t)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			m, err := tx.Member(h.Boss)
			if err == nil {
				m.Sources = m.Sources.With(directory.SourceIdP)
				tx.UpdateMember(m)
			}
			return err
		})
		same(t, "out", why(t, db, h.KeyHash), store.KeyOwnerGone)
	})
	t.Run("all keys of many members end at once, and each end is told", func(t *testing.T) {
		t.Parallel()
		_, db, h := setup(t)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			n, err := tx.CountAPIKeys(h.Boss)
			same(t, "living keys", n, 1)
			must(t, err)
			ended, err := tx.EndAPIKeysOf([]string{h.Member, h.Boss}, store.KeyOwnerGone)
			if len(ended) != 1 || ended[0].ID != h.Key || ended[0].Member != h.Boss || ended[0].Name != "reporting" {
				t.Errorf("ended %+v", ended)
			}
			return err
		})
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			ended, err := tx.EndAPIKeysOf([]string{h.Boss}, store.KeyOwnerGone)
			same(t, "ended again", len(ended), 0)
			return err
		})
		same(t, "the end", why(t, db, h.KeyHash), store.KeyOwnerGone)
	})
	t.Run("keys are listed the newest first, page by page, and those that end soon", func(t *testing.T) {
		t.Parallel()
		c, db, h := setup(t)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			for _, id := range []string{"key_1", "key_2", "key_3"} {
				tx.InsertAPIKey(store.APIKey{ID: id, Member: h.Member, Name: id, Scopes: []string{}, ExpiresAt: c.now().Add(100 * time.Hour)}, "hash of "+id)
			}
			return nil
		})
		ids := func(list []store.APIKey, err error) (out []string) {
			must(t, err)
			for _, k := range list {
				out = append(out, k.ID)
			}
			return out
		}
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			same(t, "of one member", ids(tx.APIKeysOf(h.Member, 2)), []string{"key_3", "key_2"})
			same(t, "the first page", ids(tx.APIKeysBehind("", 2)), []string{h.Key, "key_3"})
			same(t, "the next", ids(tx.APIKeysBehind("key_3", 5)), []string{"key_2", "key_1"})
			same(t, "ending", ids(tx.APIKeysEnding(c.now().Add(48*time.Hour), 5)), []string{h.Key})
			return nil
		})
	})
}

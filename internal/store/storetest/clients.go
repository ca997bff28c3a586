package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func testClients(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("a secret and what it gave lead to one directory", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		furnish(t, db, "a")
		h := furnish(t, db, "b")
		want := store.TokenHolder{Token: h.Secret, TokenName: "secret", Workspace: h.Workspace, Slug: "b", Directory: h.Directory, Name: "Okta", Status: directory.DirectoryEnabled, Mode: "lenient"}
		holder, err := db.System().HolderBySecret(ctx, h.SecretHash, c.now())
		must(t, err)
		want.Version = holder.Version
		same(t, "the holder of a secret", *holder, want)
		holder, err = db.System().HolderBySCIMAccess(ctx, h.SCIMAccess, c.now())
		must(t, err)
		same(t, "the holder of an access token", *holder, want)
		id, err := db.System().WorkspaceOfClient(ctx, h.Directory)
		must(t, err)
		same(t, "the workspace of a client", id, h.Workspace)
		for _, unknown := range []string{"unknown", h.SCIMAccess, h.TokenHash} {
			_, err = db.System().HolderBySecret(ctx, unknown, c.now())
			wantCode(t, err, errs.KindUnauthenticated, "secret_unknown")
		}
		for _, unknown := range []string{"unknown", h.SecretHash, h.TokenHash} {
			_, err = db.System().HolderBySCIMAccess(ctx, unknown, c.now())
			wantCode(t, err, errs.KindUnauthenticated, "token_unknown")
		}
		c.pass(time.Hour)
		_, err = db.System().HolderBySCIMAccess(ctx, h.SCIMAccess, c.now())
		wantCode(t, err, errs.KindUnauthenticated, "access_expired")
	})
	// ends makes h's secret end in its way; every access token of it must be dead then.
	for why, ends := range map[string]func(tx *store.Tx, h house) error{
		store.TokenRevoked: func(tx *store.Tx, h house) error {
			n, err := tx.RevokeClientCredentials(h.Directory, h.Secret)
			same(t, "secrets revoked", n, int64(1))
			return err
		},
		"": func(tx *store.Tx, h house) error { tx.DeleteDirectory(h.Directory); return nil },
	} {
		t.Run("an access token dies with its secret and its directory "+why, func(t *testing.T) {
			t.Parallel()
			c := newClock()
			db := Open(t, open(t), c.now)
			h := furnish(t, db, "a")
			change(t, db, h.Workspace, func(tx *store.Tx) error { return ends(tx, h) })
			for what, ask := range map[string]func() (*store.TokenHolder, error){
				"secret":       func() (*store.TokenHolder, error) { return db.System().HolderBySecret(ctx, h.SecretHash, c.now()) },
				"access token": func() (*store.TokenHolder, error) { return db.System().HolderBySCIMAccess(ctx, h.SCIMAccess, c.now()) },
			} {
				holder, err := ask()
				if err == nil && (holder.RevokedAt.IsZero() || holder.Why != why) || err != nil && why != "" {
					t.Errorf("the %s lives: %+v, %v", what, holder, err)
				}
			}
		})
	}
	t.Run("a trusted issuer is found by the client's id until the trust ends", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		furnish(t, db, "b")
		trust := store.Trust{Issuer: "https://issuer.test", Subject: "job", JWKSURI: "https://issuer.test/keys"}
		for id, ends := range map[string]time.Duration{"sec_t1": 0, "sec_t2": time.Hour} {
			credential := store.ClientCredential{ID: id, Directory: h.Directory, Name: id, Trust: trust}
			if ends > 0 {
				credential.ExpiresAt = c.now().Add(ends)
			}
			change(t, db, h.Workspace, func(tx *store.Tx) error { tx.InsertClientCredential(credential, ""); return nil })
		}
		vouched := func() []store.Vouched {
			list, err := db.System().TrustsOfClient(ctx, h.Directory, c.now())
			must(t, err)
			return list
		}
		if list := vouched(); len(list) != 2 {
			t.Errorf("%+v", list)
		}
		c.pass(time.Hour)
		same(t, "who vouches", vouched(), []store.Vouched{{TokenHolder: store.TokenHolder{Token: "sec_t1", TokenName: "sec_t1", Workspace: h.Workspace, Slug: "a", Version: vouched()[0].Version,
			Directory: h.Directory, Name: "Okta", Status: directory.DirectoryEnabled, Mode: "lenient"}, Trust: trust}})
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			list, err := tx.ClientCredentials(h.Directory)
			same(t, "the trust in the list", list[len(list)-1].Trust, trust)
			return err
		})
		change(t, db, h.Workspace, func(tx *store.Tx) error { _, err := tx.RevokeClientCredentials(h.Directory, ""); return err })
		same(t, "who vouches after all", len(vouched()), 0)
		_, err := db.System().HolderBySecret(ctx, "", c.now())
		wantCode(t, err, errs.KindUnauthenticated, "secret_unknown")
	})
	t.Run("a secret with an end, and when it was used", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		d := open(t)
		db := Open(t, d, c.now)
		h := furnish(t, db, "a")
		ends := c.now().Add(2 * time.Hour).Truncate(time.Microsecond)
		mint := func(hash string) {
			must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error { tx.InsertSCIMAccess(hash, "sec_2", tx.Now().Add(time.Hour)); return nil }))
		}
		used := func() (out store.ClientCredential) {
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				list, err := tx.ClientCredentials(h.Directory)
				out = list[len(list)-1]
				return err
			})
			return out
		}
		c.pass(time.Second)
		made := c.now().Truncate(time.Microsecond)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertClientCredential(store.ClientCredential{ID: "sec_2", Directory: h.Directory, Name: "n", Hint: "h", CreatedBy: "by", ExpiresAt: ends}, "sch-2")
			return nil
		})
		same(t, "a secret", used(), store.ClientCredential{ID: "sec_2", Directory: h.Directory, Name: "n", Hint: "h", CreatedBy: "by", CreatedAt: made, ExpiresAt: ends})
		mint("one")
		c.pass(30 * time.Second)
		mint("two")
		same(t, "its last use, within a minute", used().LastUsedAt, made)
		c.pass(time.Hour)
		mint("three")
		same(t, "its last use", used().LastUsedAt, c.now().Truncate(time.Microsecond))
		c.pass(ends.Sub(c.now()))
		holder, err := db.System().HolderBySCIMAccess(ctx, "three", c.now())
		must(t, err)
		same(t, "the end of what it gave", end{At: holder.RevokedAt, Why: holder.Why}, end{At: ends, Why: store.TokenExpired})
		must(t, db.Sweep(ctx, time.Hour, time.Hour))
		c.pass(3 * time.Hour)
		must(t, db.Sweep(ctx, time.Hour, time.Hour))
		same(t, "access tokens kept", number(t, d, "SELECT COUNT(*) FROM scim_access_handle"), 0)
	})
}

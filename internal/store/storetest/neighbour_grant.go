package storetest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// grantProbes are the methods of what applications are given.
var grantProbes = map[string]probe{
	"InsertGrant": does(func(tx *store.Tx, h house) {
		tx.InsertGrant(store.Grant{ID: h.Grant, Application: h.Application, Session: h.Session, Member: h.Member}, "own hash "+h.CodeHash,
			store.Code{ExpiresAt: tx.Now().Add(time.Hour)})
	}),
	"UseCode": func(tx *store.Tx, h house) (any, error) { return tx.UseCode(h.CodeHash, h.Application) },
	"Code":    func(tx *store.Tx, h house) (any, error) { return tx.Code(h.CodeHash) },
	"InsertAccess": does(func(tx *store.Tx, h house) {
		tx.InsertAccess("own hash "+h.AccessHash, h.Grant, "openid", tx.Now().Add(time.Hour))
	}),
	"RevokeAccess": does(func(tx *store.Tx, h house) { tx.RevokeAccess(h.AccessHash, h.Application) }),
	"InsertRefresh": does(func(tx *store.Tx, h house) {
		tx.InsertRefresh("own hash "+h.RefreshHash, h.Grant, tx.Now().Add(time.Hour))
	}),
	"UseRefresh": func(tx *store.Tx, h house) (any, error) { return tx.UseRefresh(h.RefreshHash, h.Application) },
	"GrantOfRefresh": func(tx *store.Tx, h house) (any, error) {
		grant, used, err := tx.GrantOfRefresh(h.RefreshHash, h.Application)
		return []any{grant, used}, err
	},
	"EndGrant":       func(tx *store.Tx, h house) (any, error) { return tx.EndGrant(h.Grant, "taken") },
	"HoldGrant":      func(tx *store.Tx, h house) (any, error) { return tx.HoldGrant(h.Grant) },
	"ExpireSessions": func(tx *store.Tx, h house) (any, error) { return tx.ExpireSessions([]string{h.Session}) },
}

// hotGrants are statements that each sign-in to an application makes.
var hotGrants = map[string]func(tx *store.Tx, h house) error{
	"a code is used": func(tx *store.Tx, h house) error {
		if _, err := tx.UseCode(h.CodeHash, h.Application); err != nil {
			return err
		}
		_, err := tx.Code(h.CodeHash)
		return err
	},
	"a grant is held": func(tx *store.Tx, h house) error { _, err := tx.HoldGrant(h.Grant); return err },
	"a refresh token is used": func(tx *store.Tx, h house) error {
		if _, err := tx.UseRefresh(h.RefreshHash, h.Application); err != nil {
			return err
		}
		_, _, err := tx.GrantOfRefresh(h.RefreshHash, h.Application)
		return err
	},
	"an access token is revoked": func(tx *store.Tx, h house) error { tx.RevokeAccess(h.AccessHash, h.Application); return nil },
	"a grant is ended":           func(tx *store.Tx, h house) error { _, err := tx.EndGrant("gr7", "x"); return err },
	"sessions expire":            func(tx *store.Tx, h house) error { _, err := tx.ExpireSessions([]string{"s4", "s5"}); return err },
}

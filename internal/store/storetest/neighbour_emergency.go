package storetest

import "github.com/gatehouse-id/gatehouse/internal/store"

// emergencyProbes are the methods that emergency access needs. LinkHash names the boss's recovery code.
var emergencyProbes = map[string]probe{
	"SecondFactor":      func(tx *store.Tx, h house) (any, error) { return tx.SecondFactor(h.Boss) },
	"SaveSecondFactor":  does(func(tx *store.Tx, h house) { tx.SaveSecondFactor(h.Boss, "taken") }),
	"UseStep":           func(tx *store.Tx, h house) (any, error) { return tx.UseStep(h.Boss, 1<<40) },
	"DropSecondFactor":  does(func(tx *store.Tx, h house) { tx.DropSecondFactor(h.Boss) }),
	"SaveRecoveryCodes": does(func(tx *store.Tx, h house) { tx.SaveRecoveryCodes(h.Boss, []string{"taken"}) }),
	"DropRecoveryCodes": does(func(tx *store.Tx, h house) { tx.DropRecoveryCodes(h.Boss) }),
	"RecoveryCode":      func(tx *store.Tx, h house) (any, error) { return tx.RecoveryCode(h.Boss, h.LinkHash) },
	"UseRecoveryCode":   func(tx *store.Tx, h house) (any, error) { return tx.UseRecoveryCode(h.Boss, h.LinkHash) },
	"RecoveryCodesLeft": func(tx *store.Tx, h house) (any, error) {
		left, made, err := tx.RecoveryCodesLeft(h.Boss)
		return []any{left, made}, err
	},
	"PasswordSessions":      nil,
	"EndPasswordSessionsOf": func(tx *store.Tx, h house) (any, error) { return tx.EndPasswordSessionsOf(h.Member, "taken") },
	"EndMailAccess":         nil, // binds the workspace alone
	"ConnectionsOf":         func(tx *store.Tx, h house) (any, error) { return tx.ConnectionsOf([]string{h.Member}) },
}

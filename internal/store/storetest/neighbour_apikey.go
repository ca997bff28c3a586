package storetest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// apiKeyProbes are the methods that read and write API keys.
var apiKeyProbes = map[string]probe{
	"InsertAPIKey": does(func(tx *store.Tx, h house) {
		tx.InsertAPIKey(store.APIKey{ID: h.Key, Member: h.Boss, ExpiresAt: tx.Now().Add(time.Hour)}, "own hash "+h.KeyHash)
	}),
	"APIKey":        func(tx *store.Tx, h house) (any, error) { return tx.APIKey(h.Key) },
	"APIKeysOf":     func(tx *store.Tx, h house) (any, error) { return tx.APIKeysOf(h.Boss, 10) },
	"APIKeysBehind": func(tx *store.Tx, h house) (any, error) { return tx.APIKeysBehind("!"+h.Key, 10) },
	"CountAPIKeys":  func(tx *store.Tx, h house) (any, error) { return tx.CountAPIKeys(h.Boss) },
	"APIKeysEnding": nil, // binds the workspace alone
	"RevokeAPIKey":  func(tx *store.Tx, h house) (any, error) { return tx.RevokeAPIKey(h.Key, "taken") },
	"EndAPIKeysOf":  func(tx *store.Tx, h house) (any, error) { return tx.EndAPIKeysOf([]string{h.Boss}, "taken") },
}

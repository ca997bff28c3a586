package storetest

import "github.com/gatehouse-id/gatehouse/internal/store"

// jobProbes are the methods of the outbox.
var jobProbes = map[string]probe{
	"InsertJob":        nil, // makes an id of its own
	"InsertJobInQueue": does(func(tx *store.Tx, h house) { tx.InsertJobInQueue("queue of "+h.Slug, "test", "{}") }),
	"LiveSCIMUsersOf":  func(tx *store.Tx, h house) (any, error) { return tx.LiveSCIMUsersOf([]string{h.Member}) },
	"Txn":              nil, // is of the transaction alone
	"DeadJobs":         nil, // binds the workspace alone
}

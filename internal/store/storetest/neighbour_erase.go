package storetest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// eraseProbes are the methods that erasing a person needs.
var eraseProbes = map[string]probe{
	"EraseMember": does(func(tx *store.Tx, h house) {
		tx.EraseMember(&directory.Member{ID: h.Member, Stage: directory.StageErased}, []string{h.User})
	}),
	"InsertErasure": does(func(tx *store.Tx, h house) { tx.InsertErasure("own "+h.Member, "{}", tx.Now()) }),
	"Erasure":       func(tx *store.Tx, h house) (any, error) { return tx.Erasure(h.Member) },
	"MoveErasure": func(tx *store.Tx, h house) (any, error) {
		return tx.MoveErasure(&store.Erasure{Member: h.Member}, store.Erasure{Step: 9}, tx.Now().Add(time.Hour))
	},
	"EndErasure": does(func(tx *store.Tx, h house) { tx.EndErasure(h.Member) }),
	"Traces": func(tx *store.Tx, h house) (any, error) {
		rows, err := tx.Traces(&store.TraceTables[0], []string{h.Event}, 10, tx.Now().Add(-time.Hour))
		return len(rows), err
	},
	"ReplaceTrace": does(func(tx *store.Tx, h house) {
		t := &store.TraceTables[0]
		columns := make([]string, len(t.Columns))
		columns[1] = "taken"
		tx.ReplaceTrace(t, store.TraceRow{Key: []string{h.Event}, Columns: make([]string, len(t.Columns))}, store.TraceRow{Key: []string{h.Event}, Columns: columns})
	}),
	"DeleteTrace": does(func(tx *store.Tx, h house) {
		tx.DeleteTrace(&store.TraceTables[0], store.TraceRow{Key: []string{h.Event}})
	}),
	"ReplacePayload": does(func(tx *store.Tx, h house) { tx.ReplacePayload(h.Event, []byte("{}")) }),
}

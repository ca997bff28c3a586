package store

import (
	"context"
	"errors"
	"time"
)

// Peek is Read for callers that need no common view: each statement sees its own, the newest. It
// spares the round trips of a transaction.
func (db *DB) Peek(ctx context.Context, workspace string, fn func(*Tx) error) error {
	if workspace == "" {
		return errNoWorkspace
	}
	tx := &Tx{db: db, ctx: ctx, conn: loose{db.driver}, workspace: workspace, now: db.Now().Truncate(time.Microsecond), readonly: true}
	if err := fn(tx); err != nil {
		return db.translate(err)
	}
	if tx.config != nil {
		db.configs.put(tx.config)
	}
	return db.translate(tx.failure)
}

// loose runs each statement by itself. Reading is all it can do.
type loose struct{ driver Driver }

func (l loose) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	return l.driver.Query(ctx, query, args...)
}

func (l loose) Exec(context.Context, string, ...any) (int64, error) { return 0, errReadOnly }

// Defer and Ask are not reached: a reading Tx changes nothing and asks nothing ahead.
func (l loose) Defer(string, ...any) {}

func (l loose) Ask(func(Rows) error, string, ...any) {}

var errNoWorkspace = errors.New("store: a transaction needs a workspace")

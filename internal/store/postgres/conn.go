package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// conn runs the statements of one transaction. BEGIN is queued like any other statement and
// goes out with the first that needs an answer; COMMIT goes out with the last.
type conn struct {
	c       *pgx.Conn
	pending []statement
	begun   bool // BEGIN has been sent
}

type statement struct {
	query string
	args  []any
}

// Defer queues a statement.
func (c *conn) Defer(query string, args ...any) {
	c.pending = append(c.pending, statement{query, args})
}

// maxPipeline bounds how many statements go out in one round trip.
const maxPipeline = 500

// flush sends what is queued and reads the answers. The first error ends it; the server has then
// aborted the transaction.
func (c *conn) flush(ctx context.Context) error {
	for len(c.pending) > 0 {
		n := min(len(c.pending), maxPipeline)
		part := c.pending[:n]
		c.pending = c.pending[n:]
		c.begun = true
		if n == 1 {
			if _, err := c.c.Exec(ctx, part[0].query, part[0].args...); err != nil {
				return wrap(err)
			}
			continue
		}
		var b pgx.Batch
		for _, s := range part {
			b.Queue(s.query, s.args...)
		}
		if err := finish(c.c.SendBatch(ctx, &b), n); err != nil {
			return err
		}
	}
	return nil
}

func finish(res pgx.BatchResults, n int) error {
	for range n {
		if _, err := res.Exec(); err != nil {
			_ = res.Close()
			return wrap(err)
		}
	}
	return wrap(res.Close())
}

// Exec runs a statement after those that were queued.
func (c *conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if len(c.pending) == 0 {
		c.begun = true
		tag, err := c.c.Exec(ctx, query, args...)
		return tag.RowsAffected(), wrap(err)
	}
	res := c.sendWith(ctx, query, args)
	defer res.Close()
	if err := c.drain(res); err != nil {
		return 0, err
	}
	tag, err := res.Exec()
	return tag.RowsAffected(), wrap(err)
}

// Query runs a statement whose rows are wanted, after those that were queued, in one round trip.
func (c *conn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if len(c.pending) == 0 {
		c.begun = true
		rows, err := c.c.Query(ctx, query, args...)
		if err != nil {
			return nil, wrap(err)
		}
		return &pgRows{Rows: rows}, nil
	}
	if err := c.trim(ctx); err != nil {
		return nil, err
	}
	res := c.sendWith(ctx, query, args)
	if err := c.drain(res); err != nil {
		_ = res.Close()
		return nil, err
	}
	rows, err := res.Query()
	if err != nil {
		_ = res.Close()
		return nil, wrap(err)
	}
	return &pgRows{Rows: rows, batch: res}, nil
}

// trim sends full pipelines, so that what is left fits one round trip.
func (c *conn) trim(ctx context.Context) error {
	if len(c.pending) <= maxPipeline {
		return nil
	}
	return c.flush(ctx)
}

func (c *conn) sendWith(ctx context.Context, query string, args []any) pgx.BatchResults {
	var b pgx.Batch
	for _, s := range c.pending {
		b.Queue(s.query, s.args...)
	}
	b.Queue(query, args...)
	c.begun = true
	return c.c.SendBatch(ctx, &b)
}

// drain reads the answers of what was queued.
func (c *conn) drain(res pgx.BatchResults) error {
	n := len(c.pending)
	c.pending = c.pending[:0]
	for range n {
		if _, err := res.Exec(); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// pgRows closes the round trip that it belongs to.
type pgRows struct {
	pgx.Rows
	batch pgx.BatchResults
}

func (r *pgRows) Close() error {
	r.Rows.Close()
	if r.batch != nil {
		batch := r.batch
		r.batch = nil
		return wrap(batch.Close())
	}
	return nil
}

func (r *pgRows) Err() error { return wrap(r.Rows.Err()) }

// codes of PostgreSQL errors (appendix A of its manual).
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	tooManyConnections   = "53300"
	readOnlyTransaction  = "25006"
)

// wrap marks unique violations with the name of their index.
func wrap(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == uniqueViolation {
		return store.NewUniqueError(pg.ConstraintName, err)
	}
	return err
}

func codeOf(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code
	}
	return ""
}

func retryable(err error) bool {
	switch codeOf(err) {
	case serializationFailure, deadlockDetected, lockNotAvailable:
		return true
	default:
		return false
	}
}

func classify(err error) store.Class {
	var unique *store.UniqueError
	if errors.As(err, &unique) {
		return store.ClassUnique
	}
	switch code := codeOf(err); {
	case code == adminShutdown, code == crashShutdown, code == cannotConnectNow, code == tooManyConnections, code == readOnlyTransaction,
		retryable(err):
		return store.ClassUnavailable
	case code != "":
		return store.ClassOther
	}
	if errors.Is(err, context.Canceled) {
		return store.ClassOther
	}
	// Without a code of the server's it is the link to it: refused, reset, timed out, closed.
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) || pgconn.Timeout(err) || pgconn.SafeToRetry(err) || errors.Is(err, errBroken) || isNetwork(err) {
		return store.ClassUnavailable
	}
	return store.ClassOther
}

var errBroken = fmt.Errorf("the connection to the database broke")

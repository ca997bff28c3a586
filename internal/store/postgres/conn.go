package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// conn runs the statements of one transaction. BEGIN is queued like any other statement and
// goes out with the first that needs an answer; COMMIT goes out with the last.
type conn struct {
	c       *pgx.Conn
	pending []statement
	begun   bool  // BEGIN has been sent
	failed  error // the first error: the server does nothing more in this transaction
}

// fail remembers the first error. A closure that passes over it must not believe that it went on:
// the server has aborted the transaction and answers its COMMIT with a rollback.
func (c *conn) fail(err error) error {
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return err
}

type statement struct {
	query string
	args  []any
	rows  func(store.Rows) error // nil where nobody needs the result
}

// Defer queues a statement.
func (c *conn) Defer(query string, args ...any) {
	c.pending = append(c.pending, statement{query: query, args: args})
}

// Ask queues a reading statement.
func (c *conn) Ask(rows func(store.Rows) error, query string, args ...any) {
	c.pending = append(c.pending, statement{query, args, rows})
}

// maxPipeline bounds how many statements go out in one round trip.
const maxPipeline = 500

// flush sends what is queued and reads the answers. The first error ends it; the server has then
// aborted the transaction.
func (c *conn) flush(ctx context.Context) error {
	_, err := c.send(ctx)
	return err
}

// commit sends what is queued with COMMIT behind it.
func (c *conn) commit(ctx context.Context) error {
	if err := c.trim(ctx); err != nil {
		return err
	}
	c.Defer("COMMIT")
	last, err := c.send(ctx)
	switch {
	case err != nil && unanswered(err):
		return fmt.Errorf("%w: %w", store.ErrInDoubt, err)
	case err == nil && last.String() != "COMMIT":
		return errors.New("the server rolled the transaction back")
	default:
		return err
	}
}

// unanswered reports whether err left open what became of the statements that were sent: the link
// broke, or the server went down with the answer.
func unanswered(err error) bool {
	switch codeOf(err) {
	case adminShutdown, crashShutdown:
		return true
	case "":
		return !pgconn.SafeToRetry(err)
	default:
		return false
	}
}

// send is flush; it returns what the last statement did.
func (c *conn) send(ctx context.Context) (last pgconn.CommandTag, err error) {
	if c.failed != nil {
		return last, c.failed
	}
	for len(c.pending) > 0 {
		n := min(len(c.pending), maxPipeline)
		part := c.pending[:n]
		c.pending = c.pending[n:]
		c.begun = true
		if n == 1 && part[0].rows == nil {
			if last, err = c.c.Exec(ctx, part[0].query, part[0].args...); err != nil {
				return last, c.fail(wrap(err))
			}
			continue
		}
		var b pgx.Batch
		for _, s := range part {
			b.Queue(s.query, s.args...)
		}
		if last, err = finish(c.c.SendBatch(ctx, &b), part); err != nil {
			return last, c.fail(err)
		}
	}
	return last, nil
}

// finish reads all answers and returns what the last statement did.
func finish(res pgx.BatchResults, part []statement) (last pgconn.CommandTag, err error) {
	for _, s := range part {
		if last, err = s.answer(res); err != nil {
			_ = res.Close()
			return last, wrap(err)
		}
	}
	return last, wrap(res.Close())
}

// answer reads the next answer of a round trip, which is that to s.
func (s statement) answer(res pgx.BatchResults) (pgconn.CommandTag, error) {
	if s.rows == nil {
		return res.Exec()
	}
	rows, err := res.Query()
	if err != nil {
		return pgconn.CommandTag{}, err
	}
	err = s.rows(&pgRows{Rows: rows})
	rows.Close()
	return rows.CommandTag(), errors.Join(err, rows.Err())
}

// Exec runs a statement after those that were queued.
func (c *conn) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	if c.failed != nil {
		return 0, c.failed
	}
	if len(c.pending) == 0 {
		c.begun = true
		tag, err := c.c.Exec(ctx, query, args...)
		return tag.RowsAffected(), c.fail(wrap(err))
	}
	if err := c.trim(ctx); err != nil {
		return 0, err
	}
	res := c.sendWith(ctx, query, args)
	defer res.Close()
	if err := c.drain(res); err != nil {
		return 0, err
	}
	tag, err := res.Exec()
	return tag.RowsAffected(), c.fail(wrap(err))
}

// Query runs a statement whose rows are wanted, after those that were queued, in one round trip.
func (c *conn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if c.failed != nil {
		return nil, c.failed
	}
	if len(c.pending) == 0 {
		c.begun = true
		rows, err := c.c.Query(ctx, query, args...)
		if err != nil {
			return nil, c.fail(wrap(err))
		}
		return &pgRows{Rows: rows, conn: c}, nil
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
		return nil, c.fail(wrap(err))
	}
	return &pgRows{Rows: rows, batch: res, conn: c}, nil
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
	batch := c.pending
	c.pending = nil
	for _, s := range batch {
		if _, err := s.answer(res); err != nil {
			return c.fail(wrap(err))
		}
	}
	return nil
}

// pgRows closes the round trip that it belongs to.
type pgRows struct {
	pgx.Rows
	batch pgx.BatchResults
	conn  *conn // nil outside of a transaction
}

func (r *pgRows) Close() error {
	r.Rows.Close()
	if r.batch != nil {
		batch := r.batch
		r.batch = nil
		return r.fail(wrap(batch.Close()))
	}
	return nil
}

func (r *pgRows) Err() error { return r.fail(wrap(r.Rows.Err())) }

func (r *pgRows) fail(err error) error {
	if r.conn == nil {
		return err
	}
	return r.conn.fail(err)
}

// codes of PostgreSQL errors (appendix A of its manual).
const (
	uniqueViolation      = "23505"
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
	lockNotAvailable     = "55P03"
	adminShutdown        = "57P01"
	crashShutdown        = "57P02"
	cannotConnectNow     = "57P03"
	readOnlyTransaction  = "25006"
	idleInTransaction    = "25P03"
	classConnection      = "08" // connection exceptions
	classResources       = "53" // disk full, out of memory, too many connections
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
	case code == adminShutdown, code == crashShutdown, code == cannotConnectNow, code == readOnlyTransaction, code == idleInTransaction,
		strings.HasPrefix(code, classConnection), strings.HasPrefix(code, classResources), retryable(err):
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

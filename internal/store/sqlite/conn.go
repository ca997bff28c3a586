package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	sqlite "modernc.org/sqlite"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// conn runs statements on one connection and keeps them prepared. It speaks to modernc's driver
// directly: database/sql would cost a third of a short read again, and its pool is of no use where
// each connection has one user.
//
// Statements never carry a request's context. In a group it would roll the neighbours back (see the
// package comment), and watching one costs more than a short statement does; who is gone is
// noticed between statements.
type conn struct {
	c        driver.Conn
	prepared map[string]*prepared
	args     []driver.NamedValue // reused: the driver copies what it binds
	pending  []statement
	failed   error // of the run under way: nothing more is done in it and nothing is committed
	open     int   // results that are not closed
}

type statement struct {
	query string
	args  []any
	rows  func(store.Rows) error // nil where nobody needs the result
}

// prepared is a statement that stays. One at work (its rows are being read) cannot be used again.
type prepared struct {
	driver.Stmt
	atWork  bool
	oneTime bool
}

// maxPrepared bounds the statements that stay prepared; lists of ids make many shapes.
const maxPrepared = 512

func openConn(dsn string) (*conn, error) {
	c, err := (&sqlite.Driver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, prepared: map[string]*prepared{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.prepared {
		errs = append(errs, s.Close())
	}
	return errors.Join(append(errs, c.c.Close())...)
}

// run calls fn and then what it deferred. A panic in fn becomes an error, so that one request
// cannot take the writer down.
func (c *conn) run(fn func(store.Conn) error) (err error) {
	c.pending, c.failed = c.pending[:0], nil
	defer func() {
		c.failed = nil
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	if err := fn(c); err != nil {
		return err
	}
	return c.flush()
}

// fail remembers the first error of a run. A closure that passes over it must not go on: the
// statement that failed may have taken the common transaction with it.
func (c *conn) fail(err error) error {
	if err != nil && c.failed == nil {
		c.failed = err
	}
	return err
}

func (c *conn) flush() error {
	if c.failed != nil {
		return c.failed
	}
	for len(c.pending) > 0 {
		batch := c.pending
		c.pending = nil
		for _, s := range batch {
			if err := c.do(s); err != nil {
				return c.fail(err)
			}
		}
	}
	return nil
}

func (c *conn) do(s statement) error {
	if s.rows == nil {
		_, err := c.exec(s.query, s.args)
		return err
	}
	r, err := c.query(s.query, s.args)
	if err != nil {
		return err
	}
	return errors.Join(s.rows(r), r.Close())
}

// Defer queues a statement.
func (c *conn) Defer(query string, args ...any) {
	c.pending = append(c.pending, statement{query: query, args: args})
}

// Ask queues a reading statement.
func (c *conn) Ask(rows func(store.Rows) error, query string, args ...any) {
	c.pending = append(c.pending, statement{query, args, rows})
}

// Exec runs a statement after those that were queued.
func (c *conn) Exec(_ context.Context, query string, args ...any) (int64, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	n, err := c.exec(query, args)
	return n, c.fail(err)
}

// plain runs a statement without arguments or result.
func (c *conn) plain(query string) error {
	_, err := c.exec(query, nil)
	return err
}

func (c *conn) exec(query string, args []any) (affected int64, err error) {
	s, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.done()) }()
	bound, err := c.bind(args)
	if err != nil {
		return 0, err
	}
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(context.Background(), bound)
	if err != nil {
		return 0, wrap(err)
	}
	return res.RowsAffected()
}

// Query runs a reading statement, or one with RETURNING, after those that were queued.
func (c *conn) Query(_ context.Context, query string, args ...any) (store.Rows, error) {
	if err := c.flush(); err != nil {
		return nil, err
	}
	r, err := c.query(query, args)
	if err != nil {
		return nil, c.fail(err)
	}
	return r, nil
}

func (c *conn) query(query string, args []any) (*rows, error) {
	s, err := c.stmt(query)
	if err != nil {
		return nil, err
	}
	bound, err := c.bind(args)
	if err != nil {
		return nil, errors.Join(err, s.done())
	}
	res, err := s.Stmt.(driver.StmtQueryContext).QueryContext(context.Background(), bound)
	if err != nil {
		return nil, errors.Join(wrap(err), s.done())
	}
	c.open++
	return &rows{rows: res, stmt: s, conn: c, values: make([]driver.Value, len(res.Columns()))}, nil
}

// stmt returns a statement for one use; its done ends the use.
func (c *conn) stmt(query string) (*prepared, error) {
	kept := c.prepared[query]
	if kept != nil && !kept.atWork {
		kept.atWork = true
		return kept, nil
	}
	if len(c.prepared) >= maxPrepared {
		if err := c.forget(); err != nil {
			return nil, err
		}
	}
	raw, err := c.c.(driver.ConnPrepareContext).PrepareContext(context.Background(), query)
	if err != nil {
		return nil, wrap(err)
	}
	s := &prepared{Stmt: raw, atWork: true, oneTime: kept != nil}
	if !s.oneTime {
		c.prepared[query] = s
	}
	return s, nil
}

// forget closes the statements that are not at work.
func (c *conn) forget() error {
	for query, s := range c.prepared {
		if s.atWork {
			continue
		}
		delete(c.prepared, query)
		if err := s.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (p *prepared) done() error {
	p.atWork = false
	if p.oneTime {
		return p.Close()
	}
	return nil
}

// bind converts arguments to what the driver takes. The slice is valid until the next call.
func (c *conn) bind(args []any) ([]driver.NamedValue, error) {
	c.args = c.args[:0]
	for i, arg := range args {
		v, err := bindable(arg)
		if err != nil {
			return nil, fmt.Errorf("argument $%d: %w", i+1, err)
		}
		c.args = append(c.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return c.args, nil
}

func bindable(arg any) (driver.Value, error) {
	switch v := arg.(type) {
	case string, int64, bool, nil:
		return v, nil
	case int:
		return int64(v), nil
	case []byte:
		if v == nil {
			return nil, nil
		}
		return v, nil
	case *string:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	case *int64:
		if v == nil {
			return nil, nil
		}
		return *v, nil
	default:
		return driver.DefaultParameterConverter.ConvertValue(arg)
	}
}

// rows is the result of a query. Unique violations come up while rows are stepped through
// (RETURNING), and fail the run like any other.
type rows struct {
	rows   driver.Rows
	stmt   *prepared
	conn   *conn
	values []driver.Value
	err    error
	closed bool
	// release, where it is set, gives the connection back.
	release func()
}

func (r *rows) Next() bool {
	if r.closed || r.err != nil {
		return false
	}
	err := r.rows.Next(r.values)
	if err == nil {
		return true
	}
	if !errors.Is(err, io.EOF) {
		r.err = r.conn.fail(wrap(err))
	}
	_ = r.Close() // the first error is the one that counts
	return false
}

func (r *rows) Err() error { return r.err }

func (r *rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.conn.open--
	err := errors.Join(r.rows.Close(), r.stmt.done())
	if r.release != nil {
		r.release()
	}
	return err
}

func (r *rows) Scan(dest ...any) error {
	if len(dest) != len(r.values) {
		return fmt.Errorf("scan: %d columns into %d places", len(r.values), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, r.values[i]); err != nil {
			return fmt.Errorf("scan column %d: %w", i+1, err)
		}
	}
	return nil
}

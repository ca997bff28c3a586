package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// groupLimit is how many transactions share one commit at the most.
const groupLimit = 128

var errClosed = errors.New("the database is closed")

// writer is the one connection that writes. Its goroutine takes the transactions that wait and
// runs them one after another under savepoints of one common transaction.
type writer struct {
	db       *sql.DB
	conn     *conn
	requests chan *request
	quit     chan struct{}
	done     chan struct{}
	once     sync.Once
}

type request struct {
	ctx  context.Context
	fn   func(store.Conn) error
	err  error
	lost bool // it ran, or was not begun, when the common transaction was lost
	// givenUp is set when the caller was gone before its turn.
	givenUp bool
	done    chan struct{}
}

func openWriter(path string) (*writer, error) {
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	db.SetMaxOpenConns(1)
	c, err := db.Conn(context.Background())
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("open writer: %w", err)
	}
	w := &writer{db: db, conn: &conn{c: c, prepared: map[string]*sql.Stmt{}}, requests: make(chan *request, groupLimit),
		quit: make(chan struct{}), done: make(chan struct{})}
	go w.run()
	return w, nil
}

// do runs fn in a transaction and waits for its commit. A request that is cancelled before its
// turn is not run; one that runs is waited for, because fn's results are the caller's.
func (w *writer) do(ctx context.Context, fn func(store.Conn) error) error {
	r := &request{ctx: ctx, fn: fn, done: make(chan struct{})}
	select {
	case <-w.quit:
		return errClosed
	default:
	}
	select {
	case w.requests <- r:
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.done:
		return r.err
	case <-w.done:
		// The writer is gone; it answered whatever it had taken.
		select {
		case <-r.done:
			return r.err
		default:
			return errClosed
		}
	}
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.done
	return w.db.Close()
}

func (w *writer) run() {
	defer close(w.done)
	defer w.conn.close()
	for {
		select {
		case r := <-w.requests:
			w.group(r)
		case <-w.quit:
			for {
				select {
				case r := <-w.requests:
					w.group(r)
				default:
					return
				}
			}
		}
	}
}

// group commits first and what waits behind it together.
func (w *writer) group(first *request) {
	taken := []*request{first}
	lost := w.together(&taken)
	if lost != nil {
		for _, r := range taken {
			if r.lost {
				r.err = w.alone(r)
			}
		}
	}
	for _, r := range taken {
		close(r.done)
	}
}

// together runs requests in one transaction and returns an error when all of it was lost.
func (w *writer) together(taken *[]*request) error {
	bg := context.Background()
	if err := w.conn.plain(bg, "BEGIN IMMEDIATE"); err != nil {
		(*taken)[0].err = err
		return nil
	}
	for i := 0; ; i++ {
		r := (*taken)[i]
		if err := w.savepoint(r); err != nil {
			// The savepoint could not be undone: SQLite ended the transaction by itself.
			w.conn.plain(bg, "ROLLBACK")
			markLost(*taken)
			return err
		}
		if len(*taken) == groupLimit {
			break
		}
		select {
		case next := <-w.requests:
			*taken = append(*taken, next)
			continue
		default:
		}
		break
	}
	if err := w.conn.plain(bg, "COMMIT"); err != nil {
		w.conn.plain(bg, "ROLLBACK")
		markLost(*taken)
		return err
	}
	return nil
}

// markLost marks what must run again: all but what was given up before its turn. What failed
// runs again too, for it may have failed on what a neighbour had written and now has lost.
func markLost(taken []*request) {
	for _, r := range taken {
		r.lost = !r.givenUp
	}
}

var errLost = errors.New("the common transaction was lost")

// savepoint runs one request. Its own failure is its own; an error is returned only when the
// common transaction is gone.
func (w *writer) savepoint(r *request) error {
	bg := context.Background()
	if r.err = r.ctx.Err(); r.err != nil {
		r.givenUp = true
		return nil
	}
	if err := w.conn.plain(bg, "SAVEPOINT request"); err != nil {
		r.err = errLost
		return err
	}
	if r.err = w.conn.run(r.fn); r.err != nil {
		if err := w.conn.plain(bg, "ROLLBACK TO request"); err != nil {
			r.err = errLost
			return err
		}
	}
	if err := w.conn.plain(bg, "RELEASE request"); err != nil {
		r.err = errLost
		return err
	}
	return nil
}

// alone runs a request in a transaction of its own.
func (w *writer) alone(r *request) error {
	bg := context.Background()
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := w.conn.plain(bg, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := w.conn.run(r.fn)
	if err == nil {
		err = w.conn.plain(bg, "COMMIT")
	}
	if err != nil {
		// An error here means that SQLite has rolled back already.
		_ = w.conn.plain(bg, "ROLLBACK")
	}
	return err
}

// conn runs statements on one connection. The writer's keeps them prepared.
type conn struct {
	c        *sql.Conn
	prepared map[string]*sql.Stmt
	pending  []statement
	failed   error // of the run under way: nothing more is done in it and nothing is committed
}

type statement struct {
	query string
	args  []any
}

// maxPrepared bounds the statements that stay prepared; lists of ids make many shapes.
const maxPrepared = 512

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
			if _, err := c.exec(s.query, s.args); err != nil {
				return c.fail(err)
			}
		}
	}
	return nil
}

// Defer queues a statement.
func (c *conn) Defer(query string, args ...any) {
	c.pending = append(c.pending, statement{query, args})
}

// Exec runs a statement after those that were queued. The context is left aside on purpose: see
// the package comment.
func (c *conn) Exec(_ context.Context, query string, args ...any) (int64, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	n, err := c.exec(query, args)
	return n, c.fail(err)
}

func (c *conn) exec(query string, args []any) (int64, error) {
	stmt, err := c.stmt(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, wrap(err)
	}
	return res.RowsAffected()
}

// Query runs a reading statement, or one with RETURNING, after those that were queued.
func (c *conn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if err := c.flush(); err != nil {
		return nil, err
	}
	if c.prepared == nil {
		rows, err := c.c.QueryContext(ctx, query, args...)
		if err != nil {
			return nil, c.fail(wrap(err))
		}
		return rows, nil
	}
	stmt, err := c.stmt(query)
	if err != nil {
		return nil, c.fail(err)
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return nil, c.fail(wrap(err))
	}
	return &wrappedRows{rows, c}, nil
}

// wrappedRows marks unique violations that come up while rows are stepped through (RETURNING).
type wrappedRows struct {
	*sql.Rows
	c *conn
}

func (r *wrappedRows) Err() error { return r.c.fail(wrap(r.Rows.Err())) }

func (c *conn) stmt(query string) (*sql.Stmt, error) {
	if s := c.prepared[query]; s != nil {
		return s, nil
	}
	if len(c.prepared) >= maxPrepared {
		for q, s := range c.prepared {
			s.Close()
			delete(c.prepared, q)
		}
	}
	s, err := c.c.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, wrap(err)
	}
	if c.prepared != nil {
		c.prepared[query] = s
	}
	return s, nil
}

func (c *conn) plain(ctx context.Context, query string) error {
	_, err := c.exec(query, nil)
	return err
}

func (c *conn) close() {
	for _, s := range c.prepared {
		s.Close()
	}
	c.c.Close()
}

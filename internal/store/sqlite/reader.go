package sqlite

import (
	"context"
	"runtime"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// readers are the connections that read, each with its prepared statements and 4 MB of pages. They
// are opened when they are first needed.
type readers struct {
	dsn  string
	free chan *conn // nil stands for a connection that is yet to be opened
	size int
	quit chan struct{}
	once sync.Once
}

func openReaders(path string) (*readers, error) {
	n := max(4, 2*runtime.GOMAXPROCS(0))
	r := &readers{dsn: dsn(path, "query_only(1)", "cache_size(-4000)"), free: make(chan *conn, n), size: n, quit: make(chan struct{})}
	first, err := openConn(r.dsn)
	if err != nil {
		return nil, err
	}
	r.free <- first
	for range n - 1 {
		r.free <- nil
	}
	return r, nil
}

// take waits for a connection. Who takes one gives it back, or drops it.
func (r *readers) take(ctx context.Context) (*conn, error) {
	select {
	case <-r.quit:
		return nil, errClosed
	default:
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case c := <-r.free:
		if c != nil {
			return c, nil
		}
		c, err := openConn(r.dsn)
		if err != nil {
			r.free <- nil
			return nil, err
		}
		return c, nil
	case <-r.quit:
		return nil, errClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *readers) give(c *conn) { r.free <- c }

// drop closes a connection that is in doubt. The next user opens a fresh one.
func (r *readers) drop(c *conn) {
	_ = c.close() // it is not used again
	r.free <- nil
}

// close waits for the reads under way.
func (r *readers) close() error {
	var err error
	r.once.Do(func() {
		close(r.quit)
		for range r.size {
			if c := <-r.free; c != nil {
				if closing := c.close(); err == nil {
					err = closing
				}
			}
		}
	})
	return err
}

// view is a connection on behalf of one request, which is asked for between statements.
type view struct {
	*conn
	ctx context.Context
}

func (v view) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	if err := ctx.Err(); err != nil {
		return nil, v.fail(err)
	}
	return v.conn.Query(ctx, query, args...)
}

// read runs fn on one snapshot.
func (r *readers) read(ctx context.Context, fn func(store.Conn) error) error {
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	if err := c.plain("BEGIN"); err != nil {
		r.drop(c)
		return err
	}
	defer func() {
		// A snapshot that stayed open would be shown for ever, and a result that stayed open keeps it.
		if err := c.plain("ROLLBACK"); err != nil || c.open > 0 {
			r.drop(c)
			return
		}
		r.give(c)
	}()
	return c.run(func(store.Conn) error { return fn(view{c, ctx}) })
}

// query runs one statement on its own snapshot. The connection is given back with the rows.
func (r *readers) query(ctx context.Context, query string, args []any) (store.Rows, error) {
	c, err := r.take(ctx)
	if err != nil {
		return nil, err
	}
	c.failed = nil
	res, err := c.query(query, args)
	if err != nil {
		r.give(c)
		return nil, err
	}
	res.release = func() { r.give(c) }
	return res, nil
}

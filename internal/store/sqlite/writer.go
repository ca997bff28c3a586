package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// groupLimit is how many transactions share one commit at the most.
const groupLimit = 128

var errClosed = errors.New("the database is closed")

// writer is the one connection that writes. Its goroutine takes the transactions that wait and
// runs them one after another under savepoints of one common transaction.
type writer struct {
	conn     *conn
	requests chan *request
	quit     chan struct{}
	done     chan struct{}
	once     sync.Once
	closing  error // of the connection, once done is closed
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
	c, err := openConn(dsn(path))
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	w := &writer{conn: c, requests: make(chan *request, groupLimit), quit: make(chan struct{}), done: make(chan struct{})}
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
	return w.closing
}

func (w *writer) run() {
	defer close(w.done)
	defer func() { w.closing = w.conn.close() }()
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
	if err := w.conn.plain("BEGIN IMMEDIATE"); err != nil {
		(*taken)[0].err = err
		return nil
	}
	for i := 0; ; i++ {
		r := (*taken)[i]
		if err := w.savepoint(r); err != nil {
			// The savepoint could not be undone: SQLite ended the transaction by itself.
			_ = w.conn.plain("ROLLBACK") // an error here means that SQLite has rolled back already
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
	if err := w.conn.plain("COMMIT"); err != nil {
		_ = w.conn.plain("ROLLBACK")
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
	if r.err = r.ctx.Err(); r.err != nil {
		r.givenUp = true
		return nil
	}
	if err := w.conn.plain("SAVEPOINT request"); err != nil {
		r.err = errLost
		return err
	}
	if r.err = w.conn.run(r.fn); r.err != nil {
		if err := w.conn.plain("ROLLBACK TO request"); err != nil {
			r.err = errLost
			return err
		}
	}
	if err := w.conn.plain("RELEASE request"); err != nil {
		r.err = errLost
		return err
	}
	return nil
}

// alone runs a request in a transaction of its own.
func (w *writer) alone(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if err := w.conn.plain("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := w.conn.run(r.fn)
	if err == nil {
		err = w.conn.plain("COMMIT")
	}
	if err != nil {
		// An error here means that SQLite has rolled back already.
		_ = w.conn.plain("ROLLBACK")
	}
	return err
}

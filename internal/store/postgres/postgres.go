package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"net"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Driver is a pool of connections to one PostgreSQL database.
type Driver struct {
	pool   *pgxpool.Pool
	config *pgx.ConnConfig
	// exclusive lets one Exclusive of this process wait at a time: each holds a connection of the
	// pool while fn needs others.
	exclusive chan struct{}
}

// Open reads dsn ("postgres://user@host/db?sslmode=...") and makes the pool. It does not connect
// yet. pool_max_conns in dsn sets the size of the pool; by default it is four per core, ten at the least.
func Open(ctx context.Context, dsn string) (*Driver, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("read the database address: %w", err)
	}
	if !strings.Contains(dsn, "pool_max_conns") {
		cfg.MaxConns = int32(max(10, 4*runtime.GOMAXPROCS(0)))
	}
	cfg.MaxConns = max(cfg.MaxConns, 2) // Exclusive holds one while fn uses another
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	cfg.ConnConfig.RuntimeParams["application_name"] = "gatehouse"
	// A closure that hangs must not hold locks for ever.
	cfg.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60000"
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	return &Driver{pool: pool, config: cfg.ConnConfig, exclusive: make(chan struct{}, 1)}, nil
}

// Name is "postgres".
func (d *Driver) Name() string { return "postgres" }

// maxAttempts bounds how often a transaction that lost a deadlock runs again.
const maxAttempts = 10

// Write runs fn in a read committed transaction.
func (d *Driver) Write(ctx context.Context, fn func(store.Conn) error) error {
	for attempt := 1; ; attempt++ {
		err := d.once(ctx, fn)
		if err == nil || !retryable(err) || attempt == maxAttempts {
			return err
		}
	}
}

func (d *Driver) once(ctx context.Context, fn func(store.Conn) error) error {
	pc, err := d.pool.Acquire(ctx)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer pc.Release()
	c := &conn{c: pc.Conn()}
	c.Defer("BEGIN")
	if err := guarded(c, fn); err != nil {
		c.rollback(ctx)
		return err
	}
	if !c.begun && len(c.pending) == 1 {
		return nil // nothing but BEGIN: nothing was asked of the database
	}
	if err := c.commit(ctx); err != nil {
		c.rollback(ctx)
		return err
	}
	return nil
}

// guarded calls fn; a panic in it becomes an error.
func guarded(c *conn, fn func(store.Conn) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack())
		}
	}()
	return fn(c)
}

// rollback ends the transaction, also when the request is gone. A connection that cannot even do
// that is dropped by the pool.
func (c *conn) rollback(ctx context.Context) {
	if !c.begun {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if c.c.IsClosed() || c.c.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := c.c.Exec(ctx, "ROLLBACK"); err != nil {
		_ = c.c.Close(ctx)
	}
}

// Read runs fn on one snapshot, which is that of its first statement.
func (d *Driver) Read(ctx context.Context, fn func(store.Conn) error) error {
	pc, err := d.pool.Acquire(ctx)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer pc.Release()
	c := &conn{c: pc.Conn()}
	defer c.rollback(ctx)
	c.Defer("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
	if err := guarded(c, fn); err != nil {
		return err
	}
	if !c.begun && len(c.pending) == 1 {
		return nil
	}
	return c.flush(ctx)
}

// Query runs one reading statement.
func (d *Driver) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	rows, err := d.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return &pgRows{Rows: rows}, nil
}

func unreachable(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil || codeOf(err) != "" {
		return err
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

func isNetwork(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		strings.Contains(err.Error(), "conn closed")
}

// Lock takes an advisory lock for the transaction. It is queued, and so travels with the statement
// that reads what it protects.
func (d *Driver) Lock(_ context.Context, c store.Conn, key int64, shared bool) error {
	if shared {
		c.Defer("SELECT pg_advisory_xact_lock_shared($1)", key)
	} else {
		c.Defer("SELECT pg_advisory_xact_lock($1)", key)
	}
	return nil
}

// Classify reads PostgreSQL's error code.
func (d *Driver) Classify(err error) store.Class { return classify(err) }

// channel is the name of the NOTIFY channel.
const channel = "gatehouse"

// Notify announces a signal at commit. PostgreSQL lets one notifying commit through at a time,
// so signals are for rare things: a session's end, not every event.
func (d *Driver) Notify(_ context.Context, c store.Conn, signal string) error {
	c.Defer("SELECT pg_notify('"+channel+"', $1)", signal)
	return nil
}

// Listen calls fn for each signal. When the link breaks it is made anew, with a signal "" that
// says that some may have been missed.
func (d *Driver) Listen(ctx context.Context, fn func(string)) error {
	wait := 100 * time.Millisecond
	for ctx.Err() == nil {
		err := d.listen(ctx, func(signal string) {
			wait = 100 * time.Millisecond
			fn(signal)
		})
		if ctx.Err() != nil {
			return nil
		}
		if codeOf(err) != "" && classify(err) != store.ClassUnavailable {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wait = min(2*wait, 5*time.Second)
	}
	return nil
}

func (d *Driver) listen(ctx context.Context, fn func(string)) error {
	c, err := pgx.ConnectConfig(ctx, d.config.Copy())
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	if _, err := c.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	fn("")
	for {
		n, err := c.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		fn(n.Payload)
	}
}

// Migrations returns the statements with every text compared byte by byte, as SQLite does and as
// keyset paging and unique indexes need it.
func (d *Driver) Migrations(source fs.FS) (fs.FS, *sql.DB, goose.Dialect, error) {
	return bytewise{source}, stdlib.OpenDBFromPool(d.pool), goose.DialectPostgres, nil
}

// Exclusive holds an advisory lock on a connection of its own while fn runs.
func (d *Driver) Exclusive(ctx context.Context, name string, try bool, fn func(context.Context) error) error {
	if try {
		select {
		case d.exclusive <- struct{}{}:
		default:
			return store.ErrHeld
		}
	} else {
		select {
		case d.exclusive <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer func() { <-d.exclusive }()
	pc, err := d.pool.Acquire(ctx)
	if err != nil {
		return unreachable(ctx, err)
	}
	defer pc.Release()
	h := fnv.New64a()
	h.Write([]byte("gatehouse " + name))
	key := int64(h.Sum64())
	got := true
	if try {
		err = pc.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", key).Scan(&got)
	} else {
		_, err = pc.Exec(ctx, "SELECT pg_advisory_lock($1)", key)
	}
	if err != nil {
		return unreachable(ctx, err)
	}
	if !got {
		return store.ErrHeld
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if _, err := pc.Exec(end, "SELECT pg_advisory_unlock($1)", key); err != nil {
			_ = pc.Conn().Close(end) // the lock dies with its connection
		}
	}()
	return fn(ctx)
}

// Ping reports whether the server answers.
func (d *Driver) Ping(ctx context.Context) error { return unreachable(ctx, d.pool.Ping(ctx)) }

// Close waits for connections in use and closes all.
func (d *Driver) Close() error {
	d.pool.Close()
	return nil
}

package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "modernc.org/sqlite" // the driver for database/sql
)

// limits is what the database itself does, without Gatehouse.
type limits interface {
	version(ctx context.Context) (string, error)
	// insert commits one row; read finds one of the seeded rows by its unique key.
	insert(ctx context.Context, key string) error
	read(ctx context.Context, key string) error
	// insertMany commits 64 rows together. It is nil-safe to call only where grouped is true.
	insertMany(ctx context.Context, keys []string) error
	grouped() bool
	// insertAll commits rows together, as many as there are.
	insertAll(ctx context.Context, keys []string) error
	close() error
}

const (
	limitTable  = `CREATE TABLE limit_row (id TEXT NOT NULL PRIMARY KEY, body TEXT NOT NULL)`
	limitInsert = `INSERT INTO limit_row (id, body) VALUES ($1, $2)`
	limitRead   = `SELECT body FROM limit_row WHERE id = $1`
	limitBody   = "a row of about the size of a short document, which is what a person is: given name, family name and address"
	// limitRows is how many rows are there to be read.
	limitRows = 100_000
	// groupSize is how many rows share one commit.
	groupSize = 64
)

func limitKey(n int) string { return fmt.Sprintf("seeded-%07d", n) }

// pgLimits measures PostgreSQL through pgx, with as many connections as the load has.
type pgLimits struct{ pool *pgxpool.Pool }

func openPGLimits(ctx context.Context, dsn string) (*pgLimits, error) {
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = maxConcurrency
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, limitTable); err != nil {
		return nil, err
	}
	n := 0
	_, err = pool.CopyFrom(ctx, pgx.Identifier{"limit_row"}, []string{"id", "body"}, pgx.CopyFromFunc(func() ([]any, error) {
		if n == limitRows {
			return nil, nil
		}
		n++
		return []any{limitKey(n - 1), limitBody}, nil
	}))
	return &pgLimits{pool}, err
}

func (l *pgLimits) version(ctx context.Context) (v string, err error) {
	err = l.pool.QueryRow(ctx, "SHOW server_version").Scan(&v)
	return "PostgreSQL " + v, err
}

func (l *pgLimits) insert(ctx context.Context, key string) error {
	_, err := l.pool.Exec(ctx, limitInsert, key, limitBody)
	return err
}

func (l *pgLimits) read(ctx context.Context, key string) error {
	var body string
	return l.pool.QueryRow(ctx, limitRead, key).Scan(&body)
}

func (l *pgLimits) insertMany(context.Context, []string) error { return nil }

func (l *pgLimits) grouped() bool { return false }

func (l *pgLimits) insertAll(ctx context.Context, keys []string) error {
	return pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		for len(keys) > 0 {
			n := min(len(keys), 512)
			var b pgx.Batch
			for _, key := range keys[:n] {
				b.Queue(limitInsert, key, limitBody)
			}
			if err := tx.SendBatch(ctx, &b).Close(); err != nil {
				return err
			}
			keys = keys[n:]
		}
		return nil
	})
}

func (l *pgLimits) close() error { l.pool.Close(); return nil }

// sqliteLimits measures SQLite: one writer, as many readers as the load has.
type sqliteLimits struct {
	mu       sync.Mutex // there is one writer
	writer   *sql.DB
	readers  *sql.DB
	one, get *sql.Stmt
}

func openSQLiteLimits(ctx context.Context, dir string) (*sqliteLimits, error) {
	dsn := (&url.URL{Scheme: "file", Opaque: filepath.Join(dir, "limit.db"), RawQuery: url.Values{"_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-16000)"}}.Encode()}).String()
	l := &sqliteLimits{}
	var err error
	if l.writer, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	l.writer.SetMaxOpenConns(1)
	if _, err := l.writer.ExecContext(ctx, limitTable); err != nil {
		return nil, err
	}
	if l.one, err = l.writer.PrepareContext(ctx, limitInsert); err != nil {
		return nil, err
	}
	keys := make([]string, limitRows)
	for i := range keys {
		keys[i] = limitKey(i)
	}
	if err := l.insertMany(ctx, keys); err != nil {
		return nil, err
	}
	if l.readers, err = sql.Open("sqlite", dsn); err != nil {
		return nil, err
	}
	l.readers.SetMaxOpenConns(maxConcurrency)
	l.readers.SetMaxIdleConns(maxConcurrency)
	l.get, err = l.readers.PrepareContext(ctx, limitRead)
	return l, err
}

func (l *sqliteLimits) version(ctx context.Context) (v string, err error) {
	err = l.readers.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&v)
	return "SQLite " + v, err
}

func (l *sqliteLimits) insert(ctx context.Context, key string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err := l.one.ExecContext(ctx, key, limitBody)
	return err
}

func (l *sqliteLimits) read(ctx context.Context, key string) error {
	var body string
	return l.get.QueryRowContext(ctx, key).Scan(&body)
}

func (l *sqliteLimits) insertMany(ctx context.Context, keys []string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	tx, err := l.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing to undo after the commit
	stmt := tx.StmtContext(ctx, l.one)
	for _, key := range keys {
		if _, err := stmt.ExecContext(ctx, key, limitBody); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (l *sqliteLimits) grouped() bool { return true }

func (l *sqliteLimits) insertAll(ctx context.Context, keys []string) error {
	return l.insertMany(ctx, keys)
}

func (l *sqliteLimits) close() error {
	_ = l.readers.Close()
	return l.writer.Close()
}

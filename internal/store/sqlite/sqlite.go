package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/pressly/goose/v3"
	sqlite "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Driver is an open SQLite file.
type Driver struct {
	path    string
	readers *readers
	writer  *writer
}

// Open opens or makes the file at path. Its folder must exist.
func Open(path string) (*Driver, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	w, err := openWriter(path)
	if err != nil {
		return nil, err
	}
	r, err := openReaders(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open readers: %w", err), w.close())
	}
	return &Driver{path: path, readers: r, writer: w}, nil
}

func checkPath(path string) error {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("open database folder: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("open database: %s is not a folder", filepath.Dir(path))
	}
	// The file holds personal data and hashes; it is made before SQLite would make it for all to read.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open database: %w", err)
	}
	return f.Close()
}

// dsn is the connection string. Every statement waits up to 10 s for another process's lock. The log
// is copied into the file after 16 MB instead of SQLite's 4: under load the same pages change again
// and again, and the copying was a fifth of the writer's time.
func dsn(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(0)",
		"temp_store(MEMORY)", "cache_size(-16000)", "wal_autocheckpoint(4000)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// Name is "sqlite".
func (d *Driver) Name() string { return "sqlite" }

// Write runs fn as part of a grouped commit.
func (d *Driver) Write(ctx context.Context, fn func(store.Conn) error) error {
	return d.writer.do(ctx, fn)
}

// Read runs fn on one snapshot.
func (d *Driver) Read(ctx context.Context, fn func(store.Conn) error) error {
	return d.readers.read(ctx, fn)
}

// Query runs one reading statement on its own snapshot.
func (d *Driver) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	return d.readers.query(ctx, query, args)
}

// Lock does nothing: there is one writer.
func (d *Driver) Lock(context.Context, store.Conn, int64, bool) error { return nil }

// Notify does nothing: one process has the listeners.
func (d *Driver) Notify(context.Context, store.Conn, string) error { return nil }

// Tend does nothing: statements are written so that SQLite needs no statistics.
func (d *Driver) Tend(context.Context) error { return nil }

// Listen waits for the end of ctx.
func (d *Driver) Listen(ctx context.Context, _ func(string)) error {
	<-ctx.Done()
	return nil
}

// Ping reports whether the file can be read.
func (d *Driver) Ping(ctx context.Context) error {
	rows, err := d.Query(ctx, "SELECT COUNT(*) FROM sqlite_master")
	if err != nil {
		return err
	}
	for rows.Next() {
	}
	return errors.Join(rows.Err(), rows.Close())
}

// Classify reads SQLite's result code.
func (d *Driver) Classify(err error) store.Class { return classify(err) }

func classify(err error) store.Class {
	var unique *store.UniqueError
	if errors.As(err, &unique) {
		return store.ClassUnique
	}
	if errors.Is(err, errClosed) {
		return store.ClassUnavailable
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return store.ClassOther
	}
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY:
		return store.ClassUnavailable
	default:
		return store.ClassOther
	}
}

// wrap marks unique violations with what SQLite says of them: "table.column, table.column".
func wrap(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		_, what, _ := strings.Cut(e.Error(), "UNIQUE constraint failed: ")
		what, _, _ = strings.Cut(what, " (")
		return store.NewUniqueError(what, err)
	default:
		return err
	}
}

// Migrations returns the statements as they are, and a connection of their own.
func (d *Driver) Migrations(source fs.FS) (fs.FS, *sql.DB, goose.Dialect, error) {
	db, err := sql.Open("sqlite", dsn(d.path))
	if err != nil {
		return nil, nil, "", err
	}
	db.SetMaxOpenConns(1)
	return source, db, goose.DialectSQLite3, nil
}

// Exclusive holds a lock file beside the database while fn runs.
func (d *Driver) Exclusive(ctx context.Context, name string, try bool, fn func(context.Context) error) error {
	f, err := os.OpenFile(d.path+"."+name+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("open lock: %w", err)
	}
	defer f.Close()
	how := syscall.LOCK_EX
	if try {
		how |= syscall.LOCK_NB
	}
	if err := syscall.Flock(int(f.Fd()), how); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return store.ErrHeld
		}
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return fn(ctx)
}

// Close ends readers and the writer; transactions under way are finished first.
func (d *Driver) Close() error {
	return errors.Join(d.writer.close(), d.readers.close())
}

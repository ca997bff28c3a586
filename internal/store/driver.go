package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Driver is what really differs between the two databases. Both pass storetest.
type Driver interface {
	// Name is "sqlite" or "postgres".
	Name() string
	// Write runs fn in one transaction and commits it when fn returns nil. fn may run more
	// than once (a lost common transaction, a deadlock); each run starts from nothing. The
	// error of fn is returned as it is, and a panic in it as an error. After a statement that
	// failed, every later one of the run fails alike and nothing is committed, even if fn
	// returns nil.
	Write(ctx context.Context, fn func(Conn) error) error
	// Read runs fn on one consistent view and changes nothing.
	Read(ctx context.Context, fn func(Conn) error) error
	// Query runs a single reading statement outside any transaction.
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Lock takes an advisory lock until the transaction ends. Databases with one writer need
	// none. It may be deferred until the next statement that returns rows.
	Lock(ctx context.Context, c Conn, key int64, shared bool) error
	// Classify tells what an error of a statement means.
	Classify(err error) Class
	// Migrations returns the statements as this database reads them, and a handle and dialect
	// for the migrator.
	Migrations(source fs.FS) (fs.FS, *sql.DB, goose.Dialect, error)
	// Exclusive runs fn while no other process holds the lock of that name. With try it
	// returns ErrHeld at once when another one does.
	Exclusive(ctx context.Context, name string, try bool, fn func(context.Context) error) error
	// Notify announces a signal to every process when the transaction commits, and Listen
	// calls fn for each signal of other processes until ctx ends. A database that serves one
	// process does nothing.
	Notify(ctx context.Context, c Conn, signal string) error
	Listen(ctx context.Context, fn func(signal string)) error
	// Tend does what the database needs now and then to plan statements well. It is called every
	// few seconds and is cheap where there is nothing to do.
	Tend(ctx context.Context) error
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	Close() error
}

// Conn runs statements inside one transaction.
type Conn interface {
	Exec(ctx context.Context, query string, args ...any) (affected int64, err error)
	Query(ctx context.Context, query string, args ...any) (Rows, error)
	// Defer queues a statement whose result nobody needs. It runs before the next Exec or
	// Query, or at commit, in one round trip with its neighbours; its error comes up there.
	Defer(query string, args ...any)
	// Ask queues a reading statement beside those of Defer. When it runs, rows goes over its
	// result; the error of rows is the statement's.
	Ask(rows func(Rows) error, query string, args ...any)
}

// Rows is the result of a query. Callers close it.
type Rows interface {
	Next() bool
	Scan(dest ...any) error
	Err() error
	Close() error
}

// Class is what an error of the database means.
type Class int

const (
	// ClassOther is everything else: a bug, a full disk.
	ClassOther Class = iota
	// ClassUnique is a value that is there already.
	ClassUnique
	// ClassUnavailable is a database that does not answer or is going down.
	ClassUnavailable
)

// ErrInDoubt is wrapped by the error of a transaction whose commit was sent and not answered: it
// may have been made.
var ErrInDoubt = errors.New("the commit was not answered")

// ErrHeld says that another process holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// UniqueError is what a driver wraps around a unique violation: Index is the name of the index
// or, on SQLite, its columns as "table.column, table.column".
type UniqueError struct {
	Index string
	cause error
}

// NewUniqueError makes a UniqueError around cause.
func NewUniqueError(index string, cause error) *UniqueError {
	return &UniqueError{Index: index, cause: cause}
}

func (e *UniqueError) Error() string { return "unique violation of " + e.Index }

// Unwrap returns the driver's own error.
func (e *UniqueError) Unwrap() error { return e.cause }

package storetest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
)

// Each runs fn as a subtest on SQLite and on PostgreSQL, each with an empty migrated database.
func Each(t *testing.T, fn func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachAt(t, nil, fn)
}

// EachAt is Each with a clock; nil is the real one.
func EachAt(t *testing.T, now func() time.Time, fn func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); fn(t, Open(t, SQLite(t), now)) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); fn(t, Open(t, Postgres(t), now)) })
}

// SQLite makes a driver on a fresh file, migrated already. It is in memory where the machine has such
// a folder, because nothing here outlives the test; benchmarks have a disk to wait for.
func SQLite(t testing.TB) store.Driver {
	t.Helper()
	empty, err := migratedFile()
	if err != nil {
		t.Fatal(err)
	}
	place := pgtest.Memory()
	if _, bench := t.(*testing.B); bench {
		place = ""
	}
	dir, err := os.MkdirTemp(place, "gatehouse-sqlite-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Join(dir, "gatehouse.db")
	if err := os.WriteFile(path, empty, 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// migratedFile is a SQLite database with the schema of today and nothing in it.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "gatehouse-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "gatehouse.db")
	d, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	if err := migrate(d); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // closed, it is whole: the log was written back
})

// Postgres makes a driver on a fresh database of a real server, migrated already.
func Postgres(t testing.TB) store.Driver {
	t.Helper()
	d, err := postgres.Open(context.Background(), pgtest.Copy(t, "migrated", migrated))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// migrated brings the database at dsn to the schema of today.
func migrated(dsn string) error {
	d, err := postgres.Open(context.Background(), dsn)
	if err != nil {
		return err
	}
	return migrate(d)
}

func migrate(d store.Driver) error {
	db, err := store.Open(context.Background(), d, store.Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return errors.Join(err, d.Close())
	}
	return db.Close()
}

// Open migrates the database behind d and closes it when the test ends.
func Open(t testing.TB, d store.Driver, now func() time.Time) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), d, store.Options{Now: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

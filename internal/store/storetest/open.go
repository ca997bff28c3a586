package storetest

import (
	"context"
	"log/slog"
	"path/filepath"
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

// SQLite makes a driver on a fresh file.
func SQLite(t testing.TB) store.Driver {
	t.Helper()
	d, err := sqlite.Open(filepath.Join(t.TempDir(), "gatehouse.db"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Postgres makes a driver on a fresh database of a real server.
func Postgres(t testing.TB) store.Driver {
	t.Helper()
	d, err := postgres.Open(context.Background(), pgtest.DSN(t))
	if err != nil {
		t.Fatal(err)
	}
	return d
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

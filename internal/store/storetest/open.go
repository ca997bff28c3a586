package storetest

import (
	"context"
	"errors"
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
	ctx := context.Background()
	d, err := postgres.Open(ctx, dsn)
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, d, store.Options{Log: slog.New(slog.DiscardHandler)})
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

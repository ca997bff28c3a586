package store_test

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func TestMigrations_GoDownAndUpAgain(t *testing.T) {
	for name, open := range map[string]func(t testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			d := open(t)
			storetest.Open(t, d, nil)
			source, handle, dialect, err := d.Migrations(os.DirFS("migrations"))
			if err != nil {
				t.Fatal(err)
			}
			defer handle.Close()
			provider, err := goose.NewProvider(dialect, handle, source)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := provider.DownTo(ctx, 0); err != nil {
				t.Fatal(err)
			}
			for _, table := range []string{"member", "schema_serves", "stranger"} {
				if _, err := handle.ExecContext(ctx, "SELECT 1 FROM "+table); err == nil {
					t.Errorf("%s is still there", table)
				}
			}
			if _, err := store.Open(ctx, d, store.Options{Log: slog.New(slog.DiscardHandler)}); err != nil {
				t.Fatal(err)
			}
			if last, err := provider.GetDBVersion(ctx); err != nil || last != store.SchemaLevel {
				t.Errorf("level %d, %v, want %d", last, err, store.SchemaLevel)
			}
		})
	}
}

package store_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"testing"

	"github.com/pressly/goose/v3"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// migrated is a database at the newest level, and what goes up and down in it.
func migrated(t *testing.T, open func(t testing.TB) store.Driver) (store.Driver, *goose.Provider, *sql.DB) {
	t.Helper()
	d := open(t)
	storetest.Open(t, d, nil)
	source, handle, dialect, err := d.Migrations(os.DirFS("migrations"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { handle.Close() })
	provider, err := goose.NewProvider(dialect, handle, source)
	if err != nil {
		t.Fatal(err)
	}
	return d, provider, handle
}

func TestMigrations_GoDownAndUpAgain(t *testing.T) {
	for name, open := range map[string]func(t testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			d, provider, handle := migrated(t, open)
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

// Level 4 gives each directory the status that it had in effect.
func TestMigrations_KeepADirectoryAsItWas(t *testing.T) {
	for name, open := range map[string]func(t testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			_, provider, handle := migrated(t, open)
			if _, err := provider.DownTo(ctx, 3); err != nil {
				t.Fatal(err)
			}
			for _, statement := range []string{
				`INSERT INTO directory (workspace_id, id, name, name_folded, connection_id, enabled, mode, override, created_at)
					VALUES ('w', 'on', 'on', 'on', '', TRUE, 'lenient', '{}', 1), ('w', 'off', 'off', 'off', '', FALSE, 'lenient', '{}', 1), ('w', 'new', 'new', 'new', '', FALSE, 'lenient', '{}', 1)`,
				`INSERT INTO scim_user (workspace_id, id, directory_id, member_id, user_name, user_name_folded, active, document, created_at, updated_at)
					VALUES ('w', 'u', 'off', 'm', 'u', 'u', TRUE, '{}', 1, 1)`,
			} {
				if _, err := handle.ExecContext(ctx, statement); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := provider.Up(ctx); err != nil {
				t.Fatal(err)
			}
			for id, want := range map[string]string{"on": "enabled", "off": "paused", "new": "draft"} {
				var got string
				if err := handle.QueryRowContext(ctx, "SELECT status FROM directory WHERE id = '"+id+"'").Scan(&got); err != nil || got != want {
					t.Errorf("%s is %q, %v, want %q", id, got, err, want)
				}
			}
		})
	}
}

// Level 14 gives a domain that two workspaces had proven to the earlier one, and takes it from nobody.
func TestMigrations_KeepDomainsThatTwoHadProven(t *testing.T) {
	for name, open := range map[string]func(t testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			_, provider, handle := migrated(t, open)
			if _, err := provider.DownTo(ctx, 8); err != nil {
				t.Fatal(err)
			}
			if _, err := handle.ExecContext(ctx, `INSERT INTO domain_handle (domain, workspace_id, proven_at)
				VALUES ('both.test', 'late', 2), ('both.test', 'early', 1), ('same.test', 'b', 1), ('same.test', 'a', 1), ('one.test', 'late', 3)`); err != nil {
				t.Fatal(err)
			}
			if _, err := provider.Up(ctx); err != nil {
				t.Fatal(err)
			}
			// What a binary of the level before goes on writing.
			if _, err := handle.ExecContext(ctx, `INSERT INTO domain_handle (domain, workspace_id, proven_at) VALUES ('one.test', 'older', 4) ON CONFLICT DO NOTHING`); err != nil {
				t.Fatal(err)
			}
			for row, want := range map[string]bool{"both.test early": true, "both.test late": false, "same.test a": true, "same.test b": false, "one.test late": true, "one.test older": false} {
				var got bool
				if err := handle.QueryRowContext(ctx, "SELECT owner FROM domain_handle WHERE domain || ' ' || workspace_id = '"+row+"'").Scan(&got); err != nil || got != want {
					t.Errorf("%s is owner: %v, %v, want %v", row, got, err, want)
				}
			}
		})
	}
}

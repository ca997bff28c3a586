package storetest

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// again opens a database that is open already, as the next process would.
func again(d store.Driver) error {
	_, err := store.Open(context.Background(), d, store.Options{Log: slog.New(slog.DiscardHandler)})
	return err
}

func testSchema(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	d := open(t)
	db := Open(t, d, nil)
	h := furnish(t, db, "a")
	execute := func(query string, args ...any) {
		must(t, d.Write(ctx, func(c store.Conn) error { _, err := c.Exec(ctx, query, args...); return err }))
	}
	applied := func() int { return number(t, d, "SELECT COUNT(*) FROM goose_db_version") }
	before, rows := dump(t, d, h.Workspace), applied()
	t.Run("a second start changes nothing", func(t *testing.T) {
		must(t, again(d))
		same(t, "migrations", applied(), rows)
	})
	t.Run("a schema that serves only newer binaries is refused in one sentence", func(t *testing.T) {
		execute("UPDATE schema_serves SET oldest = $1", store.SchemaLevel+1)
		err := again(d)
		wantCode(t, err, errs.KindInvalid, "schema_too_new")
		if err == nil || strings.ContainsAny(err.Error(), "\n") || strings.Count(err.Error(), ".") != 1 {
			t.Errorf("not one sentence: %v", err)
		}
	})
	t.Run("a schema that is ahead and still serves is left alone", func(t *testing.T) {
		execute("UPDATE schema_serves SET oldest = $1", store.SchemaLevel)
		execute("INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, TRUE)", store.SchemaLevel+5)
		must(t, again(d))
		same(t, "migrations", applied(), rows+1)
	})
	same(t, "what was stored", dump(t, d, h.Workspace), before)
}

func testStartTogether(t *testing.T, open func(t testing.TB) (one, other store.Driver)) {
	one, other := open(t)
	drivers := []store.Driver{one, other}
	for _, d := range drivers {
		t.Cleanup(func() { _ = d.Close() })
	}
	for _, err := range atOnce(8, func(i int) error { return again(drivers[i%2]) }) {
		must(t, err)
	}
	if n := number(t, one, "SELECT COUNT(*) FROM goose_db_version WHERE version_id = $1", store.SchemaLevel); n != 1 {
		t.Errorf("the last migration was applied %d times", n)
	}
}

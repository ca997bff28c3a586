package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
)

func TestTend_TellsThePlannerOfATableThatHasGrown(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dsn := pgtest.DSN(t)
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.WithoutCancel(ctx))
	// Autovacuum must not get there first.
	if _, err := c.Exec(ctx, `CREATE TABLE grown (n INT) WITH (autovacuum_enabled = false)`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, `INSERT INTO grown SELECT generate_series(1, 1000)`); err != nil {
		t.Fatal(err)
	}
	// The count of rows reaches the statistics when a session asks for it.
	if _, err := c.Exec(ctx, `SELECT pg_stat_force_next_flush()`); err != nil {
		t.Fatal(err)
	}
	d, err := postgres.Open(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Tend(ctx); err != nil {
		t.Fatal(err)
	}
	var known int
	if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM pg_stats WHERE tablename = 'grown'`).Scan(&known); err != nil {
		t.Fatal(err)
	}
	if known != 1 {
		t.Errorf("the planner knows %d columns of the table, want 1", known)
	}
}

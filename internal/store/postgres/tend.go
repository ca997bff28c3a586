package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// untold are the tables that have grown and of which the planner has never been told. Until the
// server's own autovacuum comes by, a minute later, it takes every index that begins with
// workspace and directory for as good as the right one, and walks a directory to find one person.
const untold = `
	SELECT relname FROM pg_stat_user_tables
	WHERE  schemaname = current_schema() AND last_analyze IS NULL AND last_autoanalyze IS NULL AND n_live_tup >= 500`

// Tend has the planner look at tables that it has never seen with rows in them.
func (d *Driver) Tend(ctx context.Context) error {
	rows, err := d.pool.Query(ctx, untold)
	if err != nil {
		return fmt.Errorf("look for tables without statistics: %w", unreachable(ctx, err))
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for tables without statistics: %w", unreachable(ctx, err))
	}
	for _, name := range names {
		if _, err := d.pool.Exec(ctx, "ANALYZE "+pgx.Identifier{name}.Sanitize()); err != nil {
			return fmt.Errorf("analyze %s: %w", name, unreachable(ctx, err))
		}
	}
	return nil
}

package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

//go:embed migrations/*.sql
var migrations embed.FS

// SchemaLevel is the level of the schema that this binary was made for: the number of its last
// migration.
const SchemaLevel = 16

// migrate brings the schema to SchemaLevel, one process at a time. One that is there, or ahead and
// still serving this binary, is left alone.
func (db *DB) migrate(ctx context.Context) error {
	return db.driver.Exclusive(ctx, "migrate", false, func(ctx context.Context) error {
		there, err := db.checkServes(ctx)
		if err != nil || there {
			return err
		}
		source, err := fs.Sub(migrations, "migrations")
		if err != nil {
			return err
		}
		files, handle, dialect, err := db.driver.Migrations(source)
		if err != nil {
			return fmt.Errorf("open for migration: %w", err)
		}
		defer handle.Close()
		provider, err := goose.NewProvider(dialect, handle, files)
		if err != nil {
			return fmt.Errorf("read migrations: %w", err)
		}
		if _, err := provider.Up(ctx); err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		return nil
	})
}

const schemaServes = `
	SELECT oldest, (SELECT MAX(version_id) FROM goose_db_version WHERE is_applied)
	FROM   schema_serves
	WHERE  one = 1`

// checkServes reports whether the schema has all that this binary knows, and refuses one that no longer
// serves it. A database without the table is empty.
func (db *DB) checkServes(ctx context.Context) (there bool, err error) {
	var oldest, level int64
	rows, err := db.driver.Query(ctx, schemaServes)
	if err == nil {
		defer rows.Close()
		for rows.Next() {
			if err := rows.Scan(&oldest, &level); err != nil {
				return false, err
			}
		}
		err = rows.Err()
	}
	if err != nil {
		if db.driver.Classify(err) == ClassUnavailable || errors.Is(err, context.Canceled) {
			return false, db.translate(err)
		}
		return false, nil // no such table: nothing was ever migrated
	}
	if oldest > SchemaLevel {
		return false, errs.Invalid("schema_too_new", "This database needs a newer gatehouse: it serves schema level %d and up, this binary has %d.", oldest, SchemaLevel)
	}
	return level >= SchemaLevel, nil
}

package sqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func TestSQLite(t *testing.T) { storetest.Run(t, storetest.SQLite) }

func TestSQLite_SharedByTwoProcesses(t *testing.T) {
	storetest.RunPair(t, func(t testing.TB) (one, other store.Driver) {
		path := filepath.Join(t.TempDir(), "shared.db")
		return open(t, path), open(t, path)
	})
}

func open(t testing.TB, path string) *sqlite.Driver {
	t.Helper()
	d, err := sqlite.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

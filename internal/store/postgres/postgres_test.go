package postgres_test

import (
	"context"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func TestPostgres(t *testing.T) { storetest.Run(t, storetest.Postgres) }

func TestPostgres_SharedByTwoProcesses(t *testing.T) {
	storetest.RunPair(t, func(t testing.TB) (one, other store.Driver) {
		dsn := pgtest.DSN(t)
		return open(t, dsn), open(t, dsn)
	})
}

func open(t testing.TB, dsn string) *postgres.Driver {
	t.Helper()
	d, err := postgres.Open(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

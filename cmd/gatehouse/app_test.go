package main

import (
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestDatabaseName_TellsDatabasesApartAndHoldsNoCredentials(t *testing.T) {
	dir := realPath(t.TempDir())
	cases := map[string]string{
		"sqlite:" + dir + "/a.db":                                      "sqlite:" + dir + "/a.db",
		"sqlite:" + dir + "/x/../a.db":                                 "sqlite:" + dir + "/a.db",
		"postgres://me:hush@db.test/one":                               "postgres:db.test:5432/one",
		"postgresql://you@db.test:5432/one?sslmode=require":            "postgres:db.test:5432/one",
		"postgres://me@/one?host=/run/pg&port=5433&password=hush":      "postgres:/run/pg:5433/one",
		"postgres://me@db.test/?dbname=two&application_name=gatehouse": "postgres:db.test:5432/two",
	}
	for address, want := range cases {
		if got := databaseName(config.Config{Database: address}); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestScrub_TakesThePasswordOutOfWhatADriverWrote(t *testing.T) {
	cfg := config.Config{Database: "postgres://me:hush%21@db.test/one"}
	if got := scrub(cfg, `no entry for "me", password "hush!"`); strings.Contains(got, "hush") {
		t.Error(got)
	}
}

func TestVerb_OnTheDatabaseItselfNumbersItsEvents(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if code := run(t.Context(), []string{"apply", "-f", "-", "--data-dir", dir}, streams{strings.NewReader("workspace: acme\n"), io.Discard, io.Discard}, nil); code != 0 {
		t.Fatalf("apply: exit %d", code)
	}
	cfg, err := config.Load(map[string]string{"data-dir": dir}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), false)
	if err != nil {
		t.Fatal(err)
	}
	defer a.db.Close()
	workspace, err := a.workspace(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.db.Read(t.Context(), workspace, func(tx *store.Tx) error {
		last, err := tx.LastSeq()
		if err == nil && last == 0 {
			t.Error("the events of a command have no numbers after it ended")
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

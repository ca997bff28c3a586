package pgtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DSN gives the test an empty database and drops it when the test ends. Without a PostgreSQL the
// test is skipped, or fails where CI=true or GATEHOUSE_REQUIRE_POSTGRES=1 say that both databases
// must be tried.
func DSN(t testing.TB) string {
	t.Helper()
	return fresh(t, adminDSN(t), "")
}

// adminDSN is the server to make databases on.
func adminDSN(t testing.TB) string {
	t.Helper()
	admin, err := server()
	if errors.Is(err, ErrNotInstalled) {
		if os.Getenv("CI") == "true" || os.Getenv("GATEHOUSE_REQUIRE_POSTGRES") == "1" {
			t.Fatal(ErrNotInstalled)
		}
		t.Skip(ErrNotInstalled)
	}
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// fresh makes a database, empty or as a copy of template, and drops it when the test ends.
func fresh(t testing.TB, admin, template string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dsn, drop, err := createDatabase(ctx, admin, template)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return dsn
}

// givenServer names a server to use in place of a private one.
const givenServer = "GATEHOUSE_TEST_POSTGRES"

// server returns the DSN under which databases are created: the given server, or the private one
// of this process, started at the first call and reaped when the process ends.
var server = sync.OnceValues(func() (string, error) {
	if dsn := os.Getenv(givenServer); dsn != "" {
		return dsn, nil
	}
	c, err := Start(Options{})
	if err != nil {
		return "", err
	}
	return c.DSN("postgres"), nil
})

// templates are the databases that Copy has made, by name.
var templates struct {
	mu   sync.Mutex
	made map[string]string // name to the database's
}

// Copy is DSN for a database that prepare has filled. On the private server prepare runs once for each
// name and what it left is copied, which takes a fraction of migrating; on a given server it runs
// each time. prepare leaves no connection open.
func Copy(t testing.TB, name string, prepare func(dsn string) error) string {
	t.Helper()
	admin := adminDSN(t)
	if os.Getenv(givenServer) != "" {
		dsn := fresh(t, admin, "")
		if err := prepare(dsn); err != nil {
			t.Fatal(err)
		}
		return dsn
	}
	template, err := templateOf(admin, name, prepare)
	if err != nil {
		t.Fatal(err)
	}
	return fresh(t, admin, template)
}

func templateOf(admin, name string, prepare func(dsn string) error) (string, error) {
	templates.mu.Lock()
	defer templates.mu.Unlock()
	if made, ok := templates.made[name]; ok {
		return made, nil
	}
	dsn, _, err := createDatabase(context.Background(), admin, "") // it ends with the private server
	if err != nil {
		return "", err
	}
	if err := prepare(dsn); err != nil {
		return "", fmt.Errorf("prepare template %s: %w", name, err)
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("prepare template %s: %w", name, err)
	}
	if templates.made == nil {
		templates.made = map[string]string{}
	}
	templates.made[name] = strings.TrimPrefix(u.Path, "/")
	return templates.made[name], nil
}

// createDatabase makes a database beside the one that admin names. It sorts text by language and
// not by byte where the server can, because an operator's database usually does, and a missing
// COLLATE "C" must show. With template it is a copy of that database and sorts as it does.
func createDatabase(ctx context.Context, admin, template string) (dsn string, drop func() error, err error) {
	dsn, name, err := sibling(admin)
	if err != nil {
		return "", nil, err
	}
	create := pgx.Identifier{name}.Sanitize()
	switch {
	case template != "":
		err = execute(ctx, admin, "CREATE DATABASE "+create+" TEMPLATE "+pgx.Identifier{template}.Sanitize())
	default:
		err = execute(ctx, admin, "CREATE DATABASE "+create+
			" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'und'")
		if cannotSortByLanguage(err) {
			err = execute(ctx, admin, "CREATE DATABASE "+create+" TEMPLATE template0 ENCODING 'UTF8'")
		}
	}
	if err != nil {
		return "", nil, fmt.Errorf("create test database: %w", err)
	}
	drop = func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := execute(ctx, admin, "DROP DATABASE IF EXISTS "+create+" WITH (FORCE)"); err != nil {
			return fmt.Errorf("drop test database: %w", err)
		}
		return nil
	}
	return dsn, drop, nil
}

// sibling returns admin's DSN with a fresh database name in it, and the name.
func sibling(admin string) (dsn, name string, err error) {
	u, err := url.Parse(admin)
	if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		// Neither the value nor the parser's error is repeated: a DSN may hold a password.
		return "", "", errors.New("read GATEHOUSE_TEST_POSTGRES: expected postgres://user@host/database")
	}
	var chance [8]byte
	rand.Read(chance[:])
	name = "gatehouse_test_" + hex.EncodeToString(chance[:])
	u.Path = "/" + name
	return u.String(), name, nil
}

// cannotSortByLanguage reports whether the server is older than version 15, which has no
// LOCALE_PROVIDER, or was built without ICU.
func cannotSortByLanguage(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (refusal.Code == "42601" || refusal.Code == "0A000")
}

func execute(ctx context.Context, dsn, statement string) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

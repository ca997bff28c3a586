package pgtest

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func query(t *testing.T, dsn, statement string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var answer string
	if err := conn.QueryRow(t.Context(), statement).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
	return answer
}

func start(t *testing.T) *Cluster {
	t.Helper()
	c, err := Start(Options{Fsync: true})
	if errors.Is(err, ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestDatabases_AreEmptyAndApart(t *testing.T) {
	one, other := DSN(t), DSN(t)
	if err := execute(t.Context(), one, "CREATE TABLE mark ()"); err != nil {
		t.Fatal(err)
	}
	if got := query(t, other, "SELECT count(*)::text FROM pg_tables WHERE schemaname = 'public'"); got != "0" {
		t.Errorf("the second database has %s tables", got)
	}
	if got := query(t, one, "SELECT current_setting('max_connections')"); os.Getenv("GATEHOUSE_TEST_POSTGRES") == "" && got != "200" {
		t.Errorf("max_connections = %s, want 200", got)
	}
}

func TestServer_OutlivesACollectionOfGarbage(t *testing.T) {
	dsn := DSN(t)
	// Twice: a file is closed by a cleanup that the first collection queues.
	runtime.GC()
	runtime.GC()
	for range 20 {
		if got := query(t, dsn, "SELECT pg_sleep(0.01)::text || 'here'"); got != "here" {
			t.Fatalf("got %q", got)
		}
	}
}

func TestDatabase_IsGoneAfterItsTest(t *testing.T) {
	var dsn string
	t.Run("a test that uses one", func(t *testing.T) { dsn = DSN(t) })
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(t.Context())
		t.Error("the database outlived its test")
	}
}

func TestKilledCluster_RestartsWithWhatItAcknowledged(t *testing.T) {
	c := start(t)
	dsn, drop, err := c.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := execute(t.Context(), dsn, "CREATE TABLE mark AS SELECT 'kept' AS word"); err != nil {
		t.Fatal(err)
	}
	if got := query(t, dsn, "SHOW fsync"); got != "on" {
		t.Errorf("fsync = %s, want on", got)
	}

	if err := c.Kill(); err != nil {
		t.Fatal(err)
	}
	if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
		conn.Close(t.Context())
		t.Fatal("a killed cluster answers")
	}
	for _, again := range []string{"after a crash", "in good order"} {
		if err := c.Restart(); err != nil {
			t.Fatalf("restart %s: %v", again, err)
		}
		if got := query(t, dsn, "SELECT word FROM mark"); got != "kept" {
			t.Errorf("%s: word = %q", again, got)
		}
	}
	if err := drop(); err != nil {
		t.Error(err)
	}
}

func TestStoppedCluster_LeavesNothing(t *testing.T) {
	c := start(t)
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.dir); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

// owner is set in the environment of the child process that the next test kills.
const owner = "GATEHOUSE_PGTEST_OWNER"

func TestCluster_DiesWithTheProcessThatStartedIt(t *testing.T) {
	if os.Getenv(owner) != "" {
		c, err := Start(Options{})
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("cluster in " + c.dir + "\n")
		select {} // until the parent kills us
	}
	start(t) // says whether there is a PostgreSQL at all
	child := exec.Command(os.Args[0], "-test.run", t.Name())
	child.Env = append(os.Environ(), owner+"=1")
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed

	dir := strings.TrimSpace(strings.TrimPrefix(line, "cluster in "))
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("%s is still there", dir)
		}
	}
}

func TestAdminDSN_ThatCannotBeReadIsNotRepeated(t *testing.T) {
	for _, dsn := range []string{"host=db password=geheim", "postgres://u:geheim@host:nope/db"} {
		if _, _, err := sibling(dsn); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("sibling(%q) = %v", dsn, err)
		}
	}
	if dsn, name, err := sibling("postgres://u:p@db:5432/postgres?sslmode=disable"); err != nil ||
		dsn != "postgres://u:p@db:5432/"+name+"?sslmode=disable" {
		t.Errorf("sibling = %q, %v", dsn, err)
	}
}

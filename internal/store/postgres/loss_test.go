package postgres_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/postgres"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// cluster starts a server of the test's own, which it may kill.
func cluster(t *testing.T) *pgtest.Cluster {
	t.Helper()
	c, err := pgtest.Start(pgtest.Options{})
	if errors.Is(err, pgtest.ErrNotInstalled) && os.Getenv("CI") != "true" && os.Getenv("GATEHOUSE_REQUIRE_POSTGRES") != "1" {
		t.Skip(err)
	}
	must(t, err)
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func workspace(tx *store.Tx) error {
	if err := tx.InsertWorkspace(directory.Workspace{Slug: "ws"}); err != nil {
		return err
	}
	return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
}

func insert(tx *store.Tx, id string) error {
	tx.InsertMember(&directory.Member{ID: id, Email: id + "@x.test", Stage: directory.StageActive})
	return tx.Record(audit.Event{Type: audit.MemberCreated})
}

func TestServerThatGoesDown(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	ctx := context.Background()
	dsn, _, err := c.CreateDatabase(ctx)
	must(t, err)
	d := open(t, dsn)
	db := storetest.Open(t, d, nil)
	must(t, db.Write(ctx, "ws", workspace))
	there := func(id string) error {
		return db.Read(ctx, "ws", func(tx *store.Tx) error { _, err := tx.Member(id); return err })
	}
	// A pool notices a dead connection when it uses it: a few callers may be told.
	recovered := func(t *testing.T) {
		t.Helper()
		deadline := time.Now().Add(20 * time.Second)
		for {
			err := db.Ping(ctx)
			if err == nil {
				return
			}
			if !errs.Is(err, errs.KindUnavailable) || time.Now().After(deadline) {
				t.Fatalf("the pool does not recover: %v", err)
			}
		}
	}
	for what, down := range map[string]func() error{"killed": c.Kill, "restarted": c.Restart} {
		t.Run(what+" within a transaction", func(t *testing.T) {
			err := db.Write(ctx, "ws", func(tx *store.Tx) error {
				if err := insert(tx, "mem_"+what); err != nil {
					return err
				}
				if _, err := tx.LastSeq(); err != nil { // the insert is sent
					return err
				}
				if err := down(); err != nil {
					return err
				}
				_, err := tx.LastSeq()
				return err
			})
			if !errs.Is(err, errs.KindUnavailable) {
				t.Errorf("got %v", err)
			}
			must(t, c.Restart())
			recovered(t)
			if err := there("mem_" + what); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("half a transaction stayed: %v", err)
			}
			must(t, db.Write(ctx, "ws", func(tx *store.Tx) error { return insert(tx, "mem_after_"+what) }))
			must(t, there("mem_after_"+what))
		})
	}
	t.Run("killed when the commit was sent: nobody is told that nothing was changed", func(t *testing.T) {
		late := make(chan error, 1)
		_ = db.Write(ctx, "ws", func(tx *store.Tx) error { // its own end does not matter
			if err := tx.LockMember("x"); err != nil {
				return err
			}
			if _, err := tx.LastSeq(); err != nil {
				return err
			}
			go func() {
				late <- db.Write(ctx, "ws", func(tx *store.Tx) error {
					// Queued, the lock waits on the server with the commit behind it.
					if err := tx.LockMember("x"); err != nil {
						return err
					}
					return insert(tx, "mem_commit")
				})
			}()
			for !storetest.Waiting(t, d) {
				runtime.Gosched()
			}
			return c.Kill()
		})
		err := <-late
		wantDoubt := errs.Is(err, errs.KindUnavailable) && errs.CodeOf(err) == "commit_in_doubt"
		if !wantDoubt || strings.Contains(errs.As(err).Message, "Nothing was changed") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("down: every door says so", func(t *testing.T) {
		for what, err := range map[string]error{
			"a read":          there("x"),
			"a write":         db.Write(ctx, "ws", func(tx *store.Tx) error { return insert(tx, "x") }),
			"a ping":          db.Ping(ctx),
			"a session check": func() error { _, err := db.SessionByToken(ctx, "x", db.Now()); return err }(),
			"a token":         func() error { _, err := db.System().TokenByHash(ctx, "x", db.Now()); return err }(),
			"numbers":         func() error { _, err := db.Sequence(ctx); return err }(),
		} {
			if !errs.Is(err, errs.KindUnavailable) {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
	must(t, c.Restart())
	recovered(t)
}

func TestServerThatCannotBeReached_IsOneSentence(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"postgres://gatehouse:geheim@127.0.0.1:1/gatehouse?sslmode=disable",
		"postgres://gatehouse:geheim@/gatehouse?sslmode=disable&host=" + t.TempDir(),
	} {
		d, err := postgres.Open(context.Background(), dsn)
		must(t, err)
		_, err = store.Open(context.Background(), d, store.Options{Log: slog.New(slog.DiscardHandler)})
		if !errs.Is(err, errs.KindUnavailable) || errs.As(err).Message != "The postgres database cannot be reached." {
			t.Errorf("got %v", err)
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("the password is told: %v", err)
		}
		must(t, d.Close())
	}
}

func TestAddressThatCannotBeRead_KeepsItsPassword(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"postgres://u:geheim@host:nope/db", "postgres://u:geheim@host/db?sslmode=odd", "postgres://u:geheim@host/db?pool_max_conns=many"} {
		d, err := postgres.Open(context.Background(), dsn)
		if err == nil {
			d.Close()
			t.Errorf("%s is read", dsn)
			continue
		}
		if strings.Contains(err.Error(), "geheim") {
			t.Errorf("the password is told: %v", err)
		}
	}
}

func TestListener_HearsOthersAndIsToldOfALostLink(t *testing.T) {
	t.Parallel()
	c := cluster(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	dsn, _, err := c.CreateDatabase(ctx)
	must(t, err)
	one := storetest.Open(t, open(t, dsn), nil)
	other := storetest.Open(t, open(t, dsn), nil)
	must(t, one.Write(ctx, "ws", workspace))

	signals, unsubscribe := other.Subscribe()
	defer unsubscribe()
	ended := make(chan error, 1)
	go func() { ended <- other.Listen(ctx) }()
	next := func(what string) store.Signal {
		t.Helper()
		select {
		case s := <-signals:
			return s
		case err := <-ended:
			t.Fatalf("the listener ended: %v", err)
		case <-time.After(30 * time.Second):
			t.Fatalf("%s did not come", what)
		}
		return store.Signal{}
	}
	endOne := func(id string) {
		t.Helper()
		for {
			err := one.Write(ctx, "ws", func(tx *store.Tx) error {
				tx.InsertSession(&session.Session{ID: id, Member: "m", ExpiresAt: tx.Now().Add(time.Hour)}, id)
				if err := tx.EndSession(id, "x"); err != nil {
					return err
				}
				return tx.Record(audit.Event{Type: audit.SessionEnded})
			})
			if err == nil {
				return
			}
			if !errs.Is(err, errs.KindUnavailable) { // a dead connection of the pool
				t.Fatal(err)
			}
		}
	}
	if s := next("the word that the link is up"); s != (store.Signal{}) {
		t.Errorf("got %+v", s)
	}
	endOne("ses_1")
	if s := next("the end of a session"); s != (store.Signal{Topic: store.TopicSession, Key: "ses_1"}) {
		t.Errorf("got %+v", s)
	}
	must(t, c.Restart())
	if s := next("the word that the link was lost"); s != (store.Signal{}) {
		t.Errorf("got %+v", s)
	}
	endOne("ses_2")
	if s := next("the end of another session"); s != (store.Signal{Topic: store.TopicSession, Key: "ses_2"}) {
		t.Errorf("got %+v", s)
	}
	cancel()
	select {
	case err := <-ended:
		must(t, err)
	case <-time.After(10 * time.Second):
		t.Error("the listener does not end")
	}
}

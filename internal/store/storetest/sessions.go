package storetest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func testSessionRenewal(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	check := func(hash string) string {
		live, err := db.SessionByToken(ctx, hash, c.now())
		if err != nil {
			return "dead"
		}
		return "lives, " + live.Renew
	}
	same(t, "before", check(h.SessionHash), "lives, ")
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		renewed, err := tx.RenewSession(h.Session, h.SessionHash, "uncalled for")
		same(t, "renewed without a cause", renewed, false)
		return err
	})
	same(t, "a token that was not due", check("uncalled for"), "dead")
	change(t, db, h.Workspace, func(tx *store.Tx) error { return tx.RenewSessions([]string{h.Member}, "role_changed") })
	same(t, "marked", check(h.SessionHash), "lives, role_changed")
	for i, want := range []bool{true, false} {
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			renewed, err := tx.RenewSession(h.Session, h.SessionHash, []string{"fresh", "second"}[i])
			same(t, "renewed", renewed, want)
			return err
		})
	}
	same(t, "the new token", check("fresh"), "lives, ")
	same(t, "the loser's token", check("second"), "dead")
	same(t, "the old token at once", check(h.SessionHash), "lives, ")
	change(t, db, h.Workspace, func(tx *store.Tx) error { return tx.RenewSessions([]string{h.Member}, "role_changed") })
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		renewed, err := tx.RenewSession(h.Session, h.SessionHash, "by the old one")
		same(t, "renewed with a token that is going", renewed, false)
		return err
	})
	c.pass(session.RenewGrace)
	same(t, "the old token later", check(h.SessionHash), "dead")
	same(t, "the new token later", check("fresh"), "lives, role_changed")

	// Life by policy: shorter takes effect for what lives.
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		n, err := tx.LimitSessions(30*time.Minute, 2*time.Hour)
		same(t, "limited", n, 1)
		return err
	})
	c.pass(29 * time.Minute)
	same(t, "within its idle time", check("fresh"), "lives, role_changed")
	must(t, db.FlushMarks(ctx))
	c.pass(15 * time.Minute)
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		n, err := tx.LimitSessions(12*time.Hour, 7*24*time.Hour)
		same(t, "given longer", n, 1)
		return err
	})
	c.pass(31 * time.Minute)
	same(t, "given a longer idle time", check("fresh"), "lives, role_changed")
	c.pass(46 * time.Minute)
	same(t, "its absolute end is not moved on", check("fresh"), "dead")

	// What has run out stays so.
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		tx.InsertSession(&session.Session{ID: "ses_idle", Member: h.Member, Method: "password", Idle: time.Hour, ExpiresAt: tx.Now().Add(100 * time.Hour)}, "idle")
		return nil
	})
	c.pass(time.Hour)
	same(t, "idle", check("idle"), "dead")
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		_, err := tx.LimitSessions(24*time.Hour, 7*24*time.Hour)
		return err
	})
	same(t, "idle, and a longer time is allowed since", check("idle"), "dead")
}

// testSweepInSteps has more rows go than one transaction takes, while somebody else writes.
func testSweepInSteps(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx, d := context.Background(), open(t)
	db := Open(t, d, nil)
	h := furnish(t, db, "a")
	const old = 2500
	must(t, d.Write(ctx, func(c store.Conn) error {
		for _, statement := range []string{
			`INSERT INTO event SELECT $1, 'e' || (100000 + i), i, i, 'x', 'ok', '', '{}', 'member', 'm', '', '', '', '[]' FROM n`,
			`INSERT INTO event_payload SELECT $1, 'e' || (100000 + i), i, CAST('' AS BYTEA) FROM n`,
			`INSERT INTO session SELECT $1, 's' || i, 'm', 'password', '', FALSE, i, i, i, NULL, '', '', '', i, '', '', '', '', '', 43200000000, '' FROM n`,
			`INSERT INTO session_handle SELECT $1 || i, $1, 's' || i, NULL FROM n`,
			`INSERT INTO sign_in_attempt SELECT $1, 'att_00000' || i, '', 'saml', FALSE, i, i, 'ok', '', '', '', '', '', '', '', NULL, FALSE, NULL, NULL, NULL FROM n`,
		} {
			statement = strings.ReplaceAll(statement, "$1", "CAST($1 AS TEXT)")
			if d.Name() == "sqlite" {
				statement = strings.ReplaceAll(statement, "AS BYTEA", "AS BLOB")
			}
			if _, err := c.Exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < CAST($2 AS BIGINT)) `+statement, h.Workspace, old+99); err != nil {
				return err
			}
		}
		return nil
	}))
	count := func() (n int) {
		for _, table := range []string{"event WHERE time < 10000", "event_payload WHERE time < 10000", "session WHERE member_id = 'm'", "session_handle WHERE dies_at IS NULL AND hash <> 'sh-a'", "sign_in_attempt WHERE began_at < 10000"} {
			n += number(t, d, "SELECT COUNT(*) FROM "+table)
		}
		return n
	}
	same(t, "old rows", count(), 5*old)
	stop, wrote := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		for {
			select {
			case <-stop:
				wrote <- n
				return
			default:
				if db.Write(ctx, h.Workspace, noted) == nil {
					n++
				}
			}
		}
	}()
	must(t, db.Sweep(ctx, 30*24*time.Hour, 400*24*time.Hour))
	close(stop)
	if n := <-wrote; n < 3 {
		t.Errorf("only %d transactions of another got through while rows went", n)
	}
	same(t, "old rows that are left: the event with the highest number", count(), 1)
	live, err := db.SessionByToken(ctx, h.SessionHash, db.Now())
	must(t, err)
	same(t, "who lives", live.Member.ID, h.Member)
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func testSignals(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("the end of a session is told after its commit and not before", func(t *testing.T) {
		t.Parallel()
		db := fresh(t, open)
		h := furnish(t, db, "a")
		signals, cancel := db.Subscribe()
		defer cancel()
		err := changed(db, h.Workspace, func(tx *store.Tx) error {
			if err := tx.EndSession(h.Session, "x"); err != nil {
				return err
			}
			return errOwn
		})
		if err != errOwn {
			t.Fatal(err)
		}
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertSession(&session.Session{ID: "ses_2", Member: h.Member, Method: directory.MethodLink, ExpiresAt: tx.Now().Add(time.Hour)}, "h2")
			return nil
		})
		change(t, db, h.Workspace, func(tx *store.Tx) error { return tx.EndSession("ses_2", "x") })
		for {
			s := await(t, signals, "the signal")
			if s.Topic != store.TopicSession {
				continue
			}
			same(t, "the first end of a session that is told", s.Key, "ses_2")
			break
		}
	})
	t.Run("who does not keep up is told that something was missed and blocks nobody", func(t *testing.T) {
		t.Parallel()
		db := fresh(t, open)
		h := named("a")
		must(t, db.Write(ctx, h.Workspace, h.config))
		signals, cancel := db.Subscribe()
		defer cancel()
		for range 300 {
			must(t, db.Write(ctx, h.Workspace, func(tx *store.Tx) error { return noted(tx) }))
		}
		for {
			if await(t, signals, "the word that something was missed") == (store.Signal{}) {
				return
			}
		}
	})
}

func testMarks(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("the request log keeps what came, cut to its bounds", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		entry := store.ReadLogEntry{Workspace: h.Workspace, Directory: h.Directory, Method: "GET", Status: 200, Results: 3, Took: 1500 * time.Microsecond}
		for i, path := range []string{"/Users?q=" + strings.Repeat("é", 600), "/Users/\x00\xff", "/Groups"} {
			entry.Time, entry.Path = c.now().Add(time.Duration(i+1)*time.Second), path
			must(t, db.LogRead(ctx, entry))
		}
		must(t, db.FlushMarks(ctx))
		must(t, db.FlushMarks(ctx)) // nothing left
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			got, err := tx.Reads(h.Directory, 3)
			if err != nil || len(got) != 3 {
				t.Fatalf("%v, %v", got, err)
			}
			entry.Time = entry.Time.Truncate(time.Microsecond)
			same(t, "the newest", got[0], entry)
			same(t, "one with text that cannot be stored", got[1].Path, "/Users/\uFFFD\uFFFD")
			if n := len(got[2].Path); n > 1000 || n < 990 {
				t.Errorf("a long path is kept in %d bytes", n)
			}
			return nil
		})
	})
	t.Run("who finds the log full writes it out", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		db := Open(t, d, nil)
		for i := range 2100 {
			must(t, db.LogRead(ctx, store.ReadLogEntry{Workspace: "w", Directory: "d", Time: db.Now(), Path: fmt.Sprint(i)}))
		}
		if n := number(t, d, "SELECT COUNT(*) FROM request_log"); n < 2000 || n == 2100 {
			t.Errorf("%d entries were written before the flush", n)
		}
		must(t, db.FlushMarks(ctx))
		if n := number(t, d, "SELECT COUNT(*) FROM request_log"); n != 2100 {
			t.Errorf("%d entries in the end", n)
		}
	})
	t.Run("the use of a token and of a session is written down, a minute apart", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		used := func(want time.Time) {
			t.Helper()
			_, err := db.System().TokenByHash(ctx, h.TokenHash, c.now())
			must(t, err)
			_, err = db.SessionByToken(ctx, h.SessionHash, c.now())
			must(t, err)
			must(t, db.FlushMarks(ctx))
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				tokens, err := tx.Tokens(h.Directory)
				if err != nil {
					return err
				}
				same(t, "the token's last use", tokens[0].LastUsedAt, want.Truncate(time.Microsecond))
				return nil
			})
		}
		first := c.now()
		used(first)
		c.pass(30 * time.Second)
		used(first)
		c.pass(time.Minute)
		used(c.now())
		live, err := db.SessionByToken(ctx, h.SessionHash, c.now())
		must(t, err)
		same(t, "the session's last use", live.LastUsedAt, c.now().Truncate(time.Microsecond))
	})
	t.Run("strangers are summed up and cannot fill the disk", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		d := open(t)
		db := Open(t, d, c.now)
		sys := db.System()
		first := c.now().Truncate(time.Microsecond)
		sample := []byte(`{"n":1}`)
		sys.RecordStranger("192.0.2.0/24", "token_unknown", sample)
		copy(sample, "garbage") // the caller's buffer is the caller's again
		for range 2 {
			c.pass(time.Second)
			sys.RecordStranger("192.0.2.0/24", "token_unknown", []byte(`{"n":2}`))
			must(t, db.FlushMarks(ctx))
		}
		sys.RecordStranger("bad\x00\xff", "token_unknown", make([]byte, audit.MaxStrangerPayload+1))
		must(t, db.FlushMarks(ctx))
		list, err := sys.Strangers(ctx, first)
		must(t, err)
		if len(list) != 2 {
			t.Fatalf("%+v", list)
		}
		i := 0
		if list[0].Source != "192.0.2.0/24" {
			i = 1
		}
		same(t, "the sum", list[i], store.Stranger{Source: "192.0.2.0/24", Reason: "token_unknown", Count: 3, FirstAt: first,
			LastAt: c.now().Truncate(time.Microsecond), Sample: []byte(`{"n":1}`)})
		for i := range 5000 {
			sys.RecordStranger(fmt.Sprint("source ", i), "flood", nil)
		}
		must(t, db.FlushMarks(ctx))
		if n := number(t, d, "SELECT COUNT(*) FROM stranger WHERE type = 'flood'"); n > 4097 {
			t.Errorf("5,000 strangers made %d lines", n)
		}
		if n := number(t, d, "SELECT CAST(SUM(count) AS BIGINT) FROM stranger WHERE type = 'flood'"); n != 5000 {
			t.Errorf("5,000 refusals are counted as %d", n)
		}
	})
	t.Run("what could not be written is written the next time", func(t *testing.T) {
		t.Parallel()
		d := &flaky{Driver: open(t)}
		db := Open(t, d, nil)
		h := furnish(t, db, "a")
		d.down = true
		db.System().RecordStranger("s", "r", nil)
		_, err := db.System().TokenByHash(ctx, h.TokenHash, db.Now())
		must(t, err)
		for i := range 3000 {
			err = db.LogRead(ctx, store.ReadLogEntry{Workspace: h.Workspace, Directory: h.Directory, Time: db.Now(), Path: fmt.Sprint(i)})
		}
		if err == nil || db.FlushMarks(ctx) == nil {
			t.Error("no error while the database is down")
		}
		db.System().RecordStranger("s", "r", nil)
		d.down = false
		must(t, db.FlushMarks(ctx))
		if n := number(t, d, "SELECT COUNT(*) FROM request_log"); n != 2048+1 {
			t.Errorf("%d reads were kept, want the newest 2,048 and one from before", n)
		}
		if n := number(t, d, "SELECT CAST(SUM(count) AS BIGINT) FROM stranger"); n != 2 {
			t.Errorf("%d strangers were kept", n)
		}
		if n := number(t, d, "SELECT COUNT(*) FROM token_handle WHERE last_used_at IS NOT NULL"); n != 1 {
			t.Error("the use of the token was lost")
		}
	})
	t.Run("the marks are written at intervals and at the end", func(t *testing.T) {
		t.Parallel()
		d := open(t)
		db := Open(t, d, nil)
		running, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- db.RunMarks(running, time.Hour) }()
		must(t, db.LogRead(ctx, store.ReadLogEntry{Workspace: "w", Directory: "d", Time: db.Now()}))
		stop()
		must(t, await(t, ended, "the end"))
		if n := number(t, d, "SELECT COUNT(*) FROM request_log"); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

// flaky is a driver whose writes fail while it is down.
type flaky struct {
	store.Driver
	down bool
}

func (d *flaky) Write(ctx context.Context, fn func(store.Conn) error) error {
	if d.down {
		return errors.New("down")
	}
	return d.Driver.Write(ctx, fn)
}

func testHandles(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	t.Run("attempts are counted exactly, within windows that begin with the first", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		sys := db.System()
		attempt := func(buckets []string, limits ...int) (time.Duration, error) {
			return sys.Attempt(ctx, time.Minute, buckets, limits)
		}
		free := 0
		waits := make([]time.Duration, 20)
		for i, err := range atOnce(20, func(i int) (err error) { waits[i], err = attempt([]string{"door"}, 7); return err }) {
			must(t, err)
			if waits[i] == 0 {
				free++
			} else if waits[i] != time.Minute {
				t.Errorf("wait %v, want the whole window", waits[i])
			}
		}
		same(t, "free attempts", free, 7)
		c.pass(59 * time.Second)
		wait, err := attempt([]string{"door"}, 7)
		must(t, err)
		same(t, "the wait near the end", wait, time.Second)
		c.pass(1*time.Second + time.Microsecond)
		wait, err = attempt([]string{"door"}, 7)
		must(t, err)
		same(t, "the wait in the next window", wait, time.Duration(0))
		for range 3 {
			wait, err = attempt([]string{"one", "two"}, 10, 2)
			must(t, err)
		}
		same(t, "the wait for the worse of two", wait, time.Minute)
		must(t, sys.ForgetAttempts(ctx, "two"))
		wait, err = attempt([]string{"one", "two"}, 10, 2)
		must(t, err)
		same(t, "the wait after success", wait, time.Duration(0))
	})
	t.Run("two buckets in either order do not wait for each other", func(t *testing.T) {
		t.Parallel()
		db := fresh(t, open)
		for _, err := range atOnce(20, func(i int) error {
			buckets := []string{"x", "y"}
			if i%2 == 0 {
				buckets = []string{"y", "x"}
			}
			_, err := db.System().Attempt(ctx, time.Minute, buckets, []int{100, 100})
			return err
		}) {
			must(t, err)
		}
		wait, err := db.System().Attempt(ctx, time.Minute, []string{"x", "y"}, []int{20, 100})
		must(t, err)
		if wait == 0 {
			t.Error("some of 20 attempts were not counted")
		}
	})
	t.Run("a link opens once, for whoever comes first", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		use := func(hash string) error {
			return changed(db, h.Workspace, func(tx *store.Tx) error {
				member, err := tx.UseLink(hash)
				if err == nil && member != h.Member {
					t.Errorf("the link leads to %s", member)
				}
				return err
			})
		}
		opened := 0
		for _, err := range atOnce(20, func(int) error { return use(h.LinkHash) }) {
			if err == nil {
				opened++
				continue
			}
			wantCode(t, err, errs.KindForbidden, "link_invalid")
		}
		same(t, "links opened", opened, 1)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertLink("old", h.Member, tx.Now().Add(time.Minute))
			tx.InsertLink("ended", h.Member, tx.Now().Add(time.Hour))
			return nil
		})
		c.pass(time.Minute)
		wantCode(t, use("old"), errs.KindForbidden, "link_invalid")
		change(t, db, h.Workspace, func(tx *store.Tx) error { tx.EndLinks(h.Member); return nil })
		wantCode(t, use("ended"), errs.KindForbidden, "link_invalid")
	})
	t.Run("a revoked token is told from an unknown one and stays revoked", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		at := c.now().Truncate(time.Microsecond)
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertToken(store.Token{ID: "tok_second", Directory: h.Directory, Name: "second", Hint: "2222"}, "second")
			return nil
		})
		for _, want := range []int64{1, 0} {
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				n, err := tx.RevokeTokens(h.Directory, h.Token, "replaced")
				same(t, "revoked", n, want)
				return err
			})
			c.pass(time.Hour)
		}
		holder, err := db.System().TokenByHash(ctx, h.TokenHash, c.now())
		must(t, err)
		same(t, "the revoked token", []any{holder.RevokedAt, holder.Why}, []any{at, "replaced"})
		holder, err = db.System().TokenByHash(ctx, "second", c.now())
		must(t, err)
		same(t, "the other token", holder.RevokedAt, time.Time{})
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			n, err := tx.RevokeTokens(h.Directory, "", "revoked")
			same(t, "revoked", n, int64(1))
			return err
		})
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			list, err := tx.Tokens(h.Directory)
			same(t, "why", []string{list[0].RevokedWhy, list[1].RevokedWhy}, []string{"replaced", "revoked"})
			return err
		})
		_, err = db.System().TokenByHash(ctx, "no such hash", c.now())
		wantCode(t, err, errs.KindUnauthenticated, "token_unknown")
	})
}

func testRetention(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	const day = 24 * time.Hour
	c := newClock()
	d := open(t)
	db := Open(t, d, c.now)
	a, b := furnish(t, db, "a"), furnish(t, db, "b")
	payload := func(workspace string) {
		must(t, db.Write(ctx, workspace, func(tx *store.Tx) error {
			return tx.Record(audit.Event{Type: audit.SCIMRefused, Payload: []byte(`{"x":1}`)})
		}))
		_, err := db.Sequence(ctx)
		must(t, err)
	}
	sweep := func() { must(t, db.Sweep(ctx, 30*day, 400*day)) }
	payloads := func() int {
		return number(t, d, "SELECT COUNT(*) FROM event_payload WHERE workspace_id = $1", a.Workspace)
	}
	_, err := db.System().Attempt(ctx, time.Minute, []string{"x"}, []int{1})
	must(t, err)
	db.System().RecordStranger("s", "r", nil)
	must(t, db.FlushMarks(ctx))
	jobs := func() int {
		return number(t, d, "SELECT COUNT(*) FROM job WHERE workspace_id = $1", a.Workspace)
	}
	tried := jobs()
	must(t, db.Write(ctx, a.Workspace, func(tx *store.Tx) error { tx.InsertJob("given up", "{}", tx.Now()); return nil }))
	must(t, d.Write(ctx, func(c store.Conn) error {
		_, err := c.Exec(ctx, "UPDATE job SET dead_at = $1 WHERE kind = 'given up'", db.Now().UnixMicro())
		return err
	}))

	c.pass(30 * day)
	payload(a.Workspace)
	sweep()
	same(t, "payloads at 30 days", payloads(), 2)
	same(t, "jobs at 30 days", jobs(), tried+1)
	c.pass(time.Second)
	sweep()
	same(t, "payloads behind 30 days", payloads(), 1)
	same(t, "jobs behind 30 days: those that are tried stay", jobs(), tried)
	events := log(t, db, a.Workspace)
	if len(events) != 3 || events[0].Payload != nil || events[2].Payload == nil {
		t.Errorf("events whose payload was swept: %+v", events)
	}
	if n := number(t, d, "SELECT COUNT(*) FROM request_log") + number(t, d, "SELECT COUNT(*) FROM attempt"); n != 0 {
		t.Errorf("%d old lines of the request log and counters are left", n)
	}
	c.pass(10 * day)
	sweep()
	if n := number(t, d, "SELECT COUNT(*) FROM session") + number(t, d, "SELECT COUNT(*) FROM session_handle") + number(t, d, "SELECT COUNT(*) FROM link_handle") +
		number(t, d, "SELECT COUNT(*) FROM stranger") + number(t, d, "SELECT COUNT(*) FROM state_handle") + number(t, d, "SELECT COUNT(*) FROM replay"); n != 0 {
		t.Errorf("%d sessions, handles, links, strangers and sign-ins under way are left long after their end", n)
	}
	c.pass(400 * day)
	must(t, db.Write(ctx, a.Workspace, func(tx *store.Tx) error { return noted(tx) })) // not numbered yet
	sweep()
	same(t, "events behind 400 days: the newest that has a number stays", len(log(t, db, a.Workspace)), 1)
	same(t, "events of the other workspace", len(log(t, db, b.Workspace)), 1)
	_, err = db.Sequence(ctx)
	must(t, err)
	left := log(t, db, a.Workspace)
	same(t, "the number after the sweep", left[len(left)-1].Seq, events[2].Seq+1)
}

// testReadsAreBounded holds the request log to its newest lines, whatever their age.
func testReadsAreBounded(t *testing.T, open func(testing.TB) store.Driver) {
	ctx, d := context.Background(), open(t)
	db := Open(t, d, nil)
	a, b := furnish(t, db, "a"), furnish(t, db, "b")
	const many = 100_003
	must(t, d.Write(ctx, func(c store.Conn) error {
		_, err := c.Exec(ctx, `
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $3)
			INSERT INTO request_log (workspace_id, directory_id, id, time, method, path, status, micros, results)
			SELECT $1, $2, 'req_' || CAST(1000000 + i AS TEXT), $4, 'GET', '/Users', 200, 1, 0 FROM n`,
			a.Workspace, a.Directory, many, db.Now().UnixMicro())
		return err
	}))
	must(t, db.LogRead(ctx, store.ReadLogEntry{Workspace: b.Workspace, Directory: b.Directory, Time: db.Now(), Method: "GET", Path: "/Users", Status: 200}))
	must(t, db.FlushMarks(ctx))
	must(t, db.Sweep(ctx, time.Hour, time.Hour))
	same(t, "lines kept", number(t, d, "SELECT COUNT(*) FROM request_log WHERE workspace_id = $1", a.Workspace), 100_000)
	same(t, "the oldest line kept", number(t, d, "SELECT COUNT(*) FROM request_log WHERE workspace_id = $1 AND id = 'req_1000004'", a.Workspace), 1)
	if n := number(t, d, "SELECT COUNT(*) FROM request_log WHERE workspace_id = $1", b.Workspace); n == 0 {
		t.Error("the neighbour's lines are gone")
	}
}

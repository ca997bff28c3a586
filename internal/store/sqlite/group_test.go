package sqlite_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/sqlite"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

const insertMark = "INSERT INTO mark (n) VALUES ($1)"

// marked opens a file with one table.
func marked(t *testing.T) (*sqlite.Driver, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "marks.db")
	d := open(t, path)
	t.Cleanup(func() { d.Close() })
	must(t, d.Write(context.Background(), func(c store.Conn) error {
		_, err := c.Exec(context.Background(), "CREATE TABLE mark (n BIGINT NOT NULL UNIQUE)")
		return err
	}))
	return d, path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func marks(t testing.TB, d store.Driver) (n int64) {
	t.Helper()
	rows, err := d.Query(context.Background(), "SELECT COUNT(*) FROM mark")
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		must(t, rows.Scan(&n))
	}
	must(t, rows.Err())
	return n
}

// together holds the writer until all of fns wait behind it, so that they share one group, and
// returns the error of each. contexts, where given, belong to the functions of the same place.
func together(t testing.TB, d *sqlite.Driver, contexts []context.Context, fns ...func(c store.Conn) error) []error {
	t.Helper()
	var all sync.WaitGroup
	gate := hold(t, d, &all)
	out := make([]error, len(fns))
	for i, fn := range fns {
		ctx := context.Background()
		if i < len(contexts) && contexts[i] != nil {
			ctx = contexts[i]
		}
		all.Go(func() { out[i] = d.Write(ctx, fn) })
		// One after the other, so that they run in this order.
		for deadline := time.Now().Add(20 * time.Second); d.Queued() <= i; {
			if time.Now().After(deadline) {
				t.Fatalf("%d of %d wait for the writer", d.Queued(), i+1)
			}
			runtime.Gosched()
		}
	}
	close(gate)
	all.Wait()
	return out
}

// hold keeps the writer busy until the returned channel is closed.
func hold(t testing.TB, d *sqlite.Driver, all *sync.WaitGroup) (gate chan struct{}) {
	gate = make(chan struct{})
	held := make(chan struct{})
	once := sync.OnceFunc(func() { close(held) }) // a lost group runs it again
	all.Go(func() {
		if err := d.Write(context.Background(), func(store.Conn) error { once(); <-gate; return nil }); err != nil {
			t.Errorf("the first of the group: %v", err)
		}
	})
	<-held
	return gate
}

// mark inserts n.
func mark(n int64) func(c store.Conn) error {
	return func(c store.Conn) error { c.Defer(insertMark, n); return nil }
}

// commits counts the commits in the write-ahead log: frames that hold the size of the database
// (SQLite file format, section 4.1).
func commits(t testing.TB, path string) int {
	t.Helper()
	wal, err := os.ReadFile(path + "-wal")
	must(t, err)
	page := int(binary.BigEndian.Uint32(wal[8:]))
	salt := string(wal[16:24])
	n := 0
	for at := 32; at+24+page <= len(wal) && string(wal[at+8:at+16]) == salt; at += 24 + page {
		if binary.BigEndian.Uint32(wal[at+4:]) != 0 {
			n++
		}
	}
	return n
}

func TestGroup_SharesOneCommit(t *testing.T) {
	t.Parallel()
	d, path := marked(t)
	before := commits(t, path)
	var fns []func(c store.Conn) error
	for i := range int64(50) {
		fns = append(fns, mark(i))
	}
	for _, err := range together(t, d, nil, fns...) {
		must(t, err)
	}
	if n := marks(t, d); n != 50 {
		t.Errorf("%d of 50 were kept", n)
	}
	if n := commits(t, path) - before; n != 1 {
		t.Errorf("50 transactions that waited took %d commits, want 1", n)
	}
}

func TestGroup_AClosureThatFailsDoesNotTouchItsNeighbours(t *testing.T) {
	t.Parallel()
	d, _ := marked(t)
	own := errors.New("own")
	gone, cancel := context.WithCancel(context.Background())
	cancelled, cancelLate := context.WithCancel(context.Background())
	defer cancelLate()
	defer cancel()
	errs := together(t, d, []context.Context{3: gone, 4: cancelled},
		mark(1),
		func(c store.Conn) error { c.Defer(insertMark, 2); return own },
		mark(1), // twice
		func(c store.Conn) error { c.Defer(insertMark, 4); return nil },
		func(c store.Conn) error { // the request ends while it runs, and its neighbours' go on
			cancelLate()
			_, err := c.Exec(cancelled, insertMark, 5)
			return err
		},
		func(c store.Conn) error { c.Defer(insertMark, 6); panic("boom") },
		func(c store.Conn) error { cancel(); return nil }, // too late for its neighbour, which has run
		mark(8),
	)
	var unique *store.UniqueError
	for i, ok := range []bool{
		errs[0] == nil, errs[1] == own, errors.As(errs[2], &unique), errs[3] == nil, errs[4] == nil,
		errs[5] != nil, errs[6] == nil, errs[7] == nil,
	} {
		if !ok {
			t.Errorf("closure %d: %v", i, errs[i])
		}
	}
	if n := marks(t, d); n != 4 {
		t.Errorf("%d marks were kept, want 1, 4, 5 and 8", n)
	}
}

func TestGroup_WhoLeavesBeforeTheirTurnIsNotRun(t *testing.T) {
	t.Parallel()
	d, _ := marked(t)
	gone, cancel := context.WithCancel(context.Background())
	errs := together(t, d, []context.Context{1: gone},
		func(store.Conn) error { cancel(); return nil },
		mark(1),
		mark(2))
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil {
		t.Errorf("%v", errs)
	}
	if n := marks(t, d); n != 1 {
		t.Errorf("%d marks", n)
	}
}

func TestGroup_ALostTransactionRunsEachAloneOnceMore(t *testing.T) {
	t.Parallel()
	d, path := marked(t)
	gone, cancel := context.WithCancel(context.Background())
	runs := make([]atomic.Int64, 6)
	count := func(i int, fn func(c store.Conn) error) func(c store.Conn) error {
		return func(c store.Conn) error { runs[i].Add(1); return fn(c) }
	}
	var seen int64
	before := commits(t, path)
	errs := together(t, d, []context.Context{1: gone},
		count(0, func(c store.Conn) error { cancel(); return mark(1)(c) }),
		count(1, mark(2)), // has left before its turn
		count(2, func(c store.Conn) error { // what the first run found does not count
			rows, err := c.Query(context.Background(), "SELECT COUNT(*) FROM mark")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				if err := rows.Scan(&seen); err != nil {
					return err
				}
			}
			return rows.Err()
		}),
		count(3, mark(1)), // refused because of the first, whose row may yet be lost
		count(4, func(c store.Conn) error { // loses the common transaction once
			_, err := c.Exec(context.Background(), insertMark, 5)
			if err == nil && runs[4].Load() == 1 {
				_, err = c.Exec(context.Background(), "ROLLBACK")
			}
			return err
		}),
		count(5, mark(6)), // behind the loss: a group of its own
	)
	for i, want := range []int64{2, 0, 2, 2, 2, 1} {
		if got := runs[i].Load(); got != want {
			t.Errorf("closure %d ran %d times, want %d", i, got, want)
		}
	}
	var unique *store.UniqueError
	if errs[0] != nil || !errors.Is(errs[1], context.Canceled) || errs[2] != nil || !errors.As(errs[3], &unique) || errs[4] != nil || errs[5] != nil {
		t.Errorf("%v", errs)
	}
	if seen != 1 {
		t.Errorf("the reader saw %d marks, want the one before it", seen)
	}
	if n := marks(t, d); n != 3 {
		t.Errorf("%d marks, want 1, 5 and 6", n)
	}
	if n := commits(t, path) - before; n > 6 {
		t.Errorf("%d commits", n)
	}
}

// rolling is a driver on which the lock of one member loses the common transaction.
type rolling struct {
	store.Driver
	lose atomic.Bool
}

func (d *rolling) Lock(ctx context.Context, c store.Conn, _ int64, _ bool) error {
	if d.lose.CompareAndSwap(true, false) {
		_, err := c.Exec(ctx, "ROLLBACK")
		return err
	}
	return nil
}

func TestGroup_AConfigurationThatWasLostIsNeverServed(t *testing.T) {
	t.Parallel()
	file := open(t, filepath.Join(t.TempDir(), "config.db"))
	d := &rolling{Driver: file}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) // it stands still: a version would be given again
	db := storetest.Open(t, d, func() time.Time { return at })
	ctx := context.Background()
	name := func(tx *store.Tx) (string, error) {
		cfg, err := tx.Config()
		if err != nil {
			return "", err
		}
		return cfg.Workspace.Name, nil
	}
	save := func(tx *store.Tx, name string) error {
		if err := tx.UpdateWorkspace(directory.Workspace{Name: name}); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SettingsChanged})
	}
	must(t, db.Write(ctx, "ws", func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{Slug: "ws", Name: "before"}); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
	}))

	var all sync.WaitGroup
	gate := hold(t, file, &all)
	wait := func(n int) {
		for file.Queued() < n {
			runtime.Gosched()
		}
	}
	lost := errors.New("no second time")
	first := true
	all.Go(func() { // its change is lost, and the second time it wants nothing
		err := db.Write(ctx, "ws", func(tx *store.Tx) error {
			if !first {
				return lost
			}
			first = false
			return save(tx, "lost")
		})
		if err != lost {
			t.Errorf("the lost change: %v", err)
		}
	})
	wait(1)
	read := false
	all.Go(func() { // reads it in the same group, and not again: nothing overwrites what it had read
		err := db.Write(ctx, "ws", func(tx *store.Tx) error {
			if read {
				return nil
			}
			read = true
			got, err := name(tx)
			if got != "lost" {
				t.Errorf("the neighbour in the group reads %q", got)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	wait(2)
	d.lose.Store(true)
	all.Go(func() { // loses the group
		must(t, db.Write(ctx, "ws", func(tx *store.Tx) error { return tx.LockMember("x") }))
	})
	wait(3)
	close(gate)
	all.Wait()
	must(t, db.Write(ctx, "ws", func(tx *store.Tx) error { return save(tx, "after") }))
	must(t, db.Read(ctx, "ws", func(tx *store.Tx) error {
		got, err := name(tx)
		if got != "after" {
			t.Errorf("the configuration served is %q", got)
		}
		return err
	}))
}

func TestFullDisk_IsUnavailableAndLosesNothing(t *testing.T) {
	t.Parallel()
	d, _ := marked(t)
	ctx := context.Background()
	// The writer's own connection is told that the file must not grow.
	limit := func(pages int) {
		must(t, d.Write(ctx, func(c store.Conn) error {
			rows, err := c.Query(ctx, fmt.Sprintf("PRAGMA max_page_count = %d", pages))
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}))
	}
	limit(1)
	errs := together(t, d, nil, mark(1),
		func(c store.Conn) error {
			for n := int64(100); n < 5000; n++ {
				c.Defer(insertMark, n)
			}
			return nil
		},
		mark(2))
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("the neighbours: %v", errs)
	}
	if errs[1] == nil || d.Classify(errs[1]) != store.ClassUnavailable {
		t.Errorf("the full disk: %v", errs[1])
	}
	if n := marks(t, d); n != 2 {
		t.Errorf("%d marks", n)
	}
	limit(1 << 20)
	must(t, d.Write(ctx, mark(3)))
}

func TestClose_AnswersEverybody(t *testing.T) {
	t.Parallel()
	d, _ := marked(t)
	var done atomic.Int64
	var all sync.WaitGroup
	begun := make(chan struct{}, 1000)
	for i := range int64(200) {
		all.Go(func() {
			err := d.Write(context.Background(), func(c store.Conn) error {
				select {
				case begun <- struct{}{}:
				default:
				}
				return mark(i)(c)
			})
			switch {
			case err == nil:
				done.Add(1)
			case d.Classify(err) != store.ClassUnavailable:
				t.Errorf("refused with %v", err)
			}
		})
	}
	<-begun
	path := d.Path()
	must(t, d.Close())
	all.Wait()
	again := open(t, path)
	defer again.Close()
	if n := marks(t, again); n != done.Load() {
		t.Errorf("%d were acknowledged, %d are there", done.Load(), n)
	}
	if err := d.Write(context.Background(), mark(1000)); err == nil {
		t.Error("a closed database takes a transaction")
	}
}

func TestOpen_TakesAnyFileNameAndKeepsOthersOut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain.db", "with space.db", "q?x=1.db", "p%20.db", "h#.db", "ü&;=.db"} {
		path := filepath.Join(t.TempDir(), name)
		d := open(t, path)
		must(t, d.Write(context.Background(), func(c store.Conn) error {
			_, err := c.Exec(context.Background(), "CREATE TABLE mark (n BIGINT)")
			return err
		}))
		must(t, d.Ping(context.Background()))
		if n := marks(t, d); n != 0 {
			t.Errorf("%d", n)
		}
		must(t, d.Close())
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode().Perm() != 0o600 || info.Size() == 0 {
			t.Errorf("%s: %v, %d bytes", name, info.Mode(), info.Size())
		}
	}
	if _, err := sqlite.Open(filepath.Join(t.TempDir(), "none", "x.db")); err == nil {
		t.Error("a folder that is not there is opened")
	}
	text := filepath.Join(t.TempDir(), "text.db")
	must(t, os.WriteFile(text, []byte("this is not a database, and long enough to be read as one by mistake"), 0o600))
	if d, err := sqlite.Open(text); err == nil {
		d.Close()
		t.Error("a file that is no database is opened")
	}
}

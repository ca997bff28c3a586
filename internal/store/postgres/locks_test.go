package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeadlock_IsRunAgain(t *testing.T) {
	t.Parallel()
	d := open(t, pgtest.DSN(t))
	t.Cleanup(func() { d.Close() })
	ctx := context.Background()
	var met sync.WaitGroup
	met.Add(2)
	var runs atomic.Int64
	meet := sync.OnceFunc
	lock := func(c store.Conn, key int64) error {
		if err := d.Lock(ctx, c, key, false); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "SELECT 1")
		return err
	}
	errs := make(chan error, 2)
	for i := range int64(2) {
		arrive := meet(met.Done)
		go func() {
			errs <- d.Write(ctx, func(c store.Conn) error {
				runs.Add(1)
				if err := lock(c, i); err != nil {
					return err
				}
				arrive()
				met.Wait()
				return lock(c, 1-i)
			})
		}()
	}
	for range 2 {
		select {
		case err := <-errs:
			must(t, err)
		case <-time.After(30 * time.Second):
			t.Fatal("both wait for each other")
		}
	}
	if runs.Load() < 3 {
		t.Errorf("%d runs: nobody was run again", runs.Load())
	}
}

// counted counts how often closures run.
type counted struct {
	store.Driver
	runs atomic.Int64
}

func (d *counted) Write(ctx context.Context, fn func(store.Conn) error) error {
	return d.Driver.Write(ctx, func(c store.Conn) error { d.runs.Add(1); return fn(c) })
}

func TestLockPeople_OfOverlappingSetsNeverWaitsInACircle(t *testing.T) {
	t.Parallel()
	d := &counted{Driver: open(t, pgtest.DSN(t))}
	db := storetest.Open(t, d, nil)
	begin := d.runs.Load()
	const each = 40
	var all sync.WaitGroup
	for i := range 8 {
		chance := rand.New(rand.NewPCG(1, uint64(i)))
		all.Go(func() {
			for range each {
				var members []string
				for range 1 + chance.IntN(12) {
					members = append(members, fmt.Sprint("mem_", chance.IntN(15)))
				}
				if err := db.Write(context.Background(), "ws", func(tx *store.Tx) error {
					if err := tx.LockPeople(members, chance.IntN(20) == 0); err != nil {
						return err
					}
					_, err := tx.LastSeq()
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if runs := d.runs.Load() - begin; runs != 8*each {
		t.Errorf("%d runs of %d transactions: some met in a deadlock", runs, 8*each)
	}
}

func TestLocks_LetInWhomTheyShould(t *testing.T) {
	t.Parallel()
	crowd := make([]string, 501)
	for i := range crowd {
		crowd[i] = fmt.Sprint("mem_", i)
	}
	people := func(members []string, exclusive bool) func(tx *store.Tx) error {
		return func(tx *store.Tx) error { return tx.LockPeople(members, exclusive) }
	}
	policy := (*store.Tx).LockPolicy
	for _, c := range []struct {
		name          string
		first, second func(tx *store.Tx) error
		other         string // workspace of the second
		beside        bool
	}{
		{"two members, side by side", people([]string{"a"}, false), people([]string{"b"}, false), "ws", true},
		{"one member, one after the other", people([]string{"a", "b"}, false), people([]string{"b", "c"}, false), "ws", false},
		{"one id in two workspaces, side by side", people([]string{"a"}, false), people([]string{"a"}, false), "ws_other", true},
		{"a change of policy waits for people", people([]string{"a"}, false), policy, "ws", false},
		{"people wait for a change of policy", policy, people([]string{"a"}, false), "ws", false},
		{"two changes of policy", policy, policy, "ws", false},
		{"policies of two workspaces, side by side", policy, policy, "ws_other", true},
		{"people held exclusively", people([]string{"a"}, true), people([]string{"b"}, false), "ws", false},
		{"500 members are locked one by one", people(crowd[:500], false), people([]string{"b"}, false), "ws", true},
		{"above 500 the policy is held", people(crowd, false), people([]string{"b"}, false), "ws", false},
		{"one more member", func(tx *store.Tx) error { return tx.LockMember("a") }, people([]string{"a"}, false), "ws", false},
		{"a group, shared twice", func(tx *store.Tx) error { return tx.LockGroup("g", true) }, func(tx *store.Tx) error { return tx.LockGroup("g", true) }, "ws", true},
		{"a group, shared and not", func(tx *store.Tx) error { return tx.LockGroup("g", true) }, func(tx *store.Tx) error { return tx.LockGroup("g", false) }, "ws", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := open(t, pgtest.DSN(t))
			db := storetest.Open(t, d, nil)
			var leaving, after atomic.Bool
			locked := func(workspace string, take func(tx *store.Tx) error, then func()) error {
				return db.Write(context.Background(), workspace, func(tx *store.Tx) error {
					if err := take(tx); err != nil {
						return err
					}
					if _, err := tx.LastSeq(); err != nil {
						return err
					}
					then()
					return nil
				})
			}
			one, two := storetest.Steered(t, d,
				func(pause func()) error {
					return locked("ws", c.first, func() { pause(); leaving.Store(true) })
				},
				func(pause func()) error {
					return locked(c.other, c.second, func() { after.Store(leaving.Load()); pause() })
				})
			must(t, one)
			must(t, two)
			if beside := !after.Load(); beside != c.beside {
				t.Errorf("side by side: %v, want %v", beside, c.beside)
			}
		})
	}
}

func TestSequencers_DoNotUseUpTheirOwnPool(t *testing.T) {
	t.Parallel()
	d := open(t, pgtest.DSN(t)+"&pool_max_conns=1")
	db := storetest.Open(t, d, nil)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	must(t, db.Write(ctx, "ws", func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{Slug: "ws"}); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
	}))
	var all sync.WaitGroup
	var numbered atomic.Int64
	for range 30 {
		all.Go(func() {
			n, err := db.Sequence(ctx)
			if err != nil {
				t.Error(err)
			}
			numbered.Add(int64(n))
		})
	}
	all.Wait()
	if numbered.Load() != 1 {
		t.Errorf("one event was numbered %d times", numbered.Load())
	}
}

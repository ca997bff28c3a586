package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

const workspace = "ws_test"

// start runs a runner until the test ends.
func start(t *testing.T, db *store.DB, handlers map[string]Handler) {
	t.Helper()
	r := &Runner{DB: db, Handlers: handlers, Log: slog.New(slog.DiscardHandler), pauses: []time.Duration{time.Millisecond, time.Millisecond}}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func enqueue(t *testing.T, db *store.DB, kind string, bodies ...string) {
	t.Helper()
	if err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
		for _, body := range bodies {
			if err := Enqueue(tx, kind, body, tx.Now()); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// left waits until the outbox has no work that is still tried and returns what was given up.
func left(t *testing.T, db *store.DB, changed <-chan struct{}) []store.Job {
	t.Helper()
	for {
		next, err := db.System().NextJob(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if next.IsZero() {
			break
		}
		select {
		case <-changed:
		case <-time.After(10 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("jobs are left")
		}
	}
	var dead []store.Job
	if err := db.Read(t.Context(), workspace, func(tx *store.Tx) (err error) {
		dead, err = tx.DeadJobs(10)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return dead
}

func TestRunner_DoesEachJobOnceWhoeverRuns(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		times := map[string]int{}
		handler := Handler{Do: func(_ context.Context, j store.Job) error {
			mu.Lock()
			defer mu.Unlock()
			times[j.Body]++
			return nil
		}, Lane: func(j store.Job) string { return j.Body }}
		for range 3 {
			start(t, db, map[string]Handler{"greet": handler})
		}
		var bodies []string
		for i := range 100 {
			bodies = append(bodies, fmt.Sprint("person ", i))
		}
		enqueue(t, db, "greet", bodies...)
		if dead := left(t, db, nil); len(dead) != 0 {
			t.Errorf("given up: %+v", dead)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(times) != 100 {
			t.Errorf("%d of 100 were done", len(times))
		}
		for body, n := range times {
			if n != 1 {
				t.Errorf("%s was done %d times", body, n)
			}
		}
	})
}

func TestRunner_TriesAgainAndGivesUpInTheEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tries := make(chan int, 10)
		buried := make(chan error, 4)
		start(t, db, map[string]Handler{
			"flaky": {Do: func(_ context.Context, j store.Job) error {
				tries <- j.Attempts
				if j.Attempts < 3 {
					return errors.New("not now")
				}
				return nil
			}},
			"broken":  {Do: func(context.Context, store.Job) error { panic("boom") }, Dead: func(_ context.Context, _ store.Job, err error) { buried <- err }},
			"refused": {Do: func(context.Context, store.Job) error { return Permanent(errs.Invalid("no", "No.")) }, Dead: func(_ context.Context, _ store.Job, err error) { buried <- err }},
		})
		enqueue(t, db, "flaky", "x")
		for want := 1; want <= 3; want++ {
			if got := <-tries; got != want {
				t.Errorf("try %d has the number %d", want, got)
			}
		}
		enqueue(t, db, "refused", "x")
		if err := <-buried; errs.CodeOf(err) != "no" {
			t.Errorf("given up for %v", err)
		}
		enqueue(t, db, "broken", "x")
		if err := <-buried; !strings.Contains(err.Error(), "boom") {
			t.Errorf("given up for %v", err)
		}
		dead := left(t, db, nil)
		if len(dead) != 2 || dead[0].Kind != "broken" || dead[0].Attempts != 3 || dead[1].Attempts != 1 || dead[1].LastError != "No." {
			t.Errorf("given up: %+v", dead)
		}
	})
}

func TestRunner_KeepsAJobThatRollsBackOutOfTheOutbox(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		no := errors.New("no")
		err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
			if err := Enqueue(tx, "greet", "x", tx.Now()); err != nil {
				return err
			}
			return no
		})
		if !errors.Is(err, no) {
			t.Fatal(err)
		}
		if next, err := db.System().NextJob(t.Context()); err != nil || !next.IsZero() {
			t.Errorf("next job: %v, %v", next, err)
		}
	})
}

func TestRunner_LetsAStuckAddressHoldUpNobodyElse(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		stuck := make(chan struct{})
		arrived := make(chan struct{}, 100)
		done := make(chan struct{}, 1)
		start(t, db, map[string]Handler{"call": {
			Do: func(_ context.Context, j store.Job) error {
				if j.Body == `"stuck"` {
					arrived <- struct{}{}
					<-stuck
					return nil
				}
				done <- struct{}{}
				return nil
			},
			Lane: func(j store.Job) string { return j.Body },
		}})
		bodies := make([]string, 3*workers)
		for i := range bodies {
			bodies[i] = "stuck"
		}
		enqueue(t, db, "call", bodies...)
		for range perLane {
			<-arrived
		}
		enqueue(t, db, "call", "well")
		<-done
		if n := len(arrived); n != 0 {
			t.Errorf("%d more than %d workers wait for one address", n, perLane)
		}
		close(stuck)
		left(t, db, nil)
	})
}

func TestClaim_ComesBackWhenItsHolderDies(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			db := storetest.Open(t, open(t), clock)
			enqueue(t, db, "greet", "x")
			take := func(who string) []store.Job {
				got, err := db.System().ClaimJobs(t.Context(), who, lease, 10)
				if err != nil {
					t.Fatal(err)
				}
				return got
			}
			first := take("first")
			if len(first) != 1 || len(take("second")) != 0 {
				t.Fatal("a claimed job is somebody else's as well")
			}
			mu.Lock()
			now = now.Add(lease + time.Second)
			mu.Unlock()
			second := take("second")
			if len(second) != 1 || second[0].Attempts != 2 {
				t.Fatalf("after the lease: %+v", second)
			}
			// The first holder was only slow: its outcome no longer counts.
			if err := db.System().FinishJob(t.Context(), first[0], "first"); err != nil {
				t.Fatal(err)
			}
			if next, err := db.System().NextJob(t.Context()); err != nil || next.IsZero() {
				t.Errorf("the job is gone: %v", err)
			}
			if err := db.System().FinishJob(t.Context(), second[0], "second"); err != nil {
				t.Fatal(err)
			}
			if next, err := db.System().NextJob(t.Context()); err != nil || !next.IsZero() {
				t.Errorf("the job is still there: %v, %v", next, err)
			}
		})
	}
}

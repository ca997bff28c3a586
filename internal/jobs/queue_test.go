package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// step is a job of these tests: the nth of its queue.
type step struct {
	Queue string
	N     int
}

func line(t *testing.T, db *store.DB, steps ...step) {
	t.Helper()
	if err := db.Write(t.Context(), workspace, func(tx *store.Tx) error {
		for _, s := range steps {
			if err := EnqueueInOrder(tx, s.Queue, "step", s); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// record keeps in which order jobs were done; fails says whether a try fails, by attempt.
type record struct {
	mu    sync.Mutex
	done  map[string][]int
	fails func(s step, attempt int) error
}

func (r *record) handler() Handler {
	return Handler{Do: func(_ context.Context, j store.Job) error {
		var s step
		if err := json.Unmarshal([]byte(j.Body), &s); err != nil {
			return err
		}
		if r.fails != nil {
			if err := r.fails(s, j.Attempts); err != nil {
				return err
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.done == nil {
			r.done = map[string][]int{}
		}
		r.done[s.Queue] = append(r.done[s.Queue], s.N)
		return nil
	}, Lane: func(j store.Job) string { return j.Queue }}
}

func TestJobsOfAQueue_AreDoneInOrderByHoweverManyThoughTriesFail(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := &record{fails: func(s step, attempt int) error {
			if s.N%3 == 0 && attempt < 2 {
				return errors.New("not now")
			}
			return nil
		}}
		const queues, steps = 12, 9
		half := func(from, to int) {
			for n := from; n < to; n++ {
				var row []step
				for q := range queues {
					row = append(row, step{fmt.Sprint("queue ", q), n})
				}
				line(t, db, row...)
			}
		}
		half(0, steps/2)
		for range 3 {
			start(t, db, map[string]Handler{"step": r.handler()})
		}
		half(steps/2, steps) // while the others are being done
		if dead := left(t, db, nil); len(dead) != 0 {
			t.Errorf("given up: %+v", dead)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for q, got := range r.done {
			if !slices.IsSorted(got) || len(got) != steps {
				t.Errorf("%s was done as %v", q, got)
			}
		}
		if len(r.done) != queues {
			t.Errorf("%d queues were done", len(r.done))
		}
	})
}

func TestAJobThatIsGivenUp_MakesWayForTheNextOfItsQueue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := &record{fails: func(s step, _ int) error {
			switch s.N {
			case 0:
				return Permanent(errors.New("never"))
			case 1:
				return errors.New("not now")
			}
			return nil
		}}
		line(t, db, step{"a", 0}, step{"a", 1}, step{"a", 2}, step{"b", 0}, step{"b", 3})
		start(t, db, map[string]Handler{"step": r.handler()})
		if dead := left(t, db, nil); len(dead) != 3 {
			t.Errorf("given up: %+v", dead)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if fmt.Sprint(r.done) != "map[a:[2] b:[3]]" {
			t.Errorf("done: %v", r.done)
		}
	})
}

package jobs

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

func TestRunner_KeepsRoomWhenManyAddressesAreStuck(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		done := make(chan struct{}, 1)
		failed := make(chan struct{}, 10_000)
		start(t, db, map[string]Handler{"call": {
			Do: func(ctx context.Context, j store.Job) error {
				if j.Body == `"well"` {
					done <- struct{}{}
					return nil
				}
				select {
				case <-ctx.Done():
				case <-time.After(400 * time.Millisecond): // what waits for an address that does not answer
				}
				failed <- struct{}{}
				return context.DeadlineExceeded
			},
			Lane: func(j store.Job) string { return j.Body },
		}})
		var bodies []string
		for i := range 40 * workers {
			bodies = append(bodies, fmt.Sprint("stuck ", i%8))
		}
		enqueue(t, db, "call", bodies...)
		for range 2 * workers {
			<-failed
		}
		// One by one they would be through in 16 s.
		enqueue(t, db, "call", "well")
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Error("a job for an address that answers waits behind those that do not")
		}
	})
}

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
				case <-time.After(time.Second): // what waits for an address that does not answer
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
		// One by one all of them would come first.
		enqueue(t, db, "call", "well")
		first := 0
		for {
			select {
			case <-failed:
				if first++; first < 20*workers {
					continue
				}
				t.Errorf("a job for an address that answers waits behind %d for those that do not", first)
			case <-done:
			}
			return
		}
	})
}

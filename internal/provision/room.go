package provision

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Room is for what takes much of a thing that all share, of which there must not be many at once: one of each
// directory, and few in all. Its zero value is empty.
type Room struct {
	mu     sync.Mutex
	inside map[string]bool // directories
	left   chan struct{}   // closed when somebody leaves
}

// roomWait is how long somebody waits for room.
const roomWait = 10 * time.Second

// Enter waits until a directory may enter where at most max are inside. leave is called once.
func (r *Room) Enter(ctx context.Context, directory string, max int) (leave func(), err error) {
	waited, cancel := context.WithTimeout(ctx, roomWait)
	defer cancel()
	for {
		left, ok := r.try(directory, max)
		if ok {
			return func() { r.leave(directory) }, nil
		}
		select {
		case <-left:
		case <-waited.Done():
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, errs.Unavailable("busy", "Other requests of this size are being worked on. Try again, or ask for less at once.")
		}
	}
}

// try enters where there is room, and else returns what is closed when that may have changed.
func (r *Room) try(directory string, max int) (left <-chan struct{}, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inside == nil {
		r.inside, r.left = map[string]bool{}, make(chan struct{})
	}
	if r.inside[directory] || len(r.inside) >= max {
		return r.left, false
	}
	r.inside[directory] = true
	return nil, true
}

func (r *Room) leave(directory string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inside, directory)
	close(r.left)
	r.left = make(chan struct{})
}

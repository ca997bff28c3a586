package scimserver

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Refusals cost little, but a client that takes no notice of them sends the next request as soon as it is answered:
// the processors of all would go into refusing one. Past as many refusals as requests that are served, each waits a
// while, which slows such a client to a few requests a second of each of its connections and nobody else.
const (
	holdTime = 500 * time.Millisecond
	// maxHeldOfEach refusals of one directory wait at once, and maxHeld in all: each keeps a connection and little
	// more. What comes beyond is answered at once.
	maxHeldOfEach = 256
	maxHeld       = 2048
)

// held counts the refusals that wait.
type held struct {
	mu  sync.Mutex
	of  map[string]int // by directory
	all int
}

func (h *held) enter(directory string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.all >= maxHeld || h.of[directory] >= maxHeldOfEach {
		return false
	}
	if h.of == nil {
		h.of = map[string]int{}
	}
	h.all++
	h.of[directory]++
	return true
}

func (h *held) leave(directory string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all--
	if h.of[directory]--; h.of[directory] == 0 {
		delete(h.of, directory)
	}
}

// hold lets a refusal wait where a directory has had enough of them at once.
func (s *Server) hold(ctx context.Context, directory string, now time.Time) {
	if s.limits.prompt.take(directory, now) == 0 || !s.held.enter(directory) {
		return
	}
	defer s.held.leave(directory)
	s.pause(ctx, holdTime)
}

// pause waits, not for those who are gone nor when the server ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-web.Closing(ctx):
	}
}

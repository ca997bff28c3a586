package scimserver

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Refusals cost little, but a client that takes no notice of them sends the next request as soon as it is answered:
// the processors of all would go into refusing one, and each request of its that is served is in its neighbours' way on
// the disk. Past as many refusals as requests that are served it floods: until no request of its was refused for a while,
// each refusal waits, which slows such a client to a few requests a second of each of its connections and nobody
// else, and it is served MinRate in even steps. A client that waits as Retry-After says never comes here.
const (
	holdTime  = 500 * time.Millisecond // a refusal's, half of it more or less
	paceTime  = time.Second            // the longest that a request waits to be served: what is sent once a second is served too
	floodTime = 10 * time.Second
	// maxHeldOfEach refusals of one directory wait at once, and maxHeld in all: each keeps a connection and little
	// more. What comes beyond is answered at once.
	maxHeldOfEach = 256
	maxHeld       = 2048
	// maxFloods bounds the directories that are remembered as flooding.
	maxFloods = 4096
)

// floods remembers which directories flood, and until when.
type floods struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// is says whether a directory floods.
func (f *floods) is(directory string, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := f.until[directory].Sub(now)
	return left > 0 && left <= floodTime+time.Second // requests at once come out of order; a clock that was put back ends it
}

// note makes a directory flood from now on; began says that it did not flood before.
func (f *floods) note(directory string, now time.Time) (began bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	until, there := f.until[directory]
	if !there && len(f.until) >= maxFloods {
		f.until = nil
	}
	if f.until == nil {
		f.until = map[string]time.Time{}
	}
	f.until[directory] = now.Add(floodTime)
	return !until.After(now)
}

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

// hold lets a refusal wait where a directory floods.
func (s *Server) hold(ctx context.Context, directory string, now time.Time) {
	if !s.limits.floods.is(directory, now) && s.limits.prompt.take(directory, now) == 0 {
		return
	}
	if s.limits.floods.note(directory, now) {
		s.limits.least.set(directory, now, s.limits.requests.level(directory, now)) // no savings
	}
	if !s.held.enter(directory) {
		return
	}
	defer s.held.leave(directory)
	s.pause(ctx, holdTime/2+rand.N(holdTime)) // not all at once
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

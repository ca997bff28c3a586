package signin

import (
	"sync"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// maxWatchers is how many open streams one session may have: a member's tabs, not a way to fill
// the server.
const maxWatchers = 32

// endings wakes those who wait for the end of a session. All of them share one subscription of
// the store and are found by the session's id, so that the end of one session costs the others
// nothing. The subscription lives as long as anybody waits.
type endings struct {
	db *store.DB

	mu      sync.Mutex
	waiting map[string]map[chan struct{}]struct{} // by session id
	stop    func()                                // ends the subscription; nil while nobody waits
}

// join returns a channel that gets a value when the session may have ended; whoever waits then
// asks the database. It is joined before the first look, so that no end falls between.
func (e *endings) join(session string) (wake <-chan struct{}, leave func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting[session]) >= maxWatchers {
		return nil, nil, errs.Limited("too_many_streams", "This session has %d open event streams already.", maxWatchers)
	}
	if e.stop == nil {
		e.listen()
	}
	if e.waiting[session] == nil {
		e.waiting[session] = map[chan struct{}]struct{}{}
	}
	ch := make(chan struct{}, 1) // one wake-up that waits is as good as many
	e.waiting[session][ch] = struct{}{}
	return ch, func() { e.leave(session, ch) }, nil
}

func (e *endings) leave(session string, ch chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.waiting[session], ch)
	if len(e.waiting[session]) == 0 {
		delete(e.waiting, session)
	}
	if len(e.waiting) == 0 && e.stop != nil {
		e.stop()
		e.stop = nil
	}
}

// listen subscribes and passes signals on. The lock is held.
func (e *endings) listen() {
	e.waiting = map[string]map[chan struct{}]struct{}{}
	signals, cancel := e.db.Subscribe()
	quit := make(chan struct{})
	e.stop = func() {
		cancel()
		close(quit)
	}
	go func() {
		for {
			select {
			case <-quit:
				return
			case s := <-signals:
				if s.Topic == store.TopicSession || s.Topic == "" {
					e.wake(s.Key)
				}
			}
		}
	}()
}

// wake wakes those who wait for a session, and everybody for "": signals were missed.
func (e *endings) wake(session string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if session != "" {
		nudge(e.waiting[session])
		return
	}
	for _, waiting := range e.waiting {
		nudge(waiting)
	}
}

func nudge(waiting map[chan struct{}]struct{}) {
	for ch := range waiting {
		select {
		case ch <- struct{}{}:
		default: // it has one to come back to
		}
	}
}

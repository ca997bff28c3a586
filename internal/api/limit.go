package api

import (
	"fmt"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// buckets let so many requests of one name in: burst at once, and rate a second from then on. Each process counts for
// itself.
type buckets struct {
	rate, burst float64
	mu          sync.Mutex
	left        map[string]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the names that are kept apart; past it, those that are full again are forgotten.
const maxBuckets = 10_000

func newBuckets(rate, burst float64) *buckets {
	return &buckets{rate: rate, burst: burst, left: map[string]bucket{}}
}

// take lets one request in, or returns for how long it must wait.
func (b *buckets) take(name string, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	was, known := b.left[name]
	if !known {
		was = bucket{b.burst, now}
		if len(b.left) >= maxBuckets {
			b.forget(now)
		}
	}
	if now.After(was.at) {
		was.tokens = min(b.burst, was.tokens+now.Sub(was.at).Seconds()*b.rate)
		was.at = now
	}
	if was.tokens < 1 {
		b.left[name] = was
		return time.Duration((1 - was.tokens) / b.rate * float64(time.Second))
	}
	was.tokens--
	b.left[name] = was
	return 0
}

func (b *buckets) forget(now time.Time) {
	for name, was := range b.left {
		if was.tokens+now.Sub(was.at).Seconds()*b.rate >= b.burst {
			delete(b.left, name)
		}
	}
}

// tooManyError says when to come again.
type tooManyError struct {
	error
	wait time.Duration
}

func (e tooManyError) Unwrap() error             { return e.error }
func (e tooManyError) RetryAfter() time.Duration { return e.wait }

func tooMany(wait time.Duration) error {
	return tooManyError{errs.Limited("too_many_requests", "The owner of this key sends too many requests. Wait %s.", fmt.Sprint(max(wait, time.Second).Round(time.Second))), max(wait, time.Second)}
}

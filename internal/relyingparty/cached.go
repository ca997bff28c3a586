package relyingparty

import (
	"context"
	"sync"
	"time"
)

const (
	// refreshPause is the least time between two fetches that tokens cause, and after one that failed while
	// something is known.
	refreshPause = 60 * time.Second
	// retryPause is the least time after one that failed while nothing is known.
	retryPause = 5 * time.Second
	// fetchTime bounds a fetch, which waits for no client.
	fetchTime = 15 * time.Second
)

// cached is something fetched from an IdP: fetched once however many wait for it, and kept when the
// next fetch fails.
type cached[T any] struct {
	mu     sync.Mutex
	value  T
	at     time.Time     // when it was had; zero while it never was
	forced time.Time     // when somebody last asked for another although it was fresh
	failed time.Time     // when a fetch failed last
	err    error         // of that
	done   chan struct{} // closed when the fetch under way ends; nil while none is
}

// get returns the value: what is kept where that is younger than fresh and enough says yes to it, else what
// fetch returns, else what is kept still. Where nothing is kept the error is fetch's.
func (c *cached[T]) get(ctx context.Context, now time.Time, fresh time.Duration, enough func(T) bool, fetch func(context.Context) (T, error)) (T, error) {
	c.mu.Lock()
	value, had, young := c.value, !c.at.IsZero(), now.Sub(c.at) < fresh
	c.mu.Unlock()
	// Outside the lock: it may be the verification of a signature.
	if had && young && enough(value) {
		return value, nil
	}
	done := c.begin(ctx, now, fresh, fetch)
	if done != nil {
		select {
		case <-done:
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() {
		return c.value, nil
	}
	return c.value, c.err
}

// begin starts a fetch, or joins the one under way. It returns nil where none may be made now.
func (c *cached[T]) begin(ctx context.Context, now time.Time, fresh time.Duration, fetch func(context.Context) (T, error)) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done != nil {
		return c.done
	}
	had := !c.at.IsZero()
	forces := had && now.Sub(c.at) < fresh
	pause := refreshPause
	if !had {
		pause = retryPause
	}
	if within(now, c.failed, pause) || forces && within(now, c.forced, refreshPause) {
		return nil
	}
	if forces {
		c.forced = now
	}
	done := make(chan struct{})
	c.done = done
	go func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
		defer cancel()
		value, err := fetch(ctx)
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.err = err; err != nil {
			c.failed = now
		} else {
			c.value, c.at, c.failed = value, now, time.Time{}
		}
		c.done = nil
		close(done)
	}()
	return done
}

// within reports whether less than pause lies between two instants, either way round: who comes at the same
// time has read the clock at another.
func within(now, then time.Time, pause time.Duration) bool {
	return !then.IsZero() && now.Sub(then).Abs() < pause
}

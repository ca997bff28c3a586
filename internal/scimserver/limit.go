package scimserver

import (
	"context"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/scim"
)

// limiter gives each key a bucket of tokens, in this process alone. A nil limiter refuses nothing.
type limiter struct {
	rate  float64 // tokens a second
	burst float64 // what a full bucket holds
	debt  float64 // what one may be short of

	mu      sync.Mutex
	buckets map[string]*bucket
	swept   time.Time
}

type bucket struct {
	level float64
	at    time.Time // when level was right
}

// maxBuckets bounds the keys that are counted apart; past it, new ones share one.
const maxBuckets = 10_000

// newLimiter lets rate pass a second, and burst at once after a quiet time.
func newLimiter(rate, burst float64) *limiter {
	return &limiter{rate: rate, burst: burst, debt: burst, buckets: map[string]*bucket{}}
}

// take takes one token of key. 0 is yes; else nothing was taken, and there is one after the time returned.
func (l *limiter) take(key string, now time.Time) time.Duration { return l.ask(key, now, 1) }

// empty is take without taking.
func (l *limiter) empty(key string, now time.Time) time.Duration { return l.ask(key, now, 0) }

func (l *limiter) ask(key string, now time.Time, n float64) time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		if n == 0 {
			return 0
		}
		b = l.add(key, now)
	}
	l.fill(b, now)
	if b.level < 1 {
		return time.Duration(math.Ceil((1 - b.level) / l.rate * float64(time.Second)))
	}
	b.level -= n
	return 0
}

// charge takes one token of key even where there is none, so that what comes next waits for it: for what is
// part of something that was let in as a whole.
func (l *limiter) charge(key string, now time.Time) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		b = l.add(key, now)
	}
	l.fill(b, now)
	b.level = max(b.level-1, -l.debt)
}

// reserve takes a token of key that is there after wait, which is at most longest; else it takes none, and there
// is one to reserve after the time returned.
func (l *limiter) reserve(key string, now time.Time, longest time.Duration) (wait time.Duration, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		b = l.add(key, now)
	}
	l.fill(b, now)
	wait = time.Duration(math.Ceil(max(0, 1-b.level) / l.rate * float64(time.Second)))
	if wait > longest {
		return wait - longest, false
	}
	b.level--
	return wait, true
}

// level is what key has left.
func (l *limiter) level(key string, now time.Time) float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		return l.burst
	}
	l.fill(b, now)
	return b.level
}

// set gives key level tokens, or a full bucket.
func (l *limiter) set(key string, now time.Time, level float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.buckets[key]
	if b == nil {
		b = l.add(key, now)
	}
	b.level, b.at = min(level, l.burst), now
}

// fill adds what has come since. Requests at once come a little out of order, and that must not count
// an instant twice; a clock that was put back by more begins anew from there.
func (l *limiter) fill(b *bucket, now time.Time) {
	passed := now.Sub(b.at)
	if passed <= 0 && passed > -time.Second {
		return
	}
	if passed > 0 {
		b.level = min(l.burst, b.level+passed.Seconds()*l.rate)
	}
	b.at = now
}

// sweepEvery is how often it is looked for buckets that need not be kept: strangers with ever new keys must not
// make each of their requests cost a look at all.
const sweepEvery = time.Second

// add makes a bucket, full. Where there are too many, those that are full again need not be kept.
func (l *limiter) add(key string, now time.Time) *bucket {
	if len(l.buckets) >= maxBuckets {
		if passed := now.Sub(l.swept); passed >= sweepEvery || passed < 0 {
			l.swept = now
			for k, b := range l.buckets {
				if l.fill(b, now); b.level >= l.burst {
					delete(l.buckets, k)
				}
			}
		}
		if len(l.buckets) >= maxBuckets {
			key = "(many)"
			if b := l.buckets[key]; b != nil {
				return b
			}
		}
	}
	b := &bucket{level: l.burst, at: now}
	l.buckets[key] = b
	return b
}

// MinRate is the least that can be set as Options.Rate: Entra's gallery and the IPSIE profile of SCIM ask
// for 25 requests a second that are always served.
const MinRate = 25

// limits are what keeps one directory's flood from being everybody's.
type limits struct {
	rate     int      // requests a second of each directory, 0 for as many as come
	requests *limiter // by directory
	least    *limiter // by directory: requests of one that floods, which has no savings
	prompt   *limiter // by directory: refusals that are answered at once
	logged   *limiter // by directory: refusals that go to the request log
	told     *limiter // by directory: refusals that are events
	dead     *limiter // by token: uses of dead ones that are looked at

	strangers *limiter // by source: refusals at the token endpoint
	mints     *limiter // by directory: access tokens
	given     *limiter // by secret: access tokens that are events

	mu sync.Mutex
	// holders are whose a token was when it was last looked up. It is asked only whether that
	// directory has requests left, and so says no or nothing, never yes.
	holders map[string]store.TokenHolder

	floods floods
}

const maxHolders = 4096

func newLimits(rate int) *limits {
	l := &limits{rate: rate, logged: newLimiter(5, 50), told: newLimiter(1.0/3600, 1), dead: newLimiter(1, deadLimit), holders: map[string]store.TokenHolder{},
		strangers: newLimiter(0.5, 30), mints: newLimiter(2, 60), given: newLimiter(20.0/3600, 20)}
	if rate > 0 {
		l.requests = newLimiter(float64(rate), 2*float64(rate))
		l.prompt = newLimiter(float64(rate), 2*float64(rate))
		l.least = newLimiter(MinRate, 1)
		l.least.debt = MinRate
	}
	return l
}

// of is what counts a directory's requests.
func (l *limits) of(directory string, now time.Time) *limiter {
	if l.requests != nil && l.floods.is(directory, now) {
		return l.least
	}
	return l.requests
}

// remember keeps whose a living token is; a dead one's holder is forgotten.
func (l *limits) remember(hash string, h *store.TokenHolder) {
	if l.requests == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !h.RevokedAt.IsZero() {
		delete(l.holders, hash)
		return
	}
	if _, there := l.holders[hash]; !there && len(l.holders) >= maxHolders {
		clear(l.holders)
	}
	l.holders[hash] = *h
}

// known returns the holder of a token that was looked up before, or nil.
func (l *limits) known(hash string) *store.TokenHolder {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.holders[hash]; ok {
		return &h
	}
	return nil
}

// enter takes a token for a request of a directory, which is there after wait: requests of one that floods are served in
// even steps, since many at once would be in their neighbours' way. Not ok is no; there is one after wait.
func (l *limits) enter(directory string, now time.Time) (wait time.Duration, ok bool) {
	if l.requests == nil {
		return 0, true
	}
	if l.floods.is(directory, now) {
		// It saves nothing up meanwhile, so that one which goes on is known by its next refusal.
		l.requests.set(directory, now, 0)
		l.prompt.set(directory, now, 0)
		return l.least.reserve(directory, now, paceTime)
	}
	wait = l.requests.take(directory, now)
	return wait, wait == 0
}

// tooMany refuses a request past the limit: in the request log, the first few of a second, and as
// an event once an hour.
func (s *Server) tooMany(r *http.Request, h *store.TokenHolder, now time.Time, wait time.Duration) error {
	web.Add(r.Context(), "workspace", h.Slug)
	web.Add(r.Context(), "directory", h.Directory)
	web.Add(r.Context(), "error_code", "rate_limited")
	err := errs.Limited("rate_limited", "This directory sends more than the %d requests a second that are served for it.", int(s.limits.of(h.Directory, now).rate))
	s.db.Hear(h.Workspace, h.Directory, now, store.HeardRefused, err.Code)
	// The client may be gone; its refused request stays on record all the same.
	ctx := context.WithoutCancel(r.Context())
	if s.limits.logged.take(h.Directory, now) == 0 {
		if logErr := s.db.LogRead(ctx, store.ReadLogEntry{Workspace: h.Workspace, Directory: h.Directory, Time: now,
			Method: r.Method, Path: requestPath(bare(r)), Status: http.StatusTooManyRequests}); logErr != nil {
			s.log.ErrorContext(ctx, "the request log could not be written", "error", logErr)
		}
	}
	if s.limits.told.take(h.Directory, now) == 0 {
		scope := provision.Scope{Workspace: h.Workspace, Directory: h.Directory, Actor: directoryParty(h),
			Payload: exchange(bare(r), http.StatusTooManyRequests, nil, []string{err.Message})}
		if recErr := s.provision.Refused(ctx, scope, audit.Party{}, err); recErr != nil {
			s.log.ErrorContext(ctx, "a refused SCIM request could not be recorded", "workspace", h.Workspace, "error", recErr)
		}
	}
	s.hold(r.Context(), h.Directory, now)
	out := scim.Errorf(http.StatusTooManyRequests, "", "%s", err.Message)
	out.RetryAfter = int(math.Ceil(wait.Seconds()))
	return &refusal{out, err}
}

package idpsim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// LoadReport is what a load came to.
type LoadReport struct {
	IdP        Kind           `json:"idp"`
	People     map[string]int `json:"people"` // of the first sync, by verb
	Groups     map[string]int `json:"groups"`
	Changes    map[string]int `json:"changes"` // made after it, by name: profile, member, out, back, new, import
	Requests   int            `json:"requests"`
	Failed     int            `json:"failed"`    // requests without a 2xx that could be used
	Throttled  int            `json:"throttled"` // requests answered 429, which come again and are no failures
	Statuses   map[int]int    `json:"statuses"`
	Steps      []StepLoad     `json:"steps"`            // by name
	Errors     []string       `json:"errors,omitempty"` // the first of them
	FirstSync  time.Duration  `json:"first_sync_ns"`
	Duration   time.Duration  `json:"duration_ns"`
	EndedEarly bool           `json:"ended_early"` // because its time was up, or the caller's
}

// StepLoad is how one kind of request fared. Durations are from sending to the end of the answer.
type StepLoad struct {
	Step     string        `json:"step"` // such as "create user"
	Requests int           `json:"requests"`
	Failed   int           `json:"failed"`
	P50      time.Duration `json:"p50_ns"`
	P90      time.Duration `json:"p90_ns"`
	P99      time.Duration `json:"p99_ns"`
	Max      time.Duration `json:"max_ns"`
}

// String is the report as lines of text, one for each step.
func (r LoadReport) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d requests, %d failed, %d throttled, first sync %s, in all %s", r.IdP, r.Requests, r.Failed, r.Throttled,
		r.FirstSync.Round(time.Millisecond), r.Duration.Round(time.Millisecond))
	if r.EndedEarly {
		b.WriteString(", ended early")
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "\n%-24s %8d requests %6d failed  p50 %9s  p90 %9s  p99 %9s  max %9s", s.Step, s.Requests, s.Failed,
			s.P50.Round(10*time.Microsecond), s.P90.Round(10*time.Microsecond), s.P99.Round(10*time.Microsecond), s.Max.Round(10*time.Microsecond))
	}
	return b.String()
}

func (r *LoadReport) noteChanges(done [changeKinds]int64) {
	r.Changes = map[string]int{}
	for i, n := range done {
		if n > 0 {
			r.Changes[changeNames[i]] = int(n)
		}
	}
}

// loadCount collects exchanges from many goroutines. A duration is kept as the number of its bucket,
// which bounds what a long load needs.
type loadCount struct {
	mu       sync.Mutex
	steps    map[string]*stepCount
	statuses map[int]int
	errors   []string
}

type stepCount struct {
	requests, failed int
	buckets          map[int]int
	most             time.Duration
}

// shownErrors bounds LoadReport.Errors.
const shownErrors = 10

func newLoadCount() *loadCount {
	return &loadCount{steps: map[string]*stepCount{}, statuses: map[int]int{}}
}

func (c *loadCount) add(e Exchange) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.steps[e.Step]
	if s == nil {
		s = &stepCount{buckets: map[int]int{}}
		c.steps[e.Step] = s
	}
	s.requests++
	s.buckets[bucketOf(e.Duration)]++
	s.most = max(s.most, e.Duration)
	c.statuses[e.Status]++
	if e.Status != http.StatusTooManyRequests && failedExchange(e) {
		s.failed++
		if len(c.errors) < shownErrors {
			c.errors = append(c.errors, e.Error)
		}
	}
}

// Buckets are microseconds below 128 and from there 64 for each doubling, so that a percentile is at most
// one part in 64 too large.
const fineBuckets = 128

func bucketOf(d time.Duration) int {
	us, shift := max(d.Microseconds(), 0), 0
	for us >= fineBuckets {
		us >>= 1
		shift++
	}
	return shift<<7 | int(us)
}

// upTo is the longest duration of a bucket.
func upTo(bucket int) time.Duration {
	return time.Duration((int64(bucket&(fineBuckets-1))+1)<<(bucket>>7))*time.Microsecond - 1
}

// percentile is the duration that q of the requests did not exceed.
func (s *stepCount) percentile(q float64) time.Duration {
	rank := max(int(q*float64(s.requests)+0.999999), 1)
	for _, b := range slices.Sorted(maps.Keys(s.buckets)) {
		if rank -= s.buckets[b]; rank <= 0 {
			return min(upTo(b), s.most)
		}
	}
	return s.most
}

func (c *loadCount) report(kind Kind) LoadReport {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := LoadReport{IdP: kind, Throttled: c.statuses[http.StatusTooManyRequests], Statuses: maps.Clone(c.statuses), Errors: slices.Clone(c.errors)}
	for _, name := range slices.Sorted(maps.Keys(c.steps)) {
		s := c.steps[name]
		r.Requests += s.requests
		r.Failed += s.failed
		r.Steps = append(r.Steps, StepLoad{Step: name, Requests: s.requests, Failed: s.failed,
			P50: s.percentile(0.5), P90: s.percentile(0.9), P99: s.percentile(0.99), Max: s.most})
	}
	return r
}

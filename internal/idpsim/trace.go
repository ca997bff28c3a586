package idpsim

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// Exchange is one request and its answer as they went over the wire, without secrets: the
// Authorization header and passwords are replaced by a note.
type Exchange struct {
	Seq            int           `json:"seq"`
	Time           time.Time     `json:"time"`
	IdP            Kind          `json:"idp"`
	Step           string        `json:"step"`    // what the client was doing, such as "create user"
	Section        string        `json:"section"` // the numbered step it follows, such as "Okta 3"
	Attempt        int           `json:"attempt"` // 1 is the first
	Method         string        `json:"method"`
	Target         string        `json:"target"` // path and query
	RequestHeader  http.Header   `json:"request_header"`
	RequestBody    string        `json:"request_body,omitempty"`
	Status         int           `json:"status"` // 0 when no answer came
	ResponseHeader http.Header   `json:"response_header,omitempty"`
	ResponseBody   string        `json:"response_body,omitempty"`
	Duration       time.Duration `json:"duration_ns"`
	Error          string        `json:"error,omitempty"`
}

// OK says whether the application answered with success.
func (e Exchange) OK() bool { return e.Status >= 200 && e.Status < 300 }

// traceBody bounds what is kept of a body, in bytes.
const traceBody = 64 << 10

// Trace keeps the last exchanges of one IdP. It is safe for concurrent use.
type Trace struct {
	mu   sync.Mutex
	size int
	seq  int
	ring []Exchange // oldest first once sorted by Seq; position is Seq modulo size
}

func newTrace(size int) *Trace { return &Trace{size: size} }

// add stores e, gives it its number and returns it.
func (t *Trace) add(e Exchange) Exchange {
	e.RequestBody, e.ResponseBody = clip(e.RequestBody), clip(e.ResponseBody)
	t.mu.Lock()
	defer t.mu.Unlock()
	e.Seq = t.seq + 1
	if len(t.ring) < t.size {
		t.ring = append(t.ring, e)
	} else {
		t.ring[t.seq%t.size] = e
	}
	t.seq++
	return e
}

// Last returns up to n exchanges, newest first; n of 0 or less means all that are kept.
func (t *Trace) Last(n int) []Exchange {
	t.mu.Lock()
	out := slices.Clone(t.ring)
	t.mu.Unlock()
	slices.SortFunc(out, func(a, b Exchange) int { return b.Seq - a.Seq })
	if n > 0 && n < len(out) {
		out = out[:n]
	}
	return out
}

// Clear forgets all exchanges.
func (t *Trace) Clear() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ring, t.seq = nil, 0
}

func clip(s string) string {
	if len(s) <= traceBody {
		return s
	}
	return s[:traceBody] + " ... (cut)"
}

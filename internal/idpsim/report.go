package idpsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Report is what a sync, an import or a mass assignment came to.
type Report struct {
	IdP            Kind           `json:"idp"`
	Cycle          int            `json:"cycle,omitempty"` // Entra's number of this cycle
	Users          map[string]int `json:"users,omitempty"` // by verb: created, updated, disabled, ...
	Groups         map[string]int `json:"groups,omitempty"`
	Waiting        int            `json:"waiting,omitempty"` // left for a later cycle by back-off
	Failed         []Failure      `json:"failed,omitempty"`
	ImportedUsers  []Imported     `json:"imported_users,omitempty"`
	ImportedGroups []Imported     `json:"imported_groups,omitempty"`
	Duration       time.Duration  `json:"duration_ns"`
	attempted      int
}

// Failure is one object that could not be sent.
type Failure struct {
	Object string `json:"object"` // "user" or "group"
	ID     string `json:"id"`
	Name   string `json:"name"`
	Error  string `json:"error"`
	Status int    `json:"status"` // of the application's answer, 0 when there was none
}

// Imported is one resource that an import saw.
type Imported struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Active bool   `json:"active"`
}

// String is the report in one sentence.
func (r Report) String() string {
	var parts []string
	for _, c := range []struct {
		noun   string
		counts map[string]int
	}{{"people", r.Users}, {"groups", r.Groups}} {
		var verbs []string
		for v := range c.counts {
			verbs = append(verbs, v)
		}
		slices.Sort(verbs)
		for _, v := range verbs {
			parts = append(parts, fmt.Sprintf("%d %s %s", c.counts[v], c.noun, v))
		}
	}
	if r.ImportedUsers != nil || r.ImportedGroups != nil {
		parts = append(parts, fmt.Sprintf("%d people and %d groups imported", len(r.ImportedUsers), len(r.ImportedGroups)))
	}
	if r.Waiting > 0 {
		parts = append(parts, fmt.Sprintf("%d waiting for a later cycle", r.Waiting))
	}
	if len(r.Failed) > 0 {
		parts = append(parts, fmt.Sprintf("%d failed, first %s: %s", len(r.Failed), r.Failed[0].Name, r.Failed[0].Error))
	}
	if len(parts) == 0 {
		return "Nothing to send."
	}
	return strings.ToUpper(parts[0][:1]) + strings.TrimSuffix(strings.Join(parts, ", ")[1:], ".") + "."
}

// err is nil unless something failed or the sync was ended early.
func (t *tally) err() error {
	if len(t.report.Failed) == 0 && t.fatal == nil {
		return nil
	}
	return &SyncError{Failed: t.report.Failed, Cause: t.fatal}
}

// SyncError is a sync in which some objects failed; the others were sent, unless Cause is set.
type SyncError struct {
	Failed []Failure
	Cause  error // why the sync ended early, or nil
}

// Unwrap returns the cause of the early end.
func (e *SyncError) Unwrap() error { return e.Cause }

// Error says why the sync ended early, or names the number of failures and the first of them.
func (e *SyncError) Error() string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return fmt.Sprintf("%d of the objects failed, first %s %q: %s", len(e.Failed), e.Failed[0].Object, e.Failed[0].Name, e.Failed[0].Error)
}

// tally collects results from parallel workers.
type tally struct {
	mu     sync.Mutex
	report Report
	silent int // unreachable failures in a row
	fatal  error
}

// silentLimit is how many objects in a row may meet a silent application before a sync gives up.
const silentLimit = 5

// job is one object to send.
type job struct {
	object, id, name string
	send             func(context.Context) (verb string, err error)
	failed           func(message string) // notes the failure on the object
}

// work sends the jobs with as many workers as asked for and adds to t. It stops early when ctx
// ends, when the credentials are refused, or when the application stays silent.
func (t *tally) work(ctx context.Context, jobs []job, parallel int) {
	queue := make(chan job)
	var workers sync.WaitGroup
	for range min(parallel, len(jobs)) {
		workers.Go(func() {
			for j := range queue {
				if t.stopped() != nil {
					continue // handed out before another worker saw the end
				}
				verb, err := j.send(ctx)
				t.note(j, verb, err)
			}
		})
	}
	for _, j := range jobs {
		if t.stopped() != nil || ctx.Err() != nil {
			break
		}
		queue <- j
	}
	close(queue)
	workers.Wait()
	if err := ctx.Err(); err != nil {
		t.mu.Lock()
		t.fatal = fmt.Errorf("sync interrupted: %w", err)
		t.mu.Unlock()
	}
}

func (t *tally) stopped() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fatal
}

func (t *tally) note(j job, verb string, err error) {
	if err != nil {
		j.failed(err.Error())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report.attempted++
	if err == nil {
		t.silent = 0
		counts := &t.report.Users
		if j.object == "group" {
			counts = &t.report.Groups
		}
		if *counts == nil {
			*counts = map[string]int{}
		}
		if verb != "" {
			(*counts)[verb]++
		}
		return
	}
	t.report.Failed = append(t.report.Failed, Failure{Object: j.object, ID: j.id, Name: j.name, Error: err.Error(), Status: statusOf(err)})
	if statusOf(err) == http.StatusUnauthorized {
		t.fatal = fmt.Errorf("the application refuses the credentials: %w", err)
	}
	if unreachable(err) {
		if t.silent++; t.silent >= silentLimit {
			t.fatal = fmt.Errorf("the application does not answer: %w", err)
		}
	} else {
		t.silent = 0
	}
}

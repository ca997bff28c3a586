package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Enqueue puts work into the outbox of the transaction, due at runAt. body is encoded as JSON.
func Enqueue(tx *store.Tx, kind string, body any, runAt time.Time) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", kind, err)
	}
	tx.InsertJob(kind, string(text), runAt)
	return nil
}

// EnqueueInOrder puts work into the outbox that must be done after what was put into the same queue of the workspace
// before: it waits until that is done or given up. The caller holds a lock that orders what comes into the queue.
func EnqueueInOrder(tx *store.Tx, queue, kind string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", kind, err)
	}
	tx.InsertJobInQueue(queue, kind, string(text))
	return nil
}

// Handler does the work of one kind.
type Handler struct {
	// Do does it. An error means again later, unless Permanent made it.
	Do func(ctx context.Context, j store.Job) error
	// Lane names what the job waits for, such as the application it calls; jobs of one lane take
	// only so many workers, and fewer while it fails. May be nil: all jobs of the kind share a lane.
	Lane func(j store.Job) string
	// Dead is told when the job is given up. May be nil.
	Dead func(ctx context.Context, j store.Job, cause error)
}

// Permanent marks an error that will not go away by trying again.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

const (
	workers = 32
	perLane = 8
	// A lane that failed or was slow last is troubled: it gets perTroubled workers until something
	// goes well there, and all such lanes together forTroubled. Else a few addresses that do not
	// answer would hold every worker.
	perTroubled = 2
	forTroubled = workers / 2
	slow        = 2 * time.Second
	// lease is how long a claimed job is nobody else's. A handler gets less, so that it has ended
	// when somebody else may begin.
	lease   = 30 * time.Second
	patient = 20 * time.Second
	// lookEvery bounds the wait for work whose announcement was lost.
	lookEvery = 5 * time.Second
	// busyPause is how long a job waits whose lane has no room. In a troubled lane each waits longer
	// than the one before, up to longestPause, so that a long row is not claimed again and again
	// ahead of everybody else's.
	busyPause    = 250 * time.Millisecond
	longestPause = time.Minute
)

// aDay are the pauses between tries; after the last the job is given up.
var aDay = []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 10 * time.Hour}

// Runner does the work of the outbox. Several processes may each run one.
type Runner struct {
	DB       *store.DB
	Handlers map[string]Handler // by kind
	Log      *slog.Logger

	pauses []time.Duration // between tries; shorter in tests

	mu       sync.Mutex
	lanes    map[string]*lane
	troubled int // workers in troubled lanes
}

// lane is what is known of a lane that has work or is troubled.
type lane struct {
	running  int
	troubled bool
	turned   int // jobs turned away since it was last well
}

// Run works until ctx ends, and then waits for what has begun.
func (r *Runner) Run(ctx context.Context) error {
	if r.pauses == nil {
		r.pauses = aDay
	}
	signals, stop := r.DB.Subscribe()
	defer stop()
	claim := keys.ID("run_", r.DB.Now())
	free := make(chan struct{}, workers)
	ended := make(chan struct{}, 1) // a job ended: there is room, and perhaps a new time to wait for
	var working sync.WaitGroup
	defer working.Wait()
	for {
		room := workers - len(free)
		var taken []store.Job
		if room > 0 {
			var err error
			if taken, err = r.DB.System().ClaimJobs(ctx, claim, lease, room); err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("claim jobs: %w", err)
			}
		}
		for _, j := range taken {
			free <- struct{}{}
			working.Go(func() {
				defer func() {
					<-free
					select {
					case ended <- struct{}{}:
					default:
					}
				}()
				r.work(context.WithoutCancel(ctx), j, claim)
			})
		}
		if room == 0 {
			if !rest(ctx, lookEvery, nil, ended) {
				return nil
			}
			continue
		}
		if err := r.wait(ctx, signals, ended); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// wait returns when work is due, or when ctx ends. It looks when something was announced, when the
// next time has come, when a job ended, and now and then.
func (r *Runner) wait(ctx context.Context, signals <-chan store.Signal, ended <-chan struct{}) error {
	for {
		next, err := r.DB.System().NextJob(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return fmt.Errorf("look for jobs: %w", err)
		}
		pause := lookEvery
		if !next.IsZero() {
			until := next.Sub(r.DB.Now())
			if until <= 0 {
				return nil
			}
			pause = min(pause, until)
		}
		if !rest(ctx, pause, signals, ended) {
			return nil
		}
	}
}

// rest waits for the pause, for an announcement or for the end of a job, and reports whether ctx lives.
func rest(ctx context.Context, pause time.Duration, signals <-chan store.Signal, ended <-chan struct{}) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		case <-ended:
			return true
		case s := <-signals:
			if s.Topic == store.TopicJob || s.Topic == "" {
				return true
			}
		}
	}
}

// work does one job and writes down how it ended.
func (r *Runner) work(ctx context.Context, j store.Job, claim string) {
	handler, known := r.Handlers[j.Kind]
	name := j.Kind
	if known && handler.Lane != nil {
		name += " " + handler.Lane(j)
	}
	leave, pause := r.enter(name)
	if leave == nil {
		r.note(ctx, j, r.DB.System().YieldJob(ctx, j, claim, pause))
		return
	}
	began := time.Now()
	err := r.do(ctx, handler, known, j)
	var final permanent
	refused := errors.As(err, &final)
	givenUp := refused || err != nil && j.Attempts > len(r.pauses)
	// Who refuses for good has answered.
	leave((err == nil || refused) && time.Since(began) < slow, givenUp)

	switch {
	case err == nil:
		r.note(ctx, j, r.DB.System().FinishJob(ctx, j, claim))
	case givenUp:
		r.Log.WarnContext(ctx, "job was given up", "kind", j.Kind, "job", j.ID, "workspace", j.Workspace, "attempts", j.Attempts, "error", err)
		r.note(ctx, j, r.DB.System().BuryJob(ctx, j, claim, err.Error()))
		if handler.Dead != nil {
			handler.Dead(ctx, j, err)
		}
	default:
		r.note(ctx, j, r.DB.System().RetryJob(ctx, j, claim, r.pauses[j.Attempts-1], err.Error()))
	}
}

// do runs the handler within its time. A panic is a failure like any other: it takes neither the
// process along nor the job out of the outbox.
func (r *Runner) do(ctx context.Context, handler Handler, known bool, j store.Job) (err error) {
	if !known {
		return fmt.Errorf("this binary does not know jobs of the kind %s", j.Kind) // a newer one will
	}
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return handler.Do(ctx, j)
}

// note logs that the outcome of a job could not be written: it will be done again.
func (r *Runner) note(ctx context.Context, j store.Job, err error) {
	if err != nil {
		r.Log.ErrorContext(ctx, "outcome of a job could not be written, it will be done again", "kind", j.Kind, "job", j.ID, "error", err)
	}
}

// enter takes a place in a lane and returns how to leave it, saying whether it went well and whether
// the job will not come again; or nil, and how long to wait, where there is no room.
func (r *Runner) enter(name string) (leave func(well, last bool), pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lanes == nil {
		r.lanes = map[string]*lane{}
	}
	l := r.lanes[name]
	if l == nil {
		l = &lane{}
		r.lanes[name] = l
	}
	troubled := l.troubled
	switch {
	case troubled && (l.running >= perTroubled || r.troubled >= forTroubled):
		l.turned++
		return nil, min(time.Duration(l.turned)*busyPause, longestPause)
	case l.running >= perLane:
		return nil, busyPause
	}
	l.running++
	if troubled {
		r.troubled++
	}
	return func(well, last bool) {
		r.mu.Lock()
		defer r.mu.Unlock()
		l.running--
		if troubled {
			r.troubled--
		}
		l.troubled = !well
		if well {
			l.turned = 0
		}
		// A job that comes again comes with its lane: what is kept is no more than what is tried.
		if (well || last) && l.running == 0 && r.lanes[name] == l {
			delete(r.lanes, name)
		}
	}, 0
}

package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// TopicJob says that the workspace with id Key has work in the outbox.
const TopicJob = "job"

// Job is work for after a commit.
type Job struct {
	ID        string
	Workspace string // id
	Kind      string
	Body      string // JSON
	Queue     string // "" for none
	Attempts  int    // this one included
	CreatedAt time.Time
	LastError string
	// DeadAt is when it was given up, zero while it is tried.
	DeadAt time.Time
}

const insertJob = `
	INSERT INTO job (workspace_id, id, kind, body, created_at, run_at, attempts, claim, last_error)
	VALUES ($1, $2, $3, $4, $5, $6, 0, '', '')`

// InsertJob puts work of a kind into the outbox, to be done at or after runAt. It is done after the
// commit, at least once.
func (tx *Tx) InsertJob(kind, body string, runAt time.Time) {
	tx.later(insertJob, tx.workspace, keys.ID("job_", tx.now), kind, body, micros(tx.now), micros(runAt))
	tx.signal(Signal{Topic: TopicJob, Key: tx.workspace})
}

// Where the one before waits for another try, who comes behind waits as well and is not looked at meanwhile.
const insertJobInQueue = `
	INSERT INTO job (workspace_id, id, kind, body, created_at, run_at, attempts, claim, last_error, queue, place)
	VALUES ($1, $2, $3, $4, $5, (SELECT CASE WHEN MAX(run_at) > $5 THEN MAX(run_at) ELSE $5 END FROM job WHERE workspace_id = $1 AND queue = $6 AND dead_at IS NULL),
	        0, '', '', $6, (SELECT COALESCE(MAX(place), 0) + 1 FROM job WHERE workspace_id = $1 AND queue = $6 AND dead_at IS NULL))`

// InsertJobInQueue is InsertJob, due at once, for work that must be done in the order in which it came about: of the jobs of
// a queue only the first is done, again and again until it is done or given up, and then the next. The
// caller holds a lock under which jobs of the queue are put in one after the other, else their order is none.
func (tx *Tx) InsertJobInQueue(queue, kind, body string) {
	tx.later(insertJobInQueue, tx.workspace, keys.ID("job_", tx.now), kind, body, micros(tx.now), queue)
	tx.signal(Signal{Topic: TopicJob, Key: tx.workspace})
}

const deadJobs = `
	SELECT id, kind, body, attempts, created_at, last_error, dead_at FROM job
	WHERE  workspace_id = $1 AND dead_at IS NOT NULL ORDER BY id DESC LIMIT $2`

// DeadJobs lists the work that was given up, newest first.
func (tx *Tx) DeadJobs(limit int) ([]Job, error) {
	var out []Job
	err := tx.each(func(r Rows) error {
		j := Job{Workspace: tx.workspace}
		var created, dead int64
		if err := r.Scan(&j.ID, &j.Kind, &j.Body, &j.Attempts, &created, &j.LastError, &dead); err != nil {
			return err
		}
		j.CreatedAt, j.DeadAt = instant(created), instant(dead)
		out = append(out, j)
		return nil
	}, deadJobs, tx.workspace, limit)
	return out, err
}

// A claim moves the job's time forward by the lease: whoever claims at the same moment finds it no
// longer due, and a claimant that dies leaves it due again. Of a queue only the first is taken.
const claimJobs = `
	UPDATE job SET claim = $1, attempts = attempts + 1, run_at = $3
	WHERE  dead_at IS NULL AND run_at <= $2 AND (workspace_id, id) IN
	       (SELECT workspace_id, id FROM job WHERE dead_at IS NULL AND run_at <= $2 AND ` + firstOfQueue + ` ORDER BY run_at LIMIT $4)
	RETURNING workspace_id, id, kind, body, attempts, created_at, last_error, queue`

const firstOfQueue = `(queue = '' OR NOT EXISTS (SELECT 1 FROM job AS e
	WHERE e.workspace_id = job.workspace_id AND e.queue = job.queue AND e.dead_at IS NULL AND e.place < job.place))`

// ClaimJobs takes up to limit jobs that are due, in no order, for the holder of claim: nobody else
// gets them before lease has passed.
func (s System) ClaimJobs(ctx context.Context, claim string, lease time.Duration, limit int) ([]Job, error) {
	now := s.db.Now()
	var out []Job
	err := s.db.driver.Write(ctx, func(c Conn) error {
		out = nil
		return each(ctx, c, func(r Rows) error {
			var j Job
			var created int64
			if err := r.Scan(&j.Workspace, &j.ID, &j.Kind, &j.Body, &j.Attempts, &created, &j.LastError, &j.Queue); err != nil {
				return err
			}
			j.CreatedAt = instant(created)
			out = append(out, j)
			return nil
		}, claimJobs, claim, micros(now), micros(now.Add(lease)), limit)
	})
	return out, s.db.translate(err)
}

const (
	finishJob = `DELETE FROM job WHERE workspace_id = $1 AND id = $2 AND claim = $3`
	retryJob  = `UPDATE job SET run_at = $4, last_error = $5, claim = '' WHERE workspace_id = $1 AND id = $2 AND claim = $3`
	yieldJob  = `UPDATE job SET run_at = $4, attempts = attempts - 1, claim = '' WHERE workspace_id = $1 AND id = $2 AND claim = $3`
	buryJob   = `UPDATE job SET dead_at = $4, last_error = $5, claim = '' WHERE workspace_id = $1 AND id = $2 AND claim = $3`
)

// The one behind in the queue has its turn when the first is out of it, and waits while the first does.
const (
	nextInQueue = `
	UPDATE job SET run_at = $3 WHERE workspace_id = $1 AND queue = $2 AND dead_at IS NULL AND run_at > $3 AND claim = '' AND attempts = 0
	AND    place = (SELECT MIN(place) FROM job WHERE workspace_id = $1 AND queue = $2 AND dead_at IS NULL)`
	waitInQueue = `
	UPDATE job SET run_at = $3 WHERE workspace_id = $1 AND queue = $2 AND dead_at IS NULL AND run_at < $3`
)

// FinishJob removes a claimed job that is done. A claim that was lost meanwhile changes nothing.
func (s System) FinishJob(ctx context.Context, j Job, claim string) error {
	return s.job(ctx, j, nextInQueue, s.db.Now(), finishJob, claim)
}

// RetryJob gives a claimed job back, to be tried again after a pause.
func (s System) RetryJob(ctx context.Context, j Job, claim string, pause time.Duration, why string) error {
	at := s.db.Now().Add(pause)
	return s.job(ctx, j, waitInQueue, at, retryJob, claim, micros(at), clean(why))
}

// YieldJob gives a claimed job back untried.
func (s System) YieldJob(ctx context.Context, j Job, claim string, pause time.Duration) error {
	at := s.db.Now().Add(pause)
	return s.job(ctx, j, waitInQueue, at, yieldJob, claim, micros(at))
}

// BuryJob gives a claimed job up; it is kept to be seen until it is swept.
func (s System) BuryJob(ctx context.Context, j Job, claim string, why string) error {
	now := s.db.Now()
	return s.job(ctx, j, nextInQueue, now, buryJob, claim, micros(now), clean(why))
}

// job runs a statement on a claimed job, whose further arguments are given, and then one on its queue.
func (s System) job(ctx context.Context, j Job, onQueue string, at time.Time, statement string, args ...any) error {
	return s.db.translate(s.db.driver.Write(ctx, func(c Conn) error {
		c.Defer(statement, append([]any{j.Workspace, j.ID}, args...)...)
		if j.Queue != "" {
			c.Defer(onQueue, j.Workspace, j.Queue, micros(at))
		}
		return nil
	}))
}

// A job that is not the first of its queue is never due.
const nextJob = `SELECT run_at FROM job WHERE dead_at IS NULL AND ` + firstOfQueue + ` ORDER BY run_at LIMIT 1`

// NextJob returns when the next job is due, zero where there is none.
func (s System) NextJob(ctx context.Context) (time.Time, error) {
	var at int64
	found, err := s.one(ctx, []any{&at}, nextJob)
	if err != nil || !found {
		return time.Time{}, err
	}
	return instant(at), nil
}

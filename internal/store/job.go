package store

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// TopicJob says that the workspace with id Key has work that is due.
const TopicJob = "job"

const insertJob = `
	INSERT INTO job (workspace_id, id, kind, body, created_at, run_at, attempts, claim, last_error)
	VALUES ($1, $2, $3, $4, $5, $6, 0, '', '')`

// InsertJob puts work of a kind into the outbox, to be done at or after runAt. It is done after the
// commit, at least once.
func (tx *Tx) InsertJob(kind, body string, runAt time.Time) {
	tx.later(insertJob, tx.workspace, keys.ID("job_", tx.now), kind, body, micros(tx.now), micros(runAt))
	tx.signal(Signal{Topic: TopicJob, Key: tx.workspace})
}

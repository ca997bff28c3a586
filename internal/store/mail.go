package store

import (
	"encoding/json"
	"time"
)

// MailKind begins the kind of every job that sends a letter. Its body is an object whose "member" is the id of the
// member to whom the letter goes.
const MailKind = "mail."

// Letter is a letter that was not sent yet.
type Letter struct {
	Job
	Member string    // id of the member to whom it goes
	NextAt time.Time // of the next try, where it is tried
	Busy   bool      // it is being sent now
}

const letters = `
	SELECT id, kind, body, attempts, created_at, last_error, dead_at, run_at, claim FROM job
	WHERE  workspace_id = $1 AND kind >= 'mail.' AND kind < 'mail/' AND id < $2 ORDER BY id DESC LIMIT $3`

// lastID is behind every id.
const lastID = "~"

// Letters returns letters that were not sent yet, those that were given up included, newest first: limit at most, of
// those before the id, "" for the newest.
func (tx *Tx) Letters(before string, limit int) ([]Letter, error) {
	if before == "" {
		before = lastID
	}
	var out []Letter
	err := tx.each(func(r Rows) error {
		l := Letter{Job: Job{Workspace: tx.workspace}}
		var created, next int64
		var dead *int64
		var claim string
		if err := r.Scan(&l.ID, &l.Kind, &l.Body, &l.Attempts, &created, &l.LastError, &dead, &next, &claim); err != nil {
			return err
		}
		l.CreatedAt, l.DeadAt, l.NextAt, l.Busy = instant(created), maybeInstant(dead), instant(next), claim != ""
		var body struct {
			Member string `json:"member"`
		}
		if json.Unmarshal([]byte(l.Body), &body) == nil {
			l.Member = body.Member
		}
		out = append(out, l)
		return nil
	}, letters, tx.workspace, before, limit)
	return out, err
}

const (
	retryLetter = `
	UPDATE job SET dead_at = NULL, run_at = $3, attempts = 0
	WHERE  workspace_id = $1 AND id = $2 AND kind >= 'mail.' AND kind < 'mail/' AND claim = '' RETURNING id`
	discardLetter = `
	DELETE FROM job WHERE workspace_id = $1 AND id = $2 AND kind >= 'mail.' AND kind < 'mail/' AND claim = '' RETURNING id`
)

// RetryLetter has a letter tried again at once, one that was given up too. found is false for one that is not there
// or is being sent at this moment.
func (tx *Tx) RetryLetter(id string) (found bool, err error) {
	tx.signal(Signal{Topic: TopicJob, Key: tx.workspace})
	tx.change("letter")
	var got string
	return tx.one([]any{&got}, retryLetter, tx.workspace, id, micros(tx.now))
}

// DiscardLetter takes a letter away unsent. found is as for RetryLetter.
func (tx *Tx) DiscardLetter(id string) (found bool, err error) {
	tx.change("letter")
	var got string
	return tx.one([]any{&got}, discardLetter, tx.workspace, id)
}

const onceMail = `INSERT INTO mail_once (workspace_id, reason, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

// OnceMail notes that a letter is sent for a reason, and reports whether none was before. Of many at once, one is
// told true. It is remembered for as long as events are.
func (tx *Tx) OnceMail(reason string) (first bool, err error) {
	n, err := tx.exec(onceMail, tx.workspace, reason, micros(tx.now))
	return n == 1, err
}

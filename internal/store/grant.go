package store

import "time"

// JobLogout is the kind of job that tells an application that a session has ended.
const JobLogout = "oidc.backchannel_logout"

// Logout is the body of such a job.
type Logout struct {
	Application string `json:"application"` // id
	Session     string `json:"session"`     // id, the sid of what the application was given
	Member      string `json:"member"`      // id, the sub
}

// GrantHolder is what a token of an application leads to: whom it stands for, and for how long.
type GrantHolder struct {
	LiveSession
	Grant       string // id
	Application string // id
	Scope       string
	IssuedAt    time.Time
	ExpiresAt   time.Time
}

// endGrantsOf ends what sessions gave to applications, and puts one logout for each pair of
// session and application into the outbox. It is part of every end of a session.
func (tx *Tx) endGrantsOf(sessions []string) error {
	told := map[Logout]bool{}
	return eachChunk(sessions, func(part []string) error {
		list, args := in(3, part)
		return tx.each(func(r Rows) error {
			var l Logout
			if err := r.Scan(&l.Application, &l.Session, &l.Member); err != nil {
				return err
			}
			if !told[l] {
				told[l] = true
				tx.InsertJob(JobLogout, toJSON(l), tx.now)
			}
			return nil
		}, `UPDATE oidc_grant SET ended_at = $2, end_reason = 'session_ended'
			WHERE workspace_id = $1 AND ended_at IS NULL AND session_id IN (`+list+`) RETURNING application_id, session_id, member_id`,
			append([]any{tx.workspace, micros(tx.now)}, args...)...)
	})
}

package store

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/session"
)

// RenewSessions has the browsers of members given a new token each, the next time that they ask for a page: what the
// members may do is more than it was. why is a code. One statement per 512.
func (tx *Tx) RenewSessions(members []string, why string) error {
	return eachChunk(members, func(part []string) error {
		list, args := in(3, part)
		tx.later(`UPDATE session SET renew = $2 WHERE workspace_id = $1 AND ended_at IS NULL AND member_id IN (`+list+`)`,
			append([]any{tx.workspace, why}, args...)...)
		return nil
	})
}

// RenewSessionsWith is RenewSessions for everybody who has a role. One statement.
func (tx *Tx) RenewSessionsWith(role, why string) {
	tx.later(`UPDATE session SET renew = $3 WHERE workspace_id = $1 AND ended_at IS NULL
		AND member_id IN (SELECT id FROM member WHERE workspace_id = $1 AND role_id = $2)`, tx.workspace, role, why)
}

const (
	renewSession = `
	UPDATE session SET renew = '' WHERE workspace_id = $1 AND id = $2 AND renew <> '' AND ended_at IS NULL
	AND    EXISTS (SELECT 1 FROM session_handle h WHERE h.hash = $3 AND h.workspace_id = $1 AND h.session_id = $2 AND h.dies_at IS NULL) RETURNING id`
	endHandles = `UPDATE session_handle SET dies_at = $4 WHERE workspace_id = $1 AND session_id = $2 AND dies_at IS NULL AND hash <> $3`
)

// RenewSession has the token with the hash fresh open a session in the place of the one with the hash old, which counts
// for session.RenewGrace from now. Of many who try at once one is told true; so is nobody where no new token is due.
func (tx *Tx) RenewSession(id, old, fresh string) (renewed bool, err error) {
	var got string
	if renewed, err = tx.one([]any{&got}, renewSession, tx.workspace, id, old); err != nil || !renewed {
		return false, err
	}
	tx.change("session")
	tx.later(insertSessionHandle, fresh, tx.workspace, id)
	tx.later(endHandles, tx.workspace, id, fresh, micros(tx.now.Add(session.RenewGrace)))
	return true, nil
}

const limitSessions = `
	UPDATE session SET idle = $2, expires_at = CASE WHEN expires_at > created_at + $3 THEN created_at + $3 ELSE expires_at END
	WHERE  workspace_id = $1 AND ended_at IS NULL AND expires_at > $4 AND last_used_at + idle > $4 AND (idle <> $2 OR expires_at > created_at + $3)
	RETURNING id`

// LimitSessions has every live session of the workspace end at the latest after idle without use, and after life from its
// beginning, and returns how many that changes. None gets a later absolute end, and one that
// has run out stays so whatever longer time is allowed now. Applications that were given
// something by one that has run out by that are told soon.
func (tx *Tx) LimitSessions(idle, life time.Duration) (int, error) {
	var ids []string
	if err := tx.each(collect(&ids), limitSessions, tx.workspace, idle.Microseconds(), life.Microseconds(), micros(tx.now)); err != nil || len(ids) == 0 {
		return 0, err
	}
	tx.change("session")
	return len(ids), eachChunk(ids, func(part []string) error {
		list, args := in(3, part)
		_, err := tx.exec(`UPDATE oidc_grant SET due_at = $2 WHERE workspace_id = $1 AND session_id IN (`+list+`) AND due_at > $2`,
			append([]any{tx.workspace, micros(tx.now)}, args...)...)
		return err
	})
}

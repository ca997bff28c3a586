package store

import (
	"context"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/session"
)

const sweepPayloads = `DELETE FROM event_payload WHERE workspace_id = $1 AND time < $2`
const sweepEvents = `DELETE FROM event WHERE workspace_id = $1 AND time < $2 AND seq IS NOT NULL`

// Sweep deletes payloads and events that are older than their retention, and what no longer
// matters of the rest: request log, counters, ended sessions, work that was given up.
func (db *DB) Sweep(ctx context.Context, payloads, events time.Duration) error {
	now := db.Now()
	spaces, err := db.System().Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, w := range spaces {
		if err := db.driver.Write(ctx, func(c Conn) error {
			c.Defer(sweepPayloads, w.ID, micros(now.Add(-payloads)))
			// The newest event stays whatever its age: the next number is counted from it.
			c.Defer(sweepEvents+` AND seq < (SELECT MAX(seq) FROM event WHERE workspace_id = $1)`, w.ID, micros(now.Add(-events)))
			c.Defer(`DELETE FROM request_log WHERE workspace_id = $1 AND time < $2`, w.ID, micros(now.Add(-requestLogAge)))
			c.Defer(`DELETE FROM directory_heard WHERE workspace_id = $1 AND hour < $2`, w.ID, micros(now.Add(-HeardAge)))
			if err := boundReads(ctx, c, w.ID); err != nil {
				return err
			}
			if err := boundAttempts(c, func(scan func(Rows) error, query string, args ...any) error {
				return each(ctx, c, scan, query, args...)
			}, w.ID, now.Add(-payloads)); err != nil {
				return err
			}
			c.Defer(`DELETE FROM session_handle WHERE workspace_id = $1 AND session_id IN
				(SELECT id FROM session WHERE workspace_id = $1 AND (ended_at < $2 OR expires_at < $2))`, w.ID, micros(now.Add(-sessionAge)))
			c.Defer(`DELETE FROM session WHERE workspace_id = $1 AND (ended_at < $2 OR expires_at < $2)`, w.ID, micros(now.Add(-sessionAge)))
			c.Defer(settleTokens, w.ID, micros(now))
			c.Defer(`DELETE FROM api_key_handle WHERE workspace_id = $1 AND (revoked_at < $2 OR expires_at < $2)`, w.ID, micros(now.Add(-events)))
			c.Defer(`DELETE FROM replay WHERE workspace_id = $1 AND expires_at < $2`, w.ID, micros(now.Add(-replayAge)))
			c.Defer(`DELETE FROM logout WHERE workspace_id = $1 AND expires_at < $2`, w.ID, micros(now))
			c.Defer(`DELETE FROM oidc_grant WHERE workspace_id = $1 AND created_at < $2`, w.ID, micros(now.Add(-sessionAge)))
			c.Defer(sweepAdoptions, w.ID, micros(now.Add(-events)), micros(now.Add(-AllowedAge)))
			c.Defer(`DELETE FROM import_row WHERE workspace_id = $1 AND import_id IN (SELECT id FROM import WHERE workspace_id = $1 AND updated_at < $2)`, w.ID, micros(now.Add(-importAge)))
			c.Defer(`DELETE FROM import WHERE workspace_id = $1 AND updated_at < $2`, w.ID, micros(now.Add(-importAge)))
			c.Defer(`DELETE FROM mail_once WHERE workspace_id = $1 AND at < $2`, w.ID, micros(now.Add(-events)))
			c.Defer(`DELETE FROM job WHERE workspace_id = $1 AND dead_at < $2`, w.ID, micros(now.Add(-deadJobAge)))
			return nil
		}); err != nil {
			return db.translate(err)
		}
	}
	return db.translate(db.driver.Write(ctx, func(c Conn) error {
		c.Defer(`DELETE FROM attempt WHERE window_start < $1`, micros(now.Add(-24*time.Hour)))
		c.Defer(`DELETE FROM stranger WHERE hour < $1`, micros(now.Add(-payloads)))
		c.Defer(`DELETE FROM link_handle WHERE expires_at < $1`, micros(now.Add(-sessionAge)))
		c.Defer(`DELETE FROM mail_link WHERE expires_at < $1`, micros(now.Add(-sessionAge)))
		c.Defer(`DELETE FROM code_handle WHERE expires_at < $1`, micros(now.Add(-spentAge)))
		c.Defer(`DELETE FROM access_handle WHERE expires_at < $1`, micros(now.Add(-accessAge)))
		c.Defer(`DELETE FROM scim_access_handle WHERE expires_at < $1`, micros(now.Add(-accessAge)))
		c.Defer(`DELETE FROM refresh_handle WHERE expires_at < $1`, micros(now.Add(-spentAge)))
		c.Defer(`DELETE FROM signing_key WHERE retire_at < $1`, micros(now.Add(-signingKeyAge)))
		c.Defer(`DELETE FROM state_handle WHERE expires_at < $1`, micros(now))
		c.Defer(`DELETE FROM test_handle WHERE expires_at < $1`, micros(now))
		return nil
	}))
}

// A meeting that nobody asked about for as long as events are kept is asked anew; one that was allowed and
// not used soon, too. An adoption can be undone for as long as it lasts.
const sweepAdoptions = `
	DELETE FROM adoption WHERE workspace_id = $1
	AND (state IN ('waiting', 'refused') AND last_at < $2 OR state IN ('undone', 'over') AND COALESCE(decided_at, last_at) < $2
		OR state = 'allowed' AND decided_at < $3)`

const (
	// AllowedAge is how long a directory may use what was allowed (Adoption).
	AllowedAge    = 30 * 24 * time.Hour
	requestLogAge = 7 * 24 * time.Hour
	// requestLogRows is how many reads of one directory are kept, whatever their age.
	requestLogRows = 100_000
	sessionAge     = 30 * 24 * time.Hour
	// deadJobAge is how long work that was given up can be looked at. What is still tried stays.
	deadJobAge = 30 * 24 * time.Hour
	// importAge is how long a list of people to invite can be looked at after it was touched last.
	importAge = 7 * 24 * time.Hour
	// spentAge is how long codes and refresh tokens are remembered, so that one that comes again
	// ends what it gave: as long as a session lives.
	spentAge      = session.Absolute
	accessAge     = time.Hour
	signingKeyAge = 24 * time.Hour
	// replayAge keeps a message that was accepted a while longer than it could be accepted again, in
	// case a clock of ours is put back.
	replayAge = 24 * time.Hour
)

const oldestReadKept = `
	SELECT d.id, (SELECT r.id FROM request_log r WHERE r.workspace_id = $1 AND r.directory_id = d.id ORDER BY r.id DESC LIMIT 1 OFFSET $2)
	FROM   directory d WHERE d.workspace_id = $1`

// boundReads deletes what is behind the newest reads of each directory: an IdP that imports every
// hour must not fill the disk within a week.
func boundReads(ctx context.Context, c Conn, workspace string) error {
	return each(ctx, c, func(r Rows) error {
		var directory string
		var last *string
		if err := r.Scan(&directory, &last); err != nil || last == nil {
			return err
		}
		c.Defer(`DELETE FROM request_log WHERE workspace_id = $1 AND directory_id = $2 AND id <= $3`, workspace, directory, *last)
		return nil
	}, oldestReadKept, workspace, requestLogRows)
}

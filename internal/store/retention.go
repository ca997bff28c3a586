package store

import (
	"context"
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/session"
)

// Retention is how long what has no other end is kept. People, their resources and what belongs to them are in none of it:
// going out deletes nothing, only erasing does.
type Retention struct {
	Payloads time.Duration // of events, and the traces of sign-ins, which are made of them
	Events   time.Duration
	Requests time.Duration // SCIM reads that were answered
	Sessions time.Duration // that have ended, and what they gave to applications
	Work     time.Duration // letters and other work that was given up
}

// Defaults of a Retention.
const (
	RequestRetention = 7 * 24 * time.Hour
	SessionRetention = 30 * 24 * time.Hour
	WorkRetention    = 30 * 24 * time.Hour
)

// Sweep is Keep with the defaults for everything but payloads and events.
func (db *DB) Sweep(ctx context.Context, payloads, events time.Duration) error {
	return db.Keep(ctx, Retention{Payloads: payloads, Events: events, Requests: RequestRetention, Sessions: SessionRetention, Work: WorkRetention})
}

// sweepPage is how many rows of a table one transaction deletes: others wait for no more than that.
const sweepPage = 1000

// pruning is one kind of rows that go: those of table for which where holds, $1 being the workspace and $2 the instant.
// behind are rows of other tables that go with them; each names the rows by %s.
type pruning struct {
	table, key, where string
	before            time.Time
	behind            []string
}

// chosen is the SELECT of the keys of the next rows.
func (p pruning) chosen() string {
	return fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d", p.key, p.table, p.where, p.key, sweepPage)
}

// run deletes the next rows and reports whether there may be more.
func (p pruning) run(ctx context.Context, c Conn, bound string, args ...any) (more bool, err error) {
	for _, b := range p.behind {
		c.Defer(fmt.Sprintf(b, p.chosen()), args...)
	}
	n, err := c.Exec(ctx, fmt.Sprintf("DELETE FROM %s WHERE %s(%s) IN (%s)", p.table, bound, p.key, p.chosen()), args...)
	return n >= sweepPage, err
}

// Keep deletes what is older than r, and what no longer matters of the rest: counters, handles, sign-ins that came to no
// end. It goes in steps of a thousand rows of a table at the most, each a transaction of its own.
func (db *DB) Keep(ctx context.Context, r Retention) error {
	now := db.Now()
	spaces, err := db.System().Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, w := range spaces {
		prunings := ofWorkspaces(now, r)
		if err := db.prune(ctx, func(c Conn) (more bool, err error) {
			c.Defer(settleTokens, w.ID, micros(now))
			for _, p := range prunings {
				again, err := p.run(ctx, c, "workspace_id = $1 AND ", w.ID, micros(p.before))
				if err != nil {
					return false, err
				}
				more = more || again
			}
			again, err := boundReads(ctx, c, w.ID)
			if err != nil {
				return false, err
			}
			attempts, err := boundAttempts(ctx, c, w.ID, now.Add(-r.Payloads))
			return more || again || attempts, err
		}); err != nil {
			return err
		}
	}
	return db.prune(ctx, func(c Conn) (more bool, err error) {
		for _, p := range ofNobody(now, r) {
			again, err := p.run(ctx, c, "", micros(p.before))
			if err != nil {
				return false, err
			}
			more = more || again
		}
		return more, nil
	})
}

// prune runs a step, a transaction each time, until there is no more.
func (db *DB) prune(ctx context.Context, step func(c Conn) (more bool, err error)) error {
	for {
		more := false
		if err := db.driver.Write(ctx, func(c Conn) (err error) {
			more, err = step(c)
			return err
		}); err != nil || !more {
			return db.translate(err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func ofWorkspaces(now time.Time, r Retention) []pruning {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return []pruning{
		{table: "event_payload", key: "event_id", where: "workspace_id = $1 AND time < $2", before: ago(r.Payloads)},
		// The newest event stays whatever its age: the next number is counted from it.
		{table: "event", key: "id", before: ago(r.Events),
			where: "workspace_id = $1 AND time < $2 AND seq IS NOT NULL AND seq < (SELECT MAX(seq) FROM event WHERE workspace_id = $1)"},
		{table: "request_log", key: "directory_id, id", where: "workspace_id = $1 AND time < $2", before: ago(r.Requests)},
		{table: "directory_heard", key: "directory_id, hour", where: "workspace_id = $1 AND hour < $2", before: ago(HeardAge)},
		{table: "session", key: "id", where: "workspace_id = $1 AND (ended_at < $2 OR expires_at < $2)", before: ago(r.Sessions),
			behind: []string{"DELETE FROM session_handle WHERE workspace_id = $1 AND session_id IN (%s)"}},
		{table: "replay", key: "connection_id, id", where: "workspace_id = $1 AND expires_at < $2", before: ago(replayAge)},
		{table: "logout", key: "connection_id, hash", where: "workspace_id = $1 AND expires_at < $2", before: now},
		{table: "oidc_grant", key: "id", where: "workspace_id = $1 AND created_at < $2", before: ago(max(r.Sessions, grantAge))},
		// A meeting that nobody asked about for as long as events are kept is asked anew; one that was allowed and not
		// used soon, too. An adoption can be undone for as long as it lasts.
		{table: "adoption", key: "id", before: ago(r.Events),
			where: "workspace_id = $1 AND (state IN ('waiting', 'refused') AND last_at < $2 OR state IN ('undone', 'over') AND COALESCE(decided_at, last_at) < $2)"},
		{table: "adoption", key: "id", where: "workspace_id = $1 AND state = 'allowed' AND decided_at < $2", before: ago(AllowedAge)},
		{table: "import_row", key: "import_id, line", before: ago(importAge),
			where: "workspace_id = $1 AND import_id IN (SELECT id FROM import WHERE workspace_id = $1 AND updated_at < $2)"},
		{table: "import", key: "id", before: ago(importAge),
			where: "workspace_id = $1 AND updated_at < $2 AND NOT EXISTS (SELECT 1 FROM import_row r WHERE r.workspace_id = $1 AND r.import_id = import.id)"},
		{table: "mail_once", key: "reason", where: "workspace_id = $1 AND at < $2", before: ago(r.Events)},
		{table: "api_key_handle", key: "hash", where: "workspace_id = $1 AND (revoked_at < $2 OR expires_at < $2)", before: ago(r.Events)},
		{table: "job", key: "id", where: "workspace_id = $1 AND dead_at < $2", before: ago(r.Work)},
	}
}

func ofNobody(now time.Time, r Retention) []pruning {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	return []pruning{
		{table: "attempt", key: "bucket", where: "window_start < $1", before: ago(24 * time.Hour)},
		{table: "stranger", key: "source, type, hour", where: "hour < $1", before: ago(r.Payloads)},
		{table: "link_handle", key: "hash", where: "expires_at < $1", before: ago(r.Sessions)},
		{table: "mail_link", key: "hash", where: "expires_at < $1", before: ago(r.Sessions)},
		{table: "code_handle", key: "hash", where: "expires_at < $1", before: ago(spentAge)},
		{table: "access_handle", key: "hash", where: "expires_at < $1", before: ago(accessAge)},
		{table: "scim_access_handle", key: "hash", where: "expires_at < $1", before: ago(accessAge)},
		{table: "refresh_handle", key: "hash", where: "expires_at < $1", before: ago(spentAge)},
		{table: "signing_key", key: "id", where: "retire_at < $1", before: ago(signingKeyAge)},
		{table: "state_handle", key: "hash", where: "expires_at < $1", before: now},
		{table: "test_handle", key: "hash", where: "expires_at < $1", before: now},
	}
}

const (
	// AllowedAge is how long a directory may use what was allowed (Adoption).
	AllowedAge = 30 * 24 * time.Hour
	// requestLogRows is how many reads of one directory are kept, whatever their age.
	requestLogRows = 100_000
	// grantAge is how long what a session gave to an application is kept at the least: as long as a session lives.
	grantAge = session.Absolute + 24*time.Hour
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
func boundReads(ctx context.Context, c Conn, workspace string) (more bool, err error) {
	type end struct{ directory, last string }
	var ends []end
	if err := each(ctx, c, func(r Rows) error {
		var directory string
		var last *string
		if err := r.Scan(&directory, &last); err != nil || last == nil {
			return err
		}
		ends = append(ends, end{directory, *last})
		return nil
	}, oldestReadKept, workspace, requestLogRows); err != nil {
		return false, err
	}
	for _, e := range ends {
		p := pruning{table: "request_log", key: "id", where: "workspace_id = $1 AND directory_id = $2 AND id <= $3"}
		again, err := p.run(ctx, c, "workspace_id = $1 AND directory_id = $2 AND ", workspace, e.directory, e.last)
		if err != nil {
			return false, err
		}
		more = more || again
	}
	return more, nil
}

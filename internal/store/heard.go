package store

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
)

// Heard is what a directory's requests came to over a time.
type Heard struct {
	Reads, Created, Updated, Deactivated, Refused int64
	// LastAt is the last request, ServedAt the last that was served, RefusedAt the last that was refused,
	// for the reason Refusal (a code). Zero for none.
	LastAt, ServedAt, RefusedAt time.Time
	Refusal                     string
}

// HeardKind is what one request did.
type HeardKind int

const (
	HeardRead HeardKind = iota
	HeardCreated
	HeardUpdated
	HeardDeactivated
	HeardRefused
	// HeardOther is a request that is counted by its parts, as a bulk request.
	HeardOther
)

// HeardAge is for how long it is kept by the hour.
const HeardAge = 30 * 24 * time.Hour

type heardKey struct {
	workspace, directory string
	hour                 time.Time
}

// Hear counts a request of a directory. It is written within a second by RunMarks, beside the request and not
// with it: counters shall make no two requests wait for each other.
func (db *DB) Hear(workspace, directoryID string, at time.Time, kind HeardKind, refusal string) {
	l := &db.reads
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.heard == nil {
		l.heard = map[heardKey]*Heard{}
	}
	key := heardKey{workspace, directoryID, at.UTC().Truncate(time.Hour)}
	h := l.heard[key]
	if h == nil {
		h = &Heard{}
		l.heard[key] = h
	}
	h.count(at, kind, refusal)
}

func (h *Heard) count(at time.Time, kind HeardKind, refusal string) {
	h.LastAt = later(h.LastAt, at)
	if kind == HeardRefused {
		h.Refused++
		h.RefusedAt, h.Refusal = later(h.RefusedAt, at), clean(cut(refusal, 100))
		return
	}
	h.ServedAt = later(h.ServedAt, at)
	switch kind {
	case HeardRead:
		h.Reads++
	case HeardCreated:
		h.Created++
	case HeardUpdated:
		h.Updated++
	case HeardDeactivated:
		h.Deactivated++
	}
}

// add puts what was heard at another time to it.
func (h *Heard) add(o Heard) {
	h.Reads, h.Created, h.Updated = h.Reads+o.Reads, h.Created+o.Created, h.Updated+o.Updated
	h.Deactivated, h.Refused = h.Deactivated+o.Deactivated, h.Refused+o.Refused
	h.LastAt, h.ServedAt = later(h.LastAt, o.LastAt), later(h.ServedAt, o.ServedAt)
	if o.RefusedAt.After(h.RefusedAt) {
		h.RefusedAt, h.Refusal = o.RefusedAt, o.Refusal
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

const addHeard = `
	INSERT INTO directory_heard (workspace_id, directory_id, hour, reads, created, updated, deactivated, refused, last_at, served_at, refused_at, refusal)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
	ON CONFLICT (workspace_id, directory_id, hour) DO UPDATE SET
		reads = directory_heard.reads + excluded.reads, created = directory_heard.created + excluded.created,
		updated = directory_heard.updated + excluded.updated, deactivated = directory_heard.deactivated + excluded.deactivated,
		refused = directory_heard.refused + excluded.refused,
		last_at = CASE WHEN excluded.last_at > directory_heard.last_at THEN excluded.last_at ELSE directory_heard.last_at END,
		served_at = COALESCE(excluded.served_at, directory_heard.served_at),
		refused_at = COALESCE(excluded.refused_at, directory_heard.refused_at),
		refusal = CASE WHEN excluded.refused_at IS NULL THEN directory_heard.refusal ELSE excluded.refusal END`

// writeHeard writes the counters, in one order everywhere.
func writeHeard(c Conn, heard map[heardKey]*Heard) {
	keys := slices.SortedFunc(maps.Keys(heard), func(a, b heardKey) int {
		return cmp.Or(strings.Compare(a.workspace, b.workspace), strings.Compare(a.directory, b.directory), a.hour.Compare(b.hour))
	})
	for _, k := range keys {
		h := heard[k]
		c.Defer(addHeard, k.workspace, k.directory, micros(k.hour), h.Reads, h.Created, h.Updated, h.Deactivated, h.Refused,
			micros(h.LastAt), maybeMicros(h.ServedAt), maybeMicros(h.RefusedAt), h.Refusal)
	}
}

// putBackHeard keeps counters that could not be written for the next time.
func (l *requestLog) putBackHeard(heard map[heardKey]*Heard) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, h := range l.heard {
		if before := heard[k]; before != nil {
			before.add(*h)
			continue
		}
		if heard == nil {
			heard = map[heardKey]*Heard{}
		}
		heard[k] = h
	}
	l.heard = heard
}

const heardOf = `
	SELECT hour, reads, created, updated, deactivated, refused, last_at, served_at, refused_at, refusal
	FROM   directory_heard WHERE workspace_id = $1 AND directory_id = $2 ORDER BY hour`

// Heard sums up what was heard of a directory: in the last 24 hours, by the full hour, and in HeardAge.
func (tx *Tx) Heard(directoryID string) (day, all Heard, err error) {
	since := tx.now.Add(-24 * time.Hour)
	err = tx.each(func(r Rows) error {
		var h Heard
		var hour, last int64
		var served, refused *int64
		if err := r.Scan(&hour, &h.Reads, &h.Created, &h.Updated, &h.Deactivated, &h.Refused, &last, &served, &refused, &h.Refusal); err != nil {
			return err
		}
		h.LastAt, h.ServedAt, h.RefusedAt = instant(last), maybeInstant(served), maybeInstant(refused)
		all.add(h)
		if instant(hour).After(since) {
			day.add(h)
		}
		return nil
	}, heardOf, tx.workspace, directoryID)
	return day, all, err
}

// requestsOf are the newest events of a directory's requests among the newest of the log: no index leads to them.
const requestsOf = `
	SELECT ` + eventColumns + `
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	LEFT   JOIN event_payload p ON p.workspace_id = e.workspace_id AND p.event_id = e.id
	WHERE  e.workspace_id = $1 AND e.seq > $2 AND e.directory_id = $3 AND e.type LIKE 'scim%'
	AND    (p.event_id IS NOT NULL OR e.type = 'scim_token.replaced_token_used')
	ORDER  BY e.seq DESC LIMIT $4`

// RequestsOf returns the newest requests of a directory that left an event with what was sent, newest first, among
// the newest EventWindow events of the log.
func (tx *Tx) RequestsOf(directoryID string, limit int) ([]audit.Event, error) {
	last, err := tx.LastSeq()
	if err != nil {
		return nil, err
	}
	return tx.events(requestsOf, tx.workspace, last-EventWindow, directoryID, limit)
}

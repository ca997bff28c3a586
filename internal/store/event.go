package store

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

const insertEvent = `
	INSERT INTO event (workspace_id, id, time, type, outcome, reason, actor, subject_kind, subject_id, subject_name, connection_id, directory_id, changes)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`

const insertPayload = `INSERT INTO event_payload (workspace_id, event_id, time, body) VALUES ($1, $2, $3, $4)`

func (tx *Tx) insertEvent(e audit.Event) error {
	if e.Type == "" {
		return fmt.Errorf("an event needs a type")
	}
	if e.Outcome == "" {
		e.Outcome = audit.OK
	}
	if len(e.Payload) > audit.MaxPayload {
		return fmt.Errorf("payload of %d bytes, at most %d are kept", len(e.Payload), audit.MaxPayload)
	}
	if len(e.Changes) > audit.MaxChanges {
		e.Changes = append(e.Changes[:audit.MaxChanges-1:audit.MaxChanges-1],
			audit.Change{Field: "more", To: fmt.Sprint(len(e.Changes) - audit.MaxChanges + 1)})
	}
	changes := "[]"
	if len(e.Changes) > 0 {
		changes = toJSON(e.Changes)
	}
	id := e.ID
	if id == "" {
		id = tx.eventID()
	}
	// What a stranger typed may be in any of these, and must not keep the event from being recorded.
	tx.later(insertEvent, tx.workspace, id, micros(tx.now), string(e.Type), string(e.Outcome), clean(e.Reason), toJSON(e.Actor),
		clean(e.Subject.Kind), clean(e.Subject.ID), clean(e.Subject.Name), clean(e.Connection), clean(e.Directory), changes)
	if len(e.Payload) > 0 {
		tx.later(insertPayload, tx.workspace, id, micros(tx.now), pack(e.Payload))
	}
	return nil
}

const crockford = "0123456789abcdefghjkmnpqrstvwxyz"

// EventID is the id that the next event to be recorded gets, for what is kept beside it.
func (tx *Tx) EventID() string { return tx.eventID() }

// eventID makes ids that sort, within one transaction, in the order of recording: the last four
// characters count.
func (tx *Tx) eventID() string {
	if tx.eventBase == "" {
		id := keys.ID("evt_", tx.now)
		tx.eventBase = id[:len(id)-4]
	}
	n := tx.recorded
	return tx.eventBase + string([]byte{crockford[n>>15&31], crockford[n>>10&31], crockford[n>>5&31], crockford[n&31]})
}

// A packed payload begins with one byte: 0 for text as it is, 1 for deflate.
const (
	packedPlain   = 0
	packedDeflate = 1
)

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil {
		panic(err) // the level is a constant of the package
	}
	return w
}}

func pack(payload []byte) []byte {
	if len(payload) < 256 {
		return append([]byte{packedPlain}, payload...)
	}
	out := bytes.NewBuffer(make([]byte, 0, len(payload)/2))
	out.WriteByte(packedDeflate)
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(out)
	// A bytes.Buffer does not fail.
	_, _ = w.Write(payload)
	_ = w.Close()
	return out.Bytes()
}

func unpack(packed []byte) (json.RawMessage, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	if packed[0] == packedPlain {
		return json.RawMessage(packed[1:]), nil
	}
	r := flate.NewReader(bytes.NewReader(packed[1:]))
	out, err := io.ReadAll(io.LimitReader(r, audit.MaxPayload+1))
	return json.RawMessage(out), err
}

const eventColumns = `COALESCE(e.seq, 0), e.id, e.time, w.slug, e.type, e.outcome, e.reason, e.actor, e.subject_kind, e.subject_id, e.subject_name,
	e.connection_id, e.directory_id, e.changes, p.body`

const eventsAfter = `
	SELECT ` + eventColumns + `
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	LEFT   JOIN event_payload p ON p.workspace_id = e.workspace_id AND p.event_id = e.id
	WHERE  e.workspace_id = $1 AND e.seq > $2
	ORDER  BY e.seq LIMIT $3`

const eventsOfSubject = `
	SELECT ` + eventColumns + `
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	LEFT   JOIN event_payload p ON p.workspace_id = e.workspace_id AND p.event_id = e.id
	WHERE  e.workspace_id = $1 AND e.subject_id = $2 AND e.seq IS NOT NULL
	ORDER  BY e.seq DESC LIMIT $3`

const eventsForOwners = `
	SELECT ` + eventColumns + `
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	LEFT   JOIN event_payload p ON p.workspace_id = e.workspace_id AND p.event_id = e.id
	WHERE  e.workspace_id = $1 AND e.time >= $2 AND e.type IN ('protected_member.attempt', 'signin.break_glass_used')
	ORDER  BY e.time DESC, e.id DESC LIMIT $3`

// EventsForOwners returns the newest events since an instant of which every owner is told, newest
// first: attempts to take a protected member out, uses of emergency access.
func (tx *Tx) EventsForOwners(since time.Time, limit int) ([]audit.Event, error) {
	return tx.events(eventsForOwners, tx.workspace, micros(since), limit)
}

// EventsAfter returns numbered events behind the number after, in order. Workspace holds the slug.
func (tx *Tx) EventsAfter(after int64, limit int) ([]audit.Event, error) {
	return tx.events(eventsAfter, tx.workspace, after, limit)
}

// EventsOf returns the newest numbered events about one subject, newest first.
func (tx *Tx) EventsOf(subject string, limit int) ([]audit.Event, error) {
	return tx.events(eventsOfSubject, tx.workspace, subject, limit)
}

func (tx *Tx) events(query string, args ...any) ([]audit.Event, error) {
	var out []audit.Event
	err := tx.each(func(r Rows) error {
		var e audit.Event
		var us int64
		var typ, outcome, actor, changes string
		var body []byte
		if err := r.Scan(&e.Seq, &e.ID, &us, &e.Workspace, &typ, &outcome, &e.Reason, &actor, &e.Subject.Kind, &e.Subject.ID, &e.Subject.Name,
			&e.Connection, &e.Directory, &changes, &body); err != nil {
			return err
		}
		e.Time, e.Type, e.Outcome = instant(us), audit.Type(typ), audit.Outcome(outcome)
		if err := json.Unmarshal([]byte(actor), &e.Actor); err != nil {
			return fmt.Errorf("actor of %s: %w", e.ID, err)
		}
		if err := json.Unmarshal([]byte(changes), &e.Changes); err != nil {
			return fmt.Errorf("changes of %s: %w", e.ID, err)
		}
		payload, err := unpack(body)
		e.Payload = payload
		out = append(out, e)
		return err
	}, query, args...)
	return out, err
}

const lastSeq = `SELECT COALESCE(MAX(seq), 0) FROM event WHERE workspace_id = $1 AND seq IS NOT NULL`

// LastSeq is the number of the newest numbered event, 0 where there is none.
func (tx *Tx) LastSeq() (seq int64, err error) {
	_, err = tx.one([]any{&seq}, lastSeq, tx.workspace)
	return seq, err
}

// sequenceBatch is how many events get their number in one transaction.
const sequenceBatch = 1000

const unsequenced = `SELECT workspace_id, id FROM event WHERE seq IS NULL ORDER BY workspace_id, time, id LIMIT $1`

// Sequence numbers committed events, workspace by workspace, and returns how many it numbered.
// Numbers are given after commit, so whoever reads by number never skips a late commit. One
// transaction does it at a time, under a lock that ends with it.
func (db *DB) Sequence(ctx context.Context) (numbered int, err error) {
	for {
		n, err := db.sequenceOnce(ctx)
		numbered += n
		if err != nil || n < sequenceBatch {
			return numbered, db.translate(err)
		}
	}
}

func (db *DB) sequenceOnce(ctx context.Context) (int, error) {
	type row struct{ workspace, id string }
	var found []row
	touched := map[string]int64{}
	err := db.driver.Write(ctx, func(c Conn) error {
		found = found[:0]
		clear(touched)
		if err := db.driver.Lock(ctx, c, lockKey("", "sequence"), false); err != nil {
			return err
		}
		if err := each(ctx, c, func(r Rows) error {
			var e row
			if err := r.Scan(&e.workspace, &e.id); err != nil {
				return err
			}
			found = append(found, e)
			return nil
		}, unsequenced, sequenceBatch); err != nil {
			return err
		}
		for _, e := range found {
			touched[e.workspace] = 0
		}
		for w := range touched {
			var last int64
			if err := each(ctx, c, func(r Rows) error { return r.Scan(&last) }, lastSeq, w); err != nil {
				return err
			}
			touched[w] = last
		}
		for start := 0; start < len(found); start += 200 {
			part := found[start:min(start+200, len(found))]
			args := make([]any, 0, 3*len(part))
			for _, e := range part {
				touched[e.workspace]++
				args = append(args, e.workspace, e.id, touched[e.workspace])
			}
			c.Defer(numberEvents(len(part)), args...)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	for w := range touched {
		db.signals.publish(Signal{Topic: TopicEvent, Key: w})
	}
	return len(found), nil
}

// numberEvents is the statement that numbers n events: workspace, id and number of each are bound.
func numberEvents(n int) string {
	var b bytes.Buffer
	b.WriteString(`WITH numbered (workspace_id, id, seq) AS (VALUES `)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "($%d,$%d,CAST($%d AS BIGINT))", 3*i+1, 3*i+2, 3*i+3)
	}
	b.WriteString(`)
	UPDATE event SET seq = numbered.seq FROM numbered
	WHERE  event.workspace_id = numbered.workspace_id AND event.id = numbered.id AND event.seq IS NULL`)
	return b.String()
}

// RunSequencer numbers events soon after their commit until ctx ends: at each commit of this
// process, and every interval for the commits of others.
func (db *DB) RunSequencer(ctx context.Context, interval time.Duration) error {
	signals, cancel := db.Subscribe()
	defer cancel()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	trouble := onChange{log: db.log, failed: "events could not be numbered", mended: "events are numbered again"}
	for {
		// What was signalled so far is numbered now.
		for range len(signals) {
			<-signals
		}
		_, err := db.Sequence(ctx)
		trouble.tell(ctx, err)
	wait:
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				break wait
			case s := <-signals:
				if s.Topic != topicUnsequenced && s.Topic != "" {
					continue
				}
				// The commits of the next moment get their numbers together with this one.
				select {
				case <-ctx.Done():
					return nil
				case <-time.After(sequenceTogether):
				}
				break wait
			}
		}
	}
}

// sequenceTogether is how long the sequencer waits for further commits to number with the first.
const sequenceTogether = 20 * time.Millisecond

// EventIDAt is an id that an event of an instant may have: events of an earlier millisecond have smaller ones.
func EventIDAt(t time.Time) string { return keys.ID("evt_", t) }

package store

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// ReadLogEntry is one SCIM read that was answered.
type ReadLogEntry struct {
	Workspace string // id
	Directory string // id
	Time      time.Time
	Method    string
	Path      string // with query, cut at 1,000 bytes
	Status    int
	Took      time.Duration
	Results   int // resources returned
}

// requestLog gathers what need not wait for a commit of its own: successful SCIM reads, when a
// token or session was last used, refusals of strangers. It is bounded: who finds it full writes it out first.
type requestLog struct {
	mu       sync.Mutex
	entries  []ReadLogEntry
	tokens   map[string]time.Time // by hash
	apiKeys  map[string]time.Time // by hash
	sessions map[sessionKey]time.Time
	// strangers are refusals of unknown callers, summed up.
	strangers map[strangerKey]*strangerSum
	heard     map[heardKey]*Heard
}

type strangerKey struct {
	source, reason string
	hour           time.Time
}

type strangerSum struct {
	count       int64
	first, last time.Time
	sample      []byte
}

// maxStrangers bounds the sums that wait to be written; past it, new sources share one line.
const maxStrangers = 4096

func (l *requestLog) stranger(key strangerKey, now time.Time, sample []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.strangers == nil {
		l.strangers = map[strangerKey]*strangerSum{}
	}
	if l.strangers[key] == nil && len(l.strangers) >= maxStrangers {
		key.source = manySources
	}
	sum := l.strangers[key]
	if sum == nil {
		sum = &strangerSum{first: now, sample: bytes.Clone(sample)}
		l.strangers[key] = sum
	}
	sum.count++
	sum.last = now
}

type sessionKey struct{ workspace, id string }

const (
	maxReadLog   = 2048
	maxReadPath  = 1000
	readLogBatch = 100
	// tokenTouchEvery is how often the use of a token is written down.
	tokenTouchEvery = time.Minute
)

func (l *requestLog) session(workspace, id string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions == nil {
		l.sessions = map[sessionKey]time.Time{}
	}
	l.sessions[sessionKey{workspace, id}] = now
}

func (l *requestLog) token(hash string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens == nil {
		l.tokens = map[string]time.Time{}
	}
	l.tokens[hash] = now
}

func (l *requestLog) apiKey(hash string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.apiKeys == nil {
		l.apiKeys = map[string]time.Time{}
	}
	l.apiKeys[hash] = now
}

// LogRead adds a read to the request log. It is written within a second by RunMarks.
func (db *DB) LogRead(ctx context.Context, e ReadLogEntry) error {
	// One entry that cannot be stored would keep out all that are written with it.
	e.Method, e.Path = clean(e.Method), clean(cut(e.Path, maxReadPath))
	db.reads.mu.Lock()
	db.reads.entries = append(db.reads.entries, e)
	full := len(db.reads.entries) >= maxReadLog
	db.reads.mu.Unlock()
	if full {
		return db.FlushMarks(ctx)
	}
	return nil
}

// cut shortens s to n bytes and leaves no half character behind.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

const touchToken = `UPDATE token_handle SET last_used_at = $2 WHERE hash = $1`

const touchSession = `UPDATE session SET last_used_at = $3 WHERE workspace_id = $1 AND id = $2 AND last_used_at < $3`

const countStranger = `
	INSERT INTO stranger (source, type, hour, count, first_at, last_at, sample) VALUES ($1, $2, $3, $7, $4, $5, $6)
	ON CONFLICT (source, type, hour) DO UPDATE SET count = stranger.count + excluded.count, last_at = excluded.last_at`

// FlushMarks writes the request log and the marks of use.
func (db *DB) FlushMarks(ctx context.Context) error {
	l := &db.reads
	l.mu.Lock()
	entries, tokens, apiKeys, sessions, strangers, heard := l.entries, l.tokens, l.apiKeys, l.sessions, l.strangers, l.heard
	l.entries, l.tokens, l.apiKeys, l.sessions, l.strangers, l.heard = nil, nil, nil, nil, nil, nil
	l.mu.Unlock()
	if len(entries)+len(tokens)+len(apiKeys)+len(sessions)+len(strangers)+len(heard) == 0 {
		return nil
	}
	// Rows are written in one order everywhere, so that two processes never wait in a circle.
	byHash := slices.Sorted(maps.Keys(tokens))
	bySession := slices.SortedFunc(maps.Keys(sessions), func(a, b sessionKey) int {
		return cmp.Or(strings.Compare(a.workspace, b.workspace), strings.Compare(a.id, b.id))
	})
	bySource := slices.SortedFunc(maps.Keys(strangers), func(a, b strangerKey) int {
		return cmp.Or(strings.Compare(a.source, b.source), strings.Compare(a.reason, b.reason), a.hour.Compare(b.hour))
	})
	err := db.driver.Write(ctx, func(c Conn) error {
		for start := 0; start < len(entries); start += readLogBatch {
			part := entries[start:min(start+readLogBatch, len(entries))]
			args := make([]any, 0, 9*len(part))
			for _, e := range part {
				args = append(args, e.Workspace, e.Directory, keys.ID("req_", e.Time), micros(e.Time), e.Method, e.Path, e.Status, e.Took.Microseconds(), e.Results)
			}
			c.Defer(`INSERT INTO request_log (workspace_id, directory_id, id, time, method, path, status, micros, results) VALUES `+tuples(1, 9, len(part)), args...)
		}
		for _, hash := range byHash {
			c.Defer(touchToken, hash, micros(tokens[hash]))
		}
		for _, hash := range slices.Sorted(maps.Keys(apiKeys)) {
			c.Defer(touchAPIKey, hash, micros(apiKeys[hash]))
		}
		for _, key := range bySession {
			c.Defer(touchSession, key.workspace, key.id, micros(sessions[key]))
		}
		full, err := strangersFull(ctx, c, bySource)
		if err != nil {
			return err
		}
		for _, key := range bySource {
			sum := strangers[key]
			if full {
				key.source = manySources
			}
			c.Defer(countStranger, key.source, key.reason, micros(key.hour), micros(sum.first), micros(sum.last), pack(sum.sample), sum.count)
		}
		writeHeard(c, heard)
		return nil
	})
	if err != nil {
		l.putBack(entries, tokens, apiKeys, sessions, strangers)
		l.putBackHeard(heard)
	}
	return db.translate(err)
}

// manySources is the source of refusals that are summed up together, once there are too many to
// keep apart.
const manySources = "(many)"

// maxStrangerRows bounds the sources that are kept apart in one hour: whoever owns a large IPv6
// network has more sources than a disk has room.
const maxStrangerRows = 10_000

// strangersFull reports whether the hour of the newest of keys has all the sources it may have.
func strangersFull(ctx context.Context, c Conn, keys []strangerKey) (bool, error) {
	if len(keys) == 0 {
		return false, nil
	}
	newest := slices.MaxFunc(keys, func(a, b strangerKey) int { return a.hour.Compare(b.hour) }).hour
	var rows int64
	err := each(ctx, c, func(r Rows) error { return r.Scan(&rows) }, `SELECT COUNT(*) FROM stranger WHERE hour = $1`, micros(newest))
	return rows >= maxStrangerRows, err
}

// putBack keeps what could not be written for the next time: the newest reads up to the bound,
// and every mark and sum.
func (l *requestLog) putBack(entries []ReadLogEntry, tokens, apiKeys map[string]time.Time, sessions map[sessionKey]time.Time, strangers map[strangerKey]*strangerSum) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(entries, l.entries...)
	l.entries = l.entries[max(0, len(l.entries)-maxReadLog):]
	l.tokens = newest(tokens, l.tokens)
	l.apiKeys = newest(apiKeys, l.apiKeys)
	l.sessions = newest(sessions, l.sessions)
	later := l.strangers
	l.strangers = strangers
	for key, sum := range later {
		before := l.strangers[key]
		if before == nil {
			if l.strangers == nil {
				l.strangers = map[strangerKey]*strangerSum{}
			}
			l.strangers[key] = sum
			continue
		}
		before.count += sum.count
		before.last = sum.last
	}
}

func newest[K comparable](before, later map[K]time.Time) map[K]time.Time {
	if before == nil {
		return later
	}
	maps.Copy(before, later)
	return before
}

// tendEvery is after how many turns of RunMarks the database is tended.
const tendEvery = 3

// RunMarks writes the request log and the marks of use every interval until ctx ends, and once
// more then. Every few turns it tends the database.
func (db *DB) RunMarks(ctx context.Context, interval time.Duration) error {
	trouble := onChange{log: db.log, failed: "the request log could not be written", mended: "the request log is written again"}
	untended := onChange{log: db.log, failed: "the database could not be tended", mended: "the database is tended again"}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for turn := 1; ; turn++ {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			defer cancel()
			return db.FlushMarks(last)
		case <-tick.C:
			trouble.tell(ctx, db.FlushMarks(ctx))
			if turn%tendEvery != 0 {
				continue
			}
			untended.tell(ctx, db.driver.Tend(ctx))
		}
	}
}

const readsOf = `
	SELECT time, method, path, status, micros, results FROM request_log
	WHERE  workspace_id = $1 AND directory_id = $2 ORDER BY id DESC LIMIT $3`

// Reads returns the newest entries of a directory's request log, newest first.
func (tx *Tx) Reads(directoryID string, limit int) ([]ReadLogEntry, error) {
	var out []ReadLogEntry
	err := tx.each(func(r Rows) error {
		e := ReadLogEntry{Workspace: tx.workspace, Directory: directoryID}
		var us, status, took, results int64
		if err := r.Scan(&us, &e.Method, &e.Path, &status, &took, &results); err != nil {
			return err
		}
		e.Time, e.Status, e.Took, e.Results = instant(us), int(status), time.Duration(took)*time.Microsecond, int(results)
		out = append(out, e)
		return nil
	}, readsOf, tx.workspace, directoryID, limit)
	return out, err
}

package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// Tx is one transaction on one workspace. It cannot exist without a workspace id, and every
// statement that it runs binds that id.
type Tx struct {
	db        *DB
	ctx       context.Context
	conn      Conn
	workspace string
	now       time.Time
	readonly  bool

	eventBase string
	changed   string            // the first change that needs an event
	failure   error             // what a queued statement would have failed with: it was not queued
	config    *directory.Config // read here; others may have it after the commit
	recorded  int
	signals   []Signal
	ahead     ahead
	txn       string           // made when it is asked for
	alone     bool             // the policy is held exclusively, which keeps everybody else from people
	onUnique  map[string]error // what a deferred unique violation means, by index name
}

// Txn is an id of this transaction for the outside: all that it tells of one change has the same.
func (tx *Tx) Txn() string {
	if tx.txn == "" {
		tx.txn = keys.UUID()
	}
	return tx.txn
}

// Write runs fn in one transaction bound to workspace. fn may run twice, so it makes no call
// to the outside and sets its results at its end. When fn returns an error nothing is kept, but
// for what Refuse adds.
func (db *DB) Write(ctx context.Context, workspace string, fn func(*Tx) error) error {
	err := db.write(ctx, workspace, fn)
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return err
	}
	// Who hangs up after a refusal leaves its event all the same.
	kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusalTime)
	defer cancel()
	if recErr := db.write(kept, workspace, refusal.record); recErr != nil {
		return recErr
	}
	return refusal.Err
}

// refusalTime bounds the transaction that records a refusal.
const refusalTime = 10 * time.Second

// rerun asks for the closure to run again from the start: what it read without a lock has
// changed since.
var errRerun = errors.New("read without lock is stale")

// Rerun is returned by a closure that found, under its lock, something else than it had seen
// before the lock. The closure then runs again in a new transaction.
func Rerun() error { return errRerun }

// maxReruns bounds how often a closure may ask to run again.
const maxReruns = 20

func (db *DB) write(ctx context.Context, workspace string, fn func(*Tx) error) error {
	if workspace == "" {
		return errNoWorkspace
	}
	for range maxReruns {
		var tx *Tx
		err := db.driver.Write(ctx, func(c Conn) error {
			tx = &Tx{db: db, ctx: ctx, conn: c, workspace: workspace, now: db.Now().Truncate(time.Microsecond)}
			if err := tx.hold(); err != nil {
				return err
			}
			if err := fn(tx); err != nil {
				return err
			}
			if tx.failure != nil {
				return tx.failure
			}
			if tx.changed != "" && tx.recorded == 0 {
				return fmt.Errorf("store: %s changed and no event was recorded", tx.changed)
			}
			return tx.announce()
		})
		if err != nil {
			err = tx.meaning(db, err)
		}
		switch {
		case errors.Is(err, errRerun):
			continue
		case err != nil:
			return err
		}
		upheld(ctx)
		if tx.config != nil {
			db.configs.put(tx.config)
		}
		for _, s := range tx.signals {
			db.signals.publish(s)
		}
		if tx.recorded > 0 {
			db.signals.publish(Signal{Topic: topicUnsequenced})
		}
		return nil
	}
	return errs.Unavailable("busy", "The same thing is being changed by many at once. Nothing was changed; try again.")
}

// meaning translates a statement's error, using what the transaction said about its indexes.
func (tx *Tx) meaning(db *DB, err error) error {
	var unique *UniqueError
	if tx != nil && errors.As(err, &unique) {
		for index, meaning := range tx.onUnique {
			if strings.Contains(unique.Index, index) {
				return meaning
			}
		}
	}
	return db.translate(err)
}

// Read runs fn on one consistent view of workspace. A change in it is an error.
func (db *DB) Read(ctx context.Context, workspace string, fn func(*Tx) error) error {
	if workspace == "" {
		return errNoWorkspace
	}
	err := db.driver.Read(ctx, func(c Conn) error {
		tx := &Tx{db: db, ctx: ctx, conn: c, workspace: workspace, now: db.Now().Truncate(time.Microsecond), readonly: true}
		if err := fn(tx); err != nil {
			return err
		}
		if tx.config != nil {
			db.configs.put(tx.config)
		}
		return tx.failure
	})
	return db.translate(err)
}

// Now is the instant of the transaction, frozen at its begin, UTC in whole microseconds.
func (tx *Tx) Now() time.Time { return tx.now }

// Workspace is the id of the workspace.
func (tx *Tx) Workspace() string { return tx.workspace }

// Refusal is an error that rolls back and leaves its event.
type Refusal struct {
	Err    error
	events []audit.Event
	then   func(*Tx) error
}

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the error that the caller is told.
func (r *Refusal) Unwrap() error { return r.Err }

func (r *Refusal) record(tx *Tx) error {
	if r.then != nil {
		if err := r.then(tx); err != nil {
			return err
		}
	}
	for _, e := range r.events {
		if err := tx.Record(e); err != nil {
			return err
		}
	}
	return nil
}

// Refuse makes the error with which a closure refuses: the transaction is rolled back, then
// event is recorded and then (may be nil) is run, together, in a transaction of their own, and
// the caller of Write gets err.
func Refuse(err error, then func(*Tx) error, events ...audit.Event) error {
	return &Refusal{Err: err, events: events, then: then}
}

// Record adds an event to the transaction. Time and workspace are filled in, and the id unless the
// caller has one to tell people of (keys.ID("evt_", now)).
func (tx *Tx) Record(e audit.Event) error {
	if tx.readonly {
		return errReadOnly
	}
	if err := tx.insertEvent(e); err != nil {
		return fmt.Errorf("record %s: %w", e.Type, err)
	}
	tx.recorded++
	return nil
}

// change notes that something was changed that an event must tell of.
func (tx *Tx) change(what string) {
	if tx.changed == "" {
		tx.changed = what
	}
}

// signal announces s to this process after commit, and to others by the driver; once where it is said several times
// in a row.
func (tx *Tx) signal(s Signal) {
	if n := len(tx.signals); n == 0 || tx.signals[n-1] != s {
		tx.signals = append(tx.signals, s)
	}
}

func (tx *Tx) announce() error {
	for _, s := range tx.signals {
		if err := tx.db.driver.Notify(tx.ctx, tx.conn, s.Topic+" "+s.Key); err != nil {
			return err
		}
	}
	return nil
}

func parseSignal(text string) Signal {
	topic, key, _ := strings.Cut(text, " ")
	return Signal{Topic: topic, Key: key}
}

// maxMemberLocks is how many members one transaction locks one by one; above it the policy is
// held exclusively instead, because PostgreSQL's lock table is finite.
const maxMemberLocks = 500

// LockPeople takes the locks of a change of people: the workspace's policy shared and each
// member exclusively in id order, so that two transactions never wait for each other in a
// circle. With exclusive, or above 500 members, the policy is held exclusively instead. It is
// called once per transaction, before what it protects is read.
func (tx *Tx) LockPeople(members []string, exclusive bool) error {
	if exclusive || len(members) > maxMemberLocks {
		return tx.LockPolicy()
	}
	if err := tx.lock("policy", true); err != nil {
		return err
	}
	ids := slices.Clone(members)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		if err := tx.lock("member "+id, false); err != nil {
			return err
		}
	}
	return nil
}

// LockMember locks one more member exclusively, in a transaction that locked none by LockPeople.
// Several are locked in id order. Where the policy is held exclusively, and in a transaction that only reads,
// there is nothing to lock.
func (tx *Tx) LockMember(id string) error {
	if tx.alone || tx.readonly {
		return nil
	}
	return tx.lock("member "+id, false)
}

// LockGroup locks a group, before LockPeople. Row by row changes of its membership share it.
func (tx *Tx) LockGroup(id string, shared bool) error { return tx.lock("group "+id, shared) }

// LockConnection holds what sign-ins alone change of a connection: that it is proven, and where the keys of its IdP
// stand. It comes behind LockPeople, and what it protects is read behind it.
func (tx *Tx) LockConnection(id string) error { return tx.lock("connection "+id, false) }

// LockPolicy holds the workspace's configuration exclusively.
func (tx *Tx) LockPolicy() error {
	tx.alone = true
	return tx.lock("policy", false)
}

func (tx *Tx) lock(key string, shared bool) error {
	tx.ahead = ahead{}
	return tx.db.driver.Lock(tx.ctx, tx.conn, lockKey(tx.workspace, key), shared)
}

// lockKey is the number of an advisory lock. A workspace's locks never meet another's but by a
// collision, which costs a wait and nothing else.
func lockKey(workspace, key string) int64 {
	h := fnv.New64a()
	h.Write([]byte(workspace))
	h.Write([]byte{0})
	h.Write([]byte(key))
	return int64(h.Sum64())
}

var errReadOnly = errors.New("store: a reading transaction changes nothing")

// errBadText is what both databases answer to text that PostgreSQL cannot hold.
var errBadText = errs.Invalid("text_invalid", "Text must be UTF-8 without the character U+0000.")

// storable reports whether args can be stored: PostgreSQL holds no U+0000 and nothing that is not
// UTF-8, SQLite would take both.
func storable(args []any) bool {
	for _, arg := range args {
		s, ok := arg.(string)
		if p, isPointer := arg.(*string); isPointer && p != nil {
			s, ok = *p, true
		}
		if ok && (!utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0) {
			return false
		}
	}
	return true
}

// clean makes text storable that must be kept as well as it can be: a trace, a client's name.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// reads reports whether a statement only reads. Statements are constants of this package.
func reads(query string) bool {
	return strings.HasPrefix(strings.TrimLeft(query, " \t\n"), "SELECT")
}

// exec runs a statement now and returns how many rows it changed.
func (tx *Tx) exec(query string, args ...any) (int64, error) {
	if err := tx.mayChange(args); err != nil {
		return 0, err
	}
	return tx.conn.Exec(tx.ctx, query, args...)
}

func (tx *Tx) mayChange(args []any) error {
	switch {
	case tx.readonly:
		return errReadOnly
	case !storable(args):
		return errBadText
	default:
		tx.ahead = ahead{}
		return nil
	}
}

// later queues a statement whose result nobody needs.
func (tx *Tx) later(query string, args ...any) {
	if err := tx.mayChange(args); err != nil {
		if tx.failure == nil {
			tx.failure = err
		}
		return
	}
	tx.conn.Defer(query, args...)
}

// unique says what a violation of an index means, also for statements that run later. index is
// the name of the index on PostgreSQL; columns is how SQLite names it ("scim_user.external_id").
func (tx *Tx) unique(index, column string, meaning error) {
	if tx.onUnique == nil {
		tx.onUnique = map[string]error{}
	}
	tx.onUnique[index] = meaning
	tx.onUnique[column] = meaning
}

// each runs a query and calls scan for each row.
func (tx *Tx) each(scan func(Rows) error, query string, args ...any) error {
	if tx.readonly && !reads(query) {
		return errReadOnly
	}
	return each(tx.ctx, tx.conn, scan, query, args...)
}

// one runs a query that gives one row; found tells whether it did.
func (tx *Tx) one(dest []any, query string, args ...any) (found bool, err error) {
	err = tx.each(func(r Rows) error {
		found = true
		return r.Scan(dest...)
	}, query, args...)
	return found, err
}

type querier interface {
	Query(ctx context.Context, query string, args ...any) (Rows, error)
}

func each(ctx context.Context, q querier, scan func(Rows) error, query string, args ...any) error {
	if !storable(args) {
		if reads(query) {
			return nil // what cannot be stored cannot be found
		}
		return errBadText
	}
	rows, err := q.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// micros is an instant as the database holds it: microseconds since 1970, UTC.
func micros(t time.Time) int64 { return t.UnixMicro() }

// instant is the reverse of micros.
func instant(us int64) time.Time { return time.UnixMicro(us).UTC() }

// maybeMicros is NULL for the zero time.
func maybeMicros(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	us := micros(t)
	return &us
}

// maybeInstant is the reverse of maybeMicros.
func maybeInstant(us *int64) time.Time {
	if us == nil {
		return time.Time{}
	}
	return instant(*us)
}

// maybe is NULL for the empty string.
func maybe(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// toJSON encodes values of our own types, which cannot fail.
func toJSON(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		return "null"
	}
	return string(out)
}

// chunk is how many ids one statement lists at the most.
const chunk = 512

// eachChunk calls fn with at most 512 of ids at a time.
func eachChunk(ids []string, fn func(part []string) error) error {
	for part := range slices.Chunk(ids, chunk) {
		if err := fn(part); err != nil {
			return err
		}
	}
	return nil
}

// in makes the list of an IN (...) clause for ids, whose first placeholder is $first. The list is padded with
// the last id to a power of two, so that few different statements are prepared.
func in(first int, ids []string) (list string, args []any) {
	size := 1
	for size < len(ids) {
		size *= 2
	}
	var b strings.Builder
	args = make([]any, 0, size)
	for i := range size {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "$%d", first+i)
		args = append(args, ids[min(i, len(ids)-1)])
	}
	return b.String(), args
}

// tuples makes "($1,$2),($3,$4)" for rows of width columns, the first placeholder being $first.
func tuples(first, width, rows int) string {
	var b strings.Builder
	n := first
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for j := range width {
			if j > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "$%d", n)
			n++
		}
		b.WriteByte(')')
	}
	return b.String()
}

package store

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Options tune a DB. The zero value is what serve uses but for Now and Log.
type Options struct {
	// Now is the clock; each transaction reads it once. Default time.Now.
	Now func() time.Time
	Log *slog.Logger
}

// DB is one open database.
type DB struct {
	driver  Driver
	now     func() time.Time
	log     *slog.Logger
	signals hub
	configs configCache
	reads   requestLog
}

// Open migrates the database behind driver and returns it ready for use. It refuses a schema
// that serves newer binaries only, in one sentence.
func Open(ctx context.Context, driver Driver, opts Options) (*DB, error) {
	db := &DB{driver: driver, now: opts.Now, log: opts.Log}
	if db.now == nil {
		db.now = time.Now
	}
	if db.log == nil {
		db.log = slog.Default()
	}
	if err := driver.Ping(ctx); err != nil {
		return nil, errs.Unavailable("database_unreachable", "The %s database cannot be reached.", driver.Name()).With(err)
	}
	if err := db.migrate(ctx); err != nil {
		return nil, err
	}
	return db, nil
}

// Close ends the database. Transactions under way are finished first; later ones fail.
func (db *DB) Close() error { return db.driver.Close() }

// Name is the driver's name: "sqlite" or "postgres".
func (db *DB) Name() string { return db.driver.Name() }

// Now is the store's clock, for callers outside a transaction.
func (db *DB) Now() time.Time { return db.now().UTC() }

// Ping reports whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.driver.Ping(ctx); err != nil {
		return db.translate(err)
	}
	return nil
}

// translate turns a driver's error into one with a kind. Errors with a kind pass through.
func (db *DB) translate(err error) error {
	if err == nil || errs.As(err) != nil {
		return err
	}
	if errors.Is(err, ErrInDoubt) {
		return errs.Unavailable("commit_in_doubt", "The database stopped answering while the change was being saved. Look whether it was made before you try again.").With(err)
	}
	switch db.driver.Classify(err) {
	case ClassUnavailable:
		return errs.Unavailable("database_unavailable", "The database does not answer. Nothing was changed; try again.").With(err)
	case ClassUnique:
		return errs.Conflict("already_exists", "A value that must be unique is there already.").With(err)
	default:
		return err
	}
}

// Signal is what DB.Subscribe delivers: a topic and the id it is about.
type Signal struct {
	Topic string
	Key   string
}

// Topics of signals.
const (
	// TopicSession says that the session with id Key has ended.
	TopicSession = "session"
	// TopicEvent says that events of the workspace with id Key have got their numbers.
	TopicEvent = "event"
	// TopicAttempt says that the test of a connection whose attempt has the id Key has ended.
	TopicAttempt = "attempt"
	// topicUnsequenced wakes the sequencer of this process.
	topicUnsequenced = "unsequenced"
)

// hub spreads signals to subscribers in this process. A subscriber that does not keep up loses
// signals, never blocks a commit, and learns of it by the overflow signal "".
type hub struct {
	mu   sync.Mutex
	next int
	subs map[int]chan Signal
}

func (h *hub) subscribe() (<-chan Signal, func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[int]chan Signal{}
	}
	id := h.next
	h.next++
	ch := make(chan Signal, 256)
	h.subs[id] = ch
	return ch, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.subs, id)
	}
}

func (h *hub) publish(s Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, ch := range h.subs {
		select {
		case ch <- s:
		default:
			// Make room and leave the word that something was missed: the subscriber then
			// asks the database.
			select {
			case <-ch:
			default:
			}
			select {
			case ch <- Signal{}:
			default:
			}
		}
	}
}

// Subscribe delivers signals until the returned function is called. An empty Signal says that
// some were missed.
func (db *DB) Subscribe() (<-chan Signal, func()) { return db.signals.subscribe() }

// Listen passes on the signals of other processes until ctx ends, and wakes subscribers with an
// empty Signal whenever the link was lost and is back. It is run once by serve.
func (db *DB) Listen(ctx context.Context) error {
	return db.driver.Listen(ctx, func(text string) { db.signals.publish(parseSignal(text)) })
}

// configCache keeps the last read configuration of workspaces. It never answers without the
// version having been read in the transaction at hand, so it can be old but never wrong.
type configCache struct {
	mu      sync.Mutex
	entries map[string]*directory.Config
}

const maxCachedConfigs = 4096

func (c *configCache) get(workspace string, version int64) *directory.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[workspace]; e != nil && e.Workspace.Version == version {
		return e
	}
	return nil
}

func (c *configCache) put(cfg *directory.Config) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries == nil || len(c.entries) >= maxCachedConfigs {
		c.entries = map[string]*directory.Config{}
	}
	c.entries[cfg.Workspace.ID] = cfg
}

// onChange logs a repeated task's trouble once when it begins and once when it is over, and not at
// each try in between.
type onChange struct {
	log            *slog.Logger
	failed, mended string
	failing        bool
}

func (o *onChange) tell(ctx context.Context, err error) {
	switch {
	case err != nil && ctx.Err() != nil:
	case err != nil && !o.failing:
		o.failing = true
		o.log.ErrorContext(ctx, o.failed, "error", err)
	case err == nil && o.failing:
		o.failing = false
		o.log.InfoContext(ctx, o.mended)
	}
}

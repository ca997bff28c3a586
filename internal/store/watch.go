package store

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// MetadataWatch is how looking at the metadata of a connection's IdP goes. Zero instants are "never".
type MetadataWatch struct {
	DueAt   time.Time // when it is looked at next
	TriedAt time.Time
	GoodAt  time.Time // when it was had last
	AskedAt time.Time // when an answer of the IdP last was the reason to look
	ToldAt  time.Time // when people were last told that it cannot be had; zero while it can
	// Failures is how often in a row it could not be had, and LastError why.
	Failures  int
	LastError string
	// Proposal is what was found and is for people to decide, "" for nothing. Declined is the word of what they
	// turned down.
	Proposal json.RawMessage
	Declined string
}

// watchText is the column watch.
func watchText(w directory.Watch) string {
	if reflect.ValueOf(w).IsZero() {
		return ""
	}
	return toJSON(w)
}

// A watch that begins is due at once: an import by hand may be of a copy.
const beginWatch = `
	INSERT INTO metadata_watch (workspace_id, connection_id, due_at, failures, last_error, proposal, declined)
	VALUES ($1, $2, $3, 0, '', '', '') ON CONFLICT DO NOTHING`

// EndMetadataWatch ends looking at a connection's metadata: it is gone, or belongs to nobody whom we ask. A connection
// that a binary of an earlier level removed has a watch still.
func (tx *Tx) EndMetadataWatch(connection string) { tx.later(deleteWatch, tx.workspace, connection) }

const deleteWatch = `DELETE FROM metadata_watch WHERE workspace_id = $1 AND connection_id = $2`

const metadataWatch = `
	SELECT due_at, tried_at, good_at, asked_at, told_at, failures, last_error, proposal, declined FROM metadata_watch
	WHERE  workspace_id = $1 AND connection_id = $2`

// MetadataWatch returns how looking at a connection's metadata goes; found is false for a connection whose
// metadata is published nowhere.
func (tx *Tx) MetadataWatch(connection string) (w MetadataWatch, found bool, err error) {
	var due int64
	var tried, good, asked, told *int64
	var proposal string
	found, err = tx.one([]any{&due, &tried, &good, &asked, &told, &w.Failures, &w.LastError, &proposal, &w.Declined}, metadataWatch, tx.workspace, connection)
	w.DueAt, w.TriedAt, w.GoodAt, w.AskedAt, w.ToldAt = instant(due), maybeInstant(tried), maybeInstant(good), maybeInstant(asked), maybeInstant(told)
	if proposal != "" {
		w.Proposal = json.RawMessage(proposal)
	}
	return w, found, err
}

const saveWatch = `
	UPDATE metadata_watch SET due_at = $3, tried_at = $4, good_at = $5, told_at = $6, failures = $7, last_error = $8, proposal = $9, declined = $10
	WHERE  workspace_id = $1 AND connection_id = $2`

// SaveMetadataWatch saves all of it but AskedAt. A connection without a watch gets none. It needs no event: what
// people should know of it has one of its own.
func (tx *Tx) SaveMetadataWatch(connection string, w MetadataWatch) {
	tx.later(saveWatch, tx.workspace, connection, micros(w.DueAt), maybeMicros(w.TriedAt), maybeMicros(w.GoodAt), maybeMicros(w.ToldAt), w.Failures,
		clean(w.LastError), string(w.Proposal), w.Declined)
}

const askMetadata = `
	UPDATE metadata_watch SET asked_at = $3 WHERE workspace_id = $1 AND connection_id = $2 AND (asked_at IS NULL OR asked_at <= $4 OR asked_at > $3)`

// AskMetadata notes that an answer of the IdP is a reason to look at its metadata, and reports whether this is the
// one look of a pause: of many that ask at once, in any process, one is told yes.
func (tx *Tx) AskMetadata(connection string, pause time.Duration) (bool, error) {
	n, err := tx.exec(askMetadata, tx.workspace, connection, micros(tx.now), micros(tx.now.Add(-pause)))
	return n > 0, err
}

// MetadataDue names a connection whose metadata is to be looked at.
type MetadataDue struct{ Workspace, Connection string } // ids

const claimMetadata = `
	UPDATE metadata_watch SET due_at = $2
	WHERE  due_at <= $1 AND (workspace_id, connection_id) IN (SELECT workspace_id, connection_id FROM metadata_watch WHERE due_at <= $1 ORDER BY due_at LIMIT $3)
	RETURNING workspace_id, connection_id`

// ClaimMetadata takes up to limit connections whose metadata is due, in any workspace: nobody else gets them before
// lease has passed.
func (s System) ClaimMetadata(ctx context.Context, lease time.Duration, limit int) ([]MetadataDue, error) {
	now := s.db.Now()
	var out []MetadataDue
	err := s.db.driver.Write(ctx, func(c Conn) error {
		out = nil
		return each(ctx, c, func(r Rows) error {
			var d MetadataDue
			if err := r.Scan(&d.Workspace, &d.Connection); err != nil {
				return err
			}
			out = append(out, d)
			return nil
		}, claimMetadata, micros(now), micros(now.Add(lease)), limit)
	})
	return out, s.db.translate(err)
}

const insertWarning = `INSERT INTO key_warning (workspace_id, connection_id, fingerprint, days, given_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`

// FirstWarning notes that people are warned of a certificate that ends in so many days, and reports whether they were
// not before.
func (tx *Tx) FirstWarning(connection, fingerprint string, days int) (bool, error) {
	n, err := tx.exec(insertWarning, tx.workspace, connection, fingerprint, days, micros(tx.now))
	return n > 0, err
}

const warnings = `SELECT fingerprint, MIN(days) FROM key_warning WHERE workspace_id = $1 AND connection_id = $2 GROUP BY fingerprint`

// Warnings returns for each certificate of a connection, by its fingerprint, the least number of days that people
// were warned of.
func (tx *Tx) Warnings(connection string) (map[string]int, error) {
	out := map[string]int{}
	err := tx.each(func(r Rows) error {
		var print string
		var days int
		if err := r.Scan(&print, &days); err != nil {
			return err
		}
		out[print] = days
		return nil
	}, warnings, tx.workspace, connection)
	return out, err
}

const deleteWarnings = `DELETE FROM key_warning WHERE workspace_id = $1 AND connection_id = $2`

package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// System is the access that crosses workspaces: finding a workspace by a handle, counters of
// strangers. It is another type than Tx, so that a mix-up does not compile.
type System struct{ db *DB }

// System returns the access that crosses workspaces.
func (db *DB) System() System { return System{db} }

func (s System) one(ctx context.Context, dest []any, query string, args ...any) (found bool, err error) {
	err = each(ctx, s.db.driver, func(r Rows) error {
		found = true
		return r.Scan(dest...)
	}, query, args...)
	return found, s.db.translate(err)
}

const workspaceBySlug = `SELECT workspace_id FROM workspace_handle WHERE slug = $1`

// WorkspaceBySlug returns the id of a workspace.
func (s System) WorkspaceBySlug(ctx context.Context, slug string) (string, error) {
	var id string
	found, err := s.one(ctx, []any{&id}, workspaceBySlug, slug)
	if err == nil && !found {
		err = errs.NotFound("workspace_unknown", "There is no workspace %q.", slug)
	}
	return id, err
}

// WorkspaceRef is a workspace in a list.
type WorkspaceRef struct{ ID, Slug, Name string }

const allWorkspaces = `SELECT id, slug, name FROM workspace ORDER BY slug`

// Workspaces lists all workspaces by slug.
func (s System) Workspaces(ctx context.Context) ([]WorkspaceRef, error) {
	var out []WorkspaceRef
	err := each(ctx, s.db.driver, func(r Rows) error {
		var w WorkspaceRef
		if err := r.Scan(&w.ID, &w.Slug, &w.Name); err != nil {
			return err
		}
		out = append(out, w)
		return nil
	}, allWorkspaces)
	return out, s.db.translate(err)
}

const linkByHash = `SELECT workspace_id, member_id FROM link_handle WHERE hash = $1`

// LinkByHash returns whose a one-time link is, used and expired ones included: whether it still
// opens anything is asked under the member's lock.
func (s System) LinkByHash(ctx context.Context, hash string) (workspace, member string, err error) {
	found, err := s.one(ctx, []any{&workspace, &member}, linkByHash, hash)
	if err == nil && !found {
		err = errLinkInvalid
	}
	return workspace, member, err
}

const countAttempt = `
	INSERT INTO attempt (bucket, window_start, count) VALUES ($1, $2, 1)
	ON CONFLICT (bucket) DO UPDATE SET
		count = CASE WHEN attempt.window_start < $3 THEN 1 ELSE attempt.count + 1 END,
		window_start = CASE WHEN attempt.window_start < $3 THEN $2 ELSE attempt.window_start END
	RETURNING count, window_start`

// Attempt counts one attempt in each of buckets and returns, for the worst of them, for how long
// the caller must wait: 0 where every count is within limits[i]. Each window begins with its first attempt.
// The count is committed before the attempt is judged, so that many at once do not slip through.
func (s System) Attempt(ctx context.Context, window time.Duration, buckets []string, limits []int) (wait time.Duration, err error) {
	now := s.db.Now().Truncate(time.Microsecond)
	// In one order everywhere: two attempts that share two buckets must not wait in a circle.
	order := make([]int, len(buckets))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return strings.Compare(buckets[i], buckets[j]) })
	err = s.db.driver.Write(ctx, func(c Conn) error {
		wait = 0
		for _, i := range order {
			bucket := buckets[i]
			var count, start int64
			if err := each(ctx, c, func(r Rows) error { return r.Scan(&count, &start) }, countAttempt, bucket, micros(now), micros(now.Add(-window))); err != nil {
				return err
			}
			if count > int64(limits[i]) {
				wait = max(wait, instant(start).Add(window).Sub(now), time.Second)
			}
		}
		return nil
	})
	return wait, s.db.translate(err)
}

// ForgetAttempts empties a bucket: the attempt succeeded.
func (s System) ForgetAttempts(ctx context.Context, bucket string) error {
	return s.db.translate(s.db.driver.Write(ctx, func(c Conn) error {
		c.Defer(`DELETE FROM attempt WHERE bucket = $1`, bucket)
		return nil
	}))
}

// RecordStranger notes a refusal of a caller whose workspace is not known, summed up per source
// (an address prefix), reason and hour; of many, the first payload is kept. It is written within
// a second by RunMarks: strangers cost no commit each and cannot fill the disk.
func (s System) RecordStranger(source, reason string, payload json.RawMessage) {
	if len(payload) > audit.MaxStrangerPayload {
		payload = nil
	}
	s.db.reads.stranger(strangerKey{clean(source), clean(reason), s.db.Now().Truncate(time.Hour)}, s.db.Now(), payload)
}

// Stranger is one line of the sum.
type Stranger struct {
	Source  string          `json:"source"`
	Reason  string          `json:"reason"`
	Count   int64           `json:"count"`
	FirstAt time.Time       `json:"first_at"`
	LastAt  time.Time       `json:"last_at"`
	Sample  json.RawMessage `json:"sample,omitempty"`
}

const strangersSince = `
	SELECT source, type, count, first_at, last_at, sample FROM stranger WHERE last_at >= $1 ORDER BY last_at, source, type LIMIT 10000`

// Strangers lists refusals of unknown callers since an instant.
func (s System) Strangers(ctx context.Context, since time.Time) ([]Stranger, error) {
	var out []Stranger
	err := each(ctx, s.db.driver, func(r Rows) error {
		var line Stranger
		var first, last int64
		var sample []byte
		if err := r.Scan(&line.Source, &line.Reason, &line.Count, &first, &last, &sample); err != nil {
			return err
		}
		line.FirstAt, line.LastAt = instant(first), instant(last)
		var err error
		line.Sample, err = unpack(sample)
		out = append(out, line)
		return err
	}, strangersSince, micros(since))
	return out, s.db.translate(err)
}

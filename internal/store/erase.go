package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// What is one member's alone, by the member's id. Rows that only name the id stay: host applications and the log know it.
var ofMember = []string{
	`DELETE FROM credential WHERE workspace_id = $1 AND member_id = $2`,
	dropSecondFactor,
	dropRecoveryCodes,
	`DELETE FROM identity WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM claim WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM link_handle WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM mail_link WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM invitation WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM member_seen WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM logout WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM adoption WHERE workspace_id = $1 AND member_id = $2`,
	`DELETE FROM api_key_handle WHERE workspace_id = $1 AND member_id = $2`,
	leaveTeams,
}

const emptySCIMUser = `
	UPDATE scim_user SET user_name = '', user_name_folded = '', external_id = NULL, manager_id = NULL, document = '{}'
	WHERE  workspace_id = $1 AND id = $2`

// EraseMember takes away what is one member's alone; m has no personal data any more. resources are the ids of all
// resources of the member, retired already.
func (tx *Tx) EraseMember(m *directory.Member, resources []string) {
	tx.UpdateMember(m)
	for _, statement := range ofMember {
		tx.later(statement, tx.workspace, m.ID)
	}
	for _, id := range resources {
		tx.later(deleteEmails, tx.workspace, id)
		tx.later(dropMemberships, tx.workspace, id)
		tx.later(emptySCIMUser, tx.workspace, id)
	}
}

// Erasure is the search for traces of an erased member in what is not theirs alone.
type Erasure struct {
	Workspace string // id
	Member    string // id
	Markers   string // JSON of the room that searches: what it searches for
	ErasedAt  time.Time
	// Step and Cursor are where the search is, and BeganAt when this walk through all of it began.
	Step    int
	Cursor  string
	BeganAt time.Time
}

const insertErasure = `
	INSERT INTO erasure (workspace_id, member_id, markers, erased_at, step, cursor, began_at, due_at) VALUES ($1, $2, $3, $4, 0, '', $4, $5)`

// InsertErasure begins a search. Others carry it on when due comes and nobody has.
func (tx *Tx) InsertErasure(member, markers string, due time.Time) {
	tx.later(insertErasure, tx.workspace, member, markers, micros(tx.now), micros(due))
}

const erasureOf = `SELECT markers, erased_at, step, cursor, began_at FROM erasure WHERE workspace_id = $1 AND member_id = $2`

// Erasure returns the search for traces of a member, nil where none is going on.
func (tx *Tx) Erasure(member string) (*Erasure, error) {
	e := Erasure{Workspace: tx.workspace, Member: member}
	var erased, began, step int64
	found, err := tx.one([]any{&e.Markers, &erased, &step, &e.Cursor, &began}, erasureOf, tx.workspace, member)
	if err != nil || !found {
		return nil, err
	}
	e.ErasedAt, e.BeganAt, e.Step = instant(erased), instant(began), int(step)
	return &e, nil
}

const moveErasure = `
	UPDATE erasure SET step = $5, cursor = $6, began_at = $7, due_at = $8
	WHERE  workspace_id = $1 AND member_id = $2 AND step = $3 AND cursor = $4`

// MoveErasure notes where a search that stood at e is now. It reports false where somebody else has moved it on.
func (tx *Tx) MoveErasure(e *Erasure, to Erasure, due time.Time) (bool, error) {
	n, err := tx.exec(moveErasure, tx.workspace, e.Member, int64(e.Step), e.Cursor, int64(to.Step), to.Cursor, micros(to.BeganAt), micros(due))
	return n == 1, err
}

const endErasure = `DELETE FROM erasure WHERE workspace_id = $1 AND member_id = $2`

// EndErasure forgets a search that is over, and with it what was searched for.
func (tx *Tx) EndErasure(member string) { tx.later(endErasure, tx.workspace, member) }

const takeErasures = `
	UPDATE erasure SET due_at = $2 WHERE due_at <= $1 AND (workspace_id, member_id) IN
		(SELECT workspace_id, member_id FROM erasure WHERE due_at <= $1 ORDER BY due_at LIMIT $3)
	RETURNING workspace_id, member_id`

// TakeErasures takes searches that are due, so that nobody else gets them before lease has passed.
func (s System) TakeErasures(ctx context.Context, lease time.Duration, limit int) (taken []Erasure, err error) {
	now := s.db.Now()
	err = s.db.driver.Write(ctx, func(c Conn) error {
		taken = nil
		return each(ctx, c, func(r Rows) error {
			var e Erasure
			if err := r.Scan(&e.Workspace, &e.Member); err != nil {
				return err
			}
			taken = append(taken, e)
			return nil
		}, takeErasures, micros(now), micros(now.Add(lease)), limit)
	})
	return taken, s.db.translate(err)
}

// TraceTable is a table whose rows may name people who are not their owners.
type TraceTable struct {
	Name string
	key  []string // "line" is a number, the others are text
	// Columns are text, or packed where that is named; those in Read are only looked at.
	Columns []string
	Read    []string
	packed  string // names of packed columns, with spaces
	at      string // column with the row's time, "" where it has none
}

// TraceTables are all of them, in the order in which a search goes through them.
var TraceTables = []TraceTable{
	{Name: "event", key: []string{"id"}, Columns: []string{"subject_id", "subject_name", "actor", "reason", "changes"}, at: "time"},
	{Name: "event_payload", key: []string{"event_id"}, Columns: []string{"body"}, packed: "body", at: "time"},
	{Name: "sign_in_attempt", key: []string{"id"}, Read: []string{"member_id"}, Columns: []string{"name", "name_folded", "browser", "begun", "ended", "found"}, packed: "begun ended found", at: "began_at"},
	{Name: "session", key: []string{"id"}, Read: []string{"member_id"}, Columns: []string{"address", "user_agent", "session_index", "name_id", "name_hash", "id_token"}, at: "created_at"},
	{Name: "request_log", key: []string{"directory_id", "id"}, Columns: []string{"path"}, at: "time"},
	{Name: "job", key: []string{"id"}, Read: []string{"kind"}, Columns: []string{"body", "last_error"}, at: "created_at"},
	{Name: "import", key: []string{"id"}, Columns: []string{"actor", "note"}, at: "created_at"},
	{Name: "import_row", key: []string{"import_id", "line"}, Read: []string{"member_id"}, Columns: []string{"email", "name", "given_name", "family_name", "reason", "detail"}},
	{Name: "adoption", key: []string{"id"}, Columns: []string{"user_name", "external_id", "address", "name", "before", "decided_by"}, at: "first_at"},
	{Name: "invitation", key: []string{"member_id"}, Columns: []string{"invited_by"}, at: "created_at"},
	{Name: "token_handle", key: []string{"hash"}, Columns: []string{"name", "created_by"}, at: "created_at"},
	{Name: "client_credential", key: []string{"id"}, Columns: []string{"name", "created_by"}, at: "created_at"},
	{Name: "mail_once", key: []string{"reason"}, Columns: []string{"reason"}, at: "at"},
}

// TraceRow is one row of a TraceTable: its key, and the values of Read and of Columns. Packed columns are unpacked; what is
// NULL or cannot be unpacked is "".
type TraceRow struct {
	Key           []string
	Read, Columns []string
}

// Traces returns rows of a table behind a key, in its order, limit at most: those that are no younger than until.
func (tx *Tx) Traces(t *TraceTable, after []string, limit int, until time.Time) ([]TraceRow, error) {
	args := []any{tx.workspace}
	where := []string{"workspace_id = $1"}
	if len(after) == len(t.key) {
		marks := make([]string, len(after))
		for i, v := range after {
			args = append(args, v)
			marks[i] = t.mark(t.key[i], len(args))
		}
		where = append(where, fmt.Sprintf("(%s) > (%s)", strings.Join(t.key, ", "), strings.Join(marks, ", ")))
	}
	if t.at != "" {
		args = append(args, micros(until))
		where = append(where, fmt.Sprintf("%s <= $%d", t.at, len(args)))
	}
	columns := make([]string, 0, len(t.key)+len(t.Read)+len(t.Columns))
	for _, k := range t.key {
		columns = append(columns, "CAST("+k+" AS TEXT)")
	}
	columns = append(append(columns, t.Read...), t.Columns...)
	args = append(args, limit)
	var out []TraceRow
	err := tx.each(func(r Rows) error {
		row := TraceRow{Key: make([]string, len(t.key)), Read: make([]string, len(t.Read)), Columns: make([]string, len(t.Columns))}
		var dest []any
		for i := range row.Key {
			dest = append(dest, &row.Key[i])
		}
		for i := range row.Read {
			dest = append(dest, &row.Read[i])
		}
		packed := make([][]byte, len(t.Columns))
		for i, c := range t.Columns {
			if t.isPacked(c) {
				dest = append(dest, &packed[i])
			} else {
				dest = append(dest, &row.Columns[i])
			}
		}
		if err := r.Scan(dest...); err != nil {
			return err
		}
		for i := range packed {
			if text, err := unpackAny(packed[i]); err == nil && len(text) > 0 {
				row.Columns[i] = string(text)
			}
		}
		out = append(out, row)
		return nil
	}, fmt.Sprintf("SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT $%d", strings.Join(columns, ", "), t.Name, strings.Join(where, " AND "), strings.Join(t.key, ", "), len(args)), args...)
	return out, err
}

func (t *TraceTable) mark(column string, n int) string {
	if column == "line" {
		return fmt.Sprintf("CAST(CAST($%d AS TEXT) AS BIGINT)", n)
	}
	return fmt.Sprintf("$%d", n)
}

func (t *TraceTable) isPacked(column string) bool {
	return strings.Contains(" "+t.packed+" ", " "+column+" ")
}

// keyed is the condition that names one row, its arguments behind $1 and first.
func (t *TraceTable) keyed(first int) string {
	var parts []string
	for i, k := range t.key {
		parts = append(parts, k+" = "+t.mark(k, first+i))
	}
	return "workspace_id = $1 AND " + strings.Join(parts, " AND ")
}

// ReplaceTrace writes the columns of a row that differ from what they were.
func (tx *Tx) ReplaceTrace(t *TraceTable, was, is TraceRow) {
	args := []any{tx.workspace}
	for _, k := range was.Key {
		args = append(args, k)
	}
	var set []string
	for i, c := range t.Columns {
		if was.Columns[i] == is.Columns[i] {
			continue
		}
		switch {
		case t.isPacked(c) && is.Columns[i] == "":
			set = append(set, c+" = NULL")
			continue
		case t.isPacked(c):
			args = append(args, pack([]byte(is.Columns[i])))
		default:
			args = append(args, clean(is.Columns[i]))
		}
		set = append(set, fmt.Sprintf("%s = $%d", c, len(args)))
	}
	if len(set) > 0 {
		tx.later(fmt.Sprintf("UPDATE %s SET %s WHERE %s", t.Name, strings.Join(set, ", "), t.keyed(2)), args...)
	}
}

// DeleteTrace deletes a row.
func (tx *Tx) DeleteTrace(t *TraceTable, row TraceRow) {
	args := []any{tx.workspace}
	for _, k := range row.Key {
		args = append(args, k)
	}
	tx.later(fmt.Sprintf("DELETE FROM %s WHERE %s", t.Name, t.keyed(2)), args...)
}

const replacePayload = `UPDATE event_payload SET body = $3 WHERE workspace_id = $1 AND event_id = $2`

// ReplacePayload puts another payload in the place of an event's, where it has one.
func (tx *Tx) ReplacePayload(event string, payload json.RawMessage) {
	tx.later(replacePayload, tx.workspace, event, pack(payload))
}

const (
	strangerSamples = `
	SELECT source, type, hour, sample FROM stranger WHERE (hour, source, type) > ($1, $2, $3) ORDER BY hour, source, type LIMIT $4`
	emptySample = `UPDATE stranger SET sample = $4 WHERE source = $1 AND type = $2 AND hour = $3`
)

// ScrubStrangers empties what is kept of refusals of unknown callers wherever names says so of its text. They belong to no
// workspace, and are few pages.
func (s System) ScrubStrangers(ctx context.Context, names func(text string) bool) error {
	type key struct {
		source, kind string
		hour         int64
	}
	const page = 500
	for at := (key{hour: -1}); ; {
		n := 0
		var found []key
		err := each(ctx, s.db.driver, func(r Rows) error {
			var sample []byte
			if err := r.Scan(&at.source, &at.kind, &at.hour, &sample); err != nil {
				return err
			}
			n++
			if text, err := unpackAny(sample); err == nil && len(text) > 0 && names(string(text)) {
				found = append(found, at)
			}
			return nil
		}, strangerSamples, at.hour, at.source, at.kind, page)
		if err == nil && len(found) > 0 {
			err = s.db.driver.Write(ctx, func(c Conn) error {
				for _, k := range found {
					c.Defer(emptySample, k.source, k.kind, k.hour, pack(nil))
				}
				return nil
			})
		}
		if err != nil || n < page {
			return s.db.translate(err)
		}
	}
}

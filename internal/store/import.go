package store

import (
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Import is a list of people to invite.
type Import struct {
	ID     string
	Actor  audit.Party // who reads and starts it
	State  string
	Plan   string // JSON of whoever plans
	People int    // rows
	Done   int    // rows that were carried out, of those that do something
	Cursor int    // the last line that was carried out
	Note   string // why it was stopped, or ""

	CreatedAt, UpdatedAt time.Time
}

const insertImport = `
	INSERT INTO import (workspace_id, id, actor, state, plan, people, done, cursor, note, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10)`

// InsertImport adds a list. It has no effect yet and needs no event.
func (tx *Tx) InsertImport(i Import) {
	tx.later(insertImport, tx.workspace, i.ID, toJSON(i.Actor), i.State, i.Plan, i.People, i.Done, i.Cursor, i.Note, micros(tx.now))
}

const updateImport = `
	UPDATE import SET state = $3, plan = $4, people = $5, done = $6, cursor = $7, note = $8, updated_at = $9 WHERE workspace_id = $1 AND id = $2`

// UpdateImport saves all of a list but for its actor.
func (tx *Tx) UpdateImport(i *Import) {
	tx.later(updateImport, tx.workspace, i.ID, i.State, i.Plan, i.People, i.Done, i.Cursor, i.Note, micros(tx.now))
}

const importColumns = `id, actor, state, plan, people, done, cursor, note, created_at, updated_at`

const importByID = `SELECT ` + importColumns + ` FROM import WHERE workspace_id = $1 AND id = $2`

// Import returns a list by id.
func (tx *Tx) Import(id string) (*Import, error) {
	found, err := tx.imports(importByID, tx.workspace, id)
	if err == nil && len(found) == 0 {
		err = errs.NotFound("import_unknown", "There is no list %s.", id)
	}
	if err != nil {
		return nil, err
	}
	return &found[0], nil
}

const importsNewest = `SELECT ` + importColumns + ` FROM import WHERE workspace_id = $1 ORDER BY id DESC LIMIT $2`

// Imports returns lists, the newest first.
func (tx *Tx) Imports(limit int) ([]Import, error) {
	return tx.imports(importsNewest, tx.workspace, limit)
}

func (tx *Tx) imports(query string, args ...any) (out []Import, err error) {
	err = tx.each(func(r Rows) error {
		var i Import
		var actor string
		var people, done, cursor, created, updated int64
		if err := r.Scan(&i.ID, &actor, &i.State, &i.Plan, &people, &done, &cursor, &i.Note, &created, &updated); err != nil {
			return err
		}
		i.People, i.Done, i.Cursor, i.CreatedAt, i.UpdatedAt = int(people), int(done), int(cursor), instant(created), instant(updated)
		if err := parse("import", actor, &i.Actor); err != nil {
			return err
		}
		out = append(out, i)
		return nil
	}, query, args...)
	return out, err
}

const (
	deleteImportRows = `DELETE FROM import_row WHERE workspace_id = $1 AND import_id = $2`
	deleteImport     = `DELETE FROM import WHERE workspace_id = $1 AND id = $2`
)

// DeleteImport throws a list away.
func (tx *Tx) DeleteImport(id string) {
	tx.later(deleteImportRows, tx.workspace, id)
	tx.later(deleteImport, tx.workspace, id)
}

// ImportRow is one person of a list, and what becomes or became of them.
type ImportRow struct {
	Line                                     int
	Email, Name, GivenName, FamilyName, Role string
	Outcome, Reason, Detail                  string
	Member                                   string // id, once there is one
}

const importRowWidth = 12

// InsertImportRows adds people to a list.
func (tx *Tx) InsertImportRows(list string, rows []ImportRow) {
	for part := range slices.Chunk(rows, 64) {
		args := make([]any, 0, importRowWidth*len(part))
		for _, r := range part {
			args = append(args, tx.workspace, list, r.Line, r.Email, r.Name, r.GivenName, r.FamilyName, r.Role, r.Outcome, r.Reason, r.Detail, r.Member)
		}
		tx.later(`INSERT INTO import_row (workspace_id, import_id, line, email, name, given_name, family_name, role, outcome, reason, detail, member_id) VALUES `+
			tuples(1, importRowWidth, len(part)), args...)
	}
}

const settleImportRow = `
	UPDATE import_row SET outcome = $4, reason = $5, detail = $6, member_id = $7 WHERE workspace_id = $1 AND import_id = $2 AND line = $3`

// SettleImportRow says what becomes, or became, of one person of a list.
func (tx *Tx) SettleImportRow(list string, r ImportRow) {
	tx.later(settleImportRow, tx.workspace, list, r.Line, r.Outcome, r.Reason, r.Detail, r.Member)
}

const importRowColumns = `line, email, name, given_name, family_name, role, outcome, reason, detail, member_id`

const (
	importRows   = `SELECT ` + importRowColumns + ` FROM import_row WHERE workspace_id = $1 AND import_id = $2 AND line > $3 ORDER BY line LIMIT $4`
	importRowsOf = `SELECT ` + importRowColumns + ` FROM import_row WHERE workspace_id = $1 AND import_id = $2 AND line > $3 AND outcome = $5 ORDER BY line LIMIT $4`
)

// ImportRows returns rows of a list behind a line, in order, limit at most; of one outcome, or of all for "".
func (tx *Tx) ImportRows(list string, after, limit int, outcome string) (out []ImportRow, err error) {
	query, args := importRows, []any{tx.workspace, list, after, limit}
	if outcome != "" {
		query, args = importRowsOf, append(args, outcome)
	}
	err = tx.each(func(r Rows) error {
		var x ImportRow
		var line int64
		if err := r.Scan(&line, &x.Email, &x.Name, &x.GivenName, &x.FamilyName, &x.Role, &x.Outcome, &x.Reason, &x.Detail, &x.Member); err != nil {
			return err
		}
		x.Line = int(line)
		out = append(out, x)
		return nil
	}, query, args...)
	return out, err
}

// HoldersOf returns, by folded address, the member of each address who is not deactivated, else the newest.
func (tx *Tx) HoldersOf(addresses []string) (map[string]directory.Member, error) {
	folded := make([]string, 0, len(addresses))
	for _, a := range addresses {
		if a != "" {
			folded = append(folded, directory.Fold(a))
		}
	}
	best := map[string]directory.Member{}
	err := eachChunk(folded, func(part []string) error {
		list, args := in(2, part)
		var found []directory.Member
		if err := tx.members(&found, `SELECT `+memberColumns+` FROM member m WHERE m.workspace_id = $1 AND m.email_folded IN (`+list+`) AND m.stage <> 'erased'`,
			append([]any{tx.workspace}, args...)...); err != nil {
			return err
		}
		for _, m := range found {
			key := directory.Fold(m.Email)
			had, ok := best[key]
			switch {
			case !ok, m.Sources == 0 && had.Sources != 0:
				best[key] = m
			case (m.Sources == 0) == (had.Sources == 0) && (m.CreatedAt.After(had.CreatedAt) || m.CreatedAt.Equal(had.CreatedAt) && m.ID > had.ID):
				best[key] = m
			}
		}
		return nil
	})
	return best, err
}

// ForeignDomains returns those of domains, folded, that another workspace has proven and this one has not.
func (tx *Tx) ForeignDomains(domains []string) (map[string]bool, error) {
	foreign := map[string]bool{}
	err := eachChunk(domains, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var domain string
			if err := r.Scan(&domain); err != nil {
				return err
			}
			foreign[domain] = true
			return nil
		}, `SELECT domain FROM domain_handle d WHERE d.workspace_id <> $1 AND d.domain IN (`+list+`)
			AND NOT EXISTS (SELECT 1 FROM domain_handle o WHERE o.domain = d.domain AND o.workspace_id = $1)`, append([]any{tx.workspace}, args...)...)
	})
	return foreign, err
}

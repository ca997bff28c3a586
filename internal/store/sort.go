package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Sort is the order of a list, the zero Sort that of creation. It is total: where By alone does not tell two
// rows apart, their ids do. Text is compared as uniqueness compares it; rows without a value come last, and
// first in descending order.
type Sort struct {
	By         Field // FieldCreated, FieldModified, FieldID, FieldUserName, FieldExternalID or FieldDisplayName
	Descending bool
}

// Place is a row's place in an order, behind which a list goes on. It stays good when rows come and go, its
// own as well; a row that moves in the order meanwhile may come twice, or not. A Place of another order names
// other rows, never those of another directory.
type Place struct {
	Stretch int    `json:"s,omitempty"`
	At      int64  `json:"a,omitempty"` // microseconds since 1970
	Text    string `json:"t,omitempty"`
	ID      string `json:"i,omitempty"`
}

// stretch is a part of an order that one index serves: the rows for which where holds, by columns, the last
// of which makes the order total. With at, these are an instant and the id, else one text.
type stretch struct {
	where   string // "" for all rows
	columns []string
	at      bool
}

// stretches are the parts of an order, one behind the other. An index on values leaves out the rows without:
// those are a stretch of their own, in the order of creation.
func (s Sort) stretches() []stretch {
	switch s.By {
	case FieldModified:
		return []stretch{{columns: []string{"r.updated_at", "r.id"}, at: true}}
	case FieldID:
		return []stretch{{columns: []string{"r.id"}}}
	case FieldUserName:
		return []stretch{{columns: []string{"r.user_name_folded"}}}
	case FieldDisplayName:
		return []stretch{{columns: []string{"r.display_name_folded"}}}
	case FieldExternalID:
		list := []stretch{{where: "r.external_id IS NOT NULL", columns: []string{"r.external_id"}},
			{where: "r.external_id IS NULL", columns: []string{"r.created_at", "r.id"}, at: true}}
		if s.Descending {
			slices.Reverse(list)
		}
		return list
	default:
		return []stretch{{columns: []string{"r.created_at", "r.id"}, at: true}}
	}
}

// place is where a row stands, given what the orders sort by.
func (s Sort) place(id, name, external string, created, updated time.Time) Place {
	switch s.By {
	case FieldModified:
		return Place{At: micros(updated), ID: id}
	case FieldID:
		return Place{Text: id}
	case FieldUserName, FieldDisplayName:
		return Place{Text: directory.Fold(name)}
	case FieldExternalID:
		without := 1
		if s.Descending {
			without = 0
		}
		if external == "" {
			return Place{Stretch: without, At: micros(created), ID: id}
		}
		return Place{Stretch: 1 - without, Text: external}
	default:
		return Place{At: micros(created), ID: id}
	}
}

// OfUser is the place of a resource in the order.
func (s Sort) OfUser(u *SCIMUser) Place {
	return s.place(u.ID, u.UserName, u.ExternalID, u.CreatedAt, u.UpdatedAt)
}

// OfGroup is the place of a group in the order.
func (s Sort) OfGroup(g *Group) Place {
	return s.place(g.ID, g.DisplayName, g.ExternalID, g.CreatedAt, g.UpdatedAt)
}

// listing is a list as SQL.
type listing struct {
	sel     Select
	columns string
	scan    func(Rows) error
	from    string // FROM ... WHERE ..., $1 is the workspace, $2 the directory, the row is r
	args    sqlArgs
}

func (tx *Tx) listing(directoryID, table, columns string, sel Select, scan func(Rows) error) *listing {
	l := &listing{sel: sel, columns: columns, scan: scan, args: sqlArgs{args: []any{tx.workspace, directoryID}}}
	of := sel.Where.ofDirectory()
	if sel.Sort.By == FieldID {
		// Else SQLite takes an index of the directory and sorts it whole. PostgreSQL reads it as an equation.
		of = "NOT r.directory_id <> $2"
	}
	l.from = "FROM " + table + " r WHERE r.workspace_id = $1 AND " + of + " AND " + live(table) + sel.Where.where(&l.args, table)
	return l
}

// query is the statement of one stretch.
func (l *listing) query(s stretch, after *Place, limit, skip int) (string, []any) {
	args := sqlArgs{args: slices.Clone(l.args.args)}
	where, columns := l.from, l.sel.Where.columns(s)
	if s.where != "" {
		where += " AND " + s.where
	}
	direction, than := "", ">"
	if l.sel.Sort.Descending {
		direction, than = " DESC", "<"
	}
	switch {
	case after != nil && s.at:
		where += fmt.Sprintf(" AND (%s) %s (%s, %s)", strings.Join(columns, ", "), than, args.bind(after.At), args.bind(after.ID))
	case after != nil:
		where += fmt.Sprintf(" AND %s %s %s", columns[0], than, args.bind(after.Text))
	}
	query := fmt.Sprintf("SELECT %s %s ORDER BY %s%s LIMIT %d", l.columns, where, strings.Join(columns, direction+", "), direction, limit)
	if skip > 0 {
		query += fmt.Sprintf(" OFFSET %d", skip)
	}
	return query, args.args
}

// rows reads at most limit rows: behind after, or all but the first skip.
func (tx *Tx) rows(l *listing, after *Place, skip, limit int) (got int, err error) {
	if err := tx.sortable(l); err != nil {
		return 0, err
	}
	list := l.sel.Sort.stretches()
	for i, s := range list {
		if after != nil && i < after.Stretch {
			continue
		}
		var behind *Place
		if after != nil && i == after.Stretch {
			behind = after
		}
		before := got
		query, args := l.query(s, behind, limit-got, skip)
		if err := tx.each(func(r Rows) error {
			got++
			return l.scan(r)
		}, query, args...); err != nil {
			return got, err
		}
		switch {
		case got == limit:
			return got, nil
		case got > before:
			skip = 0
		case skip > 0 && i+1 < len(list):
			n, err := tx.count(l, s.where)
			if err != nil {
				return got, err
			}
			skip -= n
		}
	}
	return got, nil
}

// page reads a page by its number and counts only where the page itself does not tell the total: one row more
// than wanted is asked for.
func (tx *Tx) page(l *listing) (total int, err error) {
	skip := max(l.sel.Start-1, 0)
	if l.sel.Count > 0 {
		got, err := tx.rows(l, nil, skip, l.sel.Count+1)
		if err != nil {
			return 0, err
		}
		if got <= l.sel.Count && (got > 0 || skip == 0) {
			return skip + got, nil
		}
	}
	return tx.count(l, "")
}

// count returns how many rows of a list hold a further condition, "" for none.
func (tx *Tx) count(l *listing, where string) (int, error) {
	query := "SELECT COUNT(*) " + l.from
	if where != "" {
		query += " AND " + where
	}
	var n int64
	_, err := tx.one([]any{&n}, query, l.args.args...)
	return int(n), err
}

// sortable refuses an order that no index gives over more rows than are sorted for one request. An index on
// the last change would have to be written with each of them.
func (tx *Tx) sortable(l *listing) error {
	if l.sel.Sort.By != FieldModified || l.sel.Where.selective() {
		return nil
	}
	var n int64
	query := fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 %s LIMIT %d) AS few", l.from, MaxCandidates+1)
	if _, err := tx.one([]any{&n}, query, l.args.args...); err != nil {
		return err
	}
	if n > MaxCandidates {
		return errs.Invalid("too_many", "There are more than %d resources to sort by their last change. Sort by id, userName, displayName of groups, externalId or meta.created, or filter.", MaxCandidates)
	}
	return nil
}

package store

import (
	"fmt"
	"slices"
	"strings"
)

// Field is a column that an index serves, to find by or to sort by.
type Field int

const (
	FieldCreated  Field = iota // to sort by alone
	FieldModified              // to sort by alone, and by no index
	FieldID
	FieldUserName
	FieldExternalID
	FieldEmail
	FieldActive
	FieldDisplayName
	FieldMember
)

// Cond is a condition on resources that compiles to SQL with bound values. The zero Cond holds
// for everything.
type Cond struct {
	kind  condKind
	kids  []Cond
	field Field
	value string
	extra string
}

type condKind int

const (
	condAll condKind = iota
	condAnd
	condOr
	condEq
)

// All holds for everything.
func All() Cond { return Cond{} }

// And holds where all of kids hold.
func And(kids ...Cond) Cond { return Cond{kind: condAnd, kids: kids} }

// Or holds where any of kids holds.
func Or(kids ...Cond) Cond { return Cond{kind: condOr, kids: kids} }

// Eq compares a column; value is folded by the caller where the column is.
func Eq(field Field, value string) Cond { return Cond{kind: condEq, field: field, value: value} }

// EmailEq compares the value and, unless kind is "", the type of one element of emails, folded.
func EmailEq(value, kind string) Cond {
	return Cond{kind: condEq, field: FieldEmail, value: value, extra: kind}
}

// ActiveIs compares active.
func ActiveIs(active bool) Cond {
	return Cond{kind: condEq, field: FieldActive, value: fmt.Sprint(active)}
}

// sqlArgs collects bound values behind those that are there already.
type sqlArgs struct{ args []any }

func (a *sqlArgs) bind(v any) string {
	a.args = append(a.args, v)
	return fmt.Sprintf("$%d", len(a.args))
}

// selective reports whether an index finds the few rows for which c can hold.
func (c Cond) selective() bool {
	switch c.kind {
	case condAnd:
		return slices.ContainsFunc(c.kids, Cond.selective)
	case condOr:
		return !slices.ContainsFunc(c.kids, func(kid Cond) bool { return !kid.selective() })
	default:
		return c.kind == condEq && c.field != FieldActive
	}
}

// byID reports whether what finds the few rows is a list of their ids.
func (c Cond) byID() bool {
	switch c.kind {
	case condAnd:
		return c.selective() && !slices.ContainsFunc(c.kids, func(kid Cond) bool { return kid.selective() && !kid.byID() })
	case condOr:
		return c.selective() && len(c.kids) > 0
	default:
		return c.kind == condEq && (c.field == FieldID || c.field == FieldEmail || c.field == FieldMember)
	}
}

// ofDirectory binds a row to the directory. Beside a list of ids it is written so that no index
// serves it, else SQLite searches the whole directory for them.
func (c Cond) ofDirectory() string {
	if c.byID() {
		return "r.directory_id || '' = $2"
	}
	return "r.directory_id = $2"
}

// columns are those of a part of an order. Behind a selective condition they are written so that no index
// gives them: with that index at hand both planners walk a whole directory to find one row.
func (c Cond) columns(s stretch) []string {
	if !c.selective() {
		return s.columns
	}
	columns := slices.Clone(s.columns)
	if s.at {
		columns[0] += " + 0"
	} else {
		columns[0] += " || ''"
	}
	return columns
}

// where writes the condition on a table. $1 is the workspace and $2 the directory; the row is r.
func (c Cond) where(a *sqlArgs, table string) string {
	switch c.kind {
	case condAll:
		return "1 = 1"
	case condAnd, condOr:
		word, empty := " AND ", "1 = 1"
		if c.kind == condOr {
			word, empty = " OR ", "1 = 0"
		}
		if len(c.kids) == 0 {
			return empty
		}
		parts := make([]string, len(c.kids))
		if c.kind == condOr && c.selective() {
			// SQLite serves an OR by indexes only where each side is one; a union of ids always is.
			for i, kid := range c.kids {
				parts[i] = "SELECT r.id FROM " + table + " r WHERE r.workspace_id = $1 AND " + kid.ofDirectory() + " AND " + live(table) + kid.where(a, table)
			}
			return "r.id IN (" + strings.Join(parts, " UNION ALL ") + ")"
		}
		for i, kid := range c.kids {
			parts[i] = kid.where(a, table)
		}
		return "(" + strings.Join(parts, word) + ")"
	}
	switch c.field {
	case FieldUserName:
		return "r.user_name_folded = " + a.bind(c.value)
	case FieldExternalID:
		return "r.external_id = " + a.bind(c.value)
	case FieldDisplayName:
		return "r.display_name_folded = " + a.bind(c.value)
	case FieldActive:
		if c.value == "true" {
			return "r.active"
		}
		return "NOT r.active"
	case FieldEmail:
		inner := "SELECT e.scim_user_id FROM scim_user_email e WHERE e.workspace_id = $1 AND e.directory_id = $2 AND e.value_folded = " + a.bind(c.value)
		if c.extra != "" {
			inner += " AND e.type_folded = " + a.bind(c.extra)
		}
		return "r.id IN (" + inner + ")"
	case FieldMember:
		return "r.id IN (SELECT gm.group_id FROM group_member gm WHERE gm.workspace_id = $1 AND gm.scim_user_id = " + a.bind(c.value) + ")"
	default:
		return "r.id = " + a.bind(c.value)
	}
}

// live is what makes a row of a table stand, as its partial indexes say it.
func live(table string) string {
	if table == "scim_user" {
		return "r.retired_at IS NULL AND "
	}
	return ""
}

// MaxCandidates is over how many rows a condition that no index serves is evaluated (law 9).
const MaxCandidates = 10_000

// Select is what part of a list is wanted.
type Select struct {
	Where Cond
	Sort  Sort
	// Start is the first row, from 1; Count how many at the most, 0 for the total alone.
	Start, Count int
	// MaxBytes is how many bytes of people's documents may be read, 0 for any: past it the list is
	// refused as errs.KindInvalid, code "too_many".
	MaxBytes int
}

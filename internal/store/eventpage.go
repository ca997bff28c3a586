package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// EventQuery asks for one page of the log, newest first. What is left at its zero value chooses all.
type EventQuery struct {
	Before  int64 // only events with a smaller number; 0 begins at the newest
	Outcome audit.Outcome
	Type    audit.Type
	// Subjects are ids: events about any of them.
	Subjects []string
	// Name is the folded name under which an event knows its subject, for people whom nobody knows
	// by an id. It is not asked for where Subjects are given.
	Name  string
	Limit int
}

// EventWindow is how many events a page is looked for among where no index leads to the chosen ones.
const EventWindow = 10_000

// eventLine is an event without its payload, which is large and shown for one event at a time.
var eventLine = strings.Replace(eventColumns, "p.body", "NULL", 1)

// EventPage returns a page of the log without payloads. older is where the next page begins, 0 where
// there is none. A page may be short, or empty, and still have older ones behind it: at most
// EventWindow events are looked at, but for those of Subjects, which an index leads to.
func (tx *Tx) EventPage(q EventQuery) (page []audit.Event, older int64, err error) {
	if q.Before <= 0 {
		last, err := tx.LastSeq()
		if err != nil {
			return nil, 0, err
		}
		q.Before = last + 1
	}
	first, err := tx.firstSeq()
	if err != nil {
		return nil, 0, err
	}
	low := max(first, q.Before-EventWindow)
	if len(q.Subjects) > 0 {
		low = first
		for _, subject := range q.Subjects {
			part, err := tx.eventsBelow(q, low, subject)
			if err != nil {
				return nil, 0, err
			}
			page = append(page, part...)
		}
		slices.SortFunc(page, func(a, b audit.Event) int { return int(b.Seq - a.Seq) })
	} else if page, err = tx.eventsBelow(q, low, ""); err != nil {
		return nil, 0, err
	}
	switch {
	case len(page) > q.Limit:
		page = page[:q.Limit]
		older = page[q.Limit-1].Seq
	case low > first:
		older = low
	}
	return page, older, nil
}

// eventsBelow returns one event more than the limit, so that the caller sees whether there are more.
func (tx *Tx) eventsBelow(q EventQuery, low int64, subject string) ([]audit.Event, error) {
	where := []string{"e.workspace_id = $1", "e.seq < $2", "e.seq >= $3"}
	args := []any{tx.workspace, q.Before, low}
	and := func(condition string, value any) {
		args = append(args, value)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if subject != "" {
		and("e.subject_id = $%d", subject)
	}
	if q.Outcome != "" {
		and("e.outcome = $%d", string(q.Outcome))
	}
	if q.Type != "" {
		and("e.type = $%d", string(q.Type))
	}
	if q.Name != "" && subject == "" {
		and("LOWER(e.subject_name) = $%d", q.Name)
	}
	args = append(args, q.Limit+1)
	return tx.events(fmt.Sprintf(`
	SELECT %s
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	WHERE  %s
	ORDER  BY e.seq DESC LIMIT $%d`, eventLine, strings.Join(where, " AND "), len(args)), args...)
}

const firstSeq = `SELECT COALESCE(MIN(seq), 0) FROM event WHERE workspace_id = $1 AND seq IS NOT NULL`

// firstSeq is the number of the oldest event that is kept.
func (tx *Tx) firstSeq() (seq int64, err error) {
	_, err = tx.one([]any{&seq}, firstSeq, tx.workspace)
	return seq, err
}

const eventByID = `
	SELECT ` + eventColumns + `
	FROM   event e
	JOIN   workspace w ON w.id = e.workspace_id
	LEFT   JOIN event_payload p ON p.workspace_id = e.workspace_id AND p.event_id = e.id
	WHERE  e.workspace_id = $1 AND e.id = $2`

// Event returns one event with its payload, also before it has a number.
func (tx *Tx) Event(id string) (audit.Event, error) {
	found, err := tx.events(eventByID, tx.workspace, id)
	if err != nil {
		return audit.Event{}, err
	}
	if len(found) == 0 {
		return audit.Event{}, errs.NotFound("event_unknown", "There is no such event, or it is no longer kept.")
	}
	return found[0], nil
}

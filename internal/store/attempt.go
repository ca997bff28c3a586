package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// Attempt is one attempt to sign in, or one test of a connection.
type Attempt struct {
	ID         string // NewAttemptID
	Connection string // id, "" for passwords and links
	Method     directory.Method
	Test       bool // of a connection: it lets nobody in
	BeganAt    time.Time
	EndedAt    time.Time     // zero while there is no end
	Outcome    audit.Outcome // "" likewise
	Code       string        // the coded reason, "" unless refused
	Reason     string        // the precise one
	Member     string        // id, "" for nobody
	Name       string        // of whom it is about, as far as verified
	Browser    string        // hash of what the browser holds, "" where it holds nothing
	Event      string        // id of the event, whose payload has the message
	Skew       *time.Duration
	// Loose says that nothing of it was verified, so that of such only the newest are kept.
	Loose bool
	Steps []audit.Step
	// Found is who a test's answer would have been, JSON; nil without.
	Found json.RawMessage
}

// Open reports whether no answer has come.
func (a *Attempt) Open() bool { return a.Outcome == "" }

// attemptPrefix begins the ids of attempts.
const attemptPrefix = "att_"

// NewAttemptID makes an id that sorts by now.
func NewAttemptID(now time.Time) string { return keys.ID(attemptPrefix, now) }

const beginAttempt = `
	INSERT INTO sign_in_attempt (workspace_id, id, connection_id, method, test, began_at, outcome, code, reason, member_id, name, name_folded, browser, event_id, loose, begun)
	VALUES ($1, $2, $3, $4, $5, $6, '', '', '', '', '', '', $7, '', TRUE, $8)
	ON CONFLICT DO NOTHING`

// BeginAttempt keeps an attempt that has no end yet. It needs no event.
func (tx *Tx) BeginAttempt(a Attempt) {
	tx.later(beginAttempt, tx.workspace, a.ID, a.Connection, string(a.Method), a.Test, micros(tx.now), clean(a.Browser), packSteps(a.Steps))
}

const continueAttempt = `UPDATE sign_in_attempt SET begun = $4 WHERE workspace_id = $1 AND connection_id = $2 AND id = $3 AND outcome = ''`

// ContinueAttempt replaces the steps of an attempt that has no end yet. It needs no event.
func (tx *Tx) ContinueAttempt(id, connection string, steps []audit.Step) {
	tx.later(continueAttempt, tx.workspace, connection, id, packSteps(steps))
}

// An attempt that was begun is finished; one whose begin was not kept, or that had none, is kept whole. Where there
// are several answers the last one counts, but for a success, which stays.
const endAttempt = `
	INSERT INTO sign_in_attempt (workspace_id, id, connection_id, method, test, began_at, ended_at, outcome, code, reason, member_id, name, name_folded, browser,
		event_id, skew_ms, loose, ended, found)
	VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
	ON CONFLICT (workspace_id, id) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome, code = excluded.code, reason = excluded.reason,
		member_id = excluded.member_id, name = excluded.name, name_folded = excluded.name_folded, event_id = excluded.event_id, skew_ms = excluded.skew_ms,
		loose = excluded.loose, ended = excluded.ended, found = excluded.found
	WHERE sign_in_attempt.outcome <> 'ok' AND sign_in_attempt.connection_id = excluded.connection_id`

// EndAttempt keeps how an attempt ended. It needs no event of its own. The end of a test is announced.
func (tx *Tx) EndAttempt(a Attempt) {
	var skew *int64
	if a.Skew != nil {
		ms := a.Skew.Milliseconds()
		skew = &ms
	}
	var found []byte
	if len(a.Found) > 0 {
		found = pack(a.Found)
	}
	// Members are found by their id, so that only names that are nobody's need a place in the index.
	folded := ""
	if a.Member == "" {
		folded = directory.Fold(clean(a.Name))
	}
	tx.later(endAttempt, tx.workspace, a.ID, a.Connection, string(a.Method), a.Test, micros(tx.now), string(a.Outcome), clean(a.Code), clean(a.Reason),
		clean(a.Member), clean(a.Name), folded, clean(a.Browser), clean(a.Event), skew, a.Loose, packSteps(a.Steps), found)
	if a.Test && !tx.readonly {
		tx.signal(Signal{Topic: TopicAttempt, Key: a.ID})
	}
}

func packSteps(steps []audit.Step) []byte {
	if len(steps) == 0 {
		return nil
	}
	text := toJSON(audit.BoundSteps(steps))
	if len(text) < plainSteps { // making room for a window of the packer takes longer than the rest of the attempt
		return append([]byte{packedPlain}, text...)
	}
	return pack([]byte(text))
}

// plainSteps is below how many bytes steps are kept as they are.
const plainSteps = 2 << 10

const attemptColumns = `a.id, a.connection_id, a.method, a.test, a.began_at, a.ended_at, a.outcome, a.code, a.reason, a.member_id, a.name, a.browser, a.event_id, a.skew_ms, a.loose`

type attemptRow struct {
	a               Attempt
	method, outcome string
	began           int64
	ended, skew     *int64
}

func (r *attemptRow) dest() []any {
	a := &r.a
	return []any{&a.ID, &a.Connection, &r.method, &a.Test, &r.began, &r.ended, &r.outcome, &a.Code, &a.Reason, &a.Member, &a.Name, &a.Browser, &a.Event, &r.skew, &a.Loose}
}

func (r *attemptRow) attempt() Attempt {
	a := r.a
	a.Method, a.Outcome, a.BeganAt, a.EndedAt = directory.Method(r.method), audit.Outcome(r.outcome), instant(r.began), maybeInstant(r.ended)
	if r.skew != nil {
		skew := time.Duration(*r.skew) * time.Millisecond
		a.Skew = &skew
	}
	return a
}

const attemptByID = `SELECT ` + attemptColumns + `, a.begun, a.ended, a.found FROM sign_in_attempt a WHERE a.workspace_id = $1 AND a.id = $2`

// Attempt returns one attempt with its steps. One that is not there, or no longer kept, is errs.KindNotFound.
func (tx *Tx) Attempt(id string) (*Attempt, error) {
	var row attemptRow
	var begun, ended, found []byte
	there, err := tx.one(append(row.dest(), &begun, &ended, &found), attemptByID, tx.workspace, id)
	if err == nil && !there {
		err = errs.NotFound("attempt_unknown", "There is no such attempt, or it is no longer kept.")
	}
	if err != nil {
		return nil, err
	}
	a := row.attempt()
	for _, packed := range [][]byte{begun, ended} {
		text, err := unpackAny(packed)
		if err != nil || len(text) == 0 {
			continue // what cannot be read is no reason to hide the rest
		}
		var steps []audit.Step
		if json.Unmarshal(text, &steps) == nil {
			a.Steps = append(a.Steps, steps...)
		}
	}
	a.Found, err = unpackAny(found)
	return &a, err
}

// unpackAny is unpack for what may be NULL.
func unpackAny(packed []byte) ([]byte, error) {
	if len(packed) == 0 {
		return nil, nil
	}
	return unpack(packed)
}

// AttemptQuery asks for one page of attempts, newest first. What is left at its zero value chooses all.
type AttemptQuery struct {
	Before     string // only attempts with a smaller id
	Connection string
	// Member and Name say about whom: attempts of either. A name finds those that are no member's.
	Member, Name string
	Outcome      string // "ok", "refused" or "open"
	Code         string
	Event        string // id
	Limit        int
}

// AttemptWindow is how many attempts a page is looked for among where no index leads to the chosen ones.
const AttemptWindow = 10_000

// Attempts returns a page of attempts without their steps. older is where the next page begins, "" where there is
// none. A page may be short, or empty, and still have older ones behind it: at most AttemptWindow are looked at.
func (tx *Tx) Attempts(q AttemptQuery) (page []Attempt, older string, err error) {
	if q.Before == "" {
		q.Before = "~" // behind every id
	}
	who := [][2]string{{"", ""}}
	if q.Member != "" || q.Name != "" {
		who = nil
		if q.Member != "" {
			who = append(who, [2]string{"member_id", q.Member})
		}
		if q.Name != "" {
			who = append(who, [2]string{"name_folded", directory.Fold(q.Name)})
		}
	}
	seen := map[string]bool{}
	for _, w := range who {
		part, end, err := tx.attemptsOf(q, w[0], w[1])
		if err != nil {
			return nil, "", err
		}
		for _, a := range part {
			if !seen[a.ID] {
				seen[a.ID] = true
				page = append(page, a)
			}
		}
		older = max(older, end)
	}
	slices.SortFunc(page, func(a, b Attempt) int { return strings.Compare(b.ID, a.ID) })
	if len(page) > q.Limit {
		page = page[:q.Limit]
		older = page[q.Limit-1].ID
	}
	return page, older, nil
}

// attemptsOf returns one attempt more than the limit; end is where the window ended, "" where it held all.
func (tx *Tx) attemptsOf(q AttemptQuery, column, value string) (page []Attempt, end string, err error) {
	within := []string{"workspace_id = $1", "id < $2"}
	args := []any{tx.workspace, q.Before}
	and := func(list *[]string, condition string, value any) {
		args = append(args, value)
		*list = append(*list, fmt.Sprintf(condition, len(args)))
	}
	if column != "" {
		and(&within, column+" = $%d AND "+column+" <> ''", value)
	}
	if q.Connection != "" {
		and(&within, "connection_id = $%d", q.Connection)
	}
	var chosen []string
	switch q.Outcome {
	case "open":
		chosen = append(chosen, "windowed.outcome = ''")
	case "":
	default:
		and(&chosen, "windowed.outcome = $%d", q.Outcome)
	}
	if q.Code != "" {
		and(&chosen, "windowed.code = $%d", q.Code)
	}
	if q.Event != "" {
		and(&chosen, "windowed.event_id = $%d", q.Event)
	}
	columns, from, where := attemptColumns, "sign_in_attempt a", within
	if len(chosen) > 0 {
		columns, where = strings.ReplaceAll(attemptColumns, "a.", "windowed."), chosen
		from = fmt.Sprintf(`(SELECT id, connection_id, method, test, began_at, ended_at, outcome, code, reason, member_id, name, browser, event_id, skew_ms, loose
		FROM sign_in_attempt WHERE %s ORDER BY id DESC LIMIT %d) windowed`, strings.Join(within, " AND "), AttemptWindow)
	}
	err = tx.each(func(r Rows) error {
		var row attemptRow
		if err := r.Scan(row.dest()...); err != nil {
			return err
		}
		page = append(page, row.attempt())
		return nil
	}, fmt.Sprintf(`SELECT %s FROM %s WHERE %s ORDER BY id DESC LIMIT %d`, columns, from, strings.Join(where, " AND "), q.Limit+1), args...)
	if err != nil || len(page) > q.Limit || len(chosen) == 0 {
		return page, "", err
	}
	// A short page of a chosen kind: is there more behind the window?
	var last *string
	var count int64
	_, err = tx.one([]any{&last, &count}, fmt.Sprintf(`SELECT MIN(windowed.id), COUNT(*) FROM (SELECT id FROM sign_in_attempt WHERE %s ORDER BY id DESC LIMIT %d) windowed`,
		strings.Join(within, " AND "), AttemptWindow), args[:len(args)-chosenArgs(q)]...)
	if err == nil && count == AttemptWindow {
		end = deref(last)
	}
	return page, end, err
}

// chosenArgs is how many of the arguments belong to what is chosen in the window.
func chosenArgs(q AttemptQuery) (n int) {
	if q.Outcome != "" && q.Outcome != "open" {
		n++
	}
	if q.Code != "" {
		n++
	}
	if q.Event != "" {
		n++
	}
	return n
}

const seeMember = `INSERT INTO member_seen (workspace_id, member_id, first_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`

// SeeMember notes that a member has signed in. It needs no event.
func (tx *Tx) SeeMember(member string) { tx.later(seeMember, tx.workspace, member, micros(tx.now)) }

const memberSeen = `SELECT first_at FROM member_seen WHERE workspace_id = $1 AND member_id = $2`

// MemberSeen returns when a member signed in first; zero for never.
func (tx *Tx) MemberSeen(member string) (time.Time, error) {
	var at int64
	found, err := tx.one([]any{&at}, memberSeen, tx.workspace, member)
	if err != nil || !found {
		return time.Time{}, err
	}
	return instant(at), nil
}

// Unseen is a member of a directory who never signed in.
type Unseen struct {
	Member    string    `json:"member"` // id
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Directory string    `json:"directory"` // id
	Since     time.Time `json:"since"`
}

const neverSignedIn = `
	SELECT windowed.id, windowed.email, windowed.name, windowed.directory_id, windowed.created_at
	FROM   (SELECT m.id, m.email, m.name, m.directory_id, m.created_at, m.sources, m.stage,
			(SELECT s.first_at FROM member_seen s WHERE s.workspace_id = $1 AND s.member_id = m.id) AS seen
		FROM member m WHERE m.workspace_id = $1 AND m.id > $2 ORDER BY m.id LIMIT $3) windowed
	WHERE  windowed.seen IS NULL AND windowed.sources = 0 AND windowed.directory_id <> '' AND windowed.stage <> 'erased'
	ORDER  BY windowed.id LIMIT $4`

const memberWindow = `SELECT MAX(windowed.id), COUNT(*) FROM (SELECT id FROM member WHERE workspace_id = $1 AND id > $2 ORDER BY id LIMIT $3) windowed`

// NeverSignedIn returns members of directories who are in and have never signed in, by id, at most limit of them
// behind after. next is where the following page begins, "" where there is none; at most AttemptWindow members are looked
// at for one page.
func (tx *Tx) NeverSignedIn(after string, limit int) (list []Unseen, next string, err error) {
	if err := tx.each(func(r Rows) error {
		var u Unseen
		var since int64
		if err := r.Scan(&u.Member, &u.Email, &u.Name, &u.Directory, &since); err != nil {
			return err
		}
		u.Since = instant(since)
		list = append(list, u)
		return nil
	}, neverSignedIn, tx.workspace, after, AttemptWindow, limit+1); err != nil {
		return nil, "", err
	}
	if len(list) > limit {
		return list[:limit], list[limit-1].Member, nil
	}
	var last *string
	var count int64
	if _, err := tx.one([]any{&last, &count}, memberWindow, tx.workspace, after, AttemptWindow); err != nil {
		return nil, "", err
	}
	if count == AttemptWindow {
		next = deref(last)
	}
	return list, next, nil
}

// Nobody is somebody whom an IdP let through and whom nobody knows here.
type Nobody struct {
	Name       string    `json:"name"`
	Connection string    `json:"connection"` // id
	Code       string    `json:"code"`
	Attempt    string    `json:"attempt"` // the last one
	At         time.Time `json:"at"`
	Times      int       `json:"times"`
}

const neverProvisioned = `
	SELECT a.id, a.connection_id, a.code, a.name, a.began_at FROM sign_in_attempt a
	WHERE  a.workspace_id = $1 AND a.code IN ('not_provisioned', 'left_directory', 'no_directory') ORDER BY a.id DESC LIMIT $2`

// NeverProvisioned returns who tried to sign in and is known by no directory, by their last attempt, at most limit
// of them; those of the newest AttemptWindow such attempts.
func (tx *Tx) NeverProvisioned(limit int) (list []Nobody, err error) {
	at := map[string]int{}
	err = tx.each(func(r Rows) error {
		var n Nobody
		var began int64
		if err := r.Scan(&n.Attempt, &n.Connection, &n.Code, &n.Name, &began); err != nil {
			return err
		}
		key := n.Connection + " " + directory.Fold(n.Name)
		if i, again := at[key]; again {
			list[i].Times++
			return nil
		}
		if len(list) == limit {
			return nil
		}
		n.At, n.Times = instant(began), 1
		at[key] = len(list)
		list = append(list, n)
		return nil
	}, neverProvisioned, tx.workspace, AttemptWindow)
	return list, err
}

// Attempts that are kept of one connection.
const (
	// looseAttempts is how many are kept of which nothing was verified: those that came to no end, and those of strangers.
	looseAttempts = 10_000
	keptAttempts  = 100_000
)

const looseEnd = `
	SELECT c.id, (SELECT a.id FROM sign_in_attempt a WHERE a.workspace_id = $1 AND a.connection_id = c.id AND a.loose ORDER BY a.id DESC LIMIT 1 OFFSET $2),
		(SELECT a.id FROM sign_in_attempt a WHERE a.workspace_id = $1 AND a.connection_id = c.id ORDER BY a.id DESC LIMIT 1 OFFSET $3)
	FROM   (SELECT id FROM connection WHERE workspace_id = $1 UNION ALL SELECT '') c`

// boundAttempts deletes what is too old, and what is behind the newest attempts of each connection.
func boundAttempts(ctx context.Context, c Conn, workspace string, oldest time.Time) (more bool, err error) {
	run := func(where string, args ...any) error {
		p := pruning{table: "sign_in_attempt", key: "id", where: "workspace_id = $1 AND " + where}
		again, err := p.run(ctx, c, "workspace_id = $1 AND ", append([]any{workspace}, args...)...)
		more = more || again
		return err
	}
	if err := run("id < $2", NewAttemptID(oldest)); err != nil {
		return false, err
	}
	type end struct {
		connection string
		loose, any *string
	}
	var ends []end
	if err := each(ctx, c, func(r Rows) error {
		var e end
		err := r.Scan(&e.connection, &e.loose, &e.any)
		ends = append(ends, e)
		return err
	}, looseEnd, workspace, looseAttempts, keptAttempts); err != nil {
		return false, err
	}
	for _, e := range ends {
		if e.loose != nil {
			if err := run("connection_id = $2 AND id <= $3 AND loose", e.connection, *e.loose); err != nil {
				return false, err
			}
		}
		if e.any != nil {
			if err := run("connection_id = $2 AND id <= $3", e.connection, *e.any); err != nil {
				return false, err
			}
		}
	}
	return more, nil
}

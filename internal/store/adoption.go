package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Adoption is one meeting of a directory's POST with a member whom the directory does not own.
type Adoption struct {
	ID        string // "ado_..."
	Directory string
	Member    string
	Claim     string // who the directory says it is, as one key
	// What the directory said last.
	UserName, ExternalID, Address, Name string
	Active                              bool
	Reason                              string // why it waits, or by what it was certain
	State                               AdoptionState
	Seen                                string // what the decision was made about
	Attempts                            int
	FirstAt, LastAt                     time.Time
	DecidedAt                           time.Time // zero while nobody decided
	DecidedBy                           string    // by name
	User                                string    // the SCIM id that adopted, or ""
	Before                              string    // the member before the adoption, JSON
}

// AdoptionState is where a meeting stands.
type AdoptionState string

const (
	AdoptionWaiting AdoptionState = "waiting"
	// AdoptionAllowed takes effect at the directory's next POST.
	AdoptionAllowed AdoptionState = "allowed"
	AdoptionRefused AdoptionState = "refused"
	AdoptionAdopted AdoptionState = "adopted"
	AdoptionUndone  AdoptionState = "undone"
	// AdoptionOver is one behind which another adoption of the same member stands.
	AdoptionOver AdoptionState = "over"
)

// MaxAdoptions is how many meetings of one directory are kept that are waiting, allowed or refused.
const MaxAdoptions = 1000

const adoptionColumns = `a.id, a.directory_id, a.member_id, a.claim, a.user_name, a.external_id, a.address, a.name, a.active, a.reason, a.state, a.seen,
	a.attempts, a.first_at, a.last_at, a.decided_at, a.decided_by, a.scim_user_id, a.before`

func (tx *Tx) adoptions(query string, args ...any) ([]Adoption, error) {
	var out []Adoption
	err := tx.each(func(r Rows) error {
		var a Adoption
		var state string
		var attempts, first, last int64
		var decided *int64
		if err := r.Scan(&a.ID, &a.Directory, &a.Member, &a.Claim, &a.UserName, &a.ExternalID, &a.Address, &a.Name, &a.Active, &a.Reason, &state, &a.Seen,
			&attempts, &first, &last, &decided, &a.DecidedBy, &a.User, &a.Before); err != nil {
			return err
		}
		a.State, a.Attempts = AdoptionState(state), int(attempts)
		a.FirstAt, a.LastAt, a.DecidedAt = instant(first), instant(last), maybeInstant(decided)
		out = append(out, a)
		return nil
	}, query, args...)
	return out, err
}

// LockAdoptions holds the queue of a directory. It is taken in a transaction that takes no other lock.
func (tx *Tx) LockAdoptions(directoryID string) error {
	return tx.lock("adoptions "+directoryID, false)
}

const adoptionByClaim = `
	SELECT ` + adoptionColumns + ` FROM adoption a
	WHERE  a.workspace_id = $1 AND a.directory_id = $2 AND a.member_id = $3 AND a.claim = $4 AND a.state IN ('waiting', 'allowed', 'refused')`

// AdoptionByClaim returns what waits or was decided about a directory, a member and a claim, or nil.
func (tx *Tx) AdoptionByClaim(directoryID, member, claim string) (*Adoption, error) {
	return oneAdoption(tx.adoptions(adoptionByClaim, tx.workspace, directoryID, member, claim))
}

func oneAdoption(found []Adoption, err error) (*Adoption, error) {
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

const adoptionByID = `SELECT ` + adoptionColumns + ` FROM adoption a WHERE a.workspace_id = $1 AND a.id = $2`

// Adoption returns a meeting by id: errs.KindNotFound, "adoption_unknown".
func (tx *Tx) Adoption(id string) (*Adoption, error) {
	a, err := oneAdoption(tx.adoptions(adoptionByID, tx.workspace, id))
	if err == nil && a == nil {
		return nil, errs.NotFound("adoption_unknown", "There is no such decision.")
	}
	return a, err
}

const adoptedMember = `
	SELECT ` + adoptionColumns + ` FROM adoption a WHERE a.workspace_id = $1 AND a.member_id = $2 AND a.state = 'adopted'`

// AdoptionOf returns the adoption by which a member came to the directory that owns them, or nil.
func (tx *Tx) AdoptionOf(member string) (*Adoption, error) {
	return oneAdoption(tx.adoptions(adoptedMember, tx.workspace, member))
}

const adoptionUndone = `
	SELECT COUNT(*) FROM adoption WHERE workspace_id = $1 AND member_id = $2 AND state = 'undone' AND directory_id = $3`

// AdoptionWasUndone reports whether an adoption of a member by a directory was undone.
func (tx *Tx) AdoptionWasUndone(directoryID, member string) (bool, error) {
	var n int64
	_, err := tx.one([]any{&n}, adoptionUndone, tx.workspace, member, directoryID)
	return n > 0, err
}

const adoptionsByState = `
	SELECT ` + adoptionColumns + ` FROM adoption a
	WHERE  a.workspace_id = $1 AND a.state = $2 ORDER BY a.last_at DESC, a.id DESC LIMIT $3`

// Adoptions lists the meetings in a state, the one heard of last first.
func (tx *Tx) Adoptions(state AdoptionState, limit int) ([]Adoption, error) {
	return tx.adoptions(adoptionsByState, tx.workspace, string(state), limit)
}

const countAdoptions = `SELECT COUNT(*) FROM adoption WHERE workspace_id = $1 AND state = 'waiting'`

// AdoptionsWaiting counts what waits for a decision.
func (tx *Tx) AdoptionsWaiting() (int, error) {
	var n int64
	_, err := tx.one([]any{&n}, countAdoptions, tx.workspace)
	return int(n), err
}

const adoptionsOfDirectory = `
	SELECT COUNT(*), COUNT(CASE WHEN member_id = $3 THEN 1 END) FROM adoption
	WHERE  workspace_id = $1 AND directory_id = $2 AND state IN ('waiting', 'allowed', 'refused')`

// CountAdoptions counts the meetings of a directory that are waiting, allowed or refused, and those of them
// with one member.
func (tx *Tx) CountAdoptions(directoryID, member string) (all, ofMember int, err error) {
	var a, m int64
	_, err = tx.one([]any{&a, &m}, adoptionsOfDirectory, tx.workspace, directoryID, member)
	return int(a), int(m), err
}

const insertAdoption = `
	INSERT INTO adoption (workspace_id, id, directory_id, member_id, claim, user_name, external_id, address, name, active, reason, state, seen,
		attempts, first_at, last_at, decided_at, decided_by, scim_user_id, before)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16, $17, $18, $19)`

// InsertAdoption adds a meeting; FirstAt and LastAt are now.
func (tx *Tx) InsertAdoption(a *Adoption) {
	tx.change("adoption")
	tx.unique("adoption_claim", "adoption.claim", errRerun)
	tx.later(insertAdoption, tx.workspace, a.ID, a.Directory, a.Member, a.Claim, a.UserName, a.ExternalID, a.Address, clean(a.Name), a.Active, a.Reason,
		string(a.State), a.Seen, a.Attempts, micros(tx.now), maybeMicros(a.DecidedAt), a.DecidedBy, a.User, a.Before)
}

const updateAdoption = `
	UPDATE adoption SET reason = $3, state = $4, seen = $5, decided_at = $6, decided_by = $7, scim_user_id = $8, before = $9, active = $10, name = $11,
		address = $12
	WHERE  workspace_id = $1 AND id = $2`

// UpdateAdoption saves what is decided about a meeting and what the directory said last.
func (tx *Tx) UpdateAdoption(a *Adoption) {
	tx.change("adoption")
	tx.later(updateAdoption, tx.workspace, a.ID, a.Reason, string(a.State), a.Seen, maybeMicros(a.DecidedAt), a.DecidedBy, a.User, a.Before, a.Active,
		clean(a.Name), a.Address)
}

const touchAdoption = `UPDATE adoption SET attempts = attempts + 1, last_at = $3 WHERE workspace_id = $1 AND id = $2`

// TouchAdoption notes that the directory asked once more. The refusal of the request is the event.
func (tx *Tx) TouchAdoption(id string) { tx.later(touchAdoption, tx.workspace, id, micros(tx.now)) }

const endAdoptions = `UPDATE adoption SET state = 'over', before = '' WHERE workspace_id = $1 AND member_id = $2 AND state = 'adopted'`

const settleAdoptions = `
	DELETE FROM adoption WHERE workspace_id = $1 AND directory_id = $2 AND member_id = $3 AND id <> $4 AND state IN ('waiting', 'allowed', 'refused')`

// EndAdoptions notes that a directory adopts a member by the meeting with id: earlier adoptions of the member
// cannot be undone any more, and other meetings of the two are settled.
func (tx *Tx) EndAdoptions(directoryID, member, id string) {
	tx.change("adoption")
	tx.later(endAdoptions, tx.workspace, member)
	tx.later(settleAdoptions, tx.workspace, directoryID, member, id)
}

const dropIdentity = `DELETE FROM identity WHERE workspace_id = $1 AND connection_id = $2 AND subject = $3 AND member_id = $4`

// DropIdentity takes a sign-in link away.
func (tx *Tx) DropIdentity(i Identity) {
	tx.change("sign-in link")
	tx.later(dropIdentity, tx.workspace, i.Connection, i.Subject, i.Member)
}

const dropClaims = `DELETE FROM claim WHERE workspace_id = $1 AND member_id = $2 AND connection_id = $3`

// DropClaims forgets what a connection asserted of a member.
func (tx *Tx) DropClaims(member, connection string) {
	tx.change("group claims")
	tx.later(dropClaims, tx.workspace, member, connection)
}

// DecodeBefore reads Before into v.
func (a *Adoption) DecodeBefore(v any) error {
	if err := json.NewDecoder(strings.NewReader(a.Before)).Decode(v); err != nil {
		return fmt.Errorf("the member before the adoption %s: %w", a.ID, err)
	}
	return nil
}

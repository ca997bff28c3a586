package provision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What waits for a decision. It is kept with the refusal of the POST, once for each directory, member and
// claim, and is bounded: whoever has a directory's token cannot fill a disk with it, nor hide one
// meeting among many.

// WhereDecided is where an owner is to look, in the words of the console.
const WhereDecided = "Settings → SSO & SCIM → Waiting for a decision"

// maxClaims is how many claims of one directory to one member are kept.
const maxClaims = 10

// waiting is the refusal of a create that people have to decide about.
type waiting struct {
	err    error
	row    store.Adoption
	member directory.Member
}

func (w *waiting) Error() string { return w.err.Error() }

// Unwrap returns what the directory is told.
func (w *waiting) Unwrap() error { return w.err }

// leaveWaiting makes of a refusal that waits one that leaves its row in the queue; others are as they were.
func leaveWaiting(scope Scope, err error) error {
	var w *waiting
	if !errors.As(err, &w) {
		return err
	}
	return store.Refuse(err, func(tx *store.Tx) error { return w.keep(tx, scope) })
}

// claimOf is one key of who a directory says that a person is.
func claimOf(p Person) string {
	return hashed(directory.Fold(p.UserName), p.ExternalID, directory.Fold(p.address()))
}

// seenOf is one key of all that a decision is about: what the directory says, and what the member is.
func seenOf(a *store.Adoption, m *directory.Member) string {
	return hashed(a.Claim, boolText(a.Active), m.ID, m.Email, m.Role, m.ManualRole, m.Directory, m.Sources.String(), string(m.Stage), boolText(m.BreakGlass))
}

func hashed(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:12])
}

// asked returns the decision that allows a meeting, which is the directory's to use now, or refuses.
func (f *feed) asked(tx *store.Tx, u *store.SCIMUser, p Person, x directory.Meeting, why string) (*store.Adoption, error) {
	m := x.Member
	row := store.Adoption{Directory: f.dir.ID, Member: m.ID, Claim: claimOf(p), UserName: p.UserName, ExternalID: p.ExternalID,
		Address: p.address(), Name: p.name(), Active: u.Active, Reason: why, State: store.AdoptionWaiting}
	had, err := tx.AdoptionByClaim(row.Directory, row.Member, row.Claim)
	switch {
	case err != nil:
		return nil, err
	case had == nil:
		full, err := queueFull(tx, row)
		if err != nil {
			return nil, err
		}
		if full {
			return nil, errs.Conflict("adoption_queue_full", "%s is a member of this workspace already. Too many such people of this directory wait for a decision: an owner decides about them in %s, then send this one again.", p.UserName, WhereDecided)
		}
	case had.State == store.AdoptionAllowed && had.Seen == seenOf(&row, m):
		return had, nil
	case had.State == store.AdoptionRefused:
		return nil, &waiting{errs.Conflict("adoption_refused",
			"%s is a member of this workspace already, and it was decided that this directory does not get them. The decision can be changed in %s.", p.UserName, WhereDecided), row, *m}
	}
	return nil, &waiting{errs.Conflict("adoption_waits",
		"%s is a member of this workspace already. Whether this directory gets them is decided in %s; then send this person again.", p.UserName, WhereDecided), row, *m}
}

func queueFull(tx *store.Tx, row store.Adoption) (bool, error) {
	all, ofMember, err := tx.CountAdoptions(row.Directory, row.Member)
	return all >= store.MaxAdoptions || ofMember >= maxClaims, err
}

// keep puts the meeting into the queue, or notes that it came again. A decision that was about something else
// by now is open again. The member may have changed since the refusal: who decides is shown them as
// they are then.
func (w *waiting) keep(tx *store.Tx, scope Scope) error {
	if err := tx.LockAdoptions(w.row.Directory); err != nil {
		return err
	}
	had, err := tx.AdoptionByClaim(w.row.Directory, w.row.Member, w.row.Claim)
	if err != nil {
		return err
	}
	e := scope.event(audit.AdoptionWaiting, memberParty(&w.member), audit.Change{Field: "user_name", To: w.row.UserName},
		audit.Change{Field: "email", To: w.row.Address})
	e.Reason, e.Payload = w.row.Reason, nil // the refused request has its own event, with the payload
	if had == nil {
		if full, err := queueFull(tx, w.row); err != nil || full {
			return err
		}
		w.row.ID, w.row.Attempts = keys.ID("ado_", tx.Now()), 1
		tx.InsertAdoption(&w.row)
		return tx.Record(e)
	}
	tx.TouchAdoption(had.ID)
	again := had.State == store.AdoptionAllowed && had.Seen != seenOf(&w.row, &w.member)
	if !again && had.Active == w.row.Active && had.Reason == w.row.Reason {
		return nil
	}
	had.Active, had.Reason, had.Name, had.Address = w.row.Active, w.row.Reason, w.row.Name, w.row.Address
	if again {
		had.State, had.Seen, had.DecidedBy = store.AdoptionWaiting, "", ""
		had.DecidedAt = time.Time{}
		e.Reason = "changed_meanwhile"
	}
	tx.UpdateAdoption(had)
	return tx.Record(e)
}

// noteAdoption keeps how a directory came to own m, and what m was before.
func (f *feed) noteAdoption(tx *store.Tx, u *store.SCIMUser, p Person, m *directory.Member, why string, was formerly, row *store.Adoption) error {
	before, err := json.Marshal(was)
	if err != nil {
		return err
	}
	fresh := row == nil
	if fresh {
		row = &store.Adoption{ID: keys.ID("ado_", tx.Now()), Directory: f.dir.ID, Member: m.ID, Claim: claimOf(p), UserName: p.UserName,
			ExternalID: p.ExternalID, Attempts: 1, Reason: why}
	}
	row.State, row.User, row.Before, row.Active = store.AdoptionAdopted, u.ID, string(before), u.Active
	row.Name, row.Address, row.Reason = p.name(), p.address(), why
	tx.EndAdoptions(f.dir.ID, m.ID, row.ID)
	if fresh {
		tx.InsertAdoption(row)
	} else {
		tx.UpdateAdoption(row)
	}
	return nil
}

// addressOf is the address that a directory's word gives m. What it said when it adopted m changes nothing,
// however often it says it again: adoption never rewrites an address (law 6). Another address counts, and forget
// keeps that it was said.
func (f *feed) addressOf(tx *store.Tx, m *directory.Member, said string) (address string, forget func() error, err error) {
	forget = func() error { return nil }
	if said == m.Email {
		return said, forget, nil
	}
	row, err := tx.AdoptionOf(m.ID)
	switch {
	case err != nil:
		return "", forget, err
	case row == nil || row.Directory != f.dir.ID || row.Address == "":
		return said, forget, nil
	case directory.Fold(row.Address) == directory.Fold(said):
		return m.Email, forget, nil
	}
	return said, func() error {
		row.Address = ""
		tx.UpdateAdoption(row)
		return nil
	}, nil
}

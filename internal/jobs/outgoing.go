package jobs

import (
	"context"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// What becomes of a letter that was not sent yet.
const (
	LetterWaiting = "waiting"  // it is tried, or tried again
	LetterSending = "sending"  // at this moment
	LetterGivenUp = "given_up" // until somebody has it tried again
)

// Outgoing is a letter that was not sent yet, as people are shown it. What it says is not shown: it may be somebody's way in.
type Outgoing struct {
	ID        string    `json:"id"`
	Letter    string    `json:"letter"` // its kind: "invitation", "password"
	Member    string    `json:"member"` // id of whom it is to, "" where that is found out when it is written
	To        string    `json:"to"`     // their address now
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	LastError string    `json:"last_error"` // what the mail server said
	CreatedAt time.Time `json:"created_at"`
	NextAt    time.Time `json:"next_at"` // of the next try; zero for one that was given up
}

// Outbox lists letters of a workspace that were not sent yet, newest first: limit at most, of those before the id.
func Outbox(ctx context.Context, db *store.DB, workspace, before string, limit int) ([]Outgoing, error) {
	out := []Outgoing{}
	err := db.Read(ctx, workspace, func(tx *store.Tx) error {
		out = out[:0]
		letters, err := tx.Letters(before, limit)
		if err != nil {
			return err
		}
		var ids []string
		for _, l := range letters {
			ids = append(ids, l.Member)
		}
		members, err := tx.Members(ids)
		if err != nil {
			return err
		}
		addresses := map[string]string{}
		for _, m := range members {
			addresses[m.ID] = m.Email
		}
		for _, l := range letters {
			o := Outgoing{ID: l.ID, Letter: strings.TrimPrefix(l.Kind, store.MailKind), Member: l.Member, To: addresses[l.Member], State: LetterWaiting,
				Attempts: l.Attempts, LastError: l.LastError, CreatedAt: l.CreatedAt, NextAt: l.NextAt}
			switch {
			case !l.DeadAt.IsZero():
				o.State, o.NextAt = LetterGivenUp, time.Time{}
			case l.Busy:
				o.State = LetterSending
			}
			out = append(out, o)
		}
		return nil
	})
	return out, err
}

// RetryLetter has a letter tried again at once, as somebody's act.
func RetryLetter(ctx context.Context, db *store.DB, workspace, id string, by audit.Party) error {
	return onLetter(ctx, db, workspace, id, by, audit.MailRetried, (*store.Tx).RetryLetter)
}

// DiscardLetter throws a letter away unsent, as somebody's act. A member throws away none that is to somebody whose role they
// could not give (errs.KindForbidden): owners are warned by letters, of what others do too.
func DiscardLetter(ctx context.Context, db *store.DB, workspace, id string, by audit.Party) error {
	return onLetter(ctx, db, workspace, id, by, audit.MailDiscarded, func(tx *store.Tx, id string) (bool, error) {
		if err := mayDiscard(tx, id, by); err != nil {
			return false, err
		}
		return tx.DiscardLetter(id)
	})
}

func mayDiscard(tx *store.Tx, id string, by audit.Party) error {
	if by.Kind != "member" {
		return nil
	}
	if err := tx.LockPolicy(); err != nil {
		return err
	}
	cfg, err := tx.Config()
	if err != nil {
		return err
	}
	// The newest of those up to the id is the one with it, or there is none.
	letters, err := tx.Letters(id+"~", 1)
	if err != nil || len(letters) == 0 || letters[0].ID != id {
		return err
	}
	people, err := tx.Members([]string{by.ID, letters[0].Member})
	if err != nil {
		return err
	}
	var own, theirs directory.Role
	in := false
	for _, m := range people {
		role, _ := cfg.Roles.ByID(m.Role)
		if m.ID == by.ID {
			own, in = role, m.In()
		}
		if m.ID == letters[0].Member {
			theirs = role
		}
	}
	if !in {
		return errs.Forbidden("permission_missing", "You are no member of this workspace any more.")
	}
	if err := own.CheckMay(directory.PermissionMembers); err != nil || theirs.ID == "" {
		return err
	}
	return own.CheckGives(theirs)
}

func onLetter(ctx context.Context, db *store.DB, workspace, id string, by audit.Party, did audit.Type, do func(*store.Tx, string) (bool, error)) error {
	return db.Write(ctx, workspace, func(tx *store.Tx) error {
		found, err := do(tx, id)
		if err != nil {
			return err
		}
		if !found {
			return errs.NotFound("letter_unknown", "There is no letter %s that waits: it was sent, or is being sent at this moment.", id)
		}
		return tx.Record(audit.Event{Type: did, Actor: by, Subject: audit.Party{Kind: "letter", ID: id}})
	})
}

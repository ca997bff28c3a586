package provision

import (
	"context"
	"errors"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Rehearsal is what an arrival would come to.
type Rehearsal struct {
	// Member is as they would be afterwards: role, reason, address. nil where nobody is known whom a refusal is about.
	Member *directory.Member
	New    bool     // the sign-in would make them
	Role   string   // its name
	Groups []string // of the member, by name
	// Refused is why they would be turned away, nil where they would be let in. The connection's own status does not count.
	Refused error
}

// errRehearsed ends the transaction of a rehearsal, which must not commit.
var errRehearsed = errors.New("rehearsed")

// Rehearse does what Arrive does in a transaction of its own that never commits: nobody is made or changed, linked or
// recorded. It works whatever the status of the connection, which is how a draft is tested.
func Rehearse(ctx context.Context, db *store.DB, workspace string, a Arrival) (*Rehearsal, error) {
	var out Rehearsal
	err := db.Write(ctx, workspace, func(tx *store.Tx) error {
		out = Rehearsal{}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, made, err := arrive(tx, cfg, a, true)
		if err == nil {
			err = SignedIn(tx, cfg, m)
		}
		switch errs.KindOf(err) {
		case errs.KindForbidden, errs.KindConflict, errs.KindInvalid:
			out.Member, out.Refused = m, err
			return errRehearsed
		}
		if err != nil {
			return err
		}
		out.Member, out.New = m, made
		if role, ok := cfg.Roles.ByID(m.Role); ok {
			out.Role = role.Name
		}
		// Reading sends what was queued: what the database says no to is heard here.
		if out.Groups, err = tx.GroupNames(m.ID); err != nil {
			return err
		}
		return errRehearsed
	})
	if !errors.Is(err, errRehearsed) {
		if err == nil {
			err = errors.New("it was committed")
		}
		return nil, fmt.Errorf("rehearse sign-in: %w", err)
	}
	return &out, nil
}

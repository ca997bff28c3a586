package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobRelaxationOver is the kind of job that ends a relaxation when its time is over.
const JobRelaxationOver = "enforcement.relaxation_over"

type relaxationOver struct {
	Until time.Time `json:"until"`
}

// Relax lets enforcement go for directory.RelaxFor, on behalf of a session: it must be live and opened by emergency access
// (directory.CheckRelax). Every owner is told. It returns when it ends.
func (s *Service) Relax(ctx context.Context, slug string, session string, actor audit.Party) (until time.Time, err error) {
	err = s.deciding(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error {
		e := cfg.Workspace.Enforcement
		emergency, err := emergencySession(tx, actor.ID, session)
		if err != nil {
			return err
		}
		// Who has the designation now counts, and not who had it when the session began.
		m, err := tx.BreakGlass(cfg.Roles.Owner().ID)
		if err != nil {
			return err
		}
		if err := directory.CheckRelax(e, emergency && m != nil && m.ID == actor.ID, tx.Now()); err != nil {
			return err
		}
		until = tx.Now().Add(directory.RelaxFor)
		e.Relaxed = &directory.Relaxation{Since: tx.Now(), Until: until, By: actor.ID}
		w := cfg.Workspace
		w.Enforcement = e
		if err := tx.UpdateWorkspace(w); err != nil {
			return err
		}
		if err := jobs.Enqueue(tx, JobRelaxationOver, relaxationOver{until}, until); err != nil {
			return err
		}
		since := tx.Now()
		if err := s.tellOwners(tx, cfg, func(to letter.To) letter.Letter {
			return letter.Relaxed(to, actor.Name, since, until, enforcementPage(cfg))
		}); err != nil {
			return err
		}
		return tx.Record(audit.Event{Type: audit.EnforcementRelaxed, Actor: actor, Reason: "emergency_access", Subject: workspaceParty(cfg),
			Changes: []audit.Change{{Field: "until", To: until.UTC().Format(time.RFC3339)}}})
	})
	return until, err
}

// emergencySession reports whether a session lives, is the member's and was opened by emergency access.
func emergencySession(tx *store.Tx, member, session string) (bool, error) {
	live, err := tx.Sessions(member)
	if err != nil {
		return false, err
	}
	for _, s := range live {
		if s.ID == session {
			return s.BreakGlass, nil
		}
	}
	return false, nil
}

// Resume ends a relaxation at once, with the sessions and links that it gave. Where there is none nothing is changed.
func (s *Service) Resume(ctx context.Context, slug string, actor audit.Party) error {
	return s.deciding(ctx, slug, func(tx *store.Tx, cfg *directory.Config) error { return s.resume(tx, cfg, "by_hand", actor) })
}

func (s *Service) resume(tx *store.Tx, cfg *directory.Config, reason string, actor audit.Party) error {
	w := cfg.Workspace
	if w.Enforcement.Relaxed == nil {
		return nil
	}
	w.Enforcement.Relaxed = nil
	if err := tx.UpdateWorkspace(w); err != nil {
		return err
	}
	return s.endRelaxation(tx, cfg, reason, actor)
}

// tellOwners puts a letter to every owner into the outbox of the transaction that does what it tells: each is sent once.
// Where no mail can be sent the event log tells of it, and the banner of every page.
func (s *Service) tellOwners(tx *store.Tx, cfg *directory.Config, write func(letter.To) letter.Letter) error {
	if !s.Mail {
		return nil
	}
	return jobs.ToOwners(tx, cfg, "", "", write)
}

// enforcementPage is where enforcement is looked at.
func enforcementPage(cfg *directory.Config) string {
	return "/console/" + url.PathEscape(cfg.Workspace.Slug) + "/enforcement"
}

// RelaxationHandler ends relaxations whose time is over.
func (s *Service) RelaxationHandler() jobs.Handler {
	return jobs.Handler{Do: func(ctx context.Context, j store.Job) error {
		var over relaxationOver
		if err := json.Unmarshal([]byte(j.Body), &over); err != nil {
			return jobs.Permanent(fmt.Errorf("read the end of a relaxation: %w", err))
		}
		err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error {
			if err := tx.LockPolicy(); err != nil {
				return err
			}
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			// It may have ended by hand, and another have begun since.
			if r := cfg.Workspace.Enforcement.Relaxed; r == nil || !r.Until.Equal(over.Until) {
				return nil
			}
			return s.resume(tx, cfg, "time_is_over", audit.Party{Kind: "system"})
		})
		if errs.Is(err, errs.KindNotFound) {
			return nil // the workspace is gone
		}
		return err
	}}
}

package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobImport is the kind of the jobs that carry out a list, some rows at a time.
const JobImport = "import"

// importStep is the body of such a job: the rows behind a line are next. A step that was done already is passed over,
// so that a job that comes twice does nothing twice.
type importStep struct {
	Import string `json:"import"`
	Cursor int    `json:"cursor"`
}

// StartImport carries out exactly the plan that word names, in the background. A plan that has moved since is made anew
// and not started: errs.KindConflict, "plan_changed".
func (s *Service) StartImport(ctx context.Context, scope Scope, id, word string) (Import, error) {
	if !s.Mail {
		return Import{}, errNoMail
	}
	var out Import
	var ignored []string
	errMoved := errs.Conflict("plan_changed", "What the list would do has changed since it was planned: somebody was invited or changed meanwhile. Look at the plan again.")
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		i, err := ours(tx, scope, id)
		if err != nil {
			return err
		}
		p := newRoll()
		if p.hand, err = handOf(tx, cfg, scope, directory.PermissionMembers); err != nil {
			return refusedAct(scope, &directory.Member{}, err)
		}
		if i.State != ImportPlanned {
			return errs.Conflict("import_started", "The list was started already.")
		}
		was, err := importOf(i)
		if err != nil {
			return err
		}
		ignored = was.Ignored
		for after := 0; ; {
			rows, err := tx.ImportRows(id, after, importPage, "")
			if err != nil {
				return err
			}
			f, err := factsOf(tx, rows)
			if err != nil {
				return err
			}
			p.page(tx.Now(), rows, f)
			if len(rows) < importPage {
				break
			}
			after = rows[len(rows)-1].Line
		}
		if plan := p.done(ignored); plan.Word != was.Word || word != was.Word {
			return errMoved
		}
		i.State = ImportRunning
		tx.UpdateImport(i)
		out = was
		out.State = ImportRunning
		if err := tx.Record(importEvent(scope, audit.ImportStarted, i.ID, was)); err != nil {
			return err
		}
		return jobs.Enqueue(tx, JobImport, importStep{id, 0}, tx.Now())
	})
	if errs.CodeOf(err) == "plan_changed" {
		if _, planErr := s.PlanImport(ctx, scope, id, ignored); planErr != nil {
			return Import{}, errors.Join(err, planErr)
		}
	}
	return out, err
}

func importEvent(scope Scope, t audit.Type, id string, i Import) audit.Event {
	e := scope.event(t, audit.Party{Kind: "import", ID: id})
	e.Changes = []audit.Change{{Field: "people", To: fmt.Sprint(i.People)}, {Field: "invitations", To: fmt.Sprint(i.Seats)}}
	return e
}

// importBatch is how many rows one transaction carries out: people of the workspace wait for it.
const importBatch = 100

// ImportHandler carries out lists.
func (s *Service) ImportHandler() jobs.Handler {
	return jobs.Handler{Do: func(ctx context.Context, j store.Job) error {
		var step importStep
		if err := json.Unmarshal([]byte(j.Body), &step); err != nil {
			return jobs.Permanent(fmt.Errorf("read import: %w", err))
		}
		err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error { return s.importStep(tx, step) })
		if errs.Is(err, errs.KindNotFound) {
			return nil // it was thrown away
		}
		return err
	}}
}

// importStep carries out some rows and enqueues the next step with them, so that whoever is killed has lost nothing and
// done nothing twice.
func (s *Service) importStep(tx *store.Tx, step importStep) error {
	if err := tx.LockPeople(nil, true); err != nil {
		return err
	}
	cfg, err := tx.Config()
	if err != nil {
		return err
	}
	i, err := tx.Import(step.Import)
	if err != nil {
		return err
	}
	if i.State != ImportRunning || i.Cursor != step.Cursor {
		return nil
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: i.Actor}
	h, err := handOf(tx, cfg, scope, directory.PermissionMembers)
	if errs.Is(err, errs.KindForbidden) {
		return stopImport(tx, scope, i, "Whoever started it may not manage people any more.")
	} else if err != nil {
		return err
	}
	rows, err := tx.ImportRows(i.ID, i.Cursor, importBatch, "")
	if err != nil {
		return err
	}
	f, err := factsOf(tx, rows)
	if err != nil {
		return err
	}
	for _, r := range rows {
		i.Cursor = r.Line
		if !acts(r.Outcome) {
			continue
		}
		if err := h.carryOut(tx, scope, i, r, f); err != nil {
			return err
		}
	}
	if len(rows) == importBatch {
		tx.UpdateImport(i)
		return jobs.Enqueue(tx, JobImport, importStep{i.ID, i.Cursor}, tx.Now())
	}
	i.State = ImportDone
	tx.UpdateImport(i)
	e := scope.event(audit.ImportFinished, audit.Party{Kind: "import", ID: i.ID})
	e.Changes = []audit.Change{{Field: "invited", To: fmt.Sprint(i.Done)}}
	return tx.Record(e)
}

// carryOut invites the person of one row, unless what was planned is no longer so.
func (h hand) carryOut(tx *store.Tx, scope Scope, i *store.Import, r store.ImportRow, f facts) error {
	c, outcome, err := h.decideRow(tx.Now(), r, f)
	switch {
	case err != nil && refusal(err):
		r.Outcome, r.Reason, r.Detail = RowChanged, errs.CodeOf(err), err.Error()
	case err != nil:
		return err
	case string(outcome) != r.Outcome:
		r.Outcome, r.Reason, r.Detail = RowChanged, "plan_changed", "This person was changed since the list was planned."
	default:
		if err := sendInvitation(tx, h.cfg, scope, c); err != nil {
			return err
		}
		r.Outcome, r.Member = RowInvited, c.after.ID
		i.Done++
	}
	tx.SettleImportRow(i.ID, r)
	return nil
}

func refusal(err error) bool {
	switch errs.KindOf(err) {
	case errs.KindInvalid, errs.KindConflict, errs.KindForbidden:
		return true
	}
	return false
}

func stopImport(tx *store.Tx, scope Scope, i *store.Import, why string) error {
	i.State, i.Note = ImportStopped, why
	tx.UpdateImport(i)
	e := scope.event(audit.ImportFinished, audit.Party{Kind: "import", ID: i.ID}, audit.Change{Field: "invited", To: fmt.Sprint(i.Done)})
	e.Outcome, e.Reason = audit.Refused, "stopped"
	return tx.Record(e)
}

// DiscardImport throws a list away that was not started, and stops one that is being carried out: what was done stays.
func (s *Service) DiscardImport(ctx context.Context, scope Scope, id string) error {
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		if _, err := handOf(tx, cfg, scope, directory.PermissionMembers); err != nil {
			return refusedAct(scope, &directory.Member{}, err)
		}
		i, err := tx.Import(id)
		if err != nil {
			return err
		}
		switch i.State {
		case ImportRunning:
			return stopImport(tx, scope, i, "Stopped by "+scope.Actor.Name+".")
		case ImportReading, ImportPlanned:
			tx.DeleteImport(id)
			return nil
		}
		return errs.Conflict("import_over", "The list is over.")
	})
}

package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/roster"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// The life of a list of people to invite.
const (
	ImportReading = "reading"
	ImportPlanned = "planned" // nothing was done yet
	ImportRunning = "running"
	ImportDone    = "done"
	ImportStopped = "stopped" // part of it was done
)

// What becomes of a row, beside InviteNew, InviteAgain and InviteFresh.
const (
	RowHere      = "here"      // a member, or invited already: nothing is done
	RowDuplicate = "duplicate" // an earlier row has the address
	RowInvalid   = "invalid"
	RowInvited   = "invited" // it was done
	RowChanged   = "changed" // what was planned was no longer so when its turn came, and was not done
)

// ImportPlan is what carrying out a list does.
type ImportPlan struct {
	// Word names exactly this plan: a list is started by it, and not where the plan has moved since.
	Word   string         `json:"word"`
	Counts map[string]int `json:"counts"` // rows by outcome
	// Seats are those that it takes.
	Seats   int      `json:"seats"`
	Ignored []string `json:"ignored,omitempty"` // columns that mean nothing here
}

// Import is a list as it stands.
type Import struct {
	ID    string `json:"id"`
	State string `json:"state"`
	ImportPlan
	People    int       `json:"people"`
	Done      int       `json:"done"` // invitations that were sent off
	By        string    `json:"by"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func importOf(i *store.Import) (Import, error) {
	out := Import{ID: i.ID, State: i.State, People: i.People, Done: i.Done, By: i.Actor.Name, Note: i.Note, CreatedAt: i.CreatedAt}
	if i.Plan != "" {
		if err := json.Unmarshal([]byte(i.Plan), &out.ImportPlan); err != nil {
			return out, fmt.Errorf("plan of %s: %w", i.ID, err)
		}
	}
	return out, nil
}

// ReadImport reads a list and plans it. Nothing comes of it before StartImport. Lists of the workspace that were not
// started are thrown away by it. A file that cannot be read is errs.KindInvalid, "file_invalid".
func (s *Service) ReadImport(ctx context.Context, scope Scope, in io.Reader) (Import, error) {
	list, err := roster.NewReader(in)
	if err != nil {
		return Import{}, unreadable(err)
	}
	id, err := s.BeginImport(ctx, scope)
	if err != nil {
		return Import{}, err
	}
	var rows []roster.Row
	for {
		row, err := list.Next()
		if err == nil {
			rows = append(rows, row)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return Import{}, errors.Join(unreadable(err), s.DiscardImport(context.WithoutCancel(ctx), scope, id))
		}
		if len(rows) == importPage || err != nil && len(rows) > 0 {
			if err := s.AddImportRows(ctx, scope, id, rows); err != nil {
				return Import{}, err
			}
			rows = rows[:0]
		}
		if err != nil {
			return s.PlanImport(ctx, scope, id, list.Ignored)
		}
	}
}

func unreadable(err error) error {
	var file *roster.FileError
	if errors.As(err, &file) {
		return errs.Invalid("file_invalid", "%s", file.Sentence)
	}
	return err
}

// importPage is how many rows are read or planned at once.
const importPage = 500

// BeginImport makes an empty list of whoever acts, in place of others that were not started.
func (s *Service) BeginImport(ctx context.Context, scope Scope) (id string, err error) {
	if !s.Mail {
		return "", errNoMail
	}
	err = s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
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
		before, err := tx.Imports(50)
		if err != nil {
			return err
		}
		for _, i := range before {
			switch i.State {
			case ImportRunning:
				return errs.Conflict("import_running", "Another list is being carried out. Wait until it is done, or stop it.")
			case ImportReading, ImportPlanned:
				tx.DeleteImport(i.ID)
			}
		}
		id = keys.ID("imp_", tx.Now())
		tx.InsertImport(store.Import{ID: id, Actor: scope.Actor, State: ImportReading})
		return nil
	})
	return id, err
}

// ours returns a list that the actor of scope began.
func ours(tx *store.Tx, scope Scope, id string) (*store.Import, error) {
	i, err := tx.Import(id)
	if err == nil && (i.Actor.Kind != scope.Actor.Kind || i.Actor.ID != scope.Actor.ID) {
		err = errs.Conflict("not_your_list", "%s read this list, and its plan is what they may do. Read the file yourself.", i.Actor.Name)
	}
	return i, err
}

// AddImportRows adds rows to a list that is being read.
func (s *Service) AddImportRows(ctx context.Context, scope Scope, id string, rows []roster.Row) error {
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		i, err := ours(tx, scope, id)
		if err != nil {
			return err
		}
		if i.State != ImportReading || i.People+len(rows) > roster.MaxRows {
			return errs.Conflict("import_full", "The list takes no more people.")
		}
		kept := make([]store.ImportRow, len(rows))
		for k, r := range rows {
			in := Invitee{Email: r.Email, Name: r.Name, GivenName: r.GivenName, FamilyName: r.FamilyName, Role: r.Role}.tidy()
			kept[k] = store.ImportRow{Line: r.Line, Email: in.Email, Name: in.Name, GivenName: in.GivenName, FamilyName: in.FamilyName, Role: in.Role}
			if r.Problem != "" {
				kept[k].Outcome, kept[k].Reason, kept[k].Detail = RowInvalid, r.Problem, r.Detail
			}
		}
		tx.InsertImportRows(id, kept)
		i.People += len(rows)
		tx.UpdateImport(i)
		return nil
	})
}

// ListImports returns the lists of a workspace, newest first.
func (s *Service) ListImports(ctx context.Context, scope Scope) (out []Import, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		out = []Import{}
		all, err := tx.Imports(20)
		for _, i := range all {
			one, err := importOf(&i)
			if err != nil {
				return err
			}
			out = append(out, one)
		}
		return err
	})
	return out, err
}

// LookImport returns a list with some of its rows: those behind a line, of one outcome or of all for "".
func (s *Service) LookImport(ctx context.Context, scope Scope, id string, after, limit int, outcome string) (out Import, rows []store.ImportRow, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		i, err := tx.Import(id)
		if err != nil {
			return err
		}
		if out, err = importOf(i); err != nil {
			return err
		}
		rows, err = tx.ImportRows(id, after, limit, outcome)
		return err
	})
	return out, rows, err
}

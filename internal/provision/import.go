package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
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
		if _, err := handOf(tx, cfg, scope); err != nil {
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

// roll computes what becomes of rows, in order.
type roll struct {
	hand
	seen map[string]int // line of each address
	sum  hash.Hash
	plan ImportPlan
}

func newRoll() *roll {
	return &roll{seen: map[string]int{}, sum: sha256.New(), plan: ImportPlan{Counts: map[string]int{}}}
}

// facts are what the database says of the addresses of some rows.
type facts struct {
	holders map[string]directory.Member
	foreign map[string]bool
}

func factsOf(tx *store.Tx, rows []store.ImportRow) (f facts, err error) {
	var addresses, domains []string
	for _, r := range rows {
		addresses, domains = append(addresses, r.Email), append(domains, directory.Domain(r.Email))
	}
	if f.holders, err = tx.HoldersOf(addresses); err != nil {
		return f, err
	}
	f.foreign, err = tx.ForeignDomains(domains)
	return f, err
}

// decideRow is what inviting the person of a row does.
func (h hand) decideRow(now time.Time, r store.ImportRow, f facts) (change, InviteOutcome, error) {
	var before *directory.Member
	if m, ok := f.holders[directory.Fold(r.Email)]; ok {
		before = &m
	}
	return h.decideInvitation(now, Invitee{Email: r.Email, Name: r.Name, GivenName: r.GivenName, FamilyName: r.FamilyName, Role: r.Role}, before, f.foreign[directory.Domain(r.Email)])
}

// page plans rows. What was wrong with a row when it was read stays.
func (p *roll) page(now time.Time, rows []store.ImportRow, f facts) {
	for k := range rows {
		r := &rows[k]
		if !(r.Outcome == RowInvalid && r.Detail != "" && roughly(r.Reason)) {
			r.Outcome, r.Reason, r.Detail, r.Member = "", "", "", ""
			p.row(now, r, f)
		}
		p.plan.Counts[r.Outcome]++
		if acts(r.Outcome) {
			p.plan.Seats++
		}
		fmt.Fprintf(p.sum, "%d\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\n", r.Line, r.Outcome, r.Reason, directory.Fold(r.Email), r.Name, r.Role, r.Member)
	}
}

// roughly reports whether a problem was found when the file was read.
func roughly(reason string) bool {
	switch reason {
	case roster.ProblemFormula, roster.ProblemCells, roster.ProblemTooLong, roster.ProblemText:
		return true
	}
	return false
}

func acts(outcome string) bool {
	switch InviteOutcome(outcome) {
	case InviteNew, InviteAgain, InviteFresh:
		return true
	}
	return false
}

func (p *roll) row(now time.Time, r *store.ImportRow, f facts) {
	address := directory.Fold(r.Email)
	if line, twice := p.seen[address]; twice && r.Email != "" {
		r.Outcome, r.Reason, r.Detail = RowDuplicate, "duplicate", fmt.Sprintf("Line %d has this address already.", line)
		return
	}
	p.seen[address] = r.Line
	c, outcome, err := p.decideRow(now, *r, f)
	switch {
	case err == nil:
		r.Outcome, r.Member = string(outcome), c.before.ID
		if outcome == InviteFresh {
			r.Member = c.after.Replaces
		}
	case errs.Is(err, errs.KindConflict):
		r.Outcome, r.Reason, r.Detail = RowHere, errs.CodeOf(err), err.Error()
	default:
		r.Outcome, r.Reason, r.Detail = RowInvalid, errs.CodeOf(err), fmt.Sprintf("Line %d: %s", r.Line, err)
	}
}

func (p *roll) done(ignored []string) ImportPlan {
	p.plan.Word, p.plan.Ignored = hex.EncodeToString(p.sum.Sum(nil)[:8]), ignored
	return p.plan
}

// PlanImport says what carrying out a list would do, row by row, and does none of it.
func (s *Service) PlanImport(ctx context.Context, scope Scope, id string, ignored []string) (Import, error) {
	p := newRoll()
	for after := 0; ; {
		var rows, planned []store.ImportRow
		var f facts
		if err := s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			if _, err := ours(tx, scope, id); err != nil {
				return err
			}
			if p.hand, err = handOf(tx, cfg, scope); err != nil {
				return err
			}
			if rows, err = tx.ImportRows(id, after, importPage, ""); err != nil {
				return err
			}
			f, err = factsOf(tx, rows)
			return err
		}); err != nil {
			return Import{}, err
		}
		planned = append(planned, rows...)
		p.page(s.DB.Now(), planned, f)
		if err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
			i, err := ours(tx, scope, id)
			if err != nil {
				return err
			}
			if i.State != ImportReading && i.State != ImportPlanned {
				return errs.Conflict("import_started", "The list was started already.")
			}
			for k, r := range planned {
				if r != rows[k] {
					tx.SettleImportRow(id, r)
				}
			}
			return nil
		}); err != nil {
			return Import{}, err
		}
		if len(rows) < importPage {
			break
		}
		after = rows[len(rows)-1].Line
	}
	var out Import
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		i, err := ours(tx, scope, id)
		if err != nil {
			return err
		}
		if i.State != ImportReading && i.State != ImportPlanned {
			return errs.Conflict("import_started", "The list was started already.")
		}
		plan, err := json.Marshal(p.done(ignored))
		if err != nil {
			return err
		}
		i.Plan, i.State = string(plan), ImportPlanned
		tx.UpdateImport(i)
		out, err = importOf(i)
		return err
	})
	return out, err
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
		if p.hand, err = handOf(tx, cfg, scope); err != nil {
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
	h, err := handOf(tx, cfg, scope)
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
		if _, err := handOf(tx, cfg, scope); err != nil {
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

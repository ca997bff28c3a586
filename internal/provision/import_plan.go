package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/roster"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

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
			if p.hand, err = handOf(tx, cfg, scope, directory.PermissionMembers); err != nil {
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

package provision

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
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// ErasePlan is what erasing somebody does, before it is done.
type ErasePlan struct {
	ID     string           `json:"id"`
	Email  string           `json:"email"`
	Name   string           `json:"name"`
	Status directory.Status `json:"status"`
	// Deactivates says that they are in and go out by it.
	Deactivates bool `json:"deactivates"`
	Sessions    int  `json:"sessions"` // that end
	Links       int  `json:"links"`    // of connections, that go
	// Resources are those of directories that are retired: what names them again is somebody new.
	Resources []string `json:"resources"` // names of directories
	Groups    []string `json:"groups"`    // and teams that they are in
}

// PlanErase says what erasing a member would do, and keeps nothing. Refusals are those of Erase.
func (s *Service) PlanErase(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (ErasePlan, error) {
	var plan ErasePlan
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		if err := s.mayErase(tx, cfg, scope, m); err != nil {
			return err
		}
		plan = ErasePlan{ID: m.ID, Email: m.Email, Name: m.Name, Status: m.Status(), Deactivates: m.Sources == 0, Resources: []string{}, Groups: []string{}}
		live, err := tx.Sessions(m.ID)
		if err != nil {
			return err
		}
		links, err := tx.IdentitiesOf(m.ID)
		if err != nil {
			return err
		}
		resources, err := tx.SCIMUsersOfMember(m.ID)
		if err != nil {
			return err
		}
		for _, u := range resources {
			if d, ok := cfg.Directory(u.Directory); ok && u.RetiredAt.IsZero() {
				plan.Resources = append(plan.Resources, d.Name)
			}
		}
		plan.Sessions, plan.Links = len(live), len(links)
		groups, err := tx.GroupNames(m.ID)
		plan.Groups = append(plan.Groups, groups...)
		return err
	})
	return plan, err
}

func (s *Service) mayErase(tx *store.Tx, cfg *directory.Config, scope Scope, m *directory.Member) error {
	if err := notYourself(scope, m, "erase"); err != nil {
		return refusedAct(scope, m, err)
	}
	return s.shield(tx, cfg, scope, m, "erasing them")
}

// eraseLease is for how long whoever searches for traces has the search alone.
const eraseLease = 30 * time.Second

// Erase takes away the personal data of a member for good (row 28). They go out by the one way out first, their
// resources are retired, so that what a directory sends again is somebody new, and the row that stays has the id alone:
// host applications and the log know it. That much is one transaction. What others' data say of them, the log
// above all, is then searched in small steps (EraseStep), most of which are done when Erase returns; a process that
// dies leaves the rest to the next.
func (s *Service) Erase(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
	var done directory.Member
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		if err := s.mayErase(tx, cfg, scope, m); err != nil {
			return err
		}
		marks, err := marksOf(tx, m)
		if err != nil {
			return err
		}
		if m.Sources == 0 {
			c := edit(m, "erased")
			m.Sources = m.Sources.With(directory.SourceOwner)
			if err := save(tx, cfg, scope, c); err != nil {
				return err
			}
		}
		if err := retireAll(tx, cfg, m.ID); err != nil {
			return err
		}
		if err := leavePilots(tx, cfg, marks); err != nil {
			return err
		}
		*m = directory.Member{ID: m.ID, Stage: directory.StageErased, Sources: m.Sources, WasIn: m.WasIn, Role: m.Role,
			RoleReason: directory.RoleReason{Source: directory.RoleByDefault, At: tx.Now()}, Replaces: m.Replaces, CreatedAt: m.CreatedAt}
		tx.EraseMember(m, marks.Resources)
		text, err := json.Marshal(marks)
		if err != nil {
			return err
		}
		tx.InsertErasure(m.ID, string(text), tx.Now().Add(eraseLease))
		done = *m
		return tx.Record(scope.event(audit.MemberErased, memberParty(m)))
	})
	if err != nil {
		return done, err
	}
	// The person is erased, and whoever asked is told so; what is not looked through within their patience is later.
	patient, cancel := context.WithTimeout(context.WithoutCancel(ctx), eraseInline)
	defer cancel()
	if err := s.EraseTraces(patient, scope.Workspace, done.ID); err != nil && patient.Err() == nil && errs.CodeOf(err) != "erasure_moved" {
		return done, fmt.Errorf("search for traces: %w", err)
	}
	return done, nil
}

// eraseInline is how long Erase itself searches.
const eraseInline = 3 * time.Second

// retireAll takes a member's resources out of service, and says so to whom such events go. What they were called there is
// not said.
func retireAll(tx *store.Tx, cfg *directory.Config, member string) error {
	resources, err := tx.SCIMUsersOfMember(member)
	if err != nil {
		return err
	}
	for _, u := range resources {
		if !u.RetiredAt.IsZero() {
			continue
		}
		tx.RetireSCIMUser(u.ID)
		if err := tell(tx, cfg, toldUser(u.ID, ""), EventDeleted); err != nil {
			return err
		}
	}
	return nil
}

// leavePilots takes the member's names off the lists of who takes effect while a directory tests, and out of what the last
// apply is remembered to have left there.
func leavePilots(tx *store.Tx, cfg *directory.Config, marks marks) error {
	changed := false
	for _, d := range cfg.Directories {
		kept := slices.DeleteFunc(slices.Clone(d.Pilot), marks.isName)
		if len(kept) == len(d.Pilot) {
			continue
		}
		d.Pilot = kept
		tx.SaveDirectory(d, false)
	}
	text, err := tx.Applied()
	if err != nil || text == "" {
		return err
	}
	var state map[string]string
	if json.Unmarshal([]byte(text), &state) != nil {
		return nil
	}
	for key, value := range state {
		if !strings.HasSuffix(key, ".pilot") {
			continue
		}
		names := strings.Split(value, ", ")
		if kept := slices.DeleteFunc(slices.Clone(names), marks.isName); len(kept) < len(names) {
			state[key], changed = strings.Join(kept, ", "), true
			if len(kept) == 0 {
				delete(state, key)
			}
		}
	}
	if changed {
		out, err := json.Marshal(state)
		if err != nil {
			return err
		}
		tx.SetApplied(string(out))
	}
	return nil
}

// Searching for traces.
const (
	// tracePage is how many rows one transaction looks at.
	tracePage = 200
	// traceSettle is how long after an erasure what was under way at that moment may still be written, by any process: a
	// search that began later has seen all.
	traceSettle = time.Minute
	// traceOverlap is how far before an erasure the second search begins in the log.
	traceOverlap = 10 * time.Minute
)

// EraseTraces goes through what names an erased member beside what was theirs, until it is through or ctx ends. It does
// nothing where no search is going on.
func (s *Service) EraseTraces(ctx context.Context, workspace, member string) error {
	for {
		more, err := s.EraseStep(ctx, workspace, member)
		if err != nil || !more {
			return err
		}
	}
}

// EraseStep is one step of EraseTraces, in one transaction that holds nobody up. more is false where there is no next step
// yet: the search is over, waits for its second walk, or is another's.
func (s *Service) EraseStep(ctx context.Context, workspace, member string) (more bool, err error) {
	var through *marks
	err = s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		more, through = false, nil
		e, err := tx.Erasure(member)
		if err != nil || e == nil {
			return err
		}
		m := marks{Member: member}
		if err := json.Unmarshal([]byte(e.Markers), &m); err != nil {
			return fmt.Errorf("read erasure of %s: %w", member, err)
		}
		if e.Step >= len(store.TraceTables) {
			if e.BeganAt.Before(e.ErasedAt.Add(traceSettle)) && tx.Now().Before(e.ErasedAt.Add(traceSettle)) {
				return nil // the second walk is not due
			}
			if !e.BeganAt.Before(e.ErasedAt.Add(traceSettle)) {
				through = &m
				return nil
			}
			more, err = tx.MoveErasure(e, store.Erasure{Step: 0, Cursor: "", BeganAt: tx.Now()}, tx.Now().Add(eraseLease))
			return err
		}
		more, err = s.eraseStep(tx, e, &m)
		return err
	})
	if err != nil || through == nil {
		return more, err
	}
	if err := s.DB.System().ScrubStrangers(ctx, through.inText); err != nil {
		return false, err
	}
	return false, s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		tx.EndErasure(member)
		return nil
	})
}

func (s *Service) eraseStep(tx *store.Tx, e *store.Erasure, m *marks) (more bool, err error) {
	table := &store.TraceTables[e.Step]
	var after []string
	if e.Cursor != "" {
		if err := json.Unmarshal([]byte(e.Cursor), &after); err != nil {
			return false, fmt.Errorf("read erasure of %s: %w", e.Member, err)
		}
	} else if e.BeganAt.After(e.ErasedAt) && (table.Name == "event" || table.Name == "event_payload") {
		after = []string{eventsFrom(e.ErasedAt.Add(-traceOverlap))}
	}
	rows, err := tx.Traces(table, after, tracePage, e.ErasedAt)
	if err != nil {
		return false, err
	}
	for _, row := range rows {
		m.scrub(tx, table, row)
	}
	to := store.Erasure{Step: e.Step, BeganAt: e.BeganAt}
	if len(rows) < tracePage {
		to.Step++
	} else if cursor, err := json.Marshal(rows[len(rows)-1].Key); err == nil {
		to.Cursor = string(cursor)
	}
	due := tx.Now().Add(eraseLease)
	if to.Step == len(store.TraceTables) && to.BeganAt.Before(e.ErasedAt.Add(traceSettle)) {
		due = e.ErasedAt.Add(traceSettle)
	}
	moved, err := tx.MoveErasure(e, to, due)
	if err == nil && !moved {
		return false, errs.Conflict("erasure_moved", "Another process carries on with this erasure.")
	}
	return moved, err
}

// eventsFrom is before the ids of all events from t on.
func eventsFrom(t time.Time) string {
	const prefix = "evt_"
	return prefix + strings.TrimPrefix(store.EventIDAt(t), prefix)[:8]
}

// EraseDue carries on with the searches whose time has come, whatever process began them, and returns how many there were.
func (s *Service) EraseDue(ctx context.Context) (int, error) {
	taken, err := s.DB.System().TakeErasures(ctx, eraseLease, 10)
	if err != nil {
		return 0, fmt.Errorf("take erasures: %w", err)
	}
	for _, e := range taken {
		if err := s.EraseTraces(ctx, e.Workspace, e.Member); err != nil && errs.CodeOf(err) != "erasure_moved" {
			return len(taken), fmt.Errorf("search for traces of %s: %w", e.Member, err)
		}
	}
	return len(taken), nil
}

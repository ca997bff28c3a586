package settings

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// DirectoryState is a directory after a step in its life.
type DirectoryState struct {
	DirectoryView
	Status directory.DirectoryStatus `json:"status"`
	Pilot  []string                  `json:"pilot"`
	// Staged are the people who are still staged.
	Staged int `json:"staged"`
	// Plan is what enabling did, or what became of people who were put on the pilot list; its rows are those
	// of the pilot.
	Plan *provision.Plan `json:"plan,omitempty"`
	// How many people and groups were thrown away.
	DiscardedPeople int64 `json:"discarded_people,omitempty"`
	DiscardedGroups int64 `json:"discarded_groups,omitempty"`
}

// life is a directory in a transaction that holds the configuration.
type life struct {
	*Service
	tx       *store.Tx
	cfg      *directory.Config
	actor    audit.Party
	was, now directory.Directory
	state    DirectoryState
}

// live runs one step in the life of a directory: fn changes l.now and returns the event that tells of it, nil where
// there is nothing to do.
func (s *Service) live(ctx context.Context, slug, dir string, actor audit.Party, fn func(l *life) (*audit.Event, error)) (DirectoryState, error) {
	var done DirectoryState
	err := s.onDirectory(ctx, slug, dir, func(tx *store.Tx, cfg *directory.Config, d directory.Directory) error {
		l := &life{Service: s, tx: tx, cfg: cfg, actor: actor, was: d, now: d}
		e, err := fn(l)
		if err != nil {
			return err
		}
		if e != nil {
			tx.SaveDirectory(l.now, false)
			if err := tx.Record(*e); err != nil {
				return err
			}
			if err := tellTested(tx, cfg, l.was, l.now); err != nil {
				return err
			}
			if _, err := shortenSessions(tx, cfg, with(cfg, l.now), actor); err != nil {
				return err
			}
		}
		done = l.state
		done.DirectoryView, done.Status, done.Pilot = s.viewDirectory(l.now), l.now.Status, orEmpty(l.now.Pilot)
		done.Staged, err = tx.CountStaged(d.ID)
		return err
	})
	if err != nil {
		return DirectoryState{}, err
	}
	return done, nil
}

// tellTested tells of a directory's groups where it tests no more.
func tellTested(tx *store.Tx, cfg *directory.Config, was, now directory.Directory) error {
	if was.Status != directory.DirectoryTesting || now.Status == directory.DirectoryTesting {
		return nil
	}
	return provision.TellTested(tx, cfg, now.ID)
}

// scope is on whose behalf people of the directory change.
func (l *life) scope() provision.Scope {
	return provision.Scope{Workspace: l.tx.Workspace(), Directory: l.was.ID, Actor: l.actor}
}

func (l *life) event(t audit.Type, changes ...audit.Change) *audit.Event {
	if l.was.Status != l.now.Status {
		changes = append([]audit.Change{{Field: "status", From: string(l.was.Status), To: string(l.now.Status)}}, changes...)
	}
	return &audit.Event{Type: t, Actor: l.actor, Directory: l.was.ID, Subject: audit.Party{Kind: "directory", ID: l.was.ID, Name: l.was.Name}, Changes: changes}
}

// counts are the outcomes of a plan in an event.
func counts(plan *provision.Plan) (changes []audit.Change) {
	for _, outcome := range provision.PlanOutcomes() {
		if n := plan.Counts[outcome]; n > 0 {
			changes = append(changes, audit.Change{Field: outcome, To: fmt.Sprint(n)})
		}
	}
	return changes
}

// become changes the status where the rules allow it.
func (l *life) become(to directory.DirectoryStatus) error {
	people, err := provision.PeopleOf(l.tx, l.now)
	if err != nil {
		return err
	}
	l.now.Status = to
	return directory.CheckStatus(l.was.Status, to, people)
}

// TestDirectory starts a test sync (F25): SCIM is served in full and staged. People of the directory who are
// members already, but for the pilot, are a conflict, directory_has_people.
func (s *Service) TestDirectory(ctx context.Context, slug, dir string, actor audit.Party) (DirectoryState, error) {
	return s.live(ctx, slug, dir, actor, func(l *life) (*audit.Event, error) {
		if l.was.Status == directory.DirectoryTesting {
			return nil, nil
		}
		if err := l.become(directory.DirectoryTesting); err != nil {
			return nil, err
		}
		return l.event(audit.DirectoryTested), nil
	})
}

// A plan is computed anew each time it is shown. One of more people than largePlan takes its time and memory: a directory
// has one of those at once, and all directories maxLargePlans.
const (
	largePlan     = 5000
	maxLargePlans = 2
)

// DirectoryPlan says what enabling a directory would do to the people whom it has staged. It computes all of it and
// returns the rows of page. Others that are as large are waited for; unavailable, "busy", where that takes too long.
func (s *Service) DirectoryPlan(ctx context.Context, slug, dir string, page provision.PlanPage) (provision.Plan, error) {
	var plan provision.Plan
	var large string // the directory's id
	compute := func(tx *store.Tx, cfg *directory.Config, d directory.Directory) (err error) {
		if large == "" && s.Plans != nil {
			n, err := tx.CountStaged(d.ID)
			if err != nil {
				return err
			}
			if n > largePlan {
				large = d.ID
				return nil
			}
		}
		plan, err = provision.PlanOf(tx, cfg, d.ID, page, s.Mail)
		return err
	}
	if err := s.readDirectory(ctx, slug, dir, compute); err != nil || large == "" {
		return plan, err
	}
	leave, err := s.Plans.Enter(ctx, large, maxLargePlans)
	if err != nil {
		return plan, err
	}
	defer leave()
	err = s.readDirectory(ctx, slug, dir, compute)
	return plan, err
}

// readDirectory reads what concerns one directory of a workspace, by name or id.
func (s *Service) readDirectory(ctx context.Context, slug, dir string, fn func(*store.Tx, *directory.Config, directory.Directory) error) error {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return err
	}
	return s.DB.Read(ctx, id, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		d, err := directoryOf(cfg, dir)
		if err != nil {
			return err
		}
		return fn(tx, cfg, d)
	})
}

// EnableDirectory lets a directory provision (F26). Its staged people become members in the same transaction, by
// exactly the plan that word names; a plan that has moved since is a conflict, plan_changed, and staged people
// without a word, directory_staged. Who is refused in the plan stays staged, until the directory's next word
// about them.
func (s *Service) EnableDirectory(ctx context.Context, slug, dir, word string, actor audit.Party) (DirectoryState, error) {
	return s.live(ctx, slug, dir, actor, func(l *life) (*audit.Event, error) {
		switch {
		case word != "":
			return l.enable(word)
		case l.was.Status == directory.DirectoryEnabled:
			return nil, nil
		}
		if err := l.become(directory.DirectoryEnabled); err != nil {
			return nil, err
		}
		return l.event(audit.DirectoryEnabled), nil
	})
}

func (l *life) enable(word string) (*audit.Event, error) {
	if l.was.Status != directory.DirectoryTesting {
		return nil, errs.Conflict("plan_changed", "The directory %q is %s and not testing any more. Nothing was changed; look at it again.", l.was.Name, l.was.Status)
	}
	l.now.Status = directory.DirectoryEnabled
	plan, err := provision.Enable(l.tx, l.cfg, l.scope(), word, l.Mail)
	if err != nil {
		return nil, err
	}
	l.state.Plan = &plan
	return l.event(audit.DirectoryEnabled, append([]audit.Change{{Field: "plan", To: plan.Word}}, counts(&plan)...)...), nil
}

// PauseDirectory has every request of a directory refused. Its people and tokens stay. A draft is a conflict,
// directory_draft: nothing speaks for it.
func (s *Service) PauseDirectory(ctx context.Context, slug, dir string, actor audit.Party) (DirectoryState, error) {
	return s.live(ctx, slug, dir, actor, func(l *life) (*audit.Event, error) {
		switch l.was.Status {
		case directory.DirectoryPaused:
			return nil, nil
		case directory.DirectoryDraft:
			return nil, errs.Conflict("directory_draft", "The directory %q is a draft: nothing speaks for it yet, so that there is nothing to pause.", l.was.Name)
		}
		if err := l.become(directory.DirectoryPaused); err != nil {
			return nil, err
		}
		return l.event(audit.DirectoryPaused), nil
	})
}

// DiscardDirectory throws away what a directory in testing has staged, people and groups: their ids are unknown
// from that instant. The directory is a draft again or, where the pilot has people in, paused. One that
// is not testing is a conflict, directory_not_testing.
func (s *Service) DiscardDirectory(ctx context.Context, slug, dir string, actor audit.Party) (DirectoryState, error) {
	return s.live(ctx, slug, dir, actor, func(l *life) (*audit.Event, error) {
		if l.was.Status != directory.DirectoryTesting {
			return nil, errs.Conflict("directory_not_testing", "The directory %q is %s: only a test sync can be discarded.", l.was.Name, l.was.Status)
		}
		people, groups, err := provision.Discard(l.tx, l.was.ID)
		if err != nil {
			return nil, err
		}
		live, err := l.tx.CountLive(l.was.ID, 1)
		if err != nil {
			return nil, err
		}
		l.now.Status = directory.DirectoryDraft
		if live > 0 {
			l.now.Status = directory.DirectoryPaused
		}
		l.state.DiscardedPeople, l.state.DiscardedGroups = people, groups
		return l.event(audit.DirectoryDiscarded, audit.Change{Field: "people", To: fmt.Sprint(people)}, audit.Change{Field: "groups", To: fmt.Sprint(groups)}), nil
	})
}

// PilotEdit is a change of a pilot list: its names are made Set, where it is not nil, then some are taken off and
// some are put on.
type PilotEdit struct {
	Set         *[]string
	Remove, Add []string
}

func (e PilotEdit) apply(names []string) []string {
	if e.Set != nil {
		names = *e.Set
	}
	kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(e.Remove, func(gone string) bool { return directory.SameName(name, gone) })
	})
	return append(kept, e.Add...)
}

// EditPilot changes the list of those who take effect while a directory is testing (K16, E10). Staged people on it
// become members at once, under their ids, as a live create would have made them; who cannot stays staged, and
// the plan of the answer says why. Whoever is a member stays one when taken off the list.
func (s *Service) EditPilot(ctx context.Context, slug, dir string, edit PilotEdit, actor audit.Party) (DirectoryState, error) {
	return s.live(ctx, slug, dir, actor, func(l *life) (*audit.Event, error) {
		var wrong mistakes
		names := cleanPilot(edit.apply(l.was.Pilot), func(format string, args ...any) { wrong.add(0, "pilot: "+format, args...) })
		if err := wrong.err(); err != nil {
			return nil, err
		}
		if slices.Equal(l.was.Pilot, names) {
			return nil, nil
		}
		l.now.Pilot = names
		e := l.event(audit.DirectoryPiloted, audit.Change{Field: "pilot", From: pilotText(l.was.Pilot), To: pilotText(names)})
		plan, err := turnPilots(l.tx, l.cfg, l.now, l.scope(), l.Mail)
		if plan != nil {
			l.state.Plan = plan
			e.Changes = append(e.Changes, counts(plan)...)
		}
		return e, err
	})
}

// with is a configuration with a directory as it is now.
func with(cfg *directory.Config, now directory.Directory) *directory.Config {
	after := clone(cfg)
	if i := slices.IndexFunc(after.Directories, func(d directory.Directory) bool { return d.ID == now.ID }); i >= 0 {
		after.Directories[i] = now
	}
	return after
}

// turnPilots makes members of staged people who are on the list as it is now; nil where there are none.
func turnPilots(tx *store.Tx, cfg *directory.Config, now directory.Directory, scope provision.Scope, mail bool) (*provision.Plan, error) {
	rows, err := provision.TurnPilots(tx, with(cfg, now), scope, mail)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	plan := &provision.Plan{Rows: rows, Counts: map[string]int{}}
	for _, r := range rows {
		plan.Counts[r.Outcome]++
	}
	return plan, nil
}

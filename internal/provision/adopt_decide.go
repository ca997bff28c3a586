package provision

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Adoption is one meeting of a directory and a member, as it is shown and decided about.
type Adoption struct {
	ID        string              `json:"id"`
	State     store.AdoptionState `json:"state"` // waiting, allowed, refused, adopted, undone
	Directory AdoptionParty       `json:"directory"`
	// Member is who is here already, as of now.
	Member AdoptionMember `json:"member"`
	// What the directory says of the person.
	UserName   string `json:"user_name"`
	ExternalID string `json:"external_id"`
	Email      string `json:"email"`
	Name       string `json:"name"`
	Active     bool   `json:"active"`

	Reason   string `json:"reason"`   // code
	Sentence string `json:"sentence"` // why it waits, or how it came about
	// Means says what allowing or undoing it brings about.
	Means     string     `json:"means,omitempty"`
	Attempts  int        `json:"attempts"`
	FirstAt   time.Time  `json:"first_at"`
	LastAt    time.Time  `json:"last_at"`
	DecidedAt *time.Time `json:"decided_at,omitempty"`
	DecidedBy string     `json:"decided_by,omitempty"`
	// Seen is what is decided about, as one word: a decision that names another one is a conflict.
	Seen string `json:"seen"`
	// MayDecide says whether who asked may.
	MayDecide bool `json:"may_decide"`
}

// AdoptionParty is a directory.
type AdoptionParty struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// AdoptionMember is a member whom a directory met.
type AdoptionMember struct {
	ID            string           `json:"id"`
	Email         string           `json:"email"`
	Name          string           `json:"name"`
	Status        directory.Status `json:"status"`
	Role          string           `json:"role"`
	Directory     string           `json:"directory,omitempty"` // name of the directory that owns them
	DeactivatedBy []string         `json:"deactivated_by"`
	CreatedAt     time.Time        `json:"created_at"`
}

// maxShown is how many meetings of each state are listed.
const maxShown = 200

// Adoptions lists what waits, what was decided and what can be undone, each state's latest 200, for the actor
// of scope.
func (s *Service) Adoptions(ctx context.Context, scope Scope) ([]Adoption, error) {
	var out []Adoption
	err := s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		out = []Adoption{}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		var rows []store.Adoption
		var ids []string
		for _, state := range []store.AdoptionState{store.AdoptionWaiting, store.AdoptionAllowed, store.AdoptionRefused, store.AdoptionAdopted, store.AdoptionUndone} {
			some, err := tx.Adoptions(state, maxShown)
			if err != nil {
				return err
			}
			rows = append(rows, some...)
		}
		for _, r := range rows {
			ids = append(ids, r.Member)
		}
		members, err := tx.Members(slices.Compact(slices.Sorted(slices.Values(ids))))
		if err != nil {
			return err
		}
		role, operator, err := roleOfActor(tx, scope.Actor)
		if err != nil {
			return err
		}
		for i := range rows {
			at := slices.IndexFunc(members, func(m directory.Member) bool { return m.ID == rows[i].Member })
			dir, known := cfg.Directory(rows[i].Directory)
			if at < 0 || !known {
				continue
			}
			out = append(out, viewAdoption(cfg, dir, &rows[i], &members[at], operator || mayDecide(cfg, role, &rows[i], &members[at])))
		}
		return nil
	})
	return out, err
}

func viewAdoption(cfg *directory.Config, dir directory.Directory, r *store.Adoption, m *directory.Member, may bool) Adoption {
	owns, _ := cfg.Directory(m.Directory)
	v := Adoption{ID: r.ID, State: r.State, Directory: AdoptionParty{dir.ID, dir.Name}, UserName: r.UserName, ExternalID: r.ExternalID, Email: r.Address,
		Name: r.Name, Active: r.Active, Reason: r.Reason, Attempts: r.Attempts, FirstAt: r.FirstAt, LastAt: r.LastAt, DecidedBy: r.DecidedBy, MayDecide: may,
		Member: AdoptionMember{ID: m.ID, Email: m.Email, Name: m.Name, Status: m.Status(), Role: roleName(cfg, m.Role), Directory: owns.Name,
			DeactivatedBy: m.Sources.Names(), CreatedAt: m.CreatedAt},
		Seen: seenOf(r, m)}
	if !r.DecidedAt.IsZero() {
		v.DecidedAt = &r.DecidedAt
	}
	v.Sentence = adoptionSentence(r.Reason, dir.Name, owns.Name)
	switch {
	case r.State == store.AdoptionAdopted:
		v.Means = "Undoing it makes the member nobody's directory's again, with name, attributes and role as before. The directory's record of them ends, and so do its sign-ins as them."
	case r.State == store.AdoptionUndone:
	case m.Directory != "":
		v.Means = "Allowing it moves the member from " + owns.Name + " to " + dir.Name + ": " + owns.Name + " loses its record of them and its groups' hold on them, and can no longer deactivate them."
	case !r.Active:
		v.Means = "The directory says that this person is inactive: allowing it deactivates the member."
	default:
		v.Means = "Allowing it lets " + dir.Name + " keep the member's name, attributes and groups, and deactivate them. The address stays."
	}
	return v
}

func adoptionSentence(reason, dir, owns string) string {
	switch reason {
	case directory.MeetOtherDirectory:
		if owns == "" {
			return "Another directory owned this member."
		}
		return "The directory " + owns + " owns this member."
	case directory.MeetPutOut:
		return "People of this workspace deactivated this member."
	case directory.MeetTwoNames:
		return "The user name and the e-mail may be two people: they are two addresses, or two people signed in by them."
	case directory.MeetUnproven:
		return "The workspace has not proven the domain of the address, so the address alone proves nothing."
	case directory.MeetUndone:
		return "An owner undid an adoption of this member by " + dir + "."
	case directory.MeetPolicy:
		return "The workspace's policy asks before a directory gets a member who is there."
	case directory.MetByConnection:
		return "They had signed in through the directory's own connection."
	case directory.MetByDomain:
		return "The address is in a domain that the workspace has proven."
	case directory.MetByDecision:
		return "It was allowed."
	}
	return reason
}

// roleOfActor is the role of a member who is in, and whether the actor is the operator instead.
func roleOfActor(tx *store.Tx, actor audit.Party) (role string, operator bool, err error) {
	if actor.Kind != "member" {
		return "", actor.Kind == "operator", nil
	}
	m, err := tx.Member(actor.ID)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return "", false, nil
	case err != nil || !m.In():
		return "", false, err
	}
	return m.Role, false, nil
}

// mayDecide reports whether somebody of that role decides about a meeting. Only an owner undoes an adoption.
func mayDecide(cfg *directory.Config, role string, r *store.Adoption, m *directory.Member) bool {
	if r.State == store.AdoptionAdopted || r.State == store.AdoptionUndone {
		return role != "" && role == owner(cfg)
	}
	return role != "" && cfg.MayDecide(role, r.Directory, m)
}

// AllowAdoption lets a directory have a member whom it met; RefuseAdoption keeps them from it. Either can be
// changed into the other until it was used. An allowed adoption takes effect at the directory's next POST, with
// what it says then, within 30 days and while both sides are what seen was about; a "" seen is whatever is there
// now. Errors: not_found; conflict, "changed_meanwhile", "adoption_over" (used or settled since); forbidden,
// "owner_decides".
func (s *Service) AllowAdoption(ctx context.Context, scope Scope, id, seen string) (Adoption, error) {
	return s.decideAdoption(ctx, scope, id, seen, store.AdoptionAllowed, audit.AdoptionAllowed)
}

// RefuseAdoption is told of at AllowAdoption.
func (s *Service) RefuseAdoption(ctx context.Context, scope Scope, id, seen string) (Adoption, error) {
	return s.decideAdoption(ctx, scope, id, seen, store.AdoptionRefused, audit.AdoptionRefused)
}

func (s *Service) decideAdoption(ctx context.Context, scope Scope, id, seen string, to store.AdoptionState, typ audit.Type) (Adoption, error) {
	return s.onAdoption(ctx, scope, id, seen, func(tx *store.Tx, cfg *directory.Config, r *store.Adoption, m *directory.Member) error {
		switch r.State {
		case store.AdoptionWaiting, store.AdoptionAllowed, store.AdoptionRefused:
		default:
			return adoptionOver()
		}
		if verdict, _ := cfg.Meet(directory.Meeting{Directory: r.Directory, UserName: r.UserName, Address: m.Email, Member: m}); verdict == directory.VerdictNever {
			return errs.Conflict("adoption_impossible", "%s cannot become a member of this directory: an owner, the break-glass administrator and the directory's own people are never adopted.", m.Email)
		}
		r.State, r.Seen, r.DecidedAt, r.DecidedBy = to, seenOf(r, m), tx.Now(), scope.Actor.Name
		tx.UpdateAdoption(r)
		return tx.Record(adoptionEvent(scope, typ, r, m))
	})
}

func adoptionEvent(scope Scope, typ audit.Type, r *store.Adoption, m *directory.Member, more ...audit.Change) audit.Event {
	e := scope.event(typ, memberParty(m), append([]audit.Change{{Field: "user_name", To: r.UserName}, {Field: "email", To: r.Address}}, more...)...)
	e.Directory, e.Reason = r.Directory, r.Reason
	return e
}

func adoptionOver() error {
	return errs.Conflict("adoption_over", "This was settled meanwhile. Look at it as it is now.")
}

// onAdoption runs an act on a meeting under the policy's lock, for whoever may decide about what they saw.
func (s *Service) onAdoption(ctx context.Context, scope Scope, id, seen string, fn func(*store.Tx, *directory.Config, *store.Adoption, *directory.Member) error) (Adoption, error) {
	var done Adoption
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople(nil, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		r, err := tx.Adoption(id)
		if err != nil {
			return err
		}
		m, err := tx.Member(r.Member)
		if err != nil {
			return err
		}
		dir, ok := cfg.Directory(r.Directory)
		if !ok {
			return adoptionOver()
		}
		role, operator, err := roleOfActor(tx, scope.Actor)
		switch {
		case err != nil:
			return err
		case !operator && !mayDecide(cfg, role, r, m):
			return errs.Forbidden("owner_decides", "An owner of the workspace decides this.")
		case seen != "" && seen != seenOf(r, m):
			return errs.Conflict("changed_meanwhile", "The member, or what the directory says of the person, changed after this page was shown. Look at both as they are now, and decide about that.")
		}
		if err := fn(tx, cfg, r, m); err != nil {
			return err
		}
		done = viewAdoption(cfg, dir, r, m, true)
		return nil
	})
	return done, err
}

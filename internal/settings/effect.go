package settings

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Effect is whom a change of configuration changes, and how: the set that is named before is the set that changes.
type Effect struct {
	// Members is how many people get another role or status, all of them.
	Members int `json:"members"`
	// Changes are a page of them, in the order of their ids.
	Changes []MemberChange `json:"changes"`
	// More says that others lie behind those of the page.
	More bool `json:"more,omitempty"`
	// Kinds counts everybody by what becomes of them, the most first.
	Kinds []EffectKind `json:"kinds,omitempty"`
	// SameRole is how many keep their role, and have it for another reason from then on.
	SameRole int `json:"same_role,omitempty"`
}

// Standing is where a member stands.
type Standing struct {
	Role   string           `json:"role,omitempty"`
	Status directory.Status `json:"status,omitempty"`
}

func (s Standing) String() string {
	if s.Status == directory.StatusActive || s.Status == "" {
		return s.Role
	}
	return s.Role + " (" + string(s.Status) + ")"
}

// MemberChange is one member whom a change of configuration changes.
type MemberChange struct {
	Member  string   `json:"member,omitempty"` // id; "" for somebody who is made by it
	Email   string   `json:"email"`
	Name    string   `json:"name,omitempty"`
	Was     Standing `json:"was"`
	Becomes Standing `json:"becomes"`
	// Why they have the role then.
	Why string `json:"why"`
}

// EffectKind is how many people go from one standing to another.
type EffectKind struct {
	Was     Standing `json:"was"`
	Becomes Standing `json:"becomes"`
	Members int      `json:"members"`
}

// Page chooses the rows of an effect that are shown.
type Page struct {
	Skip  int
	Limit int // 0 for DefaultRows, MaxRows at the most
}

const (
	// DefaultRows is how many people an effect shows where nobody asks for more or fewer.
	DefaultRows = 100
	// MaxRows is how many people one page of an effect has at the most.
	MaxRows = 10_000
)

func (p Page) limit() int {
	if p.Limit <= 0 {
		return DefaultRows
	}
	return min(p.Limit, MaxRows)
}

// tally gathers an effect. The people of a workspace that is being made are not told one by one.
type tally struct {
	was, is *directory.Config
	page    Page
	effect  Effect
	kinds   map[[2]Standing]int
	// owners are turns of people whom the file names or no longer names as owners, by id, until what
	// mappings make of them is known.
	owners map[string]provision.Turn
	sum    hash.Hash
	// each is told of everybody, whatever the page; nil for nobody.
	each func(MemberChange) error
	err  error // of each
}

func newTally(was, is *directory.Config, page Page) *tally {
	return &tally{was: was, is: is, page: page, effect: Effect{Changes: []MemberChange{}}, kinds: map[[2]Standing]int{}, owners: map[string]provision.Turn{}, sum: sha256.New()}
}

// add takes what mappings make of somebody.
func (t *tally) add(turn provision.Turn) {
	if first, ok := t.owners[turn.After.ID]; ok {
		turn.Before = first.Before
		delete(t.owners, turn.After.ID)
	}
	t.count(turn)
}

func (t *tally) count(turn provision.Turn) {
	c := MemberChange{Member: turn.Before.ID, Email: turn.After.Email, Name: turn.After.Name, Becomes: standing(t.is, &turn.After), Why: turn.After.RoleReason.Sentence()}
	if turn.Before.ID != "" {
		c.Was = standing(t.was, &turn.Before)
	}
	if c.Was == c.Becomes {
		if turn.Before.Role == turn.After.Role && !turn.Before.RoleReason.SameCause(turn.After.RoleReason) {
			t.effect.SameRole++
		}
		return
	}
	if c.Was.Status == directory.StatusDeactivated && c.Becomes.Status != directory.StatusDeactivated {
		c.Why = "In a mapped group again, whose loss had put them out. " + c.Why
	}
	// A hash takes everything.
	_, _ = fmt.Fprintf(t.sum, "%q %q %q %q %q\n", c.Member, c.Email, c.Was, c.Becomes, c.Why)
	t.effect.Members++
	if t.each != nil && t.err == nil {
		t.err = t.each(c)
	}
	t.kinds[[2]Standing{c.Was, c.Becomes}]++
	switch {
	case t.effect.Members <= t.page.Skip:
	case len(t.effect.Changes) >= t.page.limit():
		t.effect.More = true
	default:
		t.effect.Changes = append(t.effect.Changes, c)
	}
}

func standing(cfg *directory.Config, m *directory.Member) Standing {
	role, _ := cfg.Roles.ByID(m.Role)
	return Standing{Role: role.Name, Status: m.Status()}
}

// done returns the effect.
func (t *tally) done() Effect {
	rest := make([]provision.Turn, 0, len(t.owners))
	for _, turn := range t.owners {
		rest = append(rest, turn)
	}
	slices.SortFunc(rest, func(a, b provision.Turn) int { return strings.Compare(a.After.Email, b.After.Email) })
	clear(t.owners)
	for _, turn := range rest {
		t.count(turn)
	}
	t.effect.Kinds = nil
	for k, n := range t.kinds {
		t.effect.Kinds = append(t.effect.Kinds, EffectKind{k[0], k[1], n})
	}
	slices.SortFunc(t.effect.Kinds, func(a, b EffectKind) int {
		return cmp.Or(cmp.Compare(b.Members, a.Members), strings.Compare(a.Was.String()+"\x00"+a.Becomes.String(), b.Was.String()+"\x00"+b.Becomes.String()))
	})
	return t.effect
}

// word is the name of differences with their effect: of the differences alone where nobody changes.
func (t *tally) word(ofDiffs string) string {
	if t.effect.Members == 0 {
		return ofDiffs
	}
	_, _ = fmt.Fprintf(t.sum, "%q\n", ofDiffs)
	return hex.EncodeToString(t.sum.Sum(nil)[:8])
}

// errLarge asks for room before so many people are looked at.
var errLarge = errors.New("a large workspace")

// foresee computes what a change of configuration would do, on a view of the database. Of workspaces with more
// people than largePlan one is looked at once at a time, and maxLargePlans in all; unavailable, "busy", where that
// takes too long.
func (s *Service) foresee(ctx context.Context, slug string, actor audit.Party, page Page, each func(MemberChange) error, fn func(p *plan) error) (Preview, error) {
	id, err := s.DB.System().WorkspaceBySlug(ctx, slug)
	if err != nil {
		return Preview{}, err
	}
	var out Preview
	inside := s.Plans == nil
	look := func(tx *store.Tx) error {
		before, err := tx.Config()
		if err != nil {
			return err
		}
		p, err := s.planOf(tx, before, directory.PermissionSettings, actor)
		if err != nil {
			return err
		}
		if err := fn(p); err != nil {
			return err
		}
		if err := p.givesSource(); err != nil {
			return err
		}
		a := &apply{Service: s, tx: tx, options: ApplyOptions{Actor: actor}, plan: p, diffs: stateOf(before).to(stateOf(p.after)), tally: newTally(before, p.after, page)}
		a.tally.each = each
		if a.decidesRoles() {
			if err := a.foresee(inside); err != nil {
				return err
			}
		}
		out = a.preview()
		return nil
	}
	if err = s.DB.Read(ctx, id, look); !errors.Is(err, errLarge) {
		return out, err
	}
	leave, err := s.Plans.Enter(ctx, id, maxLargePlans)
	if err != nil {
		return Preview{}, err
	}
	defer leave()
	inside = true
	err = s.DB.Read(ctx, id, look)
	return out, err
}

// foresee tallies what remap would do. Without room it stops where there are very many people.
func (a *apply) foresee(room bool) error {
	if !room {
		n, err := a.tx.CountMembers(largePlan + 1)
		if err != nil {
			return err
		}
		if n > largePlan {
			return errLarge
		}
	}
	return provision.Foresee(a.tx, a.after, a.options.Actor, func(turn provision.Turn) error {
		a.tally.add(turn)
		return a.tally.err
	})
}

func (a *apply) preview() Preview {
	v := Preview{Effect: a.tally.done(), Settings: linesOf(a.diffs, false), Later: laterOf(a.diffs)}
	v.Word = a.tally.word(wordOfDiffs(a.diffs))
	return v
}

// unchanged refuses to carry out something else than was shown under a word.
func unchanged(word, now string) error {
	if word != "" && word != now {
		return errs.Conflict("changed_meanwhile", "This would change something else by now than was shown: the workspace, or somebody in it, was changed meanwhile. Nothing was changed; look at it again.")
	}
	return nil
}

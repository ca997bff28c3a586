package provision

import (
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// outcome is what becomes of a staged person: a change of a member, or why there is none. The plan that is
// shown and the enabling that carries it out are made of the same outcomes.
type outcome struct {
	staged store.Staged
	person Person
	before predecessors
	change change // where err is nil
	err    error  // a refusal, with its code
}

// reckoning computes the outcomes of a directory's staged people, in the order of their arrival. It
// changes nothing.
type reckoning struct {
	*feed
	tx    *store.Tx
	scope Scope
	// What those before have taken: addresses (folded) and members, by SCIM id.
	addresses, members map[string]string
	leaving            int // owners whom it would take out, for law 7
}

func (f *feed) reckon(tx *store.Tx, scope Scope) *reckoning {
	return &reckoning{feed: f, tx: tx, scope: scope, addresses: map[string]string{}, members: map[string]string{}}
}

// reckonPage is how many people are read at once.
const reckonPage = 256

// all calls each for every staged person of the directory.
func (r *reckoning) all(each func(outcome) error) error {
	var last *store.Staged
	for {
		page, err := r.tx.StagedBehind(r.dir.ID, last, reckonPage)
		if err != nil {
			return err
		}
		outcomes, err := r.of(page)
		if err != nil {
			return err
		}
		for _, o := range outcomes {
			if err := each(o); err != nil {
				return err
			}
		}
		if len(page) < reckonPage {
			return nil
		}
		last = &page[len(page)-1]
	}
}

// of computes the outcomes of a few people. What they ask of the database travels together.
func (r *reckoning) of(page []store.Staged) ([]outcome, error) {
	out := make([]outcome, len(page))
	ids := make([]string, len(page))
	for i, s := range page {
		p, err := personOf(s)
		if err != nil {
			return nil, err
		}
		out[i] = outcome{staged: s, person: p}
		ids[i] = s.ID
		r.tx.AskCreate(r.dir.ID, p.UserName, p.ExternalID, p.address())
	}
	groups, err := r.tx.MappedGroupsOfUsers(ids)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if err := r.decide(&out[i], groups[out[i].staged.ID]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// decide finds the outcome of one person; the error is that of reading.
func (r *reckoning) decide(o *outcome, groups []directory.MappedGroup) error {
	c, err := r.attempt(o, groups)
	if err == nil {
		o.change = c
		return nil
	}
	err = answered(err)
	switch errs.KindOf(err) {
	case errs.KindInvalid, errs.KindConflict, errs.KindForbidden:
		o.err = err
		return nil
	}
	return err
}

func (r *reckoning) attempt(o *outcome, groups []directory.MappedGroup) (c change, err error) {
	p := &o.person
	if err := p.fits(); err != nil {
		return c, err
	}
	// As at a PATCH: what policy requires is asked of people who shall have access.
	if o.staged.Active {
		if err := r.check(p); err != nil {
			return c, err
		}
	}
	if o.before, err = r.predecessors(r.tx, *p, o.staged.ID); err != nil {
		return c, err
	}
	u := &store.SCIMUser{ID: o.staged.ID, Directory: r.dir.ID, UserName: p.UserName, ExternalID: p.ExternalID, Manager: p.Manager, Active: o.staged.Active}
	if c, err = r.memberFor(r.tx, u, *p, o.before); err != nil {
		return c, err
	}
	r.giveRole(c.after, groups)
	if err := checkTurn(r.tx, r.Config, r.scope, c, true, &r.leaving); err != nil {
		return c, err
	}
	return c, r.take(o.staged.ID, c)
}

// giveRole lets the groups of a person decide, as they would have one by one after a live create.
func (r *reckoning) giveRole(m *directory.Member, groups []directory.MappedGroup) {
	if len(groups) == 0 || r.policy.RoleSource != directory.RoleSourceMapping {
		return
	}
	decide(r.Config, m, groups, r.tx.Now())
	m.Sources = m.Sources.Without(directory.SourceGroupLoss)
}

// take refuses an address or a member that somebody before has: of two, the first to arrive.
func (r *reckoning) take(id string, c change) error {
	m := c.after
	if c.before.ID != "" {
		if r.members[m.ID] != "" {
			return errs.Conflict("member_taken", "The member %s is that of another staged person of this directory (%s).", m.Email, r.members[m.ID])
		}
		r.members[m.ID] = id
	}
	if m.Sources != 0 || m.Email == "" {
		return nil
	}
	address := directory.Fold(m.Email)
	if r.addresses[address] != "" {
		return store.ErrAddressTaken(m.Email)
	}
	r.addresses[address] = id
	return nil
}

// outcomeOf is the outcome of one staged person alone.
func (f *feed) outcomeOf(tx *store.Tx, id string) (outcome, error) {
	s, err := tx.StagedUser(f.dir.ID, id)
	if err != nil {
		return outcome{}, err
	}
	return f.outcomeFor(tx, s)
}

func (f *feed) outcomeFor(tx *store.Tx, s store.Staged) (outcome, error) {
	found, err := f.reckon(tx, Scope{Workspace: tx.Workspace(), Directory: f.dir.ID, Actor: audit.Party{Kind: "directory", ID: f.dir.ID, Name: f.dir.Name}}).of([]store.Staged{s})
	if err != nil {
		return outcome{}, err
	}
	return found[0], nil
}

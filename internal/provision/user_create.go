package provision

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// CreateUser is a directory's POST of a person (reference: the life of a member, rows 1 to 7).
// Errors: invalid (required attribute, address, manager), conflict (userName, externalId or
// address taken; adoption_waits, adoption_refused: they are a member already, and it is not certain that
// the directory may have them), forbidden (no verified connection, a foreign domain).
func (s *Service) CreateUser(ctx context.Context, scope Scope, p Person) (User, error) {
	var made User
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople(nil, false); err != nil {
			return err
		}
		p.understood = false // by another configuration, where this runs again
		tx.AskCreate(scope.Directory, p.UserName, p.ExternalID, p.address())
		f, err := open(tx, scope)
		if err != nil {
			return err
		}
		if err := f.mayBringIn(); err != nil {
			return err
		}
		if err := p.fits(); err != nil {
			return err
		}
		if err := f.check(&p); err != nil {
			return err
		}
		before, err := f.predecessors(tx, p, "")
		if err != nil {
			return err
		}
		if err := checkManager(tx, f.dir.ID, p.Manager, ""); err != nil {
			return err
		}
		u := &store.SCIMUser{ID: keys.UUID(), Directory: f.dir.ID, UserName: p.UserName, ExternalID: p.ExternalID, Manager: p.Manager,
			Document: p.Document, Emails: p.Emails, Active: p.Active == nil || *p.Active, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
		if f.dir.Stages(p.UserName, p.ExternalID, p.address()) {
			if err := f.stage(tx, scope, u, p, before); err != nil {
				return err
			}
			made = User{SCIMUser: *u}
			return nil
		}
		c, err := f.memberFor(tx, u, p, before)
		if err != nil {
			return leaveWaiting(scope, err)
		}
		u.Member = c.after.ID
		touch, err := retire(tx, f.Config, slices.Concat(before.inactive, c.retires))
		if err != nil {
			return err
		}
		tx.InsertSCIMUser(u)
		if err := c.note(); err != nil {
			return err
		}
		f.moveLinks(tx, before, c.after)
		e := scope.event(audit.SCIMUserCreated, memberParty(c.after),
			append([]audit.Change{{Field: "scim_id", To: u.ID}, {Field: "user_name", To: u.UserName}}, c.told...)...)
		e.Reason = c.why
		if err := tx.Record(e); err != nil {
			return err
		}
		if err := tellDropped(tx, scope, memberParty(c.after), p.given, nil); err != nil {
			return err
		}
		if tells(f.Config) {
			if err := tellCreated(tx, f.Config, u); err != nil {
				return err
			}
		}
		if err := save(tx, f.Config, scope, c); err != nil {
			return err
		}
		if s.Mail && c.before.ID == "" && c.after.Status() == directory.StatusInvited && c.after.Email != "" {
			if err := invite(tx, c.after); err != nil {
				return err
			}
		}
		touch()
		made = User{SCIMUser: *u}
		return nil
	})
	return made, err
}

// retire takes resources out of service, staged ones without a trace, and returns the last step, for the groups
// that they were in.
func retire(tx *store.Tx, cfg *directory.Config, users []store.SCIMUser) (last func(), err error) {
	if len(users) == 0 {
		return func() {}, nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	if last, err = touchGroupsOf(tx, ids...); err != nil {
		return nil, err
	}
	for _, u := range users {
		if u.Member == "" {
			tx.DropStaged(u.Directory, u.ID)
			continue
		}
		tx.RetireSCIMUser(u.ID)
		if err := tell(tx, cfg, toldUser(u.ID, u.ExternalID), EventDeleted); err != nil {
			return nil, err
		}
	}
	return last, nil
}

// predecessors are the resources that had the userName or externalId of a person to be created,
// their members, and the member who signed in as that person before. The locks of those members
// are held.
type predecessors struct {
	inactive []store.SCIMUser // live and inactive: retired under new_identity
	// retired is the newest retired resource that matches, or nil.
	retired *store.SCIMUser
	// linked is the id of the member whom a sign-in link says to be the person, or "".
	linked string
	// ambiguous says that links say so of two.
	ambiguous bool
	members   map[string]*directory.Member // by id
	// met is the member who has the address of the person to be created, and is not of the directory: the
	// one not deactivated, else one whom people here put out. nil for nobody.
	met   *directory.Member
	metID string
	facts store.AddressFacts // of that address, as of the locks
}

// locks are the ids of all whom the create concerns, in order.
func (p predecessors) locks() []string {
	ids := p.ids()
	if p.metID != "" {
		ids = append(ids, p.metID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// ids are the members behind the resources, in order. A staged resource has none.
func (p predecessors) ids() []string {
	var ids []string
	for _, u := range p.inactive {
		if u.Member != "" {
			ids = append(ids, u.Member)
		}
	}
	if p.retired != nil {
		ids = append(ids, p.retired.Member)
	}
	if p.linked != "" {
		ids = append(ids, p.linked)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// succeeds reports whether a resource of the directory was m's before.
func (p predecessors) succeeds(m *directory.Member) bool {
	return m != nil && (p.retired != nil && p.retired.Member == m.ID ||
		slices.ContainsFunc(p.inactive, func(u store.SCIMUser) bool { return u.Member == m.ID }))
}

// predecessors finds and locks them, and refuses a POST beside a live resource, except beside an
// inactive one under new_identity whose member is out. self is the SCIM id of a staged person who is p, "" for
// somebody to be created.
func (f *feed) predecessors(tx *store.Tx, p Person, self string) (predecessors, error) {
	found, err := f.claims(tx, p, self)
	ids := found.locks()
	if err != nil || len(ids) == 0 {
		return found, err
	}
	for _, id := range ids {
		if err := tx.LockMember(id); err != nil {
			return found, err
		}
	}
	// A return or another POST may have come first.
	if found, err = f.claims(tx, p, self); err != nil {
		return found, err
	}
	if !slices.Equal(found.locks(), ids) {
		return found, store.Rerun()
	}
	members, err := tx.Members(ids)
	if err != nil {
		return found, err
	}
	found.members = make(map[string]*directory.Member, len(members))
	for i := range members {
		found.members[members[i].ID] = &members[i]
	}
	found.met = found.members[found.metID]
	if !slices.Contains(found.ids(), found.metID) {
		delete(found.members, found.metID)
	}
	found.forgetStrangers(f)
	for _, u := range found.inactive {
		// An owner holds this person in, against the directory: they are not pushed aside.
		if m := found.members[u.Member]; m != nil && m.Sources == 0 {
			return found, taken(u, p)
		}
	}
	return found, nil
}

// forgetStrangers leaves out who is not the person after all: whom law 6 keeps from the directory, and
// members behind retired resources who are another's by now, or nobody's after an adoption was undone. They are
// not touched, and nothing that put them out binds the new person.
func (p *predecessors) forgetStrangers(f *feed) {
	if p.retired != nil {
		if m := p.members[p.retired.Member]; m == nil || m.Directory != f.dir.ID && p.linked != m.ID {
			delete(p.members, p.retired.Member)
			p.retired = nil
		}
	}
	if m := p.members[p.linked]; m != nil && !p.succeeds(m) {
		verdict, _ := f.Meet(directory.Meeting{Directory: f.dir.ID, Member: m, Signed: true})
		if verdict == directory.VerdictNever {
			delete(p.members, p.linked)
			p.linked = ""
		}
	}
}

func (f *feed) claims(tx *store.Tx, p Person, self string) (predecessors, error) {
	var found predecessors
	claims, err := tx.SCIMUserClaims(f.dir.ID, p.UserName, p.ExternalID)
	if err != nil {
		return found, err
	}
	renew := f.policy.Reactivation == directory.ReactivationNewIdentity
	for _, u := range claims {
		if u.ID == self {
			continue
		}
		if u.RetiredAt.IsZero() {
			if u.Active || !renew {
				return found, taken(u, p)
			}
			found.inactive = append(found.inactive, u)
			continue
		}
		if matches(u, p.UserName, p.ExternalID) && (found.retired == nil || u.RetiredAt.After(found.retired.RetiredAt)) {
			found.retired = &u
		}
	}
	if old := found.retired; old != nil {
		for _, u := range found.inactive {
			// The inactive one took its place long ago, with what was binding then.
			if matches(*old, u.UserName, u.ExternalID) && !old.RetiredAt.After(u.CreatedAt) {
				found.retired = nil
			}
		}
	}
	if found.linked, found.ambiguous, err = f.signedInAs(tx, p); err != nil {
		return found, err
	}
	if found.facts, err = tx.AddressFacts(p.address()); err != nil {
		return found, err
	}
	if found.metID = found.facts.Holder; found.metID == "" {
		found.metID = found.facts.PutOut
	}
	return found, nil
}

// matches reports whether a retired resource was the same person: by externalId; by userName only
// where one side has no externalId.
func matches(u store.SCIMUser, userName, externalID string) bool {
	if u.ExternalID != "" && externalID != "" {
		return u.ExternalID == externalID
	}
	return directory.Fold(u.UserName) == directory.Fold(userName)
}

// taken is the conflict of a POST beside a live resource.
func taken(u store.SCIMUser, p Person) error {
	if directory.Fold(u.UserName) == directory.Fold(p.UserName) {
		return store.ErrUserNameTaken(p.UserName)
	}
	return store.ErrExternalIDTaken(p.ExternalID)
}

// memberFor returns the member behind a new resource: the old one under restore, else a fresh one.
func (f *feed) memberFor(tx *store.Tx, u *store.SCIMUser, p Person, before predecessors) (change, error) {
	if f.policy.Reactivation == directory.ReactivationRestore && before.retired != nil {
		c, err := f.comesBack(tx, u, p, before.members[before.retired.Member])
		if err != nil || c.after != nil {
			return c, err
		}
	}
	if c, err := f.meet(tx, u, p, before); err != nil || c.after != nil {
		return c, err
	}
	m := f.freshMember(tx, p, f.boundSources(before))
	if !u.Active {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	if err := allowed(before.facts, m.Email, "", m.Sources == 0); err != nil {
		return change{}, err
	}
	return change{after: m, why: "scim_create"}, nil
}

// boundSources are the sources, other than the IdP's, that put an old member out. Under
// new_identity they bind the new member too: a person whom an owner put out does not come back
// by a new POST.
func (f *feed) boundSources(before predecessors) directory.Sources {
	var bound directory.Sources
	if f.policy.Reactivation == directory.ReactivationNewIdentity {
		for _, m := range before.members {
			bound |= m.Sources
		}
	}
	return bound.Without(directory.SourceIdP)
}

func (f *feed) freshMember(tx *store.Tx, p Person, bound directory.Sources) *directory.Member {
	role, reason := f.Decide("", nil, tx.Now())
	m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: p.address(), Stage: directory.StageActive, Sources: bound,
		Role: role.ID, RoleReason: reason, Directory: f.dir.ID, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	switch {
	case f.policy.ProvisionOn == directory.ProvisionFirstLogin:
		m.Stage = directory.StagePending
	case f.policy.InviteOnCreate:
		m.Stage = directory.StageInvited
	}
	f.fill(&p, m)
	return m
}

// comesBack links a new resource to the member of a retired one, who is locked. after is nil where
// that member cannot come back: erased, or taken by another feed meanwhile.
func (f *feed) comesBack(tx *store.Tx, u *store.SCIMUser, p Person, m *directory.Member) (change, error) {
	if m == nil {
		return change{}, nil
	}
	others, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return change{}, err
	}
	for _, o := range others {
		if o.RetiredAt.IsZero() {
			return change{}, nil
		}
	}
	if m.Stage == directory.StageErased || m.Directory != f.dir.ID || guarded(f.Config, m) && m.In() {
		return change{}, nil
	}
	c := edit(m, "scim_return")
	f.fill(&p, m)
	if m.Email, c.notes, err = f.addressOf(tx, m, p.address()); err != nil {
		return c, err
	}
	if u.Active {
		m.Sources = m.Sources.Without(directory.SourceIdP)
	} else {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	keepRole(m, tx.Now())
	return c, checkAddress(tx, m.Email, m.ID, m.Sources == 0)
}

// keepRole makes a mapped role stay without its group: it is the last role of somebody whose group
// rows are gone, and lasts over their return until the first group change.
func keepRole(m *directory.Member, now time.Time) {
	if m.RoleReason.Source == directory.RoleByMapping {
		m.RoleReason = directory.RoleReason{Source: directory.RoleKept, At: now}
	}
}

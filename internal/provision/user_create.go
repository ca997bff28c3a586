package provision

import (
	"context"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// CreateUser is a directory's POST of a person (reference: the life of a member, rows 1 to 7).
// Errors: invalid (required attribute, address, manager), conflict (userName, externalId or
// address taken), forbidden (no verified connection, a foreign domain).
func (s *Service) CreateUser(ctx context.Context, scope Scope, p Person) (User, error) {
	var made User
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := tx.LockPeople(nil, false); err != nil {
			return err
		}
		f, err := open(tx, scope)
		if err != nil {
			return err
		}
		if err := f.mayBringIn(); err != nil {
			return err
		}
		if err := p.check(f.policy); err != nil {
			return err
		}
		before, err := f.predecessors(tx, p)
		if err != nil {
			return err
		}
		if err := checkManager(tx, f.dir.ID, p.Manager, ""); err != nil {
			return err
		}
		u := &store.SCIMUser{ID: keys.UUID(), Directory: f.dir.ID, UserName: p.UserName, ExternalID: p.ExternalID, Manager: p.Manager,
			Document: p.Document, Emails: p.Emails, Active: p.Active == nil || *p.Active, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
		c, err := f.memberFor(tx, u, p, before)
		if err != nil {
			return err
		}
		u.Member = c.after.ID
		for _, old := range before.inactive {
			tx.RetireSCIMUser(old.ID)
		}
		tx.InsertSCIMUser(u)
		e := scope.event(audit.SCIMUserCreated, memberParty(c.after), audit.Change{Field: "scim_id", To: u.ID}, audit.Change{Field: "user_name", To: u.UserName})
		e.Reason = c.why
		if err := tx.Record(e); err != nil {
			return err
		}
		if err := save(tx, f.Config, scope, c); err != nil {
			return err
		}
		made = User{SCIMUser: *u}
		return nil
	})
	return made, err
}

// predecessors are the resources that had the userName or externalId of a person to be created.
type predecessors struct {
	inactive []store.SCIMUser // live and inactive: retired under new_identity
	// retired is the newest retired resource that matches, or nil.
	retired *store.SCIMUser
}

// predecessors finds them, and refuses a POST beside a live resource, except beside an inactive
// one under new_identity.
func (f *feed) predecessors(tx *store.Tx, p Person) (predecessors, error) {
	var found predecessors
	claims, err := tx.SCIMUserClaims(f.dir.ID, p.UserName, p.ExternalID)
	if err != nil {
		return found, err
	}
	renew := f.policy.Reactivation == directory.ReactivationNewIdentity
	for _, u := range claims {
		sameName := directory.Fold(u.UserName) == directory.Fold(p.UserName)
		sameExternal := u.ExternalID != "" && u.ExternalID == p.ExternalID
		if u.RetiredAt.IsZero() {
			if u.Active || !renew {
				if sameName {
					return found, store.ErrUserNameTaken(p.UserName)
				}
				return found, store.ErrExternalIDTaken(p.ExternalID)
			}
			found.inactive = append(found.inactive, u)
			continue
		}
		// By externalId; by userName only where one side has no externalId.
		matches := sameExternal || sameName && (u.ExternalID == "" || p.ExternalID == "")
		if matches && (found.retired == nil || u.RetiredAt.After(found.retired.RetiredAt)) {
			found.retired = &u
		}
	}
	return found, nil
}

// memberFor returns the member behind a new resource: the old one under restore, else a fresh one.
func (f *feed) memberFor(tx *store.Tx, u *store.SCIMUser, p Person, before predecessors) (change, error) {
	if f.policy.Reactivation == directory.ReactivationRestore && before.retired != nil {
		c, err := f.comesBack(tx, u, p, before.retired.Member)
		if err != nil || c.after != nil {
			return c, err
		}
	}
	bound, err := f.boundSources(tx, before)
	if err != nil {
		return change{}, err
	}
	m := f.freshMember(tx, p, bound)
	if !u.Active {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	if err := checkAddress(tx, m.Email, "", m.Sources == 0); err != nil {
		return change{}, err
	}
	return change{after: m, why: "scim_create"}, nil
}

// boundSources are the sources, other than the IdP's, that put an old member out. Under
// new_identity they bind the new member too: a person whom an owner put out does not come back
// by a new POST.
func (f *feed) boundSources(tx *store.Tx, before predecessors) (directory.Sources, error) {
	if f.policy.Reactivation != directory.ReactivationNewIdentity {
		return 0, nil
	}
	var ids []string
	for _, u := range before.inactive {
		ids = append(ids, u.Member)
	}
	if before.retired != nil {
		ids = append(ids, before.retired.Member)
	}
	if len(ids) == 0 {
		return 0, nil
	}
	members, err := tx.Members(ids)
	if err != nil {
		return 0, err
	}
	var bound directory.Sources
	for _, m := range members {
		bound |= m.Sources
	}
	// Group loss asks for a mapped group, which the fresh member can only gain.
	return bound.Without(directory.SourceIdP), nil
}

func (f *feed) freshMember(tx *store.Tx, p Person, bound directory.Sources) *directory.Member {
	role, reason := f.Roles.Decide(f.policy.RoleSource, "", nil, tx.Now())
	m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: p.address(), Stage: directory.StageActive, Sources: bound,
		Role: role.ID, RoleReason: reason, Directory: f.dir.ID, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	switch {
	case f.policy.ProvisionOn == directory.ProvisionFirstLogin:
		m.Stage = directory.StagePending
	case f.policy.InviteOnCreate:
		m.Stage = directory.StageInvited
	}
	p.fill(m)
	return m
}

// comesBack links a new resource to the member of a retired one. after is nil where that member
// cannot come back: erased, or taken by another feed meanwhile.
func (f *feed) comesBack(tx *store.Tx, u *store.SCIMUser, p Person, id string) (change, error) {
	if err := tx.LockMember(id); err != nil {
		return change{}, err
	}
	m, err := tx.Member(id)
	if errs.Is(err, errs.KindNotFound) {
		return change{}, nil
	}
	if err != nil {
		return change{}, err
	}
	others, err := tx.SCIMUsersOfMember(id)
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
	p.fill(m)
	m.Email = p.address()
	if u.Active {
		m.Sources = m.Sources.Without(directory.SourceIdP)
	} else {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	if m.RoleReason.Source == directory.RoleByMapping {
		m.RoleReason = directory.RoleReason{Source: directory.RoleKept, At: tx.Now()}
	}
	return c, checkAddress(tx, m.Email, m.ID, m.Sources == 0)
}

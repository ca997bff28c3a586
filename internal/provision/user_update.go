package provision

import (
	"cmp"
	"context"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// hold finds a directory's resource, takes the locks of its member and reads both again under
// them. exclusive is kept by the caller across reruns of its closure. A staged person has no member.
func hold(tx *store.Tx, scope Scope, id string, exclusive *bool) (*feed, *store.SCIMUser, *directory.Member, error) {
	peek, err := tx.SCIMUser(scope.Directory, id)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := tx.LockPeople([]string{lockOf(*peek)}, *exclusive); err != nil {
		return nil, nil, nil, err
	}
	f, err := open(tx, scope)
	if err != nil {
		return nil, nil, nil, err
	}
	u, m, err := behind(tx, peek)
	if err != nil {
		return nil, nil, nil, err
	}
	if u.Member != peek.Member {
		return nil, nil, nil, store.Rerun()
	}
	if m != nil && guarded(f.Config, m) && !*exclusive {
		*exclusive = true
		return nil, nil, nil, store.Rerun()
	}
	if scope.Precondition == nil {
		return f, u, m, nil
	}
	groups, err := tx.GroupsOfUsers([]string{u.ID})
	if err == nil {
		err = scope.Precondition(u.UpdatedAt, groups)
	}
	return f, u, m, err
}

// lockOf is the id under which a person is locked: their member's, or that of a resource without one.
func lockOf(u store.SCIMUser) string { return cmp.Or(u.Member, u.ID) }

// behind reads a resource again, with its member, nil where it has none.
func behind(tx *store.Tx, peek *store.SCIMUser) (*store.SCIMUser, *directory.Member, error) {
	if peek.Member != "" {
		return tx.SCIMUserAndMember(peek.Directory, peek.ID)
	}
	u, err := tx.SCIMUser(peek.Directory, peek.ID)
	return u, nil, err
}

// touchGroupsOf moves on the groups of people, or of groups, that are shown in them by another name, or no more. It returns
// the last step: rows of groups are locked from there on, in id order.
func touchGroupsOf(tx *store.Tx, users ...string) (last func(), err error) {
	memberships, err := tx.GroupsOfUsers(users)
	groups := make([]string, len(memberships))
	for i, m := range memberships {
		groups[i] = m.Group
	}
	slices.Sort(groups)
	return func() {
		for _, id := range slices.Compact(groups) {
			tx.TouchGroup(id)
		}
	}, err
}

// UpdateUser changes a directory's resource (PUT and PATCH; rows 8 to 12). fn gets the resource
// as it stands and returns the person as it shall be; it may be called again. Errors: those of
// fn, not_found, invalid, conflict, forbidden.
func (s *Service) UpdateUser(ctx context.Context, scope Scope, id string, withGroups bool, fn func(User) (Person, error)) (User, error) {
	var done User
	exclusive := false
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		f, u, m, err := hold(tx, scope, id, &exclusive)
		if err != nil {
			return err
		}
		shown := User{SCIMUser: *u}
		if withGroups {
			if shown.Groups, err = tx.GroupsOfUsers([]string{u.ID}); err != nil {
				return err
			}
		}
		p, err := fn(shown)
		if err != nil {
			return err
		}
		if m == nil {
			if err := s.updateStaged(tx, scope, f, u, p); err != nil {
				return err
			}
			done = User{SCIMUser: *u, Groups: shown.Groups}
			return nil
		}
		// What the policy requires is asked of people who shall have access.
		var changes []audit.Change
		if p.Active == nil || *p.Active {
			if err = p.fits(); err == nil {
				err = f.check(&p)
			}
			if err == nil && p.Manager != u.Manager {
				err = checkManager(tx, f.dir.ID, p.Manager, u.ID)
			}
		} else {
			changes, err = f.spare(tx, u, m, &p)
		}
		if err != nil {
			return err
		}
		if err := f.update(tx, scope, u, m, p, changes); err != nil {
			return err
		}
		done = User{SCIMUser: *u, Groups: shown.Groups}
		return nil
	})
	return done, err
}

// spare takes out of what a directory says of a leaver all that would refuse the request, and keeps
// what was: nothing that is missing or wrong in a whole object may keep somebody inside. It
// returns what was ignored.
func (f *feed) spare(tx *store.Tx, u *store.SCIMUser, m *directory.Member, p *Person) (ignored []audit.Change, err error) {
	ignore := func(field, value string) {
		ignored = append(ignored, audit.Change{Field: field + "_ignored", To: value})
	}
	if err := p.fits(); err != nil {
		ignore("attributes", err.Error())
		p.keepTooLarge(u, m)
	}
	if p.UserName == "" {
		p.UserName = u.UserName
	}
	if address := p.address(); directory.Fold(address) != directory.Fold(m.Email) {
		err := checkAddress(tx, address, m.ID, false)
		switch {
		case errs.Is(err, errs.KindForbidden) || !directory.IsAddress(address):
			ignore("email", address)
			p.Email = m.Email
		case err != nil:
			return nil, err
		}
	}
	if p.Manager != u.Manager {
		err := checkManager(tx, f.dir.ID, p.Manager, u.ID)
		switch {
		case errs.Is(err, errs.KindInvalid):
			ignore("manager", p.Manager)
			p.Manager = u.Manager
		case err != nil:
			return nil, err
		}
	}
	return ignored, nil
}

// update writes p over u and m, and over the groups where the person is shown by another name; changes are
// told beside its own.
func (f *feed) update(tx *store.Tx, scope Scope, u *store.SCIMUser, m *directory.Member, p Person, changes []audit.Change) error {
	touch := func() {}
	if p.UserName != u.UserName {
		var err error
		if touch, err = touchGroupsOf(tx, u.ID); err != nil {
			return err
		}
	}
	if err := f.write(tx, scope, u, m, p, changes); err != nil {
		return err
	}
	touch()
	return nil
}

func (f *feed) write(tx *store.Tx, scope Scope, u *store.SCIMUser, m *directory.Member, p Person, changes []audit.Change) error {
	was := *u
	c := edit(m, "scim_update")
	changes = append(changes, f.fill(&p, m)...)
	address, forget, err := f.addressOf(tx, m, p.address())
	if err == nil {
		err = forget()
	}
	if err != nil {
		return err
	}
	elsewhere := directory.Fold(address) != directory.Fold(m.Email)
	if address != m.Email {
		changes = append(changes, audit.Change{Field: "email", From: m.Email, To: address})
		m.Email = address
	}
	t, err := f.active(u, m, p.Active)
	if err != nil {
		return err
	}
	if t != "" {
		c.why = string(t)
		changes = append(changes, audit.Change{Field: "active", From: boolText(was.Active), To: boolText(u.Active)})
	}
	if elsewhere || c.before.Sources == 0 && m.Sources != 0 {
		shielded, err := protected(tx, f.Config, &c.before, 0)
		if err != nil {
			return err
		}
		if shielded {
			return refuseProtected(scope, &c.before, "changing status or address by the directory")
		}
	}
	if elsewhere || c.before.Sources != 0 && m.Sources == 0 {
		if err := checkAddress(tx, m.Email, m.ID, m.Sources == 0); err != nil {
			return err
		}
	}
	u.UserName, u.ExternalID, u.Manager, u.Document = p.UserName, p.ExternalID, p.Manager, p.Document
	shown := was.UserName != u.UserName || was.ExternalID != u.ExternalID || was.Manager != u.Manager ||
		was.Document != u.Document || was.Active != u.Active
	typ := audit.SCIMUserUpdated
	if t != "" {
		typ = t
	}
	if len(changes) == 0 && !shown && m.Sources == c.before.Sources {
		e := scope.event(typ, memberParty(m))
		e.Reason = "no_change"
		return tx.Record(e)
	}
	renews := f.renews(c)
	if shown || renews {
		u.UpdatedAt = moved(tx.Now(), was.UpdatedAt)
	}
	if was.Document != u.Document {
		u.Emails = p.Emails
		if u.Emails == nil {
			u.Emails = []store.EmailKey{}
		}
	}
	if was.UserName != u.UserName {
		changes = append(changes, audit.Change{Field: "user_name", From: was.UserName, To: u.UserName})
	}
	if was.ExternalID != u.ExternalID {
		changes = append(changes, audit.Change{Field: "external_id", From: was.ExternalID, To: u.ExternalID})
	}
	if err := tellUpdated(tx, f.Config, scope, &was, u); err != nil {
		return err
	}
	if renews {
		if err := f.renew(tx, scope, u, p, c, changes); err != nil {
			return err
		}
		return tell(tx, f.Config, toldUser(u.ID, u.ExternalID), EventActivated)
	}
	if shown {
		tx.UpdateSCIMUser(u)
	}
	if err := tx.Record(scope.event(typ, memberParty(m), changes...)); err != nil {
		return err
	}
	if err := tellDropped(tx, scope, memberParty(m), p.given, f.droppedBefore(p, &was)); err != nil {
		return err
	}
	return save(tx, f.Config, scope, c)
}

// active applies the directory's word to resource and sources and returns the event type of the
// transition, "" for none.
func (f *feed) active(u *store.SCIMUser, m *directory.Member, want *bool) (audit.Type, error) {
	if want == nil {
		return "", nil
	}
	wasActive := u.Active
	u.Active = *want
	if !*want {
		// An owner may have restored somebody whom the directory holds inactive: its next
		// word puts them out again.
		wasOut := m.Sources.Has(directory.SourceIdP)
		m.Sources = m.Sources.With(directory.SourceIdP)
		if wasActive || !wasOut {
			return audit.SCIMUserDeactivated, nil
		}
		return "", nil
	}
	if m.Sources.Has(directory.SourceIdP) {
		if err := f.mayBringIn(); err != nil {
			return "", err
		}
		m.Sources = m.Sources.Without(directory.SourceIdP)
		return audit.SCIMUserReactivated, nil
	}
	if !wasActive {
		return audit.SCIMUserReactivated, nil
	}
	return "", nil
}

// renews reports whether a return makes a fresh member: under new_identity, when the IdP's was
// the last source, and only for somebody who had been in.
func (f *feed) renews(c change) bool {
	return f.policy.Reactivation == directory.ReactivationNewIdentity && c.before.WasIn &&
		c.before.Sources.Has(directory.SourceIdP) && c.after.Sources == 0
}

// renew puts a fresh member behind the same resource. The old one stays out, as history; the
// resource keeps its id and its group rows, which decide the fresh member's role.
func (f *feed) renew(tx *store.Tx, scope Scope, u *store.SCIMUser, p Person, c change, changes []audit.Change) error {
	old := c.before
	fresh := *c.after
	fresh.ID = keys.ID("mem_", tx.Now())
	fresh.Replaces, fresh.ManualRole, fresh.BreakGlass, fresh.WasIn = old.ID, "", false, false
	fresh.CreatedAt, fresh.UpdatedAt = tx.Now(), tx.Now()
	fresh.Assert("", nil, false) // what people wrote stays with the one whom they knew
	fresh.Attributes = f.EffectiveAttributes(&fresh, p.Attributes)
	if f.policy.ProvisionOn == directory.ProvisionFirstLogin {
		fresh.Stage = directory.StagePending
	}
	groups, err := tx.MappedGroups([]string{old.ID})
	if err != nil {
		return err
	}
	role, reason := f.Decide("", groups[old.ID], tx.Now())
	fresh.Role, fresh.RoleReason = role.ID, reason
	u.Member = fresh.ID
	tx.UpdateSCIMUser(u)
	tx.MoveIdentities(old.ID, fresh.ID)
	changes = append(changes, audit.Change{Field: "member", From: old.ID, To: fresh.ID})
	if err := tx.Record(scope.event(audit.SCIMUserReactivated, memberParty(&fresh), changes...)); err != nil {
		return err
	}
	quiet := scope
	quiet.Payload = nil
	if err := tx.Record(quiet.event(audit.MemberReplaced, memberParty(&old), audit.Change{Field: "member", From: old.ID, To: fresh.ID})); err != nil {
		return err
	}
	return save(tx, f.Config, scope, change{after: &fresh, why: "new_identity"})
}

// DeleteUser is a directory's DELETE (row 11): the id is retired for good, the member goes out and
// keeps their data.
func (s *Service) DeleteUser(ctx context.Context, scope Scope, id string) error {
	exclusive := false
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		f, u, m, err := hold(tx, scope, id, &exclusive)
		if err != nil {
			return err
		}
		if m == nil {
			return f.dropStaged(tx, scope, u)
		}
		if m.Sources == 0 {
			shielded, err := protected(tx, f.Config, m, 0)
			if err != nil {
				return err
			}
			if shielded {
				return refuseProtected(scope, m, "deleting them by the directory")
			}
		}
		c := edit(m, string(audit.SCIMUserDeleted))
		m.Sources = m.Sources.With(directory.SourceIdP)
		keepRole(m, tx.Now())
		touch, err := retire(tx, f.Config, []store.SCIMUser{*u})
		if err != nil {
			return err
		}
		if err := tx.Record(scope.event(audit.SCIMUserDeleted, memberParty(m), audit.Change{Field: "scim_id", From: u.ID})); err != nil {
			return err
		}
		if err := save(tx, f.Config, scope, c); err != nil {
			return err
		}
		touch()
		return nil
	})
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

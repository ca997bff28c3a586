package provision

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// GroupForm is what a directory says of a group, without its members.
type GroupForm struct {
	DisplayName string
	ExternalID  string
	Document    string
}

func (g GroupForm) check() error {
	if g.DisplayName == "" {
		return errs.Invalid("required_missing", "displayName is required and was not given.")
	}
	if err := keyFits("displayName", g.DisplayName); err != nil {
		return err
	}
	if err := keyFits("externalId", g.ExternalID); err != nil {
		return err
	}
	if len(g.Document) > maxDocument {
		return errs.Invalid("too_large", "The group has %d bytes of attributes; at most %d are kept.", len(g.Document), maxDocument)
	}
	return nil
}

// mappedRole is the role that mappings give to a group of this directory, or "".
func (f *feed) mappedRole(displayName, externalID string) string {
	if f.policy.RoleSource != directory.RoleSourceMapping {
		return ""
	}
	role, _ := f.Roles.MappedRole(f.Mappings, f.dir.ID, displayName, externalID)
	return role.ID
}

// CreateGroup is a directory's POST of a group with its first members (SCIM ids, or ids of groups). An id that is
// neither a person nor a group of the directory is an error that names it.
func (s *Service) CreateGroup(ctx context.Context, scope Scope, form GroupForm, members []string) (store.Group, error) {
	var made store.Group
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		if err := form.check(); err != nil {
			return err
		}
		change := membership{add: members}
		f, known, err := openMembers(tx, scope, change, false)
		if err != nil {
			return err
		}
		g := &store.Group{Document: form.Document, Group: directory.Group{ID: keys.ID("grp_", tx.Now()), Directory: f.dir.ID,
			DisplayName: form.DisplayName, ExternalID: form.ExternalID, MappedRole: f.mappedRole(form.DisplayName, form.ExternalID),
			CreatedAt: tx.Now(), UpdatedAt: tx.Now()}}
		tx.InsertGroup(g)
		if err := f.changeMembers(tx, scope, g, change, known, g.MappedRole); err != nil {
			return err
		}
		made = *g
		if f.tellsGroups() {
			if err := tell(tx, f.Config, toldGroup(g), EventCreated, createdNames(g, len(members) > 0)...); err != nil {
				return err
			}
		}
		return tx.Record(f.noted(scope.event(audit.SCIMGroupCreated, groupParty(g), counted("members_added", len(members))...)))
	})
	return made, err
}

// UpdateGroup changes a group: fn gets it as it stands and returns how it shall be, ops change its
// membership row by row, in order. fn may be called again.
func (s *Service) UpdateGroup(ctx context.Context, scope Scope, id string, fn func(store.Group) (GroupForm, error), ops []scim.MemberOp) (store.Group, error) {
	var done store.Group
	var locks groupLocks
	err := s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		g, form, err := holdGroup(tx, scope, id, fn, ops, &locks)
		if err != nil {
			return err
		}
		change, err := plan(tx, id, ops)
		if err != nil {
			return err
		}
		f, known, err := openMembers(tx, scope, change, locks.policy)
		if err != nil {
			return err
		}
		if f.mappedRole(g.DisplayName, g.ExternalID) != g.MappedRole {
			// Mappings changed between the group's lock and the policy's.
			if g, err = tx.Group(scope.Directory, id); err != nil {
				return err
			}
		}
		if err := form.check(); err != nil {
			return err
		}
		done, err = f.updateGroup(tx, scope, g, form, change, known, locks.policy)
		if errors.Is(err, errExclusive) {
			locks.policy = true
			return store.Rerun()
		}
		return err
	})
	return done, err
}

// groupLocks are the locks that a change of a group turned out to need, kept across reruns.
type groupLocks struct {
	alone  bool // the group exclusively
	policy bool // the policy exclusively
}

// holdGroup locks a group and asks fn what shall become of it as it stands under the lock. Adding
// and removing rows may happen side by side; a whole list, the group's own attributes, or what is asked under a
// condition wait for their turn.
func holdGroup(tx *store.Tx, scope Scope, id string, fn func(store.Group) (GroupForm, error), ops []scim.MemberOp, locks *groupLocks) (*store.Group, GroupForm, error) {
	if scope.Precondition != nil || slices.ContainsFunc(ops, func(op scim.MemberOp) bool { return op.Kind == scim.MemberReplace }) {
		locks.alone = true
	}
	if err := tx.LockGroup(id, !locks.alone); err != nil {
		return nil, GroupForm{}, err
	}
	g, err := tx.Group(scope.Directory, id)
	if err != nil {
		return nil, GroupForm{}, err
	}
	if scope.Precondition != nil {
		if err := scope.Precondition(g.UpdatedAt, nil); err != nil {
			return nil, GroupForm{}, err
		}
	}
	form, err := fn(*g)
	if err != nil {
		return nil, GroupForm{}, err
	}
	renamed := form.DisplayName != g.DisplayName || form.ExternalID != g.ExternalID
	// A rename may give a role to, or take it from, every member.
	locks.policy = locks.policy || renamed
	if !locks.alone && (renamed || form.Document != g.Document) {
		locks.alone = true
		return nil, GroupForm{}, store.Rerun()
	}
	return g, form, nil
}

// openMembers takes the locks of the people of a membership, opens the directory and returns the
// member behind each SCIM id, as they stand under the locks. A group that joins is held, so that it is not deleted
// meanwhile; it has no member behind it.
func openMembers(tx *store.Tx, scope Scope, change membership, exclusive bool) (*feed, map[string]string, error) {
	for _, id := range slices.Sorted(slices.Values(change.add)) {
		if isGroup(id) {
			if err := tx.LockGroup(id, true); err != nil {
				return nil, nil, err
			}
		}
	}
	peek, err := knownMembers(tx, scope.Directory, change)
	if err != nil {
		return nil, nil, err
	}
	if err := tx.LockPeople(values(peek), exclusive); err != nil {
		return nil, nil, err
	}
	f, err := open(tx, scope)
	if err != nil {
		return nil, nil, err
	}
	// Meanwhile somebody may have been deleted, or renewed: then another member is to be locked.
	known, err := knownMembers(tx, scope.Directory, change)
	if err != nil {
		return nil, nil, err
	}
	if !maps.Equal(known, peek) {
		return nil, nil, store.Rerun()
	}
	return f, known, nil
}

func (f *feed) updateGroup(tx *store.Tx, scope Scope, g *store.Group, form GroupForm, change membership, known map[string]string, exclusive bool) (store.Group, error) {
	before := *g
	var changes []audit.Change
	if g.DisplayName != form.DisplayName {
		changes = append(changes, audit.Change{Field: "display_name", From: g.DisplayName, To: form.DisplayName})
	}
	if g.ExternalID != form.ExternalID {
		changes = append(changes, audit.Change{Field: "external_id", From: g.ExternalID, To: form.ExternalID})
	}
	g.DisplayName, g.ExternalID, g.Document = form.DisplayName, form.ExternalID, form.Document
	g.MappedRole = f.mappedRole(g.DisplayName, g.ExternalID)
	rewritten := len(changes) > 0 || g.Document != before.Document
	if rewritten {
		g.UpdatedAt = moved(tx.Now(), before.UpdatedAt)
		tx.UpdateGroup(g)
	}
	added, removed, err := apply(tx, g.ID, change)
	if err != nil {
		return before, err
	}
	touched := !rewritten && len(added)+len(removed) > 0
	changes = append(changes, counted("members_added", len(added))...)
	changes = append(changes, counted("members_removed", len(removed))...)
	e := scope.event(audit.SCIMGroupUpdated, groupParty(g), changes...)
	if len(changes) == 0 && !rewritten {
		e.Reason = "no_change"
	}
	if err := tx.Record(f.noted(e)); err != nil {
		return before, err
	}
	touchOuter := func() {}
	if g.DisplayName != before.DisplayName {
		if touchOuter, err = touchGroupsOf(tx, g.ID); err != nil {
			return before, err
		}
	}
	if err := f.rolesAfter(tx, scope, g, before, added, removed, known, exclusive); err != nil {
		return before, err
	}
	if err := f.tellGroup(tx, scope, &before, g, len(added)+len(removed) > 0); err != nil {
		return before, err
	}
	touchOuter()
	if touched {
		// Last, so that changes of one group wait for each other's commit alone: the row is
		// locked from here on.
		g.UpdatedAt = moved(tx.Now(), before.UpdatedAt)
		tx.TouchGroup(g.ID)
	}
	return *g, nil
}

// rolesAfter resolves the roles of those whom a change of a group concerns. Where the name or the
// mapped role changed, that is every member; else those who joined or left.
func (f *feed) rolesAfter(tx *store.Tx, scope Scope, g *store.Group, before store.Group, added, removed []string, known map[string]string, exclusive bool) error {
	if g.MappedRole == "" && before.MappedRole == "" {
		return nil
	}
	ask := resolved{why: string(audit.SCIMGroupUpdated), lost: map[string]bool{}, exclusive: exclusive}
	if before.MappedRole != "" {
		for _, id := range removed {
			if member, person := known[id]; person {
				ask.lost[member] = true
			}
		}
	}
	for _, id := range slices.Concat(added, removed) {
		if member, person := known[id]; person {
			ask.members = append(ask.members, member)
		}
	}
	if g.MappedRole != before.MappedRole || g.DisplayName != before.DisplayName {
		all, err := tx.MembersInGroup(g.ID)
		if err != nil {
			return err
		}
		ask.members = append(ask.members, all...)
	}
	// Staged people have no member, and no role.
	ask.members = slices.DeleteFunc(ask.members, func(id string) bool { return id == "" })
	slices.Sort(ask.members)
	ask.members = slices.Compact(ask.members)
	_, err := resolve(tx, f.Config, f.policy, scope, ask)
	return err
}

// changeMembers applies a membership and resolves roles, for a group that is otherwise as it was.
func (f *feed) changeMembers(tx *store.Tx, scope Scope, g *store.Group, change membership, known map[string]string, mappedBefore string) error {
	added, removed, err := apply(tx, g.ID, change)
	if err != nil {
		return err
	}
	before := *g
	before.MappedRole = mappedBefore
	return f.rolesAfter(tx, scope, g, before, added, removed, known, false)
}

// DeleteGroup is a directory's DELETE of a group (row 16): roles are resolved again, nobody goes
// out by it.
func (s *Service) DeleteGroup(ctx context.Context, scope Scope, id string) error {
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		peek, err := tx.Group(scope.Directory, id)
		if err != nil {
			return err
		}
		if err := tx.LockGroup(id, false); err != nil {
			return err
		}
		if err := tx.LockPeople(nil, peek.MappedRole != ""); err != nil {
			return err
		}
		f, err := open(tx, scope)
		if err != nil {
			return err
		}
		g, err := tx.Group(scope.Directory, id)
		if err != nil {
			return err
		}
		if g.MappedRole != peek.MappedRole {
			return store.Rerun()
		}
		if scope.Precondition != nil {
			if err := scope.Precondition(g.UpdatedAt, nil); err != nil {
				return err
			}
		}
		members, err := tx.MembersInGroup(id)
		if err != nil {
			return err
		}
		touchOuter, err := touchGroupsOf(tx, id)
		if err != nil {
			return err
		}
		tx.DeleteGroup(id)
		if f.tellsGroups() {
			if err := tell(tx, f.Config, toldGroup(g), EventDeleted); err != nil {
				return err
			}
		}
		if err := tx.Record(f.noted(scope.event(audit.SCIMGroupDeleted, groupParty(g), counted("members_removed", len(members))...))); err != nil {
			return err
		}
		if g.MappedRole != "" {
			_, err = resolve(tx, f.Config, f.policy, scope, resolved{members: members, why: string(audit.SCIMGroupDeleted)})
		}
		touchOuter()
		return err
	})
}

// membership is the net effect of membership operations: SCIM ids to add and to remove.
type membership struct{ add, remove []string }

// lastWhole is where the last whole list stands, 0 where there is none. Nothing before it matters,
// and a thousand whole lists of a large group must not be walked one by one.
func lastWhole(ops []scim.MemberOp) int {
	for i := len(ops) - 1; i >= 0; i-- {
		if ops[i].Kind == scim.MemberReplace {
			return i
		}
	}
	return 0
}

// plan turns operations into their net effect. Only a whole list makes it read the present one.
func plan(tx *store.Tx, group string, ops []scim.MemberOp) (membership, error) {
	var current map[string]bool // whom the group has, known after a whole list
	wanted := map[string]bool{} // id -> in or out at the end
	var order []string
	want := func(id string, in bool) {
		if _, seen := wanted[id]; !seen {
			order = append(order, id)
		}
		wanted[id] = in
	}
	for _, op := range ops[lastWhole(ops):] {
		switch op.Kind {
		case scim.MemberReplace:
			if current == nil {
				ids, err := tx.GroupMemberIDs(group)
				if err != nil {
					return membership{}, err
				}
				current = make(map[string]bool, len(ids))
				for _, id := range ids {
					current[id] = true
					want(id, true)
				}
			}
			for _, id := range order {
				wanted[id] = false
			}
			for _, id := range op.Values {
				want(id, true)
			}
		case scim.MemberAdd:
			for _, id := range op.Values {
				want(id, true)
			}
		case scim.MemberRemove:
			for _, id := range op.Values {
				want(id, false)
			}
		}
	}
	var m membership
	for _, id := range order {
		switch {
		case wanted[id] && !current[id]:
			m.add = append(m.add, id)
		case !wanted[id] && (current == nil || current[id]):
			m.remove = append(m.remove, id)
		}
	}
	return m, nil
}

// apply changes rows and returns who really joined and left.
func apply(tx *store.Tx, group string, m membership) (added, removed []string, err error) {
	if removed, err = tx.RemoveGroupMembers(group, m.remove); err != nil {
		return nil, nil, err
	}
	added, err = tx.AddGroupMembers(group, m.add)
	return added, removed, err
}

// isGroup reports whether an id is a group's. Ids of a directory's people are UUIDs.
func isGroup(id string) bool { return strings.HasPrefix(id, "grp_") }

// knownMembers returns the member behind each SCIM id of a membership. An id to add that is neither a
// person nor a group of the directory is an error that names it; to remove it is nobody. A group in a group is kept
// as a directory says it and gives nobody anything, so a circle of groups does no harm.
func knownMembers(tx *store.Tx, directoryID string, change membership) (map[string]string, error) {
	if len(change.add)+len(change.remove) == 0 {
		return nil, nil
	}
	known, err := tx.KnownSCIMUsers(directoryID, slices.Concat(change.add, change.remove))
	if err != nil {
		return nil, err
	}
	groups, err := knownGroups(tx, directoryID, change.add)
	if err != nil {
		return nil, err
	}
	for _, id := range change.add {
		_, person := known[id]
		_, group := groups[id]
		if !person && !group {
			return nil, errs.Invalid("member_unknown",
				"members: expected ids of users or groups of this directory, received %q, which is none. Assign the person to the application first; nothing was changed.", id)
		}
	}
	return known, nil
}

// knownGroups returns those of ids that are groups of the directory.
func knownGroups(tx *store.Tx, directoryID string, ids []string) (map[string]string, error) {
	var asked []string
	for _, id := range ids {
		if isGroup(id) {
			asked = append(asked, id)
		}
	}
	if asked == nil {
		return nil, nil
	}
	return tx.KnownGroups(directoryID, asked)
}

// values are the ids under which the people of known are locked.
func values(known map[string]string) []string {
	out := make([]string, 0, len(known))
	for id, member := range known {
		out = append(out, cmp.Or(member, id))
	}
	return out
}

// noted is an event of a group. In a directory that tests nothing comes of it but for its pilot.
func (f *feed) noted(e audit.Event) audit.Event {
	if f.dir.Status == directory.DirectoryTesting && e.Reason == "" {
		e.Reason = staged
	}
	return e
}

func counted(field string, n int) []audit.Change {
	if n == 0 {
		return nil
	}
	return []audit.Change{{Field: field, To: itoa(n)}}
}

package provision

import (
	"context"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// List is a page of a directory's resources.
type List struct {
	Where store.Cond
	// Start is the first resource, from 1; Count how many at the most, 0 for the total alone.
	Start, Count int
	// Terms is how many comparisons match makes on each candidate.
	Terms int
}

// Limits of what a filter that no index serves may cost, in bytes of documents: read at once, and
// searched, once for each term.
const (
	maxRead     = 32 << 20
	maxSearched = 128 << 20
)

// maxBytes is how many bytes of candidates may be read.
func (q List) maxBytes() int { return min(maxRead, maxSearched/max(q.Terms, 1)) }

// reading is how a list is read: one that an index serves needs no common view of its one or two
// statements, and a transaction would cost more than they do.
func (s *Service) reading(indexed bool) func(context.Context, string, func(*store.Tx) error) error {
	if indexed {
		return s.DB.Peek
	}
	return s.DB.Read
}

// GetUser returns a directory's person.
func (s *Service) GetUser(ctx context.Context, scope Scope, id string, withGroups bool) (User, error) {
	var out User
	err := s.DB.Peek(ctx, scope.Workspace, func(tx *store.Tx) error {
		u, err := tx.SCIMUser(scope.Directory, id)
		if err != nil {
			return err
		}
		users := []User{{SCIMUser: *u}}
		if err := addGroups(tx, users, withGroups); err != nil {
			return err
		}
		out = users[0]
		return nil
	})
	return out, err
}

func addGroups(tx *store.Tx, users []User, wanted bool) error {
	if !wanted || len(users) == 0 {
		return nil
	}
	at := make(map[string]int, len(users))
	ids := make([]string, len(users))
	for i := range users {
		ids[i] = users[i].ID
		at[users[i].ID] = i
	}
	groups, err := tx.GroupsOfUsers(ids)
	for _, g := range groups {
		users[at[g.User]].Groups = append(users[at[g.User]].Groups, g)
	}
	return err
}

// ListUsers returns a page of a directory's people in the order of their creation, and how many
// match. match, where it is set, is asked for each candidate that the condition leaves, of
// whom there may be 10,000 at the most (law 9).
func (s *Service) ListUsers(ctx context.Context, scope Scope, q List, withGroups bool, match func(User) (bool, error)) ([]User, int, error) {
	var users []User
	total := 0
	err := s.reading(match == nil)(ctx, scope.Workspace, func(tx *store.Tx) error {
		sel := store.Select{Where: q.Where, Start: q.Start, Count: q.Count}
		if match != nil {
			sel.Start, sel.Count, sel.MaxBytes = 1, store.MaxCandidates, q.maxBytes()
		}
		rows, n, err := tx.SelectSCIMUsers(scope.Directory, sel)
		if err != nil {
			return err
		}
		total = n
		users = make([]User, len(rows))
		for i, u := range rows {
			users[i].SCIMUser = u
		}
		if match == nil {
			return addGroups(tx, users, withGroups)
		}
		if err := tooMany(total); err != nil {
			return err
		}
		// The filter may ask for groups even where the answer does not show them.
		return addGroups(tx, users, true)
	})
	if err != nil || match == nil {
		return users, total, err
	}
	// Outside the transaction: there are few connections for reading, and a long search must not
	// keep one from those who ask whether a session lives.
	return window(ctx, users, q, match)
}

func tooMany(total int) error {
	if total > store.MaxCandidates {
		return errs.Invalid("too_many",
			"The filter would have to look at %d resources one by one, at most %d are. Filter by userName, externalId, id, emails, active, displayName or members.", total, store.MaxCandidates)
	}
	return nil
}

// window keeps what matches, and of that the page that was asked for.
func window[T any](ctx context.Context, all []T, q List, match func(T) (bool, error)) (page []T, total int, err error) {
	for _, x := range all {
		if err := ctx.Err(); err != nil {
			return nil, 0, err // nobody waits for the answer any more
		}
		ok, err := match(x)
		if err != nil {
			return nil, 0, err
		}
		if !ok {
			continue
		}
		total++
		if total >= q.Start && len(page) < q.Count {
			page = append(page, x)
		}
	}
	return page, total, nil
}

// Group is a group as a directory is shown it.
type Group struct {
	store.Group
	Members []store.GroupMember
}

// GetGroup returns a directory's group, with its members where they are wanted.
func (s *Service) GetGroup(ctx context.Context, scope Scope, id string, withMembers bool) (Group, error) {
	var out Group
	err := s.DB.Peek(ctx, scope.Workspace, func(tx *store.Tx) error {
		g, err := tx.Group(scope.Directory, id)
		if err != nil {
			return err
		}
		groups := []Group{{Group: *g}}
		if err := addMembers(tx, groups, withMembers); err != nil {
			return err
		}
		out = groups[0]
		return nil
	})
	return out, err
}

func addMembers(tx *store.Tx, groups []Group, wanted bool) error {
	if !wanted || len(groups) == 0 {
		return nil
	}
	at := make(map[string]int, len(groups))
	ids := make([]string, len(groups))
	for i := range groups {
		ids[i] = groups[i].ID
		at[groups[i].ID] = i
	}
	members, err := tx.MembersOfGroups(ids)
	for _, m := range members {
		groups[at[m.Group]].Members = append(groups[at[m.Group]].Members, m)
	}
	return err
}

// Limits of what a list of groups loads.
const (
	// maxPageMembers is how many members the groups of one page have together; a page is cut
	// before it goes over, and never below one group. The client asks on behind what it got.
	maxPageMembers = 20_000
	// maxSearchMembers is over how many members a filter looks that no index serves.
	maxSearchMembers = 100_000
)

// fitting cuts a page of groups to those whose members fit one answer.
func fitting(tx *store.Tx, groups []Group) ([]Group, error) {
	sizes, err := sizesOf(tx, groups)
	if err != nil {
		return nil, err
	}
	total := 0
	for i, g := range groups {
		if total += sizes[g.ID]; total > maxPageMembers && i > 0 {
			return groups[:i], nil
		}
	}
	return groups, nil
}

func sizesOf(tx *store.Tx, groups []Group) (map[string]int, error) {
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	return tx.GroupSizes(ids)
}

// searchable refuses a search over more members than one request may look at.
func searchable(tx *store.Tx, groups []Group) error {
	sizes, err := sizesOf(tx, groups)
	if err != nil {
		return err
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if total > maxSearchMembers {
		return errs.Invalid("too_many", "The filter would have to look at %d members one by one, at most %d are. Filter by members.value, displayName, externalId or id.", total, maxSearchMembers)
	}
	return nil
}

// ListGroups is ListUsers for groups. matchMembers says that match looks at members.
func (s *Service) ListGroups(ctx context.Context, scope Scope, q List, withMembers bool, match func(Group) (bool, error), matchMembers bool) ([]Group, int, error) {
	var groups []Group
	total := 0
	err := s.reading(match == nil)(ctx, scope.Workspace, func(tx *store.Tx) error {
		sel := store.Select{Where: q.Where, Start: q.Start, Count: q.Count}
		if match != nil {
			sel.Start, sel.Count = 1, store.MaxCandidates
		}
		rows, n, err := tx.SelectGroups(scope.Directory, sel)
		if err != nil {
			return err
		}
		total = n
		groups = make([]Group, len(rows))
		for i, g := range rows {
			groups[i].Group = g
		}
		if match == nil {
			if withMembers {
				if groups, err = fitting(tx, groups); err != nil {
					return err
				}
			}
			return addMembers(tx, groups, withMembers)
		}
		if err := tooMany(total); err != nil {
			return err
		}
		if matchMembers {
			if err := searchable(tx, groups); err != nil {
				return err
			}
		}
		if err := addMembers(tx, groups, matchMembers); err != nil {
			return err
		}
		if groups, total, err = window(ctx, groups, q, match); err != nil || matchMembers {
			return err
		}
		if withMembers {
			if groups, err = fitting(tx, groups); err != nil {
				return err
			}
		}
		return addMembers(tx, groups, withMembers)
	})
	return groups, total, err
}

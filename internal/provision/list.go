package provision

import (
	"context"
	"slices"
	"strconv"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func itoa(n int) string { return strconv.Itoa(n) }

// List asks for a page of a directory's resources.
type List struct {
	Where store.Cond
	// Sort is the order of what is not picked in memory.
	Sort store.Sort
	// Start is the first resource, from 1; Count how many at the most, 0 for the total alone.
	Start, Count int
	// Behind asks for the page behind a place instead, of a list that had Total resources when its first page was
	// read: they are counted once. Walk asks for the first such page.
	Walk   bool
	Behind *store.Place
	Total  int
	// Terms is how many comparisons Picking.Match makes on each candidate.
	Terms int
}

// selected is what is read of the database: the page, or all candidates.
func (q List) selected(picked bool) store.Select {
	if picked {
		return store.Select{Where: q.Where, Start: 1, Count: store.MaxCandidates, MaxBytes: q.maxBytes()}
	}
	return store.Select{Where: q.Where, Sort: q.Sort, Start: q.Start, Count: q.Count}
}

// Picking says how a list is made in memory that no index serves: of each candidate that the condition
// leaves, of whom there may be 10,000 at the most (law 9).
type Picking[T any] struct {
	// Match says whether a candidate is in the list.
	Match func(T) (bool, error)
	// Compare is the order of the list, total; nil for that of creation.
	Compare func(a, b T) int
	// Behind says whether a candidate comes behind where the page before ended; nil for the first page.
	Behind func(T) bool
	// What takes the candidates one by one, for a refusal: "filter" or "order".
	What string
}

// Page is a part of a list.
type Page[T any] struct {
	Rows  []T
	Total int  // how many the whole list has
	More  bool // of a walk: there are more behind the last row
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

// ListUsers returns a page of a directory's people: by what indexes serve, or else with pick.
func (s *Service) ListUsers(ctx context.Context, scope Scope, q List, withGroups bool, pick *Picking[User]) (page Page[User], err error) {
	err = s.reading(pick == nil)(ctx, scope.Workspace, func(tx *store.Tx) error {
		sel := q.selected(pick != nil)
		rows, total, more, err := readPage(scope.Directory, q, sel, pick == nil, tx.SelectSCIMUsers, tx.SCIMUsersBehind)
		if err != nil {
			return err
		}
		page = Page[User]{Rows: make([]User, len(rows)), Total: total, More: more}
		for i, u := range rows {
			page.Rows[i].SCIMUser = u
		}
		if pick == nil {
			return addGroups(tx, page.Rows, withGroups)
		}
		if err := tooMany(total, pick.What); err != nil {
			return err
		}
		// The filter may ask for groups even where the answer does not show them.
		return addGroups(tx, page.Rows, true)
	})
	if err != nil || pick == nil {
		return page, err
	}
	// Outside the transaction: there are few connections for reading, and a long search must not
	// keep one from those who ask whether a session lives.
	return pick.page(ctx, page.Rows, q)
}

// readPage reads a page by its number or, of a walk, behind the one before. Only the first page of a walk is
// counted, and only where it does not show all there is.
func readPage[T any](directory string, q List, sel store.Select, served bool, byNumber func(string, store.Select) ([]T, int, error),
	behind func(string, store.Select, *store.Place) ([]T, bool, error)) (rows []T, total int, more bool, err error) {
	if !served || !q.Walk || q.Count == 0 {
		rows, total, err = byNumber(directory, sel)
		return rows, total, false, err
	}
	if rows, more, err = behind(directory, sel, q.Behind); err != nil || q.Behind != nil {
		return rows, q.Total, more, err
	}
	if total = len(rows); more {
		_, total, err = byNumber(directory, store.Select{Where: q.Where})
	}
	return rows, total, more, err
}

func tooMany(total int, what string) error {
	if total > store.MaxCandidates {
		return errs.Invalid("too_many",
			"The %s would have to look at %d resources one by one, at most %d are. Filter by userName, externalId, id, emails, active, displayName or members; sort by id, userName, displayName of groups, externalId or meta.created.", what, total, store.MaxCandidates)
	}
	return nil
}

// page keeps what matches, and of that the page that was asked for.
func (p *Picking[T]) page(ctx context.Context, all []T, q List) (page Page[T], err error) {
	var found []T
	for _, x := range all {
		if err := ctx.Err(); err != nil {
			return page, err // nobody waits for the answer any more
		}
		ok, err := p.Match(x)
		if err != nil {
			return page, err
		}
		if ok {
			found = append(found, x)
		}
	}
	page.Total = len(found)
	if p.Compare != nil {
		slices.SortFunc(found, p.Compare)
	}
	start := min(max(q.Start-1, 0), len(found))
	if q.Walk && p.Behind != nil {
		start = len(found)
		if i := slices.IndexFunc(found, p.Behind); i >= 0 {
			start = i
		}
	}
	end := min(start+q.Count, len(found))
	page.Rows, page.More = found[start:end], q.Walk && end < len(found)
	return page, nil
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
	// They come group by group: each has a part of the one list, which may be long.
	for len(members) > 0 {
		group := members[0].Group
		n := slices.IndexFunc(members, func(m store.GroupMember) bool { return m.Group != group })
		if n < 0 {
			n = len(members)
		}
		groups[at[group]].Members, members = members[:n:n], members[n:]
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

// fill loads the members of a page's groups where they are wanted, and cuts the page to those whose members
// fit one answer.
func fill(tx *store.Tx, p *Page[Group], q List, wanted bool) error {
	if !wanted {
		return nil
	}
	sizes, err := sizesOf(tx, p.Rows)
	if err != nil {
		return err
	}
	total := 0
	for i, g := range p.Rows {
		if total += sizes[g.ID]; total > maxPageMembers && i > 0 {
			p.Rows, p.More = p.Rows[:i], q.Walk
			break
		}
	}
	return addMembers(tx, p.Rows, true)
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

// ListGroups is ListUsers for groups. pickMembers says that pick looks at members.
func (s *Service) ListGroups(ctx context.Context, scope Scope, q List, withMembers bool, pick *Picking[Group], pickMembers bool) (page Page[Group], err error) {
	err = s.reading(pick == nil)(ctx, scope.Workspace, func(tx *store.Tx) error {
		sel := q.selected(pick != nil)
		sel.MaxBytes = 0
		rows, total, more, err := readPage(scope.Directory, q, sel, pick == nil, tx.SelectGroups, tx.GroupsBehind)
		if err != nil {
			return err
		}
		page = Page[Group]{Rows: make([]Group, len(rows)), Total: total, More: more}
		for i, g := range rows {
			page.Rows[i].Group = g
		}
		if pick == nil {
			return fill(tx, &page, q, withMembers)
		}
		if err := tooMany(total, pick.What); err != nil {
			return err
		}
		if pickMembers {
			if err := searchable(tx, page.Rows); err != nil {
				return err
			}
		}
		if err := addMembers(tx, page.Rows, pickMembers); err != nil {
			return err
		}
		if page, err = pick.page(ctx, page.Rows, q); err != nil || pickMembers {
			return err
		}
		return fill(tx, &page, q, withMembers)
	})
	return page, err
}

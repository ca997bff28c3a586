package provision_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/scim"
)

// reader is a driver that notes what is read through it.
type reader struct {
	store.Driver
	mu      sync.Mutex
	queries []string
	rows    int
}

func (r *reader) note(rows store.Rows, query string, err error) (store.Rows, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queries = append(r.queries, query)
	if err != nil {
		return nil, err
	}
	return &readRows{rows, r}, nil
}

func (r *reader) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	rows, err := r.Driver.Query(ctx, query, args...)
	return r.note(rows, query, err)
}

func (r *reader) Read(ctx context.Context, fn func(store.Conn) error) error {
	return r.Driver.Read(ctx, func(c store.Conn) error { return fn(readConn{c, r}) })
}

func (r *reader) Write(ctx context.Context, fn func(store.Conn) error) error {
	return r.Driver.Write(ctx, func(c store.Conn) error { return fn(readConn{c, r}) })
}

type readConn struct {
	store.Conn
	r *reader
}

func (c readConn) Query(ctx context.Context, query string, args ...any) (store.Rows, error) {
	rows, err := c.Conn.Query(ctx, query, args...)
	return c.r.note(rows, query, err)
}

type readRows struct {
	store.Rows
	r *reader
}

func (r *readRows) Next() bool {
	more := r.Rows.Next()
	if more {
		r.r.mu.Lock()
		defer r.r.mu.Unlock()
		r.r.rows++
	}
	return more
}

// during returns the statements that fn reads by, and how many rows they gave.
func (r *reader) during(fn func()) (queries []string, rows int) {
	r.mu.Lock()
	r.queries, r.rows = nil, 0
	r.mu.Unlock()
	fn()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queries, r.rows
}

func eachRead(t *testing.T, fn func(t *testing.T, db *store.DB, r *reader)) {
	for name, open := range map[string]func(testing.TB) store.Driver{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			r := &reader{Driver: open(t)}
			fn(t, storetest.Open(t, r, nil), r)
		})
	}
}

// walk reads a whole list by cursor, without groups or members.
func walk[T any](h *house, list func(provision.List) (provision.Page[T], error), place func(*T) store.Place) (n int) {
	h.t.Helper()
	q := provision.List{Count: 50, Walk: true}
	for {
		page, err := list(q)
		h.ok(err)
		if n += len(page.Rows); !page.More {
			return n
		}
		at := place(&page.Rows[len(page.Rows)-1])
		q.Behind, q.Total = &at, page.Total
	}
}

// That a page looks at few rows wherever it is, the plans of the store's own tests show; here is that nothing
// is asked beside the pages.
func TestAWalkByCursor_ReadsEachRowOnceAndCountsOnce(t *testing.T) {
	t.Parallel()
	eachRead(t, func(t *testing.T, db *store.DB, r *reader) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		const people, pages = 990, 20
		h.crowd("some", people)
		for i := range 120 {
			h.group(fmt.Sprint("g", i))
		}
		check := func(what string, n, want, pages int, queries []string, rows int) {
			t.Helper()
			counts, offsets := 0, 0
			for _, q := range queries {
				if strings.Contains(q, "COUNT(") {
					counts++
				}
				if strings.Contains(q, "OFFSET") {
					offsets++
				}
			}
			// One row more than a page tells whether there is another; the count is a row.
			if n != want || len(queries) != pages+1 || counts != 1 || offsets != 0 || rows > want+pages+1 {
				t.Errorf("%s: %d of %d in %d statements, %d of them counts, %d by offset, %d rows", what, n, want, len(queries), counts, offsets, rows)
			}
		}
		var n int
		queries, rows := r.during(func() {
			n = walk(h, func(q provision.List) (provision.Page[provision.User], error) {
				return h.svc.ListUsers(bg, h.okta, q, false, nil)
			}, func(u *provision.User) store.Place { return store.Sort{}.OfUser(&u.SCIMUser) })
		})
		check("people", n, people, pages, queries, rows)
		queries, rows = r.during(func() {
			n = walk(h, func(q provision.List) (provision.Page[provision.Group], error) {
				return h.svc.ListGroups(bg, h.okta, q, false, nil, false)
			}, func(g *provision.Group) store.Place { return store.Sort{}.OfGroup(&g.Group) })
		})
		check("groups", n, 121, 3, queries, rows)
	})
}

func TestAGroupWithoutItsMembers_IsReadWithoutThem(t *testing.T) {
	t.Parallel()
	eachRead(t, func(t *testing.T, db *store.DB, r *reader) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		group, _ := h.crowd("large", 2000)
		for what, fn := range map[string]func() error{
			"one": func() error { _, err := h.svc.GetGroup(bg, h.okta, group, false); return err },
			"list": func() error {
				_, err := h.svc.ListGroups(bg, h.okta, provision.List{Start: 1, Count: 100}, false, nil, false)
				return err
			},
			"found by name": func() error {
				_, err := h.svc.ListGroups(bg, h.okta, provision.List{Where: store.Eq(store.FieldDisplayName, "large"), Start: 1, Count: 100}, false, nil, false)
				return err
			},
			"renamed": func() error { return h.tryRename(group, "larger") },
		} {
			queries, rows := r.during(func() { h.ok(fn()) })
			all := strings.Join(queries, "\n")
			// A rename asks in which groups the group itself is, by its id as a member.
			if strings.Contains(all, "group_id IN") || strings.Contains(all, "group_id = $") || what != "renamed" && strings.Contains(all, "group_member") || rows > 20 {
				t.Errorf("%s: %d rows by\n%s", what, rows, all)
			}
		}
	})
}

// Of members that are replaced as a whole, what is asked follows the difference, 512 ids at a time.
func TestAWholeListOfMembers_CostsItsDifference(t *testing.T) {
	t.Parallel()
	eachCounted(t, func(t *testing.T, db *store.DB, c *counter) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		n := size(db, 50_000)
		first, ids := h.crowd("first", n)
		h.ok(c.Tend(bg)) // as the server does
		second := h.group("second")
		chunks := int64(n/512 + 1)
		a, d := c.during(func() { h.members(second, replace(ids...)) })
		t.Logf("%d members at once: %d statements that are waited for, %d that travel along", n, a, d)
		if a > 3*chunks+20 || d > 10 {
			t.Errorf("%d members at once take %d and %d statements", n, a, d)
		}
		for what, list := range map[string][]string{"none": ids, "one out, one in": append(slices.Clone(ids[1:]), h.post(person("ada")).ID)} {
			a, d := c.during(func() { h.members(first, replace(list...)) })
			t.Logf("a difference of %s: %d and %d", what, a, d)
			if a > 12 || d > 10 {
				t.Errorf("a difference of %s takes %d and %d statements", what, a, d)
			}
		}
		a, d = c.during(func() { h.members(second, replace()) })
		t.Logf("all out: %d and %d", a, d)
		if a > 3*chunks+20 || d > 10 {
			t.Errorf("all out at once takes %d and %d statements", a, d)
		}
	})
}

func TestFiftyAtOnceWithWholeListsAmongThem_LeaveExactlyWhatTheySaid(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		h.setPolicy(func(p *directory.Policy) { p.GroupLoss = directory.GroupLossKeep })
		const workers, wholes = 50, 10
		ids := make([]string, workers)
		for i := range ids {
			ids[i] = h.post(person(fmt.Sprint("p", i))).ID
		}
		group := h.group("Agents", ids...)
		// The first ten say the whole list again and again, each with themselves and without the nine others: one
		// of them is left. The rest say what they want for themselves, the last time when the lists are done.
		var lists sync.WaitGroup
		lists.Add(wholes)
		fns := make([]func() error, workers)
		var want []string
		for i := range fns {
			if i < wholes {
				whole := replace(append(slices.Clone(ids[wholes:]), ids[i])...)
				fns[i] = func() error {
					defer lists.Done()
					var all []error
					for range 4 {
						all = append(all, h.tryMembers(group, whole), h.tryMembers(group, remove(ids[30:]...), add(ids[20:25]...)), h.tryMembers(group, whole))
					}
					return errors.Join(all...)
				}
				continue
			}
			last := remove(ids[i])
			if i%3 == 0 {
				last, want = add(ids[i]), append(want, ids[i])
			}
			fns[i] = func() error {
				var all []error
				for range 3 {
					all = append(all, h.tryMembers(group, add(ids[i])), h.tryMembers(group, remove(ids[i])))
				}
				lists.Wait()
				return errors.Join(append(all, h.tryMembers(group, last))...)
			}
		}
		for _, err := range atOnce(fns...) {
			if err != nil {
				t.Error(err)
			}
		}
		slices.Sort(want)
		of := 0 // how many of the first ten are left
		got := slices.DeleteFunc(h.groupIDs(group), func(id string) bool {
			whole := slices.Contains(ids[:wholes], id)
			if whole {
				of++
			}
			return whole
		})
		if of != 1 || !slices.Equal(got, want) {
			t.Errorf("%d are left and %d of those who exclude each other, want %d and 1", len(got), of, len(want))
		}
		h.sound()
	})
}

func TestPeopleRenamedBesideTheirGroups_DoNotWaitInACircle(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := build(t, db, omniflow(directory.ReactivationRestore))
		const people = 24
		ids := make([]string, people)
		for i := range ids {
			ids[i] = h.post(with(person(fmt.Sprint("p", i)), func(p *provision.Person) { p.Manager = "" })).ID
		}
		groups := []string{h.group("Agents", ids...), h.group("Tea", ids...), h.group("Admins", ids...)}
		changed := func() (out []time.Time) {
			for _, id := range groups {
				g, err := h.svc.GetGroup(bg, h.okta, id, false)
				h.ok(err)
				out = append(out, g.UpdatedAt)
			}
			return out
		}
		for round := range 4 {
			before := changed()
			var runs atomic.Int64 // a transaction that was given up in a circle runs again
			fns := make([]func() error, people)
			for i := range fns {
				switch {
				case i < 4:
					// A change of a group's own document and one of its members, row first and row last.
					fns[i] = func() error {
						_, err := h.svc.UpdateGroup(bg, h.okta, groups[i%3], func(g store.Group) (provision.GroupForm, error) {
							form, err := same(g)
							form.Document = fmt.Sprintf(`{"x":"%d-%d"}`, round, i)
							return form, err
						}, []scim.MemberOp{remove(ids[i]), add(ids[i+1])})
						return err
					}
				case i == 20+round:
					fns[i] = func() error { return h.svc.DeleteUser(bg, h.okta, ids[i]) }
				case i < 20:
					fns[i] = func() error {
						_, err := h.svc.UpdateUser(bg, h.okta, ids[i], false, func(provision.User) (provision.Person, error) {
							runs.Add(1)
							return person(fmt.Sprintf("p%d-%d", i, round)), nil
						})
						return err
					}
				default:
					fns[i] = func() error { return h.tryMembers(groups[i%3], remove(ids[i-10]), add(ids[i-10])) }
				}
			}
			for _, err := range atOnce(fns...) {
				if err != nil {
					t.Error(err)
				}
			}
			if runs.Load() != 16 {
				t.Errorf("16 people were renamed in %d runs", runs.Load())
			}
			for i, at := range changed() {
				if !at.After(before[i]) {
					t.Errorf("group %d stayed at %s", i, at)
				}
			}
		}
		h.sound()
	})
}

package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// orders are all orders that lists have.
func orders(kind string) []store.Sort {
	by := []store.Field{store.FieldCreated, store.FieldModified, store.FieldID, store.FieldExternalID}
	if kind == "User" {
		by = append(by, store.FieldUserName)
	} else {
		by = append(by, store.FieldDisplayName)
	}
	var out []store.Sort
	for _, field := range by {
		out = append(out, store.Sort{By: field}, store.Sort{By: field, Descending: true})
	}
	return out
}

// row is what an order looks at.
type row struct {
	id, name, external string
	created, updated   time.Time
}

// precedes is the order of s, said once more in Go.
func precedes(s store.Sort) func(a, b row) int {
	return func(a, b row) int {
		c := 0
		switch s.By {
		case store.FieldModified:
			c = a.updated.Compare(b.updated)
		case store.FieldUserName, store.FieldDisplayName:
			c = strings.Compare(directory.Fold(a.name), directory.Fold(b.name))
		case store.FieldExternalID:
			switch {
			case a.external == "" && b.external != "":
				c = 1
			case a.external != "" && b.external == "":
				c = -1
			default:
				c = strings.Compare(a.external, b.external)
			}
			c = cmp.Or(c, a.created.Compare(b.created))
		case store.FieldCreated:
			c = a.created.Compare(b.created)
		}
		if c = cmp.Or(c, strings.Compare(a.id, b.id)); s.Descending {
			return -c
		}
		return c
	}
}

// lists reads users or groups in both ways.
type lists struct {
	page func(tx *store.Tx, sel store.Select) ([]row, int, error)
	walk func(tx *store.Tx, sel store.Select, after *store.Place) ([]row, []store.Place, bool, error)
}

func listsOf(kind, directoryID string) lists {
	if kind == "User" {
		of := func(u store.SCIMUser) row { return row{u.ID, u.UserName, u.ExternalID, u.CreatedAt, u.UpdatedAt} }
		return lists{
			func(tx *store.Tx, sel store.Select) ([]row, int, error) {
				page, total, err := tx.SelectSCIMUsers(directoryID, sel)
				return mapped(page, of), total, err
			},
			func(tx *store.Tx, sel store.Select, after *store.Place) ([]row, []store.Place, bool, error) {
				page, more, err := tx.SCIMUsersBehind(directoryID, sel, after)
				return mapped(page, of), mapped(page, func(u store.SCIMUser) store.Place { return sel.Sort.OfUser(&u) }), more, err
			}}
	}
	of := func(g store.Group) row { return row{g.ID, g.DisplayName, g.ExternalID, g.CreatedAt, g.UpdatedAt} }
	return lists{
		func(tx *store.Tx, sel store.Select) ([]row, int, error) {
			page, total, err := tx.SelectGroups(directoryID, sel)
			return mapped(page, of), total, err
		},
		func(tx *store.Tx, sel store.Select, after *store.Place) ([]row, []store.Place, bool, error) {
			page, more, err := tx.GroupsBehind(directoryID, sel, after)
			return mapped(page, of), mapped(page, func(g store.Group) store.Place { return sel.Sort.OfGroup(&g) }), more, err
		}}
}

func mapped[A, B any](list []A, fn func(A) B) []B {
	out := make([]B, len(list))
	for i, x := range list {
		out[i] = fn(x)
	}
	return out
}

// steps reads a whole list behind one place after the other; between is called after each page.
func (l lists) steps(tx *store.Tx, sel store.Select, between func() error) (all []row, err error) {
	var after *store.Place
	for more := true; more; {
		var page []row
		var places []store.Place
		if page, places, more, err = l.walk(tx, sel, after); err != nil {
			return all, err
		}
		if all = append(all, page...); len(page) > 0 {
			after = &places[len(places)-1]
		}
		if err := between(); err != nil {
			return all, err
		}
	}
	return all, nil
}

// strew makes people and groups whose names, external ids and instants say nothing of each other: letter case,
// no externalId at all, several of one instant, a clock that went back.
func strew(t testing.TB, db *store.DB, c *clock, h house) {
	t.Helper()
	for i := range 8 {
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			for j := range 5 {
				n := (i*5 + j) * 17 % 41
				name := fmt.Sprintf("p%02d", n)
				if n%2 == 0 {
					name = strings.ToUpper(name)
				}
				external := ""
				if n%3 > 0 {
					external = fmt.Sprintf("%c%d", 'B'+rune(n%2)*('a'-'B'), n)
				}
				id := fmt.Sprintf("%02d", n*29%41)
				tx.InsertSCIMUser(&store.SCIMUser{ID: "u" + id, Directory: h.Directory, Member: h.Member, UserName: name, ExternalID: external, Active: n%4 > 0, Document: "{}"})
				tx.InsertGroup(&store.Group{Group: directory.Group{ID: "grp_" + id, Directory: h.Directory, DisplayName: name, ExternalID: external}, Document: "{}"})
				if n%5 == 0 {
					tx.TouchGroup("grp_" + id)
				}
			}
			return nil
		})
		c.pass(time.Duration(5-i) * time.Second)
	}
}

// testOrders reads lists in every order, whole, page by page and step by step.
func testOrders(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	strew(t, db, c, h)
	for _, kind := range []string{"User", "Group"} {
		l := listsOf(kind, h.Directory)
		wheres := map[string]store.Cond{"all": store.All(), "a few": store.Or(store.Eq(store.FieldExternalID, "B2"), store.Eq(store.FieldExternalID, "a17"), store.Eq(store.FieldID, "u00"), store.Eq(store.FieldID, "grp_00"))}
		if kind == "User" {
			wheres["the active"], wheres["the inactive"] = store.ActiveIs(true), store.ActiveIs(false)
		}
		for name, where := range wheres {
			for _, s := range orders(kind) {
				what := fmt.Sprintf("%s, %s by %d, descending %t", kind, name, s.By, s.Descending)
				read(t, db, h.Workspace, func(tx *store.Tx) error {
					all, total, err := l.page(tx, store.Select{Where: where, Sort: s, Start: 1, Count: 100})
					if err != nil {
						return err
					}
					if total != len(all) || total < 3 {
						t.Errorf("%s: %d of %d", what, len(all), total)
					}
					if !slices.IsSortedFunc(all, precedes(s)) {
						t.Errorf("%s: %v", what, ids2(all))
					}
					var paged []row
					for start := 1; start <= total+7; start += 7 {
						page, n, err := l.page(tx, store.Select{Where: where, Sort: s, Start: start, Count: 7})
						if err != nil || n != total {
							t.Errorf("%s from %d: a total of %d, not %d (%v)", what, start, n, total, err)
						}
						paged = append(paged, page...)
					}
					same(t, what+", by pages", ids2(paged), ids2(all))
					stepped, err := l.steps(tx, store.Select{Where: where, Sort: s, Count: 7}, func() error { return nil })
					same(t, what+", by steps", ids2(stepped), ids2(all))
					return err
				})
			}
		}
	}
	testWalkAmongChanges(t, db, h)
}

func ids2(rows []row) []string { return mapped(rows, func(r row) string { return r.id }) }

// testWalkAmongChanges lets resources come and go between the pages: nobody else is lost or comes twice.
func testWalkAmongChanges(t *testing.T, db *store.DB, h house) {
	for n, s := range orders("User") {
		l := listsOf("User", h.Directory)
		var before []row
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) {
			before, _, err = l.page(tx, store.Select{Sort: s, Start: 1, Count: 100})
			return err
		})
		step := 0
		gone := map[string]bool{}
		var got []string
		var after *store.Place
		for more := true; more; step++ {
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				page, places, m, err := l.walk(tx, store.Select{Sort: s, Count: 5}, after)
				if more = m; len(page) > 0 {
					got, after = append(got, ids2(page)...), &places[len(places)-1]
				}
				return err
			})
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				// The last one that was seen leaves, one who is to come leaves, and one arrives at each end.
				for _, id := range []string{got[len(got)-1], before[len(before)-1-step].id} {
					if gone[id] = true; id != h.User && id != h.BossUser {
						tx.RetireSCIMUser(id)
					}
				}
				for _, name := range []string{"!", "zz"} {
					name = fmt.Sprintf("%s%d-%d", name, n, step)
					tx.InsertSCIMUser(&store.SCIMUser{ID: name, Directory: h.Directory, Member: h.Member, UserName: name, ExternalID: name, Active: true, Document: "{}"})
				}
				return nil
			})
		}
		seen := map[string]bool{}
		for _, id := range got {
			if seen[id] {
				t.Errorf("by %d, descending %t: %s comes twice", s.By, s.Descending, id)
			}
			seen[id] = true
		}
		for _, r := range before {
			if !seen[r.id] && !gone[r.id] {
				t.Errorf("by %d, descending %t: %s is lost", s.By, s.Descending, r.id)
			}
		}
		change(t, db, h.Workspace, func(tx *store.Tx) error {
			rows, _, err := tx.SelectSCIMUsers(h.Directory, store.Select{Start: 1, Count: 200})
			for _, u := range rows {
				if strings.HasPrefix(u.ID, "!") || strings.HasPrefix(u.ID, "zz") {
					tx.RetireSCIMUser(u.ID)
				}
			}
			for id := range gone {
				if id != h.User && id != h.BossUser {
					tx.InsertSCIMUser(&store.SCIMUser{ID: fmt.Sprintf("%s'", id), Directory: h.Directory, Member: h.Member, UserName: "again " + id, Document: "{}"})
				}
			}
			return err
		})
	}
}

// testVersions lets the clock stand still: updated_at moves all the same, with each change and with nothing else.
func testVersions(t *testing.T, open func(t testing.TB) store.Driver) {
	c := newClock()
	db := Open(t, open(t), c.now)
	h := furnish(t, db, "a")
	user := func() (u *store.SCIMUser) {
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) { u, err = tx.SCIMUser(h.Directory, h.User); return err })
		return u
	}
	group := func() (g *store.Group) {
		read(t, db, h.Workspace, func(tx *store.Tx) (err error) { g, err = tx.Group(h.Directory, h.Group); return err })
		return g
	}
	for _, passes := range []time.Duration{0, -time.Hour, 3 * time.Hour} {
		c.pass(passes)
		for what, fn := range map[string]func(tx *store.Tx){
			"a group's change": func(tx *store.Tx) { tx.UpdateGroup(group()) },
			"its membership":   func(tx *store.Tx) { tx.TouchGroup(h.Group) },
		} {
			before := group().UpdatedAt
			change(t, db, h.Workspace, func(tx *store.Tx) error { fn(tx); return nil })
			if after := group().UpdatedAt; !after.After(before) {
				t.Errorf("%s after %s: %s, then %s", what, passes, before, after)
			}
		}
		before := user().UpdatedAt
		u := user()
		change(t, db, h.Workspace, func(tx *store.Tx) error { tx.UpdateSCIMUser(u); return nil })
		if after := user().UpdatedAt; !after.After(before) {
			t.Errorf("a user's change after %s: %s, then %s", passes, before, after)
		}
		if passes > 0 && !user().UpdatedAt.Equal(c.now().Truncate(time.Microsecond)) {
			t.Errorf("the clock went on and the last change is %s", user().UpdatedAt)
		}
	}
	before := user()
	if before.Manager != h.BossUser {
		u := *before
		u.Manager = h.BossUser
		change(t, db, h.Workspace, func(tx *store.Tx) error { tx.UpdateSCIMUser(&u); return nil })
		before = user()
	}
	change(t, db, h.Workspace, func(tx *store.Tx) error { tx.RetireSCIMUser(h.BossUser); return nil })
	if after := user(); after.Manager != "" || !after.UpdatedAt.After(before.UpdatedAt) {
		t.Errorf("the manager left: %+v, before %s", after, before.UpdatedAt)
	}
}

// testSortIsBounded: what no index sorts is not sorted for many.
func testSortIsBounded(t *testing.T, open func(t testing.TB) store.Driver) {
	db := fresh(t, open)
	h := furnish(t, db, "a")
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		for i := range store.MaxCandidates {
			id := fmt.Sprintf("grp_%05d", i)
			tx.InsertGroup(&store.Group{Group: directory.Group{ID: id, Directory: h.Directory, DisplayName: id}, Document: "{}"})
		}
		return nil
	})
	err := db.Read(t.Context(), h.Workspace, func(tx *store.Tx) error {
		_, _, err := tx.SelectGroups(h.Directory, store.Select{Sort: store.Sort{By: store.FieldModified}, Start: 1, Count: 1})
		return err
	})
	wantCode(t, err, errs.KindInvalid, "too_many")
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		_, _, err := tx.SelectGroups(h.Directory, store.Select{Where: store.Eq(store.FieldID, h.Group), Sort: store.Sort{By: store.FieldModified}, Start: 1, Count: 1})
		return err
	})
}

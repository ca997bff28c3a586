package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// crowd is more people than one statement lists.
const crowd = 600

// testLists goes over the borders of chunks (512 ids) and of paddings (powers of two).
func testLists(t *testing.T, open func(t testing.TB) store.Driver) {
	db := fresh(t, open)
	h := furnish(t, db, "a")
	var members, users, groups []string
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		members, users, groups = nil, nil, nil
		for i := range crowd {
			m := directory.Member{ID: fmt.Sprintf("mem_%05d", i), Email: fmt.Sprintf("p%d@x.test", i), Stage: directory.StageActive, Role: h.Lowest}
			u := store.SCIMUser{ID: fmt.Sprintf("u%05d", i), Directory: h.Directory, Member: m.ID, UserName: fmt.Sprintf("p%d", i), Active: true, Document: "{}"}
			g := store.Group{Group: directory.Group{ID: fmt.Sprintf("grp_%05d", i), Directory: h.Directory, DisplayName: fmt.Sprintf("G%d", i)}, Document: "{}"}
			tx.InsertMember(&m)
			tx.InsertSCIMUser(&u)
			tx.InsertGroup(&g)
			members, users, groups = append(members, m.ID), append(users, u.ID), append(groups, g.ID)
		}
		return nil
	})
	backwards := slices.Clone(users)
	slices.Reverse(backwards)
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		added, err := tx.AddGroupMembers(h.Empty, append(slices.Clone(backwards), users[0]))
		if err != nil {
			return err
		}
		slices.Sort(added)
		same(t, "added", added, users)
		added, err = tx.AddGroupMembers(h.Empty, users)
		if err != nil {
			return err
		}
		same(t, "added again", len(added), 0)
		for _, g := range groups {
			if _, err := tx.AddGroupMembers(g, []string{users[7], users[0]}); err != nil {
				return err
			}
		}
		tx.SetMappedRole(h.Empty, h.Lowest)
		tx.TouchGroup(h.Empty)
		return tx.GrantRoles([]store.RoleGrant{{Role: h.Owner, Members: members}, {Role: h.Lowest}})
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		for _, n := range []int{0, 1, 2, 3, 5, 511, 512, 513, crowd} {
			list, err := tx.Members(members[:n])
			if err != nil {
				return err
			}
			if !slices.Equal(ids(list), members[:n]) {
				t.Errorf("%d members: got %v", n, ids(list))
			}
			known, err := tx.KnownSCIMUsers(h.Directory, users[:n])
			if err != nil {
				return err
			}
			same(t, fmt.Sprintf("%d known", n), len(known), n)
		}
		in, err := tx.GroupMemberIDs(h.Empty)
		if err != nil {
			return err
		}
		same(t, "members of the group", in, users)
		people, err := tx.MembersInGroup(h.Empty)
		if err != nil {
			return err
		}
		same(t, "people in the group", people, members)
		of, err := tx.GroupsOfUsers(backwards)
		if err != nil {
			return err
		}
		same(t, "memberships of all", len(of), crowd+2*crowd)
		if !slices.IsSortedFunc(of, func(a, b store.GroupMember) int { return strings.Compare(a.User+a.Group, b.User+b.Group) }) {
			t.Error("the memberships of many users are not in user and group order")
		}
		back := slices.Clone(groups)
		slices.Reverse(back)
		list, err := tx.MembersOfGroups(append(back, groups[0], groups[crowd-1]))
		if err != nil {
			return err
		}
		same(t, "members of all groups", len(list), 2*crowd)
		same(t, "the first membership", list[0], store.GroupMember{Group: groups[0], User: users[0], Name: "p0"})
		mapped, err := tx.MappedGroups(members)
		if err != nil {
			return err
		}
		same(t, "mapped groups", []any{len(mapped), mapped[members[3]]}, []any{crowd, []directory.MappedGroup{{ID: h.Empty, Name: "Empty", Role: h.Lowest, Directory: h.Directory}}})
		names, err := tx.GroupNames(members[3])
		if err != nil {
			return err
		}
		same(t, "group names", names, []string{"Empty"})
		m, err := tx.Member(members[crowd-1])
		same(t, "the granted role of the last", m.Role, h.Owner)
		return err
	})
	testPages(t, db, h)
	change(t, db, h.Workspace, func(tx *store.Tx) error {
		removed, err := tx.RemoveGroupMembers(h.Empty, append(slices.Clone(users), "nobody"))
		slices.Sort(removed)
		same(t, "removed", removed, users)
		tx.DeleteGroup(groups[0])
		return err
	})
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		if _, err := tx.Group(h.Directory, groups[0]); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("a deleted group: %v", err)
		}
		left, err := tx.GroupMemberIDs(groups[0])
		same(t, "members of a deleted group", len(left), 0)
		if err != nil {
			return err
		}
		g, err := tx.Group(h.Directory, h.Empty)
		if err != nil {
			return err
		}
		same(t, "the mapped group", g.MappedRole, h.Lowest)
		all, err := tx.GroupsAfter(groups[crowd-3], 5)
		same(t, "the last page of groups", len(all), 5)
		return err
	})
}

// testPages reads the whole list page by page: every row once, the total right on each.
func testPages(t *testing.T, db *store.DB, h house) {
	read(t, db, h.Workspace, func(tx *store.Tx) error {
		seen := map[string]bool{}
		total := crowd + 2
		for start := 1; start <= total; start += 300 {
			page, n, err := tx.SelectSCIMUsers(h.Directory, store.Select{Start: start, Count: 300})
			if err != nil {
				return err
			}
			same(t, fmt.Sprintf("total from %d", start), n, total)
			for _, u := range page {
				seen[u.ID] = true
			}
		}
		same(t, "rows of all pages", len(seen), total)
		for _, sel := range []store.Select{{Start: 1}, {Start: 5000, Count: 10}, {Start: total, Count: 1}, {Start: 0, Count: 2}, {Start: -3, Count: 2}, {Start: 1, Count: total}} {
			page, n, err := tx.SelectGroups(h.Directory, sel)
			if err != nil {
				return err
			}
			if n != total || len(page) > sel.Count {
				t.Errorf("%+v: %d rows of %d", sel, len(page), n)
			}
		}
		return nil
	})
}

// badTexts are what PostgreSQL cannot hold.
var badTexts = map[string]string{"a zero character": "a\x00b", "broken UTF-8": "a\xffb"}

func testText(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	db := fresh(t, open)
	h := furnish(t, db, "a")
	for what, bad := range badTexts {
		err := changed(db, h.Workspace, func(tx *store.Tx) error {
			tx.InsertMember(&directory.Member{ID: "mem_bad", Email: bad, Stage: directory.StageActive})
			return nil
		})
		wantCode(t, err, errs.KindInvalid, "text_invalid")
		err = changed(db, h.Workspace, func(tx *store.Tx) error {
			_, err := tx.AddGroupMembers(h.Group, []string{bad})
			return err
		})
		wantCode(t, err, errs.KindInvalid, "text_invalid")
		read(t, db, h.Workspace, func(tx *store.Tx) error {
			if _, err := tx.SCIMUser(h.Directory, bad); !errs.Is(err, errs.KindNotFound) {
				t.Errorf("%s as an id: %v", what, err)
			}
			_, total, err := tx.SelectSCIMUsers(h.Directory, store.Select{Where: store.Eq(store.FieldUserName, bad), Start: 1, Count: 1})
			same(t, what+" in a filter", total, 0)
			return err
		})
		if _, err := db.System().WorkspaceBySlug(ctx, bad); !errs.Is(err, errs.KindNotFound) {
			t.Errorf("%s as a slug: %v", what, err)
		}
		_, err = db.System().Attempt(ctx, 1, []string{bad}, []int{1})
		wantCode(t, err, errs.KindInvalid, "text_invalid")
	}
}

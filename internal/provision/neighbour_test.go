package provision_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
)

// Law 1: what belongs to another workspace, or to another directory of the same workspace, answers
// exactly as what does not exist.

func TestTheSamePerson_CanBeInTwoDirectoriesAndTwoWorkspaces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, neighbour := build(t, db, omniflow(directory.ReactivationRestore)), build(t, db, omniflow(directory.ReactivationRestore))
		here := h.post(person("ada"))
		beside := h.postTo(h.entra, with(person("ada"), func(p *provision.Person) { p.Email = "ada@entra.test" }))
		there := neighbour.post(person("ada"))
		if here.Member == beside.Member || here.Member == there.Member {
			t.Error("two people share a member")
		}
		h.deactivate(here.Member)
		h.is(beside.Member, "active")
		neighbour.is(there.Member, "active")
		// The address is the workspace's: a second person in it needs another one.
		h.unchanged(errs.KindConflict, "adoption_waits", func() error {
			_, err := h.svc.CreateUser(bg, h.okta, with(person("bob"), func(p *provision.Person) { p.Email = "ada@entra.test" }))
			return err
		})
	})
}

func TestAnotherDirectorysIds_AnswerAsUnknown(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, neighbour := build(t, db, omniflow(directory.ReactivationRestore)), build(t, db, omniflow(directory.ReactivationRestore))
		mine := h.post(person("mine"))
		group := h.group("Agents", mine.ID)
		strangers := map[string]provision.Scope{
			"another directory":                    h.entra,
			"another workspace":                    neighbour.okta,
			"a directory of another workspace":     {Workspace: h.ws, Directory: neighbour.okta.Directory},
			"this directory, in another workspace": {Workspace: neighbour.ws, Directory: h.okta.Directory},
			"a directory that nobody has":          {Workspace: h.ws, Directory: "dir_none"},
		}
		put := func(provision.User) (provision.Person, error) { return with(person("mine"), active(false)), nil }
		for what, scope := range strangers {
			for _, id := range []string{mine.ID, "no-such-id"} {
				t.Log(what, id)
				kind, code := errs.KindNotFound, "resource_unknown"
				h.unchanged(kind, code, func() error { _, err := h.svc.GetUser(bg, scope, id, true); return err })
				h.unchanged(kind, code, func() error { _, err := h.svc.UpdateUser(bg, scope, id, true, put); return err })
				h.unchanged(kind, code, func() error { return h.svc.DeleteUser(bg, scope, id) })
			}
			for _, id := range []string{group, "no-such-id"} {
				kind, code := errs.KindNotFound, "resource_unknown"
				h.unchanged(kind, code, func() error { _, err := h.svc.GetGroup(bg, scope, id, true); return err })
				h.unchanged(kind, code, func() error { _, err := h.svc.UpdateGroup(bg, scope, id, same, nil); return err })
				h.unchanged(kind, code, func() error { return h.svc.DeleteGroup(bg, scope, id) })
			}
			users, err := h.svc.ListUsers(bg, scope, provision.List{Where: store.Eq(store.FieldUserName, "mine@acme.test"), Start: 1, Count: 10}, true, nil)
			if err != nil || users.Total != 0 || len(users.Rows) != 0 {
				t.Errorf("%s: found %d of %d, %v", what, len(users.Rows), users.Total, err)
			}
			groups, err := h.svc.ListGroups(bg, scope, provision.List{Where: store.Eq(store.FieldMember, mine.ID), Start: 1, Count: 10}, true, nil, true)
			if err != nil || groups.Total != 0 || len(groups.Rows) != 0 {
				t.Errorf("%s: found %d groups of %d, %v", what, len(groups.Rows), groups.Total, err)
			}
		}
		// As manager, another directory's id reads as an invented one.
		for _, scope := range []provision.Scope{h.entra, neighbour.okta} {
			for _, id := range []string{mine.ID, "no-such-id"} {
				h.unchanged(errs.KindInvalid, "manager_unknown", func() error {
					_, err := h.svc.CreateUser(bg, scope, with(person("report"), func(p *provision.Person) { p.Manager = id }))
					return err
				})
			}
		}
		h.unchanged(errs.KindInvalid, "manager_unknown", func() error {
			_, err := h.tryPut(mine.ID, func(p *provision.Person) { p.Manager = mine.ID })
			return err
		})
		for what, scope := range map[string]provision.Scope{"this workspace, the neighbour's directory": {Workspace: h.ws, Directory: neighbour.okta.Directory}, "no directory": {Workspace: h.ws}} {
			t.Log(what)
			h.unchanged(errs.KindUnauthenticated, "token_unknown", func() error { _, err := h.svc.CreateUser(bg, scope, person("x")); return err })
			h.unchanged(errs.KindUnauthenticated, "token_unknown", func() error { _, err := h.svc.CreateGroup(bg, scope, named("x"), nil); return err })
		}
	})
}

func TestAnOperatorsAct_DoesNotReachIntoAnotherWorkspace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h, neighbour := build(t, db, omniflow(directory.ReactivationRestore)), build(t, db, omniflow(directory.ReactivationRestore))
		u := h.post(person("ada"))
		for _, who := range []string{u.Member, "ada@acme.test", "mem_none", ""} {
			for _, act := range []func() error{
				func() error { _, err := h.svc.Deactivate(bg, neighbour.owner, provision.Who(who)); return err },
				func() error { _, err := h.svc.Restore(bg, neighbour.owner, provision.Who(who)); return err },
				func() error { _, err := h.svc.SetRole(bg, neighbour.owner, provision.Who(who), "Owner"); return err },
			} {
				h.unchanged(errs.KindNotFound, "member_unknown", act)
			}
		}
	})
}

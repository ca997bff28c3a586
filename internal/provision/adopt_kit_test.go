package provision_test

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// proves makes a domain this workspace's until the test with it is over: workspaces of one database must not
// have each other's.
func (h *house) proves(domain string) (undo func()) {
	h.prove(domain)
	return func() { h.unprove(domain) }
}

// hand makes a member by hand: nobody's, with a role set by hand.
func (h *house) hand(name string) (member string) {
	h.t.Helper()
	member = h.ensureOwner(provision.Owner{Email: name + "@acme.test", Name: "By hand " + name})
	h.setRole(member, "Agent")
	return member
}

// adoptions are the meetings in a state, as the operator is shown them.
func (h *house) adoptions(state store.AdoptionState) []provision.Adoption {
	h.t.Helper()
	all, err := h.svc.Adoptions(bg, h.owner)
	h.ok(err)
	return slices.DeleteFunc(all, func(a provision.Adoption) bool { return a.State != state })
}

// the returns the one meeting of a member in a state.
func (h *house) the(state store.AdoptionState, member string) provision.Adoption {
	h.t.Helper()
	found := slices.DeleteFunc(h.adoptions(state), func(a provision.Adoption) bool { return a.Member.ID != member })
	if len(found) != 1 {
		h.t.Fatalf("%d meetings of %s are %s: %+v", len(found), member, state, found)
	}
	return found[0]
}

// waits expects that a POST is refused, changes nobody and waits for a decision, and returns that.
func (h *house) waits(scope provision.Scope, p provision.Person, member, why string) provision.Adoption {
	h.t.Helper()
	h.unchanged(errs.KindConflict, "adoption_waits", func() error { _, err := h.svc.CreateUser(bg, scope, p); return err })
	a := h.the(store.AdoptionWaiting, member)
	if a.Reason != why || a.Directory.ID != scope.Directory || a.UserName != p.UserName {
		h.t.Errorf("what waits is %+v, want %s", a, why)
	}
	return a
}

func (h *house) allow(a provision.Adoption) provision.Adoption {
	h.t.Helper()
	a, err := h.svc.AllowAdoption(bg, h.owner, a.ID, a.Seen)
	h.ok(err)
	return a
}

func (h *house) undo(member string) {
	h.t.Helper()
	a := h.the(store.AdoptionAdopted, member)
	_, err := h.svc.UndoAdoption(bg, h.owner, a.ID, a.Seen)
	h.ok(err)
}

func (h *house) adoption(mode directory.Adoption) {
	h.t.Helper()
	h.setPolicy(func(p *directory.Policy) { p.Adoption = mode })
}

// as is the scope of a member's own acts.
func (h *house) as(member string) provision.Scope {
	return provision.Scope{Workspace: h.ws, Actor: audit.Party{Kind: "member", ID: member, Name: "by " + member}}
}

// refusedPost expects a POST to be refused with a conflict of that code, and to change nobody.
func (h *house) refusedPost(scope provision.Scope, p provision.Person, code string) {
	h.t.Helper()
	h.unchanged(errs.KindConflict, code, func() error { _, err := h.svc.CreateUser(bg, scope, p); return err })
}

package provision

import (
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// hand is who does something to people by hand: an operator, who may do everything, or a member.
type hand struct {
	cfg    *directory.Config
	member string                     // id, "" for an operator
	role   directory.Role             // of the member
	limit  func(directory.Role) error // Scope.Gives, nil for none
}

// handOf reads who acts, as they are now, and refuses whoever lacks the permission: a page that was loaded before they
// lost their role gives them nothing. The policy is held exclusively, so that they stay as they are.
func handOf(tx *store.Tx, cfg *directory.Config, scope Scope, permission string) (hand, error) {
	h := hand{cfg: cfg, limit: scope.Gives}
	if scope.Actor.Kind != "member" {
		return h, nil
	}
	m, err := tx.Member(scope.Actor.ID)
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		return h, err
	}
	if m != nil && m.In() {
		h.member = m.ID
		h.role, _ = cfg.Roles.ByID(m.Role)
	}
	if h.member == "" {
		return h, errs.Forbidden("permission_missing", "You are no member of this workspace any more.")
	}
	return h, h.role.CheckMay(permission)
}

// over refuses what concerns a role above the actor's own, or one that may do what theirs may not: neither its people
// nor the giving of it. Who could act on such people could become one of them, by their address.
func (h hand) over(role string) error {
	if h.member == "" {
		return nil
	}
	if r, ok := h.cfg.Roles.ByID(role); ok {
		return h.role.CheckGives(r)
	}
	return nil
}

// makes refuses that somebody gets a role by what is done, also where groups or the default decide which: whoever brings that
// about has it in their hands.
func (h hand) makes(role string) error {
	if r, ok := h.cfg.Roles.ByID(role); ok && h.limit != nil {
		if err := h.limit(r); err != nil {
			return err
		}
	}
	return h.over(role)
}

// gives refuses the giving of a role by hand.
func (h hand) gives(role string) error {
	if h.member == "" {
		return nil
	}
	if err := h.role.CheckMay(directory.PermissionRoles); err != nil {
		return err
	}
	return h.over(role)
}

// MayManage refuses, with its event, what the actor of scope may not do to m: somebody who lacks the permission, or
// whose role is not above that of m. The policy is held exclusively.
func MayManage(tx *store.Tx, cfg *directory.Config, scope Scope, permission string, m *directory.Member) error {
	h, err := handOf(tx, cfg, scope, permission)
	if err == nil {
		err = h.over(m.Role)
	}
	if err != nil {
		return refusedAct(scope, m, err)
	}
	return nil
}

// notYourself refuses what nobody does to themselves, by a slip or by a page that somebody else made them open.
func notYourself(scope Scope, m *directory.Member, what string) error {
	if scope.Actor.Kind == "member" && scope.Actor.ID == m.ID {
		return errs.Forbidden("self", "You cannot %s yourself. Another administrator can.", what)
	}
	return nil
}

// refusedAct is a refusal of somebody's act about m, with its event.
func refusedAct(scope Scope, m *directory.Member, err error) error {
	if !errs.Is(err, errs.KindForbidden) {
		return err
	}
	e := scope.event(audit.MemberRefused, memberParty(m))
	e.Outcome, e.Reason = audit.Refused, errs.CodeOf(err)
	return store.Refuse(err, nil, e)
}

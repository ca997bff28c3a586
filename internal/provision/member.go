package provision

import (
	"context"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// act runs one manual change of a member, found by find, under the locks that it needs, of somebody who may manage people.
func (s *Service) act(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error), fn func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error) error {
	return s.actWith(ctx, directory.PermissionMembers, scope, find, func(tx *store.Tx, h hand, m *directory.Member) error { return fn(tx, h.cfg, m) })
}

func (s *Service) actWith(ctx context.Context, permission string, scope Scope, find func(*store.Tx) (*directory.Member, error), fn func(tx *store.Tx, h hand, m *directory.Member) error) error {
	return s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		m, err := find(tx)
		if err != nil {
			return err
		}
		// Manual acts are rare, and any of them may concern an owner.
		if err := tx.LockPeople([]string{m.ID}, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		if m, err = tx.Member(m.ID); err != nil {
			return err
		}
		if m.Stage == directory.StageErased {
			return errs.Conflict("member_erased", "The member %s was erased.", m.ID)
		}
		h, err := handOf(tx, cfg, scope, permission)
		if err == nil {
			err = h.over(m.Role)
		}
		if err != nil {
			return refusedAct(scope, m, err)
		}
		if scope.Precondition != nil {
			if err := scope.Precondition(m.UpdatedAt, nil); err != nil {
				return err
			}
		}
		return fn(tx, h, m)
	})
}

// Who finds a member by id ("mem_...") or by address: the one not deactivated, else the newest.
func Who(who string) func(*store.Tx) (*directory.Member, error) {
	return func(tx *store.Tx) (*directory.Member, error) {
		if len(who) > 4 && who[:4] == "mem_" {
			return tx.Member(who)
		}
		return tx.MemberByEmail(who)
	}
}

// Deactivate is an owner's act: the member is out until an owner restores them (row 24).
func (s *Service) Deactivate(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
	var done directory.Member
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		if err := notYourself(scope, m, "deactivate"); err != nil {
			return err
		}
		if err := s.shield(tx, cfg, scope, m, "deactivating them"); err != nil {
			return err
		}
		if m.Sources.Has(directory.SourceOwner) {
			done = *m
			return nil
		}
		c := edit(m, "owner")
		m.Sources = m.Sources.With(directory.SourceOwner)
		done = *m
		return save(tx, cfg, scope, c)
	})
	return done, err
}

func (s *Service) shield(tx *store.Tx, cfg *directory.Config, scope Scope, m *directory.Member, what string) error {
	shielded, err := protected(tx, cfg, m, 0)
	if err != nil || !shielded {
		return err
	}
	e := scope.event(audit.MemberRefused, memberParty(m))
	e.Outcome, e.Reason = audit.Refused, "protected_member"
	return store.Refuse(errs.Forbidden("protected_member",
		"%s is the last owner or the break-glass administrator of this workspace; %s is refused. Name another owner first.", m.Email, what), nil, e)
}

// Restore is an owner's act: all sources are lifted, the same member is in under either policy,
// whatever the directory says (row 25).
func (s *Service) Restore(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error)) (directory.Member, error) {
	var done directory.Member
	err := s.act(ctx, scope, find, func(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
		if m.Sources == 0 {
			done = *m
			return nil
		}
		if err := checkAddress(tx, m.Email, m.ID, true); err != nil {
			return err
		}
		c := edit(m, "owner")
		m.Sources = 0
		done = *m
		return save(tx, cfg, scope, c)
	})
	return done, err
}

// SetRole sets a role by hand, which wins until it is cleared; "" clears it, and the role follows
// groups and mappings again (row 26). Neither gives a role that whoever acts may not give, themselves included.
func (s *Service) SetRole(ctx context.Context, scope Scope, find func(*store.Tx) (*directory.Member, error), roleName string) (directory.Member, error) {
	var done directory.Member
	err := s.actWith(ctx, directory.PermissionRoles, scope, find, func(tx *store.Tx, h hand, m *directory.Member) error {
		cfg, c := h.cfg, edit(m, "owner")
		m.ManualRole = ""
		if roleName != "" {
			role, ok := cfg.Roles.ByName(roleName)
			if !ok {
				return errs.Invalid("role_unknown", "There is no role %q. The roles are %s.", cut(roleName), strings.Join(cfg.Roles.Names(), ", "))
			}
			m.ManualRole = role.ID
		}
		groups, err := groupsOf(tx, cfg, m)
		if err != nil {
			return err
		}
		role, reason := cfg.Decide(m.ManualRole, groups, tx.Now())
		if err := h.makes(role.ID); err != nil {
			return refusedAct(scope, m, err)
		}
		if c.before.Role == owner(cfg) && role.ID != owner(cfg) {
			if err := s.shield(tx, cfg, scope, &c.before, "taking the owner role away"); err != nil {
				return err
			}
		}
		if role.ID == c.before.Role && m.ManualRole == c.before.ManualRole {
			done = c.before
			return nil
		}
		m.Role, m.RoleReason = role.ID, reason
		done = *m
		if role.ID == c.before.Role {
			// Only the reason changed; save records changes of the role itself.
			e := scope.event(audit.MemberRoleChanged, memberParty(m), roleChange(cfg, c.before.Role, m)...)
			if err := tx.Record(e); err != nil {
				return err
			}
		}
		return save(tx, cfg, scope, c)
	})
	return done, err
}

// SignedIn notes inside a sign-in's transaction that m, who was read under their lock, has
// entered: a pending or invited person becomes a member in full by it. The caller has asked
// directory.MaySignIn and holds the lock. A pending person whose directory holds them inactive
// stays one, whatever else lets them in: errs.KindForbidden, "account_deactivated" (row 20).
func SignedIn(tx *store.Tx, cfg *directory.Config, m *directory.Member) error {
	if m.Stage != directory.StagePending && m.Stage != directory.StageInvited {
		return nil
	}
	if err := heldInactive(tx, m); err != nil {
		return err
	}
	c := edit(m, "first_sign_in")
	m.Stage = directory.StageActive
	if c.before.Stage == directory.StageInvited {
		tx.DeleteInvitation(m.ID)
		tx.EndMailLinks(m.ID, store.LinkInvitation)
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: memberParty(m)}
	e := scope.event(audit.MemberActivated, memberParty(m), audit.Change{Field: "status", From: string(c.before.Status()), To: string(m.Status())})
	e.Reason = c.why
	if err := tx.Record(e); err != nil {
		return err
	}
	return save(tx, cfg, scope, c)
}

// heldInactive refuses a pending person whom their directory holds inactive. An owner may have
// restored them; what was never begun is not completed against the directory.
func heldInactive(tx *store.Tx, m *directory.Member) error {
	if m.Stage != directory.StagePending {
		return nil
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return err
	}
	for _, u := range resources {
		if u.RetiredAt.IsZero() && !u.Active {
			return errs.Forbidden("account_deactivated", "Your organisation's directory deactivated this account.")
		}
	}
	return nil
}

package provision

import (
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// change is one member before and after.
type change struct {
	before directory.Member
	after  *directory.Member
	why    string // code of what brought it about
	// told are the fields that the event of the request itself tells of.
	told []audit.Change
	// retires are resources of another directory whose member this was, of an adoption.
	retires []store.SCIMUser
	// notes writes what else is kept of it, beside the member; nil for nothing. A plan makes changes and keeps none.
	notes func() error
}

// note is called once where a change is carried out.
func (c change) note() error {
	if c.notes == nil {
		return nil
	}
	return c.notes()
}

// edit starts a change of m: the copy of what was is kept, m is changed by the caller.
func edit(m *directory.Member, why string) change {
	return change{before: *m, after: m, why: why}
}

// save writes members. It is the one way by which a member goes out (law 2) and comes in: in this
// transaction sessions end and one-time links die, and each step is an event. A fresh member has
// no id in before.
func save(tx *store.Tx, cfg *directory.Config, scope Scope, changes ...change) error {
	var out, turned []string
	for _, c := range changes {
		if c.before.ID == "" || (c.before.Sources == 0) == (c.after.Sources == 0) {
			continue
		}
		turned = append(turned, c.after.ID)
		if c.after.Sources != 0 {
			out = append(out, c.after.ID)
		}
	}
	// By now the caller holds the lock of each; who is signing in at this moment waits.
	if len(out) > 0 {
		if _, err := tx.EndSessionsOf(out, "deactivated"); err != nil {
			return err
		}
	}
	if err := endAPIKeys(tx, scope, turned); err != nil {
		return err
	}
	for _, c := range changes {
		if err := saveOne(tx, cfg, scope, c); err != nil {
			return err
		}
	}
	if err := tx.RenewSessions(raised(cfg, changes), session.RenewedRole); err != nil {
		return err
	}
	return tellTurns(tx, cfg, changes)
}

// raised are the members who got a role of a higher rank, or one that allows what theirs did not: what their browsers hold was
// given to somebody who could do less.
func raised(cfg *directory.Config, changes []change) (members []string) {
	for _, c := range changes {
		if c.before.ID == "" || c.before.Role == c.after.Role {
			continue
		}
		was, known := cfg.Roles.ByID(c.before.Role)
		if is, _ := cfg.Roles.ByID(c.after.Role); !known || is.Rank < was.Rank || !was.Covers(is) {
			members = append(members, c.after.ID)
		}
	}
	return members
}

// endAPIKeys ends the API keys of members who go out, and those of members who come in: a binary that knows no keys may
// have put them out, and nobody's return revives one.
func endAPIKeys(tx *store.Tx, scope Scope, members []string) error {
	if len(members) == 0 {
		return nil
	}
	ended, err := tx.EndAPIKeysOf(members, store.KeyOwnerGone)
	if err != nil {
		return err
	}
	quiet := scope
	quiet.Payload = nil
	for _, k := range ended {
		e := quiet.event(audit.APIKeyRevoked, audit.Party{Kind: "api_key", ID: k.ID, Name: k.Name}, audit.Change{Field: "owner", To: k.Member})
		e.Reason = store.KeyOwnerGone
		if err := tx.Record(e); err != nil {
			return err
		}
	}
	return nil
}

func saveOne(tx *store.Tx, cfg *directory.Config, scope Scope, c change) error {
	m := c.after
	if m.In() && m.Stage == directory.StageActive {
		m.WasIn = true
	}
	// The exchange is kept once, with the event of the request itself.
	quiet := scope
	quiet.Payload = nil
	record := func(t audit.Type, fields ...audit.Change) error {
		e := quiet.event(t, memberParty(m), fields...)
		e.Reason = c.why
		return tx.Record(e)
	}
	if c.before.ID == "" {
		tx.InsertMember(m)
		return record(audit.MemberCreated, audit.Change{Field: "status", To: string(m.Status())}, audit.Change{Field: "role", To: roleName(cfg, m.Role)})
	}
	tx.UpdateMember(m)
	if c.before.BreakGlass && !m.BreakGlass {
		// They were for emergency access, which is exactly one person's.
		tx.DropSecondFactor(m.ID)
		tx.DropRecoveryCodes(m.ID)
	}
	sources := audit.Change{Field: "deactivated_by", From: c.before.Sources.String(), To: m.Sources.String()}
	switch {
	case c.before.Sources == 0 && m.Sources != 0:
		tx.EndLinks(m.ID)
		if m.Stage == directory.StageInvited {
			tx.DeleteInvitation(m.ID)
		}
		if err := record(audit.MemberDeactivated, sources); err != nil {
			return err
		}
	case c.before.Sources != 0 && m.Sources == 0:
		if err := record(audit.MemberRestored, sources); err != nil {
			return err
		}
	case c.before.Sources != m.Sources:
		if err := record(audit.MemberDeactivated, sources); err != nil {
			return err
		}
	}
	if c.before.Role != m.Role {
		return record(audit.MemberRoleChanged, roleChange(cfg, c.before.Role, m)...)
	}
	return nil
}

func roleName(cfg *directory.Config, id string) string {
	role, _ := cfg.Roles.ByID(id)
	return role.Name
}

func roleChange(cfg *directory.Config, from string, m *directory.Member) []audit.Change {
	changes := []audit.Change{{Field: "role", From: roleName(cfg, from), To: roleName(cfg, m.Role)}}
	if m.RoleReason.Group != "" {
		changes = append(changes, audit.Change{Field: "group", To: m.RoleReason.Group})
	}
	return append(changes, audit.Change{Field: "role_source", To: string(m.RoleReason.Source)})
}

// resolved is what resolve is asked to look at.
type resolved struct {
	members []string // ids
	// lost are the members who lost a membership in a mapped group by the directory's own
	// change: only they can go out by group loss.
	lost map[string]bool
	why  string
	// everybody says that a mapping or role edit concerns all: a role kept over a return then
	// stays unless a group gives another.
	everybody bool
	// instead are the roles that take the place of those which are gone, by id.
	instead map[string]string
	// exclusive says that the policy is held exclusively, which it must be before an owner
	// goes out.
	exclusive bool
	// each is told of everybody who changes, nil for nobody.
	each func(Turn)
}

// errExclusive says that an owner would go out while the policy is only shared: two owners could
// go at once, each seeing the other. The caller runs again and holds it exclusively.
var errExclusive = errors.New("an owner is concerned")

// resolve decides the roles of members again, puts out who lost their last mapped group where
// policy says so, and lets in who has one again. It takes a bounded number of statements for any
// number of members; the caller holds their locks.
func resolve(tx *store.Tx, cfg *directory.Config, policy directory.Policy, scope Scope, ask resolved) (changed int, err error) {
	if len(ask.members) == 0 {
		return 0, nil
	}
	members, err := tx.Members(ask.members)
	if err != nil {
		return 0, err
	}
	groups, err := tx.MappedGroups(ask.members)
	if err != nil {
		return 0, err
	}
	leaving := 0
	changes, err := redecide(tx, cfg, policy, scope, ask, members, groups, &leaving)
	if err != nil {
		return 0, err
	}
	var turned []change                // who goes out or comes in
	grants := map[string]*grantGroup{} // who only gets another role
	for _, c := range changes {
		if ask.each != nil {
			ask.each(Turn{c.before, *c.after})
		}
		if c.after.Sources != c.before.Sources {
			turned = append(turned, c)
		} else {
			addGrant(grants, c)
		}
	}
	if err := save(tx, cfg, scope, turned...); err != nil {
		return 0, err
	}
	n, err := grantAll(tx, cfg, scope, grants, ask.why)
	return len(turned) + n, err
}

// redecide is what resolve does, without doing it: the changes of those of members who change, in their order. groups
// are those that mappings give a role to, by member.
func redecide(tx *store.Tx, cfg *directory.Config, policy directory.Policy, scope Scope, ask resolved, members []directory.Member, groups map[string][]directory.MappedGroup, leaving *int) ([]change, error) {
	claimed, err := claimedGroups(tx, cfg, members, groups)
	if err != nil {
		return nil, err
	}
	mapped := cfg.Workspace.Policy.RoleSource == directory.RoleSourceMapping
	var changes []change
	for i := range members {
		m := &members[i]
		if m.Stage == directory.StageErased {
			continue
		}
		has := len(groups[m.ID]) > 0 && mapped
		c := edit(m, ask.why)
		if role := ask.instead[m.Role]; role != "" && m.RoleReason.Source == directory.RoleKept {
			m.Role = role
		}
		if !(ask.everybody && mapped && !has && len(claimed[m.ID]) == 0 && keepsRole(cfg, m)) {
			decide(cfg, m, slices.Concat(groups[m.ID], claimed[m.ID]), tx.Now())
		}
		switch {
		case has && m.Sources.Has(directory.SourceGroupLoss):
			m.Sources = m.Sources.Without(directory.SourceGroupLoss)
		case !has && ask.lost[m.ID] && policy.LossDeactivates() && m.Sources == 0:
			m.Sources = m.Sources.With(directory.SourceGroupLoss)
		}
		if err := checkTurn(tx, cfg, scope, c, ask.exclusive, leaving); err != nil {
			return nil, err
		}
		if m.Sources != c.before.Sources || m.RoleReason != c.before.RoleReason || m.Role != c.before.Role {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// keepsRole reports whether m has a role from before a return that still is one of the workspace's,
// and not the owner's by a new ranking.
func keepsRole(cfg *directory.Config, m *directory.Member) bool {
	role, ok := cfg.Roles.ByID(m.Role)
	return m.RoleReason.Source == directory.RoleKept && ok && !role.IsOwner()
}

// checkTurn refuses what law 7 forbids and an address that somebody else holds by now.
// leaving counts the owners whom the same operation takes out or demotes.
func checkTurn(tx *store.Tx, cfg *directory.Config, scope Scope, c change, exclusive bool, leaving *int) error {
	m := c.after
	goesOut := c.before.Sources == 0 && m.Sources != 0
	demoted := c.before.Role != m.Role && c.before.Role == owner(cfg)
	if (goesOut || demoted) && guarded(cfg, &c.before) {
		if !exclusive {
			return errExclusive
		}
		shielded, err := protected(tx, cfg, &c.before, *leaving)
		if err != nil {
			return err
		}
		if shielded {
			return refuseProtected(scope, &c.before, "taking them out of their last group")
		}
		if c.before.In() && c.before.Stage == directory.StageActive && c.before.Role == owner(cfg) {
			*leaving++
		}
	}
	if c.before.Sources != 0 && m.Sources == 0 {
		return checkAddress(tx, m.Email, m.ID, true)
	}
	return nil
}

type grantGroup struct {
	reason  directory.RoleReason
	role    string
	changes []change
}

func addGrant(grants map[string]*grantGroup, c change) {
	m := c.after
	r := m.RoleReason
	key := strings.Join([]string{m.Role, string(r.Source), r.GroupID, r.Connection, r.Group, r.Mapping}, "\x00")
	g := grants[key]
	if g == nil {
		g = &grantGroup{reason: m.RoleReason, role: m.Role}
		grants[key] = g
	}
	g.changes = append(g.changes, c)
}

func grantAll(tx *store.Tx, cfg *directory.Config, scope Scope, grants map[string]*grantGroup, why string) (int, error) {
	n := 0
	keys := make([]string, 0, len(grants))
	for key := range grants {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		g := grants[key]
		ids := make([]string, 0, len(g.changes))
		for _, c := range g.changes {
			ids = append(ids, c.after.ID)
		}
		n += len(ids)
		if err := tx.GrantRoles([]store.RoleGrant{{Role: g.role, Reason: g.reason, Members: ids}}); err != nil {
			return n, err
		}
		if err := tx.RenewSessions(raised(cfg, g.changes), session.RenewedRole); err != nil {
			return n, err
		}
		quiet := scope
		quiet.Payload = nil
		for _, c := range g.changes {
			if c.before.Role == c.after.Role {
				continue
			}
			e := quiet.event(audit.MemberRoleChanged, memberParty(c.after), roleChange(cfg, c.before.Role, c.after)...)
			e.Reason = why
			if err := tx.Record(e); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

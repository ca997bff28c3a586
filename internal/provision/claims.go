package provision

import (
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Group claims of sign-ins (row 23): as mappings of their connection, behind the groups of a
// directory. They decide roles and nothing else: nobody goes out for want of a claim.

// claimedGroups returns, of those members whose role no hand and no group of a directory decides,
// the claims that mappings give a role to.
func claimedGroups(tx *store.Tx, cfg *directory.Config, members []directory.Member, groups map[string][]directory.MappedGroup) (map[string][]directory.MappedGroup, error) {
	if cfg.Workspace.Policy.RoleSource != directory.RoleSourceMapping || !cfg.MapsClaims() {
		return nil, nil
	}
	var ask []string
	for i := range members {
		m := &members[i]
		if _, byHand := cfg.Roles.ByID(m.ManualRole); !byHand && len(groups[m.ID]) == 0 {
			ask = append(ask, m.ID)
		}
	}
	if len(ask) == 0 {
		return nil, nil
	}
	claims, err := tx.Claims(ask)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]directory.MappedGroup, len(claims))
	for id, list := range claims {
		out[id] = mappedClaims(cfg, list)
	}
	return out, nil
}

func mappedClaims(cfg *directory.Config, claims []store.Claims) (out []directory.MappedGroup) {
	for _, c := range claims {
		if _, there := cfg.Connection(c.Connection); !there {
			continue // it goes, and its claims with it
		}
		out = append(out, cfg.Roles.MappedClaims(cfg.Mappings, c.Connection, c.Groups)...)
	}
	return out
}

// groupsOf returns all that may give one member a role.
func groupsOf(tx *store.Tx, cfg *directory.Config, m *directory.Member) ([]directory.MappedGroup, error) {
	groups, err := tx.MappedGroups([]string{m.ID})
	if err != nil {
		return nil, err
	}
	claimed, err := claimedGroups(tx, cfg, []directory.Member{*m}, groups)
	return slices.Concat(groups[m.ID], claimed[m.ID]), err
}

// decide gives a member the role that hand, groups and claims say, and keeps role and reason as they
// are where the cause is the same.
func decide(cfg *directory.Config, m *directory.Member, groups []directory.MappedGroup, now time.Time) {
	role, reason := cfg.Decide(m.ManualRole, groups, now)
	if role.ID != m.Role || !reason.SameCause(m.RoleReason) {
		m.Role, m.RoleReason = role.ID, reason
	}
}

// hearClaims keeps what a connection asserts of m, who is held, and decides their role again where
// that is news. known false, an absent or truncated claim, changes nothing.
func hearClaims(tx *store.Tx, cfg *directory.Config, m *directory.Member, a Arrival) error {
	if !a.GroupsKnown {
		return nil
	}
	asserted := slices.Clone(a.Groups)
	slices.Sort(asserted)
	asserted = slices.Compact(asserted)
	had, err := tx.Claims([]string{m.ID})
	if err != nil {
		return err
	}
	claims := had[m.ID]
	at := slices.IndexFunc(claims, func(c store.Claims) bool { return c.Connection == a.Connection })
	if at >= 0 && slices.Equal(claims[at].Groups, asserted) {
		if len(claims) > 1 {
			tx.TouchClaims(m.ID, a.Connection) // of several the newest is shown
		}
		return nil
	}
	tx.SaveClaims(m.ID, a.Connection, asserted)
	if at < 0 {
		claims = append(claims, store.Claims{Connection: a.Connection})
		at = len(claims) - 1
	}
	claims[at].Groups = asserted
	return roleByClaims(tx, cfg, m, mappedClaims(cfg, claims))
}

func roleByClaims(tx *store.Tx, cfg *directory.Config, m *directory.Member, claimed []directory.MappedGroup) error {
	if _, byHand := cfg.Roles.ByID(m.ManualRole); byHand || m.Role == owner(cfg) {
		return nil // a hand decides; an owner's role is nobody's to assert
	}
	groups, err := tx.MappedGroups([]string{m.ID})
	if err != nil {
		return err
	}
	all := slices.Concat(groups[m.ID], claimed)
	if len(all) == 0 && keepsRole(cfg, m) {
		return nil
	}
	decide(cfg, m, all, tx.Now())
	return nil
}

package directory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Role is a ranked set of permissions of one workspace. Rank 0 is the owner role; a smaller
// rank is higher.
type Role struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Rank        int      `json:"rank"`
	Permissions []string `json:"permissions,omitempty"`
}

// IsOwner reports whether r is the owner role.
func (r Role) IsOwner() bool { return r.Rank == 0 }

// May reports whether people with the role may do what needs a permission. Owners may do everything.
func (r Role) May(permission string) bool {
	return r.IsOwner() || slices.ContainsFunc(r.Permissions, func(held string) bool { return Grants(held, permission) })
}

// Covers reports whether everything that people with the other role may do, those with r may as well.
func (r Role) Covers(other Role) bool {
	return r.IsOwner() || !other.IsOwner() && !slices.ContainsFunc(other.Permissions, func(p string) bool { return !r.May(p) })
}

// CheckGives refuses, of kind forbidden, that somebody with the role r has to do with another one, by giving,
// changing or taking it or by acting on whoever has it: rank_too_high for one above r, permission_beyond for one that allows
// what r does not.
func (r Role) CheckGives(other Role) error {
	switch {
	case other.Rank < r.Rank:
		return errs.Forbidden("rank_too_high", "The role %s is above your own, %s: only somebody who has it can do this.", other.Name, r.Name)
	case !r.Covers(other):
		return errs.Forbidden("permission_beyond", "The role %s allows what your own, %s, does not: %s. Only somebody who may do that themselves can do this.",
			other.Name, r.Name, strings.Join(r.Lacks(other.Permissions), ", "))
	}
	return nil
}

// Lacks are those of some permissions that r does not have.
func (r Role) Lacks(permissions []string) []string {
	return slices.DeleteFunc(slices.Clone(permissions), r.May)
}

// CheckMay refuses, of kind forbidden, permission_missing, what needs a permission that r does not have.
func (r Role) CheckMay(permission string) error {
	if r.May(permission) {
		return nil
	}
	return errs.Forbidden("permission_missing", "Your role %s lacks the permission %s: %s.", r.Name, permission, PermissionSays(permission))
}

// RolePermissions is what a role carries that is made with that name and rank: everything for the
// owner role, the whole console for the role that the presets call Admin, nothing for any other.
func RolePermissions(name string, rank int) []string {
	switch {
	case rank == 0:
		return []string{PermissionAll}
	case strings.EqualFold(name, "Admin"), strings.EqualFold(name, "Organization Admin"):
		return AdministratorPermissions()
	}
	return nil
}

// RoleMapping gives a role to the members of a group. Match is compared, without regard to
// letter case, with a group's display name, and exactly with its external id. With Directory
// set it holds for that directory's groups only, with Connection set for that connection's
// group claims only, with neither for all.
type RoleMapping struct {
	ID         string
	Directory  string // directory id or ""
	Connection string // connection id or ""
	Match      string
	Role       string // role id; never the owner role
}

// MatchesGroup reports whether the mapping holds for a group that a directory pushed. A team
// (made by hand, directory "") never grants a mapped role.
func (m RoleMapping) MatchesGroup(directory, displayName, externalID string) bool {
	if directory == "" || m.Connection != "" {
		return false
	}
	if m.Directory != "" && m.Directory != directory {
		return false
	}
	return strings.EqualFold(m.Match, displayName) || (externalID != "" && m.Match == externalID)
}

// MatchesClaims reports whether the mapping holds for group claims of a connection.
func (m RoleMapping) MatchesClaims(connection string) bool {
	return m.Directory == "" && (m.Connection == "" || m.Connection == connection)
}

// Roles is a workspace's ranked list, highest first.
type Roles []Role

// ByID finds a role by id.
func (rs Roles) ByID(id string) (Role, bool) {
	for _, r := range rs {
		if r.ID == id {
			return r, true
		}
	}
	return Role{}, false
}

// ByName finds a role by name, without regard to letter case.
func (rs Roles) ByName(name string) (Role, bool) {
	for _, r := range rs {
		if strings.EqualFold(r.Name, name) {
			return r, true
		}
	}
	return Role{}, false
}

// Names lists the names, highest first.
func (rs Roles) Names() []string {
	names := make([]string, len(rs))
	for i, r := range rs {
		names[i] = r.Name
	}
	return names
}

// Owner returns the highest role.
func (rs Roles) Owner() Role { return rs[0] }

// Lowest returns the lowest role, which everybody has until something gives another.
func (rs Roles) Lowest() Role { return rs[len(rs)-1] }

// MappedRole returns the highest role that mappings give to a group of a directory, and
// whether any does.
func (rs Roles) MappedRole(mappings []RoleMapping, directory, displayName, externalID string) (Role, bool) {
	var best Role
	found := false
	for _, m := range mappings {
		if !m.MatchesGroup(directory, displayName, externalID) {
			continue
		}
		role, ok := rs.ByID(m.Role)
		if ok && !role.IsOwner() && (!found || role.Rank < best.Rank) {
			best, found = role, true
		}
	}
	return best, found
}

// MappedGroup is a group that some mapping gives a role to, as one member's membership: one that a
// directory pushed, or a claim of a connection.
type MappedGroup struct {
	ID   string // "" for a claim
	Name string // display name, or the claim's value
	Role string // role id
	// Connection is the id of the connection that asserted it, "" for a directory's group.
	Connection string
	// Directory and ExternalID are those of a directory's group, "" for a claim.
	Directory, ExternalID string
}

// MappedClaims returns those of a connection's group claims to which mappings give a role. A
// mapping's match is compared with the raw value, without regard to letter case.
func (rs Roles) MappedClaims(mappings []RoleMapping, connection string, values []string) []MappedGroup {
	best := map[string]Role{} // by folded match
	for _, m := range mappings {
		if m.Match == "" || !m.MatchesClaims(connection) {
			continue
		}
		role, ok := rs.ByID(m.Role)
		if !ok || role.IsOwner() {
			continue
		}
		if had, ok := best[Fold(m.Match)]; !ok || role.Rank < had.Rank {
			best[Fold(m.Match)] = role
		}
	}
	if len(best) == 0 {
		return nil
	}
	var out []MappedGroup
	for _, v := range values {
		if role, ok := best[Fold(v)]; ok {
			out = append(out, MappedGroup{Name: v, Role: role.ID, Connection: connection})
		}
	}
	return out
}

// MapsClaims reports whether any mapping could hold for a group claim of any connection.
func (c *Config) MapsClaims() bool {
	return len(c.Connections) > 0 && slices.ContainsFunc(c.Mappings, func(m RoleMapping) bool { return m.Directory == "" })
}

// before orders groups that give a role: a directory's come before claims, then the higher role,
// then, so that the reason is stable, the smaller id or name.
func (g MappedGroup) before(other MappedGroup, rank, otherRank int) bool {
	return cmp.Or(
		cmp.Compare(min(len(g.Connection), 1), min(len(other.Connection), 1)),
		cmp.Compare(rank, otherRank),
		strings.Compare(g.ID, other.ID),
		strings.Compare(g.Connection, other.Connection),
		strings.Compare(g.Name, other.Name),
	) < 0
}

// Decide returns the role of a member and why: by hand, else the highest mapped role of the
// directory's groups, else that of claims, else the lowest. The order of groups does not matter.
func (rs Roles) Decide(source RoleSource, manual string, groups []MappedGroup, now time.Time) (Role, RoleReason) {
	if manual != "" {
		if role, ok := rs.ByID(manual); ok {
			return role, RoleReason{Source: RoleByHand, At: now}
		}
	}
	if source == RoleSourceMapping {
		var best Role
		var by MappedGroup
		found := false
		for _, g := range groups {
			role, ok := rs.ByID(g.Role)
			if !ok || role.IsOwner() {
				continue
			}
			if !found || g.before(by, role.Rank, best.Rank) {
				best, by, found = role, g, true
			}
		}
		switch {
		case found && by.Connection != "":
			return best, RoleReason{Source: RoleByClaim, Group: by.Name, Connection: by.Connection, At: now}
		case found:
			return best, RoleReason{Source: RoleByMapping, Group: by.Name, GroupID: by.ID, At: now}
		}
	}
	return rs.Lowest(), RoleReason{Source: RoleByDefault, At: now}
}

// Decide is Roles.Decide with the configuration's role source, and names the mapping that gave the role.
func (c *Config) Decide(manual string, groups []MappedGroup, now time.Time) (Role, RoleReason) {
	role, why := c.Roles.Decide(c.Workspace.Policy.RoleSource, manual, groups, now)
	if why.Source != RoleByMapping && why.Source != RoleByClaim {
		return role, why
	}
	for _, g := range groups {
		if g.Role != role.ID || g.Name != why.Group || g.ID != why.GroupID || g.Connection != why.Connection {
			continue
		}
		for _, m := range c.Mappings {
			if m.Role == role.ID && m.gave(g) {
				why.Mapping = m.ID
				return role, why
			}
		}
	}
	return role, why
}

// gave reports whether the mapping holds for what has given somebody a role.
func (m RoleMapping) gave(g MappedGroup) bool {
	if g.Connection != "" {
		return m.MatchesClaims(g.Connection) && Fold(m.Match) == Fold(g.Name)
	}
	return m.MatchesGroup(g.Directory, g.Name, g.ExternalID)
}

// MappingText is a mapping in words, and whether it is there still.
func (c *Config) MappingText(id string) (string, bool) {
	for _, m := range c.Mappings {
		if m.ID != id {
			continue
		}
		role, _ := c.Roles.ByID(m.Role)
		from := "any directory or connection"
		if d, ok := c.Directory(m.Directory); ok {
			from = "groups of the directory " + d.Name
		} else if con, ok := c.Connection(m.Connection); ok {
			from = "group claims of the connection " + con.Name
		}
		return fmt.Sprintf("%s gives %s (%s)", m.Match, role.Name, from), true
	}
	return "", false
}

package directory

import (
	"strings"
	"time"
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

// MappedGroup is a group that some mapping gives a role to, as one member's membership.
type MappedGroup struct {
	ID   string
	Name string
	Role string // role id
}

// Decide returns the role of a member and why: by hand, else the highest mapped role of
// groups, else the lowest. The order of groups does not matter; of two groups with one role the
// smaller id is named, so that the reason is stable.
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
			if !found || role.Rank < best.Rank || role.Rank == best.Rank && g.ID < by.ID {
				best, by, found = role, g, true
			}
		}
		if found {
			return best, RoleReason{Source: RoleByMapping, Group: by.Name, GroupID: by.ID, At: now}
		}
	}
	return rs.Lowest(), RoleReason{Source: RoleByDefault, At: now}
}

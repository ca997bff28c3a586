package directory

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// What a role can allow, and what a scope of an API key can: one vocabulary. A permission without
// ":read" contains the one with it.
const (
	// PermissionAll is everything, now and later. Only the owner role carries it.
	PermissionAll = "all"
	// PermissionSettings is to change sign-in, provisioning, domains, policy and role mappings.
	PermissionSettings     = "settings"
	PermissionSettingsRead = "settings:read"
	// PermissionMembers is to invite, edit, deactivate and restore people, and to decide whom a directory adopts.
	PermissionMembers     = "members"
	PermissionMembersRead = "members:read"
	// PermissionTeams is to make teams and to choose who is in them.
	PermissionTeams     = "teams"
	PermissionTeamsRead = "teams:read"
	// PermissionRoles is to change what roles there are, what they allow, and who has which, up to one's own.
	PermissionRoles     = "roles"
	PermissionRolesRead = "roles:read"
	// PermissionSessions is to end the sessions of others.
	PermissionSessions     = "sessions"
	PermissionSessionsRead = "sessions:read"
	// PermissionAuditRead is to read the event log and the trace of sign-ins. Nobody changes them.
	PermissionAuditRead = "audit:read"
	// PermissionKeys is to make API keys, with no scope that one lacks oneself, and to revoke those of others.
	PermissionKeys     = "api_keys"
	PermissionKeysRead = "api_keys:read"
)

// readSuffix marks a permission to look and not to change.
const readSuffix = ":read"

// Permission is one of the names above with a sentence for people.
type Permission struct {
	Name string `json:"name"`
	Says string `json:"says"`
}

// Permissions are those that a role other than the owner's, and an API key, can be given, in the
// order in which they are shown.
func Permissions() []Permission {
	return []Permission{
		{PermissionSettings, "Change sign-in, provisioning, domains, policy and role mappings"},
		{PermissionSettingsRead, "See sign-in, provisioning, domains, policy and role mappings"},
		{PermissionMembers, "Invite, edit, deactivate and restore people"},
		{PermissionMembersRead, "See who is a member"},
		{PermissionTeams, "Make teams and choose who is in them"},
		{PermissionTeamsRead, "See teams and who is in them"},
		{PermissionRoles, "Change roles, and who has which, up to one's own"},
		{PermissionRolesRead, "See roles and what they allow"},
		{PermissionSessions, "End sessions of others"},
		{PermissionSessionsRead, "See sessions of others"},
		{PermissionAuditRead, "Read the event log and the trace of sign-ins"},
		{PermissionKeys, "Make API keys, and revoke those of others"},
		{PermissionKeysRead, "See which API keys there are"},
	}
}

// Grants reports whether held contains wanted: the same name, everything, or the whole of which
// wanted is the reading.
func Grants(held, wanted string) bool {
	return held == wanted || held == PermissionAll || held == strings.TrimSuffix(wanted, readSuffix)
}

// AdministratorPermissions are those of a role that may do everything in the console and is not the
// owner's.
func AdministratorPermissions() []string {
	return []string{PermissionSettings, PermissionMembers, PermissionTeams, PermissionRoles, PermissionSessions, PermissionAuditRead, PermissionKeys}
}

// PermissionSays is the sentence of a permission for people, or its name where nobody knows it.
func PermissionSays(name string) string {
	for _, p := range Permissions() {
		if p.Name == name {
			return p.Says
		}
	}
	return name
}

// TidyPermissions checks permissions that a role shall have: each must be one of Permissions. What another of
// them contains is left out, and the order is that of the vocabulary. The error is of kind invalid,
// permission_unknown.
func TidyPermissions(names []string) ([]string, error) {
	var known []string
	for _, p := range Permissions() {
		known = append(known, p.Name)
	}
	for _, n := range names {
		if !slices.Contains(known, n) {
			said := ""
			if near := Nearest(n, known); near != "" {
				said = " Did you mean " + near + "?"
			}
			if len(n) > 60 {
				n = strings.ToValidUTF8(n[:60], "")
			}
			return nil, errs.Invalid("permission_unknown", "There is no permission %q.%s The permissions are %s.", n, said, strings.Join(known, ", "))
		}
	}
	out := []string{}
	for _, k := range known {
		whole := strings.TrimSuffix(k, readSuffix)
		if slices.Contains(names, k) && (whole == k || !slices.Contains(names, whole)) {
			out = append(out, k)
		}
	}
	return out, nil
}

package settings

import (
	"maps"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Shown is the part of a configuration that a page about one thing shows and people can change, by key: kind is "connections"
// or "directories" with an id, "enforcement", or anything else for roles, mappings and policy. What moves by itself, as where the keys of an
// IdP stand and whether a connection was proven, is no part of it.
func Shown(cfg *directory.Config, kind, id string) map[string]string {
	out := map[string]string{}
	of := OfRoles
	if kind == "enforcement" {
		of = OfEnforcement
	}
	if kind == "connections" || kind == "directories" {
		name := ""
		if c, ok := cfg.Connection(id); ok && kind == "connections" {
			name = c.Name
		}
		if d, ok := cfg.Directory(id); ok && kind == "directories" {
			name = d.Name
		}
		at := kind + "." + name
		of = func(key string) bool {
			return name != "" && (key == at || strings.HasPrefix(key, at+".")) && !strings.HasSuffix(key, ".verified") &&
				!strings.HasSuffix(key, keyStatesKey) && !strings.HasSuffix(key, unconfirmedKey)
		}
	}
	maps.Copy(out, stateOf(cfg))
	maps.DeleteFunc(out, func(key, _ string) bool { return !of(key) })
	return out
}

// OfRoles reports whether a key of a change is about roles, mappings or policy.
func OfRoles(key string) bool {
	return strings.HasPrefix(key, "policy.") || strings.HasPrefix(key, rolesKey) || strings.HasPrefix(key, "role_mappings[")
}

// OfEnforcement reports whether a key of a change is about who must use single sign-on.
func OfEnforcement(key string) bool { return strings.HasPrefix(key, "enforcement.") }

package scim

import (
	"net/http"
	"strings"
)

// precondition is what an If-Match or If-None-Match header names; nil is no header.
type precondition []string

// preconditionFrom reads all fields of a header of that name, a list of entity tags or "*".
func preconditionFrom(h http.Header, name string) precondition {
	var p precondition
	for _, field := range h.Values(name) {
		for tag := range strings.SplitSeq(field, ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				p = append(p, tag)
			}
		}
	}
	return p
}

// holds compares weakly (RFC 9110 section 8.8.3.2): what follows W/ decides.
func (p precondition) holds(version string) bool {
	for _, tag := range p {
		if tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(version, "W/") {
			return true
		}
	}
	return false
}

// check is If-Match: the version must be one of those named.
func (p precondition) check(version string) error {
	if p == nil || p.holds(version) {
		return nil
	}
	return Errorf(http.StatusPreconditionFailed, "", "The resource has version %s by now; If-Match named %s.", quote(version), quote(strings.Join(p, ", ")))
}

// checkNone is If-None-Match before a change: the version must be none of those named.
func (p precondition) checkNone(version string) error {
	if p == nil || !p.holds(version) {
		return nil
	}
	return Errorf(http.StatusPreconditionFailed, "", "The resource has version %s, which If-None-Match excludes.", quote(version))
}

// versionOf returns the meta.version of a resource, or "".
func versionOf(r Resource) string {
	meta, _ := r["meta"].(map[string]any)
	v, _ := meta["version"].(string)
	return v
}

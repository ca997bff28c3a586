package console

import (
	"net/url"
	"strings"
	"testing"
)

func TestTextThatNoDatabaseHolds_IsNobodysFault(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		for _, text := range []string{"\x00", "a\x00b", "\xff", "a\xc3(", "evt_\x00", strings.Repeat("x", 20_000)} {
			odd := url.QueryEscape(text)
			segment := url.PathEscape(text)
			for _, path := range []string{
				"/console/" + segment, "/console/" + segment + "/sso", "/console/acme/sso/connections/" + segment, "/console/acme/sso/directories/" + segment,
				"/console/acme/events/" + segment, "/console/acme/events?type=" + odd, "/console/acme/events?outcome=" + odd, "/console/acme/events?who=" + odd,
				"/console/acme/events?by=name&who=" + odd, "/console/acme/events?before=" + odd, "/console/acme/sso?done=" + odd,
			} {
				if a := b.get(path); a.StatusCode >= 500 {
					t.Errorf("GET %.80q: %d", path, a.StatusCode)
				}
			}
			for path, fields := range map[string][]string{
				"/console/acme/sso/connections":                           {"provider", text, "name", text},
				"/console/acme/sso/connections#name":                      {"provider", "okta", "name", text},
				"/console/acme/sso/directories":                           {"connection", text},
				"/console/acme/roles":                                     {"group", text, "role", text, "source", "directory:" + text},
				"/console/acme/roles#group":                               {"group", text, "role", w.setup().Roles[1].ID},
				"/console/acme/roles/" + segment + "/remove":              {},
				"/console/acme/sso/connections/" + segment + "/disable":   {},
				"/console/acme/sso/directories/" + segment + "/token":     {"newest", text},
				"/console/acme/sso/connections/" + segment + "/metadata":  {"xml", text},
				"/console/acme/sso/connections/" + segment + "/metadata#": {"url", text},
			} {
				path, _, _ = strings.Cut(path, "#")
				if a := b.post(path, fields...); a.StatusCode >= 500 {
					t.Errorf("POST %.80q %.80q: %d", path, fields, a.StatusCode)
				}
			}
		}
	})
}

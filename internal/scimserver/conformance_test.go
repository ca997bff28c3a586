package scimserver_test

import (
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

// The cases know nothing of the engine below the server.
func TestServer_PassesTheConformanceCases(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil)
		s := httptest.NewServer(h.server)
		t.Cleanup(s.Close)
		scimtest.Test(t, scimtest.Probe{BaseURL: s.URL + "/scim/v2", Token: w.token, Domain: "acme.test",
			Each: func(r scimtest.Result) {
				if r.Outcome == scimtest.NotOffered {
					t.Errorf("%s was not checked: the server does not offer %s", r.ID, r.Expected)
				}
			}})
	})
}

// A strict directory is stricter than the standard where the interoperability profile is, and nowhere else.
func TestServer_InStrictModePassesAllCasesButThoseThatTheProfileForbids(t *testing.T) {
	beyond := map[string]string{
		"patch.no-path":            "a PATCH needs a path",
		"patch.add-no-path":        "a PATCH needs a path",
		"patch.deactivate-no-path": "a PATCH needs a path",
		"member.rename-no-path":    "a PATCH needs a path",
		"patch.complex":            "a complex value is replaced as a whole",
	}
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "omniflow", nil).inMode(directory.ModeStrict)
		s := httptest.NewServer(h.server)
		t.Cleanup(s.Close)
		report, err := scimtest.Probe{BaseURL: s.URL + "/scim/v2", Token: w.token, Domain: "acme.test"}.Run(t.Context())
		if err != nil || len(report.Left) > 0 {
			t.Fatalf("%v, left %v", err, report.Left)
		}
		var failed []string
		for _, r := range report.Results {
			if r.Outcome == scimtest.Passed || r.ID == "create.password" && r.Outcome == scimtest.NotOffered {
				continue
			}
			failed = append(failed, r.ID)
			if beyond[r.ID] == "" {
				t.Errorf("%s: %s\nexpected %s\ngot      %s", r.ID, r.Outcome, r.Expected, r.Got)
			}
		}
		if len(failed) != len(beyond) {
			t.Errorf("fails %s, want all of %d: the list excuses too much", strings.Join(slices.Sorted(slices.Values(failed)), " "), len(beyond))
		}
	})
}

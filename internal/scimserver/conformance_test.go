package scimserver_test

import (
	"net/http/httptest"
	"testing"

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

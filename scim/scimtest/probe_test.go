package scimtest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimmem"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

const token = "t0p-secret-token"

// memory serves a directory in memory behind what around makes of its handler.
func memory(t testing.TB, around func(http.Handler) http.Handler) (scimtest.Probe, *scimmem.Directory) {
	t.Helper()
	d := &scimmem.Directory{}
	h := &scim.Handler{Prefix: "/scim/v2", Types: []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()}, Offers: scimmem.Offers(), Bulk: &scim.BulkLimits{},
		Backend: func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Authorization") != "Bearer "+token {
				return nil, scim.Unauthorized()
			}
			return d, nil
		}}
	s := httptest.NewServer(around(h))
	t.Cleanup(s.Close)
	h.BaseURL = s.URL + "/scim/v2"
	return scimtest.Probe{BaseURL: h.BaseURL, Token: token, Domain: "acme.test"}, d
}

func plain(h http.Handler) http.Handler { return h }

func TestTest_PassesOnTheDirectoryInMemory(t *testing.T) {
	p, _ := memory(t, plain)
	scimtest.Test(t, p)
}

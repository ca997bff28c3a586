package scimtest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimmem"
	"github.com/gatehouse-id/gatehouse/scim/scimtest"
)

// A directory in memory stands for the server that is to be checked.
func ExampleProbe_Run() {
	directory := &scimmem.Directory{}
	handler := &scim.Handler{
		Types:   []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()},
		Backend: func(*http.Request) (scim.Backend, error) { return directory, nil },
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	handler.BaseURL = server.URL

	probe := scimtest.Probe{BaseURL: server.URL, Domain: "acme.test", Only: []string{"replace.user", "delete.user", "version.header"}}
	report, err := probe.Run(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range report.Results {
		fmt.Println(r.Outcome, r.ID, "-", r.Title)
	}
	fmt.Println(report.OK())
	// Output:
	// pass replace.user - a PUT replaces attributes and keeps the id
	// pass delete.user - a deleted user is 404 to every method
	// skip version.header - the ETag header is meta.version
	// true
}

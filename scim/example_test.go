package scim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-id/gatehouse/scim"
)

// A directory is a Handler over a Backend; here the backend keeps everything in memory.
func Example() {
	backend := newMemory()
	handler := &scim.Handler{
		BaseURL: "https://api.example.com/scim/v2",
		Prefix:  "/scim/v2",
		Types:   []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()},
		Backend: func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return nil, scim.Unauthorized()
			}
			return backend, nil
		},
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	send := func(method, path, body string) {
		r, _ := http.NewRequest(method, server.URL+"/scim/v2"+path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		fmt.Println(answer.StatusCode, string(text))
	}
	send("POST", "/Users?attributes=userName,active", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann@example.com"}`)
	send("PATCH", "/Users/id-1?attributes=active", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	send("GET", "/Users/id-2", "")
	// Output:
	// 201 {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"id-1","userName":"ann@example.com","active":true}
	// 200 {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"id-1","active":false}
	// 404 {"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"No User has the id \"id-2\"."}
}

func ExampleParseFilter() {
	f, err := scim.ParseFilter(scim.NewUserType(), `emails[type eq "work"].value sw "ann" or ACTIVE eq "False"`)
	fmt.Println(f, err)
	_, err = scim.ParseFilter(scim.NewUserType(), `nope eq "x"`)
	fmt.Println(err)
	// Output:
	// emails[type eq "work" and value sw "ann"] or active eq false <nil>
	// scim: 400 invalidFilter: The filter is not valid: "nope" is not an attribute of User.
}

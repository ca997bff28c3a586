package scimmem_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/scim"
	"github.com/gatehouse-id/gatehouse/scim/scimmem"
)

// A whole SCIM server: one directory, one token. A real one listens with http.ListenAndServe.
func Example() {
	var made int
	directory := &scimmem.Directory{
		Now:   func() time.Time { return time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC) },
		NewID: func() string { made++; return fmt.Sprint("id-", made) },
	}
	server := httptest.NewServer(&scim.Handler{
		BaseURL: "https://api.example.com/scim/v2",
		Prefix:  "/scim/v2",
		Types:   []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()},
		Offers:  scimmem.Offers(),
		Bulk:    &scim.BulkLimits{},
		Backend: func(r *http.Request) (scim.Backend, error) {
			if r.Header.Get("Authorization") != "Bearer secret" {
				return nil, scim.Unauthorized()
			}
			return directory, nil
		},
	})
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
	send("POST", "/Bulk", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],"Operations":[
		{"method":"POST","path":"/Groups","bulkId":"eng","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Eng","members":[{"value":"bulkId:ann"}]}},
		{"method":"POST","path":"/Users","bulkId":"ann","data":{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"ann"}}]}`)
	send("GET", "/Users?sortBy=userName&attributes=groups", "")
	send("POST", "/.search", `{"schemas":["urn:ietf:params:scim:api:messages:2.0:SearchRequest"],"filter":"displayName eq \"eng\"","attributes":["displayName"]}`)
	// Output:
	// 200 {"schemas":["urn:ietf:params:scim:api:messages:2.0:BulkResponse"],"Operations":[{"method":"POST","bulkId":"eng","version":"W/\"2\"","location":"https://api.example.com/scim/v2/Groups/id-2","status":"201"},{"method":"POST","bulkId":"ann","version":"W/\"1\"","location":"https://api.example.com/scim/v2/Users/id-1","status":"201"}]}
	// 200 {"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"startIndex":1,"itemsPerPage":1,"Resources":[{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"id-1","groups":[{"value":"id-2","$ref":"https://api.example.com/scim/v2/Groups/id-2","display":"Eng","type":"direct"}]}]}
	// 200 {"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1,"startIndex":1,"itemsPerPage":1,"Resources":[{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"id":"id-2","displayName":"Eng"}]}
}

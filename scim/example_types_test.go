package scim_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/gatehouse-id/gatehouse/scim"
)

// acme is the backend of one customer, who has an extension of their own.
type acme struct {
	*memory
	types []*scim.ResourceType
}

func (a acme) Types() []*scim.ResourceType { return a.types }

// One Handler serves customers with different extensions: the Backend of a request says which it has.
func ExampleTypesBackend() {
	badges := scim.Extension{Schema: &scim.Schema{ID: "urn:example:acme:2.0:User", Name: "Acme", Attributes: []*scim.Attribute{
		{Name: "badge", Type: scim.Integer, Description: "The number of the badge."},
	}}}
	customers := map[string]scim.Backend{
		"Bearer acme":   acme{newMemory(), []*scim.ResourceType{scim.NewUserType(badges), scim.NewGroupType()}},
		"Bearer globex": newMemory(),
	}
	handler := &scim.Handler{
		BaseURL: "https://api.example.com/scim/v2",
		Prefix:  "/scim/v2",
		Types:   []*scim.ResourceType{scim.NewUserType(), scim.NewGroupType()},
		Mode:    scim.Strict,
		Backend: func(r *http.Request) (scim.Backend, error) {
			if b := customers[r.Header.Get("Authorization")]; b != nil {
				return b, nil
			}
			return nil, scim.Unauthorized()
		},
	}
	server := httptest.NewServer(handler)
	defer server.Close()

	for _, customer := range []string{"acme", "globex"} {
		body := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:example:acme:2.0:User"],"userName":"ann","urn:example:acme:2.0:User":{"badge":7}}`
		r, _ := http.NewRequest("POST", server.URL+"/scim/v2/Users?attributes=urn:example:acme:2.0:User:badge", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+customer)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		fmt.Println(answer.StatusCode, string(text))
	}
	// Output:
	// 201 {"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:example:acme:2.0:User"],"id":"id-1","urn:example:acme:2.0:User":{"badge":7}}
	// 400 {"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"400","scimType":"invalidSyntax","detail":"\"urn:example:acme:2.0:User\" is not a schema of User."}
}

// What was stored before an extension was declared, or under another declaration, is read as far as it fits.
func ExampleResourceType_Load() {
	stored := []byte(`{"userName":"ann","urn:example:acme:2.0:User":{"BADGE":7,"floor":"second"}}`)
	user := scim.NewUserType(scim.Extension{Schema: &scim.Schema{ID: "urn:example:acme:2.0:User", Attributes: []*scim.Attribute{
		{Name: "badge", Type: scim.Integer}, {Name: "floor", Type: scim.Integer},
	}}})
	r, err := user.Load(stored)
	fmt.Println(r.Extension("urn:example:acme:2.0:User"), err)

	// What does not fit is kept, and shown again once no declaration stands against it.
	r, err = scim.NewUserType().Load(user.Save(r))
	fmt.Println(r.Extension("urn:example:acme:2.0:User"), err)
	// Output:
	// map[badge:7] <nil>
	// map[badge:7 floor:second] <nil>
}

package saml_test

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// A sign-in that begins at the service provider, with the identity provider of samltest.
func Example() {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	sp := saml.ServiceProvider{
		EntityID: "https://app.example/saml/acme",
		ACS:      "https://app.example/saml/acme/acs",
		Name:     "Example App",
	}

	// Once: the administrator gives sp.Metadata() to the identity provider, and its metadata to us.
	okta := samltest.NewIdP("https://idp.example/acme")
	idp, err := saml.ParseMetadata(okta.Metadata(), "", now)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := idp.Check(false); err != nil {
		fmt.Println(err)
		return
	}

	// Each time: send the browser away. Remember request.ID with the browser and the connection.
	sso, _ := idp.Endpoint(saml.BindingRedirect)
	request := saml.AuthnRequest{
		ID: saml.NewID(), Issuer: sp.EntityID, ACS: sp.ACS,
		Destination: sso.Location, IssueInstant: now,
	}
	address, err := request.RedirectURL("handle-of-the-relay-state")
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(address)
	fmt.Println("go to", u.Host+u.Path)

	// It comes back with a form that has the field SAMLResponse.
	form := samltest.Encode(okta.Sign(okta.Response(sp, request.ID, now.Add(20*time.Second))))
	raw, err := saml.DecodePost(form, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	assertion, err := saml.Verify(raw, saml.Expectation{
		ServiceProvider:  sp,
		IdentityProvider: idp,
		RequestID:        request.ID,
		RequestedAt:      now,
	}, now.Add(21*time.Second))
	var refusal *saml.Refusal
	if errors.As(err, &refusal) {
		fmt.Println("refused:", refusal.Reason)
		return
	}
	groups, _ := assertion.Values("groups")
	fmt.Printf("%s %q\n", assertion.Subject.Value, groups)

	// What remains: refuse assertion.ID and ResponseID if seen before, and keep both until ReplayUntil.

	// Output:
	// go to idp.example/acme/sso
	// alice@corp.example ["Engineering" "Research & Development"]
}

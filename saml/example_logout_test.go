package saml_test

import (
	"crypto"
	"fmt"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// An identity provider ends somebody's sessions by the Redirect binding, and is answered.
func ExampleVerifyLogoutRequest() {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	own := samltest.NewKey()
	sp := saml.ServiceProvider{
		EntityID:            "https://app.example/saml/acme",
		ACS:                 "https://app.example/saml/acme/acs",
		Logout:              []saml.Endpoint{{Binding: saml.BindingRedirect, Location: "https://app.example/saml/acme/slo"}},
		SigningCertificates: []saml.Certificate{own.Certificate},
	}
	shibboleth := samltest.NewIdP("https://idp.example/acme")
	shibboleth.SLO = "https://idp.example/acme/slo"
	idp, err := saml.ParseMetadata(shibboleth.Metadata(), "", now)
	if err != nil {
		fmt.Println(err)
		return
	}

	// Kept since the sign-in: Assertion.Subject and Assertion.SessionIndex.
	subject := saml.NameID{Value: "4711", Format: saml.FormatPersistent}
	query := shibboleth.RedirectLogout(shibboleth.LogoutRequest(sp.Logout[0].Location, subject, now), "theirs")

	// The query is used as it was received: http.Request.URL.RawQuery.
	message, err := saml.DecodeRedirect(query)
	if err != nil {
		fmt.Println(err)
		return
	}
	logout, err := saml.VerifyLogoutRequest(message, saml.LogoutExpectation{
		ServiceProvider: sp, IdentityProvider: idp, Destination: sp.Logout[0].Location,
	}, now.Add(time.Second))
	if err != nil {
		fmt.Println(err)
		return
	}
	// Refuse logout.ID if seen before, and end the sessions that match; then answer.
	fmt.Println("ends:", logout.NameID.Same(subject, idp.EntityID, sp.EntityID))
	slo, _ := idp.LogoutEndpoint(saml.BindingRedirect)
	answer := saml.LogoutResponse{
		ID: saml.NewID(), InResponseTo: logout.ID, Issuer: sp.EntityID,
		Destination: slo.ForResponse(), IssueInstant: now.Add(time.Second),
	}
	address, err := answer.SignedRedirectURL(message.RelayState, own.SigningKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	u, _ := url.Parse(address)
	fmt.Println("answer to", u.Host+u.Path, u.Query().Get("RelayState"))

	// Output:
	// ends: true
	// answer to idp.example/acme/slo theirs
}

// A Response that is fetched by artifact, with an encrypted assertion.
func ExampleVerifyArtifactResponse() {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	own := samltest.NewKey()
	sp := saml.ServiceProvider{
		EntityID: "https://app.example/saml/acme", ACS: "https://app.example/saml/acme/acs", ArtifactACS: true,
		EncryptionCertificates: []saml.Certificate{own.Certificate},
	}
	simple := samltest.NewIdP("https://idp.example/acme")
	simple.Resolver = "https://idp.example/acme/resolve"
	idp := simple.IdentityProvider()

	// The browser comes to the ACS with the parameter SAMLart.
	artifact, err := saml.ParseArtifact(simple.Artifact(0))
	if err != nil {
		fmt.Println(err)
		return
	}
	service, err := idp.Resolver(artifact)
	if err != nil {
		fmt.Println(err)
		return
	}
	resolve := saml.ArtifactResolve{ID: saml.NewID(), Issuer: sp.EntityID, Destination: service.Location, IssueInstant: now, Artifact: artifact}
	if _, err := resolve.SignedEnvelope(own.SigningKey()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("post to", service.Location)

	// What the identity provider answers.
	response := simple.Response(sp, "_request", now)
	response.Encryption = &samltest.Encryption{For: own.Certificate}
	envelope := simple.Envelope(simple.ArtifactResponse(resolve.ID, simple.Sign(response), now))

	assertion, err := saml.VerifyArtifactResponse(envelope, resolve, saml.Expectation{
		ServiceProvider: sp, IdentityProvider: idp, RequestID: "_request",
		DecryptionKeys: []crypto.Decrypter{own.Decrypter()},
	}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(assertion.Subject.Value, assertion.Encryption.Content)

	// Output:
	// post to https://idp.example/acme/resolve
	// alice@corp.example aes256-gcm
}

// Package samltest is an identity provider for tests of SAML service providers. It has a key and a
// certificate, writes metadata and Responses, and signs them; every field of a Response
// can be changed, left out or made wrong before it is signed.
//
// It knows no people and serves no HTTP: a test takes IdP.Response, changes what it is about, and
// posts Encode(idp.Sign(response)). Never let a server trust one outside tests: nothing here
// is careful. Mistakes of the test, such as XML that cannot be parsed, panic with a sentence.
//
// # Where to start
//
//	idp := samltest.NewIdP("https://idp.example/entity")
//	response := idp.Response(sp, requestID, now)
//	response.Assertion.NameID.Value = "bob@corp.example"
//	form.Set("SAMLResponse", samltest.Encode(idp.Sign(response)))
//
// Response.Encryption encrypts; LogoutRequest and LogoutResponse log out, by SignLogout or
// RedirectLogout; Artifact and Envelope give a Response away by artifact.
package samltest

// Package saml is the service provider's side of SAML 2.0 single sign-on, on the standard library
// alone: metadata in both directions, requests, the verification of Responses, encrypted ones among
// them, artifacts, and single logout. It does no I/O, keeps no state and never looks at a clock: the caller
// passes the time, and sends and fetches what has to be sent and fetched.
//
// # What it does
//
//   - ServiceProvider.Metadata writes what an administrator gives to the identity provider.
//   - ParseMetadata reads what comes back: entity ID, services, signing certificates.
//   - AuthnRequest sends a browser to the identity provider, by Redirect or POST, signed or not.
//   - DecodePost and Verify turn the posted Response into an Assertion, or into a Refusal that says
//     in words what was expected and what was received.
//   - ParseArtifact, IdentityProvider.Resolver, ArtifactResolve and VerifyArtifactResponse do so
//     for a Response that has to be fetched.
//   - DecodeRedirect or DecodeLogoutForm, then VerifyLogoutRequest or VerifyLogoutResponse, read what comes
//     to a single logout service; LogoutRequest and LogoutResponse are what goes out.
//
// # What Verify promises
//
// Whatever is in an Assertion was read from the very element whose digest was checked, in the same
// tree: nothing is parsed twice and nothing is searched for by ID. A signature counts only as the
// direct child of the Response or of its one Assertion, made by a key of that identity provider;
// every signature in the message must be one that was checked. Issuer, destination, recipient,
// audience, times, the bearer confirmation, the request that is answered and the authentication
// statement are checked afterwards, in the order of Profiles section 4.1.4.3. Whatever is
// not understood is refused. XML is read by a strict parser that knows no comments, processing
// instructions, CDATA or document types.
//
// Encryption proves nothing about who wrote: anybody can encrypt for a published certificate. What was
// encrypted is parsed where it stood and must be signed like everything else, by itself or by what is
// around it. Why something did not decrypt is never told. Messages that end sessions are signed or refused.
//
// # What it refuses to know
//
// Who the person is and whether they may sign in. Whether a message came before: the caller
// keeps Assertion.ID, ResponseID and Logout.ID until ReplayUntil, resolves an artifact once, and refuses
// what it has seen. Which browser began a request: the caller binds the ID to it and passes it as
// Expectation.RequestID. Which sessions a Logout means: NameID.Same compares.
// RelayState is part of no signature but the Redirect binding's; treat it as input from a stranger.
//
// Certificates are containers of keys (Kantara IIP-MD12): expiry, issuer and extensions decide nothing.
// Private keys are a crypto.Signer and a crypto.Decrypter, and may be kept wherever they are safe.
//
// # Limits
//
// Clocks may differ by 300 s, MaxSkew, and no setting raises that. RSA PKCS #1 v1.5 is never used to
// decrypt; AES-CBC and SHA-1 are each accepted only on demand and within bounds, and the outcome tells.
// Logout is by the browser, not by SOAP.
//
// # Where to start
//
// The Examples sign somebody in, and out. Package samltest is an identity provider for tests.
package saml

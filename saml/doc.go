// Package saml is the service provider's side of SAML 2.0 single sign-on, on the standard library
// alone: metadata in both directions, the AuthnRequest, and the verification of the Response.
// It does no I/O, keeps no state and never looks at a clock: the caller passes the time.
//
// # What it does
//
//   - ServiceProvider.Metadata writes what an administrator gives to the identity provider.
//   - ParseMetadata reads what comes back: entity ID, single sign-on addresses, signing certificates.
//   - AuthnRequest sends a browser to the identity provider, by Redirect or POST.
//   - DecodePost and Verify turn the posted Response into an Assertion, or into a Refusal that says
//     in words what was expected and what was received.
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
// # What it refuses to know
//
// Who the person is and whether they may sign in. Whether an assertion came before: the caller
// keeps Assertion.ID and ResponseID until ReplayUntil and refuses what it has seen. Which
// browser began a request: the caller binds the ID to it and passes it as Expectation.RequestID.
// RelayState is not part of any signature here; treat it as input from a stranger.
//
// Certificates are containers of keys (Kantara IIP-MD12): expiry, issuer and extensions decide nothing.
//
// # Limits
//
// Clocks may differ by 300 s, MaxSkew, and no setting raises that. Encrypted assertions, artifacts,
// signed requests and single logout are not there yet; an encrypted assertion is refused as such.
//
// # Where to start
//
// The Example signs somebody in. Package samltest is an identity provider for tests.
package saml

// Package dsig verifies and makes enveloped XML signatures (W3C XML Signature) in the one shape that
// SAML uses (SAML 2.0 Core section 5.4), and the signatures of the Redirect binding.
//
// # What it is for
//
// Verify takes the element that should be signed, looks at the signature that is its direct child,
// and returns a Verified: a handle to that very element, whose digest was checked. There is no
// other way to make one, so who takes a Verified as a parameter cannot read what nobody signed.
//
// # What it refuses
//
// Every freedom of XML Signature that SAML does not need: more than one signature, reference or
// anything else, objects, manifests, references to other elements or addresses, transforms other
// than enveloped-signature followed by exclusive canonicalisation, algorithms off the list
// (MD5, DSA, HMAC, SHA-1 unless the policy allows it), weak keys, loose base64.
//
// # What it refuses to know
//
// Certificates and trust: keys are a parameter, KeyInfo is never read. What the signed element means.
//
// # Where to start
//
// Verify and Policy; Error for the reasons. VerifyOctets for the Redirect binding. Sign and SignOctets
// for messages of our own. dsigtest signs in every other form, for tests.
package dsig

// Package oidctest is an OpenID Connect IdP for tests: it answers over HTTP as IdPs do, signs what it is told
// to, and misbehaves in every way that a test asks for.
//
// New starts one. Answer is what its pages would do: it takes the address that a relying party leads to, signs
// Person in and returns what the browser is led back with. The hooks change a document, a token or an
// answer before it goes out; Sign and its neighbours make tokens by hand.
//
// It refuses to know the relying party: it shares no code with what it tests.
package oidctest

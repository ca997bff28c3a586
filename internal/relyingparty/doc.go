// Package relyingparty is our side of OpenID Connect towards an IdP: it finds out where the IdP's places
// are, leads people there, fetches their tokens, and says whether what came back may be believed.
//
// Entry points: RelyingParty.Discover reads an IdP's discovery document; AuthorizationURL begins a sign-in
// and Redeem ends it, with the token request, the ID token held against section 3.1.3.7 of OIDC Core, and
// userinfo; LogoutToken judges what an IdP says of ended sessions; EndSessionURL is its own sign-out. A
// Party is one connection as the protocol sees it. What was refused is a *Refusal with a code.
//
// Keys and documents are kept in memory per connection: fetched once however many wait, kept when the IdP
// does not answer, and asked for again at a token's word (an unknown key) once a minute at the most.
//
// Of coreos/go-oidc the reading of ID tokens is used; keys, discovery and every check of a claim are
// here, because each refusal has a code with what was expected and received. Nothing is ever fetched from an
// address that a token names (jku, x5u, distributed claims).
//
// The package refuses to know workspaces, members and databases, what a claim means for anybody, and which
// addresses may be called: the HTTP client that it is given guards that. now is a parameter.
package relyingparty

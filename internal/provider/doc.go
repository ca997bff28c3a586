// Package provider is the OpenID Connect provider for host applications: the product behind
// Gatehouse signs people in by any OIDC client library and knows nothing of SAML.
//
//	GET       /.well-known/openid-configuration   discovery
//	GET, POST /oauth2/authorize                   code flow with PKCE (S256), `iss` in every answer
//	POST      /oauth2/token                       code and refresh token
//	GET, POST /oauth2/userinfo                    claims of an access token's holder
//	GET       /oauth2/jwks                        public keys
//	POST      /oauth2/introspect, /oauth2/revoke  for confidential applications
//	GET, POST /oauth2/end-session                 sign-out that an application asks for
//
// It is narrow on purpose: one response type, one response mode, one challenge method, redirect URIs
// compared byte for byte, and discovery says no more than what works. It translates requests into
// calls of grants, which holds the rules, and sends people who are not signed in to signin.
//
// It refuses to know how somebody signed in. Entry points: [New], [Door.Mount].
//
// Sources: OpenID Connect Core 1.0, Discovery 1.0, RP-Initiated Logout 1.0; RFC 6749, 7009, 7636,
// 7662, 9207 and 9700.
package provider

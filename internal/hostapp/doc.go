// Package hostapp is a small product that stands behind Gatehouse, for demonstrations and
// acceptance stories: a help desk called Omniflow with one open page.
//
// It knows nothing of SAML, SCIM or Gatehouse. It is an OpenID Connect relying party made of
// coreos/go-oidc and x/oauth2, as any product would be: code flow with PKCE, state bound to the
// browser, nonce, the issuer of the answer (RFC 9207), back-channel logout. It imports none of the
// other rooms, so that it cannot share their mistakes, and keeps everything in memory.
//
// Entry points: [New] makes an [App] with its companies, each a client of an issuer, and
// [App.Handler] serves it.
//
// # HTTP
//
// Ids in parentheses are there to be found by tests.
//
//	GET  /                      signed out: a button for each company (#sign-in-{company}; #notice after
//	                            an end). Signed in: the open page (#member, #member-name, #member-email,
//	                            #member-role, #member-groups, #member-workspace, #abilities, #session,
//	                            #recheck, #sign-out), which says when the session ends (#ended, #ended-text,
//	                            #ended-ms, hidden until then)
//	GET  /signin/{company}      to the issuer; ?hint=ADDRESS is its login_hint
//	GET  /callback              back from the issuer; a refusal is a page (#refused, #refused-code)
//	GET  /events                server-sent events of the open page: signed-in, signed-out; 401 without a session
//	POST /seen                  the open page reports when it said that the session had ended
//	GET  /me                    the session as JSON, asked of the issuer anew; 401 without one
//	POST /signout               ends the session here, then at the issuer
//	POST /backchannel/{company} logout tokens of the issuer
//	GET  /assets/...            style and script
//
// Each look at the open page asks the issuer's userinfo, so that a role that has changed is shown
// after a reload, and a session that has ended elsewhere ends here even if no word came.
package hostapp

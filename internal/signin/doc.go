// Package signin lets people in and out: the password gate with its limits, emergency access,
// one-time links, single sign-on by SAML and OpenID Connect, the sessions that these start, and the pages and
// endpoints around them.
//
// Entry points: Service holds the rules and is what the command line calls (Password, MakeLink,
// UseLink, Check, ListSessions, EndSession, EndAllSessions); BeginSAML and SAML, BeginOIDC and OIDC are the two halves of a
// sign-in at an IdP, BackchannelLogout and FrontchannelLogout its word that a session has ended.
// SignOut ends a session and tells its IdP, and SingleLogout takes what a SAML IdP sends about logouts, a request or an
// answer. Invitation and AcceptInvitation are behind
// the links of invitations, AskPassword and SetPassword behind those for a new password; Letters writes what this room sends by
// mail. Door puts all of it
// behind /signin, /signout, /w/{workspace}, /auth/session, /auth/saml/{connection}, /auth/oidc and /auth/test. ContinuePath is the only rule for where a sign-in may lead.
//
// An IdP's answer is verified by package saml, or its tokens by relyingparty, for the connection of the address it
// was posted to, or of the state that it brings;
// what it says about a person goes to provision.Arrive, which finds or makes the member. What was
// refused is told in full only once a signature of that IdP was verified. Our own keys at a connection sign requests
// and open encrypted assertions (spkey.go); they are unsealed for each of either. Artifacts fetches an answer that the browser did
// not carry, from an address that the connection knows.
//
// Emergency access (emergency.go) is the break-glass administrator's: a password, a one-time password where a second factor was set
// up, and a recovery code in the place of either, which nothing that strangers do delays. Links by mail (reset.go, mailed.go) set a password, or
// sign in while settings.Relax has let enforcement go; whoever asks for one is answered alike, and what is sent is decided
// when the letter is written. ownpassword.go is for whoever knows their password and wants another.
//
// Each attempt, finished or not, is kept as steps with the checks that an answer passed and one coded reason of package
// reason (trace.go); Explain tells them of somebody. A browser that begins again and again is stopped (loop.go). MakeTest and
// BeginTest test a connection by a whole round trip that lets nobody in: its handles are of another kind and in another table
// than those of sign-ins, and the member is found out by provision.Rehearse, which never commits (conntest.go).
//
// The package refuses to know how members come to be and what a deactivation ends: who signs in
// for the first time is handed to provision, and nobody is revived by signing in. It keeps no
// answer: whether a session lives is asked of the database each time.
package signin

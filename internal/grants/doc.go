// Package grants is what sessions give to host applications: authorization codes, access and
// refresh tokens, ID tokens, the word that a session has ended, and that of a SCIM resource which has changed (event.go).
//
// Everything given is worth what its session is worth: each use reads grant, session, member and
// connection from the database, and whatever ends the session ends the rest in the same
// transaction. Secrets are opaque and stored as hashes; only ID, logout and event tokens are signed.
//
// Entry points: Service (Authorize, Redeem, Refresh, Access, UserInfo, Introspect, Revoke, SendLogout, SendSCIMEvent,
// EndExpired), and KeyRing, which holds the deployment's signing keys.
//
// The package refuses to know HTTP parameters, how clients prove who they are and what a browser
// is shown: its callers hand it a client that was authenticated and a session that was checked.
package grants

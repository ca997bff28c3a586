// Package signin lets people in and out: the password gate with its limits, emergency access,
// one-time links, the sessions that these start, and the pages and endpoints around them.
//
// Entry points: Service holds the rules and is what the command line calls (Password, MakeLink,
// UseLink, Check, ListSessions, EndSession, EndAllSessions); Door puts them behind /signin,
// /signout, /w/{workspace} and /auth/session.
//
// The package refuses to know how members come to be and what a deactivation ends: who signs in
// for the first time is handed to provision, and nobody is revived by signing in. It keeps no
// answer: whether a session lives is asked of the database each time.
package signin

// Package scimserver is the SCIM door: it binds the engine in scim to provision. The bearer token
// alone decides workspace and directory; filters become conditions that indexes serve, PATCHes of
// members stay membership operations.
//
// Every write, and whatever is refused, leaves an event with the redacted exchange before the
// answer is sent; every read that is answered goes to the request log.
//
// It decides nothing about people: that is provision's.
package scimserver

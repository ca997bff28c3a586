// Package scimserver is the SCIM door: it binds the engine in scim to provision. The bearer token
// alone decides workspace and directory; filters become conditions that indexes serve, PATCHes of
// members stay membership operations.
//
// A bearer token is a static one, or an access token that TokenEndpoint gave to the directory's OAuth client for
// a secret or for what a trusted issuer asserts; each is asked of the database for each request. Each directory
// has so many requests a second (limit.go); past them the database is not asked.
//
// Lists come in any order. What indexes give, the database filters, sorts and pages; anything else is picked
// and sorted in memory, of 10,000 resources at the most. A cursor is the place of a page's last resource in its
// order; of pages by number the place is remembered for a few minutes (walk.go), so that a walk by either neither
// repeats nor loses anybody, and the total is that of its first page until the end of the list shows the real one.
// The members of a large group are read while the answer is sent (members.go). A resource's version is its last change, and a condition on it is checked under the lock of the change.
//
// Every write, and whatever is refused, leaves an event with the redacted exchange before the
// answer is sent; every read that is answered goes to the request log.
//
// It decides nothing about people: that is provision's.
package scimserver

// Package scimmem is a scim.Backend that keeps a directory in memory: for tests, for demonstrations, and to read
// when writing a Backend of one's own. It serves sort, cursors and versions, holds uniqueness as the schemas
// publish it, and keeps members, "groups" and managers consistent when a resource goes.
//
// # What it refuses to know
//
// HTTP, tokens, and what deactivation means. Nothing is written to disk, and a list visits every resource of its
// type, so tens of thousands are fine and millions are not.
//
// # Where to start
//
// The zero Directory is ready; Example serves one.
package scimmem

// Package scimtest checks a SCIM 2.0 service provider from outside, over HTTP, against RFC 7643, RFC 7644 and, where it
// is offered, RFC 9865.
//
// # What it does
//
//   - Probe: where the server is and what the probe may use there.
//   - Probe.Run: all cases, each with its outcome, what was expected and what came.
//   - Test: the same as subtests of a Go test.
//   - Cases: what is checked, by name.
//
// It reads ServiceProviderConfig first and asks for what is optional (PATCH, filters, sorting, versions, cursors, bulk)
// only where that says so. It writes: people and groups with a random prefix in their names, and it removes them again,
// also after a failure and when the context ends in the middle. It never changes or removes what it did not make.
//
// # What it refuses to know
//
// Everything about how a server is made, ours included: it imports nothing but the standard library, so that it cannot
// share an engine's mistakes. Where the standard leaves a choice (200 or 204 for a PATCH, cleared or kept after a PUT),
// either passes. What some provider sends beyond the standard is not asked for.
//
// A token is sent to the server's base URL and nowhere else, redirects are not followed, and no text of a Report has the
// token in it.
package scimtest

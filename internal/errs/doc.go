// Package errs holds the kinds of error that every room shares: one type with a kind for
// machines, a code for administrators and a sentence for people.
//
// A room makes an error once, where it knows what was expected and what came. Callers wrap it
// with %w. A door asks KindOf once and turns the answer into its protocol's status. An error
// without a kind is internal: doors log it and show nothing of it.
//
// The package refuses to know any protocol: no HTTP status, no scimType.
package errs

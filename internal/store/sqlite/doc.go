// Package sqlite is the store's driver for SQLite (modernc.org/sqlite, no cgo): WAL,
// synchronous=FULL, one writer and many readers.
//
// Concurrent write transactions are grouped into one commit, each under a savepoint of its own.
// Statements inside a group never carry a request's context, because one cancelled request would
// roll its neighbours back. When the common transaction is lost, each closure runs again alone.
package sqlite

// Package session is the shape of a session and when it ends by itself. It does no I/O: rows
// are the store's, and whether a session lives is read from the database at each check.
package session

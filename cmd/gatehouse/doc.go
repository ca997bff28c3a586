// Command gatehouse is the one binary: the server, and the verbs with which an operator changes
// workspaces, looks at people and reads the event log.
//
// A verb is a function that runs where the database is open. When a server is running, that is in
// the server: the command sends the verb to the local socket in its data dir, so that it neither
// waits for the server's lock nor misses its listeners. Otherwise the command opens the database
// itself. Either way the same function runs and the same JSON comes back (verb.go, backend.go).
//
// This is the only package that imports config and the database drivers, and the only place where
// rooms are put together (app.go for the rules, site.go for the doors). It decides nothing about
// people: that is the rooms' business.
//
// Entry points: run (main.go) is the command line; startServer (serve.go) is a whole server, which
// the demonstration starts too.
package main

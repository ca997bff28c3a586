// Package pgtest gives tests and benchmarks a real PostgreSQL.
//
// Entry points: DSN hands a test an empty database of its own, on the server that
// GATEHOUSE_TEST_POSTGRES names or on a private one that is started once per test process;
// Start gives benchmarks and acceptance stories a server that they may kill and restart.
//
// A private server listens on a socket in its own temporary folder and on no port. It ends, and
// its folder goes, when Stop is called or when the process that started it ends in whatever way:
// a small shell waits on a pipe that only this process holds open.
//
// The package refuses to know our schema: a database comes empty. It is for tests only; nothing
// that ships imports it.
package pgtest

// Command bench measures Gatehouse against what the machine itself can do. `make bench` runs it;
// docs/benchmarks.md says what each figure means.
//
// It starts a private PostgreSQL with fsync on and makes a SQLite file on disk. The server runs
// as a child process of the same program (-serve), so that the processor time and memory
// reported are the server's alone; the load comes from this process over keep-alive connections.
// Limits (raw commits, reads by a unique key, an empty handler) are measured in rounds that
// alternate with the product's, so that noise hits both, and each ratio is taken within a round.
// This process plays the IdP, which signs its answers before a round begins, and the application
// that is told of ends. Aims that are stated for a core are measured with the server's code on one.
//
// With -large it measures what grows with a customer instead (scale.go): a first sync, large groups, an import.
//
// There is no pass or fail: figures depend on the machine. The program refuses to know how the
// store works; it speaks HTTP, and SQL only to measure limits.
package main

// Package acceptance tells stories with the real binary: gatehouse serve as a process of its own,
// spoken to over TCP by the simulated IdPs, by browsers' cookies and by the command line, on
// SQLite and on PostgreSQL. A story knows nothing of the rooms inside; it fails when a promise
// to a person is broken.
//
// With GATEHOUSE_ACCEPT=1 a peer written by others (scim2-tester) speaks to the server as well, and the
// server is killed for longer.
package acceptance

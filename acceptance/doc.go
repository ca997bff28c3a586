// Package acceptance tells stories with the real binary: gatehouse serve as a process of its own,
// spoken to over TCP by the simulated IdPs, by browsers' cookies and by the command line, on
// SQLite and on PostgreSQL. A story knows nothing of the rooms inside; it fails when a promise
// to a person is broken.
//
// With GATEHOUSE_ACCEPT=1 the stories that need faults or more time are told as well.
package acceptance

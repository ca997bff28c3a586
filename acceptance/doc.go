// Package acceptance tells stories with the real binary: gatehouse serve as a process of its own,
// spoken to over TCP by the simulated IdPs, by browsers' cookies and by the command line, on
// SQLite and on PostgreSQL. A story knows nothing of the rooms inside; it fails when a promise
// to a person is broken.
//
// Stories that leave the server alone share one per database, each in workspaces of its own.
//
// With GATEHOUSE_ACCEPT=1 peers written by others speak to the server as well (scim2-tester, openid-client,
// oidc-provider, SimpleSAMLphp), nginx stands in front of it between two sites, and the server is killed for longer.
package acceptance

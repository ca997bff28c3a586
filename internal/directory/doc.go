// Package directory holds the nouns of Gatehouse and the rules that need no database: workspaces,
// members, groups, roles, role mappings, connections, directories, policy; when a member is out,
// which role is the highest, who may sign in by which method.
//
// It does no I/O, knows no protocol and no SQL, and takes the time as a parameter. Read
// member.go for the life of a member, policy.go for what a workspace can choose, role.go for
// how a role is decided and signin.go for who may enter,
// and keeper.go with enforcement.go for law 7: lockout_test.go searches all that may happen for a way to lock a company out.
package directory

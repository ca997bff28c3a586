// Package settings is the only writer of configuration: workspaces, policy, roles, role mappings,
// domains, connections, directories and their tokens, enforcement. The command line uses it now;
// console and API are to call the same functions.
//
// Entry points: ParseFile reads an apply file and lists every mistake in it. Service.Apply makes a
// workspace match such a file in one transaction and says what changed; Service.Export writes the
// file that would change nothing. Service.RotateToken and its neighbours handle SCIM tokens.
//
// An apply runs in four steps, one file each: plan.go computes the configuration that the file
// asks for, state.go compares it with the present one and with what the last apply left, write.go
// saves what differs, owners.go and enforcement.go settle people and law 7 in the same transaction.
// What is the same is not written, so that applying a file again leaves no trace.
//
// The room refuses to know how members are written (provision does), where the file came from and
// how a result is printed.
package settings

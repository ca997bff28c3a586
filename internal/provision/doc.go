// Package provision is the only writer of members and groups. SCIM, and later just-in-time
// sign-in, pull, console and API, all call it; what happens to a person is therefore decided in
// one place, by the policy of the workspace and the directory.
//
// Every change of a member ends in save (save.go). It sees a member go out and does in that
// transaction all that going out means: sessions end, one-time links die. There is no other way
// to write a member, so no path can forget it.
//
// Locks: a group operation holds its group, then every operation holds the policy (shared) and
// the members it touches in id order; what could take an owner out, or concerns everybody, holds
// the policy exclusively.
//
// The room knows SCIM only as far as membership operations go; resources reach it as Person and
// GroupForm, refusals leave it as errs.
package provision

// Package keys makes the values that must not be guessed or must not collide: ids, tokens and
// password hashes; and it seals secrets that must be read again.
//
// Entry points: ID and UUID for names of things, NewToken and HashToken for credentials that are
// shown once, HashPassword and VerifyPassword for what people type, and Passwords, which runs
// the latter two without letting a crowd at the sign-in page exhaust memory; Master and LoadMaster for
// envelope encryption.
//
// The package refuses to know who an id or a token belongs to, where a hash is stored and how a
// refusal is shown: it imports nothing of ours and its errors are plain.
package keys

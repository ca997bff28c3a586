// Package audit is the vocabulary of the event log, of the steps of an attempt to sign in, and the redaction of what IdPs send. It
// does no I/O: rooms make an Event, the store records it in the transaction of the change.
//
// Types are past tense and fixed: a log that is kept for years must not change its words.
package audit

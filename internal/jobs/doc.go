// Package jobs is the outbox: work that a transaction puts in with [Enqueue] and that is done after
// its commit, at least once, by a [Runner]: a logout to an application, an invitation by e-mail.
//
// Jobs that [EnqueueInOrder] puts into one queue are done one after the other; one that is given up makes way.
//
// A job whose time has come is claimed for a lease, so that one process does it and another takes
// over when that one dies. A failure is tried again with growing pauses for about a day, then the
// job is given up and kept for people to see. An address that does not answer takes only so many
// workers, so that it does not hold up the others.
//
// It refuses to know what a job means: handlers are registered by the command, by kind. A handler
// may run twice for one job, so what it does can be done twice.
//
// Letters are jobs like others, whose kinds begin with "mail.". [Post] sends them: the handler of a kind writes the letter
// at the moment of sending and gives it to [Post.Send], so that a link that must be secret is in no job, and neither is
// the address of somebody who is gone by then. What needs no secret, such as a warning, is one call: [EnqueueLetter]. A
// letter that was given up is an event, and is kept for people to look at, to try again or to throw away.
//
// Entry points: [Enqueue], [EnqueueInOrder], [EnqueueLetter], [Runner], [Permanent], [Post].
package jobs

// Package mailsink is a mail server that delivers nothing: it takes messages over SMTP, keeps the
// last of them in memory and shows them, for demonstrations and acceptance stories.
//
// It speaks SMTP as RFC 5321 has it, with 8BITMIME (RFC 6152) and SIZE (RFC 1870), and keeps to the
// limits of section 4.5.3.1. It has no AUTH and no STARTTLS, and belongs on a loopback address. A
// line ends with CR LF and nothing else, so that no message can hide another one in itself.
//
// It imports none of the other rooms and refuses to know what a message means.
//
// Entry points: [New] makes a [Sink]; [Sink.Serve] takes mail from a listener, [Sink.Handler] shows
// it, [Sink.Messages] and [Sink.Wait] are for programs.
//
// # HTTP
//
// All below the base that [Options] names. Ids in parentheses are there to be found by tests.
//
//	GET  /                  the messages, newest first (#messages, a link #message-{id} for each)
//	GET  /message/{id}      one message (#from, #to, #subject, #text)
//	GET  /api/messages      the messages as JSON, newest first
//	POST /clear             forget them
package mailsink

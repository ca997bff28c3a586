// Package mtatest runs Debian's Exim as a private mail server on a loopback address: a mail server that others wrote,
// with STARTTLS and with AUTH that it offers only behind it. It delivers into a folder of its own and to nobody else.
//
// It refuses to know what a message means.
//
// Entry point: [Start].
package mtatest

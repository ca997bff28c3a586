// Package dnstest is a DNS server on loopback for tests: it holds TXT records and answers over UDP and TCP, rightly or with a
// fault. It refuses to know who asks, and shares no code with the resolver that does.
//
// Entry points: [Start], [Server.Set], [Server.Break].
package dnstest

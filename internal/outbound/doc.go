// Package outbound makes the HTTP client for calls to addresses that customers choose: an IdP's
// metadata, an application's logout address, a webhook.
//
// Such an address must not become a way into the network that the server stands in. So the client
// speaks https alone and connects to public addresses alone, judged by the address that is really
// dialled, after the name was resolved; it follows few redirects and reads bounded answers. An
// operator may allow private networks for the whole process.
//
// [NewResolver] asks DNS for the TXT records by which somebody proves a domain. dnstest, for tests, is a server to ask.
//
// It refuses to know what is asked for and why. Entry points: [NewClient], [Get] and [NewResolver].
package outbound

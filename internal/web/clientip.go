package web

import (
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many entries of X-Forwarded-For are looked at, from the right. More proxies than
// that stand in nobody's front; more entries are somebody's attempt to make us work.
const maxHops = 16

// ClientIP returns the address of the client: the peer of the connection, or, when that peer is
// a trusted proxy, the right-most address of X-Forwarded-For that is not one. Everything to the
// left of that was written by the client and is ignored. The zero Addr means that there is none,
// as on a Unix socket.
func ClientIP(r *http.Request) netip.Addr {
	if e := eventOf(r.Context()); e != nil {
		return e.client
	}
	return clientIP(r, nil)
}

func clientIP(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client := parseAddr(r.RemoteAddr)
	hops := 0
	for lines := r.Header.Values("X-Forwarded-For"); len(lines) > 0; lines = lines[:len(lines)-1] {
		rest := lines[len(lines)-1]
		for rest != "" {
			if !isTrusted(client, trusted) || hops == maxHops {
				return client
			}
			var hop string
			rest, hop = lastEntry(rest)
			addr := parseAddr(hop)
			if !addr.IsValid() {
				// A trusted proxy wrote something else than an address ("unknown"). Who stood before it
				// cannot be told.
				return client
			}
			client = addr
			hops++
		}
	}
	return client
}

// lastEntry splits "a, b, c" into "a, b" and "c".
func lastEntry(list string) (rest, last string) {
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		return list[:i], list[i+1:]
	}
	return "", list
}

// parseAddr reads an address with or without a port, and with or without brackets. IPv4 in IPv6
// clothes becomes IPv4, so that one client is one address.
func parseAddr(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

func isTrusted(a netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Bucket returns the key under which limits count an address: the address itself for IPv4, and
// its /64 for IPv6, where one household has 2^64 of them. The zero Addr has the bucket "none".
func Bucket(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "none"
	}
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return "none"
	}
	return p.String()
}

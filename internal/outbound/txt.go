package outbound

import (
	"context"
	"net"
	"strings"
	"time"
)

// lookupTime bounds one question to DNS with all its repetitions.
const lookupTime = 8 * time.Second

// maxLookups is how many questions are open at once: a server that never answers holds no more.
const maxLookups = 16

// Resolver asks DNS. Make it with NewResolver.
type Resolver struct {
	resolver *net.Resolver
	room     chan struct{}
}

// NewResolver makes a Resolver that asks the server at that address ("192.0.2.53:53"), over UDP and, where the answer was
// cut, TCP. "" asks the servers that the system is set up with.
func NewResolver(server string) *Resolver {
	r := &Resolver{resolver: &net.Resolver{PreferGo: true}, room: make(chan struct{}, maxLookups)}
	if server != "" {
		r.resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, server)
		}
	}
	return r
}

// TXT returns the TXT records of a name, the strings of each put together (RFC 1464). The name is taken as it is: no domain of
// this machine is searched. An error is a *net.DNSError: IsNotFound where the answer is that there is none, else there was
// no answer to go by.
func (r *Resolver) TXT(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	select {
	case r.room <- struct{}{}:
		defer func() { <-r.room }()
	case <-ctx.Done():
		return nil, &net.DNSError{Err: "too many questions are open", Name: name, IsTimeout: true, IsTemporary: true}
	}
	return r.resolver.LookupTXT(ctx, strings.TrimSuffix(name, ".")+".")
}

package outbound

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Options are the operator's word about outgoing calls.
type Options struct {
	// AllowPrivate lifts the guard: private and loopback addresses and plain http are dialled too. A cloud's own services
	// for its machines are not.
	AllowPrivate bool
	// Timeout bounds a whole call, redirects and body included; default 10 s.
	Timeout time.Duration
}

const (
	defaultTimeout = 10 * time.Second
	maxRedirects   = 3
	maxHeader      = 64 << 10 // bytes
)

// ErrForbidden is wrapped by the error of a call that the guard refused.
var ErrForbidden = errors.New("address not allowed")

// NewClient makes a client. It uses no proxy of the environment: a proxy would dial what the guard
// forbids.
func NewClient(o Options) *http.Client {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	dialer := &net.Dialer{Timeout: o.Timeout, KeepAlive: 30 * time.Second}
	dialer.Control = func(_, address string, _ syscall.RawConn) error { return check(address, o.AllowPrivate) }
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    o.Timeout,
		ResponseHeaderTimeout:  o.Timeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    8,
		IdleConnTimeout:        30 * time.Second,
	}
	return &http.Client{
		Timeout:   o.Timeout,
		Transport: guard{transport, o.AllowPrivate},
		CheckRedirect: func(next *http.Request, before []*http.Request) error {
			if len(before) > maxRedirects {
				return fmt.Errorf("%w: more than %d redirects", ErrForbidden, maxRedirects)
			}
			if next.URL.Scheme != before[0].URL.Scheme {
				return fmt.Errorf("%w: redirect from %s to %s", ErrForbidden, before[0].URL.Scheme, next.URL.Scheme)
			}
			return nil
		},
	}
}

// guard refuses plain http before anything is sent.
type guard struct {
	http.RoundTripper
	allowPlain bool
}

func (g guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" && !g.allowPlain {
		return nil, fmt.Errorf("%w: expected https, received %s", ErrForbidden, r.URL.Scheme)
	}
	return g.RoundTripper.RoundTrip(r)
}

// CloseIdleConnections lets http.Client reach the transport's.
func (g guard) CloseIdleConnections() {
	if c, ok := g.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

// check judges the address that a connection is about to be made to.
func check(address string, allowPrivate bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s is not an address", ErrForbidden, address)
	}
	a := at.Addr().Unmap().WithZone("")
	if slices.ContainsFunc(ofClouds, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return fmt.Errorf("%w: %s is a cloud's own service", ErrForbidden, a)
	}
	if !allowPrivate && !Public(a) {
		return &private{at.Addr()}
	}
	return nil
}

// private is the refusal of an address that is not public.
type private struct{ at netip.Addr }

func (e *private) Error() string {
	return fmt.Sprintf("%v: %s is not a public address; an operator may allow private networks", ErrForbidden, e.at)
}

func (e *private) Unwrap() error { return ErrForbidden }

// ofClouds are where clouds answer their own machines, with credentials among the rest. No IdP and no receiver of events
// is there, whatever an operator allows.
var ofClouds = []netip.Prefix{
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("fd00:ec2::254/128"),  // Amazon
	netip.MustParsePrefix("fd20:ce::254/128"),   // Google
	netip.MustParsePrefix("100.100.100.200/32"), // Alibaba
	netip.MustParsePrefix("168.63.129.16/32"),   // Azure
}

// special are networks that no public service answers from, beside those that netip knows
// (RFC 6890 and the registries of special-purpose addresses that followed it).
var special = []netip.Prefix{
	netip.MustParsePrefix("168.63.129.16/32"), // Azure's, though the number is a public one
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // carrier-grade NAT, and clouds' own services
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
	netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"), // Teredo and others
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // 6to4: an IPv4 address in disguise
	netip.MustParsePrefix("3fff::/20"),
}

// global is all of IPv6 that is given to anybody. Outside it are IPv4 addresses in disguise: NAT64
// (64:ff9b::/96), translated (::ffff:0:0:0/96, RFC 2765) and compatible ones (::/96).
var global = netip.MustParsePrefix("2000::/3")

// Public reports whether an address is one of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.Is6() && !global.Contains(a) || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// unreached is why nothing came of a call, in words for whoever named the address: what a name leads to
// inside the operator's network, and who was asked there, is not for them. The cause stays for logs.
type unreached struct {
	text  string
	cause error
}

func (e *unreached) Error() string { return e.text }
func (e *unreached) Unwrap() error { return e.cause }

func discreet(url string, err error) error {
	var inside *private
	var name *net.DNSError
	switch {
	case errors.As(err, &inside):
		return &unreached{fmt.Sprintf("get %s: it leads to an address that is not public; an operator may allow private networks", url), err}
	case errors.As(err, &name):
		return &unreached{fmt.Sprintf("get %s: the host %s cannot be found", url, name.Name), err}
	}
	return fmt.Errorf("get: %w", err)
}

// Get fetches a document of at most limit bytes by GET. Any answer but 200 is an error. The error's text
// holds no address of the operator's network.
func Get(ctx context.Context, client *http.Client, url string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("get: %w", err)
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, discreet(url, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: expected 200, received %s", url, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", url, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("get %s: expected at most %d bytes, received more", url, limit)
	}
	return body, nil
}

package web

import (
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestClientAddress_ComesFromTrustedProxiesOnly(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	cases := map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"no proxy":                            {"203.0.113.5:1234", nil, "203.0.113.5"},
		"a stranger's forged header":          {"203.0.113.5:1234", []string{"1.1.1.1"}, "203.0.113.5"},
		"one proxy":                           {"10.0.0.1:1234", []string{"203.0.113.5"}, "203.0.113.5"},
		"one proxy, a forged entry before":    {"10.0.0.1:1234", []string{"1.1.1.1, 203.0.113.5"}, "203.0.113.5"},
		"a forged entry in a line of its own": {"10.0.0.1:1234", []string{"1.1.1.1", "203.0.113.5"}, "203.0.113.5"},
		"two proxies":                         {"10.0.0.1:1234", []string{"203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		"a forged trusted address":            {"10.0.0.1:1234", []string{"10.9.9.9, 203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		"nobody but proxies":                  {"10.0.0.1:1234", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"a proxy that does not know":          {"10.0.0.1:1234", []string{"203.0.113.5, unknown"}, "10.0.0.1"},
		"an empty header":                     {"10.0.0.1:1234", []string{""}, "10.0.0.1"},
		"an empty entry":                      {"10.0.0.1:1234", []string{"203.0.113.5,"}, "10.0.0.1"},
		"with a port":                         {"10.0.0.1:1234", []string{"203.0.113.5:999"}, "203.0.113.5"},
		"IPv6":                                {"[fd00::1]:1234", []string{"2001:db8::5"}, "2001:db8::5"},
		"IPv6 with brackets and port":         {"[fd00::1]:1234", []string{"[2001:db8::5]:443"}, "2001:db8::5"},
		"IPv6 with brackets":                  {"[fd00::1]:1234", []string{"[2001:db8::5]"}, "2001:db8::5"},
		"IPv4 in IPv6 clothes":                {"[::ffff:10.0.0.1]:1234", []string{"::ffff:203.0.113.5"}, "203.0.113.5"},
		"a zone":                              {"[fd00::1%eth0]:1234", []string{"2001:db8::5"}, "2001:db8::5"},
		"a unix socket":                       {"@", []string{"1.1.1.1"}, "invalid IP"},
		"very many hops": {"10.0.0.1:1234", []string{"1.1.1.1, 10.0.0.9, " + strings.Repeat("10.0.0.2, ", maxHops-1) + "10.0.0.3"},
			"10.0.0.2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = c.peer
			for _, line := range c.forwarded {
				r.Header.Add("X-Forwarded-For", line)
			}
			r.Header.Set("Forwarded", "for=1.2.3.4")
			r.Header.Set("X-Real-Ip", "1.2.3.4")
			if got := clientIP(r, trusted).String(); got != c.want {
				t.Errorf("client = %s, want %s", got, c.want)
			}
		})
	}
}

func TestBucket_GroupsAHouseholdOfIPv6(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.5":          "203.0.113.5/32",
		"::ffff:203.0.113.5":   "203.0.113.5/32",
		"2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::1": "2001:db8:1:2::/64",
		"fe80::1%eth0":         "fe80::/64",
	} {
		if got := Bucket(netip.MustParseAddr(in)); got != want {
			t.Errorf("Bucket(%s) = %s, want %s", in, got, want)
		}
	}
	if got := Bucket(netip.Addr{}); got != "none" {
		t.Errorf("Bucket of no address = %s", got)
	}
}

func FuzzClientAddress(f *testing.F) {
	f.Add("10.0.0.1:1", "1.2.3.4, 10.0.0.2")
	f.Add("[::1]:1", ",,,[::1]:0,%")
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header["X-Forwarded-For"] = []string{forwarded}
		got := clientIP(r, trusted)
		if p := parseAddr(peer); !isTrusted(p, trusted) && got != p {
			t.Errorf("an untrusted peer %q became %v", peer, got)
		}
	})
}

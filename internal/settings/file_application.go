package settings

import (
	"net/netip"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// maxURIs is how many addresses of one kind an application may register.
const maxURIs = 100

type applicationPart struct {
	line        int
	path        string
	name        string
	redirects   *[]string
	postLogout  *[]string
	backchannel *string // "" for none
	public      *bool
	events      *string // "" for none
	audience    *string // "" for the client's id
}

func (r *reader) applications(n *yaml.Node) *[]applicationPart {
	nodes, ok := r.list(n, "applications", maxItems)
	if !ok {
		return nil
	}
	out := make([]applicationPart, 0, len(nodes))
	first := map[string]int{}
	for i, n := range nodes {
		path := indexed("applications", i)
		parts, ok := r.object(n, path, []string{"name", "redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "scim_events_uri", "scim_events_audience", "public"})
		if !ok {
			continue
		}
		a := applicationPart{line: n.Line, path: path}
		a.name, _ = r.named(parts, path, n.Line, first)
		a.redirects = r.uris(parts["redirect_uris"], path+".redirect_uris")
		if a.redirects != nil && len(*a.redirects) == 0 && len(parts["redirect_uris"].Content) == 0 {
			r.add(parts["redirect_uris"].Line, "%s.redirect_uris: expected one URL at least, found none", path)
		}
		a.postLogout = r.uris(parts["post_logout_redirect_uris"], path+".post_logout_redirect_uris")
		a.backchannel = r.uri(parts["backchannel_logout_uri"], path+".backchannel_logout_uri")
		a.events = r.uri(parts["scim_events_uri"], path+".scim_events_uri")
		a.audience = r.textOrNone(parts["scim_events_audience"], path+".scim_events_audience")
		a.public = r.optionalBool(parts["public"], path+".public")
		out = append(out, a)
	}
	return &out
}

// uris reads a list of URLs that a browser may be sent to. Two that differ in letter case are two.
func (r *reader) uris(n *yaml.Node, path string) *[]string {
	if n == nil {
		return nil
	}
	nodes, ok := r.list(n, path, maxURIs)
	if !ok {
		return nil
	}
	out, first := []string{}, map[string]int{}
	for i, item := range nodes {
		at := indexed(path, i)
		uri, ok := r.text(item, at)
		if !ok {
			continue
		}
		if why := checkURI(uri); why != "" {
			r.add(item.Line, "%s: expected %s, received %s", at, why, quote(uri))
		}
		if before := first[uri]; before > 0 {
			r.add(item.Line, "%s: %s is listed twice, first in line %d", at, quote(uri), before)
			continue
		}
		first[uri] = item.Line
		out = append(out, uri)
	}
	return &out
}

// uri reads one URL; "" is none.
func (r *reader) uri(n *yaml.Node, path string) *string {
	s := r.textOrNone(n, path)
	if s == nil || *s == "" {
		return s
	}
	if why := checkURI(*s); why != "" {
		r.add(n.Line, "%s: expected %s, received %s", path, why, quote(*s))
	}
	return s
}

// textOrNone reads a text that may be written as "" to mean none.
func (r *reader) textOrNone(n *yaml.Node, path string) *string {
	if n == nil {
		return nil
	}
	var s string
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" || n.Value != "" {
		r.optional(n, path, &s)
	}
	return &s
}

// checkURI tells what an address of an application should be instead, "" where it is in order: an
// absolute URL, https but on loopback, written out. Comparison is byte for byte, so that a pattern
// would never match; a fragment is forbidden by RFC 6749 section 3.1.2.
func checkURI(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http":
		return "an absolute https URL"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "https (http only for a loopback host)"
	case u.User != nil:
		return "a URL without user name and password"
	case strings.Contains(s, "#"):
		return "a URL without a fragment"
	case strings.Contains(s, "*"):
		return "a URL written out, without *"
	case strings.ContainsAny(s, "\\ \"<>"):
		return "a URL without spaces, quotes, angle brackets and backslashes"
	}
	return ""
}

func loopback(host string) bool {
	if directory.Fold(host) == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

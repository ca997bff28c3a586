package scim

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

type routeKind int

const (
	routeUnknown    routeKind = iota // 404
	routeAbsent                      // 501: known to the standard, not offered here
	routeDiscovery                   // GET
	routeCollection                  // GET, POST
	routeSingle                      // GET, PUT, PATCH, DELETE
	routeSearch                      // POST
	routeRoot                        // GET
	routeBulk                        // POST
)

// route is where a request goes.
type route struct {
	kind     routeKind
	endpoint string // of discovery, in lower case
	rest     []string
	t        *ResourceType
	id       string
	rawQuery string
	allow    string
}

// Claims reports whether a path lies under Prefix, double slashes forgiven. It is for a
// dispatcher that stands before an http.ServeMux. path is as http.Request.URL.Path has it.
func (h *Handler) Claims(path string) bool {
	_, ok := trimPrefix(strings.Split(path, "/"), h.Prefix)
	return ok
}

// route splits the path as it was sent, then decodes each segment: a %2F stays inside its
// segment and never leads elsewhere than what authentication saw (Zitadel CVE-2026-32130).
func (h *Handler) route(r *http.Request) route {
	path, query := flagInQuery(r.URL.EscapedPath(), r.URL.RawQuery)
	segments, ok := trimPrefix(strings.Split(path, "/"), h.Prefix)
	if !ok {
		return route{}
	}
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil || !utf8.ValidString(decoded) || strings.ContainsRune(decoded, 0) || decoded == "." || decoded == ".." {
			return route{}
		}
		segments[i] = decoded
	}
	rt := h.find(segments)
	rt.rawQuery = query
	return rt
}

// flagInQuery undoes a join of Entra's tenant URL, .../scim/v2/?aadOptscim062020, with a path.
func flagInQuery(path, query string) (string, string) {
	const flag = "aadOptscim062020/"
	if len(query) < len(flag) || !equalFoldASCII(query[:len(flag)], flag) {
		return path, query
	}
	rest := query[len(flag)-1:]
	if i := strings.IndexAny(rest, "?&"); i >= 0 {
		return path + rest[:i], rest[i+1:]
	}
	return path + rest, ""
}

// trimPrefix drops empty segments and the prefix.
func trimPrefix(segments []string, prefix string) ([]string, bool) {
	kept := make([]string, 0, len(segments))
	for _, s := range segments {
		if s != "" {
			kept = append(kept, s)
		}
	}
	for _, p := range strings.Split(prefix, "/") {
		if p == "" {
			continue
		}
		if len(kept) == 0 || kept[0] != p {
			return nil, false
		}
		kept = kept[1:]
	}
	return kept, true
}

func (h *Handler) find(segments []string) route {
	if len(segments) == 0 {
		return route{kind: routeRoot, allow: "GET"}
	}
	first, rest := lowerASCII(segments[0]), segments[1:]
	switch first {
	case "serviceproviderconfig", "resourcetypes", "schemas":
		return route{kind: routeDiscovery, endpoint: first, rest: rest, allow: "GET"}
	case "me":
		return route{kind: routeAbsent}
	case "bulk":
		return h.bulkRoute(rest)
	case ".search":
		return searchRoute(nil, rest)
	}
	for _, t := range h.Types {
		if !equalFoldASCII(t.segment(), first) {
			continue
		}
		switch {
		case len(rest) == 0:
			return route{kind: routeCollection, t: t, allow: "GET, POST"}
		case equalFoldASCII(rest[0], ".search"):
			return searchRoute(t, rest[1:])
		case len(rest) == 1:
			return route{kind: routeSingle, t: t, id: rest[0], allow: "GET, PUT, PATCH, DELETE"}
		}
	}
	return route{}
}

// searchRoute is the .search of a type, or of all types where t is nil.
func searchRoute(t *ResourceType, rest []string) route {
	if len(rest) > 0 {
		return route{}
	}
	return route{kind: routeSearch, t: t, allow: "POST"}
}

func (h *Handler) bulkRoute(rest []string) route {
	switch {
	case h.Bulk == nil:
		return route{kind: routeAbsent}
	case len(rest) > 0:
		return route{}
	}
	return route{kind: routeBulk, allow: "POST"}
}

// refuseInBulk says why an operation of a bulk request cannot be performed, nil for any other request. Only
// resources can be changed by one, so a bulk request contains no other.
func (rt route) refuseInBulk(r *http.Request, x *Exchange) error {
	part, ok := r.Context().Value(bulkKey{}).(bulkPart)
	switch {
	case !ok || rt.kind == routeUnknown:
		return nil
	case rt.kind != routeCollection && rt.kind != routeSingle:
		return bad(TypeInvalidPath, "This path cannot be used in a bulk request.")
	case part.err != nil:
		x.Body, _ = io.ReadAll(r.Body) // it is ours and in memory
	}
	return part.err
}

// refuse says why a route does not take a method, nil if it does. HEAD is a GET.
func (rt route) refuse(method string) error {
	switch rt.kind {
	case routeUnknown:
		return Errorf(http.StatusNotFound, "", "There is nothing at this path.")
	case routeAbsent:
		return Errorf(http.StatusNotImplemented, "", "This endpoint is not offered; see ServiceProviderConfig.")
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, m := range strings.Split(rt.allow, ", ") {
		if m == method {
			return nil
		}
	}
	return Errorf(http.StatusMethodNotAllowed, "", "%s is not possible here; the path takes %s.", quote(method), rt.allow)
}

// of is the Handler for a request of b, with the route that b's own types give it.
func (h *Handler) of(b Backend, rt *route, r *http.Request) *Handler {
	own, ok := b.(TypesBackend)
	if !ok {
		return h
	}
	mine := *h
	mine.Types = own.Types()
	*rt = mine.route(r)
	return &mine
}

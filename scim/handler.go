package scim

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultMaxBody is how many bytes of a request are read when Handler.MaxBody is zero.
const DefaultMaxBody = 1 << 20

// Handler serves SCIM 2.0 over HTTP. Its fields must not change once it serves.
//
// Do not mount it in an http.ServeMux, or mount it so that Claims is asked first: a ServeMux
// answers a path with a double slash by a redirect, which IdPs do not follow.
type Handler struct {
	// BaseURL is the public address, such as https://api.example.com/scim/v2. It alone makes
	// locations; Host and X-Forwarded-* never do.
	BaseURL string
	// Prefix is the path before the SCIM endpoints, such as /scim/v2; "" when it was stripped.
	Prefix string
	// Types are served in this order; put User first, Microsoft's collection expects it.
	Types []*ResourceType
	// Mode is how much deviation from the standard is accepted, where the Backend is no ModeBackend.
	Mode Mode
	// MaxBody limits a request's body in bytes; 0 means DefaultMaxBody.
	MaxBody int64
	// Backend authenticates a request and returns what it may see. It is asked before anything
	// else, for every path, so that no spelling of a path goes around it. Unauthorized is the
	// error for a missing or wrong token. A bulk request asks it once for itself and once for each
	// operation, with the request that the operation stands for (see InBulk).
	Backend func(*http.Request) (Backend, error)
	// AnonymousDiscovery serves the discovery endpoints without asking Backend.
	AnonymousDiscovery bool
	// Offers is what the Backend can do beyond the least; ServiceProviderConfig says the same.
	Offers Offers
	// CursorTimeout is how long a cursor lives, advertised in seconds where cursors are offered; 0 means for good.
	CursorTimeout time.Duration
	// HideNewerKeys leaves out of discovery what RFC 7643 does not know, such as "pagination": older clients, the
	// Python model of scim2-tester among them, take an unknown key for an error.
	HideNewerKeys bool
	// Bulk offers bulk requests; nil does not, and answers them with 501.
	Bulk *BulkLimits
	// DocumentationURI is the page for administrators, optional.
	DocumentationURI string
	// AuthenticationSchemes are advertised; nil means one, the bearer token.
	AuthenticationSchemes []AuthenticationScheme
	// Observe, if set, is called for every answer before it is sent: what it records is on
	// record when the client reads the answer.
	Observe func(context.Context, Exchange)
}

// Offers names what a Backend does beside filters and paging by index. What is not offered is refused or
// ignored as the standard has it, and never asked of the Backend.
type Offers struct {
	Sort   bool // Query.SortBy is served
	Cursor bool // Query.Cursor is served (RFC 9865)
	// ETag: every Resource that the Backend returns has meta.version where the Projection wants meta, and the
	// Backend calls CheckVersion. A version is an entity tag such as W/"3" (RFC 9110 section 8.8.3), and another
	// one only where the resource has changed. Without a version an answer has no ETag.
	ETag bool
}

// answer is what a request comes to.
type answer struct {
	status   int
	body     []byte // nil for none
	location string
	allow    string
	etag     string
	open     opened // rows that the body has a place for
}

// ServeHTTP answers one SCIM request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, x := h.perform(w, r)
	defer a.drop()
	write(w, a, x.Err)
}

// perform finds the answer to one request, or to one operation of a bulk request, and tells it to Observe. w is
// nil for an operation.
func (h *Handler) perform(w http.ResponseWriter, r *http.Request) (answer, Exchange) {
	x := Exchange{Request: r}
	rt := h.route(r)
	a, err := h.serve(w, r, rt, &x)
	if err != nil {
		a, x.Err = h.refusal(err), err
		a.allow = rt.allow
	}
	x.Status = a.status
	if h.Observe != nil {
		observed := false
		defer func() {
			if !observed {
				a.drop() // Observe panics
			}
		}()
		h.Observe(r.Context(), x)
		observed = true
	}
	return a, x
}

// serve authenticates, then performs the route.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request, rt route, x *Exchange) (answer, error) {
	if !h.AnonymousDiscovery || rt.kind != routeDiscovery {
		b, err := h.Backend(r)
		if err != nil {
			return answer{}, err
		}
		x.Backend = b
	}
	x.Type, x.ID = rt.t, rt.id
	if err := rt.refuseInBulk(r, x); err != nil {
		return answer{}, err
	}
	if err := rt.refuse(r.Method); err != nil {
		return answer{}, err
	}
	query, err := parseQuery(rt.rawQuery)
	if err != nil {
		return answer{}, err
	}
	if rt.kind == routeDiscovery {
		if _, given, _ := parameter(query, "filter", ""); given {
			return answer{}, Errorf(http.StatusForbidden, "", "The discovery endpoints take no filter.")
		}
		v, err := h.discovery(rt.endpoint, rt.rest, h.modeFor(x.Backend))
		if err != nil {
			return answer{}, err
		}
		body, err := marshal(v)
		return answer{status: http.StatusOK, body: body}, err
	}
	e := exchange{h: h, w: w, r: r, x: x, t: rt.t, id: rt.id, query: query, mode: h.modeFor(x.Backend)}
	switch rt.kind {
	case routeCollection:
		return e.collection()
	case routeSearch:
		return e.search()
	case routeRoot:
		return e.listAll()
	case routeBulk:
		return e.bulk()
	}
	return e.single()
}

func (h *Handler) renderer() renderer {
	return renderer{base: strings.TrimRight(h.BaseURL, "/"), types: h.Types, versions: h.Offers.ETag}
}

// refusal turns an error into its answer. What is not an Error is internal and told to nobody
// but the observer.
func (h *Handler) refusal(err error) answer {
	var e *Error
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &e) && e.Status >= http.StatusBadRequest:
	case errors.As(err, &tooLarge):
		e = tooBig(tooLarge.Limit)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = Errorf(http.StatusServiceUnavailable, "", "The request took too long; try again.")
	default:
		e = Errorf(http.StatusInternalServerError, "", "The server met an error it did not expect.")
	}
	return answer{status: e.Status, body: e.appendJSON(nil)}
}

func tooBig(limit int64) *Error {
	return Errorf(http.StatusRequestEntityTooLarge, "", "The body is larger than %d bytes.", limit)
}

func write(w http.ResponseWriter, a answer, err error) {
	header := w.Header()
	if a.location != "" {
		header.Set("Location", a.location)
	}
	if a.etag != "" {
		header.Set("ETag", a.etag)
	}
	if a.allow != "" && a.status == http.StatusMethodNotAllowed {
		header.Set("Allow", a.allow)
	}
	if a.status == http.StatusUnauthorized {
		header.Set("WWW-Authenticate", `Bearer realm="SCIM"`)
	}
	var e *Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	header.Set("Cache-Control", "no-store")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	header.Set("Content-Type", "application/scim+json")
	header.Set("X-Content-Type-Options", "nosniff")
	if a.open.reader != nil {
		w.WriteHeader(a.status)
		a.stream(w)
		return
	}
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that went away changes nothing
}

// readBody reads the body of a POST, PUT or PATCH. Entra and Okta say application/scim+json, others
// application/json or nothing; any charset is let through, since the text must be UTF-8.
func (e *exchange) readBody() ([]byte, error) {
	if e.h.MaxBody == 0 {
		return e.readUpTo(DefaultMaxBody)
	}
	return e.readUpTo(e.h.MaxBody)
}

// readUpTo is readBody with a limit in bytes.
func (e *exchange) readUpTo(limit int64) ([]byte, error) {
	if declared := e.r.Header.Get("Content-Type"); declared != "" {
		kind, _, err := mime.ParseMediaType(declared)
		if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || kind != "application/scim+json" && kind != "application/json" {
			return nil, Errorf(http.StatusUnsupportedMediaType, "", "The Content-Type must be application/scim+json or application/json; received %s.", quote(declared))
		}
	}
	if e.r.ContentLength > limit {
		return nil, tooBig(limit)
	}
	if e.r.Body == nil {
		return nil, nil
	}
	reader := http.MaxBytesReader(e.w, e.r.Body, limit)
	var body []byte
	var err error
	if n := e.r.ContentLength; n > 0 {
		body = make([]byte, n)
		_, err = io.ReadFull(reader, body)
	} else {
		body, err = io.ReadAll(reader)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, bad(TypeInvalidSyntax, "The body ended before its announced length.")
	}
	e.x.Body = body
	return body, err
}

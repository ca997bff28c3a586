package web

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Mounter is a door: it adds its routes to the one mux of the process. The routes of a Mount are
// the site map of that door.
type Mounter interface {
	Mount(mux *http.ServeMux)
}

// Site is the chain that every request passes before it reaches a door: request id, client
// address, log line, recovery, and answers to paths that no door has.
type Site struct {
	// Log receives one line per request. The default is slog.Default().
	Log *slog.Logger
	// TrustedProxies are the networks whose X-Forwarded-For is believed. None by default.
	TrustedProxies []netip.Prefix
	// Tolerant lists path prefixes, such as "/scim/", below which repeated slashes count as one.
	// Everywhere else the mux answers them with a redirect, which provisioning clients do not
	// follow.
	Tolerant []string
	// Now is the clock that durations are taken from. The default is time.Now.
	Now func() time.Time
}

// Handler mounts the doors and returns the whole site.
func (s Site) Handler(doors ...Mounter) http.Handler {
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	mux := http.NewServeMux()
	for _, d := range doors {
		d.Mount(mux)
	}
	return s.observe(protect(negotiate, s.tidy(known(mux))))
}

// tidy collapses repeated slashes in the path where the site tolerates them.
func (s Site) tidy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "//") && s.tolerates(collapse(r.URL.Path)) {
			u := *r.URL
			u.Path, u.RawPath = collapse(u.Path), collapse(u.RawPath)
			r.URL = &u
		}
		next.ServeHTTP(w, r)
	})
}

func (s Site) tolerates(path string) bool {
	for _, prefix := range s.Tolerant {
		if strings.HasPrefix(path, prefix) {
			return true
		}
	}
	return false
}

func collapse(path string) string {
	var b strings.Builder
	for i := range len(path) {
		if path[i] != '/' || i == 0 || path[i-1] != '/' {
			b.WriteByte(path[i])
		}
	}
	return b.String()
}

// known answers what no route matches in the shape that the caller reads, instead of the mux's
// plain text. The mux still decides between 404 and 405 and names the methods allowed.
func known(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		probe := &headerOnly{header: http.Header{}, status: http.StatusOK}
		answer.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			w.Header().Set("Allow", probe.header.Get("Allow"))
			negotiate(w, r, errMethod)
			return
		}
		negotiate(w, r, errs.NotFound("no_such_page", "There is nothing at this address."))
	})
}

// headerOnly takes the mux's own answer, so that another can be given in its place.
type headerOnly struct {
	header http.Header
	status int
}

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) WriteHeader(status int)      { h.status = status }
func (h *headerOnly) Write(p []byte) (int, error) { return len(p), nil }

// negotiate renders err as a page for a browser and as a problem document for anybody else.
func negotiate(w http.ResponseWriter, r *http.Request, err error) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		pageHeaders(w.Header(), false)
		FailPage(w, r, err)
		return
	}
	jsonHeaders(w.Header())
	FailJSON(w, r, err)
}

package web

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
)

type eventKey struct{}

// event is what one request leaves in the log. It travels in the request's context and is
// written once, at the end.
type event struct {
	id     string
	client netip.Addr
	log    *slog.Logger
	w      *recorder

	mu    sync.Mutex // a handler may add from several goroutines
	attrs []slog.Attr
}

func eventOf(ctx context.Context) *event {
	e, _ := ctx.Value(eventKey{}).(*event)
	return e
}

// Add puts an attribute on the log line of the request that ctx belongs to. Outside a request it
// does nothing. Never add a secret: the line goes to the log as it is.
func Add(ctx context.Context, key string, value any) {
	e := eventOf(ctx)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.attrs = append(e.attrs, slog.Any(key, value))
}

// RequestID returns the id that this server gave to the request, or "" outside a request. It is
// random and never the client's, so that nobody can plant an id that belongs to another request.
func RequestID(ctx context.Context) string {
	if e := eventOf(ctx); e != nil {
		return e.id
	}
	return ""
}

// observe gives the request its event and writes the log line when the handler is done, panic or
// not.
//
// The line names the route and not the path: paths and query strings carry one-time links and
// authorization codes.
func (s Site) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := s.Now()
		rec := &recorder{ResponseWriter: w}
		e := &event{id: newRequestID(), client: clientIP(r, s.TrustedProxies), log: s.Log, w: rec}
		w.Header().Set("X-Request-Id", e.id)
		// The mux writes the pattern into the request it is given, so this copy is the one to keep.
		r = r.WithContext(context.WithValue(r.Context(), eventKey{}, e))
		defer func() {
			attrs := []slog.Attr{
				slog.String("request_id", e.id),
				slog.String("method", r.Method),
				slog.String("route", route(r)),
				slog.Int("status", rec.code()),
				slog.Int64("bytes", rec.bytes),
				slog.Int64("duration_us", s.Now().Sub(began).Microseconds()),
				slog.String("client_ip", clientText(e.client)),
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			s.Log.LogAttrs(r.Context(), level(r, rec.code()), "request", append(attrs, e.attrs...)...)
		}()
		next.ServeHTTP(rec, r)
	})
}

func newRequestID() string { return "req_" + strings.ToLower(rand.Text()) }

// route is the pattern that matched, without its method.
func route(r *http.Request) string {
	if r.Pattern == "" {
		return "none"
	}
	if _, path, ok := strings.Cut(r.Pattern, " "); ok {
		return path
	}
	return r.Pattern
}

// level keeps health checks, which come every few seconds, out of the ordinary log.
func level(r *http.Request, status int) slog.Level {
	switch {
	case status >= 500:
		return slog.LevelError
	case r.Pattern == liveRoute || r.Pattern == readyRoute:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// recorder notes what is written, for the log and so that a failure knows whether it still can
// be rendered.
type recorder struct {
	http.ResponseWriter
	status int
	bytes  int64
}

// Unwrap lets http.ResponseController reach the connection.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 { // 1xx come before the answer
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError makes a flush count as the beginning of the answer, which it is.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// code is the status sent; net/http sends 200 for a handler that wrote nothing.
func (w *recorder) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

func (w *recorder) started() bool { return w.status != 0 }

// clientText is the client's address, or "local" for a request over a local socket, which has none.
func clientText(a netip.Addr) string {
	if !a.IsValid() {
		return "local"
	}
	return a.String()
}

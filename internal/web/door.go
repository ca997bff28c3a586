package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Limits on request bodies, in bytes, unless a Door says otherwise.
const (
	DefaultMaxBody     = 1 << 20   // programs: 1 MiB
	DefaultMaxFormBody = 256 << 10 // browsers: 256 KiB
)

// HandlerFunc handles a request and returns what went wrong, which its door renders. It returns
// nil once it has answered.
type HandlerFunc func(w http.ResponseWriter, r *http.Request) error

// Renderer turns an error into a response. It is called at most once, and only before anything
// was written.
type Renderer func(w http.ResponseWriter, r *http.Request, err error)

// Door is what the handlers of one door have in common. SCIM and others with an error format of
// their own make one; browsers and JSON have PageDoor and JSONDoor.
type Door struct {
	// Fail renders the errors that handlers return and the panics they do not mean.
	Fail Renderer
	// MaxBody is how many bytes of a request body a handler can read, DefaultMaxBody when zero.
	// Reading on fails with *http.MaxBytesError, which is answered 413.
	MaxBody int64

	wrap func(http.Handler) http.Handler // headers and checks; may be nil
}

// Handle makes an http.Handler of h.
func (d *Door) Handle(h HandlerFunc) http.Handler {
	limit := d.MaxBody
	if limit == 0 {
		limit = DefaultMaxBody
	}
	run := protect(d.Fail, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = bounded(w, r, limit)
		if err := h(w, r); err != nil {
			fail(d.Fail, w, r, err)
		}
	}))
	if d.wrap != nil {
		return d.wrap(run)
	}
	return run
}

// bounded is the request's body of limit bytes at the most. One that says of itself that it is longer is not
// read at all, or strangers would have us take in limit bytes for each refusal.
func bounded(w http.ResponseWriter, r *http.Request, limit int64) io.ReadCloser {
	body := http.MaxBytesReader(w, r.Body, limit)
	if r.ContentLength <= limit {
		return body
	}
	w.Header().Set("Connection", "close") // what is under way on it is not for us
	return refusedBody{body, limit}
}

type refusedBody struct {
	io.Closer
	limit int64
}

func (b refusedBody) Read([]byte) (int, error) { return 0, &http.MaxBytesError{Limit: b.limit} }

// JSONDoor returns a door for programs: errors are problem documents (RFC 9457), nothing is
// cached or framed. There is no cross-origin check, because what is behind it asks for a
// credential that browsers do not send by themselves.
func JSONDoor() *Door {
	return &Door{Fail: FailJSON, wrap: func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			jsonHeaders(w.Header())
			next.ServeHTTP(w, r)
		})
	}}
}

// PageDoor returns a door for browsers on the site publicURL: errors are pages, security headers
// are set, and requests that change something are refused when they come from another origin.
//
// crossSite lists patterns of routes that other sites post to by design, such as
// "POST /auth/saml/{connection}/acs". Such a route must not act on the session cookie.
func PageDoor(publicURL string, crossSite ...string) (*Door, error) {
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("make page door: public URL %q is not an origin", publicURL)
	}
	sameOrigin := http.NewCrossOriginProtection()
	// The name the browser used, which is not the Host we see when a proxy rewrites it.
	if err := sameOrigin.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("make page door: %w", err)
	}
	for _, pattern := range crossSite {
		sameOrigin.AddInsecureBypassPattern(pattern)
	}
	sameOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail(FailPage, w, r, errs.Forbidden("cross_origin",
			"This form was sent from another site, so nothing was done. Please open the page again and retry."))
	}))
	https := u.Scheme == "https"
	return &Door{Fail: FailPage, MaxBody: DefaultMaxFormBody, wrap: func(next http.Handler) http.Handler {
		checked := sameOrigin.Handler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			pageHeaders(w.Header(), https)
			checked.ServeHTTP(w, r)
		})
	}}, nil
}

// protect turns a panic of next into an answer of the door and a log entry with the stack.
// http.ErrAbortHandler passes: it is the way to cut a connection on purpose.
func protect(render Renderer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(p)
			}
			if e := eventOf(r.Context()); e != nil {
				e.log.ErrorContext(r.Context(), "panic", "request_id", e.id, "route", route(r),
					"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			fail(render, w, r, fmt.Errorf("panic: %v", p))
		}()
		next.ServeHTTP(w, r)
	})
}

// fail notes err on the log line and renders it. When the answer has begun already, the
// connection is cut, so that the client does not take half an answer for a whole one.
func fail(render Renderer, w http.ResponseWriter, r *http.Request, err error) {
	err = withoutPatience(r, err)
	Add(r.Context(), "error_kind", string(errs.KindOf(err)))
	Add(r.Context(), "error_code", errs.CodeOf(err))
	Add(r.Context(), "error", err.Error())
	if e := eventOf(r.Context()); e != nil && e.w.started() {
		panic(http.ErrAbortHandler)
	}
	render(w, r, err)
}

// withoutPatience turns an error that came of the client's leaving into one that is not ours.
func withoutPatience(r *http.Request, err error) error {
	if cause := r.Context().Err(); cause != nil && errors.Is(err, cause) {
		return errs.Unavailable("request_ended", "The request ended before it was done.").With(err)
	}
	return err
}

// Form reads the form in the request's body and in its query, the body's values first. A form
// that cannot be read is an errs.Invalid; one that is too long stays an *http.MaxBytesError.
func Form(r *http.Request) (url.Values, error) {
	if err := r.ParseForm(); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return nil, fmt.Errorf("read form: %w", err)
		}
		return nil, errs.Invalid("form_unreadable", "The form could not be read.").With(err)
	}
	return r.Form, nil
}

// WriteJSON answers with status and v as JSON. The error says that v cannot be encoded, and then
// nothing was written; that the client has gone away is not one.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
	return nil
}

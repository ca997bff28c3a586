package scim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// bulk is one bulk request while it runs.
//
// An operation runs after those that it refers to, else in the order of the request. Where references go in a
// circle, one resource is created without them and patched once the others exist (RFC 7644 section 3.7.1).
type bulk struct {
	e            *exchange
	ops          []*bulkOp
	named        map[string]*bulkOp // by bulkId
	failOnErrors int                // 0 for never
	errors       int
	incomplete   []*bulkOp // created without some of their references
}

type bulkState int

const (
	bulkWaiting bulkState = iota
	bulkRunning           // itself or what it refers to
	bulkDone
)

// bulkOp is one operation and its result.
type bulkOp struct {
	method, path, bulkID, version string
	data                          object
	url                           *url.URL
	route                         route
	pathRef                       string // the bulkId in the path, "" for none

	state    bulkState
	id       string     // of the resource, once it is known to exist
	held     []heldBack // attributes that wait for what they refer to
	etag     string     // here and below: the result
	location string
	status   int    // 0 for none yet
	response []byte // the Error message
}

// heldBack is an attribute that was left out of a POST.
type heldBack struct {
	path  string
	value any
}

type bulkKey struct{}

// bulkPart marks the context of an operation; err is why it must not be performed.
type bulkPart struct{ err error }

// InBulk reports whether ctx belongs to an operation of a bulk request, whose own request was let in before: for a
// Handler.Backend that counts requests.
func InBulk(ctx context.Context) bool {
	_, ok := ctx.Value(bulkKey{}).(bulkPart)
	return ok
}

func (b *bulk) run() {
	for _, op := range b.ops {
		b.perform(op)
		for _, op := range b.incomplete {
			b.complete(op)
		}
		b.incomplete = nil
	}
}

// stopped reports that failOnErrors ends the request.
func (b *bulk) stopped() bool { return b.failOnErrors > 0 && b.errors >= b.failOnErrors }

// perform runs an operation after those that it refers to.
func (b *bulk) perform(op *bulkOp) {
	if op.state != bulkWaiting || b.stopped() {
		return
	}
	op.state = bulkRunning
	if op.status != 0 { // refused when it was read
		b.finish(op)
		return
	}
	b.eachReference(op, func(ref string) {
		if other := b.named[ref]; other != nil && other.id == "" {
			b.perform(other)
		}
	})
	if b.stopped() {
		return
	}
	if b.e.r.Context().Err() != nil {
		op.refuse(Errorf(http.StatusServiceUnavailable, "", "The request took too long; this operation was not run."))
		b.finish(op)
		return
	}
	body, err := b.prepare(op)
	u := op.url
	if op.pathRef != "" {
		u = b.address(op, op.id, op.route.rawQuery)
	}
	a, x := b.send(op.method, u, op.version, body, err)
	op.take(a)
	if a.status < http.StatusBadRequest {
		op.id = x.ID
		if len(op.held) > 0 {
			b.incomplete = append(b.incomplete, op)
		}
	}
	if op.location == "" && op.id != "" && op.route.t != nil {
		op.location = b.e.h.renderer().location(op.route.t, op.id)
	}
	b.finish(op)
}

func (b *bulk) finish(op *bulkOp) {
	op.state = bulkDone
	if op.status >= http.StatusBadRequest {
		b.errors++
	}
}

// take keeps what an answer says.
func (op *bulkOp) take(a answer) {
	op.status, op.etag, op.response = a.status, a.etag, nil
	if a.location != "" {
		op.location = a.location
	}
	if a.status >= http.StatusBadRequest {
		op.response = a.body
	}
}

// refuse makes an error the result.
func (op *bulkOp) refuse(err error) {
	var e *Error
	if errors.As(err, &e) {
		op.take(answer{status: e.Status, body: e.appendJSON(nil)})
	}
}

// address is where the resource of an operation is, once its id is known; else what the operation names.
func (b *bulk) address(op *bulkOp, id, query string) *url.URL {
	if id == "" || op.route.t == nil {
		return op.url
	}
	u, err := b.e.h.bulkURL(op.route.t.segment() + "/" + url.PathEscape(id))
	if err != nil {
		return op.url
	}
	u.RawQuery = query
	return u
}

// prepare resolves the references of an operation and returns its body. An attribute of a POST that refers to what
// waits for this very operation is held back.
func (b *bulk) prepare(op *bulkOp) ([]byte, error) {
	if op.pathRef != "" {
		id, err := b.resolve(op.pathRef)
		if err != nil {
			return nil, err
		}
		op.id = id
	}
	if op.data == nil {
		return nil, nil
	}
	var failed error
	data := b.rewrite(op, func(path string, v any) (any, bool) {
		waits, err := b.waitsFor(v)
		if op.method == http.MethodPost && waits && err == nil {
			op.held = append(op.held, heldBack{path, v})
			return nil, false
		}
		if err == nil {
			v, err = b.resolveIn(v)
		}
		if failed == nil {
			failed = err
		}
		return v, true
	})
	return appendPlain(nil, data), failed
}

// waitsFor reports whether v refers to an operation that is not done yet, since it waits for this one. err is what
// is wrong with the other references.
func (b *bulk) waitsFor(v any) (waits bool, err error) {
	eachRef(v, func(ref string) {
		if other := b.named[ref]; other != nil && other.id == "" && other.state != bulkDone {
			waits = true
		} else if _, e := b.resolve(ref); err == nil {
			err = e
		}
	})
	return waits, err
}

// complete patches the references into a resource that was created without them.
func (b *bulk) complete(op *bulkOp) {
	patch := object{{"schemas", []any{URNPatchOp}}}
	var operations []any
	var names []string
	var failed error
	for _, h := range op.held {
		v, err := b.resolveIn(h.value)
		if failed == nil {
			failed = err
		}
		names = append(names, h.path)
		operations = append(operations, object{{"op", "add"}, {"path", h.path}, {"value", v}})
	}
	patch = append(patch, field{"Operations", operations})
	a, x := b.send(http.MethodPatch, b.address(op, op.id, ""), "", appendPlain(nil, patch), failed)
	if a.status < http.StatusBadRequest {
		op.etag = a.etag
		return
	}
	e := &Error{Status: a.status}
	if refusal := (*Error)(nil); errors.As(x.Err, &refusal) {
		e.Type, e.Detail = refusal.Type, refusal.Detail
	}
	e.Detail = strings.TrimSpace("The resource was created without " + strings.Join(names, ", ") + ". " + e.Detail)
	op.take(answer{status: e.Status, body: e.appendJSON(nil)})
	b.errors++
}

// send performs one operation as the request that it stands for; err is why it must fail.
func (b *bulk) send(method string, u *url.URL, version string, body []byte, err error) (answer, Exchange) {
	r := b.e.r.WithContext(context.WithValue(b.e.r.Context(), bulkKey{}, bulkPart{err}))
	r.Method, r.URL, r.RequestURI, r.Pattern = method, u, u.RequestURI(), ""
	r.Header = r.Header.Clone()
	for _, name := range [...]string{"Content-Length", "Content-Encoding", "If-Match", "If-None-Match", "Prefer"} {
		r.Header.Del(name)
	}
	r.Header.Set("Content-Type", "application/scim+json")
	if version != "" {
		r.Header.Set("If-Match", version)
	}
	r.Body, r.ContentLength, r.TransferEncoding = http.NoBody, int64(len(body)), nil
	if body != nil {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return b.e.h.perform(nil, r)
}

// bulkURL is the address that the path of an operation stands for. The base URL before it is forgiven.
func (h *Handler) bulkURL(path string) (*url.URL, error) {
	base := h.renderer().base
	if rest, ok := strings.CutPrefix(path, base); ok && base != "" && strings.HasPrefix(rest, "/") {
		path = rest
	}
	prefix := strings.Trim(h.Prefix, "/")
	if prefix != "" {
		prefix = "/" + prefix
	}
	u, err := url.ParseRequestURI(prefix + "/" + strings.TrimLeft(path, "/"))
	if err != nil || strings.Trim(path, "/") == "" {
		return nil, bad(TypeInvalidPath, "The path %s is no path below the base URL, such as /Users.", quote(path))
	}
	return u, nil
}

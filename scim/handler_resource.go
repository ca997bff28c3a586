package scim

import (
	"net/http"
	"net/url"
	"strconv"
)

// exchange is one request to a resource endpoint.
type exchange struct {
	h     *Handler
	w     http.ResponseWriter
	r     *http.Request
	x     *Exchange
	t     *ResourceType
	id    string
	query url.Values
	mode  Mode
}

func (e *exchange) collection() (answer, error) {
	if e.r.Method == http.MethodPost {
		return e.create()
	}
	return e.list()
}

func (e *exchange) single() (answer, error) {
	switch e.r.Method {
	case http.MethodPut:
		return e.replace()
	case http.MethodPatch:
		return e.patch()
	case http.MethodDelete:
		err := e.x.Backend.Delete(e.context(Projection{}), e.t, e.id)
		return answer{status: http.StatusNoContent}, err
	}
	return e.get()
}

// create performs a POST (RFC 7644 section 3.3). The answer always has a body: Okta gives up on an
// empty one.
func (e *exchange) create() (answer, error) {
	r, p, err := e.document()
	if err != nil {
		return answer{}, err
	}
	stored, err := e.x.Backend.Create(e.context(p), e.t, r)
	if err != nil {
		return answer{}, err
	}
	e.x.ID = stored.ID()
	a := e.show(http.StatusCreated, stored, p)
	a.location = e.h.renderer().location(e.t, stored.ID())
	return a, nil
}

// replace performs a PUT (RFC 7644 section 3.5.1).
func (e *exchange) replace() (answer, error) {
	r, p, err := e.document()
	if err != nil {
		return answer{}, err
	}
	if e.mode.strict() {
		noRows(e.t, r)
	}
	stored, err := e.x.Backend.Replace(e.context(p), e.t, e.id, r)
	if err != nil {
		return answer{}, err
	}
	return e.show(http.StatusOK, stored, p), nil
}

// noRows gives row-level attributes that r does not name an explicit empty list, which clears them.
func noRows(t *ResourceType, r Resource) {
	for _, a := range t.Schema.Attributes {
		if _, given := r[a.Name]; a.RowLevel && !given {
			r[a.Name] = []any{}
		}
	}
}

// document reads the body of a POST or PUT and what the answer is to show.
func (e *exchange) document() (Resource, Projection, error) {
	p, err := projectionFrom(e.t, e.query)
	if err != nil {
		return nil, p, err
	}
	body, err := e.readBody()
	if err != nil {
		return nil, p, err
	}
	r, warnings, err := Decode(e.t, e.mode, body)
	e.x.Warnings = warnings
	return r, p, err
}

// patch performs a PATCH (RFC 7644 section 3.5.2). Naming attributes makes a body mandatory.
func (e *exchange) patch() (answer, error) {
	projection, err := projectionFrom(e.t, e.query)
	if err != nil {
		return answer{}, err
	}
	body, err := e.readBody()
	if err != nil {
		return answer{}, err
	}
	p, err := ParsePatch(e.t, e.mode, e.id, body)
	if err != nil {
		return answer{}, err
	}
	p.Projection = projection
	p.Return = p.Return || projection.Explicit()
	e.x.Warnings = p.Warnings
	stored, err := e.x.Backend.Patch(e.context(projection), e.t, e.id, p)
	if err != nil {
		return answer{}, err
	}
	if !p.Return {
		closeRows(e.t, stored)
		return answer{status: http.StatusNoContent, etag: e.etag(stored)}, nil
	}
	return e.show(http.StatusOK, stored, projection), nil
}

func (e *exchange) get() (answer, error) {
	p, err := projectionFrom(e.t, e.query)
	if err != nil {
		return answer{}, err
	}
	want := p
	match, noneMatch := preconditionFrom(e.r.Header, "If-Match"), preconditionFrom(e.r.Header, "If-None-Match")
	if e.h.Offers.ETag && (match != nil || noneMatch != nil) {
		want = p.with(AttrPath{Name: "meta", Sub: "version"})
	}
	r, err := e.x.Backend.Get(e.r.Context(), e.t, e.id, want)
	if err != nil {
		return answer{}, err
	}
	if etag := e.etag(r); etag != "" {
		if err := match.check(etag); err != nil {
			closeRows(e.t, r)
			return answer{}, err
		}
		if noneMatch.holds(etag) {
			closeRows(e.t, r)
			return answer{status: http.StatusNotModified, etag: etag}, nil
		}
	}
	return e.show(http.StatusOK, r, p), nil
}

func (e *exchange) show(status int, r Resource, p Projection) answer {
	a := answer{status: status, etag: e.etag(r)}
	w := e.h.renderer()
	if e.w != nil { // else it is a part of a bulk request, whose answer shows no resources
		w.open = &a.open
	}
	a.body = w.resource(make([]byte, 0, 1024), e.t, r, p)
	if a.open.reader == nil {
		closeRows(e.t, r)
	}
	return a
}

// etag is the version of r for the header, "" where versions are not offered or r is not known.
func (e *exchange) etag(r Resource) string {
	if !e.h.Offers.ETag {
		return ""
	}
	return versionOf(r)
}

// list performs a query (RFC 7644 section 3.4.2).
func (e *exchange) list() (answer, error) {
	l, err := e.h.listingFrom(e.query)
	if err != nil {
		return answer{}, err
	}
	q, matches, err := l.queryFor(e.t, e.mode)
	if err != nil {
		return answer{}, err
	}
	var page Page
	if matches {
		if page, err = e.x.Backend.List(e.r.Context(), e.t, q); err != nil {
			return answer{}, err
		}
	}
	b := appendPage(make([]byte, 0, 256+1024*len(page.Resources)), q, page)
	w := e.h.renderer()
	for i, r := range page.Resources {
		if i > 0 {
			b = append(b, ',')
		}
		b = w.resource(b, e.t, r, q.Projection)
	}
	return listed(b), nil
}

// appendPage begins a ListResponse, up to its first resource. itemsPerPage is what is on this page: Okta
// refuses anything else. Pages by cursor have no startIndex (RFC 9865 section 2).
func appendPage(b []byte, q Query, page Page) []byte {
	b = append(b, `{"schemas":["`+URNListResponse+`"],"totalResults":`...)
	b = strconv.AppendInt(b, int64(page.TotalResults), 10)
	if !q.ByCursor {
		b = append(b, `,"startIndex":`...)
		b = strconv.AppendInt(b, int64(q.StartIndex), 10)
	}
	b = append(b, `,"itemsPerPage":`...)
	b = strconv.AppendInt(b, int64(len(page.Resources)), 10)
	if q.ByCursor && page.NextCursor != "" {
		b = appendString(append(b, `,"nextCursor":`...), page.NextCursor)
	}
	if q.ByCursor && page.PreviousCursor != "" {
		b = appendString(append(b, `,"previousCursor":`...), page.PreviousCursor)
	}
	return append(b, `,"Resources":[`...)
}

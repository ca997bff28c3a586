package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Options are what the API stands on. All but Rate are needed.
type Options struct {
	DB        *store.DB
	Provision *provision.Service
	Settings  *settings.Service
	SignIn    *signin.Service
	// Rate is how many requests a second the keys of one member may send together, after a burst of four times as many;
	// 0 is 25.
	Rate float64
}

// maxBody is how long a request's body may be, in bytes.
const maxBody = 64 << 10

// Door is the API over HTTP. Make it with New.
type Door struct {
	Options
	limits   *buckets // by owner
	dead     *buckets // by key that has ended
	routes   map[string]http.HandlerFunc
	document []byte
	docs     http.Handler
	doc      *huma.OpenAPI
	api      huma.API
}

// keyScheme is the name of the one way in.
const keyScheme = "apiKey"

// New makes the API. It fails when a route does not say what it needs.
func New(o Options) (*Door, error) {
	if o.Rate == 0 {
		o.Rate = 25
	}
	d := &Door{Options: o, limits: newBuckets(o.Rate, 4*o.Rate), dead: newBuckets(1, 10), routes: map[string]http.HandlerFunc{}}
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: json.Unmarshal}
	formats := map[string]huma.Format{"application/json": format, "json": format} // the second for what ends in +json
	d.doc = &huma.OpenAPI{OpenAPI: "3.1.0",
		Info: &huma.Info{Title: "Gatehouse API", Version: "1", Description: description},
		Components: &huma.Components{
			Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
			SecuritySchemes: map[string]*huma.SecurityScheme{keyScheme: {Type: "http", Scheme: "bearer", BearerFormat: settings.APIKeyPrefix + "...",
				Description: "An API key. The scopes that an operation names are permissions; one without “:read” contains the one with it."}},
		}}
	d.api = humago.New(d, huma.Config{OpenAPI: d.doc, Formats: formats, DefaultFormat: "application/json", RejectUnknownQueryParameters: true, Transformers: []huma.Transformer{asProblem}})
	d.api.UseMiddleware(d.enter)
	for _, part := range []func(){d.addPeople, d.addTeams, d.addGroups, d.addRules, d.addChanges, d.addSessions, d.addEvents, d.addKeys} {
		part()
	}
	if err := d.describe(); err != nil {
		return nil, fmt.Errorf("make API: %w", err)
	}
	return d, nil
}

// HandleFunc and ServeHTTP are what huma asks of a mux: routes are gathered here, and mounted by Mount.
func (d *Door) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	d.routes[pattern] = h
}

// ServeHTTP is never called: the mux that the routes are mounted on serves.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// Mount adds the routes of the API.
func (d *Door) Mount(mux *http.ServeMux) {
	program := web.JSONDoor()
	program.MaxBody = maxBody
	for pattern, h := range d.routes {
		mux.Handle(pattern, program.Handle(func(w http.ResponseWriter, r *http.Request) error {
			h(w, r)
			return nil
		}))
	}
	mux.Handle("GET /api/openapi.json", program.Handle(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(d.document) // the client may have gone away
		return nil
	}))
	mux.Handle("GET /api/docs", d.docs)
}

// Document is the OpenAPI document, as it is served.
func (d *Door) Document() []byte { return d.document }

// enter lets whoever may into an operation, and answers everybody else.
func (d *Door) enter(ctx huma.Context, next func(huma.Context)) {
	r, w := humago.Unwrap(ctx)
	c, err := d.admit(w, r, scopeOf(ctx.Operation()))
	if err != nil {
		p := problemOf(r, err)
		for name := range p.header {
			w.Header().Set(name, p.header.Get(name))
		}
		w.Header().Set("Content-Type", p.ContentType(""))
		w.WriteHeader(p.Status)
		_ = json.NewEncoder(w).Encode(p) // the client may have gone away
		return
	}
	next(huma.WithValue(ctx, callerKey{}, c))
}

// scopeOf is the permission that an operation needs, "" for none.
func scopeOf(op *huma.Operation) string {
	for _, s := range op.Security {
		for _, scope := range s[keyScheme] {
			return scope
		}
	}
	return ""
}

// route is an operation of the API as it is written down.
type route struct {
	method, path string // below /api/v1
	id           string // of the operation: "list-members"
	tag          string
	summary      string
	// needs is the permission that both the key's scopes and its owner's role must allow; anyKey for none.
	needs string
	// twice says what the same request does when it is sent again.
	twice string
	says  string // more, for people
	made  bool   // it answers 201
}

// anyKey is what a route needs that every living key may use.
const anyKey = "-"

// add registers an operation with its handler.
func add[I, O any](d *Door, r route, h func(ctx context.Context, c *caller, in *I) (*O, error)) {
	op := huma.Operation{Method: r.method, Path: "/api/v1" + r.path, OperationID: r.id, Tags: []string{r.tag}, Summary: r.summary, Description: r.says,
		DefaultStatus: http.StatusOK, MaxBodyBytes: maxBody, BodyReadTimeout: -1, Responses: map[string]*huma.Response{"default": d.problem()}}
	if r.twice != "" {
		op.Description = strings.TrimSpace(op.Description + "\n\nSent twice: " + r.twice)
	}
	_, hasBody := reflect.TypeFor[O]().FieldByName("Body")
	switch {
	case r.made:
		op.DefaultStatus = http.StatusCreated
	case !hasBody:
		op.DefaultStatus = http.StatusNoContent
	}
	switch {
	case r.needs == anyKey:
		op.Security = []map[string][]string{{keyScheme: {}}}
	case slices.ContainsFunc(directory.Permissions(), func(p directory.Permission) bool { return p.Name == r.needs }):
		op.Security = []map[string][]string{{keyScheme: {r.needs}}}
	}
	huma.Register(d.api, op, func(ctx context.Context, in *I) (*O, error) {
		c, _ := ctx.Value(callerKey{}).(*caller)
		out, err := h(ctx, c, in)
		if err != nil {
			return nil, problemOf(c.r, err)
		}
		return out, nil
	})
}

// problem is how every error is documented.
func (d *Door) problem() *huma.Response {
	return &huma.Response{Description: "What was refused, and why: 400 and 422 for what cannot be accepted as it is, 401 for a key that does not work, 403 for what key or role may not, 404 for what is not there or not yours, 409 for what collides with what is stored, 412 for an If-Match that does not hold, 413, 429, 503.",
		Content: map[string]*huma.MediaType{"application/problem+json": {Schema: d.doc.Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")}}}
}

const description = `What people do in the console, for programs. Send an API key, made in the console or by gatehouse api-key create, as
Authorization: Bearer gk_.... The key names the workspace, and acts as the member who owns it: it can do what its scopes and its
owner's role both allow at that moment, and ends with its owner's access.

Instants are RFC 3339 UTC. Lists come in pages: next is the cursor of the page behind, absent on the last one; a page may be short
and still have one behind it. What has a version answers it as ETag, and takes it back as If-Match. Errors are problem documents
with a stable code. An id of another workspace is answered exactly as one that never was.`

package scim

import (
	"context"
	"net/http"
)

// Backend keeps the resources of one client. It refuses with *Error: 404 for an id that this
// client cannot see (NotFound), 409 uniqueness, 400 invalidValue for an id in members that it does
// not know, 403 for what a rule forbids. Any other error becomes a 500 without detail.
//
// Every method is atomic: an error means that nothing changed.
type Backend interface {
	// Create stores r under a new id and returns what is stored.
	Create(ctx context.Context, t *ResourceType, r Resource) (Resource, error)
	// Get returns one resource; what want does not want need not be loaded.
	Get(ctx context.Context, t *ResourceType, id string, want Projection) (Resource, error)
	// List returns a page of what matches. A cursor that it did not make for this very query is 400
	// TypeInvalidCursor, one that is too old 400 TypeExpiredCursor.
	List(ctx context.Context, t *ResourceType, q Query) (Page, error)
	// Replace performs a PUT. Attributes without a key are cleared, except those whose absence
	// means "keep": "active", and row-level attributes.
	Replace(ctx context.Context, t *ResourceType, id string, r Resource) (Resource, error)
	// Patch performs p and returns the result, or nil where p.Return is false.
	Patch(ctx context.Context, t *ResourceType, id string, p Patch) (Resource, error)
	// Delete removes the resource for good.
	Delete(ctx context.Context, t *ResourceType, id string) error
}

// TypesBackend is a Backend that says by itself which resource types its client has, where the clients of one Handler
// have different ones, such as extensions of their own. They take the place of Handler.Types for the request, in
// discovery as well. ResourceType.Load reads what was stored when the extensions were others.
type TypesBackend interface {
	Backend
	Types() []*ResourceType
}

// Exchange is one request and its answer, for logs and audit trails.
//
// A bulk request makes one for each operation that was run, in the order in which they were, and at last one for
// itself, with the whole body and the status 200. That of an operation is what the same change would have made by
// itself: Request is derived (method, path and If-Match of the operation; address, token and other headers of the
// bulk request; InBulk tells it by its context), Body is the operation's data with its references resolved, Backend
// is the one that Handler.Backend returned for that Request. A circle of references makes one more, the PATCH that
// closes it. An operation that was refused for its form (no method, no bulkId, no data) is in the body of the bulk
// request alone.
type Exchange struct {
	Request  *http.Request
	Backend  Backend       // nil when the request was not authenticated, or did not have to be
	Type     *ResourceType // nil outside resource endpoints
	ID       string        // the id in the path, "" for none
	Body     []byte        // as it was received, secrets included; nil when it was not read
	Status   int
	Err      error // why Status is 400 or above; the cause itself when that is a 500
	Warnings []string
}

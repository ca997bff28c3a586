package scim

import "context"

type contextKey struct{}

// exchangeInfo is what the Handler tells the Backend beside its arguments.
type exchangeInfo struct {
	warnings    []string
	projection  Projection
	ifMatch     precondition
	ifNoneMatch precondition
}

// Warnings returns what lenient reading dropped from the body of the request that ctx belongs
// to. A Backend that keeps an audit trail records them with the change.
func Warnings(ctx context.Context) []string {
	info, _ := ctx.Value(contextKey{}).(exchangeInfo)
	return info.warnings
}

// Wanted returns what the answer to the request will show, for Create and Replace, whose
// arguments do not say it.
func Wanted(ctx context.Context) Projection {
	info, _ := ctx.Value(contextKey{}).(exchangeInfo)
	return info.projection
}

// context is the request's with what the Backend is told beside its arguments.
func (e *exchange) context(p Projection) context.Context {
	info := exchangeInfo{warnings: e.x.Warnings, projection: p}
	if e.h.Offers.ETag {
		info.ifMatch = preconditionFrom(e.r.Header, "If-Match")
		info.ifNoneMatch = preconditionFrom(e.r.Header, "If-None-Match")
	}
	return context.WithValue(e.r.Context(), contextKey{}, info)
}

// CheckVersion refuses with 412 where the request's If-Match or If-None-Match does not hold for version, the
// meta.version of what is there now (RFC 7644 section 3.14). A Backend that keeps versions calls it in the
// transaction of Replace, Patch and Delete, before it changes anything.
func CheckVersion(ctx context.Context, version string) error {
	info, _ := ctx.Value(contextKey{}).(exchangeInfo)
	if err := info.ifMatch.check(version); err != nil {
		return err
	}
	return info.ifNoneMatch.checkNone(version)
}

// Conditional reports whether the request has an If-Match or If-None-Match, so that CheckVersion can fail: for a
// Backend whose versions cost something to find out.
func Conditional(ctx context.Context) bool {
	info, _ := ctx.Value(contextKey{}).(exchangeInfo)
	return info.ifMatch != nil || info.ifNoneMatch != nil
}

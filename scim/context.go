package scim

import "context"

type contextKey struct{}

// exchangeInfo is what the Handler tells the Backend beside its arguments.
type exchangeInfo struct {
	warnings   []string
	projection Projection
	ifMatch    precondition
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

func withInfo(ctx context.Context, warnings []string, p Projection) context.Context {
	return context.WithValue(ctx, contextKey{}, exchangeInfo{warnings: warnings, projection: p})
}

// CheckVersion refuses with 412 where the request's If-Match does not hold for version, the meta.version of
// what is there now (RFC 7644 section 3.14). A Backend that keeps versions calls it in the transaction of
// Replace, Patch and Delete, before it changes anything.
func CheckVersion(ctx context.Context, version string) error {
	info, _ := ctx.Value(contextKey{}).(exchangeInfo)
	return info.ifMatch.check(version)
}

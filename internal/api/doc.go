// Package api is the REST API door: what people do in the console, programs do here with an API key.
//
//	/api/v1/...         the routes; document.go writes their list from the routes themselves
//	/api/openapi.json   the OpenAPI 3.1 document
//	/api/docs           the same for people, a page of our own
//
// A key acts as the member who owns it. What it can do is what its scopes and its owner's role both allow, read from the
// database for each request (caller.go); each route names the permission that it needs, and New refuses a route without one.
// What a route does happens as the owner's act, which events tell with the key. A key gives nobody what it does not have
// itself: neither a role with permissions beyond its scopes, nor the address of somebody who has one.
//
// A handler reads its input, makes one call of provision, settings or signin, and shows the answer. Errors are
// problem documents (RFC 9457) with the codes of package errs. Ids of another workspace are answered as unknown ones.
//
// It refuses to know rules about people and configuration, sessions and cookies. Entry points: [New], [Door.Mount],
// [Door.Document].
package api

// Package scim is a SCIM 2.0 service provider engine (RFC 7643, RFC 7644) on the standard
// library alone. It reads what identity providers really send, answers in the standard's
// words, and leaves storage to a small Backend.
//
// # What it does
//
//   - Schema, ResourceType: what an attribute is called, of which type it is, who may change it.
//   - Resource: one resource as understood, with canonical names and values of declared types.
//   - ParseFilter, Match: the filter grammar as a tree that a backend compiles or evaluates.
//   - ParsePatch, Patch.Apply: PATCH as validated operations, applied by a pure function.
//   - Projection: which attributes an answer will show, so that nothing else is loaded.
//   - CompareBy: the standard's order, for a Backend that has no better one.
//   - Handler: the HTTP side with discovery, paging, search, versions, bulk, errors and content types.
//
// # What it refuses to know
//
// Who a token belongs to, how rows are stored, what deactivation means, what is unique. The
// Backend knows. The engine never puts a request's Host or X-Forwarded-* into an answer, never
// passes a password on, and never treats what it did not understand as done: an operation that
// makes no sense is an Error that names it. The exceptions are the drops that lenient mode allows,
// and each of them is a warning (see Warnings). Strict mode knows none; Tolerances lists what differs.
//
// Data of an extension that a type does not know is not among the drops: lenient mode keeps simple
// values under their URN, within limits, for Entra sends a customer's own attributes so and a PATCH
// can carry one beside "active".
//
// # Where to start
//
// A customer's own extensions are Extensions given to NewUserType and NewGroupType. Where each client has its own, the
// Backend is a TypesBackend; where they change while there are resources, ResourceType.Save and Load keep what is stored
// in step with them. Attributes that are never returned are stored and leave in no answer, filter, order or error.
//
// NewUserType, NewGroupType and Handler serve a directory; Example shows the smallest one, and scimmem has a
// Backend in memory with everything that a Handler can offer.
// The rest can be used without HTTP: Decode, ParsePatch, ParseFilter.
//
// What a Backend can do beyond filters and pages by index is said in Handler.Offers (sort, cursors, versions), and
// Handler.Bulk switches bulk on; .search and lists across types need nothing from it. ServiceProviderConfig states
// the same. /Me is 501: a provisioning token is nobody.
package scim

package idpsim

import (
	"context"
	"strings"
)

// pingOne is PingOne's outbound propagation. Documented by PingOne, as settings: USER_FILTER, the
// administrator's own filter; REMOVE_ACTION, disable or delete; the creation of disabled people. From
// memory: PUT for people, the whole member list for groups, headers.
func pingOne() vendor {
	return vendor{
		contentType: "application/scim+json",
		test: func(ctx context.Context, p *IdP) error {
			conn, err := p.settings()
			if err != nil {
				return err
			}
			nobody := pingOneFilter(conn, profile{userName: p.opts.GUID()})
			return p.probe(ctx, request{step: p.step("test users", 1), path: "/Users", query: p.filterQuery(nobody)})
		},
		filter:   pingOneFilter,
		document: pingOneDocument,
		removed:  actionSuspend, unassigning: true, // REMOVE_ACTION says "disable"
		replaces: true,
	}
}

// pingOneUserFilter is USER_FILTER of a new connection, from memory: mind the capital of Eq.
const pingOneUserFilter = `userName Eq "%s"`

// pingOneFilter writes the user name where the administrator's expression has %s.
func pingOneFilter(c Connection, f profile) string {
	q := quoted(f.userName)
	return strings.ReplaceAll(c.UserFilter, "%s", q[1:len(q)-1])
}

func pingOneDocument(_ context.Context, _ *IdP, _ Connection, f profile, _ bool) (object, error) {
	return plainDocument(f), nil
}

// plainDocument is a document as the RFC's own examples have it.
func plainDocument(f profile) object {
	schemas := []string{userSchema}
	if f.department != "" {
		schemas = append(schemas, enterpriseSchema)
	}
	o := object{{"schemas", schemas}, {"externalId", f.externalID}, {"userName", f.userName}, {"active", f.active}}
	if name := texts("formatted", f.formatted(), "familyName", f.familyName, "givenName", f.givenName); name != nil {
		o = append(o, field{"name", name})
	}
	o = append(o, texts("displayName", f.displayName, "title", f.title)...)
	if f.email != "" {
		o = append(o, field{"emails", []object{{{"type", "work"}, {"value", f.email}, {"primary", true}}}})
	}
	if f.phone != "" {
		o = append(o, field{"phoneNumbers", []object{{{"type", "mobile"}, {"value", f.phone}}}})
	}
	if f.department != "" {
		o = append(o, field{enterpriseSchema, texts("department", f.department)})
	}
	return o
}

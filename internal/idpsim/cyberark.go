package idpsim

import "context"

// cyberArk is CyberArk Identity's outbound provisioning. Documented by CyberArk: which calls it makes,
// discovery by id, PUT for people and PATCH for groups among them. From memory: bodies and headers.
func cyberArk() vendor {
	return vendor{
		contentType: "application/json",
		test: func(ctx context.Context, p *IdP) error {
			at := p.step("test connection", 1)
			return p.probe(ctx, request{step: at, path: "/ServiceProviderConfig"},
				request{step: at, path: "/ResourceTypes/User"}, request{step: at, path: "/ResourceTypes/Group"},
				request{step: at, path: "/Schemas/" + userSchema}, request{step: at, path: "/Schemas/" + groupSchema},
				request{step: at, path: "/Users", query: "count=1"}, request{step: at, path: "/Groups"})
		},
		filter: func(_ Connection, f profile) string { return equals("userName", f.userName) },
		document: func(_ context.Context, _ *IdP, _ Connection, f profile, _ bool) (object, error) {
			return plainDocument(f), nil
		},
		readsFirst: true,
		removed:    actionSuspend,
		members: func(add, remove []member) []object {
			return append(addValues(add), removeByPath(remove)...)
		},
		listsGroups: true, importsGroups: true,
	}
}

package idpsim

import (
	"context"
	"errors"
	"net/http"
	"slices"
)

// jumpCloud is the custom SCIM connector. Documented by JumpCloud: the activation test, no extension
// schemas, import of people. Documented by another vendor (Unimoni): membership by value lists without
// a filter. From memory: PUT for people, headers, the shape of the rest.
func jumpCloud() vendor {
	return vendor{
		contentType: "application/json",
		test:        jumpCloudActivate,
		filter:      func(_ Connection, f profile) string { return equals("userName", f.userName) },
		document:    jumpCloudDocument,
		removed:     actionDelete,
		members: func(add, remove []member) []object {
			return append(removeValues(remove), addValues(add)...)
		},
		importsUsers: true,
	}
}

// jumpCloudDocument has core attributes only: the connector cannot map an extension.
func jumpCloudDocument(_ context.Context, p *IdP, _ Connection, f profile, create bool) (object, error) {
	o := object{{"schemas", []string{userSchema}}, {"userName", f.userName}, {"externalId", f.externalID}}
	if name := texts("givenName", f.givenName, "familyName", f.familyName); name != nil {
		o = append(o, field{"name", name})
	}
	o = append(o, texts("displayName", f.displayName, "title", f.title)...)
	if f.email != "" {
		o = append(o, field{"emails", []object{{{"value", f.email}, {"primary", true}, {"type", "work"}}}})
	}
	if f.phone != "" {
		o = append(o, field{"phoneNumbers", []object{{{"value", f.phone}, {"type", "mobile"}}}})
	}
	o = append(o, field{"active", f.active})
	if create {
		o = append(o, field{"password", p.opts.Password()})
	}
	return o, nil
}

// jumpCloudTestGroup is the name of the group that an activation makes.
const jumpCloudTestGroup = "JumpCloud SCIM Test Group"

// jumpCloudActivate makes a test user under the address that the administrator typed and a test
// group, changes and deletes both, group first. Whatever was made is taken away again, also when a
// step in the middle is refused.
func jumpCloudActivate(ctx context.Context, p *IdP) (err error) {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	f := profile{userName: conn.TestAddress, email: conn.TestAddress, givenName: "Test", familyName: "User", active: true}
	user, err := p.jumpCloudMake(ctx, "test user", "/Users", jumpCloudTestUser(p, f))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.jumpCloudDrop(ctx, user, f)) }()
	f.familyName = "User 2"
	put := request{step: p.step("update test user", 1), method: http.MethodPut, path: user, body: jumpCloudTestUser(p, f)}
	if _, err := p.send(ctx, put); err != nil {
		return err
	}
	group, err := p.jumpCloudMake(ctx, "test group", "/Groups",
		object{{"schemas", []string{groupSchema}}, {"displayName", jumpCloudTestGroup}})
	if err != nil {
		return err
	}
	_, err = p.send(ctx, request{step: p.step("delete test group", 1), method: http.MethodDelete, path: group})
	return err
}

func jumpCloudTestUser(p *IdP, f profile) object {
	o := object{{"schemas", []string{userSchema}}, {"userName", f.userName},
		{"name", texts("givenName", f.givenName, "familyName", f.familyName)},
		{"emails", []object{{{"value", f.email}, {"primary", true}, {"type", "work"}}}}, {"active", f.active}}
	return append(o, field{"password", p.opts.Password()})
}

// jumpCloudMake creates a test resource and returns its path.
func (p *IdP) jumpCloudMake(ctx context.Context, what, path string, body object) (string, error) {
	r := request{step: p.step("create "+what, 1), method: http.MethodPost, path: path, body: body}
	got, err := p.send(ctx, r)
	if err != nil {
		return "", err
	}
	id := got.body.text("id")
	if id == "" {
		return "", p.unusable(r, got, "the created resource has no id")
	}
	return path + "/" + id, nil
}

// jumpCloudDrop deletes the test user; an application that knows no DELETE gets them deactivated.
func (p *IdP) jumpCloudDrop(ctx context.Context, user string, f profile) error {
	_, err := p.send(ctx, request{step: p.step("delete test user", 1), method: http.MethodDelete, path: user})
	if !slices.Contains([]int{http.StatusMethodNotAllowed, http.StatusNotImplemented}, statusOf(err)) {
		return err
	}
	f.active = false
	_, err = p.send(ctx, request{step: p.step("deactivate test user", 1), method: http.MethodPut, path: user, body: jumpCloudTestUser(p, f)})
	return err
}

package scimtest

import (
	"fmt"
	"net/http"
	"strings"
)

const theGroup = "RFC 7643 section 4.2"

func groupCases() []Case {
	can := []feature{grouping}
	return []Case{
		{"group.create", "a group is created with members, 201", theGroup, can, func(x *trial) {
			p := x.person("member")
			a := x.do(http.MethodPost, "/Groups", object{"schemas": []any{urnGroup}, "displayName": x.name("group"), "members": values(p)})
			x.status(a, http.StatusCreated)
			x.same(a, "meta.resourceType", a.str("meta", "resourceType"), "Group")
			x.is(len(a.list("members")) == 1 && text(a.list("members")[0], "value") == p.id, "the member "+p.id, a)
		}},
		{"group.empty", "a group may have no members", theGroup, can, func(x *trial) { x.members(x.group("empty")) }},
		{"group.no-name", "a group without displayName is 400", theGroup, can, func(x *trial) {
			x.refused(x.do(http.MethodPost, "/Groups", object{"schemas": []any{urnGroup}}), http.StatusBadRequest, "invalidValue", "invalidSyntax")
		}},
		{"group.filter", "a group is found by its name", filters, []feature{grouping, filtering}, func(x *trial) {
			g := x.group("found")
			x.found(x.get("/Groups", "filter", fmt.Sprintf("displayName eq %q", g.userName)), g)
		}},
		{"group.excluded-members", "excludedAttributes=members leaves members out", projecting, can, func(x *trial) {
			g := x.group("big", x.person("member"))
			a := x.get(g.path, "excludedAttributes", "members")
			x.done(a)
			x.is(a.at("members") == nil && a.str("displayName") != "", "displayName and no members", a)
		}},
		{"group.of-user", "a user shows the groups it is in", theUser, can, func(x *trial) {
			p := x.person("member")
			g := x.group("shown", p)
			a := x.read(p)
			x.is(len(a.list("groups")) == 1 && text(a.list("groups")[0], "value") == g.id, "the group "+g.id, a)
		}},
		{"group.user-deleted", "a deleted user is a member no more", deleting, can, func(x *trial) {
			p, q := x.person("stays"), x.person("goes")
			g := x.group("both", p, q)
			x.done(x.do(http.MethodDelete, q.path, nil))
			x.members(g, p)
		}},
		{"group.deleted", "a deleted group is 404, and its members stay", deleting, can, func(x *trial) {
			p := x.person("member")
			g := x.group("gone", p)
			x.status(x.do(http.MethodDelete, g.path, nil), http.StatusNoContent)
			x.refused(x.get(g.path), http.StatusNotFound)
			x.read(p)
		}},
		{"group.replace", "a PUT sets exactly its members", replacing, can, func(x *trial) {
			p, q := x.person("one"), x.person("two")
			g := x.group("put", p)
			x.done(x.do(http.MethodPut, g.path, object{"schemas": []any{urnGroup}, "displayName": g.userName, "members": values(q)}))
			x.members(g, q)
		}},
	}
}

func memberCases() []Case {
	can := []feature{grouping, patching}
	// change makes a case of operations on a group of p and q, which leave the members want.
	change := func(id, title, section string, run func(p, q, s person) (ops []object, want []person)) Case {
		return Case{id, title, section, can, func(x *trial) {
			p, q, s := x.person("one"), x.person("two"), x.person("three")
			g := x.group("change", p, q)
			ops, want := run(p, q, s)
			for _, o := range ops {
				x.status(x.patch(g, o), http.StatusOK, http.StatusNoContent)
			}
			x.members(g, want...)
		}}
	}
	// nested makes a case of a group of a person and of another group, on servers that take one.
	nested := func(id, title string, run func(x *trial, p, inner, outer person)) Case {
		return Case{id, title, theGroup, can, func(x *trial) {
			p, inner := x.person("one"), x.group("inner")
			outer := x.group("outer", p)
			a := x.patch(outer, op("add", "members", values(inner)))
			if a.status == http.StatusBadRequest {
				x.members(outer, p)
				x.skip("members of type Group")
			}
			x.status(a, http.StatusOK, http.StatusNoContent)
			x.members(outer, p, inner)
			run(x, p, inner, outer)
		}}
	}
	is := func(want ...person) []person { return want }
	only := func(p person) string { return fmt.Sprintf("members[value eq %q]", p.id) }
	return []Case{
		change("member.add", "add takes a member in", adds, func(p, q, s person) ([]object, []person) {
			return []object{op("add", "members", values(s))}, is(p, q, s)
		}),
		change("member.add-twice", "add of a member changes nothing", adds, func(p, q, _ person) ([]object, []person) {
			return []object{op("add", "members", values(p, q))}, is(p, q)
		}),
		change("member.remove", "remove with a value filter takes that member out", removes, func(p, q, _ person) ([]object, []person) {
			return []object{op("remove", only(p), nil)}, is(q)
		}),
		change("member.remove-all", "remove of members takes all out", removes, func(_, _, _ person) ([]object, []person) {
			return []object{op("remove", "members", nil)}, nil
		}),
		change("member.replace", "replace sets exactly these members", replaces, func(p, _, s person) ([]object, []person) {
			return []object{op("replace", "members", values(p, s))}, is(p, s)
		}),
		change("member.replace-none", "replace with an empty list takes all out", replaces, func(_, _, _ person) ([]object, []person) {
			return []object{op("replace", "members", []any{})}, nil
		}),
		change("member.rename", "a new displayName leaves the members", replaces, func(p, q, _ person) ([]object, []person) {
			return []object{op("replace", "displayName", p.userName+" renamed")}, is(p, q)
		}),
		change("member.rename-no-path", "a replace without a path leaves what it does not name", replaces, func(p, q, _ person) ([]object, []person) {
			return []object{op("replace", "", object{"displayName": p.userName + " again"})}, is(p, q)
		}),
		{"member.unknown", "an id of nobody as a member is 400 or 404, and nobody else comes in", theGroup, can, func(x *trial) {
			p := x.person("one")
			g := x.group("unknown")
			a := x.patch(g, op("add", "members", []any{object{"value": p.id}, object{"value": x.name("nobody")}}))
			x.status(a, http.StatusBadRequest, http.StatusNotFound)
			x.members(g)
		}},
		nested("member.group", "a group in a group is kept with its type and place, or refused with 400", func(x *trial, p, inner, outer person) {
			for _, m := range x.read(outer).list("members") {
				if text(m, "value") == inner.id {
					x.is(text(m, "type") == "" || text(m, "type") == "Group", "no type or Group", x.read(outer))
					x.is(text(m, "$ref") == "" || strings.HasSuffix(text(m, "$ref"), inner.path), "no $ref or one that ends with "+inner.path, x.read(outer))
				}
			}
		}),
		nested("member.group-deleted", "a deleted group is in no group any more", func(x *trial, p, inner, outer person) {
			x.status(x.do(http.MethodDelete, inner.path, nil), http.StatusNoContent)
			x.members(outer, p)
		}),
		nested("member.group-circle", "a group may be in a group that is in it, or is refused with 400, and both stay readable", func(x *trial, p, inner, outer person) {
			for _, g := range []person{inner, outer} { // a circle of two, and one of one
				x.status(x.patch(inner, op("add", "members", values(g))), http.StatusOK, http.StatusNoContent, http.StatusBadRequest)
			}
			x.members(outer, p, inner)
			x.read(inner)
			x.read(p)
		}),
		{"member.several", "one PATCH takes in and out", patches, can, func(x *trial) {
			p, q, s := x.person("one"), x.person("two"), x.person("three")
			g := x.group("several", p, q)
			x.done(x.patch(g, op("add", "members", values(s)), op("remove", only(p), nil), op("remove", only(q), nil)))
			x.members(g, s)
		}},
		{"member.atomic", "where one operation fails, nobody comes or goes", patches, can, func(x *trial) {
			p, q := x.person("one"), x.person("two")
			g := x.group("atomic", p)
			x.refused(x.patch(g, op("add", "members", values(q)), op("replace", "id", "other")), http.StatusBadRequest)
			x.members(g, p)
		}},
	}
}

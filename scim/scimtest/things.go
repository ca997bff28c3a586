package scimtest

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// person is somebody the probe made, or a group with its displayName as userName.
type person struct {
	id, path, userName string
	body               object // as sent
}

// name makes one that nobody has.
func (x *trial) name(word string) string {
	x.r.names++
	return fmt.Sprintf("%s-%d-%s", x.r.report.Prefix, x.r.names, word)
}

func (x *trial) domain() string { return cmp.Or(x.r.probe.Domain, DefaultDomain) }

// user is a plain person with more attributes, names and values in turn; a nil value takes one away.
func (x *trial) user(word string, more ...any) object {
	userName := x.name(word) + "@" + x.domain()
	u := object{
		"schemas": []any{urnUser}, "userName": userName, "active": true, "displayName": "Probe " + word,
		"name":   object{"givenName": "Probe", "familyName": "Test " + word},
		"emails": []any{object{"value": userName, "type": "work", "primary": true}},
	}
	return with(u, more...)
}

func with(o object, more ...any) object {
	for i := 0; i+1 < len(more); i += 2 {
		if name := more[i].(string); more[i+1] == nil {
			delete(o, name)
		} else {
			o[name] = more[i+1]
		}
	}
	return o
}

// post makes somebody and returns them with the answer; any success is one here.
func (x *trial) post(u object) (person, answer) {
	a := x.do(http.MethodPost, "/Users", u)
	x.done(a)
	x.is(a.str("id") != "", "an id of the new user", a)
	userName, _ := u["userName"].(string)
	return person{a.str("id"), "/Users/" + url.PathEscape(a.str("id")), userName, u}, a
}

// person makes a plain person.
func (x *trial) person(word string, more ...any) person {
	p, _ := x.post(x.user(word, more...))
	return p
}

// group makes a group of people.
func (x *trial) group(word string, members ...person) person {
	name := x.name(word)
	a := x.do(http.MethodPost, "/Groups", object{"schemas": []any{urnGroup}, "displayName": name, "members": values(members...)})
	x.done(a)
	x.is(a.str("id") != "", "an id of the new group", a)
	return person{id: a.str("id"), path: "/Groups/" + url.PathEscape(a.str("id")), userName: name}
}

// values refers to people as members.
func values(people ...person) []any {
	out := []any{}
	for _, p := range people {
		out = append(out, object{"value": p.id})
	}
	return out
}

// op is an operation of a PATCH; an empty path and a nil value are left out.
func op(name, path string, value any) object {
	o := object{"op": name}
	if path != "" {
		o["path"] = path
	}
	if value != nil {
		o["value"] = value
	}
	return o
}

// patch sends operations and returns the answer.
func (x *trial) patch(p person, ops ...object) answer {
	return x.do(http.MethodPatch, p.path, object{"schemas": []any{urnMessages + "PatchOp"}, "Operations": ops})
}

// patched sends operations that must succeed and returns the resource after them.
func (x *trial) patched(p person, ops ...object) answer {
	x.status(x.patch(p, ops...), http.StatusOK, http.StatusNoContent)
	return x.read(p)
}

// read returns a resource that must be there.
func (x *trial) read(p person) answer {
	a := x.get(p.path)
	x.done(a)
	return a
}

// members expects a group to have exactly these.
func (x *trial) members(g person, want ...person) {
	a := x.read(g)
	ids := texts(a.list("members"), "value")
	if !slices.Equal(ids, idsOf(want)) {
		x.is(false, fmt.Sprintf("members %v", idsOf(want)), a)
	}
}

func idsOf(people []person) []string {
	ids := []string{}
	for _, p := range people {
		ids = append(ids, p.id)
	}
	slices.Sort(ids)
	return ids
}

// crew are five people for cases that only read, made when first asked for:
// ann (title, external id, two addresses), bob (inactive), cid (title), dan, eve.
func (x *trial) crew() (ann, bob, cid, dan, eve person) {
	if !x.r.peopleOK && !x.over {
		tag := x.r.report.Prefix
		list := []object{
			x.user("ann", "title", "Head "+tag, "externalId", tag+"-Ext", "emails", []any{
				object{"value": tag + "-work@" + x.domain(), "type": "work", "primary": true},
				object{"value": tag + "-home@" + x.domain(), "type": "home"}}),
			x.user("bob", "active", false),
			x.user("cid", "title", "Clerk "+tag, "name", object{"givenName": "Cid", "familyName": "Family" + tag}),
			x.user("dan"),
			x.user("eve"),
		}
		x.r.people = nil
		for _, u := range list {
			p, _ := x.post(u)
			x.r.people = append(x.r.people, p)
		}
		x.r.peopleOK = !x.over
	}
	if !x.r.peopleOK {
		return
	}
	p := x.r.people
	return p[0], p[1], p[2], p[3], p[4]
}

// finds expects a filter on users to find exactly these.
func (x *trial) finds(filter string, want ...person) {
	a := x.get("/Users", "filter", filter)
	x.found(a, want...)
}

// found expects a list to be exactly these.
func (x *trial) found(a answer, want ...person) {
	x.status(a, http.StatusOK)
	if got := texts(a.list("Resources"), "id"); !slices.Equal(got, idsOf(want)) {
		var names []string
		for _, p := range want {
			names = append(names, p.userName)
		}
		x.is(false, fmt.Sprintf("%d found: %s", len(want), strings.Join(names, ", ")), a)
	}
}

// ours is a filter term for the crew alone.
func ours(people ...person) string {
	var terms []string
	for _, p := range people {
		terms = append(terms, fmt.Sprintf("userName eq %q", p.userName))
	}
	return "(" + strings.Join(terms, " or ") + ")"
}

package scimtest

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	creating  = "RFC 7644 section 3.3"
	reading   = "RFC 7644 section 3.4.1"
	replacing = "RFC 7644 section 3.5.1"
	deleting  = "RFC 7644 section 3.6"
	common    = "RFC 7643 section 3.1"
	theUser   = "RFC 7643 section 4.1"
)

func createCases() []Case {
	return []Case{
		{"create.user", "a created user comes back with an id, 201", creating, nil, func(x *trial) {
			u := x.user("new")
			a := x.do(http.MethodPost, "/Users", u)
			x.status(a, http.StatusCreated)
			x.is(a.str("id") != "", "an id", a)
			x.same(a, "userName", a.str("userName"), u["userName"])
		}},
		{"create.schemas", "a resource names its schema", "RFC 7643 section 3", nil, func(x *trial) {
			_, a := x.post(x.user("new"))
			x.is(has(a.list("schemas"), urnUser), "schemas with "+urnUser, a)
		}},
		{"create.location", "the Location header is meta.location and ends with the id", creating, nil, func(x *trial) {
			p, a := x.post(x.user("new"))
			x.same(a, "Location", a.header.Get("Location"), a.str("meta", "location"))
			x.is(strings.HasSuffix(a.header.Get("Location"), p.path), "a Location that ends with "+p.path, a)
		}},
		{"create.meta", "meta has the resource type and times", common, nil, func(x *trial) {
			_, a := x.post(x.user("new"))
			x.same(a, "meta.resourceType", a.str("meta", "resourceType"), "User")
			for _, name := range []string{"created", "lastModified"} {
				_, err := time.Parse(time.RFC3339, a.str("meta", name))
				x.is(err == nil, "a time as meta."+name, a)
			}
		}},
		{"create.id-ignored", "an id and a meta of the client are ignored", common, nil, func(x *trial) {
			_, a := x.post(x.user("new", "id", "mine", "meta", object{"resourceType": "Other", "created": "2001-01-01T00:00:00Z"}))
			x.is(a.str("id") != "mine" && a.str("meta", "created") != "2001-01-01T00:00:00Z", "an id and times of the server's own", a)
		}},
		{"create.password", "a password is never returned", theUser, nil, func(x *trial) {
			u := x.user("new", "password", "t1meMa$heen-"+x.r.report.Prefix)
			a := x.do(http.MethodPost, "/Users", u)
			if a.status == http.StatusBadRequest { // one that it does not keep cannot come back
				x.skip("a server that takes a password")
			}
			x.done(a)
			p := person{path: "/Users/" + url.PathEscape(a.str("id"))}
			x.is(a.at("password") == nil, "no password", a)
			a = x.get(p.path, "attributes", "userName,password")
			x.is(a.at("password") == nil, "no password, even where asked for", a)
		}},
		{"create.duplicate", "a second user of the same userName is 409 uniqueness", creating, nil, func(x *trial) {
			p := x.person("twice")
			x.refused(x.do(http.MethodPost, "/Users", x.user("twice", "userName", p.userName)), http.StatusConflict, "uniqueness")
		}},
		{"create.duplicate-case", "userName is unique whatever its letter case", theUser, nil, func(x *trial) {
			p := x.person("twice")
			x.refused(x.do(http.MethodPost, "/Users", x.user("twice", "userName", strings.ToUpper(p.userName))), http.StatusConflict, "uniqueness")
		}},
		{"create.no-user-name", "a user without userName is 400", theUser, nil, func(x *trial) {
			x.refused(x.do(http.MethodPost, "/Users", x.user("new", "userName", nil)), http.StatusBadRequest, "invalidValue", "invalidSyntax")
		}},
		{"create.empty-user-name", "a user with an empty userName is 400", theUser, nil, func(x *trial) {
			x.refused(x.do(http.MethodPost, "/Users", x.user("new", "userName", "")), http.StatusBadRequest, "invalidValue", "invalidSyntax")
		}},
		{"create.not-json", "a body that is not JSON is 400 invalidSyntax", "RFC 7644 section 3.12", nil, func(x *trial) {
			x.refused(x.do(http.MethodPost, "/Users", "{"), http.StatusBadRequest, "invalidSyntax")
		}},
		{"create.no-schemas", "a body without schemas is 400, or taken for a user and answered with them", "RFC 7643 section 3", nil, func(x *trial) {
			a := x.do(http.MethodPost, "/Users", x.user("new", "schemas", nil)) // OneLogin's templates may leave them out
			if a.status/100 == 2 {
				x.is(has(a.list("schemas"), urnUser), "schemas with "+urnUser, a)
				return
			}
			x.refused(a, http.StatusBadRequest, "invalidSyntax", "invalidValue")
		}},
		{"create.other-schemas", "a body with the schema of another kind of resource is 400", "RFC 7643 section 3", nil, func(x *trial) {
			x.refused(x.do(http.MethodPost, "/Users", x.user("new", "schemas", []any{urnGroup})), http.StatusBadRequest, "invalidSyntax", "invalidValue")
		}},
		{"create.inactive", "active: false is kept", theUser, nil, func(x *trial) {
			p, a := x.post(x.user("new", "active", false))
			x.same(a, "active", a.at("active"), false)
			a = x.read(p)
			x.same(a, "active", a.at("active"), false)
		}},
		{"create.external-id", "externalId is kept as sent", common, nil, func(x *trial) {
			id := x.name("eXt")
			a := x.read(x.person("new", "externalId", id))
			x.same(a, "externalId", a.str("externalId"), id)
		}},
		{"create.unicode", "names keep every letter", "RFC 7644 section 3.1", nil, func(x *trial) {
			const name = "Zoë \"Z\" O'Müller-渡辺"
			a := x.read(x.person("new", "displayName", name))
			x.same(a, "displayName", a.str("displayName"), name)
		}},
		{"create.names-any-case", "attribute names are read in any letter case", "RFC 7643 section 2.1", nil, func(x *trial) {
			u := x.user("new")
			name := u["userName"]
			_, a := x.post(with(u, "userName", nil, "USERNAME", name))
			x.same(a, "userName", a.str("userName"), name)
		}},
		{"create.enterprise", "the enterprise extension is kept and named in schemas", "RFC 7643 section 4.3", []feature{enterprise}, func(x *trial) {
			a := x.read(x.person("new", "schemas", []any{urnUser, urnEnterprise}, urnEnterprise, object{"department": "Probes"}))
			x.same(a, "department", a.str(urnEnterprise, "department"), "Probes")
			x.is(has(a.list("schemas"), urnEnterprise), "schemas with "+urnEnterprise, a)
		}},
	}
}

func lifeCases() []Case {
	return []Case{
		{"read.user", "a user is read as created", reading, nil, func(x *trial) {
			p := x.person("read")
			a := x.read(p)
			x.same(a, "id", a.str("id"), p.id)
			x.same(a, "userName", a.str("userName"), p.userName)
			x.same(a, "name.familyName", a.str("name", "familyName"), dig(p.body, "name", "familyName"))
		}},
		{"read.unknown", "an unknown id is 404", reading, nil, func(x *trial) {
			x.refused(x.get("/Users/"+x.name("nobody")), http.StatusNotFound)
		}},
		{"replace.user", "a PUT replaces attributes and keeps the id", replacing, nil, func(x *trial) {
			p := x.person("put")
			a := x.do(http.MethodPut, p.path, with(p.body, "displayName", "Replaced"))
			x.status(a, http.StatusOK)
			a = x.read(p)
			x.same(a, "displayName", a.str("displayName"), "Replaced")
			x.same(a, "id", a.str("id"), p.id)
		}},
		{"replace.read-only", "id and meta in a PUT are ignored", replacing, nil, func(x *trial) {
			p := x.person("put")
			created := x.read(p).str("meta", "created")
			x.status(x.do(http.MethodPut, p.path, with(p.body, "id", "other", "meta", object{"created": "2001-01-01T00:00:00Z"})), http.StatusOK)
			a := x.read(p)
			x.same(a, "id", a.str("id"), p.id)
			x.same(a, "meta.created", a.str("meta", "created"), created)
		}},
		{"replace.inactive", "a PUT with active: false deactivates, and the user stays readable", theUser, nil, func(x *trial) {
			p := x.person("put")
			x.status(x.do(http.MethodPut, p.path, with(p.body, "active", false)), http.StatusOK)
			a := x.read(p)
			x.same(a, "active", a.at("active"), false)
		}},
		{"replace.unknown", "a PUT never creates: an unknown id is 404", replacing, nil, func(x *trial) {
			x.refused(x.do(http.MethodPut, "/Users/"+x.name("nobody"), x.user("put")), http.StatusNotFound)
		}},
		{"replace.no-user-name", "a PUT without userName is 400", replacing, nil, func(x *trial) {
			p := x.person("put")
			x.refused(x.do(http.MethodPut, p.path, object{"schemas": []any{urnUser}, "displayName": "Nobody"}), http.StatusBadRequest)
		}},
		{"replace.duplicate", "a PUT to the userName of another is 409", replacing, nil, func(x *trial) {
			p, q := x.person("put"), x.person("other")
			x.refused(x.do(http.MethodPut, p.path, with(p.body, "userName", q.userName)), http.StatusConflict, "uniqueness")
		}},
		{"delete.user", "a deleted user is 404 to every method", deleting, nil, func(x *trial) {
			p := x.person("gone")
			x.status(x.do(http.MethodDelete, p.path, nil), http.StatusNoContent)
			x.refused(x.get(p.path), http.StatusNotFound)
			x.refused(x.do(http.MethodPut, p.path, p.body), http.StatusNotFound)
			x.refused(x.do(http.MethodDelete, p.path, nil), http.StatusNotFound)
		}},
		{"delete.list", "a deleted user is in no list", deleting, []feature{filtering}, func(x *trial) {
			p := x.person("gone")
			x.done(x.do(http.MethodDelete, p.path, nil))
			x.finds(`userName eq "` + p.userName + `"`)
		}},
		{"delete.reuse", "the userName of a deleted user is free", deleting, nil, func(x *trial) {
			p := x.person("gone")
			x.done(x.do(http.MethodDelete, p.path, nil))
			q, a := x.post(with(p.body, "id", nil))
			x.is(q.id != p.id, "another id than "+p.id, a)
		}},
	}
}

package scimtest

import (
	"fmt"
	"net/http"
	"slices"
)

func versionCases() []Case {
	const section = "RFC 7644 section 3.14"
	can := []feature{versions}
	// stale makes a case of a change with a version that is no more; it must not happen.
	stale := func(id, title string, needs []feature, send func(x *trial, p person, old string) answer) Case {
		return Case{id, title, section, needs, func(x *trial) {
			p := x.person("version")
			a := x.read(p)
			old := a.str("meta", "version")
			x.is(old != "", "a meta.version", a)
			x.done(x.do(http.MethodPut, p.path, with(p.body, "displayName", "Newer")))
			x.refused(send(x, p, old), http.StatusPreconditionFailed)
			a = x.read(p)
			x.same(a, "displayName", a.str("displayName"), "Newer")
		}}
	}
	return []Case{
		{"version.header", "the ETag header is meta.version", section, can, func(x *trial) {
			a := x.read(x.person("version"))
			x.is(a.header.Get("ETag") != "", "an ETag header", a)
			x.same(a, "ETag", a.header.Get("ETag"), a.str("meta", "version"))
		}},
		{"version.changes", "a change makes another version", section, can, func(x *trial) {
			p := x.person("version")
			old := x.read(p).str("meta", "version")
			x.done(x.do(http.MethodPut, p.path, with(p.body, "displayName", "Newer")))
			a := x.read(p)
			x.is(a.str("meta", "version") != old, "another version than "+old, a)
		}},
		{"version.not-modified", "If-None-Match with the current version is 304 without a body", section, can, func(x *trial) {
			p := x.person("version")
			a := x.do(http.MethodGet, p.path, nil, "If-None-Match", x.read(p).str("meta", "version"))
			x.status(a, http.StatusNotModified)
			x.is(len(a.raw) == 0, "no body", a)
		}},
		{"version.current", "If-Match with the current version lets a change pass", section, can, func(x *trial) {
			p := x.person("version")
			x.status(x.do(http.MethodPut, p.path, p.body, "If-Match", x.read(p).str("meta", "version")), http.StatusOK)
		}},
		stale("version.stale-put", "a PUT with an old version is 412 and changes nothing", can, func(x *trial, p person, old string) answer {
			return x.do(http.MethodPut, p.path, with(p.body, "displayName", "Late"), "If-Match", old)
		}),
		stale("version.stale-patch", "a PATCH with an old version is 412 and changes nothing", []feature{versions, patching}, func(x *trial, p person, old string) answer {
			return x.do(http.MethodPatch, p.path, object{"schemas": []any{urnMessages + "PatchOp"}, "Operations": []any{op("replace", "displayName", "Late")}}, "If-Match", old)
		}),
		stale("version.stale-delete", "a DELETE with an old version is 412 and removes nothing", can, func(x *trial, p person, old string) answer {
			return x.do(http.MethodDelete, p.path, nil, "If-Match", old)
		}),
	}
}

func sortCases() []Case {
	const section = "RFC 7644 section 3.4.2.3"
	can := []feature{sorting, filtering}
	sorted := func(id, title string, by, order string, want func(ann, bob, cid, dan, eve person) ([]person, []person)) Case {
		return Case{id, title, section, can, func(x *trial) {
			people, wanted := want(x.crew())
			query := []string{"filter", ours(people...), "sortBy", by}
			if order != "" {
				query = append(query, "sortOrder", order)
			}
			a := x.get("/Users", query...)
			x.status(a, http.StatusOK)
			var got, ids []string
			for _, o := range a.list("Resources") {
				got = append(got, text(o, "id"))
			}
			for _, p := range wanted {
				ids = append(ids, p.id)
			}
			x.is(slices.Equal(got, ids), fmt.Sprintf("the order %v", ids), a)
		}}
	}
	// The numbers in the crew's names make them ascend as they were made.
	return []Case{
		sorted("sort.ascending", "ascending is the default", "title", "", func(ann, _, cid, _, _ person) ([]person, []person) {
			return []person{ann, cid}, []person{cid, ann}
		}),
		sorted("sort.descending", "descending turns it round", "title", "descending", func(ann, _, cid, _, _ person) ([]person, []person) {
			return []person{ann, cid}, []person{ann, cid}
		}),
		sorted("sort.missing-last", "who has no value is last, ascending", "title", "ascending", func(ann, bob, cid, _, _ person) ([]person, []person) {
			return []person{ann, bob, cid}, []person{cid, ann, bob}
		}),
		sorted("sort.missing-first", "who has no value is first, descending", "title", "descending", func(ann, bob, cid, _, _ person) ([]person, []person) {
			return []person{ann, bob, cid}, []person{bob, ann, cid}
		}),
		sorted("sort.sub-attribute", "a sub-attribute can be sorted by", "name.familyName", "ascending", func(ann, _, cid, _, _ person) ([]person, []person) {
			return []person{ann, cid}, []person{cid, ann}
		}),
	}
}

func cursorCases() []Case {
	const section = "RFC 9865 section 2"
	can := []feature{cursors, filtering}
	return []Case{
		{"cursor.walk", "following nextCursor has each resource once, and the last page has none", section, can, func(x *trial) {
			ann, bob, cid, dan, eve := x.crew()
			all := []person{ann, bob, cid, dan, eve}
			var ids []string
			cursor, a := "", answer{}
			for range 4 {
				a = x.get("/Users", "filter", ours(all...), "count", "2", "cursor", cursor)
				x.status(a, http.StatusOK)
				ids = append(ids, texts(a.list("Resources"), "id")...)
				if cursor = a.str("nextCursor"); cursor == "" {
					break
				}
			}
			slices.Sort(ids)
			x.is(cursor == "", "no nextCursor at the end", a)
			x.is(slices.Equal(ids, idsOf(all)), fmt.Sprintf("%v, each once, on three pages", idsOf(all)), a)
		}},
		{"cursor.invalid", "a cursor that the server did not make is 400 invalidCursor", "RFC 9865 section 2.1", []feature{cursors}, func(x *trial) {
			x.refused(x.get("/Users", "count", "2", "cursor", "no-such-cursor"), http.StatusBadRequest, "invalidCursor")
		}},
	}
}

func searchCases() []Case {
	const section = "RFC 7644 section 3.4.3"
	// search posts a request, and skips the case where the path is not there.
	search := func(x *trial, path string, request object) answer {
		a := x.do(http.MethodPost, path+"/"+searchSegment, with(object{"schemas": []any{urnMessages + "SearchRequest"}}, "filter", request["filter"], "count", request["count"], "attributes", request["attributes"]))
		if a.status == http.StatusNotFound || a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented || a.status == http.StatusForbidden {
			x.skip("POST " + path + "/" + searchSegment)
		}
		return a
	}
	return []Case{
		{"search.users", ".search on a type finds what GET does", section, []feature{filtering}, func(x *trial) {
			ann, bob, _, _, _ := x.crew()
			x.found(search(x, "/Users", object{"filter": ours(ann, bob)}), ann, bob)
		}},
		{"search.root", ".search at the base finds resources of any type", section, []feature{filtering}, func(x *trial) {
			ann, _, _, _, _ := x.crew()
			x.found(search(x, "", object{"filter": fmt.Sprintf("id eq %q", ann.id)}), ann)
		}},
		{"search.parameters", "count and attributes are read from the body", section, []feature{filtering}, func(x *trial) {
			ann, bob, _, _, _ := x.crew()
			a := search(x, "/Users", object{"filter": ours(ann, bob), "count": 1, "attributes": []any{"userName"}})
			x.listShape(a, 1)
			for _, o := range a.list("Resources") {
				x.is(text(o, "userName") != "" && dig(o, "emails") == nil, "userName alone", a)
			}
		}},
		{"search.schemas", "a search without the schema of SearchRequest is 400", section, []feature{filtering}, func(x *trial) {
			search(x, "/Users", object{"count": 1})
			x.refused(x.do(http.MethodPost, "/Users/"+searchSegment, object{"count": 1}), http.StatusBadRequest)
		}},
	}
}

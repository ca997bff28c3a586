package scimtest

import (
	"fmt"
	"net/http"
	"slices"
)

func pageCases() []Case {
	can := []feature{filtering}
	// page reads the crew with these parameters.
	page := func(x *trial, query ...string) answer {
		ann, bob, cid, dan, eve := x.crew()
		a := x.get("/Users", append([]string{"filter", ours(ann, bob, cid, dan, eve)}, query...)...)
		x.status(a, http.StatusOK)
		return a
	}
	holds := func(x *trial, a answer, total, n int) {
		x.same(a, "totalResults", a.number("totalResults"), total)
		x.same(a, "the number of resources", len(a.list("Resources")), n)
	}
	return []Case{
		{"page.list", "a list says its total", lists, nil, func(x *trial) {
			a := x.get("/Users", "startIndex", "1", "count", "1")
			x.listShape(a, min(1, a.number("totalResults")))
			x.is(a.number("totalResults") >= 0, "totalResults", a)
		}},
		{"page.count", "count bounds a page, and the total is that of all", paging, can, func(x *trial) {
			holds(x, page(x, "count", "2"), 5, 2)
		}},
		{"page.items-per-page", "itemsPerPage is the number in this answer", paging, can, func(x *trial) {
			a := page(x, "startIndex", "5", "count", "2")
			x.same(a, "itemsPerPage", a.number("itemsPerPage"), 1)
		}},
		{"page.start-index", "startIndex is told back", paging, can, func(x *trial) {
			a := page(x, "startIndex", "2", "count", "2")
			x.same(a, "startIndex", a.number("startIndex"), 2)
		}},
		{"page.start-zero", "a startIndex below one is one", paging, can, func(x *trial) {
			first := texts(page(x, "startIndex", "1", "count", "2").list("Resources"), "id")
			for _, start := range []string{"0", "-3"} {
				a := page(x, "startIndex", start, "count", "2")
				x.is(slices.Equal(texts(a.list("Resources"), "id"), first), "the first page", a)
			}
		}},
		{"page.beyond", "beyond the end is an empty page with the true total", paging, can, func(x *trial) {
			holds(x, page(x, "startIndex", "101", "count", "2"), 5, 0)
		}},
		{"page.count-zero", "count 0 is the total alone", paging, can, func(x *trial) { holds(x, page(x, "count", "0"), 5, 0) }},
		{"page.count-negative", "a negative count is 0", paging, can, func(x *trial) { holds(x, page(x, "count", "-1"), 5, 0) }},
		{"page.count-large", "a count above the maximum is no error", paging, can, func(x *trial) { holds(x, page(x, "count", "1000000"), 5, 5) }},
		{"page.no-number", "a count that is no number is 400", "RFC 7644 section 3.12", nil, func(x *trial) {
			x.refused(x.get("/Users", "count", "many"), http.StatusBadRequest)
		}},
		{"page.walk", "pages have each resource once", paging, can, func(x *trial) {
			var ids []string
			for start := 1; start <= 5; start += 2 {
				ids = append(ids, texts(page(x, "startIndex", fmt.Sprint(start), "count", "2").list("Resources"), "id")...)
			}
			slices.Sort(ids)
			x.is(len(slices.Compact(slices.Clone(ids))) == 5 && len(ids) == 5, "five resources, each once", answer{what: fmt.Sprintf("three pages: %v", ids)})
		}},
	}
}

func projectionCases() []Case {
	read := func(x *trial, query ...string) answer {
		ann, _, _, _, _ := x.crew()
		a := x.get(ann.path, query...)
		x.done(a)
		return a
	}
	return []Case{
		{"attributes.only", "attributes returns what it names", projecting, nil, func(x *trial) {
			a := read(x, "attributes", "userName")
			x.is(a.str("userName") != "" && a.at("name") == nil && a.at("emails") == nil, "userName and no other than what is always returned", a)
		}},
		{"attributes.always", "id is always returned", projecting, nil, func(x *trial) {
			x.is(read(x, "attributes", "userName").str("id") != "", "an id with attributes", read(x, "attributes", "userName"))
			a := read(x, "excludedAttributes", "id,userName")
			x.is(a.str("id") != "", "an id though it is excluded", a)
		}},
		{"attributes.sub", "attributes may name a sub-attribute", projecting, nil, func(x *trial) {
			a := read(x, "attributes", "name.familyName")
			x.is(a.str("name", "familyName") != "" && a.str("name", "givenName") == "", "name.familyName alone", a)
		}},
		{"attributes.names", "attributes is read with URNs and in any letter case", "RFC 7644 section 3.10", nil, func(x *trial) {
			a := read(x, "attributes", urnUser+":USERNAME")
			x.is(a.str("userName") != "" && a.at("emails") == nil, "userName alone", a)
		}},
		{"attributes.excluded", "excludedAttributes leaves out what it names", projecting, nil, func(x *trial) {
			a := read(x, "excludedAttributes", "emails")
			x.is(a.at("emails") == nil && a.str("userName") != "", "everything but emails", a)
		}},
		{"attributes.list", "attributes works on lists", projecting, []feature{filtering}, func(x *trial) {
			ann, _, _, _, _ := x.crew()
			a := x.get("/Users", "filter", fmt.Sprintf("userName eq %q", ann.userName), "attributes", "title")
			x.listShape(a, 1)
			for _, o := range a.list("Resources") {
				x.is(text(o, "title") != "" && text(o, "id") != "" && dig(o, "emails") == nil, "id and title", a)
			}
		}},
		{"attributes.create", "attributes works on the answer to a POST", projecting, nil, func(x *trial) {
			a := x.do(http.MethodPost, "/Users?attributes=userName", x.user("new"))
			x.done(a)
			x.is(a.str("userName") != "" && a.at("emails") == nil, "userName and no emails", a)
		}},
		{"attributes.patch", "a PATCH with attributes answers 200 with them", patches, []feature{patching}, func(x *trial) {
			p := x.person("patch")
			a := x.do(http.MethodPatch, p.path+"?attributes=displayName", object{"schemas": []any{urnMessages + "PatchOp"}, "Operations": []any{op("replace", "displayName", "Patched")}})
			x.status(a, http.StatusOK)
			x.same(a, "displayName", a.str("displayName"), "Patched")
		}},
		{"attributes.both", "attributes and excludedAttributes exclude each other: 400", projecting, nil, func(x *trial) {
			ann, _, _, _, _ := x.crew()
			x.refused(x.get(ann.path, "attributes", "userName", "excludedAttributes", "emails"), http.StatusBadRequest)
		}},
	}
}

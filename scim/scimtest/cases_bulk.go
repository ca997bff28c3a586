package scimtest

import (
	"fmt"
	"net/http"
	"strings"
)

// bulk sends operations and returns the answer, which has as many results.
func (x *trial) bulk(results int, failOnErrors int, operations ...object) (answer, []any) {
	body := object{"schemas": []any{urnMessages + "BulkRequest"}, "Operations": operations}
	if failOnErrors > 0 {
		body["failOnErrors"] = failOnErrors
	}
	a := x.do(http.MethodPost, "/Bulk", body)
	x.status(a, http.StatusOK)
	list := a.list("Operations")
	x.is(len(list) == results, fmt.Sprintf("%d results", results), a)
	if len(list) != results {
		list = make([]any, results)
	}
	return a, list
}

// part is an operation of a bulk request.
func part(method, path, bulkID string, data any) object {
	o := object{"method": method, "path": path}
	if bulkID != "" {
		o["bulkId"] = bulkID
	}
	if data != nil {
		o["data"] = data
	}
	return o
}

// at makes the person or group of a result.
func at(result any) person {
	location := text(result, "location")
	for _, kind := range []string{"/Users/", "/Groups/"} {
		if i := strings.LastIndex(location, kind); i >= 0 {
			return person{id: location[i+len(kind):], path: location[i:]}
		}
	}
	return person{}
}

func bulkCases() []Case {
	const section, refs = "RFC 7644 section 3.7", "RFC 7644 section 3.7.2"
	can, groups := []feature{bulk}, []feature{bulk, grouping}
	group := func(name string, members ...string) object {
		list := []any{}
		for _, m := range members {
			list = append(list, object{"value": m})
		}
		return object{"schemas": []any{urnGroup}, "displayName": name, "members": list}
	}
	return []Case{
		{"bulk.create", "operations are performed, each with status, location and bulkId", section, can, func(x *trial) {
			a, list := x.bulk(2, 0, part("POST", "/Users", "one", x.user("bulk")), part("POST", "/Users", "two", x.user("bulk")))
			x.is(has(a.list("schemas"), urnMessages+"BulkResponse"), "the schema "+urnMessages+"BulkResponse", a)
			for i, id := range []string{"one", "two"} {
				x.is(text(list[i], "status") == "201" && text(list[i], "bulkId") == id && text(list[i], "location") != "", `status "201", a location and bulkId `+id, a)
			}
			x.read(at(list[0]))
		}},
		{"bulk.change", "PUT, PATCH and DELETE are performed", section, []feature{bulk, patching}, func(x *trial) {
			p, q, s := x.person("bulk"), x.person("bulk"), x.person("bulk")
			x.bulk(3, 0, part("PUT", p.path, "", with(p.body, "displayName", "Bulk")),
				part("PATCH", q.path, "", object{"schemas": []any{urnMessages + "PatchOp"}, "Operations": []any{op("replace", "displayName", "Bulk")}}),
				part("DELETE", s.path, "", nil))
			for _, changed := range []person{p, q} {
				a := x.read(changed)
				x.same(a, "displayName", a.str("displayName"), "Bulk")
			}
			x.refused(x.get(s.path), http.StatusNotFound)
		}},
		{"bulk.partial", "a failed operation has its error, and the others are performed", section, can, func(x *trial) {
			p := x.person("bulk")
			a, list := x.bulk(2, 0, part("POST", "/Users", "again", x.user("bulk", "userName", p.userName)), part("POST", "/Users", "new", x.user("bulk")))
			x.is(text(list[0], "status") == "409" && text(list[1], "status") == "201", `the statuses "409" and "201"`, a)
			x.is(text(list[0], "response", "status") == "409", "the error as response", a)
		}},
		{"bulk.fail-on-errors", "failOnErrors stops after so many errors", section, can, func(x *trial) {
			p := x.person("bulk")
			late := x.user("bulk")
			x.bulk(1, 1, part("POST", "/Users", "again", x.user("bulk", "userName", p.userName)), part("POST", "/Users", "late", late))
			if x.r.offers[filtering] {
				x.finds(fmt.Sprintf("userName eq %q", late["userName"]))
			}
		}},
		{"bulk.reference", "bulkId refers to what an operation before makes", refs, groups, func(x *trial) {
			_, list := x.bulk(2, 0, part("POST", "/Users", "p", x.user("bulk")), part("POST", "/Groups", "g", group(x.name("bulk"), "bulkId:p")))
			x.members(at(list[1]), at(list[0]))
		}},
		{"bulk.any-order", "bulkId refers to what an operation after makes", refs, groups, func(x *trial) {
			a, _ := x.bulk(2, 0, part("POST", "/Groups", "g", group(x.name("bulk"), "bulkId:p")), part("POST", "/Users", "p", x.user("bulk")))
			x.is(text(byBulkID(a, "g"), "status") == "201", `status "201" for both`, a)
			x.members(at(byBulkID(a, "g")), at(byBulkID(a, "p")))
		}},
		{"bulk.circular", "two that refer to each other are made, or refused with 409", "RFC 7644 section 3.7.1", groups, func(x *trial) {
			a, list := x.bulk(2, 0, part("POST", "/Groups", "g", group(x.name("bulk"), "bulkId:h")), part("POST", "/Groups", "h", group(x.name("bulk"), "bulkId:g")))
			if text(list[0], "status") == "409" || text(list[1], "status") == "409" {
				return
			}
			x.is(text(list[0], "status") == "201" && text(list[1], "status") == "201", `status "201" or "409" for both`, a)
			x.members(at(byBulkID(a, "g")), at(byBulkID(a, "h")))
			x.members(at(byBulkID(a, "h")), at(byBulkID(a, "g")))
		}},
		{"bulk.unknown-reference", "a bulkId that nobody has fails its operation", refs, groups, func(x *trial) {
			a, list := x.bulk(1, 0, part("POST", "/Groups", "g", group(x.name("bulk"), "bulkId:nobody")))
			status := text(list[0], "status")
			x.is(status == "400" || status == "409", `status "400" or "409"`, a)
		}},
		{"bulk.too-many", "more operations than maxOperations are 413, and none is performed", "RFC 7644 section 3.7.4", can, func(x *trial) {
			limit, _ := x.r.config.at("bulk", "maxOperations").(float64)
			if limit < 1 || limit > 5000 {
				x.skip("a maxOperations of at most 5000")
				return
			}
			ops := make([]object, int(limit)+1)
			for i := range ops {
				ops[i] = part("DELETE", "/Users/"+x.r.report.Prefix+"-nobody", "", nil)
			}
			x.refused(x.do(http.MethodPost, "/Bulk", object{"schemas": []any{urnMessages + "BulkRequest"}, "Operations": ops}), http.StatusRequestEntityTooLarge)
		}},
	}
}

// byBulkID is the result with that bulkId: a server may answer in another order than it was asked.
func byBulkID(a answer, id string) any {
	for _, o := range a.list("Operations") {
		if text(o, "bulkId") == id {
			return o
		}
	}
	return nil
}

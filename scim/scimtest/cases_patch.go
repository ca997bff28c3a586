package scimtest

import (
	"net/http"
	"slices"
)

const (
	patches  = "RFC 7644 section 3.5.2"
	adds     = "RFC 7644 section 3.5.2.1"
	removes  = "RFC 7644 section 3.5.2.2"
	replaces = "RFC 7644 section 3.5.2.3"
)

// email is one address of a list, which nobody else has.
func (x *trial) email(kind, word string, primary bool) object {
	o := object{"value": x.name(word) + "@" + x.domain(), "type": kind}
	if primary {
		o["primary"] = true
	}
	return o
}

func patchCases() []Case {
	can := []feature{patching}
	return []Case{
		{"patch.replace", "replace sets an attribute", replaces, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("replace", "displayName", "Patched"))
			x.same(a, "displayName", a.str("displayName"), "Patched")
		}},
		{"patch.add", "add sets an attribute that is absent", adds, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("add", "title", "Prober"))
			x.same(a, "title", a.str("title"), "Prober")
		}},
		{"patch.remove", "remove unsets an attribute", removes, can, func(x *trial) {
			a := x.patched(x.person("patch", "title", "Prober"), op("remove", "title", nil))
			x.is(a.str("title") == "", "no title", a)
		}},
		{"patch.sub-attribute", "a path may name a sub-attribute, and the others stay", patches, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("replace", "name.familyName", "Patched"))
			x.same(a, "name.familyName", a.str("name", "familyName"), "Patched")
			x.same(a, "name.givenName", a.str("name", "givenName"), "Probe")
		}},
		{"patch.complex", "replace of a complex attribute leaves sub-attributes that it does not name", replaces, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("replace", "name", object{"familyName": "Patched"}))
			x.same(a, "name.familyName", a.str("name", "familyName"), "Patched")
			x.same(a, "name.givenName", a.str("name", "givenName"), "Probe")
		}},
		{"patch.no-path", "replace without a path sets what the value names and nothing else", replaces, can, func(x *trial) {
			p := x.person("patch")
			a := x.patched(p, op("replace", "", object{"displayName": "Patched"}))
			x.same(a, "displayName", a.str("displayName"), "Patched")
			x.same(a, "userName", a.str("userName"), p.userName)
			x.is(len(a.list("emails")) == 1, "the address as it was", a)
		}},
		{"patch.add-no-path", "add without a path sets what the value names", adds, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("add", "", object{"title": "Prober", "nickName": "P"}))
			x.same(a, "title and nickName", a.str("title")+a.str("nickName"), "ProberP")
		}},
		{"patch.deactivate", "active is set to false and back to true", theUser, can, func(x *trial) {
			p := x.person("patch")
			for _, active := range []bool{false, true} {
				a := x.patched(p, op("replace", "active", active))
				x.same(a, "active", a.at("active"), active)
			}
		}},
		{"patch.deactivate-no-path", "active is set to false without a path", replaces, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("replace", "", object{"active": false}))
			x.same(a, "active", a.at("active"), false)
		}},
		{"patch.append", "add to a multi-valued attribute keeps what is there", adds, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("add", "emails", []any{x.email("home", "more", false)}))
			x.is(len(a.list("emails")) == 2, "two addresses", a)
		}},
		{"patch.append-same", "add of a value that is there adds nothing", adds, can, func(x *trial) {
			p := x.person("patch")
			a := x.patched(p, op("add", "emails", p.body["emails"]))
			x.is(len(a.list("emails")) == 1, "one address", a)
		}},
		{"patch.replace-list", "replace of a multi-valued attribute replaces all values", replaces, can, func(x *trial) {
			e := x.email("other", "only", false)
			a := x.patched(x.person("patch"), op("replace", "emails", []any{e}))
			x.is(slices.Equal(texts(a.list("emails"), "value"), []string{e["value"].(string)}), "the new address alone", a)
		}},
		{"patch.value-filter", "a value filter chooses what is replaced", replaces, can, func(x *trial) {
			work, home := x.email("work", "work", true), x.email("home", "home", false)
			changed := x.name("changed") + "@" + x.domain()
			a := x.patched(x.person("patch", "emails", []any{work, home}), op("replace", `emails[type eq "home"].value`, changed))
			want := []string{changed, work["value"].(string)}
			slices.Sort(want)
			x.is(slices.Equal(texts(a.list("emails"), "value"), want), "the home address changed and the work address as it was", a)
		}},
		{"patch.remove-value", "a value filter chooses what is removed", removes, can, func(x *trial) {
			work, home := x.email("work", "work", true), x.email("home", "home", false)
			a := x.patched(x.person("patch", "emails", []any{work, home}), op("remove", `emails[type eq "home"]`, nil))
			x.is(slices.Equal(texts(a.list("emails"), "type"), []string{"work"}), "the work address alone", a)
		}},
		{"patch.primary", "a new primary value takes the mark from the old one", patches, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("add", "emails", []any{x.email("home", "first", true)}))
			var primary []string
			for _, e := range a.list("emails") {
				if dig(e, "primary") == true {
					primary = append(primary, text(e, "type"))
				}
			}
			x.is(slices.Equal(primary, []string{"home"}), "the new address alone as primary", a)
		}},
		{"patch.in-order", "operations are applied one after the other", patches, can, func(x *trial) {
			a := x.patched(x.person("patch"), op("add", "title", "One"), op("replace", "title", "Two"), op("remove", "displayName", nil))
			x.same(a, "title", a.str("title"), "Two")
			x.is(a.str("displayName") == "", "no displayName", a)
		}},
		{"patch.urn", "a path may have the URN of its schema", "RFC 7644 section 3.10", can, func(x *trial) {
			a := x.patched(x.person("patch"), op("replace", urnUser+":displayName", "Patched"))
			x.same(a, "displayName", a.str("displayName"), "Patched")
		}},
		{"patch.extension", "attributes of the enterprise extension are set and removed", "RFC 7643 section 3.3", []feature{patching, enterprise}, func(x *trial) {
			p := x.person("patch")
			a := x.patched(p, op("add", urnEnterprise+":department", "Probes"))
			x.same(a, "department", a.str(urnEnterprise, "department"), "Probes")
			a = x.patched(p, op("remove", urnEnterprise+":department", nil))
			x.is(a.str(urnEnterprise, "department") == "", "no department", a)
		}},
		{"patch.user-name", "userName can be changed, to a free one", patches, can, func(x *trial) {
			p, q, next := x.person("patch"), x.person("other"), x.name("renamed")+"@"+x.domain()
			x.refused(x.patch(p, op("replace", "userName", q.userName)), http.StatusConflict, "uniqueness")
			a := x.patched(p, op("replace", "userName", next))
			x.same(a, "userName", a.str("userName"), next)
		}},
		{"patch.no-op", "add of what is there succeeds and leaves lastModified", adds, can, func(x *trial) {
			p := x.person("patch")
			before := x.read(p).str("meta", "lastModified")
			a := x.patched(p, op("add", "displayName", p.body["displayName"]))
			x.same(a, "meta.lastModified", a.str("meta", "lastModified"), before)
		}},
	}
}

func patchRefusals() []Case {
	can := []feature{patching}
	refusal := func(id, title, section string, ops []object, status int, types ...string) Case {
		return Case{id, title, section, can, func(x *trial) {
			x.refused(x.patch(x.person("patch"), ops...), status, types...)
		}}
	}
	return []Case{
		{"patch.atomic", "where one operation fails, none is applied", patches, can, func(x *trial) {
			p := x.person("patch")
			x.refused(x.patch(p, op("replace", "displayName", "Half"), op("replace", "id", "other")), http.StatusBadRequest)
			a := x.read(p)
			x.same(a, "displayName", a.str("displayName"), p.body["displayName"])
		}},
		refusal("patch.read-only", "id cannot be changed: 400 mutability", patches, []object{op("replace", "id", "other")}, http.StatusBadRequest, "mutability"),
		refusal("patch.read-only-meta", "meta.created cannot be changed: 400 mutability", patches, []object{op("replace", "meta.created", "2001-01-01T00:00:00Z")}, http.StatusBadRequest, "mutability"),
		refusal("patch.remove-required", "userName cannot be removed: 400 mutability", removes, []object{op("remove", "userName", nil)}, http.StatusBadRequest, "mutability"),
		refusal("patch.remove-no-path", "remove without a path is 400 noTarget", removes, []object{op("remove", "", nil)}, http.StatusBadRequest, "noTarget"),
		refusal("patch.bad-path", "a path that cannot be read is 400", "RFC 7644 section 3.12", []object{op("replace", `emails[type eq`, "x")}, http.StatusBadRequest, "invalidPath", "invalidFilter"),
		refusal("patch.unknown-op", "an operation of another name is 400", patches, []object{op("move", "displayName", "x")}, http.StatusBadRequest, "invalidSyntax", "invalidValue"),
		refusal("patch.wrong-type", "a value of another type is 400", "RFC 7644 section 3.12", []object{op("replace", "name", "no object")}, http.StatusBadRequest, "invalidValue", "invalidSyntax"),
		{"patch.no-operations", "a PATCH without Operations is 400", patches, can, func(x *trial) {
			x.refused(x.do(http.MethodPatch, x.person("patch").path, object{"schemas": []any{urnMessages + "PatchOp"}}), http.StatusBadRequest)
		}},
		{"patch.no-schemas", "a PATCH without the schema of PatchOp is 400", patches, can, func(x *trial) {
			x.refused(x.do(http.MethodPatch, x.person("patch").path, object{"Operations": []any{op("replace", "displayName", "x")}}), http.StatusBadRequest)
		}},
		{"patch.unknown", "a PATCH of an unknown id is 404", patches, can, func(x *trial) {
			x.refused(x.do(http.MethodPatch, "/Users/"+x.name("nobody"), object{"schemas": []any{urnMessages + "PatchOp"}, "Operations": []any{op("replace", "displayName", "x")}}), http.StatusNotFound)
		}},
	}
}

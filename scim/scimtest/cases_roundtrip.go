package scimtest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// whole is a resource type as the server publishes it, with somebody who can be a manager.
type whole struct {
	endpoint string
	urns     []any
	all      []attribute
	boss     string
}

func (x *trial) whole(endpoint string) whole {
	w := whole{endpoint: endpoint, boss: x.person("boss").id}
	w.urns, w.all = x.published(endpoint)
	if len(w.all) == 0 && endpoint == "/Users" {
		x.is(false, "attributes of User in /Schemas", x.get("/Schemas"))
	}
	return w
}

// plain is a resource of the type without any of the attributes.
func (w whole) plain(x *trial) object {
	if w.endpoint == "/Groups" {
		return object{"schemas": w.urns, "displayName": x.name("whole")}
	}
	return object{"schemas": w.urns, "userName": x.name("whole") + "@" + x.domain(),
		"emails": []any{object{"value": x.name("mail") + "@" + x.domain(), "type": "work"}}} // a server may ask for an address
}

// made posts a resource with the values given, nil for none.
func (w whole) made(x *trial, values map[string]any) (person, object) {
	body := w.plain(x)
	if values != nil {
		body = document(body, w.all, values)
	}
	a := x.do(http.MethodPost, w.endpoint, body)
	x.done(a)
	return person{id: a.str("id"), path: w.endpoint + "/" + url.PathEscape(a.str("id"))}, body
}

// each makes one operation of a PATCH for every attribute.
func (w whole) each(name string, values map[string]any) []object {
	var ops []object
	for _, a := range w.all {
		ops = append(ops, op(name, a.path(), values[a.path()]))
	}
	return ops
}

// optional leaves out what plain has, and what must have a value.
func (w whole) optional() whole {
	return w.without(func(a attribute) bool { return a.required || a.name == "emails" && a.urn == "" })
}

// changeable leaves out what keeps its first value.
func (w whole) changeable() whole { return w.without(attribute.fixed) }

func (w whole) without(leave func(attribute) bool) whole {
	w.all = slices.DeleteFunc(slices.Clone(w.all), leave)
	return w
}

// subAttributes makes an operation for every sub-attribute and changes values as it should. An element of a list is chosen by
// its type.
func (w whole) subAttributes(x *trial, values map[string]any) []object {
	var ops []object
	for _, a := range w.all {
		if a.kind != "complex" || a.mutability == "immutable" {
			continue
		}
		element, path := values[a.path()], a.path()
		if a.many {
			element = element.([]any)[1]
			path += fmt.Sprintf("[type eq %q]", text(element, "type"))
			if text(element, "type") == "" {
				continue // there is nothing to choose it by
			}
		}
		o := element.(object)
		fresh := x.sample(a, w.boss).(object)
		for _, s := range a.subs {
			if _, sent := o[s.name]; sent && s.name != "type" && s.mutability != "immutable" {
				o[s.name] = fresh[s.name]
				ops = append(ops, op("replace", path+"."+s.name, fresh[s.name]))
			}
		}
	}
	return ops
}

// roundTripCases read the server's own schemas, write every attribute that they say can be written, with random values of its type,
// and read it again.
func roundTripCases() []Case {
	const section, patchable = "RFC 7643 section 7", "RFC 7644 section 3.5.2"
	steps := []struct {
		id, title, section string
		needs              []feature
		run                func(x *trial, w whole)
	}{
		{"create", "every published attribute that is created is read again", section, nil, func(x *trial, w whole) {
			values := x.samples(w.all, w.boss)
			p, _ := w.made(x, values)
			x.shows(p, w.all, values)
		}},
		{"put", "every published attribute that can change and is put is read again", section, nil, func(x *trial, w whole) {
			p, body := w.made(x, x.samples(w.all, w.boss))
			w = w.changeable()
			values := x.samples(w.all, w.boss)
			x.status(x.do(http.MethodPut, p.path, document(body, w.all, values)), http.StatusOK)
			x.shows(p, w.all, values)
		}},
		{"add", "every published attribute can be added by its path", patchable, []feature{patching}, func(x *trial, w whole) {
			w = w.optional() // what is there already would be added to
			p, _ := w.made(x, nil)
			values := x.samples(w.all, w.boss)
			x.status(x.patch(p, w.each("add", values)...), http.StatusOK, http.StatusNoContent)
			x.shows(p, w.all, values)
		}},
		{"replace", "every published attribute that can change can be replaced by its path", patchable, []feature{patching}, func(x *trial, w whole) {
			p, _ := w.made(x, x.samples(w.all, w.boss))
			w = w.changeable()
			values := x.samples(w.all, w.boss)
			x.status(x.patch(p, w.each("replace", values)...), http.StatusOK, http.StatusNoContent)
			x.shows(p, w.all, values)
		}},
		{"sub-attributes", "every published sub-attribute can be replaced by its path, and the others stay", patchable, []feature{patching}, func(x *trial, w whole) {
			values := x.samples(w.all, w.boss)
			p, _ := w.made(x, values)
			if ops := w.subAttributes(x, values); len(ops) > 0 {
				x.status(x.patch(p, ops...), http.StatusOK, http.StatusNoContent)
			}
			x.shows(p, w.all, values)
		}},
		{"remove", "every published attribute that can change and is optional can be removed by its path", patchable, []feature{patching}, func(x *trial, w whole) {
			p, _ := w.made(x, x.samples(w.all, w.boss))
			w = w.changeable().optional()
			x.status(x.patch(p, w.each("remove", nil)...), http.StatusOK, http.StatusNoContent)
			x.shows(p, w.all, nil)
		}},
	}
	var out []Case
	for _, s := range steps {
		out = append(out, Case{"schema." + s.id, s.title, s.section, s.needs, func(x *trial) { s.run(x, x.whole("/Users")) }})
	}
	out = append(out, Case{"group.schema", "every published attribute of groups is written and read as one of users is", section, []feature{grouping, patching}, func(x *trial) {
		w := x.whole("/Groups")
		if len(w.all) == 0 {
			return // its name and its members, which other cases are about, are all there is
		}
		for _, s := range steps {
			s.run(x, w)
		}
	}})
	return out
}

package idpsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// google is auto-provisioning, which Google offers for applications of its catalogue. Seen on the wire
// (snipe-it issue 12642): the pre-check with startIndex and no count, and that attributes of an answer
// must be at the top level. Documented by Google: mapping from /Schemas; suspending and deleting as
// triggers of their own. From memory: people only, PUT for people, headers, the connection test. Google's own
// runs wait for hours; here each change is sent at once.
func google() vendor {
	return vendor{
		contentType: "application/scim+json",
		test: func(ctx context.Context, p *IdP) error {
			p.forgetSchema()
			if _, err := p.googleMapping(ctx); err != nil {
				return err
			}
			nobody := equals("userName", p.opts.GUID())
			return p.probe(ctx, request{step: p.step("test users", 1), path: "/Users", query: p.filterQuery(nobody) + "&startIndex=1"})
		},
		filter: func(_ Connection, f profile) string { return equals("userName", f.userName) },
		more:   "&startIndex=1",
		usable: func(read object) string {
			if read.text("userName") == "" {
				return "the person has no userName at the top level"
			}
			return ""
		},
		document: googleDocument,
		removed:  actionDelete,
	}
}

type googleAttribute struct {
	name, to, kind string
	multi          bool
	value          func(profile) any
}

// googleAttributes are the attributes of Google's directory, where they go by default, and the type
// that the schema must give to the target. A mapping of userName and active cannot be done without.
var googleAttributes = []googleAttribute{
	{"userName", "userName", "string", false, func(f profile) any { return f.userName }},
	{"externalId", "externalId", "string", false, func(f profile) any { return f.externalID }},
	{"givenName", "name.givenName", "string", false, func(f profile) any { return f.givenName }},
	{"familyName", "name.familyName", "string", false, func(f profile) any { return f.familyName }},
	{"displayName", "displayName", "string", false, func(f profile) any { return f.displayName }},
	{"email", "emails", "complex", true, func(f profile) any {
		return []object{{{"value", f.email}, {"type", "work"}, {"primary", true}}}
	}},
	{"phone", "phoneNumbers", "complex", true, func(f profile) any {
		if f.phone == "" {
			return ""
		}
		return []object{{{"value", f.phone}, {"type", "mobile"}}}
	}},
	{"title", "title", "string", false, func(f profile) any { return f.title }},
	{"department", enterpriseSchema + ":department", "string", false, func(f profile) any { return f.department }},
	{"active", "active", "boolean", false, func(f profile) any { return f.active }},
}

// googleDocument has the attributes that are mapped and set. With NestCore those of the core schema are
// under its URN instead of at the top level, which applications were seen to do.
func googleDocument(ctx context.Context, p *IdP, c Connection, f profile, _ bool) (object, error) {
	mapping, err := p.googleMapping(ctx)
	if err != nil {
		return nil, err
	}
	schemas, core, extensions := []string{userSchema}, object{}, object{}
	for _, a := range googleAttributes {
		to, v := mapping[a.name], a.value(f)
		if to == "" || v == "" {
			continue
		}
		if urn, key := splitURN(to); urn != "" {
			if extensions.get(urn) == nil {
				schemas = append(schemas, urn)
			}
			extensions = extensions.set(urn, extensions.child(urn).set(key, v))
			continue
		}
		if parent, key, nested := strings.Cut(to, "."); nested {
			core = core.set(parent, core.child(parent).set(key, v))
		} else {
			core = core.set(to, v)
		}
	}
	o := object{{"schemas", schemas}}
	if c.NestCore {
		o = append(o, texts("externalId", core.text("externalId"))...) // belongs to no schema
		o = append(o, field{userSchema, core.without("externalId")})
	} else {
		o = append(o, core...)
	}
	return append(o, extensions...), nil
}

// splitURN parts an attribute of an extension from its schema; urn is "" for one of the core.
func splitURN(path string) (urn, key string) {
	if !strings.HasPrefix(path, "urn:") {
		return "", path
	}
	i := strings.LastIndex(path, ":")
	return path[:i], path[i+1:]
}

// googleMapping is which attribute goes where: by default as googleAttributes has it, as far as the
// application's schema allows; the administrator's own choices must be allowed, or are refused.
func (p *IdP) googleMapping(ctx context.Context) (map[string]string, error) {
	conn, err := p.settings()
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	known := p.mapping
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	r := request{step: p.step("read schemas", 1), method: http.MethodGet, path: "/Schemas"}
	got, err := p.send(ctx, r)
	if err != nil {
		return nil, err
	}
	s := schemaOf(got)
	mapping := map[string]string{}
	var reasons []string
	for _, a := range googleAttributes {
		to, chosen := conn.Mapping[a.name]
		if !chosen {
			to = a.to
		}
		if to == "" {
			continue
		}
		if err := s.allows(to, a.kind, a.multi); err == nil {
			mapping[a.name] = to
		} else if chosen || a.name == "userName" || a.name == "active" {
			reasons = append(reasons, fmt.Sprintf("%s cannot be mapped to %s: %s", a.name, to, err))
		}
	}
	reasons = append(reasons, s.unmapped(mapping)...)
	if len(reasons) > 0 {
		return nil, p.unusable(r, got, strings.Join(reasons, "; "))
	}
	p.mu.Lock()
	p.mapping = mapping
	p.mu.Unlock()
	return mapping, nil
}

func (p *IdP) forgetSchema() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mapping = nil
}

// schema is what /Schemas says about people, by path: "name.givenName", "urn:...:User:department".
type schema map[string]object

func schemaOf(list answer) schema {
	// externalId is a common attribute, which no schema lists (RFC 7643 section 3.1).
	s := schema{"externalId": object{{"type", "string"}, {"mutability", "readWrite"}}}
	for _, r := range list.resources() {
		id, prefix := r.text("id"), ""
		switch {
		case id == userSchema:
		case strings.HasSuffix(id, ":User"):
			prefix = id + ":"
		default:
			continue
		}
		for _, a := range objects(r.get("attributes")) {
			s[prefix+a.text("name")] = a
			for _, sub := range objects(a.get("subAttributes")) {
				sub = sub.set("multiValued", truthy(a.get("multiValued")) || truthy(sub.get("multiValued")))
				s[prefix+a.text("name")+"."+sub.text("name")] = sub
			}
		}
	}
	return s
}

func objects(v any) []object {
	list, _ := v.([]any)
	var out []object
	for _, e := range list {
		if o, ok := e.(object); ok {
			out = append(out, o)
		}
	}
	return out
}

// allows says why a value of that type cannot go there.
func (s schema) allows(path, kind string, multi bool) error {
	a, ok := s[path]
	switch {
	case !ok:
		return fmt.Errorf("the schema has no such attribute")
	case a.text("mutability") == "readOnly":
		return fmt.Errorf("the schema says that it is readOnly")
	case a.text("type") != kind || truthy(a.get("multiValued")) != multi:
		return fmt.Errorf("the schema says that it is %s, multi-valued %t", a.text("type"), truthy(a.get("multiValued")))
	}
	return nil
}

// unmapped names the attributes that the schema requires and no mapping fills.
func (s schema) unmapped(mapping map[string]string) (reasons []string) {
	for path, a := range s {
		filled := false
		for _, to := range mapping {
			filled = filled || to == path || strings.HasPrefix(to, path+".")
		}
		if truthy(a.get("required")) && !strings.Contains(path, ".") && !strings.HasPrefix(path, "urn:") && a.text("mutability") != "readOnly" && !filled {
			reasons = append(reasons, path+" is required and nothing is mapped to it")
		}
	}
	slices.Sort(reasons)
	return reasons
}

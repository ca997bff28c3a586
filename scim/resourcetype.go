package scim

import (
	"sort"
	"strings"
	"sync"
)

// Extension is a schema extension of a resource type (RFC 7643 section 3.3).
type Extension struct {
	Schema   *Schema
	Required bool
}

// ResourceType is one kind of resource with its endpoint and schemas (RFC 7643 section 6). It
// must not be changed or copied once it is in use.
type ResourceType struct {
	Name        string // "User"; also the id
	Endpoint    string // "/Users"
	Description string
	Schema      *Schema
	Extensions  []Extension

	// PatchNoContent answers a PATCH with 204 unless the client asked for attributes. Entra
	// wants it for groups, whose body could be long.
	PatchNoContent bool

	once   sync.Once
	core   map[string]*Attribute // by lower-case name: common attributes and the core schema
	spaces []*space              // the core schema and the extensions, longest URN first
}

// space is one schema's name space in paths.
type space struct {
	urn   string // as published
	ext   string // the URN in AttrPath: "" for the core schema
	attrs map[string]*Attribute
}

// commonAttributes are part of every resource and of no schema (RFC 7643 section 3.1).
func commonAttributes() []*Attribute {
	return []*Attribute{
		{Name: "schemas", Type: Reference, MultiValued: true, Mutability: ReadOnly, Returned: ReturnedAlways},
		{Name: "id", CaseExact: true, Mutability: ReadOnly, Returned: ReturnedAlways, Uniqueness: UniqueServer},
		{Name: "externalId", CaseExact: true},
		{Name: "meta", Type: Complex, Mutability: ReadOnly, SubAttributes: []*Attribute{
			{Name: "resourceType", CaseExact: true, Mutability: ReadOnly},
			{Name: "created", Type: DateTime, Mutability: ReadOnly},
			{Name: "lastModified", Type: DateTime, Mutability: ReadOnly},
			{Name: "location", Type: Reference, Mutability: ReadOnly},
			{Name: "version", CaseExact: true, Mutability: ReadOnly},
		}},
	}
}

func (t *ResourceType) index() {
	t.once.Do(func() {
		t.core = byName(commonAttributes())
		for name, a := range byName(t.Schema.Attributes) {
			if t.core[name] == nil {
				t.core[name] = a
			}
		}
		t.spaces = append(t.spaces, &space{urn: t.Schema.ID, attrs: t.core})
		for _, e := range t.Extensions {
			t.spaces = append(t.spaces, &space{urn: e.Schema.ID, ext: e.Schema.ID, attrs: byName(e.Schema.Attributes)})
		}
		sort.SliceStable(t.spaces, func(i, j int) bool { return len(t.spaces[i].urn) > len(t.spaces[j].urn) })
	})
}

func byName(list []*Attribute) map[string]*Attribute {
	m := make(map[string]*Attribute, len(list)+4)
	for _, a := range list {
		m[lowerASCII(a.Name)] = a
	}
	return m
}

// Attribute returns the attribute, or the sub-attribute, that a canonical path names, or nil.
func (t *ResourceType) Attribute(p AttrPath) *Attribute {
	a := t.top(p.URN, p.Name)
	if a == nil || p.Sub == "" {
		return a
	}
	return a.Sub(p.Sub)
}

// top returns the attribute that carries p, whatever sub-attribute p names.
func (t *ResourceType) top(urn, name string) *Attribute {
	t.index()
	if urn == "" {
		return t.core[lowerASCII(name)]
	}
	if s := t.space(urn); s != nil {
		return s.attrs[lowerASCII(name)]
	}
	return nil
}

// space returns the name space of a URN in any letter case (RFC 7643 section 2.1), or nil.
func (t *ResourceType) space(urn string) *space {
	t.index()
	for _, s := range t.spaces {
		if equalFoldASCII(s.urn, urn) {
			return s
		}
	}
	return nil
}

// SchemasOf returns the "schemas" value of r: the core URN and the URN of every extension with
// data, the unknown ones last (RFC 7643 section 3). Resources do not carry the attribute; it
// follows from them.
func (t *ResourceType) SchemasOf(r Resource) []string {
	return append(t.schemasOf(r), t.openURNs(r)...)
}

// schemasOf is SchemasOf without the extensions that t does not know.
func (t *ResourceType) schemasOf(r Resource) []string {
	urns := []string{t.Schema.ID}
	for _, e := range t.Extensions {
		if m, _ := r[e.Schema.ID].(map[string]any); len(m) > 0 {
			urns = append(urns, e.Schema.ID)
		}
	}
	return urns
}

// segment is the endpoint as one path segment: "Users".
func (t *ResourceType) segment() string { return strings.Trim(t.Endpoint, "/") }

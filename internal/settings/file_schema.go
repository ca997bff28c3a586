package settings

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Limits of the schemas of a workspace. Each is sent whole to whoever asks for /Schemas, and a resource has room for
// 64 KiB of attributes.
const (
	maxSchemas       = 10
	maxAttributes    = 100 // of a schema
	maxSubAttributes = 30  // of a complex attribute
	maxCanonical     = 100
	maxSchemaURN     = 200 // bytes
	maxAttributeName = 64  // bytes
)

type schemaPart struct {
	line   int
	path   string
	schema directory.Schema
}

var (
	// schemaURN is a URN with the segments of RFC 8141 section 2 behind "urn:", of which the last is a resource type or a version.
	schemaURN         = regexp.MustCompile(`^(?i:urn):[A-Za-z0-9][A-Za-z0-9-]{1,31}(?::[A-Za-z0-9._~-]+)*:(?:[A-Za-z][A-Za-z0-9_-]*|[0-9][A-Za-z0-9._~-]*)$`)
	schemaAttribute   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	attributeTypes    = []string{"string", "boolean", "decimal", "integer", "dateTime", "reference", "binary", "complex"}
	mutabilities      = []string{"readWrite", "readOnly", "immutable", "writeOnly"}
	returneds         = []string{"default", "always", "request", "never"}
	referenceTypes    = []string{"User", "Group", "external", "uri"}
	reservedSchemas   = []string{"urn:ietf:params:scim:schemas:core:", "urn:ietf:params:scim:schemas:extension:enterprise:", "urn:ietf:params:scim:api:"}
	reservedAttribute = []string{"schemas", "password"} // the engine gives these a meaning of their own
)

// schemas reads the extension schemas of the workspace.
func (r *reader) schemas(n *yaml.Node) *[]schemaPart {
	nodes, ok := r.list(n, "schemas", maxSchemas)
	if !ok {
		return nil
	}
	out := []schemaPart{}
	for i, n := range nodes {
		path := indexed("schemas", i)
		parts, ok := r.object(n, path, []string{"urn", "resource", "name", "description", "required", "attributes"})
		if !ok {
			continue
		}
		p := schemaPart{line: n.Line, path: path}
		p.schema.URN = r.schemaURN(parts["urn"], path+".urn", n.Line)
		p.schema.Resource = r.extends(parts["resource"], path+".resource", p.schema.URN, n.Line)
		r.optional(parts["name"], path+".name", &p.schema.Name)
		r.optional(parts["description"], path+".description", &p.schema.Description)
		p.schema.Required = r.yes(parts["required"], path+".required")
		if parts["attributes"] == nil {
			r.add(n.Line, "%s.attributes: expected a list of attributes, found none", path)
		} else {
			p.schema.Attributes = r.schemaAttributes(parts["attributes"], path+".attributes", maxAttributes, false)
		}
		out = append(out, p)
	}
	r.apart(out)
	return &out
}

func (r *reader) schemaURN(n *yaml.Node, path string, top int) string {
	if n == nil {
		r.add(top, "%s: expected the URN of the schema, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User, found none", path)
		return ""
	}
	urn, ok := r.text(n, path)
	if !ok {
		return ""
	}
	switch {
	case len(urn) > maxSchemaURN || !schemaURN.MatchString(urn):
		r.add(n.Line, "%s: expected a URN of at most %d bytes that ends in a resource type or a version, such as urn:ietf:params:scim:schemas:extension:acme:2.0:User, received %s", path, maxSchemaURN, quote(urn))
		return ""
	case slices.ContainsFunc(reservedSchemas, func(prefix string) bool { return within(prefix, urn) }):
		r.add(n.Line, "%s: expected a URN of your own, received %s, which belongs to the standard", path, quote(urn))
		return ""
	}
	return urn
}

// within reports whether urn is above, with or without a colon at its end, or something below it.
func within(above, urn string) bool {
	above, urn = directory.Fold(strings.TrimSuffix(above, ":")), directory.Fold(urn)
	return urn == above || strings.HasPrefix(urn, above+":")
}

// apart refuses URNs of which one is, or contains, the other: a path could mean either.
func (r *reader) apart(parts []schemaPart) {
	for i, p := range parts {
		for _, before := range parts[:i] {
			a, b := p.schema.URN, before.schema.URN
			switch {
			case a == "" || b == "":
			case directory.Fold(a) == directory.Fold(b):
				r.add(p.line, "%s.urn: %s is given twice, first in line %d", p.path, quote(a), before.line)
			case within(a, b) || within(b, a):
				r.add(p.line, "%s.urn: %s and %s (line %d) cannot stand beside each other: one begins with the other", p.path, quote(a), quote(b), before.line)
			}
		}
	}
}

// extends is what the schema extends: said, or the last part of its URN.
func (r *reader) extends(n *yaml.Node, path, urn string, top int) string {
	words := []string{directory.SchemaUser, directory.SchemaGroup}
	if n != nil {
		word, _ := r.word(n, path, words)
		return word
	}
	for _, word := range words {
		if strings.HasSuffix(directory.Fold(urn), ":"+directory.Fold(word)) {
			return word
		}
	}
	if urn != "" {
		r.add(top, "%s: expected one of %s, found none, and the URN does not end in one", path, strings.Join(words, ", "))
	}
	return ""
}

// schemaAttributes reads a list of attributes, sub for those of a complex one.
func (r *reader) schemaAttributes(n *yaml.Node, path string, most int, sub bool) []directory.SchemaAttribute {
	nodes, ok := r.list(n, path, most)
	if !ok {
		return nil
	}
	if len(nodes) == 0 {
		r.add(n.Line, "%s: expected one attribute at least, found none", path)
	}
	out, first := make([]directory.SchemaAttribute, 0, len(nodes)), map[string]int{}
	for i, n := range nodes {
		at := indexed(path, i)
		a, ok := r.attribute(n, at, sub)
		if !ok {
			continue
		}
		if before := first[directory.Fold(a.Name)]; before > 0 && a.Name != "" {
			r.add(n.Line, "%s.name: %s is given twice, first in line %d; letter case makes no difference", at, quote(a.Name), before)
		}
		first[directory.Fold(a.Name)] = n.Line
		out = append(out, a)
	}
	return out
}

func (r *reader) attribute(n *yaml.Node, path string, sub bool) (a directory.SchemaAttribute, ok bool) {
	parts, ok := r.object(n, path, []string{"name", "type", "description", "multi_valued", "required", "case_exact",
		"mutability", "returned", "uniqueness", "canonical_values", "reference_types", "sub_attributes"})
	if !ok {
		return a, false
	}
	a.Name = r.attributeName(parts["name"], path+".name", n.Line)
	a.Type = "string"
	if t := parts["type"]; t != nil {
		a.Type, _ = r.word(t, path+".type", attributeTypes)
	}
	r.optional(parts["description"], path+".description", &a.Description)
	a.MultiValued = r.yes(parts["multi_valued"], path+".multi_valued")
	a.Required = r.yes(parts["required"], path+".required")
	a.CaseExact = r.yes(parts["case_exact"], path+".case_exact")
	a.Mutability = r.wordOr(parts["mutability"], path+".mutability", mutabilities)
	a.Returned = r.wordOr(parts["returned"], path+".returned", returneds)
	if u := parts["uniqueness"]; u != nil {
		if word, ok := r.word(u, path+".uniqueness", []string{"none", "server", "global"}); ok && word != "none" {
			r.add(u.Line, "%s.uniqueness: expected none, received %s; Gatehouse holds no attribute of yours unique", path, quote(word))
		}
	}
	a.CanonicalValues = r.canonical(parts["canonical_values"], path+".canonical_values")
	a.ReferenceTypes = r.references(parts["reference_types"], path+".reference_types")
	r.subAttributes(&a, parts["sub_attributes"], path, n.Line, sub)
	r.consistent(a, parts, path)
	if a.Mutability == "writeOnly" {
		a.Returned = "never" // RFC 7643 section 2.2
	}
	return a, true
}

func (r *reader) attributeName(n *yaml.Node, path string, top int) string {
	if n == nil {
		r.add(top, "%s: expected the name of the attribute, found none", path)
		return ""
	}
	name, ok := r.text(n, path)
	switch {
	case !ok:
	case len(name) > maxAttributeName || !schemaAttribute.MatchString(name):
		r.add(n.Line, "%s: expected at most %d letters, digits, - and _, a letter first, received %s", path, maxAttributeName, quote(name))
	case slices.ContainsFunc(reservedAttribute, func(s string) bool { return strings.EqualFold(s, name) }):
		r.add(n.Line, "%s: expected a name other than %s, received %s", path, strings.Join(reservedAttribute, " and "), quote(name))
	}
	return name
}

func (r *reader) subAttributes(a *directory.SchemaAttribute, n *yaml.Node, path string, top int, sub bool) {
	switch {
	case a.Type == "complex" && sub:
		r.add(top, "%s.type: expected a simple type, received \"complex\"; a complex attribute has none in it (RFC 7643 section 2.3.8)", path)
	case a.Type == "complex" && n == nil:
		r.add(top, "%s.sub_attributes: expected a list for the complex attribute %s, found none", path, quote(a.Name))
	case a.Type == "complex":
		a.SubAttributes = r.schemaAttributes(n, path+".sub_attributes", maxSubAttributes, true)
	case n != nil:
		r.add(n.Line, "%s.sub_attributes: expected only with type: complex, received them with %s", path, a.Type)
	}
}

// consistent refuses characteristics that contradict each other.
func (r *reader) consistent(a directory.SchemaAttribute, parts map[string]*yaml.Node, path string) {
	only := func(key string, types ...string) {
		if n := parts[key]; n != nil && a.Type != "" && !slices.Contains(types, a.Type) {
			r.add(n.Line, "%s.%s: expected only with type: %s, received it with %s", path, key, strings.Join(types, " or "), a.Type)
		}
	}
	only("canonical_values", "string", "reference")
	only("reference_types", "reference")
	only("case_exact", "string", "reference", "binary")
	switch {
	case a.Mutability == "writeOnly" && a.Returned != "" && a.Returned != "never":
		r.add(parts["returned"].Line, "%s.returned: expected never with mutability: writeOnly, received %s", path, a.Returned)
	case a.Mutability == "readOnly" && a.Returned == "never":
		r.add(parts["returned"].Line, "%s.returned: expected something other than never with mutability: readOnly: nobody would write or read it", path)
	case a.Mutability == "readOnly" && a.Required:
		r.add(parts["required"].Line, "%s.required: expected no with mutability: readOnly: no directory could give it", path)
	}
}

// wordOr is one of words, or "" for the first, which is the default.
func (r *reader) wordOr(n *yaml.Node, path string, words []string) string {
	if n == nil {
		return ""
	}
	if word, ok := r.word(n, path, words); ok && word != words[0] {
		return word
	}
	return ""
}

func (r *reader) yes(n *yaml.Node, path string) bool {
	if n == nil {
		return false
	}
	value, _ := r.boolean(n, path)
	return value
}

// canonical reads values of which two may differ in letter case alone.
func (r *reader) canonical(n *yaml.Node, path string) []string {
	if n == nil {
		return nil
	}
	nodes, ok := r.list(n, path, maxCanonical)
	if !ok {
		return nil
	}
	var out []string
	for i, item := range nodes {
		value, ok := r.text(item, indexed(path, i))
		if ok && slices.Contains(out, value) {
			r.add(item.Line, "%s: %s is listed twice", indexed(path, i), quote(value))
		}
		if ok {
			out = append(out, value)
		}
	}
	return out
}

func (r *reader) references(n *yaml.Node, path string) []string {
	if n == nil {
		return nil
	}
	nodes, ok := r.list(n, path, len(referenceTypes))
	if !ok {
		return nil
	}
	var out []string
	for i, item := range nodes {
		if word, ok := r.word(item, indexed(path, i), referenceTypes); ok {
			out = append(out, word)
		}
	}
	return out
}

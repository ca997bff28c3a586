package settings

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// schemas makes the extension schemas what the file says. The list is exact: a schema or an attribute that it does not
// name is no longer served. Nothing that people have is deleted by it; the notes say what becomes of it.
func (p *plan) schemas() {
	if p.file.schemas == nil {
		return
	}
	had := p.after.Schemas
	p.after.Schemas = nil
	for _, part := range *p.file.schemas {
		p.after.Schemas = append(p.after.Schemas, part.schema)
		if was, ok := findSchema(had, part.schema.URN); ok {
			p.noteSchema(was, part.schema)
		}
	}
	slices.SortFunc(p.after.Schemas, func(a, b directory.Schema) int { return cmp.Compare(a.URN, b.URN) })
	for _, was := range had {
		if _, stays := findSchema(p.after.Schemas, was.URN); !stays {
			p.notes = append(p.notes, schemaKey(was)+": what is stored of it stays stored; lenient directories go on taking and showing its simple values as those of an unknown extension, values that are never returned stay unseen")
		}
	}
}

// noteSchema says what becomes of stored values where the declaration of one attribute takes another's place.
func (p *plan) noteSchema(was, is directory.Schema) {
	for _, a := range was.Attributes {
		at := schemaKey(is) + ".attributes." + a.Name
		i := slices.IndexFunc(is.Attributes, func(b directory.SchemaAttribute) bool { return strings.EqualFold(a.Name, b.Name) })
		switch {
		case i < 0:
			p.notes = append(p.notes, at+": values that are stored of it stay stored and are shown to nobody until it is declared again")
		case a.Type != is.Attributes[i].Type || a.MultiValued != is.Attributes[i].MultiValued || !reflect.DeepEqual(a.SubAttributes, is.Attributes[i].SubAttributes):
			p.notes = append(p.notes, at+": stored values that do not fit the new declaration stay stored and are shown to nobody until they are written anew")
		}
	}
}

func findSchema(list []directory.Schema, urn string) (directory.Schema, bool) {
	for _, s := range list {
		if directory.Fold(s.URN) == directory.Fold(urn) {
			return s, true
		}
	}
	return directory.Schema{}, false
}

func schemaKey(s directory.Schema) string { return "schemas[" + s.URN + "]" }

// schema puts one extension schema, each attribute under a key of its own.
func (s state) schema(schema directory.Schema) {
	at := schemaKey(schema)
	s[at], s[at+".resource"], s[at+".required"] = present, schema.Resource, yesNo(schema.Required)
	s.put(at+".name", schema.Name)
	s.put(at+".description", schema.Description)
	s.attributes(at, schema.Attributes)
}

func (s state) attributes(at string, list []directory.SchemaAttribute) {
	names := make([]string, len(list))
	for i, a := range list {
		names[i] = a.Name
		key := at + ".attributes." + a.Name
		s[key] = summary(a)
		if len(a.SubAttributes) > 0 {
			s.attributes(key, a.SubAttributes)
		}
	}
	s[at+".attributes"] = strings.Join(names, ", ")
}

// summary is an attribute on one line: its type, what is not the default, and its description.
func summary(a directory.SchemaAttribute) string {
	words := []string{a.Type}
	for word, yes := range map[string]bool{"multi-valued": a.MultiValued, "required": a.Required, "case exact": a.CaseExact} {
		if yes {
			words = append(words, word)
		}
	}
	slices.Sort(words[1:])
	if a.Mutability != "" {
		words = append(words, a.Mutability)
	}
	if a.Returned != "" {
		words = append(words, "returned "+a.Returned)
	}
	if len(a.CanonicalValues) > 0 {
		words = append(words, fmt.Sprintf("canonical values %q", a.CanonicalValues))
	}
	if len(a.ReferenceTypes) > 0 {
		words = append(words, "refers to "+strings.Join(a.ReferenceTypes, ", "))
	}
	if a.Description != "" {
		words = append(words, fmt.Sprintf("%q", a.Description))
	}
	return strings.Join(words, ", ")
}

// writeSchemas saves the extension schemas that differ.
func (a *apply) writeSchemas() {
	had := a.had().Schemas
	for _, was := range had {
		if _, stays := findSchema(a.after.Schemas, was.URN); !stays {
			a.tx.DeleteSchema(was.URN)
		}
	}
	for _, s := range a.after.Schemas {
		if was, ok := findSchema(had, s.URN); !ok || !reflect.DeepEqual(was, s) {
			a.tx.SaveSchema(s)
		}
	}
}

type exportedSchema struct {
	URN         string              `yaml:"urn"`
	Resource    string              `yaml:"resource"`
	Name        string              `yaml:"name,omitempty"`
	Description string              `yaml:"description,omitempty"`
	Required    bool                `yaml:"required,omitempty"`
	Attributes  []exportedAttribute `yaml:"attributes"`
}

type exportedAttribute struct {
	Name            string              `yaml:"name"`
	Type            string              `yaml:"type"`
	Description     string              `yaml:"description,omitempty"`
	MultiValued     bool                `yaml:"multi_valued,omitempty"`
	Required        bool                `yaml:"required,omitempty"`
	CaseExact       bool                `yaml:"case_exact,omitempty"`
	Mutability      string              `yaml:"mutability,omitempty"`
	Returned        string              `yaml:"returned,omitempty"`
	CanonicalValues []string            `yaml:"canonical_values,omitempty,flow"`
	ReferenceTypes  []string            `yaml:"reference_types,omitempty,flow"`
	SubAttributes   []exportedAttribute `yaml:"sub_attributes,omitempty"`
}

func exportSchemas(list []directory.Schema) []exportedSchema {
	out := make([]exportedSchema, len(list))
	for i, s := range list {
		out[i] = exportedSchema{s.URN, s.Resource, s.Name, s.Description, s.Required, exportSchemaAttributes(s.Attributes)}
	}
	return out
}

func exportSchemaAttributes(list []directory.SchemaAttribute) []exportedAttribute {
	var out []exportedAttribute
	for _, a := range list {
		out = append(out, exportedAttribute{a.Name, a.Type, a.Description, a.MultiValued, a.Required, a.CaseExact, a.Mutability, a.Returned,
			a.CanonicalValues, a.ReferenceTypes, exportSchemaAttributes(a.SubAttributes)})
	}
	return out
}

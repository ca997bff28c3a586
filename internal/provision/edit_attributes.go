package provision

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// attributeFields are the attributes of m: those that have a value, are the workspace's own or can be written by people.
func attributeFields(cfg *directory.Config, m *directory.Member) (out []Field) {
	for _, a := range cfg.AllAttributes() {
		if f := attributeField(cfg, m, a); f.Value != "" || f.Editable() || !a.BuiltIn {
			out = append(out, f)
		}
	}
	return out
}

func attributeField(cfg *directory.Config, m *directory.Member, a directory.Attribute) Field {
	f := Field{Name: a.Name, Value: m.Attributes[a.Name], Owner: OwnedByHand, Attribute: &a}
	dir, con := cfg.AttributeOwner(m, a.Name)
	if d, ok := cfg.Directory(dir); ok && dir != "" {
		f.Owner, f.By = OwnedByDirectory, d.Name
	} else if c, ok := cfg.Connection(con); ok && con != "" {
		f.Owner, f.By = OwnedByConnection, c.Name
	}
	return f
}

// writeAttributes changes attributes of m that people have the say over. values has texts as people write them, "" to take one
// away.
func writeAttributes(tx *store.Tx, cfg *directory.Config, m *directory.Member, values map[string]string) ([]audit.Change, error) {
	had, by := maps.Clone(m.Attributes), map[string]string{}
	maps.Copy(by, m.Asserts(""))
	before := m.Attributes
	for _, name := range slices.Sorted(maps.Keys(values)) {
		a, ok := cfg.Attribute(name)
		if !ok {
			return nil, errs.Invalid("field_unknown", "There is no field %q that can be edited. The fields are %s, and the attributes that no directory and no connection gives.", cut(name), strings.Join(editable, ", "))
		}
		value, err := writtenValue(a, values[name])
		if err != nil {
			return nil, err
		}
		if value == had[a.Name] {
			continue
		}
		if f := attributeField(cfg, m, a); !f.Editable() {
			return nil, notOurs(f)
		}
		if value == "" && a.Required {
			return nil, errs.Invalid("attribute_required", "%s: this workspace requires it, so that it cannot be taken away.", a.Title())
		}
		// What a directory that has gone left behind is people's as well.
		delete(had, a.Name)
		delete(by, a.Name)
		if value != "" {
			by[a.Name] = value
		}
	}
	total := 0
	for name, value := range by {
		total += len(name) + len(value)
	}
	if total > directory.MaxAttributesTotal {
		return nil, errs.Invalid("attributes_too_large", "All attributes of a person together have room for %d bytes.", directory.MaxAttributesTotal)
	}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	if err != nil {
		return nil, err
	}
	m.Attributes = had
	said := m.Asserted
	m.Assert("", by, false)
	reckonAttributes(cfg, m, said, resources)
	after := m.Attributes
	m.Attributes = before
	return setAttributes(m, after), nil
}

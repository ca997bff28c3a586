package directory

import "slices"

// Schema is an extension of SCIM's User or Group that a workspace defines (RFC 7643 section 3.3). Its URN is kept
// in the letter case in which it was given; no two schemas of a workspace differ in that alone.
type Schema struct {
	URN         string            `json:"-"`
	Resource    string            `json:"resource"` // SchemaUser or SchemaGroup
	Name        string            `json:"name,omitempty"`
	Description string            `json:"description,omitempty"`
	Required    bool              `json:"required,omitempty"` // a resource must have data of it
	Attributes  []SchemaAttribute `json:"attributes"`
}

// What a Schema extends.
const (
	SchemaUser  = "User"
	SchemaGroup = "Group"
)

// SchemaAttribute is one attribute of a Schema, in the words of RFC 7643 section 2.2. Nothing is left to a default but
// an empty Mutability and Returned, which are readWrite and default.
type SchemaAttribute struct {
	Name            string            `json:"name"`
	Type            string            `json:"type"` // string, boolean, decimal, integer, dateTime, reference, binary, complex
	Description     string            `json:"description,omitempty"`
	MultiValued     bool              `json:"multi_valued,omitempty"`
	Required        bool              `json:"required,omitempty"`
	CaseExact       bool              `json:"case_exact,omitempty"`
	Mutability      string            `json:"mutability,omitempty"` // readWrite, readOnly, immutable, writeOnly
	Returned        string            `json:"returned,omitempty"`   // default, always, request, never
	CanonicalValues []string          `json:"canonical_values,omitempty"`
	ReferenceTypes  []string          `json:"reference_types,omitempty"`
	SubAttributes   []SchemaAttribute `json:"sub_attributes,omitempty"` // of a complex one; none of them complex
}

// Sealed reports an attribute whose values leave in no answer: nothing that tells of a request may repeat them.
func (a SchemaAttribute) Sealed() bool { return a.Returned == "never" || a.Mutability == "writeOnly" }

// SealedNames are the names of all sealed attributes and sub-attributes of the workspace's schemas.
func (c *Config) SealedNames() []string {
	var names []string
	var collect func(list []SchemaAttribute)
	collect = func(list []SchemaAttribute) {
		for _, a := range list {
			if a.Sealed() && !slices.Contains(names, a.Name) {
				names = append(names, a.Name)
			}
			collect(a.SubAttributes)
		}
	}
	for _, s := range c.Schemas {
		collect(s.Attributes)
	}
	return names
}

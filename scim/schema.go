package scim

import (
	"slices"
	"strings"
)

// Schema URNs of RFC 7643 and message URNs of RFC 7644.
const (
	URNUser           = "urn:ietf:params:scim:schemas:core:2.0:User"
	URNGroup          = "urn:ietf:params:scim:schemas:core:2.0:Group"
	URNEnterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

	URNServiceProviderConfig = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
	URNResourceType          = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
	URNSchema                = "urn:ietf:params:scim:schemas:core:2.0:Schema"

	URNError        = "urn:ietf:params:scim:api:messages:2.0:Error"
	URNListResponse = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
	URNPatchOp      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
)

// DataType is the type of an attribute's value (RFC 7643 section 2.3). Empty means String.
type DataType string

// The data types.
const (
	String    DataType = "string"
	Boolean   DataType = "boolean"
	Decimal   DataType = "decimal"
	Integer   DataType = "integer"
	DateTime  DataType = "dateTime"
	Binary    DataType = "binary"
	Reference DataType = "reference"
	Complex   DataType = "complex"
)

// Mutability says who may change an attribute (RFC 7643 section 2.2). Empty means ReadWrite.
type Mutability string

// The mutabilities.
const (
	ReadWrite Mutability = "readWrite"
	ReadOnly  Mutability = "readOnly"
	Immutable Mutability = "immutable"
	WriteOnly Mutability = "writeOnly"
)

// Returned says when an attribute is part of an answer (RFC 7643 section 2.2). Empty means
// ReturnedDefault.
type Returned string

// The returned characteristics.
const (
	ReturnedDefault Returned = "default"
	ReturnedAlways  Returned = "always"
	ReturnedNever   Returned = "never"
	ReturnedRequest Returned = "request"
)

// Uniqueness is published only; the Backend holds it (RFC 7643 section 2.2). Empty means
// UniqueNone.
type Uniqueness string

// The uniqueness characteristics.
const (
	UniqueNone   Uniqueness = "none"
	UniqueServer Uniqueness = "server"
	UniqueGlobal Uniqueness = "global"
)

// Attribute describes one attribute or sub-attribute (RFC 7643 section 7). Zero values mean the
// standard's defaults. An Attribute must not be changed once its ResourceType is in use.
type Attribute struct {
	Name            string
	Description     string
	Type            DataType
	MultiValued     bool
	Required        bool
	CaseExact       bool
	CanonicalValues []string // published, not enforced: IdPs send values of their own
	Mutability      Mutability
	Returned        Returned
	Uniqueness      Uniqueness
	ReferenceTypes  []string
	SubAttributes   []*Attribute

	// RowLevel marks a multi-valued attribute whose elements are rows of the backend and whose
	// only client-owned sub-attribute is "value". A PATCH reaches it as Patch.Members, never as
	// Patch.Ops. Not published.
	RowLevel bool
	// Permanent marks an optional attribute that always has a value once the resource exists:
	// it can be set and not removed (User.active). Not published.
	Permanent bool
	// Unstored marks an attribute whose values are dropped and never reach the Backend (User.password). It is not
	// published.
	Unstored bool
}

// Sub returns the sub-attribute of that name, in any letter case, or nil.
func (a *Attribute) Sub(name string) *Attribute { return findAttribute(a.SubAttributes, name) }

func findAttribute(list []*Attribute, name string) *Attribute {
	for _, a := range list {
		if a.Name == name {
			return a
		}
	}
	for _, a := range list {
		if equalFoldASCII(a.Name, name) {
			return a
		}
	}
	return nil
}

// Exact reports whether values compare with their letter case: caseExact, and always for
// references and binary (RFC 7643 sections 2.3.6 and 2.3.7).
func (a *Attribute) Exact() bool {
	return a.CaseExact || a.Type == Reference || a.Type == Binary
}

func (a *Attribute) isComplex() bool { return a.Type == Complex }

// sealed reports an attribute that no answer shows, whose value no filter, order or error may tell either.
func (a *Attribute) sealed() bool {
	return a.Mutability == WriteOnly || a.Returned == ReturnedNever
}

// seals reports an attribute that is sealed or has a part that is.
func (a *Attribute) seals() bool {
	return a.sealed() || slices.ContainsFunc(a.SubAttributes, (*Attribute).sealed)
}

// hidden reports an attribute that answers do not show unless it is asked for.
func (a *Attribute) hidden() bool { return a.sealed() || a.Returned == ReturnedRequest }

// Schema is a named set of attributes (RFC 7643 section 7).
type Schema struct {
	ID          string // the URN
	Name        string
	Description string
	Attributes  []*Attribute

	fixed bool // nobody configures it, so that what is stored fits
}

// Attribute returns the top-level attribute of that name, in any letter case, or nil.
func (s *Schema) Attribute(name string) *Attribute { return findAttribute(s.Attributes, name) }

// equalFoldASCII compares names. Attribute names and URNs are ASCII, and folding more than
// ASCII would let U+212A (the Kelvin sign) pass for a k.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i < len(a); i++ {
		if lowerByte(a[i]) != lowerByte(b[i]) {
			return false
		}
	}
	return true
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// lowerASCII returns s with A to Z in lower case, and s itself where there is none.
func lowerASCII(s string) string {
	for i := 0; i < len(s); i++ {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, s)
		}
	}
	return s
}

package scim

// NewGroupType returns the Group resource type (RFC 7643 section 4.2) and the extensions given.
// Its members are row-level, and a PATCH is answered 204 unless the client names attributes.
func NewGroupType(more ...Extension) *ResourceType {
	return &ResourceType{
		Name: "Group", Endpoint: "/Groups", Description: "Group",
		Schema: groupSchema(), Extensions: more, PatchNoContent: true,
	}
}

func groupSchema() *Schema {
	return &Schema{ID: URNGroup, Name: "Group", Description: "Group", Attributes: []*Attribute{
		{Name: "displayName", Required: true, Description: "The name of the group."},
		{Name: "members", Type: Complex, MultiValued: true, RowLevel: true, Description: "The members of the group.", SubAttributes: []*Attribute{
			{Name: "value", CaseExact: true, Mutability: Immutable, Description: "The id of the member."},
			{Name: "$ref", Type: Reference, CaseExact: true, Mutability: Immutable, ReferenceTypes: []string{"User", "Group"}, Description: "The address of the member."},
			{Name: "display", Mutability: ReadOnly, Description: "The member's name."},
			{Name: "type", Mutability: Immutable, CanonicalValues: []string{"User", "Group"}, Description: "The kind of member."},
		}},
	}}
}

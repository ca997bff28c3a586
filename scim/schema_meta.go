package scim

// metaSchemas describe the discovery objects themselves (RFC 7643 section 8.7.2), with newer what later documents
// have added to them, which depends on the mode.
func metaSchemas(newer bool, mode Mode) []*Schema {
	list := []*Schema{
		{ID: URNServiceProviderConfig, Name: "ServiceProviderConfig", Description: "What the service provider supports", Attributes: serverSide([]*Attribute{
			{Name: "documentationUri", Type: Reference, ReferenceTypes: []string{"external"}},
			feature("patch"),
			feature("bulk", &Attribute{Name: "maxOperations", Type: Integer, Required: true}, &Attribute{Name: "maxPayloadSize", Type: Integer, Required: true}),
			feature("filter", &Attribute{Name: "maxResults", Type: Integer, Required: true}),
			feature("changePassword"),
			feature("sort"),
			feature("etag"),
			{Name: "authenticationSchemes", Type: Complex, MultiValued: true, Required: true, SubAttributes: []*Attribute{
				{Name: "type", Required: true},
				{Name: "name", Required: true},
				{Name: "description", Required: true},
				{Name: "specUri", Type: Reference, ReferenceTypes: []string{"external"}},
				{Name: "primary", Type: Boolean},
			}},
		})},
		{ID: URNResourceType, Name: "ResourceType", Description: "A kind of resource and its endpoint", Attributes: serverSide([]*Attribute{
			{Name: "id"},
			{Name: "name", Required: true},
			{Name: "description"},
			{Name: "endpoint", Type: Reference, Required: true, ReferenceTypes: []string{"uri"}},
			{Name: "schema", Type: Reference, Required: true, ReferenceTypes: []string{"uri"}},
			{Name: "schemaExtensions", Type: Complex, MultiValued: true, SubAttributes: []*Attribute{
				{Name: "schema", Type: Reference, Required: true, ReferenceTypes: []string{"uri"}},
				{Name: "required", Type: Boolean, Required: true},
			}},
		})},
		{ID: URNSchema, Name: "Schema", Description: "A schema and its attributes", Attributes: serverSide([]*Attribute{
			{Name: "id", Required: true},
			{Name: "name", Required: true},
			{Name: "description"},
			{Name: "attributes", Type: Complex, MultiValued: true, Required: true, SubAttributes: append(characteristics(),
				&Attribute{Name: "subAttributes", Type: Complex, MultiValued: true, SubAttributes: characteristics()})},
		})},
	}
	if newer {
		list[0].Attributes = append(list[0].Attributes, pagination(), securityEvents())
		if mode.strict() {
			list[0].Attributes = append(list[0].Attributes, serverSide([]*Attribute{{Name: "interopProfileConformant", Type: Boolean}})...)
		}
	}
	return list
}

// pagination is the addition of RFC 9865 section 4.
func pagination() *Attribute {
	return serverSide([]*Attribute{{Name: "pagination", Type: Complex, SubAttributes: []*Attribute{
		{Name: "cursor", Type: Boolean, Required: true},
		{Name: "index", Type: Boolean, Required: true},
		{Name: "defaultPaginationMethod", CanonicalValues: []string{"cursor", "index"}},
		{Name: "defaultPageSize", Type: Integer},
		{Name: "maxPageSize", Type: Integer},
		{Name: "cursorTimeout", Type: Integer},
	}}})[0]
}

// securityEvents is the addition of RFC 9967 section 4.
func securityEvents() *Attribute {
	return serverSide([]*Attribute{{Name: "securityEvents", Type: Complex, SubAttributes: []*Attribute{
		{Name: "asyncRequest", CanonicalValues: []string{"none", "long", "request"}},
		{Name: "eventUris", MultiValued: true, CaseExact: true},
	}}})[0]
}

func feature(name string, more ...*Attribute) *Attribute {
	return &Attribute{Name: name, Type: Complex, Required: true, SubAttributes: append([]*Attribute{
		{Name: "supported", Type: Boolean, Required: true},
	}, more...)}
}

func characteristics() []*Attribute {
	return []*Attribute{
		{Name: "name", Required: true, CaseExact: true},
		{Name: "type", Required: true, CanonicalValues: []string{"string", "boolean", "decimal", "integer", "dateTime", "reference", "complex", "binary"}},
		{Name: "multiValued", Type: Boolean, Required: true},
		{Name: "description", CaseExact: true},
		{Name: "required", Type: Boolean},
		{Name: "canonicalValues", MultiValued: true, CaseExact: true},
		{Name: "caseExact", Type: Boolean},
		{Name: "mutability", CaseExact: true, CanonicalValues: []string{"readOnly", "readWrite", "immutable", "writeOnly"}},
		{Name: "returned", CaseExact: true, CanonicalValues: []string{"always", "never", "default", "request"}},
		{Name: "uniqueness", CaseExact: true, CanonicalValues: []string{"none", "server", "global"}},
		{Name: "referenceTypes", MultiValued: true, CaseExact: true},
	}
}

// serverSide marks attributes, and what is in them, read-only.
func serverSide(list []*Attribute) []*Attribute {
	for _, a := range list {
		a.Mutability = ReadOnly
		serverSide(a.SubAttributes)
	}
	return list
}

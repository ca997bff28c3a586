package scim

// NewUserType returns the User resource type: the core schema (RFC 7643 section 4.1), the
// EnterpriseUser extension (section 4.3), and the extensions given.
func NewUserType(more ...Extension) *ResourceType {
	return &ResourceType{
		Name: "User", Endpoint: "/Users", Description: "User Account",
		Schema:     userSchema(),
		Extensions: append([]Extension{{Schema: enterpriseUserSchema()}}, more...),
	}
}

// userSchema has every attribute of RFC 7643 section 8.7.1. Its description must contain "User
// Account": Microsoft's reference collection looks for it.
func userSchema() *Schema {
	return &Schema{ID: URNUser, Name: "User", Description: "User Account", Attributes: []*Attribute{
		{Name: "userName", Required: true, Uniqueness: UniqueServer, Description: "The name the user signs in with, unique within the directory in any letter case."},
		{Name: "name", Type: Complex, Description: "The components of the user's name.", SubAttributes: []*Attribute{
			text("formatted", "The full name as one text."),
			text("familyName", "The family name."),
			text("givenName", "The given name."),
			text("middleName", "The middle names."),
			text("honorificPrefix", "The title before the name."),
			text("honorificSuffix", "The suffix after the name."),
		}},
		text("displayName", "The name to show."),
		text("nickName", "The casual name."),
		{Name: "profileUrl", Type: Reference, ReferenceTypes: []string{"external"}, Description: "The address of the user's profile page."},
		text("title", "The job title."),
		text("userType", "The relation between the user and the organization."),
		text("preferredLanguage", "The preferred language, as in Accept-Language."),
		text("locale", "The locale for dates, numbers and currency."),
		text("timezone", "The time zone, as in the IANA database."),
		{Name: "active", Type: Boolean, Permanent: true, Description: "Whether the directory lets the user in."},
		{Name: "password", Mutability: WriteOnly, Returned: ReturnedNever, Unstored: true, Description: "Not stored: passwords cannot be changed through SCIM."},
		plural("emails", "The e-mail addresses.", text("value", "An e-mail address."), "work", "home", "other"),
		plural("phoneNumbers", "The telephone numbers, as they were sent.", text("value", "A telephone number."), "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", "The instant messaging addresses.", text("value", "An address."), "aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"),
		plural("photos", "Addresses of photos.", &Attribute{Name: "value", Type: Reference, CaseExact: true, ReferenceTypes: []string{"external"}, Description: "The address of a photo."}, "photo", "thumbnail"),
		addresses(),
		{Name: "groups", Type: Complex, MultiValued: true, Mutability: ReadOnly, Description: "The groups the user is in; changed through Group.", SubAttributes: []*Attribute{
			{Name: "value", CaseExact: true, Mutability: ReadOnly, Description: "The id of the group."},
			{Name: "$ref", Type: Reference, CaseExact: true, Mutability: ReadOnly, ReferenceTypes: []string{"Group"}, Description: "The address of the group."},
			{Name: "display", Mutability: ReadOnly, Description: "The name of the group."},
			{Name: "type", Mutability: ReadOnly, CanonicalValues: []string{"direct", "indirect"}, Description: "How the user is in the group."},
		}},
		plural("entitlements", "What the user is entitled to.", text("value", "An entitlement.")),
		plural("roles", "The user's roles.", text("value", "A role.")),
		plural("x509Certificates", "The user's certificates.", &Attribute{Name: "value", Type: Binary, CaseExact: true, Description: "A certificate, DER in base64."}),
	}}
}

func text(name, description string) *Attribute {
	return &Attribute{Name: name, Description: description}
}

// plural is a multi-valued complex attribute with the default sub-attributes of RFC 7643 section
// 2.4.
func plural(name, description string, value *Attribute, types ...string) *Attribute {
	return &Attribute{Name: name, Type: Complex, MultiValued: true, Description: description, SubAttributes: []*Attribute{
		value,
		text("display", "A name for people."),
		{Name: "type", CanonicalValues: types, Description: "What the value is used for."},
		{Name: "primary", Type: Boolean, Description: "Whether this is the preferred value; true at most once."},
	}}
}

func addresses() *Attribute {
	return &Attribute{Name: "addresses", Type: Complex, MultiValued: true, Description: "The postal addresses.", SubAttributes: []*Attribute{
		text("formatted", "The address as one text."),
		text("streetAddress", "Street and house number."),
		text("locality", "The city."),
		text("region", "The state or region."),
		text("postalCode", "The postal code."),
		text("country", "The country, ISO 3166-1 alpha-2."),
		{Name: "type", CanonicalValues: []string{"work", "home", "other"}, Description: "What the address is used for."},
		{Name: "primary", Type: Boolean, Description: "Whether this is the preferred address; true at most once."},
	}}
}

// enterpriseUserSchema publishes manager.value as optional: Entra sets the manager as a bare
// string and removes it.
func enterpriseUserSchema() *Schema {
	return &Schema{fixed: true, ID: URNEnterpriseUser, Name: "EnterpriseUser", Description: "Enterprise User", Attributes: []*Attribute{
		text("employeeNumber", "The number the organization gave the user."),
		text("costCenter", "The cost centre."),
		text("organization", "The organization."),
		text("division", "The division."),
		text("department", "The department."),
		{Name: "manager", Type: Complex, Description: "The user's manager.", SubAttributes: []*Attribute{
			{Name: "value", CaseExact: true, Description: "The id of the manager's User."},
			{Name: "$ref", Type: Reference, CaseExact: true, Mutability: ReadOnly, ReferenceTypes: []string{"User"}, Description: "The address of the manager's User."},
			{Name: "displayName", Mutability: ReadOnly, Description: "The manager's name."},
		}},
	}}
}

package settings

// Word is one row of what an administrator does in the IdP's own console: how the IdP calls a field,
// and what goes into it.
type Word struct {
	// Field is our name of it: "metadata_url", "acs_url", "entity_id", "relay_state",
	// "name_id_format", "name_id", "attribute", "groups", "idp_metadata", "scim_base_url",
	// "scim_token", "scim_user_name".
	Field     string
	TheirWord string
	// Value is what to enter. ProviderWords leaves it empty where it is a value of the connection or
	// directory; ConnectionView.Words fills in the connection's own.
	Value string
	Help  string // a sentence, or ""
}

// ProviderWords are the words of a provider's console for SAML and SCIM, in the order in which its
// pages ask. Providers without words of their own get those of the SAML specification.
func ProviderWords(provider string) []Word {
	switch provider {
	case "okta":
		return oktaWords()
	case "entra":
		return entraWords()
	default:
		return genericWords()
	}
}

func oktaWords() []Word {
	return []Word{
		{"acs_url", "Single sign-on URL", "", "Leave \"Use this for Recipient URL and Destination URL\" ticked."},
		{"entity_id", "Audience URI (SP Entity ID)", "", ""},
		{"relay_state", "Default RelayState", "", "Leave it empty: people land in their workspace."},
		{"name_id_format", "Name ID format", "EmailAddress", "Persistent works as well."},
		{"name_id", "Application username", "Okta username", "It has to be the userName that provisioning sends."},
		{"attribute", "Attribute Statements: email", "user.email", "Name format Unspecified."},
		{"attribute", "Attribute Statements: firstName", "user.firstName", ""},
		{"attribute", "Attribute Statements: lastName", "user.lastName", ""},
		{"groups", "Group Attribute Statements: groups", "Matches regex .*", "Narrow the filter to the groups that give a role."},
		{"idp_metadata", "Sign On > SAML 2.0 > Metadata details > Metadata URL", "", "Paste this URL, or the document behind it, here."},
		{"scim_base_url", "Provisioning > SCIM connector base URL", "", ""},
		{"scim_user_name", "Provisioning > Unique identifier field for users", "userName", ""},
		{"scim_token", "Provisioning > Authentication Mode: HTTP Header > Authorization (Bearer)", "", "Then Test API Credentials, and To App: create, update and deactivate."},
	}
}

func entraWords() []Word {
	const claims = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
	return []Word{
		{"entity_id", "Basic SAML Configuration > Identifier (Entity ID)", "", ""},
		{"acs_url", "Basic SAML Configuration > Reply URL (Assertion Consumer Service URL)", "", ""},
		{"relay_state", "Basic SAML Configuration > Relay State (Optional)", "", "Leave it empty: people land in their workspace."},
		{"name_id", "Attributes & Claims > Unique User Identifier (Name ID)", "user.userprincipalname", "It has to be the userName that provisioning sends."},
		{"attribute", "Attributes & Claims > " + claims + "emailaddress", "user.mail", "There from the start, as the next two are."},
		{"attribute", "Attributes & Claims > " + claims + "givenname", "user.givenname", ""},
		{"attribute", "Attributes & Claims > " + claims + "surname", "user.surname", ""},
		{"groups", "Attributes & Claims > Add a group claim", "Groups assigned to the application", "It sends object ids, which role mappings can name. Above 150 groups Entra sends a link instead, which changes nobody's role."},
		{"idp_metadata", "SAML Certificates > App Federation Metadata Url", "", "Paste this URL, or the Federation Metadata XML, here."},
		{"scim_base_url", "Provisioning > Tenant URL", "", "Provisioning Mode has to be Automatic."},
		{"scim_token", "Provisioning > Secret Token", "", "Then Test Connection, Save, and set Provisioning Status to On."},
		{"scim_user_name", "Provisioning > Mappings > userName", "userPrincipalName", "E-mail and displayName have to be mapped as well."},
	}
}

func genericWords() []Word {
	return []Word{
		{"metadata_url", "Service provider metadata", "", "An IdP that reads it needs none of the next two."},
		{"acs_url", "Assertion Consumer Service (HTTP-POST)", "", "Also called ACS URL, recipient or reply URL."},
		{"entity_id", "Entity ID", "", "Also called audience or identifier."},
		{"relay_state", "RelayState", "", "Leave it empty."},
		{"name_id_format", "NameID format", "persistent or emailAddress", "It must never pass from one person to another."},
		{"attribute", "Attribute email", "e-mail address", ""},
		{"attribute", "Attribute firstName", "given name", ""},
		{"attribute", "Attribute lastName", "family name", ""},
		{"groups", "Attribute groups", "names of the groups", "One value for each group."},
		{"idp_metadata", "Identity provider metadata", "", "Paste its URL or the document here."},
		{"scim_base_url", "SCIM base URL", "", ""},
		{"scim_token", "Bearer token", "", ""},
		{"scim_user_name", "userName", "what signs in as NameID", ""},
	}
}

// Words are the words of the connection's provider with the connection's own values.
func (v ConnectionView) Words() []Word {
	words := ProviderWords(v.Provider)
	for i, w := range words {
		switch w.Field {
		case "metadata_url":
			words[i].Value = v.MetadataURL
		case "acs_url":
			words[i].Value = v.ACSURL
		case "entity_id":
			words[i].Value = v.EntityID
		}
	}
	return words
}

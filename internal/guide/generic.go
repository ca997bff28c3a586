package guide

// What any other IdP asks for, in the words of the specifications.

func genericSAML() Guide {
	return Guide{IdP: "generic-saml", Protocol: SAML, Title: "Any identity provider: single sign-on by SAML 2.0",
		Needs: []string{"An administrator of the identity provider.", "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "Add a service provider (relying party). An identity provider that reads metadata needs the first line alone.", Fields: []Field{
				enter("Service provider metadata", "{metadata_url}", "Its address, or the document behind it."),
				enter("Assertion Consumer Service (HTTP-POST)", "{acs_url}", "Also called ACS URL, recipient or reply URL."),
				enter("Entity ID", "{entity_id}", "Also called audience, identifier or realm."),
				enter("RelayState", "", "People land in their workspace."),
				enter("Single logout service (HTTP-Redirect, HTTP-POST)", "{logout_url}", "For single logout. Its messages have to be signed."),
				choose("NameID format", "persistent or emailAddress", "It must never pass from one person to another. A transient one names nobody: name an attribute as the identity then."),
				choose("Signature", "RSA or ECDSA with SHA-256, on the response, the assertion or both", "SHA-1 is refused."),
			}},
			{Do: "Send these attributes. Other names can be set on the connection's page; ADFS and Shibboleth have long ones.", Fields: []Field{
				choose("Attribute {email_attribute}", "e-mail address", ""),
				choose("Attribute {first_name_attribute}", "given name", ""),
				choose("Attribute {last_name_attribute}", "family name", ""),
				choose("Attribute {groups_attribute}", "names of the groups", "One value for each group."),
			}},
			{Do: "Let a test user use it. Import the metadata in Gatehouse, activate the connection and test it."},
		},
		Bring:  []Find{{"Identity provider metadata", "the identity provider's metadata", "Its address, or the document."}},
		Groups: "One attribute with a value for each group, or the attribute several times. An empty one means no groups; without the attribute roles stay as they are.",
		Warnings: []string{
			tested,
			"ADFS changes its signing certificate by itself once a year: import by address, so that the new one is known in time. It answers only signed logout requests.",
			"Shibboleth encrypts by default: switch encrypted assertions on for the connection, so that our certificate is in the metadata.",
			"Nobody provisions beside such a connection, so that nobody notices who leaves: its sessions end after 12 hours.",
		}}
}

func genericOIDC() Guide {
	return Guide{IdP: "generic-oidc", Protocol: OIDC, Title: "Any identity provider: single sign-on by OpenID Connect",
		Needs: []string{"An administrator of the identity provider, which has to publish a discovery document.", "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "Register a client (relying party): a confidential one, for the web, with the authorization code.", Fields: []Field{
				enter("Redirect URI", "{callback_url}", "Exactly as it stands. PKCE with S256 is always used."),
				enter("Post-logout redirect URI", "{post_logout_url}", "Only where people are signed out there as well."),
				enter("Initiate login URI", "{initiate_url}", "For a tile, where sign-in from it is allowed on the connection's page."),
				enter("Back-channel logout URI", "{backchannel_url}", "Where it is offered: sessions here end when those there do."),
				enter("Front-channel logout URI", "{frontchannel_url}", "Only where there is no back-channel logout. It has to send iss and sid."),
				enter("Public keys (JWKS URI)", "{jwks_url}", "Only for a client without a secret (private_key_jwt)."),
			}},
			{Do: "Let the ID token or userinfo have these claims.", Fields: []Field{
				choose("Claim {email_attribute}", "e-mail address", "With email_verified: true, or it links to nobody."),
				choose("Claim {name_attribute}", "display name", ""),
				choose("Claim {groups_attribute}", "names of the groups", "A list."),
			}},
			{Do: "Let a test user use it. Enter client id, client secret and issuer in Gatehouse, activate the connection and test it."},
		},
		Bring: []Find{
			{"Client ID", "the client's registration", ""},
			{"Client secret", "the client's registration", ""},
			{"Issuer", "the field issuer of the discovery document", "The address of the discovery document will do as well."},
		},
		Groups: "A claim with a list of texts, in the ID token or at userinfo. An empty list means no groups; without the claim roles stay as they are. A scope for it can be added on the connection's page.",
		Warnings: []string{
			tested,
			"Tokens signed with HS256 or not at all are refused.",
			"Nobody provisions beside such a connection, so that nobody notices who leaves: its sessions end after 12 hours.",
		}}
}

package guide

// What the Microsoft Entra admin center asks for.

const (
	entraRights = "An administrator of Entra ID who may change enterprise applications (Cloud Application Administrator or Application Administrator)."
	entraNewApp = "In the Entra admin center open Enterprise apps, choose New application > Create your own application, and integrate one that is not in the gallery."
	entraLeave  = "Who is not assigned under Users and groups cannot sign in while Properties > Assignment required is Yes. Groups within groups do not count."
)

func entraSAML() Guide {
	const claims = "Attributes & Claims > "
	return Guide{IdP: "entra", Protocol: SAML, Title: "Microsoft Entra ID: single sign-on by SAML 2.0",
		Needs: []string{entraRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: entraNewApp},
			{Do: "Open Single sign-on > SAML and edit Basic SAML Configuration. Upload metadata file takes the document behind our metadata URL; by hand, enter these.", Fields: []Field{
				enter("Metadata URL", "{metadata_url}", "Not asked for there: save the document behind it to upload it."),
				enter("Identifier (Entity ID)", "{entity_id}", ""),
				enter("Reply URL (Assertion Consumer Service URL)", "{acs_url}", ""),
				enter("Sign on URL (Optional)", "", "With it the tile would begin here; it is not needed."),
				enter("Relay State (Optional)", "", "People land in their workspace."),
				enter("Logout Url (Optional)", "{logout_url}", "For single logout."),
			}},
			{Do: "Look at Attributes & Claims. The first four are there from the start.", Fields: []Field{
				enter(claims+"Unique User Identifier (Name ID)", "user.userprincipalname", "It has to be the userName that provisioning sends."),
				enter(claims+"{email_attribute}", "user.mail", ""),
				enter(claims+"{first_name_attribute}", "user.givenname", ""),
				enter(claims+"{last_name_attribute}", "user.surname", ""),
				choose(claims+"Add a group claim", "Groups assigned to the application", "Source attribute Group ID."),
			}},
			{Do: "Under SAML Certificates copy the App Federation Metadata Url, and import it in Gatehouse."},
			{Do: "Under Users and groups assign a test user, then groups. Activate the connection and test it."},
		},
		Bring:  []Find{{"Identity provider metadata", "SAML Certificates > App Federation Metadata Url", "Its address, or the Federation Metadata XML."}},
		Groups: "Entra sends the object ids of groups, and role mappings name those. Above 150 groups it sends a link in their place, which Gatehouse does not follow: roles stay as they are. Groups assigned to the application keeps the list short.",
		Warnings: []string{
			tested, entraLeave,
			"Do not ask for a means of sign-in here (AuthnContextClassRef): people with a second factor or a passkey would be refused at Entra with AADSTS75011.",
			"The tile (My Apps) signs people in only where sign-in from it is allowed on the connection's page.",
			"Entra's signing certificate lives for three years; Gatehouse warns before its end.",
		}}
}

func entraOIDC() Guide {
	return Guide{IdP: "entra", Protocol: OIDC, Title: "Microsoft Entra ID: single sign-on by OpenID Connect",
		Needs: []string{entraRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Entra admin center open App registrations > New registration.", Fields: []Field{
				choose("Supported account types", "Accounts in this organizational directory only", "More than one tenant needs the list of tenants in Gatehouse."),
				enter("Authentication > Web > Redirect URIs", "{callback_url}", "Exactly as it stands, on the platform Web."),
				enter("Authentication > Front-channel logout URL", "{frontchannel_url}", "Sessions here end when those there do."),
			}},
			{Do: "Under Certificates & secrets make a new client secret and copy its Value at once. The Secret ID is something else."},
			{Do: "Under Token configuration add what the ID token has to say.", Fields: []Field{
				choose("Add optional claim > ID", "email and xms_edov", "Without xms_edov Entra does not say that an address is verified, and it links to nobody. Where the list does not offer it, add it in the manifest."),
				choose("Add groups claim", "Groups assigned to the application", "As group ids."),
			}},
			{Do: "In the enterprise application of the same name, under Users and groups, assign a test user."},
			{Do: "Copy client id, client secret and issuer into Gatehouse, activate the connection and test it."},
		},
		Bring: []Find{
			{"Client ID", "Overview > Application (client) ID", ""},
			{"Client secret", "Certificates & secrets > Value", "It ends after two years at the latest: note the day."},
			{"Issuer", "https://login.microsoftonline.com/ with Overview > Directory (tenant) ID and /v2.0 behind", "The OpenID Connect metadata document under Endpoints will do as well."},
		},
		Groups: "The claim groups has the object ids of groups, and role mappings name those. Above 200 groups Entra sends none and says so, which changes nobody's role.",
		Warnings: []string{
			tested, entraLeave,
			"People are known by oid, which is the same at all applications of the tenant; sub is not.",
			"The issuers common and organizations let in people of every tenant. Gatehouse takes them only together with the tenants whose people may sign in.",
		}}
}

func entraSCIM() Guide {
	return Guide{IdP: "entra", Protocol: SCIM, Title: "Microsoft Entra ID: provisioning by SCIM",
		Needs: []string{entraRights, "A SCIM token of the directory in Gatehouse; where the policy asks for it, single sign-on has to work first."},
		Steps: []Step{
			{Do: "Open the enterprise application that does single sign-on, or make one that is not in the gallery, then Provisioning > New configuration. In the older view set the Provisioning Mode to Automatic."},
			{Do: "Under Admin Credentials enter these, press Test Connection and save.", Fields: []Field{
				enter("Tenant URL", "{scim_base_url}", ""),
				choose("Secret Token", theToken, "Gatehouse shows it once. It needs no end: Entra cannot renew it by itself."),
			}},
			{Do: "Under Mappings > Provision Microsoft Entra ID Users look at these.", Fields: []Field{
				choose("userName", "userPrincipalName", "What signs in as NameID."),
				choose("emails[type eq \"work\"].value", "mail", "Needed: e-mail and display name have to be mapped."),
				choose("displayName", "displayName", "Needed."),
				choose("externalId", "objectId", "The default mailNickname can change hands; the object id cannot."),
			}},
			{Do: "Under Mappings leave Provision Microsoft Entra ID Groups on, for roles by groups."},
			{Do: "Under Settings set the scope to assigned users and groups only, and assign a test user under Users and groups."},
			{Do: "Try the test user with Provision on demand: it is the quick way. Then set Provisioning Status to On (Start provisioning)."},
		},
		Groups: "Assigned groups are sent with their members. Groups within groups are not followed. A role mapping names them by display name or object id.",
		Warnings: []string{
			"Entra sends in cycles of 20 to 40 minutes, and the first one takes longer: a change, also somebody's leaving, is up to 40 minutes late. Provision on demand sends one person at once.",
			"Begin with a test sync in Gatehouse: what Entra sends is staged, and you see what enabling will do.",
			"When most requests fail Entra puts the job into quarantine: one cycle a day, and off after four weeks. Provisioning logs say why; Gatehouse's own log has the other side.",
			"Somebody who is deleted in Entra is deactivated at once and deleted 30 days later.",
			"The flag ?aadOptscim062020 on the Tenant URL is understood, and not needed.",
		}}
}

package guide

// What Okta's Admin Console asks for.

const oktaRights = "An Okta administrator who may make and change applications (Application Administrator or Super Administrator)."

func oktaSAML() Guide {
	return Guide{IdP: "okta", Protocol: SAML, Title: "Okta: single sign-on by SAML 2.0",
		Needs: []string{oktaRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin Console open Applications > Applications, choose Create App Integration and then SAML 2.0. Give the application the name that people will see on its tile."},
			{Do: "Under Configure SAML enter these values one by one: the wizard takes no metadata URL.", Fields: []Field{
				enter("Single sign-on URL", "{acs_url}", "Leave \"Use this for Recipient URL and Destination URL\" ticked."),
				enter("Audience URI (SP Entity ID)", "{entity_id}", ""),
				enter("Default RelayState", "", "People land in their workspace."),
				choose("Name ID format", "EmailAddress", "Persistent works as well."),
				choose("Application username", "Email", "It has to be the userName that provisioning sends."),
				choose("Update application username on", "Create and update", ""),
			}},
			{Do: "Add the attributes, each with the name format Unspecified. Where the wizard has no attribute statements any more, they are on the application's Sign On tab once it is made.", Fields: []Field{
				enter("Attribute Statements: {email_attribute}", "user.email", ""),
				enter("Attribute Statements: {first_name_attribute}", "user.firstName", ""),
				enter("Attribute Statements: {last_name_attribute}", "user.lastName", ""),
				choose("Group Attribute Statements: {groups_attribute}", "Matches regex .*", "Narrow the filter to the groups that give a role."),
			}},
			{Do: "For single logout open Show Advanced Settings, tick Enable Single Logout and enter these. Okta takes logout requests only if they are signed with the key of that certificate.", Fields: []Field{
				enter("Single Logout URL", "{logout_url}", ""),
				enter("SP Issuer", "{entity_id}", ""),
				choose("Signature Certificate", "our certificate", "It is on the connection's page once single logout or signed requests are switched on."),
			}},
			{Do: "Finish the wizard. On the Sign On tab find the metadata URL, and import it in Gatehouse."},
			{Do: "On the Assignments tab assign a test user, then groups: who is not assigned cannot sign in."},
			{Do: "Activate the connection in Gatehouse and press the application's tile in the test user's Okta dashboard: it leads into the workspace, signed in."},
		},
		Bring:  []Find{{"Identity provider metadata", "Sign On > SAML 2.0 > Metadata details > Metadata URL", "Its address, or the document behind it."}},
		Groups: "A group attribute statement sends the names of the groups that its filter lets through, one value for each. A role mapping names them as they are called in Okta.",
		Warnings: []string{
			tested,
			"Sign-in from the tile is on for Okta, since that is how its administrators test. It can be switched off on the connection's page.",
			"Signed requests: give Okta our certificate under Show Advanced Settings > Signature Certificate before you switch them on. Encrypted assertions are set there too.",
			"A statement on groups whose filter fits nothing sends no attribute at all, and then roles stay as they are.",
		}}
}

func oktaOIDC() Guide {
	return Guide{IdP: "okta", Protocol: OIDC, Title: "Okta: single sign-on by OpenID Connect",
		Needs: []string{oktaRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin Console open Applications > Applications, choose Create App Integration, then OIDC - OpenID Connect and Web Application."},
			{Do: "Enter these.", Fields: []Field{
				choose("Grant type", "Authorization Code", "And no other."),
				enter("Sign-in redirect URIs", "{callback_url}", "Exactly as it stands."),
				enter("Sign-out redirect URIs", "{post_logout_url}", "Only where people are signed out at Okta as well."),
				choose("Assignments > Controlled access", "Limit access to selected groups", ""),
			}},
			{Do: "For the tile, edit General Settings.", Fields: []Field{
				choose("Login initiated by", "Either Okta or App", ""),
				enter("Initiate login URI", "{initiate_url}", "Login flow: redirect to the app to initiate login."),
			}},
			{Do: "For roles by groups, edit OpenID Connect ID Token on the Sign On tab.", Fields: []Field{
				choose("Group claim type", "Filter", ""),
				choose("Group claims filter: {groups_attribute}", "Matches regex .*", "Narrow it to the groups that give a role."),
			}},
			{Do: "Copy client id, client secret and issuer into Gatehouse, activate the connection and test it with a test user."},
		},
		Bring: []Find{
			{"Client ID", "General > Client Credentials > Client ID", ""},
			{"Client secret", "General > Client Credentials > Client secrets", ""},
			{"Issuer", "Your Okta address, such as https://acme.okta.com", "Or that of a custom authorization server, with /oauth2/ and its id behind. The address of the discovery document will do as well."},
		},
		Groups: "The claim comes from the group claims filter and needs the scope groups at Okta's own authorization server. A custom authorization server needs a claim and a scope of that name of its own.",
		Warnings: []string{
			tested,
			"Okta puts a limited number of groups into a token, about 100: narrow the filter, or the sign-in fails there.",
			"With a back-channel logout URI Okta ends sessions here when it ends its own, where your edition offers that: {backchannel_url}",
		}}
}

func oktaSCIM() Guide {
	return Guide{IdP: "okta", Protocol: SCIM, Title: "Okta: provisioning by SCIM",
		Needs: []string{oktaRights, "A SCIM token of the directory in Gatehouse; where the policy asks for it, single sign-on has to work first."},
		Steps: []Step{
			{Do: "Open the application in the Admin Console. For one that you made yourself, choose SCIM under General > App Settings > Provisioning; then there is a Provisioning tab."},
			{Do: "On the Provisioning tab choose Configure API Integration (Integration > Edit), tick Enable API integration and enter these.", Fields: []Field{
				enter("SCIM connector base URL", "{scim_base_url}", "Called Base URL in applications of the catalogue."),
				enter("Unique identifier field for users", "userName", ""),
				choose("Supported provisioning actions", "Push New Users, Push Profile Updates, Push Groups", ""),
				choose("Authentication Mode", "HTTP Header", ""),
				choose("Authorization (API Token)", theToken, "Gatehouse shows it once. Test API Credentials has to succeed, also while nobody is provisioned."),
			}},
			{Do: "Under Provisioning > To App enable these.", Fields: []Field{
				choose("Create Users", "Enable", ""), choose("Update User Attributes", "Enable", ""), choose("Deactivate Users", "Enable", ""),
			}},
			{Do: "On the Sign On tab, under Credentials Details, set the user name.", Fields: []Field{
				choose("Application username format", "Email", "Gatehouse refuses a userName that is no address where its policy needs one."),
			}},
			{Do: "Assign people or groups on the Assignments tab: assigning is what creates members."},
			{Do: "On the Push Groups tab choose Push Groups > Find groups by name, and save each group that gives a role."},
		},
		Groups: "Push Groups sends a group with its members. Pushing a group creates nobody: its members have to be assigned as well.",
		Warnings: []string{
			"Begin with a test sync in Gatehouse: what Okta sends is staged, and you see what enabling will do.",
			"Assign a test user before everybody. Changes arrive within minutes.",
			"Okta offers SCIM to applications for SAML or SWA, not to those for OpenID Connect: make an application for provisioning beside one.",
			"Passwords are never taken over, whatever Sync Password says.",
			"A task that failed waits under Dashboard > Tasks until somebody retries it.",
		}}
}

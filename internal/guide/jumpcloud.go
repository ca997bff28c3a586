package guide

// What JumpCloud's Admin Portal asks for.

const jumpcloudRights = "A JumpCloud administrator (Administrator or Administrator with billing)."

func jumpcloudSAML() Guide {
	return Guide{IdP: "jumpcloud", Protocol: SAML, Title: "JumpCloud: single sign-on by SAML 2.0",
		Needs: []string{jumpcloudRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin Portal open SSO Applications (Access > SSO Applications), choose Add New Application > Custom Application, then Manage Single Sign-On and Configure SSO with SAML."},
			{Do: "On the SSO tab enter these.", Fields: []Field{
				choose("IdP Entity ID", "a name that nobody else has, such as https://sso.jumpcloud.com/ with your company's name", "You type it; two organisations may have typed the same. Gatehouse goes by the connection and its certificate."),
				enter("SP Entity ID", "{entity_id}", ""),
				enter("ACS URLs", "{acs_url}", ""),
				choose("SAMLSubject NameID", "email", ""),
				choose("SAMLSubject NameID Format", "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress", ""),
				choose("Signature Algorithm", "RSA-SHA256", ""),
				choose("Sign", "Assertion", "Response is taken as well."),
				enter("Default RelayState", "", "People land in their workspace."),
				enter("Login URL", "{login_url}", ""),
			}},
			{Do: "Under User Attributes and Group Attributes add these, the name on the left and the JumpCloud attribute on the right.", Fields: []Field{
				enter("{email_attribute}", "email", ""),
				enter("{first_name_attribute}", "firstname", ""),
				enter("{last_name_attribute}", "lastname", ""),
				enter("Include group attribute", "{groups_attribute}", ""),
			}},
			{Do: "Save, open the application again and import its metadata in Gatehouse."},
			{Do: "On the User Groups tab choose a group with a test user in it. Activate the connection and test it."},
		},
		Bring:  []Find{{"Identity provider metadata", "SSO > JumpCloud Metadata > Copy Metadata URL", "Or Export Metadata, for the document."}},
		Groups: "The group attribute has the names of the JumpCloud groups that give the person this application.",
		Warnings: []string{
			tested,
			"Everybody in a group that is bound to the application may sign in.",
			"Changing the IdP Entity ID later makes it another identity provider: import the metadata again, and the connection has to be proven anew.",
		}}
}

func jumpcloudOIDC() Guide {
	return Guide{IdP: "jumpcloud", Protocol: OIDC, Title: "JumpCloud: single sign-on by OpenID Connect",
		Needs: []string{jumpcloudRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin Portal open SSO Applications, choose Add New Application > Custom Application, then Manage Single Sign-On and Configure SSO with OIDC."},
			{Do: "On the SSO tab enter these.", Fields: []Field{
				enter("Redirect URIs", "{callback_url}", "Exactly as it stands."),
				choose("Client Authentication Type", "Client Secret Basic", "Gatehouse begins with that; POST can be chosen on both sides."),
				enter("Login URL", "{oidc_login_url}", "Where the tile begins."),
				choose("Attribute Mapping > Standard Scopes", "Email and Profile", ""),
				enter("Include group attribute", "{groups_attribute}", "For roles by groups."),
			}},
			{Do: "Activate the application there and copy client id and client secret at once: the secret is shown that once."},
			{Do: "On the User Groups tab choose a group with a test user in it. Enter client id, client secret and issuer in Gatehouse, activate the connection and test it."},
		},
		Bring: []Find{
			{"Client ID", "shown when the application is activated, and on the SSO tab", ""},
			{"Client secret", "shown once, when the application is activated", "A lost one is made anew on the SSO tab."},
			{"Issuer", "https://oauth.id.jumpcloud.com/", "With the slash at its end. Organisations in another region have an address of their own: the discovery document says it."},
		},
		Groups: "The claim {groups_attribute} has the names of the JumpCloud groups that the person is in.",
		Warnings: []string{
			tested,
			"Sign-in fails with invalid_client while the authentication type here and there differ.",
		}}
}

func jumpcloudSCIM() Guide {
	return Guide{IdP: "jumpcloud", Protocol: SCIM, Title: "JumpCloud: provisioning by SCIM",
		Needs: []string{jumpcloudRights, "A SCIM token of the directory in Gatehouse; where the policy asks for it, single sign-on has to work first."},
		Steps: []Step{
			{Do: "In the Admin Portal open the application that does single sign-on, and its Identity Management tab."},
			{Do: "Enter these and press Test Connection.", Fields: []Field{
				choose("API Type", "SCIM API", ""),
				choose("SCIM Version", "SCIM 2.0", ""),
				enter("Base URL", "{scim_base_url}", ""),
				choose("Token Key", theToken, "Gatehouse shows it once."),
				choose("Test User Email", "an address that nobody has", "In a domain of yours: JumpCloud makes that user, and a group, and deletes both."),
			}},
			{Do: "For roles by groups switch on the management of user groups and group membership, then activate."},
			{Do: "On the User Groups tab bind a group with a test user in it, then the others."},
		},
		Groups: "Groups that are bound to the application are sent with their members.",
		Warnings: []string{
			"Activation makes a test user and a test group and deletes them again. Both stand in Gatehouse's log, and nothing is left of them.",
			"Begin with a test sync in Gatehouse: what JumpCloud sends is staged, and you see what enabling will do.",
			"Unbinding somebody's last group deactivates them here.",
		}}
}

package guide

// What OneLogin's administration asks for.

const oneloginRights = "A OneLogin administrator who may make and change applications (Account owner or Super user)."

func oneloginSAML() Guide {
	return Guide{IdP: "onelogin", Protocol: SAML, Title: "OneLogin: single sign-on by SAML 2.0",
		Needs: []string{oneloginRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "Under Applications > Applications choose Add App, search for SAML Custom Connector (Advanced), and save it under the name that people will see."},
			{Do: "On the Configuration tab enter these.", Fields: []Field{
				enter("Audience (EntityID)", "{entity_id}", ""),
				enter("Recipient", "{acs_url}", ""),
				enter("ACS (Consumer) URL Validator", "{acs_pattern}", "A regular expression: the address with its dots escaped."),
				enter("ACS (Consumer) URL", "{acs_url}", ""),
				enter("RelayState", "", "People land in their workspace."),
				enter("Single Logout URL", "{logout_url}", "For single logout."),
				enter("Login URL", "{login_url}", "Needed with the SAML initiator Service Provider."),
				choose("SAML initiator", "Service Provider", "OneLogin, where the tile is to sign in by itself; allow that on the connection's page then."),
				choose("SAML nameID format", "Email", ""),
				choose("SAML signature element", "Assertion", "Response and Both are taken as well."),
			}},
			{Do: "On the Parameters tab add these, and tick Include in SAML assertion for each.", Fields: []Field{
				enter("{email_attribute}", "Email", ""),
				enter("{first_name_attribute}", "First Name", ""),
				enter("{last_name_attribute}", "Last Name", ""),
				choose("{groups_attribute}", "User Roles", "Or MemberOf, for groups of a directory behind. Tick Multi-value parameter, and choose to split at the semicolon."),
			}},
			{Do: "On the SSO tab set the signature algorithm, and import the metadata in Gatehouse.", Fields: []Field{
				choose("SAML Signature Algorithm", "SHA-256", "Older applications begin with SHA-1, which is refused here."),
			}},
			{Do: "On the Access tab, or with a role, give the application to a test user. Activate the connection and test it."},
		},
		Bring:  []Find{{"Identity provider metadata", "SSO > Issuer URL", "The address behind it is that of the metadata. Or More Actions > SAML Metadata, for the document."}},
		Groups: "A multi-value parameter sends one value for each role or group. Without the tick it sends one text with semicolons: say so then among the attribute names on the connection's page (groups in one value are parted by).",
		Warnings: []string{
			tested,
			"Without SHA-256 the sign-in is refused: SHA-1 is accepted only for a time that is set on the connection's page.",
		}}
}

func oneloginOIDC() Guide {
	return Guide{IdP: "onelogin", Protocol: OIDC, Title: "OneLogin: single sign-on by OpenID Connect",
		Needs: []string{oneloginRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "Under Applications > Applications choose Add App, search for OpenId Connect (OIDC), and save it."},
			{Do: "On the Configuration tab enter these.", Fields: []Field{
				enter("Login Url", "{oidc_login_url}", "Where the tile begins."),
				enter("Redirect URI's", "{callback_url}", "Exactly as it stands."),
				enter("Post Logout Redirect URIs", "{post_logout_url}", "Only where people are signed out at OneLogin as well."),
			}},
			{Do: "On the SSO tab set these.", Fields: []Field{
				choose("Application Type", "Web", ""),
				choose("Token Endpoint > Authentication Method", "Basic", "Gatehouse begins with that; POST can be chosen on both sides."),
			}},
			{Do: "On the Parameters tab map Groups to User Roles or to the groups of a directory behind."},
			{Do: "Give the application to a test user. Copy client id, client secret and issuer into Gatehouse, activate the connection and test it."},
		},
		Bring: []Find{
			{"Client ID", "SSO > Client ID", ""},
			{"Client secret", "SSO > Client Secret", ""},
			{"Issuer", "SSO > Issuer URL, such as https://acme.onelogin.com/oidc/2", ""},
		},
		Groups: "The claim {groups_attribute} comes with the scope groups, which Gatehouse asks for, and has what the parameter Groups is mapped to.",
		Warnings: []string{
			tested,
			"Sign-in fails with invalid_client while the authentication method here and there differ.",
		}}
}

func oneloginSCIM() Guide {
	return Guide{IdP: "onelogin", Protocol: SCIM, Title: "OneLogin: provisioning by SCIM",
		Needs: []string{oneloginRights, "A SCIM token of the directory in Gatehouse; where the policy asks for it, single sign-on has to work first."},
		Steps: []Step{
			{Do: "Under Applications > Applications choose Add App and search for SCIM Provisioner with SAML (SCIM v2 Enterprise). It does single sign-on by SAML as well; the guide for SAML says how."},
			{Do: "On the Configuration tab enter these and enable the API connection.", Fields: []Field{
				enter("SCIM Base URL", "{scim_base_url}", ""),
				choose("SCIM Bearer Token", theToken, "Gatehouse shows it once."),
				choose("SCIM JSON Template", "as it comes", "What is left out or empty is taken as unset."),
				choose("API Status", "Enable", ""),
			}},
			{Do: "On the Parameters tab map these.", Fields: []Field{
				choose("scimusername", "Email", "What signs in as NameID."),
				choose("Groups", "Include in User Provisioning", "For roles by groups."),
			}},
			{Do: "On the Provisioning tab set these.", Fields: []Field{
				choose("Enable provisioning", "ticked", "While Require admin approval is ticked for an action, it waits under Activity > Provisioning tasks."),
				choose("When users are deleted in OneLogin, or the user's app access is removed", "Suspend", "Do Nothing would leave them in. Delete is understood."),
			}},
			{Do: "On the Rules tab set groups by Set Groups, then give the application to a test user."},
		},
		Groups: "OneLogin reads the groups that there are here (Provisioning > Entitlements > Refresh) and puts people into them by rules.",
		Warnings: []string{
			"Begin with a test sync in Gatehouse: what OneLogin sends is staged, and you see what enabling will do.",
			"Approvals that nobody gives look like provisioning that does not work.",
		}}
}

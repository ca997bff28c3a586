package guide

// What Google's Admin console and Cloud console ask for.

const googleRights = "A super administrator of the Google Workspace account."

func googleSAML() Guide {
	return Guide{IdP: "google", Protocol: SAML, Title: "Google Workspace: single sign-on by SAML 2.0",
		Needs: []string{googleRights, "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin console open Apps > Web and mobile apps, choose Add app > Add custom SAML app, and give it a name."},
			{Do: "On the page Google Identity Provider details download the metadata: Google publishes it under no address. Import the file in Gatehouse."},
			{Do: "On the page Service provider details enter these.", Fields: []Field{
				enter("ACS URL", "{acs_url}", ""),
				enter("Entity ID", "{entity_id}", ""),
				enter("Start URL (optional)", "", "People land in their workspace."),
				choose("Signed response", "ticked", "Unticked, Google signs the assertion alone, which is taken too."),
				choose("Name ID format", "EMAIL", "PERSISTENT works as well."),
				choose("Name ID", "Basic Information > Primary email", ""),
			}},
			{Do: "Under Attribute mapping add these, the Google directory attribute on the left and the app attribute on the right.", Fields: []Field{
				enter("Basic Information > Primary email", "{email_attribute}", ""),
				enter("Basic Information > First name", "{first_name_attribute}", ""),
				enter("Basic Information > Last name", "{last_name_attribute}", ""),
				enter("Group membership (optional) > App attribute", "{groups_attribute}", "Choose the groups that give a role, 75 at the most."),
			}},
			{Do: "Finish, open User access and switch the app on for an organisational unit with a test user in it."},
			{Do: "Activate the connection in Gatehouse and test it."},
		},
		Bring:  []Find{{"Identity provider metadata", "Google Identity Provider details > Download metadata", "Paste the document: there is no address."}},
		Groups: "Group membership sends the names of the chosen groups that the person is in. Others are never sent.",
		Warnings: []string{
			tested,
			"Switching an app on or off, and its access, takes some minutes and up to 24 hours to be true for everybody.",
			"Google does not encrypt assertions, does not check signatures on our requests and has no single logout for such apps: leave those choices off.",
			"The certificate lives for five years. A new one is made by hand there, and its metadata has to be imported here before it is used.",
			"The tile (the app launcher) signs people in only where sign-in from it is allowed on the connection's page.",
		}}
}

func googleOIDC() Guide {
	return Guide{IdP: "google", Protocol: OIDC, Title: "Google Workspace: single sign-on by OpenID Connect",
		Needs: []string{"Somebody who may make a project in Google Cloud that belongs to the organisation.", "An owner or administrator of the workspace in Gatehouse."},
		Steps: []Step{
			{Do: "In the Google Cloud console choose a project of your organisation and set the consent screen up (Google Auth Platform > Audience, formerly OAuth consent screen).", Fields: []Field{
				choose("User type", "Internal", "Accounts of nobody else get that far then."),
			}},
			{Do: "Under Clients (Credentials) choose Create client > OAuth client ID.", Fields: []Field{
				choose("Application type", "Web application", ""),
				enter("Authorized redirect URIs", "{callback_url}", "Exactly as it stands."),
			}},
			{Do: "Copy client id and client secret into Gatehouse, with the primary domain of your Google Workspace account. Activate the connection and test it."},
		},
		Bring: []Find{
			{"Client ID", "Clients > the client > Client ID", ""},
			{"Client secret", "Clients > the client > Client secret", "It may be shown only when it is made."},
			{"Issuer", "https://accounts.google.com", "It is filled in."},
			{"Google Workspace domains", "Account > Account settings > Primary domain", "Gatehouse lets in only people of these (the claim hd)."},
		},
		Groups: "Google sends no groups. Roles come from provisioning or are given by hand.",
		Warnings: []string{
			tested,
			"Without the domain anybody with a Google account could sign in, so Gatehouse does not activate the connection without one.",
			"Google has neither single logout nor a tile for such clients.",
		}}
}

func googleSCIM() Guide {
	return Guide{IdP: "google", Protocol: SCIM, Title: "Google Workspace: provisioning by SCIM",
		Needs: []string{googleRights, "This product's entry in Google's catalogue of apps: only those can be provisioned to.", "A SCIM token of the directory in Gatehouse."},
		Steps: []Step{
			{Do: "In the Admin console open Apps > Web and mobile apps and the app that was added from the catalogue, then Autoprovisioning > Configure autoprovisioning."},
			{Do: "Enter these.", Fields: []Field{
				choose("App authorization (access token)", theToken, "Gatehouse shows it once."),
				enter("Endpoint URL", "{scim_base_url}", ""),
			}},
			{Do: "Under Attribute mapping look at these; Google reads what there is from our schema.", Fields: []Field{
				choose("userName", "Basic Information > Primary email", ""),
				choose("emails[type eq \"work\"].value", "Basic Information > Primary email", ""),
				choose("name.givenName and name.familyName", "First name and Last name", ""),
			}},
			{Do: "Under Provisioning scope narrow it to a group with a test user in it, if you want to begin with some."},
			{Do: "Under Deprovisioning choose how soon people are suspended and deleted here after they are there, then activate autoprovisioning."},
		},
		Groups: "Google provisions people and no groups. Roles come from the groups of a sign-in by SAML, or are given by hand.",
		Warnings: []string{
			"A custom SAML app has no autoprovisioning. While the product is not in Google's catalogue, let people become members at their first sign-in; nobody notices then who leaves, and sessions end after 12 hours.",
			"Google sends every few hours: somebody's leaving may be that late.",
			"Suspending and deleting are separate triggers, and deleting may come up to three weeks later. Leave suspending on.",
		}}
}

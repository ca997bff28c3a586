package reason

// The places in IdPs' consoles, in the words that stand there. Several reasons share each.

func placeACS() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Edit: Single sign-on URL; tick “Use this for Recipient URL and Destination URL”",
		Entra:     "Enterprise applications > the app > Single sign-on > Basic SAML Configuration: Reply URL (Assertion Consumer Service URL). For OIDC: App registrations > the app > Authentication: Redirect URIs",
		Google:    "Apps > Web and mobile apps > the app > Service provider details: ACS URL",
		OneLogin:  "Applications > the app > Configuration: ACS (Consumer) URL, Recipient, and the ACS (Consumer) URL Validator",
		JumpCloud: "SSO Applications > the app > SSO: ACS URLs",
		Generic:   "The assertion consumer service URL of the application; for OIDC its redirect URI",
	}
}

func placeAudience() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Edit: Audience URI (SP Entity ID)",
		Entra:     "Enterprise applications > the app > Single sign-on > Basic SAML Configuration: Identifier (Entity ID). For OIDC compare App registrations > the app > Overview: Application (client) ID",
		Google:    "Apps > Web and mobile apps > the app > Service provider details: Entity ID",
		OneLogin:  "Applications > the app > Configuration: Audience (EntityID)",
		JumpCloud: "SSO Applications > the app > SSO: SP Entity ID",
		Generic:   "The audience, or service provider entity ID, of the application; for OIDC its client id",
	}
}

func placeCertificate() Places {
	return Places{
		Okta:      "Applications > the app > Sign On > SAML Signing Certificates: the active one, or Metadata URL",
		Entra:     "Enterprise applications > the app > Single sign-on > SAML Certificates: the active one, or App Federation Metadata Url",
		Google:    "Apps > Web and mobile apps > the app > Download metadata",
		OneLogin:  "Applications > the app > SSO: X.509 Certificate, or Issuer URL, which is the metadata",
		JumpCloud: "SSO Applications > the app > SSO: JumpCloud Metadata > Export Metadata",
		Generic:   "The identity provider's metadata, with the certificates that it signs with now",
	}
}

func placeSigning() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Show Advanced Settings: Response, Assertion Signature, Signature Algorithm RSA-SHA256, Digest Algorithm SHA256",
		Entra:     "Enterprise applications > the app > Single sign-on > SAML Certificates > Edit: Signing Option, Signing Algorithm SHA-256",
		Google:    "Apps > Web and mobile apps > the app > Service provider details: Signed response",
		OneLogin:  "Applications > the app > Configuration: SAML signature element; SSO: SAML Signature Algorithm SHA-256",
		JumpCloud: "SSO Applications > the app > SSO: Sign, Signature Algorithm RSA-SHA256",
		Generic:   "What the identity provider signs (assertion or response) and by which algorithm: RSA or ECDSA with SHA-256",
	}
}

func placeEncryption() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Show Advanced Settings: Assertion Encryption, Encryption Algorithm AES256-GCM, Encryption Certificate",
		Entra:     "Enterprise applications > the app > Token encryption",
		Google:    "Google Workspace does not encrypt assertions",
		OneLogin:  "Applications > the app > Configuration: Encrypt assertion, SAML Encryption",
		JumpCloud: "SSO Applications > the app > SSO: the encryption of assertions and the SP certificate",
		Generic:   "The encryption of assertions for this application, and the certificate that it encrypts for",
	}
}

func placeNameID() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Edit: Name ID format EmailAddress, Application username",
		Entra:     "Enterprise applications > the app > Single sign-on > Attributes & Claims: Unique User Identifier (Name ID)",
		Google:    "Apps > Web and mobile apps > the app > Service provider details: Name ID format, Name ID",
		OneLogin:  "Applications > the app > Parameters: NameID value; Configuration: SAML nameID format",
		JumpCloud: "SSO Applications > the app > SSO: SAMLSubject NameID, SAMLSubject NameID Format",
		Generic:   "The NameID of the application's assertions: a lasting one, such as the e-mail address; for OIDC the claim sub",
	}
}

func placeAttributes() Places {
	return Places{
		Okta:      "Applications > the app > General > SAML Settings > Attribute Statements; for OIDC Security > API > Authorization Servers > Claims",
		Entra:     "Enterprise applications > the app > Single sign-on > Attributes & Claims; for OIDC App registrations > the app > Token configuration",
		Google:    "Apps > Web and mobile apps > the app > SAML attribute mapping",
		OneLogin:  "Applications > the app > Parameters, with “Include in SAML assertion” ticked",
		JumpCloud: "SSO Applications > the app > SSO: User Attribute Mapping",
		Generic:   "The attributes or claims that the application is sent",
	}
}

func placeAssignment() Places {
	return Places{
		Okta:      "Applications > the app > Assignments: the person, or a group that they are in",
		Entra:     "Enterprise applications > the app > Users and groups; Properties: Assignment required?",
		Google:    "Apps > Web and mobile apps > the app > User access: ON for the person's organisational unit or group",
		OneLogin:  "Users > the person > Applications, or the roles of the app under Access",
		JumpCloud: "SSO Applications > the app > User Groups: a group that the person is in",
		Generic:   "Who is assigned to the application, and the policies of access to it",
	}
}

func placeProvisioning() Places {
	return Places{
		Okta:      "Applications > the app > Assignments: is the person there, and has the line an error? Provisioning > To App: Create Users",
		Entra:     "Enterprise applications > the app > Users and groups, then Provisioning > Provision on demand for the person; a cycle takes 20 to 40 minutes",
		Google:    "Apps > Web and mobile apps > the app > User access and Auto-provisioning",
		OneLogin:  "Applications > the app > Users: the provisioning state of the person; approve it where it waits",
		JumpCloud: "SSO Applications > the app > User Groups, and Identity Management: the state of provisioning",
		Generic:   "The SCIM provisioning of the application: is the person in its scope, and did the request fail?",
	}
}

func placePolicy() Places {
	return Places{
		Okta:      "Applications > the app > Sign On > Authentication policy; General > SAML Settings > Honor Force Authentication",
		Entra:     "Protection > Conditional Access > Policies: sign-in frequency and the means that they require",
		Google:    "Security > Authentication, and Apps > Web and mobile apps > the app > Settings",
		OneLogin:  "Applications > the app > Access: Policy; Configuration: Force authentication",
		JumpCloud: "Security Management > Conditional Policies",
		Generic:   "The policy by which the identity provider asks people to prove who they are for this application",
	}
}

func placeClient() Places {
	return Places{
		Okta:      "Applications > the app > General > Client Credentials: client ID, client authentication, client secrets",
		Entra:     "App registrations > the app > Certificates & secrets: copy the Value of a client secret, not its ID, and mind its end",
		Google:    "Google Cloud console > APIs & Services > Credentials > the OAuth 2.0 client",
		OneLogin:  "Applications > the app > SSO: Client ID, Client Secret, Token Endpoint authentication method",
		JumpCloud: "SSO Applications > the app > SSO: Client ID, client secret, Client Authentication Type",
		Generic:   "The client of this application: its id, its secret, and how it proves itself at the token endpoint",
	}
}

func placeIssuer() Places {
	return Places{
		Okta:      "SAML: Applications > the app > Sign On > Metadata URL: entityID. OIDC: Security > API > Authorization Servers: Issuer URI, or the address of the organisation",
		Entra:     "SAML: Enterprise applications > the app > Single sign-on: Microsoft Entra Identifier. OIDC: App registrations > the app > Endpoints",
		Google:    "SAML: Apps > Web and mobile apps > the app > Download metadata: Entity ID. OIDC: https://accounts.google.com",
		OneLogin:  "Applications > the app > SSO: Issuer URL",
		JumpCloud: "SAML: SSO Applications > the app > SSO: IdP Entity ID. OIDC: https://oauth.id.jumpcloud.com/",
		Generic:   "The name that the identity provider gives itself: its entity ID, or for OIDC its issuer",
	}
}

// Package idpsim holds simulated identity providers that speak SCIM, SAML and OpenID Connect as the vendors' own do,
// each with people, groups and the acts of its administrator.
//
//	okta         Okta, catalogue (OIN) app: PUT for profiles, PATCH for state and groups
//	okta-custom  Okta, App Integration Wizard app: PUT for everything
//	entra        Microsoft Entra ID, default dialect: capitalised operations, string booleans
//	entra-flag   Microsoft Entra ID with ?aadOptscim062020 on its tenant URL
//	onelogin     OneLogin: PUT from a JSON template, "" for what is unset, PATCH for members
//	jumpcloud    JumpCloud: an activation with a test user and a test group, value lists for members
//	google       Google Workspace: people only, mapped from /Schemas, suspending and deleting apart
//	pingone      PingOne: the administrator's own filter, people made inactive, member lists whole
//	cyberark     CyberArk Identity: discovery by id, a read before each PUT
//
// The first four follow documents of their vendors. Of the others less is published: each one's file
// says what was documented, what was seen on the wire, and what is from memory.
//
// It is for demonstrations, for acceptance stories and for people who want to see what their IdP
// will send. It imports none of the other rooms, not even their error kinds, so that it cannot
// share their mistakes: it reads an answer as a stranger does. It refuses to know what the
// application does with a request, and it refuses to follow redirects, as the real clients do.
//
// Entry points: [New] makes a [Server] with one IdP of each kind, [Server.IdP] picks one, [Server.Handler]
// serves pages and JSON. Operations are methods on [IdP]: they take effect at once, as tasks, but
// Entra's only note the change, and [IdP.Sync] runs the cycle that sends it. [Load] measures an
// application on this machine with a client's own traffic.
//
// Signing in has settings of its own: [IdP.ConfigureSAML] or [IdP.ImportSAML], then
// [IdP.SignInAs] answers a request and [IdP.Tile] starts at the IdP; both return the [Posting]
// that a browser would take to the application. [IdP.SetSAMLFault] breaks the next one. Beside
// Entra all sign in as Okta does, each under an entityID of its vendor's shape.
//
// Under OpenID Connect those are [IdP.ConfigureOIDC], [IdP.Authorize] with an [Answer], [IdP.OIDCTile] and
// [IdP.SetOIDCFault]; tokens are fetched over HTTP from [Server.Handler]. [IdP.RotateKey] changes the signing
// key, [IdP.SignOut] ends sessions and says so. PingOne and CyberArk are not simulated under it.
//
// Every refused request is a [*StepError] naming the step, the status and the SCIM detail. Every
// exchange is kept in a bounded [Trace]; tokens and passwords are left out of it.
//
// # HTTP
//
// {idp} is one of the names above. {who} is a person's id or user name, {group} a group's id
// or name. Bodies are JSON objects; an answer is {"result": ...}, or {"error": {...}} with 400
// (bad input), 403 (the person may not sign in), 404 (unknown), 409 (not now), 502 (the application refused) or 503.
//
//	GET  /                                  index page
//	GET  /{idp}                             page of one IdP
//	GET  /api                               all IdPs with counts
//	GET  /api/{idp}                         connection, people, groups, last outcome
//	GET  /api/{idp}/trace?limit=N           exchanges, newest first
//	POST /api/{idp}/trace/clear             forget them
//	POST /api/{idp}/connect                 {base_url, token, raw_authorization, without_groups, matching,
//	                                         role_mapping, password_sync, extension, member_batch,
//	                                         parallel, attempts, import_past_end, suspend_action,
//	                                         delete_action, template, test_address, user_filter,
//	                                         create_inactive, mapping, nest_core}
//	POST /api/{idp}/test                    test the credentials; JumpCloud: activate
//	POST /api/{idp}/seed                    {people, groups, domain, group_names}
//	POST /api/{idp}/assign-all              assign everybody, push every group, send all of it
//	POST /api/{idp}/sync                    Entra: one cycle; Google, PingOne: what is due; others: import
//	POST /api/{idp}/retry                   failed tasks again; Entra: a cycle without back-off
//	POST /api/{idp}/load                    {connection, people, groups, changes, imports, domain, seconds}:
//	                                         a load on the connected application, loopback only
//	POST /api/{idp}/restart                 Entra: forget what was sent, lift quarantine, one full cycle
//	POST /api/{idp}/people                  {id, userName, givenName, familyName, displayName, email,
//	                                         title, department, phone, postalCode, custom}
//	POST /api/{idp}/people/{who}            the same keys: those given are changed
//	POST /api/{idp}/people/{who}/assign     also: unassign, deactivate, reactivate, delete, provision
//	POST /api/{idp}/people/{who}/manager    {manager}: a person, or "" for none
//	POST /api/{idp}/people/{who}/password   {password}: Okta with password sync
//	POST /api/{idp}/people/{who}/roles      {roles: [{id, value, displayName}]}: Entra app roles
//	POST /api/{idp}/people/{who}/move       {from, to}: between groups
//	POST /api/{idp}/groups                  {id, name, members}
//	POST /api/{idp}/groups/{group}/rename   {name}
//	POST /api/{idp}/groups/{group}/members  {add: [who], remove: [who]}
//	POST /api/{idp}/groups/{group}/push     push; Entra: bring into scope; Google has no groups
//	POST /api/{idp}/groups/{group}/push-now the complete member list again
//	POST /api/{idp}/groups/{group}/unlink   {delete: bool}: leave the group in the app, or delete it there
//	POST /api/{idp}/groups/{group}/delete   delete it in the IdP
//
// # SAML
//
// Scripts use these; a posting is {acs, saml_response, relay_state, fault}, the response in base64.
// Addresses in answers and in metadata follow the Host of the request.
//
//	GET  /api/{idp}/saml                    {entity_id, sso_url, metadata_url, certificate, fingerprint,
//	                                         settings, fault, faults, last, issued}
//	POST /api/{idp}/saml                    settings, those given are changed: {app, acs_url, audience,
//	                                         relay_state, name_id_format, name_id, attributes: [{name, value}],
//	                                         group_filter, group_prefix, group_value, sign, algorithm}
//	POST /api/{idp}/saml/import             {url} or {xml}: ACS URL and audience from the application's metadata
//	                                         and for logout and encryption {logout_url, logout_answer_url, logout_binding,
//	                                         encrypt, signing_certificates, encryption_certificates}, which an import fills
//	POST /api/{idp}/saml/fault              {fault}: of the next response
//	POST /api/{idp}/saml/metadata-fault     {fault}: of the metadata, until it is none
//	POST /api/{idp}/saml/rotate-key         {step}: announce, switch, withdraw or replace
//	POST /api/{idp}/saml/sign-out           {which}: a session's index or a person: {url, form, fault}, a LogoutRequest for
//	                                         the application, by Redirect where form is null
//	POST /api/{idp}/saml/slo                {url} or {saml_request | saml_response, relay_state}, which the application sent
//	                                         the browser with: the answer as {url, form, fault, silent}, or {said}
//	POST /api/{idp}/saml/logout-fault       {fault}: of the next logout message
//	POST /api/{idp}/saml/sso                {url, who} or {saml_request, relay_state, who}: a posting; url is the
//	                                         whole URL of the Redirect binding, saml_request the field of POST
//	POST /api/{idp}/saml/tile               {who}: a posting that nobody asked for
//
// Browsers use these. Ids and names in parentheses are there to be found by tests.
//
//	GET  /{idp}/saml                        settings (#entity-id #sso-url #metadata-url #fingerprint #outcome;
//	                                         form #import-url #import; form#settings, fields as the JSON, #save;
//	                                         #fault #set-fault; #assign-all)
//	GET  /{idp}/saml/metadata               metadata; with ?download as a file
//	GET  /{idp}/saml/certificate            the signing certificate in PEM
//	GET  /{idp}/saml/sso                    the sign-in page, Redirect binding (button #who-{id}, or
//	                                         button[data-user="{user name}"]; #search; #fault)
//	POST /{idp}/saml/sso                    the same by the POST binding, from any site
//	GET, POST /{idp}/saml/slo               single logout, Redirect and POST binding; ends at #signed-out, #application-said
//	POST /{idp}/saml/artifact               resolves artifacts, by SOAP; not with Entra and Google
//	GET  /{idp}/dashboard/{who}             somebody's applications (button #tile, or #no-app; #fault; #sign-out, #logout-fault)
//
// Both lead to a page that posts the response by itself (form #saml-post, button #continue). What
// cannot be answered is a page with the reason in #refused.
//
// The faults: none, expired, clock_ahead_7m, clock_ahead_4m (must work), replay, wrong_audience,
// wrong_recipient, wrong_issuer, other_request, no_conditions, unsigned, wrong_key, wrapped,
// wrapped_around, comment_in_nameid, dtd, denied. A refused sign-in does not use one up. Both wrapped and
// wrapped_around are signature wrapping: the forged assertion is beside the signed one, or around it.
//
// And those of the catalogue of attacks for which this IdP's key is enough: xsw1, xsw2, xsw5, xsw6, xsw7, xsw8, wrapped_status,
// wrapped_advice, moved_signature, changed, comment_added, instruction, doctype_quotes, cdata, relative_namespace,
// empty_digest, other_id, same_id, attlist, colons, two_references, two_signed_infos, comment_in_digest, external_entity,
// laughs, deep, wide, bogus_signature, many_values (must work), deflated, hmac, sha1, sha1_digest, xslt, external_reference,
// empty_reference, no_in_response_to, unbound_subject, no_audience, no_confirmation, access_denied_markup. GET tells each
// one's number in the catalogue. Those that change the text of an assertion are refused here where it is encrypted.
//
// Metadata is wrong by script_location, another_entity, expired, no_keys, dtd, and over HTTP endless and redirect_inside,
// until that is none again.
//
// Those of logout: none, unsigned, wrong_key, wrong_issuer, replay, expired, wrong_address, other_person, unknown_index, no_algorithm and
// reencoded (by Redirect), bomb, and
// for answers to the application's own no_answer, denied, partial. Google's applications have no single logout. Messages of
// the application must be signed by a key of its metadata, by RSA with SHA-256. Assertions are encrypted with AES-256-GCM
// where the application's metadata has a certificate for it (encrypt: on; cbc, odd_cbc, cut_tag, empty, rsa1_5 and
// old_key are wrong on purpose, forged and forged_beside what anybody can encrypt), and a request that asks for an artifact gets one.
//
// The expressions of attributes: user.id, user.login, user.email, user.firstName, user.lastName,
// user.displayName, user.title, user.department, user.mobilePhone, user.pairwiseId, user.groups,
// tenant.id, tenant.issuer, user.custom.KEY, and a text in double quotes.
//
// An AuthnRequest is read more strictly than the vendors read it: its Issuer must be the audience,
// its AssertionConsumerServiceURL the ACS URL, its Destination this IdP, all byte for byte.
//
// # OpenID Connect
//
// Each vendor's issuer, paths and claims, below the simulator's origin and the IdP's name:
//
//	okta, okta-custom   /oauth2/default; thin ID tokens, groups by name where the scope groups is asked for
//	entra, entra-flag   /{tenant}/v2.0, and /organizations/v2.0 whose document says {tenantid}; a sub for each
//	                    application, oid and tid; no email_verified, groups by object id, above 200 of them
//	                    _claim_names; no at_hash, no sid of use but in front-channel logout
//	google              no path of its own; hd, azp, no groups, no sessions; no scope but the usual three
//	onelogin            /oidc/2; says nothing of whether addresses are verified
//	jumpcloud           an issuer that ends with a slash; sid, back-channel logout
//
// These shapes follow the vendors' documents as far as we know them; claims that only they read (rh, uti, rat) are made up.
// A request is read strictly here too: state, nonce and PKCE by S256 must be there, redirect URIs equal byte for byte.
// A code is good once and for a minute.
//
//	GET  /api/{idp}/oidc                    {issuer, discovery_url, tenant, keys, settings, fault, faults, sessions, last, issued}
//	POST /api/{idp}/oidc                    settings, those given are changed: {app, client_id, client_secret, redirect_uris,
//	                                         client_auth, keys_url, initiate_url, target_url, post_logout_uris, backchannel_url,
//	                                         frontchannel_url, groups_claim, group_filter, group_prefix, group_value, thin,
//	                                         mail_verified, hosted_domain, algorithm}
//	POST /api/{idp}/oidc/fault              {fault}: of the next sign-in
//	POST /api/{idp}/oidc/authorize          {url, who}: {redirect_uri, parameters, form_post, session, fault}
//	POST /api/{idp}/oidc/tile               {who}: {url}, where the tile leads
//	POST /api/{idp}/oidc/rotate-key         {immediate}: the old key is withdrawn at once
//	POST /api/{idp}/oidc/sign-out           {which}: a session's id, or a person: {told, frames}
//	GET  /{idp}/oidc                        settings (#issuer #discovery-url #tenant #client-id #client-secret #outcome;
//	                                         form#settings, fields as the JSON, lists by lines, #save; #fault #set-fault;
//	                                         #rotate-key #replace-key #sessions)
//
// The sign-in page is that of SAML (#who-{id}, button[data-user], #search, #fault); form_post answers leave by form
// #oidc-post, button #continue. The tile is #oidc-tile. Sign-out ends at #signed-out where nothing else is asked for.
//
// The faults: none, expired, clock_ahead_7m, clock_ahead_4m (must work), wrong_nonce, no_nonce, wrong_aud, wrong_azp,
// wrong_iss, no_sub, no_iat, wrong_at_hash, alg_none, hs256, wrong_key, unknown_kid, key_in_header, key_address,
// crit, encrypted, mail_verified_odd (must work, and link nobody), no_kid (must work),
// replayed_token, replay, access_denied, wrong_iss_answer, wrong_state, spent_code, wrong_userinfo (only where userinfo is
// asked), no_id_token, and Google's consumer_account and other_hosted_name.
//
// Pages post forms to the same paths without /api. Requests from another site are refused
// (http.CrossOriginProtection); the simulator is meant for a loopback address.
package idpsim

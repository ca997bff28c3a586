// Package idpsim holds simulated identity providers: four provisioning clients that speak SCIM as
// the vendors' own clients do, each with people, groups and the acts of its administrator.
//
//	okta         Okta, catalogue (OIN) app: PUT for profiles, PATCH for state and groups
//	okta-custom  Okta, App Integration Wizard app: PUT for everything
//	entra        Microsoft Entra ID, default dialect: capitalised operations, string booleans
//	entra-flag   Microsoft Entra ID with ?aadOptscim062020 on its tenant URL
//
// It is for demonstrations, for acceptance stories and for people who want to see what their IdP
// will send. It imports none of the other rooms, not even their error kinds, so that it cannot
// share their mistakes: it reads an answer as a stranger does. It refuses to know what the
// application does with a request, and it refuses to follow redirects, as the real clients do.
//
// Entry points: [New] makes a [Server] with the four IdPs, [Server.IdP] picks one, [Server.Handler]
// serves pages and JSON. Operations are methods on [IdP]: Okta's take effect at once, as tasks;
// Entra's only note the change, and [IdP.Sync] runs the cycle that sends it.
//
// Every refused request is a [*StepError] naming the step, the status and the SCIM detail. Every
// exchange is kept in a bounded [Trace]; tokens and passwords are left out of it.
//
// # HTTP
//
// {idp} is one of the four names above. {who} is a person's id or user name, {group} a group's id
// or name. Bodies are JSON objects; an answer is {"result": ...}, or {"error": {...}} with 400
// (bad input), 404 (unknown), 409 (not now), 502 (the application refused) or 503.
//
//	GET  /                                  index page
//	GET  /{idp}                             page of one IdP
//	GET  /api                               the four IdPs with counts
//	GET  /api/{idp}                         connection, people, groups, last outcome
//	GET  /api/{idp}/trace?limit=N           exchanges, newest first
//	POST /api/{idp}/trace/clear             forget them
//	POST /api/{idp}/connect                 {base_url, token, raw_authorization, without_groups, matching,
//	                                         role_mapping, password_sync, extension, member_batch,
//	                                         parallel, attempts, import_past_end}
//	POST /api/{idp}/test                    test the credentials
//	POST /api/{idp}/seed                    {people, groups, domain, group_names}
//	POST /api/{idp}/assign-all              assign everybody, push every group, send all of it
//	POST /api/{idp}/sync                    Entra: one cycle; Okta: import
//	POST /api/{idp}/retry                   Okta: failed tasks again; Entra: a cycle without back-off
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
//	POST /api/{idp}/groups/{group}/push     Okta: push; Entra: bring into scope
//	POST /api/{idp}/groups/{group}/push-now the complete member list again
//	POST /api/{idp}/groups/{group}/unlink   {delete: bool}: leave the group in the app, or delete it there
//	POST /api/{idp}/groups/{group}/delete   delete it in the IdP
//
// Pages post forms to the same paths without /api. Requests from another site are refused
// (http.CrossOriginProtection); the simulator is meant for a loopback address.
package idpsim

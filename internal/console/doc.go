// Package console is what administrators of a workspace see in a browser: Settings → SSO & SCIM,
// role mappings and the event log. Pages are made on the server, forms work without script, and
// each form is one call of settings on behalf of the member who is signed in.
//
// Entry points: New makes the Door, which mounts everything below /console.
//
//	/console                                       the workspace of whoever is signed in
//	/console/{workspace}/sso                       connections and directories; a new one
//	/console/{workspace}/sso/connections/{id}      values to copy, the IdP's metadata, attributes, on and off
//	/console/{workspace}/sso/directories/{id}      base URL, token; the test sync with its plan and pilot, on and off; what was last heard
//	/console/{workspace}/sso/waiting               members whom a directory named without owning them: decide, undo
//	/console/{workspace}/roles                     role mappings
//	/console/{workspace}/enforcement               who must use single sign-on: the ladder, whom a change shuts out, and the change
//	/console/{workspace}/emergency                 the break-glass administrator, second factor, recovery codes, the relaxation
//	/console/{workspace}/events, /events/{id}      the log, and one event with its payload
//
// Who may: members whose role is the owner role or has the permission "settings" or "all"
// (directory.Role.May). Roles get them when they are made: the owner role everything, a role called
// Admin or Organization Admin the settings, others none (directory.RolePermissions). Everybody else
// in the workspace is told who can; who is not signed in is sent to sign in. For whoever is signed
// in to one workspace, every other one, and everything in it, is unknown.
//
// Who makes a credential, a key of ours at a SAML connection among them, has signed in within the last ten minutes.
//
// A SCIM token is in the answer to the form that makes it and nowhere else; the same form sent again
// makes none (settings.RotateTokenOnce).
//
// Elements that tests and guides may rely on have these ids. SSO & SCIM: provider,
// connection-name, new-connection, new-directory. A connection: metadata-url-value, entity-id,
// acs-url, metadata-xml, import-xml, metadata-url, import-url, idp-entity-id, idp-initiated,
// save-saml-options with encryption, sha1-until and authn-contexts, rotate-key, use-key-0, remove-key-1 and their
// like, certificate-0, attribute-email and its like, save-attributes, activate, disable, remove, test-sign-in,
// status, verified, new-directory. A directory: scim-base-url, generate-token, scim-token, token-refused,
// test-directory, enable-directory,
// discard-directory, disable-directory, pilot, save-pilot, plan-counts, plan-rows, plan-blocked, last-used, last-served,
// last-refused, heard-who. What waits: waiting and waiting-count on the first page; allow-, refuse-
// and undo- with the id of the meeting, decision-error. Role mappings: mapping-group, mapping-source, mapping-role,
// add-mapping. The log: filter-outcome, filter-type, filter-who, filter, older, payload. What is wrong with a field
// stands in an element with the field's id and "-error". A summary that must be opened first has the id of
// its button and "-ask".
//
// The package refuses to know how configuration is checked and stored, how people sign in, and what
// an event means to anybody but its reader.
package console

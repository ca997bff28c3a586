// Package console is what administrators of a workspace see in a browser: Settings → SSO & SCIM,
// role mappings, sign-ins and the event log. Pages are made on the server, forms work without script, and
// each form is one call of settings on behalf of the member who is signed in.
//
// Entry points: New makes the Door, which mounts everything below /console.
//
//	/console                                       the workspace of whoever is signed in
//	/console/{workspace}                           overview: who has access and how, what needs attention
//	/console/{workspace}/sso                       connections and directories; a new one
//	/console/{workspace}/sso/connections/{id}      its guide with values to copy, the IdP's metadata, attributes, on and off
//	/console/{workspace}/sso/directories/{id}      base URL, token; the test sync with its plan and pilot, on and off; what was last heard
//	/console/{workspace}/sso/waiting               members whom a directory named without owning them: decide, undo
//	/console/{workspace}/members, /members/{id}    members; one of them: invitation, role, what is edited here, in and out
//	/console/{workspace}/teams, /teams/{id}        teams; one of them: who is in it, its name
//	/console/{workspace}/imports, /imports/{id}    lists of people to invite; one of them: what would become of each row
//	/console/{workspace}/mail                      letters that were not sent yet, or were given up
//	/console/{workspace}/domains                   domains: claim, the record to set, check now, remove
//	/console/{workspace}/permissions               roles, their order, and what each allows
//	/console/{workspace}/roles                     role mappings
//	/console/{workspace}/attributes                attributes of people; .../from/{kind}/{id} where one source has them, tried first
//	/console/{workspace}/enforcement               who must use single sign-on: the ladder, whom a change shuts out, and the change
//	/console/{workspace}/emergency                 the break-glass administrator, second factor, recovery codes, the relaxation
//	/console/{workspace}/policy                    the policy, and where directories differ from it
//	/console/{workspace}/changes, /changes.csv     a change of mappings or policy before it is saved: whom it changes, and how
//	/console/{workspace}/sso/connections/{id}/test a test of the connection in this browser, which lets nobody in
//	/console/{workspace}/sign-ins, /sign-ins/{id}  attempts to sign in and tests, and the steps of one
//	/console/{workspace}/sign-ins/people           who was provisioned and never signed in, and who tried and never was
//	/console/{workspace}/events, /events/{id}      the log, and one event with its payload
//	/llms.txt, /llms/{guide}.txt                   the guides as plain texts, for everybody
//
// Who may: each route has its permission where it is mounted (door.go), and whoever has it by their role (directory.Role.May)
// is let in. The owner role has all; roles get theirs when they are made (directory.RolePermissions) and in the editor.
// What somebody may not do is not shown to them; who asks for it all the same is told which permission is missing, and
// who could give it. A form about what somebody else has changed meanwhile is answered with what changed (seen.go). Who
// is not signed in is sent to sign in. For whoever is signed
// in to one workspace, every other one, and everything in it, is unknown.
//
// Who makes a credential, a key of ours at a SAML connection among them, has signed in within the last ten minutes.
//
// A SCIM token is in the answer to the form that makes it and nowhere else; the same form sent again
// makes none (settings.RotateTokenOnce).
//
// Elements that tests and guides may rely on have these ids. SSO & SCIM: provider,
// connection-name, new-connection, new-directory. A connection: metadata-url-value, entity-id,
// acs-url, metadata-xml, import-xml, metadata-url, import-url, idp-entity-id, idp-initiated, idp-initiated-convert and -refuse,
// save-saml-options with encryption, sha1-until and authn-contexts, rotate-key, use-key-0, remove-key-1 and their
// like, certificate-0, attribute-email and its like, save-attributes, activate, disable, disable-keep, open-sessions, domains, save-domains, signin-url, leavers, remove, test-sign-in,
// status, verified, new-directory. A directory: scim-base-url, generate-token, scim-token, token-refused,
// test-directory, enable-directory,
// discard-directory, disable-directory, pilot, save-pilot, plan-counts, plan-rows, plan-blocked, last-used, last-served,
// last-refused, heard-who. What waits: waiting and waiting-count on the first page; allow-, refuse-
// and undo- with the id of the meeting, decision-error. Domains: domain, claim-domain, and with the domain behind them domain-, record-name-,
// record-value-, check- and remove-; check-error. Members: invite with invite-email, invite-name and invite-role,
// member-who with find, members, letters-given-up. A member: member-status, invitation, resend, revoke, edit-email and its like,
// save-member, set-role with member-role, deactivate, restore, against-directory. Teams: teams, create-team with team-name,
// team-members, add-to-team with team-who, remove- with the id of the member, rename-team, delete-team. Lists: read-import with
// import-file, import-counts, import-rows, import-csv, start-import, stop-import. Letters: letters, retry- and discard- with
// the id of the letter. Role mappings: mapping-group, mapping-source, mapping-role,
// add-mapping. Policy: policy- with the key, directory- with id and key, save-policy. A change: affected, kinds, changes, next,
// whole-list, save-change. Attributes: tables, define-attribute with attribute-name and its like, change- and remove- with the name;
// map- with the name, save-map, preview with preview-who or preview-message, preview-lines. Overview: attention, members, seats,
// owners, enforced, sign-ins. Sign-ins: attempts, missing, filter-connection, filter-reason, reason, precise, expected, received, do, where,
// skew, steps, would, role, attributes, unseen, nobody; test-connection on a connection. The log: filter-outcome, filter-type, filter-who,
// filter, older, payload. What is wrong with a field
// stands in an element with the field's id and "-error". A summary that must be opened first has the id of
// its button and "-ask".
//
// The package refuses to know how configuration is checked and stored, how people sign in, and what
// an event means to anybody but its reader.
package console

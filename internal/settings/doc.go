// Package settings is the only writer of configuration: workspaces, policy, roles, role mappings,
// domains, connections, directories and their tokens, enforcement, applications. The command line
// and the console call it; who may is for them to decide.
//
// Entry points: ParseFile reads an apply file and lists every mistake in it. Service.Apply makes a
// workspace match such a file in one transaction and says what changed; Service.Export writes the
// file that would change nothing. Service.ConnectionSetup shows, and CreateConnection, ImportMetadata,
// ActivateConnection, AddRoleMapping and their neighbours change, one thing at a time; RotateToken and
// its neighbours handle SCIM tokens, AddClientSecret and TrustIssuer what a directory's OAuth client has. ConnectionProven and KeyProven are for the transaction of a sign-in.
// ClaimDomain, VerifyDomain, RemoveDomain and RecheckDomains are the life of a domain (domain.go): what DNS says is asked for before
// the transaction that settles it, and DomainNotifier tells owners by mail.
// TestDirectory, DirectoryPlan, EnableDirectory, DiscardDirectory, EditPilot and PauseDirectory are the life of a directory
// (life.go); DirectoryReport and TracePerson say what was heard of its IdP (heard.go).
//
// An apply runs in four steps, one file each: plan.go computes the configuration that the file
// asks for, state.go compares it with the present one and with what the last apply left, write.go
// saves what differs, owners.go and enforcement.go settle people and law 7 in the same transaction.
// What is the same is not written, so that applying a file again leaves no trace. A single change
// (edit.go) takes the same steps from the third on. An IdP's metadata is read, and fetched, before
// the transaction (metadata.go); kept of it are name, places and certificates. PlanMetadata shows what it would change and
// ApplyMetadata carries out what was shown (metadata_import.go); RefreshDue and UnknownKey look at what is published
// (refresh.go), keys come, are proven by KeyProven and go by the rules of rotation.go, and TendKeys removes old ones and
// warns of certificates that end (expiry.go). Of an OIDC IdP issuer and client are kept
// (oidc.go), with the client secret sealed; no export, view or event has it. Our own keys at a SAML connection (spkey.go)
// are made when a switch first needs one and sealed as well. RotateSPKey, UseSPKey and RemoveSPKey replace one
// in steps, none of which makes a sign-in fail.
//
// PlanEnforcement names whom a change of enforcement would shut out, and SetEnforcement shuts out exactly those or refuses
// (enforce.go, enforcement.go); Designate moves emergency access; Relax and Resume let enforcement go for a day, end that, and
// tell every owner by mail (relax.go).
//
// Who is led to a connection, and what becomes of its sessions when it is disabled, is in reach.go; guide.go fills a connection's
// values into the guide of its IdP.
//
// The room refuses to know how members are written (provision does), where the file came from and
// how a result is printed.
package settings

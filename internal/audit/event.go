package audit

import (
	"encoding/json"
	"time"
)

// Type is what happened.
type Type string

const (
	SCIMUserCreated     Type = "scim.user.created"
	SCIMUserUpdated     Type = "scim.user.updated"
	SCIMUserDeactivated Type = "scim.user.deactivated"
	SCIMUserReactivated Type = "scim.user.reactivated"
	SCIMUserDeleted     Type = "scim.user.deleted"
	// SCIMUserEnabled says that a staged person took effect, as the member whom the event is about.
	SCIMUserEnabled  Type = "scim.user.enabled"
	SCIMGroupCreated Type = "scim.group.created"
	SCIMGroupUpdated Type = "scim.group.updated"
	SCIMGroupDeleted Type = "scim.group.deleted"
	// SCIMRefused is any SCIM request that was refused; reason holds the code.
	SCIMRefused Type = "scim.request.refused"

	MemberCreated     Type = "member.created"
	MemberActivated   Type = "member.activated"
	MemberDeactivated Type = "member.deactivated"
	MemberRestored    Type = "member.restored"
	MemberReplaced    Type = "member.replaced" // a fresh member took the place of an old one
	MemberUpdated     Type = "member.updated"  // an assertion changed name or address
	IdentityLinked    Type = "identity.linked" // a connection's subject was recognised as a member
	MemberRoleChanged Type = "member.role_changed"
	MemberRefused     Type = "member.change.refused"
	AdoptionWaiting   Type = "adoption.waiting" // a directory names somebody who is here; people decide
	AdoptionAllowed   Type = "adoption.allowed"
	AdoptionRefused   Type = "adoption.refused"
	AdoptionUndone    Type = "adoption.undone"
	MemberInvited     Type = "member.invited" // told by e-mail; refused where the mail was
	// People's own acts beside a directory.
	InvitationResent  Type = "member.invitation_resent"
	InvitationRevoked Type = "member.invitation_revoked"
	PasswordAsked     Type = "member.password_asked"   // a letter with which to set a new password was asked for
	PasswordSet       Type = "member.password_set"     // by a link that was sent by mail
	PasswordChanged   Type = "member.password_changed" // by its holder, who knew the old one
	MemberErased      Type = "member.erased"
	TeamCreated       Type = "team.created"
	TeamChanged       Type = "team.changed"
	TeamRemoved       Type = "team.removed"
	ImportStarted     Type = "import.started" // of a list of people to invite
	ImportFinished    Type = "import.finished"

	MailUndelivered Type = "mail.undelivered" // a letter was given up
	MailRetried     Type = "mail.retried"
	MailDiscarded   Type = "mail.discarded"

	SignInSucceeded Type = "signin.succeeded"
	SignInRefused   Type = "signin.refused"
	SignInLinkMade  Type = "signin.link_made"
	BreakGlassUsed  Type = "signin.break_glass_used"
	// What emergency access has beside the password: a second factor, and recovery codes.
	SecondFactorSet     Type = "emergency.second_factor_set"
	SecondFactorRemoved Type = "emergency.second_factor_removed"
	RecoveryCodesMade   Type = "emergency.recovery_codes_made"
	// Enforcement let go for a while by emergency access, and its end.
	EnforcementRelaxed Type = "enforcement.relaxed"
	EnforcementResumed Type = "enforcement.resumed"
	// MailLinkSent is a link by mail that signs in while enforcement is relaxed.
	MailLinkSent  Type = "signin.mail_link_sent"
	SessionEnded  Type = "session.ended"
	SessionsEnded Type = "session.all_ended"
	// SessionsShortened is a connection that does not notice leavers any more: its sessions end sooner.
	SessionsShortened Type = "session.all_shortened"
	LogoutRefused     Type = "logout.refused"           // an IdP's word that a session has ended, or its answer to ours, was not believed
	LogoutReceived    Type = "logout.received"          // an IdP logged somebody out by way of the browser
	LogoutSent        Type = "logout.sent"              // an IdP is told of a sign-out; refused where it could not be
	LogoutAnswered    Type = "logout.answered"          // the IdP's answer to that; refused where it says no
	ProtectedAttempt  Type = "protected_member.attempt" // law 7: somebody tried to take a protected member out

	WorkspaceCreated Type = "workspace.created"
	WorkspaceApplied Type = "workspace.applied"
	SettingsChanged  Type = "settings.changed"
	DirectoryCreated Type = "directory.created"
	DirectoryChanged Type = "directory.changed"
	DirectoryRemoved Type = "directory.removed"
	// The steps of a directory's life.
	DirectoryTested    Type = "directory.testing" // a test sync was started
	DirectoryEnabled   Type = "directory.enabled"
	DirectoryPaused    Type = "directory.paused"
	DirectoryDiscarded Type = "directory.discarded" // staged people and groups were thrown away
	DirectoryPiloted   Type = "directory.piloted"   // the list of the pilot was changed
	ConnectionCreated  Type = "connection.created"
	ConnectionChanged  Type = "connection.changed"
	ConnectionRemoved  Type = "connection.removed"
	// ConnectionVerified is the first sign-in through a connection that an administrator activated.
	ConnectionVerified Type = "connection.verified"
	// ConnectionTested is a whole round trip that let nobody in.
	ConnectionTested Type = "connection.tested"
	// The life of an IdP's signing key at a SAML connection, and of the metadata that names it.
	IdPKeyStaged        Type = "connection.idp_key.staged"       // the metadata names one that was not known; it counts from now on
	IdPKeyPromoted      Type = "connection.idp_key.promoted"     // an answer that it signed was accepted; the others retire
	IdPKeyRetiredUsed   Type = "connection.idp_key.retired_used" // a retiring one still signs; once a day
	IdPKeyRemoved       Type = "connection.idp_key.removed"      // a retired or withdrawn one counts no longer
	MetadataProposed    Type = "connection.metadata.proposed"    // it says what is not taken over by itself
	MetadataDeclined    Type = "connection.metadata.declined"    // an administrator does not want that
	MetadataUnavailable Type = "connection.metadata.unavailable" // it could not be had several times; once a day
	MetadataAvailable   Type = "connection.metadata.available"   // it can be had again
	CertificateExpiring Type = "connection.certificate.expiring" // of the IdP or ours; reason holds the days

	DomainClaimed   Type = "domain.claimed"
	DomainProven    Type = "domain.proven"
	DomainRefused   Type = "domain.check_refused" // a look at DNS that somebody asked for did not prove or confirm it
	DomainWarned    Type = "domain.record_missing"
	DomainRecovered Type = "domain.record_back"
	DomainLapsed    Type = "domain.lapsed" // its record had been missing for too long
	DomainRemoved   Type = "domain.removed"

	ApplicationCreated Type = "application.created"
	ApplicationChanged Type = "application.changed"
	ApplicationRemoved Type = "application.removed"

	TokenRotated      Type = "scim_token.rotated"
	TokenRevoked      Type = "scim_token.revoked"
	TokenReplacedUsed Type = "scim_token.replaced_token_used"

	ClientSecretMade    Type = "scim_client.secret_made"
	ClientSecretRevoked Type = "scim_client.secret_revoked"
	ClientTrustMade     Type = "scim_client.trust_made"  // an issuer may vouch for the client
	ClientTokenGiven    Type = "scim_client.token_given" // an access token, for a secret or an assertion
	ClientRefused       Type = "scim_client.refused"     // at the token endpoint

	ApplicationSignedIn     Type = "application.signed_in"     // an application redeemed a code
	ApplicationRefused      Type = "application.refused"       // a code in the wrong hands
	ApplicationGrantRevoked Type = "application.grant_revoked" // a code or refresh token came twice or was misused
	ApplicationLogoutSent   Type = "application.logout_sent"
	ApplicationEventUnsent  Type = "application.event_unsent" // a SCIM event that the receiver refused, or that was given up

	// StrangerRefused sums up refusals of callers whose workspace is not known.
	StrangerRefused Type = "stranger.refused"
)

// Outcome is how it ended.
type Outcome string

const (
	OK      Outcome = "ok"
	Refused Outcome = "refused"
)

// Party is who did something, or to whom it was done. Kind is "directory", "member",
// "operator", "system", "stranger", "group", "session", "workspace", "scim_user", "token",
// "application", "connection", "domain".
type Party struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Change is one field before and after. Values are shown as text.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// Event is one line of the log.
type Event struct {
	// Seq is the place in the workspace's log, given after commit; 0 until then.
	Seq       int64     `json:"seq"`
	ID        string    `json:"id"`
	Time      time.Time `json:"time"`
	Workspace string    `json:"workspace"` // slug when shown, id inside
	Type      Type      `json:"type"`
	Outcome   Outcome   `json:"outcome"`
	// Reason is the coded cause of a refusal, or what brought a change about.
	Reason     string `json:"reason"`
	Actor      Party  `json:"actor"`
	Subject    Party  `json:"subject"`
	Connection string `json:"connection"`
	Directory  string `json:"directory"`
	// Changes are at most MaxChanges fields.
	Changes []Change `json:"changes"`
	// Payload is what the caller sent, redacted, as JSON of at most MaxPayload bytes.
	Payload json.RawMessage `json:"payload"`
}

// Limits of one event.
const (
	MaxPayload         = 64 << 10 // bytes, known workspace
	MaxStrangerPayload = 8 << 10  // bytes, no workspace known
	MaxChanges         = 200
)

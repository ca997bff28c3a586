package console

import (
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// providerName is how a provider calls itself.
func providerName(provider string) string {
	switch provider {
	case "okta":
		return "Okta"
	case "entra":
		return "Microsoft Entra ID"
	case "google":
		return "Google Workspace"
	case "onelogin":
		return "OneLogin"
	case "jumpcloud":
		return "JumpCloud"
	case "generic":
		return "Another identity provider"
	}
	return provider
}

// shortName is what a connection is called that nobody gave a name.
func shortName(provider string, protocol directory.Protocol) string {
	switch provider {
	case "entra":
		return "Entra ID"
	case "generic":
		return strings.ToUpper(string(protocol))
	}
	return providerName(provider)
}

// eventTypes are the types of events in the words of the log's reader, by subject.
var eventTypes = []choice{
	{string(audit.SignInSucceeded), "Signed in"},
	{string(audit.SignInRefused), "Sign-in refused"},
	{string(audit.SignInLinkMade), "One-time link made"},
	{string(audit.BreakGlassUsed), "Emergency access used"},
	{string(audit.SecondFactorSet), "Emergency access: second factor set up"},
	{string(audit.SecondFactorRemoved), "Emergency access: second factor removed"},
	{string(audit.RecoveryCodesMade), "Emergency access: recovery codes made"},
	{string(audit.EnforcementRelaxed), "Single sign-on: requirement relaxed"},
	{string(audit.EnforcementResumed), "Single sign-on: required again"},
	{string(audit.MailLinkSent), "Sign-in link sent by mail"},
	{string(audit.SessionEnded), "Session ended"},
	{string(audit.SessionsEnded), "All sessions ended"},
	{string(audit.SessionsShortened), "Sessions end sooner: leavers are not noticed"},
	{string(audit.LogoutReceived), "Logged out by the identity provider"},
	{string(audit.LogoutSent), "Sign-out told to the identity provider"},
	{string(audit.LogoutAnswered), "Sign-out answered by the identity provider"},
	{string(audit.LogoutRefused), "Logout by the identity provider refused"},
	{string(audit.IdentityLinked), "Sign-in linked to a member"},
	{string(audit.SCIMUserCreated), "SCIM: user created"},
	{string(audit.SCIMUserUpdated), "SCIM: user updated"},
	{string(audit.SCIMUserDeactivated), "SCIM: user deactivated"},
	{string(audit.SCIMUserReactivated), "SCIM: user reactivated"},
	{string(audit.SCIMUserDeleted), "SCIM: user deleted"},
	{string(audit.SCIMUserEnabled), "SCIM: staged user took effect"},
	{string(audit.SCIMGroupCreated), "SCIM: group created"},
	{string(audit.SCIMGroupUpdated), "SCIM: group updated"},
	{string(audit.SCIMGroupDeleted), "SCIM: group deleted"},
	{string(audit.SCIMRefused), "SCIM: request refused"},
	{string(audit.TokenRotated), "SCIM token generated"},
	{string(audit.TokenRevoked), "SCIM token revoked"},
	{string(audit.TokenReplacedUsed), "SCIM: a token that has ended was used"},
	{string(audit.ClientSecretMade), "SCIM client: secret made"},
	{string(audit.ClientSecretRevoked), "SCIM client: secret or trust revoked"},
	{string(audit.ClientTrustMade), "SCIM client: issuer trusted"},
	{string(audit.ClientTokenGiven), "SCIM client: access token given"},
	{string(audit.ClientRefused), "SCIM client: refused"},
	{string(audit.MemberCreated), "Member created"},
	{string(audit.MemberActivated), "Member activated"},
	{string(audit.MemberUpdated), "Member updated"},
	{string(audit.MemberDeactivated), "Member deactivated"},
	{string(audit.MemberRestored), "Member restored"},
	{string(audit.MemberReplaced), "Member replaced by a fresh one"},
	{string(audit.MemberRoleChanged), "Role changed"},
	{string(audit.MemberRefused), "Change of a member refused"},
	{string(audit.AdoptionWaiting), "Adoption: waits for a decision"},
	{string(audit.AdoptionAllowed), "Adoption: allowed"},
	{string(audit.AdoptionRefused), "Adoption: refused"},
	{string(audit.AdoptionUndone), "Adoption: undone"},
	{string(audit.MemberInvited), "Member invited"},
	{string(audit.InvitationResent), "Invitation sent again"},
	{string(audit.InvitationRevoked), "Invitation taken back"},
	{string(audit.PasswordAsked), "New password asked for"},
	{string(audit.PasswordSet), "Password set by mail"},
	{string(audit.PasswordChanged), "Password changed"},
	{string(audit.MemberErased), "Member erased"},
	{string(audit.TeamCreated), "Team created"},
	{string(audit.TeamChanged), "Team changed"},
	{string(audit.TeamRemoved), "Team removed"},
	{string(audit.ImportStarted), "Invitation of a list started"},
	{string(audit.ImportFinished), "Invitation of a list finished"},
	{string(audit.MailUndelivered), "Mail given up"},
	{string(audit.MailRetried), "Mail tried again"},
	{string(audit.MailDiscarded), "Mail thrown away"},
	{string(audit.ProtectedAttempt), "Attempt on a protected member"},
	{string(audit.ConnectionCreated), "Connection created"},
	{string(audit.ConnectionChanged), "Connection changed"},
	{string(audit.ConnectionVerified), "Connection verified"},
	{string(audit.ConnectionTested), "Connection tested"},
	{string(audit.IdPKeyStaged), "Identity provider: new key found"},
	{string(audit.IdPKeyPromoted), "Identity provider: new key in use"},
	{string(audit.IdPKeyRetiredUsed), "Identity provider: old key still used"},
	{string(audit.IdPKeyRemoved), "Identity provider: old key removed"},
	{string(audit.MetadataProposed), "Identity provider's metadata: decision needed"},
	{string(audit.MetadataDeclined), "Identity provider's metadata: turned down"},
	{string(audit.MetadataUnavailable), "Identity provider's metadata cannot be had"},
	{string(audit.MetadataAvailable), "Identity provider's metadata can be had again"},
	{string(audit.CertificateExpiring), "Certificate expires"},
	{string(audit.ConnectionRemoved), "Connection removed"},
	{string(audit.DirectoryCreated), "Directory created"},
	{string(audit.DirectoryChanged), "Directory changed"},
	{string(audit.DirectoryRemoved), "Directory removed"},
	{string(audit.DirectoryTested), "Directory: test sync started"},
	{string(audit.DirectoryEnabled), "Directory enabled"},
	{string(audit.DirectoryPaused), "Directory paused"},
	{string(audit.DirectoryDiscarded), "Directory: test sync discarded"},
	{string(audit.DirectoryPiloted), "Directory: pilot list changed"},
	{string(audit.DomainClaimed), "Domain claimed"},
	{string(audit.DomainProven), "Domain proven"},
	{string(audit.DomainRefused), "Domain: not proven by a look at DNS"},
	{string(audit.DomainWarned), "Domain: its record is missing"},
	{string(audit.DomainRecovered), "Domain: its record is back"},
	{string(audit.DomainLapsed), "Domain: the proof lapsed"},
	{string(audit.DomainRemoved), "Domain removed"},
	{string(audit.SettingsChanged), "Settings changed"},
	{string(audit.WorkspaceCreated), "Workspace created"},
	{string(audit.WorkspaceApplied), "Configuration applied"},
	{string(audit.ApplicationCreated), "Application created"},
	{string(audit.ApplicationChanged), "Application changed"},
	{string(audit.ApplicationRemoved), "Application removed"},
	{string(audit.ApplicationSignedIn), "Application: signed in"},
	{string(audit.ApplicationRefused), "Application: refused"},
	{string(audit.ApplicationGrantRevoked), "Application: grant revoked"},
	{string(audit.ApplicationLogoutSent), "Application: told of a logout"},
	{string(audit.ApplicationEventUnsent), "Application: not told of a SCIM event"},
}

// eventLabel is a type in words; one without words is shown as it is.
func eventLabel(t audit.Type) string {
	for _, c := range eventTypes {
		if c.Value == string(t) {
			return c.Text
		}
	}
	return strings.ReplaceAll(string(t), ".", ": ")
}

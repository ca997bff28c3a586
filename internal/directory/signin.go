package directory

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Method is how somebody signs in.
type Method string

const (
	MethodPassword Method = "password"
	MethodLink     Method = "link" // one-time link, an operator's recorded act
	MethodSAML     Method = "saml"
	MethodOIDC     Method = "oidc"
	// MethodMail is a one-time link by mail while enforcement is relaxed; MayUseMailLink says who may.
	MethodMail Method = "mail"
)

// BreakGlassProof is how long a proven break-glass password lets enforcement be switched on.
const BreakGlassProof = 90 * 24 * time.Hour

// MaySignIn decides whether a member may enter by a method. nil means yes. Signing in revives
// nobody: a member who is out is refused with the sentence of the source. A pending person may
// enter and becomes a member by it.
func MaySignIn(c *Config, m *Member, method Method) error {
	if m.Stage == StageErased {
		return errs.Forbidden("account_erased", "This account no longer exists.")
	}
	if m.Sources != 0 {
		return errs.Forbidden("account_deactivated", "%s", m.OutSentence())
	}
	// A relaxation does not bring passwords back: whom enforcement covers may have none any more.
	if method == MethodPassword && !m.BreakGlass && c.Workspace.Enforcement.Covers(m.Email) {
		return errs.Forbidden("sso_required", "This workspace requires single sign-on. Use your organisation's sign-in, or emergency access.")
	}
	return nil
}

// EnforcementFacts is what must be known before enforcement may be switched on.
type EnforcementFacts struct {
	VerifiedConnection bool
	BreakGlass         bool      // an administrator in, designated as break-glass, with a password
	PasswordProvenAt   time.Time // of that administrator
}

// CheckEnforcement reports why e cannot be switched on, as sentences; none means it can. Law 7:
// nobody is locked out by a click.
func CheckEnforcement(e Enforcement, facts EnforcementFacts, now time.Time) []string {
	if e.RequireSSO == RequireNone || e.RequireSSO == "" {
		return nil
	}
	var why []string
	if !facts.VerifiedConnection {
		why = append(why, "enforcement: expected a verified connection, found none; without it nobody could sign in")
	}
	switch {
	case !facts.BreakGlass:
		why = append(why, "enforcement: expected a break-glass administrator with a password, found none; an outage of the identity provider would lock everybody out")
	case now.Sub(facts.PasswordProvenAt) > BreakGlassProof:
		why = append(why, "enforcement: expected the break-glass password to be proven within the last 90 days")
	}
	if e.RequireSSO == RequireDomains && len(e.Domains) == 0 {
		why = append(why, "enforcement.domains: expected at least one domain with require_sso: domains")
	}
	return why
}

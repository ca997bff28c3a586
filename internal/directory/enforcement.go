package directory

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Relaxation is enforcement let go for a while by emergency access: whom it covers may ask for a one-time link by
// mail. It ends by itself.
type Relaxation struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	By    string    `json:"by"` // member id
}

// RelaxFor is how long a relaxation lasts.
const RelaxFor = 24 * time.Hour

// On reports whether single sign-on is required of anybody.
func (e Enforcement) On() bool { return e.RequireSSO == RequireAll || e.RequireSSO == RequireDomains }

// RelaxedAt reports whether enforcement is relaxed at now.
func (e Enforcement) RelaxedAt(now time.Time) bool {
	return e.On() && e.Relaxed != nil && !now.Before(e.Relaxed.Since) && now.Before(e.Relaxed.Until)
}

// Widens reports whether after covers somebody whom before did not.
func Widens(before, after Enforcement) bool {
	switch {
	case after.RequireSSO == RequireAll:
		return before.RequireSSO != RequireAll
	case after.RequireSSO != RequireDomains || before.RequireSSO == RequireAll:
		return false
	case before.RequireSSO == RequireDomains:
		return slices.ContainsFunc(after.Domains, func(d string) bool { return !slices.Contains(before.Domains, d) })
	default:
		return true
	}
}

// CheckStanding reports why what enforcement that is on stands on cannot be taken away, as sentences; none means it
// can. The age of the break-glass password warns and stops nothing here (law 7).
func CheckStanding(e Enforcement, lostConnection bool, facts EnforcementFacts) []string {
	if !e.On() {
		return nil
	}
	var why []string
	if lostConnection {
		why = append(why, "connections: the last verified connection cannot go while single sign-on is enforced; set enforcement.require_sso to none first")
	}
	if !facts.BreakGlass {
		why = append(why, "owners: single sign-on is enforced, so one owner with a password stays the break-glass administrator; name another one, or set enforcement.require_sso to none first")
	}
	return why
}

// CheckRelax says whether a session may relax enforcement at now: only one that emergency access opened, and only
// what is on.
func CheckRelax(e Enforcement, breakGlass bool, now time.Time) error {
	switch {
	case !e.On():
		return errs.Conflict("not_enforced", "Single sign-on is not required, so there is nothing to relax.")
	case !breakGlass:
		return errs.Forbidden("not_emergency_access", "Only a session that was opened by emergency access can relax the requirement of single sign-on.")
	case e.RelaxedAt(now):
		return errs.Conflict("relaxed_already", "The requirement of single sign-on is relaxed already, until %s.", e.Relaxed.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// MayUseMailLink says whether a member may have a one-time link by mail at now: while enforcement that covers them is
// relaxed. It is asked when the link is sent, and again when it is used.
func MayUseMailLink(c *Config, m *Member, now time.Time) error {
	if err := MaySignIn(c, m, MethodMail); err != nil {
		return err
	}
	e := c.Workspace.Enforcement
	if !m.In() || !e.RelaxedAt(now) || !e.Covers(m.Email) {
		return errs.Forbidden("mail_link_over", "Signing in by a mailed link is over: this workspace requires single sign-on.")
	}
	return nil
}

// MayHavePassword reports whether a member may set a password by mail: who has one already, or whom no IdP knows. Nobody
// who is provisioned or came by single sign-on has a credential of ours (F1): their organisation would take their access
// away and the password would go on. Who had one before a directory took them over keeps it, and gets no other by mail.
func MayHavePassword(m *Member, has, linked bool) bool {
	return m.In() && m.Directory == "" && (has || !linked)
}

// WayIn is how somebody gets in while single sign-on is enforced.
type WayIn string

const (
	WayBreakGlass WayIn = "break_glass"
	WayNotCovered WayIn = "not_covered" // by another domain: a guest keeps what there was
	WayLinked     WayIn = "linked"      // has signed in through an active connection
	WayDirectory  WayIn = "directory"   // the directory of an active connection owns them
	WayDomain     WayIn = "domain"      // an active connection finds them by a proven domain
	WayNone       WayIn = "none"
)

// WayUnder tells how a member gets in under e. linked are the connections that know a subject as the member. Who is out
// has none: nothing that is decided here shuts them out.
func WayUnder(c *Config, e Enforcement, m *Member, linked []string) WayIn {
	owner := m.Role == c.Roles.Owner().ID
	// Owners wait until one of them has confirmed what somebody else changed at a connection.
	usable := func(con Connection) bool { return con.Status == ConnectionActive && !(owner && con.Unconfirmed()) }
	active := func(id string) bool {
		con, ok := c.Connection(id)
		return ok && usable(con)
	}
	switch {
	case !e.Covers(m.Email):
		return WayNotCovered
	case m.BreakGlass:
		return WayBreakGlass
	case slices.ContainsFunc(linked, active):
		return WayLinked
	}
	if d, ok := c.Directory(m.Directory); ok && m.Directory != "" && active(d.Connection) && !owner {
		return WayDirectory
	}
	if slices.Contains(c.Domains, Domain(m.Email)) && slices.ContainsFunc(c.Connections, usable) {
		return WayDomain
	}
	return WayNone
}

// Unproven lists the domains by which e requires single sign-on and that c has not proven any more: they lapsed, or were taken
// away.
func (c *Config) Unproven(e Enforcement) (out []string) {
	if e.RequireSSO != RequireDomains {
		return nil
	}
	for _, d := range e.Domains {
		if !slices.Contains(c.Domains, d) {
			out = append(out, d)
		}
	}
	return out
}

// CheckDomain says whether single sign-on may be required by a domain: one that is proven, or that it was required by
// before. Who names another one would decide how people of a domain sign in that may be somebody else's.
func (c *Config) CheckDomain(before Enforcement, domain string) error {
	if slices.Contains(c.Domains, domain) || before.RequireSSO == RequireDomains && slices.Contains(before.Domains, domain) {
		return nil
	}
	return errs.Invalid("domain_not_proven", "%s is not proven for this workspace, so single sign-on cannot be required by it. Claim it under Domains (or with gatehouse domain add), set the TXT record that is shown there at %s, and have it looked at; then require single sign-on by it.",
		ShownDomain(domain), ChallengeName(domain))
}

// Stranded reports whether the end of a domain's proof took a member's only way in: enforcement covers them, and an active
// connection would find them by the domain if it were proven. lapsed says that the proof of their domain ended by itself;
// where enforcement names the domain that needs not be said. linked is as for WayUnder.
//
// Enforcement outlives the proof. If it ended with it, whoever makes a DNS record disappear for long enough would bring
// passwords back for a whole company. But nobody decided that these people are to be shut out (law 7), and an address in a
// domain that may be somebody else's by now must not link them (law 6). So the password that they have lets them in until
// the domain is proven again or an IdP knows them; none is set by mail meanwhile, for the mailbox may be somebody else's too.
func (c *Config) Stranded(m *Member, linked []string, lapsed bool) bool {
	e, domain := c.Workspace.Enforcement, Domain(m.Email)
	if !e.Covers(m.Email) || slices.Contains(c.Domains, domain) || e.RequireSSO != RequireDomains && !lapsed {
		return false
	}
	proven := *c
	proven.Domains = append(slices.Clone(c.Domains), domain)
	return WayUnder(c, e, m, linked) == WayNone && WayUnder(&proven, e, m, linked) == WayDomain
}

// ShutOut reports whether a change of enforcement from before to after leaves a member without a way in who had
// one: their password, if nothing else.
func ShutOut(c *Config, before, after Enforcement, m *Member, linked []string) bool {
	return m.In() && WayUnder(c, after, m, linked) == WayNone && WayUnder(c, before, m, linked) != WayNone
}

// Rung is a step of the ladder that a connection climbs.
type Rung string

const (
	RungDraft    Rung = "draft"
	RungTested   Rung = "tested" // proven as it is
	RungActive   Rung = "active" // people sign in through it
	RungEnforced Rung = "enforced"
)

// Ladder is where a connection stands and what is missing for the next step.
type Ladder struct {
	Rung    Rung     `json:"rung"`
	Next    Rung     `json:"next"`    // "" at the top
	Missing []string `json:"missing"` // sentences, with the reason; empty where nothing is
}

// LadderOf says where a connection of c stands. facts are those of the workspace.
func LadderOf(c *Config, con Connection, facts EnforcementFacts, now time.Time) Ladder {
	l := Ladder{Missing: []string{}}
	add := func(format string, args ...any) { l.Missing = append(l.Missing, fmt.Sprintf(format, args...)) }
	switch {
	case con.Verified() && c.Workspace.Enforcement.On():
		l.Rung = RungEnforced
	case con.Verified():
		l.Rung, l.Next = RungActive, RungEnforced
		l.Missing = append(l.Missing, CheckEnforcement(Enforcement{RequireSSO: RequireAll}, facts, now)...)
	case !con.VerifiedAt.IsZero():
		l.Rung, l.Next = RungTested, RungActive
		add("Activate it: while it is %s, nobody signs in through it.", con.Status)
	default:
		l.Rung, l.Next = RungDraft, RungTested
		known := con.Protocol == ProtocolSAML && con.SAML != nil && con.SAML.Known() || con.Protocol == ProtocolOIDC && con.OIDC != nil && con.OIDC.Issuer != ""
		if !known {
			add("Enter what the identity provider says of itself: without it nobody knows where to send people.")
		}
		if con.Status != ConnectionActive {
			add("Switch it on, so that somebody can try it: others keep their way in.")
		}
		add("Sign in through it once: only that shows that both sides are set up alike.")
	}
	return l
}

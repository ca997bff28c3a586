package directory

import "slices"

// Law 6, where a directory names somebody who is a member already. The rule has no other place: a
// directory's POST asks Meet, and a sign-in's link by address asks ProvenAddress as Meet does.

// Proven reports whether this workspace has proven the domain of an address.
func (c *Config) Proven(address string) bool { return slices.Contains(c.Domains, Domain(address)) }

// ProvenAddress reports whether an asserted address says by itself that somebody is m: it is m's, and
// the workspace has proven its domain.
func (c *Config) ProvenAddress(asserted string, m *Member) bool {
	return SameName(asserted, m.Email) && c.Proven(asserted)
}

// Guarded reports whether law 7 may concern m: an owner, or the break-glass administrator. No directory
// adopts them.
func (c *Config) Guarded(m *Member) bool {
	return m.BreakGlass || m.Role == c.Roles.Owner().ID
}

// Meeting is a directory's POST of a person who may be a member already.
type Meeting struct {
	Directory string // id
	UserName  string
	Address   string // the POST's primary address
	Member    *Member
	// Signed says that the directory's own connection vouched for the member by a name or address of
	// the POST; else it is the address that is the member's.
	Signed bool
	// Ambiguous says that it vouched for two people by names of the POST.
	Ambiguous bool
}

// Verdict is what becomes of a meeting.
type Verdict string

const (
	// VerdictLink makes the member the directory's.
	VerdictLink Verdict = "link"
	// VerdictAsk leaves it to people.
	VerdictAsk Verdict = "ask"
	// VerdictRefuse is what policy says instead of asking.
	VerdictRefuse Verdict = "refuse"
	// VerdictNever is what nobody can decide otherwise: the member is not who is meant, or law 6
	// keeps them.
	VerdictNever Verdict = "never"
)

// What a verdict is founded on.
const (
	MetByConnection = "connection" // linked: vouched for by the directory's own connection
	MetByDomain     = "domain"     // linked: an address in a proven domain
	MetByDecision   = "decision"   // linked: somebody allowed it

	MeetOtherDirectory = "other_directory"  // asked: another directory owns the member
	MeetPutOut         = "put_out"          // asked: people here put the member out
	MeetTwoNames       = "two_names"        // asked: userName is an address, and another; or links name two people
	MeetUnproven       = "domain_unproven"  // asked: the domain is not proven
	MeetUndone         = "undone"           // asked: an owner undid an adoption of the two
	MeetPolicy         = "policy"           // asked or refused by policy alone
	MeetProtected      = "protected_member" // never: an owner or break-glass
	MeetNotMeant       = "not_meant"        // never: another name, erased, or the directory's own already
)

// Meet is the adoption rule (reference: the life of a member, row 7): what becomes of a meeting, and why.
func (c *Config) Meet(x Meeting) (Verdict, string) {
	m := x.Member
	mode := c.PolicyFor(x.Directory).AdoptionMode()
	switch {
	case m.Stage == StageErased, m.Directory == x.Directory, !x.Signed && !SameName(x.Address, m.Email):
		return VerdictNever, MeetNotMeant
	case c.Guarded(m):
		return VerdictNever, MeetProtected
	case x.Signed && m.Directory == "":
		return VerdictLink, MetByConnection
	case mode == AdoptionRefuse:
		return VerdictRefuse, MeetPolicy
	case m.Directory != "":
		return VerdictAsk, MeetOtherDirectory
	case m.Sources != 0:
		return VerdictAsk, MeetPutOut
	case x.Ambiguous, IsAddress(x.UserName) && !SameName(x.UserName, x.Address):
		return VerdictAsk, MeetTwoNames
	case !c.Proven(x.Address):
		return VerdictAsk, MeetUnproven
	case mode == AdoptionLink:
		return VerdictLink, MetByDomain
	default:
		return VerdictAsk, MeetPolicy
	}
}

// MayDecide reports whether somebody with that role decides about adopting m into a directory: an owner,
// and under AdoptionAskAdmin whoever may manage people, but not about those who may so too, or change the settings or
// roles, or do anything else that the role itself does not allow.
func (c *Config) MayDecide(role string, directory string, m *Member) bool {
	if role == c.Roles.Owner().ID {
		return true
	}
	actor, ok := c.Roles.ByID(role)
	theirs, _ := c.Roles.ByID(m.Role)
	return ok && c.PolicyFor(directory).AdoptionMode() == AdoptionAskAdmin && actor.May(PermissionMembers) && actor.CheckGives(theirs) == nil &&
		!theirs.May(PermissionMembers) && !theirs.May(PermissionSettings) && !theirs.May(PermissionRoles)
}

package directory

import (
	"fmt"
	"strings"
	"time"
)

// Source is one reason why a member is out. Sources add up: a member is in only when none is
// left. The values are stored; they never change their meaning.
type Source uint8

const (
	// SourceIdP is the directory's own word: active:false or DELETE.
	SourceIdP Source = 1 << iota
	// SourceGroupLoss is the loss of the last mapped group, where policy says so.
	SourceGroupLoss
	// SourceOwner is any manual act.
	SourceOwner
	// SourceSafetyNet is Gatehouse's own precaution.
	SourceSafetyNet
)

var sourceNames = []struct {
	source Source
	name   string
}{
	{SourceIdP, "idp"},
	{SourceGroupLoss, "group_loss"},
	{SourceOwner, "owner"},
	{SourceSafetyNet, "safety_net"},
}

// Sources is a set of Source.
type Sources uint8

// Has reports whether s is in the set.
func (set Sources) Has(s Source) bool { return set&Sources(s) != 0 }

// With returns the set with s.
func (set Sources) With(s Source) Sources { return set | Sources(s) }

// Without returns the set without s.
func (set Sources) Without(s Source) Sources { return set &^ Sources(s) }

// Names lists the set in a fixed order: "idp", "group_loss", "owner", "safety_net".
func (set Sources) Names() []string {
	names := []string{}
	for _, n := range sourceNames {
		if set.Has(n.source) {
			names = append(names, n.name)
		}
	}
	return names
}

func (set Sources) String() string { return strings.Join(set.Names(), ",") }

// Stage is how far a member has come, apart from being out.
type Stage string

const (
	// StagePending is a person whom a directory named and who becomes a member at first sign-in.
	StagePending Stage = "pending"
	// StageInvited is a member who has not signed in yet and was sent an invitation.
	StageInvited Stage = "invited"
	// StageActive is a member in full.
	StageActive Stage = "active"
	// StageErased is a member whose personal data are gone.
	StageErased Stage = "erased"
)

// Status is what is shown of a member.
type Status string

const (
	StatusPending     Status = "pending"
	StatusInvited     Status = "invited"
	StatusActive      Status = "active"
	StatusDeactivated Status = "deactivated"
	StatusErased      Status = "erased"
)

// Member is a person's account in one workspace. Its id is what the host application sees.
type Member struct {
	ID         string
	Email      string
	Name       string // display name
	GivenName  string
	FamilyName string
	// Attributes are further values by name, in the form of Attribute.Read: "title", "department".
	Attributes map[string]string
	// Asserted is what connections and people said of them; what Attributes has of it is EffectiveAttributes's to say.
	Asserted []AttributeSet
	Stage    Stage
	Sources  Sources
	// WasIn is set once the member has been in; somebody who never was is not renewed.
	WasIn bool
	Role  string // role id
	// ManualRole is the role id set by hand, which wins until it is cleared, or "".
	ManualRole string
	RoleReason RoleReason
	// Directory is the id of the one directory that owns the member, or "".
	Directory  string
	BreakGlass bool
	// Replaces is the id of the member whose place this one took under new_identity, or "".
	Replaces  string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Status returns the one word that sums up stage and sources.
func (m *Member) Status() Status {
	switch {
	case m.Stage == StageErased:
		return StatusErased
	case m.Sources != 0:
		return StatusDeactivated
	default:
		return Status(m.Stage)
	}
}

// In reports whether the member has access: not out, not erased. A pending person is not in.
func (m *Member) In() bool {
	return m.Sources == 0 && (m.Stage == StageActive || m.Stage == StageInvited)
}

// TakesSeat reports whether the member counts as a seat: who is in, invited included.
func (m *Member) TakesSeat() bool { return m.In() }

// OutSentence says why a deactivated member is out, for the member and for the log.
func (m *Member) OutSentence() string {
	switch {
	case m.Sources.Has(SourceOwner):
		return "An administrator of this workspace deactivated this account."
	case m.Sources.Has(SourceIdP):
		return "Your organisation's directory deactivated this account."
	case m.Sources.Has(SourceGroupLoss):
		return "This account is no longer in any group that gives access."
	case m.Sources.Has(SourceSafetyNet):
		return "This account was suspended as a precaution."
	default:
		return ""
	}
}

// AgainstDirectory reports whether an owner restored somebody whom the directory holds inactive.
func (m *Member) AgainstDirectory(resourceActive bool) bool {
	return m.Sources == 0 && m.Stage != StageErased && !resourceActive
}

// RoleReason says how a member got the role they have. It is stored with the member.
type RoleReason struct {
	Source  RoleSourceKind `json:"source"`
	Group   string         `json:"group,omitempty"` // display name of the group that won, or the claim's value
	GroupID string         `json:"group_id,omitempty"`
	// Connection is the id of the connection that asserted the group, where it was a claim.
	Connection string `json:"connection,omitempty"`
	// Mapping is the id of the role mapping that gave it, "" where none did, or where it was decided before that was kept.
	Mapping string    `json:"mapping,omitempty"`
	At      time.Time `json:"at"`
}

// RoleSourceKind is where a role came from.
type RoleSourceKind string

const (
	RoleByHand    RoleSourceKind = "manual"
	RoleByMapping RoleSourceKind = "mapping"
	// RoleByClaim is a mapped role that a sign-in's group claim gives.
	RoleByClaim   RoleSourceKind = "claim"
	RoleByDefault RoleSourceKind = "default"
	// RoleKept is a role that stayed over a return until the first group change.
	RoleKept RoleSourceKind = "kept"
)

// SameCause reports whether two reasons name the same cause, whenever it came about. One that was stored without its
// mapping may have had any.
func (r RoleReason) SameCause(other RoleReason) bool {
	r.At = other.At
	if r.Mapping == "" || other.Mapping == "" {
		r.Mapping, other.Mapping = "", ""
	}
	return r == other
}

// Sentence explains the reason to a person.
func (r RoleReason) Sentence() string {
	switch r.Source {
	case RoleByHand:
		return "Set by hand; it stays until it is cleared."
	case RoleByMapping:
		return fmt.Sprintf("From the group %q by role mapping; the highest mapped role wins.", r.Group)
	case RoleByClaim:
		return fmt.Sprintf("From the group %q that single sign-on asserted, by role mapping; groups of a directory would come first.", r.Group)
	case RoleKept:
		return "Kept from before the return, until the first group change."
	default:
		return "The workspace's lowest role: no mapped group gives another."
	}
}

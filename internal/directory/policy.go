package directory

import (
	"fmt"
	"slices"
	"strings"
)

// ProvisionOn is what makes a member.
type ProvisionOn string

const (
	// ProvisionSCIM makes a member at the SCIM create and nowhere else.
	ProvisionSCIM ProvisionOn = "scim"
	// ProvisionFirstLogin makes a pending person at the SCIM create and a member at first sign-in.
	ProvisionFirstLogin ProvisionOn = "first_login"
	// ProvisionBoth makes a member at whichever comes first.
	ProvisionBoth ProvisionOn = "both"
)

// Reactivation is what a return means.
type Reactivation string

const (
	// ReactivationRestore gives the same member back, with role and data.
	ReactivationRestore Reactivation = "restore"
	// ReactivationNewIdentity makes a fresh member; the old one stays as history.
	ReactivationNewIdentity Reactivation = "new_identity"
)

// GroupLoss is what losing the last mapped group means.
type GroupLoss string

const (
	GroupLossKeep       GroupLoss = "keep"
	GroupLossDeactivate GroupLoss = "deactivate"
)

// RoleSource is where roles come from, apart from those set by hand.
type RoleSource string

const (
	RoleSourceMapping RoleSource = "mapping"
	// RoleSourceDefault gives everybody the lowest role; mappings and group loss are off.
	RoleSourceDefault RoleSource = "default_role"
)

// Adoption is what becomes of a directory's POST of a person who is a member already, one whom the
// directory does not own. Whoever signed in through the directory's own connection by the name or
// address of the POST is that person under each of them (law 6).
type Adoption string

const (
	// AdoptionLink links by proof: an address in a domain that the workspace has proven. An owner is
	// asked about the others.
	AdoptionLink Adoption = "link"
	// AdoptionAskOwner asks an owner, whatever the address is worth.
	AdoptionAskOwner Adoption = "ask_owner"
	// AdoptionAskAdmin asks an owner or whoever may change the settings; about people who may
	// themselves, only an owner.
	AdoptionAskAdmin Adoption = "ask_admin"
	// AdoptionRefuse refuses and asks nobody.
	AdoptionRefuse Adoption = "refuse"
)

// Policy is what a workspace chose. Each value has one of a few words; a preset fills all.
type Policy struct {
	ProvisionOn        ProvisionOn  `json:"provision_on"`
	Reactivation       Reactivation `json:"reactivation"`
	GroupLoss          GroupLoss    `json:"group_loss"`
	RoleSource         RoleSource   `json:"role_source"`
	SCIMRequiresSSO    bool         `json:"scim_requires_sso"`
	SCIMAllowed        bool         `json:"scim_allowed"`
	InviteOnCreate     bool         `json:"invite_on_create"`
	RequiredAttributes []string     `json:"required_attributes"`
	// Adoption is "" in what binaries before it wrote: AdoptionMode.
	Adoption Adoption `json:"adoption"`
	// How long sessions live, each one of SessionIdles and SessionLives; "" in what binaries before them wrote: SessionTimes.
	SessionIdle string `json:"session_idle"`
	SessionLife string `json:"session_life"`
}

// Override is what one directory sets differently from its workspace; nil keeps.
type Override struct {
	ProvisionOn    *ProvisionOn  `json:"provision_on,omitempty"`
	Reactivation   *Reactivation `json:"reactivation,omitempty"`
	GroupLoss      *GroupLoss    `json:"group_loss,omitempty"`
	InviteOnCreate *bool         `json:"invite_on_create,omitempty"`
	Adoption       *Adoption     `json:"adoption,omitempty"`
}

// Over returns p with what o sets.
func (o Override) Over(p Policy) Policy {
	if o.ProvisionOn != nil {
		p.ProvisionOn = *o.ProvisionOn
	}
	if o.Reactivation != nil {
		p.Reactivation = *o.Reactivation
	}
	if o.GroupLoss != nil {
		p.GroupLoss = *o.GroupLoss
	}
	if o.InviteOnCreate != nil {
		p.InviteOnCreate = *o.InviteOnCreate
	}
	if o.Adoption != nil {
		p.Adoption = *o.Adoption
	}
	return p
}

// Preset is the policy and the roles that make a workspace behave like one of the products.
type Preset struct {
	Name   string
	Policy Policy
	Roles  []string // highest first; the first is the owner role
}

// Presets are the known presets by name.
var presets = []Preset{
	{
		Name: "default",
		Policy: Policy{ProvisionOn: ProvisionBoth, Reactivation: ReactivationRestore, GroupLoss: GroupLossKeep,
			RoleSource: RoleSourceMapping, SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true, RequiredAttributes: []string{"email"},
			Adoption: AdoptionLink},
		Roles: []string{"Owner", "Admin", "Member"},
	},
	{
		Name: "omniflow",
		Policy: Policy{ProvisionOn: ProvisionBoth, Reactivation: ReactivationRestore, GroupLoss: GroupLossDeactivate,
			RoleSource: RoleSourceMapping, SCIMAllowed: true, RequiredAttributes: []string{"email"},
			// SCIM and first sign-in are to meet in one person (F29).
			Adoption: AdoptionLink},
		Roles: []string{"Owner", "Admin", "Supervisor", "Agent", "Trainee"},
	},
	{
		Name: "omni",
		Policy: Policy{ProvisionOn: ProvisionBoth, Reactivation: ReactivationNewIdentity, GroupLoss: GroupLossKeep,
			RoleSource: RoleSourceDefault, SCIMRequiresSSO: true, RequiredAttributes: []string{"userName"},
			// Either way in may come first (E7).
			Adoption: AdoptionLink},
		Roles: []string{"Organization Admin", "Organization Member"},
	},
	{
		Name: "omnivoo",
		Policy: Policy{ProvisionOn: ProvisionSCIM, Reactivation: ReactivationRestore, GroupLoss: GroupLossKeep,
			RoleSource: RoleSourceMapping, SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true,
			RequiredAttributes: []string{"email", "displayName"},
			// An account holds contracts and payments (V22), and nobody came through the IdP by
			// signing in: whoever is there was brought in by hand.
			Adoption: AdoptionAskOwner},
		Roles: []string{"Owner", "Admin", "Member"},
	},
}

// PresetNames lists the presets, "default" first.
func PresetNames() []string {
	names := make([]string, len(presets))
	for i, p := range presets {
		names[i] = p.Name
	}
	return names
}

// FindPreset returns the preset of that name; "" is "default". The values are a copy.
func FindPreset(name string) (Preset, bool) {
	if name == "" {
		name = "default"
	}
	for _, p := range presets {
		if p.Name == name {
			p.Roles = slices.Clone(p.Roles)
			p.Policy.RequiredAttributes = slices.Clone(p.Policy.RequiredAttributes)
			return p, true
		}
	}
	return Preset{}, false
}

// requirable are the attributes that a policy may require of a directory's people.
var requirable = []string{"email", "userName", "displayName", "givenName", "familyName", "externalId"}

// Requirable lists the attributes that a policy may require.
func Requirable() []string { return slices.Clone(requirable) }

// Check reports every value of p that is not one of its words, as sentences; none means valid.
func (p Policy) Check() []string {
	var bad []string
	word := func(key, got string, want ...string) {
		if !slices.Contains(want, got) {
			bad = append(bad, fmt.Sprintf("%s: expected one of %s, received %q", key, strings.Join(want, ", "), got))
		}
	}
	word("provision_on", string(p.ProvisionOn), string(ProvisionSCIM), string(ProvisionFirstLogin), string(ProvisionBoth))
	word("reactivation", string(p.Reactivation), string(ReactivationRestore), string(ReactivationNewIdentity))
	word("group_loss", string(p.GroupLoss), string(GroupLossKeep), string(GroupLossDeactivate))
	word("role_source", string(p.RoleSource), string(RoleSourceMapping), string(RoleSourceDefault))
	word("adoption", string(p.AdoptionMode()), string(AdoptionLink), string(AdoptionAskOwner), string(AdoptionAskAdmin), string(AdoptionRefuse))
	word("session_idle", orDefault(p.SessionIdle, defaultIdle), SessionIdles()...)
	word("session_life", orDefault(p.SessionLife, defaultLife), SessionLives()...)
	for _, a := range p.RequiredAttributes {
		word("required_attributes", a, requirable...)
	}
	return bad
}

// AdoptionMode is the policy's word for adoption. A policy that a binary without the word wrote asks an
// owner: nobody was adopted by address then, and nobody is by an upgrade.
func (p Policy) AdoptionMode() Adoption {
	if p.Adoption == "" {
		return AdoptionAskOwner
	}
	return p.Adoption
}

// LossDeactivates reports whether losing the last mapped group puts a member out.
func (p Policy) LossDeactivates() bool {
	return p.GroupLoss == GroupLossDeactivate && p.RoleSource == RoleSourceMapping
}

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
}

// Override is what one directory sets differently from its workspace; nil keeps.
type Override struct {
	ProvisionOn    *ProvisionOn  `json:"provision_on,omitempty"`
	Reactivation   *Reactivation `json:"reactivation,omitempty"`
	GroupLoss      *GroupLoss    `json:"group_loss,omitempty"`
	InviteOnCreate *bool         `json:"invite_on_create,omitempty"`
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
			RoleSource: RoleSourceMapping, SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true, RequiredAttributes: []string{"email"}},
		Roles: []string{"Owner", "Admin", "Member"},
	},
	{
		Name: "omniflow",
		Policy: Policy{ProvisionOn: ProvisionBoth, Reactivation: ReactivationRestore, GroupLoss: GroupLossDeactivate,
			RoleSource: RoleSourceMapping, SCIMAllowed: true, RequiredAttributes: []string{"email"}},
		Roles: []string{"Owner", "Admin", "Supervisor", "Agent", "Trainee"},
	},
	{
		Name: "omni",
		Policy: Policy{ProvisionOn: ProvisionBoth, Reactivation: ReactivationNewIdentity, GroupLoss: GroupLossKeep,
			RoleSource: RoleSourceDefault, SCIMRequiresSSO: true, RequiredAttributes: []string{"userName"}},
		Roles: []string{"Organization Admin", "Organization Member"},
	},
	{
		Name: "omnivoo",
		Policy: Policy{ProvisionOn: ProvisionSCIM, Reactivation: ReactivationRestore, GroupLoss: GroupLossKeep,
			RoleSource: RoleSourceMapping, SCIMRequiresSSO: true, SCIMAllowed: true, InviteOnCreate: true,
			RequiredAttributes: []string{"email", "displayName"}},
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
	for _, a := range p.RequiredAttributes {
		word("required_attributes", a, requirable...)
	}
	return bad
}

// LossDeactivates reports whether losing the last mapped group puts a member out.
func (p Policy) LossDeactivates() bool {
	return p.GroupLoss == GroupLossDeactivate && p.RoleSource == RoleSourceMapping
}

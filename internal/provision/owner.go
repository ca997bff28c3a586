package provision

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Owner is an owner as an operator names them.
type Owner struct {
	Email        string
	Name         string
	PasswordHash string // set where there is none yet; "" for none
	// PasswordProven is when the password was last proven; zero is never.
	PasswordProven time.Time
	BreakGlass     bool
}

// EnsureOwner makes sure that somebody with that address is an owner, inside a transaction that
// holds the policy exclusively. It changes nothing for somebody who is one already, and says
// what it changed in words for people.
func EnsureOwner(tx *store.Tx, cfg *directory.Config, actor audit.Party, o Owner) (id string, changes []string, err error) {
	if !directory.IsAddress(o.Email) {
		return "", nil, errs.Invalid("address_invalid", "owners: expected an e-mail address, received %q.", o.Email)
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	m, err := tx.MemberByEmail(o.Email)
	if err != nil && !errs.Is(err, errs.KindNotFound) {
		return "", nil, err
	}
	if o.BreakGlass {
		if err := moveBreakGlass(tx, cfg, scope, o.Email, &changes); err != nil {
			return "", nil, err
		}
	}
	if m == nil || m.Sources != 0 {
		id, err := newOwner(tx, cfg, scope, o)
		return id, append(changes, "owners."+o.Email+": added"), err
	}
	c := edit(m, "operator")
	if m.Role != owner(cfg) || m.ManualRole != owner(cfg) {
		m.Role, m.ManualRole = owner(cfg), owner(cfg)
		m.RoleReason = directory.RoleReason{Source: directory.RoleByHand, At: tx.Now()}
		changes = append(changes, "owners."+o.Email+": made an owner")
	}
	if m.BreakGlass != o.BreakGlass {
		m.BreakGlass = o.BreakGlass
		changes = append(changes, "owners."+o.Email+".break_glass: "+boolText(!o.BreakGlass)+" -> "+boolText(o.BreakGlass))
	}
	if m.Stage != directory.StageActive {
		m.Stage = directory.StageActive
		changes = append(changes, "owners."+o.Email+": made a member in full")
	}
	if o.PasswordHash != "" {
		has, _, err := tx.Credential(m.ID)
		if err != nil {
			return "", nil, err
		}
		if has == "" {
			tx.SaveCredential(m.ID, o.PasswordHash, o.PasswordProven)
			changes = append(changes, "owners."+o.Email+": password set")
		}
	}
	if len(changes) == 0 {
		return m.ID, nil, nil
	}
	if err := tx.Record(scope.event(audit.SettingsChanged, memberParty(m), asChanges(changes)...)); err != nil {
		return "", nil, err
	}
	return m.ID, changes, save(tx, cfg, scope, c)
}

// DropOwner takes the owner role, and the break-glass designation, from somebody who stays a member:
// their role follows groups and mappings again. The transaction holds the policy exclusively, and
// the caller sees to it that another owner stays. It says what it changed in words for people.
func DropOwner(tx *store.Tx, cfg *directory.Config, actor audit.Party, id string) (changes []string, err error) {
	m, err := tx.Member(id)
	if err != nil {
		return nil, err
	}
	c := edit(m, "operator")
	m.ManualRole, m.BreakGlass = "", false
	groups, err := groupsOf(tx, cfg, m)
	if err != nil {
		return nil, err
	}
	role, reason := cfg.Decide("", groups, tx.Now())
	m.Role, m.RoleReason = role.ID, reason
	changes = []string{"owners." + m.Email + ": no longer an owner, now " + role.Name}
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	if err := tx.Record(scope.event(audit.SettingsChanged, memberParty(m), asChanges(changes)...)); err != nil {
		return nil, err
	}
	return changes, save(tx, cfg, scope, c)
}

func asChanges(words []string) []audit.Change {
	out := make([]audit.Change, len(words))
	for i, w := range words {
		out[i] = audit.Change{Field: "owner", To: w}
	}
	return out
}

func newOwner(tx *store.Tx, cfg *directory.Config, scope Scope, o Owner) (string, error) {
	name := o.Name
	if name == "" {
		name = o.Email
	}
	m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: o.Email, Name: name, Stage: directory.StageActive, Role: owner(cfg), ManualRole: owner(cfg),
		RoleReason: directory.RoleReason{Source: directory.RoleByHand, At: tx.Now()}, BreakGlass: o.BreakGlass, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	if err := checkAddress(tx, m.Email, "", true); err != nil {
		return "", err
	}
	if o.PasswordHash != "" {
		tx.SaveCredential(m.ID, o.PasswordHash, o.PasswordProven)
	}
	return m.ID, save(tx, cfg, scope, change{after: m, why: "operator"})
}

// moveBreakGlass takes the designation from whoever else has it.
func moveBreakGlass(tx *store.Tx, cfg *directory.Config, scope Scope, to string, changes *[]string) error {
	now, err := tx.BreakGlass(owner(cfg))
	if err != nil || now == nil || directory.Fold(now.Email) == directory.Fold(to) {
		return err
	}
	c := edit(now, "operator")
	now.BreakGlass = false
	*changes = append(*changes, "owners."+now.Email+".break_glass: true -> false")
	if err := tx.Record(scope.event(audit.SettingsChanged, memberParty(now), audit.Change{Field: "break_glass", From: "true", To: "false"})); err != nil {
		return err
	}
	return save(tx, cfg, scope, c)
}

// Designate makes m the break-glass administrator in the place of former, who may be nil, in a transaction that holds the policy
// exclusively. Whether that may be is the caller's to ask (directory.CheckDesignation).
func Designate(tx *store.Tx, cfg *directory.Config, actor audit.Party, former, m *directory.Member) error {
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	turn := func(m *directory.Member, on bool) error {
		c := edit(m, "designation")
		m.BreakGlass = on
		if err := tx.Record(scope.event(audit.SettingsChanged, memberParty(m), audit.Change{Field: "break_glass", From: boolText(!on), To: boolText(on)})); err != nil {
			return err
		}
		return save(tx, cfg, scope, c)
	}
	if former != nil {
		if err := turn(former, false); err != nil {
			return err
		}
	}
	return turn(m, true)
}

// ForgetDirectory takes a directory's resources out of service inside a transaction that holds the
// policy exclusively: its ids are retired, its groups are gone, its people stay as they are and
// belong to no directory. The caller calls Remap afterwards.
func ForgetDirectory(tx *store.Tx, directoryID string) error {
	return tx.ForgetDirectory(directoryID)
}

package provision

import (
	"errors"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Turn is one member whom a change of configuration changes. Before has no id where they are made by it.
type Turn struct{ Before, After directory.Member }

// remapPage is how many groups or members are decided about at once.
const remapPage = 512

// Remap applies the workspace's roles and mappings, as the transaction sees them now, to every
// group and member (row 16): nobody goes out by it. The policy is held exclusively. It takes a
// bounded number of statements per 512 groups or members, and returns how many members changed. each, where it is
// not nil, is told of them in the order of their ids, exactly as Foresee tells of them. instead are the roles that take
// the place of those which are gone, by id: who had one by hand, or kept it over a return, has the other one.
func Remap(tx *store.Tx, cfg *directory.Config, actor audit.Party, instead map[string]string, each func(Turn)) (changed int, err error) {
	for from, to := range instead {
		tx.ReplaceManualRole(from, to)
	}
	if err := eachGroup(tx, func(g store.Group) {
		if role := mappedRole(cfg, g); role != g.MappedRole {
			tx.SetMappedRole(g.ID, role)
		}
	}); err != nil {
		return 0, err
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	for after := ""; ; {
		members, err := tx.MembersAfter(after, remapPage)
		if err != nil {
			return changed, err
		}
		ids := idsOf(members)
		n, err := resolve(tx, cfg, cfg.Workspace.Policy, scope, resolved{members: ids, why: string(audit.SettingsChanged), everybody: true, exclusive: true, instead: instead, each: each})
		if err != nil {
			return changed, err
		}
		changed += n
		if len(members) < remapPage {
			return changed, nil
		}
		after = members[len(members)-1].ID
	}
}

// Foresee says whom Remap would change if the configuration were cfg. It changes nothing and may run in a transaction
// that only reads. each ends it by an error. What Remap would refuse is refused here, with the same words.
func Foresee(tx *store.Tx, cfg *directory.Config, actor audit.Party, each func(Turn) error) error {
	roles := map[string]string{} // what each group would give, by its id
	if err := eachGroup(tx, func(g store.Group) {
		if role := mappedRole(cfg, g); role != "" {
			roles[g.ID] = role
		}
	}); err != nil {
		return err
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	ask := resolved{why: string(audit.SettingsChanged), everybody: true, exclusive: true}
	leaving, came := 0, map[string]bool{} // addresses of those who come in
	for after := ""; ; {
		members, err := tx.MembersAfter(after, remapPage)
		if err != nil {
			return err
		}
		groups, err := wouldGive(tx, roles, idsOf(members))
		if err != nil {
			return err
		}
		changes, err := redecide(tx, cfg, cfg.Workspace.Policy, scope, ask, members, groups, &leaving)
		if err != nil {
			return unrecorded(err)
		}
		for _, c := range changes {
			if address := directory.Fold(c.after.Email); c.before.Sources != 0 && c.after.Sources == 0 && address != "" {
				if came[address] {
					return store.ErrAddressTaken(c.after.Email)
				}
				came[address] = true
			}
			if err := each(Turn{c.before, *c.after}); err != nil {
				return err
			}
		}
		if len(members) < remapPage {
			return nil
		}
		after = members[len(members)-1].ID
	}
}

// unrecorded is a refusal without what it leaves behind: nobody tried anything.
func unrecorded(err error) error {
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		return refusal.Err
	}
	return err
}

// mappedRole is the id of the role that mappings give to a group, "" for none.
func mappedRole(cfg *directory.Config, g store.Group) string {
	if _, ok := cfg.Directory(g.Directory); !ok || cfg.Workspace.Policy.RoleSource != directory.RoleSourceMapping {
		return ""
	}
	role, _ := cfg.Roles.MappedRole(cfg.Mappings, g.Directory, g.DisplayName, g.ExternalID)
	return role.ID
}

func eachGroup(tx *store.Tx, fn func(store.Group)) error {
	for after := ""; ; {
		groups, err := tx.GroupsAfter(after, remapPage)
		if err != nil {
			return err
		}
		for _, g := range groups {
			fn(g)
			after = g.ID
		}
		if len(groups) < remapPage {
			return nil
		}
	}
}

// wouldGive are the groups of members to which roles gives one, as Tx.MappedGroups has them.
func wouldGive(tx *store.Tx, roles map[string]string, members []string) (map[string][]directory.MappedGroup, error) {
	if len(roles) == 0 {
		return nil, nil
	}
	all, err := tx.PushedGroups(members)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]directory.MappedGroup, len(all))
	for member, groups := range all {
		for _, g := range groups {
			if g.Role = roles[g.ID]; g.Role != "" {
				out[member] = append(out[member], g)
			}
		}
	}
	return out, nil
}

func idsOf(members []directory.Member) []string {
	ids := make([]string, len(members))
	for i := range members {
		ids[i] = members[i].ID
	}
	return ids
}

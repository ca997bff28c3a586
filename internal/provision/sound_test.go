package provision_test

import (
	"fmt"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// sound holds what is stored against what must be true at every moment, worked out anew from the
// rows: an owner is in; nobody who is out has a session; every live resource points at one member
// who is there, and no two at the same, or is staged; groups have only live resources, and groups, as members; roles are what
// groups, mappings and hands say.
func (h *house) sound() {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		members, err := tx.MembersAfter("", 100000)
		if err != nil {
			return err
		}
		groups, err := tx.GroupsAfter("", 100000)
		if err != nil {
			return err
		}
		in := map[string][]string{} // SCIM id -> role ids of its mapped groups
		live := map[string]bool{}
		for _, m := range members {
			if _, ok := cfg.Roles.ByID(m.Role); !ok {
				h.t.Errorf("%s has no role of the workspace: %s", m.Email, m.Role)
			}
		}
		resources := map[string][]store.SCIMUser{} // member -> live resources
		for _, m := range members {
			users, err := tx.SCIMUsersOfMember(m.ID)
			if err != nil {
				return err
			}
			for _, u := range users {
				if u.RetiredAt.IsZero() {
					live[u.ID] = true
					resources[m.ID] = append(resources[m.ID], u)
				}
			}
		}
		for _, d := range cfg.Directories {
			_, total, err := tx.SelectSCIMUsers(d.ID, store.Select{Start: 1})
			if err != nil {
				return err
			}
			for _, rs := range resources {
				for _, u := range rs {
					if u.Directory == d.ID {
						total--
					}
				}
			}
			waiting, err := tx.CountStaged(d.ID)
			if err != nil {
				return err
			}
			people, err := tx.StagedBehind(d.ID, nil, 100000)
			if err != nil {
				return err
			}
			for _, s := range people {
				live[s.ID] = true
			}
			if total != waiting {
				h.t.Errorf("%d live resources of %s point at no member, and %d people are staged", total, d.Name, waiting)
			}
		}
		for _, g := range groups {
			live[g.ID] = true // a group may hold it
		}
		for _, g := range groups {
			ids, err := tx.GroupMemberIDs(g.ID)
			if err != nil {
				return err
			}
			role := mappedByName(cfg, g.DisplayName)
			if g.Directory == "" {
				role = "" // a team gives none
			}
			if g.MappedRole != role {
				h.t.Errorf("the group %s gives %q, mappings say %q", g.DisplayName, g.MappedRole, role)
			}
			for _, id := range ids {
				if !live[id] {
					h.t.Errorf("the group %s has a member %s that is no live resource", g.DisplayName, id)
				}
				if role != "" {
					in[id] = append(in[id], role)
				}
			}
		}
		owners := 0
		for _, m := range members {
			if err := h.soundMember(tx, cfg, m, resources[m.ID], in); err != nil {
				return err
			}
			if m.Role == cfg.Roles.Owner().ID && m.In() {
				owners++
			}
		}
		if owners == 0 {
			h.t.Errorf("nobody is an owner any more")
		}
		return nil
	})
}

func mappedByName(cfg *directory.Config, name string) string {
	best := ""
	for _, r := range cfg.Roles {
		for _, m := range cfg.Mappings {
			if best == "" && m.Role == r.ID && r.Rank > 0 && strings.EqualFold(m.Match, name) && cfg.Workspace.Policy.RoleSource == directory.RoleSourceMapping {
				best = r.ID
			}
		}
	}
	return best
}

func (h *house) soundMember(tx *store.Tx, cfg *directory.Config, m directory.Member, resources []store.SCIMUser, in map[string][]string) error {
	h.t.Helper()
	who := fmt.Sprintf("%s (%s, %s)", m.Email, m.ID, m.Status())
	sessions, err := tx.Sessions(m.ID)
	if err != nil {
		return err
	}
	if !m.In() && len(sessions) > 0 {
		h.t.Errorf("%s has %d live sessions", who, len(sessions))
	}
	if len(resources) > 1 {
		h.t.Errorf("%s is behind %d live resources", who, len(resources))
	}
	var granted []string
	for _, u := range resources {
		granted = append(granted, in[u.ID]...)
	}
	want := cfg.Roles.Lowest().ID
	switch {
	case m.ManualRole != "":
		want = m.ManualRole
	case len(granted) > 0:
		for _, r := range cfg.Roles {
			if contains(granted, r.ID) {
				want = r.ID
				break
			}
		}
	case m.RoleReason.Source == directory.RoleKept, m.RoleReason.Source == directory.RoleByClaim, len(resources) == 0:
		return nil // the last role, what a sign-in said, or history
	}
	if m.Role != want {
		got, _ := cfg.Roles.ByID(m.Role)
		should, _ := cfg.Roles.ByID(want)
		h.t.Errorf("%s has the role %s, groups and hands say %s", who, got.Name, should.Name)
	}
	return nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

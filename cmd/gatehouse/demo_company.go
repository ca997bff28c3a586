package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// demoRoles are the roles of the preset omniflow that the demonstration's groups are mapped to,
// highest first.
var demoRoles = []struct{ group, role string }{
	{"Omniflow-Admins", "Admin"}, {"Omniflow-Supervisors", "Supervisor"}, {"Omniflow-Agents", "Agent"}, {"Omniflow-Trainees", "Trainee"},
}

// lowestRole is what somebody without a mapped group has.
const lowestRole = "Trainee"

// person is a member as Gatehouse's own verbs show them.
type person struct {
	id, status, role string
	byGroup          string // the group that gave the role, "" for none
	groups           []string
	outBy            []string
}

// personOf reads a member. Whoever is invited is in: they have only not come yet.
func personOf(m memberView) person {
	status := string(m.Status)
	if m.Status == directory.StatusInvited {
		status = string(directory.StatusActive)
	}
	return person{id: m.ID, status: status, role: m.Role, byGroup: m.RoleReason.Group, groups: m.Groups, outBy: m.DeactivatedBy}
}

func (p person) String() string {
	words := []string{p.status, p.role}
	if p.byGroup != "" {
		words = append(words, "by "+p.byGroup)
	}
	if len(p.groups) > 0 {
		words = append(words, "in "+strings.Join(p.groups, ", "))
	}
	if len(p.outBy) > 0 {
		words = append(words, "out by "+strings.Join(p.outBy, ", "))
	}
	return strings.Join(words, ", ")
}

// expected is who should be in the workspace, by address, if it holds exactly what the IdP holds.
// It is worked out from the IdP's own lists and from demoRoles alone.
func expected(s idpsim.State) map[string]person {
	out := map[string]person{}
	for _, x := range s.People {
		if !x.Assigned || !x.Active || x.Deleted {
			continue
		}
		p := person{status: "active", role: lowestRole}
		for _, g := range s.Groups {
			if slices.Contains(g.Members, x.ID) {
				p.groups = append(p.groups, g.Name)
			}
		}
		for _, m := range slices.Backward(demoRoles) {
			if slices.Contains(p.groups, m.group) {
				p.role, p.byGroup = m.role, m.group
			}
		}
		slices.Sort(p.groups)
		out[strings.ToLower(x.UserName)] = p
	}
	return out
}

// agree holds a workspace against its IdP: the same people are in, each with the role that their
// groups give, and everybody else whom the directory brought is out. It returns all of them by
// address.
func (w *world) agree(ctx context.Context, t *tenant) (map[string]person, error) {
	have, err := w.people(ctx, t)
	if err != nil {
		return nil, err
	}
	want := expected(t.idp.State())
	for _, address := range slices.Sorted(maps.Keys(want)) {
		p := want[address]
		got, ok := have[address]
		if !ok {
			return nil, differs(fmt.Sprintf("%s as %s", address, p), "nobody of that address")
		}
		if got.String() != p.String() {
			return nil, differs(fmt.Sprintf("%s as %s", address, p), got)
		}
	}
	for _, address := range slices.Sorted(maps.Keys(have)) {
		if _, ok := want[address]; !ok && have[address].status != "deactivated" {
			return nil, differs(address+" to be out", have[address])
		}
	}
	return have, nil
}

// census counts who is in by role, highest role first: "2 Admin, 3 Supervisor".
func census(people map[string]person) string {
	count := map[string]int{}
	for _, p := range people {
		if p.status == "active" {
			count[p.role]++
		}
	}
	var parts []string
	for _, m := range demoRoles {
		if n := count[m.role]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, m.role))
		}
	}
	return strings.Join(parts, ", ")
}

package idpsim

import (
	"fmt"
	"slices"
	"strings"
)

// This file finds and changes people and groups in memory. Everything here takes the lock for
// itself, gives copies out and sends nothing.

// person returns a copy of the person with that id or user name.
func (p *IdP) person(who string) (Person, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, err := p.findPerson(who)
	if err != nil {
		return Person{}, err
	}
	return x.clone(), nil
}

// findPerson must be called with mu held.
func (p *IdP) findPerson(who string) (*Person, error) {
	if x := p.byPerson[who]; x != nil {
		return x, nil
	}
	if x := p.byPerson[nameKey(who)]; x != nil {
		return x, nil
	}
	return nil, fmt.Errorf("%w person %q", ErrUnknown, who)
}

// nameKey keeps user names apart from ids in the index.
func nameKey(userName string) string { return "name:" + strings.ToLower(userName) }

// changePerson applies fn to the person under the lock and returns a copy of the outcome.
func (p *IdP) changePerson(who string, fn func(*Person) error) (Person, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, err := p.findPerson(who)
	if err != nil {
		return Person{}, err
	}
	next := x.clone()
	if err := fn(&next); err != nil {
		return Person{}, err
	}
	if other := p.byPerson[nameKey(next.UserName)]; other != nil && other != x {
		return Person{}, fmt.Errorf("%w: user name %q is taken in the IdP", ErrInvalid, next.UserName)
	}
	delete(p.byPerson, nameKey(x.UserName))
	*x = next
	p.byPerson[nameKey(x.UserName)] = x
	return x.clone(), nil
}

// noteApp records what the application acknowledged or refused for a person.
func (p *IdP) noteApp(id string, fn func(*AppUser)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.byPerson[id]; x != nil {
		fn(&x.App)
	}
}

// forgetApp notes that the application no longer has somebody, who is then in no group there.
func (p *IdP) forgetApp(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x := p.byPerson[id]; x != nil {
		x.App.RemoteID, x.App.Active = "", false
	}
	is := func(m string) bool { return m == id }
	for _, g := range p.groups {
		g.App.Members = slices.DeleteFunc(g.App.Members, is)
		g.App.Doubtful = slices.DeleteFunc(g.App.Doubtful, is)
	}
}

// forgetPerson takes somebody out of the IdP and of all groups.
func (p *IdP) forgetPerson(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x := p.byPerson[id]
	if x == nil {
		return
	}
	delete(p.byPerson, id)
	delete(p.byPerson, nameKey(x.UserName))
	p.people = slices.DeleteFunc(p.people, func(o *Person) bool { return o == x })
	is := func(m string) bool { return m == id }
	for _, g := range p.groups {
		g.Members = slices.DeleteFunc(g.Members, is)
		g.App.Members = slices.DeleteFunc(g.App.Members, is)
	}
	for _, o := range p.people {
		if o.Manager == id {
			o.Manager = ""
		}
	}
}

// insertPerson completes x and stores it.
func (p *IdP) insertPerson(x Person) (Person, error) {
	if x.UserName == "" {
		x.UserName = x.Email
	}
	if x.UserName == "" {
		return Person{}, fmt.Errorf("%w: a person needs a userName", ErrInvalid)
	}
	if x.Email == "" && strings.Contains(x.UserName, "@") {
		x.Email = x.UserName
	}
	if x.DisplayName == "" {
		x.DisplayName = profile{givenName: x.GivenName, familyName: x.FamilyName}.formatted()
	}
	if x.DisplayName == "" {
		x.DisplayName = x.UserName
	}
	if x.ID == "" {
		x.ID = p.newID("00u")
	}
	x.App = AppUser{}
	x.Active, x.Assigned, x.Deleted, x.Manager = true, false, false, ""
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byPerson[x.ID] != nil || p.byPerson[nameKey(x.UserName)] != nil {
		return Person{}, fmt.Errorf("%w: id %q or user name %q is taken in the IdP", ErrInvalid, x.ID, x.UserName)
	}
	stored := x.clone()
	p.people = append(p.people, &stored)
	p.byPerson[x.ID] = &stored
	p.byPerson[nameKey(x.UserName)] = &stored
	return stored.clone(), nil
}

// group returns a copy of the group with that id or name.
func (p *IdP) group(which string) (Group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, err := p.findGroup(which)
	if err != nil {
		return Group{}, err
	}
	return g.clone(), nil
}

// findGroup must be called with mu held.
func (p *IdP) findGroup(which string) (*Group, error) {
	for _, g := range p.groups {
		if g.ID == which {
			return g, nil
		}
	}
	for _, g := range p.groups {
		if strings.EqualFold(g.Name, which) && !g.Deleted {
			return g, nil
		}
	}
	return nil, fmt.Errorf("%w group %q", ErrUnknown, which)
}

// changeGroup applies fn to the group under the lock and returns a copy of the outcome.
func (p *IdP) changeGroup(which string, fn func(*Group) error) (Group, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, err := p.findGroup(which)
	if err != nil {
		return Group{}, err
	}
	next := g.clone()
	if err := fn(&next); err != nil {
		return Group{}, err
	}
	*g = next
	return g.clone(), nil
}

func (p *IdP) forgetGroup(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.groups = slices.DeleteFunc(p.groups, func(g *Group) bool { return g.ID == id })
}

// insertGroup stores a group with members given by id or user name.
func (p *IdP) insertGroup(id, name string, members []string) (Group, error) {
	if name == "" {
		return Group{}, fmt.Errorf("%w: a group needs a name", ErrInvalid)
	}
	if id == "" {
		id = p.newID("00g")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, taken := range []string{id, name} {
		if _, err := p.findGroup(taken); err == nil {
			return Group{}, fmt.Errorf("%w: group %q exists in the IdP", ErrInvalid, taken)
		}
	}
	g := &Group{ID: id, Name: name, Members: []string{}, App: AppGroup{Members: []string{}}}
	seen := make(set, len(members))
	for _, who := range members {
		x, err := p.findPerson(who)
		if err != nil {
			return Group{}, err
		}
		if !seen[x.ID] {
			g.Members, seen[x.ID] = append(g.Members, x.ID), true
		}
	}
	p.groups = append(p.groups, g)
	return g.clone(), nil
}

// newID makes an id as this vendor's look: Okta's prefix and 17 characters, GUIDs of Entra, PingOne
// and CyberArk, OneLogin's and Google's numbers, JumpCloud's 24 hexadecimal digits.
func (p *IdP) newID(prefix string) string {
	switch p.kind {
	case OneLogin:
		return p.opts.randomDigits("0123456789", 9)
	case Google:
		return "1" + p.opts.randomDigits("0123456789", 20)
	case JumpCloud:
		return p.opts.randomDigits("0123456789abcdef", 24)
	case Entra, EntraFlag, PingOne, CyberArk:
		return p.opts.GUID()
	}
	return prefix + p.opts.randomText(17)
}

// profileOf maps a person to what the application should hold. A manager whom the application
// does not know yet is left out.
func (p *IdP) profileOf(x Person) profile {
	out := profile{
		externalID: x.ID, userName: x.UserName, givenName: x.GivenName, familyName: x.FamilyName,
		displayName: x.DisplayName, email: x.Email, title: x.Title, department: x.Department,
		phone: x.Phone, postalCode: x.PostalCode, roles: x.Roles, custom: x.Custom, active: x.inScope(),
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.byPerson[x.Manager]; m != nil && m.App.RemoteID != "" {
		out.manager, out.managerName = m.App.RemoteID, m.DisplayName
	}
	return out
}

// member is a person as group requests name them.
type member struct{ id, remoteID, display string }

// known returns those of ids that the application knows; with eligible, only those who are also
// in scope, since no IdP pushes the others.
func (p *IdP) known(ids []string, eligible bool) []member {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]member, 0, len(ids))
	for _, id := range ids {
		x := p.byPerson[id]
		if x == nil || x.App.RemoteID == "" || eligible && (!x.inScope() || !x.App.Active) {
			continue
		}
		out = append(out, member{id, x.App.RemoteID, x.UserName})
	}
	return out
}

// set answers membership; groups may have 100,000 members, which rules out searching lists.
type set map[string]bool

func setOf(ids []string) set {
	s := make(set, len(ids))
	for _, id := range ids {
		s[id] = true
	}
	return s
}

func memberIDs(list []member) []string {
	out := make([]string, 0, len(list))
	for _, m := range list {
		out = append(out, m.id)
	}
	return out
}

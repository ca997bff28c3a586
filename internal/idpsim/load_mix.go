package idpsim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// mix makes the changes of a load. It does what the operations do, without their turn: a load has many
// under way at once.
type mix struct {
	p      *IdP
	load   Load
	domain string
	people []string // ids
	names  []string // ids of groups
	groups map[string]*sync.Mutex
}

// change makes one; n is its number. What the application refuses is counted by the exchange.
func (m *mix) change(ctx context.Context, what int, who string, n int) {
	switch what {
	case changeProfile:
		title := fmt.Sprintf("Title %d", n)
		m.person(ctx, who, func(x *Person) error { x.Title = title; return nil })
	case changeOut:
		m.person(ctx, who, func(x *Person) error { x.Active = false; return nil })
	case changeBack:
		m.back(ctx, who)
	case changeNew:
		m.hire(ctx, n)
	case changeMember:
		m.member(ctx, who, n)
	case changeImport:
		m.imports(ctx)
	}
}

// person changes somebody and sends it.
func (m *mix) person(ctx context.Context, who string, fn func(*Person) error) {
	x, err := m.p.changePerson(who, fn)
	if err == nil {
		m.send(ctx, x, "change")
	}
}

// send sends a person by this client's own means.
func (m *mix) send(ctx context.Context, x Person, name string) {
	if !m.p.kind.IsEntra() {
		_ = m.p.personTask(ctx, x, name, false) // the exchange is counted
		return
	}
	j := m.p.entraPersonJob(x, m.p.kind.dialect())
	if _, err := j.send(ctx); err != nil {
		j.failed(err.Error())
	}
}

// back brings somebody in again; one who is in is put out first, so that there is something to send.
func (m *mix) back(ctx context.Context, who string) {
	if x, err := m.p.person(who); err == nil && x.Active {
		m.person(ctx, who, func(x *Person) error { x.Active = false; return nil })
	}
	m.person(ctx, who, func(x *Person) error { x.Active = true; return nil })
}

// hire makes somebody new: pre-check and create.
func (m *mix) hire(ctx context.Context, n int) {
	x, err := m.p.insertPerson(Person{UserName: fmt.Sprintf("hired.%d@%s", n, m.domain), GivenName: "New", FamilyName: fmt.Sprintf("Hire %d", n)})
	if err != nil {
		return
	}
	m.person(ctx, x.ID, func(x *Person) error { x.Assigned = true; return nil })
}

// member puts somebody into a group, or takes them out of it. A client without groups changes the
// person instead.
func (m *mix) member(ctx context.Context, who string, n int) {
	if !m.p.kind.PushesGroups() || len(m.names) == 0 {
		m.person(ctx, who, func(x *Person) error { x.Department = fmt.Sprintf("Team %d", n); return nil })
		return
	}
	id := m.names[n%len(m.names)]
	m.groups[id].Lock()
	defer m.groups[id].Unlock()
	// Somebody who is out would be in no request about members.
	if x, err := m.p.person(who); err == nil && !x.Active {
		m.person(ctx, who, func(x *Person) error { x.Active = true; return nil })
	}
	g, err := m.p.changeGroup(id, func(g *Group) error {
		if i := slices.Index(g.Members, who); i >= 0 {
			g.Members = slices.Delete(g.Members, i, i+1)
		} else {
			g.Members = append(g.Members, who)
		}
		return nil
	})
	switch {
	case err != nil:
	case m.p.kind.IsEntra():
		if _, err := m.p.entraSendGroup(ctx, g, m.p.kind.dialect()); err != nil {
			m.p.groupFailed(id, err.Error())
		}
	default:
		_ = m.p.groupTask(ctx, id) // the exchange is counted
	}
}

// imports reads all pages of what this client lists.
func (m *mix) imports(ctx context.Context) {
	v := vendorOf(m.p.kind)
	for _, list := range []struct {
		path string
		read bool
	}{{"/Users", m.p.kind.isOkta() || v.importsUsers}, {"/Groups", m.p.kind.isOkta() || v.importsGroups}} {
		if list.read {
			_, _ = m.p.readPages(ctx, m.p.step("import "+list.path[1:], 7), list.path, false) // counted likewise
		}
	}
}

// failedExchange says whether an exchange counts as failed.
func failedExchange(e Exchange) bool {
	return e.Status < http.StatusOK || e.Status > 299 || e.Error != ""
}

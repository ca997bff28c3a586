package provision_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Signing in through okta's connection, in the model: rows 7 and 19 to 23. No domain is proven.

type modelLink struct {
	subject, shown, email string
	member                *modelMember
	made                  bool // the member was made by it
}

// claimRole is the highest role of what a connection asserted of a member, or "".
func (w *model) claimRole(m *modelMember) string {
	for _, role := range w.roles[1:] {
		if slices.ContainsFunc(m.claims, func(g string) bool { return w.roleOf(g) == role }) {
			return role
		}
	}
	return ""
}

func (w *model) isOwner(m *modelMember) bool { return m.role == w.roles[0] }

func (w *model) moveLinks(from, to *modelMember) {
	for _, l := range w.links {
		if l.member == from && from != to && !(w.isOwner(from) && from.in()) {
			l.member = to
		}
	}
}

// names reports whether a subject's value or an asserted address is one of a person's names.
func names(shown, email, user, ext, address string) bool {
	return slices.ContainsFunc([]string{shown, email}, func(v string) bool {
		return v != "" && (strings.EqualFold(v, user) || strings.EqualFold(v, address) || v == ext)
	})
}

// meets is row 7: whom a POST meets who is there already. m is to be the member behind it; where a return
// makes a fresh one, only before is there, whose place that takes; or people have to decide.
func (w *model) meets(r *modelResource) (m, before *modelMember, waits bool) {
	met := w.linked(r)
	switch {
	case met == nil || met.dir == r.dir || w.isOwner(met):
	case met.dir != "":
		return nil, nil, true
	case w.renew && met.wasIn && met.idp:
		return nil, met, false
	default:
		return met, met, false
	}
	met = w.held[strings.ToLower(r.email)]
	for _, o := range w.members {
		if met == nil || !met.in() {
			if o.owner && strings.EqualFold(o.email, r.email) {
				met = o
			}
		}
	}
	return nil, nil, met != nil && met.dir != r.dir && !w.isOwner(met)
}

// linked is the one member whom the links of the directory's connection say to be a POST's person, or nil.
func (w *model) linked(r *modelResource) (found *modelMember) {
	if !r.signsIn {
		return nil
	}
	for _, l := range w.links {
		if !names(l.shown, l.email, r.user, r.ext, r.email) || l.member == found {
			continue
		}
		if found != nil {
			return nil // two people
		}
		found = l.member
	}
	return found
}

func (w *model) arrive(a provision.Arrival, okta string) (who *modelMember, refusal string) {
	at := slices.IndexFunc(w.links, func(l *modelLink) bool { return l.subject == a.Subject })
	if at < 0 {
		m, made, refusal := w.stranger(a, okta)
		if refusal != "" {
			return nil, refusal
		}
		w.links = append(w.links, &modelLink{subject: a.Subject, shown: a.Shown, member: m, made: made})
		at = len(w.links) - 1
	}
	l := w.links[at]
	if w.passedOn(l, a.Shown, okta) {
		if w.isOwner(l.member) {
			return nil, "forbidden"
		}
		m, _, refusal := w.stranger(a, okta)
		if refusal != "" {
			return nil, refusal
		}
		l.member, l.made = m, false
	}
	m := l.member
	if !m.in() {
		return nil, "forbidden"
	}
	l.email = a.Email
	if l.made && m.dir == "" && !w.isOwner(m) && a.Email != "" && !w.taken(a.Email, m) {
		m.email = a.Email
	}
	if a.GroupsKnown {
		m.claims = a.Groups
		if m.source != "kept" || w.groupRole(m) != "" || w.claimRole(m) != "" {
			w.decide(m)
		}
	}
	m.sessions++
	return m, ""
}

// passedOn reports whether a link's subject names people of the directory, and its member is none of them.
func (w *model) passedOn(l *modelLink, shown, okta string) bool {
	m := l.member
	if l.shown != shown || m.owner || m.in() && strings.EqualFold(shown, m.email) {
		return false
	}
	others := false
	for _, r := range w.resources {
		address := ""
		if r.member.dir == okta {
			address = r.member.email
		}
		if r.retired != 0 || r.dir != okta || !names(shown, "", r.user, r.ext, address) {
			continue
		}
		if r.member == m {
			return false
		}
		others = true
	}
	return others
}

// stranger is who arrives by a subject that nobody is linked to.
func (w *model) stranger(a provision.Arrival, okta string) (m *modelMember, made bool, refusal string) {
	var left []*modelMember
	for _, r := range w.resources {
		address := ""
		if r.retired == 0 && r.member.dir == okta {
			address = r.member.email
		}
		switch {
		case r.dir != okta || !names(a.Shown, a.Email, r.user, r.ext, address):
		case r.retired != 0:
			left = append(left, r.member)
		case m != nil && m != r.member:
			return nil, false, "forbidden"
		default:
			m = r.member
		}
	}
	if m != nil {
		if w.isOwner(m) || !m.in() {
			return nil, false, "forbidden"
		}
		return m, false, ""
	}
	for _, o := range w.members {
		linked := slices.ContainsFunc(w.links, func(l *modelLink) bool { return l.member == o })
		if a.Email != "" && strings.EqualFold(o.email, a.Email) && (o.in() || o.dir == okta || linked || o.owner) {
			return nil, false, "forbidden"
		}
	}
	if len(left) > 0 || a.Email == "" {
		return nil, false, "forbidden"
	}
	m = &modelMember{email: a.Email}
	w.decide(m)
	w.members = append(w.members, m)
	return m, true, ""
}

func (r *run) doArrive() {
	name := rapid.SampledFrom([]string{"ann", "ben", "cat"}).Draw(r.rt, "name")
	a := r.asserted(name, shown(rapid.SampledFrom([]string{name + "@acme.test", strings.ToUpper(name) + "@acme.test", "ext-" + name, "opaque"}).Draw(r.rt, "shown")))
	a.Method = directory.MethodLink // sessions that a refused attack on an owner leaves alone
	a.Subject += rapid.SampledFrom([]string{"", "", "", "-2"}).Draw(r.rt, "subject")
	a.Email = drawEmail(r.rt, name)
	if rapid.IntRange(0, 4).Draw(r.rt, "no address") == 0 {
		a.Email = ""
	}
	if a.GroupsKnown = rapid.Bool().Draw(r.rt, "claims"); a.GroupsKnown {
		a.Groups = rapid.SliceOfNDistinct(rapid.SampledFrom(groupNames), 0, 2, func(s string) string { return s }).Draw(r.rt, "asserted")
	}
	var m *modelMember
	refusal := r.w.attempt(func() (refusal string) {
		m, refusal = r.w.arrive(a, r.okta.Directory)
		return refusal
	})
	id, _, err := r.tryArrive(a)
	if !r.settled("arrival of "+a.Subject+" as "+a.Shown+", "+a.Email, refusal, err) {
		return
	}
	if m.id == "" {
		m.id = id
	}
	if m.id != id {
		r.rt.Fatalf("%s arrived as %s, the model says %s", a.Subject, id, m.id)
	}
}

func (r *run) compareLinks(tx *store.Tx) error {
	for _, l := range r.w.links {
		got, err := tx.Identity(r.conn, l.subject)
		if err != nil {
			return err
		}
		if got.Member != l.member.id || got.Email != l.email || got.Shown != l.shown {
			r.rt.Fatalf("the link %s is %+v, the model says %s, %s of %s", l.subject, got, l.shown, l.email, l.member.id)
		}
	}
	return nil
}

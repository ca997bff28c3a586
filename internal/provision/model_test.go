package provision_test

import (
	"maps"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// The life of a member once more, as plain data: what a workspace must look like after any sequence
// of requests and acts. It knows nothing of transactions, locks or rows.

type modelMember struct {
	id            string // learnt from the first answer that names it
	email         string
	dir           string
	idp, loss     bool
	owner         bool
	wasIn         bool
	role, manual  string // names
	source        directory.RoleSourceKind
	sessions      int
	resource      *modelResource // the live one behind which it stands, or nil
	fromDirectory bool
	claims        []string // what the connection asserted last
	// claimed is the address that the directory said when it adopted the member: saying it again changes nothing.
	claimed string
	adopted *modelAdoption // how the member came to its directory, until undone
	arrived int            // of sessions, those through the connection
}

func (m *modelMember) in() bool { return !m.idp && !m.loss && !m.owner }

func (m *modelMember) status() string {
	var out []string
	for _, s := range []struct {
		on   bool
		name string
	}{{m.idp, "idp"}, {m.loss, "group_loss"}, {m.owner, "owner"}} {
		if s.on {
			out = append(out, s.name)
		}
	}
	if len(out) == 0 {
		return "active"
	}
	return "deactivated " + strings.Join(out, ",")
}

type modelResource struct {
	id                    string
	dir, user, ext, email string
	active                bool
	signsIn               bool // its directory stands beside a connection
	member                *modelMember
	born, retired         int // steps; retired is 0 while it stands
}

type modelGroup struct {
	id, name string
	has      map[*modelResource]bool
}

type model struct {
	renew, lossDeactivates, mapping bool
	roles                           []string // highest first
	mappings                        map[string]string
	members                         []*modelMember
	resources                       []*modelResource
	groups                          []*modelGroup
	links                           []*modelLink
	meetings                        []*modelMeeting
	met                             *modelMeeting // what the refused POST leaves waiting
	undone                          map[modelPair]bool
	step                            int
	// held are the addresses that were in use when the request came: one that becomes free by the
	// same request is not free for it.
	held map[string]*modelMember
	// ruled are the owners who were in when the request came: who comes in by it replaces nobody
	// who leaves by it.
	ruled map[*modelMember]bool
}

func (w *model) lowest() string { return w.roles[len(w.roles)-1] }

func (w *model) roleOf(group string) string {
	if !w.mapping {
		return ""
	}
	return w.mappings[strings.ToLower(group)]
}

// groupRole is the highest role of a member's mapped groups, or "".
func (w *model) groupRole(m *modelMember) string {
	if m.resource == nil {
		return ""
	}
	for _, role := range w.roles[1:] {
		for _, g := range w.groups {
			if g.has[m.resource] && w.roleOf(g.name) == role {
				return role
			}
		}
	}
	return ""
}

func (w *model) decide(m *modelMember) {
	switch role := w.groupRole(m); {
	case m.manual != "":
		m.role, m.source = m.manual, directory.RoleByHand
	case role != "":
		m.role, m.source = role, directory.RoleByMapping
	case w.claimRole(m) != "":
		m.role, m.source = w.claimRole(m), directory.RoleByClaim
	default:
		m.role, m.source = w.lowest(), directory.RoleByDefault
	}
}

func (w *model) protected(m *modelMember) bool {
	if !m.in() || m.role != w.roles[0] {
		return false
	}
	return !slices.ContainsFunc(w.members, func(o *modelMember) bool { return o != m && o.in() && o.role == w.roles[0] && w.ruled[o] })
}

// taken reports whether somebody else who is in has the address.
func (w *model) taken(email string, but *modelMember) bool {
	if o := w.held[strings.ToLower(email)]; o != nil && o != but {
		return true
	}
	return slices.ContainsFunc(w.members, func(o *modelMember) bool { return o != but && o.in() && strings.EqualFold(o.email, email) })
}

// attempt runs fn and takes everything back where it refuses.
func (w *model) attempt(fn func() string) (refusal string) {
	members, resources, groups := w.members, w.resources, w.groups
	mappings, mapping := maps.Clone(w.mappings), w.mapping
	renew, loses := w.renew, w.lossDeactivates
	wasM, wasR, wasG := map[*modelMember]modelMember{}, map[*modelResource]modelResource{}, map[*modelGroup]modelGroup{}
	for _, m := range members {
		wasM[m] = *m
	}
	for _, r := range resources {
		wasR[r] = *r
	}
	for _, g := range groups {
		wasG[g] = modelGroup{g.id, g.name, maps.Clone(g.has)}
	}
	meetings := w.meetings
	links, wasL := w.links, map[*modelLink]modelLink{}
	for _, l := range links {
		wasL[l] = *l
	}
	w.step++
	w.held, w.ruled = map[string]*modelMember{}, map[*modelMember]bool{}
	for _, m := range members {
		if m.in() {
			w.held[strings.ToLower(m.email)] = m
			w.ruled[m] = m.role == w.roles[0]
		}
	}
	if refusal = fn(); refusal == "" {
		for _, m := range w.members {
			m.wasIn = m.wasIn || m.in()
			if !m.in() {
				m.sessions, m.arrived = 0, 0
			}
		}
		return ""
	}
	w.members, w.resources, w.groups, w.mappings, w.mapping = slices.Clip(members), slices.Clip(resources), slices.Clip(groups), mappings, mapping
	w.renew, w.lossDeactivates = renew, loses
	for m, was := range wasM {
		*m = was
	}
	for r, was := range wasR {
		*r = was
	}
	for g, was := range wasG {
		*g = was
	}
	w.meetings = slices.Clip(meetings)
	w.links = slices.Clip(links)
	for l, was := range wasL {
		*l = was
	}
	return refusal
}

// drop deletes a group: nobody is lost by it.
func (w *model) drop(g *modelGroup) string {
	gave, had := w.roleOf(g.name), g.has
	g.has = map[*modelResource]bool{}
	w.groups = slices.DeleteFunc(slices.Clone(w.groups), func(o *modelGroup) bool { return o == g })
	for _, r := range w.resources {
		if gave == "" || !had[r] {
			continue
		}
		if refusal := w.resolve(r.member, false); refusal != "" {
			return refusal
		}
	}
	return ""
}

func samePerson(r *modelResource, user, ext string) bool {
	if r.ext != "" && ext != "" {
		return r.ext == ext
	}
	return strings.EqualFold(r.user, user)
}

func (w *model) retire(r *modelResource) {
	r.retired = w.step
	r.member.resource = nil
	for _, g := range w.groups {
		delete(g.has, r)
	}
}

// post is rows 1 to 7.
func (w *model) post(r *modelResource) string {
	var aside []*modelResource
	var old *modelResource
	for _, o := range w.resources {
		switch {
		case o.dir != r.dir:
		case o.retired != 0:
			if samePerson(o, r.user, r.ext) && (old == nil || o.retired > old.retired) {
				old = o
			}
		case strings.EqualFold(o.user, r.user) || r.ext != "" && o.ext == r.ext:
			if o.active || !w.renew || o.member.in() {
				return "conflict"
			}
			aside = append(aside, o)
		}
	}
	if old != nil && old.member.dir != r.dir && old.member != w.linked(r) {
		old = nil // another's by now, or nobody's
	}
	m := w.returning(old)
	adopted := (*modelMember)(nil)
	if m == nil {
		waits := false
		if m, adopted, waits = w.meets(r); waits {
			return "conflict"
		}
	}
	if m == nil {
		m = &modelMember{dir: r.dir, role: w.lowest(), source: directory.RoleByDefault, fromDirectory: true}
		if old != nil && slices.ContainsFunc(aside, func(o *modelResource) bool { return samePerson(old, o.user, o.ext) && o.born >= old.retired }) {
			old = nil
		}
		if w.renew && old != nil {
			m.loss, m.owner = old.member.loss, old.member.owner
		}
		for _, o := range aside {
			m.loss, m.owner = m.loss || o.member.loss, m.owner || o.member.owner
		}
		if adopted != nil {
			m.loss, m.owner = m.loss || adopted.loss, m.owner || adopted.owner
			w.moveLinks(adopted, m)
		}
		w.members = append(w.members, m)
	}
	was := *m
	m.idp = !r.active
	if m == adopted {
		w.adopt(m, was, r)
		if m.in() && w.taken(r.email, m) {
			return "conflict"
		}
	} else {
		m.email = w.addressOf(m, r.email)
	}
	if m.in() && w.taken(m.email, m) {
		return "conflict"
	}
	if w.renew {
		if old != nil {
			w.moveLinks(old.member, m)
		}
		for _, o := range aside {
			w.moveLinks(o.member, m)
		}
	}
	for _, o := range aside {
		w.retire(o)
	}
	r.member, r.born, m.resource = m, w.step, r
	w.resources = append(w.resources, r)
	return ""
}

// addressOf is the address that a directory's word gives a member.
func (w *model) addressOf(m *modelMember, said string) string {
	switch {
	case said == m.email:
	case m.claimed != "" && strings.EqualFold(m.claimed, said):
		return m.email
	default:
		m.claimed = ""
	}
	return said
}

// returning is the member who comes back under restore, or nil.
func (w *model) returning(old *modelResource) *modelMember {
	if w.renew || old == nil || old.member.resource != nil || old.member.dir != old.dir {
		return nil
	}
	m := old.member
	if m.in() && m.role == w.roles[0] {
		return nil
	}
	return m
}

// put is rows 8 to 10 and 12.
func (w *model) put(r *modelResource, active *bool, said string) string {
	m := r.member
	before := *m
	email := w.addressOf(m, said)
	if active != nil {
		r.active, m.idp = *active, !*active
	}
	moved := !strings.EqualFold(email, m.email)
	out, back := before.in() && !m.in(), !before.in() && m.in()
	if moved || out {
		after := *m
		*m = before
		refused := w.protected(m)
		*m = after
		if refused {
			return "forbidden"
		}
	}
	m.email = email
	if m.in() && (moved || back) && w.taken(email, m) {
		return "conflict"
	}
	r.email = said
	if w.renew && back && before.wasIn && before.idp {
		*m = before
		m.resource = nil
		fresh := &modelMember{email: email, dir: m.dir, resource: r, fromDirectory: true}
		w.members = append(w.members, fresh)
		r.member = fresh
		w.decide(fresh)
		w.moveLinks(m, fresh)
	}
	return ""
}

// remove is row 11.
func (w *model) remove(r *modelResource) string {
	if w.protected(r.member) {
		return "forbidden"
	}
	m := r.member
	m.idp = true
	if m.source == directory.RoleByMapping {
		m.source = directory.RoleKept
	}
	w.retire(r)
	return ""
}

// regroup is rows 13 to 17: fn changes g, then everybody concerned is looked at again.
func (w *model) regroup(g *modelGroup, fn func() string) string {
	had, name, gave := maps.Clone(g.has), g.name, w.roleOf(g.name)
	if refusal := fn(); refusal != "" {
		return refusal
	}
	gives := w.roleOf(g.name)
	if gave == "" && gives == "" {
		return ""
	}
	for _, r := range w.resources {
		changed := had[r] != g.has[r]
		if !changed && !(g.has[r] && (gave != gives || name != g.name)) {
			continue
		}
		if refusal := w.resolve(r.member, gave != "" && had[r] && !g.has[r]); refusal != "" {
			return refusal
		}
	}
	return ""
}

// resolve decides a role again and what follows from having a mapped group or having lost the last.
func (w *model) resolve(m *modelMember, lost bool) string {
	before := *m
	has := w.groupRole(m) != ""
	w.decide(m)
	switch {
	case has:
		m.loss = false
	case lost && w.lossDeactivates && w.mapping && m.in():
		m.loss = true
	}
	if before.in() && !m.in() {
		after := *m
		*m = before
		refused := w.protected(m)
		*m = after
		if refused {
			return "forbidden"
		}
	}
	if !before.in() && m.in() && w.taken(m.email, m) {
		return "conflict"
	}
	return ""
}

// everybody is resolved after an edit of mappings or policy; kept roles stay without a group.
func (w *model) everybody() string {
	for _, m := range w.members {
		if m.source == directory.RoleKept && w.mapping && w.groupRole(m) == "" && w.claimRole(m) == "" {
			continue
		}
		if refusal := w.resolve(m, false); refusal != "" {
			return refusal
		}
	}
	return ""
}

// deactivate, restore and setRole are rows 24 to 27.
func (w *model) deactivate(m *modelMember) string {
	if w.protected(m) {
		return "forbidden"
	}
	m.owner = true
	return ""
}

func (w *model) restore(m *modelMember) string {
	if !m.in() && w.taken(m.email, m) {
		return "conflict"
	}
	m.idp, m.loss, m.owner = false, false, false
	return ""
}

func (w *model) setRole(m *modelMember, role string) string {
	before := *m
	m.manual = role
	w.decide(m)
	if before.role == w.roles[0] && m.role != w.roles[0] {
		after := *m
		*m = before
		refused := w.protected(m)
		*m = after
		if refused {
			return "forbidden"
		}
	}
	if m.role == before.role && m.manual == before.manual {
		*m = before
	}
	return ""
}

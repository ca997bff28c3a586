package provision_test

import (
	"fmt"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Row 7 in the model: whom a POST meets, what people decide, and what is undone.

type modelPair struct {
	dir    string
	member *modelMember
}

// modelMeeting waits for a decision, or has one.
type modelMeeting struct {
	modelPair
	claim         string
	active        bool
	state         store.AdoptionState
	seen          string
	user, address string
}

// modelAdoption is what an adoption was before.
type modelAdoption struct {
	dir      string
	was      modelMember
	links    []string
	resource *modelResource
}

// facts are what a decision is about.
func (x *modelMeeting) facts() string {
	m := x.member
	return fmt.Sprint(x.active, m.email, m.role, m.manual, m.dir, m.status())
}

// meets is row 7: whom a POST meets who is there already. m is to be the member behind it; where a return
// makes a fresh one, only before is there, whose place that takes; or people have to decide.
func (w *model) meets(r *modelResource) (m, before *modelMember, waits bool) {
	met := w.linked(r)
	switch {
	case met == nil || met.dir == r.dir || w.isOwner(met):
	case met.dir != "":
		return w.asked(r, met)
	case w.renew && met.wasIn && met.idp:
		return nil, met, false
	case w.undone[modelPair{r.dir, met}]:
		return w.asked(r, met)
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
	if met == nil || met.dir == r.dir || w.isOwner(met) {
		return nil, nil, false
	}
	return w.asked(r, met)
}

// asked is a meeting that people decide about.
func (w *model) asked(r *modelResource, met *modelMember) (m, before *modelMember, waits bool) {
	x := &modelMeeting{modelPair: modelPair{r.dir, met}, claim: strings.ToLower(r.user) + " " + r.ext + " " + strings.ToLower(r.email), active: r.active,
		state: store.AdoptionWaiting, user: r.user, address: r.email}
	if had := w.meeting(x); had != nil && had.state == store.AdoptionAllowed && had.seen == x.facts() {
		return met, met, false
	}
	w.met = x
	return nil, nil, true
}

func (w *model) meeting(x *modelMeeting) *modelMeeting {
	at := slices.IndexFunc(w.meetings, func(o *modelMeeting) bool { return o.modelPair == x.modelPair && o.claim == x.claim })
	if at < 0 {
		return nil
	}
	return w.meetings[at]
}

// leaveWaiting is what a refused POST leaves.
func (w *model) leaveWaiting() {
	x := w.met
	if x == nil {
		return
	}
	had := w.meeting(x)
	if had == nil {
		same := 0
		for _, o := range w.meetings {
			if o.modelPair == x.modelPair {
				same++
			}
		}
		if same < 10 {
			w.meetings = append(w.meetings, x)
		}
		return
	}
	had.active = x.active
	if had.state == store.AdoptionAllowed && had.seen != x.facts() {
		had.state = store.AdoptionWaiting
	}
}

// adopt makes m the member behind r, as it was before.
func (w *model) adopt(m *modelMember, was modelMember, r *modelResource) {
	a := &modelAdoption{dir: r.dir, was: was, resource: r}
	for _, l := range w.links {
		if l.member == m {
			a.links = append(a.links, l.subject)
		}
	}
	if m.resource != nil {
		w.retire(m.resource)
		if m.source == directory.RoleByMapping {
			m.source = directory.RoleKept
		}
	}
	m.dir, m.claimed, m.adopted = r.dir, r.email, a
	w.meetings = slices.DeleteFunc(slices.Clone(w.meetings), func(x *modelMeeting) bool { return x.modelPair == modelPair{r.dir, m} })
}

func (w *model) undo(m *modelMember) string {
	a := m.adopted
	if m.dir != a.dir || a.resource.retired == 0 && a.resource.member != m {
		return "conflict"
	}
	before := *m
	if m.resource != nil {
		w.retire(m.resource)
	}
	kept, cut := 0, 0
	if a.resource.signsIn {
		w.links = slices.DeleteFunc(slices.Clone(w.links), func(l *modelLink) bool {
			goes := l.member == m && !slices.Contains(a.links, l.subject)
			if goes {
				cut++
			} else if l.member == m {
				kept++
			}
			return goes
		})
	}
	if cut > 0 {
		m.sessions, m.arrived = m.sessions-m.arrived, 0
		if kept == 0 {
			m.claims = nil
		}
	}
	m.dir, m.email, m.claimed, m.adopted = "", a.was.email, "", nil
	m.idp, m.loss = a.was.idp, a.was.loss
	lasts := a.was.source == directory.RoleByMapping || a.was.source == directory.RoleKept
	if m.manual == "" && w.claimRole(m) == "" && lasts && a.was.role != w.roles[0] {
		m.role, m.source = a.was.role, directory.RoleKept
	} else {
		w.decide(m)
	}
	out, back := before.in() && !m.in(), !before.in() && m.in()
	if out {
		after := *m
		*m = before
		refused := w.protected(m)
		*m = after
		if refused {
			return "forbidden"
		}
	}
	if m.in() && (back || m.email != before.email) && w.taken(m.email, m) {
		return "conflict"
	}
	return ""
}

// decides is an owner's decision.
func (w *model) decides(x *modelMeeting, to store.AdoptionState) string {
	if w.isOwner(x.member) || x.member.dir == x.dir {
		return "conflict"
	}
	x.state, x.seen = to, x.facts()
	return ""
}

func (r *run) doDecide() {
	x, ok := pick(r.rt, "meeting", r.w.meetings)
	if !ok {
		return
	}
	to, act := store.AdoptionAllowed, r.svc.AllowAdoption
	if rapid.IntRange(0, 3).Draw(r.rt, "refuses") == 0 {
		to, act = store.AdoptionRefused, r.svc.RefuseAdoption
	}
	all, err := r.svc.Adoptions(bg, r.owner)
	r.ok(err)
	at := slices.IndexFunc(all, func(a provision.Adoption) bool {
		return a.Directory.ID == x.dir && a.Member.ID == x.member.id && a.State == x.state &&
			strings.ToLower(a.UserName)+" "+a.ExternalID+" "+strings.ToLower(a.Email) == x.claim && a.Active == x.active
	})
	if at < 0 {
		r.rt.Fatalf("the model has the meeting %+v, there is %+v", x, all)
	}
	refusal := r.w.decides(x, to)
	_, err = act(bg, r.owner, all[at].ID, all[at].Seen)
	r.settled("a decision about "+x.member.email, refusal, err)
}

func (r *run) doUndo() {
	m, ok := pick(r.rt, "adopted", slices.DeleteFunc(slices.Clone(r.w.members), func(m *modelMember) bool { return m.adopted == nil }))
	if !ok {
		return
	}
	pair := modelPair{m.adopted.dir, m}
	refusal := r.w.attempt(func() string { return r.w.undo(m) })
	var row *store.Adoption
	r.read(func(tx *store.Tx) (err error) { row, err = tx.AdoptionOf(m.id); return err })
	if row == nil {
		r.rt.Fatalf("the adoption of %s is not there", m.email)
	}
	_, err := r.svc.UndoAdoption(bg, r.owner, row.ID, "")
	if r.settled("the adoption of "+m.email+" is undone", refusal, err) {
		if r.w.undone == nil {
			r.w.undone = map[modelPair]bool{}
		}
		r.w.undone[pair] = true
	}
}

func storedMeetings(tx *store.Tx, states ...store.AdoptionState) (all []store.Adoption, err error) {
	for _, state := range states {
		some, err := tx.Adoptions(state, 200)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (r *run) compareMeetings(tx *store.Tx) error {
	all, err := storedMeetings(tx, store.AdoptionWaiting, store.AdoptionAllowed, store.AdoptionRefused)
	if err != nil {
		return err
	}
	var got, want []string
	for _, a := range all {
		claim := strings.ToLower(a.UserName) + " " + a.ExternalID + " " + strings.ToLower(a.Address)
		got = append(got, fmt.Sprintf("%s meets %s as %s, active %v: %s", a.Directory, a.Member, claim, a.Active, a.State))
	}
	for _, x := range r.w.meetings {
		want = append(want, fmt.Sprintf("%s meets %s as %s, active %v: %s", x.dir, x.member.id, x.claim, x.active, x.state))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.rt.Fatalf("the meetings are\n%s, the model says\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	return nil
}

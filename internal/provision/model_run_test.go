package provision_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/scim"
)

// run is a real workspace and its model, side by side.
type run struct {
	*house
	w  *model
	rt *rapid.T
}

func TestAnySequenceOfRequestsAndActs_LeavesWhatTheModelSays(t *testing.T) {
	t.Parallel()
	budgets := map[string]int{"sqlite": 40, "postgres": 6} // sequences
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		sequences, broken := 0, false
		rapid.Check(t, func(rt *rapid.T) {
			// A sequence that failed is played again and again to find a short one.
			if sequences++; sequences > budgets[db.Name()] && !broken {
				return
			}
			defer func() { broken = broken || rt.Failed() }()
			r := start(rt, db)
			defer func() {
				if rt.Failed() {
					rt.Log(r.bothSides())
				}
			}()
			if rapid.Bool().Draw(rt, "ruled from the directory") {
				r.handOver()
			}
			for range rapid.IntRange(25, 70).Draw(rt, "steps") {
				r.act()
				r.compare()
			}
			r.sound()
		})
	})
}

func start(rt *rapid.T, db *store.DB) *run {
	back := rapid.SampledFrom([]directory.Reactivation{directory.ReactivationRestore, directory.ReactivationNewIdentity}).Draw(rt, "reactivation")
	loss := rapid.SampledFrom([]directory.GroupLoss{directory.GroupLossDeactivate, directory.GroupLossDeactivate, directory.GroupLossKeep}).Draw(rt, "group_loss")
	p := omniflow(back)
	p.policy = func(p *directory.Policy) { p.Reactivation, p.GroupLoss = back, loss }
	h := build(rt, db, p)
	w := &model{renew: back == directory.ReactivationNewIdentity, lossDeactivates: loss == directory.GroupLossDeactivate, mapping: true,
		roles: h.config().Roles.Names(), mappings: map[string]string{}}
	for group, role := range p.mappings {
		w.mappings[strings.ToLower(group)] = role
	}
	w.members = []*modelMember{{id: h.root, email: "root@root.test", role: "Owner", manual: "Owner", source: directory.RoleByHand, wasIn: true}}
	return &run{h, w, rt}
}

// handOver makes two people of the directory the only owners, and members of a mapped group: from
// there every path leads to the last owner.
func (r *run) handOver() {
	both := map[*modelResource]bool{}
	var ids []string
	for _, name := range []string{"ann", "ben"} {
		x := &modelResource{user: name + "@acme.test", ext: "ext-" + name, email: name + "@acme.test", dir: r.okta.Directory, active: true, signsIn: true}
		refusal := r.w.attempt(func() string { return r.w.post(x) })
		u, err := r.svc.CreateUser(bg, r.okta, x.person())
		if !r.settled("POST "+name, refusal, err) {
			r.rt.Fatalf("%s: %v", name, err)
		}
		x.id = u.ID
		r.learn(x, u)
		r.w.attempt(func() string { return r.w.setRole(x.member, "Owner") })
		r.house.setRole(u.Member, "Owner")
		both[x], ids = true, append(ids, u.ID)
	}
	g := &modelGroup{name: "Agents", has: map[*modelResource]bool{}}
	r.w.groups = append(r.w.groups, g)
	r.w.attempt(func() string { return r.w.regroup(g, func() string { g.has = both; return "" }) })
	g.id = r.house.group("Agents", ids...)
	r.w.attempt(func() string { return r.w.deactivate(r.w.members[0]) })
	r.house.deactivate(r.root)
	r.compare()
}

// settled expects of err what the model refused, "" for nothing.
func (r *run) settled(what, refusal string, err error) bool {
	r.t.Helper()
	r.rt.Logf("%s: %q", what, refusal)
	if got := string(errs.KindOf(err)); got != refusal {
		r.rt.Fatalf("%s: got %q (%v), the model says %q", what, got, err, refusal)
	}
	return err == nil
}

func pick[T any](rt *rapid.T, what string, from []T) (one T, ok bool) {
	if len(from) == 0 {
		return one, false
	}
	return from[rapid.IntRange(0, len(from)-1).Draw(rt, what)], true
}

func (r *run) standing(dir string) []*modelResource {
	return slices.DeleteFunc(slices.Clone(r.w.resources), func(x *modelResource) bool { return x.retired != 0 || dir != "" && x.dir != dir })
}

func (r *run) scopeOf(dir string) provision.Scope {
	if dir == r.entra.Directory {
		return r.entra
	}
	return r.okta
}

func (r *run) act() {
	acts := []func(){r.doPost, r.doPost, r.doPut, r.doPut, r.doPut, r.doDelete, r.doGroup, r.doMembers, r.doMembers, r.doMembers, r.doDrop,
		r.doRemap, r.doRemap, r.doPolicy, r.doTeam, r.doOwner, r.doOwner, r.doDecide, r.doDecide, r.doUndo, r.doSignIn, r.doArrive, r.doArrive, r.doArrive}
	acts[rapid.IntRange(0, len(acts)-1).Draw(r.rt, "act")]()
}

func (x *modelResource) person() provision.Person {
	return provision.Person{UserName: x.user, ExternalID: x.ext, Email: x.email, DisplayName: x.user, Document: "{}"}
}

func drawEmail(rt *rapid.T, name string) string {
	return rapid.SampledFrom([]string{name + "@acme.test", name + "@acme.test", name + "@acme.test", "Shared@acme.test", "shared@acme.test"}).Draw(rt, "email")
}

func (r *run) doPost() {
	name := rapid.SampledFrom([]string{"ann", "ben", "cat"}).Draw(r.rt, "name")
	x := &modelResource{user: name + "@acme.test", dir: r.okta.Directory, email: drawEmail(r.rt, name)}
	x.ext = rapid.SampledFrom([]string{"ext-" + name, "ext-" + name, "", "ext-other"}).Draw(r.rt, "externalId")
	if rapid.IntRange(0, 4).Draw(r.rt, "entra") == 0 {
		x.dir = r.entra.Directory
	}
	x.signsIn = x.dir == r.okta.Directory
	x.active = rapid.IntRange(0, 4).Draw(r.rt, "active") > 0
	r.w.met = nil
	refusal := r.w.attempt(func() string { return r.w.post(x) })
	r.w.leaveWaiting()
	p := x.person()
	if !x.active || rapid.Bool().Draw(r.rt, "says so") {
		p.Active = &x.active
	}
	u, err := r.svc.CreateUser(bg, r.scopeOf(x.dir), p)
	if r.settled(fmt.Sprintf("POST %s %q %s to %s, active %v", x.user, x.ext, x.email, x.dir, x.active), refusal, err) {
		x.id = u.ID
		r.learn(x, u)
	}
}

// learn takes the id of a member whom the model made from the answer that first names it.
func (r *run) learn(x *modelResource, u provision.User) {
	if x.member.id == "" {
		if slices.ContainsFunc(r.w.members, func(m *modelMember) bool { return m.id == u.Member }) {
			r.rt.Fatalf("%s: the model has a fresh member, the answer names a known one", x.user)
		}
		x.member.id = u.Member
	}
}

func (r *run) doPut() {
	x, ok := pick(r.rt, "resource", r.standing(""))
	if !ok {
		return
	}
	var says *bool
	if v := rapid.IntRange(0, 4).Draw(r.rt, "active"); v > 0 {
		on := v > 2
		says = &on
	}
	name, _, _ := strings.Cut(x.user, "@")
	email := x.email
	if rapid.IntRange(0, 3).Draw(r.rt, "moves") == 0 {
		email = drawEmail(r.rt, name)
	}
	refusal := r.w.attempt(func() string { return r.w.put(x, says, email) })
	p := x.person()
	p.Email, p.Active = email, says
	u, err := r.svc.UpdateUser(bg, r.scopeOf(x.dir), x.id, true, func(provision.User) (provision.Person, error) { return p, nil })
	if r.settled(fmt.Sprintf("PUT %s %s", x.user, email), refusal, err) {
		r.learn(x, u)
	}
}

func (r *run) doDelete() {
	if x, ok := pick(r.rt, "resource", r.standing("")); ok {
		refusal := r.w.attempt(func() string { return r.w.remove(x) })
		r.settled("DELETE "+x.user, refusal, r.svc.DeleteUser(bg, r.scopeOf(x.dir), x.id))
	}
}

var groupNames = []string{"Agents", "admins", "Supervisors", "Tea", "Coffee"}

func (r *run) drawMembers() (picked []*modelResource, ids []string, known bool) {
	known = true
	for _, x := range r.standing("") {
		if rapid.IntRange(0, 2).Draw(r.rt, "member") == 0 {
			picked, ids = append(picked, x), append(ids, x.id)
			known = known && x.dir == r.okta.Directory
		}
	}
	return picked, ids, known
}

func (r *run) nameTaken(name string, but *modelGroup) bool {
	return slices.ContainsFunc(r.w.groups, func(g *modelGroup) bool { return g != but && strings.EqualFold(g.name, name) })
}

func (r *run) doGroup() {
	g := &modelGroup{name: rapid.SampledFrom(groupNames).Draw(r.rt, "group"), has: map[*modelResource]bool{}}
	picked, ids, known := r.drawMembers()
	refusal := r.w.attempt(func() string {
		if !known {
			return "invalid"
		}
		if r.nameTaken(g.name, nil) {
			return "conflict"
		}
		r.w.groups = append(r.w.groups, g)
		return r.w.regroup(g, func() string {
			for _, x := range picked {
				g.has[x] = true
			}
			return ""
		})
	})
	made, err := r.svc.CreateGroup(bg, r.okta, named(g.name), ids)
	if r.settled("POST group "+g.name, refusal, err) {
		g.id = made.ID
	}
}

func (r *run) doMembers() {
	g, ok := pick(r.rt, "group", r.w.groups)
	if !ok {
		return
	}
	name := g.name
	if rapid.IntRange(0, 4).Draw(r.rt, "renames") == 0 {
		name = rapid.SampledFrom(groupNames).Draw(r.rt, "name")
	}
	end := maps.Clone(g.has)
	var ops []scim.MemberOp
	refused := false
	for range rapid.IntRange(1, 2).Draw(r.rt, "operations") {
		kind := rapid.SampledFrom([]scim.MemberKind{scim.MemberAdd, scim.MemberRemove, scim.MemberRemove, scim.MemberReplace}).Draw(r.rt, "kind")
		picked, ids, _ := r.drawMembers()
		ops = append(ops, scim.MemberOp{Kind: kind, Values: ids})
		if kind == scim.MemberReplace {
			clear(end)
		}
		for _, x := range picked {
			if end[x] = kind != scim.MemberRemove; !end[x] {
				delete(end, x)
			}
		}
	}
	for x := range end {
		refused = refused || x.dir != r.okta.Directory
	}
	refusal := r.w.attempt(func() string {
		switch {
		case refused:
			return "invalid"
		case r.nameTaken(name, g):
			return "conflict"
		}
		return r.w.regroup(g, func() string { g.name, g.has = name, end; return "" })
	})
	r.settled(fmt.Sprintf("PATCH group %s as %s with %v", g.name, name, ops), refusal, r.tryRename(g.id, name, ops...))
}

func (r *run) doDrop() {
	if g, ok := pick(r.rt, "group", r.w.groups); ok {
		refusal := r.w.attempt(func() string { return r.w.drop(g) })
		r.settled("DELETE group "+g.name, refusal, r.svc.DeleteGroup(bg, r.okta, g.id))
	}
}

func (r *run) doRemap() {
	mappings := map[string]string{}
	for _, name := range groupNames {
		if role := rapid.SampledFrom([]string{"", "Admin", "Agent", "Supervisor"}).Draw(r.rt, name); role != "" {
			mappings[strings.ToLower(name)] = role
		}
	}
	mapping := rapid.IntRange(0, 4).Draw(r.rt, "mappings") > 0
	refusal := r.w.attempt(func() string {
		r.w.mappings, r.w.mapping = mappings, mapping
		return r.w.everybody()
	})
	r.settles("mapping edit", refusal, func(cfg *directory.Config) {
		cfg.Workspace.Policy.RoleSource = directory.RoleSourceDefault
		if mapping {
			cfg.Workspace.Policy.RoleSource = directory.RoleSourceMapping
		}
		cfg.Mappings = nil
		for pattern, name := range mappings {
			role, _ := cfg.Roles.ByName(name)
			cfg.Mappings = append(cfg.Mappings, directory.RoleMapping{ID: keys.ID("map_", r.db.Now()), Match: pattern, Role: role.ID})
		}
	})
}

// doPolicy changes what losing a group and coming back mean from now on. Nobody changes by it.
func (r *run) doPolicy() {
	renew, loses := rapid.Bool().Draw(r.rt, "renews"), rapid.Bool().Draw(r.rt, "loss deactivates")
	refusal := r.w.attempt(func() string {
		r.w.renew, r.w.lossDeactivates = renew, loses
		return r.w.everybody()
	})
	r.settles("policy edit", refusal, func(cfg *directory.Config) {
		p := &cfg.Workspace.Policy
		p.Reactivation, p.GroupLoss = directory.ReactivationRestore, directory.GroupLossKeep
		if renew {
			p.Reactivation = directory.ReactivationNewIdentity
		}
		if loses {
			p.GroupLoss = directory.GroupLossDeactivate
		}
	})
}

// settles changes the configuration by edit, whom it would change having been asked before: those, and nobody else,
// change by it.
func (r *run) settles(what, refusal string, edit func(cfg *directory.Config)) {
	var wanted directory.Config
	type place struct {
		role    string
		reason  directory.RoleSourceKind
		sources directory.Sources
	}
	at := func(m directory.Member) place { return place{m.Role, m.RoleReason.Source, m.Sources} }
	where := func() map[string]place {
		out := map[string]place{}
		r.read(func(tx *store.Tx) error {
			members, err := tx.MembersAfter("", 1000)
			for _, m := range members {
				out[m.ID] = at(m)
			}
			return err
		})
		return out
	}
	foreseen := where()
	err := r.db.Read(bg, r.ws, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		wanted = *cfg
		edit(&wanted)
		return provision.Foresee(tx, &wanted, operator, func(t provision.Turn) error {
			foreseen[t.After.ID] = at(t.After)
			return nil
		})
	})
	if got := string(errs.KindOf(err)); got != refusal {
		r.rt.Fatalf("%s: foreseen is %q (%v), the model says %q", what, got, err, refusal)
	}
	if !r.settled(what, refusal, r.trySettle(func(tx *store.Tx, cfg *directory.Config) error {
		for _, m := range cfg.Mappings {
			tx.DeleteMapping(m.ID)
		}
		for _, m := range wanted.Mappings {
			tx.InsertMapping(m)
		}
		return tx.UpdateWorkspace(wanted.Workspace)
	})) {
		return
	}
	if now := where(); !maps.Equal(now, foreseen) {
		r.rt.Fatalf("%s: it was foreseen as\n%v, and is\n%v", what, foreseen, now)
	}
}

// doTeam puts people into teams, and out of them, under the names of mapped groups. A team gives nobody a role.
func (r *run) doTeam() {
	name := rapid.SampledFrom(groupNames).Draw(r.rt, "team")
	team, err := r.svc.TeamNamed(bg, r.owner, name)
	if errs.Is(err, errs.KindNotFound) {
		_, err = r.svc.CreateTeam(bg, r.owner, name)
		r.settled("team "+name, "", err)
		return
	}
	r.settled("the team "+name, "", err)
	m, _ := pick(r.rt, "member", r.w.members)
	if rapid.IntRange(0, 2).Draw(r.rt, "leaves") == 0 {
		_, err = r.svc.RemoveFromTeam(bg, r.owner, team.ID, provision.Who(m.id))
	} else {
		_, err = r.svc.AddToTeam(bg, r.owner, team.ID, provision.Who(m.id))
	}
	r.rt.Logf("the team %s and %s: %v", name, m.email, err)
	if kind := errs.KindOf(err); err != nil && kind != errs.KindConflict && kind != errs.KindForbidden && kind != errs.KindNotFound {
		r.rt.Fatalf("the team %s: %v", name, err)
	}
}

func (r *run) doOwner() {
	m, _ := pick(r.rt, "member", r.w.members)
	find := provision.Who(m.id)
	switch rapid.IntRange(0, 3).Draw(r.rt, "manual act") {
	case 0:
		refusal := r.w.attempt(func() string { return r.w.deactivate(m) })
		_, err := r.svc.Deactivate(bg, r.owner, find)
		r.settled("an owner deactivates "+m.email, refusal, err)
	case 1:
		refusal := r.w.attempt(func() string { return r.w.restore(m) })
		_, err := r.svc.Restore(bg, r.owner, find)
		r.settled("an owner restores "+m.email, refusal, err)
	default:
		role := rapid.SampledFrom([]string{"Owner", "Owner", "Admin", "Trainee", ""}).Draw(r.rt, "role")
		refusal := r.w.attempt(func() string { return r.w.setRole(m, role) })
		_, err := r.svc.SetRole(bg, r.owner, find, role)
		r.settled("an owner makes "+m.email+" "+role, refusal, err)
	}
}

func (r *run) doSignIn() {
	m, _ := pick(r.rt, "member", r.w.members)
	refusal := r.w.attempt(func() string {
		if !m.in() {
			return "forbidden"
		}
		m.sessions++
		return ""
	})
	_, err := r.signIn(m.id, directory.MethodLink)
	r.settled(m.email+" signs in", refusal, err)
}

// compare holds the rows against the model.
func (r *run) compare() {
	r.read(func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		stored, err := tx.MembersAfter("", 1000)
		if err != nil {
			return err
		}
		if len(stored) != len(r.w.members) {
			r.rt.Fatalf("there are %d members, the model has %d", len(stored), len(r.w.members))
		}
		byID := map[string]directory.Member{}
		for _, m := range stored {
			byID[m.ID] = m
		}
		for _, want := range r.w.members {
			got, ok := byID[want.id]
			if !ok {
				r.rt.Fatalf("%s is not stored", want.id)
			}
			if err := r.compareMember(tx, cfg, got, want); err != nil {
				return err
			}
		}
		for _, x := range r.w.resources {
			got, err := tx.SCIMUser(x.dir, x.id)
			if x.retired != 0 {
				if !errs.Is(err, errs.KindNotFound) {
					r.rt.Fatalf("%s is retired and found: %v", x.user, err)
				}
				continue
			}
			if err != nil {
				return err
			}
			if got.Active != x.active || got.Member != x.member.id {
				r.rt.Fatalf("%s is told active %v of %s, the model says %v of %s", x.user, got.Active, got.Member, x.active, x.member.id)
			}
		}
		if err := r.compareLinks(tx); err != nil {
			return err
		}
		if err := r.compareMeetings(tx); err != nil {
			return err
		}
		return r.compareGroups(tx)
	})
}

func (r *run) compareMember(tx *store.Tx, cfg *directory.Config, got directory.Member, want *modelMember) error {
	role, _ := cfg.Roles.ByID(got.Role)
	status := string(got.Status())
	if got.Sources != 0 {
		status += " " + got.Sources.String()
	}
	live, err := tx.Sessions(got.ID)
	if err != nil {
		return err
	}
	is := fmt.Sprintf("%s, role %s by %s, %d sessions, has been in: %v, %s", status, role.Name, got.RoleReason.Source, len(live), got.WasIn, got.Email)
	shall := fmt.Sprintf("%s, role %s by %s, %d sessions, has been in: %v, %s", want.status(), want.role, want.source, want.sessions, want.wasIn, want.email)
	if is != shall {
		r.rt.Fatalf("%s is\n%s, the model says\n%s", got.ID, is, shall)
	}
	return nil
}

func (r *run) compareGroups(tx *store.Tx) error {
	groups, err := tx.GroupsAfter("", 100)
	if err != nil {
		return err
	}
	groups = slices.DeleteFunc(groups, func(g store.Group) bool { return g.Directory == "" }) // teams
	if len(groups) != len(r.w.groups) {
		r.rt.Fatalf("there are %d groups, the model has %d", len(groups), len(r.w.groups))
	}
	for _, g := range r.w.groups {
		got, err := tx.GroupMemberIDs(g.id)
		if err != nil {
			return err
		}
		var want []string
		for x := range g.has {
			want = append(want, x.id)
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			r.rt.Fatalf("%s has %v, the model says %v", g.name, got, want)
		}
	}
	return nil
}

package provision_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

var (
	bg       = context.Background()
	operator = audit.Party{Kind: "operator", ID: "test"}
)

// fataler is what house needs of *testing.T and of *rapid.T.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

// house is one workspace with an owner who is in no directory, two directories and a verified
// connection; what a test does to it and sees of it.
type house struct {
	t    fataler
	db   *store.DB
	svc  *provision.Service
	conn string // of okta
	ws   string
	root string // the owner's member id
	// okta and entra are the two directories; ops go to okta unless said otherwise.
	okta, entra provision.Scope
	owner       provision.Scope // people's own acts
	said        map[string]provision.Person
}

// plan is how a workspace shall be.
type plan struct {
	preset   string
	policy   func(*directory.Policy)
	mappings map[string]string // group name -> role name
	domains  []string
	noSSO    bool
}

// omniflow is the preset with the most to lose: mappings on, group loss deactivates.
func omniflow(back directory.Reactivation) plan {
	return plan{preset: "omniflow", policy: func(p *directory.Policy) { p.Reactivation = back },
		mappings: map[string]string{"Admins": "Admin", "Supervisors": "Supervisor", "Agents": "Agent"}}
}

func build(t fataler, db *store.DB, p plan) *house {
	t.Helper()
	preset, ok := directory.FindPreset(p.preset)
	if !ok {
		t.Fatalf("no preset %q", p.preset)
	}
	preset.Policy.SCIMAllowed = true
	if p.policy != nil {
		p.policy(&preset.Policy)
	}
	h := &house{t: t, db: db, svc: &provision.Service{DB: db}, ws: keys.ID("ws_", db.Now()), said: map[string]provision.Person{}}
	h.okta = provision.Scope{Workspace: h.ws, Directory: keys.ID("dir_", db.Now()), Actor: audit.Party{Kind: "directory", Name: "okta"}}
	h.entra = provision.Scope{Workspace: h.ws, Directory: keys.ID("dir_", db.Now()), Actor: audit.Party{Kind: "directory", Name: "entra"}}
	h.owner = provision.Scope{Workspace: h.ws, Actor: operator}
	h.write(func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{ID: h.ws, Slug: strings.ToLower(h.ws), Name: "Acme", Preset: p.preset, Policy: preset.Policy}); err != nil {
			return err
		}
		roles := map[string]string{}
		for rank, name := range preset.Roles {
			roles[name] = keys.ID("rol_", tx.Now())
			tx.SaveRole(directory.Role{ID: roles[name], Name: name, Rank: rank, Permissions: directory.RolePermissions(name, rank)}, true)
		}
		for pattern, role := range p.mappings {
			tx.InsertMapping(directory.RoleMapping{ID: keys.ID("map_", tx.Now()), Match: pattern, Role: roles[role]})
		}
		for _, d := range p.domains {
			tx.InsertDomain(d)
		}
		c := directory.Connection{ID: keys.ID("con_", tx.Now()), Name: "okta", Provider: "okta", Protocol: directory.ProtocolSAML, Status: directory.ConnectionActive}
		if !p.noSSO {
			c.VerifiedAt = tx.Now()
		}
		h.conn = c.ID
		tx.SaveConnection(c, true)
		tx.SaveDirectory(directory.Directory{ID: h.okta.Directory, Name: "okta", Connection: c.ID, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		tx.SaveDirectory(directory.Directory{ID: h.entra.Directory, Name: "entra", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated, Actor: operator})
	})
	h.root = h.ensureOwner(provision.Owner{Email: "root@root.test", Name: "Root"})
	return h
}

func (h *house) write(fn func(*store.Tx) error) {
	h.t.Helper()
	h.ok(h.db.Write(bg, h.ws, fn))
}

func (h *house) read(fn func(*store.Tx) error) {
	h.t.Helper()
	h.ok(h.db.Read(bg, h.ws, fn))
}

func (h *house) ok(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatalf("%v", err)
	}
}

// refused expects an error of that kind and code.
func (h *house) refused(err error, kind errs.Kind, code string) {
	h.t.Helper()
	if errs.KindOf(err) != kind || errs.CodeOf(err) != code {
		h.t.Fatalf("got %v (%s, %s), want %s, %s", err, errs.KindOf(err), errs.CodeOf(err), kind, code)
	}
}

// settle changes configuration as the settings room does: under the policy's lock, then every
// role resolved again.
func (h *house) settle(fn func(tx *store.Tx, cfg *directory.Config) error) {
	h.t.Helper()
	h.ok(h.trySettle(fn))
}

func (h *house) trySettle(fn func(tx *store.Tx, cfg *directory.Config) error) error {
	return h.db.Write(bg, h.ws, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		if err := fn(tx, cfg); err != nil {
			return err
		}
		if err := tx.Record(audit.Event{Type: audit.SettingsChanged, Actor: operator}); err != nil {
			return err
		}
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		_, err = provision.Remap(tx, cfg, operator, nil, nil)
		return err
	})
}

func (h *house) setPolicy(fn func(*directory.Policy)) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, cfg *directory.Config) error {
		w := cfg.Workspace
		fn(&w.Policy)
		return tx.UpdateWorkspace(w)
	})
}

// remap makes mappings (group name -> role name) the only ones.
func (h *house) remap(mappings map[string]string) {
	h.t.Helper()
	h.settle(func(tx *store.Tx, cfg *directory.Config) error { return replaceMappings(tx, cfg, mappings) })
}

func replaceMappings(tx *store.Tx, cfg *directory.Config, mappings map[string]string) error {
	for _, m := range cfg.Mappings {
		tx.DeleteMapping(m.ID)
	}
	for pattern, name := range mappings {
		role, ok := cfg.Roles.ByName(name)
		if !ok {
			return fmt.Errorf("no role %q", name)
		}
		tx.InsertMapping(directory.RoleMapping{ID: keys.ID("map_", tx.Now()), Match: pattern, Role: role.ID})
	}
	return nil
}

func (h *house) ensureOwner(o provision.Owner) (id string) {
	h.t.Helper()
	h.write(func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		id, _, err = provision.EnsureOwner(tx, cfg, operator, o)
		return err
	})
	return id
}

// person is what a directory says of somebody by the name of name.
func person(name string) provision.Person {
	address := name + "@acme.test"
	return provision.Person{UserName: address, ExternalID: "ext-" + name, Email: address, Emails: []store.EmailKey{{Value: address, Type: "work"}},
		DisplayName: name, Document: `{"displayName":"` + name + `"}`}
}

func with(p provision.Person, edits ...func(*provision.Person)) provision.Person {
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func active(v bool) func(*provision.Person) {
	return func(p *provision.Person) { p.Active = &v }
}

// post creates a person and must succeed.
func (h *house) post(p provision.Person) provision.User {
	h.t.Helper()
	return h.postTo(h.okta, p)
}

func (h *house) postTo(scope provision.Scope, p provision.Person) provision.User {
	h.t.Helper()
	u, err := h.svc.CreateUser(bg, scope, p)
	h.ok(err)
	h.said[u.ID] = p
	return u
}

// tryPut writes the person last said of a resource again, with edits, as a PUT does. A PUT says
// active only where an edit does.
func (h *house) tryPut(id string, edits ...func(*provision.Person)) (provision.User, error) {
	p := h.said[id]
	p.Active = nil
	p = with(p, edits...)
	u, err := h.svc.UpdateUser(bg, h.okta, id, true, func(provision.User) (provision.Person, error) { return p, nil })
	if err == nil {
		h.said[id] = p
	}
	return u, err
}

func (h *house) put(id string, edits ...func(*provision.Person)) provision.User {
	h.t.Helper()
	u, err := h.tryPut(id, edits...)
	h.ok(err)
	return u
}

func (h *house) setActive(id string, v bool) provision.User {
	h.t.Helper()
	return h.put(id, active(v))
}

func (h *house) delete(id string) {
	h.t.Helper()
	h.ok(h.svc.DeleteUser(bg, h.okta, id))
}

func named(name string) provision.GroupForm {
	return provision.GroupForm{DisplayName: name, Document: "{}"}
}

func (h *house) group(name string, members ...string) string {
	h.t.Helper()
	g, err := h.svc.CreateGroup(bg, h.okta, named(name), members)
	h.ok(err)
	return g.ID
}

func same(g store.Group) (provision.GroupForm, error) {
	return provision.GroupForm{DisplayName: g.DisplayName, ExternalID: g.ExternalID, Document: g.Document}, nil
}

func (h *house) tryMembers(group string, ops ...scim.MemberOp) error {
	_, err := h.svc.UpdateGroup(bg, h.okta, group, same, ops)
	return err
}

func add(ids ...string) scim.MemberOp    { return scim.MemberOp{Kind: scim.MemberAdd, Values: ids} }
func remove(ids ...string) scim.MemberOp { return scim.MemberOp{Kind: scim.MemberRemove, Values: ids} }
func replace(ids ...string) scim.MemberOp {
	return scim.MemberOp{Kind: scim.MemberReplace, Values: ids}
}

func (h *house) members(group string, ops ...scim.MemberOp) {
	h.t.Helper()
	h.ok(h.tryMembers(group, ops...))
}

func (h *house) tryRename(group, name string, ops ...scim.MemberOp) error {
	_, err := h.svc.UpdateGroup(bg, h.okta, group, func(g store.Group) (provision.GroupForm, error) {
		form, err := same(g)
		form.DisplayName = name
		return form, err
	}, ops)
	return err
}

func (h *house) rename(group, name string, ops ...scim.MemberOp) {
	h.t.Helper()
	h.ok(h.tryRename(group, name, ops...))
}

func (h *house) deactivate(member string) {
	h.t.Helper()
	_, err := h.svc.Deactivate(bg, h.owner, provision.Who(member))
	h.ok(err)
}

func (h *house) restore(member string) {
	h.t.Helper()
	_, err := h.svc.Restore(bg, h.owner, provision.Who(member))
	h.ok(err)
}

func (h *house) setRole(member, role string) {
	h.t.Helper()
	_, err := h.svc.SetRole(bg, h.owner, provision.Who(member), role)
	h.ok(err)
}

// signIn opens a session as the sign-in room does: under the member's lock, if they may. It
// returns the hash of its token.
func (h *house) signIn(member string, method directory.Method) (hash string, err error) {
	_, hash = keys.NewToken(session.TokenPrefix)
	err = h.db.Write(bg, h.ws, func(tx *store.Tx) error {
		if err := tx.LockPeople([]string{member}, false); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		if err := directory.MaySignIn(cfg, m, method); err != nil {
			return err
		}
		if err := provision.SignedIn(tx, cfg, m); err != nil {
			return err
		}
		tx.InsertSession(&session.Session{ID: keys.ID("ses_", tx.Now()), Member: member, Method: method, ExpiresAt: tx.Now().Add(time.Hour)}, hash)
		return tx.Record(audit.Event{Type: audit.SignInSucceeded, Actor: operator})
	})
	return hash, err
}

func (h *house) session(member string, method directory.Method) string {
	h.t.Helper()
	hash, err := h.signIn(member, method)
	h.ok(err)
	return hash
}

// lives reports whether a session is accepted.
func (h *house) lives(hash string) bool {
	_, err := h.db.SessionByToken(bg, hash, h.db.Now())
	return err == nil
}

// link makes a one-time sign-in link.
func (h *house) link(member string) (hash string) {
	h.t.Helper()
	_, hash = keys.NewToken("glink_")
	h.write(func(tx *store.Tx) error {
		tx.InsertLink(hash, member, tx.Now().Add(time.Hour))
		return tx.Record(audit.Event{Type: audit.SignInLinkMade, Actor: operator})
	})
	return hash
}

// opens reports whether a link could still be used, without using it.
func (h *house) opens(hash string) bool {
	undo := errs.Invalid("undo", "undone")
	err := h.db.Write(bg, h.ws, func(tx *store.Tx) error {
		if _, err := tx.UseLink(hash); err != nil {
			return err
		}
		return undo
	})
	return errs.CodeOf(err) == "undo"
}

func (h *house) member(id string) *directory.Member {
	h.t.Helper()
	var m *directory.Member
	h.read(func(tx *store.Tx) (err error) {
		m, err = tx.Member(id)
		return err
	})
	return m
}

func (h *house) config() *directory.Config {
	h.t.Helper()
	var cfg *directory.Config
	h.read(func(tx *store.Tx) (err error) {
		cfg, err = tx.Config()
		return err
	})
	return cfg
}

// roleOf is the name of a member's role.
func (h *house) roleOf(member string) string {
	h.t.Helper()
	role, _ := h.config().Roles.ByID(h.member(member).Role)
	return role.Name
}

// liveRows counts the session rows of a member that have not ended, whatever their member's state.
func (h *house) liveRows(member string) (n int) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		live, err := tx.Sessions(member)
		n = len(live)
		return err
	})
	return n
}

func (h *house) groupIDs(group string) (ids []string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) (err error) {
		ids, err = tx.GroupMemberIDs(group)
		return err
	})
	return ids
}

// is expects status and sources of a member: "active", or "deactivated idp,owner".
func (h *house) is(member, want string) {
	h.t.Helper()
	m := h.member(member)
	got := string(m.Status())
	if m.Sources != 0 {
		got += " " + m.Sources.String()
	}
	if got != want {
		h.t.Errorf("the member is %q, want %q", got, want)
	}
}

// hasRole expects a member's role by name and where it came from.
func (h *house) hasRole(member, want string, source directory.RoleSourceKind) {
	h.t.Helper()
	if got := h.roleOf(member); got != want {
		h.t.Errorf("the role is %s, want %s", got, want)
	}
	if got := h.member(member).RoleReason.Source; got != source {
		h.t.Errorf("the role comes from %s, want %s", got, source)
	}
}

// told expects what the directory is told of a resource.
func (h *house) told(id string, wantActive bool, wantMember string) {
	h.t.Helper()
	u, err := h.svc.GetUser(bg, h.okta, id, false)
	h.ok(err)
	if u.Active != wantActive || u.Member != wantMember {
		h.t.Errorf("the resource says active %v of %s, want %v of %s", u.Active, u.Member, wantActive, wantMember)
	}
}

// events returns "type outcome reason" of every event about a subject, oldest first.
func (h *house) events(subject string) []string {
	h.t.Helper()
	if _, err := h.db.Sequence(bg); err != nil {
		h.t.Fatalf("number events: %v", err)
	}
	var out []string
	h.read(func(tx *store.Tx) error {
		found, err := tx.EventsOf(subject, 1000)
		for _, e := range slices.Backward(found) {
			out = append(out, fmt.Sprintf("%s %s %s", e.Type, e.Outcome, e.Reason))
		}
		return err
	})
	return out
}

// recorded expects that, since before, events of these types were recorded about a subject, in
// this order; others may stand between.
func (h *house) recorded(subject string, before int, want ...audit.Type) {
	h.t.Helper()
	all := h.events(subject)
	got := all[before:]
	i := 0
	for _, e := range got {
		if i < len(want) && strings.HasPrefix(e, string(want[i])+" ") {
			i++
		}
	}
	if i < len(want) {
		h.t.Errorf("recorded %q, want %v in that order", got, want)
	}
}

// picture is everything about people and groups of the workspace as text, for comparisons.
func (h *house) picture() string {
	h.t.Helper()
	var b strings.Builder
	h.read(func(tx *store.Tx) error {
		members, err := tx.MembersAfter("", 10000)
		if err != nil {
			return err
		}
		for _, m := range members {
			fmt.Fprintf(&b, "member %+v\n", m)
			users, err := tx.SCIMUsersOfMember(m.ID)
			if err != nil {
				return err
			}
			live, err := tx.Sessions(m.ID)
			if err != nil {
				return err
			}
			links, err := tx.IdentitiesOf(m.ID)
			if err != nil {
				return err
			}
			claims, err := tx.Claims([]string{m.ID})
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "  %d sessions\n  links %+v, claims %v\n", len(live), links, claims)
			for _, u := range users {
				fmt.Fprintf(&b, "  resource %+v\n", u)
			}
		}
		groups, err := tx.GroupsAfter("", 10000)
		if err != nil {
			return err
		}
		for _, g := range groups {
			ids, err := tx.GroupMemberIDs(g.ID)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "group %+v %v\n", g, ids)
		}
		return nil
	})
	return b.String()
}

// unchanged runs fn, which must be refused with that kind and code, and expects that nothing about
// people and groups has changed.
func (h *house) unchanged(kind errs.Kind, code string, fn func() error) {
	h.t.Helper()
	before := h.picture()
	h.refused(fn(), kind, code)
	if after := h.picture(); after != before {
		h.t.Errorf("a refused request changed something:\n%s\nbecame\n%s", before, after)
	}
}

// both runs fn under both reactivation policies.
func both(t *testing.T, db *store.DB, fn func(t *testing.T, h *house)) {
	t.Helper()
	for _, back := range []directory.Reactivation{directory.ReactivationRestore, directory.ReactivationNewIdentity} {
		t.Run(string(back), func(t *testing.T) { fn(t, build(t, db, omniflow(back))) })
	}
}

// only returns the id of the group of that name.
func (h *house) only(name string) (id string) {
	h.t.Helper()
	h.read(func(tx *store.Tx) error {
		found, _, err := tx.SelectGroups(h.okta.Directory, store.Select{Where: store.Eq(store.FieldDisplayName, directory.Fold(name)), Start: 1, Count: 2})
		if err == nil && len(found) != 1 {
			return fmt.Errorf("%d groups named %s", len(found), name)
		}
		if err == nil {
			id = found[0].ID
		}
		return err
	})
	return id
}

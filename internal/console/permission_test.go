package console

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web/routetest"
)

// table is the console's own list of routes, and the mux on which they are mounted.
func (w *world) table() (*http.ServeMux, []routetest.Route) {
	w.t.Helper()
	d, err := New(Options{DB: w.db, SignIn: w.signin, Settings: w.settings, Provision: w.provision})
	w.must(err)
	mux := http.NewServeMux()
	d.Mount(mux)
	var routes []routetest.Route
	for _, r := range d.Routes() {
		routes = append(routes, routetest.Route(r))
	}
	return mux, routes
}

// cast makes one member for each permission, named after it, with a role that has it alone, and things to act on. It
// returns what stands for each part of an address.
func (w *world) cast() map[string]string {
	w.t.Helper()
	ctx := w.t.Context()
	w.provision.Mail = true
	master, err := keys.NewMaster(make([]byte, keys.MasterBytes))
	w.must(err)
	w.settings.Master = func(context.Context) (*keys.Master, error) { return master, nil }
	w.signin.Master = master
	hash, err := hashed()
	w.must(err)
	for _, p := range directory.Permissions() {
		w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Only " + p.Name, Permissions: []string{p.Name}}, operator))
	}
	w.must(w.settings.AddRole(ctx, "acme", settings.NewRole{Name: "Nothing"}, operator))
	_, cfg, err := w.settings.Workspace(ctx, "acme")
	w.must(err)
	w.write("acme", func(tx *store.Tx) error {
		add := func(name, role string) {
			r, _ := cfg.Roles.ByName(role)
			m := directory.Member{ID: "mem_" + slugOf(name), Email: slugOf(name) + "@acme.test", Name: name, Stage: directory.StageActive, WasIn: true, Role: r.ID, ManualRole: r.ID,
				RoleReason: directory.RoleReason{Source: directory.RoleByHand}}
			tx.InsertMember(&m)
			tx.SaveCredential(m.ID, hash, tx.Now())
		}
		for _, p := range directory.Permissions() {
			add(p.Name, "Only "+p.Name)
		}
		add("nothing", "Nothing")
		add("gone", "Only settings")
		add("target", "Member")
		return tx.Record(audit.Event{ID: "evt_probe", Type: audit.MemberCreated})
	})
	con, err := w.settings.CreateConnection(ctx, "acme", "Probe", "okta", operator)
	w.must(err)
	dir, err := w.settings.CreateDirectory(ctx, "acme", "Probe", con.ID, operator)
	w.must(err)
	_, cfg, err = w.settings.Workspace(ctx, "acme")
	w.must(err)
	m, err := w.settings.AddRoleMapping(ctx, "acme", settings.NewMapping{Match: "Probe", Role: "Nothing"}, operator)
	w.must(err)
	scope := provision.Scope{Workspace: cfg.Workspace.ID, Actor: operator}
	team, err := w.provision.CreateTeam(ctx, scope, "Probe")
	w.must(err)
	nothing, _ := cfg.Roles.ByName("Nothing")
	return map[string]string{"workspace": "acme", "connection": con.ID, "directory": dir.ID, "mapping": m.ID, "member": "mem_target", "team": team.ID,
		"role": nothing.ID, "event": "evt_probe", "act": "keep"}
}

func slugOf(name string) string { return strings.NewReplacer(":", "-", "_", "-").Replace(name) }

var pathPart = regexp.MustCompile(`\{([a-z]+)\}`)

// filled puts ids into a pattern's path; what there is none of is named x_unknown.
func filled(ids map[string]string) func(string) string {
	return func(path string) string {
		return pathPart.ReplaceAllStringFunc(path, func(part string) string {
			if id := ids[strings.Trim(part, "{}")]; id != "" {
				return url.PathEscape(id)
			}
			return "x_unknown"
		})
	}
}

// letIn reports whether an answer is one of a handler: not that of a missing permission, of a missing session or of an
// unknown workspace.
func letIn(a answer) bool {
	switch {
	case a.has("denied"), strings.Contains(a.body, "lacks the permission"), strings.Contains(a.body, "no such workspace"):
		return false
	case a.StatusCode == http.StatusSeeOther:
		return !strings.HasPrefix(a.Header.Get("Location"), "/signin")
	}
	return a.StatusCode != http.StatusInternalServerError
}

// state is all of acme that a request could change, but for sign-ins.
func (w *world) state() string {
	w.t.Helper()
	var shown []any
	w.in("acme", func(tx *store.Tx) error {
		shown = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		members, err := tx.MembersAfter("", 500)
		if err != nil {
			return err
		}
		groups, err := tx.GroupsAfter("", 500)
		if err != nil {
			return err
		}
		imports, err := tx.Imports(50)
		shown = append(shown, cfg, members, groups, imports)
		return err
	})
	n := 0
	for _, e := range w.events() {
		if e.Type != audit.SignInSucceeded {
			n++
		}
	}
	text, err := json.Marshal(shown)
	w.must(err)
	return fmt.Sprint(n, " ", string(text))
}

// visitors are all kinds of people. Holds of those with one permission is what directory.Grants says of it.
func (w *world) visitors() []routetest.Visitor {
	of := func(name, address string, holds func(string) bool) routetest.Visitor {
		b := w.as(address)
		return routetest.Visitor{Name: name, Holds: holds, Send: func(method, path string) (bool, string) {
			form := url.Values{}
			if method == http.MethodGet {
				form = nil
			}
			a := b.do(method, path, form)
			return letIn(a), fmt.Sprint(a.StatusCode, " ", a.body)
		}}
	}
	all := []routetest.Visitor{of("signed out", "", nil), of("an owner of another workspace", "owner@beta.test", nil), of("who has no permission", "nothing@acme.test", func(string) bool { return false })}
	gone := of("who was deactivated", "gone@acme.test", nil)
	w.write("acme", func(tx *store.Tx) error {
		m, err := tx.Member("mem_gone")
		if err != nil {
			return err
		}
		m.Sources = m.Sources.With(directory.SourceOwner)
		tx.UpdateMember(m)
		return tx.Record(audit.Event{Type: audit.MemberDeactivated})
	})
	all = append(all, gone)
	for _, p := range directory.Permissions() {
		all = append(all, of("who has "+p.Name, slugOf(p.Name)+"@acme.test", func(wanted string) bool { return directory.Grants(p.Name, wanted) }))
	}
	return append(all, of("the owner", "owner@acme.test", func(string) bool { return true }))
}

func TestEveryRoute_LetsInThoseWhoseRoleSaysSoAndNobodyElse(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		mux, routes := w.table()
		routetest.Mounted(t, mux, "/console", routes, "GET /console", "GET /console/{$}")
		for _, r := range routes {
			if known := r.Permission == "" && r.Pattern == "GET /console/{workspace}"; !known && directory.PermissionSays(r.Permission) == r.Permission {
				t.Errorf("%s needs %q, which is no permission", r.Pattern, r.Permission)
			}
		}
		ids := w.cast()
		// Who has no permission, and comes to where everybody may, is told so.
		routes = append(routes[:0:0], routes...)
		for i, r := range routes {
			if r.Permission == "" {
				routes = append(routes[:i], routes[i+1:]...)
				break
			}
		}
		routetest.Table{Routes: routes, Visitors: w.visitors(), Address: filled(ids), State: w.state}.Run(t)
	})
}

var links = regexp.MustCompile(`<(?:a [^>]*href|form [^>]*action)="([^"]*)"`)

// Everybody walks all pages to which links lead them: none leads to what they may not see, and no form does what they may
// not do.
func TestNobody_IsShownAButtonOrLinkOfWhatTheyMayNotDo(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		w.cast()
		_, routes := w.table()
		needs, mux := map[string]string{}, http.NewServeMux()
		for _, r := range routes {
			needs[r.Pattern] = r.Permission
			mux.Handle(r.Pattern, http.NotFoundHandler())
		}
		for _, p := range directory.Permissions() {
			b := w.as(slugOf(p.Name) + "@acme.test")
			start := b.get("/console/acme")
			if start.StatusCode == http.StatusForbidden {
				continue // it opens nothing that is mounted
			}
			seen, queue, forms := map[string]bool{}, []string{cmp.Or(start.Header.Get("Location"), "/console/acme")}, 0
			for len(queue) > 0 && len(seen) < 200 {
				path := queue[0]
				queue = queue[1:]
				if seen[path] {
					continue
				}
				seen[path] = true
				page := b.get(path)
				if to := page.Header.Get("Location"); page.StatusCode == http.StatusSeeOther && strings.HasPrefix(to, "/console/acme") {
					queue = append(queue, to)
					continue
				}
				if page.StatusCode != http.StatusOK {
					t.Fatalf("who has %s gets %d from %s: %s", p.Name, page.StatusCode, path, page.body)
				}
				for _, m := range links.FindAllStringSubmatch(page.body, -1) {
					to := html.UnescapeString(m[1])
					if !strings.HasPrefix(to, "/console/acme") {
						continue
					}
					method := http.MethodGet
					if strings.HasPrefix(m[0], "<form") && strings.Contains(m[0], `method="post"`) {
						method = http.MethodPost
						forms++
					}
					_, pattern := mux.Handler(httptest.NewRequest(method, to, nil))
					if need, ok := needs[pattern]; !ok || need != "" && !directory.Grants(p.Name, need) {
						t.Errorf("who has %s is shown %s %s on %s, which needs %q", p.Name, method, to, path, need)
						continue
					}
					if method == http.MethodGet {
						to, _, _ = strings.Cut(to, "#")
						queue = append(queue, to)
					}
				}
			}
			if reading := strings.HasSuffix(p.Name, ":read"); reading == (forms > 0) {
				t.Errorf("who has %s is shown %d forms on %d pages", p.Name, forms, len(seen))
			}
		}
	})
}

// scope is the operator's, in acme.
func (w *world) scope() provision.Scope {
	w.t.Helper()
	id, _, err := w.settings.Workspace(w.t.Context(), "acme")
	w.must(err)
	return provision.Scope{Workspace: id, Actor: operator}
}

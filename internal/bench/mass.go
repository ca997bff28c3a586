package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Two things that one act does to very many people: a mapping that decides about everybody, and a directory that takes
// people out of their only group. Both are one transaction.

const (
	massSlug    = "mass"
	massGroup   = "Everybody"
	massLeavers = "Leavers"
	massBatch   = 1000
)

// masses are the people of both measures.
type masses struct{ everybody, leavers int }

// massPlace is the workspace of these measures as the load knows it.
type massPlace struct {
	Token   string   `json:"token"` // of its directory
	Group   string   `json:"group"` // of those who leave
	Cookies []string `json:"cookies"`
}

// masses measures both on a workspace of their own.
func (h *house) masses(ctx context.Context, r *report) error {
	n := h.plan.scale.masses
	roles, leaving := "roles of "+thousands(n.everybody)+" after a mapping change", "deactivating "+thousands(n.leavers)+" by one request"
	if !h.wants(roles) && !h.wants(leaving) {
		return nil
	}
	progress("%s: bringing in %d people", h.name, n.everybody)
	var at massPlace
	if err := h.child.control.ask(&at, "POST", "/control/mass/workspace", "", ""); err != nil {
		return err
	}
	for from := 0; from < n.everybody; from += 10 * massBatch {
		path := fmt.Sprintf("/control/mass/people?from=%d&to=%d&leavers=%d", from, min(n.everybody, from+10*massBatch), n.leavers)
		if err := h.child.control.ask(&at.Cookies, "POST", path, "", ""); err != nil {
			return err
		}
	}
	limit := func(rows int) (time.Duration, error) {
		names := make([]string, rows)
		for i := range names {
			names[i] = keys.UUID()
		}
		began := time.Now()
		err := h.limits.insertAll(ctx, names)
		return time.Since(began), err
	}
	if h.wants(roles) {
		if err := h.remapping(ctx, r, roles, n.everybody, limit); err != nil {
			return err
		}
	}
	if h.wants(leaving) {
		return h.leaving(ctx, r, leaving, at, n.leavers, limit)
	}
	return nil
}

// remapping gives the group of everybody one role and another, and says each time before whom that would change.
func (h *house) remapping(ctx context.Context, r *report, name string, people int, limit func(int) (time.Duration, error)) error {
	progress("%s: %s", h.name, name)
	var shown, done, bare []time.Duration
	value, err := h.peak(ctx, func() error {
		for i := range min(h.plan.scale.repeats, 3) {
			role := []string{"Agent", "Supervisor"}[i%2]
			for _, act := range []string{"preview", "apply"} {
				var n int
				began := time.Now()
				if err := h.child.control.ask(&n, "POST", "/control/mass/"+act+"?"+url.Values{"role": {role}}.Encode(), "", ""); err != nil {
					return err
				}
				if n != people {
					return fmt.Errorf("%s of %s: %d people, want %d", act, role, n, people)
				}
				if took := time.Since(began); act == "preview" {
					shown = append(shown, took)
				} else {
					done = append(done, took)
				}
			}
			// An event is kept of each: that many rows in one transaction, and nothing beside them.
			took, err := limit(people)
			if err != nil {
				return err
			}
			bare = append(bare, took)
		}
		return nil
	})
	if err != nil {
		return err
	}
	h.mass(r, "  limit: as many rows in one transaction", people, bare, nil, "")
	h.mass(r, name, people, done, bare, "10 times")
	h.mass(r, "  said before, without changing anything", people, shown, bare, "")
	h.memory(r, value)
	return nil
}

// mass adds the row of something that was done to many people at once.
func (h *house) mass(r *report, what string, people int, took, against []time.Duration, aim string) {
	slices.Sort(took)
	x := row{what: what, database: h.name, c: 1, rate: float64(people) / middle(took).Seconds(), p50: middle(took), p99: took[len(took)-1], aim: aim}
	if against != nil {
		x.ratio = fmt.Sprintf("%.1f times", middle(took).Seconds()/middle(against).Seconds())
	}
	r.add(x)
}

// leaving takes people out of their only mapped group by one PATCH, which puts all of them out and ends their sessions,
// and asks for some of those at once.
func (h *house) leaving(ctx context.Context, r *report, name string, at massPlace, people int, limit func(int) (time.Duration, error)) error {
	progress("%s: %s", h.name, name)
	bare, err := limit(people)
	if err != nil {
		return err
	}
	if err := h.child.redial(ctx); err != nil {
		return err
	}
	browser, err := dial(ctx, h.child.address)
	if err != nil {
		return err
	}
	defer browser.close()
	check := func(want int) (late int, err error) {
		for _, token := range at.Cookies {
			status, answer, err := browser.do("GET", "/auth/session", "Cookie: gatehouse_session="+token+"\r\n", "")
			if err != nil {
				return late, err
			}
			if status == 200 && want == 401 {
				late++
			} else if status != want {
				return late, fmt.Errorf("a session: %d %s", status, answer)
			}
		}
		return late, nil
	}
	if _, err := check(200); err != nil {
		return err
	}
	var took time.Duration
	value, err := h.peak(ctx, func() error {
		began := time.Now()
		_, err := h.child.control.want(204, "PATCH", "/scim/v2/Groups/"+at.Group, "Authorization: Bearer "+at.Token+"\r\n", patch(`{"op":"replace","path":"members","value":[]}`))
		took = time.Since(began)
		return err
	})
	if err != nil {
		return err
	}
	late, err := check(401)
	if err != nil {
		return err
	}
	var left int
	if err := h.child.control.ask(&left, "POST", "/control/mass/left", "", ""); err != nil {
		return err
	}
	if left != people {
		return fmt.Errorf("%d of %d people are out without a session", left, people)
	}
	h.mass(r, "  limit: as many rows in one transaction", people, []time.Duration{bare}, nil, "")
	h.mass(r, name+", with their sessions", people, []time.Duration{took}, []time.Duration{bare}, "")
	r.add(row{what: "  their first checks after the answer", database: h.name, value: fmt.Sprintf("%d of %d said yes", late, len(at.Cookies)), aim: "refused at the first check"})
	h.memory(r, value)
	return nil
}

// massControl is the child's side of these measures.
type massControl struct {
	workspace, directory string
	lowest               string
	everybody, leavers   string // ids of groups
}

func (c *controls) mountMass(mux *http.ServeMux) {
	mux.HandleFunc("POST /control/mass/workspace", answered(c.massWorkspace))
	mux.HandleFunc("POST /control/mass/people", answered(c.massPeople))
	mux.HandleFunc("POST /control/mass/preview", answered(c.massChange))
	mux.HandleFunc("POST /control/mass/apply", answered(c.massChange))
	mux.HandleFunc("POST /control/mass/left", answered(c.massLeft))
}

func (c *controls) massWorkspace(r *http.Request) (any, error) {
	file, err := settings.ParseFile([]byte("workspace: "+massSlug+"\npreset: omniflow\nrole_mappings: [{group: "+massLeavers+", role: Trainee}]\n"+
		"directories: [{name: okta}]\n"), "")
	if err != nil {
		return nil, err
	}
	s := &settings.Service{DB: c.db, PublicURL: origin}
	operator := audit.Party{Kind: "operator"}
	made, err := s.Apply(r.Context(), file, settings.ApplyOptions{Actor: operator})
	if err != nil {
		return nil, err
	}
	issued, err := s.RotateToken(r.Context(), massSlug, "okta", settings.TokenOptions{}, operator)
	if err != nil {
		return nil, err
	}
	_, cfg, err := s.Workspace(r.Context(), massSlug)
	if err != nil {
		return nil, err
	}
	c.mass = massControl{workspace: made.Workspace.ID, directory: made.Directories[0].ID, lowest: cfg.Roles.Lowest().ID,
		everybody: keys.ID("grp_", c.db.Now()), leavers: keys.ID("grp_", c.db.Now())}
	err = c.db.Write(r.Context(), c.mass.workspace, func(tx *store.Tx) error {
		tx.InsertGroup(&store.Group{Group: directory.Group{ID: c.mass.everybody, Directory: c.mass.directory, DisplayName: massGroup}, Document: "{}"})
		tx.InsertGroup(&store.Group{Group: directory.Group{ID: c.mass.leavers, Directory: c.mass.directory, DisplayName: massLeavers, MappedRole: c.mass.lowest}, Document: "{}"})
		return tx.Record(audit.Event{Type: audit.SCIMGroupCreated})
	})
	return massPlace{Token: issued.Token, Group: c.mass.leavers}, err
}

// massPeople brings people in, the first of whom leave and have a session each. It answers the tokens of some of those.
func (c *controls) massPeople(r *http.Request) (any, error) {
	var from, to, leavers int
	q := r.URL.Query()
	if _, err := fmt.Sscan(strings.Join([]string{q.Get("from"), q.Get("to"), q.Get("leavers")}, " "), &from, &to, &leavers); err != nil {
		return nil, err
	}
	for begin := from; begin < to; begin += massBatch {
		if err := c.db.Write(r.Context(), c.mass.workspace, func(tx *store.Tx) error {
			var all, some []string
			for n := begin; n < min(begin+massBatch, to); n++ {
				user := c.massPerson(tx, n, n < leavers)
				all = append(all, user)
				if n < leavers {
					some = append(some, user)
				}
			}
			_, err := tx.AddGroupMembers(c.mass.everybody, all)
			if err == nil {
				_, err = tx.AddGroupMembers(c.mass.leavers, some)
			}
			return errors.Join(err, tx.Record(audit.Event{Type: audit.MemberCreated, Reason: "bench"}))
		}); err != nil {
			return nil, err
		}
	}
	if c.db.Name() != "postgres" {
		return c.massCookies, nil
	}
	// A server has this done every few seconds, once PostgreSQL itself knows what has come in.
	return c.massCookies, c.driver.Write(r.Context(), func(conn store.Conn) error {
		_, err := conn.Exec(r.Context(), "ANALYZE")
		return err
	})
}

// massChecks is how many sessions are asked for afterwards.
const massChecks = 50

func (c *controls) massPerson(tx *store.Tx, n int, leaves bool) (user string) {
	name := userName("mass", n)
	m := &directory.Member{ID: keys.ID("mem_", tx.Now()), Email: name, Name: "Mass Person", Stage: directory.StageActive, WasIn: true, Role: c.mass.lowest,
		RoleReason: directory.RoleReason{Source: directory.RoleByDefault, At: tx.Now()}, Directory: c.mass.directory, CreatedAt: tx.Now(), UpdatedAt: tx.Now()}
	u := &store.SCIMUser{ID: keys.UUID(), Directory: c.mass.directory, Member: m.ID, UserName: name, ExternalID: "ext-" + name, Active: true,
		Document: `{"displayName":"Mass Person"}`, Emails: []store.EmailKey{{Value: name, Type: "work"}}}
	if leaves {
		m.RoleReason = directory.RoleReason{Source: directory.RoleByMapping, Group: massLeavers, GroupID: c.mass.leavers, At: tx.Now()}
	}
	tx.InsertMember(m)
	tx.InsertSCIMUser(u)
	if leaves {
		token, hash := keys.NewToken(session.TokenPrefix)
		tx.InsertSession(&session.Session{ID: keys.ID("ses_", tx.Now()), Workspace: c.mass.workspace, Member: m.ID, Method: directory.MethodLink,
			ExpiresAt: tx.Now().Add(session.Absolute), Address: "192.0.2.1", UserAgent: "bench"}, hash)
		if n < massChecks && len(c.massCookies) < massChecks {
			c.massCookies = append(c.massCookies, token)
		}
	}
	return u.ID
}

// massChange gives the group of everybody a role, or says whom that would change, and answers how many that are.
func (c *controls) massChange(r *http.Request) (any, error) {
	s := &settings.Service{DB: c.db, PublicURL: origin}
	operator := audit.Party{Kind: "operator"}
	_, cfg, err := s.Workspace(r.Context(), massSlug)
	if err != nil {
		return nil, err
	}
	change := settings.Change{AddMappings: []settings.NewMapping{{Match: massGroup, Role: r.URL.Query().Get("role")}}}
	for _, m := range cfg.Mappings {
		if m.Match == massGroup {
			change.RemoveMappings = append(change.RemoveMappings, m.ID)
		}
	}
	if strings.HasSuffix(r.URL.Path, "/preview") {
		p, err := s.PreviewChange(r.Context(), massSlug, change, settings.Page{}, operator)
		return p.Members, err
	}
	p, err := s.ApplyChange(r.Context(), massSlug, change, "", settings.Page{}, operator)
	return p.Members, err
}

// massLeft counts the people who are out and have no session.
func (c *controls) massLeft(r *http.Request) (any, error) {
	n := 0
	err := c.db.Read(r.Context(), c.mass.workspace, func(tx *store.Tx) error {
		n = 0
		for after := ""; ; {
			members, err := tx.MembersAfter(after, massBatch)
			if err != nil {
				return err
			}
			for i := range members {
				after = members[i].ID
				if members[i].Sources == 0 {
					continue
				}
				open, err := tx.Sessions(after)
				if err != nil {
					return err
				}
				if len(open) == 0 {
					n++
				}
			}
			if len(members) < massBatch {
				return nil
			}
		}
	})
	return n, err
}

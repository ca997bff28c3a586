package signin

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// workspaceData is what a member sees of themselves.
type workspaceData struct {
	Slug, Name, Email string
	Status            directory.Status
	Role, RoleWhy     string
	RoleMapping       string // in words, "" for none
	RoleSince         time.Time
	Groups            []string
	Attributes        [][2]string // label and value
	Sessions          []shownSession
	Others            int // live sessions beside this one
	Done              string
	SigninURL         string
	Script            string
	Warnings          []warning
	ConsoleURL        string // "" for who may not change settings
	Idle, Life        string // how long sessions live
	PasswordURL       string // "" for who has none
}

// shownSession is one line of the list of sessions.
type shownSession struct {
	ID, Method, Browser, Address string
	Connection                   string // its name, or ""
	CreatedAt, LastUsedAt        time.Time
	EndsAt                       time.Time // where it is not used any more
	BreakGlass, Current          bool
}

// methods are the ways to sign in, in words.
var methods = map[directory.Method]string{
	directory.MethodPassword: "Password",
	directory.MethodLink:     "One-time link",
	directory.MethodSAML:     "Single sign-on (SAML)",
	directory.MethodOIDC:     "Single sign-on (OIDC)",
	directory.MethodMail:     "Mailed link",
}

// MethodName is a way to sign in, in words.
func MethodName(m directory.Method) string { return methods[m] }

// done are the sentences after an act on the page.
var done = map[string]string{
	"ended":  "The session was ended.",
	"others": "You are signed out everywhere else.",

	"password": "Your password was changed, and you are signed out everywhere else.",
}

// own is what the database knows of a member beyond a live session.
type own struct {
	workspace string // name
	groups    []string
	sessions  []session.Session
	names     map[string]string // of connections by id
	warnings  []audit.Event     // of which every owner is told
	mapping   string            // that gave the role, in words, "" where none did or it has gone
	settles   bool              // may do something in the console
	policy    directory.Policy
	password  bool // has one

	attributes [][2]string // label and value
}

func (s *Service) own(ctx context.Context, live *store.LiveSession) (o own, err error) {
	err = s.DB.Read(ctx, live.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		o.policy = cfg.Workspace.Policy
		o.workspace, o.names = cfg.Workspace.Name, map[string]string{}
		for _, c := range cfg.Connections {
			o.names[c.ID] = c.Name
		}
		hash, _, err := tx.Credential(live.Member.ID)
		if err != nil {
			return err
		}
		o.password = hash != ""
		if o.groups, err = tx.GroupNames(live.Member.ID); err != nil {
			return err
		}
		if o.sessions, err = tx.Sessions(live.Member.ID); err != nil {
			return err
		}
		o.mapping, _ = cfg.MappingText(live.Member.RoleReason.Mapping)
		o.attributes = nil
		for _, a := range cfg.AllAttributes() {
			if value := live.Member.Attributes[a.Name]; value != "" {
				o.attributes = append(o.attributes, [2]string{a.Title(), a.Shown(value)})
			}
		}
		role, known := cfg.Roles.ByID(live.Member.Role)
		o.settles = known && (role.IsOwner() || len(role.Permissions) > 0)
		if known && role.IsOwner() {
			o.warnings, err = tx.EventsForOwners(tx.Now().Add(-ownersTold), maxWarnings)
		}
		return err
	})
	if err != nil {
		return own{}, fmt.Errorf("read own page: %w", err)
	}
	return o, nil
}

// Owners are told for 30 days, of the newest ten at the most, what concerns all of them.
const (
	ownersTold  = 30 * 24 * time.Hour
	maxWarnings = 10
)

// warning is an event of which every owner is told.
type warning struct {
	At   time.Time
	Text string
}

func warningText(e audit.Event) string {
	if e.Type == audit.BreakGlassUsed {
		return e.Subject.Name + " signed in by emergency access."
	}
	return fmt.Sprintf("The directory %s tried to take out or change %s, who is protected. It was refused; sessions that came through single sign-on were ended. Name another owner, or correct the directory.",
		e.Actor.Name, e.Subject.Name)
}

// slug returns the slug of a workspace by its id.
func (s *Service) slug(ctx context.Context, workspace string) (slug string, err error) {
	err = s.DB.Read(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err == nil {
			slug = cfg.Workspace.Slug
		}
		return err
	})
	return slug, err
}

func (d *Door) workspacePage(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	o, err := d.service.own(r.Context(), live)
	if err != nil {
		return err
	}
	m := &live.Member
	data := workspaceData{Slug: live.Slug, Name: m.Name, Email: m.Email, Status: m.Status(), Role: live.RoleName, RoleWhy: m.RoleReason.Sentence(),
		Groups: o.groups, Attributes: o.attributes, Done: done[r.URL.Query().Get("done")], SigninURL: signinPath{Workspace: live.Slug}.url(), Script: d.assets["session.js"].address}
	data.Idle, data.Life = o.policy.SessionWords()
	data.RoleMapping, data.RoleSince = o.mapping, m.RoleReason.At
	if o.password {
		data.PasswordURL = ownPasswordURL(live.Slug)
	}
	if o.settles {
		data.ConsoleURL = "/console/" + live.Slug
	}
	for _, s := range o.sessions {
		shown := shownSession{ID: s.ID, Method: methods[s.Method], Connection: o.names[s.Connection], Browser: BrowserName(s.UserAgent), Address: s.Address,
			CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, EndsAt: s.End(), BreakGlass: s.BreakGlass, Current: s.ID == live.ID}
		if shown.Current {
			data.Sessions = append([]shownSession{shown}, data.Sessions...)
			continue
		}
		data.Sessions = append(data.Sessions, shown)
		data.Others++
	}
	for _, e := range o.warnings {
		data.Warnings = append(data.Warnings, warning{At: e.Time, Text: warningText(e)})
	}
	page := web.Page{Title: "Your account", Workspace: o.workspace, Wide: true, FormActions: d.service.leadsTo(r.Context(), live), Data: data}
	if live.BreakGlass {
		page.Notice = &web.Notice{Kind: "warn", Text: "You are signed in by emergency access. All owners were told. End this session as soon as single sign-on works again."}
	}
	return web.Render(w, http.StatusOK, d.pages["workspace"], page)
}

func (d *Door) endOne(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	id := r.PathValue("session")
	if id == live.ID {
		return d.signout(w, r)
	}
	if err := d.service.endOwn(r.Context(), live, id); err != nil {
		return err
	}
	http.Redirect(w, r, workspaceURL(live.Slug)+"?done=ended", http.StatusSeeOther)
	return nil
}

func (d *Door) endOthers(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	_, err := d.service.EndAllSessions(r.Context(), live.Workspace, live.Member.ID, live.ID, EndedByMember, party(&live.Member))
	if err != nil {
		return err
	}
	http.Redirect(w, r, workspaceURL(live.Slug)+"?done=others", http.StatusSeeOther)
	return nil
}

// endEverywhere ends every session of the member, this one last: it tells the IdP, and the browser lands on the
// sign-in page.
func (d *Door) endEverywhere(w http.ResponseWriter, r *http.Request, live *store.LiveSession) error {
	if _, err := d.service.EndAllSessions(r.Context(), live.Workspace, live.Member.ID, live.ID, EndedByMember, party(&live.Member)); err != nil {
		return err
	}
	return d.signout(w, r)
}

// sessionAnswer is the body of GET /auth/session. Instants are RFC 3339 UTC.
type sessionAnswer struct {
	Workspace  string           `json:"workspace"` // slug
	Member     sessionMember    `json:"member"`
	Method     directory.Method `json:"method"`
	Connection string           `json:"connection"` // id or ""
	CreatedAt  time.Time        `json:"created_at"`
	ExpiresAt  time.Time        `json:"expires_at"`
}

type sessionMember struct {
	ID     string   `json:"id"`
	Email  string   `json:"email"`
	Name   string   `json:"name"`
	Role   string   `json:"role"`
	Groups []string `json:"groups"`
	// Attributes are those that the workspace lets applications see, by name.
	Attributes map[string]any `json:"attributes"`
}

// session is GET /auth/session: who is signed in, asked of the database now.
func (d *Door) session(w http.ResponseWriter, r *http.Request) error {
	live, err := d.service.Check(r.Context(), r)
	if err != nil {
		return err
	}
	groups, attributes := []string{}, map[string]any{}
	if err := d.service.DB.Peek(r.Context(), live.Workspace, func(tx *store.Tx) error {
		names, err := tx.GroupNames(live.Member.ID)
		groups = append([]string{}, names...)
		if err != nil || len(live.Member.Attributes) == 0 {
			return err
		}
		cfg, err := tx.Config()
		if err == nil {
			attributes = cfg.HostAttributes(&live.Member)
		}
		return err
	}); err != nil {
		return err
	}
	m := &live.Member
	return web.WriteJSON(w, http.StatusOK, sessionAnswer{
		Workspace: live.Slug, Method: live.Method, Connection: live.Connection, CreatedAt: live.CreatedAt.UTC(), ExpiresAt: live.ExpiresAt.UTC(),
		Member: sessionMember{ID: m.ID, Email: m.Email, Name: m.Name, Role: live.RoleName, Groups: groups, Attributes: attributes},
	})
}

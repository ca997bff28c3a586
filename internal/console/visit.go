package console

import (
	"fmt"
	"html/template"
	"net/http"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// visit is one request of an administrator.
type visit struct {
	w     http.ResponseWriter
	r     *http.Request
	live  *store.LiveSession
	setup *settings.Setup
	actor audit.Party
	owner bool // has the owner role
	role  directory.Role
	cfg   *directory.Config
	shown string // the word for what a page of this answer shows, with when, "" for none
	seen  *seen  // what the form's page has shown, nil where the form does not say
}

// may reports whether the visitor has a permission; "" is what every member has.
func (v *visit) may(permission string) bool { return permission == "" || v.role.May(permission) }

// handler handles the request of an administrator and returns what went wrong.
type handler func(v *visit) error

// errElsewhere is the answer about other workspaces, those that exist and those that do not.
var errElsewhere = errs.NotFound("workspace_unknown", "There is no such workspace, or you are not signed in to it.")

// admin runs h for a member of the workspace of the path whose role has the permission. Session,
// member and role are read now, for each request, and once more when a form has come in whole: whoever
// is put out gains no time by sending slowly. What the form's page has shown and is no longer so stops it.
func (d *Door) admin(permission string, h handler) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		v, err := d.visit(w, r, permission)
		if err == nil && v != nil && r.Method == http.MethodPost {
			if _, err = web.Form(r); err == nil {
				v, err = d.visit(w, r, permission)
			}
			if err == nil && v != nil {
				err = v.expectSeen()
			}
		}
		if err != nil || v == nil {
			return err
		}
		if err := h(v); !v.seen.stale() {
			return err
		}
		return d.changed(v)
	}
}

// visit finds out who visits. It is nil for whoever may not and was answered already.
func (d *Door) visit(w http.ResponseWriter, r *http.Request, permission string) (*visit, error) {
	slug := r.PathValue("workspace")
	live, err := d.SignIn.Check(r.Context(), r)
	switch {
	case errs.Is(err, errs.KindUnauthenticated):
		toSignin(w, r, slug)
		return nil, nil
	case err != nil:
		return nil, err
	case live.Slug != slug:
		return nil, errElsewhere
	}
	_, cfg, err := d.Settings.Workspace(r.Context(), slug)
	if err != nil {
		return nil, err
	}
	if err := d.SignIn.Renew(w, r, live); err != nil {
		return nil, err
	}
	v := &visit{w: w, r: r, live: live, actor: audit.Party{Kind: "member", ID: live.Member.ID, Name: live.Member.Email}}
	role, ok := cfg.Roles.ByID(live.Member.Role)
	if v.role, v.cfg = role, cfg; !ok {
		v.role = directory.Role{Name: live.RoleName, Rank: len(cfg.Roles)}
	}
	if !v.may(permission) {
		return nil, d.denied(v, permission)
	}
	v.owner = ok && role.IsOwner()
	if v.setup, err = d.Settings.ConnectionSetup(r.Context(), slug); err != nil {
		return nil, err
	}
	return v, nil
}

// again is the visit as it is now, of a request that took long. It is nil for whoever may not any more and was answered.
func (d *Door) again(v *visit, permission string) (*visit, error) {
	now, err := d.visit(v.w, v.r, permission)
	if now != nil {
		now.seen = v.seen
	}
	return now, err
}

// toSignin sends somebody to sign in and back to the page, or, from a form, to the first page.
func toSignin(w http.ResponseWriter, r *http.Request, slug string) {
	q := url.Values{}
	back := "/console"
	if slug != "" {
		q.Set("workspace", slug)
		back = consoleURL(slug)
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		back = r.URL.RequestURI()
	}
	if path, ok := signin.ContinuePath(back); ok {
		q.Set("continue", path)
	}
	http.Redirect(w, r, "/signin?"+q.Encode(), http.StatusSeeOther)
}

func consoleURL(slug string) string { return "/console/" + url.PathEscape(slug) }

// home is GET /console.
func (d *Door) home(w http.ResponseWriter, r *http.Request) error {
	live, err := d.SignIn.Check(r.Context(), r)
	switch {
	case errs.Is(err, errs.KindUnauthenticated):
		toSignin(w, r, "")
		return nil
	case err != nil:
		return err
	}
	http.Redirect(w, r, consoleURL(live.Slug), http.StatusSeeOther)
	return nil
}

// first is the overview, or leads whoever may not see it to the first page that they may.
func (d *Door) first(v *visit) error {
	if v.may(sections[0].permission) {
		return d.overviewPage(v)
	}
	for _, s := range sections {
		if v.may(s.permission) {
			return v.to(s.path)
		}
	}
	return d.denied(v, sections[0].permission)
}

// sections are the pages of the navigation, each with what it takes to see it.
var sections = []struct{ text, path, permission string }{
	{"Overview", "", directory.PermissionSettingsRead},
	{"SSO & SCIM", "/sso", directory.PermissionSettingsRead},
	{"Domains", "/domains", directory.PermissionSettingsRead},
	{"Members & Teams", "/members", directory.PermissionMembersRead},
	{"Teams", "/teams", directory.PermissionTeamsRead},
	{"Roles & Permissions", "/permissions", directory.PermissionRolesRead},
	{"Role mappings", "/roles", directory.PermissionSettingsRead},
	{"Attributes", "/attributes", directory.PermissionSettingsRead},
	{"Policy", "/policy", directory.PermissionSettingsRead},
	{"Enforcement", "/enforcement", directory.PermissionSettingsRead},
	{"Emergency access", "/emergency", directory.PermissionSettingsRead},
	{"Sessions", "/sessions", directory.PermissionSettingsRead},
	{"API keys", "/api-keys", directory.PermissionKeysRead},
	{"Sign-ins", "/sign-ins", directory.PermissionAuditRead},
	{"Event log", "/events", directory.PermissionAuditRead},
}

// deniedData is for members who may not.
type deniedData struct {
	Styles     string
	Slug       string
	Role       string
	Permission directory.Permission
	Roles      []string // that have it
	People     []string // some who could give it, by name
	Account    string
}

// maxNamed is how many people a page names who can help.
const maxNamed = 5

// denied tells a member which permission is missing, and who could give it: whoever may decide about roles and has it
// themselves.
func (d *Door) denied(v *visit, permission string) error {
	data := deniedData{Styles: d.assets["console.css"].address, Slug: v.live.Slug, Role: v.role.Name, Account: "/w/" + url.PathEscape(v.live.Slug),
		Permission: directory.Permission{Name: permission, Says: directory.PermissionSays(permission)}}
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		data.Roles, data.People = nil, nil
		for _, role := range v.cfg.Roles {
			if !role.May(permission) {
				continue
			}
			data.Roles = append(data.Roles, role.Name)
			if !role.May(directory.PermissionRoles) {
				continue
			}
			members, err := tx.MembersByRole(role.ID, 10*maxNamed)
			if err != nil {
				return err
			}
			for _, m := range members {
				if m.Status() == directory.StatusActive && len(data.People) < maxNamed {
					data.People = append(data.People, nameOf(&m))
				}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("name who could give a permission: %w", err)
	}
	web.Add(v.r.Context(), "error_code", "permission_missing")
	web.Add(v.r.Context(), "permission", permission)
	return web.Render(v.w, http.StatusForbidden, d.pages["denied"], web.Page{Title: "Not allowed", Workspace: v.cfg.Workspace.Name, Data: data})
}

func nameOf(m *directory.Member) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Email
}

// to answers a form by leading to a page of the workspace.
func (v *visit) to(path string) error {
	http.Redirect(v.w, v.r, v.url(path), http.StatusSeeOther)
	return nil
}

// led answers a form by leading to another place of ours.
func (v *visit) led(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// url is a page of the visited workspace.
func (v *visit) url(path string) string { return consoleURL(v.live.Slug) + path }

// common is what every page of the console has beside its own.
type common struct {
	Base           string // address of the workspace in the console
	Styles, Script string
	Banners        []settings.Banner
	Errors         map[string]string // by the id of the field
	Typed          map[string]string // what was typed into it
	// Seen is a hidden field of what this page shows, for its forms.
	Seen template.HTML
	role directory.Role
}

// Can reports whether the visitor has a permission: a form or link of what they may not do is not shown.
func (c common) Can(permission string) bool { return c.role.May(permission) }

// told is what a form's sender is told: nothing, or what was wrong with which field.
type told struct {
	field  string
	err    error
	typed  map[string]string
	notice *web.Notice
}

// show renders a page. make gets what all pages have in common and returns the page's data.
func (d *Door) show(v *visit, name, title, current string, t told, make func(c common) any) error {
	if v.seen.stale() {
		return nil // the answer is another page
	}
	if err := d.look(v); err != nil {
		return err
	}
	c := common{Base: consoleURL(v.live.Slug), Styles: d.assets["console.css"].address, Script: d.assets["console.js"].address,
		Errors: map[string]string{}, Typed: t.typed, role: v.role, Seen: v.seenField(), Banners: v.setup.Banners}
	page := web.Page{Title: title, Workspace: v.setup.Name, Wide: true, Notice: t.notice}
	status := http.StatusOK
	if t.err != nil {
		f := web.FailureOf(v.r, t.err)
		status = f.Status
		c.Errors[t.field] = f.Message
		web.Add(v.r.Context(), "error_code", f.Code)
	}
	if page.Notice == nil && t.err == nil {
		page.Notice = doneNotice(v.r.URL.Query().Get("done"))
	}
	for _, s := range sections {
		// Teams have a place of their own for those who do not get there by the people.
		if v.may(s.permission) && (s.path != "/teams" || !v.may(directory.PermissionMembersRead)) {
			page.Nav = append(page.Nav, web.Link{Text: s.text, Href: c.Base + s.path, Current: s.path == current || s.path == "/teams" && name == "team" || s.path == "/teams" && name == "teams"})
		}
	}
	page.Nav = append(page.Nav, web.Link{Text: "Your account", Href: "/w/" + url.PathEscape(v.live.Slug)})
	page.Data = make(c)
	return web.Render(v.w, status, d.pages[name], page)
}

// forTheForm reports whether an error is for whoever sent a form, to be shown beside a field, and not
// an answer of its own.
func forTheForm(err error) bool {
	switch errs.KindOf(err) {
	case errs.KindInvalid, errs.KindConflict, errs.KindForbidden:
		return true
	}
	return false
}

// doneNotice is the sentence after an act: an address can choose among these and add none.
func doneNotice(done string) *web.Notice {
	if text, ok := doneTexts[done]; ok {
		return &web.Notice{Kind: "ok", Text: text}
	}
	return nil
}

var doneTexts = map[string]string{
	"connection-created":  "The connection is there. Copy its values into your identity provider, then enter here what the provider says of itself.",
	"connection-removed":  "The connection was removed.",
	"imported":            "The identity provider's metadata was taken over. Look below at what was understood.",
	"looked":              "The identity provider's metadata was looked at. What came of it stands below.",
	"metadata-forgotten":  "The metadata is looked at no longer. The keys that are known go on counting.",
	"metadata-declined":   "It was turned down. It is not shown again before the identity provider publishes something else.",
	"idp-key-promoted":    "The key is the one in use; the others retire.",
	"idp-key-kept":        "The key is kept until you let it go.",
	"idp-key-released":    "The key goes in its time.",
	"idp-key-dropped":     "The key was dropped. Nothing that it signs is accepted any more.",
	"confirmed":           "The connection is confirmed. Owners sign in through it as well.",
	"oidc":                "The identity provider answers, and what you entered was saved. Activate the connection to try it.",
	"key-published":       "The new key is in the metadata. Give its certificate to the identity provider before you sign with it.",
	"key-used":            "Requests are signed with this key from now on. The others still open what is encrypted for them.",
	"key-removed":         "The key was removed.",
	"options":             "The choices were saved.",
	"attributes":          "The attribute names were saved.",
	"tile-on":             "People can sign in from the identity provider's tile.",
	"tile-convert":        "The identity provider's tile begins a sign-in here from now on.",
	"tile-off":            "Sign-in from the identity provider's tile is refused from now on.",
	"activated":           "The connection was switched on.",
	"disabled":            "The connection is disabled, and everybody who had signed in through it is signed out.",
	"disabled-kept":       "The connection is disabled. Sessions that came through it go on to their own end.",
	"domains":             "The domains were saved.",
	"directory-created":   "The directory is there. Connect the identity provider with it below.",
	"directory-on":        "The directory is enabled: what the identity provider sends takes effect.",
	"directory-off":       "The directory is paused: every request of it is refused.",
	"token-revoked":       "The token does not work any more.",
	"secret-revoked":      "Neither the secret nor what it gave works any more.",
	"adoption-allowed":    "It is allowed. Nothing changes before the directory names the person again: retry the task in the identity provider, or wait for its next cycle.",
	"adoption-refused":    "It is refused. The directory is answered “conflict” whenever it names the person.",
	"adoption-undone":     "The member belongs to no directory again, as they were before.",
	"domain-claimed":      "The domain is claimed. Set its record in DNS, then check.",
	"domain-proven":       "The record is there: the domain is proven.",
	"domain-removed":      "The domain was removed.",
	"attribute-defined":   "The attribute is there. Say below where its values come from, or write them by hand.",
	"attribute-changed":   "The attribute was changed.",
	"attribute-removed":   "The attribute was removed, or is as everywhere again.",
	"map-saved":           "The mapping was saved.",
	"mapping-added":       "The mapping was added, and roles were decided again.",
	"mapping-removed":     "The mapping was removed, and roles were decided again.",
	"mappings-saved":      "The role mappings were saved, and roles were decided again.",
	"policy-saved":        "The policy was saved.",
	"directory-testing":   "The directory is testing: what the identity provider sends is staged. Look at the plan here, and enable or discard it.",
	"directory-discarded": "What was staged was discarded.",
	"pilot":               "The pilot list was saved.",
	"invited":             "The invitation is on its way.",
	"invitation-revoked":  "The invitation was taken back. Its link does not work any more.",
	"member-deactivated":  "The member is deactivated and signed out everywhere.",
	"member-restored":     "The member has access again.",
	"role-set":            "The role was decided again.",
	"member-erased":       "The person is erased. What is left is the id, for the log and for the product behind.",
	"session-times":       "It was saved. Sessions that live already keep to it as well.",
	"session-ended":       "The session was ended.",
	"sessions-ended":      "They are signed out everywhere.",
	"role-added":          "The role is there. Nobody has it yet.",
	"role-renamed":        "The role has the new name.",
	"role-moved":          "The role moved, and everybody's was decided again.",
	"role-saved":          "From now on the role allows what is chosen.",
	"role-removed":        "The role is gone, and whoever had it has another one.",
	"member-saved":        "The changes were saved.",
	"team-created":        "The team is there. Put people into it.",
	"team-renamed":        "The team has the new name.",
	"team-joined":         "The member is in the team.",
	"team-left":           "The member was taken out of the team.",
	"team-deleted":        "The team is gone. Its members stay members.",
	"import-started":      "The list is being carried out. Look again for how far it is.",
	"import-stopped":      "The list was stopped or thrown away.",
	"letter-retried":      "The letter is tried again now.",
	"api-key-revoked":     "The key does not work any more.",
	"letter-discarded":    "The letter was thrown away.",
	"enforcement":         "It was saved.",
	"designated":          "Emergency access is theirs now.",
	"factor-on":           "The second factor is on.",
	"factor-off":          "The second factor is off.",
	"relaxed":             "Single sign-on is not required for 24 hours. All owners were told.",
	"resumed":             "Single sign-on is required again, and whoever came in by a mailed link is signed out.",
}

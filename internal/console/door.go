package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

//go:embed pages assets
var files embed.FS

// Options are what the console stands on.
type Options struct {
	DB       *store.DB
	SignIn   *signin.Service
	Settings *settings.Service
	// Provision shows and decides what directories met.
	Provision *provision.Service
}

// Door is the console over HTTP. Make it with New.
type Door struct {
	Options
	browser *web.Door
	pages   map[string]*template.Template
	assets  map[string]asset
	routes  []Route
}

// Route is a page or an act of the console with the permission that it needs, "" for every member.
type Route struct{ Pattern, Permission string }

// Routes are those of the console that need a permission, once they are mounted.
func (d *Door) Routes() []Route { return d.routes }

// mounter adds a route, for those who have the permission.
type mounter func(pattern, permission string, h handler)

// asset is a file of the console's pages.
type asset struct {
	body    []byte
	kind    string // Content-Type
	address string // with its hash
}

// maxMetadataForm is how long a form with an IdP's metadata may be: in a form, most characters of
// XML can take three.
const maxMetadataForm = 3*settings.MaxMetadataBytes + 64<<10

// New makes the console. It fails when the public URL of settings is not an origin.
func New(o Options) (*Door, error) {
	browser, err := web.PageDoor(o.Settings.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("make console: %w", err)
	}
	d := &Door{Options: o, browser: browser, pages: map[string]*template.Template{}, assets: map[string]asset{}}
	for _, name := range []string{"sso", "connection", "directory", "waiting", "domains", "roles", "events", "event", "denied", "signins", "attempt", "unseen",
		"members", "member", "mail", "imports", "import", "teams", "team", "enforcement", "emergency", "sessions", "api-keys", "overview", "policy", "change", "attributes", "attribute-source", "permissions", "changed"} {
		if d.pages[name], err = web.Template(files, "pages/"+name+".html", "pages/parts.html", "pages/oidc.html", "pages/saml.html", "pages/metadata.html", "pages/guide.html"); err != nil {
			return nil, fmt.Errorf("make console: %w", err)
		}
	}
	for name, kind := range map[string]string{"console.css": "text/css; charset=utf-8", "console.js": "text/javascript; charset=utf-8"} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("make console: %w", err)
		}
		sum := sha256.Sum256(body)
		d.assets[name] = asset{body, kind, "/assets/" + name + "?v=" + hex.EncodeToString(sum[:6])}
	}
	return d, nil
}

// Mount adds the routes of the console.
func (d *Door) Mount(mux *http.ServeMux) {
	through := func(door *web.Door) mounter {
		return func(pattern, permission string, h handler) {
			d.routes = append(d.routes, Route{pattern, permission})
			mux.Handle(pattern, door.Handle(d.admin(permission, h)))
		}
	}
	on := through(d.browser)
	const workspace = "/console/{workspace}"
	mux.Handle("GET /console", d.browser.Handle(d.home))
	mux.Handle("GET /console/{$}", d.browser.Handle(d.home))
	mux.Handle("GET /llms.txt", d.browser.Handle(d.llmsIndex))
	mux.Handle("GET /llms/{guide}", d.browser.Handle(d.llmsGuide))
	on("GET "+workspace, "", d.first)

	on("GET "+workspace+"/sso", directory.PermissionSettingsRead, d.ssoPage)
	on("POST "+workspace+"/sso/connections", directory.PermissionSettings, d.createConnection)
	on("POST "+workspace+"/sso/directories", directory.PermissionSettings, d.createDirectory)

	const connection = workspace + "/sso/connections/{connection}"
	on("GET "+connection, directory.PermissionSettingsRead, d.connectionPage)
	large := *d.browser
	large.MaxBody = maxMetadataForm
	long := through(&large)
	long("POST "+connection+"/metadata", directory.PermissionSettings, d.importMetadata)
	long("POST "+connection+"/metadata/apply", directory.PermissionSettings, d.applyMetadata)
	on("POST "+connection+"/metadata/refresh", directory.PermissionSettings, d.refreshMetadata)
	on("POST "+connection+"/metadata/forget", directory.PermissionSettings, d.forgetMetadata)
	on("POST "+connection+"/metadata/decide", directory.PermissionSettings, d.decideMetadata)
	on("POST "+connection+"/idp-keys/{key}/{act}", directory.PermissionSettings, d.idpKey)
	on("POST "+connection+"/attributes", directory.PermissionSettings, d.setAttributes)
	on("POST "+connection+"/idp-initiated", directory.PermissionSettings, d.setIdPInitiated)
	on("POST "+connection+"/oidc", directory.PermissionSettings, d.setOIDC)
	on("POST "+connection+"/options", directory.PermissionSettings, d.setOptions)
	on("POST "+connection+"/saml", directory.PermissionSettings, d.setSAML)
	on("POST "+connection+"/keys", directory.PermissionSettings, d.rotateKey)
	on("POST "+connection+"/keys/{key}/use", directory.PermissionSettings, d.useKey)
	on("POST "+connection+"/keys/{key}/remove", directory.PermissionSettings, d.removeKey)
	on("POST "+connection+"/confirm", directory.PermissionSettings, d.confirm)
	on("POST "+connection+"/test", directory.PermissionSettings, d.testConnection)
	on("POST "+connection+"/activate", directory.PermissionSettings, d.activate)
	on("POST "+connection+"/disable", directory.PermissionSettings, d.disable)
	on("POST "+connection+"/domains", directory.PermissionSettings, d.setDomains)
	on("POST "+connection+"/remove", directory.PermissionSettings, d.remove)

	const feed = workspace + "/sso/directories/{directory}"
	on("GET "+feed, directory.PermissionSettingsRead, d.directoryPage)
	on("POST "+feed+"/token", directory.PermissionSettings, d.generateToken)
	on("POST "+feed+"/tokens/{token}/revoke", directory.PermissionSettings, d.revokeToken)
	on("POST "+feed+"/secrets", directory.PermissionSettings, d.addSecret)
	on("POST "+feed+"/secrets/{secret}/revoke", directory.PermissionSettings, d.revokeSecret)
	on("POST "+feed+"/enable", directory.PermissionSettings, d.enableDirectory)
	on("POST "+feed+"/disable", directory.PermissionSettings, d.disableDirectory)
	on("POST "+feed+"/test", directory.PermissionSettings, d.testDirectory)
	on("POST "+feed+"/discard", directory.PermissionSettings, d.discardDirectory)
	on("POST "+feed+"/pilot", directory.PermissionSettings, d.setPilot)

	on("GET "+workspace+"/sso/waiting", directory.PermissionMembersRead, d.waitingPage)
	on("POST "+workspace+"/sso/waiting/{adoption}/allow", directory.PermissionMembers, d.allowAdoption)
	on("POST "+workspace+"/sso/waiting/{adoption}/refuse", directory.PermissionMembers, d.refuseAdoption)
	on("POST "+workspace+"/sso/waiting/{adoption}/undo", directory.PermissionMembers, d.undoAdoption)

	d.mountPeople(on, workspace)
	lists := *d.browser
	lists.MaxBody = maxImportBody
	through(&lists)("POST "+workspace+"/imports", directory.PermissionMembers, d.readImport)
	on("GET "+workspace+"/domains", directory.PermissionSettingsRead, d.domainsPage)
	on("POST "+workspace+"/domains", directory.PermissionSettings, d.addDomain)
	on("POST "+workspace+"/domains/{domain}/check", directory.PermissionSettings, d.checkDomain)
	on("POST "+workspace+"/domains/{domain}/remove", directory.PermissionSettings, d.removeDomain)

	on("GET "+workspace+"/roles", directory.PermissionSettingsRead, d.rolesPage)
	on("POST "+workspace+"/roles", directory.PermissionSettings, d.addMapping)
	on("POST "+workspace+"/roles/{mapping}/remove", directory.PermissionSettings, d.removeMapping)
	on("GET "+workspace+"/policy", directory.PermissionSettingsRead, d.policyPage)
	on("POST "+workspace+"/policy", directory.PermissionSettings, d.savePolicy)
	// They name people, to whoever may change what concerns them.
	on("GET "+workspace+"/changes", directory.PermissionSettings, d.changePage)
	on("GET "+workspace+"/changes.csv", directory.PermissionSettings, d.changeCSV)
	on("POST "+workspace+"/changes", directory.PermissionSettings, d.saveChange)

	on("GET "+workspace+"/sessions", directory.PermissionSettingsRead, d.sessionsPage)
	on("POST "+workspace+"/sessions", directory.PermissionSettings, d.setSessions)

	on("GET "+workspace+"/attributes", directory.PermissionSettingsRead, d.attributesPage)
	on("POST "+workspace+"/attributes", directory.PermissionSettings, d.defineAttribute)
	on("POST "+workspace+"/attributes/{attribute}", directory.PermissionSettings, d.changeAttribute)
	on("POST "+workspace+"/attributes/{attribute}/remove", directory.PermissionSettings, d.removeAttribute)
	const source = workspace + "/attributes/from/{kind}/{source}"
	on("GET "+source, directory.PermissionSettingsRead, d.attributeSourcePage)
	on("POST "+source, directory.PermissionSettings, d.saveSource)
	on("POST "+source+"/preview", directory.PermissionSettings, d.previewSource)
	d.mountEnforcement(on)
	d.mountRoles(on, workspace)
	on("GET "+workspace+"/api-keys", directory.PermissionKeysRead, d.apiKeysPage)
	on("POST "+workspace+"/api-keys", directory.PermissionKeys, d.createAPIKey)
	on("POST "+workspace+"/api-keys/{key}/revoke", directory.PermissionKeysRead, d.revokeAPIKey)
	on("GET "+workspace+"/sign-ins", directory.PermissionAuditRead, d.signInsPage)
	on("GET "+workspace+"/sign-ins/people", directory.PermissionAuditRead, d.unseenPage)
	on("GET "+workspace+"/sign-ins/{attempt}", directory.PermissionAuditRead, d.attemptPage)
	on("GET "+workspace+"/events", directory.PermissionAuditRead, d.eventsPage)
	on("GET "+workspace+"/events/{event}", directory.PermissionAuditRead, d.eventPage)

	for name, a := range d.assets {
		mux.HandleFunc("GET /assets/"+name, a.serve)
	}
}

// mountPeople adds the routes of Members & Teams.
func (d *Door) mountPeople(on mounter, workspace string) {
	on("GET "+workspace+"/members", directory.PermissionMembersRead, d.membersPage)
	on("POST "+workspace+"/members", directory.PermissionMembers, d.invite)
	member := workspace + "/members/{member}"
	on("GET "+member, directory.PermissionMembersRead, d.memberPage)
	on("POST "+member+"/resend", directory.PermissionMembers, d.acted("resend", "invited", d.Provision.Resend))
	on("POST "+member+"/revoke", directory.PermissionMembers, d.acted("resend", "invitation-revoked", d.Provision.Revoke))
	on("POST "+member+"/deactivate", directory.PermissionMembers, d.acted("deactivate", "member-deactivated", d.Provision.Deactivate))
	on("POST "+member+"/restore", directory.PermissionMembers, d.acted("restore", "member-restored", d.Provision.Restore))
	on("POST "+member+"/role", directory.PermissionRoles, d.setMemberRole)
	on("POST "+member+"/edit", directory.PermissionMembers, d.editMember)
	on("POST "+member+"/erase", directory.PermissionMembers, d.eraseMember)
	on("POST "+member+"/sessions/end", directory.PermissionSessions, d.endSessions)
	on("POST "+member+"/sessions/{session}/end", directory.PermissionSessions, d.endSessions)

	on("GET "+workspace+"/teams", directory.PermissionTeamsRead, d.teamsPage)
	on("POST "+workspace+"/teams", directory.PermissionTeams, d.createTeam)
	team := workspace + "/teams/{team}"
	on("GET "+team, directory.PermissionTeamsRead, d.teamPage)
	on("POST "+team+"/rename", directory.PermissionTeams, d.renameTeam)
	on("POST "+team+"/delete", directory.PermissionTeams, d.deleteTeam)
	on("POST "+team+"/members", directory.PermissionTeams, d.addToTeam)
	on("POST "+team+"/members/{member}/remove", directory.PermissionTeams, d.removeFromTeam)

	on("GET "+workspace+"/imports", directory.PermissionMembersRead, d.importsPage)
	on("GET "+workspace+"/imports/{import}", directory.PermissionMembersRead, d.importPage)
	on("GET "+workspace+"/imports/{import}/rows.csv", directory.PermissionMembersRead, d.importCSV)
	on("POST "+workspace+"/imports/{import}/start", directory.PermissionMembers, d.startImport)
	on("POST "+workspace+"/imports/{import}/stop", directory.PermissionMembers, d.stopImport)

	on("GET "+workspace+"/mail", directory.PermissionMembersRead, d.mailPage)
	on("POST "+workspace+"/mail/{letter}/retry", directory.PermissionMembers, d.onLetter("letter-retried", jobs.RetryLetter))
	on("POST "+workspace+"/mail/{letter}/discard", directory.PermissionMembers, d.onLetter("letter-discarded", jobs.DiscardLetter))
}

// serve serves a file for good under the address that holds its hash.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if r.URL.RequestURI() == a.address {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.body) // the client may have gone away
}

package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"

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
}

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
		"members", "member", "mail", "imports", "import", "teams", "team", "enforcement", "emergency", "sessions", "api-keys", "overview", "policy", "change", "attributes", "attribute-source"} {
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
	on := func(pattern string, h handler) { mux.Handle(pattern, d.browser.Handle(d.admin(h))) }
	const workspace = "/console/{workspace}"
	mux.Handle("GET /console", d.browser.Handle(d.home))
	mux.Handle("GET /console/{$}", d.browser.Handle(d.home))
	mux.Handle("GET /llms.txt", d.browser.Handle(d.llmsIndex))
	mux.Handle("GET /llms/{guide}", d.browser.Handle(d.llmsGuide))
	on("GET "+workspace, d.overviewPage)

	on("GET "+workspace+"/sso", d.ssoPage)
	on("POST "+workspace+"/sso/connections", d.createConnection)
	on("POST "+workspace+"/sso/directories", d.createDirectory)

	const connection = workspace + "/sso/connections/{connection}"
	on("GET "+connection, d.connectionPage)
	large := *d.browser
	large.MaxBody = maxMetadataForm
	mux.Handle("POST "+connection+"/metadata", large.Handle(d.admin(d.importMetadata)))
	mux.Handle("POST "+connection+"/metadata/apply", large.Handle(d.admin(d.applyMetadata)))
	on("POST "+connection+"/metadata/refresh", d.refreshMetadata)
	on("POST "+connection+"/metadata/forget", d.forgetMetadata)
	on("POST "+connection+"/metadata/decide", d.decideMetadata)
	on("POST "+connection+"/idp-keys/{key}/{act}", d.idpKey)
	on("POST "+connection+"/attributes", d.setAttributes)
	on("POST "+connection+"/idp-initiated", d.setIdPInitiated)
	on("POST "+connection+"/oidc", d.setOIDC)
	on("POST "+connection+"/options", d.setOptions)
	on("POST "+connection+"/saml", d.setSAML)
	on("POST "+connection+"/keys", d.rotateKey)
	on("POST "+connection+"/keys/{key}/use", d.useKey)
	on("POST "+connection+"/keys/{key}/remove", d.removeKey)
	on("POST "+connection+"/confirm", d.confirm)
	on("POST "+connection+"/test", d.testConnection)
	on("POST "+connection+"/activate", d.activate)
	on("POST "+connection+"/disable", d.disable)
	on("POST "+connection+"/domains", d.setDomains)
	on("POST "+connection+"/remove", d.remove)

	const feed = workspace + "/sso/directories/{directory}"
	on("GET "+feed, d.directoryPage)
	on("POST "+feed+"/token", d.generateToken)
	on("POST "+feed+"/tokens/{token}/revoke", d.revokeToken)
	on("POST "+feed+"/secrets", d.addSecret)
	on("POST "+feed+"/secrets/{secret}/revoke", d.revokeSecret)
	on("POST "+feed+"/enable", d.enableDirectory)
	on("POST "+feed+"/disable", d.disableDirectory)
	on("POST "+feed+"/test", d.testDirectory)
	on("POST "+feed+"/discard", d.discardDirectory)
	on("POST "+feed+"/pilot", d.setPilot)

	on("GET "+workspace+"/sso/waiting", d.waitingPage)
	on("POST "+workspace+"/sso/waiting/{adoption}/allow", d.allowAdoption)
	on("POST "+workspace+"/sso/waiting/{adoption}/refuse", d.refuseAdoption)
	on("POST "+workspace+"/sso/waiting/{adoption}/undo", d.undoAdoption)

	d.mountPeople(on, workspace)
	lists := *d.browser
	lists.MaxBody = maxImportBody
	mux.Handle("POST "+workspace+"/imports", lists.Handle(d.admin(d.readImport)))
	on("GET "+workspace+"/domains", d.domainsPage)
	on("POST "+workspace+"/domains", d.addDomain)
	on("POST "+workspace+"/domains/{domain}/check", d.checkDomain)
	on("POST "+workspace+"/domains/{domain}/remove", d.removeDomain)

	on("GET "+workspace+"/roles", d.rolesPage)
	on("POST "+workspace+"/roles", d.addMapping)
	on("POST "+workspace+"/roles/{mapping}/remove", d.removeMapping)
	on("GET "+workspace+"/policy", d.policyPage)
	on("POST "+workspace+"/policy", d.savePolicy)
	on("GET "+workspace+"/changes", d.changePage)
	on("GET "+workspace+"/changes.csv", d.changeCSV)
	on("POST "+workspace+"/changes", d.saveChange)

	on("GET "+workspace+"/sessions", d.sessionsPage)
	on("POST "+workspace+"/sessions", d.setSessions)

	on("GET "+workspace+"/attributes", d.attributesPage)
	on("POST "+workspace+"/attributes", d.defineAttribute)
	on("POST "+workspace+"/attributes/{attribute}", d.changeAttribute)
	on("POST "+workspace+"/attributes/{attribute}/remove", d.removeAttribute)
	const source = workspace + "/attributes/from/{kind}/{source}"
	on("GET "+source, d.attributeSourcePage)
	on("POST "+source, d.saveSource)
	on("POST "+source+"/preview", d.previewSource)
	d.mountEnforcement(on)

	on("GET "+workspace+"/api-keys", d.apiKeysPage)
	on("POST "+workspace+"/api-keys", d.createAPIKey)
	on("POST "+workspace+"/api-keys/{key}/revoke", d.revokeAPIKey)

	on("GET "+workspace+"/sign-ins", d.signInsPage)
	on("GET "+workspace+"/sign-ins/people", d.unseenPage)
	on("GET "+workspace+"/sign-ins/{attempt}", d.attemptPage)
	on("GET "+workspace+"/events", d.eventsPage)
	on("GET "+workspace+"/events/{event}", d.eventPage)

	for name, a := range d.assets {
		mux.HandleFunc("GET /assets/"+name, a.serve)
	}
}

// mountPeople adds the routes of Members & Teams.
func (d *Door) mountPeople(on func(string, handler), workspace string) {
	on("GET "+workspace+"/members", d.membersPage)
	on("POST "+workspace+"/members", d.invite)
	member := workspace + "/members/{member}"
	on("GET "+member, d.memberPage)
	on("POST "+member+"/resend", d.acted("resend", "invited", d.Provision.Resend))
	on("POST "+member+"/revoke", d.acted("resend", "invitation-revoked", d.Provision.Revoke))
	on("POST "+member+"/deactivate", d.acted("deactivate", "member-deactivated", d.Provision.Deactivate))
	on("POST "+member+"/restore", d.acted("restore", "member-restored", d.Provision.Restore))
	on("POST "+member+"/role", d.setMemberRole)
	on("POST "+member+"/edit", d.editMember)
	on("POST "+member+"/erase", d.eraseMember)
	on("POST "+member+"/sessions/end", d.endSessions)
	on("POST "+member+"/sessions/{session}/end", d.endSessions)

	on("GET "+workspace+"/teams", d.teamsPage)
	on("POST "+workspace+"/teams", d.createTeam)
	team := workspace + "/teams/{team}"
	on("GET "+team, d.teamPage)
	on("POST "+team+"/rename", d.renameTeam)
	on("POST "+team+"/delete", d.deleteTeam)
	on("POST "+team+"/members", d.addToTeam)
	on("POST "+team+"/members/{member}/remove", d.removeFromTeam)

	on("GET "+workspace+"/imports", d.importsPage)
	on("GET "+workspace+"/imports/{import}", d.importPage)
	on("GET "+workspace+"/imports/{import}/rows.csv", d.importCSV)
	on("POST "+workspace+"/imports/{import}/start", d.startImport)
	on("POST "+workspace+"/imports/{import}/stop", d.stopImport)

	on("GET "+workspace+"/mail", d.mailPage)
	on("POST "+workspace+"/mail/{letter}/retry", d.onLetter("letter-retried", jobs.RetryLetter))
	on("POST "+workspace+"/mail/{letter}/discard", d.onLetter("letter-discarded", jobs.DiscardLetter))
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

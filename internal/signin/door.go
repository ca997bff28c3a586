package signin

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

//go:embed pages assets
var files embed.FS

// Door is sign-in over HTTP. Make it with NewDoor.
type Door struct {
	service *Service
	browser *web.Door
	program *web.Door
	ends    *endings
	recheck time.Duration // recheckEvery, shorter in tests
	pages   map[string]*template.Template
	assets  map[string]asset
}

// asset is a script of the door's pages.
type asset struct {
	body    []byte
	address string // with its hash
}

// acsRoute is where IdPs have browsers post to, from their own sites.
const acsRoute = "POST /auth/saml/{connection}/acs"

// NewDoor puts a service behind pages and endpoints. It fails when PublicURL is not an origin.
func NewDoor(s *Service) (*Door, error) {
	browser, err := web.PageDoor(s.PublicURL, append([]string{acsRoute, logoutRoute}, oidcCrossSite...)...)
	if err != nil {
		return nil, fmt.Errorf("make sign-in door: %w", err)
	}
	d := &Door{service: s, browser: browser, program: web.JSONDoor(), ends: &endings{db: s.DB}, recheck: recheckEvery,
		pages: map[string]*template.Template{}, assets: map[string]asset{}}
	for _, name := range []string{"signin", "link", "signout", "workspace", "onward", "refused", "logout", "test", "invitation", "forgot", "password", "ownpassword"} {
		if d.pages[name], err = web.Template(files, "pages/"+name+".html", "pages/newpassword.html"); err != nil {
			return nil, fmt.Errorf("make sign-in door: %w", err)
		}
	}
	for _, name := range []string{"session.js", "onward.js"} {
		body, err := files.ReadFile("assets/" + name)
		if err != nil {
			return nil, fmt.Errorf("make sign-in door: %w", err)
		}
		sum := sha256.Sum256(body)
		d.assets[name] = asset{body, "/assets/" + name + "?v=" + hex.EncodeToString(sum[:6])}
	}
	return d, nil
}

// Mount adds the routes of sign-in.
func (d *Door) Mount(mux *http.ServeMux) {
	mux.Handle("GET /signin", d.browser.Handle(d.signinPage))
	mux.Handle("POST /signin", d.browser.Handle(d.signin))
	mux.Handle("GET "+linkPath+"{token}", d.browser.Handle(d.linkPage))
	mux.Handle("POST "+linkPath+"{token}", d.browser.Handle(d.link))
	mux.Handle("GET /signout", d.browser.Handle(d.signoutPage))
	mux.Handle("POST /signout", d.browser.Handle(d.signout))

	mux.Handle("GET /w/{workspace}", d.browser.Handle(d.member(d.workspacePage)))
	mux.Handle("POST /w/{workspace}/sessions/{session}/end", d.browser.Handle(d.member(d.endOne)))
	mux.Handle("POST /w/{workspace}/sessions/end-others", d.browser.Handle(d.member(d.endOthers)))

	mux.Handle("GET /w/{workspace}/password", d.browser.Handle(d.member(d.ownPasswordPage)))
	mux.Handle("POST /w/{workspace}/password", d.browser.Handle(d.member(d.changePassword)))

	mux.Handle("GET /auth/session", d.program.Handle(d.session))
	mux.Handle("GET /auth/session/events", d.program.Handle(d.events))
	mux.Handle("GET /auth/saml/{connection}/metadata", d.browser.Handle(d.metadata))
	mux.Handle("GET /auth/saml/{connection}/login", d.browser.Handle(d.samlLogin))
	answers := *d.browser
	answers.MaxBody = maxAnswer
	mux.Handle(acsRoute, answers.Handle(d.acs))
	mux.Handle("GET /auth/saml/{connection}/acs", d.browser.Handle(d.artifactByRedirect))
	mux.Handle("GET /auth/saml/{connection}/logout", d.browser.Handle(d.singleLogout))
	mux.Handle(logoutRoute, d.browser.Handle(d.singleLogout))

	d.mountOIDC(mux)
	mux.Handle("GET "+testPath+"{ticket}", d.browser.Handle(d.testPage))
	mux.Handle("POST "+testPath+"{ticket}", d.browser.Handle(d.beginTest))
	d.mountMailed(mux)

	for name, a := range d.assets {
		mux.HandleFunc("GET /assets/"+name, a.serve)
	}
}

// serve serves a script for good under the address that holds its hash.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if r.URL.RequestURI() == a.address {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.body) // the client may have gone away
}

// member runs h for the member who is signed in to the workspace of the path. Everybody else is
// sent to sign in, whether there is such a workspace or not.
func (d *Door) member(h func(http.ResponseWriter, *http.Request, *store.LiveSession) error) web.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		live, err := d.service.Check(r.Context(), r)
		if err != nil && !errs.Is(err, errs.KindUnauthenticated) {
			return err
		}
		slug := r.PathValue("workspace")
		if err == nil && live.Slug == slug {
			return h(w, r, live)
		}
		notice := ""
		if err != nil && d.service.tokenOf(r) != "" {
			d.clearCookie(w)
			notice = noticeEnded
		}
		http.Redirect(w, r, signinPath{Workspace: slug, Notice: notice}.url(), http.StatusSeeOther)
		return nil
	}
}

func workspaceURL(slug string) string { return "/w/" + url.PathEscape(slug) }

// enter ends the session that the browser had, gives it the new one and leads it to to, which landing
// has judged: there is no address to return to that a stranger could have put into a link.
func (d *Door) enter(w http.ResponseWriter, r *http.Request, token, to string) error {
	before, err := d.service.Check(r.Context(), r)
	switch {
	case err == nil:
		err = d.service.EndSession(r.Context(), before.Workspace, before.ID, EndedReplaced, party(&before.Member))
		if err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	d.setCookie(w, token)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// setCookie gives the browser its session. The cookie ends with the browser; the session's own
// end is the database's to know.
func (d *Door) setCookie(w http.ResponseWriter, token string) { http.SetCookie(w, d.cookie(token)) }

func (d *Door) clearCookie(w http.ResponseWriter) {
	c := d.cookie("")
	c.MaxAge = -1
	http.SetCookie(w, c)
}

func (d *Door) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: d.service.cookieName(), Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: d.service.secure()}
}

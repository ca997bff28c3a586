package console

import (
	"html"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/guide"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

func (w *world) connection(id string) settings.ConnectionView {
	w.t.Helper()
	for _, c := range w.setup().Connections {
		if c.ID == id {
			return c
		}
	}
	w.t.Fatalf("there is no connection %s", id)
	return settings.ConnectionView{}
}

// shows sees that a page has all of a guide.
func shows(t *testing.T, page answer, g guide.Guide) {
	t.Helper()
	text := html.UnescapeString(page.body)
	for _, s := range g.Steps {
		for _, want := range []string{s.Do} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page does not say %q", g.ID(), want)
			}
		}
		for _, f := range s.Fields {
			if !strings.Contains(text, f.Name) || !strings.Contains(text, f.Value) || !strings.Contains(text, f.Note) {
				t.Errorf("%s: the page does not have %+v", g.ID(), f)
			}
		}
	}
	for _, warning := range append(g.Warnings, g.Groups) {
		if !strings.Contains(text, warning) {
			t.Errorf("%s: the page does not say %q", g.ID(), warning)
		}
	}
	if strings.Contains(text, "{") && strings.Contains(text, "_url}") {
		t.Errorf("%s: a place is not filled in", g.ID())
	}
	seen := map[string]bool{}
	for _, part := range strings.Split(page.body, ` id="`)[1:] {
		id, _, _ := strings.Cut(part, `"`)
		if seen[id] {
			t.Errorf("%s: the id %s stands twice", g.ID(), id)
		}
		seen[id] = true
	}
}

func TestGuide_OfEachCellStandsOnItsPageWithTheValuesOfTheConnection(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		for _, row := range guide.IdPs() {
			for _, protocol := range row.Protocols {
				if protocol == guide.SCIM {
					continue
				}
				page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", row.Provider, "protocol", protocol, "name", row.Name+" "+protocol)
				con := w.connection(strings.TrimPrefix(page.Request.URL.Path, "/console/acme/sso/connections/"))
				shows(t, page, con.Guide)
				for id, want := range map[string]string{"metadata-url-value": con.MetadataURL, "acs-url": con.ACSURL, "entity-id": con.EntityID, "callback-url": con.CallbackURL, "signin-url": con.SigninURL} {
					if want != "" && page.value(t, id) != want {
						t.Errorf("%s %s: the field %s has %q, want %q", row.Name, protocol, id, page.value(t, id), want)
					}
				}
				if !strings.Contains(page.text(t, "leavers"), "Leavers are not noticed") {
					t.Errorf("%s %s: the page does not warn", row.Name, protocol)
				}
				if offered := len(row.Protocols) > 1; page.has("new-directory") != offered {
					t.Errorf("%s: provisioning is offered: %v", row.Name, !offered)
				} else if !offered {
					if a := b.post("/console/acme/sso/directories", "connection", con.ID); a.StatusCode != http.StatusConflict || !strings.Contains(a.text(t, "new-directory-error"), "offers no SCIM") {
						t.Errorf("%s: a directory beside it is answered %d", row.Name, a.StatusCode)
					}
					continue
				} else if protocol != guide.SAML {
					continue
				}
				feed := b.done(page, "new-directory")
				g, err := w.settings.Guide(t.Context(), "acme", con.ID, true)
				w.must(err)
				shows(t, feed, g)
				if feed.value(t, "scim-base-url") != w.setup().SCIMBaseURL {
					t.Errorf("%s: the base URL is %q", row.Name, feed.value(t, "scim-base-url"))
				}
				if page := b.page("/console/acme/sso/connections/" + con.ID); page.has("leavers") || !strings.Contains(page.body, "Nothing has a credential of it yet") {
					t.Errorf("%s: with a directory the page still warns, or says nothing of its credential", row.Name)
				}
			}
		}
		list := b.page("/console/acme/sso")
		if n := strings.Count(list.body, "leavers are not noticed"); n != 7 { // the five by OpenID Connect, and the two generic ones
			t.Errorf("%d connections of the list warn", n)
		}
	})
}

func TestGuides_AsPlainTextsAreForEverybodyAndSayNothingOfAWorkspace(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("")
		index := b.page("/llms.txt")
		for _, g := range guide.All() {
			address := "/llms/" + g.ID() + ".txt"
			if !strings.Contains(index.body, "("+w.server.URL+address+")") {
				t.Errorf("the index does not have %s", address)
			}
			a := b.page(address)
			if a.body != w.settings.BlankGuide(g).Markdown() || a.Header.Get("Content-Type") != "text/plain; charset=utf-8" || a.Header.Get("X-Content-Type-Options") != "nosniff" || len(a.Cookies()) != 0 {
				t.Errorf("%s: %v", address, a.Header)
			}
			if strings.Contains(a.body, "acme") && !strings.Contains(a.body, "such as https://acme.") {
				t.Errorf("%s names a workspace", address)
			}
		}
		for _, path := range []string{"/llms/", "/llms/okta-saml", "/llms/OKTA-SAML.txt", "/llms/generic-saml-scim.txt", "/llms/%00.txt", "/llms/a%2fb.txt"} {
			if a := b.get(path); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s: %d", path, a.StatusCode)
			}
		}
		if a := b.post("/llms.txt"); a.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("a post: %d", a.StatusCode)
		}
	})
}

func TestDomains_AreSavedShownAndRefusedBesideTheirField(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
		b.done(b.page("/console/acme/sso"), "new-connection", "provider", "entra")
		first, second := w.setup().Connections[0], w.setup().Connections[1]
		at := func(c settings.ConnectionView) string { return "/console/acme/sso/connections/" + c.ID }
		page := b.done(b.page(at(first)), "save-domains", "domains", " Acme.test; other.test\nthird.test ")
		if got := page.value(t, "domains"); got != "acme.test, other.test, third.test" || !strings.Contains(page.text(t, "domains-unproven"), "acme.test, other.test, third.test") {
			t.Errorf("%q", got)
		}
		if list := b.page("/console/acme/sso"); !strings.Contains(list.body, "acme.test, other.test, third.test") {
			t.Errorf("the list does not show them: %s", list.body)
		}
		for typed, want := range map[string]string{"acme.test": "is the connection", "<script>alert(1)</script>": "expected domains such as acme.test", `" onfocus="x`: "expected domains such as acme.test", strings.Repeat("x", 300) + ".test": "expected domains"} {
			a := b.press(b.page(at(second)), "save-domains", "domains", typed)
			if a.StatusCode < 400 || a.StatusCode > 499 || !strings.Contains(a.text(t, "domains-error"), want) || a.value(t, "domains") != typed {
				t.Errorf("%.30q: %d: %s", typed, a.StatusCode, a.body)
			}
			if strings.Contains(a.body, "<script>alert") || strings.Contains(a.body, `" onfocus="`) {
				t.Errorf("%q stands in the page as it came", typed)
			}
		}
		page = b.done(b.page(at(first)), "save-domains", "domains", "")
		if got := page.value(t, "domains"); got != "" || len(w.connection(first.ID).Domains) != 0 {
			t.Errorf("%q", got)
		}
	})
}

func TestDisabling_AsksWhatBecomesOfSessionsAndDoesNothingWithoutAnAnswer(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
		page = b.imports(page, "import-xml", "xml", string(idp("https://okta.example/exk1").Metadata()))
		page = b.done(page, "activate")
		con := w.setup().Connections[0]
		for _, choice := range []string{"", "both", "END"} {
			a := b.post("/console/acme/sso/connections/"+con.ID+"/disable", "open_sessions", choice)
			if a.StatusCode != http.StatusBadRequest || !strings.Contains(a.text(t, "disable-error"), "Choose what becomes") || w.connection(con.ID).Status != "active" {
				t.Errorf("%q: %d, the connection is %s", choice, a.StatusCode, w.connection(con.ID).Status)
			}
		}
		page = b.done(page, "disable-keep")
		if got := w.connection(con.ID); got.Status != "disabled" || got.OpenSessions != "keep" || !strings.Contains(page.text(t, "open-sessions"), "go on to their own end") {
			t.Errorf("%+v", got)
		}
		page = b.done(page, "disable")
		if got := w.connection(con.ID); got.OpenSessions != "end" || page.has("disable") || page.has("open-sessions") {
			t.Errorf("%+v", got)
		}
		page = b.done(page, "activate")
		if got := w.connection(con.ID); got.OpenSessions != "" || !page.has("disable-keep") {
			t.Errorf("%+v", got)
		}
	})
}

package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// F10 to F15, F23 and F27 of the seeds: Omniflow with Okta, SAML first, then SCIM, then roles.
func TestOkta_IsSetUpByHandWithoutScript(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		okta := idp("https://okta.example/exk1")
		b := w.as("owner@acme.test")
		page := b.page("/console/acme/sso")
		if !page.has("no-connections") || !page.has("no-directories") {
			t.Errorf("the first page does not say that there is nothing yet")
		}

		n := len(w.events())
		page = b.done(page, "new-connection", "provider", "okta")
		con := w.setup().Connections[0]
		if con.Name != "Okta" || con.Status != directory.ConnectionDraft {
			t.Errorf("%+v", con)
		}
		for id, want := range map[string]string{"metadata-url-value": con.MetadataURL, "entity-id": con.EntityID, "acs-url": con.ACSURL} {
			if got := page.value(t, id); got != want || want == "" {
				t.Errorf("%s is %q, want %q", id, got, want)
			}
		}
		for _, words := range []string{"Single sign-on URL", "Audience URI (SP Entity ID)", "Default RelayState", "Attribute Statements: email", `value="user.email"`, "Application username"} {
			if !strings.Contains(page.body, words) {
				t.Errorf("the page does not say %s", words)
			}
		}
		if a := b.get(strings.TrimPrefix(con.MetadataURL, b.base)); a.StatusCode != 200 || !strings.Contains(a.body, con.ACSURL) {
			t.Errorf("the metadata of a draft answers %d: %s", a.StatusCode, a.body)
		}
		w.wantEvents(n, audit.ConnectionCreated)

		w.fetched["http://okta.example/metadata"] = okta.Metadata()
		n = len(w.events())
		page = b.imports(page, "import-url", "url", " http://okta.example/metadata ")
		if !strings.Contains(page.body, okta.EntityID) || !strings.Contains(page.body, "SHA-256") {
			t.Errorf("the page does not say what was understood: %s", page.body)
		}
		w.wantEvents(n, audit.ConnectionChanged)

		n = len(w.events())
		page = b.done(page, "activate")
		if !strings.Contains(page.body, "not verified yet: the first successful sign-in proves it") || !page.has("test-sign-in") {
			t.Errorf("an active connection: %s", page.body)
		}
		w.wantEvents(n, audit.ConnectionChanged)

		// The tile of somebody whom nobody knows yet: the policy makes them a member.
		r := okta.Response(signin.ServiceProvider(w.server.URL, directory.Connection{ID: con.ID}), "", instant)
		if a := w.as("").post("/auth/saml/"+con.ID+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(r))); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("the tile answered %d: %s", a.StatusCode, a.body)
		}
		page = b.page("/console/acme/sso/connections/" + con.ID)
		if page.has("activate") || !strings.Contains(page.body, `<span class="badge ok">verified</span>`) {
			t.Errorf("a proven connection: %s", page.body)
		}

		n = len(w.events())
		page = b.done(page, "new-directory")
		if got := page.value(t, "scim-base-url"); got != w.settings.SCIMBaseURL() {
			t.Errorf("base URL %q", got)
		}
		token := b.wantToken(page)
		w.wantEvents(n, audit.DirectoryCreated, audit.TokenRotated)
		holder, err := w.db.System().TokenByHash(t.Context(), keys.HashToken(token), instant)
		if err != nil || holder.Directory != w.setup().Directories[0].ID {
			t.Errorf("the token opens %+v, %v", holder, err)
		}

		n = len(w.events())
		page = b.page("/console/acme/roles")
		if strings.Contains(page.body, `>Owner</option>`) {
			t.Error("the owner role is offered")
		}
		role, _ := w.role("Supervisor")
		page = b.done(page, "add-mapping", "group", "Omniflow-Supervisors", "role", role.ID, "source", "directory:"+w.setup().Directories[0].ID)
		if !strings.Contains(page.body, "Omniflow-Supervisors") || !strings.Contains(page.body, "Groups of the directory Okta") {
			t.Errorf("the mapping is not shown: %s", page.body)
		}
		w.wantEvents(n, audit.SettingsChanged)
		m := w.setup().RoleMappings[0]
		n = len(w.events())
		if a := b.post("/console/acme/roles/" + m.ID + "/remove"); a.StatusCode != http.StatusSeeOther || len(w.setup().RoleMappings) != 0 {
			t.Errorf("removing a mapping answered %d", a.StatusCode)
		}
		w.wantEvents(n, audit.SettingsChanged)
	})
}

// V6 to V16 of the seeds: Omnivoo with Entra, where a token needs a verified connection.
func TestEntra_GetsItsTokenOnceTheConnectionIsVerified(t *testing.T) {
	each(t, "omnivoo", func(t *testing.T, w *world) {
		entra := idp("https://sts.windows.net/tenant/")
		b := w.as("admin@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "entra", "name", "Corporate sign-in")
		for _, words := range []string{"Identifier (Entity ID)", "Reply URL (Assertion Consumer Service URL)", "Add a group claim", "App Federation Metadata Url"} {
			if !strings.Contains(page.body, words) {
				t.Errorf("the page does not say %s", words)
			}
		}
		con := w.setup().Connections[0]
		page = b.done(page, "new-directory")
		dir := w.setup().Directories[0]
		if page.has("generate-token") || !strings.Contains(page.text(t, "token-refused"), "verified SSO connection") {
			t.Errorf("a token is offered before its time: %s", page.body)
		}
		for _, words := range []string{"Tenant URL", "Provisioning Mode to Automatic", "userPrincipalName", "cycles of 20 to 40 minutes", "Provision on demand"} {
			if !strings.Contains(page.body, words) {
				t.Errorf("the page does not say %s", words)
			}
		}
		n := len(w.events())
		a := b.post("/console/acme/sso/directories/"+dir.ID+"/token", "newest", "")
		if a.StatusCode != http.StatusForbidden || a.has("scim-token") || !strings.Contains(a.text(t, "generate-token-error"), "verified SSO connection") {
			t.Errorf("a token before its time answered %d: %s", a.StatusCode, a.body)
		}
		if last := w.events()[n:]; len(last) != 1 || last[0].Type != audit.TokenRotated || last[0].Reason != "sso_not_verified" {
			t.Errorf("the refusal left %+v", last)
		}

		// A text area's lines end with CR LF.
		page = b.imports(b.page("/console/acme/sso/connections/"+con.ID), "import-xml", "xml", strings.ReplaceAll(string(entra.Metadata()), "><", ">\r\n<"))
		page = b.done(page, "idp-initiated")
		page = b.done(page, "save-attributes", "email", "mail", "groups", "")
		if got := w.setup().Connections[0]; !*got.IdPInitiated || got.Attributes.Email != "mail" || got.Attributes.Groups != "" || got.Attributes.FirstName == "" {
			t.Errorf("%+v %+v", *got.IdPInitiated, *got.Attributes)
		}
		b.done(page, "activate")
		w.proven(con.ID)

		page = b.page("/console/acme/sso/directories/" + dir.ID)
		first := b.wantToken(page)

		// The same form again, by a reload: nothing is made, and the token goes on working.
		n = len(w.events())
		a = b.press(page, "generate-token")
		if a.StatusCode != http.StatusConflict || a.has("scim-token") || !a.has("scim-token-error") {
			t.Errorf("the same form again answered %d: %s", a.StatusCode, a.body)
		}
		if len(w.events()) != n || !w.works(first) {
			t.Error("the reload made a token")
		}

		// On purpose: the page asks, and the old one dies.
		page = b.page("/console/acme/sso/directories/" + dir.ID)
		if !strings.Contains(page.body, "<b>stops working at once</b>") || strings.Contains(page.body, first) {
			t.Errorf("the page of a directory with a token: %s", page.body)
		}
		second := b.wantToken(page)
		if w.works(first) || !w.works(second) {
			t.Error("two tokens work, or none")
		}

		page = b.done(b.page("/console/acme/sso/directories/"+dir.ID), "disable-directory")
		if w.setup().Directories[0].Status == "enabled" {
			t.Error("the directory is still on")
		}
		b.done(page, "enable-directory")
		if w.setup().Directories[0].Status != "enabled" {
			t.Error("the directory is still off")
		}
	})
}

func TestDisabling_SignsOutWhoeverCameThroughTheConnectionAndCanBeUndone(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		okta := idp("https://okta.example/exk1")
		b := w.as("owner@acme.test")
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
		con := w.setup().Connections[0]
		page = b.imports(page, "import-xml", "xml", string(okta.Metadata()))
		b.done(page, "activate")
		r := okta.Response(signin.ServiceProvider(w.server.URL, directory.Connection{ID: con.ID}), "", instant)
		jane := w.as("")
		if a := jane.post("/auth/saml/"+con.ID+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(r))); a.StatusCode != http.StatusSeeOther {
			t.Fatalf("the tile answered %d: %s", a.StatusCode, a.body)
		}
		jane.page("/auth/session")
		page = b.page("/console/acme/sso/connections/" + con.ID)
		if !strings.Contains(page.body, "sign everybody out at once") || !strings.Contains(page.body, "let sessions run to their end") {
			t.Error("the page does not ask what disabling does")
		}
		page = b.done(page, "disable")
		if a := jane.get("/auth/session"); a.StatusCode != http.StatusUnauthorized {
			t.Errorf("the session lives on: %d", a.StatusCode)
		}
		page = b.done(page, "activate")
		page = b.done(page, "remove")
		if !page.has("no-connections") || len(w.setup().Connections) != 0 {
			t.Error("the connection is still there")
		}
	})
}

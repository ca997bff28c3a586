package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// connected is a connection of acme to an IdP, active.
func (w *world) connected(b *browser) (string, *samltest.IdP) {
	w.t.Helper()
	okta := idp("https://okta.example/exk1")
	page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
	w.fetched["http://okta.example/metadata"] = okta.Metadata()
	page = b.imports(page, "import-url", "url", "http://okta.example/metadata")
	b.done(page, "activate")
	return w.setup().Connections[0].ID, okta
}

func (w *world) tileResponse(okta *samltest.IdP, connection string) *samltest.Response {
	return okta.Response(signin.ServiceProvider(w.server.URL, directory.Connection{ID: connection}), "", w.db.Now())
}

func TestARefusedSignIn_IsShownWithItsStepsAndWhereToMendIt(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		con, okta := w.connected(b)
		evil := `"><script>alert(1)</script>`
		r := w.tileResponse(okta, con)
		r.Assertion.Audiences = [][]string{{"https://wrong.example/" + evil}}
		r.Assertion.NameID.Value, r.Assertion.Attributes[0].Values = evil, []string{evil}
		refused := w.as("").post("/auth/saml/"+con+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(r)))
		if refused.StatusCode != http.StatusForbidden {
			t.Fatalf("%d %s", refused.StatusCode, refused.body)
		}
		page := b.page("/console/acme/sign-ins?reason=wrong_audience&outcome=refused&connection=" + con)
		if !page.has("attempts") || strings.Count(page.body, `<a class="stretched"`) != 1 || strings.Contains(page.body, "<script>alert") {
			t.Fatalf("the list is %s", page.body)
		}
		event := refused.body[strings.Index(refused.body, "evt_"):][:30]
		found := b.get("/console/acme/sign-ins?who=" + event)
		if found.StatusCode != http.StatusSeeOther {
			t.Fatalf("the event leads to %d: %s", found.StatusCode, found.body)
		}
		page = b.page(found.Header.Get("Location"))
		for _, want := range []string{`id="reason">wrong_audience`, `id="precise">audience`, "Audience URI (SP Entity ID)", "https://wrong.example/", "&lt;script&gt;alert(1)", ">failed<", ">passed<", ">not reached<", "identity provider</span>"} {
			if !strings.Contains(page.body, want) {
				t.Errorf("the page of the attempt has no %s: %s", want, page.body)
			}
		}
		if strings.Contains(page.body, "<script>alert") || strings.Contains(page.body, "SignatureValue>A") {
			t.Errorf("the page has markup, or a signature: %s", page.body)
		}
		if page := b.page("/console/acme/events/" + event); !page.has("attempt") {
			t.Error("the event does not lead to its steps")
		}
		for _, empty := range []string{"?reason=clock_skew", "?outcome=ok&who=nobody@acme.test", "?before=att_0", "?who=" + url.QueryEscape(evil+"x"), "?connection=x", "?outcome=" + url.QueryEscape("x' OR 1=1")} {
			if page := b.page("/console/acme/sign-ins" + empty); !page.has("no-attempts") || strings.Contains(page.body, "<script>alert") {
				t.Errorf("%s shows %s", empty, page.body)
			}
		}
	})
}

func TestSignIns_AreForAdministratorsOfTheWorkspaceAlone(t *testing.T) { // law 1
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		con, okta := w.connected(b)
		w.as("").post("/auth/saml/"+con+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(w.tileResponse(okta, con))))
		var mine []store.Attempt
		w.in("acme", func(tx *store.Tx) (err error) {
			mine, _, err = tx.Attempts(store.AttemptQuery{Limit: 10})
			return err
		})
		address := "/sign-ins/" + mine[0].ID
		b.page("/console/acme" + address)
		other := w.as("owner@beta.test")
		known, unknown := other.get("/console/beta"+address), other.get("/console/beta/sign-ins/att_nothing")
		if known.StatusCode != http.StatusNotFound || unknown.StatusCode != http.StatusNotFound || w.sentence(known) != w.sentence(unknown) {
			t.Errorf("a neighbour's attempt is answered %d, one that there is not %d", known.StatusCode, unknown.StatusCode)
		}
		if a := other.get("/console/acme" + address); a.StatusCode != http.StatusNotFound {
			t.Errorf("another workspace's page is answered %d", a.StatusCode)
		}
		if a := other.post("/console/beta/sso/connections/" + con + "/test"); a.StatusCode != http.StatusNotFound {
			t.Errorf("a neighbour's connection is tested: %d", a.StatusCode)
		}
		for _, path := range []string{"/sign-ins", "/sign-ins/people", address} {
			if a := w.as("agent@acme.test").get("/console/acme" + path); a.StatusCode != http.StatusForbidden {
				t.Errorf("an agent sees %s: %d", path, a.StatusCode)
			}
			if a := w.as("").get("/console/acme" + path); a.StatusCode != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/signin") {
				t.Errorf("a stranger sees %s: %d", path, a.StatusCode)
			}
		}
		if a := w.as("agent@acme.test").post("/console/acme/sso/connections/" + con + "/test"); a.StatusCode != http.StatusForbidden {
			t.Errorf("an agent tests a connection: %d", a.StatusCode)
		}
	})
}

// sentence is what a page of a failure says, without its request id.
func (w *world) sentence(a answer) string {
	_, rest, _ := strings.Cut(a.body, `role="alert"`)
	rest, _, _ = strings.Cut(rest, "</p>")
	return rest
}

func TestADraft_IsTestedFromTheConsole(t *testing.T) { // F18
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		con, okta := w.connected(b)
		w.write("acme", func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			c, _ := cfg.Connection(con)
			c.Status = directory.ConnectionDraft
			tx.SaveConnection(c, false)
			return tx.Record(audit.Event{Type: audit.ConnectionChanged})
		})
		started := b.press(b.page("/console/acme/sso/connections/"+con), "test-connection")
		place := started.Header.Get("Location")
		if started.StatusCode != http.StatusSeeOther || !strings.HasPrefix(place, "/auth/test/") {
			t.Fatalf("%d to %q: %s", started.StatusCode, place, started.body)
		}
		if a := w.as("owner@acme.test").get(place); a.StatusCode != http.StatusForbidden {
			t.Errorf("another session of the same person sees the test: %d", a.StatusCode)
		}
		page := b.page(place)
		waiting := b.press(page, "begin-tile") // the preset of Okta allows the tile
		if waiting.StatusCode != http.StatusOK || !strings.Contains(waiting.body, "Waiting for") {
			t.Fatalf("%d %s", waiting.StatusCode, waiting.body)
		}
		before := len(w.events())
		r := w.tileResponse(okta, con)
		r.Assertion.Attributes[3].Values = []string{"Omniflow-Admins", "<b>x</b>"}
		end := b.post("/auth/saml/"+con+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(r)))
		if end.StatusCode != http.StatusSeeOther || !strings.HasPrefix(end.Header.Get("Location"), "/console/acme/sign-ins/att_") {
			t.Fatalf("the end is %d to %q: %s", end.StatusCode, end.Header.Get("Location"), end.body)
		}
		page = b.page(end.Header.Get("Location"))
		if !strings.Contains(page.text(t, "would"), "A new member would have been made") || !page.has("attributes") || !page.has("role") || strings.Contains(page.body, "<b>x</b>") || !strings.Contains(page.body, "Omniflow-Admins") {
			t.Errorf("the page of the test is %s", page.body)
		}
		// What was seen to work counts as verified, before anybody can sign in through it.
		if types := w.events()[before:]; len(types) != 2 || types[0].Type != audit.ConnectionVerified || types[1].Type != audit.ConnectionTested {
			t.Errorf("events %+v", types)
		}
		w.in("acme", func(tx *store.Tx) error {
			if m, err := tx.MemberByEmail(r.Assertion.Attributes[0].Values[0]); err == nil {
				t.Errorf("the test made %+v", m)
			}
			return nil
		})
		if b.page("/console/acme/sso").StatusCode != http.StatusOK {
			t.Error("the administrator was signed out")
		}
	})
}

func TestWhoIsMissing_IsListedFromBothSides(t *testing.T) { // F37
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		con, okta := w.connected(b)
		w.write("acme", func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			ws := cfg.Workspace
			ws.Policy.ProvisionOn = directory.ProvisionSCIM
			if err := tx.UpdateWorkspace(ws); err != nil {
				return err
			}
			tx.InsertMember(&directory.Member{ID: "mem_1", Email: "idle@acme.test", Name: "<i>Idle</i>", Stage: directory.StageActive, Directory: "dir_x", Role: cfg.Roles.Lowest().ID})
			tx.InsertMember(&directory.Member{ID: "mem_2", Email: "busy@acme.test", Stage: directory.StageActive, Directory: "dir_x", Role: cfg.Roles.Lowest().ID})
			tx.SeeMember("mem_2")
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
		r := w.tileResponse(okta, con)
		r.Assertion.NameID = &saml.NameID{Value: "eve@acme.test", Format: saml.FormatEmail}
		w.as("").post("/auth/saml/"+con+"/acs", "SAMLResponse", samltest.Encode(okta.Sign(r)))
		page := b.page("/console/acme/sign-ins/people")
		if !strings.Contains(page.body, "idle@acme.test") || strings.Contains(page.body, "busy@acme.test") || !strings.Contains(page.body, "eve@acme.test") || strings.Contains(page.body, "<i>Idle") || !strings.Contains(page.body, "not_provisioned") && !strings.Contains(page.body, "no_directory") {
			t.Errorf("the page is %s", page.body)
		}
		if page := b.page("/console/acme/sign-ins/people?after=zzz"); !page.has("no-unseen") {
			t.Errorf("behind the last there is %s", page.body)
		}
	})
}

func TestAttemptsWithoutAnAnswer_AreSaidToBeSo(t *testing.T) { // F32, F34
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		con, _ := w.connected(b)
		if a := w.as("").get("/auth/saml/" + con + "/login"); a.StatusCode != http.StatusFound {
			t.Fatalf("%d %s", a.StatusCode, a.body)
		}
		if page := b.page("/console/acme/sign-ins?outcome=open"); !strings.Contains(page.body, "under way") || strings.Contains(page.body, "no_answer") {
			t.Errorf("the list is %s", page.body)
		}
		w.passed.Add(int64(signin.AnswerTime + time.Second))
		page := b.page("/console/acme/sign-ins?outcome=open")
		if !strings.Contains(page.body, "no_answer") || !strings.Contains(page.body, "did not send you back") {
			t.Errorf("the list is %s", page.body)
		}
		_, link, _ := strings.Cut(page.body, `<a class="stretched" href="`)
		link, _, _ = strings.Cut(link, `"`)
		if page := b.page(link); !strings.Contains(page.body, "Assignments") || !strings.Contains(page.body, "AuthnRequest") {
			t.Errorf("the page is %s", page.body)
		}
	})
}

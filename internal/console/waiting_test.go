package console

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// feed is a directory of acme that may make people.
func (w *world) feed() provision.Scope {
	w.t.Helper()
	dir, err := w.settings.CreateDirectory(w.t.Context(), "acme", "Okta", "", audit.Party{Kind: "operator"})
	w.must(err)
	id, _, err := w.settings.Workspace(w.t.Context(), "acme")
	w.must(err)
	return provision.Scope{Workspace: id, Directory: dir.ID, Actor: audit.Party{Kind: "directory", ID: dir.ID, Name: "Okta"}}
}

// names is a directory's POST of a member by address; it returns the code of the refusal.
func (w *world) names(scope provision.Scope, address string, active bool) string {
	w.t.Helper()
	_, err := w.provision.CreateUser(w.t.Context(), scope, provision.Person{UserName: address, Email: address, DisplayName: "<b>Named</b>", Document: "{}", Active: &active})
	if err == nil {
		return ""
	}
	return errs.CodeOf(err)
}

func TestWhatWaits_IsDecidedByAnOwner(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		scope := w.feed()
		const who = "agent@acme.test"
		if code := w.names(scope, who, true); code != "adoption_waits" {
			t.Fatalf("the POST ended with %q", code)
		}
		a, err := w.provision.Adoptions(t.Context(), scope)
		w.must(err)
		id := a[0].ID

		// An administrator sees it, cannot decide, and is told who can.
		admin := w.as("admin@acme.test")
		page := admin.page("/console/acme/sso")
		if !strings.Contains(page.body, `id="waiting-count">1<`) {
			t.Errorf("the first page has no badge: %s", page.body)
		}
		page = admin.page("/console/acme/sso/waiting")
		if page.has("allow-"+id) || !page.has("owner-decides") || !strings.Contains(page.body, "&lt;b&gt;Named&lt;/b&gt;") {
			t.Errorf("what an administrator sees: %s", page.body)
		}
		if a := admin.post("/console/acme/sso/waiting/"+id+"/allow", "seen", "x"); a.StatusCode != http.StatusForbidden {
			t.Errorf("an administrator's decision answered %d", a.StatusCode)
		}
		if a := w.as("agent@acme.test").post("/console/acme/sso/waiting/"+id+"/allow", "seen", "x"); a.StatusCode != http.StatusForbidden {
			t.Errorf("the member's own decision answered %d", a.StatusCode)
		}
		// An owner of another workspace finds nothing there.
		for _, path := range []string{"/console/acme/sso/waiting/" + id + "/allow", "/console/beta/sso/waiting/" + id + "/allow"} {
			if a := w.as("owner@beta.test").post(path, "seen", "x"); a.StatusCode != http.StatusNotFound {
				t.Errorf("%s by a neighbour answered %d", path, a.StatusCode)
			}
		}

		owner := w.as("owner@acme.test")
		page = owner.page("/console/acme/sso/waiting")
		for _, words := range []string{"Here already", "Okta says", "has not proven the domain", "retry the task there"} {
			if !strings.Contains(page.body, words) {
				t.Errorf("the page does not say %q", words)
			}
		}
		if a := owner.post("/console/acme/sso/waiting/" + id + "/allow"); a.StatusCode != http.StatusBadRequest {
			t.Errorf("a decision about nothing answered %d", a.StatusCode)
		}
		// What is decided is what was shown.
		w.names(scope, who, false)
		if a := owner.press(page, "allow-"+id); a.StatusCode != http.StatusConflict || !strings.Contains(a.text(t, "decision-error"), "changed after this page") {
			t.Errorf("a decision about something else answered %d: %s", a.StatusCode, a.body)
		}
		page = owner.page("/console/acme/sso/waiting")
		if !strings.Contains(page.body, "allowing it deactivates the member") {
			t.Error("the page does not say what allowing an inactive person means")
		}
		w.names(scope, who, true)
		page = owner.done(owner.page("/console/acme/sso/waiting"), "refuse-"+id)
		if code := w.names(scope, who, true); code != "adoption_refused" || !page.has("nothing-waits") {
			t.Errorf("after the refusal the POST ended with %q: %s", code, page.body)
		}
		page = owner.done(page, "allow-"+id)
		if code := w.names(scope, who, true); code != "" {
			t.Errorf("after the decision the POST ended with %q", code)
		}
		page = owner.page("/console/acme/sso/waiting")
		if admin.page("/console/acme/sso/waiting").has("undo-" + id) {
			t.Error("an administrator is offered the undoing")
		}
		owner.done(page, "undo-"+id)
		w.must(w.db.Read(t.Context(), scope.Workspace, func(tx *store.Tx) error {
			m, err := tx.MemberByEmail(who)
			if err == nil && (m.Directory != "" || m.Name != "The Agent") {
				t.Errorf("the member is %+v", m)
			}
			return err
		}))
		log := owner.page("/console/acme/events")
		for _, words := range []string{"Adoption: waits for a decision", "Adoption: refused", "Adoption: allowed", "Adoption: undone"} {
			if !strings.Contains(log.body, words) {
				t.Errorf("the log does not say %q", words)
			}
		}
	})
}

func TestADecision_NeedsASignInOfTheLastMinutes(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		scope := w.feed()
		w.names(scope, "agent@acme.test", true)
		owner := w.as("owner@acme.test")
		page := owner.page("/console/acme/sso/waiting")
		a, err := w.provision.Adoptions(t.Context(), scope)
		w.must(err)
		w.passed.Add(int64(11 * time.Minute))
		if again := owner.page("/console/acme/sso/waiting"); again.has("allow-"+a[0].ID) || !again.has("sign-in-again") {
			t.Error("an old sign-in is offered the decision")
		}
		if got := owner.press(page, "allow-"+a[0].ID); got.StatusCode != http.StatusForbidden {
			t.Errorf("a decision by an old sign-in answered %d", got.StatusCode)
		}
	})
}

func TestUnderAskAdmin_AnAdministratorDecidesAboutOthersThanAdministrators(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		scope := w.feed()
		w.write("acme", func(tx *store.Tx) error {
			cfg, err := tx.Config()
			if err != nil {
				return err
			}
			s := cfg.Workspace
			s.Policy.Adoption = directory.AdoptionAskAdmin
			if err := tx.UpdateWorkspace(s); err != nil {
				return err
			}
			return tx.Record(audit.Event{Type: audit.SettingsChanged})
		})
		w.names(scope, "agent@acme.test", true)
		w.names(scope, "admin@acme.test", true)
		all, err := w.provision.Adoptions(t.Context(), scope)
		w.must(err)
		page := w.as("admin@acme.test").page("/console/acme/sso/waiting")
		for _, a := range all {
			if got, want := page.has("allow-"+a.ID), a.Member.Role == "Agent"; got != want {
				t.Errorf("an administrator may decide about the %s: %v", a.Member.Role, got)
			}
		}
	})
}

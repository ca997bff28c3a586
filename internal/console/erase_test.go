package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestErasing_IsForWhoIsOutAndWantsTheAddressTyped(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b, path := w.as("owner@acme.test"), "/console/acme/members/mem_acme_member"
		outsiders := []*browser{w.as("member@acme.test"), w.as(""), w.as("owner@beta.test")}
		if b.page(path).has("erase") {
			t.Error("somebody who is in is offered to be erased")
		}
		if a := b.post(path+"/erase", "confirm", "member@acme.test"); a.StatusCode != http.StatusConflict {
			t.Errorf("somebody who is in: %d", a.StatusCode)
		}
		page := b.done(b.page(path), "deactivate")
		n := len(w.events())
		for _, typed := range []string{"", "owner@acme.test", "mem_acme_member"} {
			if a := b.press(page, "erase", "confirm", typed); a.StatusCode != http.StatusBadRequest && a.StatusCode != http.StatusUnprocessableEntity || !a.has("erase-error") {
				t.Errorf("%q was typed: %d", typed, a.StatusCode)
			}
		}
		for i, other := range outsiders {
			if a := other.post(path+"/erase", "confirm", "member@acme.test"); a.StatusCode < 300 || strings.Contains(a.Header.Get("Location"), "done=") {
				t.Errorf("outsider %d erased them: %d %q", i, a.StatusCode, a.Header.Get("Location"))
			}
		}
		w.wantEvents(n)
		page = b.done(page, "erase", "confirm", " Member@ACME.test ")
		w.wantEvents(n, audit.MemberErased)
		if !strings.Contains(page.text(t, "member-status"), "erased") || strings.Contains(page.body, "member@acme.test") || page.has("restore") || page.has("erase") || !page.has("above") {
			t.Errorf("the page of an erased person: %s", page.body)
		}
		if a := b.post(path+"/erase", "confirm", "mem_acme_member"); a.StatusCode != http.StatusConflict {
			t.Errorf("erased again: %d", a.StatusCode)
		}
		if a := b.post(path + "/restore"); a.StatusCode != http.StatusConflict {
			t.Errorf("restored: %d", a.StatusCode)
		}
		for _, list := range []string{"/console/acme/members", "/console/acme/events", "/console/acme/events?who=mem_acme_member"} {
			if a := b.page(list); strings.Contains(a.body, "member@acme.test") {
				t.Errorf("%s still names them: %s", list, a.body)
			}
		}
		if m, err := w.byID("mem_acme_member"); err != nil || m.Status() != directory.StatusErased {
			t.Errorf("the id: %+v, %v", m, err)
		}
	})
}

func TestSessionsOfAMember_AreShownAndEndedByForms(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		owner, admin, member := w.as("owner@acme.test"), w.as("admin@acme.test"), w.as("member@acme.test")
		page := admin.page("/console/acme/members/mem_acme_member")
		if !page.has("sessions") || !page.has("end-sessions") {
			t.Fatalf("the page: %s", page.body)
		}
		if own := admin.page("/console/acme/members/mem_acme_admin"); own.has("end-sessions") {
			t.Error("one's own are ended here")
		}
		if above := admin.page("/console/acme/members/mem_acme_owner"); above.has("end-sessions") {
			t.Error("an administrator is offered to end an owner's")
		}
		if a := admin.post("/console/acme/members/mem_acme_owner/sessions/end"); a.StatusCode != http.StatusForbidden || !a.has("sessions") {
			t.Errorf("an owner's: %d", a.StatusCode)
		}
		if a := admin.post("/console/acme/members/mem_beta_owner/sessions/end"); a.StatusCode != http.StatusNotFound {
			t.Errorf("of another workspace: %d", a.StatusCode)
		}
		if a := admin.post("/console/acme/members/mem_acme_member/sessions/ses_unknown/end"); a.StatusCode != http.StatusConflict {
			t.Errorf("an unknown session: %d", a.StatusCode)
		}
		n := len(w.events())
		owner.done(page, "end-sessions")
		w.wantEvents(n, audit.SessionsEnded)
		if a := member.get("/w/acme"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("their session lives: %d", a.StatusCode)
		}
		if a := admin.get("/console/acme/members"); a.StatusCode != http.StatusOK {
			t.Errorf("the administrator: %d", a.StatusCode)
		}
	})
}

func TestHowLongSessionsLive_IsSetByAFormAndHoldsForThoseThatLive(t *testing.T) {
	each(t, "default", func(t *testing.T, w *world) {
		b := w.as("owner@acme.test")
		page := b.page("/console/acme/sessions")
		if !strings.Contains(page.body, `<option value="12h" selected>12 hours`) || !strings.Contains(page.body, `<option value="7d" selected>7 days`) {
			t.Errorf("the page: %s", page.body)
		}
		n := len(w.events())
		page = b.done(page, "save-sessions", "idle", "30m", "life", "8h")
		w.wantEvents(n, audit.SessionsShortened, audit.SettingsChanged)
		if !strings.Contains(page.body, `<option value="30m" selected>`) || !strings.Contains(page.body, `<option value="8h" selected>`) {
			t.Errorf("saved: %s", page.body)
		}
		for _, wrong := range []string{"", "1s", "100y", "<b>"} {
			if a := b.post("/console/acme/sessions", "idle", wrong, "life", "8h"); a.StatusCode < 400 || a.StatusCode >= 500 || !a.has("session-times-error") {
				t.Errorf("%q: %d", wrong, a.StatusCode)
			}
		}
		if account := b.page("/w/acme"); !strings.Contains(account.text(t, "session-life"), "30m without use") {
			t.Errorf("the account: %s", account.body)
		}
		if a := w.as("member@acme.test").get("/console/acme/sessions"); a.StatusCode != http.StatusForbidden {
			t.Errorf("a plain member: %d", a.StatusCode)
		}
	})
}

package acceptance

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// A person is erased by the operator, who is shown what goes. The host application's id stays, the log stays in its
// order, and whom the directory sends again is somebody new.
func TestStory_APersonIsErasedAndTheLogStaysProvable(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		w.mustApply(workspace("acme", "omnivoo", "invite_on_create: no, required_attributes: [email]"))
		_, token := w.token("acme")
		const private = `,"externalId":"00u-ada","displayName":"Ada Lovelace","title":"Countess"`
		status, got := w.scim(token, "POST", "/Users", user("ada@acme.test", private))
		if status != http.StatusCreated {
			t.Fatalf("create: %d %v", status, got)
		}
		id := got["id"].(string)
		ada := w.wantMember("acme", "ada@acme.test", "active", "Member")
		b := w.signIn("acme", "ada@acme.test")
		if status, _ := w.scim(token, "GET", "/Users?filter=userName%20eq%20%22ada@acme.test%22", ""); status != http.StatusOK {
			t.Fatalf("filter: %d", status)
		}
		before := w.events("acme")

		// Nobody types the address: nothing is done.
		if _, told, code := w.run(nil, "member", "erase", "ada@acme.test", "--workspace", "acme"); code == 0 || !strings.Contains(told, "Type ada@acme.test to erase them") || !strings.Contains(told, "sessions that end: 1") {
			t.Fatalf("unconfirmed: %d %s", code, told)
		}
		w.wantMember("acme", "ada@acme.test", "active", "Member")
		var erased member
		w.gatehouse(&erased, "member", "erase", "ada@acme.test", "--yes", "--workspace", "acme")
		if erased.ID != ada.ID || erased.Status != "erased" || erased.Email != "" || erased.Name != "" || len(erased.Attributes) > 0 {
			t.Errorf("erased: %+v", erased)
		}
		if s := b.session(); s.status != http.StatusUnauthorized {
			t.Errorf("their session: %d", s.status)
		}
		if status, _ := w.scim(token, "GET", "/Users/"+id, ""); status != http.StatusNotFound {
			t.Errorf("their resource: %d", status)
		}
		if _, told, code := w.run(nil, "member", "erase", "root@acme.test", "--yes", "--workspace", "acme"); code == 0 || !strings.Contains(told, "last owner") {
			t.Errorf("the last owner: %d %s", code, told)
		}

		after := w.events("acme")
		for i, e := range before {
			if a := after[i]; a.Seq != e.Seq || a.ID != e.ID || a.Type != e.Type || a.Outcome != e.Outcome || a.Subject.ID != e.Subject.ID {
				t.Errorf("event %d was %+v, is %+v", i, e, a)
			}
		}
		out, _, _ := w.run(nil, "audit", "export", "--workspace", "acme")
		for _, gone := range []string{"ada@acme.test", "Ada Lovelace", "00u-ada", "Countess"} {
			if strings.Contains(out, gone) {
				t.Errorf("the log still has %q", gone)
			}
		}
		if status, got := w.scim(token, "POST", "/Users", user("ada@acme.test", private)); status != http.StatusCreated || got["id"] == id {
			t.Fatalf("sent again: %d %v", status, got)
		}
		if again := w.wantMember("acme", "ada@acme.test", "active", "Member"); again.ID == ada.ID || again.Name == "" {
			t.Errorf("came back as %+v", again)
		}
	})
}

// How long sessions live is policy: less holds for those that live, is exported and applied, and a role that was raised
// gives the browser a new cookie.
func TestStory_SessionsKeepToThePolicyAndAreRenewed(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		text := workspace("acme", "omnivoo", "invite_on_create: no, required_attributes: [email]")
		w.mustApply(text)
		_, token := w.token("acme")
		w.create(token, "ada@acme.test")
		b := w.signIn("acme", "ada@acme.test")
		if s := b.session(); s.Expires.Sub(s.Created) != 7*24*time.Hour {
			t.Errorf("lives for %v", s.Expires.Sub(s.Created))
		}
		done := w.mustApply(strings.Replace(text, "invite_on_create: no", "invite_on_create: no, session_life: 2h, session_idle: 30m", 1))
		if !strings.Contains(strings.Join(done.Changes, "\n"), "session_life") {
			t.Errorf("changes: %v", done.Changes)
		}
		if s := b.session(); s.status != http.StatusOK || s.Expires.Sub(s.Created) != 2*time.Hour {
			t.Errorf("%d, lives for %v", s.status, s.Expires.Sub(s.Created))
		}
		w.wantEvent("acme", "session.all_shortened", "policy")
		if out, _, _ := w.run(nil, "export", "acme"); !strings.Contains(out, "session_life: 2h") || !strings.Contains(out, "session_idle: 30m") {
			t.Errorf("exported: %s", out)
		}
		if _, told, code := w.apply(strings.Replace(text, "invite_on_create: no", "invite_on_create: no, session_life: forever", 1)); code == 0 || !strings.Contains(told, "session_life") {
			t.Errorf("forever: %d %s", code, told)
		}

		was := w.cookieOf(b)
		w.gatehouse(nil, "member", "set-role", "ada@acme.test", "Admin", "--workspace", "acme")
		if b.visit("GET", w.base+"/w/acme", nil); w.cookieOf(b) == was {
			t.Error("the cookie stayed")
		}
		w.wantEvent("acme", "session.renewed", "role_changed")
		var ended struct{ Ended int }
		w.gatehouse(&ended, "session", "revoke", "ada@acme.test", "--all", "--workspace", "acme")
		if s := b.session(); ended.Ended != 1 || s.status != http.StatusUnauthorized {
			t.Errorf("%d ended, then %d", ended.Ended, s.status)
		}
	})
}

// cookieOf is the session's cookie.
func (w *world) cookieOf(b *browser) string {
	w.t.Helper()
	req, err := http.NewRequest("GET", w.base+"/", nil)
	w.must(err)
	for _, c := range b.Jar.Cookies(req.URL) {
		if strings.HasSuffix(c.Name, "gatehouse_session") {
			return c.Value
		}
	}
	return ""
}

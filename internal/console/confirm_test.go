package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
)

const (
	owner         = "owner@acme.test"
	administrator = "admin@acme.test"
)

// unconfirmed makes an active connection in acme whose metadata an administrator imported last, by the
// console, and returns the path of its page.
func (w *world) unconfirmed() string {
	w.t.Helper()
	b := w.as(administrator)
	page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
	page = b.imports(page, "import-xml", "xml", string(idp("https://okta.example/exk1").Metadata()))
	b.done(page, "activate")
	return "/console/acme/sso/connections/" + w.setup().Connections[0].ID
}

// wantUnconfirmed checks whether the one connection of acme waits for an owner.
func (w *world) wantUnconfirmed(want bool, when string) {
	w.t.Helper()
	if got := w.setup().Connections[0].Unconfirmed; got != want {
		w.t.Errorf("%s: the connection waits for an owner: %t, want %t", when, got, want)
	}
}

func TestAnAdministrator_SeesThatOwnersWaitAndCannotConfirm(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		b := w.as(administrator)
		page := b.page(path)
		if !page.has("unconfirmed") || !strings.Contains(page.body, "Ask an owner of this workspace") {
			t.Errorf("the page does not say that owners wait, and for whom: %s", page.body)
		}
		if page.has("confirm") || strings.Contains(page.body, path+"/confirm") {
			t.Error("an administrator is offered to confirm")
		}
		if !strings.Contains(b.page("/console/acme/sso").body, "waits for an owner") {
			t.Error("the list does not say which connection waits")
		}
		n := len(w.events())
		a := b.post(path + "/confirm")
		if a.StatusCode != http.StatusForbidden || a.Header.Get("Location") != "" {
			t.Errorf("an administrator's word answered %d", a.StatusCode)
		}
		if says := a.text(t, "confirm-error"); !strings.Contains(says, "Only an owner can confirm") {
			t.Errorf("the administrator is told %q", says)
		}
		w.wantUnconfirmed(true, "an administrator's word")
		w.wantEvents(n)
	})
}

func TestAnOwner_ConfirmsWhatAnAdministratorChanged(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		b := w.as(owner)
		page := b.page(path)
		if !page.has("unconfirmed") || !strings.Contains(page.body, "the entity ID and the certificates in step 2") {
			t.Errorf("the page does not say what to compare: %s", page.body)
		}
		n := len(w.events())
		page = b.done(page, "confirm")
		if !strings.Contains(page.body, "The connection is confirmed.") || page.has("unconfirmed") || page.has("confirm") {
			t.Errorf("after the owner's word: %s", page.body)
		}
		w.wantUnconfirmed(false, "an owner's word")
		if strings.Contains(b.page("/console/acme/sso").body, "waits for an owner") {
			t.Error("the list still says that the connection waits")
		}
		w.wantEvents(n, audit.ConnectionChanged)
		want := []audit.Change{{Field: "connections." + w.setup().Connections[0].Name + ".unconfirmed", From: "yes"}}
		for _, e := range w.events()[n:] {
			if !slices.Equal(e.Changes, want) {
				t.Errorf("the event says %+v, want %+v", e.Changes, want)
			}
		}

		// The administrator's next change of what counts asks for the owner's word again.
		w.as(administrator).post(path+"/attributes", "email", "mail")
		if !b.page(path).has("confirm") {
			t.Error("an administrator's attribute names are not put before an owner")
		}
	})
}

func TestConfirmingTwice_ChangesAndRecordsOnce(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		b := w.as(owner)
		page := b.page(path) // two open pages have the button
		n := len(w.events())
		for range 2 {
			if again := b.done(page, "confirm"); again.has("unconfirmed") || again.has("confirm-error") {
				t.Errorf("the page after it: %s", again.body)
			}
		}
		w.wantUnconfirmed(false, "two words of an owner")
		w.wantEvents(n, audit.ConnectionChanged)
	})
}

func TestAConfirmation_OfWhatWasChangedMeanwhileIsRefused(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		b := w.as(owner)
		page := b.page(path)
		w.as(administrator).post(path+"/attributes", "email", "somebody_elses")
		n := len(w.events())
		a := b.press(page, "confirm")
		if says := a.text(t, "confirm-error"); a.StatusCode != http.StatusConflict || !strings.Contains(says, "was changed after this page was shown") {
			t.Errorf("the word on an old page answered %d: %s", a.StatusCode, says)
		}
		w.wantUnconfirmed(true, "a word on what is there no more")
		w.wantEvents(n)
		// The answer shows it as it is now.
		if a = b.press(a, "confirm"); a.StatusCode != http.StatusSeeOther {
			t.Errorf("the word on the new page answered %d", a.StatusCode)
		}
		w.wantUnconfirmed(false, "a word on what is there")
	})
}

func TestAChangeByAnOwner_NeedsNobodysConfirmation(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		b := w.as(owner)
		page := b.done(b.page("/console/acme/sso"), "new-connection", "provider", "okta")
		page = b.imports(page, "import-xml", "xml", string(idp("https://okta.example/exk1").Metadata()))
		if page = b.done(page, "activate"); page.has("unconfirmed") || page.has("confirm") {
			t.Errorf("an owner's own connection waits for an owner: %s", page.body)
		}
	})
}

// Law 1.
func TestConfirmingAnotherWorkspacesConnection_AnswersAsForAnUnknownOne(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		id := path[strings.LastIndex(path, "/")+1:]
		n := len(w.events())
		b := w.as("owner@beta.test")
		const unknown = "con_unknown"
		plain := func(a answer) string {
			return strings.ReplaceAll(requestID.ReplaceAllString(a.body, ""), id, unknown)
		}
		for _, at := range []struct{ there, nowhere string }{
			{"/console/acme/sso/connections/" + id, "/console/gamma/sso/connections/" + id},
			{"/console/beta/sso/connections/" + id, "/console/beta/sso/connections/" + unknown},
		} {
			theirs, none := b.post(at.there+"/confirm"), b.post(at.nowhere+"/confirm")
			if theirs.StatusCode != http.StatusNotFound || none.StatusCode != http.StatusNotFound || plain(theirs) != plain(none) {
				t.Errorf("%s answers %d, and %s %d: %s", at.there, theirs.StatusCode, at.nowhere, none.StatusCode, theirs.body)
			}
		}
		w.wantUnconfirmed(true, "the word of another workspace's owner")
		w.wantEvents(n)
	})
}

func TestAConfirmation_OfAnotherSiteDoesNothing(t *testing.T) {
	each(t, "omniflow", func(t *testing.T, w *world) {
		path := w.unconfirmed()
		b := w.as(owner)
		n := len(w.events())
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}} {
			if a := b.do("POST", path+"/confirm", url.Values{}, headers...); a.StatusCode != http.StatusForbidden {
				t.Errorf("%v answered %d", headers, a.StatusCode)
			}
		}
		// An address alone, as in a picture or a link, is no word either.
		if a := b.get(path + "/confirm"); a.StatusCode != http.StatusMethodNotAllowed && a.StatusCode != http.StatusNotFound {
			t.Errorf("GET answered %d", a.StatusCode)
		}
		w.wantUnconfirmed(true, "other sites' forms")
		w.wantEvents(n)
		if status := w.setup().Connections[0].Status; status != directory.ConnectionActive {
			t.Errorf("the connection is %s", status)
		}
	})
}

package signin

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/saml"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// metadataAt is what the IdP of acme's connection publishes; text nil answers nothing.
type metadataAt struct {
	mu      sync.Mutex
	text    []byte
	fetched int
}

func (m *metadataAt) get(context.Context, string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fetched++
	return m.text, nil
}

func (m *metadataAt) set(idp *samltest.IdP) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.text = idp.Metadata()
}

func (m *metadataAt) looks() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fetched
}

// watch has acme's connection know where its IdP publishes its metadata.
func (w *world) watch() *metadataAt {
	w.t.Helper()
	at := &metadataAt{}
	at.set(oktaIdP())
	known := &settings.Service{DB: w.DB, PublicURL: w.PublicURL, Metadata: at.get, Looks: &settings.Looks{}}
	w.UnknownKey = known.UnknownKey
	w.reconnect(func(c *directory.Connection) { c.SAML.MetadataURL = "https://okta.example/metadata" })
	return at
}

// rotated is the IdP after a rotation to another key.
func rotated() *samltest.IdP { return samltest.NewIdP(oktaIdP().EntityID, otherKey()) }

// answerBy is a right answer to a request that an IdP signs.
func (w *world) answerBy(idp *samltest.IdP, q asked, says samltest.KeyInfo) string {
	r := idp.Response(w.provider(okta), q.id, w.clock.now())
	about(r, "bob@acme.test", "Bob", "Builder")
	r.Signing.KeyInfo = says
	return samltest.Encode(idp.Sign(r))
}

func TestUnknownKey_ARotationWithNoNoticeLocksNobodyOutWhereTheMetadataHasTheKey(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		at := w.watch()
		at.set(rotated())
		b := w.browser()
		q := b.begin(okta)
		a := b.answers(okta, w.answerBy(rotated(), q, 0), q.relay)
		if a.StatusCode != http.StatusSeeOther || b.cookie() == "" {
			t.Fatalf("the first answer by the new key is answered %d: %s", a.StatusCode, a.body)
		}
		if at.looks() != 1 {
			t.Errorf("%d looks", at.looks())
		}
		if got := reasons(w.events(acme, audit.IdPKeyStaged)) + reasons(w.events(acme, audit.IdPKeyPromoted)); got != "connection.idp_key.staged metadataconnection.idp_key.promoted signed_in" {
			t.Errorf("told %s", got)
		}
		// The old key counts for a time, and the new one needs no further look.
		w.browser().enters(w, nil)
		next := w.browser()
		q = next.begin(okta)
		if a := next.answers(okta, w.answerBy(rotated(), q, 0), q.relay); a.StatusCode != http.StatusSeeOther || at.looks() != 1 {
			t.Errorf("the second is answered %d after %d looks", a.StatusCode, at.looks())
		}
	})
}

func TestUnknownKey_AStrangerMakesUsCallNobody(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		at := w.watch()
		stranger := samltest.NewIdP("https://evil.example/", otherKey())
		b := w.browser()
		for name, post := range map[string]func() answer{
			"an answer to nothing": func() answer { return b.answers(okta, w.answerBy(rotated(), asked{id: "_none"}, 0), "") },
			"another issuer": func() answer {
				q := b.begin(okta)
				return b.answers(okta, w.answerBy(stranger, q, 0), q.relay)
			},
			"somebody else's sign-in": func() answer {
				q := b.begin(okta)
				return w.browser().answers(okta, w.answerBy(rotated(), q, 0), q.relay)
			},
			"a changed message": func() answer {
				q := b.begin(okta)
				r := w.response(q.id)
				text := string(oktaIdP().Sign(r))
				return b.answers(okta, samltest.Encode([]byte(strings.ReplaceAll(text, "bob@acme.test", "eve@acme.test"))), q.relay)
			},
		} {
			if a := post(); a.StatusCode < 400 && !strings.Contains(a.body, passedOn) || at.looks() != 0 {
				t.Errorf("%s is answered %d after %d looks", name, a.StatusCode, at.looks())
			}
		}
		// Somebody who has begun a sign-in causes one look, and then none for the pause. What the message carries is
		// never believed.
		for range 50 {
			b.forgetsTries() // a flood is not stopped by a cookie
			q := b.begin(okta)
			if a := b.answers(okta, w.answerBy(rotated(), q, 0), q.relay); a.StatusCode < 400 {
				t.Fatalf("a key in a message is believed: %d", a.StatusCode)
			}
		}
		if at.looks() != 1 {
			t.Errorf("a flood causes %d looks", at.looks())
		}
		w.browser().enters(w, nil) // the control
	})
}

func TestUnknownKey_WithoutAnAddressTheRefusalNamesTheCertificateAndWhatToDo(t *testing.T) {
	eachConnected(t, func(t *testing.T, w *world) {
		b := w.browser()
		q := b.begin(okta)
		a := b.answers(okta, w.answerBy(rotated(), q, 0), q.relay)
		w.wantRefused(a, "saml_refused", saml.ReasonUnknownKey)
		e, _ := w.refused()
		for _, part := range []string{otherKey().Certificate.Fingerprint(), "import the metadata again"} {
			if !strings.Contains(string(e.Payload), part) {
				t.Errorf("the event does not say %q: %s", part, e.Payload)
			}
		}
		if strings.Contains(a.body, otherKey().Certificate.Fingerprint()) {
			t.Error("a stranger is told")
		}
	})
}

// A new key that signs a logout first is looked for, where the message names a session that nobody but the IdP has a name
// for, or answers a sign-out of ours. Else nobody is called.
func TestUnknownKey_ALogoutByANewKeyEndsTheSessionThatOnlyTheIdPCanName(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		at := w.watch()
		at.set(rotated())
		b := w.browser()
		b.entersAs(w, "_index-of-the-idp", bobsName)
		by := func(idp *samltest.IdP, indexes ...string) answer {
			l := w.logout(indexes...)
			return w.browser().get(oktaLogout + "?" + idp.RedirectLogout(l, ""))
		}
		stranger := samltest.NewIdP("https://evil.example/", otherKey())
		evil := w.logout("_index-of-the-idp")
		evil.Issuer = stranger.EntityID
		for name, a := range map[string]answer{
			"no index":         by(rotated()),
			"an unknown index": by(rotated(), "_guessed"),
			"another issuer":   w.browser().get(oktaLogout + "?" + stranger.RedirectLogout(evil, "")),
			"an answer to nothing": w.browser().get(oktaLogout + "?" + rotated().RedirectLogout(
				rotated().LogoutResponse(w.PublicURL+oktaLogout, "_"+strings.Repeat("a", 40), w.clock.now()), "_"+strings.Repeat("a", 40))),
		} {
			if a.StatusCode < 400 || a.StatusCode > 499 || at.looks() != 0 {
				t.Errorf("%s is answered %d after %d looks", name, a.StatusCode, at.looks())
			}
		}
		if !b.signedIn() {
			t.Fatal("the session has ended")
		}
		if a := by(rotated(), "_index-of-the-idp"); b.signedIn() || at.looks() != 1 || !strings.HasPrefix(a.to(), sloRedirect) && !strings.HasPrefix(a.to(), sloAnswers) {
			t.Errorf("the IdP's logout by its new key is answered %d to %q after %d looks", a.StatusCode, a.to(), at.looks())
		}
	})
}

func TestUnknownKey_AnswersToOurLogoutByANewKeyAreTaken(t *testing.T) {
	eachLeaving(t, func(t *testing.T, w *world) {
		at := w.watch()
		at.set(rotated())
		b := w.browser()
		b.entersAs(w, "_one", bobsName)
		l, _ := b.leaves(w)
		answer := rotated().LogoutResponse(w.PublicURL+oktaLogout, l.ID, w.clock.now())
		a := b.get(oktaLogout + "?" + rotated().RedirectLogout(answer, l.ID))
		if a.StatusCode != http.StatusSeeOther || at.looks() != 1 {
			t.Errorf("answered %d to %q after %d looks: %s", a.StatusCode, a.to(), at.looks(), a.body)
		}
	})
}
